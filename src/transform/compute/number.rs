//! Integers as Redis reads and writes them.

/// An integer in the one form that Redis takes: no spaces, no plus sign, no leading zeros, no `-0`.
pub(in crate::transform) fn integer(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let leading_zero = digits.first() == Some(&b'0') && (digits.len() > 1 || text.len() > 1);
    // `parse` takes a plus sign and leading zeros.
    if leading_zero || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}
