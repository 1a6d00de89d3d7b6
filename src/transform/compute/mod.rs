//! What Redis works out on a string value, on plaintext: numbers, ranges, bits.
//!
//! Job: give the reply, and the new value if there is one, exactly as Redis does.
//! Inputs: a command's arguments, the opened value or none. Outputs: [`Answer`], new plaintext.
//! Must never: put a value or an argument into an error.

mod bitfield;
mod bits;
pub(super) mod bitwise;
mod change;
pub(super) mod common;
mod float;
pub(super) mod lex;
mod matching;
pub(super) mod number;
mod position;
mod reading;
pub(super) mod score;
pub(super) mod sets;
pub(super) mod sorting;

use bytes::{Bytes, BytesMut};

use crate::command::{Args, Computed};
use crate::resp::{Proto, encode};

use lex::LexRange;
pub use matching::Matching;
use position::Position;
use reading::Reading;

pub(super) use change::Changing;
pub(super) use reading::digest;

/// Redis's own words for what is wrong with an argument or a value.
pub(super) type Complaint = &'static str;

pub(super) const NOT_AN_INTEGER: Complaint = "ERR value is not an integer or out of range";
pub(super) const SYNTAX: Complaint = "ERR syntax error";
const TOO_LONG: Complaint = "ERR string exceeds maximum allowed size (proto-max-bulk-len)";
/// Redis's default for proto-max-bulk-len; no string is longer.
pub(super) const MAX_STRING: usize = 512 * 1024 * 1024;

/// A reply that was worked out here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Int(i64),
    Bulk(Vec<u8>),
    Bulks(Vec<Bytes>),
    Null,
    /// LPOS with COUNT; BITFIELD: null where OVERFLOW FAIL held.
    Ints(Vec<Option<i64>>),
}

impl Answer {
    pub fn write(&self, proto: Proto, out: &mut BytesMut) {
        match self {
            Self::Int(n) => encode::int(out, *n),
            Self::Bulk(bytes) => encode::bulk(out, bytes),
            Self::Bulks(all) => {
                encode::array_header(out, all.len());
                all.iter().for_each(|bytes| encode::bulk(out, bytes));
            }
            Self::Null => encode::null(out, proto),
            Self::Ints(all) => {
                encode::array_header(out, all.len());
                for one in all {
                    match one {
                        Some(n) => encode::int(out, *n),
                        None => encode::null(out, proto),
                    }
                }
            }
        }
    }
}

/// What is worked out on all that a key or field holds, and changes nothing.
#[derive(Debug)]
pub enum Computing {
    Value(Reading),
    Elements(Position),
    Members(LexRange),
    Scan(Matching),
}

impl Computing {
    pub fn parse(what: Computed, args: Args<'_>) -> Result<Self, Complaint> {
        Ok(match what {
            Computed::Position => Self::Elements(Position::parse(args)?),
            Computed::Lex(lex) => Self::Members(LexRange::parse(lex, args)?),
            Computed::Matching(what) => Self::Scan(Matching::parse(what, args)?),
            what => Self::Value(Reading::parse(what, args)?),
        })
    }

    /// About how many bytes it holds.
    pub fn weight(&self) -> usize {
        match self {
            Self::Value(_) => 0,
            Self::Elements(position) => position.weight(),
            Self::Members(range) => range.weight(),
            Self::Scan(matching) => matching.weight(),
        }
    }
}

fn length_of(len: usize) -> i64 {
    // Nothing in memory is longer.
    i64::try_from(len).unwrap_or(i64::MAX)
}
