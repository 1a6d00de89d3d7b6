//! What goes from one encrypted key to another, or is compared between them, under scopes that they do not share: the
//! same answers as from Redis, nothing in clear, nothing lost or doubled.

mod support;

#[path = "carried/program.rs"]
mod program;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use program::{PROGRAM, in_no_order, word};
use support::newer::{REDIS_8_2, VALKEY_9_1};
use support::{Frame, MARKER, Newer, Sidecar, Upstream, compare_settled, encrypt_everything};

/// Commands per protocol.
const STEPS: usize = 8000;

#[test]
fn what_goes_between_keys_answers_as_redis_does() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, encrypt_everything);
    compare_settled(&sidecar, &upstream, PROGRAM, STEPS, word, |line, reply| match in_no_order(line) {
        Some(size) => sorted(reply, size),
        None => reply,
    });
}

/// The items of a reply whose order Redis does not promise, in groups of so many.
fn sorted(frame: Frame, size: usize) -> Frame {
    match frame {
        Frame::Array(items) => {
            // In RESP3 pairs are arrays of their own.
            let size = if matches!(items.first(), Some(Frame::Array(_))) { 1 } else { size };
            let mut groups: Vec<Vec<Frame>> = items.chunks(size).map(<[Frame]>::to_vec).collect();
            groups.sort_by_key(|group| format!("{group:?}"));
            Frame::Array(groups.concat())
        }
        Frame::Set(items) => Frame::Set(sorted(Frame::Array(items), 1).items()),
        Frame::Map(mut pairs) => {
            pairs.sort_by_key(|pair| format!("{pair:?}"));
            Frame::Map(pairs)
        }
        other => other,
    }
}

/// A rule whose keys share no scope, one in which they do, and keys of no rule.
fn borders(settings: &mut support::sidecar::Settings) {
    settings.rules.clear();
    settings.more = "[[encrypt]]\nid = \"k\"\nkeys = [\"k:*\"]\n\
                     [[encrypt]]\nid = \"part\"\nkeys = [\"part:*\"]\nfields = [\"secret\"]\n\
                     [[encrypt]]\nid = \"names\"\nkeys = [\"names:*\"]\ndeterministic = [\"field-names\", \"list-elements\"]\n"
        .into();
}

#[test]
fn what_goes_into_a_rule_is_sealed_and_nothing_goes_out_of_one() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, borders);
    let (mut client, mut raw) = (sidecar.connect(), upstream.raw());
    for (load, reading) in [
        (format!("SET p:1 {MARKER}"), "GET k:1"),
        (format!("RPUSH p:1 {MARKER} {MARKER}"), "LRANGE k:1 0 -1"),
        (format!("SADD p:1 {MARKER}"), "SMEMBERS k:1"),
        (format!("ZADD p:1 1.5 {MARKER}"), "ZRANGE k:1 0 -1 WITHSCORES"),
        (format!("HSET p:1 f {MARKER}"), "HGETALL k:1"),
    ] {
        client.run("FLUSHALL");
        client.run(&load);
        let wanted = client.run(&reading.replace("k:1", "p:1"));
        for line in ["COPY p:1 k:2 REPLACE", "RENAME p:1 k:1"] {
            assert!(!matches!(client.run(line), Frame::Error(_)), "{line}");
        }
        assert_eq!(client.run(reading), wanted);
        assert_eq!(client.run(&reading.replace("k:1", "k:2")), wanted);
        upstream.assert_nothing_stored_contains(MARKER);
        for line in ["RENAME k:1 p:1", "RENAMENX k:1 p:1", "COPY k:1 p:1"] {
            assert!(client.run(line).is_error("WAXSEAL COMMAND_REFUSED"), "{line}");
        }
        assert_eq!(raw.run("EXISTS p:1"), Frame::Integer(0));
    }
    for line in [
        "LMOVE k:1 p:1 LEFT LEFT",
        "RPOPLPUSH k:1 p:1",
        "BLMOVE k:1 p:1 LEFT LEFT 1",
        "BRPOPLPUSH k:1 p:1 1",
        "SMOVE k:1 p:1 x",
        "SINTERSTORE p:1 k:1 p:2",
        "ZUNIONSTORE p:1 2 p:2 k:1",
        "ZRANGESTORE p:1 k:1 0 -1",
        "GEOSEARCHSTORE p:1 k:1 FROMLONLAT 15 37 BYRADIUS 1 km",
        "GEORADIUS k:1 15 37 1 km STORE p:1",
    ] {
        assert!(client.run(line).is_error("WAXSEAL COMMAND_REFUSED"), "{line}");
    }
}

#[test]
fn a_hash_never_loses_the_protection_of_a_field() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, borders);
    let mut client = sidecar.connect();
    client.run("HSET k:1 secret s open o");
    // The other rule would leave the field `open` in clear.
    for line in ["RENAME k:1 part:1", "COPY k:1 part:1"] {
        let reply = client.run(line);
        assert!(reply.is_error("WAXSEAL COMMAND_REFUSED"), "{line}: {reply:?}");
    }
    assert_eq!(client.run("EXISTS k:1 part:1"), Frame::Integer(1));
    client.run("HDEL k:1 open");
    assert_eq!(client.run("COPY k:1 part:1"), Frame::Integer(1));
    assert_eq!(client.run("HGET part:1 secret"), Frame::bulk("s"));
    // Fields in clear are sealed where the other rule says so, and names as well.
    client.run("HSET part:1 open o");
    assert_eq!(client.run("RENAME part:1 k:2"), Frame::ok());
    assert_eq!(client.run("HMGET k:2 secret open"), Frame::Array(vec![Frame::bulk("s"), Frame::bulk("o")]));
    assert_eq!(client.run("RENAME k:2 names:1"), Frame::ok());
    assert_eq!(client.run("HMGET names:1 secret open"), Frame::Array(vec![Frame::bulk("s"), Frame::bulk("o")]));
    assert_eq!(upstream.raw().run("HEXISTS names:1 open"), Frame::Integer(0));
    assert!(client.run("RENAME names:1 k:3").is_error("WAXSEAL COMMAND_REFUSED"));
    // A list whose elements are sealed always in the same way gets others of that kind.
    client.run("RPUSH k:4 a b");
    assert_eq!(client.run("LMOVE k:4 names:2 LEFT LEFT"), Frame::bulk("a"));
    assert_eq!(client.run("RENAME k:4 names:3"), Frame::ok());
    for (line, key) in [("LPOS names:2 a", "names:2"), ("LPOS names:3 b", "names:3")] {
        assert_eq!(client.run(line), Frame::Integer(0), "{key}");
    }
    assert_eq!(client.run("LMOVE names:2 k:5 LEFT LEFT"), Frame::bulk("a"));
    assert_eq!(client.run("LRANGE k:5 0 -1"), Frame::Array(vec![Frame::bulk("a")]));
}

#[test]
fn times_to_live_of_fields_go_with_them() {
    let at = 4_000_000_000_123_i64;
    for binary in [REDIS_8_2, VALKEY_9_1] {
        let Some(server) = Newer::start(binary) else { continue };
        let sidecar = server.sidecar(borders);
        let mut client = sidecar.connect();
        for line in ["HSET k:1 a 1 b 2 c 3", &format!("PEXPIREAT k:1 {}", at + 1)] {
            client.run(line);
        }
        client.run(&format!("HPEXPIREAT k:1 {at} FIELDS 2 a c"));
        assert_eq!(client.run("COPY k:1 k:9 DB 1"), Frame::Integer(1), "{binary}");
        client.run("SELECT 1");
        assert_eq!(client.run("PEXPIRETIME k:9"), Frame::Integer(at + 1), "{binary}");
        let times = client.run("HPEXPIRETIME k:9 FIELDS 3 a b c");
        assert_eq!(times, Frame::Array([at, -1, at].map(Frame::Integer).into()), "{binary}");
        client.run("SELECT 0");
        for (line, key) in [("COPY k:1 k:2", "k:2"), ("RENAME k:2 k:3", "k:3"), ("RENAME k:3 names:1", "names:1")] {
            assert!(!matches!(client.run(line), Frame::Error(_)), "{binary}: {line}");
            assert_eq!(client.run(&format!("PEXPIRETIME {key}")), Frame::Integer(at + 1), "{binary}: {line}");
            let times = client.run(&format!("HPEXPIRETIME {key} FIELDS 3 a b c"));
            let wanted = [at, -1, at].map(Frame::Integer);
            assert_eq!(times, Frame::Array(wanted.into()), "{binary}: {line}");
        }
    }
}

#[test]
fn what_it_costs() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, encrypt_everything);
    let mut client = sidecar.connect();
    for line in [
        "SET t v",
        "RPUSH l a b c d",
        "SADD s a b",
        "SADD r b c",
        "ZADD z 1 a 2 b",
        "GEOADD g 13.36 38.11 a 15.08 37.5 b",
        // Each script once, so that the server knows it.
        "RENAME t t2",
    ] {
        client.run(line);
    }
    // Those that look at one thing ask for it with a command of its own before.
    for (line, scripts) in [
        ("RENAME t2 t", 2),
        ("COPY t t3", 2),
        ("COPY t t3", 1),
        ("COPY t t3 DB 1", 2),
        ("RENAMENX t t3", 1),
        ("LMOVE l m LEFT LEFT", 1),
        ("RPOPLPUSH nothing m", 0),
        ("BLMOVE l m LEFT LEFT 1", 1),
        ("SMOVE s r a", 1),
        ("SINTER s r", 1),
        ("SINTERCARD 2 s r", 1),
        ("SUNIONSTORE u s r", 2),
        ("ZUNION 2 z s WITHSCORES", 1),
        ("ZUNIONSTORE y 2 z s", 2),
        ("ZRANGESTORE y z 0 -1", 2),
        ("ZRANGESTORE y z - + BYLEX", 2),
        ("ZREMRANGEBYLEX y - +", 2),
        ("ZREMRANGEBYLEX y - +", 1),
        ("LCS t t3", 1),
        ("BITOP XOR t4 t t3", 2),
        ("GEOSEARCHSTORE f g FROMLONLAT 15 37 BYRADIUS 500 km STOREDIST", 1),
    ] {
        upstream.raw().run("CONFIG RESETSTAT");
        client.run(line);
        // What a script calls is counted, too; it is no command of ours.
        assert_eq!(upstream.command_counts().get("evalsha").copied().unwrap_or(0), scripts, "{line}");
    }
}

#[test]
fn nothing_is_lost_or_doubled_among_movers() {
    const JOBS: usize = 300;
    let upstream = Upstream::start();
    let one = Sidecar::start_with(&upstream, encrypt_everything);
    let keyring = one.keyring();
    let two = Sidecar::start_with(&upstream, |settings| {
        encrypt_everything(settings);
        settings.keyring = Some(keyring);
    });
    let done = AtomicUsize::new(0);
    thread::scope(|scope| {
        for worker in 0..4 {
            let (sidecar, done) = (if worker % 2 == 0 { &one } else { &two }, &done);
            scope.spawn(move || {
                let mut client = sidecar.connect();
                while done.load(Ordering::Relaxed) < JOBS {
                    let taken = match worker {
                        0 => client.run("LMOVE jobs mine:0 RIGHT LEFT"),
                        1 => client.run("BLMOVE jobs mine:1 RIGHT LEFT 0.2"),
                        2 => client.run("BRPOPLPUSH jobs mine:2 0.2"),
                        _ => client.run("RPOPLPUSH jobs mine:3"),
                    };
                    match taken {
                        Frame::Bulk(_) => _ = done.fetch_add(1, Ordering::Relaxed),
                        Frame::Null => {}
                        other => panic!("{other:?}"),
                    }
                }
            });
        }
        let mut producer = one.connect();
        for job in 0..JOBS {
            producer.run(&format!("LPUSH jobs {MARKER}-{job}"));
        }
    });
    let mut client = two.connect();
    let mut all: Vec<Vec<u8>> =
        (0..4).flat_map(|worker| client.run(&format!("LRANGE mine:{worker} 0 -1")).items()).map(Frame::bytes).collect();
    all.sort();
    let mut wanted: Vec<Vec<u8>> = (0..JOBS).map(|job| format!("{MARKER}-{job}").into_bytes()).collect();
    wanted.sort();
    assert_eq!(all, wanted);
    upstream.assert_nothing_stored_contains(MARKER);
}

#[test]
fn a_key_that_is_written_while_it_moves_loses_no_write() {
    const EACH: usize = 100;
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, encrypt_everything);
    thread::scope(|scope| {
        // Two carry the set away, each time to somewhere else; two add to it meanwhile.
        for mover in 0..2 {
            let sidecar = &sidecar;
            scope.spawn(move || {
                let mut client = sidecar.connect();
                for n in 0..EACH {
                    let reply = client.run(&format!("RENAMENX home box:{mover}:{n}"));
                    let gone = reply.is_error("ERR no such key");
                    assert!(gone || reply == Frame::Integer(1), "{reply:?}");
                }
            });
        }
        for adder in 0..2 {
            let sidecar = &sidecar;
            scope.spawn(move || {
                let mut client = sidecar.connect();
                for n in 0..EACH {
                    assert_eq!(client.run(&format!("SADD home m-{adder}-{n}")), Frame::Integer(1));
                }
            });
        }
    });
    let mut client = sidecar.connect();
    let keys = client.run("KEYS *").items().into_iter().map(Frame::bytes).collect::<Vec<_>>();
    let mut all = Vec::new();
    for key in keys {
        all.extend(client.command(&[b"SMEMBERS", &key]).items().into_iter().map(Frame::bytes));
    }
    assert_eq!(all.len(), 2 * EACH);
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 2 * EACH);
}

/// Options are options where they stand, and bounds are what C reads.
#[test]
fn words_and_bounds_are_read_as_redis_reads_them() {
    let (plain, upstream) = (Upstream::start(), Upstream::start());
    let sidecar = Sidecar::start_with(&upstream, encrypt_everything);
    let (mut bare, mut sealed) = (plain.raw(), sidecar.connect());
    let lines: [&[&[u8]]; 9] = [
        &[b"GEOADD", b"withcoord", b"13", b"38", b"STOREDIST"],
        &[b"GEOSEARCHSTORE", b"go", b"withcoord", b"FROMMEMBER", b"STOREDIST", b"BYRADIUS", b"100", b"km"],
        &[b"GEORADIUS", b"withcoord", b"13", b"38", b"100", b"km", b"STORE", b"withdist"],
        &[b"ZADD", b"z", b"1", b"a", b"2", b"b"],
        &[b"ZRANGESTORE", b"o", b"z", b"0", b"3e400", b"BYSCORE"],
        &[b"ZRANGESTORE", b"o", b"z", b"1e-400", b"9", b"BYSCORE"],
        &[b"ZRANGESTORE", b"o", b"z", b"-1e999", b"+inf", b"BYSCORE"],
        &[b"ZRANGESTORE", b"o", b"z", b"1\0zz", b"9", b"BYSCORE"],
        &[b"ZRANGESTORE", b"o", b"z", b"nan", b"9", b"BYSCORE"],
    ];
    for words in lines {
        assert_eq!(sealed.command(words), bare.command(words), "{}", words.join(&b' ').escape_ascii());
    }
}

/// However often a key is named, the database tells it once; and what Redis 8.2 alone knows is tried with few keys.
#[test]
fn a_key_named_often_is_read_once() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, encrypt_everything);
    let (mut client, mut raw) = (sidecar.connect(), upstream.raw());
    client.command(&[b"SET", b"a", &[b'x'; 100_000]]);
    let sent = |raw: &mut support::Raw| {
        let stats = String::from_utf8(raw.run("INFO stats").bytes()).expect("text");
        let line = stats.lines().find_map(|line| line.strip_prefix("total_net_output_bytes:")).expect("a number");
        line.parse::<u64>().expect("a number")
    };
    let before = sent(&mut raw);
    let mut words: Vec<&[u8]> = vec![b"BITOP", b"OR", b"d"];
    words.extend([&b"a"[..]; 1200]);
    assert_eq!(client.command(&words), Frame::Integer(100_000));
    assert!(sent(&mut raw) - before < 1_000_000, "it was read more than once");
    client.run("SADD s m");
    let mut words: Vec<&[u8]> = vec![b"SINTERSTORE", b"t"];
    words.extend([&b"s"[..]; 500]);
    assert_eq!(client.command(&words), Frame::Integer(1));
    assert_eq!(client.run("ZUNIONSTORE u 3 s s s WEIGHTS 1 2 3"), Frame::Integer(1));
    assert_eq!(client.run("ZSCORE u m").bytes(), b"6");
    let Some(newer) = Newer::start(REDIS_8_2) else { return };
    let sidecar = newer.sidecar(encrypt_everything);
    let mut client = sidecar.connect();
    client.run("MSET k0 a k1 b");
    let keys: Vec<String> = (0..9000).map(|n| format!("k{n}")).collect();
    let mut words: Vec<&[u8]> = vec![b"BITOP", b"DIFF", b"d"];
    words.extend(keys.iter().map(String::as_bytes));
    assert_eq!(client.command(&words), Frame::Integer(1));
}
