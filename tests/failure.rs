//! When something is wrong, the sidecar says what it is, at once, stays up, and is well again by itself.

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use support::certs::Certs;
use support::raw::End;
use support::sidecar::{binary, keygen};
use support::upstream::PASSWORD;
use support::{Frame, Raw, Sidecar, Upstream, free_port, wait_until};
use tempfile::TempDir;

/// "At once": well under what a client's own timeout would be.
const AT_ONCE: Duration = Duration::from_secs(3);

/// The first bytes that come back to a command on a fresh connection; none when it is closed without a word.
fn first_answer(sidecar: &Sidecar, line: &str) -> Vec<u8> {
    let mut raw = sidecar.connect();
    raw.send_lossy(format!("{line}\r\n").as_bytes());
    raw.some(AT_ONCE).0
}

#[track_caller]
fn assert_error_at_once(sidecar: &mut Sidecar, code: &str) {
    let begin = Instant::now();
    for line in ["GET open:a", "GET session:a", "BLPOP open:q 0", "SUBSCRIBE open:c", "WATCH open:a"] {
        let reply = sidecar.connect().run(line);
        assert!(reply.is_error(code), "{line}: wanted {code}, got {reply:?}");
        assert!(!format!("{reply:?}").contains(PASSWORD), "a password in an error");
    }
    assert!(begin.elapsed() < 5 * AT_ONCE, "the errors took {:?}", begin.elapsed());
    // What needs no upstream is answered all the same.
    assert_eq!(sidecar.connect().run("PING"), Frame::Simple("PONG".into()));
    assert!(sidecar.is_running());
    assert!(!sidecar.stderr().contains(PASSWORD), "a password in the log");
}

#[track_caller]
fn assert_well_again(sidecar: &mut Sidecar) {
    wait_until("the sidecar reaches the upstream again", || {
        sidecar.connect().run("SET session:again value") == Frame::ok()
    });
    assert_eq!(sidecar.connect().run("GET session:again"), Frame::bulk("value"));
    assert!(sidecar.is_running());
}

#[test]
fn upstream_down_at_start() {
    let mut upstream = Upstream::prepare(&["127.0.0.1"]);
    let mut sidecar = Sidecar::start(&upstream);
    assert_error_at_once(&mut sidecar, "LOADING");
    upstream.launch();
    assert_well_again(&mut sidecar);
}

#[test]
fn upstream_goes_down_and_comes_back() {
    let mut upstream = Upstream::start();
    let mut sidecar = Sidecar::start(&upstream);
    let mut client = sidecar.connect();
    assert_eq!(client.run("SET session:a before"), Frame::ok());
    let mut blocked = sidecar.connect();
    blocked.send(b"BLPOP open:q 0\r\n");
    let mut subscriber = sidecar.connect();
    subscriber.run("SUBSCRIBE session:c");
    std::thread::sleep(Duration::from_millis(100));

    upstream.stop();
    // Their outcome is unknown, so their connections end, as they would if Redis itself had died.
    assert!(blocked.drain(AT_ONCE).1, "a client whose command was in flight was left hanging");
    assert!(subscriber.drain(AT_ONCE).1, "a subscriber was left believing that it hears everything");
    wait_until("the loss is noticed", || first_answer(&sidecar, "GET open:a").starts_with(b"-LOADING"));
    assert_error_at_once(&mut sidecar, "LOADING");

    upstream.launch();
    assert_well_again(&mut sidecar);
}

#[test]
fn wrong_password() {
    let upstream = Upstream::start();
    let mut sidecar = Sidecar::start_with(&upstream, |settings| settings.password = "mistyped".into());
    assert_error_at_once(&mut sidecar, "WAXSEAL UPSTREAM_AUTH");
    assert!(!sidecar.stderr().contains("mistyped"), "a password in the log");
    upstream.raw().run("CONFIG SET requirepass mistyped");
    assert_well_again(&mut sidecar);
}

#[test]
fn untrusted_certificate() {
    let upstream = Upstream::start();
    let elsewhere = TempDir::new().expect("temporary directory");
    let stranger = Certs::write(elsewhere.path(), &["127.0.0.1"]);
    let mut sidecar = Sidecar::start_with(&upstream, |settings| settings.ca = Some(stranger.ca.clone()));
    assert_error_at_once(&mut sidecar, "WAXSEAL UPSTREAM_TLS");
    assert!(!upstream.command_counts().contains_key("hello"), "credentials went to a server that was not verified");
}

#[test]
fn public_roots_do_not_trust_a_private_authority() {
    let upstream = Upstream::start();
    let mut sidecar = Sidecar::start_with(&upstream, |settings| settings.ca = None);
    assert_error_at_once(&mut sidecar, "WAXSEAL UPSTREAM_TLS");
}

#[test]
fn certificate_for_another_name() {
    let upstream = Upstream::start_for(&["other.example"]);
    let mut sidecar = Sidecar::start(&upstream);
    assert_error_at_once(&mut sidecar, "WAXSEAL UPSTREAM_TLS");
    let mut told = Sidecar::start_with(&upstream, |settings| settings.server_name = Some("other.example".into()));
    assert_well_again(&mut told);
}

/// Something that listens where the upstream should be and is not one. Serves until the test's process ends.
fn impostor(answer: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let port = listener.local_addr().expect("address").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            // Takes the greeting first, so that closing does not reset what is on its way.
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer);
        }
    });
    port
}

fn in_front_of(port: u16) -> Sidecar {
    let upstream = Upstream::prepare(&["127.0.0.1"]);
    Sidecar::start_with(&upstream, |settings| settings.url = format!("rediss://default@127.0.0.1:{port}"))
}

#[test]
fn a_server_without_tls_is_an_error() {
    let mut sidecar = in_front_of(impostor(b"-ERR Protocol error: too big mbulk count string\r\n"));
    assert_error_at_once(&mut sidecar, "WAXSEAL UPSTREAM_TLS");
}

#[test]
fn a_server_that_hangs_up_is_an_error() {
    let mut sidecar = in_front_of(impostor(b""));
    assert_error_at_once(&mut sidecar, "LOADING");
}

#[test]
fn sigterm_drains_and_exits_0() {
    const PIPELINE: usize = 200;
    let upstream = Upstream::start();
    let mut sidecar = Sidecar::start(&upstream);
    let _idle = sidecar.connect();
    let mut client = sidecar.connect();
    client.send("INCR open:n\r\n".repeat(PIPELINE).as_bytes());
    assert_eq!(client.read(), Frame::Integer(1));
    sidecar.terminate();
    for expected in 2..=PIPELINE {
        assert_eq!(client.read(), Frame::Integer(i64::try_from(expected).expect("small")));
    }
    assert_eq!(sidecar.wait_for_exit().code(), Some(0), "the log:\n{}", sidecar.stderr());
    assert!(TcpStream::connect(("127.0.0.1", sidecar.port)).is_err(), "still listening");
}

/// Consumers spend their lives in BLPOP: they are sent away at once, with what they got or without an answer, and come
/// back to another sidecar.
#[test]
fn sigterm_does_not_wait_for_an_element() {
    const AT_ONCE: Duration = Duration::from_secs(3);
    for (lanes, refused) in [(None, false), (Some("dedicated"), false), (None, true)] {
        let upstream = Upstream::start();
        let mut sidecar = Sidecar::start_with(&upstream, |settings| settings.lanes = lanes);
        if refused {
            assert_eq!(upstream.raw().run("ACL SETUSER default -client|unblock"), Frame::ok());
        }
        let mut consumers: Vec<Raw> = (0..12).map(|_| sidecar.connect()).collect();
        for (at, consumer) in consumers.iter_mut().enumerate() {
            let command = ["BLPOP list 0", "BRPOPLPUSH list other 0", "XREAD BLOCK 0 STREAMS stream $"][at % 3];
            consumer.send(format!("{command}\r\n").as_bytes());
        }
        let mut subscriber = sidecar.connect3();
        subscriber.run("SUBSCRIBE session:c");
        wait_until("all are blocked", || {
            let clients = String::from_utf8(upstream.raw().run("INFO clients").bytes()).expect("text");
            clients.contains("blocked_clients:12")
        });
        let stopping = Instant::now();
        sidecar.terminate();
        assert_eq!(sidecar.wait_for_exit().code(), Some(0), "the log:\n{}", sidecar.stderr());
        assert!(stopping.elapsed() < AT_ONCE, "{:?} with lanes {lanes:?}", stopping.elapsed());
        for consumer in &mut consumers {
            assert_eq!(consumer.try_read(), Err(End::Closed), "nothing came, so nothing is to be answered");
        }
        // Nobody is there to take it.
        upstream.raw().run("RPUSH list element");
        assert_eq!(upstream.raw().run("LLEN list"), Frame::Integer(1));
    }
}

/// What comes in the same instant is delivered or still there.
#[test]
fn an_element_that_comes_while_the_sidecar_stops_is_not_lost() {
    let (mut delivered, mut kept) = (0, 0);
    for round in 0..8 {
        let upstream = Upstream::start();
        let mut sidecar = Sidecar::start(&upstream);
        let mut consumer = sidecar.connect();
        consumer.send(b"BLPOP list 0\r\n");
        wait_until("it is blocked", || {
            String::from_utf8_lossy(&upstream.raw().run("INFO clients").bytes()).contains("blocked_clients:1")
        });
        let mut producer = upstream.raw();
        sidecar.terminate();
        std::thread::sleep(Duration::from_micros(500 * round));
        producer.run("RPUSH list element");
        let got = consumer.try_read().is_ok();
        assert_eq!(sidecar.wait_for_exit().code(), Some(0));
        assert_eq!(producer.run("LLEN list"), Frame::Integer(i64::from(!got)), "round {round}");
        if got { delivered += 1 } else { kept += 1 }
    }
    eprintln!("{delivered} delivered, {kept} kept");
}

#[test]
fn sigterm_does_not_wait_for_ever() {
    let upstream = Upstream::start();
    let mut sidecar =
        Sidecar::start_with(&upstream, |settings| settings.more = "[server]\ndrain_timeout = \"1s\"\n".into());
    assert_eq!(upstream.raw().run("CLIENT PAUSE 5000 ALL"), Frame::ok());
    let mut waiting = sidecar.connect();
    waiting.send(b"GET open:q\r\n");
    let mut observer = sidecar.connect();
    wait_until("it has been read", || {
        String::from_utf8_lossy(&observer.run("CLIENT LIST").bytes()).contains(" cmd=get ")
    });
    sidecar.terminate();
    // A client was cut in the middle of a command: that is not a clean end.
    assert_eq!(sidecar.wait_for_exit().code(), Some(1), "the log:\n{}", sidecar.stderr());
}

/// A server that is killed and a socket file that it left behind do not keep the next one from starting.
#[test]
fn a_stale_unix_socket_is_replaced() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start(&upstream);
    let stale = sidecar.dir().join("stale.sock");
    drop(std::os::unix::net::UnixListener::bind(&stale).expect("bind"));
    let config = sidecar.dir().join("second.toml");
    let first = std::fs::read_to_string(sidecar.dir().join("waxseal.toml")).expect("read");
    std::fs::write(
        &config,
        first.replace("redis.sock", "stale.sock").replace(&sidecar.port.to_string(), &free_port().to_string()),
    )
    .expect("write");
    let mut second = binary()
        .args(["run", "--config"])
        .arg(&config)
        .env("WAXSEAL_UPSTREAM_PASSWORD", PASSWORD)
        .spawn()
        .expect("run");
    wait_until("the second sidecar listens on the old path", || {
        std::os::unix::net::UnixStream::connect(&stale).is_ok()
    });
    assert_eq!(Raw::unix(&stale).run("PING"), Frame::Simple("PONG".into()));
    second.kill().expect("kill");
    second.wait().expect("wait");
}

fn run_config(text: &str) -> (Option<i32>, String) {
    let dir = TempDir::new().expect("temporary directory");
    let config = dir.path().join("waxseal.toml");
    std::fs::write(&config, text).expect("write");
    let output = binary().args(["run", "--config"]).arg(&config).output().expect("run");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn wrong_configuration_names_every_fault_and_exits_78() {
    let port = free_port();
    let (code, stderr) = run_config(&format!(
        "[listen]\nredis = [\"127.0.0.1:{port}\", \"0.0.0.0:{port}\"]\n\
         [upstream]\nurl = \"http://nowhere\"\nca_file = \"/nonexistent/ca.pem\"\nlanes = \"sideways\"\n\
         [[encrypt]]\nid = \"a\"\nkeys = []\n[[encrypt]]\nid = \"a\"\nkeys = [\"x:*\"]\nscope = \"planet\"\n\
         [limits]\nper_connection = {{ algorithm = \"dice\", limit = 0, window = \"soon\", burst = 0 }}\n"
    ));
    assert_eq!(code, Some(78), "{stderr}");
    for place in ["redis", "url", "ca_file", "lanes", "keys", "id", "scope", "algorithm", "window", "keyring"] {
        assert!(stderr.contains(place), "no word of {place} in:\n{stderr}");
    }
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[test]
fn unknown_settings_are_refused() {
    let (code, stderr) = run_config("[upstream]\nurl = \"rediss://h:1\"\nencrypted = true\n");
    assert_eq!(code, Some(78), "{stderr}");
    assert!(stderr.contains("encrypted"), "{stderr}");
    let (code, stderr) = run_config("this is not toml");
    assert_eq!(code, Some(78), "{stderr}");
    let missing = binary().args(["run", "--config", "/nonexistent/waxseal.toml"]).output().expect("run");
    assert_eq!(missing.status.code(), Some(78));
}

#[test]
fn usage_errors_exit_64_and_help_exits_0() {
    assert_eq!(binary().args(["run", "--no-such-flag"]).output().expect("run").status.code(), Some(64));
    assert_eq!(binary().arg("no-such-command").output().expect("run").status.code(), Some(64));
    assert_eq!(binary().arg("--help").output().expect("run").status.code(), Some(0));
    assert_eq!(binary().arg("--version").output().expect("run").status.code(), Some(0));
}

#[test]
fn a_password_on_the_command_line_is_refused_without_repeating_it() {
    let output = binary().args(["run", "--upstream", "rediss://default:hunter2@127.0.0.1:1"]).output().expect("run");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(78), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn keygen_writes_0600_and_never_overwrites() {
    let dir = TempDir::new().expect("temporary directory");
    let path = dir.path().join("keyring.json");
    keygen(&path);
    let before = std::fs::read(&path).expect("read");
    assert_eq!(std::fs::metadata(&path).expect("metadata").permissions().mode() & 0o777, 0o600);
    let again = binary().args(["keygen", "--out"]).arg(&path).output().expect("run");
    assert_eq!(again.status.code(), Some(1));
    assert_eq!(std::fs::read(&path).expect("read"), before);
}

#[test]
fn flags_alone_are_enough() {
    let upstream = Upstream::start();
    let dir = TempDir::new().expect("temporary directory");
    let keyring = dir.path().join("keyring.json");
    keygen(&keyring);
    let (port, socket) = (free_port(), dir.path().join("w.sock"));
    let mut process = binary()
        .args(["run", "--listen", &format!("127.0.0.1:{port}"), "--listen", &format!("unix:{}", socket.display())])
        .args(["--upstream", &upstream.url(), "--encrypt", "session:*", "--encrypt", "user:*", "--ca-file"])
        .arg(&upstream.certs.ca)
        .arg("--keyring")
        .arg(&keyring)
        .env("WAXSEAL_UPSTREAM_PASSWORD", PASSWORD)
        .spawn()
        .expect("run");
    wait_until("the sidecar listens", || TcpStream::connect(("127.0.0.1", port)).is_ok() && socket.exists());
    assert_eq!(Raw::tcp(port).run("SET user:a clear"), Frame::ok());
    assert_eq!(Raw::unix(&socket).run("GET user:a"), Frame::bulk("clear"));
    assert_ne!(upstream.raw().run("GET user:a"), Frame::bulk("clear"));
    process.kill().expect("kill");
    process.wait().expect("wait");
}
