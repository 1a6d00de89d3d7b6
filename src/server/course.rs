//! What takes several steps: where it stands, and where the replies to a step arrive.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;

use super::rehearse::Transaction;
use super::sink::{End, Sink};
use super::turns::Ticket;
use crate::transform::{Emulation, ReplyPlan};
use crate::upstream::{Downstream, Failure};

/// What is under way: one emulated command, or a transaction with some of them.
pub(super) struct Course {
    pub what: What,
    /// Its place among the client's replies.
    pub seq: u64,
    pub step: Rc<Step>,
    pub owner: Rc<dyn Downstream>,
    pub began: Instant,
    pub lost: u32,
    pub lost_lanes: u32,
    /// It waits before it begins again.
    pub not_before: Option<Instant>,
    /// Others that change the same key come after it.
    pub ticket: Option<Rc<Ticket>>,
    /// It has not begun, as its turn has not come.
    pub queued: bool,
}

pub(super) enum What {
    Command(Emulation),
    Transaction(Transaction),
}

impl What {
    /// The first key that it changes, unless it may wait before.
    pub fn changes(&self) -> Option<&Bytes> {
        match self {
            Self::Command(emulation) => emulation.changes().filter(|_| !emulation.waits()),
            Self::Transaction(transaction) => transaction.rehearsal.changes(),
        }
    }
}

/// Where the replies to what was sent last arrive.
pub(super) struct Step {
    sink: Rc<Sink>,
    due: Cell<usize>,
    replies: RefCell<Vec<Bytes>>,
    failure: RefCell<Option<Failure>>,
}

impl Step {
    pub fn new(sink: Rc<Sink>) -> Rc<Self> {
        Rc::new(Self { sink, due: Cell::new(0), replies: RefCell::default(), failure: RefCell::default() })
    }

    /// So many replies will come. What a connection that ended has left behind is none of them.
    pub fn expect(&self, due: usize) {
        self.due.set(due);
        self.replies.borrow_mut().clear();
        self.failure.borrow_mut().take();
    }

    /// All of them, if they are there.
    pub fn take(&self) -> Option<Result<Vec<Bytes>, Failure>> {
        if let Some(failure) = self.failure.borrow_mut().take() {
            return Some(Err(failure));
        }
        (self.due.get() == 0).then(|| Ok(self.replies.take()))
    }
}

impl Downstream for Step {
    fn reply(&self, _: u64, plan: &ReplyPlan, frame: &[u8], _: bool) {
        if !matches!(plan, ReplyPlan::Step) {
            return self.sink.note_queueing(plan, frame);
        }
        self.replies.borrow_mut().push(Bytes::copy_from_slice(frame));
        {
            let mut inner = self.sink.inner();
            inner.rehearsed += frame.len();
            inner.bulk.note(frame.len());
        }
        self.sink.account();
        self.due.set(self.due.get().saturating_sub(1));
        if self.due.get() == 0 {
            self.sink.wake();
        }
    }

    /// Only replies that nobody looks at come in pieces.
    fn piece(&self, _: u64, _: &[u8], _: bool) {
        self.sink.end(End::Order);
        self.sink.wake();
    }

    fn failed(&self, _: u64, failure: &Failure) {
        self.failure.borrow_mut().get_or_insert_with(|| match failure {
            Failure::Unsent(why) => Failure::Unsent(why.clone()),
            Failure::Unknown => Failure::Unknown,
        });
        self.sink.wake();
    }

    // A lane's messages and its end concern the client itself.
    fn push(&self, _: &[u8]) {}
    fn lost(&self) {}
}

impl Course {
    /// May the server keep it waiting with the next step?
    pub fn waits(&self) -> bool {
        matches!(&self.what, What::Command(emulation) if emulation.waits())
    }

    /// Is nothing that writes sent yet?
    pub fn reads(&self) -> bool {
        match &self.what {
            What::Command(emulation) => emulation.reads(),
            What::Transaction(transaction) => transaction.reads(),
        }
    }
}
