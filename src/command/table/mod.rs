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

/// Rows that a reader looks for together.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    pub title: &'static str,
    /// Which servers have these commands, a sentence; empty if it is what every Redis has.
    pub servers: &'static str,
    pub rows: &'static [Spec],
}

static GROUPS: [Group; 22] = [
    group("Strings", strings::ROWS),
    group("Bitmaps", bitmaps::ROWS),
    group("Hashes", hashes::ROWS),
    group("Lists", lists::ROWS),
    group("Sets", sets::ROWS),
    group("Sorted sets", sorted_sets::ROWS),
    group("Geospatial", geo::ROWS),
    group("Streams", streams::ROWS),
    group("HyperLogLog", hyperloglog::ROWS),
    extension("Arrays", "Upstash, and Redis from 8.8", arrays::ROWS),
    extension("JSON", "Upstash, and servers with the module RedisJSON or valkey-json", json::ROWS),
    extension("Search", "SEARCH: Upstash. FT: servers with the module RediSearch or valkey-search", search::ROWS),
    extension("Vectors", "VECTOR: Upstash. The others: Redis from 8.0", vectors::ROWS),
    extension("Probabilistic", "Servers with the module RedisBloom or valkey-bloom", probabilistic::ROWS),
    extension("Time series", "Servers with the module RedisTimeSeries", time_series::ROWS),
    group("Keys", keyspace::ROWS),
    group("Publish and subscribe", pubsub::ROWS),
    group("Transactions", transactions::ROWS),
    group("Scripts and functions", scripting::ROWS),
    group("Connection", connection::ROWS),
    group("Server", server::ROWS),
    group("Cluster", cluster::ROWS),
];

const fn group(title: &'static str, rows: &'static [Spec]) -> Group {
    extension(title, "", rows)
}

/// A group that not every Redis has.
const fn extension(title: &'static str, servers: &'static str, rows: &'static [Spec]) -> Group {
    Group { title, servers, rows }
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
        let mut rows: Vec<Spec> = GROUPS.iter().flat_map(|group| group.rows).copied().collect();
        rows.sort_unstable_by_key(|row| row.name);
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
