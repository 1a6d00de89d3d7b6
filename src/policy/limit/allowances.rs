//! The allowances of one client: its own, and its hold on those that it shares.

use std::sync::Arc;
use std::time::Duration;

use super::allowance::Allowance;
use super::limiter::Limits;
use super::{Nanos, Per, RateLimited, Unit};
use crate::command::CommandClass;
use crate::policy::IdentityId;
use crate::policy::Origin;

/// A wait shorter than this is none: the timer is not finer, and the token is paid for either way.
const GRAIN: Nanos = 1_000_000;

#[derive(Debug)]
pub struct Allowances {
    pub(super) limits: Arc<Limits>,
    origin: Origin,
    identity: IdentityId,
    /// One for each limit, in its order.
    allowances: Box<[Arc<Allowance>]>,
}

impl Allowances {
    /// For a client that has just come. None if nothing is limited.
    pub fn new(limits: &Arc<Limits>, origin: Origin) -> Option<Self> {
        if limits.is_empty() {
            return None;
        }
        let now = limits.now();
        let identity = IdentityId::default();
        let allowances = limits.limiters.iter().map(|limiter| limiter.allowance(origin, identity, now)).collect();
        Some(Self { limits: limits.clone(), origin, identity, allowances })
    }

    pub fn now(&self) -> Nanos {
        self.limits.now()
    }

    /// Counts a request of so many bytes against all limits of its class, and says how long it has to wait; or
    /// counts it against none, if one of them refuses it.
    pub fn take(
        &mut self,
        identity: IdentityId,
        class: CommandClass,
        bytes: usize,
        now: Nanos,
    ) -> Result<Duration, RateLimited> {
        if identity != self.identity {
            self.be(identity, now);
        }
        let tokens = |unit| match unit {
            Unit::Commands => 1,
            Unit::Bytes => bytes as u64,
        };
        let mut longest = 0;
        let mine = || self.limits.limiters.iter().zip(&self.allowances).filter(|(l, _)| l.limit.classes.has(class));
        for (at, (limiter, allowance)) in mine().enumerate() {
            match limiter.method.take(allowance, tokens(limiter.limit.unit), now) {
                Ok(wait) => {
                    if wait >= GRAIN {
                        limiter.tally.count_delayed();
                    }
                    longest = longest.max(wait);
                }
                Err(wait) => {
                    for (other, allowance) in mine().take(at) {
                        other.method.give_back(allowance, tokens(other.limit.unit));
                    }
                    limiter.tally.count_refused();
                    return Err(RateLimited { limit: limiter.limit, retry_after: Duration::from_nanos(wait) });
                }
            }
        }
        Ok(if longest < GRAIN { Duration::ZERO } else { Duration::from_nanos(longest) })
    }

    /// The client has logged in as somebody, or out.
    fn be(&mut self, identity: IdentityId, now: Nanos) {
        self.identity = identity;
        for (limiter, allowance) in self.limits.limiters.iter().zip(&mut self.allowances) {
            if limiter.limit.per == Per::Identity {
                *allowance = limiter.allowance(self.origin, identity, now);
            }
        }
    }
}
