//! Rate limits with the real process: refusals take their place in the pipeline and reach no database, delays keep
//! the order, and a hundred connections together get what is allowed.

mod support;

use std::net::Ipv4Addr;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use support::{Frame, Raw, Sidecar, Upstream};

const BURST: i64 = 10;

/// With these lines of TOML below `[limits]`.
fn limited(upstream: &Upstream, limits: &str) -> Sidecar {
    Sidecar::start_with(upstream, |settings| settings.more = format!("[limits]\n{limits}\n"))
}

fn per_connection(upstream: &Upstream, window: &str) -> Sidecar {
    let limit = format!("algorithm = \"token_bucket\", limit = {BURST}, window = \"{window}\", burst = {BURST}");
    limited(upstream, &format!("per_connection = {{ {limit} }}"))
}

fn is_limited(reply: &Frame) -> bool {
    reply.is_error("WAXSEAL RATE_LIMITED")
}

/// How many of so many INCR at once pass.
fn passed(client: &mut Raw, tries: usize) -> usize {
    client.send("INCR open:n\r\n".repeat(tries).as_bytes());
    (0..tries).filter(|_| matches!(client.read(), Frame::Integer(_))).count()
}

#[test]
fn refusals_keep_their_place() {
    let upstream = Upstream::start();
    let sidecar = per_connection(&upstream, "1h");
    let mut client = sidecar.connect();
    client.send("INCR open:n\r\n".repeat(30).as_bytes());
    for number in 1..=BURST {
        assert_eq!(client.read(), Frame::Integer(number));
    }
    for _ in BURST..30 {
        let reply = client.read();
        assert!(is_limited(&reply), "{reply:?}");
    }
    assert_eq!(upstream.raw().run("GET open:n"), Frame::bulk(BURST.to_string()));
    // Each connection has its own measure.
    assert_eq!(sidecar.connect().run("INCR open:n"), Frame::Integer(BURST + 1));
}

#[test]
fn the_handshake_is_exempt() {
    let upstream = Upstream::start();
    let sidecar = per_connection(&upstream, "1h");
    let mut client = sidecar.connect();
    let mut shake_hands = || {
        for line in [
            "HELLO 3",
            "CLIENT SETINFO LIB-NAME test",
            "CLIENT SETNAME test",
            "SELECT 0",
            "PING",
            "ECHO hi",
            "INFO server",
            "COMMAND COUNT",
            "CONFIG GET save",
            "CLUSTER INFO",
        ] {
            for _ in 0..BURST {
                let reply = client.run(line);
                assert!(!is_limited(&reply), "{line}: {reply:?}");
            }
        }
    };
    shake_hands();
    shake_hands();
    assert_eq!(passed(&mut client, 20), 10);
    for line in ["PING", "INFO server", "HELLO 2"] {
        assert!(!is_limited(&client.run(line)), "{line}");
    }
    assert!(is_limited(&client.run("INCR open:n")));
}

#[test]
fn the_bucket_fills_again() {
    let upstream = Upstream::start();
    let sidecar = per_connection(&upstream, "1s");
    let mut client = sidecar.connect();
    let passed_at_once = passed(&mut client, 30);
    assert!(passed_at_once <= 15, "{passed_at_once} of 30 at once passed");
    thread::sleep(Duration::from_millis(1100));
    for _ in 0..BURST {
        assert!(matches!(client.run("INCR open:n"), Frame::Integer(_)));
    }
}

#[test]
fn what_an_address_may_is_shared_by_its_connections() {
    let upstream = Upstream::start();
    let sidecar = limited(&upstream, "per_address = { limit = 10, window = \"1h\" }");
    let from = |last| Raw::tcp_from(Ipv4Addr::new(127, 0, 7, last), sidecar.port);
    // Together, though they are on different workers.
    assert_eq!((0..4).map(|_| passed(&mut from(1), 4)).sum::<usize>(), 10);
    for other in 2..60 {
        assert_eq!(passed(&mut from(other), 11), 10);
    }
    let unix = || Raw::unix(&sidecar.unix_path());
    assert_eq!(passed(&mut unix(), 6) + passed(&mut unix(), 6), 10);
    let reply = from(1).run("INCR open:n");
    let Frame::Error(text) = reply else { panic!("{reply:?}") };
    let expected = "WAXSEAL RATE_LIMITED over 10 commands per 3600 s (burst 10) from this address; retry in ";
    assert!(text.starts_with(expected), "{text}");
}

#[test]
fn classes_and_bytes() {
    let upstream = Upstream::start();
    let sidecar = limited(
        &upstream,
        "[[limits.rate]]\nper = \"connection\"\nlimit = 5\nwindow = \"1h\"\nclasses = [\"write\"]\n\
         [[limits.rate]]\nper = \"connection\"\nunit = \"bytes\"\nlimit = \"10kb\"\nwindow = \"1h\"\nclasses = [\"read\"]",
    );
    let mut client = sidecar.connect();
    assert_eq!(passed(&mut client, 9), 5);
    // Reads have a measure of their own: 10,240 bytes, of which each of these takes 30.
    let reads = (0..400).filter(|_| !is_limited(&client.run("GET open:12345"))).count();
    assert_eq!(reads, 10_240 / b"*2\r\n$3\r\nGET\r\n$10\r\nopen:12345\r\n".len());
    // A larger one passes when nothing else counts, and none after it.
    let mut client = sidecar.connect();
    let large = vec![b'x'; 100_000];
    assert_eq!(client.command(&[b"GET", &large]), Frame::Null);
    assert!(is_limited(&client.run("GET open:12345")));
    // Scripts are neither reads nor writes by their class.
    assert_eq!(client.run("EVAL return(1) 0"), Frame::Integer(1));
}

#[test]
fn commands_of_a_transaction_count_when_they_are_queued() {
    let upstream = Upstream::start();
    let sidecar = limited(&upstream, "per_connection = { limit = 2, window = \"1h\" }");
    let mut client = sidecar.connect();
    assert_eq!(client.run("MULTI"), Frame::ok());
    assert_eq!(client.run("SET open:t 1"), Frame::Simple("QUEUED".into()));
    assert_eq!(client.run("SET open:t 2"), Frame::Simple("QUEUED".into()));
    assert!(is_limited(&client.run("SET open:t 3")));
    assert!(client.run("EXEC").is_error("EXECABORT"));
    assert_eq!(upstream.raw().run("GET open:t"), Frame::Null);
}

#[test]
fn delayed_requests_come_in_order_and_at_the_limits_pace() {
    let upstream = Upstream::start();
    let delay = "limit = 100, burst = 10, over = \"delay\", max_delay = \"400ms\"";
    let sidecar = limited(&upstream, &format!("per_process = {{ {delay} }}"));
    let (mut one, mut other) = (sidecar.connect(), sidecar.connect());
    one.run("PING");
    other.run("PING");
    let start = Instant::now();
    // What is never limited waits for its turn among the others.
    one.send("INCR open:n\r\nECHO x\r\n".repeat(30).as_bytes());
    other.send("INCR open:m\r\n".repeat(10).as_bytes());
    for number in 1..=30 {
        assert_eq!(one.read(), Frame::Integer(number));
        assert_eq!(one.read(), Frame::bulk("x"));
    }
    for number in 1..=10 {
        assert_eq!(other.read(), Frame::Integer(number));
    }
    // Ten at once and thirty at a hundred a second.
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(290), "{took:?}");
    assert!(took < Duration::from_secs(2), "{took:?}");

    // Sixty clients at once: who would wait for longer than 400 ms is told so at once.
    let mut clients: Vec<_> = (0..60).map(|_| sidecar.connect()).collect();
    thread::sleep(Duration::from_millis(200));
    clients.iter_mut().for_each(|client| client.send(b"INCR open:k\r\n"));
    let replies: Vec<_> = clients.iter_mut().map(Raw::read).collect();
    let refused = replies.iter().filter(|reply| is_limited(reply)).count();
    assert!((4..=12).contains(&refused), "{refused} of 60 were refused");
}

/// A delayed client that leaves takes nobody else along, and draining does not wait for it.
#[test]
fn the_sidecar_stops_while_requests_are_delayed() {
    let upstream = Upstream::start();
    let delay = "limit = 1, window = \"1m\", over = \"delay\", max_delay = \"5m\"";
    let mut sidecar = limited(&upstream, &format!("per_connection = {{ {delay} }}"));
    let mut client = sidecar.connect();
    client.send("INCR open:n\r\n".repeat(5).as_bytes());
    assert_eq!(client.read(), Frame::Integer(1));
    drop(sidecar.connect());
    sidecar.terminate();
    assert!(sidecar.wait_for_exit().success());
    assert_eq!(upstream.raw().run("GET open:n"), Frame::bulk("1"));
}

/// A hundred connections, each with pipelines far above its share, until the time is up. How many passed, and in what
/// time.
fn hammer(sidecar: &Sidecar, time: Duration) -> (u64, Duration) {
    const PIPELINE: usize = 5;
    let together = Barrier::new(101);
    let passed = AtomicU64::new(0);
    let took = thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| {
                let mut client = sidecar.connect();
                client.run("PING");
                together.wait();
                let start = Instant::now();
                let mut mine = 0;
                while start.elapsed() < time {
                    client.send("INCR open:n\r\n".repeat(PIPELINE).as_bytes());
                    for _ in 0..PIPELINE {
                        mine += u64::from(matches!(client.read(), Frame::Integer(_)));
                    }
                    thread::sleep(Duration::from_millis(3));
                }
                passed.fetch_add(mine, Ordering::Relaxed);
            });
        }
        together.wait();
        Instant::now()
    })
    .elapsed();
    (passed.into_inner(), took)
}

#[test]
fn a_hundred_connections_together_get_what_is_allowed_within_two_percent() {
    let upstream = Upstream::start();
    for per in ["process", "identity", "address"] {
        let sidecar = limited(&upstream, &format!("per_{per} = {{ limit = 3000, burst = 300 }}"));
        let (passed, took) = hammer(&sidecar, Duration::from_secs(3));
        let ratio = passed as f64 / 3000_f64.mul_add(took.as_secs_f64(), 300.0);
        println!("per {per}: {passed} in {took:?}, {ratio:.4} of what is allowed");
        assert!((0.98..=1.02).contains(&ratio), "per {per}: {passed} in {took:?}, {ratio:.4} of what is allowed");
        assert_eq!(upstream.raw().run("GETDEL open:n"), Frame::bulk(passed.to_string()));
    }
}

#[test]
fn windows_of_all_connections_together_hold_exactly() {
    let upstream = Upstream::start();
    for (algorithm, expected) in [("fixed_window", 3 * 500), ("sliding_window", 500)] {
        let limit = format!("algorithm = \"{algorithm}\", limit = 500, window = \"2s\"");
        let sidecar = limited(&upstream, &format!("per_process = {{ {limit} }}"));
        // Windows begin at even seconds.
        let passed_in_window =
            || SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos() % 2_000_000_000;
        while !(50_000_000..400_000_000).contains(&passed_in_window()) {
            thread::sleep(Duration::from_millis(20));
        }
        let time = Duration::from_millis(if expected == 500 { 1000 } else { 4800 });
        let (passed, took) = hammer(&sidecar, time);
        assert_eq!(passed, expected, "{algorithm} in {took:?}");
    }
}

/// The median of a client that is not limited, alone and beside fifty that go on and on against their limit.
#[test]
fn who_is_refused_does_not_slow_others() {
    let upstream = Upstream::start();
    let sidecar =
        limited(&upstream, "[[limits.rate]]\nper = \"connection\"\nlimit = 10\nwindow = \"1h\"\nclasses = [\"write\"]");
    let median = |count| {
        let mut client = sidecar.connect();
        let mut times: Vec<_> = (0..count)
            .map(|_| {
                let start = Instant::now();
                client.run("GET open:n");
                start.elapsed()
            })
            .collect();
        times.sort();
        times[count / 2]
    };
    median(100);
    let alone = median(2000);
    let over = AtomicBool::new(false);
    let refused = AtomicU64::new(0);
    let beside = thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| {
                let mut client = sidecar.connect();
                while !over.load(Ordering::Relaxed) {
                    refused.fetch_add(u64::from(is_limited(&client.run("INCR open:n"))), Ordering::Relaxed);
                }
            });
        }
        support::wait_until("the others are refused", || refused.load(Ordering::Relaxed) > 10_000);
        let beside = median(2000);
        over.store(true, Ordering::Relaxed);
        beside
    });
    println!("p50 alone {alone:?}, beside {beside:?}, {} refused", refused.into_inner());
    assert!(beside < alone * 3 + Duration::from_micros(200), "alone {alone:?}, beside {beside:?}");
}
