//! The side of a lane that its connection's own task sees: what to write, and whom a frame answers.

use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::task::Waker;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::lane::{Apart, Closing, Downstream, Failure, Frames, Lane, Opening, Pending, Phase, RESUME_AT};
use super::unavailable::{Fault, Unavailable};
use crate::resp::Proto;
use crate::transform::{Control, PushKind, ReplyPlan, Wire, push_kind};

/// A lane younger than this is not retired: an upstream that is wrong for long must not cost a
/// TLS handshake per command.
const RETIRE_AFTER: Duration = Duration::from_secs(1);

/// To open so much takes a millisecond or more: many small values, or one that is large.
const LONG_AGGREGATE: usize = 256 * 1024;
const LONG_VALUE: usize = 4 * 1024 * 1024;

/// Room for so many replies that are due stays with a lane.
const KEEP_PENDING: usize = 1024;

/// Errors that say: this connection, or this address, is no longer the right one.
const RETIRING: [&[u8]; 4] = [b"-READONLY ", b"-MASTERDOWN ", b"-NOAUTH ", b"-WRONGPASS "];

impl Lane {
    pub(super) fn register(&self, waker: &Waker) {
        let mut state = self.state.borrow_mut();
        if !state.waker.as_ref().is_some_and(|w| w.will_wake(waker)) {
            state.waker = Some(waker.clone());
        }
    }

    pub(super) fn set_ready(&self) {
        self.state.borrow_mut().phase = Phase::Ready { since: Instant::now() };
    }

    /// How long a pinned lane has been in the pool.
    pub(super) fn unused_for(&self) -> Option<Duration> {
        self.unused_since.get().map(|since| since.elapsed())
    }

    /// May we ask for a sign of life? Not while a slow or blocking command is pending, and not where
    /// lines come that the answer could not be told from, nor where it is another command's turn.
    pub(super) fn may_ping(&self) -> bool {
        let state = self.state.borrow();
        state.pending.is_empty() && !state.monitoring && !state.caching
    }

    /// Its buffers are given back, if nothing is in them.
    pub(super) fn rest(&self) {
        let mut state = self.state.borrow_mut();
        state.wire.rest();
        if state.pending.is_empty() && state.pending.capacity() > KEEP_PENDING {
            state.pending = VecDeque::new();
        }
    }

    /// How long it has been in use; `None` if it never was.
    pub(super) fn age(&self) -> Option<Duration> {
        match self.state.borrow().phase {
            Phase::Ready { since } => Some(since.elapsed()),
            _ => None,
        }
    }

    pub(super) fn must_end(&self) -> bool {
        let state = self.state.borrow();
        match state.closing {
            Closing::Now => true,
            Closing::WhenIdle => state.pending.is_empty(),
            Closing::WhenUnowned => state.is_unowned(),
            Closing::No => state.retired && state.pending.is_empty() && self.is_shared(),
        }
    }

    /// Hands the waiting bytes to `write`, which says how many it took.
    pub(super) fn write_with<R>(&self, write: impl FnOnce(&[u8]) -> (usize, R)) -> Option<R> {
        let mut state = self.state.borrow_mut();
        if state.wire.is_empty() {
            return None;
        }
        let (taken, result) = write(state.wire.bytes());
        state.wire.advance(taken);
        state.written += taken as u64;
        self.meter.bytes_to_upstream.add(taken as u64);
        let written = state.written;
        if let Some(probe) = &mut state.probe {
            probe.written(written);
        }
        if state.wire.len() < RESUME_AT {
            state.held_up.drain(..).for_each(Waker::wake);
        }
        Some(result)
    }

    /// Sends something on our own account; the reply is of no interest.
    pub fn tell(&self, command: Control<'_>) {
        let mut state = self.state.borrow_mut();
        let start = state.written + state.wire.len() as u64;
        state.wire.control(command);
        state.caching = false;
        let pending = Pending { owner: None, seq: 0, plan: ReplyPlan::Raw, frames: Frames::One, start, probed: false };
        state.pending.push_back(pending);
        self.meter.upstream_commands.add(1);
    }

    /// One complete frame has come.
    pub(super) fn frame(&self, frame: &[u8]) -> Result<(), Unavailable> {
        let kind = frame.first().copied().unwrap_or_default();
        if self.is_out_of_band(kind) {
            match push_kind(frame) {
                PushKind::Message | PushKind::Invalidation => {
                    self.push(frame);
                    return Ok(());
                }
                PushKind::Confirmation(_) if self.awaits_confirmation() => {}
                // RESP2's pong to a subscriber is the one reply that looks like a message.
                PushKind::Pong if kind == b'*' => {}
                _ if kind == b'*' => return Err(unasked()),
                // RESP3 servers may tell of things that nobody asked for, some of which clients would
                // follow past us (MOVING).
                _ => return Ok(()),
            }
        } else if kind != b'-' && self.awaits_confirmation() {
            return Err(unasked());
        } else if self.is_monitor_line() {
            self.push(frame);
            return Ok(());
        }
        if kind == b'-' {
            self.retire_if_told(frame);
        }
        self.answer(frame, kind == b'-')
    }

    /// May the reply that is arriving be handed on in pieces?
    pub(super) fn can_stream(&self, first_byte: u8) -> bool {
        let state = self.state.borrow();
        let aggregate_or_bulk = matches!(first_byte, b'$' | b'*' | b'%' | b'~' | b'=');
        aggregate_or_bulk
            && !state.subscribed
            && state.pending.front().is_some_and(|p| {
                p.owner.is_some() && p.frames == Frames::One && matches!(p.plan, ReplyPlan::Raw | ReplyPlan::Sealed)
            })
    }

    /// Would it hold the worker up for long to open this frame?
    pub(super) fn takes_long(&self, frame: &[u8]) -> bool {
        let long = match frame.first() {
            Some(b'$') => frame.len() >= LONG_VALUE,
            Some(b'*' | b'%' | b'~') => frame.len() >= LONG_AGGREGATE,
            _ => false,
        };
        let state = self.state.borrow();
        long && !state.subscribed
            && state.pending.front().is_some_and(|p| p.owner.is_some() && p.frames == Frames::One && p.plan.opens())
    }

    /// Has the front request's reply opened apart; see [`Self::takes_long`]. The request stays where it is, so that its
    /// client is told should the connection end meanwhile.
    pub(super) fn open_apart(&self, frame: Bytes) -> Result<Opening, Unavailable> {
        let (owner, seq, plan) = {
            let mut state = self.state.borrow_mut();
            let front = state.pending.front_mut().ok_or_else(unasked)?;
            (front.owner.clone().ok_or_else(unasked)?, front.seq, std::mem::take(&mut front.plan))
        };
        Ok(owner.open_apart(seq, plan, frame))
    }

    /// The front request's reply is opened.
    pub(super) fn opened(&self, apart: Apart) -> Result<(), Unavailable> {
        let (done, probe) = self.state.borrow_mut().take_front().ok_or_else(unasked)?;
        if let Some(probe) = probe {
            probe.answered(&self.meter);
        }
        if let Some(owner) = done.owner {
            owner.opened(done.seq, apart);
        }
        Ok(())
    }

    /// A piece of the front request's reply; see [`Self::can_stream`].
    pub(super) fn piece(&self, bytes: &[u8], last: bool) -> Result<(), Unavailable> {
        let (owner, seq) = {
            let mut state = self.state.borrow_mut();
            let Some(front) = state.pending.front() else { return Err(unasked()) };
            let found = (front.owner.clone(), front.seq);
            if last && let Some((_, Some(probe))) = state.take_front() {
                probe.answered(&self.meter);
            }
            found
        };
        if let Some(owner) = owner {
            owner.piece(seq, bytes, last);
        }
        Ok(())
    }

    /// The connection is over. Everyone who waits is told the truth.
    pub(super) fn die(&self, why: &Unavailable) {
        let (pending, written) = {
            let mut state = self.state.borrow_mut();
            state.phase = Phase::Dead;
            state.wire = Wire::default();
            state.held_up.drain(..).for_each(Waker::wake);
            state.probe = None;
            (std::mem::take(&mut state.pending), state.written)
        };
        for request in pending {
            let Some(owner) = request.owner else { continue };
            let failure = if request.start >= written { Failure::Unsent(why.clone()) } else { Failure::Unknown };
            owner.failed(request.seq, &failure);
        }
        if let Some(owner) = self.current_owner() {
            owner.lost();
        }
    }

    fn answer(&self, frame: &[u8], is_error: bool) -> Result<(), Unavailable> {
        let mut state = self.state.borrow_mut();
        let Some(front) = state.pending.front_mut() else { return Err(unasked()) };
        // An error answers all of a SUBSCRIBE at once.
        let more = match &mut front.frames {
            Frames::Confirmations(left) if *left > 1 && !is_error => {
                *left -= 1;
                true
            }
            _ => false,
        };
        if more {
            let (owner, seq) = (front.owner.clone(), front.seq);
            drop(state);
            if let Some(owner) = owner {
                owner.reply(seq, &ReplyPlan::Raw, frame, false);
            }
            return Ok(());
        }
        let (done, probe) = state.take_front().ok_or_else(unasked)?;
        drop(state);
        let opening = probe.map(|probe| probe.answered(&self.meter));
        if let Some(proto) = done.plan.switched(frame) {
            self.proto.set(proto);
        }
        if let Some(owner) = done.owner {
            owner.reply(done.seq, &done.plan, frame, true);
        }
        if let Some(opening) = opening.filter(|_| !matches!(done.plan, ReplyPlan::Raw)) {
            opening.done(&self.meter);
        }
        Ok(())
    }

    fn push(&self, frame: &[u8]) {
        if let Some(owner) = self.current_owner() {
            owner.push(frame);
        }
    }

    fn current_owner(&self) -> Option<Rc<dyn Downstream>> {
        self.owner.borrow().as_ref().and_then(Weak::upgrade)
    }

    fn is_out_of_band(&self, kind: u8) -> bool {
        kind == b'>' || (kind == b'*' && self.proto.get() == Proto::Resp2 && self.state.borrow().subscribed)
    }

    fn is_monitor_line(&self) -> bool {
        let state = self.state.borrow();
        state.monitoring && state.pending.is_empty()
    }

    fn awaits_confirmation(&self) -> bool {
        let state = self.state.borrow();
        state.pending.front().is_some_and(|p| matches!(p.frames, Frames::Confirmations(_)))
    }

    fn retire_if_told(&self, frame: &[u8]) {
        if RETIRING.iter().any(|code| frame.starts_with(code)) && self.age().is_some_and(|age| age >= RETIRE_AFTER) {
            self.state.borrow_mut().retired = true;
        }
    }
}

fn unasked() -> Unavailable {
    Unavailable::new(Fault::Protocol, "it sent a reply that nobody asked for")
}
