//! The count of one limit for one of those it is about.

use super::bucket::{Bucket, Pace};
use super::window::Window;
use super::{Algorithm, Nanos, Over, RateLimit};

/// Only the part that its limit's method reads is ever written.
#[derive(Debug, Default)]
pub(super) struct Allowance {
    bucket: Bucket,
    window: Window,
}

/// How a limit's allowances count.
#[derive(Debug)]
pub(super) enum Method {
    Bucket { pace: Pace, patience: Nanos },
    Sliding { limit: u64, length: Nanos },
    Fixed { limit: u64, length: Nanos },
}

impl Method {
    pub fn of(limit: &RateLimit) -> Self {
        let length = nanos(limit.window).max(1);
        let tokens = limit.limit.get();
        match limit.algorithm {
            Algorithm::TokenBucket { burst } => Self::Bucket {
                pace: Pace::new(tokens, limit.window, burst.get()),
                patience: match limit.over {
                    Over::Error => 0,
                    Over::Delay { most } => nanos(most),
                },
            },
            Algorithm::SlidingWindow => Self::Sliding { limit: tokens, length },
            Algorithm::FixedWindow => Self::Fixed { limit: tokens, length },
        }
    }

    /// Takes so many tokens; says how long the request has to wait for them, or after what time to try again.
    pub fn take(&self, allowance: &Allowance, tokens: u64, now: Nanos) -> Result<Nanos, Nanos> {
        match self {
            Self::Bucket { pace, patience } => allowance.bucket.take(pace, tokens, *patience, now),
            Self::Sliding { limit, length } => allowance.window.take_sliding(*limit, *length, tokens, now).map(|()| 0),
            Self::Fixed { limit, length } => allowance.window.take_fixed(*limit, *length, tokens, now).map(|()| 0),
        }
    }

    /// For a request that another limit has refused.
    pub fn give_back(&self, allowance: &Allowance, tokens: u64) {
        match self {
            Self::Bucket { pace, .. } => allowance.bucket.give_back(pace, tokens),
            Self::Sliding { .. } | Self::Fixed { .. } => allowance.window.give_back(tokens),
        }
    }

    /// Is it as good as new, so that nothing is lost with it?
    pub fn is_idle(&self, allowance: &Allowance, now: Nanos) -> bool {
        match self {
            Self::Bucket { .. } => allowance.bucket.is_full(now),
            Self::Sliding { length, .. } | Self::Fixed { length, .. } => allowance.window.is_forgotten(*length, now),
        }
    }
}

fn nanos(time: std::time::Duration) -> Nanos {
    Nanos::try_from(time.as_nanos()).unwrap_or(Nanos::MAX)
}
