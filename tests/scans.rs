//! SSCAN, ZSCAN and HSCAN with MATCH: what matches is what Redis would give, and the pattern stays here.

mod support;

use support::newer::{REDIS_8_2, VALKEY_9_1};
use support::{Dice, Frame, MARKER, Newer, Sidecar, Upstream, compare_settled, encrypt_everything, run_alike};

/// Commands per protocol.
const STEPS: usize = 3000;

/// M member or field, P pattern, C count, N score.
fn word(dice: &mut Dice, word: &str) -> Vec<u8> {
    match word {
        "M" => format!("{}{MARKER}{}", dice.pick(&["a", "b", "ab", "*"]), dice.roll(4)).into_bytes(),
        "P" => match dice.roll(4) {
            0 => word_of(dice),
            1 => format!("{}*", dice.pick(&["a", "b", "ab", "\\*", "", "[ab]", "[^a]"])).into_bytes(),
            2 => format!("*{}", dice.pick(&["0", "[1-2]", "?", "3"])).into_bytes(),
            _ => dice.pick(&["*", "", "a", "COUNT", "MATCH", "*-MARKER*", "?????????????????*"]).into(),
        },
        "C" => dice.pick(&["1000", "1000", "1000", "0", "x"]).into(),
        "N" => dice.pick(&["0", "1.5", "-3", "inf"]).into(),
        word => word.as_bytes().to_vec(),
    }
}

fn word_of(dice: &mut Dice) -> Vec<u8> {
    word(dice, "M")
}

const PROGRAM: &[&str] = &[
    "SADD s M M",
    "SREM s M",
    "ZADD z N M N M",
    "ZREM z M",
    "HSET h M M",
    "HDEL h M",
    "SET string M",
    "SSCAN s 0 COUNT 1000 MATCH P",
    "SSCAN s 0 MATCH P COUNT C",
    "SSCAN s 0 MATCH P MATCH P COUNT 1000",
    "SSCAN s x COUNT 1000 MATCH P",
    "SSCAN string 0 MATCH P",
    "SSCAN none 0 MATCH P",
    "ZSCAN z 0 COUNT 1000 MATCH P",
    "ZSCAN z 0 MATCH P COUNT C",
    "ZSCAN string 0 MATCH P",
    "HSCAN h 0 COUNT 1000 MATCH P",
    "HSCAN h 0 MATCH P COUNT C",
];

/// The items of a step come in no order that is promised, so what is scanned once is sorted.
fn settle(line: &str, reply: Frame) -> Frame {
    let size = match line.split(' ').next() {
        Some("SSCAN") => 1,
        Some("ZSCAN" | "HSCAN") => 2,
        _ => return reply,
    };
    let Frame::Array(mut parts) = reply else { return reply };
    let items = parts.pop().expect("a cursor and items").items();
    let mut groups: Vec<Vec<Frame>> = items.chunks(size).map(<[Frame]>::to_vec).collect();
    groups.sort_by_key(|group| format!("{group:?}"));
    parts.push(Frame::Array(groups.concat()));
    Frame::Array(parts)
}

fn with_names(settings: &mut support::sidecar::Settings) {
    settings.rules.clear();
    settings.more = "[[encrypt]]\nid = 'all'\nkeys = ['*']\ndeterministic = ['field-names']\n".into();
}

#[test]
fn what_matches_is_what_redis_finds() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, with_names);
    compare_settled(&sidecar, &upstream, PROGRAM, STEPS, word, settle);
}

#[test]
fn so_it_is_on_newer_servers() {
    let mut program = PROGRAM.to_vec();
    program.extend(["HSCAN h 0 MATCH P COUNT 1000 NOVALUES"; 2]);
    // A name alone is an item there.
    let settle =
        |line: &str, reply: Frame| settle(&line.replace("HSCAN h 0 MATCH P COUNT 1000 NOVALUES", "SSCAN"), reply);
    for binary in [REDIS_8_2, VALKEY_9_1] {
        let (Some(bare), Some(server)) = (Newer::start(binary), Newer::start(binary)) else { continue };
        let sidecar = server.sidecar(with_names);
        run_alike(|| bare.raw(), || sidecar.connect(), &program, STEPS, word, settle);
    }
}

#[test]
fn a_scan_in_steps_finds_each_once_and_costs_one_each() {
    const MEMBERS: usize = 500;
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, encrypt_everything);
    let mut client = sidecar.connect();
    for n in 0..MEMBERS {
        client.run(&format!("SADD s {}-{n}", if n % 2 == 0 { "even" } else { "odd" }));
    }
    upstream.raw().run("CONFIG RESETSTAT");
    let (mut found, mut steps, mut cursor) = (Vec::new(), 0, String::from("0"));
    loop {
        let mut reply = client.run(&format!("SSCAN s {cursor} MATCH even-* COUNT 50")).items();
        found.extend(reply.pop().expect("members").items().into_iter().map(Frame::bytes));
        cursor = String::from_utf8(reply.pop().expect("a cursor").bytes()).expect("a number");
        steps += 1;
        if cursor == "0" {
            break;
        }
    }
    found.sort();
    found.dedup();
    assert_eq!(found.len(), MEMBERS / 2);
    assert_eq!(upstream.command_counts().get("sscan"), Some(&steps));
    assert_eq!(upstream.command_counts().get("evalsha"), None);
}

#[test]
fn it_works_in_transactions_and_a_rule_may_refuse_it() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, |settings| {
        settings.rules.clear();
        settings.more = "[[encrypt]]\nid = 'no'\nkeys = ['no:*']\nemulate = false\ndeterministic = ['field-names']\n\
                         [[encrypt]]\nid = 'yes'\nkeys = ['yes:*']\n"
            .into();
    });
    let mut client = sidecar.connect();
    client.run("SADD yes:s a b");
    for line in ["SSCAN yes:s 0 COUNT 1 MATCH", "SSCAN yes:s 0 MATCH a x", "SSCAN yes:s 0 MATCH a NOVALUES"] {
        assert_eq!(client.run(line), Frame::Error("ERR syntax error".into()), "{line}");
    }
    let reply = client.run("SSCAN yes:s 0 COUNT MATCH");
    assert_eq!(reply, Frame::Error("ERR value is not an integer or out of range".into()));
    client.run("MULTI");
    assert_eq!(client.run("SSCAN yes:s 0 MATCH a"), Frame::Simple("QUEUED".into()));
    let found = Frame::Array(vec![Frame::bulk("0"), Frame::Array(vec![Frame::bulk("a")])]);
    assert_eq!(client.run("EXEC"), Frame::Array(vec![found]));
    for line in ["SSCAN no:s 0 MATCH a", "ZSCAN no:z 0 MATCH a", "HSCAN no:h 0 MATCH a"] {
        assert!(client.run(line).is_error("WAXSEAL COMMAND_REFUSED"), "{line}");
    }
    for line in ["SSCAN no:s 0 MATCH *", "ZSCAN no:z 0 MATCH *", "HSCAN no:h 0 MATCH *"] {
        assert_eq!(client.run(line), Frame::Array(vec![Frame::bulk("0"), Frame::Array(vec![])]), "{line}");
    }
}
