//! Many writers of the same encrypted values, through two sidecars at once, while the connections to the database are
//! cut: what was answered has happened once, what was not answered has happened once or not at all.

mod support;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use support::{Frame, MARKER, Raw, Sidecar, Upstream, encrypt_everything};

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
                let lines = ["MULTI", "INCR n", "EXPIRE n 1000", "HINCRBY h f 1", "INCR n"];
                lines.iter().all(|line| client.run(line).is_some())
                    && matches!(client.run("EXEC"), Some(Frame::Array(_)))
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
