//! Fixed and sliding windows with the meaning that they have in @upstash/ratelimit. A window's number is the time
//! divided by its length, so all who have the same clock have the same windows.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Nanos;

/// What came in the current window and in the one before.
#[derive(Debug, Default)]
struct Counts {
    window: u64,
    current: u64,
    previous: u64,
    /// Of a request larger than the limit, what later windows have yet to pay.
    debt: u64,
}

/// A lock and not an atomic: three numbers change together, for a few nanoseconds.
#[derive(Debug, Default)]
pub(super) struct Window(Mutex<Counts>);

impl Window {
    /// Counts the request in any case. Over the limit: how long until the next window.
    pub fn take_fixed(&self, limit: u64, length: Nanos, tokens: u64, now: Nanos) -> Result<(), Nanos> {
        let mut counts = self.at(now / length, limit);
        let needed = tokens.min(limit);
        let allowed = counts.current.saturating_add(needed) <= limit;
        counts.current = counts.current.saturating_add(needed);
        if allowed {
            counts.debt = counts.debt.saturating_add(tokens - needed);
        }
        let later = counts.debt / limit + u64::from(counts.debt % limit + needed > limit);
        if allowed { Ok(()) } else { Err((length - now % length).saturating_add(length.saturating_mul(later))) }
    }

    /// Counts the request if it may pass. Else: how long until it may, if nothing else comes.
    pub fn take_sliding(&self, limit: u64, length: Nanos, tokens: u64, now: Nanos) -> Result<(), Nanos> {
        let mut counts = self.at(now / length, limit);
        let needed = tokens.min(limit);
        let left = length - now % length;
        // The part of the previous window that is still within one length of now, of its requests.
        let weighted = u128::from(left) * u128::from(counts.previous) / u128::from(length);
        let used = u64::try_from(weighted).unwrap_or(u64::MAX).saturating_add(counts.current);
        if used.saturating_add(needed) <= limit {
            counts.current = counts.current.saturating_add(needed);
            counts.debt = counts.debt.saturating_add(tokens - needed);
            return Ok(());
        }
        Err(match limit.checked_sub(counts.current.saturating_add(needed)) {
            Some(room) => left - left_when(counts.previous, room, length),
            None => left.saturating_add(counts.later(limit, needed, length)),
        })
    }

    pub fn give_back(&self, tokens: u64) {
        let mut counts = self.lock();
        let from_debt = counts.debt.min(tokens);
        counts.debt -= from_debt;
        counts.current = counts.current.saturating_sub(tokens - from_debt);
    }

    pub fn is_forgotten(&self, length: Nanos, now: Nanos) -> bool {
        let counts = self.lock();
        let paid = counts.debt == 0;
        paid && (counts.window.saturating_add(1) < now / length || (counts.current == 0 && counts.previous == 0))
    }

    /// The counts, brought up to this window. A thread that read the clock before another one turned the page counts
    /// in the new window.
    fn at(&self, window: u64, limit: u64) -> MutexGuard<'_, Counts> {
        let mut counts = self.lock();
        if window > counts.window {
            let between = window - counts.window - 1;
            // What those in between have paid, the last of which is the one before.
            let paid = |windows: u64| counts.debt.min(limit.saturating_mul(windows));
            let previous = if between == 0 { counts.current } else { paid(between) - paid(between - 1) };
            let debt = counts.debt - paid(between);
            let current = debt.min(limit);
            *counts = Counts { window, current, previous, debt: debt - current };
        }
        counts
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    /// In this window never: how long after its end, if nothing else comes.
    fn later(&self, limit: u64, needed: u64, length: Nanos) -> Nanos {
        // Windows that debt takes as a whole.
        let full = self.debt / limit;
        let rest = self.debt % limit;
        let before = if full > 0 { limit } else { self.current };
        let wait = length.saturating_mul(full);
        match limit.checked_sub(rest + needed) {
            Some(room) => wait.saturating_add(length - left_when(before, room, length)),
            // In the one after, where the rest is what came before.
            None => wait.saturating_add(2 * length - left_when(rest, limit - needed, length)),
        }
    }
}

/// The most that may be left of a window so that no more than `room` of `previous` requests still count.
fn left_when(previous: u64, room: u64, length: Nanos) -> Nanos {
    let most = ((u128::from(room) + 1) * u128::from(length) - 1) / u128::from(previous.max(1));
    Nanos::try_from(most).unwrap_or(length).min(length)
}
