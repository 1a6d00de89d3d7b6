//! What happens to clients when their upstream connections idle, are lost, are refused, are used up or change hands.

mod support;

#[path = "lanes/bulk.rs"]
mod bulk;
#[path = "lanes/handover.rs"]
mod handover;
#[path = "lanes/peer.rs"]
mod peer;
#[path = "lanes/proxy.rs"]
mod proxy;
#[path = "lanes/refused.rs"]
mod refused;
#[path = "lanes/scripts.rs"]
mod scripts;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use peer::Peer;
use proxy::Proxy;
use support::raw::encode;
use support::{Frame, PATIENCE, Raw, Sidecar, Upstream, contains, wait_until};

/// What needs no upstream, or is refused, is answered within this.
const AT_ONCE: Duration = Duration::from_secs(3);
/// Nothing more comes after this much silence.
const QUIET: Duration = Duration::from_millis(500);

fn requests(lines: &[&str]) -> Vec<u8> {
    lines.iter().flat_map(|line| encode(&line.split(' ').map(str::as_bytes).collect::<Vec<_>>())).collect()
}

/// A reply that has to be there at once.
#[track_caller]
fn at_once(client: &mut Raw, line: &str) -> Frame {
    let begin = Instant::now();
    let reply = client.run(line);
    assert!(begin.elapsed() < AT_ONCE, "{line} took {:?}", begin.elapsed());
    reply
}

/// The ids of the connections that the upstream has.
fn connections(raw: &mut Raw) -> Vec<String> {
    let list = String::from_utf8(raw.run("CLIENT LIST").bytes()).expect("text");
    let mut ids: Vec<String> = list.lines().filter_map(|line| Some(line.split(' ').next()?.to_owned())).collect();
    ids.sort();
    ids
}

/// What the sidecar counts as its clients, the one that asks included.
fn clients(raw: &mut Raw) -> usize {
    let list = raw.run("CLIENT LIST").bytes();
    list.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"id=")).count()
}

/// Whether a lane lives must not depend on traffic: a connection that may not be asked for a sign of life is not
/// given up for the want of one.
#[test]
fn idle_lanes_live_on() {
    // Longer than the sidecar's patience with a silent connection: 15 s, 10 s for the answer, 5 s to notice.
    const IDLE: Duration = Duration::from_secs(33);
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, |settings| settings.more = "[log]\nlevel = \"debug\"\n".into());
    let mut raw = upstream.raw();
    let (mut second, mut third) = (sidecar.connect(), sidecar.connect3());
    second.run("SUBSCRIBE session:c");
    third.run("SUBSCRIBE session:c");
    let mut watching = sidecar.connect();
    assert_eq!(watching.run("WATCH open:watched"), Frame::ok());
    let mut blocked = sidecar.connect();
    blocked.send(&requests(&["BLPOP open:queue 0"]));
    let mut sharing = sidecar.connect();
    assert_eq!(sharing.run("GET open:a"), Frame::Null);
    std::thread::sleep(QUIET);

    let before = connections(&mut raw);
    std::thread::sleep(IDLE);
    assert_eq!(connections(&mut raw), before, "connections were replaced");
    assert!(!sidecar.stderr().contains("no sign of life"), "a living connection was given up");

    assert_eq!(sharing.run("PUBLISH session:c news"), Frame::Integer(2));
    assert_eq!(second.read().items().pop(), Some(Frame::bulk("news")));
    assert_eq!(third.read().items().pop(), Some(Frame::bulk("news")));
    assert_eq!(sharing.run("RPUSH open:queue job"), Frame::Integer(1));
    assert_eq!(blocked.read(), Frame::Array(vec![Frame::bulk("open:queue"), Frame::bulk("job")]));
    watching.send(&requests(&["MULTI", "GET open:watched", "EXEC"]));
    let replies = [watching.read(), watching.read(), watching.read()];
    assert_eq!(replies[2], Frame::Array(vec![Frame::Null]), "{replies:?}");
}

/// LOADING tells a client to send a command again, so a command that the server has may not be answered so.
#[test]
fn loading_is_never_said_of_a_command_that_the_server_has() {
    const ROUNDS: u64 = 10;
    const COMMANDS: usize = 400;
    const VALUE: usize = 10_000;
    let upstream = Upstream::prepare(&["127.0.0.1"]);
    let peer = Peer::with(&upstream.certs);
    let sidecar = Sidecar::start_with(&upstream, |settings| {
        settings.url = format!("rediss://default@127.0.0.1:{}", peer.port);
    });
    let keys: Vec<String> = (0..COMMANDS).map(|number| format!("open:{number:04}")).collect();
    let sets: Vec<Vec<u8>> = keys.iter().map(|key| encode(&[b"SET", key.as_bytes(), &[b'v'; VALUE]])).collect();
    for round in 0..ROUNDS {
        let random = u64::from(getrandom::u32().expect("random"));
        let reset_after = 20_000 + usize::try_from(random % 1_500_000).expect("small");
        peer.plan(reset_after);
        let mut client = sidecar.connect();
        client.send_lossy(&sets.concat());
        wait_until("the peer resets", || peer.has_reset());
        let mut replies = Vec::new();
        while let Ok(reply) = client.try_read() {
            replies.push(reply);
        }
        let received = peer.received();
        let mut had = 0;
        for (number, set) in sets.iter().enumerate() {
            let whole = contains(&received, &set[..60]) && contains(&received, set);
            had += usize::from(whole);
            let loading = replies.get(number).is_some_and(|reply| reply.is_error("LOADING"));
            assert!(
                !(whole && loading),
                "round {round}: the server had {}, which was answered LOADING (reset after {reset_after})",
                keys[number]
            );
        }
        assert!(had > 0, "round {round}: the peer got nothing whole, so nothing was shown");
    }
}

/// A transaction needs a lane no earlier than at EXEC. If there is none, EXEC says so, and nothing has run.
#[test]
fn exec_without_a_lane_is_an_error() {
    let mut upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, |settings| {
        settings.more = "[limits]\ntransactions = 1\n[server]\nworkers = 1\n".into();
    });
    let mut holder = sidecar.connect();
    assert_eq!(holder.run("WATCH open:k"), Frame::ok());
    let mut client = sidecar.connect();
    // SELECT would leave a lane in another database, so the block needs one of its own.
    assert_queued(&mut client, &["SET open:a 9", "SELECT 1"]);
    assert!(at_once(&mut client, "EXEC").is_error("ERR max number of clients reached"));
    assert_queued(&mut client, &["SET open:a 9", "SELECT 1"]);
    assert_eq!(at_once(&mut client, "DISCARD"), Frame::ok());
    // What runs on a shared lane takes none of the budget, however long it waits for its EXEC.
    let mut others: Vec<Raw> = (0..20).map(|_| sidecar.connect()).collect();
    others.iter_mut().for_each(|other| assert_queued(other, &["GET open:a", "INCR open:n"]));
    for (n, other) in (1..).zip(&mut others) {
        assert_eq!(at_once(other, "EXEC"), Frame::Array(vec![Frame::Null, Frame::Integer(n)]));
    }
    assert_eq!(holder.run("UNWATCH"), Frame::ok());
    assert_queued(&mut client, &["SELECT 1", "SET open:a 1", "SELECT 0"]);
    assert_eq!(client.run("EXEC"), Frame::Array(vec![Frame::ok(), Frame::ok(), Frame::ok()]));

    upstream.stop();
    wait_until("the loss is noticed", || client.run("GET open:a").is_error("LOADING"));
    for _ in 0..5 {
        assert_queued(&mut client, &["SET open:a 9", "GET session:a", "PING"]);
        assert!(at_once(&mut client, "EXEC").is_error("LOADING"));
        assert_queued(&mut client, &["SET open:a 9"]);
        assert_eq!(at_once(&mut client, "DISCARD"), Frame::ok());
    }
    assert_queued(&mut client, &["SET open:a 2", "GET open:a"]);
    upstream.launch();
    wait_until("the upstream is back", || sidecar.connect().run("GET open:b") == Frame::Null);
    assert_eq!(client.run("EXEC"), Frame::Array(vec![Frame::ok(), Frame::bulk("2")]));
}

#[track_caller]
fn assert_queued(client: &mut Raw, lines: &[&str]) {
    assert_eq!(at_once(client, "MULTI"), Frame::ok());
    lines.iter().for_each(|line| assert_eq!(at_once(client, line), Frame::Simple("QUEUED".into()), "{line}"));
}

/// A client that left before its lane was there takes no element.
#[test]
fn a_blocking_command_of_a_client_that_left_while_dialling_is_not_sent() {
    let upstream = Upstream::start();
    let proxy = Proxy::to(upstream.tls_port);
    let sidecar = Sidecar::start_with(&upstream, |settings| {
        settings.url = format!("rediss://default@127.0.0.1:{}", proxy.port);
    });
    let mut raw = upstream.raw();
    assert_eq!(raw.run("RPUSH open:queue job"), Frame::Integer(1));
    assert_eq!(sidecar.connect().run("GET open:a"), Frame::Null);
    proxy.set_delay(Duration::from_secs(1));
    for command in ["BLPOP open:queue 0", "BLMOVE open:queue open:other LEFT LEFT 0", "BRPOP open:queue 0"] {
        let mut client = sidecar.connect();
        client.send(&requests(&[command]));
        std::thread::sleep(Duration::from_millis(200));
        drop(client);
    }
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(raw.run("LLEN open:queue"), Frame::Integer(1), "an element went to nobody");
}

/// Waiting for a client to take its last words has a bound too.
#[test]
fn clients_that_do_not_read_their_last_replies_are_cut() {
    const BIG: usize = 64 << 20;
    let upstream = Upstream::start();
    let proxy = Proxy::to(upstream.tls_port);
    let sidecar = Sidecar::start_with(&upstream, |settings| {
        settings.url = format!("rediss://default@127.0.0.1:{}", proxy.port);
        settings.more = "[limits]\noutput_stall = \"2s\"\n".into();
    });
    assert_eq!(upstream.raw().command(&[b"SET", b"open:big", &vec![b'x'; BIG]]), Frame::ok());
    let mut observer = sidecar.connect();
    assert_eq!(observer.run("GET open:a"), Frame::Null);
    assert_eq!(clients(&mut observer), 1);

    let mut quitting = sidecar.connect();
    quitting.send(&requests(&["GET open:big", "QUIT"]));
    assert_cut(&mut observer, "a QUIT behind unread output");

    // The lane is cut after half of the reply.
    let mut cut = sidecar.connect();
    proxy.allow(BIG / 2);
    cut.send(&requests(&["GET open:big", "GET open:a"]));
    wait_until("half of the reply has passed", || proxy.has_let_all_through());
    std::thread::sleep(QUIET);
    proxy.cut();
    assert_cut(&mut observer, "unread output of a lost lane");
}

/// The only other client is gone soon after `output_stall`.
#[track_caller]
fn assert_cut(observer: &mut Raw, whose: &str) {
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(clients(observer), 2, "{whose}: was cut before its time");
    let begin = Instant::now();
    while clients(observer) > 1 {
        assert!(begin.elapsed() < Duration::from_secs(6), "{whose}: holds its memory for ever");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A client that had nothing to take for long is not slow when something comes at last.
#[test]
fn an_idle_consumer_is_not_taken_for_a_slow_reader() {
    const ROUNDS: u32 = 8;
    const CONSUMERS: usize = 300;
    /// Small enough for any socket's buffer: nobody is slow.
    const ELEMENT: usize = 32 * 1024;
    /// How often the sidecar looks for slow readers, and how far ahead of that they all wake up: so many replies take
    /// longer than that, so that some wait for the socket at the very moment.
    const LOOK: Duration = Duration::from_secs(1);
    const AHEAD: Duration = Duration::from_millis(10);
    const WAKE_ALL: &str = "for i = 0, ARGV[1] - 1 do redis.call('RPUSH', 'open:queue:' .. i, ARGV[2]) end";
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, |settings| {
        settings.more = "[limits]\noutput_stall = \"1s\"\n[server]\nworkers = 1\n".into();
    });
    let begin = Instant::now();
    let mut consumers: Vec<Raw> = (0..CONSUMERS).map(|_| sidecar.connect()).collect();
    let element = vec![b'x'; ELEMENT];
    let mut producer = upstream.raw();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut client = sidecar.connect();
            let set = encode(&[b"SET", b"session:load", &element]);
            while !over.load(Ordering::Relaxed) && begin.elapsed() < 5 * PATIENCE {
                client.send(&set);
                assert_eq!(client.read(), Frame::ok());
            }
        });
        let mut lost = Vec::new();
        for round in 0..ROUNDS {
            for (number, consumer) in consumers.iter_mut().enumerate() {
                consumer.send(&requests(&[&format!("BLPOP open:queue:{number} 0")]));
            }
            // Idle for longer than output_stall, until shortly before a look.
            let looks = (begin.elapsed().as_secs_f64() / LOOK.as_secs_f64()).ceil() + 2.0;
            let wake = LOOK.mul_f64(looks) - AHEAD * (round + 1);
            std::thread::sleep(wake.saturating_sub(begin.elapsed()));
            let count = CONSUMERS.to_string();
            assert_eq!(
                producer.command(&[b"EVAL", WAKE_ALL.as_bytes(), b"0", count.as_bytes(), &element]),
                Frame::Null
            );
            for (number, consumer) in consumers.iter_mut().enumerate() {
                let expected = Frame::Array(vec![Frame::bulk(format!("open:queue:{number}")), Frame::bulk(&element)]);
                if consumer.try_read() != Ok(expected) {
                    lost.push((round, number));
                }
            }
            if !lost.is_empty() {
                break;
            }
        }
        over.store(true, Ordering::Relaxed);
        assert!(lost.is_empty(), "(round, consumer) that did not get its element: {lost:?}");
    });
}
