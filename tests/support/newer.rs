//! A server of a later version, which speaks no TLS, on a loopback port. Ended with the test.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::raw::Raw;
use super::sidecar::{Settings, Sidecar};
use super::upstream::Upstream;
use super::{free_port, wait_until};

pub const REDIS_8_2: &str = "redis-server-8.2";
pub const VALKEY_9_1: &str = "valkey-server-9.1";

pub struct Newer {
    process: Child,
    pub port: u16,
    _dir: TempDir,
}

impl Newer {
    /// `None`, said aloud, where it is not installed.
    pub fn start(binary: &str) -> Option<Self> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin").join(binary);
        let dir = TempDir::new().expect("temporary directory");
        let port = free_port();
        let started = Command::new(path)
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .current_dir(dir.path())
            .stdout(Stdio::null())
            .spawn();
        let Ok(process) = started else {
            println!("SKIPPED: {binary} is not installed; `make setup` does it");
            return None;
        };
        let newer = Self { process, port, _dir: dir };
        wait_until("the server starts", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Some(newer)
    }

    /// A connection past the sidecar.
    pub fn raw(&self) -> Raw {
        Raw::tcp(self.port)
    }

    /// A sidecar in front of it.
    pub fn sidecar(&self, change: impl FnOnce(&mut Settings)) -> Sidecar {
        let unused = Upstream::prepare(&["127.0.0.1"]);
        Sidecar::start_with(&unused, |settings| {
            settings.url = format!("redis://default@127.0.0.1:{}", self.port);
            change(settings);
        })
    }
}

impl Drop for Newer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
