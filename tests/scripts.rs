//! Scripts beside rules: those that are proven to touch declared keys run, the others do not reach the database.

mod support;

use std::path::Path;
use std::process::Command;

use support::{Frame, MARKER, Raw, Sidecar, Tap, Upstream, contains, secret};

const NOSCRIPT: &str = "NOSCRIPT No matching script. Please use EVAL.";
const PUT: &[u8] = b"return redis.call('SET', KEYS[1], ARGV[1])";

struct House {
    upstream: Upstream,
    sidecar: Sidecar,
    tap: Tap,
}

impl House {
    fn new() -> Self {
        let upstream = Upstream::start();
        let sidecar = Sidecar::start_with(&upstream, |settings| settings.trust_scripts = false);
        let tap = Tap::on(&upstream);
        Self { upstream, sidecar, tap }
    }

    fn program(&self, program: &str, args: &[&str]) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let output = Command::new(program)
            .current_dir(root)
            .args(args)
            .args(["--port", &self.sidecar.port.to_string()])
            .output()
            .unwrap_or_else(|error| panic!("{program}: {error}. Run `make setup` once."));
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{args:?}\n{}\n{}", said(&output.stdout), said(&output.stderr));
    }

    /// How many scripts ran and were loaded on the server since the last RESETSTAT.
    fn ran(&self) -> u64 {
        let counts = self.upstream.command_counts();
        let count = |name| counts.get(name).copied().unwrap_or(0);
        ["eval", "evalsha", "eval_ro", "evalsha_ro", "fcall", "fcall_ro"].into_iter().map(count).sum()
    }

    fn reset_counts(&self) {
        assert_eq!(self.upstream.raw().run("CONFIG RESETSTAT"), Frame::ok());
    }
}

fn eval(client: &mut Raw, script: &str, keys: &[&str], args: &[&str]) -> Frame {
    let count = keys.len().to_string();
    let mut all: Vec<&[u8]> = vec![b"EVAL", script.as_bytes(), count.as_bytes()];
    all.extend(keys.iter().chain(args).map(|text| text.as_bytes()));
    client.command(&all)
}

#[track_caller]
fn is_noscript(reply: &Frame) {
    assert_eq!(*reply, Frame::Error(NOSCRIPT.into()));
}

/// The name under which the server knows a script.
fn load(client: &mut Raw, body: &[u8]) -> Vec<u8> {
    client.command(&[b"SCRIPT", b"LOAD", body]).bytes()
}

fn python(protocol: &str) {
    let house = House::new();
    let body = "return KEYS[1]";
    load(&mut house.upstream.raw(), body.as_bytes());
    let script = "tests/python/scripts.py";
    house.program(".venv/bin/python3", &[script, "--protocol", protocol, "--loaded", body]);
}

#[test]
fn redis_py_lock_and_register_script_resp2() {
    python("2");
}

#[test]
fn redis_py_lock_and_register_script_resp3() {
    python("3");
}

#[test]
fn ioredis_define_command_and_node_redis_define_script() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/node");
    let node = if own.exists() { own.display().to_string() } else { "node".into() };
    House::new().program(&node, &["tests/node/scripts.mjs"]);
}

/// Redlock with several resources: one script acquires all or none, one extends, one releases.
#[test]
fn redlock() {
    let house = House::new();
    let mut client = house.sidecar.connect();
    let acquire = "for i, key in ipairs(KEYS) do if redis.call('exists', key) == 1 then return 0 end end \
                   for i, key in ipairs(KEYS) do redis.call('set', key, ARGV[1], 'PX', ARGV[2]) end return #KEYS";
    let extend = "local count = 0 for i, key in ipairs(KEYS) do if redis.call('get', key) == ARGV[1] then \
                  redis.pcall('pexpire', key, ARGV[2]) count = count + 1 end end return count";
    let release = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end";
    let keys = ["lock:a", "lock:b"];
    assert_eq!(eval(&mut client, acquire, &keys, &["token", "30000"]), Frame::Integer(2));
    assert_eq!(eval(&mut client, acquire, &["lock:b", "lock:c"], &["other", "30000"]), Frame::Integer(0));
    assert_eq!(eval(&mut client, extend, &keys, &["token", "60000"]), Frame::Integer(2));
    assert_eq!(eval(&mut client, release, &keys[..1], &["other"]), Frame::Integer(0));
    assert_eq!(eval(&mut client, release, &keys[..1], &["token"]), Frame::Integer(1));
    assert_eq!(house.upstream.raw().run("EXISTS lock:a lock:b"), Frame::Integer(1));
}

/// Each would write, read or publish something protected; none of them reaches the database.
#[test]
fn what_is_not_proven_stays_here() {
    let house = House::new();
    let mut client = house.sidecar.connect();
    client.command(&[b"SET", b"session:kept", &secret("kept")]);
    house.reset_counts();
    let value = format!("{MARKER} from a script");
    let scripts = [
        "redis.call('SET', 'session:x', ARGV[1])",
        "redis.call('SET', 'sess' .. 'ion:x', ARGV[1])",
        "redis.call('SET', ARGV[2], ARGV[1])",
        "redis.call('SET', KEYS[1] .. 'x', ARGV[1])",
        "redis.call('MSET', KEYS[1], 1, unpack({'session:x', ARGV[1]}))",
        "KEYS[1] = 'session:x' redis.call('SET', KEYS[1], ARGV[1])",
        "table.insert(KEYS, 'session:x') redis.call('SET', KEYS[2], ARGV[1])",
        "local KEYS = {'session:x'} redis.call('SET', KEYS[1], ARGV[1])",
        "local k = KEYS[1] k = 'session:x' redis.call('SET', k, ARGV[1])",
        "pcall(redis.call, 'SET', 'session:x', ARGV[1])",
        "redis['call']('SET', 'session:x', ARGV[1])",
        "local r = redis r.call('SET', 'session:x', ARGV[1])",
        "loadstring('redis.call([[SET]], [[session:x]], ARGV[1])')()",
        "_G.redis.call('SET', 'session:x', ARGV[1])",
        "redis.call('EVAL', ARGV[1], 0)",
        "-- \rredis.call('SET', 'session:x', ARGV[1])",
        "redis.call('PUBLISH', 'session:room', ARGV[1])",
        "redis.call('PUBLISH', ARGV[2], ARGV[1])",
    ];
    for script in scripts {
        let reply = eval(&mut client, script, &["open:a"], &[&value, "session:x"]);
        assert!(reply.is_error("WAXSEAL SCRIPT_REFUSED"), "{script}: {reply:?}");
        assert!(matches!(&reply, Frame::Error(text) if !text.contains("session:x") && !text.contains(MARKER)));
        // Nor by its name, once it is loaded.
        let name = load(&mut client, script.as_bytes());
        let reply = client.command(&[b"EVALSHA", &name, b"1", b"open:a", value.as_bytes()]);
        assert!(reply.is_error("WAXSEAL SCRIPT_REFUSED"), "{script}: {reply:?}");
    }
    // Proven, but a declared key is protected.
    let put = std::str::from_utf8(PUT).expect("ASCII");
    for keys in [&["session:x"][..], &["open:a", "session:x"]] {
        assert!(eval(&mut client, put, keys, &[&value]).is_error("WAXSEAL COMMAND_REFUSED"));
    }
    assert!(client.command(&[b"FCALL", b"f", b"1", b"open:a", value.as_bytes()]).is_error("WAXSEAL SCRIPT_REFUSED"));
    assert_eq!(house.ran(), 0, "a script reached the database");
    house.tap.assert_never_contains(MARKER);
    house.upstream.assert_nothing_stored_contains(MARKER);
    assert_eq!(client.command(&[b"GET", b"session:kept"]), Frame::Bulk(secret("kept")));
    assert!(!house.sidecar.stderr().contains(MARKER));
}

/// The server may have a script that nobody sent through here: it is asked for first.
#[test]
fn an_unseen_script_is_asked_for() {
    let house = House::new();
    let name = load(&mut house.upstream.raw(), PUT);
    house.reset_counts();
    let mut client = house.sidecar.connect();
    let run = |client: &mut Raw, key: &[u8]| client.command(&[b"EVALSHA", &name, b"1", key, b"v"]);
    is_noscript(&run(&mut client, b"open:a"));
    assert_eq!(house.ran(), 0);
    assert_eq!(client.command(&[b"SCRIPT", b"EXISTS", &name]).items(), vec![Frame::Integer(0)]);
    assert_eq!(load(&mut client, PUT), name);
    assert_eq!(client.command(&[b"SCRIPT", b"EXISTS", &name, &name]).items(), vec![Frame::Integer(1); 2]);
    assert_eq!(run(&mut client, b"open:a"), Frame::ok());
    let upper = name.to_ascii_uppercase();
    assert_eq!(client.command(&[b"EVALSHA", &upper, b"1", b"open:a", b"v"]), Frame::ok());
    // What one client sent, the other may run, on whatever worker it is.
    for _ in 0..4 {
        assert_eq!(run(&mut house.sidecar.connect(), b"open:a"), Frame::ok());
    }
    assert!(run(&mut client, b"session:a").is_error("WAXSEAL COMMAND_REFUSED"));

    // The server has lost it and says so itself.
    assert_eq!(house.upstream.raw().run("SCRIPT FLUSH"), Frame::ok());
    is_noscript(&run(&mut client, b"open:a"));
    assert_eq!(client.command(&[b"EVAL", PUT, b"1", b"open:a", b"v"]), Frame::ok());
    assert_eq!(client.run("SCRIPT FLUSH"), Frame::ok());
    is_noscript(&run(&mut client, b"open:a"));
    for wrong in [b"x".as_slice(), b"", &[b'0'; 41]] {
        is_noscript(&client.command(&[b"EVALSHA", wrong, b"0"]));
    }
}

/// Inside MULTI as outside; what is refused there stops the whole transaction.
#[test]
fn inside_multi() {
    let house = House::new();
    let mut client = house.sidecar.connect();
    assert_eq!(client.run("MULTI"), Frame::ok());
    assert_eq!(client.command(&[b"EVAL", PUT, b"1", b"open:a", b"v"]), Frame::Simple("QUEUED".into()));
    assert_eq!(client.run("GET open:a"), Frame::Simple("QUEUED".into()));
    assert_eq!(client.run("EXEC").items(), vec![Frame::ok(), Frame::bulk("v")]);

    for script in ["return redis.call('SET', 'session:x', ARGV[1])", "return redis.call('GET', ARGV[1])"] {
        assert_eq!(client.run("MULTI"), Frame::ok());
        assert_eq!(client.run("SET open:b 1"), Frame::Simple("QUEUED".into()));
        assert!(eval(&mut client, script, &[], &["session:x"]).is_error("WAXSEAL SCRIPT_REFUSED"));
        assert!(client.run("EXEC").is_error("EXECABORT"));
    }
    assert_eq!(house.upstream.raw().run("EXISTS open:b session:x"), Frame::Integer(0));
}

/// `scripts = "ciphertext"`: what leaves the values as they are runs, all else does not.
#[test]
fn on_ciphertext() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, |settings| {
        settings.trust_scripts = false;
        settings.more = "[[encrypt]]\nid = 'seen'\nkeys = ['seen:*']\nscripts = 'ciphertext'\n\
                         [[encrypt]]\nid = 'one'\nkeys = ['one:*']\nscope = 'rule'\nscripts = 'ciphertext'\n"
            .into();
    });
    let tap = Tap::on(&upstream);
    let mut client = sidecar.connect();
    assert_eq!(client.command(&[b"SET", b"seen:a", &secret("a")]), Frame::ok());
    let stored = upstream.raw().command(&[b"GET", b"seen:a"]);
    let get = "return redis.call('GET', KEYS[1])";
    assert_eq!(eval(&mut client, get, &["seen:a"], &[]), stored);
    let touch = "if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end \
                 return redis.call('TYPE', KEYS[1])";
    assert_eq!(eval(&mut client, touch, &["seen:a"], &["60000"]), Frame::Simple("string".into()));
    assert!(client.run("PTTL seen:a").integer() > 0);
    let value = format!("{MARKER} of a script");
    for script in [
        "return redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')",
        "return redis.call('ZRANGE', KEYS[1], ARGV[1], ARGV[1], 'BYSCORE')",
        "return redis.call('SSCAN', KEYS[1], ARGV[1], 'COUNT', 5)[2]",
        "return redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', 5)[2]",
    ] {
        assert_eq!(eval(&mut client, script, &["seen:none"], &["0"]), Frame::Array(vec![]), "{script}");
    }
    for script in [
        "redis.call('SET', KEYS[1], ARGV[1])",
        "redis.call('APPEND', KEYS[1], ARGV[1])",
        "redis.call('HSET', KEYS[1], 'f', ARGV[1])",
        "redis.call('HINCRBY', KEYS[1], 'f', 1)",
        "redis.call('LPUSH', KEYS[1], redis.call('GET', KEYS[1]))",
        "redis.call('SISMEMBER', KEYS[1], ARGV[1])",
        "redis.call('XADD', KEYS[1], '*', 'f', ARGV[1])",
        "redis.call('SETRANGE', KEYS[1], 0, ARGV[1])",
        "redis.call('PUBLISH', KEYS[1], ARGV[1])",
        "redis.call('RESTORE', KEYS[1], 0, ARGV[1])",
        // The server would compare ciphertext.
        "redis.call('ZRANGE', KEYS[1], '-', '+', 'BYLEX')",
        "redis.call('ZRANGE', KEYS[1], 0, -1, ARGV[1])",
        "redis.call('SSCAN', KEYS[1], 0, 'match', 'a*')",
        "redis.call('HSCAN', KEYS[1], 0, 'MATCH', 'a*')",
        "redis.call('ZRANGESTORE', KEYS[1], KEYS[1], '-', '+', 'BYLEX')",
    ] {
        let reply = eval(&mut client, script, &["seen:a"], &["x"]);
        assert!(reply.is_error("WAXSEAL SCRIPT_REFUSED"), "{script}: {reply:?}");
    }
    // What is not proven to touch declared keys only is not made better by it.
    assert!(
        eval(&mut client, "return redis.call('GET', ARGV[1])", &["seen:a"], &["x"]).is_error("WAXSEAL SCRIPT_REFUSED")
    );
    // Every key that is under a rule needs one that says so.
    assert!(eval(&mut client, get, &["seen:a", "session:a"], &[]).is_error("WAXSEAL COMMAND_REFUSED"));
    // From key to key only where the value opens in both.
    let rename = "return redis.call('RENAME', KEYS[1], KEYS[2])";
    assert_eq!(client.command(&[b"SET", b"one:a", value.as_bytes()]), Frame::ok());
    assert!(eval(&mut client, rename, &["seen:a", "seen:b"], &[]).is_error("WAXSEAL COMMAND_REFUSED"));
    assert!(eval(&mut client, rename, &["one:a", "open"], &[]).is_error("WAXSEAL COMMAND_REFUSED"));
    assert!(eval(&mut client, rename, &["open", "one:a"], &[]).is_error("WAXSEAL COMMAND_REFUSED"));
    assert_eq!(eval(&mut client, rename, &["one:a", "one:b"], &[]), Frame::ok());
    assert_eq!(client.run("GET one:b"), Frame::bulk(&value));
    tap.assert_never_contains(MARKER);
}

/// A function is called by its name, so the operator says of which it is known what they touch.
#[test]
fn named_functions_run_on_keys_of_no_rule() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, |settings| {
        settings.trust_scripts = false;
        settings.more = "[scripts]\nfunctions = ['store', 'STORE_TWO']\n".into();
    });
    let code = b"#!lua name=lib\n\
        local function store(keys, args) return redis.call('SET', keys[1], args[1]) end\n\
        redis.register_function('store', store)\n\
        redis.register_function('store_two', store)\n\
        redis.register_function('store_three', store)";
    let mut client = sidecar.connect();
    assert_eq!(client.command(&[b"FUNCTION", b"LOAD", code]), Frame::bulk("lib"));
    for name in ["store", "Store_Two"] {
        assert_eq!(client.run(&format!("FCALL {name} 1 open:a v")), Frame::ok(), "{name}");
        assert!(client.run(&format!("FCALL {name} 1 session:a v")).is_error("WAXSEAL COMMAND_REFUSED"), "{name}");
        assert!(client.run(&format!("FCALL {name} 2 open:a session:a v")).is_error("WAXSEAL COMMAND_REFUSED"));
    }
    assert!(client.run("FCALL store_three 1 open:a v").is_error("WAXSEAL SCRIPT_REFUSED"));
    assert!(client.run("FCALL nobody 1 open:a v").is_error("WAXSEAL SCRIPT_REFUSED"));
    assert_eq!(client.run("GET session:a"), Frame::Null);
}

/// With no rule scripts are nobody's business here.
#[test]
fn without_rules_all_scripts_pass() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, |settings| {
        settings.trust_scripts = false;
        settings.rules.clear();
    });
    let name = load(&mut upstream.raw(), b"return ARGV[1]");
    let mut client = sidecar.connect();
    assert_eq!(client.command(&[b"EVALSHA", &name, b"0", b"x"]), Frame::bulk("x"));
    assert_eq!(eval(&mut client, "return redis.call('SET', 'any' .. 'thing', 1)", &[], &[]), Frame::ok());
    assert!(contains(&upstream.raw().run("KEYS *").items()[0].clone().bytes(), b"anything"));
}

/// Whether a key is there and how long it lives is no secret and no value: a script may ask that of any key.
#[test]
fn scripts_may_delete_and_expire_undeclared_keys() {
    let house = House::new();
    let mut client = house.sidecar.connect();
    for key in ["session:a", "session:b"] {
        assert_eq!(client.command(&[b"SET", key.as_bytes(), &secret(key)]), Frame::ok());
    }
    let script = "for _, name in ipairs(ARGV) do redis.call('EXPIRE', 'session:' .. name, 100) end
        return {redis.call('TTL', 'session:a'), redis.call('DEL', 'session:' .. ARGV[2]), redis.call('TYPE', ARGV[3])}";
    let reply = eval(&mut client, script, &["open:a"], &["a", "b", "session:a"]).items();
    assert_eq!(reply, [Frame::Integer(100), Frame::Integer(1), Frame::Simple("string".into())]);
    assert_eq!(client.run("GET session:b"), Frame::Null);
    assert_eq!(client.run("GET session:a"), Frame::Bulk(secret("session:a")));
    let stores = "redis.call('DEL', ARGV[1]) return redis.call('SET', ARGV[1], ARGV[2])";
    assert!(eval(&mut client, stores, &[], &["session:c", MARKER]).is_error("WAXSEAL SCRIPT_REFUSED"));
    house.tap.assert_never_contains(MARKER);
}
