//! Keyed digests of what is not a value: the lines of the audit log, and names of keys in it.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::labels;

/// What a [`MacKey`] is for; each is derived apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MacUse {
    /// Chains the lines of an audit log.
    AuditLine,
    /// Says how far an audit log goes.
    AuditAnchor,
    /// Stands for the name of a key.
    AuditKeyName,
}

impl MacUse {
    fn label(self) -> &'static [u8] {
        match self {
            Self::AuditLine => labels::AUDIT_LINE,
            Self::AuditAnchor => labels::AUDIT_ANCHOR,
            Self::AuditKeyName => labels::AUDIT_KEY_NAME,
        }
    }
}

/// HMAC-SHA256 (RFC 2104) under a key of its own. Wiped on drop.
#[derive(Clone)]
pub struct MacKey(Zeroizing<[u8; 32]>);

impl MacKey {
    /// HKDF-Expand (RFC 5869) from 32 random bytes.
    #[must_use]
    pub fn derive(root: &[u8; 32], what: MacUse) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::from_prk(root)
            .expect("a PRK of 32 bytes is as long as SHA-256's output")
            .expand(what.label(), key.as_mut_slice())
            .expect("32 bytes are within HKDF-SHA256's 8160");
        Self(key)
    }

    /// Of both, one after the other. The caller sees to it that the border between them is clear.
    #[must_use]
    pub fn mac(&self, first: &[u8], second: &[u8]) -> [u8; 32] {
        let mac = Hmac::<Sha256>::new_from_slice(&*self.0).expect("HMAC takes a key of any length");
        mac.chain_update(first).chain_update(second).finalize().into_bytes().into()
    }

    /// Is `mac` the one of both? Takes as long whatever differs.
    #[must_use]
    pub fn verifies(&self, first: &[u8], second: &[u8], mac: &[u8; 32]) -> bool {
        self.mac(first, second).ct_eq(mac).into()
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey(redacted)")
    }
}

/// The key of an audit log: 32 random bytes, as base64 text on one line.
///
/// Whoever has it can make lines that verify, so it is kept where the log's readers are not.
#[derive(Clone)]
pub struct AuditKey(Zeroizing<[u8; 32]>);

impl AuditKey {
    /// A new one.
    ///
    /// # Errors
    /// The operating system gave no random bytes.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(key.as_mut_slice())?;
        Ok(Self(key))
    }

    /// From its text; white space around it does not matter. `None` if it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(STANDARD.decode(text.trim()).ok()?);
        let key: [u8; 32] = bytes.as_slice().try_into().ok()?;
        Some(Self(Zeroizing::new(key)))
    }

    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(*self.0))
    }

    /// The key of one use.
    #[must_use]
    pub fn derive(&self, what: MacUse) -> MacKey {
        MacKey::derive(&self.0, what)
    }
}

impl fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuditKey(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_use_has_its_own_key() {
        let macs = [MacUse::AuditLine, MacUse::AuditAnchor, MacUse::AuditKeyName]
            .map(|what| MacKey::derive(&[7; 32], what).mac(b"a", b"b"));
        assert!(macs[0] != macs[1] && macs[1] != macs[2] && macs[0] != macs[2]);
        let key = MacKey::derive(&[7; 32], MacUse::AuditLine);
        assert!(key.verifies(b"a", b"b", &macs[0]));
        assert!(!key.verifies(b"a", b"c", &macs[0]));
        assert_eq!(format!("{key:?}"), "MacKey(redacted)");
    }
}
