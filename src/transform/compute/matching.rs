//! Members and names that match a pattern, out of one step of a scan: SSCAN, ZSCAN and HSCAN with MATCH.

use super::{Complaint, SYNTAX};
use crate::command::{Args, Scanned};
use crate::policy::glob::Glob;

#[derive(Debug)]
pub struct Matching {
    pub what: Scanned,
    /// HSCAN: names without values.
    pub only_names: bool,
    pattern: Glob,
    weight: usize,
}

impl Matching {
    pub fn parse(what: Scanned, args: Args<'_>) -> Result<Self, Complaint> {
        let (mut pattern, mut only_names) = (None, false);
        let mut at = 3;
        while at < args.len() {
            if args.is(at, "MATCH") && at + 1 < args.len() {
                pattern = args.get(at + 1);
                at += 2;
            } else if args.is(at, "COUNT") && at + 1 < args.len() {
                at += 2;
            } else if what == Scanned::Fields && args.is(at, "NOVALUES") {
                only_names = true;
                at += 1;
            } else {
                return Err(SYNTAX);
            }
        }
        // The word that had a scan asked in this way is the operand of COUNT, which is no number then.
        let pattern = pattern.ok_or(super::NOT_AN_INTEGER)?;
        Ok(Self { what, only_names, pattern: Glob::new(pattern), weight: pattern.len() })
    }

    /// The places of the arguments that the server gets: all but the patterns.
    pub fn asked(args: Args<'_>) -> Vec<usize> {
        let mut places = Vec::with_capacity(args.len());
        let mut at = 0;
        while at < args.len() {
            if at >= 3 && args.is(at, "MATCH") {
                at += 2;
                continue;
            }
            places.push(at);
            if at >= 3 && args.is(at, "COUNT") && at + 1 < args.len() {
                places.push(at + 1);
                at += 1;
            }
            at += 1;
        }
        places
    }

    pub fn matches(&self, name: &[u8]) -> bool {
        self.pattern.matches(name)
    }

    /// About how many bytes it holds: a step of the pattern takes several times its text.
    pub fn weight(&self) -> usize {
        64 * self.weight
    }
}
