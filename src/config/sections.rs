//! The sections that are a few independent settings each: scripts, limits, server, log.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::defaults::{
    BLOCKING, BUFFERS, CLIENT_OUTPUT, CLIENT_WINDOW, DEDICATED, DRAIN_TIMEOUT, MAX_BULK, MAX_CLIENTS,
    MAX_DRAIN_TIMEOUT, MAX_MAX_BULK, MAX_WORKERS, OUTPUT_STALL, SUBSCRIPTIONS, TRANSACTIONS,
};
use super::levels::LogLevels;
use super::rates;
use super::source::Sources;
use super::types::{Limits, Log, LogFormat, LogLevel, Scripts, Server, UndeclaredKeys};

const KB: u64 = 1 << 10;
const GB: u64 = 1 << 30;

pub(super) fn scripts(sources: &mut Sources<'_>) -> Scripts {
    let choices = [("refuse", UndeclaredKeys::Refuse), ("trust", UndeclaredKeys::Trust)];
    let set = sources.choice("scripts", "undeclared_keys", &choices);
    if let Some(set) = &set
        && set.value == UndeclaredKeys::Trust
    {
        sources.warn(
            &set.place,
            "scripts may touch keys that they do not declare; one that writes a protected key stores \
             it in clear",
        );
    }
    Scripts {
        undeclared_keys: set.map_or(UndeclaredKeys::Refuse, |set| set.value),
        functions: functions(sources).unwrap_or_default(),
    }
}

fn functions(sources: &mut Sources<'_>) -> Option<Vec<String>> {
    let set = sources.list("scripts", "functions")?;
    // As Redis names them.
    let is_name = |name: &String| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !set.value.iter().all(is_name) {
        sources.fault(
            &set.place,
            "is not a list of names of functions",
            "name each function by letters, digits and underscores",
        );
    }
    Some(set.value)
}

pub(super) fn limits(sources: &mut Sources<'_>) -> Limits {
    let rates = rates::read(sources);
    let max_clients = count(sources, "max_clients", 1..=1_000_000, MAX_CLIENTS);
    let client_window = count(sources, "client_window", 1..=1_000_000, CLIENT_WINDOW);
    let client_output = size(sources, "client_output", 64 * KB..=64 * GB, CLIENT_OUTPUT);
    let stall = Duration::from_millis(100)..=Duration::from_secs(3600);
    let output_stall = sources.duration("limits", "output_stall", stall);
    let buffers = size(sources, "buffers", 1024 * KB..=1024 * GB, BUFFERS);
    let max_bulk = size(sources, "max_bulk", KB..=MAX_MAX_BULK, MAX_BULK);
    if buffers < max_bulk {
        sources.fault(
            "[limits] buffers",
            "is less than max_bulk, so that one value of that size would never fit",
            "raise buffers, or lower max_bulk",
        );
    }
    if client_output < max_bulk {
        sources.warn(
            "[limits] client_output",
            "is less than max_bulk: a client that reads the largest value slowly is cut",
        );
    }
    Limits {
        rates,
        max_clients,
        client_window,
        client_output,
        output_stall: output_stall.map_or(OUTPUT_STALL, |set| set.value),
        buffers,
        max_bulk,
        transactions: count(sources, "transactions", 1..=100_000, TRANSACTIONS),
        blocking: count(sources, "blocking", 1..=1_000_000, BLOCKING),
        subscriptions: count(sources, "subscriptions", 1..=1_000_000, SUBSCRIPTIONS),
        dedicated: count(sources, "dedicated", 1..=1_000_000, DEDICATED),
    }
}

pub(super) fn server(sources: &mut Sources<'_>) -> Server {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    let workers = sources.count("server", "workers", 1..=MAX_WORKERS);
    let drain = sources.duration("server", "drain_timeout", Duration::ZERO..=MAX_DRAIN_TIMEOUT);
    Server {
        workers: narrow(workers.map_or(cores.clamp(1, MAX_WORKERS), |set| set.value)),
        drain_timeout: drain.map_or(DRAIN_TIMEOUT, |set| set.value),
        lock_memory: sources.flag_setting("server", "lock_memory").is_some_and(|set| set.value),
    }
}

pub(super) fn log(sources: &mut Sources<'_>) -> Log {
    let formats = [("human", LogFormat::Human), ("json", LogFormat::Json)];
    let level = sources.text("log", "level");
    let format = sources.choice("log", "format", &formats);
    let levels = level.and_then(|set| {
        let levels = LogLevels::parse(&set.value);
        if levels.is_none() {
            sources.fault(
                set.place,
                "is not understood",
                "set it to \"error\", \"warn\", \"info\", \"debug\" or \"trace\", with other levels for some targets behind \
                 it if need be: \"info,waxseal::upstream=debug\"",
            );
        }
        levels
    });
    Log {
        levels: levels.unwrap_or(LogLevels { default: LogLevel::Info, targets: Vec::new() }),
        format: format.map_or(LogFormat::Human, |set| set.value),
    }
}

fn count(sources: &mut Sources<'_>, name: &'static str, bounds: RangeInclusive<u64>, default: u64) -> usize {
    narrow(sources.count("limits", name, bounds).map_or(default, |set| set.value))
}

fn size(sources: &mut Sources<'_>, name: &'static str, bounds: RangeInclusive<u64>, default: u64) -> usize {
    narrow(sources.size("limits", name, bounds).unwrap_or(default))
}

/// On a machine with 32 bits a larger number means the same as the largest.
fn narrow(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
