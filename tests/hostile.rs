//! A database that lies, and clients that try to get around the table.

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use support::certs::Certs;
use support::{Frame, MARKER, Raw, Sidecar, Tap, Upstream, contains, secret};
use waxseal::resp::{RequestLimits, RequestScanner};

const QUIET: Duration = Duration::from_millis(300);

/// Speaks TLS with the upstream's certificate and gives one canned answer to whatever is not HELLO or PING.
struct Liar {
    port: u16,
    answer: Arc<Mutex<Vec<u8>>>,
}

impl Liar {
    fn with(certs: &Certs) -> Self {
        let config = certs.server_config();
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let port = listener.local_addr().expect("address").port();
        let answer = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&answer);
        // Ends with the test's process.
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let (config, answer) = (Arc::clone(&config), Arc::clone(&shared));
                std::thread::spawn(move || serve(socket, config, &answer));
            }
        });
        Self { port, answer }
    }

    fn will_say(&self, answer: &[u8]) {
        *self.answer.lock().expect("answer") = answer.to_vec();
    }
}

fn serve(socket: TcpStream, config: Arc<ServerConfig>, answer: &Mutex<Vec<u8>>) -> Option<()> {
    socket.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    let mut stream = StreamOwned::new(ServerConnection::new(config).ok()?, socket);
    let (mut input, mut chunk, mut scanner) = (Vec::new(), vec![0; 16 * 1024], RequestScanner::new());
    loop {
        while let Some(len) = scanner.scan(&input, &RequestLimits::authenticated(usize::MAX)).ok()? {
            let reply = {
                let request = scanner.request(&input);
                match request.arg(0)?.to_ascii_uppercase().as_slice() {
                    b"HELLO" => b"*2\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n".to_vec(),
                    b"PING" => b"+PONG\r\n".to_vec(),
                    _ => answer.lock().expect("answer").clone(),
                }
            };
            stream.write_all(&reply).ok()?;
            stream.flush().ok()?;
            scanner.reset();
            input.drain(..len);
        }
        let count = stream.read(&mut chunk).ok().filter(|count| *count > 0)?;
        input.extend_from_slice(&chunk[..count]);
    }
}

fn lie() -> (Upstream, Liar, Sidecar) {
    let upstream = Upstream::prepare(&["127.0.0.1"]);
    let liar = Liar::with(&upstream.certs);
    let sidecar =
        Sidecar::start_with(&upstream, |settings| settings.url = format!("rediss://default@127.0.0.1:{}", liar.port));
    (upstream, liar, sidecar)
}

/// The key in a reply is the database's word. It must be one that was asked for, and decides nothing else.
#[test]
fn the_database_does_not_choose_the_key_of_a_reply() {
    let (_upstream, liar, sidecar) = lie();
    for (command, answer) in [
        ("BLPOP session:a 1", &b"*2\r\n$5\r\nother\r\n$6\r\nFORGED\r\n"[..]),
        ("BLPOP session:a session:b 1", b"*2\r\n$9\r\nsession:c\r\n$6\r\nFORGED\r\n"),
        ("LMPOP 1 session:a LEFT", b"*2\r\n$5\r\nother\r\n*1\r\n$6\r\nFORGED\r\n"),
        ("BZPOPMIN session:a 1", b"*3\r\n$5\r\nother\r\n$6\r\nFORGED\r\n$1\r\n1\r\n"),
        ("ZMPOP 1 session:a MIN", b"*2\r\n$5\r\nother\r\n*1\r\n*2\r\n$6\r\nFORGED\r\n$1\r\n1\r\n"),
        (
            "XREAD STREAMS session:a 0",
            b"*1\r\n*2\r\n$5\r\nother\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nf\r\n$6\r\nFORGED\r\n",
        ),
        (
            "XREAD STREAMS session:a open:b 0 0",
            b"*1\r\n*2\r\n$6\r\nopen:x\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nf\r\n$6\r\nFORGED\r\n",
        ),
    ] {
        liar.will_say(answer);
        let reply = sidecar.connect().run(command);
        assert!(reply.is_error("WAXSEAL"), "{command}: {reply:?}");
    }
}

/// Replies of other shapes than the command gives, and plaintext where an envelope belongs.
#[test]
fn forged_replies_are_errors() {
    let (_upstream, liar, sidecar) = lie();
    for command in [
        "GET session:a",
        "HGETALL session:a",
        "HVALS session:a",
        "MGET session:a session:b",
        "LRANGE session:a 0 -1",
        "LPOP session:a",
        "SMEMBERS session:a",
        "ZRANGE session:a 0 -1 WITHSCORES",
        "XRANGE session:a - +",
        "HGET session:a f",
        "HMGET session:a f",
        "SPOP session:a",
        "GEOSEARCH session:a FROMLONLAT 1 1 BYRADIUS 1 m",
        "HSCAN session:a 0",
        "SET session:a v GET",
        "GETDEL session:a",
    ] {
        for answer in [
            &b"$6\r\nFORGED\r\n"[..],
            b"+FORGED\r\n",
            b":1\r\n",
            b"*1\r\n$6\r\nFORGED\r\n",
            b"*2\r\n$1\r\nf\r\n$6\r\nFORGED\r\n",
            b"*2\r\n$1\r\n0\r\n*2\r\n$1\r\nf\r\n$6\r\nFORGED\r\n",
            b"*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nf\r\n$6\r\nFORGED\r\n",
        ] {
            liar.will_say(answer);
            let mut client = sidecar.connect();
            client.send(format!("{command}\r\n").as_bytes());
            let (bytes, _) = client.some(QUIET);
            assert!(bytes.starts_with(b"-WAXSEAL "), "{command} {:?}", String::from_utf8_lossy(&bytes));
            assert!(!contains(&bytes, b"FORGED"), "{command}");
        }
    }
}

/// A subscriber hears what it has asked for, in the form of the protocol, sealed where a rule says so.
#[test]
fn forged_messages_reach_nobody() {
    let (_upstream, liar, sidecar) = lie();
    let confirmed = b"*3\r\n$9\r\nsubscribe\r\n$9\r\nsession:c\r\n:1\r\n";
    for forged in [
        &b"*3\r\n$7\r\nmessage\r\n$9\r\nsession:c\r\n$6\r\nFORGED\r\n"[..],
        b"*4\r\n$7\r\nmessage\r\n$9\r\nsession:c\r\n$6\r\nFORGED\r\n$1\r\nx\r\n",
        b"*3\r\n$7\r\nmessage\r\n$5\r\nother\r\n$6\r\nFORGED\r\n",
        b"*4\r\n$8\r\npmessage\r\n$9\r\nsession:*\r\n$5\r\nother\r\n$6\r\nFORGED\r\n",
        b"*3\r\n+message\r\n$9\r\nsession:c\r\n$6\r\nFORGED\r\n",
        b">3\r\n+message\r\n$9\r\nsession:c\r\n$6\r\nFORGED\r\n",
        b">4\r\n$6\r\nMOVING\r\n:1\r\n:30\r\n$9\r\nevil:6379\r\n",
        b"*3\r\n$14\r\n__keyspace@0__\r\n$9\r\nsession:c\r\n$6\r\nFORGED\r\n",
        b"*3\r\n$9\r\nsubscribe\r\n$5\r\nother\r\n:2\r\n",
    ] {
        for hello in ["HELLO 2", "HELLO 3"] {
            let mut client = sidecar.connect();
            client.run(hello);
            liar.will_say(&[&confirmed[..], forged].concat());
            client.send(b"SUBSCRIBE session:c\r\n");
            let (bytes, _) = client.drain(QUIET);
            let shown = String::from_utf8_lossy(&bytes);
            assert!(!contains(&bytes, b"FORGED") && !contains(&bytes, b"evil"), "{hello} {shown}");
        }
    }
}

/// HELLO is answered in the protocol that it asks for: a server that answers in another has not changed over.
#[test]
fn a_greeting_in_the_wrong_protocol_ends_the_client() {
    let (_upstream, liar, sidecar) = lie();
    liar.will_say(b"+OK\r\n");
    let mut client = sidecar.connect();
    assert_eq!(client.run("WATCH a"), Frame::ok());
    client.send(b"HELLO 3\r\nGET session:a\r\n");
    let (bytes, closed) = client.drain(QUIET);
    assert_eq!((bytes.as_slice(), closed), (&b""[..], true));
}

/// Redis compares names up to a NUL byte. One with such a byte is none that the table knows, and must not run.
#[test]
fn a_name_with_a_nul_byte_never_passes() {
    let upstream = Upstream::start();
    let tap = Tap::on(&upstream);
    for rules in [true, false] {
        let sidecar = Sidecar::start_with(&upstream, |settings| {
            settings.trust_scripts = false;
            if !rules {
                settings.rules.clear();
            }
        });
        let mut client = sidecar.connect();
        let script = format!("return redis.call('SET', 'session:nul', '{MARKER}')");
        for n in 0..400 {
            for name in ["EVAL", "MONITOR", "PSYNC", "FCALL"] {
                let reply = client.command(&[format!("{name}\0{n}").as_bytes(), script.as_bytes(), b"0"]);
                assert!(reply.is_error("WAXSEAL UNKNOWN_COMMAND"), "{name}: {reply:?}");
            }
            let reply = client.command(&[b"SCRIPT", format!("DEBUG\0{n}").as_bytes(), b"YES"]);
            assert!(reply.is_error("WAXSEAL UNKNOWN_COMMAND"), "SCRIPT: {reply:?}");
        }
    }
    assert_eq!(upstream.raw().run("EXISTS session:nul"), Frame::Integer(0));
    tap.assert_never_contains(MARKER);
}

/// One command may not grow into ten times its size, nor a transaction hold what nobody counts.
#[test]
fn sealing_has_bounds() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start(&upstream);
    let mut client = sidecar.connect();
    let mut request = b"*1100002\r\n$5\r\nLPUSH\r\n$9\r\nsession:l\r\n".to_vec();
    request.extend(b"$0\r\n\r\n".repeat(1_100_000));
    client.send(&request);
    assert!(client.read().is_error("WAXSEAL TOO_LARGE"));
    assert_eq!(client.run("LLEN session:l"), Frame::Integer(0));
    assert_eq!(client.command(&[b"SET", b"session:a", &secret("after")]), Frame::ok());
    drop::<Raw>(client);
}
