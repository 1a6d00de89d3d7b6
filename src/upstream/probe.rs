//! Where the time of a request goes: one of a lane's requests at a time is measured.
//!
//! To read the clock for each would cost more than counting it. So the first request after the last one measured has its
//! reply is taken: of a lone client every one, under load one per round trip.

use std::time::{Duration, Instant};

use crate::meter::Meter;

/// The measurement under way.
#[derive(Debug)]
pub(super) struct Probe {
    asked: Instant,
    sealing: Duration,
    /// Where the request begins in the connection's outgoing stream.
    start: u64,
    sent: Option<Instant>,
}

/// A reply that is about to be opened.
#[derive(Debug)]
pub(super) struct Opening {
    since: Instant,
    sealing: Duration,
}

impl Probe {
    /// The request came to its lane at `asked` and is sealed by now.
    pub fn new(asked: Instant, start: u64) -> Self {
        Self { asked, sealing: asked.elapsed(), start, sent: None }
    }

    /// So many bytes were handed to the connection in all.
    pub fn written(&mut self, bytes: u64) {
        if self.sent.is_none() && bytes > self.start {
            self.sent = Some(Instant::now());
        }
    }

    pub fn answered(self, meter: &Meter) -> Opening {
        let now = Instant::now();
        if let Some(sent) = self.sent {
            meter.queued.record(sent - self.asked);
            meter.upstream.record(now - sent);
        }
        Opening { since: now, sealing: self.sealing }
    }
}

impl Opening {
    /// The client has its reply.
    pub fn done(self, meter: &Meter) {
        meter.crypto.record(self.sealing + self.since.elapsed());
    }
}
