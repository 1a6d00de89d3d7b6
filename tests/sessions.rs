//! What a client's own state does to its commands: transactions, subscriptions, muted replies, protocol and database,
//! in one pipeline and one command at a time. Byte for byte what redis-server answers to the same.

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use support::raw::encode;
use support::{Frame, PATIENCE, Raw, Sidecar, Upstream, contains, secret};

/// Between two commands that are not to arrive in one read.
const APART: Duration = Duration::from_millis(25);
/// Ends each sequence, where it is answered at all: whoever has it back has everything.
const LAST: &str = "PING end-of-this-sequence";
/// Where it is not, nothing more comes after this much silence.
const QUIET: Duration = Duration::from_millis(400);

/// How a sequence reaches the peer: what may be sent as one block is decided by what has arrived.
#[derive(Clone, Copy, Debug)]
enum Pace {
    AtOnce,
    OneByOne,
}

struct Pair {
    upstream: Upstream,
    sidecar: Sidecar,
    differences: Vec<String>,
}

impl Pair {
    fn new() -> Self {
        let upstream = Upstream::start();
        let sidecar = Sidecar::start(&upstream);
        // Clients of the sidecar need no password, so the server is to ask for none either: RESET shows it.
        assert_eq!(upstream.raw().run("ACL SETUSER default nopass"), Frame::ok());
        // HELLO tells the server's version once the client's worker has met the server.
        let mut clients: Vec<Raw> = (0..8).map(|_| sidecar.connect()).collect();
        clients.iter_mut().for_each(|client| assert_eq!(client.run("GET a"), Frame::Null));
        Self { upstream, sidecar, differences: Vec::new() }
    }

    fn direct(&self) -> Raw {
        Raw::tcp(self.upstream.plain_port)
    }

    /// Sends the lines both ways, on a fresh connection and fresh data each; all that comes back and the connection's
    /// end must be equal. A line that begins with `*` goes as it is.
    fn same(&mut self, lines: &[&str]) {
        let requests: Vec<Vec<u8>> = lines.iter().chain(&[LAST]).map(|line| request(line)).collect();
        for pace in [Pace::AtOnce, Pace::OneByOne] {
            // A client that waits is told QUEUED before the server has seen the command: tests/transactions.rs.
            if lines.iter().any(|line| line.starts_with("NOSUCHCOMMAND")) && matches!(pace, Pace::OneByOne) {
                continue;
            }
            // What BCAST tells goes out when the server has read all that was there.
            if lines.iter().any(|line| line.contains("ON BCAST")) && matches!(pace, Pace::AtOnce) {
                continue;
            }
            self.prepare();
            let direct = answer(self.direct(), &requests, pace);
            self.prepare();
            let through = answer(self.sidecar.connect(), &requests, pace);
            if direct != through {
                let difference = format!("{pace:?} {lines:?}\n     waxseal {through:?}\n     redis   {direct:?}");
                self.differences.push(difference);
            }
        }
    }

    /// The same data before each run.
    fn prepare(&self) {
        let mut raw = self.direct();
        assert_eq!(raw.run("FLUSHALL"), Frame::ok());
        assert_eq!(raw.run("SET a value-of-a"), Frame::ok());
        assert_eq!(raw.run("SET x message"), Frame::ok());
    }

    fn finish(self) {
        assert!(self.differences.is_empty(), "different (bytes, closed):\n{}", self.differences.join("\n"));
    }
}

fn request(line: &str) -> Vec<u8> {
    if line.starts_with('*') {
        return line.as_bytes().to_vec();
    }
    encode(&line.split(' ').map(str::as_bytes).collect::<Vec<_>>())
}

/// Everything that comes back, with the connection's number in HELLO's reply blanked, and whether the peer closed.
fn answer(mut raw: Raw, requests: &[Vec<u8>], pace: Pace) -> (String, bool) {
    match pace {
        Pace::AtOnce => raw.send_lossy(&requests.concat()),
        Pace::OneByOne => {
            for request in requests {
                raw.send_lossy(request);
                std::thread::sleep(APART);
            }
        }
    }
    let mut all = Vec::new();
    loop {
        let (more, closed) = raw.some(QUIET);
        all.extend_from_slice(&more);
        if closed || more.is_empty() || contains(&all, b"end-of-this-sequence") {
            return (without_id(&all), closed);
        }
    }
}

/// HELLO numbers the connection, differently each time.
fn without_id(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let mut parts = text.split("$2\r\nid\r\n:");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| all + "<id>" + part.trim_start_matches(|c: char| c.is_ascii_digit()))
}

#[test]
fn transactions() {
    let mut pair = Pair::new();
    for lines in [
        &["MULTI", "SET a 1", "RESET", "PING", "GET a"][..],
        &["MULTI", "SET a 1", "QUIT", "PING"],
        &["MULTI", "SET a 1", "*x\r\n"],
        &["MULTI", "*1\r\n$-1\r\n"],
        &["MULTI more", "PING", "EXEC"],
        &["MULTI", "SET a 1", "EXEC more", "EXEC", "GET a"],
        &["EXEC more", "PING"],
        &["WATCH a", "MULTI", "SET a 1", "EXEC more", "GET a"],
        &["MULTI", "MULTI more", "SET a 1", "EXEC", "GET a"],
        &["MULTI", "DISCARD more", "EXEC", "PING"],
        &["MULTI", "MULTI", "SET a 1", "EXEC", "GET a"],
        &["MULTI", "WATCH a", "GET a", "EXEC", "PING"],
        &["MULTI", "WATCH", "GET a", "EXEC", "PING"],
        &["MULTI", "UNWATCH", "GET a", "EXEC", "PING"],
        &["WATCH a", "MULTI", "WATCH a", "GET a", "EXEC", "PING"],
        &["MULTI", "SET a 1", "DISCARD", "GET a", "DISCARD", "EXEC"],
        &["DISCARD", "EXEC", "UNWATCH", "PING"],
        &["MULTI", "NOSUCHCOMMAND a", "SET a 1", "EXEC", "GET a", "EXEC"],
        &["MULTI", "GET", "EXEC", "GET a"],
        &["MULTI", "INCR a", "GET a", "LPUSH a v", "PING", "ECHO b", "EXEC", "PING"],
        &["WATCH a", "SET a 1", "MULTI", "GET a", "EXEC", "GET a"],
        &["WATCH a", "SET a 1", "UNWATCH", "MULTI", "GET a", "EXEC"],
        &["WATCH a", "SET a 1", "RESET", "MULTI", "GET a", "EXEC"],
        &["WATCH a", "MULTI", "SET a 1", "RESET", "PING", "GET a"],
        &["WATCH a", "MULTI", "SET a 1", "QUIT"],
        &["WATCH a", "MULTI", "NOSUCHCOMMAND", "EXEC", "MULTI", "GET a", "EXEC"],
        &["MULTI", "EXEC", "MULTI", "EXEC", "MULTI", "DISCARD", "EXEC"],
        &["MULTI", "BLPOP nothing 0", "GET a", "EXEC", "PING"],
        &["MULTI", "SAVE", "SHUTDOWN", "GET a", "EXEC", "PING"],
        &["MULTI", "SET a", "SET a 1", "EXEC", "GET a"],
        &["MULTI", "SET a", "SET a 1", "DISCARD", "GET a"],
        &["MULTI", "SET a 1", "GET a b", "RESET", "GET a"],
        &["WATCH a", "MULTI", "SET a", "SET a 1", "EXEC", "GET a"],
        &["MULTI", "CLIENT SETNAME", "EXEC", "GET a"],
        &["MULTI", "AUTH nobody x", "GET a", "EXEC", "GET a"],
        &["MULTI", "AUTH", "GET a", "EXEC"],
        &["MULTI", "SELECT 1", "SET a 1", "EXEC", "GET a", "SELECT 0", "GET a"],
        &["MULTI", "GET a", "SELECT 1", "GET a", "SELECT 0", "GET a", "EXEC", "GET a", "SELECT 1", "GET a"],
        &["GET a", "MULTI", "SELECT 1", "SELECT 99", "SELECT 2", "SET a 2", "EXEC", "GET a", "SELECT 1", "GET a"],
        &["MULTI", "SELECT 99", "GET a", "EXEC", "GET a"],
        &["MULTI", "SELECT x", "SELECT -1", "GET a", "EXEC", "GET a"],
        &["MULTI", "SELECT", "GET a", "EXEC", "GET a"],
        &["MULTI", "SELECT 1", "SET a 1", "DISCARD", "GET a"],
        &["MULTI", "SELECT 1", "NOSUCHCOMMAND", "EXEC", "GET a"],
        &["MULTI", "SELECT 1", "RESET", "GET a"],
        &["MULTI", "SELECT 1", "EXEC", "MULTI", "SET a 1", "GET a", "EXEC", "RESET", "GET a"],
        &["WATCH a", "SELECT 1", "SET a 1", "GET a", "MULTI", "GET a", "EXEC", "GET a", "SELECT 0", "GET a"],
        &["WATCH a", "SET a 1", "SELECT 1", "MULTI", "SELECT 2", "EXEC", "SET b 1", "SELECT 2", "GET b"],
        &["WATCH a", "SELECT 1", "UNWATCH", "SET a 1", "RESET", "GET a", "SELECT 1", "GET a"],
        &["WATCH a", "SELECT 99", "HELLO 2", "HELLO", "MULTI", "GET a", "EXEC", "GET a"],
    ] {
        pair.same(lines);
    }
    pair.finish();
}

#[test]
fn subscriptions() {
    let mut pair = Pair::new();
    for lines in [
        &["SUBSCRIBE c", "UNSUBSCRIBE c", "GET a", "PING"][..],
        &["UNSUBSCRIBE c", "GET a", "PING"],
        &["UNSUBSCRIBE", "PUNSUBSCRIBE", "GET a", "PING"],
        &["SUBSCRIBE c", "PING"],
        &["SUBSCRIBE c", "PING hello", "GET a", "UNSUBSCRIBE", "GET a"],
        &["SUBSCRIBE c d", "UNSUBSCRIBE c", "GET a", "UNSUBSCRIBE d", "GET a"],
        &["SUBSCRIBE c", "PSUBSCRIBE p*", "UNSUBSCRIBE", "GET a", "PUNSUBSCRIBE", "GET a"],
        &["SUBSCRIBE c", "RESET", "PING", "GET a"],
        &["SUBSCRIBE c", "QUIT"],
        &["GET a", "SUBSCRIBE c", "UNSUBSCRIBE c", "SET a 1", "GET a"],
        &["WATCH a", "SUBSCRIBE c", "UNSUBSCRIBE c", "MULTI", "GET x", "EXEC", "GET a"],
        &["HELLO 3", "SUBSCRIBE c", "PING", "GET a", "UNSUBSCRIBE c", "GET a"],
        &["HELLO 3", "SUBSCRIBE c", "PUBLISH c text", "GET a"],
        &["HELLO 3", "UNSUBSCRIBE c", "GET a", "PING"],
        &[
            "HELLO 3",
            "SUBSCRIBE c",
            "SELECT 1",
            "SET a 1",
            "PUBLISH c text",
            "UNSUBSCRIBE c",
            "GET a",
            "SELECT 0",
            "GET a",
        ],
        &["HELLO 3", "SUBSCRIBE c", "HELLO 3 SETNAME app", "GET a", "UNSUBSCRIBE c", "CLIENT GETNAME"],
    ] {
        pair.same(lines);
    }
    pair.finish();
}

/// HELLO with another protocol, in a connection that the server keeps something about.
#[test]
fn another_protocol() {
    const INFO: &str = "CLIENT TRACKINGINFO";
    let mut pair = Pair::new();
    for lines in [
        &["CLIENT TRACKING ON", "GET a", "HELLO 3", "SET a 1", "GET a", "SET a 2", INFO, "CLIENT TRACKING OFF", INFO][..],
        &["HELLO 3", "CLIENT TRACKING ON", "GET a", "HELLO 2", "SET a 1", "GET a", INFO, "HELLO", "HELLO 3", "SET a 2"],
        &[
            "CLIENT TRACKING ON",
            "HELLO 3 SETNAME app",
            "HELLO 2",
            "HELLO 3",
            "CLIENT GETNAME",
            "GET a",
            "SET a 1",
            INFO,
        ],
        &["CLIENT TRACKING ON", "HELLO 4", "HELLO x", "HELLO 3 AUTH nobody x", "CLIENT GETNAME", INFO],
        &[
            "CLIENT TRACKING ON OPTIN",
            "CLIENT CACHING YES",
            "HELLO 3",
            "GET a",
            "SET a 1",
            "CLIENT CACHING YES",
            "GET a",
            "SET a 2",
        ],
        &["CLIENT TRACKING ON", "HELLO 3", "MULTI", "GET a", "SET a 1", "EXEC", "HELLO 2", "MULTI", "GET a", "EXEC"],
        &[
            "CLIENT TRACKING ON",
            "SELECT 1",
            "HELLO 3",
            "SET a 1",
            "GET a",
            "SET a 2",
            "SELECT 0",
            "GET a",
            "RESET",
            "GET a",
            INFO,
        ],
        &[
            "CLIENT TRACKING ON",
            "CLIENT REPLY SKIP",
            "HELLO 3",
            "GET a",
            INFO,
            "CLIENT REPLY OFF",
            "HELLO 2",
            "CLIENT REPLY ON",
            INFO,
        ],
        &[
            "WATCH a",
            "HELLO 3",
            "MULTI",
            "GET nothing",
            "EXEC",
            "GET nothing",
            "WATCH a",
            "HELLO 2",
            "UNWATCH",
            "GET nothing",
        ],
        &["WATCH a", "SET a 1", "HELLO 3", "MULTI", "GET a", "EXEC", "HELLO 2", "MULTI", "GET nothing", "EXEC"],
        &["WATCH a", "HELLO 3", "QUIT"],
        &["HELLO 3", "SUBSCRIBE c", "PUBLISH c text", "HELLO 2", "PING", "GET a", "UNSUBSCRIBE c", "GET nothing"],
        &[
            "HELLO 3",
            "SUBSCRIBE c",
            "PSUBSCRIBE c*",
            "HELLO 2",
            "HELLO 3",
            "UNSUBSCRIBE",
            "PUNSUBSCRIBE",
            "HELLO 3",
            "GET nothing",
        ],
        &["HELLO 3", "SUBSCRIBE __redis__:invalidate", "HELLO 2", "PING", "UNSUBSCRIBE", "HELLO 3", "GET nothing"],
        &["SET a 1", "WAIT 0 0", "HELLO 3", "GET nothing", "WAIT 0 0", "HELLO 2", "GET nothing"],
    ] {
        pair.same(lines);
    }
    pair.finish();
}

#[test]
fn tracking() {
    const INFO: &str = "CLIENT TRACKINGINFO";
    const REDIR: &str = "CLIENT GETREDIR";
    let mut pair = Pair::new();
    for lines in [
        &["CLIENT TRACKING ON", INFO, REDIR, "GET a", "SET a 1", "CLIENT TRACKING OFF", INFO, REDIR][..],
        &["HELLO 3", "CLIENT TRACKING on", INFO, REDIR, "GET a", "SET a 1", "GET a", "CLIENT TRACKING OFF", "SET a 2"],
        &["HELLO 3", "CLIENT TRACKING ON NOLOOP", "GET a", "SET a 1", "FLUSHALL", INFO],
        &[
            "HELLO 3",
            "CLIENT TRACKING ON BCAST PREFIX a: PREFIX b:",
            "SET a:1 1",
            "SET c 1",
            INFO,
            "CLIENT TRACKING ON",
        ],
        &["HELLO 3", "CLIENT TRACKING ON BCAST PREFIX a", "CLIENT TRACKING ON BCAST PREFIX c", INFO, "SET c 1"],
        &["HELLO 3", "CLIENT TRACKING ON BCAST", "MULTI", "SET a 1", "SET x 1", "EXEC", "GET a"],
        &["HELLO 3", "CLIENT TRACKING ON", "MULTI", "GET a", "SET a 3", "EXEC", "SET a 1"],
        &["CLIENT TRACKING", "CLIENT TRACKING MAYBE", "CLIENT TRACKING ON NOTHING", INFO],
        &["CLIENT TRACKING ON REDIRECT", "CLIENT TRACKING ON REDIRECT x", "CLIENT TRACKING ON REDIRECT 9999999", INFO],
        &["CLIENT TRACKING ON REDIRECT -1", "CLIENT TRACKING ON REDIRECT 0", "CLIENT TRACKING ON PREFIX", INFO],
        &["CLIENT TRACKING ON PREFIX a", "CLIENT TRACKING ON BCAST OPTIN", "CLIENT TRACKING ON OPTIN OPTOUT", INFO],
        &[
            "CLIENT TRACKING ON BCAST PREFIX a PREFIX ab",
            "CLIENT TRACKING OFF BCAST",
            "CLIENT TRACKING OFF",
            INFO,
            "GET a",
        ],
        &["CLIENT CACHING YES", "CLIENT CACHING MAYBE", "CLIENT CACHING", "GET a"],
        &[
            "HELLO 3",
            "CLIENT TRACKING ON OPTIN",
            "CLIENT CACHING NO",
            "CLIENT CACHING MAYBE",
            "CLIENT CACHING YES",
            INFO,
            "GET a",
            INFO,
            "SET a 1",
            "GET a",
            "SET a 2",
            "CLIENT TRACKING ON OPTOUT",
            "CLIENT TRACKING ON",
        ],
        &["HELLO 3", "CLIENT TRACKING ON OPTOUT", "CLIENT CACHING NO", INFO, "GET a", "SET a 1", "GET a", "SET a 2"],
        // The command that CLIENT CACHING is about need not reach the server.
        &["HELLO 3", "CLIENT TRACKING ON OPTOUT", "CLIENT CACHING NO", "PING", "GET a", "SET a 1"],
        &["HELLO 3", "CLIENT TRACKING ON OPTIN", "CLIENT CACHING YES", "ECHO b", INFO, "GET a", "SET a 1"],
        &["HELLO 3", "CLIENT TRACKING ON OPTIN", "CLIENT CACHING YES", "CLIENT GETNAME", "GET a", "SET a 1"],
        &["HELLO 3", "CLIENT TRACKING ON OPTOUT", "CLIENT CACHING NO", "NOSUCHCOMMAND", "GET a", "SET a 1"],
        &[
            "HELLO 3",
            "CLIENT TRACKING ON OPTIN",
            "CLIENT CACHING YES",
            "MULTI",
            "GET a",
            "PING",
            "GET x",
            "EXEC",
            "SET a 1",
            "SET x 1",
        ],
        &["HELLO 3", "CLIENT TRACKING ON", "GET a", "SELECT 1", "SET a 1", "SELECT 0", "SET a 1"],
        &[
            "HELLO 3",
            "CLIENT TRACKING ON",
            "SUBSCRIBE c",
            "GET a",
            "SET a 1",
            "PUBLISH c text",
            "UNSUBSCRIBE c",
            "GET a",
            "SET a 1",
        ],
        &["HELLO 3", "CLIENT TRACKING ON", "WATCH a", "SET a 1", "MULTI", "GET a", "EXEC", "SET a 2"],
        &["HELLO 3", "CLIENT TRACKING ON", "GET a", "RESET", INFO, "SET a 1"],
        &["HELLO 3", "CLIENT TRACKING ON", "HELLO 3", "GET a", "SET a 1", "GET a", "QUIT"],
        &[
            "HELLO 3",
            "GET a",
            "CLIENT TRACKING ON",
            "GET a",
            "SET a 1",
            "CLIENT TRACKING OFF",
            "CLIENT TRACKING ON",
            "SET a 2",
        ],
    ] {
        pair.same(lines);
    }
    pair.finish();
}

#[test]
fn client_reply_in_many_orders() {
    const OFF: &str = "CLIENT REPLY OFF";
    const SKIP: &str = "CLIENT REPLY SKIP";
    const ON: &str = "CLIENT REPLY ON";
    let mut pair = Pair::new();
    for lines in [
        &[SKIP, "SET a 1", "GET a"][..],
        &[SKIP, SKIP, "SET a 1", "GET a"],
        &[SKIP, "PING", "PING"],
        &[SKIP, "NOSUCHCOMMAND", "PING"],
        &[SKIP, "GET", "PING"],
        &[SKIP, ON, "PING"],
        &[SKIP, OFF, "PING", ON, "GET a"],
        &[OFF, "SET a 1", "PING", "GET a", ON, "GET a"],
        &[OFF, SKIP, "PING", "GET a", ON, "PING"],
        &[OFF, "NOSUCHCOMMAND", "GET", ON, "PING"],
        &[OFF, ON, SKIP, "PING", "GET a", "PING"],
        &[ON, ON, "PING"],
        &["CLIENT REPLY NEITHER", "CLIENT REPLY", "PING"],
        &["GET a", SKIP, "GET x", "GET a", OFF, "GET a", ON, "GET x"],
        &[OFF, "RESET", "PING"],
        &[SKIP, "MULTI", "SET a 1", "EXEC", "GET a"],
        &[OFF, "MULTI", "SET a 1", "EXEC", ON, "GET a"],
        &["MULTI", "SET a 1", "EXEC", SKIP, "GET a", "GET a"],
        // What a subscriber is told is no reply.
        &[OFF, "SUBSCRIBE c d", "PING", "UNSUBSCRIBE", ON, "GET a"],
        &[SKIP, "SUBSCRIBE c", "PING", "UNSUBSCRIBE c", "GET a"],
        &[OFF, "UNSUBSCRIBE c d", "PUNSUBSCRIBE", ON, "GET a"],
        &[SKIP, "UNSUBSCRIBE", "GET a"],
        &["HELLO 3", OFF, "PSUBSCRIBE c*", "PUBLISH c text", "PUNSUBSCRIBE", ON, "GET a"],
    ] {
        pair.same(lines);
    }
    pair.finish();
}

#[test]
fn protocol_and_database_in_the_middle() {
    let mut pair = Pair::new();
    for lines in [
        &["GET a", "HGETALL h", "HELLO 3", "GET a", "HGETALL h", "GET nothing"][..],
        &["HELLO 3", "GET nothing", "HELLO 2", "GET nothing", "GET a"],
        &["HELLO 4", "GET a"],
        &["HELLO three", "GET a"],
        &["HELLO 3", "RESET", "GET nothing", "PING"],
        &["HELLO 3", "SET a 1", "RESET", "PING", "GET a"],
        &["SET a 1", "SELECT 1", "GET a", "SET a 2", "SELECT 0", "GET a", "SELECT 1", "GET a"],
        &["GET a", "SELECT 99", "GET a", "SELECT 1", "GET a", "SELECT 99", "GET a"],
        &["SELECT -1", "SELECT one", "SELECT", "GET a"],
        &["SELECT 3", "SET a 3", "RESET", "GET a", "SELECT 3", "GET a"],
        &["SELECT 2", "MULTI", "SET a 2", "GET a", "EXEC", "SELECT 0", "GET a"],
        &["SELECT 2", "HELLO 3", "GET a", "SET a 2", "HELLO 2", "GET a"],
    ] {
        pair.same(lines);
    }
    pair.finish();
}

/// A client that has said all it will say, like `printf ... | nc`, gets every reply.
#[test]
fn half_closed_connections_get_every_reply() {
    let mut pair = Pair::new();
    for lines in [
        &["GET a", "PING", "GET a"][..],
        &["GET a", "SELECT 1", "SET b 2", "GET b"],
        &["GET a", "MULTI", "SET a 1", "GET a", "EXEC", "GET a"],
        &["HELLO 3", "GET a", "HGETALL h", "GET x"],
        &["GET a", "WATCH a", "MULTI", "GET a", "EXEC", "GET x"],
        &["GET a", "UNSUBSCRIBE c", "GET x"],
    ] {
        let bytes: Vec<u8> = lines.iter().flat_map(|line| request(line)).collect();
        pair.prepare();
        let direct = half_closed(pair.upstream.plain_port, &bytes);
        pair.prepare();
        let through = half_closed(pair.sidecar.port, &bytes);
        if direct != through {
            pair.differences.push(format!("{lines:?}\n     waxseal {through:?}\n     redis   {direct:?}"));
        }
    }
    pair.finish();
}

fn half_closed(port: u16, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("connect");
    stream.set_read_timeout(Some(PATIENCE)).expect("read timeout");
    stream.write_all(bytes).expect("send");
    stream.shutdown(Shutdown::Write).expect("half-close");
    let mut all = Vec::new();
    stream.read_to_end(&mut all).expect("the peer closes when all is answered");
    without_id(&all)
}

/// A channel's name that only looks like the database's own does not slip past its rule.
#[test]
fn a_channel_named_almost_like_a_notification_is_sealed() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, |settings| settings.rules = vec![("tenants", vec!["*:tenant"])]);
    let (mut outside, mut inside) = (upstream.raw(), sidecar.connect());
    outside.run("SUBSCRIBE __keys:tenant");
    inside.run("SUBSCRIBE __keys:tenant");
    let payload = secret("published");
    assert_eq!(sidecar.connect().command(&[b"PUBLISH", b"__keys:tenant", &payload]), Frame::Integer(2));
    let sent = outside.read().items().pop().expect("payload").bytes();
    assert!(sent.starts_with(&[0xC1, b'W', b'X']), "the message was not sealed");
    assert!(!contains(&sent, &payload), "the message left in clear");
    assert_eq!(inside.read().items().pop(), Some(Frame::bulk(&payload)));
}

#[test]
fn key_event_notifications_pass_unopened() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, |settings| settings.rules = vec![("all", vec!["*"])]);
    let mut raw = upstream.raw();
    assert_eq!(raw.run("CONFIG SET notify-keyspace-events KEA"), Frame::ok());
    let (mut events, mut patterns, mut resp3) = (sidecar.connect(), sidecar.connect(), sidecar.connect3());
    events.run("SUBSCRIBE __keyevent@0__:set");
    patterns.run("PSUBSCRIBE __keyspace@0__:*");
    resp3.run("SUBSCRIBE __keyevent@0__:set");
    assert_eq!(sidecar.connect().run("SET name value"), Frame::ok());
    let words = |words: &[&str]| words.iter().map(Frame::bulk).collect::<Vec<_>>();
    assert_eq!(events.read(), Frame::Array(words(&["message", "__keyevent@0__:set", "name"])));
    assert_eq!(resp3.read(), Frame::Push(words(&["message", "__keyevent@0__:set", "name"])));
    let expected = words(&["pmessage", "__keyspace@0__:*", "__keyspace@0__:name", "set"]);
    assert_eq!(patterns.read(), Frame::Array(expected));
}

#[test]
fn getdel_of_a_value_that_does_not_open_is_an_error() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start(&upstream);
    for hello in ["HELLO 2", "HELLO 3"] {
        assert_eq!(upstream.raw().run("SET session:clear written-around"), Frame::ok());
        let mut client = sidecar.connect();
        client.run(hello);
        match client.run("GETDEL session:clear") {
            Frame::Error(text) => {
                assert!(text.starts_with("WAXSEAL "), "{text}");
                assert!(!text.contains("written-around"), "a value in an error");
            }
            other => panic!("GETDEL gave {other:?}"),
        }
        assert_eq!(client.run("PING"), Frame::Simple("PONG".into()));
    }
}
