//! `/status.json`: what the console draws. Counters as they stand; it takes differences itself, so that any number of
//! consoles may look.

use serde_json::{Map, Value, json};

use super::probes::Verdict;
use super::watched::Watched;
use crate::command::CommandClass;
use crate::meter::{BUCKETS, Cut, Histogram, Kind, LaneKind, Meter, Refused, Way, bound};

/// What does not come from counters.
pub(super) struct About {
    pub ready: Verdict,
    pub log: String,
}

pub(super) fn json(watched: &Watched<'_>, about: &About) -> String {
    let meters = watched.meters;
    let sum = |which: fn(&Meter) -> &crate::meter::Counter| meters.sum(which);
    let costs = watched.costs;
    let process = watched.process;
    let count = |count: &std::sync::atomic::AtomicU64| count.load(std::sync::atomic::Ordering::Relaxed);
    let keys = watched.keys();
    let status = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "started": process.started,
        "ready": about.ready.is_ok(),
        "why": about.ready.err(),
        "log": about.log,
        "commands": commands(watched),
        "refused": table(Refused::ALL.map(|why| (why.name(), meters.refusals(why)))),
        "limited": watched.limited(),
        "connections": {
            "open": meters.level(|meter| &meter.connected),
            "accepted": sum(|meter| &meter.accepted),
            "closed": table(Cut::ALL.map(|why| (why.name(), meters.cuts(why)))),
        },
        "lanes": table(LaneKind::ALL.map(|kind| (kind.name(), meters.lanes(kind)))),
        "dials": { "ok": sum(|meter| &meter.dialled), "error": sum(|meter| &meter.dial_failed) },
        "upstream_commands": sum(|meter| &meter.upstream_commands),
        "bytes": {
            "from_clients": sum(|meter| &meter.bytes_from_clients),
            "to_clients": sum(|meter| &meter.bytes_to_clients),
            "from_upstream": sum(|meter| &meter.bytes_from_upstream),
            "to_upstream": sum(|meter| &meter.bytes_to_upstream),
            "buffered": watched.buffered,
        },
        "bounds": (0..BUCKETS).map(|at| bound(at).map(|end| end.as_secs_f64())).collect::<Vec<_>>(),
        "latency": {
            "queue": times(watched, |meter| &meter.queued),
            "crypto": times(watched, |meter| &meter.crypto),
            "upstream": times(watched, |meter| &meter.upstream),
        },
        "values": { "sealed": watched.sealed(), "opened": keys.iter().map(|(_, opened)| opened).sum::<u64>() },
        "open_failures": table(watched.open_failures()),
        "keys": keys.iter().map(|(key, opened)| json!({
            "id": key.id.to_string(),
            "role": key.role.list(),
            "state": key.state.name(),
            "created": key.created.to_string(),
            "opened": opened,
        })).collect::<Vec<_>>(),
        "emulated": {
            "commands": count(&costs.commands),
            "upstream_commands": count(&costs.steps),
            "retries": count(&costs.retries),
        },
        "process": {
            "memory": process.resident_bytes,
            "cpu": process.cpu_seconds,
            "files": process.open_files,
        },
        // Filled by the detection of anomalies, once there is one.
        "alerts": [],
    });
    status.to_string()
}

/// `class -> way -> [ok, error]`, without what never happened.
fn commands(watched: &Watched<'_>) -> Value {
    let mut classes = Map::new();
    for class in CommandClass::ALL {
        let mut ways = Map::new();
        for way in Way::ALL {
            let (ok, error) = watched.meters.answers(Kind { class, way });
            if ok + error > 0 {
                ways.insert(way.name().into(), json!([ok, error]));
            }
        }
        classes.insert(class.name().into(), Value::Object(ways));
    }
    Value::Object(classes)
}

fn times(watched: &Watched<'_>, which: impl Fn(&Meter) -> &Histogram) -> Value {
    let (counts, sum) = watched.meters.times(which);
    json!({ "counts": counts, "sum": sum.as_secs_f64() })
}

fn table<'a>(counts: impl IntoIterator<Item = (&'a str, u64)>) -> Value {
    Value::Object(counts.into_iter().map(|(name, count)| (name.to_owned(), count.into())).collect())
}
