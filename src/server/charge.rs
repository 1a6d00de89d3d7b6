//! What a request counts against the rate limits, and its wait for its turn.

use std::time::{Duration, Instant};

use super::desk::{Desk, Hold};
use crate::command::{CommandClass, Request};
use crate::policy::{Allowances, Refusal};

/// The handshake that client libraries do is not counted; nor are the ends of a transaction: its commands would run
/// one by one, or the client would stay inside it.
const NOT_LIMITED: [&str; 12] =
    ["multi", "auth", "hello", "ping", "echo", "info", "select", "quit", "reset", "config|get", "exec", "discard"];
/// Longer than any of them that a client library sends.
const MAX_HANDSHAKE: usize = 4096;
/// Nor is anything of these.
const FAMILIES: [&str; 3] = ["client", "cluster", "command"];

/// A connection that goes on against a limit rests so long after what it had sent at once, and this much longer for
/// each request that was refused: an error costs it nothing, but others' time, some 10 us of their worker.
const REST: Duration = Duration::from_millis(10);
const EACH: Duration = Duration::from_micros(30);
/// So much rest may be owed before one is due. A hundred refusals now and then are as quick as any answer.
const GRACE: Duration = Duration::from_secs(1);

/// One client's dealings with the rate limits; none if nothing is limited.
pub(super) struct Charges {
    allowances: Allowances,
    request: Charge,
    strain: Strain,
}

/// Where the request at hand stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Charge {
    /// Not counted yet.
    Due,
    /// Counted, and held back until then.
    Until(Instant),
    /// Counted, or exempt.
    Done,
}

/// What a client's refused requests have cost.
#[derive(Debug)]
struct Strain {
    /// Rest owed for the input at hand.
    due: Duration,
    /// When all rest that is owed will have passed.
    paid: Instant,
    /// The client rests until then.
    until: Option<Instant>,
}

impl Charges {
    pub fn new(allowances: Allowances) -> Box<Self> {
        let strain = Strain { due: Duration::ZERO, paid: Instant::now(), until: None };
        Box::new(Self { allowances, request: Charge::Due, strain })
    }
}

impl Desk {
    /// Counts the request once, however often it is taken up again.
    pub(super) fn charge(&mut self, request: &Request<'_>) -> Result<(), Hold> {
        let Some(charges) = &mut self.charges else { return Ok(()) };
        let class = CommandClass::of(request.spec());
        if charges.request == Charge::Due && !is_exempt(request, class) {
            if let Some(until) = charges.strain.until {
                if Instant::now() < until {
                    self.sink.wake_at(until);
                    return Err(Hold::Stall);
                }
                charges.strain.until = None;
            }
            let identity = self.sink.inner().session.identity;
            let now = charges.allowances.now();
            let wait = charges.allowances.take(identity, class, request.bytes().len(), now).map_err(|limited| {
                charges.strain.refused(limited.limit.refill());
                Refusal::RateLimited(limited)
            })?;
            charges.request = if wait.is_zero() { Charge::Done } else { Charge::Until(Instant::now() + wait) };
        }
        if let Charge::Until(at) = charges.request {
            if Instant::now() < at {
                self.sink.wake_at(at);
                return Err(Hold::Stall);
            }
            charges.request = Charge::Done;
        }
        Ok(())
    }

    /// The request at hand has its answer or is on its way.
    pub(super) fn charge_next(&mut self) {
        if let Some(charges) = &mut self.charges {
            charges.request = Charge::Due;
        }
    }

    /// What had come at once is used up, as far as it goes.
    pub(super) fn rest_if_strained(&mut self, now: Instant) {
        if let Some(charges) = &mut self.charges {
            charges.strain.settle(now);
        }
    }
}

impl Strain {
    /// A request was refused by a limit that is filled again after so long: a longer rest would waste some of it.
    fn refused(&mut self, refill: Duration) {
        let rest = if self.due.is_zero() { REST.min(refill) } else { EACH };
        self.due += rest;
    }

    fn settle(&mut self, now: Instant) {
        if self.due.is_zero() {
            return;
        }
        self.paid = self.paid.max(now) + std::mem::take(&mut self.due);
        self.until = self.paid.checked_sub(GRACE).filter(|until| *until > now);
    }
}

fn is_exempt(request: &Request<'_>, class: CommandClass) -> bool {
    // A handshake is small. What is not is somebody's way around a limit of bytes.
    if request.bytes().len() > MAX_HANDSHAKE {
        return false;
    }
    // What reads, writes or runs code is none of them, so their names need not be compared.
    if !matches!(class, CommandClass::Connection | CommandClass::Admin | CommandClass::Transaction) {
        return false;
    }
    request.spec().is_some_and(|spec| {
        let family = spec.name.split('|').next().unwrap_or_default();
        NOT_LIMITED.contains(&spec.name) || FAMILIES.contains(&family)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::table;

    #[test]
    fn who_goes_on_against_a_limit_rests() {
        let start = Instant::now();
        let mut strain = Strain { due: Duration::ZERO, paid: start, until: None };
        let refused = |strain: &mut Strain, requests, refill, now| {
            (0..requests).for_each(|_| strain.refused(refill));
            strain.settle(now);
            strain.until.map(|until| until - now)
        };
        let second = Duration::from_secs(1);
        // A hundred in a row are answered at once; then each takes its 10 ms.
        for _ in 0..100 {
            assert_eq!(refused(&mut strain, 1, second, start), None);
        }
        let mut now = start;
        for _ in 0..10 {
            assert_eq!(refused(&mut strain, 1, second, now), Some(REST));
            now += REST;
        }
        // A pipeline rests once, and a little for each.
        assert_eq!(refused(&mut strain, 1001, second, now), Some(Duration::from_millis(40)));
        now += Duration::from_millis(40);
        // A bucket that is full again earlier loses nothing.
        let millisecond = Duration::from_millis(1);
        assert_eq!(refused(&mut strain, 1, millisecond, now), Some(millisecond));
        // A second without refusals, and all is as at first.
        now += second;
        assert_eq!(refused(&mut strain, 1, second, now), None);
    }

    #[test]
    fn what_is_exempt_is_found_by_its_class() {
        for spec in table() {
            let family = spec.name.split('|').next().unwrap();
            if NOT_LIMITED.contains(&spec.name) || FAMILIES.contains(&family) {
                let class = CommandClass::of(Some(spec));
                let looked_at =
                    matches!(class, CommandClass::Connection | CommandClass::Admin | CommandClass::Transaction);
                assert!(looked_at, "{} is of class {}", spec.name, class.name());
            }
        }
    }
}
