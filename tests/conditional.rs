//! What is written or removed only if a certain value is there: as the server has it, word for word, nothing in clear, and
//! one winner among many.

mod support;

use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;

use support::newer::{REDIS_8_2, VALKEY_9_1};
use support::{Dice, Frame, MARKER, Newer, Sidecar, Upstream, compare_settled, encrypt_everything, run_alike};

/// Commands per protocol.
const STEPS: usize = 5000;

/// K key, V value, X digest, C condition, O other options.
fn word(dice: &mut Dice, word: &str) -> Vec<u8> {
    match word {
        "K" => format!("k:{}", dice.roll(3)).into_bytes(),
        "V" => format!("{MARKER}-{}", dice.roll(3)).into_bytes(),
        "X" => dice.pick(&["", "x", "78af5f94892f3950", "78AF5F94892F395g"]).into(),
        "C" => dice.pick(&["IFEQ", "IFEQ", "ifeq", "IFNE", "IFDEQ", "IFDNE"]).into(),
        "O" => dice.pick(&["NX", "XX", "GET", "get", "KEEPTTL", "EX", "IFEQ", "x"]).into(),
        "T" => dice.pick(&["100", "0", "-1", "x", "IFEQ", "9223372036854775807"]).into(),
        word => word.as_bytes().to_vec(),
    }
}

const PROGRAM: &[&str] = &[
    "SET K V",
    "SET K V EX 100",
    "SET K V PXAT 4000000000123",
    "DEL K",
    "GET K",
    "GET K",
    "PEXPIRETIME K",
    "RPUSH list V",
    "SET K V IFEQ V",
    "SET K V IFEQ V",
    "SET K V IFEQ V GET",
    "SET K V GET IFEQ V KEEPTTL",
    "SET K V IFEQ V EX T",
    "SET K V EX T IFEQ V GET",
    "SET K V IFEQ V KEEPTTL",
    "SET K V IFEQ V PXAT 4000000000456",
    "SET K V C V",
    "SET K V C X",
    "SET K V C V O",
    "SET K V O C V",
    "SET K V O C V GET",
    "SET K V C V C V",
    "SET K V C",
    "SET K V EX IFEQ",
    "SET K V EX IFEQ GET",
    "SET K GET IFEQ GET",
    "SET list V IFEQ V",
    "SET list V C V GET",
    "SET list V IFEQ V EX 0",
    "DELIFEQ K V",
    "DELIFEQ K V",
    "DELIFEQ K GET",
    "DELIFEQ list V",
    "DELIFEQ none V",
    "DELEX K",
    "DELEX K C V",
    "DELEX K C X",
    "DELEX none C V",
    "DELEX list IFEQ V",
];

/// A moment that depends on when the command came.
const MOMENTS: std::ops::Range<i64> = 1_000_000_000_000..4_000_000_000_000;

/// What the server has not got, without the arguments that it repeats; and no moment.
fn settle(_: &str, reply: Frame) -> Frame {
    match reply {
        Frame::Error(text) if text.starts_with("ERR unknown command '") => {
            let end = text.rfind("', with").unwrap_or(text.trim_end_matches('\'').len());
            Frame::Error(text[..end].to_ascii_lowercase())
        }
        Frame::Integer(moment) if MOMENTS.contains(&moment) => Frame::Integer(MOMENTS.start),
        reply => reply,
    }
}

#[test]
fn conditions_are_those_of_the_server() {
    for binary in [VALKEY_9_1, REDIS_8_2] {
        let (Some(bare), Some(server)) = (Newer::start(binary), Newer::start(binary)) else { continue };
        let sidecar = server.sidecar(encrypt_everything);
        run_alike(|| bare.raw(), || sidecar.connect(), PROGRAM, STEPS, word, settle);
    }
}

#[test]
fn a_server_without_them_says_so_and_sees_nothing() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, encrypt_everything);
    compare_settled(&sidecar, &upstream, PROGRAM, STEPS, word, settle);
}

#[test]
fn a_time_to_live_stays_to_the_millisecond_if_it_is_to_stay() {
    let Some(server) = Newer::start(VALKEY_9_1) else { return };
    let sidecar = server.sidecar(encrypt_everything);
    let mut client = sidecar.connect();
    let at = 4_000_000_000_123_i64;
    client.run(&format!("SET k one PXAT {at}"));
    for (line, reply, left) in [
        ("SET k two IFEQ other EX 100", Frame::Null, at),
        ("SET k two IFEQ other GET", Frame::bulk("one"), at),
        ("SET k two IFEQ one KEEPTTL", Frame::ok(), at),
        ("SET k three IFEQ two", Frame::ok(), -1),
        ("SET k four PXAT 4000000000456 IFEQ three GET", Frame::bulk("three"), 4_000_000_000_456),
    ] {
        assert_eq!(client.run(line), reply, "{line}");
        assert_eq!(client.run("PEXPIRETIME k"), Frame::Integer(left), "{line}");
    }
    assert_eq!(client.run("GET k"), Frame::bulk("four"));
    assert_eq!(client.run("DELIFEQ k five"), Frame::Integer(0));
    assert_eq!(client.run("DELIFEQ k four"), Frame::Integer(1));
    assert_eq!(client.run("EXISTS k"), Frame::Integer(0));
}

#[test]
fn one_of_many_wins() {
    const CLIENTS: usize = 6;
    const EACH: usize = 60;
    let Some(server) = Newer::start(VALKEY_9_1) else { return };
    let sidecar = server.sidecar(encrypt_everything);
    let taken = AtomicI64::new(0);
    sidecar.connect().run("SET n 0");
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (sidecar, taken) = (&sidecar, &taken);
            scope.spawn(move || {
                let mut raw = sidecar.connect();
                for round in 0..EACH {
                    // A counter by comparing and setting.
                    loop {
                        let seen = String::from_utf8(raw.run("GET n").bytes()).expect("a number");
                        let next = seen.parse::<i64>().expect("a number") + 1;
                        if raw.run(&format!("SET n {next} IFEQ {seen}")) == Frame::ok() {
                            break;
                        }
                    }
                    // Everybody writes the same value, and each time one may take it away.
                    raw.run(&format!("SET lock:{round} {MARKER} NX"));
                    match raw.run(&format!("DELIFEQ lock:{round} {MARKER}")) {
                        Frame::Integer(done) => _ = taken.fetch_add(done, Ordering::Relaxed),
                        other => panic!("client {client}: {other:?}"),
                    }
                    raw.run(&format!("INCR made:{round}"));
                }
            });
        }
    });
    let mut client = sidecar.connect();
    let all = i64::try_from(CLIENTS * EACH).expect("few");
    assert_eq!(client.run("GET n"), Frame::bulk(all.to_string()));
    let left = (0..EACH).filter(|round| client.run(&format!("EXISTS lock:{round}")) == Frame::Integer(1)).count();
    assert_eq!(left, 0, "who finds a lock takes it, so the last one leaves none");
    assert!(taken.load(Ordering::Relaxed) >= i64::try_from(EACH).expect("few"));
}

#[test]
fn what_it_costs() {
    let Some(server) = Newer::start(VALKEY_9_1) else { return };
    let sidecar = server.sidecar(encrypt_everything);
    let (mut client, mut raw) = (sidecar.connect(), server.raw());
    client.run("SET k a IFEQ b");
    client.run("SET k a");
    for line in ["SET k b IFEQ a", "SET k b IFEQ x", "DELIFEQ k x", "DELIFEQ k b"] {
        raw.run("CONFIG RESETSTAT");
        client.run(line);
        let stats = String::from_utf8(raw.run("INFO commandstats").bytes()).expect("text");
        assert!(stats.contains("cmdstat_evalsha:calls=2,"), "{line}: {stats}");
        assert!(!stats.contains("cmdstat_eval:"), "{line}: {stats}");
    }
}

#[test]
fn inside_a_transaction_too() {
    let Some(server) = Newer::start(VALKEY_9_1) else { return };
    let sidecar = server.sidecar(encrypt_everything);
    let mut client = sidecar.connect();
    client.run("SET k a");
    for (line, answer, left) in [
        ("SET k b IFEQ x", Frame::Null, "a"),
        ("SET k b IFEQ a", Frame::ok(), "b"),
        ("DELIFEQ k a", Frame::Integer(0), "b"),
        ("DELIFEQ k b", Frame::Integer(1), ""),
    ] {
        client.run("MULTI");
        assert_eq!(client.run(line), Frame::Simple("QUEUED".into()), "{line}");
        assert_eq!(client.run("EXEC"), Frame::Array(vec![answer]), "{line}");
        let value = client.run("GET k");
        assert!(if left.is_empty() { value == Frame::Null } else { value == Frame::bulk(left) }, "{line}: {value:?}");
    }
    // The server does not have it.
    client.run("MULTI");
    client.run("DELEX k");
    assert!(client.run("EXEC").items()[0].is_error("ERR unknown command"));
}
