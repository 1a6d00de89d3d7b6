//! Scores, weights and other numbers that Redis has as C's `double`.

use super::float;

/// As Redis reads a number from an argument: all of the text, no spaces before it, no NaN, nothing that is too large.
pub(in crate::transform) fn parse(text: &[u8]) -> Option<f64> {
    float::double(text)
}

/// As Redis 7.0 writes one: C's `%.17g`. Later servers write the shortest text that means the same number.
pub(in crate::transform) fn text(score: f64) -> Vec<u8> {
    /// C's `g` writes numbers plainly from 10^-4 on and below 10^DIGITS.
    const DIGITS: i32 = 17;
    if score.is_infinite() {
        return if score > 0.0 { b"inf".to_vec() } else { b"-inf".to_vec() };
    }
    let scientific = format!("{score:.*e}", DIGITS as usize - 1);
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific.into_bytes() };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let trimmed = |number: &str| match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => number.to_owned(),
    };
    if (-4..DIGITS).contains(&exponent) {
        let decimals = usize::try_from(DIGITS - 1 - exponent).unwrap_or_default();
        return trimmed(&format!("{score:.decimals$}")).into_bytes();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trimmed(mantissa), exponent.abs()).into_bytes()
}

/// The same for a score that is stored: in the compact form of a small sorted set Redis keeps no negative zero, which
/// members as long as envelopes would have it keep.
pub(in crate::transform) fn stored(score: f64) -> Vec<u8> {
    text(score + 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_as_c_does() {
        for (number, wanted) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (0.1, "0.10000000000000001"),
            (3.3333333333333335, "3.3333333333333335"),
            (1e-4, "0.0001"),
            (1e-5, "1.0000000000000001e-05"),
            (1e16, "10000000000000000"),
            (1e17, "1e+17"),
            (1e300, "1.0000000000000001e+300"),
            (5e-324, "4.9406564584124654e-324"),
            (123456789.125, "123456789.125"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(String::from_utf8(text(number)).unwrap(), wanted);
        }
    }

    #[test]
    fn is_read_as_redis_reads_it() {
        for (text, wanted) in [
            ("1", Some(1.0)),
            ("+2.5", Some(2.5)),
            ("-.5", Some(-0.5)),
            ("5.", Some(5.0)),
            ("1e3", Some(1000.0)),
            ("0x10", Some(16.0)),
            ("0x1p-1", Some(0.5)),
            ("inf", Some(f64::INFINITY)),
            ("-Infinity", Some(f64::NEG_INFINITY)),
            ("0e999", Some(0.0)),
            ("1e400", None),
            ("1e-400", None),
            ("4.9406564584124654e-324", Some(5e-324)),
            ("nan", None),
            ("", None),
            (" 1", None),
            ("1 ", None),
            ("1e", None),
            ("--1", None),
        ] {
            assert_eq!(parse(text.as_bytes()), wanted, "{text}");
        }
    }
}
