//! What the upstream itself refuses, command by command or altogether.

use std::process::{Command, Stdio};
use std::time::Duration;

use super::support::raw::End;
use super::support::upstream::PASSWORD;
use super::support::{Frame, Raw, Sidecar, Upstream, secret, wait_until};
use super::{QUIET, requests};

/// What the upstream's own access rules refuse is an error here, and never somebody's ciphertext as a reply.
#[test]
fn commands_that_the_upstream_forbids_are_errors() {
    let upstream = Upstream::start();
    let mut raw = upstream.raw();
    let user = format!("ACL SETUSER limited on >{PASSWORD} ~* &* +@all");
    assert_eq!(raw.run(&user), Frame::ok());
    let value = secret("behind a refused command");
    for lanes in ["shared", "dedicated"] {
        let sidecar = Sidecar::start_with(&upstream, |settings| {
            settings.lanes = Some(lanes);
            settings.url = format!("rediss://limited@127.0.0.1:{}", upstream.tls_port);
            settings.more = "[access]\nmonitor = true\n".into();
        });
        assert_eq!(sidecar.connect().command(&[b"SET", b"session:k", &value]), Frame::ok());
        let sealed = raw.run("GET session:k").bytes();
        for (forbidden, lines) in [
            ("multi", &["MULTI", "GET session:k", "GET session:k", "EXEC"][..]),
            ("multi", &["WATCH session:k", "MULTI", "GET session:k", "EXEC"]),
            ("watch", &["WATCH session:k", "MULTI", "GET session:k", "EXEC"]),
            ("exec", &["MULTI", "GET session:k", "EXEC", "GET session:k"]),
            ("unwatch", &["WATCH open:w", "MULTI", "GET session:k", "DISCARD", "GET session:k"]),
            ("unwatch", &["WATCH open:w", "UNWATCH", "GET session:k"]),
            ("get", &["MULTI", "GET session:k", "EXEC", "PING"]),
            ("subscribe", &["SUBSCRIBE session:a session:b", "GET session:k", "GET session:k"]),
            ("psubscribe", &["PSUBSCRIBE a* b*", "GET session:k", "GET session:k"]),
            ("unsubscribe", &["SUBSCRIBE session:a", "UNSUBSCRIBE session:a", "GET session:k"]),
            ("monitor", &["MONITOR", "GET session:k", "PING"]),
            ("blpop", &["BLPOP open:none 1", "GET session:k"]),
        ] {
            assert_eq!(raw.run(&format!("ACL SETUSER limited -{forbidden}")), Frame::ok());
            for (hello, one_by_one) in [("HELLO 2", false), ("HELLO 2", true), ("HELLO 3", false), ("HELLO 3", true)] {
                let about = format!("{lanes} {hello} without {forbidden}: {lines:?} one by one: {one_by_one}");
                let mut client = sidecar.connect();
                client.run(hello);
                for line in lines {
                    client.send_lossy(&requests(&[line]));
                    if one_by_one {
                        std::thread::sleep(Duration::from_millis(25));
                    }
                }
                assert_only_truth(&mut client, one_by_one, &sealed, &value, &about);
            }
            assert_eq!(raw.run(&format!("ACL SETUSER limited +{forbidden}")), Frame::ok());
        }
    }
}

/// Among the replies is an error; none is a value as the database has it; and the connection is closed or in step.
#[track_caller]
fn assert_only_truth(client: &mut Raw, one_by_one: bool, sealed: &[u8], value: &[u8], about: &str) {
    let sealed = format!("{:?}", Frame::bulk(sealed));
    let last = format!("{:?}", Frame::bulk("in-step"));
    client.send_lossy(&requests(&["PING in-step"]));
    let mut refused = false;
    loop {
        let shown = match client.try_read() {
            Ok(frame) => format!("{frame:?}"),
            // One that goes on sending to a connection that has been closed may lose the last replies to the reset.
            Err(End::Closed) => return assert!(refused || one_by_one, "{about}: the refusal was hidden"),
            Err(End::Silent) => panic!("{about}: a reply is missing"),
        };
        refused |= shown.contains("NOPERM") || shown.contains("EXECABORT");
        assert!(!shown.contains(&sealed), "{about}: ciphertext as a reply");
        let opened = shown.contains("WAXSEAL") && !shown.contains("WAXSEAL UNSUPPORTED");
        assert!(!opened, "{about}: a reply was opened that is none: {shown}");
        if shown.contains(&last) {
            break;
        }
    }
    assert!(refused, "{about}: the refusal was hidden");
    let reply = client.run("GET session:k");
    let right = reply == Frame::bulk(value) || reply.is_error("NOPERM") || reply.is_error("ERR Can't execute 'get'");
    assert!(right, "{about}: {reply:?}");
}

/// Such a server repeats the arguments of a command that it does not know, and one of HELLO's is the password.
#[test]
fn a_server_without_hello_does_not_make_the_password_known() {
    let upstream = Upstream::prepare(&["127.0.0.1"]);
    let config = upstream.dir().join("old.conf");
    let text = format!(
        "bind 127.0.0.1\nport 0\ntls-port {}\ntls-cert-file {}\ntls-key-file {}\ntls-ca-cert-file {}\ntls-auth-clients no\n\
         requirepass {PASSWORD}\nsave \"\"\nrename-command HELLO \"\"\n",
        upstream.tls_port,
        upstream.certs.certificate.display(),
        upstream.certs.key.display(),
        upstream.certs.ca.display(),
    );
    std::fs::write(&config, text).expect("write");
    let mut server = Command::new("redis-server").arg(&config).stdout(Stdio::null()).spawn().expect("redis-server");
    wait_until("redis-server starts", || std::net::TcpStream::connect(("127.0.0.1", upstream.tls_port)).is_ok());
    let sidecar = Sidecar::start_with(&upstream, |settings| settings.more = "[log]\nlevel = \"trace\"\n".into());
    let mut shown = String::new();
    for hello in ["HELLO 2", "HELLO 3"] {
        for line in ["GET open:a", "WATCH open:a", "BLPOP open:q 0", "SUBSCRIBE open:c", "SELECT 1"] {
            let mut client = sidecar.connect();
            client.run(hello);
            client.send(&requests(&[line]));
            shown += &String::from_utf8_lossy(&client.drain(QUIET).0);
        }
    }
    let log = sidecar.stderr();
    server.kill().expect("kill");
    server.wait().expect("wait");
    assert!(!shown.contains(PASSWORD) && !log.contains(PASSWORD), "the password was shown");
    assert!(shown.contains("WAXSEAL UPSTREAM_PROTOCOL") && shown.contains("HELLO"), "{shown}");
}
