//! Lists.

use super::row::*;

#[rustfmt::skip]
pub(super) const ROWS: &[Spec] = &[
    row("blmove",     6,  W | BLOCK | NOSCRIPT, Blocking, two(Update, Update),                     refuse(MovesBetweenKeys)),
    row("blmpop",     -5, W | BLOCK,            Blocking, Counted { count_at: 2, access: Update }, refuse(NotYetSealed)),
    row("blpop",      -3, W | BLOCK | NOSCRIPT, Blocking, keys_to(-2, Update),                     refuse(NotYetSealed)),
    row("brpop",      -3, W | BLOCK | NOSCRIPT, Blocking, keys_to(-2, Update),                     refuse(NotYetSealed)),
    row("brpoplpush", 4,  W | BLOCK | NOSCRIPT, Blocking, two(Update, Update),                     refuse(MovesBetweenKeys)),
    row("lindex",     3,  R,                    Shared,   key(Read),                               refuse(NotYetSealed)),
    row("linsert",    5,  W,                    Shared,   key(Update),                             refuse(ComputesOnValue)),
    row("llen",       2,  R | FAST,             Shared,   key(Read),                               PASS),
    row("lmove",      5,  W,                    Shared,   two(Update, Update),                     refuse(MovesBetweenKeys)),
    row("lmpop",      -4, W,                    Shared,   Counted { count_at: 1, access: Update }, refuse(NotYetSealed)),
    row("lpop",       -2, W | FAST,             Shared,   key(Update),                             refuse(NotYetSealed)),
    row("lpos",       -3, R,                    Shared,   key(Read),                               refuse(ComputesOnValue)),
    row("lpush",      -3, W | FAST,             Shared,   key(Update),                             refuse(NotYetSealed)),
    row("lpushx",     -3, W | FAST,             Shared,   key(Update),                             refuse(NotYetSealed)),
    row("lrange",     4,  R,                    Shared,   key(Read),                               refuse(NotYetSealed)),
    row("lrem",       4,  W,                    Shared,   key(Update),                             refuse(ComputesOnValue)),
    row("lset",       4,  W,                    Shared,   key(Update),                             refuse(NotYetSealed)),
    row("ltrim",      4,  W,                    Shared,   key(Update),                             PASS),
    row("rpop",       -2, W | FAST,             Shared,   key(Update),                             refuse(NotYetSealed)),
    row("rpoplpush",  3,  W,                    Shared,   two(Update, Update),                     refuse(MovesBetweenKeys)),
    row("rpush",      -3, W | FAST,             Shared,   key(Update),                             refuse(NotYetSealed)),
    row("rpushx",     -3, W | FAST,             Shared,   key(Update),                             refuse(NotYetSealed)),
];
