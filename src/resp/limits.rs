//! The bounds of framing, each with its reason.
//!
//! Requests follow Redis 7.0, so that a client meets the same bounds here as at its database. Replies are bounded
//! because the upstream is trusted with ciphertext only, not with this process's memory or stack.

/// The largest bulk string, in bytes: Redis's default `proto-max-bulk-len`, and the most a Redis string can hold.
pub const MAX_BULK: usize = 512 * 1024 * 1024;

/// The most arguments in one request: Redis 7.0 accepts up to `INT_MAX`. Nothing is allocated by this number.
pub const MAX_REQUEST_ARGS: usize = i32::MAX as usize;

/// The longest inline command, and the longest line that should hold a count or a length, in bytes: Redis's
/// `PROTO_INLINE_MAX_SIZE`.
pub const MAX_INLINE: usize = 64 * 1024;

/// The most arguments before authentication: Redis's figure, enough for `HELLO 3 AUTH user pass SETNAME name`.
pub const UNAUTHENTICATED_MAX_ARGS: usize = 10;

/// The largest bulk string before authentication, in bytes: Redis's figure. A stranger cannot make us hold more
/// than ten of these.
pub const UNAUTHENTICATED_MAX_BULK: usize = 16 * 1024;

/// How deep the arrays, maps, sets, pushes and attributes of a reply may nest. A script can return a table that holds
/// itself, and Redis sends it until its Lua has no stack left: at 7,995. A lower bound would let one client's script
/// end the lane that others are on. Eight bytes are kept for each, as long as the reply comes in.
pub const MAX_REPLY_DEPTH: usize = 8192;

/// The most elements (or pairs) that one aggregate of a reply may declare: the most that a Redis list can hold.
pub const MAX_REPLY_COUNT: u64 = u32::MAX as u64;

/// The longest line of a reply, in bytes, type byte included. Status and error replies are short, but a line of
/// MONITOR shows whole commands, their values included.
pub const MAX_REPLY_LINE: usize = 64 * 1024 * 1024;

/// What a client may send in one request. Sizes in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RequestLimits {
    pub max_bulk: usize,
    pub max_args: usize,
    pub max_inline: usize,
    /// Chooses the error: before authentication a count or length that would be right later is named as such.
    pub authenticated: bool,
}

impl RequestLimits {
    /// For a client that has authenticated or need not. `max_bulk` is cut to [`MAX_BULK`].
    pub const fn authenticated(max_bulk: usize) -> Self {
        Self {
            max_bulk: if max_bulk < MAX_BULK { max_bulk } else { MAX_BULK },
            max_args: MAX_REQUEST_ARGS,
            max_inline: MAX_INLINE,
            authenticated: true,
        }
    }

    /// For a client that has yet to authenticate.
    pub const fn unauthenticated() -> Self {
        Self {
            max_bulk: UNAUTHENTICATED_MAX_BULK,
            max_args: UNAUTHENTICATED_MAX_ARGS,
            max_inline: MAX_INLINE,
            authenticated: false,
        }
    }
}
