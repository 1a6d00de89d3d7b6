//! What can be wrong with bytes: a client's ([`ProtocolError`]) and the upstream's ([`ReplyError`]).
//!
//! Neither carries bytes of a frame, but for the single byte that Redis names to its client in "expected '$'";
//! `Debug` hides that one, so that logs can use it.

use std::fmt;

/// Why a client's bytes are no request. The connection is closed after the reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProtocolError {
    /// The argument count is no number or beyond Redis's bound.
    InvalidMultibulkLength,
    /// More arguments than allowed before authentication.
    UnauthenticatedMultibulkLength,
    /// The line that should hold the argument count does not end.
    TooBigMultibulkCount,
    /// An argument does not begin with `$`.
    ExpectedBulk(UnexpectedByte),
    /// An argument's length is no number, negative, or beyond the bound.
    InvalidBulkLength,
    /// A longer argument than allowed before authentication.
    UnauthenticatedBulkLength,
    /// The line that should hold an argument's length does not end.
    TooBigBulkCount,
    /// An argument is not followed by CRLF. Redis does not look; we do, because the bytes are passed on and another
    /// server might read them otherwise.
    MissingCrlf,
    /// An inline command does not end.
    TooBigInline,
    /// An inline command with a quote that does not close, or closes within a word.
    UnbalancedQuotes,
    /// An inline command with a NUL byte. Redis reads no further and keeps its client waiting; we say so.
    NulInInline,
    /// A browser or a server was made to speak to us: the connection is closed without a reply, as Redis does.
    Http,
}

/// The byte found where `$` was expected. Goes to the client that sent it and nowhere else.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct UnexpectedByte(pub(super) u8);

impl fmt::Debug for UnexpectedByte {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

impl ProtocolError {
    /// The text of the error reply, beginning with its code (`ERR Protocol error: ...`), byte for byte as Redis
    /// 7.0 writes it. `None`: close without a reply.
    pub fn reply(self) -> Option<Vec<u8>> {
        if self == Self::Http {
            return None;
        }
        let mut text = b"ERR Protocol error: ".to_vec();
        match self {
            Self::ExpectedBulk(UnexpectedByte(got)) => {
                text.extend_from_slice(b"expected '$', got '");
                text.push(if matches!(got, b'\r' | b'\n') { b' ' } else { got });
                text.push(b'\'');
            }
            _ => text.extend_from_slice(self.fault().as_bytes()),
        }
        Some(text)
    }

    /// What is wrong, without the code, the prefix and any byte of the request: for logs and counters.
    pub const fn fault(self) -> &'static str {
        match self {
            Self::InvalidMultibulkLength => "invalid multibulk length",
            Self::UnauthenticatedMultibulkLength => "unauthenticated multibulk length",
            Self::TooBigMultibulkCount => "too big mbulk count string",
            Self::ExpectedBulk(_) => "expected '$'",
            Self::InvalidBulkLength => "invalid bulk length",
            Self::UnauthenticatedBulkLength => "unauthenticated bulk length",
            Self::TooBigBulkCount => "too big bulk count string",
            Self::MissingCrlf => "expected CRLF after a bulk string",
            Self::TooBigInline => "too big inline request",
            Self::UnbalancedQuotes => "unbalanced quotes in request",
            Self::NulInInline => "NUL byte in inline request, send it as a bulk string",
            Self::Http => "an HTTP request on the Redis port",
        }
    }
}

/// As [`ProtocolError::reply`] without the code; a byte that is not ASCII shows as U+FFFD.
impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reply() {
            Some(text) => {
                let text = String::from_utf8_lossy(&text);
                f.write_str(text.strip_prefix("ERR ").unwrap_or(&text))
            }
            None => f.write_str(self.fault()),
        }
    }
}

impl std::error::Error for ProtocolError {}

/// Why the upstream's bytes are no reply. The lane they came on is lost: nobody knows where the next reply begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReplyError {
    /// The first byte names no type of RESP2 or RESP3.
    UnknownType,
    /// A streamed type of the RESP3 specification, which Redis never sends.
    Streamed,
    /// A length or count is no number, or negative where no null is meant.
    InvalidLength,
    /// A scalar (integer, boolean, double, big number, null) that is not one.
    InvalidScalar,
    /// A line or a bulk string does not end with CRLF, or a line holds a lone CR or LF.
    MissingCrlf,
    /// A line longer than [`MAX_REPLY_LINE`](super::MAX_REPLY_LINE).
    LineTooLong,
    /// A bulk string longer than [`MAX_BULK`](super::MAX_BULK).
    BulkTooLong,
    /// More elements than [`MAX_REPLY_COUNT`](super::MAX_REPLY_COUNT).
    TooManyElements,
    /// Nested deeper than [`MAX_REPLY_DEPTH`](super::MAX_REPLY_DEPTH).
    TooDeep,
}

impl ReplyError {
    /// What is wrong, in a few words, for logs and counters.
    pub const fn fault(self) -> &'static str {
        match self {
            Self::UnknownType => "unknown type byte",
            Self::Streamed => "streamed type",
            Self::InvalidLength => "invalid length or count",
            Self::InvalidScalar => "invalid scalar",
            Self::MissingCrlf => "missing CRLF",
            Self::LineTooLong => "line too long",
            Self::BulkTooLong => "bulk string too long",
            Self::TooManyElements => "too many elements",
            Self::TooDeep => "nested too deep",
        }
    }
}

impl fmt::Display for ReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the upstream sent bytes that are no Redis reply ({}); the connection is given up, check that the \
             upstream address is a Redis server's",
            self.fault()
        )
    }
}

impl std::error::Error for ReplyError {}
