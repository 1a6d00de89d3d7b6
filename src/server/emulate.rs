//! An emulated command on its way, or a transaction with some: one step after the other on the client's lane, one command at
//! a time.
//!
//! It has one place in the client's queue of replies. What the client sends behind it waits until it is
//! done, so the order of a pipeline holds; what it sent before has its replies ahead on the same lane.

use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::arrivals::is_null;
use super::attach::Need;
use super::course::{Course, Step, What};
use super::desk::{Desk, Hold};
use super::sink::End;
use super::turns::Ticket;
use crate::meter::Way;
use crate::policy::Admitted;
use crate::resp::encode;
use crate::transform::Turn;
use crate::upstream::{Class, Downstream, Failure, Frames, Lane};

/// After so many lost races others are given way to first, each time for a random part of a longer while.
const AT_ONCE: u32 = 3;
const SHORTEST_WAIT: Duration = Duration::from_millis(1);
const LONGEST_WAIT: Duration = Duration::from_millis(64);
/// So often a connection may end while the command still reads; then something is wrong that a new one does not mend.
const LANES: u32 = 3;
/// Somebody changes the value all the time. Nothing was written.
const GIVE_UP_AFTER: Duration = Duration::from_secs(10);
const CONTENDED: &str = "WAXSEAL CONTENDED others changed this value each time before the new one could be written. \
                         Nothing was written; try again, or spread the writes over more keys";

impl Desk {
    /// Is this request one that takes several steps? Then its first is sent.
    pub(super) fn begin_emulation(&mut self, admitted: &Admitted<'_>, need: Need) -> Result<bool, Hold> {
        let Some(emulation) = self.worker.transform.borrow_mut().emulation(admitted)? else { return Ok(false) };
        let lane = self.attach(need)?;
        self.count_as(Way::Emulated);
        self.begin_course(What::Command(emulation), &lane);
        Ok(true)
    }

    /// Sends the first step of what will have one reply.
    pub(super) fn begin_course(&mut self, what: What, lane: &Rc<Lane>) {
        let step = Step::new(self.sink.clone());
        let owner: Rc<dyn Downstream> = step.clone();
        let seq = self.sink.inner().queue.next_seq();
        self.expect(1);
        let db = self.sink.inner().session.db;
        let ticket = what.changes().and_then(|key| Ticket::take(&self.sink, db, key));
        let queued = ticket.as_ref().is_some_and(|ticket| !ticket.is_called());
        let mut course = Box::new(Course {
            what,
            seq,
            step,
            owner,
            began: Instant::now(),
            lost: 0,
            lost_lanes: 0,
            not_before: None,
            ticket,
            queued,
        });
        if queued {
            // It may take long, and a connection for this kind of command is for others, too.
            self.release(1);
        } else {
            self.put(&mut course, lane);
        }
        self.course = Some(course);
    }

    /// Queues the next step.
    fn put(&mut self, course: &mut Course, lane: &Rc<Lane>) {
        let due = match &mut course.what {
            What::Command(emulation) => {
                let sent = lane.send(&course.owner, 0, Frames::One, |wire| Ok::<_, Hold>(emulation.send(wire)));
                debug_assert!(sent.is_ok(), "an emulation's step is refused by nobody");
                self.wrote.note(lane);
                1
            }
            What::Transaction(transaction) => self.put_round(transaction, &course.owner, lane),
        };
        course.step.expect(due);
    }

    /// Goes on with what is under way, as far as that is possible now. `true` if it is done.
    pub(super) fn advance_emulation(&mut self) -> bool {
        let Some(mut course) = self.course.take() else { return false };
        if course.queued {
            let called = course.ticket.as_ref().is_none_or(|ticket| ticket.is_called());
            // The client's lane may be another one by now, and before a change all must be answered that was asked before.
            if !called || self.sink.inner().queue.waiting() > 1 {
                self.course = Some(course);
                return false;
            }
            course.queued = false;
            return self.send_step(course);
        }
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
        let replies = match course.step.take() {
            None => {
                self.course = Some(course);
                return false;
            }
            Some(Ok(replies)) => replies,
            Some(Err(failure)) => return self.lost_lane(course, &failure),
        };
        if matches!(course.what, What::Command(_)) {
            self.advance_command(course, &replies.concat())
        } else {
            self.advance_transaction(course, replies)
        }
    }

    fn advance_command(&mut self, mut course: Box<Course>, frame: &[u8]) -> bool {
        if !self.end_waiting(course.seq, frame) {
            return false;
        }
        self.sink.inner().rehearsed = 0;
        let What::Command(emulation) = &mut course.what else { return false };
        let proto = self.sink.inner().session.proto;
        let mut out = BytesMut::new();
        emulation.waited(course.began.elapsed());
        let before = self.worker.failures();
        let turn = emulation.take(frame, &mut self.worker.transform.borrow_mut(), proto, &mut out);
        self.sink.note_failures(self.worker.failures() - before);
        if let Some(trail) = &self.worker.trail {
            trail.read(self.sink.inner().session.identity, frame.len());
        }
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

    /// What was only read can be read again on another lane.
    fn lost_lane(&mut self, mut course: Box<Course>, failure: &Failure) -> bool {
        match course.what {
            What::Transaction(_) => _ = self.forget_rehearsal(),
            What::Command(_) => self.sink.inner().rehearsed = 0,
        }
        let ended = self.sink.inner().end.is_some() || self.worker.draining();
        if ended || !course.reads() || !matches!(failure, Failure::Unknown) || course.lost_lanes == LANES {
            self.sink.failed(course.seq, failure);
            return true;
        }
        self.sink.note_answered(&mut self.sink.inner(), course.seq);
        course.lost_lanes += 1;
        match &mut course.what {
            What::Command(emulation) => {
                emulation.waited(course.began.elapsed());
                emulation.start_over();
            }
            What::Transaction(transaction) => transaction.start_over(),
        }
        self.send_step(course)
    }

    pub(super) fn begin_again(&mut self, mut course: Box<Course>) -> bool {
        let waits = course.waits();
        if waits && self.worker.draining() {
            self.sink.end(End::Drain);
            return false;
        }
        // Who waits for an element waits on when others were faster.
        if !waits && course.began.elapsed() > GIVE_UP_AFTER {
            return self.fail(&course, CONTENDED);
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
    pub(super) fn send_step(&mut self, mut course: Box<Course>) -> bool {
        let waits = course.waits();
        let need = match &course.what {
            _ if waits => Need::Pinned(Class::Blocking),
            What::Command(_) => Need::Shared,
            What::Transaction(transaction) => transaction.need,
        };
        let lane = match self.attach_again(need) {
            Ok(lane) => lane,
            // Nothing of this step was sent, and the ones before it have changed nothing.
            Err(why) => return self.fail(&course, &why),
        };
        if lane.is_dead() {
            // Between two rounds of a transaction.
            return self.lost_lane(course, &Failure::Unknown);
        }
        self.put(&mut course, &lane);
        lane.wake();
        if waits {
            self.note_blocked_at(course.seq);
        }
        self.course = Some(course);
        false
    }

    /// The client gets this error, and nothing was written.
    fn fail(&mut self, course: &Course, text: &str) -> bool {
        let mut error = BytesMut::new();
        encode::error(&mut error, text);
        if let What::Transaction(_) = course.what {
            self.end_rehearsal();
        }
        self.sink.answer(course.seq, |out| out.extend_from_slice(&error));
        true
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
