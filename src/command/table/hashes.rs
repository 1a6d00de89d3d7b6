//! Hashes. Values are sealed, each bound to its field; fields are in clear.

use super::row::*;

#[rustfmt::skip]
pub(super) const ROWS: &[Spec] = &[
    row("hdel",         -3, W | FAST, Shared, key(Update), PASS),
    row("hexists",      3,  R | FAST, Shared, key(Read),   PASS),
    row("hexpire",      -6, W | FAST, Shared, key(Update), PASS),
    row("hexpireat",    -6, W | FAST, Shared, key(Update), PASS),
    row("hexpiretime",  -5, R | FAST, Shared, key(Read),   PASS),
    row("hget",         3,  R | FAST, Shared, key(Read),   open(Fixed, Reply::FieldValue { field: 2 })),
    row("hgetall",      2,  R,        Shared, key(Read),   shaped(Fixed, Shape::Fields)),
    row("hgetdel",      -5, W | FAST, Shared, key(Update), open(NamedFields { words: &[], size: 1 }, Reply::ValuePerFieldAtStart)),
    row("hgetex",       -5, W | FAST, Shared, key(Update), open(NamedFields { words: TTL, size: 1 }, Reply::ValuePerFieldAtStart)),
    row("hincrby",      4,  W | FAST, Shared, key(Update), emulate(Change::FieldBy)),
    row("hincrbyfloat", 4,  W | FAST, Shared, key(Update), emulate(Change::FieldByFloat)),
    row("hkeys",        2,  R,        Shared, key(Read),   PASS),
    row("hlen",         2,  R | FAST, Shared, key(Read),   PASS),
    row("hmget",        -3, R | FAST, Shared, key(Read),   open(Fixed, Reply::ValuePerField { from: 2 })),
    row("hmset",        -4, W | FAST, Shared, key(Update), seal(Pairs { from: 2 }, FieldPairs { from: 2 })),
    row("hpersist",     -5, W | FAST, Shared, key(Update), PASS),
    row("hpexpire",     -6, W | FAST, Shared, key(Update), PASS),
    row("hpexpireat",   -6, W | FAST, Shared, key(Update), PASS),
    row("hpexpiretime", -5, R | FAST, Shared, key(Read),   PASS),
    row("hpttl",        -5, R | FAST, Shared, key(Read),   PASS),
    row("hrandfield",   -2, R,        Shared, key(Read),   optional(RandomField, Shape::Fields, Shape::Raw)),
    row("hscan",        -3, R,        Shared, key(Read),   optional(HashScan, Shape::Raw, Shape::Tuple(&[Shape::Raw, Shape::Fields]))),
    row("hset",         -4, W | FAST, Shared, key(Update), seal(Pairs { from: 2 }, FieldPairs { from: 2 })),
    row("hsetex",       -6, W | FAST, Shared, key(Update), seal(NamedFields { words: SET_TTL, size: 2 }, PairsAtStart)),
    row("hsetnx",       4,  W | FAST, Shared, key(Update), seal(Fixed, FieldValue { field: 2, value: 3 })),
    row("hstrlen",      3,  R | FAST, Shared, key(Read),   computed(Computed::FieldLength)),
    row("httl",         -5, R | FAST, Shared, key(Read),   PASS),
    row("hvals",        2,  R,        Shared, key(Read),   open(Fixed, Reply::FieldMapValues)),
];
