//! What is wrong with a keyring: every fault at once, each with its place, none with a secret.

use std::fmt;

use super::Role;
use super::id::KeyId;

/// All faults found in a keyring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyringError {
    pub faults: Vec<KeyringFault>,
}

/// One fault of a keyring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyringFault {
    /// Not JSON, an unknown field, or a value of the wrong type. What stands there is not said: it
    /// could be a secret.
    Syntax { line: usize, column: usize },
    /// Larger than any keyring.
    TooLarge,
    /// `format` is not `waxseal-keyring`.
    Format,
    /// `version` is not 1.
    Version,
    /// `salt` is wrong.
    Salt(SecretFault),
    /// More keys than one keyring may hold.
    TooManyKeys,
    /// One key is wrong.
    Entry { list: &'static str, index: usize, fault: EntryFault },
    /// A list of keys has the wrong number of active ones.
    Active { list: &'static str, found: usize },
    /// Two keys with one id.
    DuplicateId(KeyId),
    /// Two keys with one secret.
    SameSecret(KeyId, KeyId),
    /// The operating system gave no random bytes.
    Random,
}

/// What is wrong with one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryFault {
    Id,
    ZeroId,
    State,
    Created,
    Secret(SecretFault),
    /// A destroyed key still has its secret.
    NotDestroyed,
}

/// What is wrong with 32 secret bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretFault {
    Missing,
    NotBase64,
    Length,
    AllZero,
}

impl fmt::Display for KeyringError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the keyring cannot be used:")?;
        for fault in &self.faults {
            write!(f, "\n  - {fault}")?;
        }
        Ok(())
    }
}

impl fmt::Display for KeyringFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { line, column } => write!(
                f,
                "line {line}, column {column}: not valid JSON, an unknown or doubled field, or a \
                 value of the wrong type; make a keyring with `waxseal keygen`"
            ),
            Self::TooLarge => f.write_str("the file is too large for a keyring; check its name"),
            Self::Format => f.write_str("format: must be \"waxseal-keyring\"; check the file"),
            Self::Version => f.write_str("version: must be 1; a later version needs a newer waxseal"),
            Self::Salt(fault) => write!(f, "salt: {fault}"),
            Self::TooManyKeys => f.write_str("too many keys; destroy and remove old ones"),
            Self::Entry { list, index, fault } => write!(f, "{list}[{index}].{fault}"),
            Self::Active { list, found } if *list == Role::Random.list() => {
                write!(f, "{list}: exactly one key must be active, {found} are; change their states")
            }
            Self::Active { list, found } => write!(
                f,
                "{list}: one key must be active unless all are destroyed, {found} are; change \
                 their states"
            ),
            Self::DuplicateId(id) => write!(f, "two keys have the id {id}; remove one"),
            Self::SameSecret(a, b) => {
                write!(f, "keys {a} and {b} have the same secret; generate a new one for one of them")
            }
            Self::Random => {
                f.write_str("the operating system gave no random bytes; check that getrandom(2) is allowed")
            }
        }
    }
}

impl fmt::Display for EntryFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id => f.write_str("id: must be eight hexadecimal digits"),
            Self::ZeroId => f.write_str("id: must not be zero"),
            Self::State => f.write_str("state: must be \"pending\", \"active\", \"retired\" or \"destroyed\""),
            Self::Created => f.write_str("created: must be a time such as 2026-01-31T12:00:00Z"),
            Self::Secret(fault) => write!(f, "secret: {fault}"),
            Self::NotDestroyed => {
                f.write_str("secret: a destroyed key must have none; remove the secret, or correct the state")
            }
        }
    }
}

impl fmt::Display for SecretFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "missing; 32 bytes in base64 are needed",
            Self::NotBase64 => "not valid base64 with padding (RFC 4648); copy it again",
            Self::Length => "must be 32 bytes in base64; copy it again",
            Self::AllZero => "is all zero bytes; generate a real one",
        })
    }
}

impl std::error::Error for KeyringError {}

impl From<KeyringFault> for KeyringError {
    fn from(fault: KeyringFault) -> Self {
        Self { faults: vec![fault] }
    }
}
