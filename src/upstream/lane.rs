//! One upstream connection and the replies it owes.
//!
//! Invariants: replies come in the order of the requests, so the front of `pending` owns the next
//! frame; a lane that broke once is dead for good; on death every pending request learns whether
//! its bytes may have left.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::task::Waker;
use std::time::{Duration, Instant};

use super::unavailable::{Fault, Unavailable};
use crate::resp::Proto;
use crate::transform::{Control, PushKind, ReplyPlan, Wire, push_kind};

/// A lane younger than this is not retired: an upstream that is wrong for long must not cost a
/// TLS handshake per command.
const RETIRE_AFTER: Duration = Duration::from_secs(1);

/// So many bytes waiting for the socket are enough: a slow upstream must not fill our memory.
const PAUSE_AT: usize = 8 * 1024 * 1024;
const RESUME_AT: usize = 1024 * 1024;

/// Errors that say: this connection, or this address, is no longer the right one.
const RETIRING: [&[u8]; 4] = [b"-READONLY ", b"-MASTERDOWN ", b"-NOAUTH ", b"-WRONGPASS "];

/// What a connection was set up for; the same for all that share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LaneKey {
    pub proto: Proto,
    pub db: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LaneUse {
    /// Stateless commands of many clients.
    Shared,
    /// One client's state: WATCH, blocking, subscriptions.
    Pinned,
}

/// What became of a request whose reply will not come.
#[derive(Debug)]
pub enum Failure {
    /// None of its bytes were handed to the connection.
    Unsent(Unavailable),
    /// They may have been, and the server may have carried it out.
    Unknown,
}

/// A client, as a lane sees it.
pub trait Downstream {
    /// A whole reply frame for request `seq`; `last` unless more frames answer the same request.
    fn reply(&self, seq: u64, plan: &ReplyPlan, frame: &[u8], last: bool);
    /// A piece of a large reply that no rule touches, before all of it has come.
    fn piece(&self, seq: u64, bytes: &[u8], last: bool);
    /// A frame that answers nothing: a message, an invalidation.
    fn push(&self, frame: &[u8]);
    fn failed(&self, seq: u64, failure: &Failure);
    /// A pinned lane ended, and with it the state it carried.
    fn lost(&self);
}

/// How many frames answer a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frames {
    One,
    /// A confirmation per channel of SUBSCRIBE and its like.
    Confirmations(usize),
}

struct Pending {
    /// `None`: sent on our own account.
    owner: Option<Rc<dyn Downstream>>,
    seq: u64,
    plan: ReplyPlan,
    frames: Frames,
    /// Where its bytes begin in the connection's outgoing stream.
    start: u64,
}

enum Phase {
    Connecting,
    Ready { since: Instant },
    Dead,
}

struct State {
    phase: Phase,
    wire: Wire,
    /// How many bytes were handed to the connection so far.
    written: u64,
    pending: VecDeque<Pending>,
    waker: Option<Waker>,
    /// Takes no new requests: the server said that it is the wrong one.
    retired: bool,
    /// Ends when nothing is pending any more, or at once if `abandon`.
    closing: Closing,
    subscribed: bool,
    monitoring: bool,
    /// Clients that wait for the outgoing bytes to become fewer.
    held_up: Vec<Waker>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Closing {
    No,
    WhenIdle,
    Now,
}

pub struct Lane {
    pub key: LaneKey,
    pub usage: LaneUse,
    owner: RefCell<Option<Weak<dyn Downstream>>>,
    /// Since when a pinned lane belongs to nobody.
    unused_since: Cell<Option<Instant>>,
    state: RefCell<State>,
}

impl Lane {
    pub(super) fn new(key: LaneKey, usage: LaneUse) -> Rc<Self> {
        Rc::new(Self {
            key,
            usage,
            owner: RefCell::new(None),
            unused_since: Cell::new(None),
            state: RefCell::new(State {
                phase: Phase::Connecting,
                wire: Wire::default(),
                written: 0,
                pending: VecDeque::new(),
                waker: None,
                retired: false,
                closing: Closing::No,
                subscribed: false,
                monitoring: false,
                held_up: Vec::new(),
            }),
        })
    }

    /// Queues one request. `seal` appends its bytes and says how to open the reply; if it refuses,
    /// nothing was queued.
    pub fn send<E>(
        &self,
        owner: &Rc<dyn Downstream>,
        seq: u64,
        frames: Frames,
        seal: impl FnOnce(&mut Wire) -> Result<ReplyPlan, E>,
    ) -> Result<(), E> {
        let mut state = self.state.borrow_mut();
        let start = state.written + state.wire.len() as u64;
        let plan = seal(&mut state.wire)?;
        state.pending.push_back(Pending { owner: Some(owner.clone()), seq, plan, frames, start });
        Ok(())
    }

    /// Queues a block whose bytes are already sealed, with the place and plan of each reply.
    /// Nothing of another client comes between.
    pub fn send_block(&self, owner: &Rc<dyn Downstream>, mut block: Wire, replies: Vec<(u64, ReplyPlan)>) {
        let mut state = self.state.borrow_mut();
        let start = state.written + state.wire.len() as u64;
        state.wire.append(&mut block);
        for (seq, plan) in replies {
            // All of a block counts as sent as soon as its first byte is: it is one request to the server.
            state.pending.push_back(Pending { owner: Some(owner.clone()), seq, plan, frames: Frames::One, start });
        }
    }

    /// Tells the connection's task that there is something to write.
    pub fn wake(&self) {
        if let Some(waker) = &self.state.borrow().waker {
            waker.wake_by_ref();
        }
    }

    /// Is so much waiting to be written that further requests have to wait? Then `waker` is told
    /// when that is over, or when the lane is.
    pub fn holds_up(&self, waker: impl FnOnce() -> Option<Waker>) -> bool {
        let mut state = self.state.borrow_mut();
        if state.wire.len() < PAUSE_AT || matches!(state.phase, Phase::Dead) {
            return false;
        }
        state.held_up.extend(waker());
        true
    }

    /// Can it take further requests?
    pub fn is_usable(&self) -> bool {
        let state = self.state.borrow();
        !matches!(state.phase, Phase::Dead) && !state.retired && state.closing == Closing::No
    }

    pub fn is_dead(&self) -> bool {
        matches!(self.state.borrow().phase, Phase::Dead)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.state.borrow().pending.is_empty()
    }

    /// From now on array frames can be messages (RESP2 has no push type).
    pub fn set_subscribed(&self, subscribed: bool) {
        self.state.borrow_mut().subscribed = subscribed;
    }

    /// From now on lines come that answer nothing.
    pub fn set_monitoring(&self) {
        self.state.borrow_mut().monitoring = true;
    }

    pub(super) fn set_owner(&self, owner: Option<Weak<dyn Downstream>>) {
        self.unused_since.set(owner.is_none().then(Instant::now));
        *self.owner.borrow_mut() = owner;
    }

    /// Ends the connection; what is pending is answered first unless `now`.
    pub(super) fn close(&self, now: bool) {
        let mut state = self.state.borrow_mut();
        state.closing = if now { Closing::Now } else { Closing::WhenIdle };
        if now {
            // What was not written yet is not to be: nobody waits for it.
            state.wire = Wire::default();
        }
        drop(state);
        self.wake();
    }
}

/// The side of the connection's own task.
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
    /// lines come that the answer could not be told from.
    pub(super) fn may_ping(&self) -> bool {
        let state = self.state.borrow();
        state.pending.is_empty() && !state.monitoring
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
            Closing::No => state.retired && state.pending.is_empty() && self.usage == LaneUse::Shared,
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
        if state.wire.len() < RESUME_AT {
            state.held_up.drain(..).for_each(Waker::wake);
        }
        Some(result)
    }

    /// Asks for a sign of life on our own account.
    pub(super) fn ping(&self) {
        let mut state = self.state.borrow_mut();
        let start = state.written + state.wire.len() as u64;
        state.wire.control(Control::Ping);
        state.pending.push_back(Pending { owner: None, seq: 0, plan: ReplyPlan::Raw, frames: Frames::One, start });
    }

    /// One complete frame has come.
    pub(super) fn frame(&self, frame: &[u8]) -> Result<(), Unavailable> {
        let kind = frame.first().copied().unwrap_or_default();
        if self.is_out_of_band(kind) {
            let confirms = match push_kind(frame) {
                PushKind::Message => false,
                PushKind::Confirmation(_) => self.awaits_confirmation(),
                // RESP2's pong to a subscriber is the one reply that looks like a message.
                PushKind::Other => kind == b'*',
            };
            if !confirms {
                self.push(frame);
                return Ok(());
            }
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
            && state
                .pending
                .front()
                .is_some_and(|p| p.owner.is_some() && p.frames == Frames::One && matches!(p.plan, ReplyPlan::Raw))
    }

    /// A piece of the front request's reply; see [`Self::can_stream`].
    pub(super) fn piece(&self, bytes: &[u8], last: bool) -> Result<(), Unavailable> {
        let (owner, seq) = {
            let mut state = self.state.borrow_mut();
            let Some(front) = state.pending.front() else { return Err(unasked()) };
            let found = (front.owner.clone(), front.seq);
            if last {
                state.pending.pop_front();
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
        let Some(done) = state.pending.pop_front() else { return Err(unasked()) };
        drop(state);
        if let Some(owner) = done.owner {
            owner.reply(done.seq, &done.plan, frame, true);
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
        kind == b'>' || (kind == b'*' && self.key.proto == Proto::Resp2 && self.state.borrow().subscribed)
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
