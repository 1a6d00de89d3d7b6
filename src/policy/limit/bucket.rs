//! Token bucket by the generic cell rate algorithm: its whole state is the time at which the bucket is full again,
//! in one atomic number, so that threads never wait for each other.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Nanos;

/// What a token costs in time, and how much may be owed at most.
#[derive(Debug)]
pub(super) struct Pace {
    /// Of one token, in 2^-32 ns: a byte may cost less than a nanosecond.
    token: u128,
    burst: Nanos,
}

impl Pace {
    pub fn new(limit: u64, window: Duration, burst: u64) -> Self {
        let token = ((window.as_nanos() << 32) / u128::from(limit)).max(1);
        let mut pace = Self { token, burst: 0 };
        pace.burst = pace.cost(burst);
        pace
    }

    fn cost(&self, tokens: u64) -> Nanos {
        // Rounded down, so that the parts of a burst never cost more than the whole.
        Nanos::try_from((self.token * u128::from(tokens)) >> 32).unwrap_or(Nanos::MAX)
    }
}

#[derive(Debug, Default)]
pub(super) struct Bucket(AtomicU64);

impl Bucket {
    /// Takes so many tokens if they are there within `patience`, and says when, counted from now. Else, how long until
    /// they would be there. More than the bucket holds are there when it is full; the time to fill it is longer then.
    pub fn take(&self, pace: &Pace, tokens: u64, patience: Nanos, now: Nanos) -> Result<Nanos, Nanos> {
        let cost = pace.cost(tokens);
        let needed = cost.min(pace.burst);
        let mut wait = 0;
        let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
            let full_at = full_at.max(now);
            wait = full_at.saturating_add(needed).saturating_sub(now.saturating_add(pace.burst));
            (wait <= patience).then(|| full_at.saturating_add(cost))
        });
        if taken.is_ok() { Ok(wait) } else { Err(wait) }
    }

    pub fn give_back(&self, pace: &Pace, tokens: u64) {
        let cost = pace.cost(tokens);
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| Some(full_at.saturating_sub(cost)));
    }

    pub fn is_full(&self, now: Nanos) -> bool {
        self.0.load(Ordering::Relaxed) <= now
    }
}
