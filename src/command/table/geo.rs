//! Geospatial indexes, which are sorted sets.

use super::row::*;

#[rustfmt::skip]
pub(super) const ROWS: &[Spec] = &[
    row("geoadd",               -5, W, Shared, key(Update),                 seal(GeoMembers, GroupedMembers { size: 3 })),
    row("geodist",              -4, R, Shared, key(Read),                   seal(Options { from: 4, words: UNITS }, Members { from: 2, to: 3 })),
    row("geohash",              -2, R, Shared, key(Read),                   seal(Fixed, Members { from: 2, to: 0 })),
    row("geopos",               -2, R, Shared, key(Read),                   seal(Fixed, Members { from: 2, to: 0 })),
    row("georadius",            -6, W, Shared, GeoRadius { options_at: 6 }, refuse(NotYetSealed)),
    row("georadius_ro",         -6, R, Shared, key(Read),                   refuse(NotYetSealed)),
    row("georadiusbymember",    -5, W, Shared, GeoRadius { options_at: 5 }, refuse(NotYetSealed)),
    row("georadiusbymember_ro", -5, R, Shared, key(Read),                   refuse(NotYetSealed)),
    row("geosearch",            -7, R, Shared, key(Read),                   seal_open(GeoSearch, MemberAtStart, Reply::Shaped(Shape::Each(&Shape::Head(&Shape::Member))))),
    row("geosearchstore",       -8, W, Shared, two(Overwrite, Read),        refuse(MovesBetweenKeys)),
];
