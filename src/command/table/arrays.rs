//! Arrays: sparse, addressed by number. Indexes, ranges and counts are in clear; a value is not bound to its
//! index, which ARINSERT and ARRING leave to the server.

use super::row::*;

#[rustfmt::skip]
pub(super) const ROWS: &[Spec] = &[
    row("arcount",     2,  R, Shared, key(Read),   PASS),
    row("ardel",       -3, W, Shared, key(Update), PASS),
    row("ardelrange",  -4, W, Shared, key(Update), PASS),
    row("arget",       3,  R, Shared, key(Read),   shaped(Fixed, Shape::Value)),
    row("argetrange",  -4, R, Shared, key(Read),   shaped(AtMost(4), VALUES)),
    row("argrep",      -6, R, Shared, key(Read),   refuse(ComputesOnValue)),
    row("arinfo",      -2, R, Shared, key(Read),   PASS),
    row("arinsert",    -3, W, Shared, key(Update), seal(Fixed, From(2))),
    row("arlastitems", -3, R, Shared, key(Read),   shaped(Options { from: 3, words: REV }, VALUES)),
    row("arlen",       2,  R, Shared, key(Read),   PASS),
    row("armget",      -3, R, Shared, key(Read),   shaped(Fixed, VALUES)),
    row("armset",      -4, W, Shared, key(Update), seal(Pairs { from: 2 }, SecondsFrom(2))),
    row("arnext",      2,  R, Shared, key(Read),   PASS),
    row("arop",        -5, R, Shared, key(Read),   refuse(ComputesOnValue)),
    row("arring",      -4, W, Shared, key(Update), seal(Fixed, From(3))),
    row("arscan",      -4, R, Shared, key(Read),   shaped(Options { from: 4, words: LIMIT }, Shape::Each(&Shape::Tuple(&[Shape::Raw, Shape::Value])))),
    row("arseek",      3,  W, Shared, key(Update), PASS),
    row("arset",       -4, W, Shared, key(Update), seal(Fixed, From(3))),
];
