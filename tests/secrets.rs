//! Nothing that the process ever writes or shows has a secret, a value or a key's name in it, and its memory is nobody's to read.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};

use support::http::get;
use support::raw::Raw;
use support::sidecar::{binary, keygen};
use support::upstream::PASSWORD;
use support::{MARKER, Upstream, contains, free_port, wait_until};
use tempfile::TempDir;

const ADMIN_TOKEN: &str = "admin-token-0123456789abcdef0123456789";
const CLIENT_PASSWORD: &str = "wrong-password-of-a-client";
const KEY: &str = "session:whose-name-is-private";

/// Every text of 32 or more characters in a file of JSON: the secrets of a keyring.
fn secrets_of(json: &str) -> Vec<String> {
    json.split('"').filter(|text| text.len() >= 40).map(String::from).collect()
}

#[test]
fn no_secret_anywhere() {
    let upstream = Upstream::start();
    let dir = TempDir::new().unwrap();
    let path = |name: &str| dir.path().join(name);
    keygen(&path("keyring.json"));
    let keyring = fs::read_to_string(path("keyring.json")).unwrap();
    let made = binary().args(["audit", "key", "--out"]).arg(path("audit.key")).output().unwrap();
    assert!(made.status.success());
    let audit_key = fs::read_to_string(path("audit.key")).unwrap();
    let (port, admin) = (free_port(), free_port());
    let config = format!(
        "[listen]\nredis = ['127.0.0.1:{port}']\nadmin = '127.0.0.1:{admin}'\n[upstream]\nurl = '{}'\nca_file = '{}'\n\
         [[encrypt]]\nid = 'all'\nkeys = ['*']\n[audit]\nfile = 'audit.log'\nkeys = 'hashed'\ninterval = '1s'\n\
         [log]\nlevel = 'trace'\n",
        upstream.url(),
        upstream.certs.ca.display()
    );
    fs::write(path("waxseal.toml"), config).unwrap();
    let stderr = fs::File::create(path("stderr")).unwrap();
    let mut process = binary()
        .args(["run", "--config"])
        .arg(path("waxseal.toml"))
        .env("WAXSEAL_UPSTREAM_PASSWORD", PASSWORD)
        .env("WAXSEAL_KEYRING", &keyring)
        .env("WAXSEAL_AUDIT_KEY", audit_key.trim())
        .env("WAXSEAL_LISTEN_ADMIN_TOKEN", ADMIN_TOKEN)
        .stdout(fs::File::create(path("stdout")).unwrap())
        .stderr(stderr)
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let pid = process.id();
    wait_until("the sidecar accepts connections", || fs::read_to_string(path("stderr")).unwrap().contains("accepting"));

    let mut client = Raw::tcp(port);
    client.run(&format!("SET {KEY} {MARKER}"));
    client.run(&format!("GET {KEY}"));
    client.run(&format!("AUTH {CLIENT_PASSWORD}"));
    client.run(&format!("AUTH default {PASSWORD}"));
    client.run(&format!("SETRANGE {KEY} -1 {MARKER}"));
    client.run(&format!("NOSUCH {KEY} {MARKER}"));
    client.run(&format!("EVAL return({MARKER} 1 {KEY}"));
    upstream.raw().run(&format!("SET {KEY} {MARKER}"));
    client.run(&format!("GET {KEY}"));
    let mut garbage = Raw::tcp(port);
    garbage.send(format!("*1\r\n$99999999999\r\n{MARKER}\r\n").as_bytes());
    let mut shown = BTreeMap::new();
    for page in ["/metrics", "/status.json", "/", "/readyz"] {
        shown.insert(page.to_owned(), get(admin, page).body.into_bytes());
    }
    for file in ["cmdline", "environ", "comm"] {
        shown.insert(file.to_owned(), fs::read(format!("/proc/{pid}/{file}")).unwrap());
    }
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let cores = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap().to_owned();
    assert_eq!(cores.split_whitespace().filter(|word| *word == "0").count(), 2, "{cores}");
    wait_until("the audit log has its lines", || {
        fs::read_to_string(path("audit.log")).unwrap().contains("open_failed")
    });
    assert!(Command::new("kill").args(["-TERM", &pid.to_string()]).status().unwrap().success());
    assert!(process.wait().unwrap().success());
    for file in ["stderr", "stdout", "audit.log", "audit.log.anchor"] {
        shown.insert(file.to_owned(), fs::read(path(file)).unwrap());
    }

    let mut secrets = secrets_of(&keyring);
    assert!(secrets.len() >= 4, "a salt and three roots");
    secrets.extend([PASSWORD, ADMIN_TOKEN, CLIENT_PASSWORD, MARKER, KEY, audit_key.trim()].map(String::from));
    for (place, text) in &shown {
        for secret in &secrets {
            assert!(!contains(text, secret.as_bytes()), "{place} has {secret} in it");
        }
    }
}
