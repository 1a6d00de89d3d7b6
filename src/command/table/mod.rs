//! THE TABLE: one row per command, in one file per group, and the look-up.
//!
//! Job: hold every command that the sidecar knows. A command of a known shape is one line in the
//! file of its group; the tests and `docs/commands.md` pick it up from there.
//! In: a name. Out: its [`Spec`].
//! Must never: match part of a name, or a subcommand's name in the place of a command's.

mod arrays;
mod bitmaps;
mod cluster;
mod connection;
mod geo;
mod hashes;
mod hyperloglog;
mod json;
mod keyspace;
mod lists;
mod probabilistic;
mod pubsub;
mod row;
mod scripting;
mod search;
mod server;
mod sets;
mod sorted_sets;
mod streams;
mod strings;
mod time_series;
mod transactions;
mod vectors;

use std::sync::LazyLock;

use super::Spec;
use super::category::{self, Categories};

/// Rows that a reader looks for together.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    pub title: &'static str,
    /// Which servers have these commands, a sentence; empty if it is what every Redis has.
    pub servers: &'static str,
    /// Redis's ACL category of most of them.
    category: Categories,
    pub rows: &'static [Spec],
}

static GROUPS: [Group; 22] = [
    group("Strings", Categories::STRING, strings::ROWS),
    group("Bitmaps", Categories::BITMAP, bitmaps::ROWS),
    group("Hashes", Categories::HASH, hashes::ROWS),
    group("Lists", Categories::LIST, lists::ROWS),
    group("Sets", Categories::SET, sets::ROWS),
    group("Sorted sets", Categories::SORTED_SET, sorted_sets::ROWS),
    group("Geospatial", Categories::GEO, geo::ROWS),
    group("Streams", Categories::STREAM, streams::ROWS),
    group("HyperLogLog", Categories::HYPERLOGLOG, hyperloglog::ROWS),
    extension("Arrays", Categories::NONE, "Upstash, and Redis from 8.8", arrays::ROWS),
    extension("JSON", Categories::JSON, "Upstash, and servers with the module RedisJSON or valkey-json", json::ROWS),
    extension(
        "Search",
        Categories::SEARCH,
        "SEARCH: Upstash. FT: servers with the module RediSearch or valkey-search",
        search::ROWS,
    ),
    extension("Vectors", Categories::NONE, "VECTOR: Upstash. The others: Redis from 8.0", vectors::ROWS),
    extension(
        "Probabilistic",
        Categories::NONE,
        "Servers with the module RedisBloom or valkey-bloom",
        probabilistic::ROWS,
    ),
    extension("Time series", Categories::TIME_SERIES, "Servers with the module RedisTimeSeries", time_series::ROWS),
    group("Keys", Categories::KEYSPACE, keyspace::ROWS),
    group("Publish and subscribe", Categories::NONE, pubsub::ROWS),
    group("Transactions", Categories::TRANSACTION, transactions::ROWS),
    group("Scripts and functions", Categories::SCRIPTING, scripting::ROWS),
    group("Connection", Categories::CONNECTION, connection::ROWS),
    group("Server", Categories::NONE, server::ROWS),
    group("Cluster", Categories::NONE, cluster::ROWS),
];

const fn group(title: &'static str, category: Categories, rows: &'static [Spec]) -> Group {
    extension(title, category, "", rows)
}

/// A group that not every Redis has.
const fn extension(title: &'static str, category: Categories, servers: &'static str, rows: &'static [Spec]) -> Group {
    Group { title, servers, category, rows }
}

/// Every group, in the order of the docs.
#[must_use]
pub fn groups() -> &'static [Group] {
    &GROUPS
}

/// Every row, sorted by name.
#[must_use]
pub fn table() -> &'static [Spec] {
    &TABLE.rows
}

/// The row with exactly this name, `container|sub` for a subcommand, in any case.
#[must_use]
pub fn find(name: &str) -> Option<&'static Spec> {
    match name.split_once('|') {
        Some((container, sub)) => subcommand(container.as_bytes(), sub.as_bytes()),
        None => command(name.as_bytes()),
    }
}

/// The row of a command that is not a subcommand.
pub(super) fn command(name: &[u8]) -> Option<&'static Spec> {
    TABLE.find(name, None)
}

/// The row of a subcommand.
pub(super) fn subcommand(container: &[u8], sub: &[u8]) -> Option<&'static Spec> {
    TABLE.find(container, Some(sub))
}

/// Slots of the hash index: several times the rows, so that most names are found at once.
const SLOTS: usize = 2048;
/// No name is longer (the longest is `cluster|count-failure-reports`); what is longer is not hashed.
const MAX_NAME: usize = 32;
const EMPTY: u16 = u16::MAX;

static TABLE: LazyLock<Table> = LazyLock::new(Table::new);

struct Table {
    rows: Vec<Spec>,
    /// Open addressing with linear probing, by row number.
    slots: Box<[u16; SLOTS]>,
}

impl Table {
    fn new() -> Self {
        let of_group = |group: &'static Group| {
            group.rows.iter().map(|row| Spec { categories: category::of(group.category, row), ..*row })
        };
        let mut rows: Vec<Spec> = GROUPS.iter().flat_map(of_group).collect();
        rows.sort_unstable_by_key(|row| row.name);
        for (number, row) in (0..).zip(&mut rows) {
            row.number = number;
        }
        let mut slots = Box::new([EMPTY; SLOTS]);
        for (number, row) in (0u16..).zip(&rows) {
            let mut slot = hash(row.name.as_bytes(), FIRST) % SLOTS;
            while slots[slot] != EMPTY {
                slot = (slot + 1) % SLOTS;
            }
            slots[slot] = number;
        }
        Self { rows, slots }
    }

    fn find(&self, name: &[u8], sub: Option<&[u8]>) -> Option<&Spec> {
        if name.len() + sub.map_or(0, |sub| sub.len() + 1) > MAX_NAME {
            return None;
        }
        let mut state = hash(name, FIRST);
        if let Some(sub) = sub {
            state = hash(sub, hash(b"|", state));
        }
        let mut slot = state % SLOTS;
        // Ends, because the index always has free slots.
        while self.slots[slot] != EMPTY {
            let row = &self.rows[usize::from(self.slots[slot])];
            if is(row.name, name, sub) {
                return Some(row);
            }
            slot = (slot + 1) % SLOTS;
        }
        None
    }
}

fn is(row: &str, name: &[u8], sub: Option<&[u8]>) -> bool {
    let row = row.as_bytes();
    match sub {
        // A client that sends `client|setname` as one word gets what Redis gives: an unknown command.
        None => row.eq_ignore_ascii_case(name) && !name.contains(&b'|'),
        Some(sub) => {
            row.len() == name.len() + 1 + sub.len()
                && row[..name.len()].eq_ignore_ascii_case(name)
                && row[name.len()] == b'|'
                && row[name.len() + 1..].eq_ignore_ascii_case(sub)
        }
    }
}

/// FNV-1a's basis and prime. Names are few and fixed, so nobody can make them collide.
const FIRST: usize = 0xcbf2_9ce4_8422_2325;
const PRIME: usize = 0x0100_0000_01b3;

fn hash(bytes: &[u8], from: usize) -> usize {
    bytes.iter().fold(from, |state, byte| (state ^ usize::from(byte.to_ascii_lowercase())).wrapping_mul(PRIME))
}
