//! Passwords of identities: only their Argon2 hashes are kept.
//!
//! Job: say whether a password is somebody's. In: PHC strings, once; then what clients send. Out: yes or no.
//! Must never: hold a password, show a hash, or answer faster for a name that nobody has.

use std::collections::HashSet;
use std::fmt;
use std::sync::{PoisonError, RwLock};

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use aws_lc_rs::hmac;

use super::IdentityId;

/// Of the salt, in bytes, as the standard (RFC 9106) recommends.
const SALT: usize = 16;

/// What a password is stored as.
///
/// # Errors
/// The operating system gave no random bytes, or the password is longer than Argon2 takes.
pub fn hash_password(password: &[u8]) -> Result<String, &'static str> {
    let mut salt = [0; SALT];
    getrandom::fill(&mut salt).map_err(|_| "the operating system gave no random bytes")?;
    let hash = Argon2::default().hash_password_with_salt(password, &salt);
    hash.map(|hash| hash.to_string()).map_err(|_| "the password cannot be hashed")
}

/// The hashes of all identities.
pub struct Passwords {
    hashes: Vec<(IdentityId, PasswordHash)>,
    /// Of this process, for `right`.
    key: hmac::Key,
    /// Names and passwords that were right, keyed and hashed, so that a pool of connections costs one Argon2 and not one
    /// each. One entry for each hash at most.
    right: RwLock<HashSet<[u8; 32]>>,
}

impl Passwords {
    /// `hashes` are PHC strings that were checked already; one that is none lets nobody in.
    ///
    /// # Panics
    /// If the operating system gives no random bytes at start.
    #[must_use]
    pub fn new<'a>(hashes: impl IntoIterator<Item = (IdentityId, &'a str)>) -> Self {
        let parsed = hashes.into_iter().filter_map(|(id, text)| Some((id, PasswordHash::new(text).ok()?)));
        let mut key = [0; 32];
        getrandom::fill(&mut key).expect("random bytes at start");
        Self { hashes: parsed.collect(), key: hmac::Key::new(hmac::HMAC_SHA256, &key), right: RwLock::default() }
    }

    /// Was this very password right before? Takes no time.
    #[must_use]
    pub fn was_right(&self, id: IdentityId, password: &[u8]) -> bool {
        let right = self.right.read().unwrap_or_else(PoisonError::into_inner);
        !right.is_empty() && right.contains(&self.tag(id, password))
    }

    /// Tries the password: some 20 ms and 20 MB for each hash of that identity. `None`, nobody, takes as long as somebody.
    #[must_use]
    pub fn verify(&self, id: Option<IdentityId>, password: &[u8]) -> bool {
        let fits = |hash: &PasswordHash| Argon2::default().verify_password(password, hash).is_ok();
        let mut own = self.hashes.iter().filter(|(owner, _)| Some(*owner) == id).peekable();
        if own.peek().is_none() {
            let _ = self.hashes.first().is_some_and(|(_, hash)| fits(hash));
            return false;
        }
        let (true, Some(id)) = (own.any(|(_, hash)| fits(hash)), id) else { return false };
        let mut right = self.right.write().unwrap_or_else(PoisonError::into_inner);
        if right.len() < self.hashes.len() {
            right.insert(self.tag(id, password));
        }
        true
    }

    fn tag(&self, id: IdentityId, password: &[u8]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&id.0.to_be_bytes());
        context.update(password);
        let mut tag = [0; 32];
        tag.copy_from_slice(context.sign().as_ref());
        tag
    }
}

impl Default for Passwords {
    /// Of nobody.
    fn default() -> Self {
        Self::new([])
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Passwords({} hashes)", self.hashes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_lets_in_its_password_and_no_other() {
        let (one, two) = (hash_password(b"one").unwrap(), hash_password(b"two").unwrap());
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$") && !one.contains("one"));
        let passwords = Passwords::new([
            (IdentityId(1), &*one),
            (IdentityId(2), &two),
            (IdentityId(2), &one),
            (IdentityId(3), "x"),
        ]);
        assert!(!passwords.was_right(IdentityId(1), b"one"));
        assert!(passwords.verify(Some(IdentityId(1)), b"one"));
        assert!(passwords.was_right(IdentityId(1), b"one"));
        assert!(!passwords.was_right(IdentityId(2), b"one"), "of another identity");
        assert!(passwords.verify(Some(IdentityId(2)), b"one") && passwords.verify(Some(IdentityId(2)), b"two"));
        for (id, password) in
            [(Some(1), &b"two"[..]), (Some(1), b""), (Some(3), b"x"), (None, b"one"), (Some(4), b"one")]
        {
            assert!(!passwords.verify(id.map(IdentityId), password), "{id:?}");
        }
        assert!(!format!("{passwords:?}").contains("argon2"));
    }
}
