//! A command that works on encrypted values, in steps: read, open, compute here, seal, and have the database
//! store it if what was read is still there. If it is not, begin again.
//!
//! Job: say which command comes next and what the replies mean.
//! Inputs: an [`Admitted`] request, then one reply after the other. Outputs: commands on a [`Wire`], the
//! client's reply.
//! Must never: write over a value that was not read; write plaintext.
//!
//! What one command does is a [`Work`], in a file of its own family; how it is read and written is the same for
//! all: a command of its choice or SNAPSHOT, then SWAP (`lua.rs`).

mod combine;
mod element;
mod found;
mod home;
mod list;
mod lua;
mod member;
mod range;
mod rekey;
mod snapshot;
mod swap;
mod value;

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::plan::ReplyPlan;
use super::seal::MAX_SEALED_ARGS;
use super::{Transform, Wire};
use crate::command::{Method, Move, check_arity};
use crate::policy::{Admitted, Refusal};
use crate::resp::{Proto, Token, Walker, encode};
use lua::refuses_locking;
use swap::{Form, Write};

pub use lua::Locking;
pub use swap::Stored;

/// One command that is being carried out.
pub struct Emulation {
    /// All that it reads or writes.
    keys: Vec<Bytes>,
    work: Box<dyn Work>,
    stage: Stage,
    /// The server did not know the script.
    in_full: bool,
    locking: Locking,
}

/// What one command does with what is stored.
trait Work {
    /// The first command. Asked again each time that the write was lost.
    fn begin(&mut self) -> Read;
    /// The reply to it, or to the one that was asked for last. No error, which is told the client as it came.
    ///
    /// # Errors
    /// What the client is told instead, in Redis's words if Redis has any.
    fn take(&mut self, reply: &[u8], at: &mut Context<'_>) -> Result<Next, String>;
    /// May the first command keep its connection waiting?
    fn waits(&self) -> bool {
        false
    }
    /// How long the client has waited by now.
    fn waited(&mut self, _: Duration) {}
}

/// A command that changes nothing.
enum Read {
    Command(Vec<Bytes>),
    /// SNAPSHOT of these keys, which are among the emulation's.
    Snapshot(Vec<Bytes>),
    /// The same of the first, and the types of the others.
    First(Vec<Bytes>),
    /// The types of these keys.
    Types(Vec<Bytes>),
}

/// What is done when a reply has come.
enum Next {
    /// More has to be known.
    Read(Read),
    /// Nothing is written. A complete reply.
    Answer(Bytes),
    Write(Write),
}

/// What a [`Work`] opens and seals with.
struct Context<'a> {
    transform: &'a mut Transform,
    proto: Proto,
}

enum Stage {
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

impl Transform {
    /// The emulation of this request, if that is what the table says.
    ///
    /// # Errors
    /// What is wrong with its arguments, in Redis's words.
    pub fn emulation(&mut self, admitted: &Admitted<'_>) -> Result<Option<Emulation>, Refusal> {
        let request = admitted.request();
        let (Some(spec), Some(method)) = (request.spec(), admitted.method()) else { return Ok(None) };
        if self.computes_in_clear(spec, admitted) {
            return Ok(None);
        }
        let args = request.args();
        if !check_arity(spec, args.len()) {
            return Err(Refusal::wrong_arity(spec.name));
        }
        let keys = admitted.hits().iter().map(|hit| args.get(hit.position).map(Bytes::copy_from_slice));
        let keys = keys.collect::<Option<Vec<_>>>().ok_or(Refusal::Unclear { command: spec.name })?;
        let work: Box<dyn Work> = match method {
            // One read, whose plan works the answer out.
            Method::Read(_) => return Ok(None),
            Method::Change(change) => Box::new(value::Value::of(change, admitted, self)?),
            Method::Search(search) => Box::new(list::List::of(search, admitted, self)?),
            Method::Move(what @ (Move::Rename | Move::RenameIfNew | Move::Copy)) => {
                Box::new(rekey::Rekey::of(what, admitted, self)?)
            }
            Method::Move(Move::Element { named_ends, waits }) => {
                Box::new(element::Element::of(named_ends, waits, admitted, self)?)
            }
            Method::Move(Move::Member) => Box::new(member::Member::of(admitted, self)?),
            Method::Combine(what) => Box::new(combine::Combined::of(what, admitted, self)?),
            Method::Move(Move::Range) => Box::new(range::Range::of(admitted, self)?),
            Method::Move(Move::Found(around)) => Box::new(found::Found::of(around, admitted, self)?),
        };
        self.costs.commands.fetch_add(1, Ordering::Relaxed);
        Ok(Some(Emulation::new(keys, work, self.locking)))
    }
}

impl Emulation {
    fn new(keys: Vec<Bytes>, mut work: Box<dyn Work>, locking: Locking) -> Self {
        let stage = Stage::Read(work.begin());
        Self { keys, work, stage, in_full: false, locking }
    }

    /// All keys that it reads or writes.
    pub fn keys(&self) -> &[Bytes] {
        &self.keys
    }

    /// The one value that [`Self::send`] is to write now, if it is about to write one and nothing else.
    pub fn stored(&self) -> Option<&Stored> {
        match &self.stage {
            Stage::Write(write) => write.stored.as_ref(),
            Stage::Read(_) => None,
        }
    }

    /// What the client is told when what [`Self::send`] writes now was written; `None` while it still reads.
    pub fn answer(&self) -> Option<&Bytes> {
        match &self.stage {
            Stage::Write(write) => Some(&write.answer),
            Stage::Read(_) => None,
        }
    }

    /// May the server keep the connection waiting with what [`Self::send`] sends now?
    pub fn waits(&self) -> bool {
        matches!(self.stage, Stage::Read(_)) && self.work.waits()
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

    /// The same, in a form that the server takes in any case: with the text of the script, and no flag that it may refuse.
    pub fn send_in_full(&self, wire: &mut Wire) -> ReplyPlan {
        self.append(Form { in_full: true, locking: self.locking == Locking::Taken }, wire);
        ReplyPlan::Step
    }

    fn append(&self, form: Form, wire: &mut Wire) {
        let out = wire.buffer();
        match &self.stage {
            Stage::Read(Read::Command(words)) => {
                let words: Vec<&[u8]> = words.iter().map(|word| &word[..]).collect();
                encode::command(out, &words);
            }
            Stage::Read(Read::Snapshot(keys)) => swap::snapshot(keys, keys.len(), form, out),
            Stage::Read(Read::First(keys)) => swap::snapshot(keys, 1, form, out),
            Stage::Read(Read::Types(keys)) => swap::snapshot(keys, 0, form, out),
            Stage::Write(write) => write.call(&self.keys, form, out),
        }
    }

    /// Takes the reply to what was sent last. Writes the client's reply to `out` when it is [`Turn::Done`].
    pub fn take(&mut self, frame: &[u8], transform: &mut Transform, proto: Proto, out: &mut BytesMut) -> Turn {
        transform.costs.steps.fetch_add(1, Ordering::Relaxed);
        if let Some(Token::Error(text) | Token::BlobError(text)) = Walker::new(frame).next() {
            if text.starts_with(b"NOSCRIPT") && !self.in_full {
                self.in_full = true;
                return Turn::Send;
            }
            if refuses_locking(text) && self.locking != Locking::Refused {
                self.in_full = false;
                self.locking = Locking::Refused;
                transform.locking = Locking::Refused;
                return Turn::Send;
            }
            if matches!(self.stage, Stage::Write(_)) && text.windows(9).any(|part| part == b"WRONGTYPE") {
                // The first command of those that SWAP was to run; to its words a script adds its name and line.
                encode::error(out, WRONG_TYPE);
            } else {
                super::open::raw_of_sealed(frame, out);
            }
            return Turn::Done;
        }
        if self.is_script() && self.locking == Locking::Unknown {
            self.locking = Locking::Taken;
            transform.locking = Locking::Taken;
        }
        let next = match &self.stage {
            Stage::Read(_) => self.work.take(frame, &mut Context { transform, proto }),
            Stage::Write(write) => match Walker::new(frame).next() {
                Some(Token::Integer(1)) => Ok(Next::Answer(write.answer.clone())),
                Some(Token::Integer(0)) => {
                    transform.costs.retries.fetch_add(1, Ordering::Relaxed);
                    self.start_over();
                    return Turn::Lost;
                }
                _ => Err(unexpected()),
            },
        };
        // Each script is asked for by its name first.
        self.in_full = false;
        match next {
            Ok(Next::Read(read)) => self.stage = Stage::Read(read),
            Ok(Next::Write(write)) if write.len() > MAX_SEALED_ARGS => {
                encode::error(out, Refusal::TooManyValues.to_string());
                return Turn::Done;
            }
            Ok(Next::Write(write)) => self.stage = Stage::Write(write),
            Ok(Next::Answer(answer)) => {
                out.extend_from_slice(&answer);
                return Turn::Done;
            }
            Err(complaint) => {
                encode::error(out, complaint);
                return Turn::Done;
            }
        }
        Turn::Send
    }

    /// The next command is the first one.
    pub fn start_over(&mut self) {
        self.stage = Stage::Read(self.work.begin());
        self.in_full = false;
    }

    fn is_script(&self) -> bool {
        !matches!(self.stage, Stage::Read(Read::Command(_)))
    }
}

/// Redis's words.
const WRONG_TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";

fn integer(n: impl TryInto<i64>) -> Bytes {
    let mut reply = BytesMut::new();
    encode::int(&mut reply, n.try_into().unwrap_or(i64::MAX));
    reply.freeze()
}

fn ok() -> Bytes {
    Bytes::from_static(b"+OK\r\n")
}

fn unexpected() -> String {
    super::open::OpenFailure::Shape.to_string()
}
