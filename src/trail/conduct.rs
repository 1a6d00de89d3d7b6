//! How an identity behaves, in numbers.

use std::hash::BuildHasher;

use foldhash::quality::FixedState;

use super::event::What;
use crate::command::CommandClass;

/// Since the last report, in one worker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conduct {
    /// By class.
    pub commands: [u64; CommandClass::ALL.len()],
    /// Commands that walk through the names of keys.
    pub sweeps: u64,
    /// Which keys under a rule.
    pub keys: Sketch,
    /// How often one was named.
    pub touches: u64,
    /// Of replies that concern keys under a rule.
    pub bytes: u64,
    pub refused: u64,
    /// Values that did not open.
    pub failed: u64,
}

impl Conduct {
    pub(super) fn touch(&mut self, key: &[u8]) {
        self.touches += 1;
        self.keys.insert(key);
    }

    pub(super) fn note(&mut self, what: &What) {
        match what {
            What::Refused { .. } => self.refused += 1,
            What::OpenFailed { count } => self.failed += count,
            _ => {}
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        *self == Self::default()
    }

    /// Adds what another worker, or a later second, saw.
    pub fn merge(&mut self, other: &Self) {
        self.commands.iter_mut().zip(other.commands).for_each(|(sum, one)| *sum += one);
        self.sweeps += other.sweeps;
        self.keys.merge(&other.keys);
        self.touches += other.touches;
        self.bytes += other.bytes;
        self.refused += other.refused;
        self.failed += other.failed;
    }
}

/// About how many different keys there were, in little memory: linear counting (Whang, Vander-Zanden and Taylor, 1990).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sketch(Box<[u64; WORDS]>);

/// 4,096 bits: within some percent up to about 10,000 keys, and "very many" above.
const WORDS: usize = 64;
/// Keys are no secret of this process, so the state needs none; but it has to be the same in all workers.
const SEED: u64 = 0x5741_5853_4541_4c00;

impl Default for Sketch {
    fn default() -> Self {
        Self(Box::new([0; WORDS]))
    }
}

impl Sketch {
    fn insert(&mut self, key: &[u8]) {
        let at = FixedState::with_seed(SEED).hash_one(key) as usize % (WORDS * 64);
        self.0[at / 64] |= 1 << (at % 64);
    }

    fn merge(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0.iter()).for_each(|(all, one)| *all |= one);
    }

    /// The estimate.
    #[must_use]
    pub fn count(&self) -> u64 {
        let bits = (WORDS * 64) as f64;
        let zeros = self.0.iter().map(|word| u64::from(word.count_zeros())).sum::<u64>().max(1) as f64;
        (bits * (bits / zeros).ln()).round() as u64
    }
}
