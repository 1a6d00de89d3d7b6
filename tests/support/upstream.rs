//! A real redis-server: TLS for the sidecar, a plain loopback port for looking at what it stores.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::certs::Certs;
use super::raw::{Frame, Raw};
use super::{contains, free_port, wait_until};

pub const PASSWORD: &str = "upstream-password-for-tests";

/// How often to start again when somebody else took a port between choosing and binding it.
const START_TRIES: usize = 5;

pub struct Upstream {
    server: Option<Child>,
    program: PathBuf,
    /// Whether it has TLS; else there is the plain port only.
    tls: bool,
    dir: TempDir,
    /// Further lines of redis.conf.
    more: String,
    pub certs: Certs,
    pub tls_port: u16,
    pub plain_port: u16,
}

impl Upstream {
    pub fn start() -> Self {
        Self::start_for(&["localhost", "127.0.0.1"])
    }

    /// With the module RedisJSON, if it is installed; if not, it says so.
    pub fn start_with_json() -> Option<Self> {
        let module = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/lib/rejson.so");
        if !module.exists() {
            eprintln!("SKIPPED: RedisJSON is not installed. Run `make setup`");
            return None;
        }
        let mut upstream = Self::prepare(&["localhost", "127.0.0.1"]);
        upstream.more = format!("loadmodule {}\n", module.display());
        Some(upstream.started())
    }

    /// With a certificate for `names`.
    pub fn start_for(names: &[&str]) -> Self {
        Self::prepare(names).started()
    }

    fn started(mut self) -> Self {
        for _ in 0..START_TRIES {
            if self.try_launch() {
                return self;
            }
            (self.tls_port, self.plain_port) = (free_port(), free_port());
        }
        panic!("redis-server does not start:\n{}", self.log());
    }

    /// Everything but the server itself, for a test that begins with the upstream down.
    pub fn prepare(names: &[&str]) -> Self {
        let dir = TempDir::new().expect("temporary directory");
        let certs = Certs::write(dir.path(), names);
        let program = "redis-server".into();
        Self {
            server: None,
            program,
            tls: true,
            dir,
            more: String::new(),
            certs,
            tls_port: free_port(),
            plain_port: free_port(),
        }
    }

    /// One of the other servers that `make setup` puts beside Python; they have no TLS.
    pub fn start_other(name: &str) -> Self {
        let mut upstream = Self::prepare(&["127.0.0.1"]);
        upstream.program = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin").join(name);
        upstream.tls = false;
        upstream.started()
    }

    /// Starts the server, on the same ports each time.
    pub fn launch(&mut self) {
        assert!(self.try_launch(), "redis-server does not start:\n{}", self.log());
    }

    /// Ends the server at once, as a crash would.
    pub fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }

    fn try_launch(&mut self) -> bool {
        let config = self.dir.path().join("redis.conf");
        // rdbcompression: a DUMP payload shows what it holds, so that the search for plaintext can trust it.
        let text = format!(
            "bind 127.0.0.1\nport {}\n{}requirepass {PASSWORD}\nsave \"\"\nappendonly no\nrdbcompression no\ndir {}\n\
             logfile {}\nenable-debug-command yes\n{}",
            self.plain_port,
            if self.tls { self.tls_settings() } else { String::new() },
            self.dir.path().display(),
            self.log_file().display(),
            self.more,
        );
        std::fs::write(&config, text).expect("write redis.conf");
        let server = Command::new(&self.program)
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server is missing: run `make setup`");
        self.server = Some(server);
        let (mut alive, port) = (true, if self.tls { self.tls_port } else { self.plain_port });
        wait_until("redis-server starts", || {
            alive = self.server.as_mut().expect("just set").try_wait().expect("wait").is_none();
            !alive || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        alive
    }

    fn tls_settings(&self) -> String {
        format!(
            "tls-port {}\ntls-cert-file {}\ntls-key-file {}\ntls-ca-cert-file {}\ntls-auth-clients no\n",
            self.tls_port,
            self.certs.certificate.display(),
            self.certs.key.display(),
            self.certs.ca.display(),
        )
    }

    /// A connection past the sidecar, logged in.
    pub fn raw(&self) -> Raw {
        let mut raw = Raw::tcp(self.plain_port);
        assert_eq!(raw.command(&[b"AUTH", PASSWORD.as_bytes()]), Frame::ok());
        raw
    }

    pub fn url(&self) -> String {
        match self.tls {
            true => format!("rediss://default@127.0.0.1:{}", self.tls_port),
            false => format!("redis://default@127.0.0.1:{}", self.plain_port),
        }
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// How often each command ran since CONFIG RESETSTAT, by name as INFO gives it ("client|setname").
    pub fn command_counts(&self) -> BTreeMap<String, u64> {
        let info = self.raw().run("INFO commandstats").bytes();
        String::from_utf8_lossy(&info)
            .lines()
            .filter_map(|line| line.strip_prefix("cmdstat_")?.split_once(":calls="))
            .map(|(name, rest)| (name.to_string(), rest.split(',').next().unwrap_or("").parse().unwrap_or(0)))
            .collect()
    }

    /// Every key of the databases 0 to 3 with all that its value holds, read past the sidecar.
    pub fn everything(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut raw = self.raw();
        let mut found = Vec::new();
        for database in 0..4 {
            assert_eq!(raw.run(&format!("SELECT {database}")), Frame::ok());
            for key in raw.run("KEYS *").items() {
                let key = key.bytes();
                let mut value = raw.command(&[b"DUMP", &key]).bytes();
                match raw.command(&[b"TYPE", &key]).bytes().as_slice() {
                    b"string" => value.extend(raw.command(&[b"GET", &key]).bytes()),
                    b"hash" => {
                        value.extend(raw.command(&[b"HGETALL", &key]).items().into_iter().flat_map(Frame::bytes))
                    }
                    _ => {}
                }
                found.push((key, value));
            }
        }
        found
    }

    /// Panics when any stored value contains `marker`.
    pub fn assert_nothing_stored_contains(&self, marker: &str) {
        for (key, value) in self.everything() {
            assert!(
                !contains(&value, marker.as_bytes()),
                "in clear in the database: {}",
                String::from_utf8_lossy(&key)
            );
        }
    }

    fn log_file(&self) -> PathBuf {
        self.dir.path().join("redis.log")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.stop();
    }
}
