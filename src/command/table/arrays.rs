//! Arrays: sparse, addressed by number. Indexes, ranges and counts are in clear.

use super::row::*;

#[rustfmt::skip]
pub(super) const ROWS: &[Spec] = &[
    row("arcount",     2,  R, Shared, key(Read),   PASS),
    row("ardel",       -3, W, Shared, key(Update), PASS),
    row("ardelrange",  -4, W, Shared, key(Update), PASS),
    row("arget",       3,  R, Shared, key(Read),   refuse(NotYetSealed)),
    row("argetrange",  -4, R, Shared, key(Read),   refuse(NotYetSealed)),
    row("argrep",      -6, R, Shared, key(Read),   refuse(ComputesOnValue)),
    row("arinfo",      -2, R, Shared, key(Read),   PASS),
    row("arinsert",    -3, W, Shared, key(Update), refuse(NotYetSealed)),
    row("arlastitems", -3, R, Shared, key(Read),   refuse(NotYetSealed)),
    row("arlen",       2,  R, Shared, key(Read),   PASS),
    row("armget",      -3, R, Shared, key(Read),   refuse(NotYetSealed)),
    row("armset",      -4, W, Shared, key(Update), refuse(NotYetSealed)),
    row("arnext",      2,  R, Shared, key(Read),   PASS),
    row("arop",        -5, R, Shared, key(Read),   refuse(ComputesOnValue)),
    row("arring",      -4, W, Shared, key(Update), refuse(NotYetSealed)),
    row("arscan",      -4, R, Shared, key(Read),   refuse(NotYetSealed)),
    row("arseek",      3,  W, Shared, key(Update), PASS),
    row("arset",       -4, W, Shared, key(Update), refuse(NotYetSealed)),
];
