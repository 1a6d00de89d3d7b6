//! An upstream that behaves as Upstash does, in front of a real server: COMMAND empty, database 0 only, commands that are
//! not documented refused in its words, 10 MB for a request or a reply, idle connections cut. Facts from its documentation.

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use support::{Frame, MARKER, Sidecar, Tap, Upstream, secret};
use waxseal::resp::{ReplyScanner, RequestLimits, RequestScanner};

const LIMIT: usize = 10_485_760;
const IDLE: Duration = Duration::from_millis(1500);
/// Of Redis, but not in Upstash's list.
const UNDOCUMENTED: [&str; 15] = [
    "OBJECT",
    "SORT",
    "SORT_RO",
    "LCS",
    "MOVE",
    "MIGRATE",
    "SWAPDB",
    "DEBUG",
    "LATENCY",
    "SLOWLOG",
    "MODULE",
    "ROLE",
    "CLUSTER",
    "SSUBSCRIBE",
    "SPUBLISH",
];

struct Upstash {
    port: u16,
    cut: Arc<AtomicUsize>,
}

impl Upstash {
    fn before(upstream: &Upstream) -> Self {
        let config = upstream.certs.server_config();
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let port = listener.local_addr().expect("address").port();
        let behind = upstream.plain_port;
        let cut = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&cut);
        // Ends with the test's process.
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let (config, counted) = (Arc::clone(&config), Arc::clone(&counted));
                std::thread::spawn(move || serve(socket, config, behind, &counted));
            }
        });
        Self { port, cut }
    }
}

/// One connection, one request at a time. Ends when either side does, or when it has been idle.
fn serve(socket: TcpStream, config: Arc<ServerConfig>, behind: u16, cut: &AtomicUsize) -> Option<()> {
    socket.set_read_timeout(Some(IDLE)).ok()?;
    let mut client = StreamOwned::new(ServerConnection::new(config).ok()?, socket);
    let mut server = TcpStream::connect(("127.0.0.1", behind)).ok()?;
    let (mut input, mut chunk) = (Vec::new(), vec![0; 64 * 1024]);
    let mut scanner = RequestScanner::new();
    loop {
        while let Some(len) = scanner.scan(&input, &RequestLimits::authenticated(usize::MAX)).ok()? {
            let reply = {
                let request = scanner.request(&input);
                let words: Vec<String> = request
                    .args
                    .iter()
                    .take(2)
                    .map(|at| String::from_utf8_lossy(&request.bytes[at.clone()]).to_uppercase())
                    .collect();
                match refusal(&words, len) {
                    Some(reply) => reply,
                    None => forward(&mut server, request.bytes)?,
                }
            };
            client.write_all(&reply).ok()?;
            client.flush().ok()?;
            scanner.reset();
            input.drain(..len);
        }
        match client.read(&mut chunk) {
            Ok(0) => return None,
            Ok(count) => input.extend_from_slice(&chunk[..count]),
            Err(_) => {
                cut.fetch_add(1, Ordering::Relaxed);
                return None;
            }
        }
    }
}

fn refusal(words: &[String], len: usize) -> Option<Vec<u8>> {
    let name = words.first().map_or("", String::as_str);
    let argument = words.get(1).map_or("", String::as_str);
    if len > LIMIT {
        return Some(too_large(len));
    }
    if name == "COMMAND" {
        return Some(b"*0\r\n".to_vec());
    }
    if name == "SELECT" && argument != "0" {
        return Some(format!("-ERR Only 0th database is supported! Selected DB: {argument}\r\n").into_bytes());
    }
    UNDOCUMENTED.contains(&name).then(|| {
        format!("-ERR Command is not available: '{name}'. See https://upstash.com/docs/redis/overall/rediscompatibility for details\r\n").into_bytes()
    })
}

fn too_large(actual: usize) -> Vec<u8> {
    format!("-ERR max request size exceeded. Limit: {LIMIT} bytes, Actual: {actual} bytes.\r\n").into_bytes()
}

fn forward(server: &mut TcpStream, request: &[u8]) -> Option<Vec<u8>> {
    server.write_all(request).ok()?;
    let (mut reply, mut chunk) = (Vec::new(), vec![0; 64 * 1024]);
    let mut scanner = ReplyScanner::new();
    while scanner.scan(&reply).ok()?.is_none() {
        let count = server.read(&mut chunk).ok().filter(|count| *count > 0)?;
        reply.extend_from_slice(&chunk[..count]);
    }
    Some(if reply.len() > LIMIT { too_large(reply.len()) } else { reply })
}

fn house() -> (Upstream, Upstash, Sidecar) {
    let upstream = Upstream::start();
    let upstash = Upstash::before(&upstream);
    let sidecar = Sidecar::start_with(&upstream, |settings| {
        settings.url = format!("rediss://default@127.0.0.1:{}", upstash.port)
    });
    (upstream, upstash, sidecar)
}

#[test]
fn the_main_job_works_on_it() {
    let (upstream, _upstash, sidecar) = house();
    let tap = Tap::on(&upstream);
    for mut client in [sidecar.connect(), sidecar.connect3()] {
        let value = secret("value");
        assert_eq!(client.command(&[b"SET", b"session:a", &value, b"EX", b"100"]), Frame::ok());
        assert_eq!(client.run("GET session:a"), Frame::Bulk(value.clone()));
        client.run("DEL user:a session:l session:s");
        assert_eq!(client.command(&[b"HSET", b"user:a", b"f", &value]), Frame::Integer(1));
        assert_eq!(client.run("HVALS user:a"), Frame::Array(vec![Frame::Bulk(value.clone())]));
        assert_eq!(client.command(&[b"RPUSH", b"session:l", &value]), Frame::Integer(1));
        assert_eq!(client.run("BLPOP session:l 1").items()[1], Frame::Bulk(value.clone()));
        assert_eq!(client.command(&[b"SADD", b"session:s", &value]), Frame::Integer(1));
        assert_eq!(client.command(&[b"SISMEMBER", b"session:s", &value]), Frame::Integer(1));
        assert_eq!(client.run("WATCH session:a"), Frame::ok());
        assert_eq!(client.run("MULTI"), Frame::ok());
        assert_eq!(client.run("GET session:a"), Frame::Simple("QUEUED".into()));
        assert_eq!(client.run("EXEC"), Frame::Array(vec![Frame::Bulk(value)]));
    }
    tap.assert_never_contains(MARKER);
    // Nothing is sent on our own account that it would refuse: its words never show up in the log.
    assert!(!sidecar.stderr().contains("not available"), "{}", sidecar.stderr());
}

#[test]
fn what_it_refuses_reaches_the_client_in_its_words() {
    let (_upstream, _upstash, sidecar) = house();
    let mut client = sidecar.connect();
    assert_eq!(client.run("SELECT 0"), Frame::ok());
    assert!(client.run("SELECT 1").is_error("ERR Only 0th database is supported! Selected DB: 1"));
    assert_eq!(client.run("SET session:a v"), Frame::ok(), "the connection is where it was");
    assert!(client.run("OBJECT ENCODING open:a").is_error("ERR Command is not available: 'OBJECT'"));
    // Topology is answered here, not there.
    assert!(client.run("CLUSTER INFO").is_error("ERR This instance has cluster support disabled"));
    assert!(matches!(client.run("ROLE"), Frame::Array(_)));
}

#[test]
fn values_up_to_its_limit_pass_and_larger_ones_are_its_error() {
    let (_upstream, _upstash, sidecar) = house();
    let mut client = sidecar.connect();
    let value = vec![b'v'; LIMIT - 200];
    assert_eq!(client.command(&[b"SET", b"session:large", &value]), Frame::ok());
    assert_eq!(client.run("GET session:large"), Frame::Bulk(value));
    let beyond = vec![b'v'; LIMIT];
    assert!(client.command(&[b"SET", b"session:beyond", &beyond]).is_error("ERR max request size exceeded"));
    // Too large by its envelope alone: the error says what was added.
    let almost = vec![b'v'; LIMIT - 60];
    let Frame::Error(text) = client.command(&[b"SET", b"session:beyond", &almost]) else { panic!("it fits") };
    assert!(text.starts_with("ERR max request size exceeded") && text.contains("adds 48 bytes"), "{text}");
    assert_eq!(client.command(&[b"SET", b"open:almost", &almost]), Frame::ok());
    assert_eq!(client.run("PING"), Frame::Simple("PONG".into()));
    assert_eq!(client.run("EXISTS session:beyond"), Frame::Integer(0));
}

/// Its cutting of idle connections is not noticed by a command that comes later.
#[test]
fn idle_connections_are_cut_and_nobody_notices() {
    let (_upstream, upstash, sidecar) = house();
    let mut client = sidecar.connect();
    assert_eq!(client.run("SET session:a v"), Frame::ok());
    for round in 0..3 {
        std::thread::sleep(IDLE + Duration::from_millis(700));
        assert!(upstash.cut.load(Ordering::Relaxed) > round, "nothing was cut");
        assert_eq!(client.run("GET session:a"), Frame::bulk("v"), "round {round}");
    }
}

/// Clients that ask COMMAND where keys are get the answer that it does not have.
#[test]
fn commands_are_described_from_the_table() {
    let (_upstream, _upstash, sidecar) = house();
    for mut client in [sidecar.connect(), sidecar.connect3()] {
        let commands = client.run("COMMAND").items();
        assert!(commands.len() > 200);
        assert_eq!(client.run("COMMAND COUNT").integer(), i64::try_from(commands.len()).expect("few"));
        assert_eq!(client.run("COMMAND LIST").items().len(), commands.len());
        let mset = client.run("COMMAND INFO MSET nosuch").items();
        let expected = [Frame::Integer(1), Frame::Integer(-1), Frame::Integer(2)];
        assert_eq!((mset[0].clone().items()[3..6].to_vec(), &mset[1]), (expected.to_vec(), &Frame::Null));
        let keys = [Frame::bulk("a"), Frame::bulk("b")];
        assert_eq!(client.run("COMMAND GETKEYS MSET a 1 b 2").items(), keys);
    }
}
