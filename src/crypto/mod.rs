//! Envelopes: what stands in the database instead of a value.
//!
//! Job: turn a plaintext into an envelope bound to its place (purpose, scope, field), and an
//! envelope back into the plaintext for that same place and no other.
//! In: a [`Keyring`], a [`Place`], bytes. Out: bytes appended to the caller's buffer, or an error
//! that names the cause and the way out.
//! Must never: do I/O (but for the operating system's random numbers), know of RESP, trust bytes by
//! their shape, leave unauthenticated plaintext in a buffer, or put a value, a key or a place into
//! an error, a log or `Debug`.
//!
//! The bytes are specified in `proto/envelope.md`, with vectors in `proto/envelope-vectors.json`.
//! Read in this order: `labels`, `place`, `envelope`, `aead`, `derive`, `nonce`, `cipher`, `keyring`.

mod aead;
mod cipher;
mod counts;
mod derive;
mod envelope;
mod error;
mod keyring;
mod labels;
mod mac;
mod nonce;
mod place;

pub use aead::Backend;
pub use cipher::Cipher;
pub use counts::CipherCounts;
pub use envelope::{Header, MAGIC, Mode, OVERHEAD, looks_sealed, parse_header};
pub use error::{OpenError, SealError};
pub use keyring::{
    EntryFault, EntryInfo, KeyId, KeyState, Keyring, KeyringError, KeyringFault, ParseKeyIdError, Role, SecretFault,
    Timestamp,
};
pub use mac::{AuditKey, MacKey, MacUse};
pub use place::{Place, Purpose, Scope, ScopeKind};

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
