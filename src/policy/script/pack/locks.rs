//! Locks: a key holds a random token, and a script goes on only if it still does.

use super::{Arg, Keys, Reply, Script};
use crate::command::Shape;

/// The token is ARGV[1].
const COMPARE: &[(usize, Arg)] = &[(1, Arg::Token)];
const STORE: &[(usize, Arg)] = &[(1, Arg::Value)];

const fn lock(
    library: &'static str,
    name: &'static str,
    args: &'static [(usize, Arg)],
    digest: &'static str,
) -> Script {
    Script { library, name, digest, keys: Keys::Values, args, reply: Reply::Shaped(Shape::Raw) }
}

#[rustfmt::skip]
pub(super) const ROWS: &[Script] = &[
    lock("redis-py",  "Lock.release",         COMPARE, "e424d087fdc84c66403eac944691d9f1898a0679"),
    lock("redis-py",  "Lock.extend",          COMPARE, "fa20747472f6764f2ff5c7a02f8e00923211a094"),
    lock("redis-py",  "Lock.reacquire",       COMPARE, "20bb5e043ec374c9d671d2b9a556da2b415e9b9f"),
    lock("Redlock",   "acquire",              STORE,   "973e3bda4bf8c94babed7595f90735886f7b01b3"),
    lock("Redlock",   "extend",               COMPARE, "5626a130de8f5ca4ed143644ff1a8c42fc53d131"),
    lock("Redlock",   "release",              COMPARE, "71737d5a751d554203ba66073a3b230595d52edf"),
    // As Redis's documentation has it, and redlock-py, pottery and many others.
    lock("a lock",    "release",              COMPARE, "eb505fc9bbea7c993db6ab175b07b07bbadeb832"),
    lock("a lock",    "extend, milliseconds", COMPARE, "e61f890b27bb7a51ead075d81b753ef5c1bb9b53"),
    lock("a lock",    "extend, seconds",      COMPARE, "00bc181c3094c77a0ada6a7aedbbade55f6205f4"),
    lock("pottery",   "acquired",             COMPARE, "edc2b7ec1ef7cd296677a0d42a0d9f1f1e279073"),
];
