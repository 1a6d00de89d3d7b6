//! Task queues: Celery's chords, and jobs of RQ that are to be there once only.

use super::{Arg, Keys, Reply, Script};
use crate::command::Shape;

const fn row(
    library: &'static str,
    name: &'static str,
    keys: Keys,
    args: &'static [(usize, Arg)],
    digest: &'static str,
) -> Script {
    Script { library, name, digest, keys, args, reply: Reply::Shaped(Shape::Raw) }
}

#[rustfmt::skip]
pub(super) const ROWS: &[Script] = &[
    // A result of the chord's header, in order; with `result_chord_ordered` off it would go to a list, where what was sealed
    // as a member does not open.
    row("Celery", "CHORD_PART_RETURN_LUA",  Keys::Only(1), &[(2, Arg::Member)], "b1cfc2821c9a3ac3116915df278013d758d3e2cf"),
    row("Celery", "CHORD_CLEANUP_LUA",      Keys::Only(2), &[],                 "766a3f0165bdb425d0719fa08d1c3bc250c122f5"),
    row("RQ",     "UNIQUE_ENQUEUE_SCRIPT",  Keys::Only(1), &[(4, Arg::Pairs)],  "a2bf2a1102efbe1f371da713213d51da70110346"),
];
