//! An emulated command on its way: one step after the other on the client's lane, one command at a time.
//!
//! The command has one place in the client's queue of replies. What the client sends behind it waits until it is
//! done, so the order of a pipeline holds; what it sent before has its replies ahead on the same lane.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use super::arrivals::is_null;
use super::attach::Need;
use super::desk::{Desk, Hold};
use super::sink::{End, Sink};
use crate::policy::Admitted;
use crate::resp::encode;
use crate::transform::{Emulation, ReplyPlan, Turn};
use crate::upstream::{Class, Downstream, Failure, Frames, Lane};

/// After so many lost races others are given way to first, each time for a random part of a longer while.
const AT_ONCE: u32 = 3;
const SHORTEST_WAIT: Duration = Duration::from_millis(1);
const LONGEST_WAIT: Duration = Duration::from_millis(64);
/// Somebody changes the value all the time. Nothing was written.
const GIVE_UP_AFTER: Duration = Duration::from_secs(10);
const CONTENDED: &str = "WAXSEAL CONTENDED others changed this value each time before the new one could be written. \
                         Nothing was written; try again, or spread the writes over more keys";

/// The command that is under way.
pub(super) struct Course {
    emulation: Emulation,
    /// Its place among the client's replies.
    seq: u64,
    step: Rc<Step>,
    owner: Rc<dyn Downstream>,
    began: Instant,
    lost: u32,
    /// It waits before it begins again.
    not_before: Option<Instant>,
}

/// Where the reply to one step arrives.
struct Step {
    sink: Rc<Sink>,
    reply: RefCell<Option<Result<Bytes, Failure>>>,
}

impl Step {
    fn set(&self, reply: Result<Bytes, Failure>) {
        *self.reply.borrow_mut() = Some(reply);
        self.sink.wake();
    }
}

impl Downstream for Step {
    fn reply(&self, _: u64, _: &ReplyPlan, frame: &[u8], _: bool) {
        self.set(Ok(Bytes::copy_from_slice(frame)));
    }

    /// Only replies that nobody looks at come in pieces.
    fn piece(&self, _: u64, _: &[u8], _: bool) {
        self.sink.end(End::Order);
        self.sink.wake();
    }

    fn failed(&self, _: u64, failure: &Failure) {
        self.set(Err(match failure {
            Failure::Unsent(why) => Failure::Unsent(why.clone()),
            Failure::Unknown => Failure::Unknown,
        }));
    }

    // A lane's messages and its end concern the client itself.
    fn push(&self, _: &[u8]) {}
    fn lost(&self) {}
}

impl Desk {
    /// Is this request one that takes several steps? Then its first is sent.
    pub(super) fn begin_emulation(&mut self, admitted: &Admitted<'_>, need: Need) -> Result<bool, Hold> {
        let Some(emulation) = self.worker.transform.borrow_mut().emulation(admitted)? else { return Ok(false) };
        let lane = self.attach(need)?;
        let step = Rc::new(Step { sink: self.sink.clone(), reply: RefCell::new(None) });
        let owner: Rc<dyn Downstream> = step.clone();
        lane.send(&owner, 0, Frames::One, |wire| Ok::<_, Hold>(emulation.send(wire)))?;
        self.wrote.note(&lane);
        let seq = self.sink.inner().queue.next_seq();
        self.expect(1);
        let began = Instant::now();
        self.course = Some(Box::new(Course { emulation, seq, step, owner, began, lost: 0, not_before: None }));
        Ok(true)
    }

    /// Goes on with the command that is under way, as far as that is possible now. `true` if it is done.
    pub(super) fn advance_emulation(&mut self) -> bool {
        let Some(mut course) = self.course.take() else { return false };
        if let Some(at) = course.not_before {
            if Instant::now() < at {
                // The alarm may have been for something else.
                self.sink.wake_at(at);
                self.course = Some(course);
                return false;
            }
            course.not_before = None;
            return self.send_step(course);
        }
        let Some(reply) = course.step.reply.borrow_mut().take() else {
            self.course = Some(course);
            return false;
        };
        let frame = match reply {
            Ok(frame) => frame,
            Err(failure) => {
                self.sink.failed(course.seq, &failure);
                return true;
            }
        };
        if !self.end_waiting(course.seq, &frame) {
            return false;
        }
        let proto = self.sink.inner().session.proto;
        let mut out = BytesMut::new();
        course.emulation.waited(course.began.elapsed());
        let turn = course.emulation.take(&frame, &mut self.worker.transform.borrow_mut(), proto, &mut out);
        match turn {
            Turn::Done => {
                self.sink.answer(course.seq, |to| to.extend_from_slice(&out));
                true
            }
            Turn::Send => self.send_step(course),
            Turn::Lost => self.begin_again(course),
        }
    }

    /// The command waits no longer, if it did. `false` if that is because the sidecar goes down: the client is to ask again,
    /// somewhere else.
    fn end_waiting(&mut self, seq: u64, frame: &[u8]) -> bool {
        let mut inner = self.sink.inner();
        if inner.blocked != Some(seq) {
            return true;
        }
        if self.worker.draining() && is_null(frame) {
            inner.end_with(End::Drain);
            return false;
        }
        self.sink.note_answered(&mut inner, seq);
        true
    }

    fn begin_again(&mut self, mut course: Box<Course>) -> bool {
        let waits = course.emulation.waits();
        if waits && self.worker.draining() {
            self.sink.end(End::Drain);
            return false;
        }
        // Who waits for an element waits on when others were faster.
        if !waits && course.began.elapsed() > GIVE_UP_AFTER {
            self.sink.answer(course.seq, |out| encode::error(out, CONTENDED));
            return true;
        }
        course.lost += 1;
        if course.lost <= AT_ONCE {
            return self.send_step(course);
        }
        let longest = (SHORTEST_WAIT * 2_u32.saturating_pow(course.lost - AT_ONCE)).min(LONGEST_WAIT);
        let at = Instant::now() + longest.mul_f64(random_part());
        course.not_before = Some(at);
        self.course = Some(course);
        self.sink.wake_at(at);
        false
    }

    /// `true` if that was not possible, and the client was told so.
    fn send_step(&mut self, course: Box<Course>) -> bool {
        let waits = course.emulation.waits();
        let need = if waits { Need::Pinned(Class::Blocking) } else { Need::Shared };
        let lane = match self.attach_again(need) {
            Ok(lane) => lane,
            Err(why) => {
                // Nothing of this step was sent, and the ones before it have changed nothing.
                self.sink.answer(course.seq, |out| encode::error(out, why));
                return true;
            }
        };
        let sent = lane.send(&course.owner, 0, Frames::One, |wire| Ok::<_, Hold>(course.emulation.send(wire)));
        self.wrote.note(&lane);
        debug_assert!(sent.is_ok(), "an emulation's step is refused by nobody");
        lane.wake();
        if waits {
            self.note_blocked_at(course.seq);
        }
        self.course = Some(course);
        false
    }
}

impl Desk {
    /// The lane for a further step. Everything that the client asked before is answered; only the command
    /// itself still waits.
    fn attach_again(&mut self, need: Need) -> Result<Rc<Lane>, String> {
        self.own_places = 1;
        let lane = self.attach(need);
        self.own_places = 0;
        lane.map_err(|hold| match hold {
            Hold::Refuse(text) => text,
            // Not expected; nothing was written.
            Hold::Stall => CONTENDED.into(),
        })
    }
}

/// Between a half and one.
fn random_part() -> f64 {
    let byte = getrandom::u32().map_or(0, |n| n % 256);
    0.5 + f64::from(byte) / 512.0
}
