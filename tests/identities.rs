//! Local identities: how clients say who they are, what each may do and see, and how guessing is slowed.

mod support;

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use support::upstream::PASSWORD;
use support::{Frame, MARKER, Raw, Sidecar, Upstream, contains};

/// What `waxseal hash-password` prints for it.
fn hash(password: &str) -> String {
    let mut process = support::sidecar::binary()
        .arg("hash-password")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("waxseal hash-password");
    process.stdin.take().expect("piped").write_all(format!("{password}\n").as_bytes()).expect("write");
    let output = process.wait_with_output().expect("wait");
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(text.starts_with("$argon2id$") && (password.len() < 6 || !text.contains(password)), "{text}");
    text.trim_end().to_owned()
}

fn identity(name: &str, password: &str, more: &str) -> String {
    format!("[[identity]]\nname = \"{name}\"\npassword_hashes = [\"{}\"]\n{more}", hash(password))
}

fn start(upstream: &Upstream, identities: &[String]) -> Sidecar {
    Sidecar::start_with(upstream, |settings| settings.more = identities.concat())
}

fn login(sidecar: &Sidecar, line: &str) -> Raw {
    let mut client = sidecar.connect();
    assert_eq!(client.run(line), Frame::ok(), "{line}");
    client
}

#[test]
fn clients_say_who_they_are_and_can_be_somebody_else() {
    let upstream = Upstream::start();
    let app = identity("app", "app secret?no", "keys = [\"app:*\", \"session:*\"]\n");
    let reader =
        identity("reader", "reads", "allow = [\"@read\", \"@connection\", \"acl|whoami\"]\ndeny = [\"@dangerous\"]\n");
    let sidecar = start(&upstream, &[app, reader]);
    let mut client = sidecar.connect();
    for line in ["PING", "GET session:a", "ACL WHOAMI", "HELLO 3", "CLIENT LIST", "MULTI"] {
        assert!(client.run(line).is_error("NOAUTH"), "{line}");
    }
    // Once right, no later wrong one holds them up.
    drop(login(&sidecar, "AUTH reader reads"));
    let upstream_s = format!("AUTH {PASSWORD}");
    for line in ["AUTH reader wrong", "AUTH nobody reads", "HELLO 3 AUTH app reads", &upstream_s] {
        assert!(client.run(line).is_error("WRONGPASS"), "{line}");
        assert!(client.run("GET session:a").is_error("NOAUTH"), "{line} let the client in");
    }
    assert_eq!(client.command(&[b"AUTH", b"app", b"app secret?no"]), Frame::ok());
    assert_eq!(client.run("ACL WHOAMI"), Frame::bulk("app"));
    assert_eq!(client.run("SET session:a v"), Frame::ok());
    assert!(client.run("SET other v").is_error("NOPERM No permissions to access a key"));
    let list = String::from_utf8(client.run("CLIENT LIST").bytes()).unwrap();
    assert!(list.contains(" user=app "), "{list}");

    assert_eq!(client.run("AUTH reader reads"), Frame::ok());
    assert_eq!(client.run("ACL WHOAMI"), Frame::bulk("reader"));
    assert_eq!(client.run("GET session:a"), Frame::bulk("v"));
    let refused = client.run("SET session:a w");
    assert_eq!(refused, Frame::Error("NOPERM User reader has no permissions to run the 'set' command".into()));
    assert!(client.run("CLIENT LIST").is_error("NOPERM User reader"), "denied beats allowed");
    // A failed login changes nothing.
    assert!(client.run("AUTH app wrong").is_error("WRONGPASS"));
    assert_eq!(client.run("ACL WHOAMI"), Frame::bulk("reader"));
    assert_eq!(client.run("RESET"), Frame::Simple("RESET".into()));
    assert!(client.run("ACL WHOAMI").is_error("NOAUTH"));

    let hello = client.command(&[b"HELLO", b"3", b"AUTH", b"app", b"app secret?no", b"SETNAME", b"n"]);
    assert!(matches!(hello, Frame::Map(_)), "{hello:?}");
    assert_eq!(client.run("MULTI"), Frame::ok());
    assert!(client.run("AUTH reader reads").is_error("WAXSEAL UNSUPPORTED"), "what was queued was the app's");
    assert!(client.run("EXEC").is_error("EXECABORT"));
    assert_eq!(client.run("ACL WHOAMI"), Frame::bulk("app"));
    assert_eq!(client.run("CLIENT KILL USER reader"), Frame::Integer(0));
    assert!(client.run("CLIENT KILL USER nobody").is_error("ERR No such user"));
    let log = sidecar.stderr();
    assert!(!log.contains("secret?no") && !log.contains("argon2id$"), "{log}");
}

#[test]
fn passwords_are_kept_out_of_the_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("waxseal.toml");
    let text = "upstream.url = 'rediss://h'\n[[identity]]\nname = 'app'\npassword_hashes = ['hunter2']\n[[identity]]\nname = 'b'\npassword = 'hunter2'\n";
    std::fs::write(&path, text).unwrap();
    let output = support::sidecar::binary().args(["check", "--config"]).arg(&path).output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    let told = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("is not an Argon2 hash; passwords are not kept here"), "{told}");
    assert!(told.contains("[[identity]] #2 (name 'b') password") && !told.contains("hunter2"), "{told}");
}

#[test]
fn a_process_is_known_by_its_user() {
    let upstream = Upstream::start();
    let uid = std::fs::metadata("/proc/self").unwrap().uid();
    let app = identity("app", "pw", "");
    let local = format!("[[identity]]\nname = \"local\"\nuids = [{uid}]\nallow = [\"@read\", \"acl|whoami\"]\n");
    let sidecar = start(&upstream, &[app, local]);
    assert!(sidecar.connect().run("ACL WHOAMI").is_error("NOAUTH"), "over TCP nobody is known");
    let mut client = Raw::unix(&sidecar.unix_path());
    assert_eq!(client.run("ACL WHOAMI"), Frame::bulk("local"));
    assert_eq!(client.run("GET session:a"), Frame::Null);
    assert!(client.run("SET session:a v").is_error("NOPERM User local"));
    assert_eq!(client.run("AUTH app pw"), Frame::ok());
    assert_eq!(client.run("SET session:a v"), Frame::ok());
    assert_eq!(client.run("RESET"), Frame::Simple("RESET".into()));
    assert_eq!(client.run("ACL WHOAMI"), Frame::bulk("local"), "RESET goes back to what the socket says");
}

#[test]
fn one_identity_may_be_for_those_that_say_nothing() {
    let upstream = Upstream::start();
    let app = identity("app", "pw", "");
    let guest = "[[identity]]\nname = \"guest\"\ndefault = true\nread_only = true\n".to_owned();
    let sidecar = start(&upstream, &[app, guest]);
    let mut client = sidecar.connect();
    assert_eq!(client.run("ACL WHOAMI"), Frame::bulk("guest"));
    assert_eq!(client.run("GET session:a"), Frame::Null);
    assert!(client.run("SET session:a v").is_error("NOPERM this sidecar is read-only"));
    assert_eq!(client.run("AUTH app pw"), Frame::ok());
    assert_eq!(client.run("SET session:a v"), Frame::ok());
}

/// Whoever may not see plaintext gets what lies in the database, or an error, whatever it asks.
#[test]
fn plaintext_is_for_those_who_may_see_it() {
    let upstream = Upstream::start();
    let sidecar = start(
        &upstream,
        &[
            identity("app", "a", ""),
            identity("copier", "c", "plaintext = \"ciphertext\"\n"),
            identity("writer", "w", "plaintext = \"refuse\"\n"),
        ],
    );
    let mut app = login(&sidecar, "AUTH app a");
    let mut copier = login(&sidecar, "AUTH copier c");
    let mut writer = login(&sidecar, "AUTH writer w");
    let mut raw = upstream.raw();
    for line in [
        "SET session:s VALUE",
        "SET session:n 5",
        "HSET session:h f VALUE",
        "RPUSH session:l VALUE",
        "SADD session:m VALUE",
        "ZADD session:z 1 VALUE",
        "XADD session:x 1-1 f VALUE",
        "SET open:s clear",
    ] {
        assert!(!app.run(&line.replace("VALUE", MARKER)).is_error(""), "{line}");
    }
    let shown = [
        "GET session:s",
        "MGET session:s session:n",
        "HGET session:h f",
        "HGETALL session:h",
        "HVALS session:h",
        "HMGET session:h f g",
        "LRANGE session:l 0 -1",
        "SMEMBERS session:m",
        "ZRANGE session:z 0 -1 WITHSCORES",
        "XRANGE session:x - +",
        "HSCAN session:h 0",
    ];
    for line in shown {
        let reply = copier.run(line);
        assert_eq!(reply, raw.run(line), "{line}: not as it lies in the database");
        assert!(!contains(format!("{reply:?}").as_bytes(), MARKER.as_bytes()), "{line}");
        let refused = writer.run(line);
        assert!(refused.is_error("NOPERM User writer has no permissions to run the '"), "{line}: {refused:?}");
    }
    // What computes on plaintext, compares with it, or tells whether a guess is right.
    let used = [
        "STRLEN session:s",
        "INCR session:n",
        "APPEND session:s x",
        "GETRANGE session:s 0 1",
        "SET session:s v GET",
        "GETSET session:s v",
        "SISMEMBER session:m x",
        "SADD session:m x",
        "ZSCORE session:z x",
        "SORT session:l",
        "SORT open:l BY session:*",
        "LREM session:l 0 x",
        "DUMP session:s",
        "EVAL return(1) 1 session:s",
        "GETBIT session:s 1",
        "DIGEST session:s",
    ];
    for line in used {
        for client in [&mut copier, &mut writer] {
            let reply = client.run(line);
            assert!(
                reply.is_error("NOPERM User ") || reply.is_error("WAXSEAL COMMAND_REFUSED EVAL"),
                "{line}: {reply:?}"
            );
        }
    }
    assert_eq!(app.run("GET session:n"), Frame::bulk("5"), "nothing was computed");
    for client in [&mut copier, &mut writer] {
        // About the key as a whole, and on what is in clear.
        assert_eq!(client.run("EXISTS session:s"), Frame::Integer(1));
        assert_eq!(client.run("LLEN session:l"), Frame::Integer(1));
        assert_eq!(client.run("GET open:s"), Frame::bulk("clear"));
        // What is written goes in sealed, and comes out for those who may see it.
        let written = support::secret("written");
        assert_eq!(client.command(&[b"SET", b"session:w", &written]), Frame::ok());
        assert_eq!(app.run("GET session:w"), Frame::bulk(&written));
        assert!(!contains(&raw.run("GET session:w").bytes(), MARKER.as_bytes()));
        // In a transaction, too.
        assert_eq!(client.run("MULTI"), Frame::ok());
        assert!(client.run("INCR session:n").is_error("NOPERM"));
        assert!(client.run("EXEC").is_error("EXECABORT"));
    }
    assert_eq!(copier.run("MULTI"), Frame::ok());
    assert_eq!(copier.run("GET session:s"), Frame::Simple("QUEUED".into()));
    assert_eq!(copier.run("EXEC"), Frame::Array(vec![raw.run("GET session:s")]));
}

#[test]
fn messages_are_plaintext_as_well() {
    let upstream = Upstream::start();
    let sidecar = start(
        &upstream,
        &[
            identity("app", "a", ""),
            identity("copier", "c", "plaintext = \"ciphertext\"\n"),
            identity("writer", "w", "plaintext = \"refuse\"\nchannels = [\"*\"]\n"),
        ],
    );
    let mut app = login(&sidecar, "AUTH app a");
    let mut copier = login(&sidecar, "AUTH copier c");
    let mut writer = login(&sidecar, "AUTH writer w");
    copier.run("SUBSCRIBE session:c").items();
    assert!(writer.run("SUBSCRIBE session:c").is_error("NOPERM User writer"));
    writer.run("PSUBSCRIBE *").items();
    assert_eq!(app.command(&[b"PUBLISH", b"session:c", &support::secret("message")]), Frame::Integer(2));
    assert_eq!(app.run("PUBLISH open clear"), Frame::Integer(1));
    let message = copier.read().items();
    let text = message[2].clone().bytes();
    assert!(text.len() > 48 && !contains(&text, MARKER.as_bytes()), "the envelope");
    let first = writer.read().items();
    assert_eq!(first[2..], [Frame::bulk("open"), Frame::bulk("clear")], "the sealed one was dropped");
}

#[test]
fn guessing_is_slowed_and_ends() {
    let upstream = Upstream::start();
    let app = identity("app", "right", "");
    let sidecar = Sidecar::start_with(&upstream, |settings| {
        settings.listen = "handshake_timeout = \"2m\"\n".into();
        settings.more = app;
    });
    drop(login(&sidecar, "AUTH app right"));
    let mut guesser = sidecar.connect();
    let begin = Instant::now();
    for n in 0..5 {
        assert!(guesser.run(&format!("AUTH app wrong{n}")).is_error("WRONGPASS"));
    }
    // 0 + 100 + 200 + 400 + 800 ms.
    assert!(begin.elapsed() >= Duration::from_millis(1500), "{:?}", begin.elapsed());
    // A try is in waiting; whoever was right before does not wait for it, and nobody else does either.
    guesser.send(b"AUTH app more\r\n");
    let begin = Instant::now();
    let mut other = login(&sidecar, "AUTH app right");
    assert_eq!(other.run("PING"), Frame::Simple("PONG".into()));
    assert!(begin.elapsed() < Duration::from_millis(1400), "{:?}", begin.elapsed());
    assert!(guesser.read().is_error("WRONGPASS"));
    for n in 6..10 {
        assert!(guesser.run(&format!("AUTH app wrong{n}")).is_error("WRONGPASS"));
    }
    assert!(guesser.drain(Duration::from_secs(5)).1, "after ten it is closed");
    assert!(sidecar.stderr().contains("a client was cut after 10 wrong passwords"));
}

/// Many at once: each gets its own answer, in order.
#[test]
fn logins_of_many_clients_do_not_mix() {
    let upstream = Upstream::start();
    let sidecar = start(&upstream, &[identity("one", "1", ""), identity("two", "2", "")]);
    std::thread::scope(|scope| {
        for n in 0..24 {
            let sidecar = &sidecar;
            scope.spawn(move || {
                let name = if n % 2 == 0 { "one 1" } else { "two 2" };
                let mut client = sidecar.connect();
                client.send(format!("AUTH {name}\r\nACL WHOAMI\r\nECHO {n}\r\n").as_bytes());
                assert_eq!(client.read(), Frame::ok());
                assert_eq!(client.read(), Frame::bulk(&name[..3]));
                assert_eq!(client.read(), Frame::bulk(n.to_string()));
            });
        }
    });
}

#[test]
fn check_tells_who_may_do_what() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("waxseal.toml");
    let edge = identity(
        "edge",
        "pw",
        "plaintext = \"ciphertext\"\nallow = [\"get\", \"set\"]\nkeys = [\"a:*\"]\nread_keys = [\"b:*\"]\n",
    );
    let text = format!(
        "upstream.url = 'rediss://h'\n[access]\nchannels = []\n{edge}[[identity]]\nname = 'local'\nuids = [1]\nread_only = true\n"
    );
    std::fs::write(&path, text).unwrap();
    let output = support::sidecar::binary().args(["check", "--config"]).arg(&path).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains("Access       channels none"), "{told}");
    assert!(told.contains("Identity     edge (password): sees ciphertext; 2 of "), "{told}");
    assert!(told.contains("; keys a:*  b:* (read only)"), "{told}");
    assert!(told.contains("Identity     local (user id): sees plaintext; read-only"), "{told}");
    assert!(!told.contains("argon2"), "{told}");
}
