//! Where in a list an element is: LPOS.

use bytes::Bytes;

use super::{Answer, Complaint, NOT_AN_INTEGER, SYNTAX, number};
use crate::command::Args;

const RANK_ZERO: Complaint = "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... \
                              or use negative to start from the end of the list";
const RANK_RANGE: Complaint =
    "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807";

/// What is looked for, and which of the matches are wanted.
#[derive(Debug)]
pub struct Position {
    element: Bytes,
    /// So many matches are passed over, from the one end or the other.
    skip: usize,
    backwards: bool,
    /// How many are wanted, as an array; 0 for all. `None`: one, by itself.
    count: Option<usize>,
    /// So many elements are looked at; 0 for all.
    max_len: usize,
}

impl Position {
    pub fn parse(args: Args<'_>) -> Result<Self, Complaint> {
        let element = Bytes::copy_from_slice(args.get(2).unwrap_or_default());
        let mut found = Self { element, skip: 0, backwards: false, count: None, max_len: 0 };
        let mut at = 3;
        while at < args.len() {
            let operand = args.get(at + 1).ok_or(SYNTAX);
            let natural = |complaint| -> Result<usize, Complaint> {
                number::integer(operand?).and_then(|n| usize::try_from(n).ok()).ok_or(complaint)
            };
            if args.is(at, "RANK") {
                let rank = number::integer(operand?).ok_or(NOT_AN_INTEGER)?;
                let distance = match rank {
                    0 => return Err(RANK_ZERO),
                    i64::MIN => return Err(RANK_RANGE),
                    rank => rank.unsigned_abs(),
                };
                found.skip = usize::try_from(distance - 1).unwrap_or(usize::MAX);
                found.backwards = rank < 0;
            } else if args.is(at, "COUNT") {
                found.count = Some(natural("ERR COUNT can't be negative")?);
            } else if args.is(at, "MAXLEN") {
                found.max_len = natural("ERR MAXLEN can't be negative")?;
            } else {
                return Err(SYNTAX);
            }
            at += 2;
        }
        Ok(found)
    }

    /// Of the elements in the list's order.
    pub fn answer(&self, elements: &[impl AsRef<[u8]>]) -> Answer {
        let depth = if self.max_len == 0 { elements.len() } else { self.max_len };
        let is_match = |at: &usize| elements[*at].as_ref() == self.element;
        let places: Box<dyn Iterator<Item = usize>> = match self.backwards {
            false => Box::new(0..elements.len()),
            true => Box::new((0..elements.len()).rev()),
        };
        let mut matches = places.take(depth).filter(is_match).skip(self.skip).map(super::length_of);
        match self.count {
            None => matches.next().map_or(Answer::Null, Answer::Int),
            Some(0) => Answer::Ints(matches.map(Some).collect()),
            Some(count) => Answer::Ints(matches.take(count).map(Some).collect()),
        }
    }

    /// About how many bytes it holds.
    pub fn weight(&self) -> usize {
        self.element.len()
    }
}
