//! The sidecar's reply against the server's.

use super::fixture::{Command, Sent};
use super::support::Frame;

pub fn check(sent: &Sent, direct: Vec<Frame>, through: Vec<Frame>, upstash: bool, place: &str) {
    let shown = sent.shown();
    let said = match &through[..] {
        [Frame::Error(text)] => format!("-{text}"),
        [Frame::Simple(text)] => format!("+{text}"),
        [Frame::Array(items)] if items.is_empty() => "*0".into(),
        _ => String::new(),
    };
    if let Some(expected) = difference(&sent.command, upstash) {
        assert!(said.starts_with(expected), "{place} {shown}: {through:?}");
    } else {
        let compared =
            |frames: Vec<Frame>| frames.into_iter().map(|f| comparable(&sent.command, f)).collect::<Vec<_>>();
        assert_eq!(compared(through), compared(direct), "{place} {shown}; left: through Waxseal; right: redis-server");
    }
}

/// A reply without that which differs from one connection to the next.
fn comparable(command: &Command, frame: Frame) -> Frame {
    let word = |at: usize| command.get(at).map_or(String::new(), |w| String::from_utf8_lossy(w).to_uppercase());
    match (word(0).as_str(), word(1).as_str(), frame) {
        ("CLIENT", "ID", Frame::Integer(_)) => Frame::Integer(0),
        ("HELLO", _, Frame::Map(pairs)) => {
            Frame::Map(pairs.into_iter().filter(|(name, _)| is_told_of_the_server(name)).collect())
        }
        ("HELLO", _, Frame::Array(items)) => {
            Frame::Array(items.chunks(2).filter(|pair| is_told_of_the_server(&pair[0])).flatten().cloned().collect())
        }
        ("INFO", _, Frame::Bulk(text)) => facts(&text),
        (_, _, frame) => frame,
    }
}

/// The number of a connection is its own, and modules are not told.
fn is_told_of_the_server(name: &Frame) -> bool {
    ["server", "version", "proto", "mode", "role"].iter().any(|told| *name == Frame::bulk(told))
}

/// What clients read of INFO.
fn facts(info: &[u8]) -> Frame {
    const READ: [&str; 9] = [
        "redis_version",
        "redis_mode",
        "run_id",
        "role",
        "loading",
        "master_link_status",
        "connected_slaves",
        "cluster_enabled",
        "maxmemory_policy",
    ];
    let text = String::from_utf8_lossy(info).into_owned();
    let read = |line: &&str| line.split_once(':').is_some_and(|(name, _)| READ.contains(&name));
    Frame::Array(text.lines().filter(read).map(Frame::bulk).collect())
}

/// Where the sidecar does not say what redis-server 7.0 says: what it says, and why.
#[rustfmt::skip]
const DIFFERENT: &[(&str, &str)] = &[
    // Known to Redis from 7.2 on; answered here whatever the server.
    ("CLIENT SETINFO", "+OK"),
    // Redis does not know it either; clients go on without.
    ("CLIENT MAINT_NOTIFICATIONS", "-WAXSEAL UNSUPPORTED CLIENT MAINT_NOTIFICATIONS"),
    // The same but for the arguments, which are never repeated.
    ("SENTINEL MASTERS", "-ERR unknown command"),
];

/// Where Upstash does not say it: it has one database and one parameter.
const DIFFERENT_ON_UPSTASH: &[(&str, &str)] = &[
    ("SELECT 1", "-ERR Only 0th database is supported! Selected DB: 1"),
    ("CONFIG GET TIMEOUT", "*0"),
    ("CONFIG GET SLAVE-READ-ONLY", "*0"),
    ("CONFIG GET REPLICA-READ-ONLY", "*0"),
    ("CONFIG GET DATABASES", "*0"),
];

fn difference(command: &Command, upstash: bool) -> Option<&'static str> {
    let words: Vec<String> = command.iter().map(|w| String::from_utf8_lossy(w).to_uppercase()).collect();
    let line = words.join(" ");
    let more = if upstash { DIFFERENT_ON_UPSTASH } else { &[] };
    DIFFERENT.iter().chain(more).find(|(name, _)| line.starts_with(name)).map(|(_, said)| *said)
}
