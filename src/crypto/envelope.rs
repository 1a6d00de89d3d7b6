//! Envelope v1: `magic(3) version+mode(1) key id(4) nonce(24) ciphertext tag(16)`.
//!
//! In: bytes from the database. Out: the header, unauthenticated until the envelope is opened.
//! Must never: decide by shape that something is trustworthy.

use super::error::OpenError;
use super::keyring::KeyId;

/// First bytes of every envelope. `C1` occurs neither in UTF-8 nor in MessagePack, so that no
/// text and no MessagePack value begins like an envelope.
pub const MAGIC: [u8; 3] = [0xC1, b'W', b'X'];

/// Bytes that an envelope is longer than its plaintext.
pub const OVERHEAD: usize = HEADER_LEN + TAG_LEN;

pub(super) const VERSION: u8 = 1;
pub(super) const HEAD_LEN: usize = 8;
pub(super) const NONCE_LEN: usize = 24;
pub(super) const HEADER_LEN: usize = HEAD_LEN + NONCE_LEN;
pub(super) const TAG_LEN: usize = 16;

/// How the nonce was made. The number is the low half of the fourth byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Mode {
    /// A fresh nonce: equal plaintexts give different envelopes.
    Random = 1,
    /// A nonce computed from place and plaintext: equal plaintexts in one place give equal
    /// envelopes, so that the database can look a member up.
    Deterministic = 2,
}

impl Mode {
    /// The name used in the specification and the vectors.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Deterministic => "deterministic",
        }
    }
}

/// The readable part of an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub version: u8,
    pub mode: Mode,
    pub key_id: KeyId,
    pub nonce: [u8; NONCE_LEN],
}

/// The first eight bytes: magic, version and mode, key id.
pub(super) fn head(mode: Mode, key_id: KeyId) -> [u8; HEAD_LEN] {
    let [a, b, c, d] = key_id.to_be_bytes();
    [MAGIC[0], MAGIC[1], MAGIC[2], VERSION << 4 | mode as u8, a, b, c, d]
}

/// Whether these bytes begin as an envelope does. Anybody can write such bytes: this only tells
/// "must open, or is an error" from "is no envelope".
#[must_use]
pub fn looks_sealed(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// Reads the header of an envelope of any length that can hold one.
///
/// # Errors
/// [`OpenError::NotSealed`], [`OpenError::Truncated`], [`OpenError::UnknownVersion`] or
/// [`OpenError::UnknownMode`], checked in the order of the bytes.
pub fn parse_header(envelope: &[u8]) -> Result<Header, OpenError> {
    split(envelope).map(|parts| parts.header)
}

/// An envelope cut at its borders.
pub(super) struct Parts<'a> {
    pub header: Header,
    pub ciphertext: &'a [u8],
    pub tag: &'a [u8; TAG_LEN],
}

pub(super) fn split(envelope: &[u8]) -> Result<Parts<'_>, OpenError> {
    let rest = envelope.strip_prefix(&MAGIC).ok_or(OpenError::NotSealed)?;
    let (&[form], rest) = rest.split_first_chunk().ok_or(OpenError::Truncated)?;
    let version = form >> 4;
    if version != VERSION {
        return Err(OpenError::UnknownVersion(version));
    }
    let mode = match form & 0x0F {
        1 => Mode::Random,
        2 => Mode::Deterministic,
        other => return Err(OpenError::UnknownMode(other)),
    };
    let (&key_id, rest) = rest.split_first_chunk().ok_or(OpenError::Truncated)?;
    let (&nonce, rest) = rest.split_first_chunk().ok_or(OpenError::Truncated)?;
    let (ciphertext, tag) = rest.split_last_chunk().ok_or(OpenError::Truncated)?;
    let header = Header { version, mode, key_id: KeyId::from_be_bytes(key_id), nonce };
    Ok(Parts { header, ciphertext, tag })
}
