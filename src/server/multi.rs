//! MULTI, EXEC and their like. See [`crate::client::Tx`] for the states.

use bytes::Bytes;

use super::attach::Need;
use super::desk::{Desk, Hold};
use crate::client::{Block, Entry, Tx, wrong_arity};
use crate::command::{Request, Spec, check_arity};
use crate::policy::Refusal;
use crate::resp::encode;
use crate::transform::{Control, ReplyPlan, Transform, Wire};
use crate::upstream::{Class, Frames};

/// A block larger than this is sent while it is still growing, on a lane of its own.
const MAX_BLOCK_BYTES: usize = 1024 * 1024;
const MAX_BLOCK_COMMANDS: usize = 10_000;

/// What a transaction may hold until EXEC, to open the replies by.
const MAX_PLANS_BYTES: usize = 64 * 1024 * 1024;
const TOO_MUCH: &str = "WAXSEAL TOO_LARGE this transaction asks for too much at once. Split it";

const ABORTED: &str = "EXECABORT Transaction discarded because of previous errors.";
const OK: &[u8] = b"+OK\r\n";

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
        let text = "EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command";
        if self.end_block(|out| encode::error(out, text)) {
            return Ok(());
        }
        let queued = matches!(self.sink.inner().session.tx, Tx::Queued { .. });
        if queued {
            return self.discard_queued(Bytes::from(format!("-{text}\r\n")));
        }
        let mut inner = self.sink.inner();
        if matches!(inner.session.tx, Tx::Doomed(_)) {
            inner.session.tx = Tx::None;
        }
        Err(Hold::Refuse(text.into()))
    }

    fn multi(&mut self, request: &Request<'_>) -> Result<(), Hold> {
        let (nested, holds) = {
            let inner = self.sink.inner();
            (inner.session.tx.in_multi(), inner.session.holds_lane())
        };
        if nested {
            // Redis answers so and goes on with the transaction.
            return self.say_error_in_multi("ERR MULTI calls can not be nested");
        }
        self.sink.inner().session.queued_writes = false;
        if holds || self.worker.shared.dedicated {
            match self.send_as(request, ReplyPlan::Started) {
                Ok(()) => self.sink.inner().session.tx = Tx::Queued { plans: Vec::new(), weight: 0, refused: false },
                Err(Hold::Stall) => return Err(Hold::Stall),
                Err(Hold::Refuse(text)) => {
                    // What follows must not run outside of a transaction.
                    self.say(|out| out.extend_from_slice(OK));
                    self.sink.inner().session.tx = Tx::Doomed(text);
                }
            }
            return Ok(());
        }
        let mut block = Block::default();
        let worker = self.worker.clone();
        let admitted = worker.policy().admit(*request, &mut self.scratch)?;
        worker.transform.borrow_mut().seal(&admitted, &mut block.wire)?;
        self.sink.inner().session.tx = Tx::Gathering(block);
        Ok(())
    }

    /// Takes one command into the transaction. `seal` gives the plan of its reply in EXEC.
    pub(super) fn enqueue(&mut self, seal: impl FnOnce(&mut Wire) -> Result<ReplyPlan, Refusal>) -> Result<(), Hold> {
        {
            let mut inner = self.sink.inner();
            if let Tx::Gathering(block) = &mut inner.session.tx {
                let plan = seal(&mut block.wire)?;
                block.entries.push(Entry::Queued(plan));
                return Ok(());
            }
        }
        if matches!(&self.sink.inner().session.tx, Tx::Queued { weight, .. } if *weight > MAX_PLANS_BYTES) {
            return Err(Hold::Refuse(TOO_MUCH.into()));
        }
        let lane = self.attach(Need::Shared)?;
        let seq = self.sink.inner().queue.next_seq();
        let mut planned = None;
        lane.send(&self.owner, seq, Frames::One, |wire| {
            planned = Some(seal(wire)?);
            Ok::<_, Refusal>(ReplyPlan::Queued)
        })?;
        self.expect(1);
        if let (Tx::Queued { plans, weight, .. }, Some(plan)) = (&mut self.sink.inner().session.tx, planned) {
            *weight += plan.weight();
            plans.push(plan);
        }
        Ok(())
    }

    /// A command that we answer ourselves: the server runs PING in its place.
    pub(super) fn answer_in_multi(&mut self, spec: &'static Spec, request: &Request<'_>) -> Result<(), Hold> {
        if matches!(self.sink.inner().session.tx, Tx::Doomed(_)) {
            return Err(Hold::Refuse(ABORTED.into()));
        }
        let answer: Bytes = self.answer_bytes(spec, request).freeze();
        self.enqueue(|wire| Ok(Transform::placeholder(wire, answer)))
    }

    /// Where the transaction is that `command` is to end.
    fn state(&self, command: &str) -> Result<State, Hold> {
        Ok(match &self.sink.inner().session.tx {
            Tx::None | Tx::Watching => return Err(Hold::Refuse(format!("ERR {command} without MULTI"))),
            Tx::Doomed(_) => State::Doomed,
            Tx::Gathering(block) => State::Gathering { refused: block.refused },
            Tx::Queued { refused, .. } => State::Queued { refused: *refused },
        })
    }

    fn exec(&mut self, request: &Request<'_>) -> Result<(), Hold> {
        match self.state("EXEC")? {
            State::Doomed => {
                self.sink.inner().session.tx = Tx::None;
                Err(Hold::Refuse(ABORTED.into()))
            }
            State::Gathering { refused: true } => {
                self.end_block(|out| encode::error(out, ABORTED));
                Ok(())
            }
            State::Gathering { refused: false } => self.send_block(request),
            State::Queued { refused } => self.finish_queued(request, refused),
        }
    }

    /// The whole transaction at once, among other clients' commands: no round trip of its own.
    fn send_block(&mut self, exec: &Request<'_>) -> Result<(), Hold> {
        let lane = match self.attach(Need::Shared) {
            Ok(lane) => lane,
            Err(Hold::Stall) => return Err(Hold::Stall),
            Err(Hold::Refuse(text)) => {
                self.end_block(|out| encode::error(out, text));
                return Ok(());
            }
        };
        let Some(mut block) = self.take_block() else { return Ok(()) };
        let admitted = self.worker.policy().admit(*exec, &mut self.scratch)?;
        self.worker.transform.borrow_mut().seal(&admitted, &mut block.wire)?;
        let (mut replies, queued) = self.place(block.entries);
        replies.push((self.sink.inner().queue.next_seq(), ReplyPlan::Exec(queued)));
        self.expect(1);
        lane.send_block(&self.owner, block.wire, replies);
        if self.sink.inner().session.queued_writes {
            self.wrote.note(&lane);
        }
        Ok(())
    }

    /// Reserves the places of the replies to MULTI and to what followed it; errors given here stand
    /// between them. Also gives the plans for EXEC.
    fn place(&mut self, entries: Vec<Entry>) -> (Vec<(u64, ReplyPlan)>, Vec<ReplyPlan>) {
        let mut replies = Vec::with_capacity(entries.len() + 2);
        let mut plans = Vec::with_capacity(entries.len());
        replies.push((self.sink.inner().queue.next_seq(), ReplyPlan::Started));
        self.expect(1);
        for entry in entries {
            match entry {
                Entry::Queued(plan) => {
                    replies.push((self.sink.inner().queue.next_seq(), ReplyPlan::Queued));
                    self.expect(1);
                    plans.push(plan);
                }
                Entry::Refused(error) => self.say(|out| out.extend_from_slice(&error)),
            }
        }
        (replies, plans)
    }

    /// Sends a command of this family on the lane that the client has for itself.
    pub(super) fn send_as(&mut self, request: &Request<'_>, plan: ReplyPlan) -> Result<(), Hold> {
        let worker = self.worker.clone();
        let lane = self.attach(Need::Shared)?;
        let seq = self.sink.inner().queue.next_seq();
        let admitted = worker.policy().admit(*request, &mut self.scratch)?;
        lane.send(&self.owner, seq, Frames::One, |wire| {
            worker.transform.borrow_mut().seal(&admitted, wire)?;
            Ok::<_, Refusal>(plan)
        })?;
        self.expect(1);
        Ok(())
    }

    fn finish_queued(&mut self, request: &Request<'_>, refused: bool) -> Result<(), Hold> {
        if refused {
            return self.discard_queued(Bytes::from(format!("-{ABORTED}\r\n")));
        }
        let plans = match &mut self.sink.inner().session.tx {
            Tx::Queued { plans, .. } => std::mem::take(plans),
            _ => Vec::new(),
        };
        let plan = ReplyPlan::Exec(plans);
        let selects = plan.may_switch();
        self.send_as(request, plan)?;
        let mut inner = self.sink.inner();
        inner.session.tx = Tx::None;
        inner.session.switching = selects;
        if let Some(lane) = self.attached.lane().filter(|_| inner.session.queued_writes) {
            self.wrote.note(lane);
        }
        Ok(())
    }

    /// Ends a transaction upstream without running it; the client is told `answer`.
    fn discard_queued(&mut self, answer: Bytes) -> Result<(), Hold> {
        let lane = self.attach(Need::Shared)?;
        let seq = self.sink.inner().queue.next_seq();
        lane.send(&self.owner, seq, Frames::One, |wire| {
            wire.control(Control::Discard);
            Ok::<_, Refusal>(ReplyPlan::Replace(answer))
        })?;
        self.expect(1);
        self.sink.inner().session.tx = Tx::None;
        Ok(())
    }

    fn discard(&mut self) -> Result<(), Hold> {
        match self.state("DISCARD")? {
            State::Doomed => {
                self.sink.inner().session.tx = Tx::None;
                self.say(|out| out.extend_from_slice(OK));
                Ok(())
            }
            State::Gathering { .. } => {
                self.end_block(|out| out.extend_from_slice(OK));
                Ok(())
            }
            State::Queued { .. } => self.discard_queued(Bytes::from_static(OK)),
        }
    }

    fn watch(&mut self, request: &Request<'_>) -> Result<(), Hold> {
        if self.sink.inner().session.tx.in_multi() {
            return self.say_error_in_multi("ERR WATCH inside MULTI is not allowed");
        }
        self.forward(request, Need::Pinned(Class::Transaction))?;
        self.sink.inner().session.tx = Tx::Watching;
        Ok(())
    }

    fn unwatch(&mut self, request: &Request<'_>) -> Result<(), Hold> {
        let (in_multi, watching) = {
            let inner = self.sink.inner();
            (inner.session.tx.in_multi(), matches!(inner.session.tx, Tx::Watching))
        };
        if in_multi {
            return self.forward(request, Need::Shared);
        }
        if !watching {
            self.say(|out| out.extend_from_slice(OK));
            return Ok(());
        }
        self.send_as(request, ReplyPlan::Released)?;
        self.sink.inner().session.tx = Tx::None;
        Ok(())
    }

    /// An error that Redis gives without ending the transaction.
    fn say_error_in_multi(&mut self, text: &str) -> Result<(), Hold> {
        if let Tx::Gathering(block) = &mut self.sink.inner().session.tx {
            let mut bytes = bytes::BytesMut::new();
            encode::error(&mut bytes, text);
            block.entries.push(Entry::Refused(bytes.freeze()));
            return Ok(());
        }
        self.say(|out| encode::error(out, text));
        Ok(())
    }

    fn take_block(&mut self) -> Option<Block> {
        let mut inner = self.sink.inner();
        match std::mem::take(&mut inner.session.tx) {
            Tx::Gathering(block) => Some(block),
            other => {
                inner.session.tx = other;
                None
            }
        }
    }

    /// Answers a gathered block here: nothing of it goes upstream. `false` if there is none.
    pub(super) fn end_block(&mut self, last: impl FnOnce(&mut bytes::BytesMut)) -> bool {
        let Some(block) = self.take_block() else { return false };
        self.say(|out| out.extend_from_slice(OK));
        for entry in &block.entries {
            self.say(|out| match entry {
                Entry::Queued(_) => encode::simple(out, "QUEUED"),
                Entry::Refused(error) => out.extend_from_slice(error),
            });
        }
        self.say(last);
        true
    }

    /// Is the gathered block as large as it may get?
    pub(super) fn block_is_full(&self) -> bool {
        match &self.sink.inner().session.tx {
            Tx::Gathering(block) => block.wire.len() >= MAX_BLOCK_BYTES || block.entries.len() >= MAX_BLOCK_COMMANDS,
            _ => false,
        }
    }

    /// More input is needed to complete the block: it moves to a lane of its own, so that the
    /// client gets its OK and QUEUED. Waits until earlier replies are in.
    ///
    /// `true` if the client was told something.
    pub(super) fn promote_block(&mut self) -> bool {
        {
            let inner = self.sink.inner();
            if !matches!(inner.session.tx, Tx::Gathering(_)) || inner.queue.waiting() > 0 {
                return false;
            }
        }
        let lane = match self.attach(Need::Pinned(Class::Transaction)) {
            Ok(lane) => lane,
            Err(Hold::Stall) => return false,
            Err(Hold::Refuse(text)) => {
                self.doom_block(text);
                return true;
            }
        };
        let Some(block) = self.take_block() else { return false };
        let (replies, plans) = self.place(block.entries);
        lane.send_block(&self.owner, block.wire, replies);
        self.sink.inner().session.tx =
            Tx::Queued { weight: plans.iter().map(ReplyPlan::weight).sum(), plans, refused: block.refused };
        lane.wake();
        true
    }

    /// Inside MULTI comes something that must not run on a lane that others share, or that is used again.
    pub(super) fn leave_shared_lane(&mut self) -> Result<(), Hold> {
        if matches!(self.sink.inner().session.tx, Tx::Gathering(_)) {
            if self.sink.inner().queue.waiting() > 0 {
                return Err(Hold::Stall);
            }
            self.promote_block();
        }
        match &self.sink.inner().session.tx {
            Tx::Doomed(text) => return Err(Hold::Refuse(text.clone())),
            Tx::Gathering(_) => return Err(Hold::Stall),
            _ => {}
        }
        self.attach(Need::Exclusive).map(drop)
    }

    /// No lane for it: MULTI is answered, so that the client ends it with EXEC, which will abort.
    fn doom_block(&mut self, text: String) {
        let Some(block) = self.take_block() else { return };
        self.say(|out| out.extend_from_slice(OK));
        for entry in &block.entries {
            self.say(|out| match entry {
                Entry::Queued(_) => encode::error(out, &text),
                Entry::Refused(error) => out.extend_from_slice(error),
            });
        }
        self.sink.inner().session.tx = Tx::Doomed(text);
    }
}

enum State {
    Doomed,
    Gathering { refused: bool },
    Queued { refused: bool },
}
