//! Whose reply is it: many clients at once, each of which knows what it must be answered, on a quiet upstream and on
//! one whose connections are cut at random bytes; and that nobody who waits, or does not read, harms another.
//!
//! WAXSEAL_SOAK_SECONDS: how long a crowd plays (`make soak`). WAXSEAL_CHAOS_SEED: repeats what clients and faults did
//! (not the scheduling between them).

mod support;

#[path = "chaos/aftermath.rs"]
mod aftermath;
#[path = "chaos/crowd.rs"]
mod crowd;
#[path = "chaos/model.rs"]
mod model;
#[path = "chaos/names.rs"]
mod names;
#[path = "chaos/player.rs"]
mod player;
#[path = "chaos/process.rs"]
mod process;
#[path = "chaos/random.rs"]
mod random;
#[path = "chaos/storm.rs"]
mod storm;
#[path = "chaos/wire.rs"]
mod wire;

use std::future::Future;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use player::{Counts, Player};
use process::{Times, resident, resident_falls_below};
use storm::Storm;
use support::raw::encode;
use support::{Frame, MARKER, Sidecar, Upstream};
use tokio::task::JoinSet;
use wire::Wire;

/// Together with those around them two hundred clients, and fifty that wait.
const PLAYERS: usize = 160;
const SUBSCRIBERS: usize = 20;
const PUBLISHERS: usize = 8;
const GARBAGE_SENDERS: usize = 12;
const IDLE_BLOCKED: usize = 50;
const DEFAULT_SECONDS: u64 = 10;
/// After the end of play everybody finishes the round it is in, some of them by recovering from a cut.
const GRACE: Duration = Duration::from_secs(60);
const MB: usize = 1 << 20;
/// What the sidecar may hold of a crowd; and afterwards of nobody. The allocator keeps much of what was freed in small
/// pieces (with MALLOC_TRIM_THRESHOLD_ and MALLOC_MMAP_THRESHOLD_ at 128 KiB it is 30 MB instead of 60 to 120).
const CROWD_MEMORY: usize = 400 * MB;
const REST_MEMORY: usize = 250 * MB;
/// What may stay of one large value when it has gone.
const VALUE_REST: usize = 30 * MB;
/// For others' GET beside those who wait or do not read.
const P99_BOUND: Duration = Duration::from_millis(50);
const STALL: Duration = Duration::from_secs(2);
/// Slow readers are looked for once a second.
const STALL_GRACE: Duration = Duration::from_secs(3);

#[test]
fn a_crowd_on_shared_lanes() {
    crowd("shared", false, soak_time());
}

#[test]
fn a_crowd_on_shared_lanes_while_connections_are_cut() {
    crowd("shared", true, soak_time());
}

#[test]
fn a_crowd_on_dedicated_lanes() {
    crowd("dedicated", false, soak_time() / 2);
}

#[test]
fn a_crowd_on_dedicated_lanes_while_connections_are_cut() {
    crowd("dedicated", true, soak_time() / 2);
}

/// One of these tests at a time: each wants the machine, and some measure how long things take.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn soak_time() -> Duration {
    let seconds = std::env::var("WAXSEAL_SOAK_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(DEFAULT_SECONDS))
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime").block_on(future)
}

fn crowd(lanes: &'static str, cuts: bool, time: Duration) {
    let _alone = alone();
    let seed = random::seed(&format!("crowd, {lanes} lanes, cuts: {cuts}"));
    let upstream = Upstream::start();
    let mut storm = cuts.then(|| Storm::start(&upstream, seed));
    let mut sidecar = Sidecar::start_with(&upstream, |settings| {
        settings.lanes = Some(lanes);
        if let Some(storm) = &storm {
            settings.url = format!("rediss://default@127.0.0.1:{}", storm.port);
        }
    });
    let (port, pid, calm) = (sidecar.port, sidecar.pid(), !cuts);
    let end = Instant::now() + time;
    let (total, most) = block_on(async {
        let mut players = JoinSet::new();
        let mut others = JoinSet::new();
        for number in 0..PLAYERS {
            players.spawn(Player::new(number, port, seed, calm).play(end));
        }
        (0..SUBSCRIBERS).for_each(|number| drop(others.spawn(crowd::listen(number, port, seed, end, calm))));
        (0..PUBLISHERS).for_each(|number| drop(others.spawn(crowd::publish(number, port, seed, end, calm))));
        (0..GARBAGE_SENDERS).for_each(|number| drop(others.spawn(crowd::send_garbage(number, port, seed, end))));
        (0..IDLE_BLOCKED).for_each(|_| drop(others.spawn(crowd::wait_in_vain(port, end, calm))));
        let (mut total, mut most) = (Counts::default(), 0);
        let mut look = tokio::time::interval(Duration::from_millis(100));
        let everybody = async {
            loop {
                tokio::select! {
                    Some(done) = players.join_next() => {
                        let counts = done.expect("a player panicked").unwrap_or_else(|what| panic!("seed {seed}: {what}"));
                        total.rounds += counts.rounds;
                        total.replies += counts.replies;
                        total.loading += counts.loading;
                        total.closed += counts.closed;
                    }
                    Some(done) = others.join_next() => {
                        done.expect("one of the crowd panicked").unwrap_or_else(|what| panic!("seed {seed}: {what}"));
                    }
                    _ = look.tick() => most = most.max(resident(pid)),
                    else => break,
                }
                if players.is_empty() && others.is_empty() {
                    break;
                }
            }
        };
        tokio::time::timeout(time + GRACE, everybody).await.expect("the crowd does not come to an end");
        (total, most)
    });
    let cut = storm.as_ref().map_or(0, Storm::cuts);
    storm.take();
    let rest = block_on(resident_falls_below(pid, REST_MEMORY / 5, Duration::from_secs(5)));
    println!(
        "{total:?}; {cut} upstream connections cut; the sidecar held {} MB at most, {} MB in the end",
        most / MB,
        rest / MB
    );
    assert!(sidecar.is_running(), "seed {seed}: the sidecar ended");
    assert!(total.rounds > PLAYERS, "seed {seed}: only {} rounds: somebody was starved", total.rounds);
    assert!(calm || cut > 0, "nothing was cut");
    assert!(most < CROWD_MEMORY && rest < REST_MEMORY, "seed {seed}: memory is not bounded, or not given back");
    upstream.assert_nothing_stored_contains(MARKER);
    let log = sidecar.stderr();
    assert!(!log.contains(MARKER), "a value in the log");
    for bad in ["out of order", "panicked", "UPSTREAM_PROTOCOL", "nobody asked for"] {
        assert!(!log.contains(bad), "seed {seed}: the log says {bad:?}");
    }
}

/// Fifty who wait do not slow others down, are woken by a producer exactly once each, and together take every
/// element of a queue exactly once.
#[test]
fn fifty_idle_blocked_clients_starve_nobody() {
    let _alone = alone();
    const ELEMENTS: usize = 2_000;
    for lanes in ["shared", "dedicated"] {
        let upstream = Upstream::start();
        let sidecar = Sidecar::start_with(&upstream, |settings| settings.lanes = Some(lanes));
        let port = sidecar.port;
        block_on(async {
            let mut waiting = Vec::new();
            for number in 0..IDLE_BLOCKED {
                let mut wire = Wire::connect(port).await;
                wire.send(&encode(&[b"BLPOP", format!("open:own:{number}").as_bytes(), b"0"])).await;
                waiting.push(wire);
            }
            let times = Times::of_get(&sidecar, &upstream, 8, Duration::from_secs(2)).await;
            println!("{lanes}, beside {IDLE_BLOCKED} who wait: {}", times.text());
            assert!(times.are_within(P99_BOUND), "{lanes}: {}", times.text());

            let mut producer = Wire::connect(port).await;
            for number in 0..IDLE_BLOCKED {
                let (list, element) = (format!("open:own:{number}"), format!("for {number}"));
                producer.send(&encode(&[b"RPUSH", list.as_bytes(), element.as_bytes()])).await;
                assert_eq!(producer.read().await.expect("RPUSH").frame, Frame::Integer(1));
            }
            for (number, wire) in waiting.iter_mut().enumerate() {
                let own = [Frame::bulk(format!("open:own:{number}")), Frame::bulk(format!("for {number}"))];
                assert_eq!(wire.read().await.expect("BLPOP").frame, Frame::Array(own.to_vec()));
                // The same clients now wait for each other's queue.
                wire.send(b"BLPOP open:common 0\r\n").await;
            }
            let mut consumers = JoinSet::new();
            for mut wire in waiting {
                consumers.spawn(async move {
                    let mut taken = Vec::new();
                    loop {
                        let Frame::Array(items) = wire.read().await.expect("BLPOP").frame else { panic!("BLPOP") };
                        let Frame::Bulk(element) = &items[1] else { panic!("an element") };
                        if element == b"end" {
                            return taken;
                        }
                        taken.push(String::from_utf8_lossy(element).parse::<usize>().expect("a number"));
                        wire.send(b"BLPOP open:common 0\r\n").await;
                    }
                });
            }
            for number in 0..ELEMENTS {
                producer.send(&encode(&[b"RPUSH", b"open:common", number.to_string().as_bytes()])).await;
                producer.read().await.expect("RPUSH");
            }
            for _ in 0..IDLE_BLOCKED {
                producer.send(&encode(&[b"RPUSH", b"open:common", b"end"])).await;
                producer.read().await.expect("RPUSH");
            }
            let all = tokio::time::timeout(GRACE, consumers.join_all()).await.expect("an element was lost");
            let mut taken: Vec<usize> = all.into_iter().flatten().collect();
            taken.sort_unstable();
            assert!(taken.into_iter().eq(0..ELEMENTS), "{lanes}: each element exactly once");
        });
    }
}

fn with_stall(upstream: &Upstream, lanes: &'static str) -> Sidecar {
    Sidecar::start_with(upstream, |settings| {
        settings.lanes = Some(lanes);
        settings.more = format!("[limits]\noutput_stall = \"{}s\"\n", STALL.as_secs());
    })
}

/// Waits for the peer to close a connection that nobody reads from; says how much had come.
async fn is_cut(mut wire: Wire, within: Duration) -> Option<usize> {
    let end = Instant::now() + within;
    let mut received = 0;
    while Instant::now() < end {
        match wire.some(Duration::from_millis(500)).await {
            None => return Some(received),
            Some(bytes) => received += bytes.len(),
        }
    }
    None
}

/// Asks for 100 MB, relayed as it comes or opened from an envelope, and does not read.
#[test]
fn a_client_that_stops_reading_delays_nobody_and_is_cut() {
    let _alone = alone();
    const LARGE: usize = 100 * MB;
    for (lanes, key) in [("shared", "open:large"), ("shared", "session:large"), ("dedicated", "open:large")] {
        let upstream = Upstream::start();
        let sidecar = with_stall(&upstream, lanes);
        let (port, pid) = (sidecar.port, sidecar.pid());
        let fresh = resident(pid);
        sidecar.connect().command(&[b"SET", key.as_bytes(), &vec![b'x'; LARGE]]);
        block_on(async {
            let stored = resident_falls_below(pid, fresh + VALUE_REST, Duration::from_secs(5)).await;
            let mut stalled = Wire::connect(port).await;
            stalled.send(&encode(&[b"GET", key.as_bytes()])).await;
            let times = Times::of_get(&sidecar, &upstream, 8, STALL + STALL_GRACE).await;
            let after = resident_falls_below(pid, fresh + VALUE_REST, Duration::from_secs(10)).await;
            let [fresh, stored, after] = [fresh, stored, after].map(|bytes| bytes / MB);
            println!(
                "{lanes}, {key}: {}; resident {fresh} MB, after SET {stored} MB, after the cut {after} MB",
                times.text()
            );
            let received = is_cut(stalled, Duration::from_secs(5)).await;
            assert!(stored * MB < fresh * MB + VALUE_REST, "{lanes}, {key}: {stored} MB although nothing goes on");
            assert!(received.is_some(), "{lanes}, {key}: still connected");
            assert!(received < Some(LARGE), "{lanes}, {key}: it was sent everything");
            assert!(times.are_within(P99_BOUND), "{lanes}, {key}: {}", times.text());
            assert!(after * MB < fresh * MB + VALUE_REST, "{lanes}, {key}: {after} MB are not given back");
        });
    }
}

/// Clients that once sent and read a large value hold nothing of it while they are idle; nor does their lane.
#[test]
fn an_idle_client_holds_nothing_of_a_large_value() {
    let _alone = alone();
    const CLIENTS: usize = 24;
    const LARGE: usize = 10 * MB;
    // The allocator keeps up to 64 MB of what was freed, in pieces below its threshold for mapping.
    const KEPT: usize = 80 * MB;
    // A lane gives its buffers back after five quiet seconds, and looks every five.
    const REST: Duration = Duration::from_secs(15);
    for lanes in ["shared", "dedicated"] {
        let upstream = Upstream::start();
        let sidecar = Sidecar::start_with(&upstream, |settings| settings.lanes = Some(lanes));
        let fresh = resident(sidecar.pid());
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (mut client, value) = (sidecar.connect(), vec![b'x'; LARGE]);
                let key = format!("{}:{}", if number % 2 == 0 { "session" } else { "open" }, number % 4);
                assert_eq!(client.command(&[b"SET", key.as_bytes(), &value]), Frame::ok());
                assert!(client.command(&[b"GET", key.as_bytes()]) == Frame::Bulk(value));
                client
            })
            .collect();
        let idle = block_on(resident_falls_below(sidecar.pid(), fresh + KEPT, REST));
        println!("{lanes}: {CLIENTS} idle clients: {} MB over the {} MB of before", (idle - fresh) / MB, fresh / MB);
        assert!(idle < fresh + KEPT, "{lanes}: {} MB for idle clients", (idle - fresh) / MB);
        drop(clients);
    }
}

/// Messages for a subscriber that does not read do not gather for ever, and do not hold the publisher up.
#[test]
fn a_subscriber_that_stops_reading_is_cut() {
    let _alone = alone();
    let upstream = Upstream::start();
    let sidecar = with_stall(&upstream, "shared");
    let (port, pid) = (sidecar.port, sidecar.pid());
    let fresh = resident(pid);
    block_on(async {
        let mut deaf = Wire::connect(port).await;
        deaf.send(b"SUBSCRIBE open:news\r\n").await;
        deaf.read().await.expect("confirmation");
        let mut publisher = Wire::connect(port).await;
        let message = encode(&[b"PUBLISH", b"open:news", &vec![b'x'; 256 * 1024]]);
        let publishing = async {
            let (begin, mut most) = (Instant::now(), 0);
            loop {
                publisher.send(&message).await;
                let heard_by = publisher.read().await.expect("PUBLISH").frame;
                most = most.max(resident(pid));
                if heard_by == Frame::Integer(0) {
                    return most;
                }
                assert!(begin.elapsed() < STALL + STALL_GRACE, "still subscribed");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let (most, times) = tokio::join!(publishing, Times::of_get(&sidecar, &upstream, 4, STALL));
        assert!(is_cut(deaf, Duration::from_secs(5)).await.is_some(), "unsubscribed, and still connected");
        let after = resident_falls_below(pid, fresh + VALUE_REST, Duration::from_secs(10)).await;
        println!("{}; resident {} MB at most, {} MB after", times.text(), most / MB, after / MB);
        assert!(times.are_within(P99_BOUND), "{}", times.text());
        assert!(after < fresh + VALUE_REST, "{} MB are not given back", after / MB);
    });
}

/// The bound holds also when the upstream connection is lost while the client does not read.
#[test]
fn a_client_that_stops_reading_is_cut_also_after_its_upstream_is_lost() {
    let _alone = alone();
    const MESSAGES: usize = 30;
    let upstream = Upstream::start();
    let sidecar = with_stall(&upstream, "shared");
    block_on(async {
        let mut stalled = Wire::connect(sidecar.port).await;
        stalled.send(b"SUBSCRIBE open:news\r\n").await;
        stalled.read().await.expect("confirmation");
        for _ in 0..MESSAGES {
            upstream.raw().command(&[b"PUBLISH", b"open:news", &vec![b'x'; MB]]);
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        upstream.raw().run("CLIENT KILL TYPE pubsub");
        tokio::time::sleep(STALL + STALL_GRACE).await;
        let received = is_cut(stalled, Duration::from_secs(5)).await;
        assert!(received.is_some_and(|received| received < MESSAGES * MB), "not cut at its bound: {received:?}");
    });
}

/// `printf ... | nc`: what was sent before the end of the input is answered, however much it was.
#[test]
fn a_client_that_closes_its_sending_side_is_answered() {
    let _alone = alone();
    const COMMANDS: usize = 5_000;
    for lanes in ["shared", "dedicated"] {
        let upstream = Upstream::start();
        let sidecar = Sidecar::start_with(&upstream, |settings| settings.lanes = Some(lanes));
        block_on(async {
            let mut wire = Wire::connect(sidecar.port).await;
            let bytes: Vec<u8> = (0..COMMANDS).flat_map(|_| encode(&[b"INCR", b"open:count"])).collect();
            wire.send(&bytes).await;
            wire.close_sending_side().await;
            for number in 1..=COMMANDS {
                let reply = wire.read().await.map(|reply| reply.frame);
                let wanted = Frame::Integer(i64::try_from(number).expect("small"));
                assert!(matches!(&reply, Ok(frame) if *frame == wanted), "{lanes}: reply {number}: {reply:?}");
            }
        });
    }
}

/// MULTI of a client that awaits each reply, when there is no upstream: answered, and EXEC runs nothing.
#[test]
fn a_transaction_without_an_upstream_is_answered() {
    let _alone = alone();
    for lanes in ["shared", "dedicated"] {
        let mut upstream = Upstream::start();
        let sidecar = Sidecar::start_with(&upstream, |settings| settings.lanes = Some(lanes));
        upstream.stop();
        block_on(async {
            let mut wire = Wire::connect(sidecar.port).await;
            for _ in 0..10 {
                for command in ["MULTI\r\n", "SET session:a b\r\n", "EXEC\r\n"] {
                    wire.send(command.as_bytes()).await;
                    let reply = tokio::time::timeout(STALL_GRACE, wire.read()).await;
                    match reply.unwrap_or_else(|_| panic!("{lanes}: no answer to {command}")) {
                        Ok(reply) => assert_ne!(reply.frame, Frame::Null),
                        // What the lane had of the transaction is lost with it.
                        Err(_) => wire = Wire::connect(sidecar.port).await,
                    }
                }
            }
        });
    }
}

/// A list that looks like a message is a reply to a client that has left its channels.
#[test]
fn a_reply_that_looks_like_a_message_is_a_reply() {
    let _alone = alone();
    for lanes in ["shared", "dedicated"] {
        let upstream = Upstream::start();
        let sidecar = Sidecar::start_with(&upstream, |settings| settings.lanes = Some(lanes));
        let mut client = sidecar.connect();
        client.run("RPUSH open:list message open:news text");
        client.run("SUBSCRIBE open:news");
        client.run("UNSUBSCRIBE open:news");
        let list = ["message", "open:news", "text"].map(Frame::bulk).to_vec();
        assert_eq!(client.run("LRANGE open:list 0 -1"), Frame::Array(list), "{lanes}");
        assert_eq!(client.run("PING"), Frame::Simple("PONG".into()), "{lanes}");
    }
}
