//! A thread's sign of life.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// When a thread last said that it runs.
#[derive(Debug)]
pub struct Heartbeat {
    made: Instant,
    /// Milliseconds after it was made.
    last: AtomicU64,
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self { made: Instant::now(), last: AtomicU64::new(0) }
    }
}

impl Heartbeat {
    pub fn beat(&self, now: Instant) {
        self.last.store(self.since_made(now), Ordering::Relaxed);
    }

    /// How long ago that was.
    #[must_use]
    pub fn age(&self, now: Instant) -> Duration {
        Duration::from_millis(self.since_made(now).saturating_sub(self.last.load(Ordering::Relaxed)))
    }

    fn since_made(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.made).as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_age_is_the_time_since_the_last_beat() {
        let heart = Heartbeat::default();
        let later = |seconds| heart.made + Duration::from_secs(seconds);
        assert_eq!(heart.age(later(3)), Duration::from_secs(3));
        heart.beat(later(5));
        assert_eq!(heart.age(later(5)), Duration::ZERO);
        assert_eq!(heart.age(later(17)), Duration::from_secs(12));
    }
}
