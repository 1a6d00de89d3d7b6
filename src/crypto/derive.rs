//! From a root key to the key of one scope (HKDF-SHA256, RFC 5869), with a bounded cache.
//!
//! In: a root's pseudo-random key and a place. Out: the derived key, borrowed from the cache.
//! Must never: hand out the key of another scope (entries are compared whole, not by hash), grow
//! without bound, or free a key without wiping it.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::envelope::Mode;
use super::keyring::KeyId;
use super::labels;
use super::place::{Place, TooLarge, prefix};

/// Sets of the cache times entries of a set: 4096 derived keys a worker, about 1 MB when full of
/// keys with long names, and a working set of ordinary size fits.
const SETS: usize = 1024;
const WAYS: usize = 4;
/// Longer scope ids are derived each time, so that huge Redis keys cannot fill memory: the cost of
/// a derivation is small beside that of sending such a key.
const MAX_CACHED_ID: usize = 256;

/// HKDF-Extract: done once per root key, when the keyring is read.
pub(super) fn extract(salt: &[u8; 32], root: &[u8; 32]) -> Zeroizing<[u8; 32]> {
    let (prk, _) = Hkdf::<Sha256>::extract(Some(salt), root);
    Zeroizing::new(prk.into())
}

/// HKDF-Expand: `info = lp(label) lp(purpose) lp(scope kind) lp(scope id)`.
pub(super) fn expand(prk: &[u8; 32], label: &[u8], place: &Place<'_>) -> Result<Zeroizing<[u8; 32]>, TooLarge> {
    const ONE: [u8; 4] = 1u32.to_be_bytes();
    let mut okm = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::from_prk(prk)
        .expect("a PRK of 32 bytes is as long as SHA-256's output")
        .expand_multi_info(
            &[
                &prefix(label)?,
                label,
                &ONE,
                &[place.purpose as u8],
                &ONE,
                &[place.scope.kind as u8],
                &prefix(place.scope.id)?,
                place.scope.id,
            ],
            okm.as_mut_slice(),
        )
        .expect("32 bytes are within HKDF-SHA256's 8160");
    Ok(okm)
}

/// The keys of one scope and purpose.
pub(super) struct Derived {
    pub seal: Zeroizing<[u8; 32]>,
    /// Deterministic mode only: the key of the MAC that makes the nonce.
    pub nonce: Option<Zeroizing<[u8; 32]>>,
}

impl Derived {
    fn new(prk: &[u8; 32], mode: Mode, place: &Place<'_>) -> Result<Self, TooLarge> {
        Ok(match mode {
            Mode::Random => Self { seal: expand(prk, labels::RANDOM_SEAL, place)?, nonce: None },
            Mode::Deterministic => Self {
                seal: expand(prk, labels::DETERMINISTIC_SEAL, place)?,
                nonce: Some(expand(prk, labels::DETERMINISTIC_NONCE, place)?),
            },
        })
    }
}

struct Slot {
    key_id: KeyId,
    mode: Mode,
    purpose: u8,
    kind: u8,
    id: Box<[u8]>,
    derived: Derived,
}

/// Derived keys by what they were derived from: a set-associative table, because its bound is
/// exact, eviction costs nothing, and names chosen to collide, should somebody guess the seed, can only cause derivations.
pub(super) struct DerivedCache {
    hasher: RandomState,
    /// Each set at most [`WAYS`] long, the last used first.
    #[expect(clippy::vec_box, reason = "reordering moves pointers and leaves no copy of a key behind")]
    sets: Vec<Vec<Box<Slot>>>,
    /// The set in which the last look-up ended.
    last: usize,
    /// The last derivation for an id too long to be kept.
    spare: Option<Box<Derived>>,
}

impl DerivedCache {
    pub(super) fn new() -> Self {
        Self { hasher: RandomState::default(), sets: (0..SETS).map(|_| Vec::new()).collect(), last: 0, spare: None }
    }

    /// Forgets and wipes everything: for a new keyring.
    pub(super) fn clear(&mut self) {
        self.sets.iter_mut().for_each(Vec::clear);
        self.spare = None;
    }

    /// The keys of this place under the root key `key_id`, whose pseudo-random key is `prk`.
    pub(super) fn keys(
        &mut self,
        key_id: KeyId,
        prk: &[u8; 32],
        mode: Mode,
        place: &Place<'_>,
    ) -> Result<&Derived, TooLarge> {
        let id = place.scope.id;
        if id.len() > MAX_CACHED_ID {
            let derived = Box::new(Derived::new(prk, mode, place)?);
            return Ok(self.spare.insert(derived));
        }
        let (purpose, kind) = (place.purpose as u8, place.scope.kind as u8);
        let is_it = |slot: &Slot| {
            *slot.id == *id
                && slot.key_id == key_id
                && slot.mode == mode
                && slot.purpose == purpose
                && slot.kind == kind
        };
        // The elements of one list are of one place.
        if self.sets[self.last].first().is_some_and(|slot| is_it(slot)) {
            return Ok(&self.sets[self.last][0].derived);
        }
        let hash = self.hasher.hash_one((key_id, mode as u8, purpose, kind, id));
        #[expect(clippy::cast_possible_truncation, reason = "the low bits choose the set")]
        let number = hash as usize % SETS;
        let set = &mut self.sets[number];
        if let Some(at) = set.iter().position(|slot| is_it(slot)) {
            set[..=at].rotate_right(1);
        } else {
            let slot =
                Box::new(Slot { key_id, mode, purpose, kind, id: id.into(), derived: Derived::new(prk, mode, place)? });
            set.truncate(WAYS - 1);
            set.insert(0, slot);
        }
        self.last = number;
        Ok(&set[0].derived)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.sets.iter().map(Vec::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{Purpose, Scope, ScopeKind};

    fn place(id: &[u8]) -> Place<'_> {
        Place { purpose: Purpose::Value, scope: Scope { kind: ScopeKind::Key, id }, field: None }
    }

    #[test]
    fn hkdf_of_rfc_5869_case_1() {
        let salt: Vec<u8> = (0..=0x0c).collect();
        let info: Vec<u8> = (0xf0..=0xf9).collect();
        let (prk, hk) = Hkdf::<Sha256>::extract(Some(&salt), &[0x0b; 22]);
        assert_eq!(prk[..4], [0x07, 0x77, 0x09, 0x36]);
        let mut okm = [0; 42];
        hk.expand(&info, &mut okm).unwrap();
        assert_eq!(okm[..4], [0x3c, 0xb2, 0x5f, 0x25]);
        assert_eq!(okm[38..], [0x87, 0x18, 0x58, 0x65]);
    }

    #[test]
    fn the_cache_is_bounded_and_right_under_eviction() {
        let prk = [7; 32];
        let key_id = KeyId::from_be_bytes([0, 0, 0, 1]);
        let mut cache = DerivedCache::new();
        for round in 0..2 {
            for i in 0..(3 * SETS * WAYS) as u32 {
                let id = i.to_be_bytes();
                let want = expand(&prk, labels::RANDOM_SEAL, &place(&id)).unwrap();
                let got = cache.keys(key_id, &prk, Mode::Random, &place(&id)).unwrap();
                assert!(*got.seal == *want, "round {round}, key {i}");
            }
        }
        assert!(cache.len() <= SETS * WAYS);
        cache.clear();
        assert_eq!(cache.len(), 0);
    }

    #[test]
    fn long_ids_are_not_kept() {
        let mut cache = DerivedCache::new();
        let long = vec![b'k'; MAX_CACHED_ID + 1];
        let key_id = KeyId::from_be_bytes([0, 0, 0, 1]);
        let (a, b) = (
            *cache.keys(key_id, &[1; 32], Mode::Random, &place(&long)).unwrap().seal,
            *cache.keys(key_id, &[1; 32], Mode::Random, &place(&long[1..])).unwrap().seal,
        );
        assert_ne!(a, b);
        assert_eq!(cache.len(), 1);
    }
}
