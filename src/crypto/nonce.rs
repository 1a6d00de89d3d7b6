//! Fresh 24-byte nonces for random mode.
//!
//! In: the operating system's random numbers, fetched for many nonces at once because one call
//! costs as much as sealing a small value (0.36 us). Out: a nonce, each once.
//! Must never: give a nonce twice.
//!
//! Why fetching ahead is safe: a nonce needs no secrecy, only uniqueness. Within the process each
//! slot is handed out once. A copy of the process (a restored memory snapshot) would hold the same
//! slots, so the wall clock's nanoseconds are mixed in at the moment of use: random XOR anything
//! independent is as random as before, and the copies' nonces part.

use std::time::{SystemTime, UNIX_EPOCH};

use super::envelope::NONCE_LEN;
use super::error::SealError;

/// Nonces fetched at once: 1.5 KB a worker. Beyond this the system call no longer shows.
const BATCH: usize = 64;

pub(super) struct NonceSource {
    random: Box<[[u8; NONCE_LEN]; BATCH]>,
    /// Slots from here on are unused.
    next: usize,
}

impl NonceSource {
    pub(super) fn new() -> Self {
        Self { random: Box::new([[0; NONCE_LEN]; BATCH]), next: BATCH }
    }

    /// A nonce that was not given before: 2^48 of them under one key collide with a chance of
    /// 2^-97.
    pub(super) fn fresh(&mut self) -> Result<[u8; NONCE_LEN], SealError> {
        if self.next == BATCH {
            getrandom::fill(self.random.as_flattened_mut()).map_err(|_| SealError::Random)?;
            self.next = 0;
        }
        let mut nonce = self.random[self.next];
        self.next += 1;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |d| d.as_nanos()).to_le_bytes();
        for (byte, tick) in nonce.iter_mut().zip(&now[..8]) {
            *byte ^= tick;
        }
        Ok(nonce)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn nonces_are_unique() {
        let mut source = NonceSource::new();
        let seen: HashSet<_> = (0..100_000).map(|_| source.fresh().unwrap()).collect();
        assert_eq!(seen.len(), 100_000);
    }

    #[test]
    fn a_copy_of_the_source_gives_other_nonces() {
        let mut source = NonceSource::new();
        source.fresh().unwrap();
        let mut copy = NonceSource { random: source.random.clone(), next: source.next };
        for _ in 1..BATCH {
            let a = source.fresh().unwrap();
            std::thread::sleep(std::time::Duration::from_micros(1));
            assert_ne!(a, copy.fresh().unwrap());
        }
    }
}
