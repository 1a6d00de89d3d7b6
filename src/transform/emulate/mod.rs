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
mod emulation;
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

use super::Transform;
use crate::command::{Flags, Method, Move, check_arity};
use crate::policy::{Admitted, Refusal};
use crate::resp::{Proto, encode};
use lookup::Lookup;
use swap::Write;

use emulation::{Progress, Stage};

pub use emulation::{Emulation, Turn};
pub use lua::Locking;
pub(super) use lua::{is_unknown_command, without_script};
pub use outlook::Outlook;
pub use rehearsal::{Queued, Rehearsal, Rehearsed, Round};

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
        let elsewhere = matches!(method, Method::Move(Move::Copy)) && (3..args.len()).any(|at| args.is(at, "DB"));
        let mut emulation = Emulation {
            command: spec.name,
            keys,
            changes_from,
            one_value: matches!(method, Method::Change(_)),
            // The others leave some of it to the database, or write to one that may be this one.
            followed: !elsewhere && !matches!(method, Method::Move(Move::Found(_)) | Method::Conditional(_)),
            len: request.bytes().len(),
            work,
            stage: Stage::Read(Read::Types(Vec::new())),
            in_full: false,
            locking: self.locking,
        };
        emulation.start_over();
        Ok(Some(emulation))
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
