//! XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha over RFC 8439), in place, twice.
//!
//! In: key, nonce, associated data and the bytes, which are replaced. Out: the tag, or a verdict.
//! Must never: leave the subkey in memory. On a failed opening the bytes are worthless and the
//! caller wipes them.

use aws_lc_rs::aead as fast;
use chacha20::{R20, hchacha};
use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use zeroize::Zeroize;

use super::envelope::{NONCE_LEN, TAG_LEN};

/// Which code does the work. Both give the same bytes; chosen once, when a `Cipher` is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    /// HChaCha20 for the subkey, then AWS-LC's ChaCha20-Poly1305 with the rest of the nonce:
    /// several times faster (`benches/crypto.rs`).
    #[default]
    Native,
    /// The `chacha20poly1305` crate: no C or assembly, and the oracle of the tests.
    Portable,
}

/// The tag did not match, or the input is longer than RFC 8439 allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AeadFailure;

impl Backend {
    pub(super) fn seal(
        self,
        key: &[u8; 32],
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        in_out: &mut [u8],
    ) -> Result<[u8; TAG_LEN], AeadFailure> {
        match self {
            Self::Native => {
                let (key, nonce) = subkey(key, nonce)?;
                let tag =
                    key.seal_in_place_separate_tag(nonce, fast::Aad::from(aad), in_out).map_err(|_| AeadFailure)?;
                tag.as_ref().try_into().map_err(|_| AeadFailure)
            }
            Self::Portable => XChaCha20Poly1305::new(key.into())
                .encrypt_inout_detached(nonce.into(), aad, in_out.into())
                .map(Into::into)
                .map_err(|_| AeadFailure),
        }
    }

    pub(super) fn open(
        self,
        key: &[u8; 32],
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        in_out: &mut [u8],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), AeadFailure> {
        match self {
            Self::Native => {
                let (key, nonce) = subkey(key, nonce)?;
                key.open_in_place_separate_tag(nonce, fast::Aad::from(aad), tag, in_out)
                    .map(|_| ())
                    .map_err(|_| AeadFailure)
            }
            Self::Portable => XChaCha20Poly1305::new(key.into())
                .decrypt_inout_detached(nonce.into(), aad, in_out.into(), tag.into())
                .map_err(|_| AeadFailure),
        }
    }
}

/// The ChaCha20-Poly1305 key and nonce that stand for an XChaCha20-Poly1305 key and nonce.
fn subkey(key: &[u8; 32], nonce: &[u8; NONCE_LEN]) -> Result<(fast::LessSafeKey, fast::Nonce), AeadFailure> {
    let (input, rest) = nonce.split_at(16);
    let input: &[u8; 16] = input.try_into().map_err(|_| AeadFailure)?;
    let mut inner = [0; 12];
    inner[4..].copy_from_slice(rest);
    let mut subkey = hchacha::<R20>(key.into(), input.into());
    let bound = fast::UnboundKey::new(&fast::CHACHA20_POLY1305, &subkey);
    subkey.as_mut_slice().zeroize();
    Ok((fast::LessSafeKey::new(bound.map_err(|_| AeadFailure)?), fast::Nonce::assume_unique_for_key(inner)))
}
