//! Time series: numbers that the server aggregates, and labels that it looks up.

use super::row::*;

#[rustfmt::skip]
pub(super) const ROWS: &[Spec] = &[
    row("ts.add",        -4, W, Shared, key(Update),                                           refuse(ComputesOnValue)),
    row("ts.alter",      -2, W, Shared, key(Update),                                           refuse(NotYetSealed)),
    row("ts.create",     -2, W, Shared, key(Update),                                           refuse(NotYetSealed)),
    row("ts.createrule", -5, W, Shared, two(Update, Update),                                   refuse(ComputesOnValue)),
    row("ts.decrby",     -3, W, Shared, key(Update),                                           refuse(ComputesOnValue)),
    row("ts.del",        4,  W, Shared, key(Update),                                           PASS),
    row("ts.deleterule", 3,  W, Shared, two(Update, Update),                                   PASS),
    row("ts.get",        -2, R, Shared, key(Read),                                             refuse(ComputesOnValue)),
    row("ts.incrby",     -3, W, Shared, key(Update),                                           refuse(ComputesOnValue)),
    row("ts.info",       -2, R, Shared, key(Read),                                             refuse(NotYetSealed)),
    row("ts.madd",       -4, W, Shared, Range { first: 1, last: -1, step: 3, access: Update }, refuse(ComputesOnValue)),
    row("ts.mget",       -3, R, Shared, UNNAMED,                                               refuse(UnnamedKeys)),
    row("ts.mrange",     -5, R, Shared, UNNAMED,                                               refuse(UnnamedKeys)),
    row("ts.mrevrange",  -5, R, Shared, UNNAMED,                                               refuse(UnnamedKeys)),
    row("ts.queryindex", -2, R, Shared, UNNAMED,                                               refuse(UnnamedKeys)),
    row("ts.range",      -4, R, Shared, key(Read),                                             refuse(ComputesOnValue)),
    row("ts.revrange",   -4, R, Shared, key(Read),                                             refuse(ComputesOnValue)),
];
