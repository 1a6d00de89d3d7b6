//! Scripts: which of them touch declared keys only.
//!
//! Job: read a script as the server would and prove that every key it touches is an element of KEYS,
//! whatever its arguments; remember the outcome by the script's SHA-1, as the server does.
//! In: the bodies that EVAL and SCRIPT LOAD carry. Out: a [`Verdict`].
//! Must never: guess. What is not proven is refused while there is any rule, because a script that
//! builds the name of a protected key would store plaintext under it. Nothing here shows a script.
//!
//! The analysis is a parser of our own rather than a library's: those that are alive are under other
//! licences than we ship, and it has to refuse what Lua 5.1 and its relatives read differently,
//! where a library wants to read as much as it can. It follows no values. A name is a key if it
//! was declared as one and is never assigned to; all else is refused.
//!
//! Two bodies made to have the same SHA-1 would share a verdict here, as they share their code on the
//! server, which runs the first under that name.

mod call;
mod expression;
mod lex;
mod library;
pub mod msgpack;
pub mod pack;
mod parse;
#[cfg(test)]
mod tests;

use std::fmt;

use aws_lc_rs::digest;

use crate::command::RowSet;

pub use library::{Known, Library, MAX_SCRIPTS};

/// Longer scripts are not read, so that a worker's other clients do not wait: this much takes about
/// a millisecond, and 8 ms at worst (200 names in scope, and the oldest used all the time).
pub const MAX_SCRIPT_BYTES: usize = 64 * 1024;

/// How a script is known to the server: the SHA-1 of its body.
type Sha = [u8; 20];
/// What is known of a script.
pub type Verdict = Result<Proven, Unproven>;

/// Every key that the script touches is an element of KEYS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// Channels that it names itself. The caller refuses those under a rule.
    pub channels: Box<[Channel]>,
    /// Those that it calls.
    pub commands: RowSet,
    /// One of them, about a key as a whole (DEL, EXISTS), may name a key that is not declared.
    pub foreign: bool,
    /// It publishes to what is declared as a key.
    pub publishes_to_key: bool,
    pub needs: Needs,
}

/// What a script would need of values if its keys were encrypted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// It stores, compares or computes on values: with ciphertext it would not do what it says, and with
    /// arguments of its own it would store them in clear.
    pub values: bool,
    /// It moves them from key to key, or compares those of several.
    pub one_scope: bool,
}

/// A channel's name. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Channel(pub Box<[u8]>);

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Channel")
    }
}

/// Why a script may touch other keys, and the line on which that shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unproven {
    pub why: Why,
    /// From 1.
    pub line: u32,
}

impl fmt::Display for Unproven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.why.sentence())
    }
}

/// What stands in the way of a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    TooLong,
    TooDeep,
    Syntax,
    Varargs,
    Key,
    Keys,
    Places,
    Channel,
    CommandName,
    UnknownCommand,
    NotInScripts,
    Redis,
    Global,
}

impl Why {
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::TooLong => "the script is longer than the 64 KiB that are analysed",
            Self::TooDeep => "more than 100 nested expressions and blocks, or 200 names, are not analysed",
            Self::Syntax => "this is not understood as Lua 5.1",
            Self::Varargs => "`...` may hold anything",
            Self::Key => "a key is not simply an element of KEYS",
            Self::Keys => "KEYS is changed, hidden or passed on",
            Self::Places => "which of the arguments are keys is not certain",
            Self::Channel => "the channel is neither a literal nor an element of KEYS",
            Self::CommandName => "the command's name is not a literal",
            Self::UnknownCommand => "the command is not in Waxseal's table",
            Self::NotInScripts => "this command is not admitted inside a script",
            Self::Redis => "`redis` is used otherwise than to call one of its functions",
            Self::Global => "a name is used or set that is neither local nor one of the admitted globals",
        }
    }
}

/// Reads one script. Linear in its length, but for the look-up of names, which is bounded.
///
/// # Errors
/// [`Unproven`] for a script that touches other keys, and for every one that is not understood.
pub fn analyse(body: &[u8]) -> Verdict {
    if body.len() > MAX_SCRIPT_BYTES {
        return Err(Unproven { why: Why::TooLong, line: 1 });
    }
    lex::tokens(body).and_then(|tokens| parse::prove(&tokens)).map_err(|(why, line)| Unproven { why, line })
}

/// Every command that a script may come to call.
pub fn callable() -> RowSet {
    RowSet::of(call::may_be_called)
}

/// SHA-1 as a name, not as a protection: it is how Redis names scripts.
fn sha(body: &[u8]) -> Sha {
    let mut sha = Sha::default();
    sha.copy_from_slice(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, body).as_ref());
    sha
}

/// The name of a script as EVALSHA takes it.
#[must_use]
pub fn sha_hex(body: &[u8]) -> String {
    sha(body).iter().fold(String::with_capacity(40), |name, byte| name + &format!("{byte:02x}"))
}

/// Forty hexadecimal digits in either case.
fn parse_sha(name: &[u8]) -> Option<Sha> {
    let mut sha = Sha::default();
    if name.len() != sha.len() * 2 {
        return None;
    }
    for (byte, pair) in sha.iter_mut().zip(name.chunks_exact(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16).and_then(|d| u8::try_from(d).ok());
        *byte = digit(0)? << 4 | digit(1)?;
    }
    Some(sha)
}
