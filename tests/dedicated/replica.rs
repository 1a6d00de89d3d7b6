//! A replica that can be stopped for a while, and a pair of servers newer than the one with TLS.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::support::upstream::PASSWORD;
use crate::support::{Frame, Raw, Sidecar, Upstream, free_port, wait_until};

/// A server process that ends with the test, also if it is stopped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub struct Replica {
    process: Process,
    _dir: TempDir,
}

impl Replica {
    pub fn of(upstream: &Upstream) -> Self {
        Self::start(Path::new("redis-server"), upstream.plain_port, upstream.raw())
    }

    /// Started, and known to its primary, which `raw` is connected to.
    fn start(binary: &Path, primary: u16, mut raw: Raw) -> Self {
        assert_eq!(raw.run("CONFIG SET repl-diskless-sync-delay 0"), Frame::ok());
        let dir = TempDir::new().expect("temporary directory");
        let (port, primary) = (free_port().to_string(), format!("127.0.0.1 {primary}"));
        let process = launch(binary, &port, &["--replicaof", &primary, "--masterauth", PASSWORD], &dir);
        wait_until("the replica is there", || {
            let info = String::from_utf8(raw.run("INFO replication").bytes()).expect("text");
            info.contains("state=online") && info.contains("connected_slaves:1")
        });
        // It has acknowledged something by then, and does so again each second.
        assert_eq!((raw.run("SET first 1"), raw.run("WAIT 1 5000")), (Frame::ok(), Frame::Integer(1)));
        Self { process, _dir: dir }
    }

    /// It stays connected and acknowledges nothing.
    pub fn pause(&self) {
        self.signal("-STOP");
        std::thread::sleep(Duration::from_millis(50));
    }

    pub fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.process.0.id().to_string()]).status().expect("kill");
        assert!(sent.success());
    }
}

/// Redis 8.2, which has no TLS here.
pub struct Modern {
    _process: Process,
    _dir: TempDir,
    pub port: u16,
    upstream: Upstream,
}

impl Modern {
    /// A primary and its replica; `None` if it is not installed.
    pub fn pair() -> Option<(Self, Replica)> {
        let primary = Self::start()?;
        let replica = Replica::start(&Self::binary(), primary.port, primary.raw());
        Some((primary, replica))
    }

    fn binary() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/redis-server-8.2")
    }

    pub fn start() -> Option<Self> {
        let binary = Self::binary();
        if !binary.exists() {
            eprintln!("SKIPPED: redis-server-8.2 is not installed. Run `make setup`");
            return None;
        }
        let dir = TempDir::new().expect("temporary directory");
        let port = free_port();
        let process = launch(&binary, &port.to_string(), &["--requirepass", PASSWORD], &dir);
        wait_until("it starts", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        Some(Self { _process: process, _dir: dir, port, upstream: Upstream::prepare(&["localhost"]) })
    }

    pub fn sidecar(&self) -> Sidecar {
        Sidecar::start_with(&self.upstream, |settings| {
            settings.url = format!("redis://default@127.0.0.1:{}", self.port);
            settings.more = "[server]\nworkers = 1\n".into();
        })
    }

    pub fn raw(&self) -> Raw {
        let mut raw = Raw::tcp(self.port);
        assert_eq!(raw.command(&[b"AUTH", PASSWORD.as_bytes()]), Frame::ok());
        raw
    }
}

fn launch(binary: &Path, port: &str, more: &[&str], dir: &TempDir) -> Process {
    let common = ["--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
    let child = Command::new(binary)
        .args(common)
        .args(more)
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Process(child.expect("a redis-server"))
}

/// The number of the client whose last command this is.
pub fn client_id(observer: &mut Raw, command: &str) -> u64 {
    let list = String::from_utf8(observer.run("CLIENT LIST").bytes()).expect("text");
    let line = list.lines().find(|line| line.contains(&format!("cmd={command} "))).expect("it is listed");
    line.split(' ').next().and_then(|id| id.strip_prefix("id=")?.parse().ok()).expect("a number")
}
