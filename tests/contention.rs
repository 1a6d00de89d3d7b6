//! Many writers of the same encrypted values, through two sidecars at once, while the connections to the database are
//! cut: what was answered has happened once, what was not answered has happened once or not at all.

mod support;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use support::{Frame, MARKER, Raw, Sidecar, Upstream, encrypt_everything, wait_until};

const CLIENTS: usize = 8;
const EACH: usize = 100;
/// Every so often all connections to the database are cut.
const CUT_EVERY: Duration = Duration::from_millis(40);

/// A client that connects again, as libraries do, and sends again what was certainly not carried out.
struct Client<'a> {
    sidecar: &'a Sidecar,
    raw: Raw,
}

impl<'a> Client<'a> {
    fn of(sidecar: &'a Sidecar) -> Self {
        Self { sidecar, raw: sidecar.connect() }
    }

    /// `None`: the connection ended first, so that nobody knows.
    fn run(&mut self, line: &str) -> Option<Frame> {
        loop {
            self.raw.send_lossy(format!("{line}\r\n").as_bytes());
            match self.raw.try_read() {
                Ok(frame) if frame.is_error("LOADING") => thread::sleep(Duration::from_millis(5)),
                Ok(frame) => return Some(frame),
                Err(_) => {
                    self.raw = self.sidecar.connect();
                    return None;
                }
            }
        }
    }
}

/// Two sidecars with one keyring before one database.
struct House {
    upstream: Upstream,
    sidecars: [Sidecar; 2],
}

impl House {
    fn new() -> Self {
        let upstream = Upstream::start();
        let one = Sidecar::start_with(&upstream, encrypt_everything);
        let keyring = one.keyring();
        let two = Sidecar::start_with(&upstream, |settings| {
            encrypt_everything(settings);
            settings.keyring = Some(keyring);
        });
        Self { upstream, sidecars: [one, two] }
    }

    /// Each client does `job`, half of them through each sidecar.
    fn crowd<T: Send>(&self, cut: bool, job: impl Fn(usize, &mut Client<'_>) -> T + Sync) -> Vec<T> {
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS)
                .map(|n| {
                    let (sidecar, job) = (&self.sidecars[n % 2], &job);
                    scope.spawn(move || job(n, &mut Client::of(sidecar)))
                })
                .collect();
            if cut {
                scope.spawn(|| {
                    let mut server = self.upstream.raw();
                    while !over.load(Ordering::Relaxed) {
                        thread::sleep(CUT_EVERY);
                        server.run("CLIENT KILL TYPE normal SKIPME yes");
                    }
                });
            }
            let done = clients.into_iter().map(|client| client.join().expect("client")).collect();
            over.store(true, Ordering::Relaxed);
            done
        })
    }

    /// A reading command, when it is quiet again.
    fn read(&self, line: &str) -> Frame {
        let mut client = Client::of(&self.sidecars[0]);
        (0..100).find_map(|_| client.run(line)).expect("an answer")
    }
}

/// Is the sum what was answered, and at most what may have happened beside it?
fn assert_sum(what: &str, sum: i64, answered: usize, unknown: usize) {
    println!("{what}: {sum}, of which {answered} were answered; {unknown} were not");
    let [answered, unknown] = [answered, unknown].map(|n| i64::try_from(n).unwrap());
    assert!((answered..=answered + unknown).contains(&sum), "{what}");
}

#[test]
fn counters_hold_through_two_sidecars_and_cut_connections() {
    for cut in [false, true] {
        let house = House::new();
        let done = house.crowd(cut, |_, client| {
            let (mut counted, mut summed) = (Vec::new(), 0);
            for _ in 0..EACH {
                counted.extend(client.run("INCR n").map(Frame::integer));
                summed += usize::from(client.run("HINCRBY h f 3").map(Frame::integer).is_some());
            }
            (counted, summed)
        });
        let all = CLIENTS * EACH;
        let mut counted: Vec<i64> = done.iter().flat_map(|(counted, _)| counted).copied().collect();
        let summed: usize = done.iter().map(|(_, summed)| summed).sum();
        let number = |frame: Frame| String::from_utf8(frame.bytes()).unwrap().parse::<i64>().unwrap();
        assert_sum("INCR", number(house.read("GET n")), counted.len(), all - counted.len());
        assert_sum("HINCRBY", number(house.read("HGET h f")) / 3, summed, all - summed);
        let answered = counted.len();
        counted.sort_unstable();
        counted.dedup();
        assert_eq!(counted.len(), answered, "no number was given twice");
        assert!(cut || answered == all, "without cuts each is answered");
        assert!(answered > all / 2, "{answered} of {all}: the cuts left too little to see");
    }
}

#[test]
fn what_is_appended_is_there_once() {
    for cut in [false, true] {
        let house = House::new();
        let done = house.crowd(cut, |n, client| {
            let words = (0..EACH).map(|step| format!("{MARKER}.{n}.{step}"));
            words.map(|word| (client.run(&format!("APPEND a {word},")).is_some(), word)).collect::<Vec<_>>()
        });
        let text = String::from_utf8(house.read("GET a").bytes()).unwrap();
        let mut found: HashMap<&str, usize> = HashMap::new();
        for word in text.split_terminator(',') {
            *found.entry(word).or_default() += 1;
        }
        for (answered, word) in done.iter().flatten() {
            let times = found.remove(word.as_str()).unwrap_or(0);
            assert!(if *answered { times == 1 } else { times <= 1 }, "{times} times, answered: {answered}");
        }
        assert!(found.is_empty(), "what nobody has sent");
        house.upstream.assert_nothing_stored_contains(MARKER);
    }
}

/// Transactions of which the parts belong together.
#[test]
fn transactions_hold_through_two_sidecars_and_cut_connections() {
    for cut in [false, true] {
        let house = House::new();
        let done = house.crowd(cut, |_, client| {
            let answered = (0..EACH).filter(|_| {
                // Not one more after the connection has ended: it would not be inside MULTI.
                let lines = ["MULTI", "INCR n", "INCR m", "EXPIRE n 1000", "HINCRBY h f 1", "INCR n"];
                if !lines.iter().all(|line| client.run(line).is_some()) {
                    return false;
                }
                let Some(Frame::Array(done)) = client.run("EXEC") else { return false };
                let numbers: Vec<i64> = done.into_iter().map(Frame::integer).collect();
                assert_eq!([numbers[0] + 1, numbers[1], numbers[3]], [numbers[4], numbers[3], numbers[1]]);
                true
            });
            answered.count()
        });
        let (all, answered) = (CLIENTS * EACH, done.iter().sum());
        let number = |frame: Frame| String::from_utf8(frame.bytes()).unwrap().parse::<i64>().unwrap();
        let (n, h) = (number(house.read("GET n")), number(house.read("HGET h f")));
        assert_sum("transactions", h, answered, all - answered);
        assert_eq!(n, 2 * h, "all of a transaction or nothing");
        assert!(cut || answered == all, "without cuts each is answered");
        assert!(answered > all / 4, "{answered} of {all}: the cuts left too little to see");
    }
}

/// Every element is in one of the two lists, once, whatever happened to the connection that moved it.
#[test]
fn elements_that_move_between_scopes_are_neither_lost_nor_doubled() {
    for cut in [false, true] {
        let house = House::new();
        let all: Vec<String> = (0..CLIENTS * EACH).map(|n| format!("{MARKER}.{n}")).collect();
        let mut client = house.sidecars[0].connect();
        client.run(&format!("RPUSH queue {}", all.join(" ")));
        let done = house.crowd(cut, |_, client| {
            let (mut moved, mut unknown) = (Vec::new(), 0);
            for step in 0.. {
                let waits = step % 2 == 0;
                match client.run(if waits { "BLMOVE queue taken LEFT RIGHT 0.2" } else { "RPOPLPUSH queue taken" }) {
                    Some(Frame::Null) => break,
                    Some(frame) => moved.push(String::from_utf8(frame.bytes()).unwrap()),
                    None => unknown += 1,
                }
            }
            (moved, unknown)
        });
        let elements = |key: &str| {
            let items = house.read(&format!("LRANGE {key} 0 -1")).items().into_iter();
            items.map(|item| String::from_utf8(item.bytes()).unwrap()).collect::<Vec<_>>()
        };
        let (left, taken) = (elements("queue"), elements("taken"));
        let answered: Vec<&String> = done.iter().flat_map(|(moved, _)| moved).collect();
        let unknown: usize = done.iter().map(|(_, unknown)| unknown).sum();
        println!("{} left, {} taken, {} answered, {unknown} not", left.len(), taken.len(), answered.len());
        let mut both = [left, taken.clone()].concat();
        both.sort_unstable();
        let mut expected = all;
        expected.sort_unstable();
        assert_eq!(both, expected, "each once");
        let taken: HashSet<&String> = taken.iter().collect();
        let told: HashSet<&String> = answered.iter().copied().collect();
        assert_eq!(told.len(), answered.len(), "no element was given twice");
        assert!(told.is_subset(&taken), "what a client has was moved");
        assert!(taken.len() <= told.len() + unknown, "what nobody was told of");
        house.upstream.assert_nothing_stored_contains(MARKER);
    }
}

/// Nothing was written yet, so nobody need know.
#[test]
fn a_connection_that_is_cut_while_a_command_reads_is_replaced() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, encrypt_everything);
    let (mut client, mut server) = (sidecar.connect(), upstream.raw());
    let started = Instant::now();
    client.send(b"BLMOVE q t LEFT RIGHT 3\r\n");
    for _ in 0..3 {
        wait_until("it waits", || waiting(&upstream) == 1);
        server.run("CLIENT KILL TYPE normal SKIPME yes");
    }
    wait_until("it waits again", || waiting(&upstream) == 1);
    sidecar.connect().run("RPUSH q x");
    assert_eq!(client.read(), Frame::bulk("x"));
    client.send(b"BLMOVE q t LEFT RIGHT 1\r\n");
    wait_until("it waits", || waiting(&upstream) == 1);
    server.run("CLIENT KILL TYPE normal SKIPME yes");
    assert!(matches!(client.read(), Frame::Null), "the time is over");
    assert!(started.elapsed() < Duration::from_secs(8), "time that was waited counts");
    // Not for ever.
    client.send(b"BLMOVE q t LEFT RIGHT 0\r\n");
    for _ in 0..4 {
        wait_until("it waits", || waiting(&upstream) == 1);
        server.run("CLIENT KILL TYPE normal SKIPME yes");
    }
    assert!(client.try_read().is_err(), "the client is cut");
    wait_until("nobody waits", || waiting(&upstream) == 0);
}

/// One worker's clients do not race each other, and who leaves in the queue holds nobody up.
#[test]
fn clients_of_one_worker_change_a_value_in_turn() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, |settings| {
        encrypt_everything(settings);
        settings.more.push_str("[server]\nworkers = 1\n");
    });
    let line = "INCR n\r\n".repeat(EACH);
    let mut clients: Vec<Raw> = (0..2 * CLIENTS).map(|_| sidecar.connect()).collect();
    for client in &mut clients {
        client.send(line.as_bytes());
    }
    // Every other one leaves with most of its commands unanswered.
    let mut number = 0;
    clients.retain(|_| {
        number += 1;
        number % 2 == 0
    });
    let mut counted: Vec<i64> =
        clients.iter_mut().flat_map(|client| (0..EACH).map(|_| client.read().integer()).collect::<Vec<_>>()).collect();
    counted.sort_unstable();
    counted.dedup();
    assert_eq!(counted.len(), CLIENTS * EACH, "no number was given twice");
    let info = String::from_utf8(clients[0].run("INFO waxseal").bytes()).unwrap();
    assert!(info.contains("emulated_retries:0\r\n"), "{info}");
}

/// How many connections wait in the database for an element.
fn waiting(upstream: &Upstream) -> usize {
    let info = String::from_utf8(upstream.raw().run("INFO clients").bytes()).unwrap();
    let line = info.lines().find_map(|line| line.strip_prefix("blocked_clients:")).expect("a number");
    line.trim().parse().unwrap()
}

#[test]
fn who_stops_waiting_between_scopes_takes_nothing() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, encrypt_everything);
    let mut other = sidecar.connect();
    for (how, answer) in [("", "*-1\r\n"), (" ERROR", "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n")] {
        let mut client = sidecar.connect();
        let id = client.run("CLIENT ID").integer();
        for command in ["BLMOVE q t LEFT RIGHT 0", "BRPOPLPUSH q t 0"] {
            client.send(format!("{command}\r\n").as_bytes());
            wait_until("it waits", || waiting(&upstream) == 1);
            assert_eq!(other.run(&format!("CLIENT UNBLOCK {id}{how}")), Frame::Integer(1), "{command}{how}");
            let (frame, bytes) = client.read_with_bytes();
            assert!(bytes == answer.as_bytes() || frame == Frame::Null && how.is_empty(), "{command}{how}: {frame:?}");
            assert_eq!(other.run(&format!("CLIENT UNBLOCK {id}{how}")), Frame::Integer(0), "it waits no more");
        }
        assert_eq!(other.run("RPUSH q x"), Frame::Integer(1), "nobody takes it");
        assert_eq!(client.run("LMOVE q t LEFT RIGHT"), Frame::bulk("x"), "and it goes on");
    }
    // More often than there are connections for those who wait.
    for _ in 0..100 {
        let mut client = sidecar.connect();
        client.send(b"BLMOVE q t LEFT RIGHT 0\r\n");
        wait_until("it waits", || waiting(&upstream) == 1);
        drop(client);
        wait_until("its connection is free", || waiting(&upstream) == 0);
    }
    assert_eq!(other.run("RPUSH q y"), Frame::Integer(1));
    assert_eq!(other.run("LRANGE q 0 -1"), Frame::Array(vec![Frame::bulk("y")]), "it stays where it is");
    assert_eq!(other.run("LPOP q"), Frame::bulk("y"));
    assert_eq!(other.run("LLEN t"), Frame::Integer(2));
}

/// An element that comes while its taker leaves is in one of the lists.
#[test]
fn an_element_outlives_who_waited_for_it() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, encrypt_everything);
    let mut producer = sidecar.connect();
    let rounds = 200;
    for round in 0..rounds {
        let mut client = sidecar.connect();
        client.send(format!("BLMOVE q:{round} t:{round} LEFT RIGHT 0\r\n").as_bytes());
        if round % 2 == 0 {
            wait_until("it waits", || waiting(&upstream) == 1);
        }
        producer.send(format!("RPUSH q:{round} {round}\r\n").as_bytes());
        thread::sleep(Duration::from_micros(round * 7));
        drop(client);
        producer.read();
    }
    wait_until("nobody waits", || waiting(&upstream) == 0);
    // Those that were on their way when the client left.
    thread::sleep(Duration::from_millis(100));
    for round in 0..rounds {
        let mut elements = |key: &str| producer.run(&format!("LRANGE {key}:{round} 0 -1")).items();
        let (left, taken) = (elements("q"), elements("t"));
        assert_eq!([left, taken].concat(), [Frame::bulk(round.to_string())]);
    }
}

#[test]
fn bits_that_many_set_are_all_there() {
    for cut in [false, true] {
        let house = House::new();
        let done = house.crowd(cut, |n, client| {
            let mut answered = Vec::new();
            for step in 0..EACH / 2 {
                let bit = n * EACH + step;
                let own = client.run(&format!("SETBIT own:{n} {bit} 1"));
                if client.run(&format!("BITOP OR all all own:{n}")).and(own).is_some() {
                    answered.push(bit);
                }
                client.run(&format!("DEL own:{n}"));
            }
            answered
        });
        let answered: Vec<usize> = done.concat();
        for bit in &answered {
            assert_eq!(house.read(&format!("GETBIT all {bit}")), Frame::Integer(1), "{bit}");
        }
        assert_sum("BITOP", house.read("BITCOUNT all").integer(), answered.len(), CLIENTS * EACH / 2 - answered.len());
    }
}

#[test]
fn members_that_are_cut_out_while_others_come_are_counted_once() {
    const ALL: usize = CLIENTS / 2 * EACH;
    let house = House::new();
    let done = house.crowd(false, |n, client| {
        let mut removed = 0;
        for step in 0..EACH {
            if n < CLIENTS / 2 {
                // Scores are equal, as ranges by member want it.
                let reply =
                    client.run(&format!("ZADD z 0 {}{MARKER}-{n}-{step}", if step % 2 == 0 { "a" } else { "b" }));
                assert_eq!(reply, Some(Frame::Integer(1)));
            } else {
                let range = if step % 2 == 0 { "[a [b" } else { "(b +" };
                removed += client.run(&format!("ZREMRANGEBYLEX z {range}")).expect("an answer").integer();
            }
        }
        removed
    });
    let removed = usize::try_from(done.iter().sum::<i64>()).unwrap();
    let left = usize::try_from(house.read("ZCARD z").integer()).unwrap();
    println!("{removed} removed, {left} left");
    assert_eq!(removed + left, ALL);
    assert!(removed > 0, "nothing was seen");
    house.upstream.assert_nothing_stored_contains(MARKER);
}
