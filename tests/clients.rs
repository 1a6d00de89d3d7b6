//! Unmodified clients through the sidecar, and a search of everything the database saw for what it must never see.

mod support;

use std::path::Path;
use std::process::Command;

use redis::{AsyncCommands, Commands, Pipeline};
use support::sidecar::Settings;
use support::upstash::{Conduct, Upstash};
use support::{Frame, MARKER, Sidecar, Tap, Upstream, secret};

/// A whole set-up with its tap; `finish` searches.
struct House {
    upstream: Upstream,
    sidecar: Sidecar,
    tap: Tap,
}

impl House {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let upstream = Upstream::start();
        let sidecar = Sidecar::start_with(&upstream, change);
        let tap = Tap::on(&upstream);
        Self { upstream, sidecar, tap }
    }

    /// Runs a client program and takes its word for the replies, then looks for plaintext itself.
    fn program(self, runtime: &str, script: &str, args: &str) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let args = args
            .replace("PORT", &self.sidecar.port.to_string())
            .replace("SOCKET", &self.sidecar.unix_path().display().to_string());
        let output = Command::new(runtime)
            .current_dir(root)
            .arg(root.join("tests").join(script))
            .args(args.split(' '))
            .output()
            .unwrap_or_else(|error| panic!("{runtime}: {error}. Run `make setup` once."));
        let (printed, complaints) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        println!("{script} {args}: {printed}");
        assert!(output.status.success(), "{script} {args}\n{printed}\n{complaints}");
        self.finish();
    }

    fn finish(self) {
        self.tap.assert_never_contains(MARKER);
        self.upstream.assert_nothing_stored_contains(MARKER);
        let stored = self.upstream.everything();
        let under_rule = |key: &[u8]| key.starts_with(b"session:") || key.starts_with(b"user:");
        assert!(stored.iter().any(|(key, _)| under_rule(key)), "nothing under a protected key was left to look at");
        assert!(!self.sidecar.stderr().contains(MARKER), "a value in the log");
    }
}

fn python(args: &str) {
    House::new().program(".venv/bin/python3", "python/clients.py", args);
}

fn node(args: &str) {
    House::new().program(&node_path(), "node/clients.mjs", args);
}

/// Where the system's is too old, `make setup` has put one beside Python's.
fn node_path() -> String {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/node");
    if own.exists() { own.display().to_string() } else { "node".into() }
}

/// The same programs on an upstream that behaves as Upstash does: nothing is sent there that it does not document, but for
/// what the client itself asked for.
fn on_upstash(runtime: &str, script: &str, args: &str) {
    let upstream = Upstream::start();
    let upstash = Upstash::before(&upstream, Conduct::default());
    let sidecar = Sidecar::start_with(&upstream, |settings| settings.url = upstash.url());
    let tap = Tap::on(&upstream);
    House { upstream, sidecar, tap }.program(runtime, script, args);
    assert_eq!(upstash.refused(), [""; 0]);
}

#[test]
fn redis_py_with_hiredis_resp2() {
    python("--port PORT --protocol 2");
}

#[test]
fn redis_py_with_hiredis_resp3() {
    python("--port PORT --protocol 3");
}

#[test]
fn redis_py_pure_resp2() {
    python("--port PORT --protocol 2 --pure");
}

#[test]
fn redis_py_pure_resp3() {
    python("--port PORT --protocol 3 --pure");
}

#[test]
fn redis_py_over_a_unix_socket() {
    python("--unix SOCKET --protocol 3");
}

#[test]
fn redis_py_on_dedicated_lanes() {
    House::with(|settings| settings.lanes = Some("dedicated")).program(
        ".venv/bin/python3",
        "python/clients.py",
        "--port PORT --protocol 3",
    );
}

#[test]
fn redis_py_on_upstash() {
    on_upstash(".venv/bin/python3", "python/clients.py", "--port PORT --protocol 3 --one-database");
}

#[test]
fn ioredis_on_upstash() {
    on_upstash(&node_path(), "node/clients.mjs", "--client ioredis --port PORT --protocol 2");
}

#[test]
fn node_redis_on_upstash() {
    on_upstash(&node_path(), "node/clients.mjs", "--client node-redis --port PORT --protocol 3");
}

#[test]
fn ioredis_resp2() {
    node("--client ioredis --port PORT --protocol 2");
}

#[test]
fn ioredis_resp3() {
    node("--client ioredis --port PORT --protocol 3");
}

#[test]
fn ioredis_over_a_unix_socket() {
    node("--client ioredis --unix SOCKET");
}

#[test]
fn node_redis_resp2() {
    node("--client node-redis --port PORT --protocol 2");
}

#[test]
fn node_redis_resp3() {
    node("--client node-redis --port PORT --protocol 3");
}

#[test]
fn redis_cli() {
    let house = House::new();
    let run = |args: &[&str]| {
        let output = Command::new("redis-cli").args(["-p", &house.sidecar.port.to_string()]).args(args).output();
        String::from_utf8_lossy(&output.expect("redis-cli").stdout).trim_end().to_string()
    };
    let value = String::from_utf8(secret("cli")).expect("text");
    assert_eq!(run(&["SET", "session:cli", &value]), "OK");
    assert_eq!(run(&["GET", "session:cli"]), value);
    assert_eq!(run(&["-3", "HSET", "user:cli", "f", &value]), "1");
    assert_eq!(run(&["-3", "HGET", "user:cli", "f"]), value);
    assert_eq!(run(&["INCR", "open:cli"]), "1");
    house.finish();
}

#[test]
fn redis_crate_resp2() {
    redis_crate("");
}

#[test]
fn redis_crate_resp3() {
    redis_crate("?protocol=resp3");
}

fn redis_crate(query: &str) {
    let house = House::new();
    let client = redis::Client::open(format!("redis://127.0.0.1:{}/{query}", house.sidecar.port)).expect("client");
    let mut connection = client.get_connection().expect("connection");

    let () = connection.set("session:a", secret("a")).expect("SET");
    assert_eq!(connection.get::<_, Vec<u8>>("session:a").expect("GET"), secret("a"));
    let () = connection.hset_multiple("user:a", &[("f", secret("f")), ("g", secret("g"))]).expect("HSET");
    let all: std::collections::BTreeMap<String, Vec<u8>> = connection.hgetall("user:a").expect("HGETALL");
    assert_eq!(all, [("f".to_string(), secret("f")), ("g".to_string(), secret("g"))].into());
    let both: (Vec<u8>, Option<Vec<u8>>) = connection.mget(&["session:a", "session:none"]).expect("MGET");
    assert_eq!(both, (secret("a"), None));

    let mut pipeline = Pipeline::new();
    for i in 0..1000 {
        pipeline.set(format!("session:p{i}"), secret(&i.to_string())).ignore().get(format!("session:p{i}"));
    }
    let replies: Vec<Vec<u8>> = pipeline.query(&mut connection).expect("pipeline");
    assert!(replies.iter().enumerate().all(|(i, value)| *value == secret(&i.to_string())));

    let swapped: (Vec<u8>, Vec<u8>) = redis::transaction(&mut connection, &["session:a"], |connection, pipe| {
        let old: Vec<u8> = connection.get("session:a")?;
        pipe.set("session:a", secret("b")).ignore().set("session:old", old).ignore();
        pipe.get("session:a").get("session:old").query(connection)
    })
    .expect("WATCH, MULTI, EXEC");
    assert_eq!(swapped, (secret("b"), secret("a")));

    let length: usize = connection.append("session:a", secret("more")).expect("APPEND");
    assert_eq!(length, secret("b").len() + secret("more").len());
    let removed: i64 = connection.lrem("session:none", 1, secret("more")).expect("LREM");
    assert_eq!(removed, 0);
    let refused: redis::RedisResult<i64> = connection.pfadd("session:h", secret("more"));
    assert!(refused.expect_err("PFADD is refused").to_string().contains("WAXSEAL"));

    redis_crate_asynchronous(&client);
    house.finish();
}

fn redis_crate_asynchronous(client: &redis::Client) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let connection = client.get_multiplexed_async_connection().await.expect("multiplexed connection");
        let tasks: Vec<_> = (0..64)
            .map(|worker| {
                let mut connection = connection.clone();
                tokio::task::spawn_local(async move {
                    for round in 0..50 {
                        let (key, value) = (format!("session:async:{worker}"), secret(&format!("{worker} {round}")));
                        let () = connection.set(&key, value.clone()).await.expect("SET");
                        assert_eq!(connection.get::<_, Vec<u8>>(&key).await.expect("GET"), value);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("worker");
        }
    });
}

/// A refusal happens here: the database hears nothing of the command, whether alone, in a pipeline or in MULTI.
#[test]
fn refused_commands_never_reach_the_database() {
    let house = House::new();
    let mut client = house.sidecar.connect();
    assert_eq!(client.command(&[b"SET", b"session:r", &secret("kept")]), Frame::ok());
    house.tap.clear();
    let marked = secret("refused");
    let commands: &[&[&[u8]]] = &[
        &[b"LMOVE", b"session:l", b"open:l", b"LEFT", b"LEFT"],
        &[b"BLMOVE", b"session:l", b"open:l", b"LEFT", b"LEFT", b"1"],
        &[b"SMOVE", b"session:s", b"open:s", &marked],
        &[b"SUNIONSTORE", b"open:s", b"session:s"],
        &[b"ZADD", b"session:z", b"WHAT", b"1", &marked],
        &[b"ZRANGESTORE", b"open:z", b"session:z", b"0", b"-1"],
        &[b"ZUNIONSTORE", b"open:z", b"1", b"session:z"],
        &[b"GEOADD", b"session:g", b"WHAT", b"1", b"1", &marked],
        &[b"GEORADIUSBYMEMBER", b"session:g", &marked, b"1", b"m", b"WHAT"],
        &[b"GEORADIUSBYMEMBER", b"session:g", &marked, b"1", b"m", b"STORE", b"open:g"],
        &[b"GEOSEARCHSTORE", b"open:g", b"session:g", b"FROMLONLAT", b"1", b"1", b"BYRADIUS", b"1", b"m"],
        &[b"XADD", b"session:x", b"WHAT", b"*", b"f", &marked],
        &[b"XINFO", b"STREAM", b"session:x", b"WHAT"],
        &[b"PFADD", b"session:h", &marked],
        &[b"RENAME", b"session:r", b"open:r"],
        &[b"COPY", b"session:r", b"open:r"],
        &[b"SORT", b"session:l", b"STORE", b"open:l"],
        &[b"EVAL", b"return redis.call('SET', KEYS[1], ARGV[1])", b"1", b"session:e", &marked],
        &[b"EVAL", b"return redis.call('SET', KEYS[1], ARGV[1])", b"01", b"session:e", &marked],
        &[b"SET", b"session:r", &marked, b"SOMETHING", b"NEW"],
        &[b"NOSUCHCOMMAND", b"session:r", &marked],
        &[b"SYNC"],
        &[b"PSYNC", b"?", b"-1"],
    ];
    for args in commands {
        let reply = client.command(args);
        let name = String::from_utf8_lossy(args[0]).into_owned();
        assert!(matches!(&reply, Frame::Error(text) if !text.contains(MARKER)), "{name}: {reply:?}");
    }
    assert_eq!(client.command(&[b"GET", b"session:r"]), Frame::Bulk(secret("kept")));
    let seen = String::from_utf8_lossy(&house.tap.seen()).to_ascii_lowercase();
    for args in commands.iter().filter(|args| args[0] != b"SET") {
        let name = String::from_utf8_lossy(args[0]).to_ascii_lowercase();
        assert!(!seen.contains(&format!("\"{name}\" ")), "{name} reached the database");
    }
    house.finish();
}

/// A script can build any key name; unless the operator vouches for all of them, it has to show that it does not.
#[test]
fn scripts_are_refused_unless_trusted() {
    let house = House::with(|settings| settings.trust_scripts = false);
    let mut client = house.sidecar.connect();
    client.command(&[b"SET", b"session:kept", &secret("kept")]);
    let script = format!("return redis.call('SET', 'sess'..'ion:hidden', '{MARKER}')");
    let reply = client.command(&[b"EVAL", script.as_bytes(), b"0"]);
    assert!(reply.is_error("WAXSEAL SCRIPT_REFUSED"), "{reply:?}");
    assert_eq!(client.command(&[b"EVAL", b"return 1", b"1", b"open:a"]), Frame::Integer(1));
    assert_eq!(house.upstream.raw().run("EXISTS session:hidden"), Frame::Integer(0));
    house.finish();
}

/// What no rule covers goes through as it came, binary and in both directions.
#[test]
fn keys_of_no_rule_pass_raw() {
    let house = House::new();
    let (mut through, mut direct) = (house.sidecar.connect(), house.upstream.raw());
    let every_byte: Vec<u8> = (0..=255).collect();
    for (set, get) in [("SET", "GET"), ("GETSET", "GET")] {
        through.command(&[set.as_bytes(), &every_byte, &every_byte]);
        assert_eq!(direct.command(&[get.as_bytes(), &every_byte]), Frame::Bulk(every_byte.clone()));
        assert_eq!(through.command(&[get.as_bytes(), &every_byte]), Frame::Bulk(every_byte.clone()));
    }
    // A rule's key is one that begins so; the same letters elsewhere are not.
    through.run("SET xsession:1 clear");
    assert_eq!(direct.run("GET xsession:1"), Frame::bulk("clear"));
    through.command(&[b"SET", b"session:kept", &secret("kept")]);
    house.finish();
}

/// A message on a protected channel is ciphertext for whoever listens at the database.
#[test]
fn messages_on_protected_channels_are_sealed() {
    let house = House::new();
    let mut eavesdropper = house.upstream.raw();
    eavesdropper.run("PSUBSCRIBE *");
    let mut listener = house.sidecar.connect();
    listener.run("SUBSCRIBE session:room");
    let mut speaker = house.sidecar.connect3();
    assert_eq!(speaker.command(&[b"PUBLISH", b"session:room", &secret("message")]), Frame::Integer(2));
    let heard = listener.read().items();
    assert_eq!(heard[2], Frame::Bulk(secret("message")));
    let overheard = eavesdropper.read().items();
    assert_eq!(overheard[2], Frame::bulk("session:room"));
    let payload = overheard[3].clone().bytes();
    assert!(!support::contains(&payload, MARKER.as_bytes()));
    assert_eq!(payload.len(), secret("message").len() + 48);
    speaker.command(&[b"SET", b"session:kept", &secret("kept")]);
    house.finish();
}
