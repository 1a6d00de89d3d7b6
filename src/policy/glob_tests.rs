use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::Glob;

fn matches(pattern: &str, key: &str) -> bool {
    Glob::new(pattern.as_bytes()).matches(key.as_bytes())
}

#[test]
fn plain_runs_and_single_bytes() {
    assert!(matches("session:*", "session:1"));
    assert!(matches("session:*", "session:"));
    assert!(!matches("session:*", "session"));
    assert!(matches("user:*:profile", "user:a:b:profile"));
    assert!(!matches("user:*:profile", "user:profile"));
    assert!(matches("h?llo", "hello"));
    assert!(!matches("h?llo", "hllo"));
    assert!(!matches("abc", "abcd"));
    assert!(!matches("abcd", "abc"));
    assert!(matches("", ""));
    assert!(!matches("", "a"));
}

#[test]
fn everything_means_the_empty_key_too() {
    assert!(matches("*", ""));
    assert!(matches("***", ""));
    assert!(Glob::new(b"**").matches_everything());
    assert!(!Glob::new(b"*a").matches_everything());
}

#[test]
fn classes_and_their_corners() {
    assert!(matches("[a-c]x", "bx"));
    assert!(matches("[c-a]x", "bx"), "a reversed range is turned round");
    assert!(!matches("[^a-c]x", "bx"));
    assert!(matches("[ab", "a"), "never closed: runs to the end");
    assert!(!matches("[", "["));
    assert!(matches("[^", "q"));
    assert!(!matches("[]", "]"), "closes at once: takes nothing");
    assert!(matches("[^]", "]"));
    assert!(matches("[\\]]", "]"));
    assert!(matches("[a-]", "_"), "the range ends at the bracket");
    assert!(matches("[\\a-z]", "-"), "no range after an escape");
    assert!(matches("a\\", "a\\"));
    assert!(matches("a\\*", "a*"));
    assert!(!matches("a\\*", "ab"));
}

#[test]
fn literal_ends_are_what_every_match_has() {
    let glob = Glob::new(b"user:*:pro\\*file");
    assert_eq!(glob.literal_prefix(), b"user:");
    assert_eq!(glob.literal_suffix(), b":pro*file");
    assert_eq!(Glob::new(b"exact").literal_prefix(), b"exact");
    assert_eq!(Glob::new(b"exact").literal_suffix(), b"");
}

#[test]
fn many_stars_take_no_exponential_time() {
    let pattern = "a*".repeat(200) + "b";
    let key = "a".repeat(20_000);
    let start = Instant::now();
    assert!(!matches(&pattern, &key));
    assert!(start.elapsed() < Duration::from_secs(2));
}

fn pattern() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(b"abc*?[]^-\\:".to_vec()), 1..12)
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(b"abc*[]^-\\:".to_vec()), 1..8)
}

proptest! {
    #[test]
    fn the_example_of_a_pattern_matches_it(pattern in pattern()) {
        let glob = Glob::new(&pattern);
        if let Some(example) = glob.example() {
            prop_assert!(glob.matches(&example));
        }
    }

    #[test]
    fn a_match_has_the_literal_ends(pattern in pattern(), key in key()) {
        let glob = Glob::new(&pattern);
        if glob.matches(&key) {
            prop_assert!(key.starts_with(glob.literal_prefix()));
            prop_assert!(key.ends_with(glob.literal_suffix()));
        }
    }
}

/// The oracle: every pattern is also asked of a real server, over the same keys.
#[test]
fn agrees_with_a_real_server() {
    let Some(mut server) = Server::start() else {
        eprintln!("SKIPPED: redis-server is not on PATH, so patterns were not compared with it");
        return;
    };
    let mut runner = TestRunner::new(Config::with_cases(40));
    runner
        .run(&(prop::collection::vec(key(), 1..60), prop::collection::vec(pattern(), 50)), |(keys, patterns)| {
            let mut server = server.connect();
            server.command(&[b"FLUSHALL"]);
            for key in &keys {
                server.command(&[b"SET", key, b"1"]);
            }
            for pattern in &patterns {
                let mut theirs = server.command(&[b"KEYS", pattern]);
                let glob = Glob::new(pattern);
                let mut ours: Vec<_> = keys.iter().filter(|key| glob.matches(key)).cloned().collect();
                ours.sort();
                ours.dedup();
                theirs.sort();
                prop_assert_eq!(ours, theirs, "pattern {:?}", pattern);
            }
            Ok(())
        })
        .unwrap();
    server.stop();
}

struct Server {
    child: Child,
    port: u16,
}

struct Connection(BufReader<TcpStream>);

impl Server {
    fn start() -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        Some(Self { child, port })
    }

    fn connect(&self) -> Connection {
        for _ in 0..200 {
            if let Ok(stream) = TcpStream::connect(("127.0.0.1", self.port)) {
                return Connection(BufReader::new(stream));
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        panic!("the server did not come up");
    }

    fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Connection {
    /// Sends a command; the elements of an array reply, or nothing for a status.
    fn command(&mut self, args: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut out = format!("*{}\r\n", args.len()).into_bytes();
        for arg in args {
            out.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
            out.extend_from_slice(arg);
            out.extend_from_slice(b"\r\n");
        }
        self.0.get_mut().write_all(&out).unwrap();
        let header = self.line();
        match header.split_at(1) {
            ("+", _) => Vec::new(),
            ("*", count) => (0..count.parse::<usize>().unwrap())
                .map(|_| {
                    let length: usize = self.line()[1..].parse().unwrap();
                    let mut bulk = vec![0; length + 2];
                    self.0.read_exact(&mut bulk).unwrap();
                    bulk.truncate(length);
                    bulk
                })
                .collect(),
            _ => panic!("unexpected reply"),
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

/// What may follow is not known; what has come must fit.
#[test]
fn the_beginning_of_a_key_may_match() {
    for (pattern, start, may) in [
        ("*", "bull:q:", true),
        ("bull:*", "bull:q:", true),
        ("bull:*", "bull", true),
        ("bull:q:order-*", "bull:q:", true),
        ("bull:r:*", "bull:q:", false),
        ("session:*", "bull:q:", false),
        ("*:profile", "bull:q:", true),
        ("b?ll:[pq]:x", "bull:q:", true),
        ("b?ll:[^q]:x", "bull:q:", false),
        ("bull:q", "bull:q:", false),
        ("bull:q:", "bull:q:", true),
        ("**a", "a", true),
    ] {
        assert_eq!(Glob::new(pattern.as_bytes()).may_begin_with(start.as_bytes()), may, "{pattern} {start}");
    }
}
