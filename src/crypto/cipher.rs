//! Seals and opens: one `Cipher` per worker, with that worker's cache of derived keys.
//!
//! In: a place and bytes. Out: exactly 48 bytes more (sealing) or less (opening), appended to the
//! caller's buffer and encrypted or decrypted there, without a second copy.
//! Must never: use a nonce twice under one key, or leave a byte in the buffer after a failure.

use std::fmt;
use std::sync::Arc;

use bytes::BytesMut;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use super::aead::Backend;
use super::counts::CipherCounts;
use super::derive::{DerivedCache, expand};
use super::envelope::{self, HEADER_LEN, Mode, NONCE_LEN, OVERHEAD};
use super::error::{OpenError, SealError};
use super::keyring::{KeyId, Keyring, Role, Root};
use super::labels;
use super::nonce::NonceSource;
use super::place::{Place, TooLarge, associated_data, prefix};

/// The scratch buffer for associated data is given back above this, so that one huge field name
/// does not stay in memory.
const MAX_KEPT_SCRATCH: usize = 4096;

/// Seals for and opens from one keyring.
pub struct Cipher {
    keyring: Arc<Keyring>,
    backend: Backend,
    cache: DerivedCache,
    nonces: NonceSource,
    /// Associated data of the operation at hand.
    aad: Vec<u8>,
    counts: Arc<CipherCounts>,
    failures: u64,
}

impl Cipher {
    /// With the fast backend.
    #[must_use]
    pub fn new(keyring: Arc<Keyring>) -> Self {
        Self::with_backend(keyring, Backend::default())
    }

    /// With a backend of choice; both give the same bytes.
    #[must_use]
    pub fn with_backend(keyring: Arc<Keyring>, backend: Backend) -> Self {
        Self {
            keyring,
            backend,
            cache: DerivedCache::new(),
            nonces: NonceSource::new(),
            aad: Vec::new(),
            counts: Arc::default(),
            failures: 0,
        }
    }

    /// Counts there what it does.
    #[must_use]
    pub fn counting_in(self, counts: Arc<CipherCounts>) -> Self {
        Self { counts, ..self }
    }

    /// Another one of the same keys, which counts in the same place.
    #[must_use]
    pub fn twin(&self) -> Self {
        Self::with_backend(self.keyring.clone(), self.backend).counting_in(self.counts.clone())
    }

    /// How many envelopes this one could not open.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failures
    }

    /// Changes to another snapshot of the keyring. Every derived key is forgotten.
    pub fn set_keyring(&mut self, keyring: Arc<Keyring>) {
        self.cache.clear();
        self.keyring = keyring;
    }

    /// The snapshot in use.
    #[must_use]
    pub fn keyring(&self) -> &Arc<Keyring> {
        &self.keyring
    }

    /// Appends the envelope of `plaintext` (48 bytes longer) with a fresh nonce, under the active
    /// key.
    ///
    /// # Errors
    /// [`SealError::Random`] or [`SealError::TooLarge`]; then `out` is as it was.
    pub fn seal(&mut self, place: &Place<'_>, plaintext: &[u8], out: &mut BytesMut) -> Result<(), SealError> {
        let nonce = self.nonces.fresh()?;
        self.seal_random(place, nonce, plaintext, out)
    }

    /// Appends the envelope of `plaintext` (48 bytes longer) with the nonce that place and
    /// plaintext determine, under the active deterministic key: equal calls give equal bytes.
    ///
    /// # Errors
    /// [`SealError::NoDeterministicKey`] or [`SealError::TooLarge`]; then `out` is as it was.
    pub fn seal_deterministic(
        &mut self,
        place: &Place<'_>,
        plaintext: &[u8],
        out: &mut BytesMut,
    ) -> Result<(), SealError> {
        let keyring = Arc::clone(&self.keyring);
        let (id, root) = keyring.writer(Role::Deterministic).ok_or(SealError::NoDeterministicKey)?;
        self.seal_under(id, root, Mode::Deterministic, None, place, plaintext, out)
    }

    /// Appends the plaintext of `envelope` (48 bytes shorter), if it was sealed for this place
    /// with a key of the keyring, in either mode.
    ///
    /// # Errors
    /// The reason; then `out` is as it was, and whatever had been written behind it is wiped.
    pub fn open(&mut self, place: &Place<'_>, envelope: &[u8], out: &mut BytesMut) -> Result<(), OpenError> {
        let opened = self.open_by(place, envelope, out);
        match opened {
            Ok(by) => self.counts.opened_one(by),
            Err(why) => {
                self.failures += 1;
                self.counts.failed_one(why);
            }
        }
        opened.map(|_| ())
    }

    /// The same; says which key has opened it.
    fn open_by(&mut self, place: &Place<'_>, envelope: &[u8], out: &mut BytesMut) -> Result<KeyId, OpenError> {
        let parts = envelope::split(envelope)?;
        let (id, mode) = (parts.header.key_id, parts.header.mode);
        let root = self.keyring.reader(id, Role::of(mode))?;
        let start = out.len();
        let opened = (|| {
            let keys = self.cache.keys(id, root.prk(), mode, place).ok()?;
            associated_data(&envelope::head(mode, id), place, &mut self.aad).ok()?;
            out.extend_from_slice(parts.ciphertext);
            let text = &mut out[start..];
            let nonce = &parts.header.nonce;
            self.backend.open(&keys.seal, nonce, &self.aad, text, parts.tag).ok()?;
            if let Some(mac_key) = &keys.nonce {
                let made = deterministic_nonce(mac_key, &self.aad, text).ok()?;
                bool::from(made.ct_eq(nonce)).then_some(())?;
            }
            Some(())
        })();
        if opened.is_none() {
            out[start..].zeroize();
            out.truncate(start);
        }
        self.trim();
        opened.map(|()| id).ok_or(OpenError::Forged)
    }

    /// What stands for a HyperLogLog element in the database: HMAC-SHA256 under the active PRF
    /// key's derived key. It cannot be reversed or rotated. `place.field` has no part in it.
    ///
    /// # Errors
    /// [`SealError::NoPrfKey`] or [`SealError::TooLarge`].
    pub fn prf(&self, place: &Place<'_>, element: &[u8]) -> Result<[u8; 32], SealError> {
        let (_, root) = self.keyring.writer(Role::Prf).ok_or(SealError::NoPrfKey)?;
        let key = expand(root.prk(), labels::PRF, place)?;
        Ok(mac(&key).chain_update(element).finalize().into_bytes().into())
    }

    /// Never call it twice with one nonce but to make the same envelope: test vectors only.
    pub(super) fn seal_random(
        &mut self,
        place: &Place<'_>,
        nonce: [u8; NONCE_LEN],
        plaintext: &[u8],
        out: &mut BytesMut,
    ) -> Result<(), SealError> {
        let keyring = Arc::clone(&self.keyring);
        let (id, root) = keyring.active_root();
        self.seal_under(id, root, Mode::Random, Some(nonce), place, plaintext, out)
    }

    #[expect(clippy::too_many_arguments, reason = "the one place where they meet")]
    fn seal_under(
        &mut self,
        id: KeyId,
        root: &Root,
        mode: Mode,
        nonce: Option<[u8; NONCE_LEN]>,
        place: &Place<'_>,
        plaintext: &[u8],
        out: &mut BytesMut,
    ) -> Result<(), SealError> {
        let keys = self.cache.keys(id, root.prk(), mode, place)?;
        let head = envelope::head(mode, id);
        associated_data(&head, place, &mut self.aad)?;
        let nonce = match (nonce, &keys.nonce) {
            (None, Some(mac_key)) => deterministic_nonce(mac_key, &self.aad, plaintext)?,
            (Some(nonce), None) => nonce,
            // Not built by the two callers above; a nonce must not come from a wrong source.
            _ => return Err(SealError::NoDeterministicKey),
        };
        let start = out.len();
        out.reserve(plaintext.len() + OVERHEAD);
        out.extend_from_slice(&head);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(plaintext);
        let text = &mut out[start + HEADER_LEN..];
        let sealed = self.backend.seal(&keys.seal, &nonce, &self.aad, text);
        let result = if let Ok(tag) = sealed {
            out.extend_from_slice(&tag);
            self.counts.sealed_one();
            Ok(())
        } else {
            // The only way for a backend to fail here: more than RFC 8439's 256 GiB.
            out[start..].zeroize();
            out.truncate(start);
            Err(SealError::TooLarge)
        };
        self.trim();
        result
    }

    fn trim(&mut self) {
        if self.aad.capacity() > MAX_KEPT_SCRATCH {
            self.aad = Vec::new();
        }
    }
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cipher").field("backend", &self.backend).finish_non_exhaustive()
    }
}

impl From<TooLarge> for SealError {
    fn from(_: TooLarge) -> Self {
        Self::TooLarge
    }
}

/// First 24 bytes of `HMAC-SHA256(key, lp(associated data) || plaintext)`.
fn deterministic_nonce(key: &[u8; 32], aad: &[u8], plaintext: &[u8]) -> Result<[u8; NONCE_LEN], TooLarge> {
    let full: [u8; 32] =
        mac(key).chain_update(prefix(aad)?).chain_update(aad).chain_update(plaintext).finalize().into_bytes().into();
    let mut nonce = [0; NONCE_LEN];
    nonce.copy_from_slice(&full[..NONCE_LEN]);
    Ok(nonce)
}

fn mac(key: &[u8; 32]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length")
}
