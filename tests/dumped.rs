//! DUMP and RESTORE of encrypted keys: what is dumped comes back under keys of the same scope and nowhere else.

mod support;

use support::newer::{REDIS_8_2, VALKEY_9_1};
use support::sidecar::Settings;
use support::{Frame, MARKER, Newer, Raw, Sidecar, Tap, Upstream, contains};

/// What every envelope begins with (proto/envelope.md).
const MAGIC: &[u8] = b"\xC1WX";
/// Redis's words.
const WRONG_PAYLOAD: &str = "ERR DUMP payload version or checksum are wrong";

fn rules(settings: &mut Settings) {
    settings.rules.clear();
    settings.more = r#"
[[encrypt]]
id = "k"
keys = ["k:*"]
[[encrypt]]
id = "names"
keys = ["names:*"]
deterministic = ["field-names", "list-elements"]
[[encrypt]]
id = "a"
keys = ["a:*"]
scope = "rule"
[[encrypt]]
id = "t"
keys = ["t:*"]
scope = "tag"
[[encrypt]]
id = "u"
keys = ["u:*"]
scope = "tag"
fields = ["secret"]
[[encrypt]]
id = "never"
keys = ["never:*"]
emulate = false
"#
    .into();
}

/// A key of each type, and how it is read. KEY is its name.
const KINDS: &[(&[&str], &str)] = &[
    (&["SET KEY MARKER"], "GET KEY"),
    (&["RPUSH KEY MARKER a MARKER"], "LRANGE KEY 0 -1"),
    (&["SADD KEY MARKER"], "SMEMBERS KEY"),
    (&["ZADD KEY 1.5 MARKER 2 b"], "ZRANGE KEY 0 -1 WITHSCORES"),
    (&["HSET KEY f MARKER g MARKER"], "HGETALL KEY"),
    (&["XADD KEY 1-1 f MARKER", "XGROUP CREATE KEY g 0", "XREADGROUP GROUP g c STREAMS KEY >"], "XRANGE KEY - +"),
];

fn line(text: &str, key: &str) -> String {
    text.replace("KEY", key).replace("MARKER", MARKER)
}

fn restore(client: &mut Raw, key: &str, payload: &[u8]) -> Frame {
    client.command(&[b"RESTORE", key.as_bytes(), b"0", payload, b"REPLACE"])
}

#[test]
fn what_was_dumped_comes_back() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, rules);
    let tap = Tap::on(&upstream);
    for mut client in [sidecar.connect(), sidecar.connect3()] {
        for key in ["k:1", "names:1", "a:1", "t:{x}", "p:1"] {
            for (loads, reading) in KINDS {
                client.run(&format!("DEL {key}"));
                for load in *loads {
                    // What no rule covers is no secret.
                    let load = if key == "p:1" { load.replace("MARKER", "open") } else { (*load).to_owned() };
                    assert!(!matches!(client.run(&line(&load, key)), Frame::Error(_)), "{load} of {key}");
                }
                let before = client.run(&line(reading, key));
                let payload = client.run(&format!("DUMP {key}")).bytes();
                assert_eq!(payload.starts_with(MAGIC), key != "p:1", "{key}");
                assert!(!contains(&payload, MARKER.as_bytes()));
                client.run(&format!("DEL {key}"));
                assert_eq!(restore(&mut client, key, &payload), Frame::ok(), "{loads:?} of {key}");
                assert_eq!(client.run(&line(reading, key)), before, "{loads:?} of {key}");
            }
        }
        assert_eq!(client.run("DUMP k:none"), Frame::Null);
    }
    tap.assert_never_contains(MARKER);
    upstream.assert_nothing_stored_contains(MARKER);
}

#[test]
fn it_comes_back_nowhere_else() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, rules);
    let mut client = sidecar.connect();
    let keys = ["k:1", "k:2", "names:1", "a:1", "a:2", "t:{x}", "t:{x}2", "t:{y}", "u:{x}", "p:1"];
    // Those of one scope, and of one rule.
    let share = |one: &str, other: &str| {
        one == other
            || [["a:1", "a:2"], ["t:{x}", "t:{x}2"]].iter().any(|pair| pair.contains(&one) && pair.contains(&other))
    };
    for from in keys {
        client.run("FLUSHALL");
        client.run(&format!("HSET {from} secret s open o"));
        let payload = client.run(&format!("DUMP {from}")).bytes();
        for to in keys {
            client.run("FLUSHALL");
            client.run(&format!("HSET {to} old value"));
            for command in ["RESTORE", "RESTORE-ASKING", "restore"] {
                let reply = client.command(&[command.as_bytes(), to.as_bytes(), b"0", &payload, b"REPLACE"]);
                if share(from, to) {
                    assert_eq!(reply, Frame::ok(), "{from} to {to}");
                    assert_eq!(client.run(&format!("HGET {to} secret")), Frame::bulk("s"), "{from} to {to}");
                } else {
                    assert!(reply.is_error(WRONG_PAYLOAD), "{from} to {to}: {reply:?}");
                    assert_eq!(client.run(&format!("HGET {to} old")), Frame::bulk("value"), "{from} to {to}");
                }
            }
        }
        // Changed on its way.
        for at in [0, 3, 10, payload.len() / 2, payload.len() - 1] {
            let mut changed = payload.clone();
            changed[at] ^= 1;
            assert!(restore(&mut client, from, &changed).is_error(WRONG_PAYLOAD), "{from}, byte {at}");
        }
    }
    for command in ["DUMP never:1", "RESTORE never:1 0 x"] {
        assert!(client.run(command).is_error("WAXSEAL COMMAND_REFUSED"), "{command}");
    }
}

/// The lines of one program, each with the payload that its own side has given.
#[test]
fn errors_and_options_are_those_of_redis() {
    let (upstream, plain) = (Upstream::start(), Upstream::start());
    let sidecar = Sidecar::start_with(&upstream, rules);
    let (mut bare, mut sealed) = (plain.raw(), sidecar.connect());
    let mut payloads = Vec::new();
    for client in [&mut bare, &mut sealed] {
        client.run("RPUSH k:1 a b");
        payloads.push(client.run("DUMP k:1").bytes());
    }
    for text in [
        "DUMP",
        "DUMP k:1 x",
        "DUMP k:none",
        "RESTORE",
        "RESTORE k:1 0",
        "RESTORE k:1 0 PAYLOAD",
        "RESTORE k:1 0 x",
        "RESTORE k:1 x PAYLOAD",
        "RESTORE k:1 -1 PAYLOAD REPLACE",
        "RESTORE k:1 x x REPLACE",
        "RESTORE k:1 0 x REPLACE",
        "RESTORE k:1 0 PAYLOAD BOO",
        "RESTORE k:1 0 PAYLOAD REPLACE IDLETIME",
        "RESTORE k:1 0 PAYLOAD REPLACE IDLETIME x",
        "RESTORE k:1 0 PAYLOAD REPLACE IDLETIME -1",
        "RESTORE k:1 0 PAYLOAD REPLACE FREQ 256",
        "RESTORE k:1 0 PAYLOAD REPLACE IDLETIME 1 FREQ 1",
        "RESTORE k:1 0 PAYLOAD REPLACE IDLETIME 1000",
        "OBJECT IDLETIME k:1",
        "RESTORE k:1 0 PAYLOAD replace",
        "TTL k:1",
        "RESTORE k:1 100000 PAYLOAD REPLACE",
        "TTL k:1",
        "RESTORE k:1 4000000000123 PAYLOAD REPLACE ABSTTL",
        "PEXPIRETIME k:1",
        "RESTORE k:1 1000 PAYLOAD REPLACE ABSTTL",
        "EXISTS k:1",
        "LRANGE k:1 0 -1",
    ] {
        let ask = |client: &mut Raw, payload: &[u8]| {
            let words = text.split(' ').map(|word| if word == "PAYLOAD" { payload } else { word.as_bytes() });
            client.command(&words.collect::<Vec<_>>())
        };
        assert_eq!(ask(&mut sealed, &payloads[1]), ask(&mut bare, &payloads[0]), "{text}");
    }
}

#[test]
fn it_costs_one_command_each_and_works_in_transactions() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, rules);
    let mut client = sidecar.connect();
    client.run("SET k:1 value");
    upstream.raw().run("CONFIG RESETSTAT");
    let payload = client.run("DUMP k:1").bytes();
    assert_eq!(restore(&mut client, "k:1", &payload), Frame::ok());
    let counts = upstream.command_counts();
    assert_eq!((counts.get("dump"), counts.get("restore"), counts.get("evalsha")), (Some(&1), Some(&1), None));
    client.run("MULTI");
    client.run("DUMP k:1");
    client.run("DEL k:1");
    client.command(&[b"RESTORE", b"k:1", b"0", &payload]);
    client.command(&[b"RESTORE", b"k:2", b"0", &payload]);
    client.run("GET k:1");
    let replies = client.run("EXEC").items();
    assert!(replies[0].clone().bytes().starts_with(MAGIC));
    assert_eq!(replies[2], Frame::ok());
    assert!(replies[3].is_error(WRONG_PAYLOAD), "{:?}", replies[3]);
    assert_eq!(replies[4], Frame::bulk("value"));
}

#[test]
fn newer_servers_restore_it_too() {
    for binary in [REDIS_8_2, VALKEY_9_1] {
        let Some(server) = Newer::start(binary) else { continue };
        let sidecar = server.sidecar(rules);
        let mut client = sidecar.connect();
        let at = 4_000_000_000_123_i64;
        client.run("HSET k:1 a 1 b 2");
        client.run(&format!("HPEXPIREAT k:1 {at} FIELDS 1 a"));
        let payload = client.run("DUMP k:1").bytes();
        client.run("DEL k:1");
        assert_eq!(restore(&mut client, "k:1", &payload), Frame::ok(), "{binary}");
        assert_eq!(client.run("HMGET k:1 a b"), Frame::Array(vec![Frame::bulk("1"), Frame::bulk("2")]), "{binary}");
        let times = client.run("HPEXPIRETIME k:1 FIELDS 2 a b");
        assert_eq!(times, Frame::Array(vec![Frame::Integer(at), Frame::Integer(-1)]), "{binary}");
        assert!(restore(&mut client, "k:2", &payload).is_error(WRONG_PAYLOAD), "{binary}");
        assert!(restore(&mut client, "p:1", &payload).is_error(WRONG_PAYLOAD), "{binary}");
    }
}
