//! How much was sealed and opened, and what did not open. Relaxed counters: read for metrics, nothing hangs on them.

use std::sync::atomic::{AtomicU64, Ordering};

use super::error::OpenError;
use super::keyring::{KeyId, Keyring};

/// Of one worker's [`super::Cipher`]s.
#[derive(Debug, Default)]
pub struct CipherCounts {
    sealed: AtomicU64,
    /// By the key that opened them.
    opened: Vec<(KeyId, AtomicU64)>,
    failed: [AtomicU64; OpenError::REASONS.len()],
}

impl CipherCounts {
    /// With a place for each key of the keyring.
    #[must_use]
    pub fn of(keyring: &Keyring) -> Self {
        let opened = keyring.entries().map(|entry| (entry.id, AtomicU64::new(0))).collect();
        Self { opened, ..Self::default() }
    }

    #[inline]
    pub(super) fn sealed_one(&self) {
        self.sealed.fetch_add(1, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn opened_one(&self, by: KeyId) {
        // Keyrings have few keys.
        if let Some((_, count)) = self.opened.iter().find(|(id, _)| *id == by) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn failed_one(&self, why: OpenError) {
        self.failed[why.reason()].fetch_add(1, Ordering::Relaxed);
    }

    #[must_use]
    pub fn sealed(&self) -> u64 {
        self.sealed.load(Ordering::Relaxed)
    }

    /// How many values each key has opened.
    pub fn opened(&self) -> impl Iterator<Item = (KeyId, u64)> {
        self.opened.iter().map(|(id, count)| (*id, count.load(Ordering::Relaxed)))
    }

    /// What did not open, by the words of [`OpenError::REASONS`].
    pub fn failed(&self) -> impl Iterator<Item = (&'static str, u64)> {
        OpenError::REASONS.into_iter().zip(self.failed.iter().map(|count| count.load(Ordering::Relaxed)))
    }
}
