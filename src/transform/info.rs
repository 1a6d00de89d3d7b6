//! INFO without what a client would follow past the sidecar: replicas and cluster state.

use bytes::BytesMut;

use crate::resp::{Proto, Token, Walker, encode};

const REPLICATION: &[u8] = b"# Replication\r\nrole:master\r\nconnected_slaves:0\r\n";
/// Lines of that part that a single server has too. None holds an address.
const KEPT: [&[u8]; 5] =
    [b"master_failover_state:", b"master_replid", b"master_repl_offset:", b"second_repl_offset:", b"repl_backlog_"];

/// Rewrites the next value of the walk, an INFO text. `None` if it is none.
pub(super) fn without_topology(walk: &mut Walker<'_>, out: &mut BytesMut) -> Option<()> {
    let verbatim = match walk.next()? {
        Token::Bulk(text) => return write(text, None, out),
        // Three letters of format and a colon come first.
        Token::Verbatim(text) => text.get(4..)?,
        _ => return None,
    };
    write(verbatim, Some(Proto::Resp3), out)
}

fn write(text: &[u8], verbatim: Option<Proto>, out: &mut BytesMut) -> Option<()> {
    let rewritten = rewrite(text);
    match verbatim {
        Some(proto) => encode::verbatim(out, *b"txt", &rewritten, proto),
        None => encode::bulk(out, &rewritten),
    }
    Some(())
}

fn rewrite(text: &[u8]) -> Vec<u8> {
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
        assert_eq!(rewrite(text), expected);
    }
}
