//! What one connection's requests need, and the ways of answering them.

use std::rc::Rc;
use std::time::Instant;

use bytes::BytesMut;

use super::attach::{Attached, Wrote};
use super::charge::Charges;
use super::course::Course;
use super::sink::Sink;
use super::worker::Worker;
use crate::client::Verdict;
use crate::command::CommandClass;
use crate::meter::{Kind, Refused, Way};
use crate::policy::{Admitted, Allowances, IdentityId, Origin, Refusal, Scratch};
use crate::resp::encode;
use crate::trail::{What, Who};
use crate::upstream::Downstream;

/// Change everything, though Redis does not call them administrative.
const WIDE: [&str; 3] = ["flushall", "flushdb", "swapdb"];

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Done,
    /// Earlier replies have to come first; the request is taken again then.
    Stall,
}

/// Why a step did not go on.
#[derive(Debug)]
pub(super) enum Hold {
    Stall,
    /// The error line that the client gets in the request's place.
    Refuse(String),
}

impl From<Refusal> for Hold {
    fn from(refusal: Refusal) -> Self {
        Self::Refuse(refusal.to_string())
    }
}

/// Everything that one connection's requests need.
pub(super) struct Desk {
    pub sink: Rc<Sink>,
    pub owner: Rc<dyn Downstream>,
    pub worker: Rc<Worker>,
    pub attached: Attached,
    pub wrote: Wrote,
    /// CLIENT CACHING was the last command.
    pub caching: bool,
    pub scratch: Scratch,
    /// None if nothing is limited.
    pub charges: Option<Box<Charges>>,
    /// The client has closed its sending side and may be gone.
    pub leaving: bool,
    /// An emulated command that is under way. What follows it waits.
    pub course: Option<Box<Course>>,
    /// Places in the queue of replies that do not keep the client from changing lanes.
    pub own_places: usize,
    /// As what the answer to the request at hand is counted.
    pub kind: Option<Kind>,
    /// It was told that the request at hand goes on; it may be taken up again.
    pub noted: bool,
    /// The name of the last request's row, for CLIENT LIST.
    pub last_command: &'static str,
    /// Where the client connects from.
    pub origin: Origin,
    /// Of the login that the request at hand is.
    pub verdict: Option<Verdict>,
    pub wrong_logins: u32,
}

impl Desk {
    pub fn new(sink: Rc<Sink>, worker: Rc<Worker>, origin: Origin) -> Self {
        let charges = Allowances::new(&worker.shared.limits, origin).map(Charges::new);
        let owner: Rc<dyn Downstream> = sink.clone();
        Self {
            sink,
            owner,
            worker,
            attached: Attached::Nowhere,
            wrote: Wrote::Nothing,
            caching: false,
            scratch: Scratch::default(),
            charges,
            leaving: false,
            course: None,
            own_places: 0,
            kind: None,
            noted: false,
            last_command: "",
            origin,
            verdict: None,
            wrong_logins: 0,
        }
    }

    /// Whom the client is taken for.
    pub(super) fn who(&self) -> IdentityId {
        self.sink.inner().session.identity
    }

    /// An error in the request's place. Inside MULTI it also stops EXEC, as in Redis.
    pub(super) fn refuse(&mut self, text: &str) {
        self.spoil_block();
        self.count_as(Way::Refused);
        let reason = Refused::of(text);
        self.worker.meter.refused(reason);
        self.sink.tell(What::Refused { command: self.last_command, reason: reason.name() });
        self.say(|out| encode::error(out, text));
    }

    /// How the request at hand is dealt with.
    pub(super) fn count_as(&mut self, way: Way) {
        if let Some(kind) = &mut self.kind {
            kind.way = way;
        }
    }

    /// A request goes on.
    pub(super) fn note_admitted(&mut self, admitted: &Admitted<'_>) {
        self.count_as(if admitted.is_protected() { Way::Sealed } else { Way::Raw });
        let (Some(trail), Some(kind)) = (&self.worker.trail, self.kind) else { return };
        if std::mem::replace(&mut self.noted, true) {
            return;
        }
        let identity = self.sink.inner().session.identity;
        trail.admitted(identity, kind.class, admitted);
        if kind.class == CommandClass::Admin || WIDE.contains(&self.last_command) {
            trail.event(
                Who { identity, client: self.sink.info.id },
                What::Administrative { command: self.last_command },
            );
        }
    }

    /// An answer of ours that is neither an error nor in need of state.
    pub(super) fn say(&mut self, write: impl FnOnce(&mut BytesMut)) {
        let mut guard = self.sink.inner();
        let inner = &mut *guard;
        if !inner.session.is_muted() {
            inner.queue.local(self.kind, write);
        }
    }

    /// Reserves the places of `n` replies that were just asked for.
    pub(super) fn expect(&mut self, n: usize) {
        let mut guard = self.sink.inner();
        let inner = &mut *guard;
        for _ in 0..n {
            let muted = inner.session.is_muted();
            inner.queue.expect(muted, self.kind);
        }
    }

    /// What was queued may be written now.
    pub fn finish_batch(&mut self) {
        let now = Instant::now();
        self.rest_if_strained(now);
        self.sink.info.touch(now);
        self.sink.info.describe(&self.sink.inner().session, self.last_command);
        if let Some(lane) = self.attached.lane() {
            lane.wake();
        }
    }

    /// Has the lane as much as it may have, or is a command under way that takes several steps?
    pub fn is_held_up(&self) -> bool {
        self.course.is_some() || self.attached.lane().is_some_and(|lane| lane.holds_up(|| self.sink.waker()))
    }
}
