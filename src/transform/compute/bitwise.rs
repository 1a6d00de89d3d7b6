//! Strings of bits become one: BITOP.

use bytes::Bytes;

use super::{Complaint, SYNTAX};

/// What is done with the bits; shorter strings go on with zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::transform) enum Bitwise {
    And,
    Or,
    Xor,
    /// Of one string.
    Not,
    /// In the first and in no other.
    Diff,
    /// Not in the first, but in another.
    Diff1,
    /// In the first and in another.
    AndOr,
    /// In exactly one.
    One,
}

impl Bitwise {
    /// From the operation's name and the number of strings.
    pub fn parse(name: &[u8], strings: usize) -> Result<Self, Complaint> {
        let how = match name.to_ascii_lowercase().as_slice() {
            b"and" => Self::And,
            b"or" => Self::Or,
            b"xor" => Self::Xor,
            b"not" => Self::Not,
            b"diff" => Self::Diff,
            b"diff1" => Self::Diff1,
            b"andor" => Self::AndOr,
            b"one" => Self::One,
            _ => return Err(SYNTAX),
        };
        match how {
            Self::Not if strings != 1 => Err("ERR BITOP NOT must be called with a single source key."),
            Self::Diff if strings < 2 => Err("ERR BITOP DIFF must be called with at least two source keys."),
            Self::Diff1 if strings < 2 => Err("ERR BITOP DIFF1 must be called with at least two source keys."),
            Self::AndOr if strings < 2 => Err("ERR BITOP ANDOR must be called with at least two source keys."),
            how => Ok(how),
        }
    }

    /// Does every server have it? The others are those of Redis 8.2.
    pub fn is_everywhere(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Xor | Self::Not)
    }

    pub fn of(self, strings: &[Bytes]) -> Vec<u8> {
        let len = strings.iter().map(Bytes::len).max().unwrap_or(0);
        let (first, rest) = strings.split_at(strings.len().min(1));
        let first = || all(first, len, |_, byte| byte);
        match self {
            Self::And => both(first(), |one, other| one & other, rest),
            Self::Or => all(strings, len, |one, other| one | other),
            Self::Xor => all(strings, len, |one, other| one ^ other),
            Self::Not => first().into_iter().map(|byte| !byte).collect(),
            Self::Diff => both(first(), |one, other| one & !other, rest),
            Self::Diff1 => {
                let rest = all(rest, len, |one, other| one | other);
                rest.into_iter().zip(first()).map(|(rest, first)| rest & !first).collect()
            }
            Self::AndOr => {
                let rest = all(rest, len, |one, other| one | other);
                rest.into_iter().zip(first()).map(|(rest, first)| rest & first).collect()
            }
            Self::One => {
                let (mut any, mut several) = (vec![0; len], vec![0; len]);
                for string in strings {
                    for (at, byte) in string.iter().enumerate() {
                        several[at] |= any[at] & byte;
                        any[at] |= byte;
                    }
                }
                any.into_iter().zip(several).map(|(any, several): (u8, u8)| any & !several).collect()
            }
        }
    }
}

/// Each string with what there is so far, which begins as zeros of that length.
fn all(strings: &[Bytes], len: usize, how: impl Fn(u8, u8) -> u8) -> Vec<u8> {
    both(vec![0; len], how, strings)
}

fn both(mut to: Vec<u8>, how: impl Fn(u8, u8) -> u8, strings: &[Bytes]) -> Vec<u8> {
    for string in strings {
        to.iter_mut().zip(string).for_each(|(byte, other)| *byte = how(*byte, *other));
        // What is done with zeros leaves a bit or clears it.
        if how(u8::MAX, 0) == 0 {
            to[string.len()..].fill(0);
        }
    }
    to
}
