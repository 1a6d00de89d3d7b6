//! The root keys: an immutable snapshot, shared by all workers.
//!
//! In: the keyring's JSON (`json`), or the operating system's random numbers. Out: root keys by id,
//! and the one to write with.
//! Must never: show a secret in `Debug` or an error, exist in an invalid state, or free a secret
//! without wiping it.
//!
//! A key's states: pending (readable everywhere before anyone writes with it) -> active (exactly
//! one per role writes) -> retired (reads only) -> destroyed (its secret is gone; the id stays, so
//! that errors can say so).

mod error;
mod id;
mod json;
mod time;

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

pub use error::{EntryFault, KeyringError, KeyringFault, SecretFault};
pub use id::{KeyId, ParseKeyIdError};
pub use time::Timestamp;

use super::derive::extract;
use super::envelope::Mode;
use super::error::OpenError;

/// What a root key is for. Each role has its own list in the file, so that activating a new key
/// for one never touches another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Random mode: file list `keys`. Exactly one is active.
    Random,
    /// Deterministic mode: file list `deterministic`. A new one makes every lookup miss until
    /// each collection is rewrapped.
    Deterministic,
    /// HyperLogLog elements: file list `prf`. Cannot be rotated.
    Prf,
}

impl Role {
    /// All roles, in the order of the file.
    pub const ALL: [Self; 3] = [Self::Random, Self::Deterministic, Self::Prf];

    /// The name of the list in the keyring's JSON.
    #[must_use]
    pub fn list(self) -> &'static str {
        match self {
            Self::Random => "keys",
            Self::Deterministic => "deterministic",
            Self::Prf => "prf",
        }
    }

    pub(super) fn of(mode: Mode) -> Self {
        match mode {
            Mode::Random => Self::Random,
            Mode::Deterministic => Self::Deterministic,
        }
    }
}

/// Where a key stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyState {
    Pending,
    Active,
    Retired,
    Destroyed,
}

impl KeyState {
    /// The name in the keyring's JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Retired => "retired",
            Self::Destroyed => "destroyed",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Pending, Self::Active, Self::Retired, Self::Destroyed].into_iter().find(|s| s.name() == name)
    }
}

/// What may be told about a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryInfo {
    pub id: KeyId,
    pub role: Role,
    pub state: KeyState,
    pub created: Timestamp,
}

/// A root secret and what HKDF extracts from it.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct Root {
    secret: [u8; 32],
    prk: [u8; 32],
}

impl Root {
    /// Filled in its box, so that no copy stays on the stack.
    fn new(secret: &[u8; 32], salt: &[u8; 32]) -> Box<Self> {
        let mut root = Box::new(Self { secret: [0; 32], prk: [0; 32] });
        root.secret.copy_from_slice(secret);
        root.prk.copy_from_slice(extract(salt, secret).as_slice());
        root
    }

    pub(in crate::crypto) fn prk(&self) -> &[u8; 32] {
        &self.prk
    }
}

struct Entry {
    info: EntryInfo,
    /// `None` when destroyed.
    root: Option<Box<Root>>,
}

/// An immutable set of root keys: exactly one active random key, at most one active key in the
/// other roles, no two with one id or one secret.
pub struct Keyring {
    salt: Zeroizing<[u8; 32]>,
    entries: Vec<Entry>,
    /// Where the active key of the role `Random` is in `entries`.
    active: usize,
}

impl Keyring {
    /// A new keyring: one active key in each role, a fresh salt, created now.
    ///
    /// # Errors
    /// The operating system gave no random bytes.
    pub fn generate() -> Result<Self, KeyringError> {
        Self::generate_at(Timestamp::now())
    }

    /// As [`Keyring::generate`], with the clock passed in.
    ///
    /// # Errors
    /// The operating system gave no random bytes.
    pub fn generate_at(created: Timestamp) -> Result<Self, KeyringError> {
        let mut salt = Zeroizing::new([0; 32]);
        random(salt.as_mut_slice())?;
        let mut entries: Vec<Entry> = Vec::with_capacity(Role::ALL.len());
        for role in Role::ALL {
            let mut secret = Zeroizing::new([0; 32]);
            random(secret.as_mut_slice())?;
            let id = loop {
                let mut id = [0; 4];
                random(&mut id)?;
                let id = KeyId::from_be_bytes(id);
                if !id.is_zero() && entries.iter().all(|e| e.info.id != id) {
                    break id;
                }
            };
            let info = EntryInfo { id, role, state: KeyState::Active, created };
            let root = Some(Root::new(&secret, &salt));
            entries.push(Entry { info, root });
        }
        Ok(Self { salt, entries, active: 0 })
    }

    /// The key that random mode seals with.
    #[must_use]
    pub fn active(&self) -> KeyId {
        self.entries[self.active].info.id
    }

    /// Every key, without its secret, in the order of the file.
    pub fn entries(&self) -> impl Iterator<Item = EntryInfo> + '_ {
        self.entries.iter().map(|e| e.info)
    }

    pub(super) fn active_root(&self) -> (KeyId, &Root) {
        self.writer(Role::Random).expect("a keyring is only built with an active key that has its secret")
    }

    /// The key to write with in this role.
    pub(super) fn writer(&self, role: Role) -> Option<(KeyId, &Root)> {
        let entry = match role {
            Role::Random => &self.entries[self.active],
            _ => self.entries.iter().find(|e| e.info.role == role && e.info.state == KeyState::Active)?,
        };
        Some((entry.info.id, entry.root.as_deref()?))
    }

    /// The key to read with. A key of another role is a forgery: no envelope of that mode was ever
    /// written with it.
    pub(super) fn reader(&self, id: KeyId, role: Role) -> Result<&Root, OpenError> {
        let entry = self.entries.iter().find(|e| e.info.id == id).ok_or(OpenError::UnknownKey(id))?;
        if entry.info.role != role {
            return Err(OpenError::Forged);
        }
        entry.root.as_deref().ok_or(OpenError::DestroyedKey(id))
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("entries", &self.entries().collect::<Vec<_>>()).finish_non_exhaustive()
    }
}

fn random(bytes: &mut [u8]) -> Result<(), KeyringError> {
    getrandom::fill(bytes).map_err(|_| KeyringFault::Random.into())
}
