//! Floating point numbers as Redis has them on x86-64: C's `long double`, which has 64 bits of mantissa.
//!
//! INCRBYFLOAT adds two of them and stores the sum with 17 digits after the point, so a sum in `f64` would
//! differ. On other processors Redis's own sums differ from these in the last digits.

use num_bigint::BigUint;
use rustc_apfloat::ieee::{Double, X87DoubleExtended};
use rustc_apfloat::{Float, FloatConvert, Round, Status};

/// Redis writes so many digits after the point, and then leaves zeros at the end out.
const DIGITS: u32 = 17;
/// In the 80-bit format: the exponent's bias, and the bits of the mantissa behind the first.
const BIAS: i32 = 16383;
const MANTISSA_BITS: i32 = 63;
/// A longer text is no number that a person or program wrote; Redis's own buffer is of this size.
const MAX_TEXT: usize = 5 * 1024;

/// A number, or an infinity.
#[derive(Debug, Clone, Copy)]
pub(super) struct LongDouble(X87DoubleExtended);

impl LongDouble {
    /// As C's `strtold` reads it, all of it, without spaces before it, and without NaN; what is too large or too
    /// small to be represented is refused.
    pub fn parse(text: &[u8]) -> Option<Self> {
        read(text).map(Self)
    }

    pub fn is_finite(self) -> bool {
        self.0.is_finite()
    }

    /// The sum, if it is a number.
    pub fn plus(self, other: Self) -> Option<Self> {
        let sum = (self.0 + other.0).value;
        sum.is_finite().then_some(Self(sum))
    }

    pub const ZERO: Self = Self(X87DoubleExtended::ZERO);

    /// As Redis stores it: no exponent, no zeros at the end. Only of a finite number.
    pub fn text(self) -> Vec<u8> {
        let bits = self.0.to_bits();
        let negative = bits >> 79 & 1 == 1;
        let biased = i32::try_from(bits >> 64 & 0x7fff).unwrap_or_default();
        let mantissa = BigUint::from(u64::try_from(bits & u128::from(u64::MAX)).unwrap_or_default());
        // Subnormal numbers have the exponent of the smallest normal ones.
        let exponent = biased.max(1) - BIAS - MANTISSA_BITS;
        let scaled = mantissa * BigUint::from(10_u32).pow(DIGITS);
        let rounded = match u32::try_from(exponent) {
            Ok(up) => scaled << up,
            Err(_) => half_even(&scaled, exponent.unsigned_abs()),
        };
        let digits = format!("{:0>width$}", rounded.to_string(), width = DIGITS as usize + 1);
        let (whole, fraction) = digits.split_at(digits.len() - DIGITS as usize);
        let fraction = fraction.trim_end_matches('0');
        let number = if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") };
        // There is no minus zero.
        let sign = if negative && number != "0" { "-" } else { "" };
        format!("{sign}{number}").into_bytes()
    }
}

/// The same as C's `strtod` reads it.
pub(super) fn double(text: &[u8]) -> Option<f64> {
    read::<Double>(text).map(|double| f64::from_bits(u64::try_from(double.to_bits()).unwrap_or_default()))
}

/// The same, and none that is so small that digits of it are lost: of those C's `strtod` says that they are out of range.
pub(super) fn whole_double(text: &[u8]) -> Option<f64> {
    let number = double(text)?;
    let exact = || read::<X87DoubleExtended>(text).is_some_and(|wide| wide.to_bits() == widened(number));
    (!number.is_subnormal() || exact()).then_some(number)
}

fn widened(number: f64) -> u128 {
    let mut lost = false;
    let wide: X87DoubleExtended = Double::from_bits(number.to_bits().into()).convert(&mut lost).value;
    wide.to_bits()
}

fn read<F: Float>(text: &[u8]) -> Option<F> {
    if text.len() > MAX_TEXT {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let parsed = if ["inf", "infinity"].iter().any(|word| digits.eq_ignore_ascii_case(word)) {
        F::INFINITY
    } else {
        let (form, is_zero) = normal_form(digits)?;
        let parsed = F::from_str_r(&form, Round::NearestTiesToEven).ok()?;
        if parsed.status.contains(Status::OVERFLOW) || (parsed.value.is_zero() && !is_zero) {
            return None;
        }
        parsed.value
    };
    Some(if negative { -parsed } else { parsed })
}

/// `n` / 2^`shift`, to the nearest integer, ties to the even one.
fn half_even(n: &BigUint, shift: u32) -> BigUint {
    let quotient = n >> shift;
    let rest = n - (&quotient << shift);
    let half = BigUint::from(1_u32) << (shift - 1);
    let up = rest > half || (rest == half && quotient.bit(0));
    if up { quotient + 1_u32 } else { quotient }
}

/// Checks C's grammar of a number without sign and gives a form that the library reads; says whether all
/// digits are zeros.
fn normal_form(text: &str) -> Option<(String, bool)> {
    let (hex, rest) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let is_digit = |c: char| if hex { c.is_ascii_hexdigit() } else { c.is_ascii_digit() };
    let mark = if hex { ['p', 'P'] } else { ['e', 'E'] };
    let (mantissa, exponent) = match rest.split_once(mark) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (rest, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let empty = whole.is_empty() && fraction.is_empty();
    if empty || !whole.chars().chain(fraction.chars()).all(is_digit) {
        return None;
    }
    if let Some(exponent) = exponent {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        if digits.is_empty() || !digits.chars().all(|c| c.is_ascii_digit()) {
            return None;
        }
    }
    let is_zero = mantissa.chars().all(|c| matches!(c, '0' | '.'));
    let whole = if whole.is_empty() { "0" } else { whole };
    let fraction = if fraction.is_empty() { "0" } else { fraction };
    let (prefix, mark) = if hex { ("0x", "p") } else { ("", "e") };
    Some((format!("{prefix}{whole}.{fraction}{mark}{}", exponent.unwrap_or("0")), is_zero))
}
