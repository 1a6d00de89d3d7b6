//! SORT and SORT_RO on encrypted keys: the same answers as from Redis, nothing in clear but the names of the keys that BY
//! and GET ask for, and what is stored is what there was.

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use support::newer::{REDIS_8_2, VALKEY_9_1};
use support::sidecar::Settings;
use support::{Dice, Frame, MARKER, Newer, Sidecar, Upstream, compare_settled, encrypt_everything, run_alike};

/// Commands per protocol.
const STEPS: usize = 8000;

/// N number, E text, V weight, M value, P score, B a number of LIMIT; O options, D a direction.
fn word(dice: &mut Dice, word: &str) -> Vec<u8> {
    match word {
        "N" => dice.pick(&["1", "2", "3", "10", "-5", "2.5", "1e3", "007", "+4", "-0", "inf", "1"]).into(),
        "E" => dice.pick(&["a", "b", "B", "ab", "a*b", "z", "0", "\u{ff}", "#", "->"]).into(),
        "V" => match dice.roll(40) {
            0 => dice.pick(&["x", "nan", "1e400", "1 "]).into(),
            _ => dice.pick(&["1", "2", "-3", "0.5", "1e2", "0", "10"]).into(),
        },
        "M" => format!("{MARKER}-{}", dice.roll(50)).into_bytes(),
        "P" => dice.pick(&["0", "1", "1", "-1.5", "inf"]).into(),
        "B" => dice.pick(&["0", "0", "1", "2", "3", "5", "-1", "100"]).into(),
        "D" => dice.pick(&["ASC", "DESC", "asc", "desc"]).into(),
        word => word.as_bytes().to_vec(),
    }
}

/// n, ns and nz hold numbers, t, ts and tz text; w:* are weights, o:* values, h:* hashes of both, r:* what text is ordered by.
const PROGRAM: &[&str] = &[
    "RPUSH n N N",
    "RPUSH n N",
    "LPUSH t E E",
    "LPUSH t E",
    "LPOP n 3",
    "RPOP t 3",
    "SADD ns N N",
    "SREM ns N",
    "SADD ts E E",
    "SREM ts E",
    "ZADD nz P N P N",
    "ZREM nz N",
    "ZADD tz P E P E",
    "ZREM tz E",
    "DEL n ns",
    "DEL t",
    "SET w:N V",
    "SET w:N V",
    "DEL w:N",
    "SET o:N M",
    "SET o:E M",
    "DEL o:E",
    "HSET h:N w V m M",
    "HSET h:E w V m M",
    "HDEL h:N w",
    "SET h:N M",
    "DEL h:N",
    "SET r:E M",
    "DEL r:E",
    "LPUSH r:E M",
    "SORT n",
    "SORT n D",
    "SORT n D LIMIT B B",
    "SORT ns D LIMIT B B",
    "SORT nz D LIMIT B B",
    "SORT_RO n D LIMIT B B",
    "SORT n ALPHA D LIMIT B B",
    "SORT ns ALPHA D",
    "SORT t",
    "SORT t ALPHA D",
    "SORT_RO ts ALPHA D LIMIT B B",
    "SORT tz ALPHA LIMIT B B",
    "SORT n BY w:* D",
    "SORT n BY w:* D LIMIT B B",
    "SORT ns BY w:* D LIMIT B B",
    "SORT nz BY w:* D LIMIT B B",
    "SORT n BY h:*->w D",
    "SORT t BY h:*->w D LIMIT B B",
    "SORT_RO ts BY h:*->w D",
    "SORT t BY r:* ALPHA D",
    "SORT t BY r:* ALPHA D GET # GET r:* GET h:*->m",
    "SORT t BY r:*",
    "SORT n GET o:*",
    "SORT n GET # GET o:* GET h:*->m GET h:*->nothing GET nothing",
    "SORT_RO n BY w:* GET # GET w:* LIMIT B B D",
    "SORT n BY nosort GET # GET o:*",
    "SORT n BY nosort D LIMIT B B",
    "SORT tz BY nosort D LIMIT B B",
    "SORT tz BY nosort GET o:* D LIMIT B B",
    "SORT ts BY nosort",
    "SORT ts BY nosort DESC",
    "SORT n BY nosort BY w:*",
    "SORT n BY w:* BY h:*->w",
    "SORT n STORE d",
    "SORT n STORE n D",
    "SORT n D LIMIT B B STORE d",
    "SORT n BY w:* D LIMIT B B STORE d",
    "SORT n BY w:* GET # GET o:* STORE d",
    "SORT ns BY h:*->w GET h:*->m STORE d",
    "SORT ts BY nosort STORE d",
    "SORT ts BY nosort D LIMIT B B STORE d",
    "SORT tz BY nosort D LIMIT B B STORE d",
    "SORT t BY r:* ALPHA STORE d",
    "SORT t ALPHA GET o:* STORE r:a",
    "SORT nothing STORE d",
    "SORT n STORE d STORE e",
    "LRANGE d 0 -1",
    "LRANGE e 0 -1",
    "TYPE d",
    "EXPIRE d 100",
    "TTL d",
    "SET d M",
    "SORT w:N",
    "SORT w:N ALPHA STORE d",
    "SORT h:N BY w:*",
    "SORT n LIMIT 1",
    "SORT n LIMIT x 1",
    "SORT n LIMIT 1 x BOO",
    "SORT n BY",
    "SORT n GET",
    "SORT n STORE",
    "SORT n BOO",
    "SORT_RO n STORE d",
    "SORT",
    "SORT_RO",
    "EXISTS d",
];

fn settle(line: &str, reply: Frame) -> Frame {
    match reply {
        // Redis promises no order of these.
        Frame::Array(mut items) if line.starts_with("SORT ts BY nosort") => {
            items.sort_by_key(|item| format!("{item:?}"));
            Frame::Array(items)
        }
        other => other,
    }
}

#[test]
fn elements_are_sorted_as_redis_sorts_them() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, encrypt_everything);
    compare_settled(&sidecar, &upstream, PROGRAM, STEPS, word, settle);
}

/// Rules for some of the keys; what is stored goes under one of them.
fn some_rules(settings: &mut Settings) {
    settings.rules.clear();
    settings.more = "[[encrypt]]\nid = \"some\"\nkeys = [\"t\", \"n*\", \"o:*\", \"w:1*\"]\n\
                     [[encrypt]]\nid = \"fields\"\nkeys = [\"h:*\"]\nfields = [\"m\"]\n\
                     [[encrypt]]\nid = \"names\"\nkeys = [\"d\", \"r:*\", \"e\"]\n\
                     deterministic = [\"field-names\", \"list-elements\"]\n"
        .into();
}

#[test]
fn also_where_only_some_of_the_keys_are_encrypted() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, some_rules);
    compare_settled(&sidecar, &upstream, PROGRAM, STEPS, word, settle);
    // Elements of that list are found by what they are.
    let mut client = sidecar.connect();
    client.run("DEL d n");
    client.run("RPUSH n 2 1");
    assert_eq!(client.run("SORT n STORE d"), Frame::Integer(2));
    assert_eq!(client.run("LPOS d 1"), Frame::Integer(0));
}

#[test]
fn newer_servers_sort_alike() {
    for binary in [REDIS_8_2, VALKEY_9_1] {
        let (Some(plain), Some(server)) = (Newer::start(binary), Newer::start(binary)) else { continue };
        let sidecar = server.sidecar(encrypt_everything);
        run_alike(
            || plain.raw(),
            || sidecar.connect(),
            PROGRAM,
            STEPS / 4,
            |dice, what| {
                // They read what is no plain number in other ways.
                loop {
                    let word = word(dice, what);
                    if ![&b"nan"[..], b"1e400"].contains(&&word[..]) {
                        return word;
                    }
                }
            },
            settle,
        );
    }
}

#[test]
fn what_a_rule_protects_is_not_stored_in_clear() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, |settings| {
        settings.rules.clear();
        settings.more = "[[encrypt]]\nid = 'k'\nkeys = ['k:*']\nfields = ['secret']\n\
                         [[encrypt]]\nid = 'never'\nkeys = ['never:*']\nemulate = false\n"
            .into();
    });
    let (mut client, mut raw) = (sidecar.connect(), upstream.raw());
    for line in ["RPUSH k:l 2 1", "RPUSH p:l 2 1", "SET k:o:1 secret", "SET p:o:1 open", "HSET k:h:1 secret s open o"] {
        client.run(line);
    }
    for line in [
        "SORT k:l STORE p:d",
        "SORT k:l GET # STORE p:d",
        "SORT k:l GET p:o:* GET # STORE p:d",
        "SORT p:l GET k:o:* STORE p:d",
        "SORT p:l GET k:h:*->secret STORE p:d",
        "SORT p:l BY never:*",
        "SORT_RO p:l GET never:*",
        "SORT never:l",
        "SORT never:l STORE k:d",
        "SORT k:l STORE never:d",
        "SORT_RO never:l",
    ] {
        let reply = client.run(line);
        assert!(reply.is_error("WAXSEAL COMMAND_REFUSED"), "{line}: {reply:?}");
        assert_eq!(raw.run("EXISTS p:d k:d never:d"), Frame::Integer(0), "{line}");
    }
    for (line, count) in [
        ("SORT p:l GET p:o:* STORE p:d", 2),
        ("SORT p:l BY k:o:* ALPHA STORE p:d", 2),
        ("SORT p:l GET k:h:*->open STORE p:d", 2),
        ("SORT k:l GET p:o:* STORE p:d", 2),
        ("SORT k:none STORE k:d", 0),
    ] {
        assert_eq!(client.run(line), Frame::Integer(count), "{line}");
    }
    assert_eq!(raw.run("LRANGE p:d 0 -1"), Frame::Array(vec![Frame::bulk("open"), Frame::bulk("")]));
    // Keys of no rule, with patterns that cannot lead under one: the database does it itself.
    upstream.raw().run("CONFIG RESETSTAT");
    assert_eq!(client.run("SORT p:l BY p:w:* GET p:o:*"), Frame::Array(vec![Frame::bulk("open"), Frame::Null]));
    assert_eq!(upstream.command_counts().get("evalsha"), None);
    assert_eq!(upstream.command_counts().get("sort"), Some(&1));
}

/// What BY and GET lead to is watched like everything that a transaction reads.
#[test]
fn it_works_in_transactions() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, encrypt_everything);
    let (mut client, mut other) = (sidecar.connect(), sidecar.connect());
    let queued = Frame::Simple("QUEUED".into());
    client.run("RPUSH l 1 2 3");
    client.run("MSET w:1 3 w:2 1 w:3 2 o:1 a o:2 b");
    for line in
        ["MULTI", "SORT l BY w:* GET # GET o:*", "SORT l BY w:* STORE d", "LRANGE d 0 -1", "SORT l BY w:* GET nothing"]
    {
        assert!([Frame::ok(), queued.clone()].contains(&client.run(line)), "{line}");
    }
    let bulks = |words: &[&str]| Frame::Array(words.iter().map(Frame::bulk).collect());
    let mut first = bulks(&["2", "b", "3", "", "1", "a"]).items();
    first[3] = Frame::Null;
    let nothing = Frame::Array(vec![Frame::Null; 3]);
    let replies = vec![Frame::Array(first), Frame::Integer(3), bulks(&["2", "3", "1"]), nothing];
    assert_eq!(client.run("EXEC"), Frame::Array(replies));
    // Of what earlier commands make of the elements.
    for line in ["MULTI", "RPUSH n 2", "RPUSH n 1", "SORT n GET o:*", "DEL n"] {
        assert!(!matches!(client.run(line), Frame::Error(_)), "{line}");
    }
    let sorted = client.run("EXEC").items()[2].clone();
    assert_eq!(sorted, Frame::Array(vec![Frame::bulk("a"), Frame::bulk("b")]));
    // What it leads to has been changed by an earlier command: EXEC says so, and nothing was done.
    for line in ["MULTI", "APPEND w:1 0", "SORT l BY w:* STORE e"] {
        assert!([Frame::ok(), queued.clone()].contains(&client.run(line)), "{line}");
    }
    let reply = client.run("EXEC");
    assert!(reply.is_error("EXECABORT"), "{reply:?}");
    assert_eq!(client.run("GET w:1"), Frame::bulk("3"));
    // Others write in between: all of it begins again, and each result is of one moment.
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for version in 0..200 {
                other.run(&format!("MSET o:1 {version} o:2 {version} o:3 {version}"));
            }
            done.store(true, Ordering::Relaxed);
        });
        while !done.load(Ordering::Relaxed) {
            for line in ["MULTI", "SORT l GET o:*", "SORT l GET o:* STORE d", "LRANGE d 0 -1", "MGET o:1 o:2 o:3"] {
                client.run(line);
            }
            let replies = client.run("EXEC").items();
            assert!(
                [2, 3].iter().all(|at| replies[*at] == replies[0]) || replies[0].clone().items()[2] == Frame::Null,
                "{replies:?}"
            );
        }
    });
}

#[test]
fn what_it_costs() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, encrypt_everything);
    let mut client = sidecar.connect();
    for line in ["RPUSH l 3 1 2", "SET w:1 5", "SET o:1 x", "SORT l BY w:* GET o:* STORE d"] {
        client.run(line);
    }
    for (line, scripts) in [
        ("SORT l", 1),
        ("SORT_RO l DESC", 1),
        ("SORT l BY w:*", 2),
        ("SORT l BY w:* GET # GET o:*", 2),
        ("SORT l STORE d", 2),
        ("SORT l BY w:* GET o:* STORE d", 3),
        ("SORT nothing BY w:* GET o:*", 1),
    ] {
        upstream.raw().run("CONFIG RESETSTAT");
        client.run(line);
        assert_eq!(upstream.command_counts().get("evalsha").copied().unwrap_or(0), scripts, "{line}");
    }
}

/// Each version is written in one transaction, which also takes the old result away. So no result is of two versions,
/// and none is there that is older than the sources.
#[test]
fn what_is_stored_is_of_one_moment() {
    const VERSIONS: usize = 150;
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, encrypt_everything);
    let done = AtomicBool::new(false);
    let seen = thread::scope(|scope| {
        scope.spawn(|| {
            let mut client = sidecar.connect();
            for version in 1..=VERSIONS {
                client.run("MULTI");
                client.run("DEL d");
                // Every second one changes only what the elements lead to.
                let last = 10 + version - version % 2;
                if last == 10 + version {
                    client.run("DEL l");
                    client.run(&format!("RPUSH l 1 2 3 {last}"));
                }
                for element in [1, 2, 3, last] {
                    client.run(&format!("SET w:{element} {}", (element * version) % 7));
                    client.run(&format!("SET o:{element} {version}"));
                }
                client.run(&format!("SET version {version}"));
                let reply = client.run("EXEC");
                // The others go on until then.
                done.store(version == VERSIONS || !matches!(reply, Frame::Array(_)), Ordering::Relaxed);
                assert!(matches!(reply, Frame::Array(_)), "{reply:?}");
            }
        });
        for sorter in 0..2 {
            let (sidecar, done) = (&sidecar, &done);
            scope.spawn(move || {
                let mut client = sidecar.connect();
                while !done.load(Ordering::Relaxed) {
                    let count = client.run("SORT l BY w:* GET o:* STORE d");
                    assert!([Frame::Integer(0), Frame::Integer(4)].contains(&count), "{count:?}");
                    let values = client.run("SORT l BY w:* GET o:*").items();
                    assert!(values.iter().all(|value| value == &values[0]), "sorter {sorter}: {values:?}");
                }
            });
        }
        let mut client = sidecar.connect();
        let mut seen = 0;
        while !done.load(Ordering::Relaxed) {
            for line in ["MULTI", "LRANGE d 0 -1", "GET version"] {
                client.run(line);
            }
            let mut replies = client.run("EXEC").items();
            let (version, stored) = (replies.pop().expect("two"), replies.pop().expect("one").items());
            assert!(stored.iter().all(|value| *value == version), "{stored:?} of version {version:?}");
            seen += usize::from(!stored.is_empty());
        }
        seen
    });
    println!("{seen} results seen");
    assert!(seen > 0);
}
