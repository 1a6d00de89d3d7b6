//! A transaction in which some commands are emulated: what they read is watched and read, what they will store is worked
//! out here in their order, and then all goes to the database in one piece.
//!
//! Job: say what is sent next and what the replies mean.
//! In: the sealed transaction, its [`Queued`] commands, then the replies. Out: [`Round`]s, the plans of EXEC's reply.
//! Must never: have anything written before all of it is known; take for stored what an earlier command changes.
//!
//! If somebody else changes what was read, EXEC is answered with null, and nothing was written.

use std::sync::atomic::Ordering;

use bytes::{Bytes, BytesMut};

use super::lua::Locking;
use super::overlay::{Answer, Overlay};
use super::snapshot::Snapshot;
use super::swap::{Form, Write, snapshot};
use super::{Emulation, Progress, Stage, unexpected};
use crate::policy::Refusal;
use crate::resp::{Proto, Token, Walker, encode};
use crate::transform::open::aborted;
use crate::transform::plan::ReplyPlan;
use crate::transform::{Transform, Wire};

/// An emulated command among those of a transaction.
pub struct Queued {
    pub emulation: Emulation,
    /// Which of the commands behind MULTI it is.
    pub nth: usize,
    /// Before which byte of the commands that the database carries out itself it stands.
    pub at: usize,
    /// What it reads first is decided by the commands before it.
    pub known: bool,
}

/// Commands that are sent in one piece.
pub struct Round {
    pub wire: Wire,
    /// What is done with their replies.
    pub plans: Vec<ReplyPlan>,
    /// Whether it is the transaction itself.
    pub runs: bool,
}

/// What the replies to a round have led to.
pub enum Rehearsed {
    Send(Round),
    /// What was read has changed. Nothing was written; all begins again.
    Lost,
    /// EXEC's reply is for the client, to be opened by these.
    Done(Bytes, Vec<ReplyPlan>),
    /// EXEC's error. Nothing was sent that writes.
    Aborted(Bytes),
}

pub struct Rehearsal {
    /// MULTI, what the database carries out itself, and EXEC.
    block: Wire,
    plans: Vec<ReplyPlan>,
    queued: Vec<Queued>,
    /// Keys that are read whole, as later commands work on what earlier ones make of them.
    bases: Vec<Bytes>,
    /// The client watches keys, too: null may be meant for it.
    watches: bool,
    stage: Rehearsing,
    overlay: Overlay,
    /// Of `queued`: what each has read and not taken yet, whose replies come next, and which is worked out next.
    replies: Vec<Option<Bytes>>,
    asked: Vec<usize>,
    next: usize,
    /// What is sent in place of those that are worked out.
    parts: Vec<Wire>,
    /// The last round watches keys before it reads them: those to which what was read has led.
    watches_more: bool,
    /// How many replies the last round has.
    due: usize,
    /// The script is among them, so that the server knows it by its name.
    loads: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Rehearsing {
    Watching,
    Reading,
    Running,
}

impl Rehearsal {
    /// `block` ends with EXEC; `watches`: so does the client.
    pub fn new(block: Wire, plans: Vec<ReplyPlan>, queued: Vec<Queued>, bases: Vec<Bytes>, watches: bool) -> Self {
        Self {
            block,
            plans,
            queued,
            bases,
            watches,
            stage: Rehearsing::Watching,
            overlay: Overlay::default(),
            replies: Vec::new(),
            asked: Vec::new(),
            next: 0,
            parts: Vec::new(),
            watches_more: false,
            due: 0,
            loads: false,
        }
    }

    /// The first key that an emulated command changes.
    pub fn changes(&self) -> Option<&Bytes> {
        self.queued.iter().find_map(|queued| queued.emulation.changes())
    }

    /// Begins, or begins again: watches the keys and reads.
    pub fn begin(&mut self, transform: &Transform) -> Round {
        (self.stage, self.overlay, self.next, self.loads) = (Rehearsing::Watching, Overlay::default(), 0, false);
        self.replies = self.queued.iter().map(|_| None).collect();
        self.parts.clear();
        self.watches_more = false;
        self.asked.clear();
        let mut round = Round { wire: Wire::default(), plans: vec![ReplyPlan::Step], runs: false };
        watch(self.queued.iter().flat_map(|it| &it.emulation.keys), &mut round.wire);
        let mut loads = true;
        if !self.bases.is_empty() {
            let form = Form { in_full: std::mem::take(&mut loads), locking: transform.locking == Locking::Taken };
            snapshot(&self.bases, self.bases.len(), None, form, round.wire.buffer());
            round.plans.push(ReplyPlan::Step);
        }
        for (number, Queued { emulation, known, .. }) in self.queued.iter_mut().enumerate() {
            emulation.locking = transform.locking;
            emulation.start_over();
            if *known {
                continue;
            }
            if emulation.is_script() {
                emulation.in_full = std::mem::take(&mut loads);
            }
            round.plans.push(emulation.send(&mut round.wire));
            self.asked.push(number);
        }
        self.due = round.plans.len();
        round
    }

    /// Takes the replies to the last round: to all of its [`ReplyPlan::Step`]s.
    pub fn take(&mut self, replies: Vec<Bytes>, transform: &mut Transform, proto: Proto) -> Rehearsed {
        transform.costs.steps.fetch_add(replies.len() as u64, Ordering::Relaxed);
        if replies.len() != self.due {
            return Rehearsed::Aborted(because_of(&[]));
        }
        let mut replies = replies.into_iter();
        match self.stage {
            Rehearsing::Running => {
                let frame = replies.next().unwrap_or_default();
                if !self.watches && Walker::new(&frame).next() == Some(Token::Null) {
                    transform.costs.retries.fetch_add(1, Ordering::Relaxed);
                    return Rehearsed::Lost;
                }
                return Rehearsed::Done(frame, std::mem::take(&mut self.plans));
            }
            Rehearsing::Reading if !self.watches_more => return self.read(replies, transform, proto),
            Rehearsing::Watching | Rehearsing::Reading => {}
        }
        self.watches_more = false;
        let watched = replies.next().unwrap_or_default();
        if &watched[..] != b"+OK\r\n" {
            return Rehearsed::Aborted(because_of(&watched));
        }
        if self.stage == Rehearsing::Watching && !self.bases.is_empty() {
            let reply = replies.next().unwrap_or_default();
            let Some(found) = Snapshot::parse(&reply, self.bases.len()) else {
                return Rehearsed::Aborted(because_of(&reply));
            };
            self.bases.iter().zip(&found).for_each(|(key, found)| self.overlay.begin_with(key, found));
        }
        self.stage = Rehearsing::Reading;
        self.read(replies, transform, proto)
    }

    /// Takes what was asked for.
    fn read(&mut self, replies: impl Iterator<Item = Bytes>, transform: &mut Transform, proto: Proto) -> Rehearsed {
        for (number, reply) in self.asked.drain(..).zip(replies) {
            self.replies[number] = Some(reply);
        }
        self.work_out(transform, proto)
    }

    /// As far as what was read allows.
    fn work_out(&mut self, transform: &mut Transform, proto: Proto) -> Rehearsed {
        while let Some(Queued { emulation, nth, at, .. }) = self.queued.get_mut(self.next) {
            self.overlay.look(self.block.bytes(), *at);
            let answer = self.overlay.answer(emulation);
            let reply = match (answer, self.replies[self.next].take()) {
                (Answer::Unknown, _) => return Rehearsed::Aborted(refused(emulation)),
                (Answer::Known(reply), _) => reply,
                (Answer::Ask | Answer::Checked(_), None) => {
                    self.asked.push(self.next);
                    let (mut wire, mut plans) = (Wire::default(), Vec::new());
                    if !emulation.looks_up().is_empty() {
                        watch(emulation.looks_up().iter(), &mut wire);
                        plans.push(ReplyPlan::Step);
                        self.watches_more = true;
                    }
                    plans.push(emulation.send(&mut wire));
                    self.due = plans.len();
                    return Rehearsed::Send(Round { wire, plans, runs: false });
                }
                (Answer::Checked(reply), Some(found)) => {
                    if found.starts_with(b"-") {
                        found
                    } else {
                        reply
                    }
                }
                (Answer::Ask, Some(found)) => {
                    emulation.learn(&found, transform);
                    self.overlay.replied(emulation, &found);
                    found
                }
            };
            let (part, plan) = match emulation.advance(&reply, transform, proto) {
                Progress::Told(answer) => {
                    let mut part = Wire::default();
                    let plan = Transform::placeholder(&mut part, answer);
                    (part, plan)
                }
                Progress::Send => match &emulation.stage {
                    Stage::Read(_) => continue,
                    Stage::Write(write) => {
                        self.overlay.wrote(emulation, write);
                        let locking = transform.locking == Locking::Taken;
                        write.in_block(emulation.command, &emulation.keys, locking, &mut self.loads)
                    }
                },
                Progress::Lost => return Rehearsed::Lost,
            };
            self.plans[*nth] = plan;
            self.parts.push(part);
            self.next += 1;
        }
        (self.stage, self.due) = (Rehearsing::Running, 1);
        Rehearsed::Send(self.whole())
    }

    /// The transaction, from MULTI to EXEC.
    fn whole(&mut self) -> Round {
        let (mut wire, mut from) = (Wire::default(), 0);
        let block = self.block.bytes();
        for (Queued { at, .. }, mut part) in self.queued.iter().zip(self.parts.drain(..)) {
            wire.buffer().extend_from_slice(&block[from..*at]);
            wire.append(&mut part);
            from = *at;
        }
        wire.buffer().extend_from_slice(&block[from..]);
        let queueing = (0..=self.plans.len()).map(|nth| ReplyPlan::of_queueing(nth == 0, true));
        Round { wire, plans: queueing.chain([ReplyPlan::Step]).collect(), runs: true }
    }
}

impl Write {
    /// As a command of a transaction that watches what was read. `loaded`: the script was sent in full before.
    fn in_block(&self, command: &'static str, keys: &[Bytes], locking: bool, loaded: &mut bool) -> (Wire, ReplyPlan) {
        let mut part = Wire::default();
        match &self.stored {
            Some(stored) if stored.field.is_none() => {
                encode::command(part.buffer(), &[b"SET", &stored.key, &stored.sealed, b"KEEPTTL"]);
                (part, ReplyPlan::Replace(self.answer.clone()))
            }
            _ => {
                let in_full = !std::mem::replace(loaded, true);
                self.call(keys, false, Form { in_full, locking }, part.buffer());
                (part, ReplyPlan::Swapped { answer: self.answer.clone(), command })
            }
        }
    }
}

/// Appends WATCH, of each key once.
fn watch<'k>(keys: impl Iterator<Item = &'k Bytes>, wire: &mut Wire) {
    let mut keys: Vec<&[u8]> = keys.map(|key| &key[..]).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.insert(0, b"WATCH");
    encode::command(wire.buffer(), &keys);
}

fn refused(emulation: &Emulation) -> Bytes {
    let mut reason = BytesMut::new();
    encode::error(&mut reason, Refusal::InTransaction { command: emulation.command }.to_string());
    because_of(&reason)
}

/// EXEC's error; `reason` is one.
fn because_of(reason: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    match reason.first() {
        Some(b'-') => aborted(reason, &mut out),
        _ => encode::error(&mut out, unexpected()),
    }
    out.freeze()
}
