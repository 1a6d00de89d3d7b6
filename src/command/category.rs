//! Redis's ACL categories of every row.
//!
//! Job: say which `@categories` a command is in, as `ACL CAT` of a server does. Most follow from a row's group and
//! flags; [`exceptions`] has the rest. `tests/servers.rs` compares them with three servers.
//! Must never: leave a command that writes out of `@write`, whatever its module says.

use super::spec::{Flags, Spec};

/// The names, in the order of their bits: those of every server, then those of modules.
const NAMES: [&str; 29] = [
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
    "json",
    "search",
    "timeseries",
    "bloom",
    "cuckoo",
    "cms",
    "topk",
    "tdigest",
];

/// A set of categories.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Categories(u32);

impl Categories {
    pub(super) const NONE: Self = Self(0);
    pub(super) const KEYSPACE: Self = Self(1);
    const READ: Self = Self(1 << 1);
    const WRITE: Self = Self(1 << 2);
    pub(super) const SET: Self = Self(1 << 3);
    pub(super) const SORTED_SET: Self = Self(1 << 4);
    pub(super) const LIST: Self = Self(1 << 5);
    pub(super) const HASH: Self = Self(1 << 6);
    pub(super) const STRING: Self = Self(1 << 7);
    pub(super) const BITMAP: Self = Self(1 << 8);
    pub(super) const HYPERLOGLOG: Self = Self(1 << 9);
    pub(super) const GEO: Self = Self(1 << 10);
    pub(super) const STREAM: Self = Self(1 << 11);
    const PUBSUB: Self = Self(1 << 12);
    const ADMIN: Self = Self(1 << 13);
    const FAST: Self = Self(1 << 14);
    const SLOW: Self = Self(1 << 15);
    const BLOCKING: Self = Self(1 << 16);
    const DANGEROUS: Self = Self(1 << 17);
    pub(super) const CONNECTION: Self = Self(1 << 18);
    pub(super) const TRANSACTION: Self = Self(1 << 19);
    pub(super) const SCRIPTING: Self = Self(1 << 20);
    pub(super) const JSON: Self = Self(1 << 21);
    pub(super) const SEARCH: Self = Self(1 << 22);
    pub(super) const TIME_SERIES: Self = Self(1 << 23);
    /// Of the modules of which one file has the rows.
    const BY_PREFIX: [(&str, Self); 5] = [
        ("bf.", Self(1 << 24)),
        ("cf.", Self(1 << 25)),
        ("cms.", Self(1 << 26)),
        ("topk.", Self(1 << 27)),
        ("tdigest.", Self(1 << 28)),
    ];

    /// The category of this name, without its `@`, in any case.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        NAMES.iter().position(|known| known.eq_ignore_ascii_case(name)).map(|bit| Self(1 << bit))
    }

    /// Every name, without its `@`.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.into_iter()
    }

    /// The names of these, without their `@`.
    pub fn iter(self) -> impl Iterator<Item = &'static str> {
        NAMES.into_iter().enumerate().filter(move |(bit, _)| self.0 & 1 << bit != 0).map(|(_, name)| name)
    }

    /// Whether every one of `others` is among these.
    #[must_use]
    pub const fn has(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// The categories of a row whose group has this one.
pub(super) fn of(group: Categories, row: &Spec) -> Categories {
    let mut all = exceptions(row.name).unwrap_or(group);
    for (prefix, category) in Categories::BY_PREFIX {
        if row.name.starts_with(prefix) {
            all = all.and(category);
        }
    }
    // A script counts as neither a read nor a write: what it does is asked of its commands.
    let reads = row.flags.has(Flags::READ) && !all.has(Categories::SCRIPTING);
    let implied = [
        (reads, Categories::READ),
        (row.flags.has(Flags::WRITE), Categories::WRITE),
        (row.flags.has(Flags::PUBSUB), Categories::PUBSUB),
        (row.flags.has(Flags::ADMIN), Categories::ADMIN.and(Categories::DANGEROUS)),
        (row.flags.has(Flags::DANGEROUS), Categories::DANGEROUS),
        (row.flags.has(Flags::BLOCKING), Categories::BLOCKING),
        (row.flags.has(Flags::FAST), Categories::FAST),
        (!row.flags.has(Flags::FAST), Categories::SLOW),
    ];
    implied.into_iter().filter(|(is, _)| *is).fold(all, |all, (_, category)| all.and(category))
}

/// What Redis says of these, in place of the category of their group.
fn exceptions(name: &str) -> Option<Categories> {
    Some(match name {
        "asking" | "readonly" | "readwrite" | "wait" | "waitaof" => Categories::CONNECTION,
        "clusterscan" | "cluster|flushslot" => Categories::KEYSPACE,
        // They administer, and are not flagged so.
        "lastsave" | "role" => Categories::ADMIN,
        "sort" | "sort_ro" => Categories::SET.and(Categories::SORTED_SET).and(Categories::LIST),
        name if name.starts_with("command|") => Categories::CONNECTION,
        name if name.starts_with("memory|") => Categories::NONE,
        _ => return None,
    })
}
