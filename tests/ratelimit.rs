//! The rate limit per connection: refusals take their place in the pipeline and reach no database.

mod support;

use std::time::Duration;

use support::{Frame, Sidecar, Upstream};

const BURST: i64 = 10;

fn limited(upstream: &Upstream, window: &str) -> Sidecar {
    Sidecar::start_with(upstream, |settings| {
        settings.more = format!(
            "[limits]\nper_connection = {{ algorithm = \"token_bucket\", limit = {BURST}, window = \"{window}\", burst = {BURST} }}\n"
        );
    })
}

#[test]
fn refusals_keep_their_place() {
    let upstream = Upstream::start();
    let sidecar = limited(&upstream, "1h");
    let mut client = sidecar.connect();
    client.send("INCR open:n\r\n".repeat(30).as_bytes());
    for number in 1..=BURST {
        assert_eq!(client.read(), Frame::Integer(number));
    }
    for _ in BURST..30 {
        let reply = client.read();
        assert!(reply.is_error("WAXSEAL RATE_LIMITED"), "{reply:?}");
    }
    assert_eq!(upstream.raw().run("GET open:n"), Frame::bulk(BURST.to_string()));
    // Each connection has its own measure.
    assert_eq!(sidecar.connect().run("INCR open:n"), Frame::Integer(BURST + 1));
}

#[test]
fn the_handshake_is_exempt() {
    let upstream = Upstream::start();
    let sidecar = limited(&upstream, "1h");
    let mut client = sidecar.connect();
    for _ in 0..2 {
        client.run("HELLO 3");
        client.run("CLIENT SETINFO LIB-NAME test");
        client.run("CLIENT SETNAME test");
        client.run("SELECT 0");
    }
    for number in 1..=BURST {
        assert_eq!(client.run("INCR open:n"), Frame::Integer(number));
    }
    assert!(client.run("INCR open:n").is_error("WAXSEAL RATE_LIMITED"));
}

#[test]
fn the_bucket_fills_again() {
    let upstream = Upstream::start();
    let sidecar = limited(&upstream, "1s");
    let mut client = sidecar.connect();
    client.send("INCR open:n\r\n".repeat(30).as_bytes());
    let refused = (0..30).filter(|_| client.read().is_error("WAXSEAL RATE_LIMITED")).count();
    assert!(refused >= 15, "{refused} of 30 at once were refused");
    std::thread::sleep(Duration::from_millis(1100));
    for _ in 0..BURST {
        assert!(matches!(client.run("INCR open:n"), Frame::Integer(_)));
    }
}
