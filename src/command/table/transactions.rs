//! Transactions, which keep state on their connection.

use super::row::*;

#[rustfmt::skip]
pub(super) const ROWS: &[Spec] = &[
    row("discard", 1,  FAST | NOSCRIPT, Transaction, NO_KEYS,           PASS),
    row("exec",    1,  NOSCRIPT,        Transaction, NO_KEYS,           PASS),
    row("multi",   1,  FAST | NOSCRIPT, Transaction, NO_KEYS,           PASS),
    row("unwatch", 1,  FAST | NOSCRIPT, Transaction, NO_KEYS,           PASS),
    row("watch",   -2, FAST | NOSCRIPT, Transaction, keys_to(-1, Read), PASS),
];
