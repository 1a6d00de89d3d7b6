//! Lanes that are used again: by the same client, and by the next one.

use std::time::Duration;

use super::support::{Frame, PATIENCE, Raw, Sidecar, Upstream, wait_until};
use super::{QUIET, requests};

#[test]
fn pinned_lanes_are_used_again() {
    const TIMES: usize = 100;
    const FEW: u64 = 5;
    let upstream = Upstream::start();
    let sidecar = Sidecar::start(&upstream);
    let mut raw = upstream.raw();
    let begin = connections_received(&mut raw);
    let mut client = sidecar.connect();
    for number in 0..TIMES {
        assert_eq!(client.run("WATCH session:k"), Frame::ok());
        assert_eq!(client.run("MULTI"), Frame::ok());
        assert_eq!(client.run(&format!("SET session:k {number}")), Frame::Simple("QUEUED".into()));
        assert_eq!(client.run("EXEC"), Frame::Array(vec![Frame::ok()]));
        assert_eq!(client.run("GET session:k"), Frame::bulk(number.to_string()));
    }
    let used = connections_received(&mut raw) - begin;
    assert!(used <= FEW, "{TIMES} transactions took {used} connections");
}

fn connections_received(raw: &mut Raw) -> u64 {
    let info = String::from_utf8(raw.run("INFO stats").bytes()).expect("text");
    let line = info.lines().find_map(|line| line.strip_prefix("total_connections_received:")).expect("INFO");
    line.trim().parse().expect("a number")
}

/// Whatever a client leaves behind, the next one begins anew.
#[test]
fn a_client_that_leaves_inside_a_transaction_leaves_nothing() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, |settings| settings.more = "[server]\nworkers = 1\n".into());
    let mut raw = upstream.raw();
    for left in [
        &["WATCH open:k"][..],
        &["WATCH open:k", "MULTI"],
        &["WATCH open:k", "MULTI", "SET open:k from-the-dead"],
        &["MULTI", "SET open:k from-the-dead"],
        &["SUBSCRIBE open:c"],
        &["WATCH open:k", "SUBSCRIBE open:c"],
        &["WATCH open:k", "RESET", "PING"],
        &["WATCH open:k", "UNWATCH"],
    ] {
        for _ in 0..5 {
            assert_eq!(raw.run("SET open:k 0"), Frame::ok());
            let mut leaving = sidecar.connect();
            for line in left {
                leaving.run(line);
            }
            drop(leaving);
            let mut next = sidecar.connect();
            assert_eq!(next.run("EXEC"), Frame::Error("ERR EXEC without MULTI".into()), "after {left:?}");
            assert_eq!(next.run("WATCH open:other"), Frame::ok(), "after {left:?}");
            assert_eq!(raw.run("SET open:k 1"), Frame::ok());
            raw.run("PUBLISH open:c for-the-dead");
            assert_eq!(next.run("MULTI"), Frame::ok(), "after {left:?}");
            assert_eq!(next.run("GET open:k"), Frame::Simple("QUEUED".into()), "after {left:?}");
            assert_eq!(next.run("EXEC"), Frame::Array(vec![Frame::bulk("1")]), "after {left:?}");
        }
    }
    wait_until("no connection is left inside a transaction", || {
        let list = String::from_utf8(raw.run("CLIENT LIST").bytes()).expect("text");
        list.lines().all(|line| line.contains(" multi=-1 ") && line.contains(" sub=0 "))
    });
}

/// Without a subscription an array that begins with "message" is a reply like any other.
#[test]
fn replies_that_look_like_messages_are_replies() {
    let upstream = Upstream::start();
    let mut raw = upstream.raw();
    let prepare = |raw: &mut Raw| {
        raw.run("FLUSHALL");
        raw.run("RPUSH open:l message open:c z");
        raw.run("RPUSH message v1 v2");
        raw.run("SET x message");
    };
    for lanes in ["shared", "dedicated"] {
        let sidecar = Sidecar::start_with(&upstream, |settings| settings.lanes = Some(lanes));
        for lines in [
            &["SUBSCRIBE c", "UNSUBSCRIBE c", "LRANGE open:l 0 -1", "GET x", "GET none", "GET x"][..],
            &["SUBSCRIBE c", "UNSUBSCRIBE c", "BLPOP message 1", "GET x"],
            &["SUBSCRIBE c", "UNSUBSCRIBE c", "BLPOP message 1", "BLPOP message 1", "GET x"],
            &["WATCH k", "SUBSCRIBE c", "UNSUBSCRIBE c", "MULTI", "GET x", "EXEC", "GET x"],
            &["WATCH k", "SUBSCRIBE c", "UNSUBSCRIBE", "LRANGE open:l 0 -1", "UNWATCH", "GET x"],
            &["UNSUBSCRIBE", "LRANGE open:l 0 -1", "GET x"],
            &["PSUBSCRIBE c*", "PUNSUBSCRIBE", "LRANGE open:l 0 -1", "GET x"],
        ] {
            prepare(&mut raw);
            let mut direct = upstream.raw();
            direct.send(&requests(lines));
            let expected = direct.drain(QUIET).0;
            for one_by_one in [false, true] {
                prepare(&mut raw);
                let mut client = sidecar.connect();
                if one_by_one {
                    for line in lines {
                        client.send(&requests(&[line]));
                        std::thread::sleep(Duration::from_millis(25));
                    }
                } else {
                    client.send(&requests(lines));
                }
                let mut got = Vec::new();
                while got.len() < expected.len() {
                    let (more, closed) = client.some(PATIENCE);
                    got.extend_from_slice(&more);
                    if closed || more.is_empty() {
                        break;
                    }
                }
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                assert_eq!(text(&got), text(&expected), "{lanes} {lines:?} one by one: {one_by_one}");
                // Nothing of it is left on the lane for the next command either.
                assert_eq!(client.run("SET session:1 hidden"), Frame::ok());
                assert_eq!(client.run("GET session:1"), Frame::bulk("hidden"));
            }
        }
    }
}
