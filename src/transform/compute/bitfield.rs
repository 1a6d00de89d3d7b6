//! BITFIELD: integers of any width at any bit of a string.

use super::bits;
use super::reading::bit_offset;
use super::{Complaint, NOT_AN_INTEGER, SYNTAX, number};
use crate::command::Args;

const BAD_TYPE: Complaint =
    "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.";
const BAD_OVERFLOW: Complaint = "ERR Invalid OVERFLOW type specified";
const READS_ONLY: Complaint = "ERR BITFIELD_RO only supports the GET subcommand";

#[derive(Debug, Clone, Copy)]
enum Overflow {
    Wrap,
    Saturate,
    Fail,
}

#[derive(Debug, Clone, Copy)]
struct Int {
    signed: bool,
    bits: u32,
}

#[derive(Debug, Clone, Copy)]
enum Act {
    Get,
    Set(i64, Overflow),
    IncrBy(i64, Overflow),
}

#[derive(Debug, Clone, Copy)]
struct Operation {
    int: Int,
    offset: u64,
    act: Act,
}

/// The operations of one BITFIELD, in order.
#[derive(Debug)]
pub struct BitFields(Vec<Operation>);

impl BitFields {
    /// From the argument at 2 on.
    pub fn parse(args: Args<'_>, read_only: bool) -> Result<Self, Complaint> {
        let mut operations = Vec::new();
        let mut overflow = Overflow::Wrap;
        let mut at = 2;
        while at < args.len() {
            let left = args.len() - at - 1;
            if args.is(at, "OVERFLOW") && left >= 1 {
                overflow = match () {
                    () if args.is(at + 1, "WRAP") => Overflow::Wrap,
                    () if args.is(at + 1, "SAT") => Overflow::Saturate,
                    () if args.is(at + 1, "FAIL") => Overflow::Fail,
                    () => return Err(BAD_OVERFLOW),
                };
                at += 2;
                continue;
            }
            let (writes, takes) = match () {
                () if args.is(at, "GET") && left >= 2 => (false, 2),
                () if (args.is(at, "SET") || args.is(at, "INCRBY")) && left >= 3 => (true, 3),
                () => return Err(SYNTAX),
            };
            let int = Int::parse(args.get(at + 1).unwrap_or_default())?;
            let offset = bit_offset(args.get(at + 2).unwrap_or_default(), Some(int.bits))?;
            let act = if writes {
                let n = number::integer(args.get(at + 3).unwrap_or_default()).ok_or(NOT_AN_INTEGER)?;
                if args.is(at, "SET") { Act::Set(n, overflow) } else { Act::IncrBy(n, overflow) }
            } else {
                Act::Get
            };
            if read_only && writes {
                return Err(READS_ONLY);
            }
            operations.push(Operation { int, offset, act });
            at += takes + 1;
        }
        Ok(Self(operations))
    }

    pub fn only_reads(&self) -> bool {
        self.0.iter().all(|op| matches!(op.act, Act::Get))
    }

    /// How long the value has to be for all that is written.
    pub fn wanted_len(&self) -> usize {
        let writes = self.0.iter().filter(|op| !matches!(op.act, Act::Get));
        let last = writes.map(|op| (op.offset + u64::from(op.int.bits) - 1) / 8 + 1).max().unwrap_or(0);
        usize::try_from(last).unwrap_or(usize::MAX)
    }

    /// Carries the operations out on a value that is long enough for what is written.
    pub fn run(&self, value: &mut [u8]) -> Vec<Option<i64>> {
        self.0.iter().map(|op| op.run(value)).collect()
    }

    /// The same where nothing is written.
    pub fn read(&self, value: &[u8]) -> Vec<Option<i64>> {
        self.0.iter().map(|op| Some(op.int.get(value, op.offset))).collect()
    }
}

impl Operation {
    fn run(&self, value: &mut [u8]) -> Option<i64> {
        let old = self.int.get(value, self.offset);
        let (wide, overflow) = match self.act {
            Act::Get => return Some(old),
            Act::Set(n, overflow) => (i128::from(n), overflow),
            Act::IncrBy(n, overflow) => (i128::from(old) + i128::from(n), overflow),
        };
        let new = self.int.fit(wide, overflow)?;
        self.int.set(value, self.offset, new);
        Some(if matches!(self.act, Act::Set(..)) { old } else { new })
    }
}

impl Int {
    fn parse(text: &[u8]) -> Result<Self, Complaint> {
        let (signed, digits) = match text.split_first() {
            Some((b'i', rest)) => (true, rest),
            Some((b'u', rest)) => (false, rest),
            _ => return Err(BAD_TYPE),
        };
        let widest = if signed { 64 } else { 63 };
        let bits = number::integer(digits).and_then(|n| u32::try_from(n).ok());
        let bits = bits.filter(|n| (1..=widest).contains(n)).ok_or(BAD_TYPE)?;
        Ok(Self { signed, bits })
    }

    fn get(self, value: &[u8], offset: u64) -> i64 {
        let mut raw = 0_u64;
        for bit in 0..u64::from(self.bits) {
            raw = raw << 1 | u64::from(bits::get(value, offset + bit));
        }
        self.extend(raw)
    }

    fn set(self, value: &mut [u8], offset: u64, new: i64) {
        for bit in 0..u64::from(self.bits) {
            let on = new >> (u64::from(self.bits) - 1 - bit) & 1 == 1;
            bits::set(value, offset + bit, on);
        }
    }

    /// The lowest bits as a number of this type.
    fn extend(self, raw: u64) -> i64 {
        let unused = 64 - self.bits;
        if self.signed { (raw << unused).cast_signed() >> unused } else { (raw << unused >> unused).cast_signed() }
    }

    fn fit(self, wide: i128, overflow: Overflow) -> Option<i64> {
        let (low, high) = if self.signed {
            (-(1_i128 << (self.bits - 1)), (1_i128 << (self.bits - 1)) - 1)
        } else {
            (0, (1_i128 << self.bits) - 1)
        };
        let fitting = match overflow {
            _ if (low..=high).contains(&wide) => wide,
            Overflow::Fail => return None,
            Overflow::Saturate => wide.clamp(low, high),
            // Two's complement: only the lowest bits stay.
            Overflow::Wrap => return Some(self.extend((wide & i128::from(u64::MAX)) as u64)),
        };
        i64::try_from(fitting).ok()
    }
}
