//! Sets.

use super::row::*;

#[rustfmt::skip]
pub(super) const ROWS: &[Spec] = &[
    row("sadd",        -3, W | FAST, Shared, key(Update),                                                 seal(Fixed, Members { from: 2, to: 0 })),
    row("scard",       2,  R | FAST, Shared, key(Read),                                                   PASS),
    row("sdiff",       -2, R,        Shared, keys_to(-1, Read),                                           of_sets(Combining::Difference, Wanted::Members)),
    row("sdiffcard",   -3, R,        Shared, Counted { count_at: 1, access: Read },                       of_sets(Combining::Difference, Wanted::Count)),
    row("sdiffstore",  -3, W,        Shared, DestinationAndSources { destination: 1, access: Overwrite }, of_sets(Combining::Difference, Wanted::Stored)),
    row("sinter",      -2, R,        Shared, keys_to(-1, Read),                                           of_sets(Combining::Intersection, Wanted::Members)),
    row("sintercard",  -3, R,        Shared, Counted { count_at: 1, access: Read },                       of_sets(Combining::Intersection, Wanted::Count)),
    row("sinterstore", -3, W,        Shared, DestinationAndSources { destination: 1, access: Update },    of_sets(Combining::Intersection, Wanted::Stored)),
    row("sismember",   3,  R | FAST, Shared, key(Read),                                                   seal(Fixed, Members { from: 2, to: 2 })),
    row("smembers",    2,  R,        Shared, key(Read),                                                   shaped(Fixed, MEMBERS)),
    row("smismember",  -3, R | FAST, Shared, key(Read),                                                   seal(Fixed, Members { from: 2, to: 0 })),
    row("smove",       4,  W | FAST, Shared, two(Update, Update),                                         carried(Move::Member, seal(Fixed, Members { from: 3, to: 3 }))),
    row("spop",        -2, W | FAST, Shared, key(Update),                                                 shaped(AtMost(3), Shape::OneOrEach(&Shape::Member))),
    row("srandmember", -2, R,        Shared, key(Read),                                                   shaped(AtMost(3), Shape::OneOrEach(&Shape::Member))),
    row("srem",        -3, W | FAST, Shared, key(Update),                                                 seal(Fixed, Members { from: 2, to: 0 })),
    row("sscan",       -3, R,        Shared, key(Read),                                                   unless(3, MATCH, read(Computed::Matching(Scanned::Members)), shaped(Options { from: 3, words: SCAN }, Shape::Tuple(&[Shape::Raw, MEMBERS])))),
    row("sunion",      -2, R,        Shared, keys_to(-1, Read),                                           of_sets(Combining::Union, Wanted::Members)),
    row("sunioncard",  -3, R,        Shared, Counted { count_at: 1, access: Read },                       of_sets(Combining::Union, Wanted::Count)),
    row("sunionstore", -3, W,        Shared, DestinationAndSources { destination: 1, access: Overwrite }, of_sets(Combining::Union, Wanted::Stored)),
];
