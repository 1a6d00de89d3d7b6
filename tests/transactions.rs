//! Transactions are kept in the sidecar until EXEC and run in one piece: what that promises, and what it costs.

mod support;

use std::time::Duration;

use support::raw::encode;
use support::{Frame, Raw, Sidecar, Upstream, wait_until};

const QUEUED: &str = "QUEUED";

#[track_caller]
fn queue(client: &mut Raw, lines: &[&str]) {
    assert_eq!(client.run("MULTI"), Frame::ok());
    for line in lines {
        assert_eq!(client.run(line), Frame::Simple(QUEUED.into()), "{line}");
    }
}

/// A client that waits for each answer is told QUEUED before the server has seen anything. What the server refuses
/// then is the reason that EXEC gives.
#[test]
fn exec_names_what_the_server_refused() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, |settings| settings.rules.clear());
    let mut raw = upstream.raw();
    let mut client = sidecar.connect();
    for watched in [false, true] {
        for (forbid, line, reason, allow) in [
            ("PING", "NOSUCHCOMMAND a", "unknown command 'NOSUCHCOMMAND'", "PING"),
            ("CONFIG SET maxmemory 1", "SET k v", "OOM command not allowed", "CONFIG SET maxmemory 0"),
            ("ACL SETUSER default -append", "APPEND k v", "NOPERM", "ACL SETUSER default +append"),
        ] {
            raw.run(forbid);
            if watched {
                assert_eq!(client.run("WATCH k"), Frame::ok());
            }
            queue(&mut client, &["GET k", line, "GET k", line]);
            let Frame::Error(text) = client.run("EXEC") else { panic!("{line} has run") };
            let wanted = format!("EXECABORT Transaction discarded because of: {reason}");
            assert!(text.starts_with(&wanted), "{line}: {text}");
            raw.run(allow);
            queue(&mut client, &["GET k"]);
            assert_eq!(client.run("EXEC"), Frame::Array(vec![Frame::Null]), "the next one is none the worse");
        }
    }
    // All at once, the refusal has its own place, as in Redis.
    client.send(b"MULTI\r\nNOSUCHCOMMAND a\r\nEXEC\r\n");
    assert_eq!(client.read(), Frame::ok());
    assert!(client.read().is_error("ERR unknown command"));
    assert_eq!(client.read(), Frame::Error("EXECABORT Transaction discarded because of previous errors.".into()));
}

/// However a transaction ends, the keys that were watched before it are watched no more.
#[test]
fn the_end_of_a_transaction_unwatches() {
    let upstream = Upstream::start();
    for lanes in ["shared", "dedicated"] {
        let sidecar = Sidecar::start_with(&upstream, |settings| settings.lanes = Some(lanes));
        let mut other = sidecar.connect();
        for ending in
            [&["DISCARD"][..], &["GET a b", "EXEC"], &["EXEC more"], &["NOSUCH session:a", "EXEC"], &["RESET"]]
        {
            let mut client = sidecar.connect();
            assert_eq!(client.run("WATCH open:a"), Frame::ok());
            assert_eq!(client.run("MULTI"), Frame::ok());
            ending.iter().for_each(|line| _ = client.run(line));
            assert!(matches!(other.run("INCR open:a"), Frame::Integer(_)));
            queue(&mut client, &["STRLEN open:none"]);
            assert_eq!(client.run("EXEC"), Frame::Array(vec![Frame::Integer(0)]), "{lanes} {ending:?}");
        }
        // While one that is still watched stops EXEC.
        let mut client = sidecar.connect();
        assert_eq!(client.run("WATCH open:a"), Frame::ok());
        queue(&mut client, &["SET open:b 1"]);
        other.run("INCR open:a");
        assert_eq!(client.run("EXEC"), Frame::Null);
        assert_eq!(client.run("GET open:b"), Frame::Null);
    }
}

/// Nothing of a transaction is on a connection before EXEC, so the loss of one does not end it; but what WATCH saw is
/// lost with its connection, and the client learns it.
#[test]
fn a_connection_that_is_lost_before_exec() {
    let mut upstream = Upstream::start();
    let sidecar = Sidecar::start(&upstream);
    let mut client = sidecar.connect();
    let mut watching = sidecar.connect();
    queue(&mut client, &["SET session:a v", "GET session:a"]);
    assert_eq!(watching.run("WATCH session:a"), Frame::ok());
    queue(&mut watching, &["SET session:b v"]);
    upstream.stop();
    upstream.launch();
    wait_until("the upstream is back", || sidecar.connect().run("GET open:a") == Frame::Null);
    assert_eq!(client.run("EXEC"), Frame::Array(vec![Frame::ok(), Frame::bulk("v")]));
    assert!(watching.try_read().is_err(), "the watch is lost, and nobody said so");
    assert_eq!(client.run("EXISTS session:b"), Frame::Integer(0));
}

/// Larger than what goes among other clients' commands; whole, in order, opened.
#[test]
fn a_large_transaction() {
    const COMMANDS: usize = 12_000;
    let upstream = Upstream::start();
    let sidecar = Sidecar::start(&upstream);
    let mut client = sidecar.connect();
    for part in [COMMANDS, 1, 500] {
        let values: Vec<Vec<u8>> =
            (0..COMMANDS).map(|n| format!("value-{n}-{}", "x".repeat(200)).into_bytes()).collect();
        client.send(b"MULTI\r\n");
        for sets in values.chunks(part) {
            client.send(&sets.iter().flat_map(|value| encode(&[b"GETSET", b"session:k", value])).collect::<Vec<_>>());
            if part == 500 {
                std::thread::sleep(Duration::from_millis(3));
            }
        }
        client.send(b"EXEC\r\n");
        assert_eq!(client.read(), Frame::ok());
        for _ in 0..COMMANDS {
            assert_eq!(client.read(), Frame::Simple(QUEUED.into()));
        }
        let replies = client.read().items();
        assert_eq!(replies.len(), COMMANDS);
        for (reply, before) in replies[1..].iter().zip(&values) {
            assert_eq!(*reply, Frame::bulk(before));
        }
        client.run("DEL session:k");
    }
}

/// One client may hold 64 MB and one command more; all of them together what the process may hold.
#[test]
fn what_waits_for_exec_is_bounded() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, |settings| {
        settings.more = "[limits]\nmax_bulk = \"1mb\"\nbuffers = \"96mb\"\n".into();
    });
    let set = encode(&[b"SET", b"session:k", &[b'v'; 1_000_000]]);
    let mut client = sidecar.connect();
    for _ in 0..2 {
        assert_eq!(client.run("MULTI"), Frame::ok());
        let mut taken = 0;
        let refusal = loop {
            client.send(&set);
            match client.read() {
                Frame::Simple(_) => taken += 1,
                other => break other,
            }
        };
        assert!(refusal.is_error("WAXSEAL TOO_LARGE"), "{refusal:?}");
        assert_eq!(taken, 68, "of a million bytes each");
        assert!(client.run("EXEC").is_error("EXECABORT"));
    }
    let before = resident(&sidecar);
    let small = encode(&[b"SET", b"session:k", &[b'v'; 450_000]]);
    let mut clients: Vec<Raw> = (0..400).map(|_| sidecar.connect()).collect();
    let mut held = 0;
    for client in &mut clients {
        client.send(&[b"MULTI\r\n".as_slice(), &small].concat());
        assert_eq!(client.read(), Frame::ok());
        match client.read() {
            Frame::Simple(_) => held += 1,
            refusal => assert!(refusal.is_error("WAXSEAL TOO_LARGE"), "{refusal:?}"),
        }
    }
    println!("{held} of 400 hold 0.45 MB each; resident {} MB more", (resident(&sidecar) - before) / 1024);
    assert!((200..=250).contains(&held), "{held}");
    assert!(resident(&sidecar) - before < 160 * 1024);
    for client in &mut clients {
        let ended = client.run("EXEC");
        assert!(ended == Frame::Array(vec![Frame::ok()]) || ended.is_error("EXECABORT"), "{ended:?}");
    }
    // What was held is given back.
    queue(&mut clients[0], &["GET open:a"]);
    assert_eq!(clients[0].run("EXEC"), Frame::Array(vec![Frame::Null]));
}

/// In KB.
fn resident(sidecar: &Sidecar) -> i64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", sidecar.pid())).expect("status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches("kB").trim().parse().expect("a number")
}

/// In the middle of a transaction, one command at a time: each ends it, or leaves it, as it should.
#[test]
fn what_comes_between_multi_and_exec() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, |settings| {
        settings.more =
            "[limits]\nper_connection = { algorithm = \"token_bucket\", limit = 2, window = \"100s\", burst = 2 }\n"
                .into();
    });
    let mut client = sidecar.connect();
    queue(&mut client, &["SET open:a 1", "GET open:a"]);
    assert!(client.run("GET open:a").is_error("WAXSEAL RATE_LIMITED"));
    assert!(client.run("EXEC").is_error("EXECABORT"), "a part of it is missing");
    let mut client = sidecar.connect();
    assert_eq!(client.run("EXISTS open:a"), Frame::Integer(0));

    let mut killed = sidecar.connect();
    let id = killed.run("CLIENT ID").integer();
    queue(&mut killed, &["SET open:a 1"]);
    assert_eq!(client.run(&format!("CLIENT KILL ID {id}")), Frame::Integer(1));
    assert!(killed.try_read().is_err());
    assert_eq!(client.run("EXISTS open:a"), Frame::Integer(0));
}

/// A sidecar that stops lets a transaction come to its end, with its WATCH or without.
#[test]
fn a_sidecar_that_stops_waits_for_exec() {
    let upstream = Upstream::start();
    let mut sidecar = Sidecar::start(&upstream);
    let (mut client, mut watching) = (sidecar.connect(), sidecar.connect());
    queue(&mut client, &["SET session:a v"]);
    assert_eq!(watching.run("WATCH session:b"), Frame::ok());
    queue(&mut watching, &["SET session:b v"]);
    sidecar.terminate();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(client.run("GET session:a"), Frame::Simple(QUEUED.into()));
    assert_eq!(client.run("EXEC"), Frame::Array(vec![Frame::ok(), Frame::bulk("v")]));
    assert_eq!(watching.run("EXEC"), Frame::Array(vec![Frame::ok()]));
    assert!(sidecar.wait_for_exit().success());
    assert_eq!(upstream.raw().run("EXISTS session:a session:b"), Frame::Integer(2));
}

/// CLIENT SETNAME and its like are carried out here, and like all of a transaction only if EXEC comes.
#[test]
fn what_is_answered_here_waits_for_exec_too() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start(&upstream);
    let mut client = sidecar.connect();
    let name = |client: &mut Raw| client.run("CLIENT GETNAME");
    queue(&mut client, &["CLIENT SETNAME never"]);
    assert_eq!(client.run("DISCARD"), Frame::ok());
    assert_eq!(name(&mut client), Frame::Null);
    queue(&mut client, &["CLIENT SETNAME later", "SET open:a 1", "CLIENT GETNAME", "CLIENT SETNAME bad\u{e9}name"]);
    let Frame::Array(replies) = client.run("EXEC") else { panic!("EXEC has not run") };
    assert_eq!(replies[..3], [Frame::ok(), Frame::ok(), Frame::bulk("later")]);
    assert!(replies[3].is_error("ERR Client names cannot contain"), "{:?}", replies[3]);
    assert_eq!(name(&mut client), Frame::bulk("later"));
}
