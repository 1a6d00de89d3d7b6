//! Redis protocol framing: bytes <-> frames.
//!
//! Job: say where a request or a reply ends and what it consists of, refuse what is malformed or too big, and
//! write frames.
//!
//! Inputs: bytes as they arrive, in pieces of any size. Outputs: frame lengths, argument ranges, tokens, encoded
//! frames.
//!
//! Must never: recurse on the peer's word, allocate by a declared length, look twice at bytes already scanned, or
//! show a byte of a frame in `Debug`.
//!
//! The scanners are ours because a decoder that starts again with each piece is quadratic and one that recurses
//! can be made to overflow the stack. redis-protocol decodes small frames for local needs ([`codec`]) and is the
//! oracle of the property tests.

pub mod codec;
pub mod encode;
mod error;
mod inline;
mod limits;
mod line;
mod reply;
mod request;
#[cfg(test)]
mod tests;
mod walk;

pub use error::{ProtocolError, ReplyError, UnexpectedByte};
pub use limits::{
    MAX_BULK, MAX_INLINE, MAX_REPLY_COUNT, MAX_REPLY_DEPTH, MAX_REPLY_LINE, MAX_REQUEST_ARGS, RequestLimits,
    UNAUTHENTICATED_MAX_ARGS, UNAUTHENTICATED_MAX_BULK,
};
pub use reply::ReplyScanner;
pub use request::{RawRequest, RequestScanner};
pub use walk::{Token, Walker};

/// The version of the protocol that a connection speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Proto {
    Resp2,
    Resp3,
}
