//! Vector sets, and the vector indexes of Upstash: neighbours of ciphertext are nobody's neighbours.

use super::row::*;

#[rustfmt::skip]
pub(super) const ROWS: &[Spec] = &[
    row("vadd",          -5, W,        Shared, key(Update), refuse(NotYetSealed)),
    row("vcard",         2,  R | FAST, Shared, key(Read),   PASS),
    row("vdim",          2,  R | FAST, Shared, key(Read),   PASS),
    row("vector.add",    -5, W,        Shared, key(Update), refuse(NotYetSealed)),
    row("vector.count",  2,  R,        Shared, key(Read),   PASS),
    row("vector.create", -6, W,        Shared, key(Update), PASS),
    row("vector.del",    -3, W,        Shared, key(Update), refuse(NotYetSealed)),
    row("vector.drop",   2,  W,        Shared, key(Update), PASS),
    row("vector.get",    -3, R,        Shared, key(Read),   refuse(NotYetSealed)),
    row("vector.info",   2,  R,        Shared, key(Read),   PASS),
    row("vector.query",  -6, R,        Shared, key(Read),   refuse(ComputesOnValue)),
    row("vemb",          -3, R | FAST, Shared, key(Read),   refuse(NotYetSealed)),
    row("vgetattr",      3,  R | FAST, Shared, key(Read),   refuse(NotYetSealed)),
    row("vinfo",         2,  R | FAST, Shared, key(Read),   PASS),
    row("vismember",     3,  R,        Shared, key(Read),   refuse(NotYetSealed)),
    row("vlinks",        -3, R | FAST, Shared, key(Read),   refuse(NotYetSealed)),
    row("vrandmember",   -2, R,        Shared, key(Read),   refuse(NotYetSealed)),
    row("vrange",        -4, R,        Shared, key(Read),   refuse(NotYetSealed)),
    row("vrem",          3,  W,        Shared, key(Update), refuse(NotYetSealed)),
    row("vsetattr",      4,  W | FAST, Shared, key(Update), refuse(NotYetSealed)),
    row("vsim",          -4, R,        Shared, key(Read),   refuse(ComputesOnValue)),
];
