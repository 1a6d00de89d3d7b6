//! One command on its way: the step at which it is, and what the reply to it leads to.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::lua::{Locking, refuses_locking};
use super::swap::{self, Form, Write};
use super::{Context, Next, Read, Work, unexpected};
use crate::policy::Refusal;
use crate::resp::{Proto, Token, Walker, encode};
use crate::transform::plan::ReplyPlan;
use crate::transform::seal::MAX_SEALED_ARGS;
use crate::transform::{Transform, Wire};

/// One command that is being carried out.
pub struct Emulation {
    pub(super) command: &'static str,
    /// All that it reads or writes.
    pub(super) keys: Vec<Bytes>,
    /// Those of them that it changes begin here.
    pub(super) changes_from: usize,
    /// All that it reads and changes is one value, of a key or a field.
    pub(super) one_value: bool,
    /// Can it be told what it leaves of its keys?
    pub(super) followed: bool,
    /// Of the request, in bytes.
    pub(super) len: usize,
    pub(super) work: Box<dyn Work>,
    pub(super) stage: Stage,
    /// The server did not know the script.
    pub(super) in_full: bool,
    pub(super) locking: Locking,
}

pub(super) enum Stage {
    Read(Read),
    Write(Write),
}

/// What a reply has led to.
#[derive(Debug, PartialEq, Eq)]
pub enum Turn {
    /// Another command is to be sent.
    Send,
    /// Somebody else has changed the value in between: the first command is to be sent again, after a while.
    Lost,
    /// The client has its reply.
    Done,
}

impl Emulation {
    /// May the server keep the connection waiting with what [`Self::send`] sends now?
    pub fn waits(&self) -> bool {
        matches!(self.stage, Stage::Read(_)) && self.work.waits()
    }

    /// The first key of those that it changes, if it does.
    pub fn changes(&self) -> Option<&Bytes> {
        self.changed().first()
    }

    /// The keys that it may change.
    pub(super) fn changed(&self) -> &[Bytes] {
        &self.keys[self.changes_from..]
    }

    /// Does [`Self::send`] send nothing that writes?
    pub fn reads(&self) -> bool {
        matches!(self.stage, Stage::Read(_))
    }

    /// It is inside MULTI, where nothing waits.
    pub fn wait_for_nothing(&mut self) {
        self.work.wait_for_nothing();
        self.start_over();
    }

    /// The name of its row.
    pub fn command(&self) -> &'static str {
        self.command
    }

    /// About how many bytes it holds.
    pub fn weight(&self) -> usize {
        2 * self.len + size_of::<Self>()
    }

    /// How long the client has waited by now; to be said before [`Self::take`] and [`Self::start_over`].
    pub fn waited(&mut self, long: Duration) {
        self.work.waited(long);
    }

    /// Appends the next command to `wire`.
    pub fn send(&self, wire: &mut Wire) -> ReplyPlan {
        // What is not known is tried, with the text, so that the refusal is about the flag.
        let locking = self.locking != Locking::Refused;
        self.append(Form { in_full: self.in_full || self.locking == Locking::Unknown, locking }, wire);
        ReplyPlan::Step
    }

    fn append(&self, form: Form, wire: &mut Wire) {
        let out = wire.buffer();
        match &self.stage {
            Stage::Read(Read::Command(words)) => {
                let words: Vec<&[u8]> = words.iter().map(|word| &word[..]).collect();
                encode::command(out, &words);
            }
            Stage::Read(Read::Snapshot(keys)) => swap::snapshot(keys, keys.len(), None, form, out),
            Stage::Read(Read::First(keys, database)) => swap::snapshot(keys, 1, database.as_ref(), form, out),
            Stage::Read(Read::Types(keys)) => swap::snapshot(keys, 0, None, form, out),
            Stage::Read(Read::Found(key, digest, lookup)) => swap::look_up(key, digest, lookup, form, out),
            Stage::Write(write) => write.call(&self.keys, true, form, out),
        }
    }

    /// Takes the reply to what was sent last. Writes the client's reply to `out` when it is [`Turn::Done`].
    pub fn take(&mut self, frame: &[u8], transform: &mut Transform, proto: Proto, out: &mut BytesMut) -> Turn {
        transform.costs.steps.fetch_add(1, Ordering::Relaxed);
        self.learn(frame, transform);
        match self.advance(frame, transform, proto) {
            Progress::Send => Turn::Send,
            Progress::Lost => {
                transform.costs.retries.fetch_add(1, Ordering::Relaxed);
                self.start_over();
                Turn::Lost
            }
            Progress::Told(answer) => {
                out.extend_from_slice(&answer);
                Turn::Done
            }
        }
    }

    /// What the server's reply says of the server: it has carried out a script with our flag.
    pub(super) fn learn(&mut self, frame: &[u8], transform: &mut Transform) {
        let is_error = matches!(Walker::new(frame).next(), Some(Token::Error(_) | Token::BlobError(_)));
        if !is_error && self.is_script() && self.locking == Locking::Unknown {
            self.locking = Locking::Taken;
            transform.locking = Locking::Taken;
        }
    }

    pub(super) fn advance(&mut self, frame: &[u8], transform: &mut Transform, proto: Proto) -> Progress {
        if let Some(Token::Error(text) | Token::BlobError(text)) = Walker::new(frame).next() {
            if text.starts_with(b"NOSCRIPT") && !self.in_full {
                self.in_full = true;
                return Progress::Send;
            }
            if refuses_locking(text) && self.locking != Locking::Refused {
                self.in_full = false;
                self.locking = Locking::Refused;
                transform.locking = Locking::Refused;
                return Progress::Send;
            }
            let mut told = BytesMut::new();
            if self.is_script() {
                crate::transform::open::raw_of_swap(frame, self.command, &mut told);
            } else {
                crate::transform::open::raw_of_sealed(frame, &mut told);
            }
            return Progress::Told(told.freeze());
        }
        let next = match &self.stage {
            Stage::Read(_) => self.work.take(frame, &mut Context { transform, proto }),
            Stage::Write(write) => match Walker::new(frame).next() {
                Some(Token::Integer(1)) => Ok(Next::Answer(write.answer.clone())),
                Some(Token::Integer(0)) => return Progress::Lost,
                _ => Err(unexpected()),
            },
        };
        // Each script is asked for by its name first.
        self.in_full = false;
        self.stage = match next {
            Ok(Next::Lost) => return Progress::Lost,
            Ok(Next::Read(Read::Found(_, _, lookup))) if lookup.len() > MAX_SEALED_ARGS => {
                return Progress::failed(Refusal::TooManyValues);
            }
            Ok(Next::Read(read)) => Stage::Read(read),
            Ok(Next::Write(write)) if write.len() > MAX_SEALED_ARGS => {
                return Progress::failed(Refusal::TooManyValues);
            }
            Ok(Next::Write(write)) => Stage::Write(write),
            Ok(Next::Answer(answer)) => return Progress::Told(answer),
            Err(complaint) => return Progress::failed(complaint),
        };
        Progress::Send
    }

    /// The keys that it reads next and that are not its request's.
    pub(super) fn looks_up(&self) -> &[Bytes] {
        match &self.stage {
            Stage::Read(Read::Found(_, _, lookup)) => lookup.keys(),
            _ => &[],
        }
    }

    /// The next command is the first one.
    pub fn start_over(&mut self) {
        self.stage = Stage::Read(self.work.begin());
        self.in_full = false;
    }

    pub(super) fn is_script(&self) -> bool {
        !matches!(self.stage, Stage::Read(Read::Command(_)))
    }
}

/// What the reply to a step has led to.
pub(super) enum Progress {
    /// Another command is to be sent.
    Send,
    /// What was read is not there any more.
    Lost,
    /// What the client gets.
    Told(Bytes),
}

impl Progress {
    fn failed(why: impl ToString) -> Self {
        let mut told = BytesMut::new();
        encode::error(&mut told, why.to_string());
        Self::Told(told.freeze())
    }
}
