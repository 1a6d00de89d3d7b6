//! HyperLogLog. Elements are hashed with a key before they leave; nothing opens them again.

use super::row::*;

#[rustfmt::skip]
pub(super) const ROWS: &[Spec] = &[
    row("pfadd",      -2, W | FAST,           Shared, key(Update),                                              wide_scope(seal(Fixed, Hashed { from: 2 }))),
    row("pfcount",    -2, R,                  Shared, keys_to(-1, Update),                                      wide_scope(AS_THEY_ARE)),
    row("pfdebug",    3,  W | ADMIN | DANGER, Shared, key_at(2, Update),                                        refuse(ServerInternals)),
    row("pfmerge",    -2, W,                  Shared, DestinationAndSources { destination: 1, access: Update }, wide_scope(AS_THEY_ARE)),
    row("pfselftest", 1,  ADMIN | DANGER,     Shared, NO_KEYS,                                                  PASS),
];
