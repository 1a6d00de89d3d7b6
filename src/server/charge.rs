//! What a request counts against the rate limits, and its wait for its turn.

use std::time::{Duration, Instant};

use super::desk::{Desk, Hold};
use crate::command::{CommandClass, Request};
use crate::policy::Refusal;

/// The handshake that client libraries do is not counted; nor are the ends of a transaction: its commands would run
/// one by one, or the client would stay inside it.
const NOT_LIMITED: [&str; 12] =
    ["multi", "auth", "hello", "ping", "echo", "info", "select", "quit", "reset", "config|get", "exec", "discard"];
/// Nor is anything of these.
const FAMILIES: [&str; 3] = ["client", "cluster", "command"];

/// Where the request at hand stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Charge {
    /// Not counted yet.
    Due,
    /// Counted, and held back until then.
    Until(Instant),
    /// Counted, or exempt.
    Done,
}

impl Desk {
    /// Counts the request once, however often it is taken up again.
    pub(super) fn charge(&mut self, request: &Request<'_>) -> Result<(), Hold> {
        let Some(allowances) = &mut self.allowances else { return Ok(()) };
        if self.charge == Charge::Due {
            let class = CommandClass::of(request.spec());
            let identity = self.sink.inner().session.identity;
            let wait = if is_exempt(request, class) {
                Duration::ZERO
            } else {
                let now = allowances.now();
                allowances.take(identity, class, request.bytes().len(), now).map_err(Refusal::RateLimited)?
            };
            self.charge = if wait.is_zero() { Charge::Done } else { Charge::Until(Instant::now() + wait) };
        }
        if let Charge::Until(at) = self.charge {
            if Instant::now() < at {
                self.sink.wake_at(at);
                return Err(Hold::Stall);
            }
            self.charge = Charge::Done;
        }
        Ok(())
    }
}

fn is_exempt(request: &Request<'_>, class: CommandClass) -> bool {
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
