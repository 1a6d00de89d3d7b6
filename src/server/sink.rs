//! A client as its lane sees it: where replies, messages and failures arrive.

use std::cell::{RefCell, RefMut};
use std::collections::{HashSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;
use std::time::Instant;

use bytes::{Bytes, BytesMut};

use super::bulk::Bulk;
use super::login::Login;
use super::patience::{Overdue, Patience};
use super::worker::Worker;
use crate::client::{ClientInfo, OutOfOrder, ReplyQueue, Session, Unblock};
use crate::resp::{Proto, encode};
use crate::trail::{What, Who};
use crate::transform::{Confirmation, Invalidation, PushKind, confirmed_channel, push_kind};

/// The process's count of buffered bytes is brought up to date in steps of this.
const ACCOUNT_STEP: usize = 64 * 1024;
/// When the process is over its budget, clients with more than this buffered are cut.
const OVER_BUDGET_SHARE: usize = 1024 * 1024;

/// So much of a library's name is told on.
const MAX_LIBRARY: usize = 64;

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The client closed, or its socket failed.
    Client,
    /// QUIT, or a protocol error that was answered.
    Said,
    /// The outcome of a command, or state that lived on the lane, was lost with it.
    Upstream,
    /// It does not read its replies.
    SlowReader,
    /// The process holds too many bytes for its clients, or this client's request is larger than any may be.
    Budget,
    /// A reply came that was not due. Never expected; the client must not see what follows.
    Order,
    /// The sidecar is going down.
    Drain,
    /// CLIENT KILL, by another client.
    Killed,
    /// It took too long for its login or a request, or did nothing for long.
    TimedOut(Overdue),
}

impl End {
    /// Is what was already written for the client still to be delivered?
    pub fn flushes(self) -> bool {
        matches!(self, Self::Said | Self::Upstream | Self::Drain)
    }
}

pub(super) struct Inner {
    pub session: Session,
    pub queue: ReplyQueue,
    /// Set once; nothing is accepted afterwards.
    pub end: Option<End>,
    /// The sequence numbers of SUBSCRIBE and its like that are under way.
    pub subscribing: VecDeque<Subscribing>,
    /// When the client last took something, or had nothing to take.
    pub drained: Instant,
    waker: Option<Waker>,
    /// Something was waiting for the client before the last reply came.
    behind: bool,
    /// The place of the last command that may wait for an element, until it is answered.
    pub blocked: Option<u64>,
    /// Somebody may still be about to unblock the lane that the client is on.
    pub disturbed: bool,
    /// CLIENT UNBLOCK of other clients that were sent upstream.
    pub unblocking: VecDeque<Unblocking>,
    /// When CLIENT PAUSE has the client looked at again.
    pub alarm: Option<Instant>,
    /// Replies to requests before this one are not wanted any more: they were answered here.
    pub given_up: u64,
    /// MONITOR was sent and not answered yet.
    pub starting_monitor: bool,
    /// Why the server refused a command of a transaction of which the client had been told QUEUED.
    pub discarded: Option<Bytes>,
    /// What the next request has asked the server itself.
    pub question: Question,
    /// The login that waits for its verdict.
    pub login: Login,
    /// Bytes of requests that are not complete or have to wait.
    pub input: usize,
    /// Bytes of a transaction that is rehearsed.
    pub rehearsed: usize,
    pub bulk: Bulk,
    pub patience: Patience,
    accounted: usize,
}

/// What has to be known of the stored values before the request at hand can be sealed. It waits in the
/// input meanwhile, and with it all that the client sent after it.
#[derive(Default)]
pub(super) enum Question {
    #[default]
    None,
    /// Asked in this place among the client's replies, of which the client sees nothing.
    Asked(u64),
    /// The values, or the error that the request gets.
    Answered(Result<Bytes, String>),
}

/// A SUBSCRIBE or its like that is under way.
pub(super) struct Subscribing {
    pub seq: u64,
    /// What it names.
    pub names: HashSet<Bytes>,
}

/// A CLIENT UNBLOCK that the server is to carry out.
pub(super) struct Unblocking {
    pub seq: u64,
    pub target: Arc<ClientInfo>,
    pub how: Unblock,
}

pub(super) struct Sink {
    pub info: Arc<ClientInfo>,
    inner: RefCell<Inner>,
    pub worker: Rc<Worker>,
}

impl Sink {
    pub fn new(session: Session, worker: Rc<Worker>, info: Arc<ClientInfo>) -> Rc<Self> {
        let inner = Inner {
            session,
            queue: ReplyQueue::counting_in(worker.meter.clone()),
            end: None,
            subscribing: VecDeque::new(),
            drained: Instant::now(),
            waker: None,
            behind: false,
            blocked: None,
            disturbed: false,
            unblocking: VecDeque::new(),
            alarm: None,
            given_up: 0,
            starting_monitor: false,
            discarded: None,
            question: Question::None,
            login: Login::None,
            input: 0,
            rehearsed: 0,
            bulk: Bulk::default(),
            patience: Patience::default(),
            accounted: 0,
        };
        Rc::new(Self { info, inner: RefCell::new(inner), worker })
    }

    pub fn inner(&self) -> RefMut<'_, Inner> {
        self.inner.borrow_mut()
    }

    pub fn register(&self, waker: &Waker) {
        let mut inner = self.inner.borrow_mut();
        if !inner.waker.as_ref().is_some_and(|w| w.will_wake(waker)) {
            inner.waker = Some(waker.clone());
            self.info.reach_by(waker);
        }
    }

    /// For who watches what clients do.
    pub fn tell(&self, what: What) {
        if let Some(trail) = &self.worker.trail {
            let identity = self.inner.borrow().session.identity;
            trail.event(Who { identity, client: self.info.id }, what);
        }
    }

    /// Which library the client says it is.
    pub fn tell_library(&self) {
        if self.worker.trail.is_some() {
            let name = self.inner.borrow().session.lib_name.clone();
            // CLIENT SETINFO takes printable characters only.
            let name = String::from_utf8_lossy(&name[..name.len().min(MAX_LIBRARY)]).into_owned();
            self.tell(What::Library { name });
        }
    }

    /// Ends the connection from outside of it.
    pub fn end(&self, why: End) {
        self.inner.borrow_mut().end_with(why);
    }

    pub fn waker(&self) -> Option<Waker> {
        self.inner.borrow().waker.clone()
    }

    pub fn wake(&self) {
        if let Some(waker) = &self.inner.borrow().waker {
            waker.wake_by_ref();
        }
    }

    /// CLIENT UNBLOCK where the server cannot do it: the command is answered here, and its lane, which the
    /// caller gives up, is not listened to any more. `false` if that is not possible, because something
    /// else hangs on the lane.
    pub fn unblock_here(&self, how: Unblock) -> bool {
        let mut guard = self.inner.borrow_mut();
        let inner = &mut *guard;
        let Some(seq) = inner.blocked.filter(|_| inner.queue.waiting() == 1 && !inner.session.holds_lane()) else {
            return false;
        };
        let proto = inner.session.proto;
        inner.start_clock();
        let outcome = inner.queue.fill(seq, true, |out| match how {
            Unblock::Timeout => encode::null_array(out, proto),
            Unblock::Error => encode::error(out, "UNBLOCKED client unblocked via CLIENT UNBLOCK"),
        });
        inner.given_up = seq + 1;
        self.note_answered(inner, seq);
        self.taken(guard, outcome);
        true
    }

    /// An answer that was worked out here, in the place of one from upstream.
    pub fn answer(&self, seq: u64, write: impl FnOnce(&mut BytesMut)) {
        let mut inner = self.inner.borrow_mut();
        if inner.end.is_some() {
            return;
        }
        inner.start_clock();
        inner.bulk.answered();
        let outcome = inner.queue.fill(seq, true, write);
        self.taken(inner, outcome);
    }

    /// The request `seq` has its answer. What hung on it?
    pub(super) fn note_answered(&self, inner: &mut Inner, seq: u64) {
        inner.bulk.answered();
        if inner.blocked == Some(seq) {
            inner.blocked = None;
            inner.disturbed |= self.info.unblocked();
        }
    }

    /// After a change of the output buffer: is everybody within bounds?
    pub fn account(&self) {
        self.settle(&mut self.inner.borrow_mut());
    }

    /// Gives the process's budget back.
    pub fn close_account(&self) {
        let mut inner = self.inner.borrow_mut();
        self.worker.shared.buffered.fetch_sub(inner.accounted, Ordering::Relaxed);
        inner.accounted = 0;
    }

    pub(super) fn settle(&self, inner: &mut Inner) {
        let output = inner.queue.buffered();
        let kept = inner.session.block.as_ref().map_or(0, |block| block.weight());
        let buffered = output + inner.queue.held() + inner.input + inner.rehearsed + kept;
        let bounds = &self.worker.shared.bounds;
        // One reply alone may be larger: a client that was up to date is not slow.
        if output > bounds.client_output && inner.behind {
            inner.end_with(End::SlowReader);
        }
        inner.behind = output > 0;
        if buffered.abs_diff(inner.accounted) < ACCOUNT_STEP {
            return;
        }
        let total = &self.worker.shared.buffered;
        let sum = if buffered > inner.accounted {
            total.fetch_add(buffered - inner.accounted, Ordering::Relaxed) + buffered - inner.accounted
        } else {
            total.fetch_sub(inner.accounted - buffered, Ordering::Relaxed) + buffered - inner.accounted
        };
        inner.accounted = buffered;
        if sum > bounds.buffers && buffered > OVER_BUDGET_SHARE {
            inner.end_with(End::Budget);
        }
    }

    /// `n` bytes are about to be written for the client.
    pub(super) fn make_room(&self, inner: &mut Inner, n: usize) {
        if inner.queue.wants_buffer(n)
            && let Some(large) = self.worker.large_buffer()
        {
            inner.queue.lend(large);
        }
    }

    pub(super) fn taken(&self, mut inner: RefMut<'_, Inner>, outcome: Result<(), OutOfOrder>) {
        if outcome.is_err() {
            tracing::error!(target: "waxseal::server", "a reply came out of order; the client is cut");
            inner.end_with(End::Order);
        }
        self.settle(&mut inner);
        if let Some(waker) = &inner.waker {
            waker.wake_by_ref();
        }
    }
}

impl Inner {
    /// The first reason counts, but a client that is to get its last replies and does not take them
    /// is cut like any other.
    pub fn end_with(&mut self, why: End) {
        match self.end {
            Some(before) if !before.flushes() || why.flushes() => {}
            _ => self.end = Some(why),
        }
    }

    /// Something is about to be written for the client. From here on it has time to take it.
    pub fn start_clock(&mut self) {
        if self.queue.buffered() == 0 {
            self.drained = Instant::now();
        }
    }

    /// What CLIENT TRACKING tells, if this client or another for it has asked. `true` if that is what it is.
    pub fn take_invalidation(&mut self, frame: &[u8], is_target: bool) -> bool {
        let resp3 = self.session.proto == Proto::Resp3;
        let on = self.session.tracking.on.as_mut();
        match Invalidation::parse(frame) {
            Some(Invalidation::Keys) if resp3 && (on.is_some() || is_target) => {
                self.queue.push(|out| out.extend_from_slice(frame));
            }
            Some(Invalidation::Redirected) if !resp3 && is_target => {
                self.queue.push(|out| out.extend_from_slice(frame));
            }
            Some(Invalidation::Broken) if resp3 => {
                let Some((tracked, to)) = on.and_then(|on| on.redirect.map(|to| (on, to))) else { return false };
                tracked.broken = true;
                self.queue.push(|out| {
                    encode::push_header(out, 2, Proto::Resp3);
                    encode::bulk(out, b"tracking-redir-broken");
                    encode::int(out, i64::try_from(to.client).unwrap_or(i64::MAX));
                });
            }
            _ => return false,
        }
        true
    }

    /// A reply to SUBSCRIBE or its like: what is subscribed now?
    /// `true` if it was such a reply.
    pub fn note_subscription(&mut self, seq: u64, frame: &[u8], last: bool) -> bool {
        let Some(asked) = self.subscribing.front().filter(|asked| asked.seq == seq) else { return false };
        if let (PushKind::Confirmation(kind), Some(channel)) = (push_kind(frame), confirmed_channel(frame)) {
            use Confirmation::{PSubscribe, SSubscribe, Subscribe};
            if matches!(kind, Subscribe | PSubscribe | SSubscribe) && !asked.names.contains(channel) {
                tracing::error!(target: "waxseal::server", "the upstream confirmed a channel that was not asked for; the client is cut");
                self.end_with(End::Order);
                return true;
            }
            self.session.subscriptions.confirm(kind, channel);
            // CLIENT REPLY OFF and SKIP silence replies, not what a subscriber is told.
            self.queue.unmute();
        }
        if last {
            self.end_subscribing(seq);
        }
        true
    }

    pub fn end_subscribing(&mut self, seq: u64) {
        if self.subscribing.front().is_some_and(|asked| asked.seq == seq) {
            self.subscribing.pop_front();
            self.session.subscriptions.in_flight -= 1;
        }
    }
}
