//! Rate limits: how much may come from one connection, identity or address, or through this process.
//!
//! Job: count each request against every limit that is about it, and say whether it may go on, when, or when to come
//! back. Inputs: the configured limits; of a request its class, its bytes, its client and the time. All decisions take
//! the time as a parameter, in nanoseconds since 1970, so that tests own it.
//! Must never: lose count when threads meet; grow with the number of addresses.

mod allowance;
mod allowances;
mod bucket;
mod limiter;
mod table;
#[cfg(test)]
mod tests;
mod window;

use std::fmt;
use std::num::NonZeroU64;
use std::time::Duration;

use crate::command::CommandClass;

pub use allowances::Allowances;
pub use limiter::{Limits, Tally};

/// Nanoseconds since 1970.
pub type Nanos = u64;

/// One limit, as configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    pub per: Per,
    pub algorithm: Algorithm,
    pub unit: Unit,
    pub limit: NonZeroU64,
    pub window: Duration,
    pub classes: Classes,
    pub over: Over,
}

impl RateLimit {
    /// How long it takes until all of it is there again.
    pub fn refill(&self) -> Duration {
        match self.algorithm {
            Algorithm::TokenBucket { burst } => {
                let nanos = self.window.as_nanos() * u128::from(burst.get()) / u128::from(self.limit.get());
                Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
            }
            Algorithm::SlidingWindow | Algorithm::FixedWindow => self.window,
        }
    }
}

/// Who shares one count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Per {
    Connection,
    Identity,
    Address,
    Process,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// Refilled evenly; `burst` at once.
    TokenBucket { burst: NonZeroU64 },
    /// The previous window counts with the share of it that still lies within one window's length.
    SlidingWindow,
    /// What was refused counts too, as in @upstash/ratelimit.
    FixedWindow,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Commands,
    /// Of requests. One that is larger than all that may come at once passes when nothing else counts, and is paid off
    /// afterwards.
    Bytes,
}

/// What happens over the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    Error,
    /// The request waits for its time, up to so long; beyond it, the error.
    Delay {
        most: Duration,
    },
}

/// A set of [`CommandClass`]es.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Classes(u8);

impl Classes {
    pub const ALL: Self = Self(u8::MAX);

    pub fn has(self, class: CommandClass) -> bool {
        self.0 & (1 << class as u8) != 0
    }
}

impl FromIterator<CommandClass> for Classes {
    fn from_iter<I: IntoIterator<Item = CommandClass>>(classes: I) -> Self {
        Self(classes.into_iter().fold(0, |set, class| set | 1 << class as u8))
    }
}

/// Over a limit; carries what the client needs to know to behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimited {
    pub limit: RateLimit,
    pub retry_after: Duration,
}

impl fmt::Display for RateLimited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Rounded up: who comes a moment too early is refused again.
        let millis = self.retry_after.as_nanos().div_ceil(1_000_000).max(1);
        write!(f, "over {}; retry in {millis} ms", self.limit)
    }
}

impl fmt::Display for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limit, unit, classes, .. } = self;
        match unit {
            Unit::Commands => write!(f, "{limit} {classes}commands")?,
            Unit::Bytes => write!(f, "{limit} bytes of {classes}requests")?,
        }
        if self.window.subsec_nanos() == 0 {
            write!(f, " per {} s", self.window.as_secs())?;
        } else {
            write!(f, " per {} ms", self.window.as_millis())?;
        }
        match self.algorithm {
            Algorithm::TokenBucket { burst } => write!(f, " (burst {burst})")?,
            Algorithm::SlidingWindow => f.write_str(" (sliding window)")?,
            Algorithm::FixedWindow => f.write_str(" (fixed window)")?,
        }
        f.write_str(match self.per {
            Per::Connection => " on this connection",
            Per::Identity => " for this identity",
            Per::Address => " from this address",
            Per::Process => " through this sidecar",
        })
    }
}

/// Before the noun: nothing for all, `write ` or `write or script `.
impl fmt::Display for Classes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::ALL {
            return Ok(());
        }
        let mut before = "";
        for class in CommandClass::ALL.into_iter().filter(|class| self.has(*class)) {
            write!(f, "{before}{}", class.name())?;
            before = " or ";
        }
        f.write_str(" ")
    }
}
