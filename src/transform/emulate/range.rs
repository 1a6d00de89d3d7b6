//! A range of a sorted set goes to another key: ZRANGESTORE.
//!
//! Members of equal score are in the order of the members themselves, as in Redis; in that of the ciphertexts, which ZRANGE
//! gives, the range would depend on the scope.

use bytes::Bytes;

use super::home::Home;
use super::snapshot::Snapshot;
use super::swap::Write;
use super::{Context, Next, Read, WRONG_TYPE, Work, integer, unexpected};
use crate::command::Args;
use crate::policy::{Admitted, Refusal};
use crate::transform::Transform;
use crate::transform::compute::lex::LexRange;
use crate::transform::compute::sets::{Scored, by_score};
use crate::transform::compute::{Complaint, NOT_AN_INTEGER, SYNTAX, number, score};

const NO_BOUND: &str = "ERR min or max is not a float";
const LIMIT_OF_RANKS: &str = "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX";

pub(super) struct Range {
    to: Home,
    from: Home,
    wanted: Wanted,
}

struct Wanted {
    bounds: Bounds,
    reverse: bool,
    offset: i64,
    /// Negative: all.
    limit: i64,
}

enum Bounds {
    Ranks(i64, i64),
    Scores { min: Bound, max: Bound },
    Members(LexRange),
}

#[derive(Clone, Copy)]
struct Bound {
    score: f64,
    /// The score itself is not in the range.
    open: bool,
}

impl Range {
    pub fn of(admitted: &Admitted<'_>, transform: &Transform) -> Result<Self, Refusal> {
        let (to, from) = (Home::of(0, admitted, transform)?, Home::of(1, admitted, transform)?);
        let wanted = Wanted::parse(admitted.request().args()).map_err(|complaint| Refusal::Redis(complaint.into()))?;
        Ok(Self { to, from, wanted })
    }
}

impl Work for Range {
    fn begin(&mut self) -> Read {
        Read::Snapshot(vec![self.from.key.clone()])
    }

    fn take(&mut self, reply: &[u8], at: &mut Context<'_>) -> Result<Next, String> {
        let found = Snapshot::parse(reply, 1).ok_or_else(unexpected)?.remove(0);
        if !["none", "zset"].contains(&found.kind()) {
            return Err(WRONG_TYPE.into());
        }
        let mut members = self.from.open_scored(&found, at.transform)?;
        members.sort_by(by_score);
        let members = self.wanted.of(members);
        let mut parts = Vec::with_capacity(2 * members.len());
        for (member, score) in &members {
            parts.extend([score::stored(*score).into(), self.to.seal_member(member, at.transform)?]);
        }
        let mut write = Write::new(vec![self.from.unchanged(&found)], integer(members.len()));
        write.run([&b"DEL"[..], &self.to.key].map(Bytes::copy_from_slice));
        write.run_all(&[b"ZADD", &self.to.key], 2, &parts);
        Ok(Next::Write(write))
    }
}

impl Wanted {
    /// `destination source min max`, then options; complaints in Redis's order.
    fn parse(args: Args<'_>) -> Result<Self, Complaint> {
        let number_at = |at: usize| args.get(at).and_then(number::integer).ok_or(NOT_AN_INTEGER);
        let (mut offset, mut limit, mut reverse, mut by) = (0, -1, false, None);
        let mut at = 5;
        while at < args.len() {
            let left = args.len() - at - 1;
            if args.is(at, "LIMIT") && left >= 2 {
                (offset, limit) = (number_at(at + 1)?, number_at(at + 2)?);
                at += 2;
            } else if !reverse && args.is(at, "REV") {
                reverse = true;
            } else if by.is_none() && (args.is(at, "BYSCORE") || args.is(at, "BYLEX")) {
                by = Some(args.is(at, "BYSCORE"));
            } else {
                return Err(SYNTAX);
            }
            at += 1;
        }
        if limit != -1 && by.is_none() {
            return Err(LIMIT_OF_RANKS);
        }
        let bounds = match by {
            None => Bounds::Ranks(number_at(3)?, number_at(4)?),
            Some(true) => {
                let (min, max) = if reverse { (4, 3) } else { (3, 4) };
                let bound = |at: usize| args.get(at).and_then(Bound::parse).ok_or(NO_BOUND);
                Bounds::Scores { min: bound(min)?, max: bound(max)? }
            }
            Some(false) => {
                let [one, other] = [3, 4].map(|at| args.get(at).unwrap_or_default());
                Bounds::Members(LexRange::between(one, other, reverse, offset, limit)?)
            }
        };
        Ok(Self { bounds, reverse, offset, limit })
    }

    /// The range of these members, which are in order.
    fn of(&self, mut members: Vec<Scored>) -> Vec<Scored> {
        if self.reverse {
            members.reverse();
        }
        match &self.bounds {
            Bounds::Ranks(start, end) => {
                let count = i64::try_from(members.len()).unwrap_or(i64::MAX);
                let from_start = |rank: i64| if rank < 0 { rank.saturating_add(count) } else { rank };
                let (start, end) = (from_start(*start).max(0), from_start(*end).min(count - 1));
                let skipped = usize::try_from(start).unwrap_or(usize::MAX);
                let taken = usize::try_from(end.saturating_sub(start).saturating_add(1)).unwrap_or(0);
                members.into_iter().skip(skipped).take(taken).collect()
            }
            Bounds::Scores { min, max } => {
                // Redis skips a negative number of members for ever.
                let skipped = usize::try_from(self.offset).unwrap_or(usize::MAX);
                let taken = usize::try_from(self.limit).unwrap_or(usize::MAX);
                let inside = |score: f64| min.is_below(score) && max.is_above(score);
                members.into_iter().filter(|(_, score)| inside(*score)).skip(skipped).take(taken).collect()
            }
            Bounds::Members(range) => range.choose(members),
        }
    }
}

impl Bound {
    /// Redis takes spaces before the number, and nothing for 0.
    fn parse(text: &[u8]) -> Option<Self> {
        let (open, text) = match text.strip_prefix(b"(") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        // It reads up to a NUL byte, as C does, and takes what is too large for infinite.
        let text = text.split(|byte| *byte == 0).next().unwrap_or_default().trim_ascii_start();
        let decimal = || std::str::from_utf8(text).ok()?.parse().ok().filter(|score: &f64| !score.is_nan());
        let score = if text.is_empty() { 0.0 } else { score::parse(text).or_else(decimal)? };
        Some(Self { score, open })
    }

    fn is_below(self, score: f64) -> bool {
        if self.open { score > self.score } else { score >= self.score }
    }

    fn is_above(self, score: f64) -> bool {
        if self.open { score < self.score } else { score <= self.score }
    }
}
