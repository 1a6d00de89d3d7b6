//! INFO without what a client would follow past the sidecar, replicas and cluster state, and with a section of our
//! own: what the commands that are carried out here have cost.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::BytesMut;

use crate::command::Args;
use crate::resp::{Proto, Token, Walker, encode};

const REPLICATION: &[u8] = b"# Replication\r\nrole:master\r\nconnected_slaves:0\r\n";
/// Lines of that part that a single server has too. None holds an address.
const KEPT: [&[u8]; 5] =
    [b"master_failover_state:", b"master_replid", b"master_repl_offset:", b"second_repl_offset:", b"repl_backlog_"];

/// With one of these, or with no argument, INFO has our section.
const OURS: [&[u8]; 4] = [b"default", b"all", b"everything", b"waxseal"];

/// Of the commands that take several steps, in the whole process.
#[derive(Default)]
pub struct Costs {
    pub commands: AtomicU64,
    /// Commands of the database that they took.
    pub steps: AtomicU64,
    /// How often one began again, because others had written in between.
    pub retries: AtomicU64,
}

impl Costs {
    fn section(&self) -> String {
        let [commands, steps, retries] =
            [&self.commands, &self.steps, &self.retries].map(|count| count.load(Ordering::Relaxed));
        let mut text = String::from("# Waxseal\r\n");
        let version = env!("CARGO_PKG_VERSION");
        // Writing to a String does not fail.
        let _ = write!(
            text,
            "waxseal_version:{version}\r\nemulated_commands:{commands}\r\nemulated_upstream_commands:{steps}\r\n\
             emulated_retries:{retries}\r\n"
        );
        text
    }
}

/// Does the client ask for our section, too?
pub(super) fn asks_for_ours(args: Args<'_>) -> bool {
    args.len() == 1 || args.from(1).any(|section| OURS.iter().any(|ours| section.eq_ignore_ascii_case(ours)))
}

/// Rewrites the next value of the walk, an INFO text. `None` if it is none.
pub(super) fn rewritten(walk: &mut Walker<'_>, costs: Option<&Costs>, out: &mut BytesMut) -> Option<()> {
    let verbatim = match walk.next()? {
        Token::Bulk(text) => return write_text(text, costs, None, out),
        // Three letters of format and a colon come first.
        Token::Verbatim(text) => text.get(4..)?,
        _ => return None,
    };
    write_text(verbatim, costs, Some(Proto::Resp3), out)
}

fn write_text(text: &[u8], costs: Option<&Costs>, verbatim: Option<Proto>, out: &mut BytesMut) -> Option<()> {
    let mut rewritten = without_topology(text);
    if let Some(costs) = costs {
        if !rewritten.is_empty() {
            rewritten.extend_from_slice(b"\r\n");
        }
        rewritten.extend_from_slice(costs.section().as_bytes());
    }
    match verbatim {
        Some(proto) => encode::verbatim(out, *b"txt", &rewritten, proto),
        None => encode::bulk(out, &rewritten),
    }
    Some(())
}

fn without_topology(text: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(text.len());
    let mut in_replication = false;
    for line in text.split_inclusive(|b| *b == b'\n') {
        if line.starts_with(b"#") {
            in_replication = line.starts_with(b"# Replication");
            if in_replication {
                kept.extend_from_slice(REPLICATION);
            }
        }
        if line == b"\r\n" {
            in_replication = false;
        }
        if in_replication && !KEPT.iter().any(|name| line.starts_with(name)) {
            continue;
        }
        if line.starts_with(b"cluster_enabled:") {
            kept.extend_from_slice(b"cluster_enabled:0\r\n");
        } else {
            kept.extend_from_slice(line);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_and_primaries_are_hidden() {
        let text = b"# Server\r\nredis_version:7.0.15\r\n\r\n# Replication\r\nrole:slave\r\nmaster_host:10.0.0.1\r\nslave0:ip=10.0.0.2\r\nmaster_repl_offset:7\r\n\r\n# Cluster\r\ncluster_enabled:1\r\n";
        let expected = b"# Server\r\nredis_version:7.0.15\r\n\r\n# Replication\r\nrole:master\r\nconnected_slaves:0\r\nmaster_repl_offset:7\r\n\r\n# Cluster\r\ncluster_enabled:0\r\n";
        assert_eq!(without_topology(text), expected);
        let mut out = BytesMut::new();
        assert!(write_text(b"", Some(&Costs::default()), None, &mut out).is_some());
        assert!(out.ends_with(b"\r\nemulated_retries:0\r\n\r\n"), "{out:?}");
    }
}
