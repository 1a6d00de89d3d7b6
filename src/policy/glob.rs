//! Redis glob patterns over bytes.
//!
//! Job: decide whether a key matches a pattern exactly as Redis's `stringmatchlen` does (`*`, `?`,
//! `[abc]`, `[^abc]`, `[a-z]`, backslash), including its corner cases: a class that is never closed runs
//! to the end of the pattern, a backslash at the very end stands for itself, a reversed range is turned
//! round.
//! Inputs: a pattern, once; then keys. Output: yes or no.
//! Must never: take time that grows exponentially with the number of stars (a key comes from a client).
//!
//! Two places where Redis's own answer depends on the caller or the machine, and what we chose:
//! - a pattern of stars only also matches the empty key (as `KEYS *` does; the bare function does not),
//!   because a rule that says "everything" must not leave one key in clear;
//! - bytes are unsigned in ranges (Redis on x86 compares them as signed), so that one configuration
//!   means the same on every machine.

use std::fmt;

/// One step of a compiled pattern.
#[derive(Clone, PartialEq, Eq)]
enum Step {
    Byte(u8),
    AnyByte,
    OneOf(Box<ByteSet>),
    AnyRun,
}

/// A set of byte values as 256 bits.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct ByteSet([u64; 4]);

/// A compiled pattern.
#[derive(Clone)]
pub struct Glob {
    steps: Box<[Step]>,
    /// The bytes every match begins with (up to the first step that is not a plain byte).
    prefix: Box<[u8]>,
    /// The bytes every match ends with (after the last step that is not a plain byte); empty if the
    /// pattern is plain bytes only, as then the prefix is the whole of it.
    suffix: Box<[u8]>,
}

impl Glob {
    /// Compiles a pattern. Every byte string is a pattern, as in Redis.
    pub fn new(pattern: &[u8]) -> Self {
        let steps = compile(pattern).into_boxed_slice();
        let prefix: Box<[u8]> = steps.iter().map_while(Step::byte).collect();
        let suffix: Box<[u8]> = if prefix.len() == steps.len() {
            Box::default()
        } else {
            let mut tail: Vec<u8> = steps.iter().rev().map_while(Step::byte).collect();
            tail.reverse();
            tail.into()
        };
        Self { steps, prefix, suffix }
    }

    /// The bytes every match begins with; the whole pattern if it has no special character.
    pub fn literal_prefix(&self) -> &[u8] {
        &self.prefix
    }

    /// The bytes every match ends with; empty if the pattern has no special character.
    pub fn literal_suffix(&self) -> &[u8] {
        &self.suffix
    }

    /// Whether every key matches.
    pub fn matches_everything(&self) -> bool {
        matches!(*self.steps, [Step::AnyRun])
    }

    /// Whether the pattern is plain bytes, with nothing special in it.
    pub fn is_plain(&self) -> bool {
        self.prefix.len() == self.steps.len()
    }

    /// Whether its literal prefix or suffix of that length and one run is all there is to the pattern.
    pub(super) fn matches_all_with_literal(&self, literal: usize) -> bool {
        self.steps.len() == literal + 1
            && (self.steps.first() == Some(&Step::AnyRun) || self.steps.last() == Some(&Step::AnyRun))
    }

    /// Whether the whole of `key` matches. At worst linear in key length times pattern length.
    pub fn matches(&self, key: &[u8]) -> bool {
        let steps = &*self.steps;
        let (mut step, mut at) = (0, 0);
        // Where to resume when a later step fails: only the last run needs to be remembered, because
        // whatever an earlier run could still give, the last one can take as well.
        let mut resume: Option<(usize, usize)> = None;
        loop {
            match steps.get(step) {
                Some(Step::AnyRun) => {
                    if step + 1 == steps.len() {
                        return true;
                    }
                    step += 1;
                    resume = Some((step, at));
                    continue;
                }
                Some(one) if at < key.len() && one.takes(key[at]) => {
                    step += 1;
                    at += 1;
                    continue;
                }
                None if at == key.len() => return true,
                _ => {}
            }
            match resume {
                Some((back, from)) if from < key.len() => {
                    resume = Some((back, from + 1));
                    step = back;
                    at = from + 1;
                }
                _ => return false,
            }
        }
    }

    /// Whether some key that begins with `start` matches. Up to the first run each step takes one byte, and a run takes all.
    pub fn may_begin_with(&self, start: &[u8]) -> bool {
        for (at, step) in self.steps.iter().enumerate() {
            match (step, start.get(at)) {
                (Step::AnyRun, _) | (_, None) => return true,
                (one, Some(byte)) if !one.takes(*byte) => return false,
                _ => {}
            }
        }
        start.len() <= self.steps.len()
    }

    /// A key that matches, for display; `None` if a class of the pattern takes no byte at all.
    pub fn example(&self) -> Option<Vec<u8>> {
        self.steps
            .iter()
            .map(|step| match step {
                Step::Byte(byte) => Some(*byte),
                Step::AnyByte | Step::AnyRun => Some(b'1'),
                Step::OneOf(set) => (b'0'..=b'z').chain(0..=u8::MAX).find(|byte| set.contains(*byte)),
            })
            .collect()
    }
}

impl fmt::Debug for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Key names are not for logs, and a pattern without stars is one.
        write!(f, "Glob({} steps)", self.steps.len())
    }
}

impl Step {
    fn byte(&self) -> Option<u8> {
        match self {
            Step::Byte(byte) => Some(*byte),
            _ => None,
        }
    }

    fn takes(&self, byte: u8) -> bool {
        match self {
            Step::Byte(own) => *own == byte,
            Step::AnyByte => true,
            Step::OneOf(set) => set.contains(byte),
            Step::AnyRun => false,
        }
    }
}

impl ByteSet {
    fn insert(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    fn contains(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] & (1 << (byte & 63)) != 0
    }

    fn inverted(self) -> Self {
        Self(self.0.map(|bits| !bits))
    }
}

fn compile(pattern: &[u8]) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = pattern;
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        match first {
            b'*' => {
                if steps.last() != Some(&Step::AnyRun) {
                    steps.push(Step::AnyRun);
                }
            }
            b'?' => steps.push(Step::AnyByte),
            b'[' => {
                let (set, after) = class(tail);
                steps.push(Step::OneOf(Box::new(set)));
                rest = after;
            }
            b'\\' => match tail.split_first() {
                Some((&escaped, after)) => {
                    steps.push(Step::Byte(escaped));
                    rest = after;
                }
                None => steps.push(Step::Byte(b'\\')),
            },
            plain => steps.push(Step::Byte(plain)),
        }
    }
    steps
}

/// Reads a class from behind its `[`; returns the set and what follows the `]`.
fn class(mut rest: &[u8]) -> (ByteSet, &[u8]) {
    let mut set = ByteSet::default();
    let negated = rest.first() == Some(&b'^');
    if negated {
        rest = &rest[1..];
    }
    loop {
        match *rest {
            [b'\\', escaped, ..] => {
                set.insert(escaped);
                rest = &rest[2..];
            }
            [b']', ..] => {
                rest = &rest[1..];
                break;
            }
            [] => break,
            [from, b'-', to, ..] => {
                (from.min(to)..=from.max(to)).for_each(|byte| set.insert(byte));
                rest = &rest[3..];
            }
            [plain, ..] => {
                set.insert(plain);
                rest = &rest[1..];
            }
        }
    }
    (if negated { set.inverted() } else { set }, rest)
}

#[cfg(test)]
#[path = "glob_tests.rs"]
mod tests;
