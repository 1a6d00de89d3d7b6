//! All limits of the process, and what is shared between clients.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::allowance::{Allowance, Method};
use super::table::Table;
use super::{Nanos, Per, RateLimit};
use crate::policy::IdentityId;
use crate::policy::Origin;

/// The configured limits, narrowest first: who is over its own does not use up what all share.
#[derive(Debug)]
pub struct Limits {
    pub(super) limiters: Box<[Limiter]>,
    clock: Clock,
}

#[derive(Debug)]
pub(super) struct Limiter {
    pub limit: RateLimit,
    pub method: Method,
    pub shared: Shared,
    pub tally: Tally,
}

/// Whose allowances are kept here.
#[derive(Debug)]
pub(super) enum Shared {
    /// Each client has its own.
    None,
    Identities(Table<IdentityId>),
    Addresses(Table<Origin>),
    Process(Arc<Allowance>),
}

/// What a limit did, for metrics.
#[derive(Debug, Default)]
pub struct Tally {
    refused: AtomicU64,
    delayed: AtomicU64,
}

impl Tally {
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    pub fn delayed(&self) -> u64 {
        self.delayed.load(Ordering::Relaxed)
    }

    pub(super) fn count_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_delayed(&self) {
        self.delayed.fetch_add(1, Ordering::Relaxed);
    }
}

impl Limits {
    pub fn new(limits: impl IntoIterator<Item = RateLimit>) -> Self {
        let mut limits: Vec<RateLimit> = limits.into_iter().collect();
        limits.sort_by_key(|limit| limit.per);
        Self { limiters: limits.into_iter().map(Limiter::new).collect(), clock: Clock::start() }
    }

    pub fn is_empty(&self) -> bool {
        self.limiters.is_empty()
    }

    pub fn now(&self) -> Nanos {
        self.clock.now()
    }

    /// Each limit and what it did so far.
    pub fn tallies(&self) -> impl Iterator<Item = (&RateLimit, &Tally)> {
        self.limiters.iter().map(|limiter| (&limiter.limit, &limiter.tally))
    }
}

impl Limiter {
    pub(super) fn new(limit: RateLimit) -> Self {
        let method = Method::of(&limit);
        let shared = match limit.per {
            Per::Connection => Shared::None,
            Per::Identity => Shared::Identities(Table::default()),
            Per::Address => Shared::Addresses(Table::default()),
            Per::Process => Shared::Process(Arc::default()),
        };
        Self { limit, method, shared, tally: Tally::default() }
    }

    pub(super) fn allowance(&self, origin: Origin, identity: IdentityId, now: Nanos) -> Arc<Allowance> {
        match &self.shared {
            Shared::None => Arc::default(),
            Shared::Identities(table) => table.allowance(&self.method, identity, now),
            Shared::Addresses(table) => table.allowance(&self.method, origin, now),
            Shared::Process(allowance) => allowance.clone(),
        }
    }
}

/// Wall-clock time that never goes back: windows begin where everybody's begin, and nobody sets it while we run.
#[derive(Debug)]
struct Clock {
    started: Instant,
    epoch: Nanos,
}

impl Clock {
    fn start() -> Self {
        let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started: Instant::now(), epoch: Nanos::try_from(epoch.as_nanos()).unwrap_or(0) }
    }

    fn now(&self) -> Nanos {
        self.epoch.saturating_add(Nanos::try_from(self.started.elapsed().as_nanos()).unwrap_or(0))
    }
}
