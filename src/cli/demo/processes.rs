//! The demo's two processes: redis-server and the sidecar. Both are killed when their handle is dropped.
//!
//! Must never: outlive the demo, or get the password on a command line.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Failure, PATTERNS, Place};

/// What a process may take to answer; a loaded laptop is slow, and longer is a fault.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks whether it answers.
const LOOK: Duration = Duration::from_millis(10);
/// A port that was free may be taken before the server has it.
const TRIES: usize = 5;
/// Programs that speak the protocol and take the same configuration.
const SERVERS: [&str; 2] = ["redis-server", "valkey-server"];
const DATABASE_LOG: &str = "redis.log";
const SIDECAR_LOG: &str = "waxseal.log";
/// Lines of a log that are shown when its process has failed.
const LOG_LINES: usize = 5;
/// Settings of the user's own would change what the demo runs.
const OUR_VARIABLES: [&str; 3] = ["WAXSEAL_", "UPSTASH_", "KV_"];

/// Finds the server on the PATH.
pub(super) fn find_server() -> Result<PathBuf, Failure> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories: Vec<PathBuf> = std::env::split_paths(&path).collect();
    SERVERS
        .iter()
        .flat_map(|name| directories.iter().map(move |directory| directory.join(name)))
        .find(|file| file.is_file())
        .ok_or_else(|| {
            Failure::new(
                "redis-server is not installed, and the demo needs one as its database; on Debian or Ubuntu: \
                 apt-get install redis-server",
            )
        })
}

/// A process that dies with this.
struct Owned(tokio::process::Child);

impl Owned {
    fn spawn(command: &mut Command, log: &Path) -> std::io::Result<Self> {
        let output = File::create(log)?;
        let mut command = tokio::process::Command::from(std::mem::replace(command, Command::new("")));
        // A group of its own: Ctrl-C reaches the demo alone, which then ends both in order.
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).process_group(0).kill_on_drop(true);
        Ok(Self(command.spawn()?))
    }

    fn has_ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }

    async fn ended(&mut self) {
        let _ = self.0.wait().await;
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // Waited for, so that it is gone before its directory is; SIGKILL leaves nothing to wait long for.
        let _ = self.0.start_kill();
        let end = Instant::now() + PATIENCE;
        while matches!(self.0.try_wait(), Ok(None)) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

pub(super) struct Database {
    process: Owned,
    pub port: u16,
}

impl Database {
    pub(super) async fn start(server: &Path, place: &Place) -> Result<Self, Failure> {
        let log = place.path(DATABASE_LOG);
        for _ in 0..TRIES {
            let port = free_port()?;
            let name = format!("redis-{port}.conf");
            let conf = place.write(&name, configuration(place, port).as_bytes())?;
            let process = Owned::spawn(Command::new(server).arg(conf), &log)
                .map_err(|error| Failure::new(format_args!("{} cannot be started ({error})", server.display())))?;
            let mut database = Self { process, port };
            if database.answers().await? {
                return Ok(database);
            }
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            if text.contains("tls-port") {
                return Err(Failure::new(format_args!(
                    "{} does not take TLS settings: it was built without TLS. Debian's and Ubuntu's package \
                     has it: apt-get install redis-server. It says:\n{}",
                    server.display(),
                    tail(&log)
                )));
            }
            if !text.contains("in use") {
                return Err(Failure::new(format_args!("{} ended at once. It says:\n{}", server.display(), tail(&log))));
            }
        }
        Err(Failure::new("no free port could be had for the database; try again"))
    }

    /// Whether it took its port; not, if it has ended.
    async fn answers(&mut self) -> Result<bool, Failure> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if self.process.has_ended() {
                return Ok(false);
            }
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await.is_ok() {
                return Ok(true);
            }
            tokio::time::sleep(LOOK).await;
        }
        Err(Failure::new(format_args!("the database did not start within {} s", PATIENCE.as_secs())))
    }

    /// Returns when it ends by itself, which it should not.
    pub(super) async fn ended(&mut self, place: &Place) -> Failure {
        self.process.ended().await;
        Failure::new(format_args!("the database has ended. It said:\n{}", tail(&place.path(DATABASE_LOG))))
    }
}

/// In a file and not as arguments, which every user of the machine can read.
fn configuration(place: &Place, port: u16) -> String {
    let path = |name: &str| quote(&place.path(name).display().to_string());
    format!(
        "bind 127.0.0.1\nport 0\ntls-port {port}\ntls-cert-file {}\ntls-key-file {}\ntls-ca-cert-file {}\n\
         tls-auth-clients no\nrequirepass {}\nsave \"\"\nappendonly no\ndir {}\n",
        path("server.pem"),
        path("server.key"),
        path("ca.pem"),
        place.password(),
        quote(&place.dir().display().to_string()),
    )
}

/// As redis.conf takes strings.
fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn free_port() -> Result<u16, Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let address = listener.and_then(|listener| listener.local_addr());
    address.map(|address| address.port()).map_err(|error| Failure::new(format_args!("no port is free ({error})")))
}

pub(super) struct Sidecar {
    process: Owned,
}

impl Sidecar {
    /// This same program, as a user would run it.
    pub(super) async fn start(listen: SocketAddr, database: u16, place: &Place) -> Result<Self, Failure> {
        let program = std::env::current_exe()
            .map_err(|error| Failure::new(format_args!("this program does not find itself ({error})")))?;
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if OUR_VARIABLES.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
                command.env_remove(&name);
            }
        }
        command
            .arg("run")
            .args(["--listen", &listen.to_string()])
            .args(["--upstream", &format!("rediss://default@127.0.0.1:{database}")])
            .arg("--ca-file")
            .arg(place.path("ca.pem"))
            .arg("--keyring")
            .arg(place.path("keyring.json"))
            .args(PATTERNS.iter().flat_map(|pattern| ["--encrypt", pattern]))
            .env("WAXSEAL_UPSTREAM_PASSWORD", place.password());
        let log = place.path(SIDECAR_LOG);
        let process = Owned::spawn(&mut command, &log)
            .map_err(|error| Failure::new(format_args!("the sidecar cannot be started ({error})")))?;
        let mut sidecar = Self { process };
        let end = Instant::now() + PATIENCE;
        while !pong(listen).await {
            if sidecar.process.has_ended() {
                return Err(Failure::new(format_args!("the sidecar ended at once. It says:\n{}", tail(&log))));
            }
            if Instant::now() > end {
                return Err(Failure::new(format_args!(
                    "the sidecar did not answer within {} s. It says:\n{}",
                    PATIENCE.as_secs(),
                    tail(&log)
                )));
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(sidecar)
    }

    /// Returns when it ends by itself, which it should not.
    pub(super) async fn ended(&mut self, place: &Place) -> Failure {
        self.process.ended().await;
        Failure::new(format_args!("the sidecar has ended. It said:\n{}", tail(&place.path(SIDECAR_LOG))))
    }
}

async fn pong(listen: SocketAddr) -> bool {
    const ANSWER: &[u8] = b"+PONG\r\n";
    let ask = async {
        let mut stream = TcpStream::connect(listen).await?;
        stream.write_all(b"PING\r\n").await?;
        let mut answer = [0; ANSWER.len()];
        stream.read_exact(&mut answer).await?;
        std::io::Result::Ok(answer == *ANSWER)
    };
    matches!(tokio::time::timeout(PATIENCE, ask).await, Ok(Ok(true)))
}

/// The last lines of a log, indented.
fn tail(log: &Path) -> String {
    let bytes = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let shown = &lines[lines.len().saturating_sub(LOG_LINES)..];
    if shown.is_empty() { "    (nothing)".into() } else { format!("    {}", shown.join("\n    ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_dies_with_its_handle() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let dir = tempfile::tempdir().unwrap();
            let owned = Owned::spawn(Command::new("sleep").arg("600"), &dir.path().join("log")).unwrap();
            let process = PathBuf::from(format!("/proc/{}", owned.0.id().unwrap()));
            assert!(process.exists());
            drop(owned);
            assert!(!process.exists());
        });
    }

    #[test]
    fn paths_are_quoted_for_redis() {
        assert_eq!(quote("/a b/\"c\\"), "\"/a b/\\\"c\\\\\"");
    }
}
