//! MULTI, EXEC and their like. What comes after MULTI is admitted, sealed and kept in a [`Block`]; at EXEC it goes
//! upstream in one piece. Only WATCH is sent when it comes, on a lane that the client keeps until EXEC.

use bytes::{Bytes, BytesMut};

use super::attach::Need;
use super::desk::{Desk, Hold};
use crate::client::{Block, wrong_arity};
use crate::command::{Request, Spec, check_arity};
use crate::meter::Way;
use crate::policy::Refusal;
use crate::resp::encode;
use crate::transform::{Control, ReplyPlan, Wire};
use crate::upstream::{Class, Frames};

/// A larger block goes on a lane of its own: it would keep others waiting.
const MAX_SHARED_BYTES: usize = 1024 * 1024;
const MAX_SHARED_COMMANDS: usize = 10_000;

const ABORTED: &str = "EXECABORT Transaction discarded because of previous errors.";
const CACHED: &str = "WAXSEAL UNSUPPORTED EXEC behind CLIENT CACHING is not possible with commands that Waxseal works out on \
                      encrypted values. Send them by themselves, or read in another transaction";
pub(super) const OK: &[u8] = b"+OK\r\n";

impl Desk {
    pub(super) fn transaction(&mut self, spec: &'static Spec, request: &Request<'_>) -> Result<(), Hold> {
        if !check_arity(spec, request.args().len()) {
            return self.malformed(spec);
        }
        match spec.name {
            "multi" => self.multi(request),
            "exec" => self.exec(request),
            "discard" => self.discard(),
            "watch" => self.watch(request),
            _ => self.unwatch(request),
        }
    }

    /// Wrong number of arguments. EXEC ends the transaction all the same, as in Redis.
    fn malformed(&mut self, spec: &'static Spec) -> Result<(), Hold> {
        if spec.name != "exec" {
            return Err(Hold::Refuse(wrong_arity(spec.name)));
        }
        self.give_up(error("EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command"))
    }

    pub(super) fn in_multi(&self) -> bool {
        self.sink.inner().session.in_multi()
    }

    fn multi(&mut self, request: &Request<'_>) -> Result<(), Hold> {
        if self.in_multi() {
            return self.say_error_in_multi("ERR MULTI calls can not be nested");
        }
        let mut block = Box::<Block>::default();
        let worker = self.worker.clone();
        let admitted = worker.policy().admit(self.who(), *request, &mut self.scratch)?;
        worker.transform.borrow_mut().seal(&admitted, &mut block.wire)?;
        self.sink.inner().session.block = Some(block);
        self.count_queued();
        Ok(())
    }

    fn exec(&mut self, request: &Request<'_>) -> Result<(), Hold> {
        let (refused, emulates, need) = match &self.sink.inner().session.block {
            None => return Err(Hold::Refuse("ERR EXEC without MULTI".into())),
            Some(block) => (block.refused, !block.emulated.is_empty(), need(block)),
        };
        self.note_block();
        if refused {
            return self.give_up(error(ABORTED));
        }
        if emulates {
            // It takes several rounds, in which the client has nothing else to wait for.
            self.tell();
        }
        let lane = match self.attach(need) {
            Ok(lane) => lane,
            Err(Hold::Stall) => return Err(Hold::Stall),
            Err(Hold::Refuse(text)) => return self.give_up(error(&text)),
        };
        if emulates && lane.is_caching() {
            // It would be about what is read beforehand, and the client would keep what it hears nothing of.
            return self.give_up(error(CACHED));
        }
        let (block, watches) = {
            let mut inner = self.sink.inner();
            (inner.session.block.take(), inner.session.watching)
        };
        let Some(mut block) = block else { return Ok(()) };
        self.answer_own(&mut block);
        let worker = self.worker.clone();
        let admitted = worker.policy().admit(self.who(), *request, &mut self.scratch)?;
        worker.transform.borrow_mut().seal(&admitted, &mut block.wire)?;
        if !block.emulated.is_empty() {
            self.begin_rehearsal(*block, watches, &lane);
            self.sink.account();
            return Ok(());
        }
        self.sink.inner().session.watching = false;
        if block.selects {
            // It is about to be in another database than its key says.
            lane.retire();
        }
        if block.writes {
            self.wrote.note(&lane);
        }
        let (wire, replies) = self.place(*block);
        lane.send_block(&self.owner, wire, replies);
        self.sink.account();
        Ok(())
    }

    /// Reserves the places of the replies to a block. What the client was told already is only looked at.
    fn place(&mut self, block: Block) -> (Wire, Vec<(u64, ReplyPlan)>) {
        let mut replies = Vec::with_capacity(block.count + 2);
        // Each was counted when it was queued.
        let kind = self.kind.take();
        for answer in 0..=block.count {
            let seq = self.sink.inner().queue.next_seq();
            let told = answer < block.told;
            if told {
                self.sink.inner().queue.expect(true, None);
            } else {
                self.expect(1);
            }
            replies.push((seq, ReplyPlan::of_queueing(answer == 0, told)));
        }
        self.kind = kind;
        self.count_as(Way::Raw);
        let plan = ReplyPlan::Exec(block.plans);
        let mut inner = self.sink.inner();
        inner.session.switching = plan.may_switch();
        replies.push((inner.queue.next_seq(), plan));
        drop(inner);
        self.expect(1);
        (block.wire, replies)
    }

    /// Ends the transaction without running it: nothing of it was sent. Keys that are watched are so no more.
    fn give_up(&mut self, answer: Bytes) -> Result<(), Hold> {
        let watched_on = if self.sink.inner().session.watching { Some(self.attach(Need::Shared)?) } else { None };
        self.tell();
        {
            let mut inner = self.sink.inner();
            inner.session.block = None;
            inner.session.watching = false;
        }
        self.sink.account();
        let Some(lane) = watched_on else {
            self.say(|out| out.extend_from_slice(&answer));
            return Ok(());
        };
        let seq = self.sink.inner().queue.next_seq();
        lane.send(&self.owner, seq, Frames::One, |wire| {
            wire.control(Control::Unwatch);
            Ok::<_, Refusal>(ReplyPlan::Replace(answer))
        })?;
        self.expect(1);
        Ok(())
    }

    fn discard(&mut self) -> Result<(), Hold> {
        if !self.in_multi() {
            return Err(Hold::Refuse("ERR DISCARD without MULTI".into()));
        }
        self.give_up(Bytes::from_static(OK))
    }

    fn watch(&mut self, request: &Request<'_>) -> Result<(), Hold> {
        if self.in_multi() {
            return self.say_error_in_multi("ERR WATCH inside MULTI is not allowed");
        }
        self.forward(request, Need::Pinned(Class::Transaction))?;
        self.sink.inner().session.watching = true;
        Ok(())
    }

    fn unwatch(&mut self, request: &Request<'_>) -> Result<(), Hold> {
        if self.in_multi() {
            return self.forward(request, Need::Shared);
        }
        if !self.sink.inner().session.watching {
            self.say(|out| out.extend_from_slice(OK));
            return Ok(());
        }
        self.send_as(request, ReplyPlan::Released)?;
        self.sink.inner().session.watching = false;
        Ok(())
    }

    /// A large transaction is a large request.
    fn note_block(&mut self) {
        let mut inner = self.sink.inner();
        let size = inner.session.block.as_ref().map_or(0, |block| block.wire.len());
        inner.bulk.note(size);
    }

    /// Sends a command on the lane that the client has for itself.
    pub(super) fn send_as(&mut self, request: &Request<'_>, plan: ReplyPlan) -> Result<(), Hold> {
        let worker = self.worker.clone();
        let lane = self.attach(Need::Shared)?;
        let seq = self.sink.inner().queue.next_seq();
        let admitted = worker.policy().admit(self.who(), *request, &mut self.scratch)?;
        lane.send(&self.owner, seq, Frames::One, |wire| {
            worker.transform.borrow_mut().seal(&admitted, wire)?;
            Ok::<_, Refusal>(plan)
        })?;
        self.expect(1);
        Ok(())
    }

    /// An error that Redis gives without ending the transaction.
    fn say_error_in_multi(&mut self, text: &str) -> Result<(), Hold> {
        self.tell();
        self.say(|out| encode::error(out, text));
        Ok(())
    }
}

/// The lane on which a block may run.
fn need(block: &Block) -> Need {
    if block.exclusive {
        Need::Exclusive
    } else if !block.emulated.is_empty() || block.wire.len() > MAX_SHARED_BYTES || block.count > MAX_SHARED_COMMANDS {
        Need::Pinned(Class::Transaction)
    } else {
        Need::Shared
    }
}

pub(super) fn error(text: &str) -> Bytes {
    let mut out = BytesMut::new();
    encode::error(&mut out, text);
    out.freeze()
}
