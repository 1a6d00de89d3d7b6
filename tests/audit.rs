//! The audit log of a running sidecar: what stands in it, that nothing else does, and that tampering shows.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;
use support::http::request;
use support::sidecar::{Settings, binary};
use support::{Frame, MARKER, Sidecar, Upstream, contains, free_port, wait_until};
use tempfile::TempDir;

struct Log {
    dir: TempDir,
}

impl Log {
    fn new() -> Self {
        let log = Self { dir: TempDir::new().unwrap() };
        let made = binary().args(["audit", "key", "--out"]).arg(log.key()).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        log
    }

    fn key(&self) -> PathBuf {
        self.dir.path().join("audit.key")
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("audit.log")
    }

    fn settings(&self, settings: &mut Settings, more: &str) {
        settings.more = format!(
            "[audit]\nfile = '{}'\nkey_file = '{}'\ninterval = '1s'\n{more}\n",
            self.path().display(),
            self.key().display()
        );
    }

    fn lines(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.path()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn of(&self, event: &str) -> Vec<Value> {
        self.lines().into_iter().filter(|line| line["event"] == event).collect()
    }

    fn verify(&self, more: &[&str]) -> Output {
        let mut command = binary();
        command.args(["audit", "verify", "--file"]).arg(self.path()).arg("--key-file").arg(self.key());
        command.args(more).output().unwrap()
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

fn stop(mut sidecar: Sidecar) {
    sidecar.terminate();
    assert!(sidecar.wait_for_exit().success());
}

#[test]
fn what_was_done_refused_and_failed_is_written_and_nothing_else() {
    let upstream = Upstream::start();
    let log = Log::new();
    let sidecar = Sidecar::start_with(&upstream, |settings| log.settings(settings, "keys = 'hashed'"));
    let mut client = sidecar.connect();
    for _ in 0..3 {
        client.run(&format!("SET session:secret-name {MARKER}"));
    }
    assert_eq!(client.run("GET session:secret-name"), Frame::bulk(MARKER));
    client.run(&format!("SET plain:1 {MARKER}"));
    assert!(client.run("SYNC").is_error("WAXSEAL NEVER"));
    client.run("CLIENT SETINFO LIB-NAME walrus");
    client.run("FLUSHDB");
    upstream.raw().run("SET session:forged nonsense");
    assert!(client.run("GET session:forged").is_error("WAXSEAL OPEN_FAILED"));
    drop(client);
    stop(sidecar);

    let access = log.of("access");
    let count = |class: &str| -> u64 {
        let of = |line: &&Value| line["class"] == class && line["rule"] == "sessions";
        access.iter().filter(of).map(|line| line["count"].as_u64().unwrap()).sum()
    };
    assert_eq!((count("write"), count("read")), (3, 2), "{access:?}");
    assert!(access.iter().all(|line| line["key_hash"].is_string() && line["identity"] == "default"), "{access:?}");
    assert_eq!(log.of("refused")[0]["command"], "sync");
    assert_eq!(log.of("administrative")[0]["command"], "flushdb");
    assert_eq!(log.of("open_failed")[0]["count"], 1);
    assert_eq!(log.of("library")[0]["text"], "walrus");
    assert!(log.of("connected")[0]["address"].as_str().unwrap().starts_with("127.0.0.1:"));
    assert_eq!((log.of("started").len(), log.of("stopping").len()), (1, 1));
    let text = fs::read(log.path()).unwrap();
    for secret in [MARKER, "secret-name", "session:forged", support::upstream::PASSWORD] {
        assert!(!contains(&text, secret.as_bytes()), "{secret} is in the audit log");
    }
    let verified = log.verify(&[]);
    assert!(verified.status.success(), "{}", said(&verified));
}

#[test]
fn keys_are_named_only_where_that_is_asked_for() {
    let upstream = Upstream::start();
    for (setting, named) in [("", false), ("keys = 'clear'", true)] {
        let log = Log::new();
        let sidecar = Sidecar::start_with(&upstream, |settings| log.settings(settings, setting));
        sidecar.connect().run(&format!("SET session:whose {MARKER}"));
        stop(sidecar);
        let access = log.of("access");
        assert_eq!(access[0]["key"] == "session:whose", named, "{access:?}");
        assert_eq!(contains(&fs::read(log.path()).unwrap(), b"whose"), named);
    }
}

#[test]
fn tampering_shows_and_stops_the_next_start() {
    let upstream = Upstream::start();
    let log = Log::new();
    let start = || Sidecar::start_with(&upstream, |settings| log.settings(settings, ""));
    for _ in 0..2 {
        let sidecar = start();
        sidecar.connect().run("SET session:1 x");
        stop(sidecar);
    }
    let sound = log.verify(&[]);
    assert!(sound.status.success(), "{}", said(&sound));

    let text = fs::read_to_string(log.path()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let spoil = |changed: Vec<&str>| fs::write(log.path(), changed.join("\n") + "\n").unwrap();
    spoil([&lines[..2], &lines[3..]].concat());
    let removed = log.verify(&[]);
    assert_eq!(removed.status.code(), Some(1));
    assert!(said(&removed).contains("lines were removed"), "{}", said(&removed));
    spoil(lines[..lines.len() - 1].to_vec());
    let cut = log.verify(&[]);
    assert!(!cut.status.success() && said(&cut).contains("cut off"), "{}", said(&cut));

    let config = log.dir.path().join("waxseal.toml");
    let ended = refuses_to_start(&upstream, &log, &config);
    assert!(ended.contains("lines were removed") && ended.contains("audit verify"), "{ended}");
    fs::write(log.path(), &text).unwrap();
    stop(start());
    assert!(log.verify(&[]).status.success());
}

/// What a sidecar says that does not start with this log.
fn refuses_to_start(upstream: &Upstream, log: &Log, config: &Path) -> String {
    let text = format!(
        "[listen]\nredis = ['127.0.0.1:{}']\n[upstream]\nurl = '{}'\nca_file = '{}'\n[audit]\nfile = '{}'\nkey_file = '{}'\n",
        support::free_port(),
        upstream.url(),
        upstream.certs.ca.display(),
        log.path().display(),
        log.key().display()
    );
    fs::write(config, text).unwrap();
    let mut command = binary();
    command.args(["run", "--config"]).arg(config).env("WAXSEAL_UPSTREAM_PASSWORD", support::upstream::PASSWORD);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    said(&output)
}

#[test]
fn a_log_that_cannot_be_written_holds_nobody_up_and_says_so_later() {
    let upstream = Upstream::start();
    let log = Log::new();
    let sidecar = Sidecar::start_with(&upstream, |settings| log.settings(settings, ""));
    let mut client = sidecar.connect();
    client.run("SET session:1 x");
    wait_until("the first line", || fs::read_to_string(log.path()).is_ok_and(|text| text.contains("access")));
    // A file that may not grow, as on a full disk.
    let limit = |bytes: &str| {
        let pid = sidecar.pid().to_string();
        let done = std::process::Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={bytes}:")]).status();
        assert!(done.unwrap().success());
    };
    limit(&fs::metadata(log.path()).unwrap().len().to_string());
    client.run("SET session:2 x");
    wait_until("the fault is logged", || sidecar.stderr().contains("the audit log cannot be written"));
    assert_eq!(client.run("GET session:2"), Frame::bulk("x"));
    limit("unlimited");
    wait_until("it goes on", || fs::read_to_string(log.path()).is_ok_and(|text| text.contains("\"event\":\"lost\"")));
    stop(sidecar);
    let verified = log.verify(&[]);
    assert!(verified.status.success() && said(&verified).contains("there was no room"), "{}", said(&verified));
}

#[test]
fn a_key_file_is_never_overwritten_and_a_wrong_one_is_told() {
    let log = Log::new();
    let again = binary().args(["audit", "key", "--out"]).arg(log.key()).output().unwrap();
    assert!(!again.status.success() && said(&again).contains("left as it is"), "{}", said(&again));
    let key = fs::read_to_string(log.key()).unwrap();
    assert!(!said(&again).contains(key.trim()));
    let config = log.dir.path().join("waxseal.toml");
    fs::write(&config, "[upstream]\nurl = 'rediss://h'\n[audit]\nfile = 'a'\n").unwrap();
    let checked = binary().args(["check", "--config"]).arg(&config).output().unwrap();
    assert_eq!(checked.status.code(), Some(78));
    assert!(said(&checked).contains("waxseal audit key"), "{}", said(&checked));
}

#[test]
fn a_change_of_log_levels_is_written_and_a_watched_sidecar_ends_its_log_as_any_other() {
    let (upstream, log, admin) = (Upstream::start(), Log::new(), free_port());
    let sidecar = Sidecar::start_with(&upstream, |settings| {
        settings.listen = format!("admin = \"127.0.0.1:{admin}\"\n");
        log.settings(settings, "");
    });
    assert_eq!(request(admin, "PUT", "/log", &[("host", "localhost")], "warn").status, 200);
    stop(sidecar);
    let lines = log.of("log_levels");
    assert_eq!((lines.len(), &lines[0]["text"]), (1, &Value::from("warn")));
    let verified = log.verify(&[]);
    assert!(verified.status.success(), "{}", said(&verified));
}
