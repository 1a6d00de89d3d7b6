//! The longest common subsequence of two strings, and where it lies in them: LCS.
//!
//! Among equally long ones it is Redis's: found from the ends of both strings, and where neither byte counts, the second
//! string is shortened unless the first one's shorter part has more in common.
//!
//! Redis fills a matrix of lengths. Here a bit says of each place whether its length is greater than that of the place before
//! it in its row, and a row follows from the one above in an addition for 64 places (Hyyrö, "Bit-parallel LCS-length
//! computation revisited", 2004). Where bytes differ, that bit is also which string Redis shortens. So what Redis takes at
//! most is some milliseconds and 32 MB, and nobody waits.

use super::{Complaint, MAX_STRING};

const TOO_MUCH: Complaint = "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len";
/// Of Redis's matrix.
const BYTES_PER_PLACE: usize = 4;
const WORD: usize = 64;

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

pub(in crate::transform) fn longest(first: &[u8], second: &[u8]) -> Result<Common, Complaint> {
    let places = (first.len() + 1).checked_mul(second.len() + 1).and_then(|n| n.checked_mul(BYTES_PER_PLACE));
    if places.is_none_or(|bytes| bytes > MAX_STRING) {
        return Err(TOO_MUCH);
    }
    let grows = rows(first, second);
    let mut common = Common::default();
    let (mut i, mut j) = (first.len(), second.len());
    while i > 0 && j > 0 {
        if first[i - 1] == second[j - 1] {
            (i, j) = (i - 1, j - 1);
            common.len += 1;
            match common.pieces.last_mut() {
                Some(piece) if piece.first == i + 1 && piece.second == j + 1 => {
                    *piece = Piece { first: i, second: j, len: piece.len + 1 };
                }
                _ => common.pieces.push(Piece { first: i, second: j, len: 1 }),
            }
        } else if grows.get((i - 1) * second.len() + j - 1) {
            i -= 1;
        } else {
            j -= 1;
        }
    }
    Ok(common)
}

/// A row of bits per byte of the first string, one bit per byte of the second.
fn rows(first: &[u8], second: &[u8]) -> Bits {
    let words = second.len().div_ceil(WORD);
    let mut bits = Bits::with_capacity(first.len() * second.len());
    // For each byte of the first string, where the second has it.
    let mut places: Vec<Vec<u64>> = vec![Vec::new(); 256];
    for byte in first {
        places[usize::from(*byte)].resize(words, 0);
    }
    for (at, byte) in second.iter().enumerate() {
        if let Some(word) = places[usize::from(*byte)].get_mut(at / WORD) {
            *word |= 1 << (at % WORD);
        }
    }
    let mut stays = vec![u64::MAX; words];
    for byte in first {
        let mut carry = false;
        for (at, (stays, here)) in stays.iter_mut().zip(&places[usize::from(*byte)]).enumerate() {
            let (sum, one) = stays.overflowing_add(*stays & here);
            let (sum, other) = sum.overflowing_add(u64::from(carry));
            carry = one || other;
            *stays = sum | (*stays & !here);
            bits.push(!*stays, WORD.min(second.len() - at * WORD));
        }
    }
    bits
}

/// Bits without gaps, however short the rows are.
struct Bits {
    words: Vec<u64>,
    len: usize,
}

impl Bits {
    fn with_capacity(bits: usize) -> Self {
        Self { words: Vec::with_capacity(bits / WORD + 1), len: 0 }
    }

    /// So many, from the lowest on; what is above them does not matter.
    fn push(&mut self, bits: u64, count: usize) {
        let bits = if count < WORD { bits & ((1 << count) - 1) } else { bits };
        let used = self.len % WORD;
        match self.words.last_mut().filter(|_| used > 0) {
            Some(last) => {
                *last |= bits << used;
                if used + count > WORD {
                    self.words.push(bits >> (WORD - used));
                }
            }
            None => self.words.push(bits),
        }
        self.len += count;
    }

    fn get(&self, at: usize) -> bool {
        self.words[at / WORD] & (1 << (at % WORD)) != 0
    }
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
            assert_eq!(longest(first, second), Ok(Common::default()));
        }
    }

    /// As Redis has it.
    fn by_matrix(first: &[u8], second: &[u8]) -> Common {
        let mut lengths = vec![vec![0; second.len() + 1]; first.len() + 1];
        for i in 1..=first.len() {
            for j in 1..=second.len() {
                lengths[i][j] = if first[i - 1] == second[j - 1] {
                    lengths[i - 1][j - 1] + 1
                } else {
                    lengths[i - 1][j].max(lengths[i][j - 1])
                };
            }
        }
        let (mut i, mut j) = (first.len(), second.len());
        let mut common = Common { len: lengths[i][j], pieces: Vec::new() };
        while i > 0 && j > 0 {
            if first[i - 1] == second[j - 1] {
                (i, j) = (i - 1, j - 1);
                match common.pieces.last_mut() {
                    Some(piece) if piece.first == i + 1 && piece.second == j + 1 => {
                        *piece = Piece { first: i, second: j, len: piece.len + 1 };
                    }
                    _ => common.pieces.push(Piece { first: i, second: j, len: 1 }),
                }
            } else if lengths[i - 1][j] > lengths[i][j - 1] {
                i -= 1;
            } else {
                j -= 1;
            }
        }
        common
    }

    proptest::proptest! {
        #[test]
        fn bits_find_what_a_matrix_finds(
            first in proptest::collection::vec(b'a'..b'd', 0..200),
            second in proptest::collection::vec(b'a'..b'e', 0..200),
        ) {
            assert_eq!(longest(&first, &second).unwrap(), by_matrix(&first, &second));
        }
    }

    #[test]
    fn redis_bound_is_reached_without_a_wait() {
        let (long, short) = (vec![b'a'; 1024 * 1024], vec![b'a'; 126]);
        assert_eq!(longest(&long, &short).unwrap().len, 126);
        assert_eq!(longest(&long, &[&short[..], b"aa"].concat()), Err(TOO_MUCH));
        assert_eq!(longest(&long[..11_585], &long[..11_584]), Err(TOO_MUCH));
        assert_eq!(longest(&long[..11_584], &long[..11_584]).unwrap().len, 11_584);
    }
}
