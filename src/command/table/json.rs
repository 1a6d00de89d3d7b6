//! JSON documents. A path may compare with what is stored, so whatever takes one is refused.

use super::row::*;

#[rustfmt::skip]
pub(super) const ROWS: &[Spec] = &[
    row("json.arrappend",    -4, W, Shared, key(Update),                                           refuse(NotYetSealed)),
    row("json.arrindex",     -4, R, Shared, key(Read),                                             refuse(ComputesOnValue)),
    row("json.arrinsert",    -5, W, Shared, key(Update),                                           refuse(NotYetSealed)),
    row("json.arrlen",       -2, R, Shared, key(Read),                                             refuse(NotYetSealed)),
    row("json.arrpop",       -2, W, Shared, key(Update),                                           refuse(NotYetSealed)),
    row("json.arrtrim",      -5, W, Shared, key(Update),                                           refuse(NotYetSealed)),
    row("json.clear",        -2, W, Shared, key(Update),                                           refuse(NotYetSealed)),
    container("json.debug", -2, Shared),
    row("json.debug|fields", -3, R, Shared, key_at(2, Read),                                       refuse(ServerInternals)),
    row("json.debug|help",   2,  R, Shared, NO_KEYS,                                               PASS),
    row("json.debug|memory", -3, R, Shared, key_at(2, Read),                                       refuse(ServerInternals)),
    row("json.del",          -2, W, Shared, key(Update),                                           refuse(NotYetSealed)),
    row("json.forget",       -2, W, Shared, key(Update),                                           refuse(NotYetSealed)),
    row("json.get",          -2, R, Shared, key(Read),                                             refuse(NotYetSealed)),
    row("json.merge",        -4, W, Shared, key(Update),                                           refuse(NotYetSealed)),
    row("json.mget",         -3, R, Shared, keys_to(-2, Read),                                     refuse(NotYetSealed)),
    row("json.mset",         -4, W, Shared, Range { first: 1, last: -1, step: 3, access: Update }, refuse(NotYetSealed)),
    row("json.numincrby",    -4, W, Shared, key(Update),                                           refuse(ComputesOnValue)),
    row("json.nummultby",    -4, W, Shared, key(Update),                                           refuse(ComputesOnValue)),
    row("json.numpowby",     -4, W, Shared, key(Update),                                           refuse(ComputesOnValue)),
    row("json.objkeys",      -2, R, Shared, key(Read),                                             refuse(NotYetSealed)),
    row("json.objlen",       -2, R, Shared, key(Read),                                             refuse(NotYetSealed)),
    row("json.resp",         -2, R, Shared, key(Read),                                             refuse(NotYetSealed)),
    row("json.set",          -4, W, Shared, key(Update),                                           refuse(NotYetSealed)),
    row("json.strappend",    -3, W, Shared, key(Update),                                           refuse(ComputesOnValue)),
    row("json.strlen",       -2, R, Shared, key(Read),                                             refuse(ComputesOnValue)),
    row("json.toggle",       -2, W, Shared, key(Update),                                           refuse(ComputesOnValue)),
    row("json.type",         -2, R, Shared, key(Read),                                             refuse(NotYetSealed)),
];
