//! Commands that look for, order or combine what is stored: the same answers as from Redis, nothing in clear.

mod support;

#[path = "computed/program.rs"]
mod program;

use program::{BITS, COMMON, LEXICAL, POSITION, bits, common, lexical, position};
use support::newer::{REDIS_8_2, VALKEY_9_1};
use support::{Dice, Frame, MARKER, Newer, Sidecar, Tap, Upstream, compare, encrypt_everything, run_alike};

/// Commands per protocol and program.
const STEPS: usize = 5000;

/// Each server's own answers are those behind the sidecar.
fn everywhere(program: &[&str], word: fn(&mut Dice, &str) -> Vec<u8>) {
    for binary in [REDIS_8_2, VALKEY_9_1] {
        let (Some(bare), Some(server)) = (Newer::start(binary), Newer::start(binary)) else { continue };
        let sidecar = server.sidecar(encrypt_everything);
        run_alike(|| bare.raw(), || sidecar.connect(), program, STEPS, word, |_, reply| reply);
    }
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, encrypt_everything);
    compare(&sidecar, &upstream, program, STEPS, word);
}

#[test]
fn elements_are_found_as_redis_finds_them() {
    everywhere(POSITION, position);
}

#[test]
fn ranges_of_members_are_those_of_redis() {
    everywhere(LEXICAL, lexical);
}

#[test]
fn what_strings_have_in_common_is_what_redis_finds() {
    everywhere(COMMON, common);
}

#[test]
fn the_longest_strings_that_redis_compares_are_compared() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, encrypt_everything);
    for (client, server) in [(sidecar.connect(), "sidecar"), (Upstream::start().raw(), "bare")] {
        let mut client = client;
        for (key, length) in [("k:1", 11_584), ("k:2", 11_585)] {
            client.run(&format!("SETRANGE {key} {} x", length - 1));
        }
        let began = std::time::Instant::now();
        assert_eq!(client.run("LCS k:1 k:1 LEN"), Frame::Integer(11_584));
        println!("{server}: {:?}", began.elapsed());
        let reply = client.run("LCS k:1 k:2 LEN");
        let words = "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len";
        assert_eq!(reply, Frame::Error(words.into()), "{server}");
    }
}

#[test]
fn bits_of_several_keys_become_those_of_redis() {
    everywhere(BITS, bits);
}

#[test]
fn a_reading_command_costs_one_and_works_in_transactions() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, encrypt_everything);
    let mut client = sidecar.connect();
    client.run("RPUSH l a b c b");
    client.run("ZADD z 0 b 0 a 0 c");
    client.run("SET s abc");
    let expected = [
        ("LPOS l b", "lrange", Frame::Integer(1)),
        ("LPOS l b COUNT 0", "lrange", Frame::Array(vec![Frame::Integer(1), Frame::Integer(3)])),
        ("ZRANGEBYLEX z [b +", "zrange", Frame::Array(vec![Frame::bulk("b"), Frame::bulk("c")])),
        ("ZRANGE z + [b BYLEX REV", "zrange", Frame::Array(vec![Frame::bulk("c"), Frame::bulk("b")])),
        ("ZLEXCOUNT z - +", "zrange", Frame::Integer(3)),
        // XXH3's own value.
        ("DIGEST s", "get", Frame::bulk("78af5f94892f3950")),
    ];
    for (line, name, reply) in &expected {
        upstream.raw().run("CONFIG RESETSTAT");
        assert_eq!(client.run(line), *reply, "{line}");
        assert_eq!(upstream.command_counts().get(*name), Some(&1), "{line}");
    }
    client.run("MULTI");
    for (line, ..) in &expected {
        assert_eq!(client.run(line), Frame::Simple("QUEUED".into()), "{line}");
    }
    let replies: Vec<Frame> = expected.into_iter().map(|(.., reply)| reply).collect();
    assert_eq!(client.run("EXEC"), Frame::Array(replies));
}

#[test]
fn a_rule_may_refuse_it() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, |settings| {
        settings.rules.clear();
        settings.more = "[[encrypt]]\nid = 'all'\nkeys = ['*']\nemulate = false\n".into();
    });
    let mut client = sidecar.connect();
    for line in [
        "LPOS l a",
        "ZRANGEBYLEX z - +",
        "ZRANGE z - + BYLEX",
        "ZLEXCOUNT z - +",
        "ZREMRANGEBYLEX z - +",
        "ZRANGESTORE z z - + BYLEX",
        "DIGEST s",
        "LCS s t",
        "BITOP AND s t u",
        "SET s v IFEQ w",
        "DELEX s IFEQ w",
        "DELIFEQ s w",
    ] {
        assert!(client.run(line).is_error("WAXSEAL COMMAND_REFUSED"), "{line}");
    }
    assert_eq!(client.run("ZRANGE z 0 -1"), Frame::Array(vec![]));
}

/// Nothing of the command in question reaches the database, and where it has no keys the words are Redis's.
#[test]
fn keys_of_a_command_are_told_from_the_table() {
    let (upstream, other) = (Upstream::start(), Upstream::start());
    let tap = Tap::on(&upstream);
    let sidecar = Sidecar::start_with(&upstream, encrypt_everything);
    let (mut ours, mut theirs) = (sidecar.connect(), other.raw());
    let same = [
        format!("SET k {MARKER}"),
        format!("MSET a {MARKER} b {MARKER}"),
        "ZUNIONSTORE d 2 a b".into(),
        "XREADGROUP GROUP g c STREAMS a b > >".into(),
        "EVAL return(1) 2 a b c".into(),
        "SORT a STORE d".into(),
        "LCS a b LEN".into(),
        "GET".into(),
        "GET a b".into(),
        format!("PUBLISH c {MARKER}"),
        "PING".into(),
    ];
    for command in same {
        let line = format!("COMMAND GETKEYS {command}");
        assert_eq!(ours.run(&line), theirs.run(&line), "{line}");
    }
    ours.run("MULTI");
    assert_eq!(ours.run(&format!("COMMAND GETKEYS SET k {MARKER}")), Frame::Simple("QUEUED".into()));
    assert_eq!(ours.run("EXEC").items(), [Frame::Array(vec![Frame::bulk("k")])]);
    tap.assert_never_contains(MARKER);
}

#[test]
fn one_of_several_rules_may_refuse_it_too() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, |settings| {
        settings.rules.clear();
        settings.more =
            "[[encrypt]]\nid = 'a'\nkeys = ['a:*']\n[[encrypt]]\nid = 'b'\nkeys = ['b:*']\nemulate = false\n".into();
    });
    let mut client = sidecar.connect();
    client.run("MSET a:1 abc b:1 bcd open bc");
    for line in ["LCS a:1 b:1", "LCS open b:1", "BITOP AND a:2 a:1 b:1", "BITOP AND b:2 a:1", "BITOP AND open a:1"] {
        assert!(client.run(line).is_error("WAXSEAL COMMAND_REFUSED"), "{line}");
    }
    assert_eq!(client.run("LCS open a:1"), Frame::bulk("bc"));
    assert_eq!(client.run("BITOP OR a:2 open a:1"), Frame::Integer(3));
    assert_eq!(client.run("GET a:2"), Frame::bulk("ccc"));
}
