//! Streams.

use super::row::*;

#[rustfmt::skip]
pub(super) const ROWS: &[Spec] = &[
    row("xack",                  -4, W | FAST,  Shared,           key(Update),       PASS),
    row("xackdel",               -6, W | FAST,  Shared,           key(Update),       PASS),
    row("xadd",                  -5, W | FAST,  Shared,           key(Update),       seal(StreamEntry, PairsAtStart)),
    row("xautoclaim",            -6, W | FAST,  Shared,           key(Update),       optional(Mark { from: 6, word: "JUSTID" }, Shape::Raw, Shape::TupleOrShorter(&[Shape::Raw, ENTRIES, Shape::Raw]))),
    row("xclaim",                -6, W | FAST,  Shared,           key(Update),       optional(Mark { from: 5, word: "JUSTID" }, Shape::Raw, ENTRIES)),
    row("xdel",                  -3, W | FAST,  Shared,           key(Update),       PASS),
    row("xdelex",                -5, W | FAST,  Shared,           key(Update),       PASS),
    container("xgroup", -2, Shared),
    row("xgroup|create",         -5, W,         Shared,           key_at(2, Update), PASS),
    row("xgroup|createconsumer", 5,  W,         Shared,           key_at(2, Update), PASS),
    row("xgroup|delconsumer",    5,  W,         Shared,           key_at(2, Update), PASS),
    row("xgroup|destroy",        4,  W,         Shared,           key_at(2, Update), PASS),
    row("xgroup|help",           2,  0,         Shared,           NO_KEYS,           PASS),
    row("xgroup|setid",          -5, W,         Shared,           key_at(2, Update), PASS),
    container("xinfo", -2, Shared),
    row("xinfo|consumers",       4,  R,         Shared,           key_at(2, Read),   PASS),
    row("xinfo|groups",          3,  R,         Shared,           key_at(2, Read),   PASS),
    row("xinfo|help",            2,  0,         Shared,           NO_KEYS,           PASS),
    row("xinfo|stream",          -3, R,         Shared,           key_at(2, Read),   shaped(Options { from: 3, words: FULL }, Shape::Named(&[("first-entry", ENTRY), ("last-entry", ENTRY), ("entries", ENTRIES), ("groups", Shape::Raw)]))),
    row("xlen",                  2,  R | FAST,  Shared,           key(Read),         PASS),
    row("xpending",              -3, R,         Shared,           key(Read),         PASS),
    row("xrange",                -4, R,         Shared,           key(Read),         shaped(Options { from: 4, words: COUNT }, ENTRIES)),
    row("xread",                 -4, R | BLOCK, BlockingIfOption, Streams,           shaped(Fixed, Shape::PerKey(&ENTRIES))),
    row("xreadgroup",            -7, W | BLOCK, BlockingIfOption, Streams,           shaped(Fixed, Shape::PerKey(&ENTRIES))),
    row("xrevrange",             -4, R,         Shared,           key(Read),         shaped(Options { from: 4, words: COUNT }, ENTRIES)),
    row("xsetid",                -3, W | FAST,  Shared,           key(Update),       PASS),
    row("xtrim",                 -4, W,         Shared,           key(Update),       PASS),
];
