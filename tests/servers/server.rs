//! The three servers that the table is compared with, and what they say of their commands.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis::{Connection, RedisError, Value};
use waxseal::command::Access;

/// Long enough for a loaded machine; a healthy server takes some milliseconds.
const START: Duration = Duration::from_secs(10);

/// A server that the rows were taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Redis70,
    Redis82,
    Valkey91,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Redis70, Self::Redis82, Self::Valkey91];

    /// The field of INFO, and what its value begins with. Another version is another table.
    fn version(self) -> (&'static str, &'static str) {
        match self {
            Self::Redis70 => ("redis_version:", "7.0."),
            Self::Redis82 => ("redis_version:", "8.2."),
            Self::Valkey91 => ("valkey_version:", "9.1."),
        }
    }

    fn binary(self) -> PathBuf {
        let made = |name| Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin").join(name);
        match self {
            Self::Redis70 => PathBuf::from("redis-server"),
            Self::Redis82 => made("redis-server-8.2"),
            Self::Valkey91 => made("valkey-server-9.1"),
        }
    }
}

pub struct Server {
    pub kind: Kind,
    process: Child,
    connection: Connection,
    _dir: tempfile::TempDir,
}

/// Those that are installed; what is missing is said aloud.
pub fn servers() -> Vec<Server> {
    Kind::ALL.into_iter().filter_map(Server::start).collect()
}

impl Server {
    fn start(kind: Kind) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("s");
        let socket = socket.to_str().unwrap();
        let started = Command::new(kind.binary())
            .args(["--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no"])
            .current_dir(&dir)
            .stdout(Stdio::null())
            .spawn();
        let Ok(process) = started else {
            eprintln!("SKIPPED: {kind:?} is not installed, so the table is not compared with it. Run `make setup`");
            return None;
        };
        let mut server = Self::connect(kind, process, socket, dir);
        let (field, prefix) = kind.version();
        let Ok(Value::BulkString(info)) = server.ask(["INFO", "server"]) else {
            panic!("{kind:?}: no INFO");
        };
        let info = String::from_utf8_lossy(&info).into_owned();
        let version = info.lines().find_map(|line| line.strip_prefix(field)).unwrap_or("?");
        if !version.starts_with(prefix) {
            eprintln!("SKIPPED: {} is version {version}, not {prefix}x", kind.binary().display());
            return None;
        }
        Some(server)
    }

    fn connect(kind: Kind, mut process: Child, socket: &str, dir: tempfile::TempDir) -> Self {
        let client = redis::Client::open(format!("unix://{socket}")).unwrap();
        let begin = Instant::now();
        loop {
            if let Ok(connection) = client.get_connection() {
                return Self { kind, process, connection, _dir: dir };
            }
            if begin.elapsed() > START {
                let _ = process.kill();
                let _ = process.wait();
                panic!("{kind:?} did not start within {START:?}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn ask<W: AsRef<[u8]>>(&mut self, words: impl IntoIterator<Item = W>) -> Result<Value, RedisError> {
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(word.as_ref());
        }
        command.query(&mut self.connection)
    }

    /// Key and access of each key, as COMMAND GETKEYSANDFLAGS tells; none for no keys or an error.
    pub fn keys<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Vec<(Vec<u8>, Option<Access>)> {
        let ask = ["COMMAND", "GETKEYSANDFLAGS"].iter().map(|word| word.as_bytes());
        let ask = ask.chain(words.iter().map(AsRef::as_ref));
        let Ok(Value::Array(found)) = self.ask(ask) else {
            return Vec::new();
        };
        let pair = |value: &Value| {
            let [Value::BulkString(key), Value::Array(flags)] = items(value) else {
                panic!("not a key and its flags");
            };
            (key.clone(), flags.iter().find_map(|flag| access(&text(flag))))
        };
        found.iter().map(pair).collect()
    }

    /// A reply that is an array of texts.
    pub fn texts<const N: usize>(&mut self, words: [&str; N]) -> Vec<String> {
        items(&self.ask(words).unwrap()).iter().map(text).collect()
    }

    /// Every command and subcommand, by its name in the table.
    pub fn told(&mut self) -> BTreeMap<String, Told> {
        let mut all = BTreeMap::new();
        let reply = self.ask(["COMMAND"]).unwrap();
        items(&reply).iter().for_each(|entry| add(entry, &mut all));
        all
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What COMMAND says of one command.
pub struct Told {
    pub arity: i16,
    /// Flags, and categories with their `@`.
    pub flags: Vec<String>,
    pub has_subcommands: bool,
}

impl Told {
    pub fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|found| found == flag)
    }
}

fn add(entry: &Value, all: &mut BTreeMap<String, Told>) {
    let parts = items(entry);
    let Value::Int(arity) = parts[1] else {
        panic!("no arity");
    };
    let texts = |at: usize| items(&parts[at]).iter().map(text);
    let told = Told {
        arity: i16::try_from(arity).unwrap(),
        flags: texts(2).chain(texts(6)).collect(),
        has_subcommands: !items(&parts[9]).is_empty(),
    };
    // Modules register their names in capitals.
    all.insert(text(&parts[0]).to_ascii_lowercase(), told);
    items(&parts[9]).iter().for_each(|sub| add(sub, all));
}

fn access(flag: &str) -> Option<Access> {
    Some(match flag {
        "RO" => Access::Read,
        "RW" => Access::Update,
        "OW" => Access::Overwrite,
        "RM" => Access::Remove,
        _ => return None,
    })
}

fn items(value: &Value) -> &[Value] {
    match value {
        Value::Array(items) | Value::Set(items) => items,
        other => panic!("not an array: {other:?}"),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::SimpleString(text) => text.clone(),
        other => panic!("not text: {other:?}"),
    }
}
