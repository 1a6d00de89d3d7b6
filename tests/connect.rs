//! What clients send first. tests/fixtures/connect/ keeps it for each of them; here it is sent through the sidecar with
//! every key under a rule, and answered as redis-server answers it.
//!
//! Those that `make setup` installs are also asked again, so that the files stay true. `WAXSEAL_BLESS=1 cargo test --test
//! connect` writes them anew, those of Debian's Ruby and PHP clients too where they are installed.

mod support;

#[path = "connect/compare.rs"]
mod compare;
#[path = "connect/fixture.rs"]
mod fixture;
#[path = "connect/recorder.rs"]
mod recorder;

use std::path::Path;
use std::process::{Command, Stdio};

use compare::check;
use fixture::{Fixture, Sent};
use recorder::Recorder;
use redis::Commands;
use support::raw::End;
use support::sidecar::Settings;
use support::upstash::{Conduct, Upstash};
use support::upstream::PASSWORD;
use support::{Frame, MARKER, Raw, Sidecar, Tap, Upstream, wait_until};

/// A client that can be had here: what records it, and whether `make setup` installs it.
struct Taken {
    fixture: &'static str,
    client: &'static str,
    command: &'static str,
    always: bool,
}

const fn taken(fixture: &'static str, client: &'static str, command: &'static str) -> Taken {
    Taken { fixture, client, command, always: true }
}

#[rustfmt::skip]
const TAKEN: &[Taken] = &[
    taken("redis-py-resp2", "redis-py 8.1.0, RESP2", "python tests/python/connect.py --port PORT --protocol 2"),
    taken("redis-py-resp3", "redis-py 8.1.0, RESP3, with a name and database 1", "python tests/python/connect.py --port PORT --protocol 3 --db 1 --name app"),
    taken("ioredis-resp2", "ioredis 6.0.0, RESP2, with a name and database 1", "node tests/node/connect.mjs --client ioredis --port PORT --protocol 2 --db 1 --name app"),
    taken("ioredis-resp3", "ioredis 6.0.0, RESP3", "node tests/node/connect.mjs --client ioredis --port PORT --protocol 3"),
    taken("node-redis-resp2", "node-redis 6.3.1, RESP2", "node tests/node/connect.mjs --client node-redis --port PORT --protocol 2"),
    taken("node-redis-resp3", "node-redis 6.3.1, RESP3, with a name and database 1", "node tests/node/connect.mjs --client node-redis --port PORT --protocol 3 --db 1 --name app"),
    taken("redis-crate-resp2", "the redis crate, RESP2", "redis-crate PORT ?"),
    taken("redis-crate-resp3", "the redis crate, RESP3, database 1", "redis-crate PORT 1?protocol=resp3"),
    Taken { fixture: "redis-rb", client: "redis-rb 4.8.0, with a name and database 1", command: "ruby tests/ruby/connect.rb PORT", always: false },
    Taken { fixture: "redis-cli", client: "redis-cli 7.0.15, RESP3, database 1", command: "redis-cli -3 -p PORT -n 1 get connect:none", always: false },
    Taken { fixture: "phpredis", client: "phpredis 5.3.7, with database 1", command: "php tests/php/connect.php phpredis PORT", always: false },
    Taken { fixture: "predis", client: "Predis 1.1.10, with database 1", command: "php tests/php/connect.php predis PORT", always: false },
];

/// Runs a client against a bare server and gives what it sent.
fn record(upstream: &Upstream, taken: &Taken) -> Fixture {
    assert_eq!(upstream.raw().run("FLUSHALL"), Frame::ok());
    let recorder = Recorder::before(upstream.plain_port);
    let port = recorder.port;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let command = taken.command.replace("PORT", &recorder.port.to_string());
    let (program, args) = command.split_once(' ').expect("a program and its arguments");
    if program == "redis-crate" {
        redis_crate(args);
        let how = "Recorded by tests/connect.rs, with the version in Cargo.lock".into();
        return Fixture { head: vec![taken.client.into(), how], connections: recorder.connections() };
    }
    let own = root.join(".venv/bin").join(program.replace("python", "python3"));
    let program = if own.exists() { own } else { program.into() };
    let output = Command::new(&program)
        .current_dir(root)
        .args(args.split(' '))
        .env("REDIS_PASSWORD", PASSWORD)
        .env("REDISCLI_AUTH", PASSWORD)
        .env("REDIS_URL", format!("redis://:{PASSWORD}@127.0.0.1:{port}/0"))
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}. Run `make setup` once.", program.display()));
    assert!(output.status.success(), "{}\n{}", taken.command, String::from_utf8_lossy(&output.stderr));
    let how = format!("Recorded by tests/connect.rs: {}", taken.command);
    Fixture { head: vec![taken.client.into(), how], connections: recorder.connections() }
}

/// `args`: the port, and the rest of the address.
fn redis_crate(args: &str) {
    let (port, more) = args.split_once(' ').expect("two arguments");
    let url = format!("redis://:{PASSWORD}@127.0.0.1:{port}/{more}");
    let mut client = redis::Client::open(url).expect("client").get_connection().expect("connection");
    let () = client.set("connect:key", MARKER).expect("SET");
    assert_eq!(client.get::<_, String>("connect:key").expect("GET"), MARKER);
    assert_eq!(client.get::<_, Option<String>>("connect:none").expect("GET"), None);
}

#[test]
fn the_fixtures_are_what_the_clients_send() {
    let bless = std::env::var_os("WAXSEAL_BLESS").is_some();
    let upstream = Upstream::start();
    for taken in TAKEN.iter().filter(|taken| taken.always || bless) {
        let found = record(&upstream, taken);
        if bless {
            found.save(taken.fixture);
        }
        assert_eq!(found, Fixture::load(taken.fixture), "left: what {} sends; right: the file", taken.client);
    }
}

/// How the commands of one connection are sent.
#[derive(Clone, Copy, Debug)]
enum Pace {
    /// Each after the reply to the one before, as clients do that wait for their greeting.
    OneByOne,
    /// All of them in one piece.
    AtOnce,
}

/// Sends what a client sends and gives the replies to each command.
fn replay(mut raw: Raw, sent: &[Sent], pace: Pace) -> Vec<Vec<Frame>> {
    if matches!(pace, Pace::AtOnce) {
        raw.send(&sent.iter().flat_map(Sent::bytes).collect::<Vec<u8>>());
    }
    let mut replies = Vec::new();
    for sent in sent {
        if matches!(pace, Pace::OneByOne) {
            raw.send(&sent.bytes());
        }
        let some = (0..sent.replies()).map(|_| raw.try_read()).collect::<Result<Vec<_>, End>>();
        replies.push(some.unwrap_or_else(|end| panic!("{}: the connection is {end:?}", sent.shown())));
    }
    let last = raw.command(&[b"PING", b"mark"]);
    let marks = [Frame::bulk("mark"), Frame::Array(vec![Frame::bulk("pong"), Frame::bulk("mark")])];
    assert!(marks.contains(&last), "after the last reply came {last:?}");
    replies
}

/// The same without a password, for an application whose address has none. The server is logged in anyway.
fn without_login(sent: &[Sent]) -> Vec<Sent> {
    let mut sent = sent.to_vec();
    sent.retain(|sent| !sent.command[0].eq_ignore_ascii_case(b"auth"));
    for sent in &mut sent {
        if let Some(at) = sent.command.iter().position(|word| word.eq_ignore_ascii_case(b"auth")) {
            sent.command.drain(at..at + 3);
        }
    }
    sent
}

#[test]
fn every_client_connects_with_every_key_encrypted() {
    let upstream = Upstream::start();
    for lanes in ["shared", "dedicated"] {
        let sidecar = Sidecar::start_with(&upstream, |settings| {
            encrypt_all(settings);
            settings.lanes = Some(lanes);
        });
        know_the_server(&upstream, || sidecar.connect());
        connect_all(&upstream, &sidecar, &EITHER_WAY, false);
    }
}

#[test]
fn every_client_connects_where_a_login_is_required() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, |settings| {
        encrypt_all(settings);
        settings.listen = "auth = \"required\"\n".into();
    });
    know_the_server(&upstream, || {
        let mut raw = sidecar.connect();
        assert!(raw.run("GET a").is_error("NOAUTH"));
        assert_eq!(raw.command(&[b"AUTH", PASSWORD.as_bytes()]), Frame::ok());
        raw
    });
    connect_all(&upstream, &sidecar, &EITHER_WAY[..2], false);
}

#[test]
fn every_client_connects_to_newer_servers() {
    for server in ["redis-server-8.2", "valkey-server-9.1"] {
        let upstream = Upstream::start_other(server);
        let sidecar = Sidecar::start_with(&upstream, encrypt_all);
        know_the_server(&upstream, || sidecar.connect());
        connect_all(&upstream, &sidecar, &EITHER_WAY, false);
    }
}

#[test]
fn every_client_connects_to_upstash() {
    let upstream = Upstream::start();
    let upstash = Upstash::before(&upstream, Conduct::default());
    let sidecar = Sidecar::start_with(&upstream, |settings| {
        encrypt_all(settings);
        settings.url = upstash.url();
    });
    know_the_server(&upstream, || sidecar.connect());
    connect_all(&upstream, &sidecar, &EITHER_WAY, true);
    assert!(upstash.refused().is_empty(), "{:?}", upstash.refused());
}

fn encrypt_all(settings: &mut Settings) {
    settings.rules = vec![("all", vec!["*"])];
    settings.trust_scripts = false;
}

/// Until a worker has its first connection it cannot tell clients the server's version.
fn know_the_server(upstream: &Upstream, connect: impl Fn() -> Raw) {
    let version = upstream.raw().run("HELLO").items().swap_remove(3);
    wait_until("every worker knows the server", || {
        let mut crowd: Vec<Raw> = (0..8).map(|_| connect()).collect();
        crowd.iter_mut().all(|raw| raw.run("GET a") == Frame::Null && raw.run("HELLO").items().contains(&version))
    });
}

/// With a login or without.
const EITHER_WAY: [(Pace, bool); 3] = [(Pace::OneByOne, true), (Pace::AtOnce, true), (Pace::AtOnce, false)];

fn connect_all(upstream: &Upstream, sidecar: &Sidecar, ways: &[(Pace, bool)], upstash: bool) {
    let tap = Tap::on(upstream);
    let names = fixture::names();
    assert!(names.len() >= 18, "fixtures are missing: {names:?}");
    for name in names {
        for &(pace, login) in ways {
            let sent = Fixture::load(&name).connections;
            let sent = if login { sent } else { sent.iter().map(|sent| without_login(sent)).collect() };
            reset(upstream);
            let direct: Vec<_> = sent.iter().map(|sent| replay(upstream.raw(), sent, Pace::OneByOne)).collect();
            reset(upstream);
            // The tap saw what the client says when nobody encrypts.
            tap.clear();
            for (number, (sent, direct)) in sent.iter().zip(direct).enumerate() {
                let place = format!("{name}, connection {number}, {pace:?}, login {login}:");
                let through = replay(sidecar.connect(), sent, pace);
                for ((sent, direct), through) in sent.iter().zip(direct).zip(through) {
                    check(sent, direct, through, upstash, &place);
                }
            }
            tap.assert_never_contains(MARKER);
            upstream.assert_nothing_stored_contains(MARKER);
        }
    }
    assert!(!sidecar.stderr().contains(MARKER), "a value in the log");
}

fn reset(upstream: &Upstream) {
    let mut raw = upstream.raw();
    assert_eq!(raw.run("FLUSHALL"), Frame::ok());
    assert_eq!(raw.command(&[b"CONFIG", b"SET", b"notify-keyspace-events", b""]), Frame::ok());
}
