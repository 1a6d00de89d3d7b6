//! Commands that change a value: APPEND, SETRANGE, INCR and its like, SETBIT, BITFIELD.

use bytes::Bytes;

use super::bitfield::BitFields;
use super::float::LongDouble;
use super::reading::bit_offset;
use super::{Answer, Complaint, MAX_STRING, NOT_AN_INTEGER, TOO_LONG, bits, number};
use crate::command::{Args, Change};

const NOT_A_FLOAT: Complaint = "ERR value is not a valid float";
const NO_NUMBER: Complaint = "ERR increment would produce NaN or Infinity";
const OVERFLOWS: Complaint = "ERR increment or decrement would overflow";

/// What is to become of the value.
#[derive(Debug)]
pub enum Changing {
    Append(Bytes),
    SetRange { offset: usize, bytes: Bytes },
    By(i64),
    ByFloat(ByFloat),
    FieldBy(i64),
    FieldByFloat(ByFloat),
    Bit { offset: u64, on: bool },
    BitFields(BitFields),
}

/// INCRBYFLOAT looks at the value before it looks at its argument.
#[derive(Debug)]
pub struct ByFloat(Option<LongDouble>);

/// The new value, unless it stays as it is, and the reply.
pub(crate) type Changed = (Option<Vec<u8>>, Answer);

impl Changing {
    pub fn parse(change: Change, args: Args<'_>) -> Result<Self, Complaint> {
        let int = |at: usize| args.get(at).and_then(number::integer).ok_or(NOT_AN_INTEGER);
        let copy = |at: usize| Bytes::copy_from_slice(args.get(at).unwrap_or_default());
        let float = |at: usize| args.get(at).and_then(LongDouble::parse);
        Ok(match change {
            Change::Append => Self::Append(copy(2)),
            Change::SetRange => {
                let offset = usize::try_from(int(2)?).map_err(|_| "ERR offset is out of range")?;
                Self::SetRange { offset, bytes: copy(3) }
            }
            Change::Step(by) => Self::By(by),
            Change::By { negative: false } => Self::By(int(2)?),
            Change::By { negative: true } => Self::By(int(2)?.checked_neg().ok_or("ERR decrement would overflow")?),
            Change::ByFloat => Self::ByFloat(ByFloat(float(2))),
            Change::FieldBy => Self::FieldBy(int(3)?),
            Change::FieldByFloat => {
                let by = float(3).ok_or(NOT_A_FLOAT)?;
                if !by.is_finite() {
                    return Err("ERR value is NaN or Infinity");
                }
                Self::FieldByFloat(ByFloat(Some(by)))
            }
            Change::Bit => {
                let offset = bit_offset(args.get(2).unwrap_or_default(), None)?;
                let on = match args.get(3).and_then(number::integer) {
                    Some(0) => false,
                    Some(1) => true,
                    _ => return Err("ERR bit is not an integer or out of range"),
                };
                Self::Bit { offset, on }
            }
            Change::BitFields => Self::BitFields(BitFields::parse(args, false)?),
        })
    }

    /// `None`: there is no value yet.
    pub fn apply(&self, old: Option<&[u8]>) -> Result<Changed, Complaint> {
        let bytes = old.unwrap_or_default();
        match self {
            Self::Append(more) => {
                let new = grown(bytes, bytes.len() + more.len())?;
                append(new, bytes.len(), more)
            }
            Self::SetRange { bytes: part, .. } if part.is_empty() => Ok((None, Answer::Int(len(bytes)))),
            Self::SetRange { offset, bytes: part } => {
                let wanted = offset.checked_add(part.len()).ok_or(TOO_LONG)?;
                append(grown(bytes, wanted.max(bytes.len()))?, *offset, part)
            }
            Self::By(by) => integer(old, *by, NOT_AN_INTEGER),
            Self::FieldBy(by) => integer(old, *by, "ERR hash value is not an integer"),
            Self::ByFloat(by) => float(old, by, NOT_A_FLOAT),
            Self::FieldByFloat(by) => float(old, by, "ERR hash value is not a float"),
            Self::Bit { offset, on } => {
                let before = bits::get(bytes, *offset);
                // Redis, too, leaves a value alone that would be the same.
                let wanted = usize::try_from(offset / 8).unwrap_or(usize::MAX).saturating_add(1);
                if before == *on && wanted <= bytes.len() {
                    return Ok((None, Answer::Int(before.into())));
                }
                let mut new = grown(bytes, wanted.max(bytes.len()))?;
                bits::set(&mut new, *offset, *on);
                Ok((Some(new), Answer::Int(before.into())))
            }
            Self::BitFields(fields) if fields.only_reads() => Ok((None, Answer::Ints(fields.read(bytes)))),
            Self::BitFields(fields) => {
                let mut new = grown(bytes, fields.wanted_len().max(bytes.len()))?;
                let answers = fields.run(&mut new);
                // Redis does not write what stays the same, so that nobody's WATCH sees a change.
                let changed = old.is_none_or(|old| old != new);
                Ok((changed.then_some(new), Answer::Ints(answers)))
            }
        }
    }
}

/// A copy of that length, with zeros at its end.
fn grown(bytes: &[u8], wanted: usize) -> Result<Vec<u8>, Complaint> {
    if wanted > MAX_STRING {
        return Err(TOO_LONG);
    }
    let mut new = Vec::with_capacity(wanted);
    new.extend_from_slice(bytes);
    new.resize(wanted, 0);
    Ok(new)
}

/// Writes `part` into `new`, which has room for it.
fn append(mut new: Vec<u8>, at: usize, part: &[u8]) -> Result<Changed, Complaint> {
    new.get_mut(at..at + part.len()).ok_or(TOO_LONG)?.copy_from_slice(part);
    let length = len(&new);
    Ok((Some(new), Answer::Int(length)))
}

fn integer(old: Option<&[u8]>, by: i64, complaint: Complaint) -> Result<Changed, Complaint> {
    let before = old.map_or(Some(0), number::integer).ok_or(complaint)?;
    let after = before.checked_add(by).ok_or(OVERFLOWS)?;
    Ok((Some(after.to_string().into_bytes()), Answer::Int(after)))
}

fn float(old: Option<&[u8]>, by: &ByFloat, complaint: Complaint) -> Result<Changed, Complaint> {
    let before = old.map_or(Some(LongDouble::ZERO), LongDouble::parse).ok_or(complaint)?;
    let after = before.plus(by.0.ok_or(NOT_A_FLOAT)?).ok_or(NO_NUMBER)?.text();
    Ok((Some(after.clone()), Answer::Bulk(after)))
}

fn len(bytes: &[u8]) -> i64 {
    i64::try_from(bytes.len()).unwrap_or(i64::MAX)
}
