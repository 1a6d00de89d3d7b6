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

mod bits;
mod combine;
mod common;
mod conditional;
mod contents;
mod cut;
mod element;
mod found;
mod home;
mod list;
mod lookup;
mod lua;
mod member;
mod outlook;
mod overlay;
mod range;
mod rehearsal;
mod rekey;
mod snapshot;
mod sort;
mod swap;
mod value;

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::plan::ReplyPlan;
use super::seal::MAX_SEALED_ARGS;
use super::{Transform, Wire};
use crate::command::{Flags, Method, Move, check_arity};
use crate::policy::{Admitted, Refusal};
use crate::resp::{Proto, Token, Walker, encode};
use lookup::Lookup;
use lua::refuses_locking;
use swap::{Form, Write};

pub use lua::Locking;
pub(super) use lua::{is_unknown_command, without_script};
pub use outlook::Outlook;
pub use rehearsal::{Queued, Rehearsal, Rehearsed, Round};

/// One command that is being carried out.
pub struct Emulation {
    command: &'static str,
    /// All that it reads or writes.
    keys: Vec<Bytes>,
    /// Those of them that it changes begin here.
    changes_from: usize,
    /// All that it reads and changes is one value, of a key or a field.
    one_value: bool,
    /// Can it be told what it leaves of its keys?
    followed: bool,
    /// Of the request, in bytes.
    len: usize,
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
    /// It is inside MULTI, where nothing waits.
    fn wait_for_nothing(&mut self) {}
}

/// A command that changes nothing.
enum Read {
    Command(Vec<Bytes>),
    /// SNAPSHOT of these keys, which are among the emulation's.
    Snapshot(Vec<Bytes>),
    /// The same of the first, and the types of the others, perhaps in another database.
    First(Vec<Bytes>, Option<Bytes>),
    /// The types of these keys.
    Types(Vec<Bytes>),
    /// LOOKUP of these, if the first key still has this digest.
    Found(Bytes, Bytes, Lookup),
}

/// What is done when a reply has come.
enum Next {
    /// More has to be known.
    Read(Read),
    /// Nothing is written. A complete reply.
    Answer(Bytes),
    Write(Write),
    /// What was read first has changed.
    Lost,
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
            Method::Sort => Box::new(sort::Sort::of(admitted, self)?),
            Method::Combine(what) => Box::new(combine::Combined::of(what, admitted, self)?),
            Method::Common => Box::new(common::Lcs::of(admitted, self)?),
            Method::Bits => Box::new(bits::Bits::of(admitted, self)?),
            Method::Conditional(what) => Box::new(conditional::If::of(what, admitted, self)?),
            Method::Cut => Box::new(cut::Cut::of(admitted, self)?),
            Method::Move(Move::Range) => Box::new(range::Range::of(admitted, self)?),
            Method::Move(Move::Found(around)) => Box::new(found::Found::of(around, admitted, self)?),
        };
        self.costs.commands.fetch_add(1, Ordering::Relaxed);
        let changes_from = match method {
            _ if !spec.flags.has(Flags::WRITE) => keys.len(),
            // Only where it stores.
            Method::Sort => 1,
            _ => 0,
        };
        let len = request.bytes().len();
        let mut emulation = Emulation {
            command: spec.name,
            keys,
            changes_from,
            one_value: matches!(method, Method::Change(_)),
            // The others leave some of it to the database.
            followed: !matches!(method, Method::Move(Move::Found(_)) | Method::Conditional(_)),
            len,
            work,
            stage: Stage::Read(Read::Types(Vec::new())),
            in_full: false,
            locking: self.locking,
        };
        emulation.start_over();
        Ok(Some(emulation))
    }
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
    fn changed(&self) -> &[Bytes] {
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
    fn learn(&mut self, frame: &[u8], transform: &mut Transform) {
        let is_error = matches!(Walker::new(frame).next(), Some(Token::Error(_) | Token::BlobError(_)));
        if !is_error && self.is_script() && self.locking == Locking::Unknown {
            self.locking = Locking::Taken;
            transform.locking = Locking::Taken;
        }
    }

    fn advance(&mut self, frame: &[u8], transform: &mut Transform, proto: Proto) -> Progress {
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
                super::open::raw_of_swap(frame, self.command, &mut told);
            } else {
                super::open::raw_of_sealed(frame, &mut told);
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
    fn looks_up(&self) -> &[Bytes] {
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

    fn is_script(&self) -> bool {
        !matches!(self.stage, Stage::Read(Read::Command(_)))
    }
}

/// What the reply to a step has led to.
enum Progress {
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

/// Redis's words.
pub(super) const WRONG_TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";

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
