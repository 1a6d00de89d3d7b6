//! The longest common subsequence of two strings, and where it lies in them: LCS.
//!
//! Among equally long ones it is Redis's: found from the ends of both strings, and where neither byte counts, the second
//! string is shortened unless the first one's shorter part has more in common.

/// So many pairs of bytes are compared: some hundredths of a second, in which nobody else is served.
pub(in crate::transform) const MAX_PAIRS: usize = 16 * 1024 * 1024;

/// A part of the subsequence that is one piece in both strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::transform) struct Piece {
    pub first: usize,
    pub second: usize,
    pub len: usize,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::transform) struct Common {
    pub len: usize,
    /// From the last to the first.
    pub pieces: Vec<Piece>,
}

/// `None`: there are too many pairs of bytes.
pub(in crate::transform) fn longest(first: &[u8], second: &[u8]) -> Option<Common> {
    let pairs = first.len().checked_mul(second.len()).filter(|pairs| *pairs <= MAX_PAIRS)?;
    // Of each pair, one bit: is the first string the one to shorten? The lengths themselves are needed for one row only.
    let mut shortens_first = vec![0_u64; pairs.div_ceil(64)];
    let mut row = vec![0_u32; second.len() + 1];
    for (i, one) in first.iter().enumerate() {
        // What the row above has one place to the left.
        let mut diagonal = 0;
        for (j, other) in second.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = if one == other {
                diagonal + 1
            } else if above > row[j] {
                let pair = i * second.len() + j;
                shortens_first[pair / 64] |= 1 << (pair % 64);
                above
            } else {
                row[j]
            };
            diagonal = above;
        }
    }
    let len = row.last().map_or(0, |len| usize::try_from(*len).unwrap_or(usize::MAX));
    let mut pieces: Vec<Piece> = Vec::new();
    let (mut i, mut j) = (first.len(), second.len());
    while i > 0 && j > 0 {
        let pair = (i - 1) * second.len() + j - 1;
        if first[i - 1] == second[j - 1] {
            (i, j) = (i - 1, j - 1);
            match pieces.last_mut() {
                Some(piece) if piece.first == i + 1 && piece.second == j + 1 => {
                    *piece = Piece { first: i, second: j, len: piece.len + 1 };
                }
                _ => pieces.push(Piece { first: i, second: j, len: 1 }),
            }
        } else if shortens_first[pair / 64] & (1 << (pair % 64)) != 0 {
            i -= 1;
        } else {
            j -= 1;
        }
    }
    Some(Common { len, pieces })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redis_example() {
        let common = longest(b"ohmytext", b"mynewtext").unwrap();
        let pieces = [Piece { first: 4, second: 5, len: 4 }, Piece { first: 2, second: 0, len: 2 }];
        assert_eq!(common, Common { len: 6, pieces: pieces.into() });
    }

    #[test]
    fn nothing_in_common() {
        for (first, second) in [(&b""[..], &b""[..]), (b"", b"a"), (b"a", b""), (b"a", b"b")] {
            assert_eq!(longest(first, second), Some(Common::default()));
        }
    }

    #[test]
    fn what_would_take_long_is_not_begun() {
        let long = vec![b'a'; 4096];
        assert_eq!(longest(&long, &long).unwrap().len, 4096);
        assert_eq!(longest(&long, &[&long[..], b"a"].concat()), None);
    }
}
