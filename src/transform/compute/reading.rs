//! Commands that only read one value: STRLEN, GETRANGE, GETBIT, BITCOUNT, BITPOS, BITFIELD_RO.

use super::bitfield::BitFields;
use super::{Answer, Complaint, MAX_STRING, NOT_AN_INTEGER, SYNTAX, bits, number};
use crate::command::{Args, Computed};

const BAD_OFFSET: Complaint = "ERR bit offset is not an integer or out of range";
const BAD_BIT: Complaint = "ERR The bit argument must be 1 or 0.";

/// A part of a value, in bytes or bits; negative numbers count from the end.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    start: i64,
    /// `None`: to the end.
    end: Option<i64>,
    in_bits: bool,
}

/// What is to be worked out.
#[derive(Debug)]
pub enum Reading {
    Length,
    Range { start: i64, end: i64 },
    Bit(u64),
    BitCount(Option<Span>),
    BitPosition { bit: bool, span: Option<Span> },
    BitFields(BitFields),
    Digest,
}

impl Reading {
    pub fn parse(what: Computed, args: Args<'_>) -> Result<Self, Complaint> {
        let int = |at: usize| args.get(at).and_then(number::integer).ok_or(NOT_AN_INTEGER);
        Ok(match what {
            Computed::Length | Computed::FieldLength => Self::Length,
            Computed::Range => Self::Range { start: int(2)?, end: int(3)? },
            Computed::Bit => Self::Bit(bit_offset(args.get(2).unwrap_or_default(), None)?),
            Computed::BitCount => match args.len() {
                2 => Self::BitCount(None),
                4 | 5 => Self::BitCount(Some(Span { start: int(2)?, end: Some(int(3)?), in_bits: unit(args, 4)? })),
                _ => return Err(SYNTAX),
            },
            Computed::BitPosition => {
                let bit = match int(2)? {
                    0 => false,
                    1 => true,
                    _ => return Err(BAD_BIT),
                };
                let span = match args.len() {
                    3 => None,
                    4 => Some(Span { start: int(3)?, end: None, in_bits: false }),
                    5 | 6 => Some(Span { start: int(3)?, end: Some(int(4)?), in_bits: unit(args, 5)? }),
                    _ => return Err(SYNTAX),
                };
                Self::BitPosition { bit, span }
            }
            Computed::BitFields => Self::BitFields(BitFields::parse(args, true)?),
            Computed::Digest => Self::Digest,
            // Of more than one value.
            Computed::Position | Computed::Lex(_) | Computed::Matching(_) => return Err(SYNTAX),
        })
    }

    /// `None`: there is no value.
    pub fn answer(&self, value: Option<&[u8]>) -> Answer {
        let bytes = value.unwrap_or_default();
        match self {
            Self::Length => Answer::Int(length(bytes)),
            Self::Range { start, end } => Answer::Bulk(range(bytes, *start, *end).to_vec()),
            Self::Bit(offset) => Answer::Int(bits::get(bytes, *offset).into()),
            Self::BitCount(span) => Answer::Int(bit_count(bytes, *span)),
            Self::BitPosition { bit, .. } if value.is_none() => Answer::Int(if *bit { -1 } else { 0 }),
            Self::BitPosition { bit, span } => Answer::Int(bit_position(bytes, *bit, *span)),
            Self::BitFields(fields) => Answer::Ints(fields.read(bytes)),
            Self::Digest => value.map_or(Answer::Null, |value| Answer::Bulk(digest(value).into_bytes())),
        }
    }
}

/// BYTE, BIT, or nothing, which is BYTE.
fn unit(args: Args<'_>, at: usize) -> Result<bool, Complaint> {
    match () {
        () if args.len() <= at || args.is(at, "BYTE") => Ok(false),
        () if args.is(at, "BIT") => Ok(true),
        () => Err(SYNTAX),
    }
}

/// With a width, `#n` stands for n times that.
pub(super) fn bit_offset(text: &[u8], width: Option<u32>) -> Result<u64, Complaint> {
    let (digits, factor) = match (text.strip_prefix(b"#"), width) {
        (Some(rest), Some(width)) => (rest, u64::from(width)),
        _ => (text, 1),
    };
    let offset = number::integer(digits).and_then(|n| u64::try_from(n).ok()).and_then(|n| n.checked_mul(factor));
    offset.filter(|n| n / 8 < MAX_STRING as u64).ok_or(BAD_OFFSET)
}

/// What DIGEST gives: XXH3 of 64 bits in lower-case hexadecimal digits.
pub(in crate::transform) fn digest(bytes: &[u8]) -> String {
    format!("{:016x}", xxhash_rust::xxh3::xxh3_64(bytes))
}

fn length(bytes: &[u8]) -> i64 {
    super::length_of(bytes.len())
}

fn range(bytes: &[u8], start: i64, end: i64) -> &[u8] {
    let len = length(bytes);
    if start < 0 && end < 0 && start > end {
        return &[];
    }
    let from = if start < 0 { (len.saturating_add(start)).max(0) } else { start };
    let to = if end < 0 { (len.saturating_add(end)).max(0) } else { end }.min(len - 1);
    match (usize::try_from(from), usize::try_from(to)) {
        (Ok(from), Ok(to)) if from <= to => bytes.get(from..=to).unwrap_or_default(),
        _ => &[],
    }
}

/// First and last bit of the span; `None` if it is empty.
fn resolve(bytes: &[u8], span: Option<Span>) -> Option<(u64, u64)> {
    let span = span.unwrap_or(Span { start: 0, end: None, in_bits: false });
    let total = if span.in_bits { length(bytes) * 8 } else { length(bytes) };
    let from_end = |n: i64| if n < 0 { total.saturating_add(n).max(0) } else { n };
    let end = span.end.unwrap_or(-1);
    let (first, last) = (from_end(span.start), from_end(end).min(total - 1));
    if first > last {
        return None;
    }
    let (first, last) = (u64::try_from(first).ok()?, u64::try_from(last).ok()?);
    Some(if span.in_bits { (first, last) } else { (first * 8, last * 8 + 7) })
}

fn bit_count(bytes: &[u8], span: Option<Span>) -> i64 {
    // Redis looks at this before it counts from the end; for BITPOS it does not.
    if span.is_some_and(|span| span.start < 0 && span.end.is_some_and(|end| end < 0 && span.start > end)) {
        return 0;
    }
    resolve(bytes, span).map_or(0, |(first, last)| bits::count(bytes, first, last))
}

fn bit_position(bytes: &[u8], bit: bool, span: Option<Span>) -> i64 {
    let Some((first, last)) = resolve(bytes, span) else { return -1 };
    match bits::find(bytes, bit, first, last) {
        Some(at) => i64::try_from(at).unwrap_or(-1),
        // Without an end, what follows the value counts as zeros.
        None if !bit && span.is_none_or(|span| span.end.is_none()) => length(bytes) * 8,
        None => -1,
    }
}
