//! Who may do what: logins, read-only, MONITOR, the number of clients.

mod support;

use support::newer::{Newer, REDIS_8_2};
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

/// Commands by name and category, keys and channels: what Redis 8.2 says to a user of the same permissions, word for word.
#[test]
fn lists_refuse_in_redis_s_words() {
    let Some(redis) = Newer::start(REDIS_8_2) else { return };
    let permissions = "-@all +@read +set +sort +subscribe +psubscribe +publish +multi +exec +eval +evalsha +client|setname \
                       +unsubscribe -@dangerous -strlen resetkeys ~app:* %R~shared:* resetchannels &news:*";
    let set_user = format!("ACL SETUSER default {permissions}");
    let sidecar = redis.sidecar(|settings| {
        settings.rules.clear();
        settings.trust_scripts = false;
        settings.more = "[access]\nallow = [\"@read\", \"set\", \"sort\", \"subscribe\", \"psubscribe\", \"publish\", \"multi\", \"exec\", \
                         \"eval\", \"evalsha\", \"client|setname\", \"unsubscribe\"]\n\
                         deny = [\"@dangerous\", \"strlen\"]\nkeys = [\"app:*\"]\nread_keys = [\"shared:*\"]\nchannels = [\"news:*\"]\n"
            .into();
    });
    let mut raw = redis.raw();
    for line in ["SET app:1 one", "SET shared:1 two", "SET other:1 three"] {
        assert_eq!(raw.run(line), Frame::ok());
    }
    let mut ours = sidecar.connect();
    // Everything of the sidecar's own connection is permitted; the client that compares is confined after that one is up.
    assert_eq!(ours.run("GET app:1"), Frame::bulk("one"));
    let lines = [
        "GET app:1",
        "GET shared:1",
        "GET other:1",
        "SET app:1 v",
        "SET shared:1 v",
        "SET other:1 v",
        "MGET app:1 other:1",
        "MGET app:1 shared:1",
        "DEL app:1",
        "STRLEN app:1",
        "EXISTS other:1",
        "OBJECT ENCODING other:1",
        "PING",
        "ECHO x",
        "CLIENT ID",
        "CLIENT SETNAME x",
        "CONFIG GET maxmemory",
        "FLUSHALL",
        "KEYS *",
        "PUBLISH news:1 x",
        "PUBLISH other x",
        "SUBSCRIBE other",
        "PSUBSCRIBE news:1*",
        "PSUBSCRIBE *",
        "WATCH app:1",
        "UNWATCH",
        "DISCARD",
        "MULTI",
        "GET app:1",
        "GET other:1",
        "EXEC",
        "MULTI",
        "SET app:1 w",
        "INCR app:1",
        "EXEC",
        "GET app:1",
        "INFO",
    ];
    let expected: Vec<(&str, Frame)> = {
        let mut theirs = redis.raw();
        assert_eq!(theirs.run("ACL SETUSER tmp on nopass ~* &* +@all"), Frame::ok());
        assert_eq!(raw.run("AUTH tmp x"), Frame::ok());
        assert_eq!(theirs.run(&set_user), Frame::ok());
        let replies = lines.iter().map(|line| (*line, theirs.run(line))).collect();
        assert_eq!(raw.run("ACL SETUSER default ~* &* +@all"), Frame::ok());
        assert_eq!(raw.run("SET app:1 one"), Frame::ok());
        replies
    };
    let mut refused = 0;
    for (line, theirs) in expected {
        let reply = ours.run(line);
        assert_eq!(reply, theirs, "{line}");
        refused += usize::from(reply.is_error("NOPERM"));
    }
    assert!(refused > 15, "only {refused} were refused");
}

/// What the server would do in a script it does for the sidecar's own user, so a script has to be known to keep within bounds.
#[test]
fn scripts_do_no_more_than_their_client_may() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, |settings| {
        settings.rules.clear();
        settings.trust_scripts = false;
        settings.more = "[access]\nallow = [\"@all\"]\ndeny = [\"@dangerous\", \"incr\"]\nkeys = [\"app:*\"]\nchannels = [\"news\"]\n\
                         [scripts]\nfunctions = [\"listed\"]\n"
            .into();
    });
    let mut client = sidecar.connect();
    let mut run = |script: &str, keys: &[&str]| {
        let count = keys.len().to_string();
        let mut args: Vec<&[u8]> = vec![b"EVAL", script.as_bytes(), count.as_bytes()];
        args.extend(keys.iter().map(|key| key.as_bytes()));
        client.command(&args)
    };
    assert_eq!(run("return redis.call('SET', KEYS[1], 'v')", &["app:1"]), Frame::ok());
    assert_eq!(run("return redis.call('PUBLISH', 'news', 'v')", &[]), Frame::Integer(0));
    assert_eq!(run("return redis.call('DEL', KEYS[1])", &["app:1"]), Frame::Integer(1));
    for (script, keys, text) in [
        ("return redis.call('SET', KEYS[1], 'v')", &["other:1"][..], "NOPERM No permissions to access a key"),
        (
            "return redis.call('INCR', KEYS[1])",
            &["app:1"],
            "ERR ACL failure in script: User default has no permissions to run the 'incr' command",
        ),
        ("return redis.call('PUBLISH', 'other', 'v')", &[], "NOPERM No permissions to access a channel"),
        (
            "return redis.call('DEL', 'other:1')",
            &[],
            "NOPERM User default has no permissions to run the 'eval' command with this script",
        ),
        (
            "return redis.call('GET', 'other:1')",
            &[],
            "NOPERM User default has no permissions to run the 'eval' command with this script",
        ),
        (
            "return redis.call('FLUSHALL')",
            &[],
            "NOPERM User default has no permissions to run the 'eval' command with this script",
        ),
        ("return redis.call('PUBLISH', KEYS[1], 'v')", &["app:1"], "NOPERM User default"),
    ] {
        let reply = run(script, keys);
        assert!(reply.is_error(text), "{script}: {reply:?}");
    }
    assert!(client.run("FCALL listed 0").is_error("NOPERM"), "it could be denied commands that it calls");
    assert!(client.run("NOSUCHCOMMAND app:1").is_error("WAXSEAL UNKNOWN_COMMAND"));
    assert!(client.run("SORT app:l BY other:*").is_error("NOPERM"), "@dangerous");

    let keys_only = Sidecar::start_with(&upstream, |settings| {
        settings.rules.clear();
        settings.trust_scripts = false;
        settings.more = "[access]\nkeys = [\"app:*\"]\n[scripts]\nfunctions = [\"listed\"]\n".into();
    });
    let mut client = keys_only.connect();
    assert_eq!(client.run("RPUSH app:l 1 2"), Frame::Integer(2));
    let by = client.run("SORT app:l BY other:*");
    assert!(by.is_error("ERR BY option of SORT denied due to insufficient ACL permissions."), "{by:?}");
    let get = client.run("SORT app:l GET other:* GET #");
    assert!(get.is_error("ERR GET option of SORT denied due to insufficient ACL permissions."), "{get:?}");
    assert_eq!(client.run("SORT app:l BY nosort GET #").items().len(), 2);
    assert!(client.run("SORT app:l STORE other:l").is_error("NOPERM No permissions to access a key"));
    assert!(client.run("FCALL listed 1 other:1").is_error("NOPERM No permissions to access a key"));
    assert!(client.run("FCALL listed 1 app:1").is_error("ERR Function not found"));
    assert!(client.run("FCALL other 1 app:1").is_error("NOPERM"));
}

/// A denial holds inside scripts as well, whatever the operator says about their keys.
#[test]
fn what_is_denied_is_denied_to_scripts() {
    let upstream = Upstream::start();
    assert_eq!(upstream.raw().run("SET open:a v"), Frame::ok());
    for trust in [false, true] {
        let sidecar = Sidecar::start_with(&upstream, |settings| {
            settings.trust_scripts = trust;
            settings.more = "[access]\ndeny = [\"@dangerous\"]\n".into();
            if !trust {
                settings.more += "[scripts]\nfunctions = [\"listed\"]\n";
            }
        });
        let mut client = sidecar.connect();
        for script in [
            "return redis.call('FLUSHALL')",
            "local c = 'flushall' return redis.call(c)",
            "return redis.call('KEYS', '*')",
        ] {
            let reply = client.command(&[b"EVAL", script.as_bytes(), b"0"]);
            assert!(
                reply.is_error("NOPERM User default has no permissions to run the 'eval' command"),
                "{script}: {reply:?}"
            );
        }
        assert_eq!(client.run("EVAL return(redis.call('GET',KEYS[1])) 1 open:a"), Frame::bulk("v"));
        let lock = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end";
        assert_eq!(client.command(&[b"EVAL", lock.as_bytes(), b"1", b"open:lock", b"t"]), Frame::Integer(0));
        assert!(client.run("FUNCTION LOAD code").is_error("NOPERM"));
        let named = client.run("FCALL listed 0");
        assert!(named.is_error(if trust { "NOPERM" } else { "ERR Function not found" }), "{named:?}");
    }
    assert_eq!(upstream.raw().run("GET open:a"), Frame::bulk("v"));
}
