//! Who may do what: logins, read-only, MONITOR, the number of clients.

mod support;

use support::upstream::PASSWORD;
use support::{Frame, MARKER, Raw, Sidecar, Upstream};

#[test]
fn nothing_but_a_login_before_the_login() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, |settings| settings.listen = "auth = \"required\"\n".into());
    let mut client = sidecar.connect();
    for line in
        ["PING", "GET session:a", "SET open:a v", "CLIENT ID", "SUBSCRIBE c", "MULTI", "EXEC", "NOSUCH session:a"]
    {
        assert!(client.run(line).is_error("NOAUTH"), "{line}");
    }
    assert!(client.run("AUTH wrong").is_error("WRONGPASS"));
    assert!(client.run(&format!("AUTH somebody {PASSWORD}")).is_error("WRONGPASS"));
    assert!(client.run("HELLO 3").is_error("NOAUTH"));
    assert!(client.run("HELLO 3 AUTH default wrong SETNAME x").is_error("WRONGPASS"));
    assert!(client.run("GET session:a").is_error("NOAUTH"), "a failed login let the client in");
    assert_eq!(client.run(&format!("AUTH {PASSWORD}")), Frame::ok());
    assert_eq!(client.run("SET session:a v"), Frame::ok());
    assert_eq!(client.run("RESET"), Frame::Simple("RESET".into()));
    assert!(client.run("GET session:a").is_error("NOAUTH"), "RESET logs out");

    let mut other = sidecar.connect();
    let hello = other.run(&format!("HELLO 3 AUTH default {PASSWORD} SETNAME app"));
    assert!(matches!(hello, Frame::Map(_)), "{hello:?}");
    assert_eq!(other.run("CLIENT GETNAME"), Frame::bulk("app"));
    assert_eq!(other.run("GET session:a"), Frame::bulk("v"));
    assert_eq!(upstream.raw().run("EXISTS open:a"), Frame::Integer(0));
}

/// What a client may send before its login is small, in Redis's own words.
#[test]
fn large_requests_before_the_login_are_cut() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, |settings| settings.listen = "auth = \"required\"\n".into());
    for (request, text) in [
        (&b"*11\r\n"[..], "ERR Protocol error: unauthenticated multibulk length"),
        (b"*2\r\n$4\r\nAUTH\r\n$16385\r\n", "ERR Protocol error: unauthenticated bulk length"),
    ] {
        for (mut client, who) in [(sidecar.connect(), "waxseal"), (stranger(&upstream), "redis")] {
            client.send(request);
            assert_eq!(client.read(), Frame::Error(text.into()), "{who}");
            assert!(client.drain(std::time::Duration::from_secs(2)).1, "{who} keeps the connection");
        }
    }
}

/// A connection to the database itself that has not logged in.
fn stranger(upstream: &Upstream) -> Raw {
    Raw::tcp(upstream.plain_port)
}

#[test]
fn read_only_lets_nothing_write() {
    let upstream = Upstream::start();
    let mut raw = upstream.raw();
    assert_eq!(raw.run("SET open:a v"), Frame::ok());
    let reader = Sidecar::start_with(&upstream, |settings| settings.more = "[access]\nread_only = true\n".into());
    let mut client = reader.connect();
    assert_eq!(client.run("GET open:a"), Frame::bulk("v"));
    for line in [
        "SET session:a w",
        "SET open:a w",
        "DEL open:a",
        "EXPIRE open:a 1",
        "FLUSHALL",
        "CONFIG SET maxmemory 1",
        "EVAL return(redis.call('DEL','open:a')) 0",
        "FCALL f 0",
        "NOSUCHCOMMAND open:a",
    ] {
        let reply = client.run(line);
        assert!(
            matches!(&reply, Frame::Error(text) if text.contains("read-only") || text.contains("WAXSEAL")),
            "{line}: {reply:?}"
        );
    }
    assert_eq!(client.run("MULTI"), Frame::ok());
    assert!(client.run("DEL open:a").is_error("NOPERM"));
    assert!(client.run("EXEC").is_error("EXECABORT"));
    assert_eq!(client.run("GET open:a"), Frame::bulk("v"));
}

/// MONITOR shows everybody's commands, so it needs a grant; and what it shows of protected keys is ciphertext.
#[test]
fn monitor_needs_a_grant_and_shows_ciphertext() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start(&upstream);
    assert!(sidecar.connect().run("MONITOR").is_error("NOPERM"));

    let granted = Sidecar::start_with(&upstream, |settings| settings.more = "[access]\nmonitor = true\n".into());
    let mut monitor = granted.connect();
    assert_eq!(monitor.run("MONITOR"), Frame::ok());
    let mut client = granted.connect();
    assert_eq!(client.command(&[b"SET", b"session:m", MARKER.as_bytes()]), Frame::ok());
    assert_eq!(client.run("SET open:m seen"), Frame::ok());
    let mut lines = String::new();
    while !lines.contains("open:m") {
        let Frame::Simple(line) = monitor.read() else { panic!("no line of MONITOR") };
        lines += &line;
    }
    assert!(lines.contains("session:m") && !lines.contains(MARKER));
    assert!(monitor.run("GET open:m").is_error("WAXSEAL UNSUPPORTED"));
}

#[test]
fn one_client_too_many_is_told_so() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, |settings| settings.more = "[limits]\nmax_clients = 2\n".into());
    let mut clients = [sidecar.connect(), sidecar.connect()];
    for client in &mut clients {
        assert_eq!(client.run("PING"), Frame::Simple("PONG".into()));
    }
    let mut third = sidecar.connect();
    assert_eq!(third.read(), Frame::Error("ERR max number of clients reached".into()));
    let [first, _second] = clients;
    drop(first);
    support::wait_until("a place is free", || sidecar.connect().run("PING") == Frame::Simple("PONG".into()));
}
