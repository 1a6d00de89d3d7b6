//! The rate limit of one connection: a token bucket, counted in commands.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

/// `limit` commands per `window`, and `burst` of them at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenBucket {
    pub limit: NonZeroU32,
    pub window: Duration,
    pub burst: NonZeroU32,
}

/// Over the limit; carries what the client needs to know to behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimited {
    pub bucket: TokenBucket,
    pub retry_after: Duration,
}

/// One connection's limiter, generic over its clock so that tests can own the time.
#[derive(Debug)]
pub struct Limiter<C: Clock = DefaultClock> {
    bucket: TokenBucket,
    clock: C,
    state: RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<C::Instant>>,
}

impl Limiter<DefaultClock> {
    pub fn new(bucket: TokenBucket) -> Self {
        Self::with_clock(bucket, DefaultClock::default())
    }
}

impl<C: Clock + Clone> Limiter<C> {
    pub fn with_clock(bucket: TokenBucket, clock: C) -> Self {
        // The generic cell rate algorithm wants the time between two tokens. A window shorter than
        // `limit` nanoseconds would round to zero; the configuration refuses such, this keeps the type honest.
        let period = (bucket.window / bucket.limit.get()).max(Duration::from_nanos(1));
        let quota = Quota::with_period(period).unwrap_or(Quota::per_second(bucket.limit)).allow_burst(bucket.burst);
        let state = RateLimiter::direct_with_clock(quota, clock.clone());
        Self { bucket, clock, state }
    }

    /// Takes one token, or says when the next one comes.
    pub fn check(&self) -> Result<(), RateLimited> {
        let now = self.clock.now();
        self.state.check().map_err(|not_until| {
            let retry_after: Duration = not_until.earliest_possible().duration_since(now).into();
            RateLimited { bucket: self.bucket, retry_after }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use governor::clock::FakeRelativeClock;

    fn bucket(limit: u32, window: Duration, burst: u32) -> TokenBucket {
        TokenBucket { limit: NonZeroU32::new(limit).unwrap(), window, burst: NonZeroU32::new(burst).unwrap() }
    }

    #[test]
    fn burst_then_rate_exactly() {
        let clock = FakeRelativeClock::default();
        let limiter = Limiter::with_clock(bucket(10, Duration::from_secs(1), 20), clock.clone());
        let admitted = (0..100).filter(|_| limiter.check().is_ok()).count();
        assert_eq!(admitted, 20);
        for _ in 0..50 {
            clock.advance(Duration::from_millis(100));
            assert!(limiter.check().is_ok());
            assert!(limiter.check().is_err());
        }
    }

    #[test]
    fn says_when_to_come_back() {
        let clock = FakeRelativeClock::default();
        let limiter = Limiter::with_clock(bucket(10, Duration::from_secs(1), 1), clock.clone());
        limiter.check().unwrap();
        let refused = limiter.check().unwrap_err();
        assert_eq!(refused.retry_after, Duration::from_millis(100));
        clock.advance(refused.retry_after);
        limiter.check().unwrap();
    }
}
