//! On an upstream that behaves as Upstash does (support/upstash.rs says in what).

mod support;

use std::time::{Duration, Instant};

use support::raw::{End, encode};
use support::upstash::{Conduct, Cut, LIMIT, Upstash};
use support::{Frame, MARKER, Raw, Sidecar, Tap, Upstream, secret, wait_until};

fn house(conduct: Conduct) -> (Upstream, Upstash, Sidecar) {
    let upstream = Upstream::start();
    let upstash = Upstash::before(&upstream, conduct);
    let sidecar = Sidecar::start_with(&upstream, |settings| settings.url = upstash.url());
    (upstream, upstash, sidecar)
}

#[test]
fn the_main_job_works_on_it() {
    let (upstream, upstash, sidecar) = house(Conduct::default());
    let tap = Tap::on(&upstream);
    for mut client in [sidecar.connect(), sidecar.connect3()] {
        let value = secret("value");
        assert_eq!(client.command(&[b"SET", b"session:a", &value, b"EX", b"100"]), Frame::ok());
        assert_eq!(client.run("GET session:a"), Frame::Bulk(value.clone()));
        client.run("DEL user:a session:l session:s");
        assert_eq!(client.command(&[b"HSET", b"user:a", b"f", &value]), Frame::Integer(1));
        assert_eq!(client.run("HVALS user:a"), Frame::Array(vec![Frame::Bulk(value.clone())]));
        assert_eq!(client.command(&[b"RPUSH", b"session:l", &value]), Frame::Integer(1));
        assert_eq!(client.run("BLPOP session:l 1").items()[1], Frame::Bulk(value.clone()));
        assert_eq!(client.command(&[b"SADD", b"session:s", &value]), Frame::Integer(1));
        assert_eq!(client.command(&[b"SISMEMBER", b"session:s", &value]), Frame::Integer(1));
        assert_eq!(client.run("WATCH session:a"), Frame::ok());
        assert_eq!(client.run("MULTI"), Frame::ok());
        assert_eq!(client.run("GET session:a"), Frame::Simple("QUEUED".into()));
        assert_eq!(client.run("EXEC"), Frame::Array(vec![Frame::Bulk(value)]));
    }
    tap.assert_never_contains(MARKER);
    assert_eq!(upstash.refused(), [""; 0], "sent on our own account, and not documented");
}

#[test]
fn what_is_carried_out_here_locks_its_keys_only() {
    let (upstream, upstash, sidecar) = house(Conduct::default());
    let tap = Tap::on(&upstream);
    let mut client = sidecar.connect();
    for n in 1..=20 {
        assert_eq!(client.run("INCR session:n"), Frame::Integer(n));
    }
    client.run(&format!("RPUSH session:l {MARKER} b {MARKER}"));
    assert_eq!(client.run(&format!("LREM session:l 0 {MARKER}")), Frame::Integer(2));
    assert_eq!(upstash.locked(), 22, "each script call");
    // A restart loses what EVALSHA names.
    upstream.raw().run("SCRIPT FLUSH");
    assert_eq!(client.run("INCR session:n"), Frame::Integer(21));
    assert_eq!(upstash.refused(), [""; 0], "sent on our own account, and not documented");
    tap.assert_never_contains(MARKER);
}

#[test]
fn what_it_refuses_reaches_the_client_in_its_words() {
    let (_upstream, _upstash, sidecar) = house(Conduct::default());
    let mut client = sidecar.connect();
    assert_eq!(client.run("SELECT 0"), Frame::ok());
    assert!(client.run("SELECT 1").is_error("ERR Only 0th database is supported! Selected DB: 1"));
    assert_eq!(client.run("SET session:a v"), Frame::ok(), "the connection is where it was");
    assert_eq!(client.run("CONFIG GET timeout"), Frame::Array(Vec::new()));
    assert!(client.run("SSUBSCRIBE channel").is_error("ERR Command is not available: 'SSUBSCRIBE'"));
    assert_eq!(client.run("PING"), Frame::Simple("PONG".into()), "it is no subscriber");
    assert!(client.run("OBJECT ENCODING open:a").is_error("ERR Command is not available: 'OBJECT'"));
    // Topology is answered here, not there.
    assert!(client.run("CLUSTER INFO").is_error("ERR This instance has cluster support disabled"));
    assert!(matches!(client.run("ROLE"), Frame::Array(_)));
}

#[test]
fn values_up_to_its_limit_pass_and_larger_ones_are_its_error() {
    let (_upstream, _upstash, sidecar) = house(Conduct::default());
    let mut client = sidecar.connect();
    let value = vec![b'v'; LIMIT - 200];
    assert_eq!(client.command(&[b"SET", b"session:large", &value]), Frame::ok());
    assert_eq!(client.run("GET session:large"), Frame::Bulk(value));
    let beyond = vec![b'v'; LIMIT];
    assert!(client.command(&[b"SET", b"session:beyond", &beyond]).is_error("ERR max request size exceeded"));
    // Too large by its envelope alone: the error says what was added.
    let almost = vec![b'v'; LIMIT - 60];
    let Frame::Error(text) = client.command(&[b"SET", b"session:beyond", &almost]) else { panic!("it fits") };
    assert!(text.starts_with("ERR max request size exceeded") && text.contains("adds 48 bytes"), "{text}");
    assert_eq!(client.command(&[b"SET", b"open:almost", &almost]), Frame::ok());
    // Where no rule applies the server's words pass as they are.
    let Frame::Error(text) = client.command(&[b"SET", b"open:beyond", &beyond]) else { panic!("it fits") };
    assert!(text.starts_with("ERR max request size exceeded") && text.ends_with(" bytes."), "{text}");
    // Replies count too: elements that fit in clear and not with their envelopes.
    let element = [b'e'; 40];
    let half = vec![&element[..]; LIMIT / 160];
    for key in ["session:list", "open:list"] {
        let push = [&[b"RPUSH", key.as_bytes()], &half[..]].concat();
        client.command(&push);
        assert_eq!(client.command(&push).integer(), i64::try_from(2 * half.len()).expect("few"));
    }
    assert_eq!(client.run("LRANGE open:list 0 -1").items().len(), 2 * half.len());
    let Frame::Error(text) = client.run("LRANGE session:list 0 -1") else { panic!("it fits") };
    assert!(text.starts_with("ERR max request size exceeded") && text.contains("adds 48 bytes"), "{text}");
    assert_eq!(client.run("LRANGE session:list 0 9").items(), vec![Frame::bulk(element); 10]);
    assert_eq!(client.run("PING"), Frame::Simple("PONG".into()));
    assert_eq!(client.run("EXISTS session:beyond"), Frame::Integer(0));
}

const IDLE: Duration = Duration::from_millis(1500);

/// Its cutting of idle connections is not noticed by a command that comes later.
#[test]
fn idle_connections_are_cut_and_nobody_notices() {
    let (_upstream, upstash, sidecar) = house(Conduct { idle: IDLE, ..Conduct::default() });
    let mut client = sidecar.connect();
    assert_eq!(client.run("SET session:a v"), Frame::ok());
    for round in 0..3 {
        std::thread::sleep(IDLE + Duration::from_millis(700));
        assert!(upstash.cut() > round, "nothing was cut");
        assert_eq!(client.run("GET session:a"), Frame::bulk("v"), "round {round}");
    }
}

/// Clients that ask COMMAND where keys are get the answer that it does not have.
#[test]
fn commands_are_described_from_the_table() {
    let (_upstream, _upstash, sidecar) = house(Conduct::default());
    for mut client in [sidecar.connect(), sidecar.connect3()] {
        let commands = client.run("COMMAND").items();
        assert!(commands.len() > 200);
        assert_eq!(client.run("COMMAND COUNT").integer(), i64::try_from(commands.len()).expect("few"));
        assert_eq!(client.run("COMMAND LIST").items().len(), commands.len());
        let mset = client.run("COMMAND INFO MSET nosuch").items();
        let expected = [Frame::Integer(1), Frame::Integer(-1), Frame::Integer(2)];
        assert_eq!((mset[0].clone().items()[3..6].to_vec(), &mset[1]), (expected.to_vec(), &Frame::Null));
        let keys = [Frame::bulk("a"), Frame::bulk("b")];
        assert_eq!(client.run("COMMAND GETKEYS MSET a 1 b 2").items(), keys);
    }
}

/// Beyond its rate it delays; everybody gets the right answers in the right order, and what needs no upstream at once.
#[test]
fn commands_over_its_rate_are_delayed_and_all_answered() {
    const RATE: u32 = 400;
    const CLIENTS: usize = 4;
    const EACH: usize = 100;
    let (_upstream, _upstash, sidecar) = house(Conduct { rate: Some(RATE), ..Conduct::default() });
    let begin = Instant::now();
    let mut clients: Vec<Raw> = (0..CLIENTS).map(|_| sidecar.connect()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        for round in 0..EACH {
            let (key, value) = (format!("session:{number}:{round}"), format!("{number} {round}"));
            client.send(&encode(&[b"SET", key.as_bytes(), value.as_bytes()]));
            client.send(&encode(&[b"GET", key.as_bytes()]));
        }
    }
    let mut other = sidecar.connect();
    let asked = Instant::now();
    assert_eq!(other.run("PING"), Frame::Simple("PONG".into()));
    assert!(asked.elapsed() < Duration::from_millis(500), "{:?}", asked.elapsed());
    for (number, client) in clients.iter_mut().enumerate() {
        for round in 0..EACH {
            assert_eq!((client.read(), client.read()), (Frame::ok(), Frame::bulk(format!("{number} {round}"))));
        }
    }
    let least = Duration::from_secs(1) * u32::try_from(2 * CLIENTS * EACH - 1).expect("few") / RATE;
    assert!(begin.elapsed() >= least, "nothing was delayed: {:?}", begin.elapsed());
    println!("{} commands in {:?} at {RATE} per second", 2 * CLIENTS * EACH, begin.elapsed());
}

/// A command that goes out in the very moment of the cut: not sent, it is answered LOADING and was not carried out; sent,
/// the connection ends, for it may have been. Never is anything else said.
#[test]
fn a_command_in_the_moment_of_the_cut() {
    const IDLE: Duration = Duration::from_millis(60);
    const ROUNDS: usize = 60;
    for cut in [Cut::AtOnce, Cut::OnRequest, Cut::AfterRequest] {
        let (upstream, upstash, sidecar) = house(Conduct { idle: IDLE, cut, ..Conduct::default() });
        let mut client = sidecar.connect();
        let (mut acknowledged, mut loading, mut closed) = (0, 0, 0);
        for round in 0..ROUNDS {
            // About the time at which the connection is cut: before, then and after.
            std::thread::sleep(
                IDLE - Duration::from_millis(6) + Duration::from_micros(200) * u32::try_from(round).expect("few"),
            );
            client.send_lossy(b"INCR open:counter\r\n");
            match client.try_read() {
                Ok(Frame::Integer(_)) => acknowledged += 1,
                Ok(reply) if reply.is_error("LOADING") => loading += 1,
                Err(End::Closed) => {
                    closed += 1;
                    client = sidecar.connect();
                }
                other => panic!("{other:?}"),
            }
        }
        let carried_out = String::from_utf8(upstream.raw().run("GET open:counter").bytes()).expect("text");
        let carried_out: usize = carried_out.parse().expect("a number");
        println!(
            "{ROUNDS} rounds, {} cuts: {acknowledged} answered, {loading} LOADING, {closed} closed, {carried_out} carried out",
            upstash.cut()
        );
        assert!(upstash.cut() > 0, "nothing was cut");
        match cut {
            Cut::AtOnce => assert!((acknowledged..=acknowledged + closed).contains(&carried_out)),
            Cut::OnRequest => assert!(carried_out == acknowledged && closed > 0),
            Cut::AfterRequest => assert!(carried_out == acknowledged + closed && closed > 0),
        }
        wait_until("all is well", || {
            let mut client = sidecar.connect();
            client.send(b"SET session:a v\r\n");
            client.try_read() == Ok(Frame::ok())
        });
    }
}

/// Longer than the sidecar's patience with a silent connection: 15 s, 10 s for the answer, 5 s to notice.
const LONG: Duration = Duration::from_secs(33);

/// Where it cuts after 25 s, connections are asked for a sign of life before that, those of subscribers too.
#[test]
fn what_would_be_cut_for_being_idle_is_kept_alive() {
    let conduct = Conduct { idle: Duration::from_secs(25), ..Conduct::default() };
    let (_upstream, upstash, sidecar) = house(conduct);
    let (mut second, mut third, mut client) = (sidecar.connect(), sidecar.connect3(), sidecar.connect());
    second.run("SUBSCRIBE session:c");
    third.run("SUBSCRIBE session:c");
    let mut watching = sidecar.connect();
    assert_eq!(watching.run("WATCH session:a"), Frame::ok());
    assert_eq!(client.run("SET session:b v"), Frame::ok());
    std::thread::sleep(LONG);
    assert_eq!(upstash.cut(), 0, "idle connections were not kept alive");
    assert_eq!(client.run("PUBLISH session:c news"), Frame::Integer(2));
    assert_eq!(second.read().items()[2], Frame::bulk("news"));
    assert_eq!(third.read().items()[2], Frame::bulk("news"));
    assert_eq!((watching.run("MULTI"), watching.run("EXEC")), (Frame::ok(), Frame::Array(Vec::new())));
    assert!(upstash.refused().is_empty(), "{:?}", upstash.refused());
}

/// A router forgets idle connections without a word to either side: that is found before a command falls into it.
#[test]
fn a_connection_that_is_dead_without_a_word_is_replaced() {
    let (_upstream, upstash, sidecar) = house(Conduct::default());
    let mut client = sidecar.connect();
    assert_eq!(client.run("SET session:a v"), Frame::ok());
    let mut subscriber = sidecar.connect();
    subscriber.run("SUBSCRIBE session:c");
    upstash.vanish();
    std::thread::sleep(LONG);
    // A subscriber may have missed something, so it must know.
    assert_eq!(subscriber.try_read(), Err(End::Closed));
    let asked = Instant::now();
    assert_eq!(client.run("GET session:a"), Frame::bulk("v"));
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
}

/// CLIENT UNBLOCK and CLIENT KILL are not among its commands; here they work all the same.
#[test]
fn clients_are_unblocked_and_killed_without_its_help() {
    let (_upstream, upstash, sidecar) = house(Conduct::default());
    let (mut asker, mut blocked) = (sidecar.connect(), sidecar.connect());
    let id = blocked.run("CLIENT ID").integer();
    blocked.send(b"BLPOP session:list 0\r\n");
    wait_until("it is unblocked", || asker.run(&format!("CLIENT UNBLOCK {id}")) == Frame::Integer(1));
    assert_eq!(blocked.read(), Frame::Null);
    assert_eq!(blocked.run("SET session:a v"), Frame::ok());
    assert_eq!(asker.run(&format!("CLIENT KILL ID {id}")), Frame::Integer(1));
    assert_eq!(blocked.try_read(), Err(End::Closed));
    println!("refused there: {:?}", upstash.refused());
}
