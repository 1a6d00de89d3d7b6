//! `/metrics`: every counter under its name. docs/observability.md has the same list; a test compares the two.

use std::sync::atomic::Ordering;

use super::exposition::Exposition;
use super::watched::Watched;
use crate::command::CommandClass;
use crate::meter::{Cut, Kind, LaneKind, Refused, Way};

pub(super) fn text(watched: &Watched<'_>) -> String {
    let mut page = Exposition::default();
    page.gauge("waxseal_build_info", "Always 1; the label says which Waxseal runs.")
        .sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    commands(&mut page, watched);
    connections(&mut page, watched);
    upstream(&mut page, watched);
    values(&mut page, watched);
    process(&mut page, watched);
    page.finish()
}

fn commands(page: &mut Exposition, watched: &Watched<'_>) {
    let meters = watched.meters;
    page.counter("waxseal_commands_total", "Commands answered, by class, by how they were dealt with, and by outcome.");
    for class in CommandClass::ALL {
        for way in Way::ALL {
            let (ok, error) = meters.answers(Kind { class, way });
            for (outcome, count) in [("ok", ok), ("error", error)] {
                page.sample(&[("class", class.name()), ("way", way.name()), ("outcome", outcome)], count);
            }
        }
    }
    page.counter("waxseal_refused_total", "Commands that Waxseal refused, by reason.");
    for why in Refused::ALL {
        page.sample(&[("reason", why.name())], meters.refusals(why));
    }
    page.counter("waxseal_rate_limited_total", "Commands over a limit, by the limit, and what became of them.");
    for (limit, (refused, delayed)) in watched.limited() {
        page.sample(&[("limit", &limit), ("outcome", "refused")], refused);
        page.sample(&[("limit", &limit), ("outcome", "delayed")], delayed);
    }
    let costs = watched.costs;
    let emulated = [
        ("waxseal_emulated_commands_total", "Commands carried out here, in several steps.", &costs.commands),
        ("waxseal_emulated_upstream_commands_total", "Commands of the database that those took.", &costs.steps),
        ("waxseal_emulated_retries_total", "How often one began again because others had written.", &costs.retries),
    ];
    for (name, help, count) in emulated {
        page.counter(name, help).value(count.load(Ordering::Relaxed));
    }
}

fn connections(page: &mut Exposition, watched: &Watched<'_>) {
    let meters = watched.meters;
    page.gauge("waxseal_connections", "Clients connected.").value(meters.level(|meter| &meter.connected));
    page.counter("waxseal_connections_accepted_total", "Client connections accepted.")
        .value(meters.sum(|meter| &meter.accepted));
    page.counter("waxseal_connections_closed_total", "Client connections ended, by reason.");
    for why in Cut::ALL {
        page.sample(&[("reason", why.name())], meters.cuts(why));
    }
    page.counter("waxseal_client_received_bytes_total", "Bytes from clients.")
        .value(meters.sum(|meter| &meter.bytes_from_clients));
    page.counter("waxseal_client_sent_bytes_total", "Bytes to clients.")
        .value(meters.sum(|meter| &meter.bytes_to_clients));
    page.gauge("waxseal_buffered_bytes", "Bytes waiting for clients to take them; limits.buffers bounds them.")
        .value(watched.buffered);
}

fn upstream(page: &mut Exposition, watched: &Watched<'_>) {
    let meters = watched.meters;
    page.gauge("waxseal_lanes", "Connections to the database, by what they are for.");
    for kind in LaneKind::ALL {
        page.sample(&[("kind", kind.name())], meters.lanes(kind));
    }
    page.counter("waxseal_upstream_dials_total", "Attempts to connect to the database, by outcome.");
    page.sample(&[("outcome", "ok")], meters.sum(|meter| &meter.dialled));
    page.sample(&[("outcome", "error")], meters.sum(|meter| &meter.dial_failed));
    page.counter("waxseal_upstream_commands_total", "Commands sent to the database.")
        .value(meters.sum(|meter| &meter.upstream_commands));
    page.counter("waxseal_upstream_received_bytes_total", "Bytes from the database, TLS not counted.")
        .value(meters.sum(|meter| &meter.bytes_from_upstream));
    page.counter("waxseal_upstream_sent_bytes_total", "Bytes to the database, TLS not counted.")
        .value(meters.sum(|meter| &meter.bytes_to_upstream));
    page.histogram(
        "waxseal_queue_seconds",
        "From a request's arrival at its lane until it is handed to the connection. Sampled: one request per lane at a time.",
    )
    .distribution(meters.times(|meter| &meter.queued));
    page.histogram(
        "waxseal_crypto_seconds",
        "Sealing the request and opening its reply. Sampled: one request per lane at a time.",
    )
    .distribution(meters.times(|meter| &meter.crypto));
    page.histogram(
        "waxseal_upstream_seconds",
        "From handing a request to the connection until its reply is here. Sampled: one request per lane at a time.",
    )
    .distribution(meters.times(|meter| &meter.upstream));
}

fn values(page: &mut Exposition, watched: &Watched<'_>) {
    let keys = watched.keys();
    page.counter("waxseal_values_total", "Values sealed and opened.");
    page.sample(&[("what", "sealed")], watched.sealed());
    page.sample(&[("what", "opened")], keys.iter().map(|(_, opened)| opened).sum::<u64>());
    page.counter(
        "waxseal_open_failures_total",
        "Values that did not open, by reason; not_sealed is plaintext under a rule.",
    );
    for (reason, count) in watched.open_failures() {
        page.sample(&[("reason", reason)], count);
    }
    page.counter("waxseal_values_opened_total", "Values opened, by the key that they were sealed with.");
    for (key, opened) in &keys {
        page.sample(&[("key_id", &key.id.to_string())], opened);
    }
    page.gauge("waxseal_key_info", "Always 1; the keys of the keyring, their role and their state.");
    for (key, _) in &keys {
        let labels = [("key_id", &*key.id.to_string()), ("role", key.role.list()), ("state", key.state.name())];
        page.sample(&labels, 1);
    }
}

fn process(page: &mut Exposition, watched: &Watched<'_>) {
    let process = watched.process;
    if let Some(bytes) = process.resident_bytes {
        page.gauge("process_resident_memory_bytes", "Resident memory.").value(bytes);
    }
    if let Some(seconds) = process.cpu_seconds {
        page.counter("process_cpu_seconds_total", "CPU time of user and system.").value(seconds);
    }
    if let Some(files) = process.open_files {
        page.gauge("process_open_fds", "Open file descriptors.").value(files);
    }
    if let Some(files) = process.max_files {
        page.gauge("process_max_fds", "The most file descriptors that may be open.").value(files);
    }
    if let Some(started) = process.started {
        page.gauge("process_start_time_seconds", "When the process started, in seconds since 1970.").value(started);
    }
}
