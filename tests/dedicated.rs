//! Clients that the server has to tell apart, so that each has an upstream connection of its own: WAIT, with real
//! replicas, one of them stopped, and CLIENT TRACKING with a
//! second client that is told.

mod support;

#[path = "dedicated/replica.rs"]
mod replica;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use replica::{Modern, Replica};
use support::upstream::PASSWORD;
use support::{Frame, MARKER, Raw, Sidecar, Upstream, contains, wait_until};

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
    let Some((primary, replica)) = Modern::pair() else { return };
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

/// Each side's own way to get a client.
type Connect<'a> = &'a dyn Fn() -> Raw;

/// What two clients are told of keys that the first has read and a third changes: in RESP2, where another connection has
/// to listen. Numbers of clients are told apart by name only.
fn redirected(connect: Connect<'_>, hello: &str, options: &str) -> Vec<(&'static str, String)> {
    let (mut reader, mut listener, mut writer) = (connect(), connect(), connect());
    let mut told = Vec::new();
    let id = listener.run("CLIENT ID").integer();
    listener.run(hello);
    let named = |frame: Frame| format!("{frame:?}").replace(&format!("Integer({id})"), "Integer(<listener>)");
    told.push(("subscribed", format!("{:?}", listener.run("SUBSCRIBE __redis__:invalidate"))));
    writer.run("MSET a 1 b 1 session:c 1");
    told.push(("on", named(reader.run(format!("CLIENT TRACKING ON REDIRECT {id} {options}").trim_end()))));
    told.push(("where", named(reader.run("CLIENT GETREDIR"))));
    told.push(("info", named(reader.run("CLIENT TRACKINGINFO"))));
    let list = String::from_utf8(writer.run("CLIENT LIST").bytes()).expect("text");
    told.push(("listed", list.contains(&format!(" redir={id} ")).to_string()));
    reader.run("GET a");
    reader.run("GET session:c");
    for line in ["SET a 2", "SET session:c 2", "FLUSHALL"] {
        writer.run(line);
        told.push(("told", named(listener.read())));
    }
    // The listener's own commands go on.
    told.push(("unsubscribed", format!("{:?}", listener.run("UNSUBSCRIBE"))));
    drop(listener);
    std::thread::sleep(Duration::from_millis(200));
    reader.run("GET a");
    writer.run("SET a 3");
    std::thread::sleep(Duration::from_millis(100));
    told.push(("broken", named(reader.run("CLIENT TRACKINGINFO"))));
    told.push(("off", named(reader.run("CLIENT TRACKING OFF"))));
    told.push(("after", named(reader.run("GET a"))));
    told
}

#[test]
fn invalidations_go_to_the_client_that_was_named() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start(&upstream);
    for hello in ["HELLO 2", "HELLO 3"] {
        for options in ["", "BCAST", "NOLOOP"] {
            let direct = redirected(&|| upstream.raw(), hello, options);
            let through = redirected(&|| sidecar.connect(), hello, options);
            assert_eq!(through, direct, "{hello} {options}: left through Waxseal, right redis-server");
        }
    }
    // In RESP3 the reader learns that nobody is told any more.
    let (mut reader, mut listener, mut writer) = (sidecar.connect3(), sidecar.connect(), sidecar.connect());
    let id = listener.run("CLIENT ID").integer();
    listener.run("SUBSCRIBE __redis__:invalidate");
    assert_eq!(reader.run(&format!("CLIENT TRACKING ON REDIRECT {id}")), Frame::ok());
    reader.run("GET a");
    drop(listener);
    std::thread::sleep(Duration::from_millis(200));
    writer.run("SET a 1");
    assert_eq!(reader.read(), Frame::Push(vec![Frame::bulk("tracking-redir-broken"), Frame::Integer(id)]));
}

/// Messages, invalidations and values come in the protocol that the client has changed to.
#[test]
fn a_client_that_is_told_things_changes_its_protocol() {
    let upstream = Upstream::start();
    let sidecar = one_worker(&upstream);
    let (mut writer, mut reader, mut listener) = (sidecar.connect(), sidecar.connect(), sidecar.connect3());
    let id = listener.run("CLIENT ID").integer();
    listener.run("SUBSCRIBE __redis__:invalidate");
    listener.run("SUBSCRIBE session:news");
    assert_eq!(reader.run(&format!("CLIENT TRACKING ON REDIRECT {id}")), Frame::ok());
    let keys = || Frame::Array(vec![Frame::bulk("session:a")]);
    let news = || ["message", "session:news", "headline"].map(Frame::bulk).to_vec();
    let mut change = |reader: &mut Raw| {
        assert_eq!(writer.run("SET session:a secret"), Frame::ok());
        assert_eq!(reader.run("GET session:a"), Frame::bulk("secret"));
        assert_eq!(writer.run("SET session:a secret"), Frame::ok());
        assert_eq!(writer.run("PUBLISH session:news headline"), Frame::Integer(1));
    };
    change(&mut reader);
    assert_eq!(listener.read(), Frame::Push(vec![Frame::bulk("invalidate"), keys()]));
    assert_eq!(listener.read(), Frame::Push(news()));
    // Of what is read before, the server tells afterwards.
    assert_eq!(reader.run("GET session:a"), Frame::bulk("secret"));
    assert!(matches!(reader.run("HELLO 3"), Frame::Map(_)));
    assert!(matches!(listener.run("HELLO 2"), Frame::Array(_)));
    change(&mut reader);
    let redirected = || vec![Frame::bulk("message"), Frame::bulk("__redis__:invalidate"), keys()];
    assert_eq!(listener.read(), Frame::Array(redirected()));
    assert_eq!(listener.read(), Frame::Array(redirected()));
    assert_eq!(listener.read(), Frame::Array(news()));
    // The answer of a lane that speaks RESP3 is a null of RESP3.
    reader.send(b"GET nothing\r\n");
    assert_eq!(reader.some(AT_ONCE).0, b"_\r\n");
}

/// A lane on which the protocol was changed is nobody else's, not even that of the other protocol.
#[test]
fn a_lane_of_another_protocol_is_not_used_again() {
    let upstream = Upstream::start();
    let sidecar = one_worker(&upstream);
    let lanes = || String::from_utf8(upstream.raw().run("CLIENT LIST").bytes()).expect("text");
    let is_there = |id: &str| lanes().lines().any(|line| line.starts_with(&format!("id={id} ")));
    for (before, after) in [("HELLO 2", "HELLO 3"), ("HELLO 3", "HELLO 2")] {
        let mut raw = sidecar.connect();
        raw.run(before);
        assert_eq!(raw.run("WATCH a"), Frame::ok());
        let list = lanes();
        let watching = list.lines().find(|line| line.contains("cmd=watch")).expect("a lane with WATCH");
        let id = watching.split(' ').next().and_then(|word| word.strip_prefix("id=")).expect("number").to_owned();
        raw.run(after);
        assert!(is_there(&id));
        assert_eq!(raw.run("UNWATCH"), Frame::ok());
        wait_until("the lane is closed", || !is_there(&id));
        for hello in ["HELLO 2", "HELLO 3"] {
            let mut other = sidecar.connect();
            other.run(hello);
            assert_eq!(other.run("WATCH a"), Frame::ok());
            other.send(b"GET nothing\r\n");
            assert_eq!(other.some(AT_ONCE).0, if hello == "HELLO 3" { b"_\r\n".to_vec() } else { b"$-1\r\n".to_vec() });
        }
    }
}

/// The server can only send to a connection that it knows; and nobody is sent what he did not ask for.
#[test]
fn invalidations_go_to_nobody_else() {
    let upstream = Upstream::start();
    let sidecar = one_worker(&upstream);
    let (mut reader, mut listener, mut writer) = (sidecar.connect(), sidecar.connect(), sidecar.connect());
    let id = listener.run("CLIENT ID").integer();
    assert!(reader.run(&format!("CLIENT TRACKING ON REDIRECT {id}")).is_error("WAXSEAL UNSUPPORTED CLIENT TRACKING"));
    reader.run("MULTI");
    assert!(reader.run("CLIENT TRACKING ON").is_error("WAXSEAL UNSUPPORTED CLIENT TRACKING"));
    assert!(reader.run("EXEC").is_error("EXECABORT"));
    // A subscriber that nobody has named, and one whose connection went to another: neither is told.
    listener.run("SUBSCRIBE __redis__:invalidate");
    assert_eq!(reader.run(&format!("CLIENT TRACKING ON REDIRECT {id}")), Frame::ok());
    listener.run("UNSUBSCRIBE");
    listener.run("GET a");
    let mut bystanders: Vec<Raw> = (0..3).map(|_| sidecar.connect()).collect();
    for raw in &mut bystanders {
        raw.run("SUBSCRIBE __redis__:invalidate");
    }
    let mut plain = sidecar.connect3();
    plain.run("GET a");
    reader.run("GET a");
    writer.run("SET a 1");
    std::thread::sleep(Duration::from_millis(100));
    bystanders.push(plain);
    bystanders.push(listener);
    for raw in &mut bystanders {
        assert_eq!(raw.some(Duration::from_millis(20)).0, b"");
    }
    // One that leaves the mode leaves its lane, which nobody else gets.
    let before = upstream.raw().run("INFO clients").bytes();
    let mut tracking = sidecar.connect3();
    assert_eq!(tracking.run("CLIENT TRACKING ON"), Frame::ok());
    tracking.run("GET a");
    assert_eq!(tracking.run("CLIENT TRACKING OFF"), Frame::ok());
    tracking.run("GET a");
    let clients = |info: &[u8]| {
        let info = String::from_utf8_lossy(info).into_owned();
        info.lines().filter(|l| l.starts_with("tracking_clients:")).map(str::to_owned).collect::<Vec<_>>()
    };
    wait_until("nobody but the reader is tracked", || {
        clients(&upstream.raw().run("INFO clients").bytes()) == clients(&before)
    });
}

/// Where the server has no tracking (Upstash), its answer is given and nothing stays behind.
#[test]
fn tracking_where_the_server_has_none() {
    let upstream = Upstream::start();
    let more = "[server]\nworkers = 1\n[limits]\ndedicated = 1\n";
    let sidecar = Sidecar::start_with(&upstream, |settings| settings.more = more.into());
    assert_eq!(upstream.raw().run("ACL SETUSER default -client|tracking"), Frame::ok());
    for _ in 0..3 {
        let mut raw = sidecar.connect3();
        assert!(raw.run("CLIENT TRACKING ON").is_error("NOPERM"));
        assert_eq!(raw.run("CLIENT GETREDIR"), Frame::Integer(-1));
        assert!(raw.run("CLIENT CACHING YES").is_error("ERR CLIENT CACHING can be called only"));
        assert_eq!(raw.run("GET a"), Frame::Null);
    }
    assert_eq!(upstream.raw().run("ACL SETUSER default +client|tracking"), Frame::ok());
    let (mut first, mut second) = (sidecar.connect3(), sidecar.connect3());
    assert_eq!(first.run("CLIENT TRACKING ON"), Frame::ok());
    assert!(second.run("CLIENT TRACKING ON").is_error("ERR max number of clients reached"));
}

/// As libraries use it, with values that are encrypted. redis-py wants a server of 7.4 or later for it.
#[test]
fn client_side_caches_see_what_others_change() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // Where the system's is too old, `make setup` has put one beside Python's.
    let own = root.join(".venv/bin/node");
    let node = if own.exists() { own } else { "node".into() };
    for (runtime, script) in [(root.join(".venv/bin/python3"), "python/caching.py"), (node, "node/caching.mjs")] {
        let Some(server) = Modern::start() else { return };
        let sidecar = server.sidecar();
        let output = Command::new(&runtime)
            .arg(root.join("tests").join(script))
            .args([sidecar.port.to_string(), server.port.to_string(), PASSWORD.into()])
            .output()
            .unwrap_or_else(|error| panic!("{}: {error}. Run `make setup` once.", runtime.display()));
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        assert!(output.status.success(), "{script}\n{said}");
        let stored = server.raw().run("GET session:cached").bytes();
        assert!(!contains(&stored, MARKER.as_bytes()), "in clear in the database");
        assert!(stored.starts_with(&[0xC1, b'W', b'X']), "the value was not sealed");
    }
}
