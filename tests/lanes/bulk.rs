//! Small commands do not wait behind large requests and replies of others.

use std::time::{Duration, Instant};

use super::connections;
use super::support::sidecar::Settings;
use super::support::{Frame, Raw, Sidecar, Upstream, encrypt_everything, wait_until};

/// The upstream's own view: over which connection did a command come?
struct Monitor(Raw);

impl Monitor {
    fn on(upstream: &Upstream) -> Self {
        let mut raw = upstream.raw();
        assert_eq!(raw.run("MONITOR"), Frame::ok());
        Self(raw)
    }

    /// Runs `line`, whose first two words nobody else sends, and tells the address it came from.
    fn connection_of(&mut self, client: &mut Raw, line: &str) -> String {
        client.run(line);
        let words: Vec<String> = line.split(' ').take(2).map(|word| format!("\"{word}\"")).collect();
        let wanted = words.join(" ");
        loop {
            let Frame::Simple(seen) = self.0.read() else { panic!("MONITOR gives lines") };
            if let Some((head, _)) = seen.split_once(&format!("] {wanted}")) {
                return head.rsplit(' ').next().expect("an address").to_owned();
            }
        }
    }

    /// Runs lines until one comes over another connection than `common`.
    fn until_it_leaves(&mut self, common: &str, client: &mut Raw, line: impl Fn(usize) -> String) {
        let mut tries = 0;
        wait_until("it is on another lane than the common one", || {
            tries += 1;
            self.connection_of(client, &line(tries)) != common
        });
    }
}

fn one_worker(settings: &mut Settings) {
    encrypt_everything(settings);
    settings.more.push_str("\n[server]\nworkers = 1\n");
}

#[test]
fn large_replies_and_requests_go_over_a_lane_of_their_own() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, one_worker);
    let large = "x".repeat(100_000);
    let mut small = sidecar.connect();
    let mut reader = sidecar.connect();
    let mut writer = sidecar.connect();
    assert_eq!(small.run(&format!("SET big {large}")), Frame::ok());
    drop(small);
    let mut small = sidecar.connect();
    let mut monitor = Monitor::on(&upstream);

    let common = monitor.connection_of(&mut small, "GET a");
    assert_eq!(monitor.connection_of(&mut reader, "GET b"), common);
    assert_eq!(monitor.connection_of(&mut writer, "GET c"), common);
    // What it is about to read cannot be known; from then on it is.
    assert_eq!(monitor.connection_of(&mut reader, "GET big"), common);
    // The lane is made meanwhile.
    monitor.until_it_leaves(&common, &mut reader, |n| format!("GET d{n}"));
    // A large request is known before it is sent.
    monitor.until_it_leaves(&common, &mut writer, |n| format!("SET e{n} {large}"));
    assert_eq!(monitor.connection_of(&mut small, "GET f"), common);

    // After enough small replies it is a client as others are.
    for _ in 0..110 {
        reader.run("GET g");
    }
    assert_eq!(monitor.connection_of(&mut reader, "GET h"), common);
}

/// A large value now and then does not cost a connection for good.
#[test]
fn an_unused_bulk_lane_is_closed() {
    const LONGEST: Duration = Duration::from_secs(60);
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, one_worker);
    let mut raw = upstream.raw();
    let mut client = sidecar.connect();
    client.run("GET a");
    let before = connections(&mut raw);
    client.run(&format!("SET big {}", "z".repeat(100_000)));
    wait_until("there is a bulk lane", || connections(&mut raw).len() == before.len() + 1);
    let begin = Instant::now();
    while connections(&mut raw) != before {
        assert!(begin.elapsed() < LONGEST, "the bulk lane is still there");
        std::thread::sleep(Duration::from_secs(1));
    }
    // And is made anew.
    assert_eq!(client.run("STRLEN big"), Frame::Integer(100_000));
}

/// A change of lanes waits for what is due on the one before, in a pipeline, too.
#[test]
fn a_pipeline_of_large_and_small_keeps_its_order() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, one_worker);
    let mut client = sidecar.connect();
    let large = "y".repeat(100_000);
    for batch in 0..50 {
        let mut sent = Vec::new();
        let mut due = Vec::new();
        for round in batch * 6..batch * 6 + 6 {
            let (lines, replies) = match round % 3 {
                0 => ([format!("SET big {large}"), "STRLEN big".into()], [Frame::ok(), Frame::Integer(100_000)]),
                1 => {
                    let replies = [Frame::bulk(&large), Frame::Integer(log_length(round))];
                    (["GET big".to_owned(), format!("APPEND log {round},")], replies)
                }
                _ => ([format!("SET n {round}"), "GET n".into()], [Frame::ok(), Frame::bulk(round.to_string())]),
            };
            sent.extend_from_slice(&super::requests(&lines.each_ref().map(String::as_str)));
            due.extend(replies);
        }
        client.send(&sent);
        for (place, frame) in due.into_iter().enumerate() {
            assert!(client.read() == frame, "batch {batch}: reply {place} is another one's");
        }
    }
}

/// Of all that was appended up to this round.
fn log_length(round: i64) -> i64 {
    (0..=round).filter(|n| n % 3 == 1).map(|n| i64::try_from(format!("{n},").len()).expect("short")).sum()
}

/// Its turn to change a key may come while replies are due that it asked for before, over the lane that it is to leave.
#[test]
fn a_turn_that_is_waited_for_comes_in_order() {
    const FOR: Duration = Duration::from_secs(3);
    const LARGE: usize = 20;
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, one_worker);
    let mut mixed = sidecar.connect();
    assert_eq!(mixed.run(&format!("SET big {}", "b".repeat(300_000))), Frame::ok());
    let begin = Instant::now();
    let others: Vec<_> = (0..4)
        .map(|_| {
            // Their lane is another one, so that their turns end meanwhile.
            let mut other = sidecar.connect3();
            std::thread::spawn(move || {
                while begin.elapsed() < FOR {
                    other.run("INCR n");
                }
            })
        })
        .collect();
    let mut last = 0;
    while begin.elapsed() < FOR {
        // After enough small replies it is on the common lane again.
        for _ in 0..110 {
            mixed.run("GET small");
        }
        mixed.send(&super::requests(&[&["GET big"; LARGE][..], &["INCR n", "GET small"]].concat()));
        for _ in 0..LARGE {
            assert_eq!(mixed.read().bytes().len(), 300_000);
        }
        let now = mixed.read().integer();
        assert!(now > last, "{now} after {last}");
        last = now;
        mixed.read();
    }
    for other in others {
        other.join().expect("the others are answered");
    }
}

/// WAIT goes over the lane of the client's writes, whatever it has read since.
#[test]
fn wait_after_a_large_reply() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, one_worker);
    let mut raw = upstream.raw();
    sidecar.connect().run(&format!("SET big {}", "b".repeat(100_000)));
    let mut client = sidecar.connect();
    client.run("SET a 1");
    let before = connections(&mut raw).len();
    client.run("GET big");
    wait_until("it has a bulk lane", || {
        client.run("GET big");
        connections(&mut raw).len() > before
    });
    for _ in 0..3 {
        client.run("GET a");
    }
    assert_eq!(client.run("WAIT 0 0"), Frame::Integer(0));
    assert_eq!(client.run("SET a 2"), Frame::ok());
    assert_eq!(client.run("WAIT 0 0"), Frame::Integer(0));
}

/// Where the database takes no further connection, large values go over the one there is.
#[test]
fn without_a_further_connection_the_common_lane_does() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, one_worker);
    let mut raw = upstream.raw();
    let mut client = sidecar.connect();
    client.run("GET a");
    let held = connections(&mut raw).len();
    assert_eq!(raw.run(&format!("CONFIG SET maxclients {held}")), Frame::ok());
    let large = "m".repeat(100_000);
    for _ in 0..200 {
        assert_eq!(client.run(&format!("SET big {large}")), Frame::ok());
        assert_eq!(client.run("GET big"), Frame::bulk(&large));
    }
}

/// Elements of a list that takes long to open.
const MANY: usize = 60_000;

fn fill(client: &mut Raw) {
    for _ in 0..MANY / 1000 {
        let line = format!("RPUSH list{}", " 0123456789abcdef".repeat(1000));
        client.run(&line);
    }
}

/// To open a long reply is not what the worker's other clients wait for.
#[test]
fn a_long_reply_does_not_hold_the_others_up() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, one_worker);
    let mut reader = sidecar.connect();
    fill(&mut reader);
    let mut raw = upstream.raw();
    let before = connections(&mut raw).len();
    reader.run("LRANGE list 0 -1");
    wait_until("it has a bulk lane", || {
        reader.run("LLEN list");
        connections(&mut raw).len() > before
    });
    let mut small = sidecar.connect();
    small.run("GET a");
    let asked = Instant::now();
    let reading = std::thread::spawn(move || {
        reader.send(&super::requests(&["LRANGE list 0 -1", "LLEN list"]));
        assert_eq!(reader.read().items().len(), MANY);
        assert_eq!(reader.read(), Frame::Integer(MANY.try_into().expect("small")));
        asked.elapsed()
    });
    let mut longest = Duration::ZERO;
    while !reading.is_finished() {
        let begin = Instant::now();
        small.run("GET a");
        longest = longest.max(begin.elapsed());
    }
    let took = reading.join().expect("the list is read");
    assert!(longest < took / 2, "a GET took {longest:?} beside an LRANGE of {took:?}");
}

/// Its client may have left when it is opened, and another may have taken its connection's place.
#[test]
fn a_client_that_leaves_during_a_long_reply_leaves_the_lane_in_order() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, one_worker);
    let mut other = sidecar.connect();
    fill(&mut other);
    for round in 0..5 {
        let mut leaving = sidecar.connect();
        leaving.send(&super::requests(&["LRANGE list 0 -1", "LRANGE list 0 -1"]));
        other.send(&super::requests(&["LRANGE list 0 -1", &format!("SET n {round}"), "GET n"]));
        drop(leaving);
        assert_eq!(other.read().items().len(), MANY);
        assert_eq!(other.read(), Frame::ok());
        assert_eq!(other.read(), Frame::bulk(round.to_string()));
    }
}
