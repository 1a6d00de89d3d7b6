//! Hashes. Values are sealed, each bound to its field; names of fields are in clear
//! unless the rule has them sealed, too.

use super::row::*;

#[rustfmt::skip]
pub(super) const ROWS: &[Spec] = &[
    row("hdel",         -3, W | FAST, Shared, key(Update), names(NAMES, Fixed)),
    row("hexists",      3,  R | FAST, Shared, key(Read),   names(ONE, Fixed)),
    row("hexpire",      -6, W | FAST, Shared, key(Update), EXPIRES),
    row("hexpireat",    -6, W | FAST, Shared, key(Update), EXPIRES),
    row("hexpiretime",  -5, R | FAST, Shared, key(Read),   TELLS_TTL),
    row("hget",         3,  R | FAST, Shared, key(Read),   named(ONE, open(Fixed, Reply::FieldValue { field: 2 }))),
    row("hgetall",      2,  R,        Shared, key(Read),   shaped(Fixed, Shape::Fields)),
    row("hgetdel",      -5, W | FAST, Shared, key(Update), named(BEHIND_FIELDS, open(NamedFields { from: 2, words: &[], size: 1 }, Reply::ValuePerFieldAtStart))),
    row("hgetex",       -5, W | FAST, Shared, key(Update), named(BEHIND_FIELDS, open(NamedFields { from: 2, words: TTL, size: 1 }, Reply::ValuePerFieldAtStart))),
    row("hincrby",      4,  W | FAST, Shared, key(Update), named(ONE, emulate(Change::FieldBy))),
    row("hincrbyfloat", 4,  W | FAST, Shared, key(Update), named(ONE, emulate(Change::FieldByFloat))),
    row("hkeys",        2,  R,        Shared, key(Read),   shaped(Fixed, Shape::Each(&Shape::FieldName))),
    row("hlen",         2,  R | FAST, Shared, key(Read),   PASS),
    row("hmget",        -3, R | FAST, Shared, key(Read),   named(NAMES, open(Fixed, Reply::ValuePerField { from: 2 }))),
    row("hmset",        -4, W | FAST, Shared, key(Update), named(PAIRS, seal(Pairs { from: 2 }, FieldPairs { from: 2 }))),
    row("hpersist",     -5, W | FAST, Shared, key(Update), TELLS_TTL),
    row("hpexpire",     -6, W | FAST, Shared, key(Update), EXPIRES),
    row("hpexpireat",   -6, W | FAST, Shared, key(Update), EXPIRES),
    row("hpexpiretime", -5, R | FAST, Shared, key(Read),   TELLS_TTL),
    row("hpttl",        -5, R | FAST, Shared, key(Read),   TELLS_TTL),
    row("hrandfield",   -2, R,        Shared, key(Read),   optional(RandomField, Shape::Fields, Shape::OneOrEach(&Shape::FieldName))),
    row("hscan",        -3, R,        Shared, key(Read),   optional(HashScan, Shape::Tuple(&[Shape::Raw, Shape::Each(&Shape::FieldName)]), Shape::Tuple(&[Shape::Raw, Shape::Fields]))),
    row("hset",         -4, W | FAST, Shared, key(Update), named(PAIRS, seal(Pairs { from: 2 }, FieldPairs { from: 2 }))),
    row("hsetex",       -6, W | FAST, Shared, key(Update), named(PAIRS_BEHIND_FIELDS, seal(NamedFields { from: 2, words: SET_TTL, size: 2 }, PairsAtStart))),
    row("hsetnx",       4,  W | FAST, Shared, key(Update), named(ONE, seal(Fixed, FieldValue { field: 2, value: 3 }))),
    row("hstrlen",      3,  R | FAST, Shared, key(Read),   named(ONE, computed(Computed::FieldLength))),
    row("httl",         -5, R | FAST, Shared, key(Read),   TELLS_TTL),
    row("hvals",        2,  R,        Shared, key(Read),   open(Fixed, Reply::FieldMapValues)),
];
