//! The two things every header needs: where its line ends, and the number in it.

/// What is wrong with a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum LineFault {
    TooLong,
    /// A CR that no LF follows.
    LoneCr,
}

/// Where the CR of the line beginning at `start` is; `None` while the line is incomplete.
///
/// `searched` remembers how far earlier calls have looked, so that a line fed byte by byte costs each byte once. The
/// verdict depends on the bytes only, never on how they were cut.
pub(super) fn line_end(
    data: &[u8],
    start: usize,
    searched: &mut usize,
    max: usize,
) -> Result<Option<usize>, LineFault> {
    let from = start.max(*searched);
    let to = data.len().min(start.saturating_add(max).saturating_add(1));
    let found = data.get(from..to).and_then(|window| window.iter().position(|&b| b == b'\r'));
    let Some(offset) = found else {
        *searched = from.max(to);
        return if to.saturating_sub(start) > max { Err(LineFault::TooLong) } else { Ok(None) };
    };
    let cr = from + offset;
    match data.get(cr + 1) {
        Some(b'\n') => Ok(Some(cr)),
        Some(_) => Err(LineFault::LoneCr),
        None => {
            *searched = cr;
            Ok(None)
        }
    }
}

/// Most headers hold a number of so many digits or fewer.
const SHORT_DIGITS: usize = 5;

/// The common header in one pass: a number without sign on a complete line whose type byte is at `start`, and where
/// the next line begins. `None`: anything else, to be looked at with care.
#[inline]
pub(super) fn short_header(data: &[u8], start: usize) -> Option<(usize, usize)> {
    let line = data.get(start + 1..)?;
    let mut value = 0;
    for (i, &b) in line.iter().take(SHORT_DIGITS + 1).enumerate() {
        let digit = b.wrapping_sub(b'0');
        if digit <= 9 {
            value = value * 10 + usize::from(digit);
        } else if b == b'\r' && i > 0 && line.get(i + 1) == Some(&b'\n') {
            // No leading zeros: a careful look refuses them.
            let canonical = i == 1 || line[0] != b'0';
            return canonical.then_some((value, start + i + 3));
        } else {
            return None;
        }
    }
    None
}

/// The longest number without overflow checks: every number of 18 digits fits.
const SAFE_DIGITS: usize = 18;

/// A decimal integer as Redis reads and writes it: no plus sign, no leading zeros, no `-0`, no blanks.
pub(super) fn parse_int(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    match digits {
        [] => return None,
        [b'0'] => return if negative { None } else { Some(0) },
        [b'0', ..] => return None,
        _ => {}
    }
    if digits.len() <= SAFE_DIGITS {
        let mut value = 0i64;
        for &b in digits {
            let digit = b.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            value = value * 10 + i64::from(digit);
        }
        return Some(if negative { -value } else { value });
    }
    // Towards the sign's side, so that the smallest number fits too.
    let mut value = 0i64;
    for &b in digits {
        let digit = b.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?;
        value = if negative { value.checked_sub(i64::from(digit))? } else { value.checked_add(i64::from(digit))? };
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_redis_does() {
        for n in [0, 1, -1, 10, i64::MAX, i64::MIN, 999_999_999_999_999_999] {
            assert_eq!(parse_int(n.to_string().as_bytes()), Some(n));
        }
        for bad in [
            "",
            "-",
            "+1",
            "01",
            "-0",
            "-01",
            " 1",
            "1 ",
            "1a",
            "0x1",
            "9223372036854775808",
            "-9223372036854775809",
            "99999999999999999999999",
            "1\0",
        ] {
            assert_eq!(parse_int(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn a_short_header_is_what_a_careful_look_finds() {
        for (bytes, found) in [
            (&b"x$0\r\n"[..], Some((0, 5))),
            (b"x$12345\r\nrest", Some((12345, 9))),
            (b"x$123456\r\n", None),
            (b"x$01\r\n", None),
            (b"x$\r\n", None),
            (b"x$-1\r\n", None),
            (b"x$1\r", None),
            (b"x$1", None),
            (b"x$1\rX", None),
            (b"x$", None),
            (b"x", None),
        ] {
            assert_eq!(short_header(bytes, 1), found);
        }
    }

    #[test]
    fn a_line_is_judged_alike_however_it_is_cut() {
        for (bytes, verdict) in [
            (&b":1234\r\nrest"[..], Ok(Some(5))),
            (b":12345678\r\n", Err(LineFault::TooLong)),
            (b":1234567\r\n", Ok(Some(8))),
            (b":12345678", Err(LineFault::TooLong)),
            (b":1\r:", Err(LineFault::LoneCr)),
            (b":1\r", Ok(None)),
            (b"", Ok(None)),
        ] {
            assert_eq!(line_end(bytes, 0, &mut 0, 8), verdict);
            let mut searched = 0;
            let mut last = Ok(None);
            for n in 0..=bytes.len() {
                last = line_end(&bytes[..n], 0, &mut searched, 8);
                if last != Ok(None) {
                    break;
                }
            }
            assert_eq!(last, verdict);
        }
    }
}
