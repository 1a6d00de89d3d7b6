//! Bitmaps: single bits of a string, which ciphertext does not have.

use super::row::*;

#[rustfmt::skip]
pub(super) const ROWS: &[Spec] = &[
    row("bitcount",    -2, R,        Shared, key(Read),                                                   computed(Computed::BitCount)),
    row("bitfield",    -2, W,        Shared, key(Update),                                                 emulate(Change::BitFields)),
    row("bitfield_ro", -2, R | FAST, Shared, key(Read),                                                   computed(Computed::BitFields)),
    row("bitop",       -4, W,        Shared, DestinationAndSources { destination: 2, access: Overwrite }, here(Method::Bits)),
    row("bitpos",      -3, R,        Shared, key(Read),                                                   computed(Computed::BitPosition)),
    row("getbit",      3,  R | FAST, Shared, key(Read),                                                   computed(Computed::Bit)),
    row("setbit",      4,  W,        Shared, key(Update),                                                 emulate(Change::Bit)),
];
