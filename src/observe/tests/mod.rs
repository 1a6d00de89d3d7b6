//! The whole of `/metrics`, and its table in the documentation.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::num::NonZeroU64;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::process::Process;
use super::{Watched, metrics, status};
use crate::command::CommandClass;
use crate::crypto::{CipherCounts, Keyring};
use crate::meter::{Cut, Kind, LaneKind, Meter, Meters, Refused, Way};
use crate::policy::{Algorithm, Classes, Limits, Over, Per, RateLimit, Unit};
use crate::transform::Costs;

const PAGE: &str = "docs/observability.md";
const TABLE: [&str; 2] = ["<!-- metrics: generated -->\n", "<!-- end -->"];

/// Of no use to anybody.
const KEYRING: &str = r#"{"format": "waxseal-keyring", "version": 1, "salt": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=",
    "keys": [{"id": "0000000a", "state": "active", "created": "2026-01-02T03:04:05Z", "secret": "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="},
             {"id": "0000000b", "state": "retired", "created": "2025-01-02T03:04:05Z", "secret": "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM="}],
    "deterministic": [], "prf": []}"#;

const LIMIT: RateLimit = RateLimit {
    per: Per::Connection,
    algorithm: Algorithm::SlidingWindow,
    unit: Unit::Commands,
    limit: NonZeroU64::new(100).unwrap(),
    window: Duration::from_secs(1),
    classes: Classes::ALL,
    over: Over::Error,
};

/// Two workers, and something of each kind.
fn observed(see: impl FnOnce(&Watched<'_>)) {
    let keyring = Keyring::from_json(KEYRING.as_bytes()).unwrap();
    let meters: Vec<_> = (0..2).map(|_| Meter::new(Arc::new(CipherCounts::of(&keyring)))).collect();
    let [one, two] = &meters[..] else { unreachable!("two were made") };
    let read = Kind { class: CommandClass::Read, way: Way::Sealed };
    one.answered(read, b'$');
    two.answered(read, b'$');
    two.answered(Kind { class: CommandClass::Write, way: Way::Refused }, b'-');
    two.refused(Refused::Command);
    one.cut(Cut::SlowReader);
    for _ in 0..3 {
        one.connected.up();
        one.accepted.add(1);
    }
    one.lane(LaneKind::Shared).up();
    two.lane(LaneKind::Shared).up();
    one.dialled.add(2);
    two.dial_failed.add(1);
    one.upstream_commands.add(2);
    one.bytes_from_clients.add(100);
    two.bytes_to_clients.add(200);
    one.bytes_to_upstream.add(300);
    two.bytes_from_upstream.add(400);
    one.queued.record(Duration::from_micros(1));
    two.crypto.record(Duration::from_micros(3));
    two.upstream.record(Duration::from_millis(20));
    let process = Process {
        resident_bytes: Some(8 << 20),
        cpu_seconds: Some(1.25),
        open_files: Some(20),
        max_files: Some(1024),
        started: Some(1_750_000_000),
    };
    see(&Watched {
        meters: &Meters::new(meters.clone()),
        keyring: Some(&keyring),
        costs: &Costs::default(),
        limits: &Limits::new([LIMIT, LIMIT]),
        buffered: 5,
        process,
    });
}

fn in_repository(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Compares a file with what it should hold; `WAXSEAL_BLESS=1` writes it.
fn held(path: &str, wanted: &str) {
    let path = in_repository(path);
    if std::env::var_os("WAXSEAL_BLESS").is_some() {
        fs::write(&path, wanted).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap();
    assert_eq!(found, wanted, "{} differs; if that is right, WAXSEAL_BLESS=1 cargo test writes it", path.display());
}

#[test]
fn the_whole_page_is_as_it_was() {
    observed(|watched| held("src/observe/tests/metrics.txt", &metrics::text(watched)));
}

#[test]
fn the_documentation_lists_every_metric() {
    observed(|watched| {
        let page = fs::read_to_string(in_repository(PAGE)).unwrap();
        let (before, rest) = page.split_once(TABLE[0]).expect("the table's beginning");
        let (_, after) = rest.split_once(TABLE[1]).expect("the table's end");
        let table = table(&metrics::text(watched));
        held(PAGE, &format!("{before}{}{table}{}{after}", TABLE[0], TABLE[1]));
    });
}

/// A row for each family of the page.
fn table(text: &str) -> String {
    let mut labels: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((name, rest)) = line.split_once('{') else { continue };
        let names = rest.split("\",").filter_map(|one| one.split('=').next()).filter(|label| *label != "le");
        labels.entry(name).or_default().extend(names);
    }
    let mut table = String::from("| metric | type | labels | what it says |\n|---|---|---|---|\n");
    let mut help = "";
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ').unwrap().1;
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let labels: Vec<_> = labels.get(name).into_iter().flatten().map(|label| format!("`{label}`")).collect();
            writeln!(table, "| `{name}` | {kind} | {} | {help} |", labels.join(", ")).unwrap();
        }
    }
    table
}

#[test]
fn the_console_gets_the_same_counts() {
    observed(|watched| {
        let about = status::About { ready: Err("stopping"), log: "info".into() };
        let status: serde_json::Value = serde_json::from_str(&status::json(watched, &about)).unwrap();
        for (at, wanted) in [
            ("/commands/read/sealed/0", 2.into()),
            ("/commands/write/refused/1", 1.into()),
            ("/refused/command", 1.into()),
            ("/limited/100 commands per 1 s (sliding window) on this connection/0", 0.into()),
            ("/connections/open", 3.into()),
            ("/lanes/shared", 2.into()),
            ("/dials/error", 1.into()),
            ("/bytes/buffered", 5.into()),
            ("/latency/upstream/sum", 0.02.into()),
            ("/keys/0/state", "active".into()),
            ("/ready", false.into()),
            ("/why", "stopping".into()),
            ("/log", "info".into()),
            ("/bounds/25", serde_json::Value::Null),
        ] {
            assert_eq!(status.pointer(at), Some(&wanted), "{at} in {status}");
        }
    });
}
