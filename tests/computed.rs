//! Commands that look for, order or combine what is stored: the same answers as from Redis, nothing in clear.

mod support;

use support::newer::{REDIS_8_2, VALKEY_9_1};
use support::{Dice, Frame, MARKER, Newer, Sidecar, Tap, Upstream, compare, encrypt_everything, run_alike};

/// Commands per protocol and program.
const STEPS: usize = 5000;

/// L key of a list, E element, R rank or count.
fn position(dice: &mut Dice, word: &str) -> Vec<u8> {
    match word {
        "L" => format!("l:{}", dice.roll(2)).into_bytes(),
        "E" => format!("{MARKER}-{}", dice.roll(3)).into_bytes(),
        "R" => dice.pick(&["0", "1", "2", "-1", "-2", "5", "x", "-9223372036854775807"]).into(),
        word => word.as_bytes().to_vec(),
    }
}

#[test]
fn elements_are_found_as_redis_finds_them() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, encrypt_everything);
    let program = [
        "RPUSH L E E",
        "RPUSH L E",
        "LPUSH L E",
        "LPOP L 3",
        "SET L E",
        "DEL L",
        "LPOS L E",
        "LPOS L E",
        "LPOS L E RANK R",
        "LPOS L E COUNT R",
        "LPOS L E COUNT 0",
        "LPOS L E COUNT R RANK R",
        "LPOS L E MAXLEN R COUNT R RANK -1",
        "LPOS L E MAXLEN R",
        "LPOS L E RANK",
        "LPOS L E x",
        "LPOS L",
        "LPOS none E COUNT 2",
        "LPOS none E",
    ];
    compare(&sidecar, &upstream, &program, STEPS, position);
}

/// Z key of a sorted set with equal scores, Y of one with others, M member, B bound, O offset or count, S score.
fn lexical(dice: &mut Dice, word: &str) -> Vec<u8> {
    match word {
        "Z" => format!("z:{}", dice.roll(2)).into_bytes(),
        "M" => format!("{}{MARKER}{}", dice.pick(&["", "a", "b", "B", "\u{ff}"]), dice.roll(4)).into_bytes(),
        "B" => match dice.roll(8) {
            0 => dice.pick(&["-", "+"]).into(),
            1 => dice.pick(&["-", "+", "[", "(", "", "x", "-x", "(\u{ff}\u{ff}"]).into(),
            _ => [dice.pick(&["[", "("]).as_bytes().to_vec(), lexical(dice, "M")].concat(),
        },
        "O" => dice.pick(&["0", "1", "2", "-1", "10", "x"]).into(),
        "S" => dice.pick(&["0", "1", "-1", "2.5", "inf", "-inf", "-0"]).into(),
        word => word.as_bytes().to_vec(),
    }
}

#[test]
fn ranges_of_members_are_those_of_redis() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, encrypt_everything);
    let program = [
        "ZADD Z 0 M 0 M",
        "ZADD Z 0 M",
        "ZADD y S M",
        "ZREM Z M",
        "ZREM y M",
        "ZCARD Z",
        "ZRANGEBYLEX Z - +",
        "ZRANGEBYLEX Z B B",
        "ZRANGEBYLEX y B B",
        "ZRANGEBYLEX Z B B LIMIT O O",
        "ZRANGEBYLEX y B B LIMIT O O",
        "ZREVRANGEBYLEX Z B B",
        "ZREVRANGEBYLEX y B B LIMIT O O",
        "ZREVRANGEBYLEX y + -",
        "ZLEXCOUNT Z B B",
        "ZLEXCOUNT y B B",
        "ZRANGE Z B B BYLEX",
        "ZRANGE y B B REV BYLEX LIMIT O O",
        "ZRANGE Z B B bylex limit O O REV",
        "ZRANGE Z B B BYLEX WITHSCORES",
        "ZRANGE Z B B BYLEX BYSCORE",
        "ZRANGE Z B B BYSCORE BYLEX",
        "ZRANGE Z B B BYLEX LIMIT 1",
        "ZRANGE Z B B LIMIT BYLEX 1",
        "ZRANGE string - + BYLEX",
        "ZRANGEBYLEX Z B B REV",
        "ZRANGEBYLEX Z B B BYLEX",
        "ZRANGEBYLEX Z B B WITHSCORES",
        "ZLEXCOUNT none - +",
        "ZLEXCOUNT string - +",
        "ZLEXCOUNT Z -",
        "SET string M",
        "ZREMRANGEBYLEX Z B B",
        "ZREMRANGEBYLEX y B B",
        "ZREMRANGEBYLEX string - +",
        "ZREMRANGEBYLEX none B B",
        "ZREMRANGEBYLEX Z -",
        "ZRANGESTORE Z Z B B BYLEX",
        "ZRANGESTORE Z Z B B BYLEX LIMIT O O",
        "ZRANGESTORE Z y B B REV BYLEX LIMIT O O",
        "ZRANGESTORE Z string - + BYLEX",
        "ZRANGESTORE string Z - + BYLEX",
        "ZRANGESTORE Z none B B BYLEX",
        "ZRANGESTORE Z Z B B BYLEX BYSCORE",
        "ZRANGESTORE Z Z B B BYLEX WITHSCORES",
        "ZRANGESTORE Z Z B B LIMIT BYLEX 1",
        "ZADD Z 0 M 0 M 0 M 0 M",
    ];
    compare(&sidecar, &upstream, &program, STEPS, lexical);
}

/// K key, V text of few letters, C count.
fn common(dice: &mut Dice, word: &str) -> Vec<u8> {
    match word {
        "K" => format!("k:{}", dice.roll(3)).into_bytes(),
        "V" => {
            let letters = dice.roll(150);
            let text: String = (0..letters).map(|_| dice.pick(&["a", "b", "c"])).collect();
            format!("{text}{}", dice.pick(&["", "", MARKER])).into_bytes()
        }
        "C" => dice.pick(&["0", "1", "2", "3", "-1", "x"]).into(),
        word => word.as_bytes().to_vec(),
    }
}

#[test]
fn what_strings_have_in_common_is_what_redis_finds() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, encrypt_everything);
    let program = [
        "SET K V",
        "SET K V",
        "APPEND K V",
        "DEL K",
        "RPUSH list V",
        "LCS K K",
        "LCS K K",
        "LCS K K LEN",
        "LCS K K IDX",
        "LCS K K IDX WITHMATCHLEN",
        "LCS K K IDX MINMATCHLEN C WITHMATCHLEN",
        "LCS K K minmatchlen C idx",
        "LCS K K MINMATCHLEN C",
        "LCS K K WITHMATCHLEN LEN",
        "LCS K K LEN IDX",
        "LCS K K MINMATCHLEN",
        "LCS K K x",
        "LCS K list x",
        "LCS list K",
        "LCS K",
        "LCS none K",
    ];
    compare(&sidecar, &upstream, &program, STEPS, common);
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

/// K key, V text, N name of an operation.
fn bits(dice: &mut Dice, word: &str) -> Vec<u8> {
    match word {
        "K" => format!("k:{}", dice.roll(4)).into_bytes(),
        "V" => (0..dice.roll(20)).map(|_| u8::try_from(dice.roll(256)).expect("a byte")).collect(),
        "N" => dice.pick(&["AND", "or", "XOR", "DIFF", "DIFF1", "andor", "ONE", "NOT", "x"]).into(),
        word => word.as_bytes().to_vec(),
    }
}

#[test]
fn bits_of_several_keys_become_those_of_redis() {
    let program = [
        "SET K V",
        "SET K V EX 100",
        "DEL K",
        "GET K",
        "GET K",
        "TTL K",
        "RPUSH list V",
        "DEL list",
        "BITOP N K K K",
        "BITOP N K K K",
        "BITOP N K K K K",
        "BITOP N K K none",
        "BITOP N K none none",
        "BITOP AND K K",
        "BITOP XOR K K",
        "BITOP NOT K K",
        "BITOP NOT K K K",
        "BITOP OR K K list",
        "BITOP OR list K K",
        "BITOP OR K",
    ];
    for binary in [REDIS_8_2, VALKEY_9_1] {
        let (Some(bare), Some(server)) = (Newer::start(binary), Newer::start(binary)) else { continue };
        let sidecar = server.sidecar(encrypt_everything);
        run_alike(|| bare.raw(), || sidecar.connect(), &program, STEPS, bits, |_, reply| reply);
    }
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, encrypt_everything);
    compare(&sidecar, &upstream, &program, STEPS, bits);
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
