//! One client command is one upstream command: a database that bills each of them sees no more than the client sent.

mod support;

use std::collections::BTreeMap;

use support::{Frame, Sidecar, Upstream};

/// What the sidecar and this test send on their own account: not billed, or not the client's.
const HOUSEKEEPING: [&str; 8] =
    ["ping", "hello", "auth", "select", "info", "config|resetstat", "client|setname", "reset"];

/// What the client sends, and the name under which the upstream counts it.
const COMMANDS: [(&str, &str); 34] = [
    ("SET session:a v", "set"),
    ("SET session:a v EX 100 GET", "set"),
    ("GET session:a", "get"),
    ("GETSET session:a w", "getset"),
    ("GETEX session:a PERSIST", "getex"),
    ("SETEX session:a 100 v", "setex"),
    ("PSETEX session:a 100000 v", "psetex"),
    ("SETNX session:a v", "setnx"),
    ("MSET session:a 1 user:b 2 open:c 3", "mset"),
    ("MSETNX session:a 1 user:b 2", "msetnx"),
    ("MGET session:a user:b open:c none", "mget"),
    ("HSET user:h f v g w", "hset"),
    ("HMSET user:h f v", "hmset"),
    ("HSETNX user:h f v", "hsetnx"),
    ("HGET user:h f", "hget"),
    ("HMGET user:h f g none", "hmget"),
    ("HGETALL user:h", "hgetall"),
    // Values are bound to their field, so that it takes HGETALL to open them.
    ("HVALS user:h", "hgetall"),
    ("HRANDFIELD user:h 1 WITHVALUES", "hrandfield"),
    ("HSCAN user:h 0", "hscan"),
    ("HDEL user:h f", "hdel"),
    ("HKEYS user:h", "hkeys"),
    ("TTL session:a", "ttl"),
    ("EXPIRE session:a 100", "expire"),
    ("TYPE session:a", "type"),
    ("SCAN 0", "scan"),
    ("PUBLISH session:c v", "publish"),
    ("GETDEL session:a", "getdel"),
    ("DEL user:h", "del"),
    ("INCR open:n", "incr"),
    ("RPUSH open:l a b", "rpush"),
    ("BLPOP open:l 1", "blpop"),
    ("EVAL return(1) 0", "eval"),
    ("NOSUCHCOMMAND open:a", ""),
];

fn counts(upstream: &Upstream) -> BTreeMap<String, u64> {
    let mut counts = upstream.command_counts();
    counts.retain(|name, _| !HOUSEKEEPING.contains(&name.as_str()));
    counts
}

fn expected<'a>(names: impl Iterator<Item = &'a str>, rounds: u64) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for name in names.filter(|name| !name.is_empty()) {
        *counts.entry(name.to_string()).or_default() += rounds;
    }
    counts
}

fn check(lanes: Option<&'static str>) {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, |settings| settings.lanes = lanes);
    let (mut client, mut client3) = (sidecar.connect(), sidecar.connect3());
    client.run("GET open:warm");
    client3.run("GET open:warm");
    upstream.raw().run("CONFIG RESETSTAT");
    for (line, _) in COMMANDS {
        client.run(line);
        client3.run(line);
    }
    assert_eq!(counts(&upstream), expected(COMMANDS.iter().map(|(_, name)| *name), 2));
}

#[test]
fn on_shared_lanes() {
    check(None);
}

#[test]
fn on_dedicated_lanes() {
    check(Some("dedicated"));
}

#[test]
fn a_transaction_costs_its_commands() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start(&upstream);
    let mut client = sidecar.connect();
    upstream.raw().run("CONFIG RESETSTAT");
    client.send(b"WATCH session:a\r\nGET session:a\r\nMULTI\r\nSET session:a v\r\nGET session:a\r\nEXEC\r\n");
    let replies: Vec<Frame> = (0..6).map(|_| client.read()).collect();
    assert_eq!(replies[5], Frame::Array(vec![Frame::ok(), Frame::bulk("v")]));
    client.send(b"MULTI\r\nSET session:a w\r\nHSET user:a f v\r\nEXEC\r\n");
    let replies: Vec<Frame> = (0..4).map(|_| client.read()).collect();
    assert_eq!(replies[3], Frame::Array(vec![Frame::ok(), Frame::Integer(1)]));
    let names = ["watch", "get", "get", "multi", "set", "exec", "multi", "set", "hset", "exec"];
    let mut seen = counts(&upstream);
    // A lane that goes back to its pool may be cleaned of what a client left on it.
    seen.remove("unwatch");
    seen.remove("discard");
    assert_eq!(seen, expected(names.into_iter(), 1));
}

#[test]
fn local_answers_cost_nothing() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start(&upstream);
    let mut client = sidecar.connect();
    client.run("GET open:warm");
    upstream.raw().run("CONFIG RESETSTAT");
    for line in [
        "PING",
        "PING text",
        "ECHO text",
        "CLIENT ID",
        "CLIENT SETNAME app",
        "CLIENT GETNAME",
        "CLIENT INFO",
        "CLIENT LIST",
        "CLIENT SETINFO LIB-NAME test",
        "HELLO",
        "HELLO 3",
        "CLUSTER INFO",
        "ROLE",
        "PFADD session:a refused",
        "RESET",
        "SELECT 0",
    ] {
        client.run(line);
    }
    assert_eq!(counts(&upstream), BTreeMap::new());
}
