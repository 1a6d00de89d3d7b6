//! What happened, counted where it happens and read from elsewhere.
//!
//! Job: give each worker a [`Meter`] to which any room adds, and the metrics endpoint [`Meters`] to read from.
//! Inputs: counts and durations. Outputs: sums over all workers.
//! Must never: take a lock or allocate where a command passes; hold a key, a value or a client's name; have more numbers
//! because of what clients do (every label is one of few).
//!
//! A worker adds to its own meter only, so that its cache lines stay its own; a long reply that is opened on another thread
//! adds to the same, which is why additions are atomic.

mod heartbeat;
mod histogram;
mod kind;
mod number;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use heartbeat::Heartbeat;
pub use histogram::{BUCKETS, Histogram, bound};
pub use kind::{Cut, Kind, LaneKind, Refused, Way};
pub use number::{Counter, Gauge};

use crate::command::CommandClass;
use crate::crypto::CipherCounts;

const CLASSES: usize = CommandClass::ALL.len();

/// Of one worker.
#[derive(Debug, Default)]
pub struct Meter {
    commands: [[Answers; Way::ALL.len()]; CLASSES],
    refused: [Counter; Refused::ALL.len()],
    cut: [Counter; Cut::ALL.len()],
    lanes: [Gauge; LaneKind::ALL.len()],
    /// Of the worker's thread.
    pub heart: Heartbeat,
    pub connected: Gauge,
    pub accepted: Counter,
    /// Connections to the database that were made, and those that could not be.
    pub dialled: Counter,
    pub dial_failed: Counter,
    pub upstream_commands: Counter,
    pub bytes_from_clients: Counter,
    pub bytes_to_clients: Counter,
    pub bytes_from_upstream: Counter,
    pub bytes_to_upstream: Counter,
    /// From a request's arrival at its lane until its bytes are handed to the connection.
    pub queued: Histogram,
    /// Sealing the request and opening its reply.
    pub crypto: Histogram,
    /// From there until its reply is here.
    pub upstream: Histogram,
    pub ciphers: Arc<CipherCounts>,
}

/// What the clients were told.
#[derive(Debug, Default)]
struct Answers {
    fine: Counter,
    errors: Counter,
}

impl Meter {
    pub fn new(ciphers: Arc<CipherCounts>) -> Arc<Self> {
        Arc::new(Self { ciphers, ..Self::default() })
    }

    /// A command has its answer, which begins with this byte.
    #[inline]
    pub fn answered(&self, kind: Kind, first: u8) {
        let answers = &self.commands[kind.class as usize][kind.way as usize];
        if first == b'-' { answers.errors.add(1) } else { answers.fine.add(1) }
    }

    pub fn refused(&self, why: Refused) {
        self.refused[why as usize].add(1);
    }

    pub fn cut(&self, why: Cut) {
        self.cut[why as usize].add(1);
    }

    pub fn lane(&self, kind: LaneKind) -> &Gauge {
        &self.lanes[kind as usize]
    }
}

/// All workers' together.
#[derive(Debug, Default)]
pub struct Meters(Vec<Arc<Meter>>);

impl Meters {
    pub fn new(meters: Vec<Arc<Meter>>) -> Self {
        Self(meters)
    }

    pub fn of_worker(&self, index: usize) -> Option<&Arc<Meter>> {
        self.0.get(index)
    }

    /// The sum of one counter.
    pub fn sum(&self, which: impl Fn(&Meter) -> &Counter) -> u64 {
        self.0.iter().map(|meter| which(meter).value()).sum()
    }

    /// The sum of one gauge.
    pub fn level(&self, which: impl Fn(&Meter) -> &Gauge) -> u64 {
        self.0.iter().map(|meter| which(meter).value()).sum()
    }

    /// Answers without and with an error.
    pub fn answers(&self, kind: Kind) -> (u64, u64) {
        let at = |meter: &Meter| {
            let answers = &meter.commands[kind.class as usize][kind.way as usize];
            (answers.fine.value(), answers.errors.value())
        };
        self.0.iter().map(|meter| at(meter)).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }

    pub fn refusals(&self, why: Refused) -> u64 {
        self.sum(|meter| &meter.refused[why as usize])
    }

    pub fn cuts(&self, why: Cut) -> u64 {
        self.sum(|meter| &meter.cut[why as usize])
    }

    pub fn lanes(&self, kind: LaneKind) -> u64 {
        self.level(|meter| meter.lane(kind))
    }

    /// How long the quietest worker has given no sign of life.
    #[must_use]
    pub fn silence(&self, now: Instant) -> Duration {
        self.0.iter().map(|meter| meter.heart.age(now)).max().unwrap_or_default()
    }

    /// How many observations each bucket has, and their sum.
    pub fn times(&self, which: impl Fn(&Meter) -> &Histogram) -> ([u64; BUCKETS], Duration) {
        let mut buckets = [0; BUCKETS];
        let mut sum = Duration::ZERO;
        for meter in &self.0 {
            let (counts, total) = which(meter).read();
            buckets.iter_mut().zip(counts).for_each(|(sum, one)| *sum += one);
            sum += total;
        }
        (buckets, sum)
    }

    /// Of each worker.
    pub fn ciphers(&self) -> impl Iterator<Item = &CipherCounts> {
        self.0.iter().map(|meter| &*meter.ciphers)
    }
}
