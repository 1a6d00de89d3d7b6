//! Many clients at once, each checking that every reply is its own and in its place; with and without upstream
//! connections being cut under them. WAXSEAL_SOAK_SECONDS sets how long (`make soak`).

mod support;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use support::raw::{End, encode};
use support::{Frame, MARKER, Raw, Sidecar, Upstream};

const CLIENTS: usize = 200;
const IDLE_BLOCKED: usize = 50;
const DEFAULT_SECONDS: u64 = 30;
/// How often an upstream connection is cut.
const CUT_EVERY: Duration = Duration::from_millis(100);
const KEYS: usize = 8;
const LONGEST_PIPELINE: usize = 200;
const LONGEST_VALUE: usize = 4000;

fn soak_time() -> Duration {
    let seconds = std::env::var("WAXSEAL_SOAK_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(DEFAULT_SECONDS))
}

#[test]
fn two_hundred_clients() {
    run(false);
}

#[test]
fn two_hundred_clients_while_upstream_connections_are_cut() {
    run(true);
}

fn run(cuts: bool) {
    let upstream = Upstream::start();
    let mut sidecar = Sidecar::start(&upstream);
    let mut idle: Vec<Raw> = (0..IDLE_BLOCKED).map(|_| sidecar.connect()).collect();
    for client in &mut idle {
        client.send(b"BLPOP open:never 0\r\n");
    }
    let over = AtomicBool::new(false);
    let (rounds, lost) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (over, rounds, lost, port) = (&over, &rounds, &lost, sidecar.port);
                scope.spawn(move || {
                    let mut client = Client::new(number, port, cuts);
                    while !over.load(Ordering::Relaxed) {
                        match client.round() {
                            Ok(()) => rounds.fetch_add(1, Ordering::Relaxed),
                            Err(_) => lost.fetch_add(1, Ordering::Relaxed),
                        };
                    }
                })
            })
            .collect();
        let end = Instant::now() + soak_time();
        let mut turn = 0;
        while Instant::now() < end && !workers.iter().any(std::thread::ScopedJoinHandle::is_finished) {
            std::thread::sleep(CUT_EVERY);
            if cuts {
                cut_one(&upstream, turn);
                turn += 1;
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    let (rounds, lost) = (rounds.into_inner(), lost.into_inner());
    println!("{rounds} rounds, {lost} of them ended by a lost connection");
    assert!(sidecar.is_running());
    assert!(rounds > CLIENTS, "only {rounds} rounds: somebody was starved");
    assert!(cuts || lost == 0, "{lost} connections were lost although nothing was cut");
    for client in &mut idle {
        let (bytes, closed) = client.some(Duration::from_millis(1));
        // Cut while its lane was still being dialled, it was never sent.
        let unsent = cuts && bytes.starts_with(b"-LOADING");
        assert!(bytes.is_empty() || unsent, "an idle BLPOP was answered: {}", String::from_utf8_lossy(&bytes));
        assert!(cuts || !closed, "an idle BLPOP was cut");
    }
    upstream.assert_nothing_stored_contains(MARKER);
    assert!(!sidecar.stderr().contains(MARKER), "a value in the log");
}

/// Kills one of the connections that came in through TLS: in turn any of them, and one that carries everybody's
/// pipelines. There are few of those among many that block, or wait for their next transaction.
fn cut_one(upstream: &Upstream, turn: usize) {
    const PINNED: [&str; 7] = ["blpop", "subscribe", "unsubscribe", "multi", "watch", "exec", "ping"];
    let mut raw = upstream.raw();
    let list = String::from_utf8_lossy(&raw.run("CLIENT LIST").bytes()).into_owned();
    let mark = format!("laddr=127.0.0.1:{} ", upstream.tls_port);
    let pinned = |line: &str| PINNED.iter().any(|name| line.contains(&format!(" cmd={name} ")));
    let ids: Vec<&str> = list
        .lines()
        .filter(|line| line.contains(&mark) && (turn.is_multiple_of(2) || !pinned(line)))
        .filter_map(|line| line.strip_prefix("id=")?.split(' ').next())
        .collect();
    if !ids.is_empty() {
        raw.run(&format!("CLIENT KILL ID {}", ids[turn * 7919 % ids.len()]));
    }
}

enum Operation {
    Set(usize, Vec<u8>),
    Get(usize),
    GetBoth(usize, usize),
    HashSet(usize, Vec<u8>),
    HashGet(usize),
    Delete(usize),
    Increment,
    Echo(Vec<u8>),
    Refused(usize),
    PushAndPop(Vec<u8>),
}

/// One client and what it knows to be stored. Keys are its own, so that the expected reply is always known.
struct Client {
    number: usize,
    port: u16,
    cuts: bool,
    random: u64,
    made: usize,
    connection: Option<Raw>,
    strings: HashMap<usize, Vec<u8>>,
    fields: HashMap<usize, Vec<u8>>,
    counter: i64,
    /// Something may be left in the queue.
    leftover: bool,
}

impl Client {
    fn new(number: usize, port: u16, cuts: bool) -> Self {
        let random = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let (strings, fields) = (HashMap::new(), HashMap::new());
        Self { number, port, cuts, random, made: 0, connection: None, strings, fields, counter: 0, leftover: false }
    }

    /// One scenario; Err when the connection was lost, after which the outcome of what was under way is unknown.
    fn round(&mut self) -> Result<(), End> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.fresh()?,
        };
        let outcome = match self.below(10) {
            0 => self.transaction(&mut connection),
            1 => self.publish_subscribe(&mut connection),
            2 => self.block(&mut connection),
            3 => self.pipeline(&mut connection, true),
            _ => self.pipeline(&mut connection, false),
        };
        match outcome {
            Ok(()) => self.connection = Some(connection),
            Err(End::Silent) => panic!("client {}: no reply, and the connection stays open", self.number),
            Err(End::Closed) => assert!(self.cuts, "client {}: the connection was closed", self.number),
        }
        outcome
    }

    /// A new connection with nothing stored under this client's keys.
    fn fresh(&mut self) -> Result<Raw, End> {
        let mut connection = Raw::tcp(self.port);
        let mut clean: Vec<Vec<u8>> = (0..KEYS).map(|key| self.string_key(key)).collect();
        clean.extend([self.hash_key(), self.counter_key(), self.queue_key()]);
        let mut args: Vec<&[u8]> = vec![b"DEL"];
        args.extend(clean.iter().map(Vec::as_slice));
        loop {
            connection.send_lossy(&encode(&args));
            match connection.try_read()? {
                Frame::Integer(_) => break,
                reply => assert!(self.cuts && reply.is_error("LOADING"), "client {}: DEL gave {reply:?}", self.number),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.strings.clear();
        self.fields.clear();
        self.counter = 0;
        self.leftover = false;
        Ok(connection)
    }

    fn pipeline(&mut self, connection: &mut Raw, slow: bool) -> Result<(), End> {
        let operations: Vec<Operation> =
            (0..1 + self.below(LONGEST_PIPELINE)).map(|_| self.random_operation()).collect();
        let bytes: Vec<u8> = operations.iter().flat_map(|operation| self.request(operation)).collect();
        connection.send_lossy(&bytes);
        if slow {
            std::thread::sleep(Duration::from_millis(50));
        }
        for operation in operations {
            let mut reply = connection.try_read()?;
            if matches!(operation, Operation::PushAndPop(_)) && matches!(reply, Frame::Integer(_)) {
                reply = connection.try_read()?;
            } else if matches!(operation, Operation::PushAndPop(_)) {
                // The push was not sent; then the pop finds nothing, or is not sent either.
                assert!(self.cuts && reply.is_error("LOADING"), "client {}: RPUSH gave {reply:?}", self.number);
                connection.try_read()?;
                continue;
            }
            self.check(operation, reply);
        }
        // Only now: what was sent before would outlive this connection and meet the next one's commands.
        if self.leftover { Err(End::Closed) } else { Ok(()) }
    }

    fn random_operation(&mut self) -> Operation {
        let key = self.below(KEYS);
        match self.below(16) {
            0..=3 => Operation::Set(key, self.value(key)),
            4..=6 => Operation::Get(key),
            7 => Operation::GetBoth(key, self.below(KEYS)),
            8 | 9 => Operation::HashSet(key, self.value(key)),
            10 | 11 => Operation::HashGet(key),
            12 => Operation::Delete(key),
            13 => Operation::Increment,
            14 => match self.below(3) {
                0 => Operation::Echo(self.value(key)),
                1 => Operation::Refused(key),
                _ => Operation::PushAndPop(self.value(key)),
            },
            _ => Operation::Get(key),
        }
    }

    fn request(&self, operation: &Operation) -> Vec<u8> {
        let key = |key: &usize| self.string_key(*key);
        let field = |field: &usize| format!("field {field}").into_bytes();
        match operation {
            Operation::Set(at, value) => encode(&[b"SET", &key(at), value]),
            Operation::Get(at) => encode(&[b"GET", &key(at)]),
            Operation::GetBoth(a, b) => encode(&[b"MGET", &key(a), &key(b)]),
            Operation::HashSet(at, value) => encode(&[b"HSET", &self.hash_key(), &field(at), value]),
            Operation::HashGet(at) => encode(&[b"HGET", &self.hash_key(), &field(at)]),
            Operation::Delete(at) => encode(&[b"DEL", &key(at)]),
            Operation::Increment => encode(&[b"INCR", &self.counter_key()]),
            Operation::Echo(value) => encode(&[b"ECHO", value]),
            Operation::Refused(at) => encode(&[b"APPEND", &key(at), b"more"]),
            Operation::PushAndPop(value) => [
                encode(&[b"RPUSH", &self.queue_key(), &open_value(value)]),
                encode(&[b"BLPOP", &self.queue_key(), b"1"]),
            ]
            .concat(),
        }
    }

    /// Compares with what must be, and keeps the account of what is stored.
    fn check(&mut self, operation: Operation, reply: Frame) {
        if self.cuts && reply.is_error("LOADING") && !matches!(operation, Operation::PushAndPop(_)) {
            return; // proven unsent: nothing has changed
        }
        let bulk = |value: Option<&Vec<u8>>| value.map_or(Frame::Null, |value| Frame::Bulk(value.clone()));
        let expected = match operation {
            Operation::Set(key, value) => {
                self.strings.insert(key, value);
                Frame::ok()
            }
            Operation::Get(key) => bulk(self.strings.get(&key)),
            Operation::GetBoth(a, b) => Frame::Array(vec![bulk(self.strings.get(&a)), bulk(self.strings.get(&b))]),
            Operation::HashSet(field, value) => Frame::Integer(i64::from(self.fields.insert(field, value).is_none())),
            Operation::HashGet(field) => bulk(self.fields.get(&field)),
            Operation::Delete(key) => Frame::Integer(i64::from(self.strings.remove(&key).is_some())),
            Operation::Increment => {
                self.counter += 1;
                Frame::Integer(self.counter)
            }
            Operation::Echo(value) => Frame::Bulk(value),
            Operation::Refused(_) => {
                assert!(reply.is_error("WAXSEAL COMMAND_REFUSED"), "client {}: {reply:?}", self.number);
                return;
            }
            Operation::PushAndPop(value) => {
                self.leftover |= self.cuts && reply.is_error("LOADING"); // pushed and not popped
                if self.leftover {
                    return;
                }
                Frame::Array(vec![Frame::Bulk(self.queue_key()), Frame::Bulk(open_value(&value))])
            }
        };
        assert!(reply == expected, "client {}: got {}, wanted {}", self.number, shorten(&reply), shorten(&expected));
    }

    fn transaction(&mut self, connection: &mut Raw) -> Result<(), End> {
        let key = self.below(KEYS);
        let (value, name) = (self.value(key), self.string_key(key));
        let watch = self.below(2) == 0;
        let mut bytes = Vec::new();
        if watch {
            bytes.extend(encode(&[b"WATCH", &name]));
        }
        bytes.extend(encode(&[b"MULTI"]));
        bytes.extend(encode(&[b"SET", &name, &value]));
        bytes.extend(encode(&[b"GET", &name]));
        bytes.extend(encode(&[b"EXEC"]));
        connection.send_lossy(&bytes);
        let mut expected = if watch { vec![Frame::ok()] } else { Vec::new() };
        let queued = || Frame::Simple("QUEUED".into());
        expected.extend([Frame::ok(), queued(), queued(), Frame::Array(vec![Frame::ok(), Frame::bulk(&value)])]);
        let mut failed = false;
        for wanted in expected {
            let reply = connection.try_read()?;
            failed |= self.cuts && matches!(reply, Frame::Error(_));
            assert!(failed || reply == wanted, "client {}: transaction: {}", self.number, shorten(&reply));
        }
        if failed {
            return Err(End::Closed); // the connection's mode is in doubt: begin anew
        }
        self.strings.insert(key, value);
        Ok(())
    }

    fn publish_subscribe(&mut self, connection: &mut Raw) -> Result<(), End> {
        let channel = format!("session:channel:{}", self.number).into_bytes();
        let mut listener = Raw::tcp(self.port);
        listener.send_lossy(&encode(&[b"SUBSCRIBE", &channel]));
        if let Frame::Error(text) = listener.try_read()? {
            assert!(self.cuts, "client {}: SUBSCRIBE: {text}", self.number);
            return Ok(());
        }
        let values: Vec<Vec<u8>> = (0..5).map(|_| self.value(0)).collect();
        for value in &values {
            connection.send_lossy(&encode(&[b"PUBLISH", &channel, value]));
        }
        for value in values {
            let heard_by = connection.try_read()?;
            if self.cuts && heard_by != Frame::Integer(1) {
                return Err(End::Closed); // either side was cut: begin anew
            }
            assert_eq!(heard_by, Frame::Integer(1), "client {}", self.number);
            let message = listener.try_read()?;
            let expected = Frame::Array(vec![Frame::bulk("message"), Frame::bulk(&channel), Frame::Bulk(value)]);
            assert!(message == expected, "client {}: heard {}", self.number, shorten(&message));
        }
        // Gone from the channel before the next listener comes, whose messages would count both otherwise.
        listener.send_lossy(&encode(&[b"UNSUBSCRIBE", &channel]));
        let left = Frame::Array(vec![Frame::bulk("unsubscribe"), Frame::bulk(&channel), Frame::Integer(0)]);
        assert_eq!(listener.try_read()?, left, "client {}", self.number);
        Ok(())
    }

    fn block(&mut self, connection: &mut Raw) -> Result<(), End> {
        connection.send_lossy(&[encode(&[b"BLPOP", &self.queue_key(), b"0.05"]), encode(&[b"PING"])].concat());
        let popped = connection.try_read()?;
        let unsent = self.cuts && popped.is_error("LOADING");
        assert!(unsent || popped == Frame::Null, "client {}: popped {}", self.number, shorten(&popped));
        assert_eq!(connection.try_read()?, Frame::Simple("PONG".into()), "client {}", self.number);
        Ok(())
    }

    /// Names its client, its key and the order of making, so that a stray reply tells whose it was.
    fn value(&mut self, key: usize) -> Vec<u8> {
        self.made += 1;
        let mut value = format!("{MARKER} client {} key {key} number {} ", self.number, self.made).into_bytes();
        let length = if self.below(4) == 0 { self.below(LONGEST_VALUE) } else { self.below(100) };
        value.extend((0..length).map(|at| u8::try_from(at % 256).expect("below 256")));
        value
    }

    fn string_key(&self, key: usize) -> Vec<u8> {
        format!("session:{}:{key}", self.number).into_bytes()
    }

    fn hash_key(&self) -> Vec<u8> {
        format!("user:{}", self.number).into_bytes()
    }

    fn counter_key(&self) -> Vec<u8> {
        format!("open:counter:{}", self.number).into_bytes()
    }

    fn queue_key(&self) -> Vec<u8> {
        format!("open:queue:{}", self.number).into_bytes()
    }

    /// xorshift: the same sequence for the same client in every run.
    fn below(&mut self, bound: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        usize::try_from(self.random % bound as u64).expect("below a usize")
    }
}

/// What goes under a key of no rule must not carry the marker.
fn open_value(value: &[u8]) -> Vec<u8> {
    value[MARKER.len()..].to_vec()
}

fn shorten(frame: &Frame) -> String {
    let text = match frame {
        Frame::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        other => format!("{other:?}"),
    };
    text.chars().take(160).collect()
}

/// A client that asks for 100 MB and does not read delays nobody, and is cut at its bound.
#[test]
fn a_client_that_stops_reading_is_cut_and_delays_nobody() {
    const LARGE: usize = 100 << 20;
    const STALL: Duration = Duration::from_secs(3);
    const SLOWEST: Duration = Duration::from_secs(1);
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, |settings| {
        settings.more = format!("[limits]\noutput_stall = \"{}s\"\n", STALL.as_secs());
    });
    let mut others: Vec<Raw> = (0..8).map(|_| sidecar.connect()).collect();
    upstream.raw().command(&[b"SET", b"open:large", &vec![b'x'; LARGE]]);
    others[0].command(&[b"SET", b"session:small", b"small"]);
    let mut stalled = sidecar.connect();
    stalled.send(b"GET open:large\r\n");
    let begin = Instant::now();
    let mut slowest = Duration::ZERO;
    while begin.elapsed() < STALL + Duration::from_secs(3) {
        for client in &mut others {
            let asked = Instant::now();
            assert_eq!(client.run("GET session:small"), Frame::bulk("small"));
            slowest = slowest.max(asked.elapsed());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    println!("slowest answer beside the stalled client: {slowest:?}");
    assert!(slowest < SLOWEST, "others waited up to {slowest:?}");
    let (received, closed) = stalled.drain(Duration::from_secs(5));
    assert!(closed, "the client that did not read is still connected");
    assert!(received.len() < LARGE, "the client that did not read was sent everything");
}
