//! `waxseal doctor` and `waxseal health` against what they are for: an upstream that is well, and those that are not.

mod support;

use std::net::TcpListener;
use std::path::Path;
use std::process::Output;

use support::sidecar::{binary, keygen};
use support::upstream::PASSWORD;
use support::{Frame, Raw, Sidecar, Upstream, free_port};
use tempfile::TempDir;

struct Doctor<'a> {
    url: String,
    ca: Option<&'a Path>,
    password: &'a str,
    more: Vec<String>,
}

/// Asks the doctor; exit code and all that it said.
fn ask(doctor: &Doctor<'_>) -> (i32, String) {
    let dir = TempDir::new().expect("directory");
    let keyring = dir.path().join("keyring.json");
    keygen(&keyring);
    let mut command = binary();
    command.args(["doctor", "--upstream", &doctor.url, "--encrypt", "session:*", "--keyring"]).arg(&keyring);
    if let Some(ca) = doctor.ca {
        command.arg("--ca-file").arg(ca);
    }
    command.args(&doctor.more).env("WAXSEAL_UPSTREAM_PASSWORD", doctor.password);
    let output = command.output().expect("run");
    let text = said(&output);
    assert!(!text.contains(doctor.password), "the password is shown");
    (output.status.code().expect("an exit code"), text)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn well(upstream: &Upstream) -> Doctor<'_> {
    Doctor { url: upstream.url(), ca: Some(&upstream.certs.ca), password: PASSWORD, more: Vec::new() }
}

/// The step that failed, the only one.
fn failed(text: &str) -> String {
    let failed: Vec<&str> = text.lines().filter_map(|line| line.trim().strip_prefix("FAILED ")).collect();
    assert_eq!(failed.len(), 1, "{text}");
    failed[0].split("  ").next().unwrap_or_default().to_owned()
}

#[test]
fn an_upstream_that_is_well() {
    let upstream = Upstream::start();
    let (code, text) = ask(&well(&upstream));
    assert_eq!(code, 0, "{text}");
    for expected in ["log in", "Redis ", "MULTI yes, RESP3 yes", "opened with key", "All is well."] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    assert_eq!(upstream.raw().run("DBSIZE"), Frame::Integer(0), "the doctor left a key behind");
}

#[test]
fn each_fault_is_named_with_its_mend() {
    let upstream = Upstream::start();
    let elsewhere = Upstream::prepare(&["localhost"]);

    let (code, text) = ask(&Doctor { password: "another-password-than-that", ..well(&upstream) });
    assert_eq!((code, &*failed(&text)), (69, "log in"), "{text}");
    assert!(text.contains("WAXSEAL_UPSTREAM_PASSWORD") && text.contains("default_ro"), "{text}");

    let (code, text) = ask(&Doctor { ca: None, ..well(&upstream) });
    assert_eq!((code, &*failed(&text)), (69, "TLS"), "{text}");
    assert!(text.contains("--ca-file"), "{text}");

    let (code, text) = ask(&Doctor { ca: Some(&elsewhere.certs.ca), ..well(&upstream) });
    assert_eq!((code, &*failed(&text)), (69, "TLS"), "{text}");
    assert!(text.contains("ca_file is out of date, or that of another installation"), "{text}");

    let (code, text) = ask(&Doctor { url: format!("rediss://default@127.0.0.1:{}", free_port()), ..well(&upstream) });
    assert_eq!((code, &*failed(&text)), (69, "connect"), "{text}");
    assert!(text.contains("nothing listens on 127.0.0.1:"), "{text}");

    let plain = format!("rediss://default@127.0.0.1:{}", upstream.plain_port);
    let (code, text) = ask(&Doctor { url: plain, more: Vec::new(), ..well(&upstream) });
    assert_eq!((code, &*failed(&text)), (69, "TLS"), "{text}");
    assert!(text.contains("does not speak TLS on this port"), "{text}");

    let (code, text) = ask(&Doctor { url: "rediss://default@waxseal.invalid:1".into(), ..well(&upstream) });
    assert_eq!((code, &*failed(&text)), (69, "resolve the name"), "{text}");

    let (code, text) = ask(&Doctor { url: "nonsense".into(), ..well(&upstream) });
    assert_eq!((code, &*failed(&text)), (78, "configuration"), "{text}");
}

#[test]
fn a_certificate_for_another_name() {
    let upstream = Upstream::start_for(&["db.example"]);
    let (code, text) = ask(&well(&upstream));
    assert_eq!((code, &*failed(&text)), (69, "TLS"), "{text}");
    assert!(text.contains("db.example") && text.contains("server_name"), "{text}");
}

#[test]
fn a_user_who_may_not_write_is_no_fault() {
    let upstream = Upstream::start();
    let acl = "ACL SETUSER reader on >a-password-of-the-reader ~* +@read +@connection +info +multi +exec";
    assert_eq!(upstream.raw().run(acl), Frame::ok());
    let url = format!("rediss://reader@127.0.0.1:{}", upstream.tls_port);
    let (code, text) = ask(&Doctor { url, password: "a-password-of-the-reader", ..well(&upstream) });
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("as user reader") && text.contains("may not write"), "{text}");
}

/// Exit code and words of `waxseal health`.
fn health(listen: &str) -> (Option<i32>, String) {
    let output = binary().args(["health", "--timeout", "1", "--listen", listen]).output().expect("run");
    (output.status.code(), said(&output))
}

#[test]
fn health_asks_the_sidecar_and_not_the_database() {
    let mut upstream = Upstream::start();
    let sidecar = Sidecar::start(&upstream);
    let tcp = format!("127.0.0.1:{}", sidecar.port);
    let unix = format!("unix:{}", sidecar.unix_path().display());
    let config = sidecar.dir().join("waxseal.toml");
    for listen in [&tcp, &unix] {
        let (code, text) = health(listen);
        assert_eq!(code, Some(0), "{text}");
        assert!(text.contains("alive"), "{text}");
    }
    let output = binary()
        .args(["health", "--config"])
        .arg(&config)
        .env("WAXSEAL_UPSTREAM_PASSWORD", PASSWORD)
        .output()
        .expect("run");
    assert!(output.status.success(), "{}", said(&output));
    upstream.stop();
    assert_eq!(health(&tcp).0, Some(0), "an outage of the database is no reason to restart the sidecar");
    drop(sidecar);

    let (code, text) = health(&tcp);
    assert_eq!(code, Some(1));
    assert!(text.contains("nothing listens on"), "{text}");
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let (code, text) = health(&silent.local_addr().expect("address").to_string());
    assert_eq!(code, Some(1));
    assert!(text.contains("did not answer within 1 s"), "{text}");
}

#[test]
fn a_sidecar_that_wants_a_password_is_alive() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start(&upstream);
    let config = sidecar.dir().join("waxseal.toml");
    let text = std::fs::read_to_string(&config).expect("configuration");
    let port = free_port();
    let text = text
        .replace(&format!("127.0.0.1:{}", sidecar.port), &format!("127.0.0.1:{port}"))
        .replace("redis.sock", "other.sock")
        .replace("[listen]\n", "[listen]\nauth = \"required\"\n");
    let other = sidecar.dir().join("other.toml");
    std::fs::write(&other, text).expect("write");
    let child = binary()
        .args(["run", "--config"])
        .arg(&other)
        .env("WAXSEAL_UPSTREAM_PASSWORD", PASSWORD)
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("run");
    let child = Guard(child);
    support::wait_until("it listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    assert!(Raw::tcp(port).run("GET x").is_error("NOAUTH"));
    let (code, text) = health(&format!("127.0.0.1:{port}"));
    assert_eq!(code, Some(0), "{text}");
    drop(child);
}

struct Guard(std::process::Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
