//! The checked configuration: plain data that the other rooms read.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;

use super::levels::LogLevels;
use super::secret::Secret;
use crate::command::{RowSet, SealedPaths};
use crate::crypto::{AuditKey, Keyring};
use crate::policy::RateLimit;

/// Everything that `run` and the tools need to know. Made by [`Config::load`] only, so that whoever
/// holds one holds a checked one.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// The file it came from, if there was one.
    pub file: Option<PathBuf>,
    pub listen: Listen,
    pub observe: Observe,
    pub upstream: Upstream,
    /// Present whenever there is a rule.
    pub keyring: Option<LoadedKeyring>,
    /// In order of precedence: those of the file, then of the environment, then of the command line.
    pub encrypt: Vec<EncryptRule>,
    pub access: Access,
    pub identities: Vec<Identity>,
    pub scripts: Scripts,
    pub limits: Limits,
    pub server: Server,
    pub log: Log,
    /// Present if there is to be an audit log.
    pub audit: Option<Audit>,
    /// What works but deserves a second look.
    pub warnings: Vec<Warning>,
}

/// `[listen]`
#[derive(Debug, Clone)]
pub struct Listen {
    pub redis: Vec<ListenAddress>,
    /// `required` means that clients have to send the upstream's password.
    pub auth: Auth,
    /// Permission bits of unix sockets.
    pub unix_mode: u32,
    /// For the addresses that begin with `tls:`.
    pub tls: Option<ListenTls>,
    /// A client that does nothing for so long is cut; zero: never.
    pub idle_timeout: Duration,
    /// For TLS and, where one is required, the login.
    pub handshake_timeout: Duration,
    /// From the first byte of a request to its last.
    pub request_timeout: Duration,
    pub max_clients_per_address: Option<usize>,
}

/// `[listen.tls]`, read and checked.
#[derive(Debug, Clone)]
pub struct ListenTls {
    pub config: Arc<rustls::ServerConfig>,
    /// Clients have to show one.
    pub client_certificates: bool,
}

/// The addresses for operators, of `[listen]` too; off unless set.
#[derive(Debug, Clone, Default)]
pub struct Observe {
    pub admin: Option<Admin>,
    /// Probes and metrics alone.
    pub metrics: Option<SocketAddr>,
}

#[derive(Debug, Clone)]
pub struct Admin {
    pub address: SocketAddr,
    /// Present whenever the address is not loopback.
    pub token: Option<Secret>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    Tcp(SocketAddr),
    Tls(SocketAddr),
    Unix(PathBuf),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    None,
    Required,
}

/// `[upstream]`
#[derive(Debug, Clone)]
pub struct Upstream {
    /// A name or an IP address, without brackets.
    pub host: String,
    pub port: u16,
    /// `None` is a plain connection, allowed to loopback only.
    pub tls: Option<Tls>,
    /// `None` logs in by password alone.
    pub username: Option<String>,
    pub password: Option<Secret>,
    pub lanes: Lanes,
    /// For resolving, TCP, TLS and login together.
    pub connect_timeout: Duration,
}

#[derive(Debug, Clone)]
pub struct Tls {
    /// Sent as SNI and verified.
    pub server_name: ServerName<'static>,
    /// PEM of the only roots trusted, known to hold at least one certificate; `None` means the public
    /// roots.
    pub ca_pem: Option<Vec<u8>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lanes {
    /// Clients share pipelined connections.
    Shared,
    /// Each client has its own.
    Dedicated,
}

/// `[keyring]`, read and checked.
#[derive(Debug, Clone)]
pub struct LoadedKeyring {
    pub keyring: Arc<Keyring>,
    pub origin: KeyringOrigin,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyringOrigin {
    File(PathBuf),
    /// The name of the variable.
    Environment(String),
}

/// `[[encrypt]]`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EncryptRule {
    pub id: String,
    pub keys: Vec<String>,
    pub except: Vec<String>,
    pub scope: Scope,
    /// Pub/sub channels; `None`: those that `keys` match and `except` does not.
    pub channels: Option<Vec<String>>,
    /// Fields of hashes and streams whose values are encrypted; `None`: all.
    pub fields: Option<Vec<String>>,
    pub deterministic: Deterministic,
    /// What to encrypt in JSON documents; none: JSON commands are refused.
    pub json: Option<SealedPaths>,
    pub scripts: RuleScripts,
    /// `emulate = false`: what computes on an encrypted value is refused.
    pub refuses_computing: bool,
}

/// What is encrypted so that equal plaintexts look equal, beside the members of sets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Deterministic {
    pub field_names: bool,
    pub list_elements: bool,
}

/// What scripts may do with the keys of a rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RuleScripts {
    #[default]
    Refuse,
    Ciphertext,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scope {
    #[default]
    Key,
    Tag,
    Rule,
}

/// `[access]`, which holds for everybody, and the same of an identity.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Access {
    pub read_only: bool,
    /// Whether MONITOR may be used.
    pub monitor: bool,
    /// What may be run; `None`: everything.
    pub commands: Option<RowSet>,
    /// Patterns of keys that may be touched; `None`: all.
    pub keys: Option<KeyLists>,
    /// Patterns of channels that may be subscribed to and published to; `None`: all.
    pub channels: Option<Vec<String>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyLists {
    /// To be read and written.
    pub all: Vec<String>,
    /// To be read only.
    pub read: Vec<String>,
}

/// `[[identity]]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub name: String,
    /// PHC strings of Argon2id.
    pub password_hashes: Vec<String>,
    /// Names in the certificates of its clients.
    pub certificates: Vec<String>,
    /// Of its processes, over unix sockets.
    pub uids: Vec<u32>,
    /// A client that has not said who it is is taken for it.
    pub default: bool,
    pub access: Access,
    pub plaintext: Plaintext,
}

/// Whether an identity sees what is encrypted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Plaintext {
    #[default]
    Allow,
    Ciphertext,
    Refuse,
}

/// `[scripts]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scripts {
    pub undeclared_keys: UndeclaredKeys,
    /// Functions of which the operator says that they touch declared keys only.
    pub functions: Vec<String>,
}

/// What to do with a script that could touch keys it does not declare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UndeclaredKeys {
    Refuse,
    Trust,
}

/// `[limits]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    pub rates: Vec<RateLimit>,
    pub max_clients: usize,
    /// Commands of one client in flight.
    pub client_window: usize,
    /// Bytes waiting for one client.
    pub client_output: usize,
    pub output_stall: Duration,
    /// Buffered bytes of the whole process.
    pub buffers: usize,
    /// Bytes of one bulk string.
    pub max_bulk: usize,
    /// Lanes pinned by WATCH and by large transactions.
    pub transactions: usize,
    pub blocking: usize,
    pub subscriptions: usize,
    pub dedicated: usize,
}

/// `[server]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Server {
    pub workers: usize,
    pub drain_timeout: Duration,
    /// Nothing of the memory goes to swap.
    pub lock_memory: bool,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    pub levels: LogLevels,
    pub format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Human,
    Json,
}

/// `[audit]`
#[derive(Debug, Clone)]
pub struct Audit {
    pub file: PathBuf,
    pub anchor_file: PathBuf,
    pub key: AuditKey,
    pub keys: AuditKeys,
    /// What is done often within this is one line.
    pub interval: Duration,
    pub max_size: u64,
    /// Full files that stay.
    pub keep: usize,
}

/// How the audit log names Redis keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditKeys {
    None,
    Hashed,
    Clear,
}

/// Not a fault, but worth saying: where and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    pub place: String,
    pub text: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.text)
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenAddress::Tcp(address) => write!(f, "{address}"),
            ListenAddress::Tls(address) => write!(f, "tls:{address}"),
            ListenAddress::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Scope::Key => "key",
            Scope::Tag => "tag",
            Scope::Rule => "rule",
        })
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        })
    }
}
