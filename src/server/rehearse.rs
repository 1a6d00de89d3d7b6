//! A transaction with emulated commands on its way: see [`Rehearsal`]. While it reads, the client's lane watches for it.

use std::rc::Rc;

use bytes::Bytes;

use super::attach::Need;
use super::course::{Course, What};
use super::desk::Desk;
use super::sink::Sink;
use crate::client::Block;
use crate::transform::{Control, Rehearsal, Rehearsed, ReplyPlan, Round};
use crate::upstream::{Class, Downstream, Lane};

/// A block that is rehearsed.
pub(super) struct Transaction {
    pub rehearsal: Rehearsal,
    /// What is sent next.
    round: Option<Round>,
    /// It changes what the lane stands for.
    selects: bool,
    /// It was sent.
    runs: bool,
    /// Of the block, in bytes.
    weight: usize,
    pub need: Need,
}

impl Transaction {
    pub fn reads(&self) -> bool {
        !self.runs
    }

    pub fn start_over(&mut self) {
        self.round = None;
    }
}

impl Desk {
    /// Takes a block that ends with EXEC. `lane` is the one that the client has.
    pub(super) fn begin_rehearsal(&mut self, block: Block, watches: bool, lane: &Rc<Lane>) {
        let need = if block.exclusive { Need::Exclusive } else { Need::Pinned(Class::Transaction) };
        let selects = block.selects;
        let weight = block.weight();
        let rehearsal = Rehearsal::new(block.wire, block.plans, block.emulated, block.outlook.into_bases(), watches);
        self.begin_course(
            What::Transaction(Transaction { rehearsal, round: None, selects, runs: false, weight, need }),
            lane,
        );
    }

    /// Queues the next round; gives the number of replies that have to come.
    pub(super) fn put_round(
        &mut self,
        transaction: &mut Transaction,
        owner: &Rc<dyn Downstream>,
        lane: &Rc<Lane>,
    ) -> usize {
        let round = match transaction.round.take() {
            Some(round) => round,
            None => {
                self.sink.inner().rehearsed = transaction.weight;
                transaction.rehearsal.begin(&self.worker.transform.borrow())
            }
        };
        transaction.runs = round.runs;
        {
            let session = &mut self.sink.inner().session;
            session.rehearsing = !round.runs;
            session.watching &= !round.runs;
        }
        if round.runs {
            self.wrote.note(lane);
            if transaction.selects {
                lane.retire();
            }
        }
        let due = round.plans.iter().filter(|plan| matches!(plan, ReplyPlan::Step)).count();
        lane.send_block(owner, round.wire, round.plans.into_iter().map(|plan| (0, plan)).collect());
        due
    }

    /// Takes the replies to a round. `true` if the client has its answer.
    pub(super) fn advance_transaction(&mut self, mut course: Box<Course>, replies: Vec<Bytes>) -> bool {
        let What::Transaction(transaction) = &mut course.what else { return false };
        let proto = self.sink.inner().session.proto;
        let rehearsed = transaction.rehearsal.take(replies, &mut self.worker.transform.borrow_mut(), proto);
        match rehearsed {
            Rehearsed::Send(round) => {
                transaction.round = Some(round);
                self.send_step(course)
            }
            Rehearsed::Lost => self.begin_again(course),
            Rehearsed::Done(frame, plans) => {
                self.forget_rehearsal();
                self.sink.reply(course.seq, &ReplyPlan::Exec(plans), &frame, true);
                true
            }
            Rehearsed::Aborted(answer) => {
                self.end_rehearsal();
                self.sink.answer(course.seq, |out| out.extend_from_slice(&answer));
                true
            }
        }
    }

    /// It will not run. What was watched for it is so no more; nobody waits for the answer to that.
    pub(super) fn end_rehearsal(&mut self) {
        if !self.forget_rehearsal() {
            return;
        }
        if let Some(lane) = self.attached.lane() {
            lane.tell(Control::Unwatch);
            lane.wake();
        }
    }

    /// The lane is not the client's for that any more. `true` if something was watched there.
    pub(super) fn forget_rehearsal(&mut self) -> bool {
        let mut inner = self.sink.inner();
        inner.rehearsed = 0;
        let session = &mut inner.session;
        std::mem::take(&mut session.rehearsing) | std::mem::take(&mut session.watching)
    }
}

impl Sink {
    /// The answer to MULTI, or to a command behind it of which the client was told QUEUED.
    pub(super) fn note_queueing(&self, plan: &ReplyPlan, frame: &[u8]) {
        if plan.is_broken_by(frame) {
            tracing::error!(target: "waxseal::server", "the upstream did not take a transaction; the client is cut");
            self.end(super::sink::End::Upstream);
            return self.wake();
        }
        if frame.first() == Some(&b'-') {
            self.inner().discarded.get_or_insert_with(|| Bytes::copy_from_slice(frame));
        }
    }
}
