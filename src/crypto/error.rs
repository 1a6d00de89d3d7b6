//! What can go wrong with an envelope: cause, and what to do. Never a value, key or place.

use std::fmt;

use super::keyring::KeyId;

/// Why nothing was sealed. Nothing has been appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealError {
    /// The keyring has no active deterministic key.
    NoDeterministicKey,
    /// The keyring has no active PRF key.
    NoPrfKey,
    /// Key, field or value is longer than the format can hold.
    TooLarge,
    /// The operating system gave no random bytes.
    Random,
}

/// Why an envelope did not open. Nothing has been appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// The bytes do not begin as an envelope does.
    NotSealed,
    /// Shorter than the shortest envelope.
    Truncated,
    /// A later version of the format.
    UnknownVersion(u8),
    /// A mode that this version of the format does not have.
    UnknownMode(u8),
    /// The keyring has no such key.
    UnknownKey(KeyId),
    /// The keyring says that this key was destroyed.
    DestroyedKey(KeyId),
    /// The tag does not match: changed, or sealed for another place or mode.
    Forged,
}

impl OpenError {
    /// A word for each, in the order of [`Self::reason`].
    pub const REASONS: [&str; 7] =
        ["not_sealed", "truncated", "unknown_version", "unknown_mode", "unknown_key", "destroyed_key", "forged"];

    /// Which of [`Self::REASONS`] it is.
    #[must_use]
    pub fn reason(self) -> usize {
        match self {
            Self::NotSealed => 0,
            Self::Truncated => 1,
            Self::UnknownVersion(_) => 2,
            Self::UnknownMode(_) => 3,
            Self::UnknownKey(_) => 4,
            Self::DestroyedKey(_) => 5,
            Self::Forged => 6,
        }
    }
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoDeterministicKey => {
                "cannot encrypt a member: the keyring has no active deterministic key; \
                 add one to the keyring's \"deterministic\" list"
            }
            Self::NoPrfKey => {
                "cannot encrypt a HyperLogLog element: the keyring has no active PRF key; \
                 add one to the keyring's \"prf\" list"
            }
            Self::TooLarge => {
                "cannot encrypt: key, field or value is too long for the envelope format; \
                 store it in smaller pieces"
            }
            Self::Random => {
                "cannot encrypt: the operating system gave no random bytes; \
                 check that getrandom(2) is allowed and try again"
            }
        })
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSealed => f.write_str(
                "the stored value is not encrypted: it was written before the rule or around the sidecar; \
                 write it again through the sidecar, or exclude the key with `except`",
            ),
            Self::Truncated => f.write_str(
                "the stored value is an envelope cut short; restore it from a backup or write it \
                 again",
            ),
            Self::UnknownVersion(version) => write!(
                f,
                "the stored value has envelope version {version}, this program reads version 1; \
                 use a newer waxseal"
            ),
            Self::UnknownMode(mode) => write!(
                f,
                "the stored value has envelope mode {mode}, which this program does not know; \
                 use a newer waxseal, or write the value again"
            ),
            Self::UnknownKey(id) => write!(
                f,
                "the stored value was encrypted with key {id}, which is not in the keyring; add \
                 that key to the keyring"
            ),
            Self::DestroyedKey(id) => write!(
                f,
                "the stored value was encrypted with key {id}, which has been destroyed; it \
                 cannot be read any more"
            ),
            Self::Forged => f.write_str(
                "the stored value does not open here: it was changed, or moved from another key, \
                 field or rule, or encrypted with another keyring; restore it or write it again",
            ),
        }
    }
}

impl std::error::Error for SealError {}
impl std::error::Error for OpenError {}
