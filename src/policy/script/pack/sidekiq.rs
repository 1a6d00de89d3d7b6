//! Sidekiq: jobs in lists, and in sorted sets until their time comes.

use super::{Keys, Reply, Script};
use crate::command::Shape;

/// Takes the job whose time has come out of a sorted set and returns it. ARGV[1] is a time.
const fn pop(name: &'static str, digest: &'static str) -> Script {
    Script { library: "Sidekiq", name, digest, keys: Keys::Values, args: &[], reply: Reply::Shaped(Shape::Member) }
}

pub(super) const ROWS: &[Script] = &[
    pop("zpopbyscore", "1c2a32c21c57bcf64bd09de6929c75a0bbfdb62c"),
    pop("zpopbyscore, with ZRANGE", "2c6434afa696b38cd7912fb4f7c28a8202aba85f"),
];
