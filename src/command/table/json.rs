//! JSON documents. What stands at the paths of the rule is sealed; a rule without such paths takes none of these.

use super::row::*;
use crate::command::Document::{Deep, Elements, Get, GetEach, Here, Merge, Pop, Remove, Set, SetEach};

#[rustfmt::skip]
pub(super) const ROWS: &[Spec] = &[
    row("json.arrappend",    -4, W, Shared, key(Update),                                           document(Elements { from: 3 })),
    row("json.arrindex",     -4, R, Shared, key(Read),                                             document(Deep { after: 3 })),
    row("json.arrinsert",    -5, W, Shared, key(Update),                                           document(Elements { from: 4 })),
    row("json.arrlen",       -2, R, Shared, key(Read),                                             document(Here { after: 0 })),
    row("json.arrpop",       -2, W, Shared, key(Update),                                           document(Pop)),
    row("json.arrtrim",      -5, W, Shared, key(Update),                                           document(Here { after: 2 })),
    row("json.clear",        -2, W, Shared, key(Update),                                           document(Here { after: 0 })),
    container("json.debug", -2, Shared),
    row("json.debug|fields", -3, R, Shared, key_at(2, Read),                                       refuse(ServerInternals)),
    row("json.debug|help",   2,  R, Shared, NO_KEYS,                                               PASS),
    row("json.debug|memory", -3, R, Shared, key_at(2, Read),                                       refuse(ServerInternals)),
    row("json.del",          -2, W, Shared, key(Update),                                           document(Remove)),
    row("json.forget",       -2, W, Shared, key(Update),                                           document(Remove)),
    row("json.get",          -2, R, Shared, key(Read),                                             document(Get)),
    row("json.merge",        -4, W, Shared, key(Update),                                           document(Merge)),
    row("json.mget",         -3, R, Shared, keys_to(-2, Read),                                     document(GetEach)),
    row("json.mset",         -4, W, Shared, Range { first: 1, last: -1, step: 3, access: Update }, document(SetEach)),
    row("json.numincrby",    -4, W, Shared, key(Update),                                           document(Here { after: 1 })),
    row("json.nummultby",    -4, W, Shared, key(Update),                                           document(Here { after: 1 })),
    row("json.numpowby",     -4, W, Shared, key(Update),                                           document(Here { after: 1 })),
    row("json.objkeys",      -2, R, Shared, key(Read),                                             document(Here { after: 0 })),
    row("json.objlen",       -2, R, Shared, key(Read),                                             document(Here { after: 0 })),
    row("json.resp",         -2, R, Shared, key(Read),                                             document(Deep { after: 0 })),
    row("json.set",          -4, W, Shared, key(Update),                                           document(Set)),
    row("json.strappend",    -3, W, Shared, key(Update),                                           document(Here { after: 1 })),
    row("json.strlen",       -2, R, Shared, key(Read),                                             document(Here { after: 0 })),
    row("json.toggle",       -2, W, Shared, key(Update),                                           document(Here { after: 0 })),
    row("json.type",         -2, R, Shared, key(Read),                                             document(Here { after: 0 })),
];
