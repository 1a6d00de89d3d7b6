//! Decodes small complete frames into owned values, with redis-protocol: for what we ask the upstream on our own
//! account (HELLO, AUTH, probes), where convenience counts and speed does not.
//!
//! Input: one whole frame. Output: redis-protocol's RESP3 type, RESP2 frames converted.
//!
//! Must never: see a frame that our own scanner has not bounded first. The library's decoder recurses.

use bytes::Bytes;
use redis_protocol::{resp2, resp3};

use super::{Proto, ReplyScanner};

pub use redis_protocol::resp3::types::BytesFrame;

/// The largest frame decoded, in bytes. The longest that is asked for here, HELLO's reply or INFO of a section, has
/// a few thousand.
pub const MAX_DECODE: usize = 64 * 1024;

/// The deepest nesting decoded. HELLO's list of modules has three levels; the library needs some KB of stack for each.
pub const MAX_DECODE_DEPTH: usize = 16;

/// Decodes `frame`, which must be one whole reply and nothing more.
///
/// `None`: it is not, or it is beyond [`MAX_DECODE`] or [`MAX_DECODE_DEPTH`], or of a kind that the library lacks
/// (a map or set with aggregates as keys, a null of RESP2 in a RESP3 frame). A RESP2 published message comes as a push.
pub fn decode(frame: &[u8], proto: Proto) -> Option<BytesFrame> {
    if frame.len() > MAX_DECODE {
        return None;
    }
    let scanned = ReplyScanner::with_max_depth(MAX_DECODE_DEPTH).scan(frame);
    if scanned != Ok(Some(frame.len())) {
        return None;
    }
    let bytes = Bytes::copy_from_slice(frame);
    let decoded = match proto {
        Proto::Resp2 => resp2::decode::decode_bytes(&bytes).ok()?.map(|(frame, len)| (frame.into_resp3(), len)),
        Proto::Resp3 => resp3::decode::complete::decode_bytes(&bytes).ok()?,
    };
    let (value, len) = decoded?;
    (len == frame.len()).then_some(value)
}
