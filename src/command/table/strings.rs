//! Strings. Sealed as a whole; what computes on one is carried out here.
//!
//! DELEX, DELIFEQ and the conditions of SET are not on every server: each gets the command itself in the end, and says so.

use super::row::*;
use crate::command::Grammar;

#[rustfmt::skip]
pub(super) const ROWS: &[Spec] = &[
    row("append",      3,  W | FAST, Shared, key(Update),                                     emulate(Change::Append)),
    row("decr",        2,  W | FAST, Shared, key(Update),                                     emulate(Change::Step(-1))),
    row("decrby",      3,  W | FAST, Shared, key(Update),                                     emulate(Change::By { negative: true })),
    row("delex",       -2, W | FAST, Shared, key(Update),                                     here(Method::Conditional(Conditional::Delete))),
    row("delifeq",     3,  W | FAST, Shared, key(Remove),                                     here(Method::Conditional(Conditional::DeleteEqual))),
    row("digest",      2,  R | FAST, Shared, key(Read),                                       computed(Computed::Digest)),
    row("get",         2,  R | FAST, Shared, key(Read),                                       open(Fixed, Reply::Shaped(Shape::Value))),
    row("getdel",      2,  W | FAST, Shared, key(Update),                                     open(Fixed, Reply::Shaped(Shape::Value))),
    row("getex",       -2, W | FAST, Shared, key(Update),                                     open(GetEx, Reply::Shaped(Shape::Value))),
    row("getrange",    4,  R,        Shared, key(Read),                                       computed(Computed::Range)),
    row("getset",      3,  W | FAST, Shared, key(Update),                                     seal_open(Fixed, At(2), Reply::Shaped(Shape::Value))),
    row("incr",        2,  W | FAST, Shared, key(Update),                                     emulate(Change::Step(1))),
    row("incrby",      3,  W | FAST, Shared, key(Update),                                     emulate(Change::By { negative: false })),
    row("incrbyfloat", 3,  W | FAST, Shared, key(Update),                                     emulate(Change::ByFloat)),
    row("lcs",         -3, R,        Shared, keys_to(2, Read),                                here(Method::Common)),
    row("mget",        -2, R | FAST, Shared, keys_to(-1, Read),                               open(Fixed, Reply::ValuePerKey)),
    row("mset",        -3, W,        Shared, key_pairs(Overwrite),                            seal(Pairs { from: 1 }, KeyPairs)),
    row("msetex",      -4, W,        Shared, CountedPairs { count_at: 1, access: Overwrite }, seal(Grammar::CountedPairs, KeyPairsToStart)),
    row("msetnx",      -3, W,        Shared, key_pairs(Overwrite),                            seal(Pairs { from: 1 }, KeyPairs)),
    row("psetex",      4,  W,        Shared, key(Overwrite),                                  seal(Fixed, At(3))),
    row("set",         -3, W,        Shared, key(Update),                                     unless(3, IF, Method::Conditional(Conditional::Set), seal_open(Set, At(2), Reply::Optional { marked: Shape::Value, plain: Shape::Raw }))),
    row("setex",       4,  W,        Shared, key(Overwrite),                                  seal(Fixed, At(3))),
    row("setnx",       3,  W | FAST, Shared, key(Overwrite),                                  seal(Fixed, At(2))),
    row("setrange",    4,  W,        Shared, key(Update),                                     emulate(Change::SetRange)),
    row("strlen",      2,  R | FAST, Shared, key(Read),                                       computed(Computed::Length)),
    row("substr",      4,  R,        Shared, key(Read),                                       computed(Computed::Range)),
];
