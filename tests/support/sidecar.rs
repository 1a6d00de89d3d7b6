//! The sidecar as its users run it: the built binary, a configuration file, a keyring of its own keygen.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use tempfile::TempDir;

use super::raw::Raw;
use super::upstream::{PASSWORD, Upstream};
use super::{free_port, wait_until};

/// The word of the one log line that says the sidecar takes connections.
const READY: &str = "accepting connections";

pub fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_waxseal"));
    // Only what a test sets may steer it.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("WAXSEAL_") || text.starts_with("UPSTASH_") || text.starts_with("KV_") {
            command.env_remove(&name);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// What a test may change before the sidecar starts.
pub struct Settings {
    pub url: String,
    pub server_name: Option<String>,
    pub ca: Option<PathBuf>,
    pub lanes: Option<&'static str>,
    pub password: String,
    /// A keyring that is there already.
    pub keyring: Option<PathBuf>,
    /// Each pattern list becomes one rule: id and key patterns.
    pub rules: Vec<(&'static str, Vec<&'static str>)>,
    /// Whether scripts may run although any of them could touch a key that it does not declare.
    pub trust_scripts: bool,
    /// Addresses to listen on beside those of the sidecar itself.
    pub redis: Vec<String>,
    /// More lines of the table [listen].
    pub listen: String,
    /// More TOML tables, after all others.
    pub more: String,
}

/// One rule for all keys, with the settings that a rule has by itself.
pub fn encrypt_everything(settings: &mut Settings) {
    settings.rules.clear();
    settings.more = "[[encrypt]]\nid = \"all\"\nkeys = [\"*\"]\n".into();
}

pub struct Sidecar {
    process: Child,
    stderr: Arc<Mutex<String>>,
    collector: Option<JoinHandle<()>>,
    dir: TempDir,
    pub port: u16,
}

impl Sidecar {
    /// In front of `upstream`, with `session:*` and `user:*` under encryption.
    pub fn start(upstream: &Upstream) -> Self {
        Self::start_with(upstream, |_| {})
    }

    pub fn start_with(upstream: &Upstream, change: impl FnOnce(&mut Settings)) -> Self {
        let dir = TempDir::new().expect("temporary directory");
        let port = free_port();
        let mut settings = Settings {
            url: upstream.url(),
            server_name: None,
            ca: Some(upstream.certs.ca.clone()),
            lanes: None,
            password: PASSWORD.into(),
            keyring: None,
            rules: vec![("sessions", vec!["session:*"]), ("users", vec!["user:*"])],
            trust_scripts: true,
            redis: vec![format!("127.0.0.1:{port}"), format!("unix:{}", dir.path().join("redis.sock").display())],
            listen: String::new(),
            more: String::new(),
        };
        change(&mut settings);

        let keyring = dir.path().join("keyring.json");
        match &settings.keyring {
            Some(file) => drop(std::fs::copy(file, &keyring).expect("copy the keyring")),
            None => keygen(&keyring),
        }
        let config = dir.path().join("waxseal.toml");
        std::fs::write(&config, toml(&settings, dir.path())).expect("write configuration");

        let mut process = binary()
            .args(["run", "--config"])
            .arg(&config)
            .env("WAXSEAL_UPSTREAM_PASSWORD", &settings.password)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start the sidecar");
        let (stderr, collector) = collect(process.stderr.take().expect("piped"));
        let mut sidecar = Self { process, stderr, collector: Some(collector), dir, port };
        wait_until("the sidecar accepts connections", || {
            let ended = sidecar.process.try_wait().expect("wait");
            assert!(ended.is_none(), "the sidecar ended ({ended:?}) with:\n{}", sidecar.stderr());
            sidecar.stderr().contains(READY)
        });
        sidecar
    }

    pub fn connect(&self) -> Raw {
        Raw::tcp(self.port)
    }

    /// With RESP3 switched on.
    pub fn connect3(&self) -> Raw {
        let mut raw = self.connect();
        raw.run("HELLO 3").items();
        raw
    }

    /// Where its configuration, keyring and socket are.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn unix_path(&self) -> PathBuf {
        self.dir.path().join("redis.sock")
    }

    pub fn keyring(&self) -> PathBuf {
        self.dir.path().join("keyring.json")
    }

    pub fn stderr(&self) -> String {
        self.stderr.lock().expect("stderr").clone()
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    pub fn is_running(&mut self) -> bool {
        self.process.try_wait().expect("wait").is_none()
    }

    /// Sends SIGTERM, as Kubernetes and systemd do.
    pub fn terminate(&self) {
        let sent = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status().expect("kill");
        assert!(sent.success());
    }

    pub fn wait_for_exit(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until("the sidecar exits", || {
            status = self.process.try_wait().expect("wait");
            status.is_some()
        });
        status.expect("just seen")
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        // Its last words are read to the end before they are shown.
        let _ = self.collector.take().map(JoinHandle::join);
        if std::thread::panicking() {
            eprintln!("--- the sidecar's log\n{}---", self.stderr());
        }
    }
}

pub fn keygen(path: &Path) {
    let output = binary().args(["keygen", "--out"]).arg(path).output().expect("run keygen");
    assert!(output.status.success(), "keygen: {}", String::from_utf8_lossy(&output.stderr));
}

fn toml(settings: &Settings, dir: &Path) -> String {
    let mut text =
        format!("[listen]\nredis = {:?}\n{}[upstream]\nurl = \"{}\"\n", settings.redis, settings.listen, settings.url);
    if settings.url.starts_with("redis://") {
        writeln!(text, "insecure = true").expect("a String takes all");
    } else if let Some(ca) = &settings.ca {
        writeln!(text, "ca_file = \"{}\"", ca.display()).expect("a String takes all");
    }
    let mut set = |name: &str, value: &str| writeln!(text, "{name} = \"{value}\"").expect("a String takes all");
    if let Some(name) = &settings.server_name {
        set("server_name", name);
    }
    if let Some(lanes) = settings.lanes {
        set("lanes", lanes);
    }
    write!(text, "[keyring]\nfile = \"{}\"\n", dir.join("keyring.json").display()).expect("a String takes all");
    for (id, keys) in &settings.rules {
        write!(text, "[[encrypt]]\nid = \"{id}\"\nkeys = {keys:?}\n").expect("a String takes all");
    }
    if settings.trust_scripts {
        text.push_str("[scripts]\nundeclared_keys = \"trust\"\n");
    }
    text + &settings.more
}

fn collect(stderr: impl std::io::Read + Send + 'static) -> (Arc<Mutex<String>>, JoinHandle<()>) {
    let text = Arc::new(Mutex::new(String::new()));
    let sink = Arc::clone(&text);
    let collector = std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let mut sink = sink.lock().expect("stderr");
            sink.push_str(&line);
            sink.push('\n');
        }
    });
    (text, collector)
}
