//! Members of a sorted set between two members: ZRANGEBYLEX and its like.
//!
//! They mean something where all scores are equal. Where not, Redis walks a small set from one end until a
//! member is within the range and goes on until one is not; so do we, whatever the size.

use bytes::Bytes;

use super::sets::{Scored, by_score};
use super::{Answer, Complaint, NOT_AN_INTEGER, SYNTAX, number};
use crate::command::{Args, Lex};

const BAD_RANGE: Complaint = "ERR min or max not valid string range item";
const SCORES: Complaint = "ERR syntax error, WITHSCORES not supported in combination with BYLEX";

/// An end of a range.
#[derive(Debug, PartialEq, Eq)]
enum Bound {
    /// `-`
    Least,
    /// `+`
    Greatest,
    /// `[member`, or `(member` without it.
    Member { name: Bytes, included: bool },
}

/// Which members are wanted.
#[derive(Debug)]
pub struct LexRange {
    min: Bound,
    max: Bound,
    reverse: bool,
    /// So many are passed over; a negative number passes all over.
    offset: i64,
    /// Negative: all.
    limit: i64,
    counts: bool,
}

impl Bound {
    fn parse(text: &[u8]) -> Result<Self, Complaint> {
        let member = |included| Self::Member { name: Bytes::copy_from_slice(&text[1..]), included };
        match text {
            // Redis compares these up to a NUL byte.
            [b'-'] | [b'-', 0, ..] => Ok(Self::Least),
            [b'+'] | [b'+', 0, ..] => Ok(Self::Greatest),
            [b'(', ..] => Ok(member(false)),
            [b'[', ..] => Ok(member(true)),
            _ => Err(BAD_RANGE),
        }
    }
}

impl LexRange {
    /// ZLEXCOUNT and ZREMRANGEBYLEX have no options, ZRANGEBYLEX has LIMIT, ZRANGE has more.
    pub fn parse(lex: Lex, args: Args<'_>) -> Result<Self, Complaint> {
        let (mut offset, mut limit) = (0, -1);
        let (mut by_lex, mut by_score, mut reverse, mut scores) =
            (lex != Lex::Range, false, lex == Lex::Reverse, false);
        let mut at = 4;
        while at < args.len() {
            let operand = |behind: usize| args.get(at + behind).and_then(number::integer).ok_or(NOT_AN_INTEGER);
            if args.is(at, "WITHSCORES") {
                scores = true;
            } else if args.is(at, "LIMIT") && at + 2 < args.len() {
                (offset, limit) = (operand(1)?, operand(2)?);
                at += 2;
            } else if lex == Lex::Range && !reverse && args.is(at, "REV") {
                reverse = true;
            } else if !by_lex && !by_score && args.is(at, "BYLEX") {
                by_lex = true;
            } else if !by_lex && !by_score && args.is(at, "BYSCORE") {
                by_score = true;
            } else {
                return Err(SYNTAX);
            }
            at += 1;
        }
        if !by_lex {
            // Nothing but ranges by member is asked here.
            return Err(SYNTAX);
        }
        if scores {
            return Err(SCORES);
        }
        let [one, other] = [2, 3].map(|at| args.get(at).unwrap_or_default());
        Ok(Self { counts: lex == Lex::Count, ..Self::between(one, other, reverse, offset, limit)? })
    }

    /// From one bound to the other: the lesser first, or the greater if it is the reverse.
    pub fn between(one: &[u8], other: &[u8], reverse: bool, offset: i64, limit: i64) -> Result<Self, Complaint> {
        let (min, max) = if reverse { (other, one) } else { (one, other) };
        Ok(Self { min: Bound::parse(min)?, max: Bound::parse(max)?, reverse, offset, limit, counts: false })
    }

    /// Of all members, each with its score.
    pub fn answer(&self, members: Vec<Scored>) -> Answer {
        let chosen = self.choose(members);
        if self.counts {
            Answer::Int(super::length_of(chosen.len()))
        } else {
            Answer::Bulks(chosen.into_iter().map(|(member, _)| member).collect())
        }
    }

    /// The members of the range, in its order.
    pub fn choose(&self, mut members: Vec<Scored>) -> Vec<Scored> {
        members.sort_by(by_score);
        let outside = match (members.first(), members.last()) {
            (Some((first, _)), Some((last, _))) => !self.reaches(last) || !self.is_reached(first),
            _ => true,
        };
        if outside || self.is_empty() {
            return Vec::new();
        }
        if self.reverse {
            members.reverse();
        }
        let begins = |member: &[u8]| if self.reverse { self.is_reached(member) } else { self.reaches(member) };
        let goes_on = |(member, _): &Scored| if self.reverse { self.reaches(member) } else { self.is_reached(member) };
        let mut rest = members.into_iter().skip_while(|(member, _)| !begins(member)).peekable();
        if !rest.peek().is_some_and(goes_on) {
            return Vec::new();
        }
        let passed_over = usize::try_from(self.offset).unwrap_or(usize::MAX);
        let wanted = usize::try_from(self.limit).unwrap_or(usize::MAX);
        rest.skip(passed_over).take_while(goes_on).take(wanted).collect()
    }

    /// Can nothing be in it?
    fn is_empty(&self) -> bool {
        match (&self.min, &self.max) {
            (Bound::Member { name: min, included: one }, Bound::Member { name: max, included: other }) => {
                min > max || (min == max && !(*one && *other))
            }
            (Bound::Greatest, max) => *max != Bound::Greatest,
            (min, Bound::Least) => *min != Bound::Least,
            _ => false,
        }
    }

    /// Is this member not below the range?
    fn reaches(&self, member: &[u8]) -> bool {
        match &self.min {
            Bound::Least => true,
            Bound::Greatest => false,
            Bound::Member { name, included: true } => *member >= name[..],
            Bound::Member { name, included: false } => *member > name[..],
        }
    }

    /// Is this member not above the range?
    fn is_reached(&self, member: &[u8]) -> bool {
        match &self.max {
            Bound::Least => false,
            Bound::Greatest => true,
            Bound::Member { name, included: true } => *member <= name[..],
            Bound::Member { name, included: false } => *member < name[..],
        }
    }

    /// About how many bytes it holds.
    pub fn weight(&self) -> usize {
        [&self.min, &self.max]
            .iter()
            .map(|bound| if let Bound::Member { name, .. } = bound { name.len() } else { 0 })
            .sum()
    }
}
