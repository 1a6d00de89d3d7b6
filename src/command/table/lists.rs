//! Lists. Elements are sealed at random, so that nothing finds one, unless the rule says otherwise.

use super::row::*;

#[rustfmt::skip]
pub(super) const ROWS: &[Spec] = &[
    row("blmove",     6,  W | BLOCK | NOSCRIPT, Blocking, two(Update, Update),                     carried(Move::Element { named_ends: true, waits: true }, shaped(Fixed, Shape::Value))),
    row("blmpop",     -5, W | BLOCK,            Blocking, Counted { count_at: 2, access: Update }, shaped(Fixed, Shape::Keyed(&[VALUES]))),
    row("blpop",      -3, W | BLOCK | NOSCRIPT, Blocking, keys_to(-2, Update),                     shaped(Fixed, Shape::Keyed(&[Shape::Value]))),
    row("brpop",      -3, W | BLOCK | NOSCRIPT, Blocking, keys_to(-2, Update),                     shaped(Fixed, Shape::Keyed(&[Shape::Value]))),
    row("brpoplpush", 4,  W | BLOCK | NOSCRIPT, Blocking, two(Update, Update),                     carried(Move::Element { named_ends: false, waits: true }, shaped(Fixed, Shape::Value))),
    row("lindex",     3,  R,                    Shared,   key(Read),                               shaped(Fixed, Shape::Value)),
    row("linsert",    5,  W,                    Shared,   key(Update),                             looks_for_element(Fixed, 3, 4, searched(Search::Insert))),
    row("llen",       2,  R | FAST,             Shared,   key(Read),                               PASS),
    row("lmove",      5,  W,                    Shared,   two(Update, Update),                     carried(Move::Element { named_ends: true, waits: false }, shaped(Fixed, Shape::Value))),
    row("lmpop",      -4, W,                    Shared,   Counted { count_at: 1, access: Update }, shaped(Fixed, Shape::Keyed(&[VALUES]))),
    row("lpop",       -2, W | FAST,             Shared,   key(Update),                             shaped(NoMoreThan(3), Shape::OneOrEach(&Shape::Value))),
    row("lpos",       -3, R,                    Shared,   key(Read),                               looks_for_element(Options { from: 3, words: POSITION }, 2, 2, Some(read(Computed::Position)))),
    row("lpush",      -3, W | FAST,             Shared,   key(Update),                             seal(Fixed, Elements { from: 2, to: 0 })),
    row("lpushx",     -3, W | FAST,             Shared,   key(Update),                             seal(Fixed, Elements { from: 2, to: 0 })),
    row("lrange",     4,  R,                    Shared,   key(Read),                               shaped(Fixed, VALUES)),
    row("lrem",       4,  W,                    Shared,   key(Update),                             looks_for_element(Fixed, 3, 3, searched(Search::Remove))),
    row("lset",       4,  W,                    Shared,   key(Update),                             seal(Fixed, Elements { from: 3, to: 3 })),
    row("ltrim",      4,  W,                    Shared,   key(Update),                             PASS),
    row("rpop",       -2, W | FAST,             Shared,   key(Update),                             shaped(NoMoreThan(3), Shape::OneOrEach(&Shape::Value))),
    row("rpoplpush",  3,  W,                    Shared,   two(Update, Update),                     carried(Move::Element { named_ends: false, waits: false }, shaped(Fixed, Shape::Value))),
    row("rpush",      -3, W | FAST,             Shared,   key(Update),                             seal(Fixed, Elements { from: 2, to: 0 })),
    row("rpushx",     -3, W | FAST,             Shared,   key(Update),                             seal(Fixed, Elements { from: 2, to: 0 })),
];
