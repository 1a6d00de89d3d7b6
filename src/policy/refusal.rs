//! Why a request was not carried out, in words for the person who reads the client's log.
//!
//! `Display` is the RESP error without its leading `-`. The first two words of our own errors are
//! stable (`WAXSEAL CODE`); docs/errors.md has an entry for each code. Never a key, value or other
//! argument: a command's name comes from the table, a rule's from the configuration.

use std::fmt;
use std::sync::Arc;

use super::RateLimited;
use super::script::Unproven;
use crate::command::Reason;

#[derive(Debug, Clone)]
pub enum Refusal {
    /// The table refuses the command on a protected key.
    Command {
        command: &'static str,
        rule: Arc<str>,
        reason: Reason,
    },
    /// A script or function may touch keys that it does not declare.
    HiddenKeys {
        command: &'static str,
        /// What stands in the way of a proof; none for a function, whose code is not seen.
        unproven: Option<Unproven>,
    },
    /// The script names a channel under a rule, to which it would publish in clear.
    HiddenChannel {
        command: &'static str,
        rule: Arc<str>,
    },
    /// The script is proven, but would do something else with ciphertext, or store plaintext.
    ScriptNeedsValues {
        rule: Arc<str>,
    },
    /// A library's script computes with what its keys hold.
    LibraryState {
        library: &'static str,
        rule: Arc<str>,
    },
    /// A library's script works on names that no rule covers as it must.
    LibraryRule {
        library: &'static str,
        rule: Option<Arc<str>>,
        why: Box<str>,
    },
    /// Its arguments depend on what is stored, which is not known while a transaction is put together.
    ScriptInTransaction {
        library: &'static str,
    },
    /// The script's body was not seen here. Redis's own words, on which clients send the body.
    NoScript,
    /// The arguments cannot be understood, and a protected key could be among them.
    Unclear {
        command: &'static str,
    },
    /// No row in the table, and an argument matches a rule.
    UnknownCommand,
    /// Would turn the connection into something that cannot be followed.
    Never {
        command: &'static str,
        reason: &'static str,
    },
    MonitorNotGranted,
    /// Redis's words, as the next two.
    NoCommand {
        user: Arc<str>,
        command: &'static str,
    },
    NoKey,
    NoChannel,
    /// What it would show or use is not for this identity.
    NoPlaintext {
        user: Arc<str>,
        command: &'static str,
        rule: Option<Arc<str>>,
    },
    /// A command that a script calls.
    NoCommandInScript {
        user: Arc<str>,
        command: &'static str,
    },
    /// A script or function of which it is not known that it does no more than this identity may.
    ScriptBeyond {
        user: Arc<str>,
        command: &'static str,
        unproven: Option<Unproven>,
    },
    ReadOnly {
        command: &'static str,
    },
    RateLimited(RateLimited),
    /// Redis's own words for a request that Redis would refuse as well.
    Redis(String),
    /// Computes on what an earlier command of the transaction makes of the key, which only the database will know.
    InTransaction {
        command: &'static str,
    },
    /// A value of this kind cannot be sealed anew for another key.
    NotCarried {
        command: &'static str,
        why: NotCarried,
    },
    /// Compares a plaintext argument with what the server stores.
    ComparesValue {
        command: &'static str,
    },
    /// A JSON command that would miss, or meet, what is encrypted in the document.
    Json {
        command: &'static str,
        rule: Arc<str>,
        why: JsonFault,
    },
    /// The keyring cannot seal.
    Seal(String),
    /// Cannot work through shared connections in this mode.
    Mode {
        command: &'static str,
        why: &'static str,
    },
    /// Sealing made the value larger than the protocol allows.
    TooLarge,
    /// Too many values or members in one command.
    TooManyValues,
}

impl Refusal {
    #[must_use]
    pub fn wrong_arity(command: &str) -> Self {
        Self::Redis(format!("ERR wrong number of arguments for '{command}' command"))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command { command, rule, reason } => write!(
                f,
                "WAXSEAL COMMAND_REFUSED {} is not possible on a key encrypted by rule '{rule}': {}. Instead: {}",
                upper(command),
                reason.sentence(),
                reason.way_out()
            ),
            Self::HiddenKeys { command, unproven: Some(unproven) } => write!(
                f,
                "WAXSEAL SCRIPT_REFUSED {} could touch encrypted keys that it does not declare ({unproven}). \
                 Use KEYS[...] wherever the script names a key, or set [scripts] undeclared_keys = \"trust\" \
                 if all your scripts use declared keys only",
                upper(command)
            ),
            Self::HiddenKeys { command, unproven: None } => write!(
                f,
                "WAXSEAL SCRIPT_REFUSED {} could touch encrypted keys that it does not declare. \
                 Name it in [scripts] functions if it uses declared keys only",
                upper(command)
            ),
            Self::HiddenChannel { command, rule } => write!(
                f,
                "WAXSEAL SCRIPT_REFUSED {} would publish in clear to a channel encrypted by rule '{rule}'. \
                 Publish from the application, or exclude the channel with `except`",
                upper(command)
            ),
            Self::ScriptNeedsValues { rule } => write!(
                f,
                "WAXSEAL SCRIPT_REFUSED the script stores, compares or computes on values, and its keys are encrypted by \
                 rule '{rule}'. Only scripts that leave the values as they are run on ciphertext; exclude the key with `except`"
            ),
            Self::LibraryState { library, rule } => write!(
                f,
                "WAXSEAL SCRIPT_REFUSED this script of {library} computes with what its keys hold, and one of them is \
                 encrypted by rule '{rule}'. They hold no data of the application: exclude them with `except`"
            ),
            Self::LibraryRule { library, rule, why } => {
                write!(f, "WAXSEAL SCRIPT_REFUSED this script of {library} does not run as the rules are: {why}")?;
                if let Some(rule) = rule {
                    write!(f, " (rule '{rule}')")?;
                }
                f.write_str(". See docs/scripts.md for rules that suit it")
            }
            Self::ScriptInTransaction { library } => write!(
                f,
                "WAXSEAL SCRIPT_REFUSED this script of {library} compares with an encrypted value, which has to be read \
                 before. Run it outside of MULTI, or exclude the key with `except`"
            ),
            Self::NoScript => f.write_str("NOSCRIPT No matching script. Please use EVAL."),
            Self::Unclear { command } => write!(
                f,
                "WAXSEAL UNCLEAR_ARGUMENTS the keys of this {} cannot be told, and one of them could be encrypted. \
                 Check the arguments against the command's documentation",
                upper(command)
            ),
            Self::UnknownCommand => f.write_str(
                "WAXSEAL UNKNOWN_COMMAND this command is not in Waxseal's table and may touch an encrypted key, write, or run code. \
                 Use a newer Waxseal; or see docs/errors.md for the settings that allow it",
            ),
            Self::Never { command, reason } => {
                write!(f, "WAXSEAL NEVER {} never passes the sidecar: {reason}", upper(command))
            }
            Self::MonitorNotGranted => f.write_str(
                "NOPERM MONITOR shows everybody's commands and is not granted here. Set [access] monitor = true to allow it",
            ),
            Self::ReadOnly { command } => write!(
                f,
                "NOPERM this sidecar is read-only and {} can write. Set [access] read_only = false to allow it",
                upper(command)
            ),
            Self::RateLimited(limited) => write!(f, "WAXSEAL RATE_LIMITED {limited}"),
            Self::NoCommand { user, command } => {
                write!(f, "NOPERM User {user} has no permissions to run the '{command}' command")
            }
            Self::NoKey => f.write_str("NOPERM No permissions to access a key"),
            Self::NoChannel => f.write_str("NOPERM No permissions to access a channel"),
            Self::NoPlaintext { user, command, rule } => {
                write!(f, "NOPERM User {user} has no permissions to run the '{command}' command on a key ")?;
                match rule {
                    Some(rule) => write!(f, "encrypted by rule '{rule}'")?,
                    None => f.write_str("that may be encrypted")?,
                }
                f.write_str(", as it would show or use plaintext")
            }
            Self::NoCommandInScript { user, command } => {
                write!(f, "ERR ACL failure in script: User {user} has no permissions to run the '{command}' command")
            }
            Self::ScriptBeyond { user, command, unproven } => {
                write!(f, "NOPERM User {user} has no permissions to run the '{command}' command with this script, ")?;
                match unproven {
                    Some(unproven) => write!(f, "which could do more than the user may ({unproven})"),
                    None => f.write_str("which could do more than the user may"),
                }
            }
            Self::Redis(text) => f.write_str(text),
            Self::ComparesValue { command } => write!(
                f,
                "WAXSEAL COMMAND_REFUSED {} with this option would have the database compare values or members, of which it \
                 has only ciphertext. Read them and compare in the application, in WATCH and MULTI if others write too",
                upper(command)
            ),
            Self::InTransaction { command } => write!(
                f,
                "WAXSEAL COMMAND_REFUSED {} computes on an encrypted key that an earlier command of this transaction changes in a way \
                 that only the database will know. Put it before that command, or into another transaction",
                upper(command)
            ),
            Self::NotCarried { command, why } => {
                write!(f, "WAXSEAL COMMAND_REFUSED {} between keys of different scopes: {why}", upper(command))
            }
            Self::Json { command, rule, why } => {
                write!(f, "WAXSEAL JSON_REFUSED {} on a document encrypted by rule '{rule}': {why}", upper(command))
            }
            Self::Seal(why) => write!(f, "WAXSEAL SEAL_FAILED the value was not stored: {why}"),
            Self::Mode { command, why } => write!(f, "WAXSEAL UNSUPPORTED {} {why}", upper(command)),
            Self::TooManyValues => f.write_str(
                "WAXSEAL TOO_LARGE one command may have at most 1048576 arguments, or values in a JSON document, where values are encrypted. Split it",
            ),
            Self::TooLarge => f.write_str(
                "WAXSEAL TOO_LARGE the value fits the limit only without encryption, which adds 48 bytes. Store a smaller value",
            ),
        }
    }
}

/// What cannot go to a key of another scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotCarried {
    Kind,
    Bares,
}

impl fmt::Display for NotCarried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kind => {
                "only strings, lists, sets, sorted sets and hashes can be encrypted anew for the other key; a stream, a JSON document or a \
                 HyperLogLog cannot. Read it and write it to the other key, or give both keys one scope"
            }
            Self::Bares => {
                "the other key's rule leaves in clear what is encrypted here (its `fields` or `deterministic`). Read the value and write it, \
                 or let both rules encrypt the same"
            }
        })
    }
}

/// Why a JSON command is refused on a document of which parts are encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonFault {
    Path,
    Several,
    Inside,
    AtSealed,
    HoldsSealed,
    Merges,
    Arguments,
    NotJson,
}

impl fmt::Display for JsonFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Path => {
                "it cannot be told where the path leads. Use $, .name, ['name'], [n], [n:m] and [*] only; `..` and filters read \
                 the whole document and choose in the application"
            }
            Self::Several => {
                "the wildcard leads to encrypted places and to others. Name the members, or read the object above them"
            }
            Self::Inside => "the path leads into a value that is encrypted as a whole. Read or write it whole",
            Self::AtSealed => {
                "the database would look at, or compute on, an encrypted value. JSON.GET it, compute in the application and JSON.SET it"
            }
            Self::HoldsSealed => {
                "the database would look into what holds encrypted values. JSON.GET it and look in the application"
            }
            Self::Merges => "an object cannot be merged into a value that is encrypted as a whole. JSON.SET it",
            Self::Arguments => "an argument is not understood. Use the form that docs/commands.md gives",
            Self::NotJson => {
                "the value is not JSON as RFC 8259 has it, in UTF-8, or nests more than 256 deep. Send what a JSON library writes"
            }
        })
    }
}

/// `client|setname` reads `CLIENT SETNAME` in an error.
fn upper(command: &str) -> String {
    command.replace('|', " ").to_ascii_uppercase()
}
