//! The wire, byte by byte: the same bytes go to the sidecar and to redis-server, and the answers must be equal.

mod support;

use std::cell::RefCell;
use std::time::Duration;

use support::raw::encode;
use support::upstream::PASSWORD;
use support::{Frame, Raw, Sidecar, Upstream, contains};

/// How many lines Redis's reply to HELLO 3 has, one of which numbers the connection.
const HELLO_LINES: usize = 26;

/// Ends each case; its echo shows that everything before it was answered.
const LAST: &str = "end-of-this-case";

struct Pair {
    upstream: Upstream,
    sidecar: Sidecar,
    /// One run names every difference, not only the first.
    differences: RefCell<Vec<String>>,
}

impl Pair {
    fn new() -> Self {
        let upstream = Upstream::start();
        let sidecar = Sidecar::start(&upstream);
        Self { upstream, sidecar, differences: RefCell::default() }
    }

    /// Sends `bytes` and a last command both ways; compares all that comes back and whether the connection stays.
    fn same(&self, bytes: &[u8]) {
        self.same_alone(&[bytes, &encode(&[b"ECHO", LAST.as_bytes()])].concat());
    }

    /// The same without a last command, for bytes whose end must not come.
    fn same_alone(&self, bytes: &[u8]) {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        self.compare(&shown, answer(self.connect_through(), bytes), answer(self.upstream.raw(), bytes), 0);
    }

    /// Of both answers the first `skip` lines do not count.
    fn compare(&self, shown: &str, through: (Vec<u8>, bool), direct: (Vec<u8>, bool), skip: usize) {
        let text = |(bytes, closed): (Vec<u8>, bool)| {
            let kept: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').skip(skip).collect();
            (String::from_utf8_lossy(&kept.concat()).into_owned(), closed)
        };
        let (through, direct) = (text(through), text(direct));
        if through != direct {
            let difference = format!("{shown:?}\n     waxseal {through:?}\n     redis   {direct:?}");
            self.differences.borrow_mut().push(difference);
        }
    }

    fn finish(self) {
        let differences = self.differences.take();
        assert!(differences.is_empty(), "different (bytes, closed):\n{}", differences.join("\n"));
    }

    /// Logged in with the upstream's password, as an application with a REDIS_URL would.
    fn connect_through(&self) -> Raw {
        let mut raw = self.sidecar.connect();
        assert_eq!(raw.command(&[b"AUTH", PASSWORD.as_bytes()]), Frame::ok());
        raw
    }
}

fn answer(mut raw: Raw, bytes: &[u8]) -> (Vec<u8>, bool) {
    raw.send_lossy(bytes);
    let mut all = Vec::new();
    loop {
        let (more, closed) = raw.some(Duration::from_secs(5));
        all.extend_from_slice(&more);
        if closed {
            return (all, true);
        }
        if contains(&all, LAST.as_bytes()) || more.is_empty() {
            return (all, false);
        }
    }
}

#[test]
fn malformed_requests_get_redis_own_errors() {
    let pair = Pair::new();
    for bytes in [
        &b"*x\r\n"[..],
        b"*1048577\r\n",
        b"*2147483648\r\n",
        b"*99999999999999999999\r\n",
        b"*-5\r\nPING\r\n",
        b"*0\r\nPING\r\n",
        b"*-1\r\nPING\r\n",
        b"*1\r\nPING\r\n",
        b"*1\r\n:1\r\n",
        b"*1\r\n\r\n",
        b"*1\r\n*1\r\n$4\r\nPING\r\n",
        b"*1\r\n$x\r\n",
        b"*1\r\n$-1\r\n",
        b"*1\r\n$536870913\r\n",
        b"*1\r\n$99999999999999999999\r\n",
        b"*1\r\n$ 4\r\nPING\r\n",
        b"*1\r\n$+4\r\nPING\r\n",
        b"*1\r\n$04\r\nPING\r\n",
        b"*01\r\n$4\r\nPING\r\n",
        b"*+1\r\n$4\r\nPING\r\n",
        b"*1 \r\n$4\r\nPING\r\n",
        b"*1\r\n$0\r\n\r\n",
        b"*2\r\n$3\r\nGET\r\n$0\r\n\r\n",
        b"$4\r\nPING\r\n",
        b"+PING\r\n",
        b"\xff\xfe\xfd\r\n",
    ] {
        pair.same(bytes);
    }
    // Longer than a line may be, with no end in sight.
    pair.same_alone(&[b"*".as_slice(), &[b'1'; 70_000]].concat());
    pair.same_alone(&[b"*1\r\n$".as_slice(), &[b'1'; 70_000]].concat());
    pair.same_alone(&[b'a'; 70_000]);
    // Errors come after the replies to what went before.
    pair.same(b"PING\r\nGET open:a\r\n*x\r\n");
    pair.finish();
}

#[test]
fn inline_commands() {
    let pair = Pair::new();
    for line in [
        "PING",
        "ping",
        "  PING  ",
        "",
        "   ",
        "SET open:i \"a b\"",
        "GET open:i",
        "SET open:i 'a b'",
        "SET open:i \"\\x41\\n\\t\\\"\"",
        "SET open:i 'it\\'s'",
        "GET open:i",
        "SET open:i \"\"",
        "GET \"unbalanced",
        "GET 'unbalanced",
        "GET \"a\"b",
        "ECHO",
        "NOSUCHCOMMAND a b",
        "GET",
        "GET a b",
        "SET open:i v BADOPTION",
        "OBJECT NOSUCH a",
    ] {
        pair.same(format!("{line}\r\n").as_bytes());
        pair.same(format!("{line}\n").as_bytes());
    }
    pair.finish();
}

#[test]
fn a_line_of_http_closes_the_connection() {
    let pair = Pair::new();
    pair.same(b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    pair.same(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    pair.same(b"*1\r\n$4\r\nPOST\r\n");
    pair.finish();
}

#[test]
fn hello_auth_and_names() {
    let pair = Pair::new();
    for line in [
        "HELLO 4",
        "HELLO 1",
        "HELLO x",
        "HELLO 3 AUTH default wrong",
        "HELLO 3 AUTH nobody wrong",
        "AUTH",
        "AUTH wrong",
        "AUTH default wrong",
        "AUTH a b c",
        "CLIENT SETNAME \"with blank\"",
        "CLIENT SETNAME",
        "CLIENT GETNAME",
        "CLIENT REPLY MAYBE",
        "SELECT x",
        "SELECT 100000",
        "SELECT 3",
        "PING a b",
        "ECHO a b",
        "QUIT",
        "QUIT now",
    ] {
        pair.same(format!("{line}\r\n").as_bytes());
    }
    pair.same(b"CLIENT SETNAME app\r\nCLIENT GETNAME\r\n");
    pair.same(b"CLIENT REPLY SKIP\r\nPING\r\nPING\r\n");
    pair.same(b"CLIENT REPLY OFF\r\nPING\r\nSET open:r 1\r\nCLIENT REPLY ON\r\nGET open:r\r\n");
    pair.same(b"PING\r\nQUIT\r\nPING\r\n");

    // Which version the server is, a worker learns from its first upstream connection.
    for _ in 0..8 {
        pair.sidecar.connect().run("GET open:a");
        pair.sidecar.connect3().run("GET open:a");
    }
    for version in ["2", "3"] {
        let hello = format!("HELLO {version} AUTH default {PASSWORD} SETNAME app");
        let (mut through, mut direct) = (pair.sidecar.connect(), Raw::tcp(pair.upstream.plain_port));
        let (ours, theirs) = (through.run(&hello), direct.run(&hello));
        // Which connection it is, each side numbers for itself.
        let without_id = |reply: Frame| {
            let items = reply.items();
            items.chunks(2).filter(|pair| pair[0] != Frame::bulk("id")).map(<[Frame]>::to_vec).collect::<Vec<_>>()
        };
        assert_eq!(std::mem::discriminant(&ours), std::mem::discriminant(&theirs));
        assert_eq!(without_id(ours), without_id(theirs));
        assert_eq!(through.run("CLIENT GETNAME"), Frame::bulk("app"));
    }
    pair.finish();
}

/// Where Redis repeats what it was sent, we do not: it could be a secret out of its place. RESET leaves a client
/// logged in where no login is asked for.
#[test]
fn answers_that_differ_on_purpose() {
    let pair = Pair::new();
    let mut client = pair.sidecar.connect();
    for line in ["HELLO 3 MISPLACED", "HELLO 3 AUTH MISPLACED", "HELLO 3 SETNAME", "CLIENT MISPLACED"] {
        let reply = client.run(line);
        assert!(
            matches!(&reply, Frame::Error(text) if text.starts_with("ERR ") && !text.contains("MISPLACED")),
            "{reply:?}"
        );
    }
    assert_eq!(client.run("RESET"), Frame::Simple("RESET".into()));
    assert_eq!(client.run("SET open:a 1"), Frame::ok());
    // Redis waits for the line's end for ever.
    client.send(b"\x00\x01\x02\xff\r\n");
    assert!(client.read().is_error("ERR Protocol error"));
    assert!(client.drain(Duration::from_secs(5)).1);
}

/// Every reply type, in both versions of the protocol, of keys that no rule covers.
#[test]
fn replies_are_the_servers_own() {
    let pair = Pair::new();
    let mut setup = pair.upstream.raw();
    for line in [
        "SET open:s value",
        "HSET open:h f v",
        "SADD open:set a",
        "ZADD open:z 1.5 a",
        "RPUSH open:l a b c",
        "XADD open:x 1-1 f v",
        "GEOADD open:g 13.361389 38.115556 Palermo",
    ] {
        setup.run(line);
    }
    for hello in ["", "3"] {
        for line in [
            "GET open:s",
            "GET open:none",
            "HGETALL open:h",
            "HGETALL open:none",
            "HVALS open:h",
            "HRANDFIELD open:h 1 WITHVALUES",
            "HSCAN open:h 0",
            "SMEMBERS open:set",
            "ZSCORE open:z a",
            "ZRANGE open:z 0 -1 WITHSCORES",
            "LRANGE open:l 0 -1",
            "LPOP open:none 2",
            "XRANGE open:x - +",
            "XREAD STREAMS open:x 0",
            "GEOPOS open:g Palermo none",
            "BLPOP open:none 0.01",
            "MGET open:s open:none",
            "EXISTS open:s",
            "EVAL return{1,'a',{2},false} 0",
            "LPUSH open:s x",
            "INCR open:s",
            "GET",
            "CONFIG GET maxmemory-policy",
            "DEBUG PROTOCOL BIGNUM",
            "DEBUG PROTOCOL VERBATIM",
            "DEBUG PROTOCOL ATTRIB",
            "DEBUG PROTOCOL TRUE",
            "PUBSUB CHANNELS",
            "PUBLISH open:c m",
            "COMMAND COUNT",
            "MULTI\r\nGET open:s\r\nHGETALL open:h\r\nEXEC",
            "MULTI\r\nNOSUCH\r\nEXEC",
            "MULTI\r\nMULTI\r\nDISCARD",
            "MULTI\r\nWATCH open:s\r\nEXEC",
            "EXEC",
            "DISCARD",
            "WATCH open:s\r\nUNWATCH",
            "SUBSCRIBE open:c\r\nPING\r\nUNSUBSCRIBE open:c",
            "SUBSCRIBE open:c\r\nGET open:s\r\nUNSUBSCRIBE",
            "UNSUBSCRIBE",
            "PUNSUBSCRIBE",
        ] {
            let hello = if hello.is_empty() { String::new() } else { "HELLO 3 SETNAME x\r\n".into() };
            let bytes = format!("{hello}{line}\r\nECHO {LAST}\r\n");
            let skip = if hello.is_empty() { 0 } else { HELLO_LINES };
            let (through, direct) = (pair.connect_through(), pair.upstream.raw());
            pair.compare(&bytes, answer(through, bytes.as_bytes()), answer(direct, bytes.as_bytes()), skip);
        }
    }
    pair.finish();
}

/// The server's errors about a protected key are the client's business as much as any.
#[test]
fn errors_on_protected_keys_are_the_servers_own() {
    let pair = Pair::new();
    pair.upstream.raw().run("RPUSH session:list a");
    pair.sidecar.connect().run("HSET user:hash f v");
    for line in [
        "GET session:list",
        "HGET session:list f",
        "HGETALL session:list",
        "HVALS session:list",
        "GETSET session:list v",
        "SET session:list v GET",
        "GET session:a b",
        "SET session:a",
        "SET session:a v EX",
        "SET session:a v EX 0",
        "SET session:a v EX nonsense",
        "SET session:a v NX XX",
        "SET session:a v KEEPTTL EX 5",
        "SETEX session:a 0 v",
        "GETEX session:a EX 0",
        "GETEX session:a NOSUCH",
        "HSET user:a f",
        "HSET user:a f v g",
        "MSET session:a",
        "MSET session:a v session:b",
        "HRANDFIELD user:hash 1 NOSUCH",
        "HRANDFIELD user:hash x WITHVALUES",
        "HSCAN user:hash x",
        "HSCAN user:hash 0 NOSUCH",
        "GET session:none",
        "HGETALL user:none",
        "HMGET user:none a b",
        "HRANDFIELD user:none",
        "HRANDFIELD user:none 2 WITHVALUES",
        "MULTI\r\nGET session:list\r\nEXEC",
        "MULTI\r\nGET session:a b\r\nEXEC",
    ] {
        pair.same(format!("{line}\r\n").as_bytes());
    }
    pair.finish();
}

/// The same for the arguments of every command that works on encrypted keys: what is wrong with them is said in Redis's
/// words, whoever finds it.
#[test]
fn malformed_requests_on_protected_keys_get_redis_own_errors() {
    let pair = Pair::new();
    let mut setup = pair.sidecar.connect();
    for line in [
        "SET session:s value",
        "RPUSH session:list a b c",
        "SADD session:set a b c",
        "ZADD session:z 1 a 2 b 3 c",
        "HSET user:hash f v g w",
        "XADD session:x 1-1 f v",
        "XGROUP CREATE session:x g 0",
        "GEOADD session:g 1 2 a 1 2.001 b",
    ] {
        assert!(!matches!(setup.run(line), Frame::Error(_)), "{line}");
    }
    for line in include_str!("protocol/malformed.txt").lines() {
        pair.same(format!("{line}\r\n").as_bytes());
    }
    pair.finish();
}

/// However the bytes arrive, one by one or all at once.
#[test]
fn requests_in_pieces() {
    let pair = Pair::new();
    let mut client = pair.sidecar.connect();
    let request = [encode(&[b"SET", b"session:piece", b"val\r\nue"]), encode(&[b"GET", b"session:piece"])].concat();
    for byte in &request {
        client.send(&[*byte]);
        std::thread::sleep(Duration::from_micros(200));
    }
    assert_eq!(client.read(), Frame::ok());
    assert_eq!(client.read(), Frame::bulk("val\r\nue"));

    const DEPTH: usize = 10_000;
    client.send(&request.repeat(DEPTH));
    for _ in 0..DEPTH {
        assert_eq!(client.read(), Frame::ok());
        assert_eq!(client.read(), Frame::bulk("val\r\nue"));
    }
}

/// Declared sizes cost nothing until the bytes come.
#[test]
fn promises_of_large_requests_do_not_take_memory() {
    let pair = Pair::new();
    let mut clients: Vec<Raw> = (0..50).map(|_| pair.sidecar.connect()).collect();
    for client in &mut clients {
        client.send(b"*3\r\n$3\r\nSET\r\n$9\r\nsession:a\r\n$536870912\r\n");
    }
    std::thread::sleep(Duration::from_millis(300));
    let status = std::fs::read_to_string(format!("/proc/{}/status", pair.sidecar.pid())).expect("status");
    let resident: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix("kB")?.trim().parse().ok())
        .expect("VmRSS");
    assert!(resident < 200 * 1024, "{resident} kB resident for 50 promises");
}
