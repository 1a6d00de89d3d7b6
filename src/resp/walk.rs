//! Reads a complete reply, token by token.
//!
//! Input: the bytes of one frame that a [`ReplyScanner`](super::ReplyScanner) has found complete. Output: tokens
//! that borrow from it, and raw values by position, so that what needs no opening is copied as it is.
//!
//! Must never: recurse or allocate. Given bytes that are no complete frame it ends early and does nothing worse.

use std::fmt;

use super::line::{parse_int, short_header};

/// One scalar, or the header of an aggregate whose values follow.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Token<'a> {
    Simple(&'a [u8]),
    Error(&'a [u8]),
    BlobError(&'a [u8]),
    Integer(i64),
    Bulk(&'a [u8]),
    /// The whole payload: three bytes of format, a colon, the text.
    Verbatim(&'a [u8]),
    /// `_`, and RESP2's `$-1` and `*-1`.
    Null,
    Bool(bool),
    /// As it is written.
    Double(&'a [u8]),
    /// As it is written.
    BigNumber(&'a [u8]),
    /// So many values follow.
    Array(usize),
    /// So many pairs follow.
    Map(usize),
    /// So many values follow.
    Set(usize),
    /// So many values follow.
    Push(usize),
    /// So many pairs follow, and then the value that they describe.
    Attribute(usize),
}

impl Token<'_> {
    /// Whether values follow that belong to it.
    pub const fn is_aggregate(&self) -> bool {
        matches!(self, Self::Array(_) | Self::Map(_) | Self::Set(_) | Self::Push(_) | Self::Attribute(_))
    }

    /// How many values must be read before this one, with all that it holds or announces, is complete.
    fn follow(self) -> u64 {
        let widen = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        match self {
            Self::Array(n) | Self::Set(n) | Self::Push(n) => widen(n),
            Self::Map(n) => widen(n).saturating_mul(2),
            Self::Attribute(n) => widen(n).saturating_mul(2).saturating_add(1),
            _ => 0,
        }
    }
}

/// Shows types and sizes, never a byte of a value.
impl fmt::Debug for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Simple(text) => write!(f, "Simple({} bytes)", text.len()),
            Self::Error(text) => write!(f, "Error({} bytes)", text.len()),
            Self::BlobError(text) => write!(f, "BlobError({} bytes)", text.len()),
            Self::Integer(_) => f.write_str("Integer"),
            Self::Bulk(bytes) => write!(f, "Bulk({} bytes)", bytes.len()),
            Self::Verbatim(bytes) => write!(f, "Verbatim({} bytes)", bytes.len()),
            Self::Null => f.write_str("Null"),
            Self::Bool(_) => f.write_str("Bool"),
            Self::Double(_) => f.write_str("Double"),
            Self::BigNumber(_) => f.write_str("BigNumber"),
            Self::Array(n) => write!(f, "Array({n})"),
            Self::Map(n) => write!(f, "Map({n})"),
            Self::Set(n) => write!(f, "Set({n})"),
            Self::Push(n) => write!(f, "Push({n})"),
            Self::Attribute(n) => write!(f, "Attribute({n})"),
        }
    }
}

/// The iterator over a frame's tokens. Ends after the last one, or where the bytes are no frame.
#[derive(Clone)]
pub struct Walker<'a> {
    frame: &'a [u8],
    pos: usize,
}

impl<'a> Walker<'a> {
    pub const fn new(frame: &'a [u8]) -> Self {
        Self { frame, pos: 0 }
    }

    /// Where the next token begins, in bytes from the frame's beginning.
    pub const fn pos(&self) -> usize {
        self.pos
    }

    /// Is the next value an error? By its first byte.
    pub fn at_error(&self) -> bool {
        matches!(self.frame.get(self.pos), Some(b'-' | b'!'))
    }

    /// Is it null, in one of its three forms? By its first bytes: no length but null's is negative.
    pub fn at_null(&self) -> bool {
        matches!(self.frame.get(self.pos..), Some([b'_', ..] | [b'$' | b'*', b'-', ..]))
    }

    /// The next token, without moving on.
    pub fn peek(&self) -> Option<Token<'a>> {
        self.read().map(|(token, _)| token)
    }

    /// Passes over the whole next value, with all values nested in it and the attributes before it, and returns its
    /// bytes.
    pub fn skip_value(&mut self) -> Option<&'a [u8]> {
        let start = self.pos;
        let mut wanted = 1u64;
        while wanted > 0 {
            let token = self.next()?;
            wanted = (wanted - 1).saturating_add(token.follow());
        }
        self.frame.get(start..self.pos)
    }

    /// The next token and where it ends.
    fn read(&self) -> Option<(Token<'a>, usize)> {
        let (&kind, rest) = self.frame.get(self.pos..)?.split_first()?;
        if kind == b'$'
            && let Some((len, start)) = short_header(self.frame, self.pos)
        {
            let end = start + len;
            let payload = self.frame.get(start..end)?;
            return (end + 2 <= self.frame.len()).then_some((Token::Bulk(payload), end + 2));
        }
        let cr = rest.iter().position(|&b| b == b'\r')?;
        let line = &rest[..cr];
        let next = self.pos + cr + 3;
        if next > self.frame.len() {
            return None;
        }
        let token = match kind {
            b'+' => Token::Simple(line),
            b'-' => Token::Error(line),
            b':' => Token::Integer(parse_int(line)?),
            b'_' => Token::Null,
            b'#' => Token::Bool(line == b"t"),
            b',' => Token::Double(line),
            b'(' => Token::BigNumber(line),
            b'$' | b'*' if line == b"-1" => Token::Null,
            b'$' | b'!' | b'=' => {
                let end = next.checked_add(usize::try_from(parse_int(line)?).ok()?)?;
                let payload = self.frame.get(next..end)?;
                let after = end + 2;
                if after > self.frame.len() {
                    return None;
                }
                let token = match kind {
                    b'$' => Token::Bulk(payload),
                    b'!' => Token::BlobError(payload),
                    _ => Token::Verbatim(payload),
                };
                return Some((token, after));
            }
            _ => {
                let count = usize::try_from(parse_int(line)?).ok()?;
                match kind {
                    b'*' => Token::Array(count),
                    b'%' => Token::Map(count),
                    b'~' => Token::Set(count),
                    b'>' => Token::Push(count),
                    b'|' => Token::Attribute(count),
                    _ => return None,
                }
            }
        };
        Some((token, next))
    }
}

impl<'a> Iterator for Walker<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let (token, next) = self.read()?;
        self.pos = next;
        Some(token)
    }
}
