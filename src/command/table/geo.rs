//! Geospatial indexes, which are sorted sets.

use super::row::*;

#[rustfmt::skip]
pub(super) const ROWS: &[Spec] = &[
    row("geoadd",               -5, W, Shared, key(Update),                 seal(GeoMembers, GroupedMembers { size: 3 })),
    row("geodist",              -4, R, Shared, key(Read),                   seal(Options { from: 4, words: UNITS }, Members { from: 2, to: 3 })),
    row("geohash",              -2, R, Shared, key(Read),                   seal(Fixed, Members { from: 2, to: 0 })),
    row("geopos",               -2, R, Shared, key(Read),                   seal(Fixed, Members { from: 2, to: 0 })),
    row("georadius",            -6, W, Shared, GeoRadius { options_at: 6 }, carried(Move::Found(Around::Position), optional(Options { from: 6, words: RADIUS }, Shape::Raw, FOUND))),
    row("georadius_ro",         -6, R, Shared, key(Read),                   shaped(Options { from: 6, words: RADIUS_RO }, FOUND)),
    row("georadiusbymember",    -5, W, Shared, GeoRadius { options_at: 5 }, carried(Move::Found(Around::Member), seal_open(Options { from: 5, words: RADIUS }, Members { from: 2, to: 2 }, Reply::Optional { marked: Shape::Raw, plain: FOUND }))),
    row("georadiusbymember_ro", -5, R, Shared, key(Read),                   seal_open(Options { from: 5, words: RADIUS_RO }, Members { from: 2, to: 2 }, Reply::Shaped(FOUND))),
    row("geosearch",            -7, R, Shared, key(Read),                   seal_open(GeoSearch { from: 2 }, MemberAtStart, Reply::Shaped(FOUND))),
    row("geosearchstore",       -8, W, Shared, two(Overwrite, Read),        carried(Move::Found(Around::Search), seal(GeoSearch { from: 3 }, MemberAtStart))),
];
