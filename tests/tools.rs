//! The subcommands beside `run`, as an operator uses them: exit codes, and what their output must and must not say.

mod support;

use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};

use support::sidecar::binary;
use support::upstream::PASSWORD;
use support::{Frame, MARKER, Sidecar, Upstream, free_port, secret};

const FAILED: Option<i32> = Some(1);
const UNAVAILABLE: Option<i32> = Some(69);

fn tool(name: &str, config: &Path, more: &[&str]) -> Output {
    let output = binary()
        .args([name, "--config"])
        .arg(config)
        .args(more)
        .env("WAXSEAL_UPSTREAM_PASSWORD", PASSWORD)
        .output()
        .expect("run");
    assert!(!text(&output).contains(PASSWORD), "{name} shows the password");
    output
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn health_tells_whether_the_sidecar_answers() {
    let upstream = Upstream::start();
    let mut sidecar = Sidecar::start(&upstream);
    let config = sidecar.dir().join("waxseal.toml");
    let output = tool("health", &config, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    sidecar.terminate();
    sidecar.wait_for_exit();
    let output = tool("health", &config, &[]);
    assert!([FAILED, UNAVAILABLE].contains(&output.status.code()), "{}", text(&output));
}

#[test]
fn doctor_finds_what_is_wrong_and_leaves_nothing_behind() {
    let mut upstream = Upstream::start();
    let sidecar = Sidecar::start(&upstream);
    let config = sidecar.dir().join("waxseal.toml");
    let output = tool("doctor", &config, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(upstream.raw().run("DBSIZE"), Frame::Integer(0), "doctor left keys behind");

    upstream.raw().run("CONFIG SET requirepass another");
    let output = tool("doctor", &config, &[]);
    assert_eq!(output.status.code(), UNAVAILABLE, "{}", text(&output));
    upstream.stop();
    let output = tool("doctor", &config, &[]);
    assert_eq!(output.status.code(), UNAVAILABLE, "{}", text(&output));
}

#[test]
fn check_shows_what_is_protected() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start(&upstream);
    let config = sidecar.dir().join("waxseal.toml");
    let output = tool("check", &config, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    for word in ["sessions", "session:*", "users", "user:*"] {
        assert!(text(&output).contains(word), "no word of {word} in:\n{}", text(&output));
    }
    assert!(text(&tool("check", &config, &["--key", "session:1"])).contains("sessions"));
    let broken = sidecar.dir().join("broken.toml");
    std::fs::write(&broken, "[upstream]\nurl = \"http://h\"\n").expect("write");
    assert_eq!(tool("check", &broken, &[]).status.code(), Some(78));
}

#[test]
fn explain_says_what_the_database_gets() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start(&upstream);
    let config = sidecar.dir().join("waxseal.toml");
    let output = tool("explain", &config, &["SET", "session:1", MARKER, "EX", "60"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).contains("database  gets SET session:1 (encrypted, "), "{}", text(&output));
    assert!(!text(&output).contains(MARKER));
    let output = tool("explain", &config, &["INCRBY", "session:1", "-5"]);
    assert!(text(&output).contains("costs     2 commands of the database"), "{}", text(&output));
    let output = tool("explain", &config, &["PFADD", "session:1", MARKER]);
    assert_eq!(output.status.code(), FAILED, "{}", text(&output));
    assert!(text(&output).contains("refused   WAXSEAL COMMAND_REFUSED") && !text(&output).contains(MARKER));
    assert_eq!(upstream.raw().run("DBSIZE"), Frame::Integer(0), "nothing is sent");
}

#[test]
fn inspect_opens_a_stored_value_only_in_its_place() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start(&upstream);
    sidecar.connect().command(&[b"SET", b"session:a", &secret("inspected")]);
    let envelope = upstream.raw().run("GET session:a").bytes();
    let keyring = sidecar.keyring().display().to_string();
    let header = inspect(&envelope, &[]);
    assert_eq!(header.status.code(), Some(0), "{}", text(&header));
    let opened = inspect(&envelope, &["--keyring", &keyring, "--key", "session:a"]);
    assert_eq!(opened.status.code(), Some(0), "{}", text(&opened));
    assert!(!text(&opened).contains(MARKER), "the value is shown without --reveal");
    let revealed = inspect(&envelope, &["--keyring", &keyring, "--key", "session:a", "--reveal"]);
    assert_eq!(revealed.stdout, secret("inspected"));
    let elsewhere = inspect(&envelope, &["--keyring", &keyring, "--key", "session:b", "--reveal"]);
    assert_eq!(elsewhere.status.code(), FAILED, "{}", text(&elsewhere));
    assert_eq!(inspect(b"not an envelope", &[]).status.code(), FAILED);
}

fn inspect(envelope: &[u8], args: &[&str]) -> Output {
    let mut child = binary()
        .arg("inspect")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("run");
    child.stdin.take().expect("piped").write_all(envelope).expect("write");
    child.wait_with_output().expect("inspect")
}

#[test]
fn demo_shows_both_sides_and_cleans_up() {
    let output = binary().args(["demo", "--once", "--listen", &format!("127.0.0.1:{}", free_port())]).output();
    let output = output.expect("run");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
}
