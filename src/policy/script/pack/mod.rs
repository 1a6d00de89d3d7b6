//! Packs: the scripts of well-known libraries that work with encrypted keys.
//!
//! Job: say of a script, recognised by all of its tokens, which of its arguments are values and how
//! its reply opens. One row per script, data only, as in THE TABLE.
//! In: the body that EVAL or SCRIPT LOAD carries. Out: its row, if there is one.
//! Must never: recognise a script by its name, its shape or a part of it. A row holds for one sequence
//! of tokens; blanks, comments and the kind of quotes are left out of the comparison, because they are
//! left out by Lua. Another version of a library with other tokens is another script.

pub mod bullmq;
mod limits;
mod locks;
mod sidekiq;
mod tasks;

use aws_lc_rs::digest;

use super::lex;
use crate::command::Shape;

/// One script of a library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Script {
    /// The library, for people: several may have the same script.
    pub library: &'static str,
    pub name: &'static str,
    /// See [`digest_of`].
    pub digest: &'static str,
    pub keys: Keys,
    /// What is to be sealed: the place in ARGV, from 1, and what it is. All else is no value.
    pub args: &'static [(usize, Arg)],
    pub reply: Reply,
}

/// What the keys of a script hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// What the script computes with: none of them may be under a rule.
    State,
    /// What the application stores and gets back. If there are several, they must be in one scope.
    Values,
    /// A queue: some fields of its hashes are encrypted, all else is what the scripts work with.
    Queue(Queue),
    /// KEYS[n], from 1, what the application stores; the others what the script computes with.
    Only(usize),
}

/// How a script says which queue it works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    /// Which of KEYS, from 1, begins with the queue's prefix; 0: none, and the script touches its KEYS only.
    pub key: usize,
    pub told: Told,
}

/// Where a script is told the prefix of the keys that it builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    Unsaid,
    /// In this place of ARGV.
    Arg(usize),
    /// The first element of the msgpack array in this place of ARGV.
    Packed(usize),
}

/// What of the reply is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    Shaped(Shape),
    /// A number, or 1 and the field `returnvalue`, or 2 and the field `failedReason`.
    Outcome,
}

/// What an argument is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arg {
    /// Stored as the value of each key.
    Value,
    /// Compared with the values of the keys, and perhaps stored again.
    Token,
    /// The value of this field of a hash.
    Field(&'static str),
    /// The value of the field that another argument names.
    FieldNamedBy(usize),
    /// A msgpack array of fields and values in turn.
    PackedFields,
    /// An element of the list KEYS[2].
    Log,
    /// The value of the field `data` of the stream KEYS[2] and of the field `progress` of a hash: cannot be
    /// sealed for both.
    Progress,
    /// Stored as a member of a sorted set.
    Member,
    /// The first of the fields and values of a hash, which follow in turn.
    Pairs,
}

impl Script {
    /// Does it compare an argument with what is stored?
    pub fn compares(&self) -> bool {
        self.args.iter().any(|(_, arg)| *arg == Arg::Token)
    }

    /// Does it name fields of a hash?
    pub fn has_fields(&self) -> bool {
        self.args.iter().any(|(_, arg)| *arg == Arg::Pairs)
    }

    /// What is sealed of the argument at this place of ARGV, from 1? Of [`Arg::Pairs`] the values.
    pub fn arg(&self, place: usize) -> Option<Arg> {
        let is_at = |(at, arg): &&(usize, Arg)| match arg {
            Arg::Pairs => place > *at && (place - at) % 2 == 1,
            _ => place == *at,
        };
        self.args.iter().find(is_at).map(|(_, arg)| *arg)
    }
}

/// All rows.
pub fn scripts() -> impl Iterator<Item = &'static Script> {
    [locks::ROWS, sidekiq::ROWS, tasks::ROWS, limits::ROWS, bullmq::ROWS].into_iter().flatten()
}

/// The row of the script with this body.
pub(super) fn find(body: &[u8]) -> Option<&'static Script> {
    let digest = digest_of(body)?;
    scripts().find(|script| script.digest == digest)
}

/// By what a script is recognised: the first 20 bytes, in hexadecimal, of the SHA-256 of its tokens, one on
/// each line. `None` for what is not understood as Lua.
pub fn digest_of(body: &[u8]) -> Option<String> {
    let full = digest::digest(&digest::SHA256, &lex::normal_form(body)?);
    Some(full.as_ref()[..20].iter().map(|byte| format!("{byte:02x}")).collect())
}
