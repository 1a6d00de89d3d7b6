//! Commands that compute on encrypted values: the same answers as from Redis, nothing in clear, nothing lost or
//! doubled among writers that contend.

mod support;

use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;

use support::{Dice, Frame, MARKER, Sidecar, Upstream, compare, encrypt_everything};

/// Commands per protocol.
const STEPS: usize = 6000;

/// One letter stands for a word: K key, L key of a list, E element of one, C count, F field, V text, N integer, D float, O offset, B bit, T type of BITFIELD,
/// I index.
fn word(dice: &mut Dice, word: &str) -> Vec<u8> {
    const INTEGERS: [&str; 16] = [
        "0",
        "1",
        "-1",
        "7",
        "+5",
        "007",
        "-0",
        "",
        " 3",
        "3.0",
        "x",
        "9223372036854775807",
        "-9223372036854775808",
        "9223372036854775808",
        "4611686018427387904",
        "100",
    ];
    const FLOATS: [&str; 26] = [
        "0.1",
        "0.2",
        "-0.3",
        "1e10",
        "5.0e3",
        "3.14159265358979323846",
        "-1",
        "1e-17",
        "1e-18",
        "12345678901234567.5",
        "x",
        "",
        "inf",
        "-inf",
        "nan",
        " 1",
        "1 ",
        "0x10",
        "1e4000",
        "1e-4000",
        ".5",
        "5.",
        "1e400",
        "+2.5",
        "1e",
        "-0",
    ];
    const TYPES: [&str; 12] = ["u8", "i8", "u1", "i5", "u63", "i64", "u64", "i65", "i0", "x8", "u16", "i32"];
    let small = |n: usize| i64::try_from(n).unwrap();
    match word {
        "K" => format!("k:{}", dice.roll(3)).into_bytes(),
        "L" => format!("l:{}", dice.roll(2)).into_bytes(),
        "E" => format!("{MARKER}-{}", dice.roll(4)).into_bytes(),
        "C" => dice.pick(&["0", "1", "-1", "2", "-2", "x"]).into(),
        "F" => format!("f{}", dice.roll(3)).into_bytes(),
        "V" => format!("{MARKER}-{}", dice.roll(1000)).into_bytes(),
        "N" => dice.pick(&INTEGERS).into(),
        "D" => dice.pick(&FLOATS).into(),
        "O" => match dice.roll(12) {
            0 => b"-1".to_vec(),
            1 => b"x".to_vec(),
            2 => b"4294967296".to_vec(),
            _ => dice.roll(200).to_string().into_bytes(),
        },
        "B" => dice.pick(&["0", "1", "0", "1", "0", "1", "2", "x"]).into(),
        "T" => dice.pick(&TYPES).into(),
        "I" => (small(dice.roll(61)) - 30).to_string().into_bytes(),
        word => word.as_bytes().to_vec(),
    }
}

const PROGRAM: &[&str] = &[
    "SET K V",
    "SET K N",
    "SET K D",
    "SET K 10",
    "SET K 10 EX 100",
    "SET K 0.5",
    "DEL K",
    "GET K",
    "GET K",
    "LPUSH other x",
    "STRLEN K",
    "STRLEN other",
    "GETRANGE K I I",
    "SUBSTR K I I",
    "GETRANGE K x 1",
    "RPUSH L E E E",
    "RPUSH L E",
    "LREM L C E",
    "LREM L C E",
    "LREM K C E",
    "LINSERT L BEFORE E E",
    "LINSERT L AFTER E E",
    "LINSERT L x E E",
    "LRANGE L 0 -1",
    "LLEN L",
    "DEL L",
    "APPEND K V",
    "APPEND K N",
    "APPEND other x",
    "SETRANGE K O V",
    "SETRANGE K I V",
    "SETRANGE K O ",
    "INCR K",
    "DECR K",
    "INCRBY K N",
    "DECRBY K N",
    "INCR K",
    "INCR other",
    "INCRBYFLOAT K D",
    "INCRBYFLOAT K D",
    "INCRBYFLOAT other D",
    "SETBIT K O B",
    "SETBIT K O B",
    "GETBIT K O",
    "BITCOUNT K",
    "SET K \u{7f}\u{ff}ab",
    "BITCOUNT K I I",
    "BITCOUNT K I I BIT",
    "BITCOUNT K I I BYTE",
    "BITPOS K B",
    "BITPOS K B I",
    "BITPOS K B I I",
    "BITPOS K B I I BIT",
    "BITFIELD K SET T O N",
    "BITFIELD K INCRBY T O N GET T O",
    "BITFIELD K OVERFLOW SAT INCRBY T O N OVERFLOW FAIL INCRBY T #1 N",
    "BITFIELD K GET T O",
    "BITFIELD_RO K GET T O GET u4 #3",
    "BITFIELD K",
    "BITFIELD K OVERFLOW x GET u8 0",
    "BITFIELD_RO K SET u8 0 1",
    "BITFIELD K GET u8",
    "HSET h F V",
    "HSET h F 5",
    "HSET h F 0.25",
    "HDEL h F",
    "HINCRBY h F N",
    "HINCRBY h F 3",
    "HINCRBYFLOAT h F D",
    "HINCRBYFLOAT h F 1.5",
    "HINCRBY other F 1",
    "HSTRLEN h F",
    "HGET h F",
    "HSTRLEN other F",
    "STRLEN",
    "INCR K K",
    "APPEND K",
    "PERSIST K",
    "EXISTS K",
];

#[test]
fn everything_that_computes_answers_as_redis_does() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, encrypt_everything);
    compare(&sidecar, &upstream, PROGRAM, STEPS, word);
}

#[test]
fn a_time_to_live_stays_to_the_millisecond() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, encrypt_everything);
    let mut client = sidecar.connect();
    let at = 4_000_000_000_123_i64;
    client.run("SET k 1");
    client.run(&format!("PEXPIREAT k {at}"));
    for command in
        ["INCR k", "APPEND k 5", "SETRANGE k 1 7", "INCRBYFLOAT k 0.5", "SETBIT k 100 1", "BITFIELD k SET u8 0 1"]
    {
        client.run(command);
        assert_eq!(client.run("PEXPIRETIME k"), Frame::Integer(at), "{command}");
    }
}

#[test]
fn what_leaves_a_value_as_it_was_disturbs_no_watch() {
    let plain = Upstream::start();
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, encrypt_everything);
    for line in [
        "BITFIELD k OVERFLOW FAIL INCRBY u2 5 3 OVERFLOW SAT INCRBY u2 5 3",
        "BITFIELD k SET u8 0 97",
        "BITFIELD k SET u8 0 98",
        "SETBIT k 7 1",
        "SETBIT k 7 0",
        "SETRANGE k 3 new",
    ] {
        let [expected, got] = [plain.raw(), sidecar.connect()].map(|mut client| {
            // "abc", and the largest number in the bits that the first line adds to.
            for before in ["SET k abc", "BITFIELD k SET u2 5 3", "WATCH k"] {
                client.run(before);
            }
            [line, "MULTI", "EXEC"].map(|line| client.run(line))
        });
        assert_eq!(got, expected, "{line}");
    }
}

#[test]
fn the_order_of_a_pipeline_holds() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, encrypt_everything);
    let mut client = sidecar.connect();
    let mut bytes = Vec::new();
    for n in 0..500 {
        for words in [
            &["INCR", "n"][..],
            &["GET", "n"],
            &["SET", "m", &n.to_string()],
            &["APPEND", "m", "x"],
            &["GET", "m"],
            &["PING"],
        ] {
            let refs: Vec<&[u8]> = words.iter().map(|w| w.as_bytes()).collect();
            bytes.extend(support::raw::encode(&refs));
        }
    }
    client.send(&bytes);
    for n in 0..500_i64 {
        assert_eq!(client.read(), Frame::Integer(n + 1));
        assert_eq!(client.read(), Frame::bulk((n + 1).to_string()));
        assert_eq!(client.read(), Frame::ok());
        assert_eq!(client.read(), Frame::Integer(i64::try_from(n.to_string().len()).unwrap() + 1));
        assert_eq!(client.read(), Frame::bulk(format!("{n}x")));
        assert_eq!(client.read(), Frame::Simple("PONG".into()));
    }
}

#[test]
fn nobodys_increment_is_lost_or_doubled() {
    const CLIENTS: usize = 8;
    const EACH: i64 = 100;
    let upstream = Upstream::start();
    let one = Sidecar::start_with(&upstream, encrypt_everything);
    let keyring = one.keyring();
    let two = Sidecar::start_with(&upstream, |settings| {
        encrypt_everything(settings);
        settings.keyring = Some(keyring);
    });
    let appended = AtomicI64::new(0);
    thread::scope(|scope| {
        for n in 0..CLIENTS {
            let sidecar = if n % 2 == 0 { &one } else { &two };
            let appended = &appended;
            scope.spawn(move || {
                let mut client = sidecar.connect();
                for _ in 0..EACH {
                    assert!(matches!(client.run("INCR n"), Frame::Integer(_)));
                    assert!(matches!(client.run("HINCRBY h f 3"), Frame::Integer(_)));
                    assert!(matches!(client.run("APPEND a x"), Frame::Integer(_)));
                    appended.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let all = i64::try_from(CLIENTS).unwrap() * EACH;
    let mut client = one.connect();
    assert_eq!(client.run("GET n"), Frame::bulk(all.to_string()));
    assert_eq!(client.run("HGET h f"), Frame::bulk((3 * all).to_string()));
    assert_eq!(client.run("STRLEN a"), Frame::Integer(all));
    let errors = upstream.raw().run("INFO errorstats");
    println!("upstream: {:?}", String::from_utf8_lossy(&errors.bytes()));
}

#[test]
fn a_change_costs_two_commands_and_a_reading_one() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, encrypt_everything);
    let mut client = sidecar.connect();
    for line in ["SET k 1", "INCR k", "HSET h f 1", "HINCRBY h f 1", "RPUSH l a b a", "LREM l 1 b"] {
        client.run(line);
    }
    for (line, cost) in [
        ("STRLEN k", &[("get", 1)][..]),
        ("GETRANGE k 0 1", &[("get", 1)]),
        ("HSTRLEN h f", &[("hget", 1)]),
        ("INCR k", &[("get", 1), ("evalsha", 1)]),
        ("INCR new", &[("get", 1), ("evalsha", 1)]),
        ("HINCRBY h f 1", &[("hget", 1), ("evalsha", 1)]),
        ("HINCRBY h new 1", &[("hget", 1), ("evalsha", 1)]),
        ("SETBIT k 0 0", &[("get", 1)]),
        ("LREM l 0 a", &[("evalsha", 2)]),
        ("LREM l 0 nothing", &[("evalsha", 1)]),
    ] {
        upstream.raw().run("CONFIG RESETSTAT");
        client.run(line);
        let mut counts = upstream.command_counts();
        counts.retain(|name, _| ["get", "hget", "set", "hsetnx", "eval", "evalsha"].contains(&name.as_str()));
        if cost.iter().any(|(name, _)| *name == "evalsha") {
            // What a script calls is counted, too; it is no command of ours.
            counts.retain(|name, _| !["set"].contains(&name.as_str()));
            counts.entry("hget".into()).and_modify(|n| *n = 1);
        }
        let wanted = cost.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
        assert_eq!(counts, wanted, "{line}");
    }
}

#[test]
fn a_client_can_read_what_it_costs() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, encrypt_everything);
    for mut client in [sidecar.connect(), sidecar.connect3()] {
        let read = |client: &mut support::Raw| {
            let text = String::from_utf8(client.run("INFO waxseal").bytes()).expect("text");
            let number = |name: &str| {
                let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{text}"));
                line.parse::<i64>().expect("a number")
            };
            assert!(text.contains(concat!("waxseal_version:", env!("CARGO_PKG_VERSION"), "\r\n")), "{text}");
            ["emulated_commands:", "emulated_upstream_commands:", "emulated_retries:"].map(number)
        };
        client.run("INCR k");
        let before = read(&mut client);
        for _ in 0..10 {
            client.run("INCR k");
        }
        client.run("INCRBY k x");
        let after = read(&mut client);
        assert_eq!([0, 1, 2].map(|at| after[at] - before[at]), [10, 20, 0]);
        assert!(String::from_utf8_lossy(&client.run("INFO").bytes()).contains("\r\n\r\n# Waxseal\r\n"));
        assert!(!String::from_utf8_lossy(&client.run("INFO server").bytes()).contains("Waxseal"));
    }
}

#[test]
fn a_rule_may_refuse_what_computes() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, |settings| {
        settings.rules.clear();
        settings.more = "[[encrypt]]\nid = 'all'\nkeys = ['*']\nfields = ['secret']\nemulate = false\n".into();
    });
    let mut client = sidecar.connect();
    client.run("SET k 1");
    for line in ["INCR k", "APPEND k x", "STRLEN k", "GETRANGE k 0 0", "HINCRBY h secret 1", "HSTRLEN h secret"] {
        assert!(client.run(line).is_error("WAXSEAL COMMAND_REFUSED"), "{line}");
    }
    // A field that is in clear is the database's own affair.
    assert_eq!(client.run("HINCRBY h open 2"), Frame::Integer(2));
    assert_eq!(client.run("HSTRLEN h open"), Frame::Integer(1));
    assert_eq!(client.run("GET k"), Frame::bulk("1"));
}

/// A server that refuses a write says so in the same words, although a script has asked it.
#[test]
fn a_write_that_the_server_refuses_fails_in_its_words() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, encrypt_everything);
    let (mut ours, mut theirs) = (sidecar.connect(), upstream.raw());
    for line in ["SET s 1", "RPUSH l a b", "HSET h f 1"] {
        ours.run(line);
    }
    theirs.run("CONFIG SET maxmemory 1");
    let plain = theirs.run("SET other 1");
    assert!(plain.is_error("OOM"), "{plain:?}");
    for line in ["APPEND s x", "INCR n", "HINCRBY h f 1", "LINSERT l BEFORE a x", "COPY s t", "SETBIT s 1 1"] {
        assert_eq!(ours.run(line), plain, "{line}");
    }
    ours.run("MULTI");
    ours.run("INCR s");
    assert!(ours.run("EXEC").is_error("EXECABORT Transaction discarded because of: OOM"));
}
