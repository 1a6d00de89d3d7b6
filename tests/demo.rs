//! `waxseal demo`: what a newcomer sees, and that nothing of it is left.

mod support;

use std::io::Read as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Stdio};

use support::{Frame, Raw, contains, free_port, sidecar::binary, wait_until};
use tempfile::TempDir;

/// The processes that have `text` in their command line, or work in a directory of that name: redis-server puts a
/// title of its own over its arguments.
fn processes_with(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let works_in = std::fs::read_link(entry.path().join("cwd")).unwrap_or_default();
        if contains(&command, text.as_bytes()) || works_in.to_string_lossy().contains(text) {
            found.push(String::from_utf8_lossy(&command).replace('\0', " "));
        }
    }
    found
}

fn assert_nothing_left(dir: &Path) {
    let text = dir.display().to_string();
    wait_until("the demo's processes are gone", || processes_with(&text).is_empty());
    let files: Vec<_> = std::fs::read_dir(dir).expect("directory").flatten().map(|entry| entry.path()).collect();
    assert!(files.is_empty(), "left behind: {files:?}");
}

fn demo(dir: &Path, port: u16) -> std::process::Command {
    let mut command = binary();
    command.args(["demo", "--listen", &format!("127.0.0.1:{port}")]).env("TMPDIR", dir);
    command
}

/// The rest of a line after `title`, cut at the next two spaces: the columns of the demo's table.
fn columns(line: &str) -> Vec<&str> {
    line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()
}

#[test]
fn plaintext_for_the_application_and_ciphertext_for_the_database() {
    let dir = TempDir::new().expect("directory");
    let output = demo(dir.path(), free_port()).arg("--once").output().expect("run");
    let (told, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}{complained}");
    for (place, plaintext) in [("session:42", r#"{"user":"alice","cart":3}"#), ("user:7 email", "alice@example.com")] {
        let line = told.lines().find(|line| line.trim_start().starts_with(place)).expect("a line of the table");
        let cells = columns(line);
        assert_eq!(cells[..2], [place, plaintext], "{told}");
        assert!(cells[2].starts_with(r"\xc1WX\x11") && !cells[2].contains("alice"), "{told}");
    }
    let counter = told.lines().find(|line| line.trim_start().starts_with("page:views")).expect("a line");
    assert_eq!(columns(counter), ["page:views", "1", "1"]);
    assert!(told.contains("is encrypted with key "), "{told}");
    assert_nothing_left(dir.path());
}

/// The demo, up; killed when dropped.
struct Up(Child);

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn it_stays_up_to_be_played_with_and_a_signal_ends_it_whole() {
    let dir = TempDir::new().expect("directory");
    let port = free_port();
    let mut up = Up(demo(dir.path(), port).stdout(Stdio::piped()).spawn().expect("run"));
    let mut told = Vec::new();
    let mut stdout = up.0.stdout.take().expect("piped");
    let mut piece = [0; 4096];
    while !contains(&told, b"Ctrl-C ends it") {
        let length = stdout.read(&mut piece).expect("read");
        assert_ne!(length, 0, "it ended:\n{}", String::from_utf8_lossy(&told));
        told.extend_from_slice(&piece[..length]);
    }
    let told = String::from_utf8(told).expect("text");

    let mut application = Raw::tcp(port);
    assert_eq!(application.run("SET session:43 hello"), Frame::ok());
    assert_eq!(application.run("GET session:43"), Frame::bulk("hello"));
    assert_eq!(application.run("APPEND session:43 x"), Frame::Integer(6));
    assert!(application.run("PFADD session:list x").is_error("WAXSEAL COMMAND_REFUSED"));
    assert_eq!(application.run("INCR page:views"), Frame::Integer(2));

    // The line that looks into the database, as it is printed.
    let look = told.lines().find(|line| line.contains("--cacert")).expect("the line");
    let seen = std::process::Command::new("sh").args(["-c", look.trim()]).output().expect("run");
    assert!(seen.stdout.starts_with(b"\xC1WX"), "{}", String::from_utf8_lossy(&seen.stderr));
    assert!(!contains(&seen.stdout, b"hello"));

    // The password is in a file for its owner, and nowhere that others can see.
    let file = std::fs::read_dir(dir.path()).expect("directory").flatten().next().expect("the demo's").path();
    let password = std::fs::read_to_string(file.join("password")).expect("the password");
    assert!(password.len() >= 32 && !told.contains(&password));
    assert_eq!(processes_with(&password), Vec::<String>::new());
    assert_eq!(processes_with(&file.display().to_string()).len(), 2);

    let pid = up.0.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().expect("kill").success());
    assert!(up.0.wait().expect("wait").success());
    assert_nothing_left(dir.path());
}

#[test]
fn what_is_missing_is_said_with_the_way_out() {
    let dir = TempDir::new().expect("directory");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let output = demo(dir.path(), taken.local_addr().expect("address").port()).arg("--once").output().expect("run");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("is taken by another program") && text.contains("--listen 127.0.0.1:"), "{text}");

    let empty = TempDir::new().expect("directory");
    let output = demo(dir.path(), free_port()).env("PATH", empty.path()).output().expect("run");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("apt-get install redis-server"), "{text}");
    assert_nothing_left(dir.path());
}

#[test]
fn a_server_without_tls_is_recognised() {
    use std::os::unix::fs::PermissionsExt;
    let dir = TempDir::new().expect("directory");
    let tools = TempDir::new().expect("directory");
    let server = tools.path().join("redis-server");
    let said = "*** FATAL CONFIG FILE ERROR ***\n>>> 'tls-port 1'\nBad directive or wrong number of arguments";
    std::fs::write(&server, format!("#!/bin/sh\necho \"{said}\"\nexit 1\n")).expect("write");
    std::fs::set_permissions(&server, std::fs::Permissions::from_mode(0o755)).expect("executable");
    let path = format!("{}:{}", tools.path().display(), std::env::var("PATH").expect("PATH"));
    let output = demo(dir.path(), free_port()).env("PATH", path).output().expect("run");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("built without TLS") && text.contains("Bad directive"), "{text}");
    assert_nothing_left(dir.path());
}
