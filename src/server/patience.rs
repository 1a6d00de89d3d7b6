//! How long a client may take: for its login, for one request, for nothing at all.
//!
//! Looked at once a second by its worker, so that no command and no read costs a look at the clock.

use std::time::{Duration, Instant};

use super::sink::Inner;
use super::worker::Bounds;
use crate::client::ClientInfo;

/// What a client took too long for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overdue {
    Login,
    Request,
    Idle,
}

impl Overdue {
    pub fn why(self) -> &'static str {
        match self {
            Self::Login => "it did not log in in time (listen.handshake_timeout)",
            Self::Request => "the rest of a request did not come in time (listen.request_timeout)",
            Self::Idle => "it did nothing for long (listen.idle_timeout)",
        }
    }
}

/// Since when a client has been at what it must not take long for. Set by the first look that sees it.
#[derive(Debug, Default)]
pub(super) struct Patience {
    /// There is a part of a request, and all before it has been dealt with.
    partial: bool,
    partial_since: Option<Instant>,
    stranger_since: Option<Instant>,
}

impl Patience {
    /// Input was looked at. Did a part of a request remain, and was any before it whole?
    #[inline]
    pub fn note(&mut self, partial: bool, moved: bool) {
        self.partial = partial;
        if moved || !partial {
            self.partial_since = None;
        }
    }

    fn overdue(&mut self, stranger: bool, bounds: &Bounds, now: Instant) -> Option<Overdue> {
        let lasts = |since: &mut Option<Instant>, is: bool, bound: Duration| {
            if !is {
                *since = None;
                return false;
            }
            now.duration_since(*since.get_or_insert(now)) >= bound
        };
        if lasts(&mut self.stranger_since, stranger, bounds.handshake) {
            return Some(Overdue::Login);
        }
        lasts(&mut self.partial_since, self.partial, bounds.request).then_some(Overdue::Request)
    }
}

impl Inner {
    pub fn overdue(&mut self, info: &ClientInfo, bounds: &Bounds, now: Instant) -> Option<Overdue> {
        let stranger = !self.session.authenticated;
        // Whoever waits for an element or for messages does something; Redis's `timeout` spares them, too.
        let waits = self.queue.waiting() > 0 || self.blocked.is_some() || self.session.lives_on_lane();
        self.patience.overdue(stranger, bounds, now).or_else(|| {
            let idle = bounds.idle.filter(|_| !waits)?;
            (info.idle() >= idle).then_some(Overdue::Idle)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds() -> Bounds {
        let long = Duration::from_secs(1000);
        Bounds {
            max_clients: 1,
            client_window: 1,
            client_output: 1,
            output_stall: long,
            buffers: 1,
            max_bulk: 1,
            drain: long,
            handshake: Duration::from_secs(10),
            request: Duration::from_secs(60),
            idle: None,
            max_clients_per_address: None,
        }
    }

    #[test]
    fn a_request_has_its_time_from_when_it_began() {
        let (mut patience, bounds, start) = (Patience::default(), bounds(), Instant::now());
        let mut at = |seconds, note: Option<(bool, bool)>| {
            if let Some((partial, moved)) = note {
                patience.note(partial, moved);
            }
            patience.overdue(false, &bounds, start + Duration::from_secs(seconds))
        };
        assert_eq!(at(0, Some((true, false))), None);
        // Bytes that drip make no difference; a request that is whole does.
        assert_eq!(at(59, Some((true, false))), None);
        assert_eq!(at(60, None), Some(Overdue::Request));
        assert_eq!(at(61, Some((true, true))), None);
        assert_eq!(at(120, None), None);
        assert_eq!(at(121, None), Some(Overdue::Request));
        // Held up by us.
        assert_eq!(at(122, Some((false, false))), None);
        assert_eq!(at(999, None), None);
    }

    #[test]
    fn a_login_has_its_time_each_time_one_is_needed() {
        let (mut patience, bounds, start) = (Patience::default(), bounds(), Instant::now());
        let mut at = |seconds, stranger| patience.overdue(stranger, &bounds, start + Duration::from_secs(seconds));
        assert_eq!(at(0, true), None);
        assert_eq!(at(9, true), None);
        assert_eq!(at(10, true), Some(Overdue::Login));
        assert_eq!(at(11, false), None);
        assert_eq!(at(500, true), None);
        assert_eq!(at(510, true), Some(Overdue::Login));
    }
}
