//! One upstream connection and the replies it owes.
//!
//! Invariants: replies come in the order of the requests, so the front of `pending` owns the next
//! frame; a lane that broke once is dead for good; on death every pending request learns whether
//! its bytes may have left.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::task::Waker;
use std::time::Instant;

use bytes::{Bytes, BytesMut};

use super::probe::Probe;
use super::unavailable::Unavailable;
use crate::meter::Meter;
use crate::resp::Proto;
use crate::transform::{ReplyPlan, Wire};

/// So many bytes waiting for the socket are enough: a slow upstream must not fill our memory.
const PAUSE_AT: usize = 8 * 1024 * 1024;
pub(super) const RESUME_AT: usize = 1024 * 1024;

/// A reply of so many bytes is handed on in pieces if nothing in it is to be opened, and a client with requests or replies of
/// this size does not share its lane with those that have none.
pub const LARGE: usize = 64 * 1024;

/// What a connection was set up for; the same for all that share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LaneKey {
    pub proto: Proto,
    pub db: u32,
    /// Number of the lane for clients with large requests or replies, behind which nobody else is to wait; 0 is the lane of
    /// all others.
    pub bulk: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LaneUse {
    /// Stateless commands of many clients.
    Shared,
    /// One client's state: WATCH, blocking, subscriptions.
    Pinned,
    /// One client's, but others may wait for replies from the time when it was shared.
    SetApart,
}

/// What became of a request whose reply will not come.
#[derive(Debug)]
pub enum Failure {
    /// None of its bytes were handed to the connection.
    Unsent(Unavailable),
    /// They may have been, and the server may have carried it out.
    Unknown,
}

/// A reply that is opened on another thread, because it takes long. `None` if that thread failed.
pub type Opening = Pin<Box<dyn Future<Output = Option<Apart>>>>;

/// A whole reply, its plan, and what the client gets for it.
pub struct Apart {
    pub plan: ReplyPlan,
    pub frame: Bytes,
    pub opened: BytesMut,
    /// Values in it that did not open.
    pub failures: u64,
}

/// A client, as a lane sees it.
pub trait Downstream {
    /// A whole reply frame for request `seq`; `last` unless more frames answer the same request.
    fn reply(&self, seq: u64, plan: &ReplyPlan, frame: &[u8], last: bool);
    /// Begins to open a reply apart from the worker. Its place stays where it is; no other reply comes meanwhile.
    fn open_apart(&self, _seq: u64, plan: ReplyPlan, frame: Bytes) -> Opening {
        Box::pin(std::future::ready(Some(Apart { plan, frame, opened: BytesMut::new(), failures: 0 })))
    }
    /// That is done, for request `seq`.
    fn opened(&self, seq: u64, apart: Apart) {
        self.reply(seq, &apart.plan, &apart.frame, true);
    }
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

pub(super) struct Pending {
    /// `None`: sent on our own account.
    pub(super) owner: Option<Rc<dyn Downstream>>,
    pub(super) seq: u64,
    pub(super) plan: ReplyPlan,
    pub(super) frames: Frames,
    /// Where its bytes begin in the connection's outgoing stream.
    pub(super) start: u64,
    /// It is the one whose time is taken.
    pub(super) probed: bool,
}

pub(super) enum Phase {
    Connecting,
    Ready { since: Instant },
    Dead,
}

pub(super) struct State {
    pub(super) phase: Phase,
    pub(super) wire: Wire,
    /// How many bytes were handed to the connection so far.
    pub(super) written: u64,
    pub(super) pending: VecDeque<Pending>,
    pub(super) probe: Option<Probe>,
    pub(super) waker: Option<Waker>,
    /// Takes no requests of other clients: the server said that it is the wrong one, or it is in another database.
    pub(super) retired: bool,
    /// Ends when nothing is pending any more, or at once if `abandon`.
    pub(super) closing: Closing,
    pub(super) subscribed: bool,
    pub(super) monitoring: bool,
    /// CLIENT CACHING was sent, and nothing since.
    pub(super) caching: bool,
    /// Clients that wait for the outgoing bytes to become fewer.
    pub(super) held_up: Vec<Waker>,
}

impl State {
    /// The request whose reply is here, and its measurement if it is the one.
    pub(super) fn take_front(&mut self) -> Option<(Pending, Option<Probe>)> {
        let front = self.pending.pop_front()?;
        let probe = if front.probed { self.probe.take() } else { None };
        Some((front, probe))
    }

    pub(super) fn is_unowned(&self) -> bool {
        self.pending.iter().all(|request| request.owner.is_none())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Closing {
    No,
    WhenIdle,
    /// When none of the replies that are due is anybody's.
    WhenUnowned,
    Now,
}

pub struct Lane {
    pub key: LaneKey,
    /// That of its key, until HELLO is sent for a client that has it alone. Such a lane is retired.
    pub(super) proto: Cell<Proto>,
    pub(super) usage: Cell<LaneUse>,
    /// The server's number of this connection; 0 until it is made, [`Self::NO_NUMBER`] if the server tells
    /// none. Other workers read it.
    pub server_id: Arc<AtomicU64>,
    pub(super) owner: RefCell<Option<Weak<dyn Downstream>>>,
    /// Since when a pinned lane belongs to nobody.
    pub(super) unused_since: Cell<Option<Instant>>,
    pub(super) state: RefCell<State>,
    pub(super) meter: Arc<Meter>,
}

impl Lane {
    pub const NO_NUMBER: u64 = u64::MAX;

    pub(super) fn new(key: LaneKey, usage: LaneUse, meter: Arc<Meter>) -> Rc<Self> {
        Rc::new(Self {
            key,
            proto: Cell::new(key.proto),
            usage: Cell::new(usage),
            server_id: Arc::default(),
            owner: RefCell::new(None),
            unused_since: Cell::new(None),
            meter,
            state: RefCell::new(State {
                phase: Phase::Connecting,
                wire: Wire::default(),
                written: 0,
                pending: VecDeque::new(),
                probe: None,
                waker: None,
                retired: false,
                closing: Closing::No,
                subscribed: false,
                monitoring: false,
                caching: false,
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
        // What waits for an element takes as long as that does.
        let asked = (state.probe.is_none() && self.is_shared()).then(Instant::now);
        let plan = seal(&mut state.wire)?;
        state.probe = asked.map(|asked| Probe::new(asked, start)).or(state.probe.take());
        state.caching = false;
        let probed = asked.is_some();
        state.pending.push_back(Pending { owner: Some(owner.clone()), seq, plan, frames, start, probed });
        self.meter.upstream_commands.add(1);
        Ok(())
    }

    /// Queues a block whose bytes are already sealed, with the place and plan of each reply.
    /// Nothing of another client comes between.
    pub fn send_block(&self, owner: &Rc<dyn Downstream>, mut block: Wire, replies: Vec<(u64, ReplyPlan)>) {
        let mut state = self.state.borrow_mut();
        let start = state.written + state.wire.len() as u64;
        state.wire.append(&mut block);
        state.caching = false;
        self.meter.upstream_commands.add(replies.len() as u64);
        for (seq, plan) in replies {
            // All of a block counts as sent as soon as its first byte is: it is one request to the server.
            state.pending.push_back(Pending {
                owner: Some(owner.clone()),
                seq,
                plan,
                frames: Frames::One,
                start,
                probed: false,
            });
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

    /// May several clients use it?
    pub fn is_shared(&self) -> bool {
        self.usage.get() == LaneUse::Shared
    }

    pub fn is_dead(&self) -> bool {
        matches!(self.state.borrow().phase, Phase::Dead)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.state.borrow().pending.is_empty()
    }

    /// Its state on the server is no longer what its key says: it serves whoever has it, and nobody else.
    pub fn retire(&self) {
        self.state.borrow_mut().retired = true;
    }

    /// From now on array frames can be messages (RESP2 has no push type).
    pub fn set_subscribed(&self, subscribed: bool) {
        self.state.borrow_mut().subscribed = subscribed;
    }

    /// From now on lines come that answer nothing.
    pub fn set_monitoring(&self) {
        self.state.borrow_mut().monitoring = true;
    }

    /// CLIENT CACHING was sent: the next command must be the client's.
    pub fn set_caching(&self) {
        self.state.borrow_mut().caching = true;
    }

    pub fn is_caching(&self) -> bool {
        self.state.borrow().caching
    }

    pub(super) fn set_owner(&self, owner: Option<Weak<dyn Downstream>>) {
        self.unused_since.set(owner.is_none().then(Instant::now));
        *self.owner.borrow_mut() = owner;
    }

    /// Its client gives it up. That ends the connection, as soon as no other client, with whom it was once
    /// shared, waits for a reply.
    pub(super) fn give_up(&self) {
        // Its end does not concern the client any more.
        let owner = self.owner.borrow_mut().take().and_then(|owner| owner.upgrade());
        if self.usage.get() != LaneUse::SetApart {
            return self.close(true);
        }
        let mut state = self.state.borrow_mut();
        for request in &mut state.pending {
            let is_its = |of: &Rc<dyn Downstream>| owner.as_ref().is_some_and(|owner| Rc::ptr_eq(of, owner));
            request.owner.take_if(|of| is_its(of));
        }
        let unowned = state.is_unowned();
        state.closing = Closing::WhenUnowned;
        drop(state);
        if unowned {
            return self.close(true);
        }
        self.wake();
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
