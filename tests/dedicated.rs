//! Clients that the server has to tell apart, so that each has an upstream connection of its own: WAIT, with real
//! replicas, one of them stopped.

mod support;

#[path = "dedicated/replica.rs"]
mod replica;

use std::time::{Duration, Instant};

use replica::{Modern, Replica};
use support::{Frame, Raw, Sidecar, Upstream, wait_until};

/// A WAIT that waits in vain.
const VAIN: &str = "WAIT 1 700";
const ITS_TIME: Duration = Duration::from_millis(690);
/// What does not have to wait is answered within this.
const AT_ONCE: Duration = Duration::from_millis(400);

/// All clients on one worker, so that they share a lane.
fn one_worker(upstream: &Upstream) -> Sidecar {
    Sidecar::start_with(upstream, |settings| settings.more = "[server]\nworkers = 1\n".into())
}

fn timed(raw: &mut Raw, line: &str) -> (Frame, Duration) {
    let start = Instant::now();
    (raw.run(line), start.elapsed())
}

/// What WAIT answers after these commands, on a connection that is new, while the replica is stopped: nobody has it.
fn in_vain(mut raw: Raw, lines: &[&str]) {
    for line in lines {
        raw.run(line);
    }
    let (count, took) = timed(&mut raw, VAIN);
    assert_eq!(count, Frame::Integer(0), "{lines:?}: no replica has it");
    assert!(took >= ITS_TIME, "{lines:?}: {took:?}");
}

#[test]
fn wait_counts_the_replicas_that_have_the_clients_writes() {
    let upstream = Upstream::start();
    let replica = Replica::of(&upstream);
    let sidecar = one_worker(&upstream);
    let mut raw = sidecar.connect();
    assert_eq!(raw.run("SET a 1"), Frame::ok());
    assert_eq!(raw.run("WAIT 1 5000"), Frame::Integer(1));
    assert_eq!(raw.run("SET session:a secret"), Frame::ok());
    assert_eq!(raw.run("WAIT 1 5000"), Frame::Integer(1));

    replica.pause();
    in_vain(sidecar.connect(), &["SET a 2"]);
    in_vain(sidecar.connect(), &["WAIT 0 0", "SET a 2"]);
    in_vain(sidecar.connect(), &["MULTI", "SET a 2", "EXEC"].map(|_| "SET a 3"));
    in_vain(sidecar.connect(), &["SET a 2", "GET a", "PUBLISH c message"]);
    // A block that goes as one.
    let mut block = sidecar.connect();
    block.send(b"MULTI\r\nSET a 4\r\nEXEC\r\nWAIT 1 700\r\n");
    let (start, mut last) = (Instant::now(), Frame::Null);
    for _ in 0..4 {
        last = block.read();
    }
    assert_eq!(last, Frame::Integer(0));
    assert!(start.elapsed() >= ITS_TIME);
    // The client that has used it before, whatever it does in between.
    for lines in [
        &["SET a 5"][..],
        &["WATCH a", "MULTI", "SET a 6", "EXEC"],
        &["SELECT 1", "SET a 7", "SELECT 0"],
        &["LPUSH list element", "BLPOP list 1"],
    ] {
        for line in lines {
            raw.run(line);
        }
        let (count, took) = timed(&mut raw, VAIN);
        assert_eq!((count, took >= ITS_TIME), (Frame::Integer(0), true), "{lines:?}");
    }
    // Inside of a transaction it does not wait.
    raw.run("MULTI");
    raw.run("WAIT 1 0");
    assert_eq!(raw.run("EXEC"), Frame::Array(vec![Frame::Integer(0)]));
    replica.resume();
    assert_eq!(raw.run("WAIT 1 5000"), Frame::Integer(1));
    drop(replica);
}

#[test]
fn wait_holds_nobody_else_up() {
    let upstream = Upstream::start();
    let replica = Replica::of(&upstream);
    let sidecar = one_worker(&upstream);
    replica.pause();
    let mut others: Vec<Raw> = (0..3).map(|_| sidecar.connect()).collect();
    others.iter_mut().for_each(|raw| assert_eq!(raw.run("SET b 1"), Frame::ok()));
    let mut waiting = sidecar.connect();
    // What others asked before is answered on that lane all the same; the server is held for a moment to be sure.
    assert_eq!(upstream.raw().run("CLIENT PAUSE 300 ALL"), Frame::ok());
    waiting.send(b"SET a 1\r\n");
    others[0].send(b"GET b\r\n");
    std::thread::sleep(Duration::from_millis(50));
    waiting.send(b"WAIT 1 0\r\n");
    std::thread::sleep(Duration::from_millis(50));
    let (start, id) = (Instant::now(), replica::client_id(&mut others[1], "wait"));
    assert_eq!(others[0].read(), Frame::bulk("1"));
    for raw in &mut others {
        assert_eq!(raw.run("GET b"), Frame::bulk("1"));
    }
    assert!(start.elapsed() < Duration::from_millis(300) + AT_ONCE, "{:?}", start.elapsed());
    assert_eq!(waiting.read(), Frame::ok());
    // It can be ended as a blocking command can.
    assert_eq!(others[1].run(&format!("CLIENT UNBLOCK {id}")), Frame::Integer(1));
    assert_eq!(waiting.read(), Frame::Integer(0));

    // It leaves while others wait for replies that come before its own.
    assert_eq!(upstream.raw().run("CLIENT PAUSE 300 ALL"), Frame::ok());
    let mut leaving = sidecar.connect();
    leaving.send(b"SET a 1\r\n");
    others[0].send(b"GET b\r\n");
    std::thread::sleep(Duration::from_millis(50));
    leaving.send(b"WAIT 1 0\r\n");
    std::thread::sleep(Duration::from_millis(50));
    drop(leaving);
    assert_eq!(others[0].read(), Frame::bulk("1"));
    drop(waiting);
    // No lane of theirs is left behind.
    wait_until("the lanes of those who left are gone", || {
        let list = String::from_utf8(upstream.raw().run("CLIENT LIST TYPE normal").bytes()).expect("text");
        list.lines().all(|line| !line.contains("cmd=wait"))
    });
}

/// Where the answer could not be the truth there is none.
#[test]
fn wait_does_not_answer_for_writes_on_other_connections() {
    let upstream = Upstream::start();
    let sidecar = one_worker(&upstream);
    let mut scattered = sidecar.connect();
    for line in ["SET a 1", "WATCH a", "MULTI", "SET a 2", "EXEC"] {
        scattered.run(line);
    }
    for line in ["WAIT 0 0", "SET a 3", "WAIT 0 0"] {
        let said = scattered.run(line);
        assert!(line == "SET a 3" || said.is_error("WAXSEAL UNSUPPORTED WAIT"), "{said:?}");
    }
    let mut elsewhere = sidecar.connect();
    for line in ["SET a 1", "SELECT 1"] {
        elsewhere.run(line);
    }
    assert!(elsewhere.run("WAIT 0 0").is_error("WAXSEAL UNSUPPORTED WAIT"));
    let mut inside = sidecar.connect();
    inside.run("MULTI");
    assert!(inside.run("WAIT 0 0").is_error("WAXSEAL UNSUPPORTED WAIT"));
    assert!(inside.run("EXEC").is_error("EXECABORT"));
    // Its own words for its arguments.
    let mut raw = sidecar.connect();
    assert!(raw.run("WAIT x 0").is_error("ERR value is not an integer"));
    assert!(raw.run("WAIT 0 -1").is_error("ERR timeout is negative"));
    assert!(raw.run("WAIT 0").is_error("ERR wrong number"));
    assert!(raw.run("WAITAOF 0 0 0").is_error("ERR unknown command"));
    assert_eq!(raw.run("GET a"), Frame::bulk("1"));
}

/// It is the client's as long as it stays: lost with the connection, bounded, given back.
#[test]
fn a_lane_that_is_waited_on_is_the_clients() {
    let upstream = Upstream::start();
    let more = "[server]\nworkers = 1\n[limits]\ndedicated = 2\n";
    let sidecar = Sidecar::start_with(&upstream, |settings| settings.more = more.into());
    let mut two = [sidecar.connect(), sidecar.connect()];
    for raw in &mut two {
        raw.run("SET a 1");
        assert_eq!(raw.run("WAIT 0 0"), Frame::Integer(0));
    }
    let mut third = sidecar.connect();
    assert!(third.run("WAIT 0 0").is_error("ERR max number of clients reached"));
    third.run("SET a 1");
    assert!(third.run("WAIT 0 0").is_error("ERR max number of clients reached"));
    assert_eq!(third.run("GET a"), Frame::bulk("1"));
    assert_eq!(two[0].run("RESET"), Frame::Simple("RESET".into()));
    assert_eq!(third.run("WAIT 0 0"), Frame::Integer(0));
    // With the connection the server has forgotten what was written on it.
    let killed = upstream.raw().run("CLIENT KILL TYPE normal SKIPME yes").integer();
    assert!(killed >= 2, "{killed}");
    assert!(two[1].try_read().is_err() && third.try_read().is_err());
    assert_eq!(two[0].run("GET a"), Frame::bulk("1"));
}

/// From 7.2 on a connection that has not written itself knows of nothing to wait for.
#[test]
fn wait_on_a_server_that_counts_by_connection() {
    let Some((primary, replica)) = Modern::pair() else {
        eprintln!("skipped: no redis-server-8.2 (scripts/setup-servers.sh)");
        return;
    };
    let sidecar = primary.sidecar();
    let mut raw = sidecar.connect();
    assert_eq!((raw.run("SET a 1"), raw.run("WAIT 1 5000")), (Frame::ok(), Frame::Integer(1)));
    assert_eq!(raw.run("WAITAOF 0 0 10"), Frame::Array(vec![Frame::Integer(0), Frame::Integer(0)]));
    replica.pause();
    in_vain(sidecar.connect(), &["SET a 2"]);
    in_vain(sidecar.connect(), &["WAIT 0 0", "SET a 2", "GET a"]);
    let mut raw = sidecar.connect();
    raw.run("SET a 3");
    let start = Instant::now();
    assert_eq!(raw.run("WAITAOF 0 1 700").items()[1], Frame::Integer(0));
    assert!(start.elapsed() >= ITS_TIME);
    replica.resume();
}
