//! Commands on encrypted keys whose replies are of many parts, on Redis 7.0, 8.2 and Valkey 9.1: the same as from a
//! bare server. And those that tell how a value is stored.

mod support;

use support::newer::{REDIS_8_2, VALKEY_9_1};
use support::same::settled;
use support::sidecar::Settings;
use support::{Frame, MARKER, Newer, Raw, Sidecar, Tap, Upstream, contains};

fn everything(settings: &mut Settings) {
    settings.rules.clear();
    settings.more = "[[encrypt]]\nid = \"all\"\nkeys = [\"*\"]\nscope = \"rule\"\n".into();
}

/// The same on each server that is installed, in both protocols: first bare, then through the sidecar.
fn on_all(check: impl Fn(&mut Raw, &mut Raw)) {
    let both = |bare: &dyn Fn() -> Raw, sealed: &dyn Fn() -> Raw| {
        for proto in ["HELLO 2", "HELLO 3"] {
            let (mut bare, mut sealed) = (bare(), sealed());
            for client in [&mut bare, &mut sealed] {
                client.run(proto);
                client.run("FLUSHALL");
            }
            check(&mut bare, &mut sealed);
        }
    };
    let (plain, upstream) = (Upstream::start(), Upstream::start());
    let sidecar = Sidecar::start_with(&upstream, everything);
    let tap = Tap::on(&upstream);
    both(&|| plain.raw(), &|| sidecar.connect());
    tap.assert_never_contains(MARKER);
    for binary in [REDIS_8_2, VALKEY_9_1] {
        if let (Some(plain), Some(server)) = (Newer::start(binary), Newer::start(binary)) {
            let sidecar = server.sidecar(everything);
            both(&|| plain.raw(), &|| sidecar.connect());
        }
    }
}

/// Runs the lines on both and compares.
fn compare(bare: &mut Raw, sealed: &mut Raw, lines: &[String]) {
    for line in lines {
        assert_eq!(settled(sealed.run(line)), settled(bare.run(line)), "{line}");
    }
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(|line| line.trim().replace("MARKER", MARKER)).filter(|line| !line.is_empty()).collect()
}

#[test]
fn a_stream_is_described_with_its_entries_opened() {
    on_all(|bare, sealed| {
        compare(
            bare,
            sealed,
            &lines(
                "XGROUP CREATE s g 0 MKSTREAM
                XINFO STREAM s
                XINFO STREAM s FULL
                XADD s 1-1 f MARKER-one
                XADD s 2-1 f MARKER-two other MARKER-three
                XADD s 3-1 f MARKER-four
                XREADGROUP GROUP g c COUNT 2 STREAMS s >
                XREADGROUP GROUP g d COUNT 1 STREAMS s >
                XINFO STREAM s
                XINFO STREAM s FULL
                XINFO STREAM s full count 1
                XINFO STREAM s FULL COUNT 0
                XINFO GROUPS s
                XINFO CONSUMERS s g
                XDEL s 3-1
                XCLAIM s g d 0 1-1 2-1 3-1
                XAUTOCLAIM s g e 0 0
                XACK s g 1-1
                XINFO STREAM s FULL
                XPENDING s g
                XTRIM s MAXLEN 0
                XINFO STREAM s
                XINFO STREAM s FULL
                XINFO STREAM none
                XINFO STREAM none FULL
                XINFO GROUPS none
                XINFO CONSUMERS s nobody
                SET string MARKER
                XINFO STREAM string FULL",
            ),
        );
        let full = format!("{:?}", sealed.run("XINFO STREAM s FULL EXTRA"));
        assert!(full.contains("syntax error"), "{full}");
    });
}

#[test]
fn members_are_found_around_a_place_with_all_that_is_told_of_them() {
    let mut asked = lines(
        "GEOADD g 13.361389 38.115556 MARKER-palermo 15.087269 37.502669 MARKER-catania 2.352222 48.856613 MARKER-paris
        GEORADIUSBYMEMBER g MARKER-palermo 200 km ASC
        GEORADIUSBYMEMBER_RO g MARKER-palermo 2000 km DESC WITHDIST
        GEORADIUS none 15 37 200 km
        GEORADIUS g 15 37 200 parsec
        GEORADIUS g 15 37 300 km STORE near
        ZRANGE near 0 -1
        GEORADIUSBYMEMBER g MARKER-catania 300 km STOREDIST near
        ZRANGE near 0 -1 WITHSCORES
        GEOSEARCHSTORE near g FROMLONLAT 15 37 BYRADIUS 300 km ASC COUNT 1
        ZRANGE near 0 -1
        GEOSEARCHSTORE near g FROMMEMBER MARKER-paris BYBOX 10 10 km STOREDIST
        ZRANGE near 0 -1
        GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 200 km STOREDIST
        GEOPOS near MARKER-paris MARKER-palermo",
    );
    for told in ["", "WITHDIST", "WITHCOORD", "WITHHASH", "WITHHASH WITHDIST", "WITHDIST WITHCOORD WITHHASH"] {
        for head in [
            "GEORADIUS g 15 37 3000 km",
            "GEORADIUS_RO g 15 37 3000 km",
            "GEORADIUSBYMEMBER g MARKER-paris 3000 km",
            "GEORADIUSBYMEMBER_RO g MARKER-paris 3000 km",
            "GEOSEARCH g FROMMEMBER MARKER-paris BYRADIUS 3000 km",
            "GEOSEARCH g FROMLONLAT 15 37 BYBOX 5000 5000 km",
        ] {
            for tail in ["ASC", "DESC COUNT 2", "COUNT 5 ANY ASC"] {
                asked.push(format!("{head} {told} {tail}").replace("  ", " ").replace("MARKER", MARKER));
            }
        }
    }
    // ZRANGE shows members of one score in an order of their own, and here no two have one.
    on_all(|bare, sealed| {
        compare(bare, sealed, &asked);
        // Newer servers repeat the member, of which they know the ciphertext.
        for line in ["GEORADIUSBYMEMBER g nowhere 200 km", "GEOSEARCHSTORE near g FROMMEMBER nowhere BYBOX 9 9 km"] {
            let (Frame::Error(plain), Frame::Error(got)) = (bare.run(line), sealed.run(line)) else {
                panic!("{line}: there is no such member");
            };
            let known = plain.split("nowhere").next().unwrap_or_default();
            assert!(got == plain || got == format!("{known}(encrypted)"), "{got}");
        }
    });
}

/// These tell of what is stored, so type, age and life are the value's, encoding and size those of its ciphertext.
#[test]
fn what_is_told_of_a_stored_value_is_told_of_its_ciphertext() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start(&upstream);
    let (mut client, mut raw) = (sidecar.connect(), upstream.raw());
    client.run("SET session:n 12345");
    client.run("RPUSH session:l a b");
    client.run("SET open:n 12345");
    for question in ["OBJECT ENCODING", "OBJECT REFCOUNT", "OBJECT IDLETIME", "MEMORY USAGE", "TYPE", "TTL"] {
        for key in ["session:n", "session:l", "none"] {
            let line = format!("{question} {key}");
            assert_eq!(client.run(&line), raw.run(&line), "{line}");
        }
    }
    assert_eq!(client.run("TYPE session:n"), Frame::Simple("string".into()));
    assert_eq!(client.run("OBJECT ENCODING open:n"), Frame::bulk("int"));
    assert_ne!(client.run("OBJECT ENCODING session:n"), Frame::bulk("int"));
    let size = |client: &mut Raw, key: &str| client.run(&format!("MEMORY USAGE {key}")).integer();
    assert!(size(&mut client, "session:n") > size(&mut client, "open:n"));
    // An error of the server, which knows no frequency under this policy.
    assert!(client.run("OBJECT FREQ session:n").is_error("ERR "));
    // What shows or carries the stored bytes, or has the server order them, is refused.
    for line in [
        "MIGRATE 127.0.0.1 1 session:n 0 10",
        "MIGRATE 127.0.0.1 1 open:n 0 10 KEYS",
        "DEBUG OBJECT session:n",
        "DEBUG DIGEST-VALUE open:n session:n",
        "SORT session:l STORE open:l",
    ] {
        let reply = client.run(line);
        assert!(reply.is_error("WAXSEAL COMMAND_REFUSED") || reply.is_error("WAXSEAL UNCLEAR"), "{line}: {reply:?}");
    }
    assert!(!contains(&client.command(&[b"DUMP", b"open:n"]).bytes(), b"\xC1WX"));
}
