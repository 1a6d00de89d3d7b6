//! Single bits of a string; bit 0 is the highest of the first byte.

/// The byte of a bit and its mask there.
fn place(offset: u64) -> (usize, u8) {
    // An offset is checked against the length of the longest string when it is parsed.
    (usize::try_from(offset / 8).unwrap_or(usize::MAX), 0x80 >> (offset % 8))
}

/// What is behind the end is zero.
pub(super) fn get(value: &[u8], offset: u64) -> bool {
    let (byte, mask) = place(offset);
    value.get(byte).is_some_and(|b| b & mask != 0)
}

/// Of a bit within the value.
pub(super) fn set(value: &mut [u8], offset: u64, on: bool) {
    let (byte, mask) = place(offset);
    if let Some(b) = value.get_mut(byte) {
        *b = if on { *b | mask } else { *b & !mask };
    }
}

/// How many bits from `first` to `last` are set. Both lie within the value.
pub(super) fn count(value: &[u8], first: u64, last: u64) -> i64 {
    let (from, to) = (place(first).0, place(last).0);
    let head = 0xff_u8 >> (first % 8);
    let tail = !(0x7f_u8 >> (last % 8));
    let bytes = value.get(from..=to).unwrap_or_default();
    let end = bytes.len().saturating_sub(1);
    let ones = |(i, b): (usize, &u8)| {
        let b = if i == 0 { b & head } else { *b };
        let b = if i == end { b & tail } else { b };
        i64::from(b.count_ones())
    };
    bytes.iter().enumerate().map(ones).sum()
}

/// The first bit from `first` to `last` that is `wanted`. Both lie within the value.
pub(super) fn find(value: &[u8], wanted: bool, first: u64, last: u64) -> Option<u64> {
    let nothing = if wanted { 0x00 } else { 0xff };
    let mut at = first;
    while at <= last {
        // Whole bytes without such a bit are passed over.
        if at.is_multiple_of(8) && at + 7 <= last && value.get(place(at).0) == Some(&nothing) {
            at += 8;
            continue;
        }
        if get(value, at) == wanted {
            return Some(at);
        }
        at += 1;
    }
    None
}
