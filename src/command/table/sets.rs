//! Sets.

use super::row::*;

#[rustfmt::skip]
pub(super) const ROWS: &[Spec] = &[
    row("sadd",        -3, W | FAST, Shared, key(Update),                                                 refuse(NotYetSealed)),
    row("scard",       2,  R | FAST, Shared, key(Read),                                                   PASS),
    row("sdiff",       -2, R,        Shared, keys_to(-1, Read),                                           refuse(NotYetSealed)),
    row("sdiffcard",   -3, R,        Shared, Counted { count_at: 1, access: Read },                       refuse(NotYetSealed)),
    row("sdiffstore",  -3, W,        Shared, DestinationAndSources { destination: 1, access: Overwrite }, refuse(MovesBetweenKeys)),
    row("sinter",      -2, R,        Shared, keys_to(-1, Read),                                           refuse(NotYetSealed)),
    row("sintercard",  -3, R,        Shared, Counted { count_at: 1, access: Read },                       refuse(NotYetSealed)),
    row("sinterstore", -3, W,        Shared, DestinationAndSources { destination: 1, access: Update },    refuse(MovesBetweenKeys)),
    row("sismember",   3,  R | FAST, Shared, key(Read),                                                   refuse(NotYetSealed)),
    row("smembers",    2,  R,        Shared, key(Read),                                                   refuse(NotYetSealed)),
    row("smismember",  -3, R | FAST, Shared, key(Read),                                                   refuse(NotYetSealed)),
    row("smove",       4,  W | FAST, Shared, two(Update, Update),                                         refuse(MovesBetweenKeys)),
    row("spop",        -2, W | FAST, Shared, key(Update),                                                 refuse(NotYetSealed)),
    row("srandmember", -2, R,        Shared, key(Read),                                                   refuse(NotYetSealed)),
    row("srem",        -3, W | FAST, Shared, key(Update),                                                 refuse(NotYetSealed)),
    row("sscan",       -3, R,        Shared, key(Read),                                                   refuse(NotYetSealed)),
    row("sunion",      -2, R,        Shared, keys_to(-1, Read),                                           refuse(NotYetSealed)),
    row("sunioncard",  -3, R,        Shared, Counted { count_at: 1, access: Read },                       refuse(NotYetSealed)),
    row("sunionstore", -3, W,        Shared, DestinationAndSources { destination: 1, access: Overwrite }, refuse(MovesBetweenKeys)),
];
