//! Bitmaps: single bits of a string, which ciphertext does not have.

use super::row::*;

#[rustfmt::skip]
pub(super) const ROWS: &[Spec] = &[
    row("bitcount",    -2, R,        Shared, key(Read),                                                   refuse(ComputesOnValue)),
    row("bitfield",    -2, W,        Shared, key(Update),                                                 refuse(ComputesOnValue)),
    row("bitfield_ro", -2, R | FAST, Shared, key(Read),                                                   refuse(ComputesOnValue)),
    row("bitop",       -4, W,        Shared, DestinationAndSources { destination: 2, access: Overwrite }, refuse(MovesBetweenKeys)),
    row("bitpos",      -3, R,        Shared, key(Read),                                                   refuse(ComputesOnValue)),
    row("getbit",      3,  R | FAST, Shared, key(Read),                                                   refuse(ComputesOnValue)),
    row("setbit",      4,  W,        Shared, key(Update),                                                 refuse(ComputesOnValue)),
];
