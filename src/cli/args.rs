//! The command line as clap reads it. What a value may be is the configuration's business, so that a
//! wrong one is told in one way whether it came from a flag, the environment or the file.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::config::Overrides;

/// A Redis-protocol sidecar that encrypts values before they leave the host.
#[derive(Parser)]
#[command(name = "waxseal", version, about, propagate_version = true)]
#[command(after_help = "Exit codes: 0 fine, 1 failed, 64 usage, 69 upstream unavailable, 78 configuration.")]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Run the sidecar
    Run(RunArgs),
    /// Try it: a local Redis with TLS, the sidecar in front, one key seen from both sides
    Demo(DemoArgs),
    /// Make a keyring file
    Keygen(KeygenArgs),
    /// Read a password from standard input and print its hash, for [[identity]] password_hashes
    HashPassword,
    /// Check the configuration and show what is protected and what is not
    Check(CheckArgs),
    /// Say what becomes of one command: what the database gets, and what it costs
    Explain(ExplainArgs),
    /// Show the header of a stored value, and open it with the keyring
    Inspect(InspectArgs),
    /// Try the upstream: reach it, log in, write, read back; say what failed and how to mend it
    Doctor(DoctorArgs),
    /// Make the key of an audit log, or check the log
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Ask a running sidecar whether it answers (for container health checks)
    Health(HealthArgs),
}

/// Settings that most subcommands take. A flag beats the environment, which beats the file.
#[derive(Args, Clone, Default)]
pub struct CommonArgs {
    /// The configuration file (WAXSEAL_CONFIG)
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where clients connect: IP:PORT or unix:/path; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Vec<String>,
    /// The database: rediss://USER@HOST:PORT; the password never goes here but into
    /// WAXSEAL_UPSTREAM_PASSWORD
    #[arg(long, value_name = "URL")]
    pub upstream: Option<String>,
    /// PEM file of the only certificates to trust; the public roots unless set
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<String>,
    /// The keyring file
    #[arg(long, value_name = "FILE")]
    pub keyring: Option<String>,
    /// Encrypt the values of keys that match; may be repeated, and adds to the rules of the file
    #[arg(long, value_name = "PATTERN")]
    pub encrypt: Vec<String>,
    /// Allow a redis:// upstream (no TLS) on a loopback address
    #[arg(long)]
    pub insecure_upstream: bool,
    /// Where the console, the probes and the metrics are: IP:PORT on loopback
    #[arg(long, value_name = "ADDRESS")]
    pub admin: Option<String>,
    /// shared, or dedicated: one upstream connection for each client
    #[arg(long, value_name = "LANES")]
    pub lanes: Option<String>,
    /// error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// human or json
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,
}

#[derive(Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub common: CommonArgs,
}

#[derive(Args)]
pub struct DemoArgs {
    /// Where the demo's sidecar listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:6380")]
    pub listen: String,
    /// Show it and exit, instead of staying up to be played with
    #[arg(long)]
    pub once: bool,
}

#[derive(Args)]
pub struct KeygenArgs {
    /// Where to write the keyring; an existing file is never overwritten
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

#[derive(Subcommand)]
pub enum AuditCommand {
    /// Make a key file
    Key(AuditKeyArgs),
    /// Check that no line was removed, changed or cut off
    Verify(AuditVerifyArgs),
}

#[derive(Args)]
pub struct AuditKeyArgs {
    /// Where to write the key; an existing file is never overwritten
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

#[derive(Args)]
#[command(
    after_help = "Exits with 1 if anything is wrong. Reads the full files beside the log, too. The sidecar need not stop."
)]
pub struct AuditVerifyArgs {
    /// The audit log
    #[arg(long, value_name = "FILE")]
    pub file: PathBuf,
    /// Its key
    #[arg(long, value_name = "FILE")]
    pub key_file: PathBuf,
    /// Its anchor; FILE.anchor unless set
    #[arg(long, value_name = "FILE")]
    pub anchor_file: Option<PathBuf>,
    /// A position that was noted elsewhere: the log must go at least so far
    #[arg(long, value_name = "SEQ:MAC")]
    pub anchor: Option<String>,
}

#[derive(Args)]
pub struct CheckArgs {
    #[command(flatten)]
    pub common: CommonArgs,
    /// Say which rule this key falls under
    #[arg(long, value_name = "NAME")]
    pub key: Option<String>,
}

#[derive(Args)]
#[command(after_help = "Nothing is sent. Exits with 1 if the command is refused.")]
pub struct ExplainArgs {
    #[command(flatten)]
    pub common: CommonArgs,
    /// The command and its arguments, as a client would send them
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

#[derive(Args)]
pub struct InspectArgs {
    /// Read the stored value from this file instead of standard input
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The input is written in hexadecimal
    #[arg(long, conflicts_with = "base64")]
    pub hex: bool,
    /// The input is written in Base64
    #[arg(long)]
    pub base64: bool,
    /// Open the value with this keyring (not for members of sets, sorted sets and geo indexes)
    #[arg(long, value_name = "FILE")]
    pub keyring: Option<PathBuf>,
    /// The Redis key (with --message: the channel) that it is stored under
    #[arg(long, value_name = "NAME", requires = "keyring")]
    pub key: Option<String>,
    /// The field of a hash or of a stream entry that it is stored in
    #[arg(long, value_name = "NAME", requires = "keyring")]
    pub field: Option<String>,
    /// The scope of its rule: key, tag or rule
    #[arg(long, value_name = "SCOPE", default_value = "key")]
    #[arg(value_parser = ["key", "tag", "rule"])]
    pub scope: String,
    /// The id of its rule, for scope rule
    #[arg(long, value_name = "ID", requires = "keyring")]
    pub rule: Option<String>,
    /// It is the payload of a pub/sub message
    #[arg(long)]
    pub message: bool,
    /// Print the decrypted value, and nothing else, on standard output
    #[arg(long, requires = "keyring")]
    pub reveal: bool,
}

#[derive(Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    pub common: CommonArgs,
}

#[derive(Args)]
pub struct HealthArgs {
    #[command(flatten)]
    pub common: CommonArgs,
    /// How long to wait for an answer, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 2)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=60))]
    pub timeout: u64,
}

impl From<CommonArgs> for Overrides {
    fn from(args: CommonArgs) -> Self {
        Self {
            config: args.config,
            listen: args.listen,
            upstream: args.upstream,
            ca_file: args.ca_file,
            keyring: args.keyring,
            encrypt: args.encrypt,
            insecure_upstream: args.insecure_upstream,
            admin: args.admin,
            lanes: args.lanes,
            log_level: args.log_level,
            log_format: args.log_format,
        }
    }
}
