//! Scripts that one client runs, and the lane that others share with it.

use std::time::Duration;

use super::support::{Frame, Raw, Sidecar, Upstream, wait_until};
use super::{QUIET, at_once};

/// So many clients that some share a lane, whatever worker each of them is given.
const CLIENTS: usize = 6;
/// A reply of a few bytes is in within this.
const SHORT: Duration = Duration::from_millis(100);

fn unprotected(upstream: &Upstream) -> Sidecar {
    Sidecar::start_with(upstream, |settings| settings.rules.clear())
}

/// Redis sends a table that holds itself until its Lua has no stack left. That is one client's affair.
#[test]
fn a_script_that_returns_itself_ends_nobodys_lane() {
    let upstream = Upstream::start();
    let sidecar = unprotected(&upstream);
    let mut others: Vec<Raw> = (0..CLIENTS).map(|_| sidecar.connect()).collect();
    for other in &mut others {
        assert_eq!(other.run("SET k v"), Frame::ok());
    }

    let request = super::encode(&[b"EVAL", b"local a = {}; local b = {a}; a[1] = b; return a", b"0"]);
    let ask = |mut client: Raw| {
        client.send(&request);
        client.drain(QUIET)
    };
    let direct = ask(upstream.raw());
    assert!(direct.0.starts_with(b"*1\r\n*1\r\n*1\r\n"), "the script does not do what it is meant to");
    for mut client in [sidecar.connect(), sidecar.connect3()] {
        assert_eq!(client.run("SET k v"), Frame::ok());
        assert!(ask(client) == direct, "another reply than the server's own");
    }
    for other in &mut others {
        assert_eq!(other.run("GET k"), Frame::bulk("v"));
    }
}

/// What a script returns reaches its client as the server writes it, in either protocol.
#[test]
fn whatever_a_script_returns_passes() {
    let upstream = Upstream::start();
    let sidecar = unprotected(&upstream);
    for value in [
        "{big_number='123\\r\\n123'}",
        "{big_number='no number'}",
        "{big_number=''}",
        "{double=0/0}",
        "{double=-1/0}",
        "{double=3.141}",
        "{map={a=1}}",
        "{set={a=true}}",
        "{verbatim_string={format='t', string='text'}}",
        "{ok='a\\r\\nb'}",
        "{err='a\\r\\nb'}",
        "{err=''}",
        "{ok=''}",
        "{true, false}",
        "nil",
        "{}",
    ] {
        for protocol in ["HELLO 2", "HELLO 3"] {
            let ask = |mut client: Raw| {
                let number = client.run(protocol).items().len();
                let script = format!("redis.setresp(3); return {value}");
                client.send(&[super::encode(&[b"EVAL", script.as_bytes(), b"0"]), super::encode(&[b"PING"])].concat());
                (number, client.drain(SHORT))
            };
            assert_eq!(ask(sidecar.connect()), ask(upstream.raw()), "{protocol}: {value}");
        }
    }
}

/// While a script runs, the server takes no SELECT from a new connection, and what waits on the
/// script's own lane waits behind it: SCRIPT KILL has to come another way.
#[test]
fn script_kill_reaches_a_script_that_does_not_end() {
    let upstream = Upstream::start();
    let mut direct = upstream.raw();
    assert_eq!(direct.run("CONFIG SET busy-reply-threshold 10"), Frame::ok());
    for lanes in ["shared", "dedicated"] {
        let sidecar = Sidecar::start_with(&upstream, |settings| {
            settings.rules.clear();
            settings.lanes = Some(lanes);
        });
        for database in [0, 9] {
            let mut clients: Vec<Raw> = (0..CLIENTS).map(|_| sidecar.connect()).collect();
            for client in &mut clients {
                assert_eq!(client.run(&format!("SELECT {database}")), Frame::ok());
                assert_eq!(client.run("SET k v"), Frame::ok());
            }
            let mut looping = clients.pop().expect("several");
            looping.send(&super::encode(&[b"EVAL", b"while true do end", b"0"]));
            wait_until("the script runs", || direct.run("GET k").is_error("BUSY"));
            for killer in &mut clients {
                // Only the first has something to kill.
                wait_until("the script is killed", || {
                    let reply = at_once(killer, "SCRIPT KILL");
                    reply == Frame::ok() || reply.is_error("NOTBUSY")
                });
                // The script ends when the server's Lua next looks up.
                wait_until("the server is itself again", || at_once(killer, "GET k") == Frame::bulk("v"));
            }
            assert!(looping.read().is_error("ERR"), "{lanes}, database {database}");
        }
    }
}
