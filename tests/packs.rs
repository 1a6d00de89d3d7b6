//! The packs against the libraries themselves: each of their scripts is recognised by its row, and what
//! the libraries do works on encrypted keys.

mod support;

use std::path::Path;
use std::process::Command;

use support::raw::encode;
use support::{Frame, MARKER, Raw, Sidecar, Tap, Upstream};
use waxseal::policy::script::analyse;
use waxseal::policy::script::pack::{digest_of, scripts};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn node() -> String {
    let own = root().join(".venv/bin/node");
    if own.exists() { own.display().to_string() } else { "node".into() }
}

/// What a program of the tests prints.
fn output(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).current_dir(root()).args(args).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}. Run `make setup` once."));
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{args:?}\n{}\n{}", said(&output.stdout), said(&output.stderr));
    said(&output.stdout)
}

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes().chunks(2).map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}

/// A library that changes a script has a script that no row knows, and this says so before a user does.
#[test]
fn every_script_of_the_libraries_has_its_row() {
    let told = output(&node(), &["tests/node/packs.mjs"]) + &output(".venv/bin/python3", &["tests/python/packs.py"]);
    let mut unknown = String::new();
    for line in told.lines() {
        let [library, name, body] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let digest = digest_of(&bytes(body)).unwrap_or_else(|| panic!("{library} {name} is not understood"));
        if !scripts().any(|script| script.digest == digest) {
            unknown += &format!("{library} {name} {digest}\n");
        }
    }
    assert!(unknown.is_empty(), "scripts without a row:\n{unknown}");
}

struct House {
    upstream: Upstream,
    sidecar: Sidecar,
    tap: Tap,
}

impl House {
    fn new(rules: &str) -> Self {
        let upstream = Upstream::start();
        let sidecar = Sidecar::start_with(&upstream, |settings| {
            settings.trust_scripts = false;
            settings.rules.clear();
            settings.more = rules.into();
        });
        let tap = Tap::on(&upstream);
        Self { upstream, sidecar, tap }
    }

    fn run(&self, program: &str, args: &[&str]) {
        let port = self.sidecar.port.to_string();
        output(program, &[args, &["--port", &port]].concat());
    }
}

const LOCKS: &str = "[[encrypt]]\nid = 'locks'\nkeys = ['lock:*', 'session:*']\n";
const PYTHON: &str = ".venv/bin/python3";
/// The form that Redis's documentation gives.
const RELEASE: &str =
    "if redis.call(\"get\",KEYS[1]) == ARGV[1] then return redis.call(\"del\",KEYS[1]) else return 0 end";

/// Each script of these rows is proven to touch declared keys only, so that a row adds what is sealed and
/// takes nothing away. The exception is named.
#[test]
fn rows_do_not_replace_the_proof() {
    let told = output(&node(), &["tests/node/packs.mjs"]) + &output(PYTHON, &["tests/python/packs.py"]);
    for line in told.lines().filter(|line| !line.starts_with("BullMQ")) {
        let [library, name, body] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let body = bytes(body);
        // `server.call` is Valkey's name for it.
        let excepted = body.windows(12).any(|part| part == b"server.call(");
        assert_eq!(analyse(&body).is_err(), excepted, "{library} {name}");
    }
}

#[test]
fn redis_py_locks_are_encrypted() {
    for protocol in ["2", "3"] {
        let house = House::new(LOCKS);
        let body = "return KEYS[1]";
        house.upstream.raw().command(&[b"SCRIPT", b"LOAD", body.as_bytes()]);
        house.run(PYTHON, &["tests/python/scripts.py", "--protocol", protocol, "--loaded", body]);
    }
}

#[test]
fn redlock_and_rate_limiters() {
    let house = House::new(LOCKS);
    house.run(&node(), &["tests/node/libraries.mjs"]);
    house.upstream.assert_nothing_stored_contains("another's");
    house.tap.assert_never_contains("another's");
}

/// The script compares in the database what was read here: between the two somebody else may write.
#[test]
fn a_token_is_compared_in_the_database() {
    let house = House::new(LOCKS);
    let mut client = house.sidecar.connect();
    let release = |client: &mut Raw, key: &str, token: &[u8]| {
        client.command(&[b"EVAL", RELEASE.as_bytes(), b"1", key.as_bytes(), token])
    };
    let token = MARKER.as_bytes();
    assert_eq!(client.command(&[b"SET", b"lock:a", token, b"NX"]), Frame::ok());
    assert_eq!(release(&mut client, "lock:a", b"other"), Frame::Integer(0));
    assert_eq!(release(&mut client, "lock:none", token), Frame::Integer(0));
    // The ciphertext itself is no token.
    let stored = house.upstream.raw().command(&[b"GET", b"lock:a"]).bytes();
    assert_eq!(release(&mut client, "lock:a", &stored), Frame::Integer(0));
    assert_eq!(release(&mut client, "lock:a", token), Frame::Integer(1));
    assert_eq!(client.run("EXISTS lock:a"), Frame::Integer(0));
    // An envelope of another key does not open, so it is nobody's token.
    client.command(&[b"SET", b"lock:b", token]);
    let moved = house.upstream.raw().command(&[b"GET", b"lock:b"]).bytes();
    house.upstream.raw().command(&[b"SET", b"lock:c", &moved]);
    assert_eq!(release(&mut client, "lock:c", token), Frame::Integer(0));
    // Another type: the script says so itself.
    client.run("RPUSH lock:list x");
    assert!(release(&mut client, "lock:list", token).is_error("WRONGTYPE"));
    // In clear where no rule is.
    client.command(&[b"SET", b"open", b"plain"]);
    assert_eq!(release(&mut client, "open", b"plain"), Frame::Integer(1));
    house.tap.assert_never_contains(MARKER);
}

/// What a client sent behind such a script is answered behind it, and is carried out behind it.
#[test]
fn order_is_kept_around_what_is_asked_before() {
    let house = House::new(LOCKS);
    let mut client = house.sidecar.connect();
    let mut pipeline = Vec::new();
    let mut wanted = Vec::new();
    for round in 0..20 {
        let token = format!("{MARKER}-{round}");
        let commands: [&[&str]; 5] = [
            &["SET", "lock:a", &token],
            &["EVAL", RELEASE, "1", "lock:a", &token],
            &["EXISTS", "lock:a"],
            &["EVAL", RELEASE, "1", "lock:a", &token],
            &["ECHO", &token],
        ];
        for command in commands {
            let args: Vec<&[u8]> = command.iter().map(|text| text.as_bytes()).collect();
            pipeline.extend(encode(&args));
        }
        wanted.extend([Frame::ok(), Frame::Integer(1), Frame::Integer(0), Frame::Integer(0), Frame::bulk(&token)]);
    }
    client.send(&pipeline);
    for want in wanted {
        assert_eq!(client.read(), want);
    }
    // In the middle of a transaction nothing can be asked.
    assert_eq!(client.run("MULTI"), Frame::ok());
    let reply = client.command(&[b"EVAL", RELEASE.as_bytes(), b"1", b"lock:a", b"x"]);
    assert!(reply.is_error("WAXSEAL SCRIPT_REFUSED"), "{reply:?}");
    assert!(client.run("EXEC").is_error("EXECABORT"));
    // Nor is the answer to what was asked ever seen, replies on or off.
    assert_eq!(client.run("SET lock:a x"), Frame::ok());
    client.send(
        &[
            encode(&[b"CLIENT".as_slice(), b"REPLY", b"SKIP"]),
            encode(&[b"EVAL", RELEASE.as_bytes(), b"1", b"lock:a", b"x"]),
        ]
        .concat(),
    );
    assert_eq!(client.run("EXISTS lock:a"), Frame::Integer(0));
    // And on the lane of a client that watches.
    assert_eq!(client.run("SET lock:a x"), Frame::ok());
    assert_eq!(client.run("WATCH lock:a"), Frame::ok());
    assert_eq!(client.command(&[b"EVAL", RELEASE.as_bytes(), b"1", b"lock:a", b"x"]), Frame::Integer(1));
}

/// One envelope for several keys needs one scope, and then does what it does in clear.
#[test]
fn locks_on_several_resources() {
    let acquire = "for i, key in ipairs(KEYS) do if redis.call('exists', key) == 1 then return 0 end end \
                   for i, key in ipairs(KEYS) do redis.call('set', key, ARGV[1], 'PX', ARGV[2]) end return #KEYS";
    let release = "local count = 0 for i, key in ipairs(KEYS) do if redis.call('get', key) == ARGV[1] then \
                   redis.pcall('del', key) count = count + 1 end end return count";
    let run = |client: &mut Raw, script: &str, token: &str| {
        client.command(&[b"EVAL", script.as_bytes(), b"2", b"lock:a", b"lock:b", token.as_bytes(), b"30000"])
    };
    let house = House::new(LOCKS);
    let reply = run(&mut house.sidecar.connect(), acquire, MARKER);
    assert!(reply.is_error("WAXSEAL COMMAND_REFUSED"), "{reply:?}");

    let house = House::new("[[encrypt]]\nid = 'locks'\nkeys = ['lock:*']\nscope = 'rule'\n");
    let mut client = house.sidecar.connect();
    assert_eq!(run(&mut client, acquire, MARKER), Frame::Integer(2));
    assert_eq!(run(&mut client, acquire, "other"), Frame::Integer(0));
    assert_eq!(client.run("GET lock:b"), Frame::bulk(MARKER));
    assert_eq!(run(&mut client, release, "other"), Frame::Integer(0));
    assert_eq!(client.run("SET lock:a other"), Frame::ok());
    assert_eq!(run(&mut client, release, MARKER), Frame::Integer(1));
    assert_eq!(client.run("MGET lock:a lock:b").items(), vec![Frame::bulk("other"), Frame::Null]);
    house.tap.assert_never_contains(MARKER);
}

/// Sidekiq's jobs: in a sorted set until their time, then in a list.
#[test]
fn sidekiq_pops_what_is_due() {
    let house = House::new("[[encrypt]]\nid = 'jobs'\nkeys = ['queue:*', 'schedule', 'retry', 'dead']\n");
    let mut client = house.sidecar.connect();
    let pop = "local key, now = KEYS[1], ARGV[1]\n\
               local jobs = redis.call(\"zrange\", key, \"-inf\", now, \"byscore\", \"limit\", 0, 1)\n\
               if jobs[1] then redis.call(\"zrem\", key, jobs[1]) return jobs[1] end";
    let job = format!("{{\"class\":\"{MARKER}\"}}");
    client.command(&[b"ZADD", b"schedule", b"10.5", job.as_bytes()]);
    let run =
        |client: &mut Raw, now: &str| client.command(&[b"EVAL", pop.as_bytes(), b"1", b"schedule", now.as_bytes()]);
    assert_eq!(run(&mut client, "10.4"), Frame::Null);
    assert_eq!(run(&mut client, "10.6"), Frame::bulk(&job));
    assert_eq!(run(&mut client, "10.6"), Frame::Null);
    client.command(&[b"LPUSH", b"queue:default", job.as_bytes()]);
    assert_eq!(client.run("BRPOP queue:default 1").items()[1], Frame::bulk(&job));
    house.tap.assert_never_contains(MARKER);
}

/// The rules that docs/scripts.md gives, by its headings.
fn documented(heading: &str) -> String {
    let text = std::fs::read_to_string(root().join("docs/scripts.md")).expect("docs/scripts.md");
    let (_, after) = text.split_once(heading).unwrap_or_else(|| panic!("no {heading}"));
    let (_, block) = after.split_once("```toml\n").expect("a block");
    block.split_once("```").expect("its end").0.into()
}

/// A queue with the rules of the documentation: the application sees its jobs, the database does not.
fn bullmq(heading: &str, prefix: &str, more: &[&str]) {
    let house = House::new(&documented(heading));
    let args = [&["tests/node/bullmq.mjs", "--prefix", prefix, "--secret", MARKER], more].concat();
    house.run(&node(), &args);
    house.tap.assert_never_contains(MARKER);
    house.upstream.assert_nothing_stored_contains(MARKER);
    // One of them as it lies there: the envelope's magic, and a field that is not named in clear.
    let job = format!("{prefix}:mail:order-7");
    let mut raw = house.upstream.raw();
    for (field, start) in [("data", &b"\xc1WX"[..]), ("returnvalue", b"\xc1WX"), ("name", b"custom")] {
        assert!(raw.command(&[b"HGET", job.as_bytes(), field.as_bytes()]).bytes().starts_with(start), "{field}");
    }
    // The queue's own state is in clear, or the scripts could not work.
    let key = format!("{prefix}:mail:completed");
    assert!(house.upstream.raw().command(&[b"ZSCORE", key.as_bytes(), b"order-7"]).bytes() > vec![]);
    assert!(!house.sidecar.stderr().contains("WARN"), "{}", house.sidecar.stderr());
}

#[test]
fn bullmq_with_its_own_prefix() {
    bullmq("### BullMQ with its own prefix", "bull", &[]);
}

#[test]
fn bullmq_with_a_tag() {
    bullmq("### BullMQ with a tag", "{bull}", &["--progress"]);
}

/// What is missing in a rule is said, and nothing is stored meanwhile.
#[test]
fn bullmq_is_refused_where_a_rule_does_not_suit() {
    let told = output(&node(), &["tests/node/packs.mjs"]);
    let body = told.lines().find_map(|line| line.strip_prefix("BullMQ\taddStandardJob\t")).expect("a script");
    let body = bytes(body);
    let good = documented("### BullMQ with its own prefix");
    let cases = [
        (good.replace("scope = \"rule\"", "scope = \"key\""), "its scope must be"),
        (good.replace("scope = \"rule\"", "scope = \"tag\""), "must have a {tag}"),
        (good.replace("\"data\",", "\"data\", \"opts\","), "it must have `fields`"),
        (good.replace("\"bull:*:marker\",", ""), "end in marker"),
        (good.replace("\"bull:*:lock\",", ""), "end in :lock"),
        (good.replace("\"bull:*\"", "\"bull:*:[0-9]*\""), "whatever their ids"),
        (good.replace("\"bull:*\"", "\"bull:*:order-*\""), "not all of its jobs"),
    ];
    for (rules, why) in cases {
        let house = House::new(&rules);
        let mut client = house.sidecar.connect();
        let names = ["wait", "paused", "meta", "id", "completed", "delayed", "active", "events", "marker"];
        let keys: Vec<String> = names.iter().map(|name| format!("bull:q:{name}")).collect();
        // ["bull:q:", "", "name", 0]
        let packed = b"\x94\xa7bull:q:\xa0\xa4name\x00";
        let mut args: Vec<&[u8]> = vec![b"EVAL", &body, b"9"];
        args.extend(keys.iter().map(|key| key.as_bytes()));
        args.extend([&packed[..], MARKER.as_bytes(), b"\x80"]);
        let reply = client.command(&args);
        assert!(
            matches!(&reply, Frame::Error(text) if text.contains("SCRIPT_REFUSED") && text.contains(why)),
            "{why}: {reply:?}"
        );
        assert!(!format!("{reply:?}").contains(MARKER));
        house.tap.assert_never_contains(MARKER);
    }
    // Another prefix in the arguments than in the keys.
    let house = House::new(&good);
    let mut client = house.sidecar.connect();
    let mut args: Vec<&[u8]> = vec![b"EVAL", &body, b"9"];
    let keys = ["wait", "paused", "meta", "id", "completed", "delayed", "active", "events", "marker"]
        .map(|name| format!("open:q:{name}"));
    args.extend(keys.iter().map(|key| key.as_bytes()));
    args.extend([&b"\x94\xa7bull:q:\xa0\xa4name\x00"[..], MARKER.as_bytes(), b"\x80"]);
    assert!(client.command(&args).is_error("WAXSEAL SCRIPT_REFUSED"));
    house.tap.assert_never_contains(MARKER);
}

/// One of the libraries' scripts.
fn body_of(wanted: &str) -> Vec<u8> {
    let told = output(PYTHON, &["tests/python/packs.py"]);
    let line = told.lines().find(|line| line.split('\t').nth(1) == Some(wanted)).expect("the script");
    bytes(line.split('\t').nth(2).expect("the body"))
}

fn eval(client: &mut Raw, body: &[u8], keys: &[&str], args: &[&str]) -> Frame {
    let count = keys.len().to_string();
    let mut all: Vec<&[u8]> = vec![b"EVAL", body, count.as_bytes()];
    all.extend(keys.iter().chain(args).map(|text| text.as_bytes()));
    client.command(&all)
}

/// Celery's script stores a result in one of its keys and counts in the others.
#[test]
fn a_chord_keeps_its_results_encrypted() {
    let house = House::new("[[encrypt]]\nid = 'chords'\nkeys = ['*.j', 'hidden']\n");
    let mut client = house.sidecar.connect();
    let body = body_of("CHORD_PART_RETURN_LUA");
    let result = format!("[1, \"id\", \"SUCCESS\", \"{MARKER}\"]");
    let args = ["id", &result, "1", "0", "100", "100", "10", "token"];
    let keys = ["g.j", "g.t", "g.s", "g.d", "g", "g.c"];
    client.run("SET g.s 1");
    let done = eval(&mut client, &body, &keys, &args).items();
    assert_eq!((&done[0], &done[3]), (&Frame::Integer(1), &Frame::Integer(1)));
    // The same part once more is the same member.
    assert_eq!(eval(&mut client, &body, &keys, &args).items()[0], Frame::Integer(1));
    assert_eq!(client.run("ZRANGE g.j 0 -1").items(), [Frame::bulk(&result)]);
    // The database counts in the other keys: none of them may be under a rule.
    for place in 1..keys.len() {
        let mut other = keys;
        other[place] = "hidden";
        assert!(eval(&mut client, &body, &other, &args).is_error("WAXSEAL SCRIPT_REFUSED"), "KEYS[{}]", place + 1);
    }
    assert!(eval(&mut client, &body, &["hidden", "a.j", "b", "c", "d", "e"], &args).is_error("WAXSEAL SCRIPT_REFUSED"));
    // Sealed inside MULTI too.
    client.run("MULTI");
    let second = ["id2", &result, "1", "1", "100", "100", "10", "token"];
    assert_eq!(eval(&mut client, &body, &keys, &second), Frame::Simple("QUEUED".into()));
    assert_eq!(client.run("EXEC").items().len(), 1);
    let clean = body_of("CHORD_CLEANUP_LUA");
    assert_eq!(eval(&mut client, &clean, &["g.c", "g.j", "g.t", "g.s", "g.d"], &["token", "10"]), Frame::Integer(1));
    assert_eq!(client.run("EXISTS g.j g.d"), Frame::Integer(0));
    house.tap.assert_never_contains(MARKER);
}

/// RQ's script stores a job's fields, of which a rule may leave some in clear.
#[test]
fn a_unique_job_is_encrypted_field_by_field() {
    let rules = "[[encrypt]]\nid = 'all'\nkeys = ['all:*']\n\
                 [[encrypt]]\nid = 'some'\nkeys = ['some:*']\nfields = ['data']\n\
                 [[encrypt]]\nid = 'names'\nkeys = ['names:*']\ndeterministic = ['field-names']\n";
    let house = House::new(rules);
    let mut client = house.sidecar.connect();
    let body = body_of("UNIQUE_ENQUEUE_SCRIPT");
    for key in ["all:1", "some:1", "open:1"] {
        let data = if key == "open:1" { "clear" } else { MARKER };
        let args = ["id", "L", "-1", "status", "queued", "data", data];
        assert_eq!(eval(&mut client, &body, &[key, "queue"], &args), Frame::Integer(1));
        assert_eq!(eval(&mut client, &body, &[key, "queue"], &args), Frame::Integer(0));
        assert_eq!(client.run(&format!("HMGET {key} status data")).items(), [Frame::bulk("queued"), Frame::bulk(data)]);
        let status = house.upstream.raw().run(&format!("HGET {key} status"));
        assert_eq!(status == Frame::bulk("queued"), key != "all:1", "{key}");
    }
    // The script's names of fields would be in clear.
    let named = ["id", "L", "-1", MARKER, "x"];
    assert!(eval(&mut client, &body, &["names:1", "queue"], &named).is_error("WAXSEAL COMMAND_REFUSED"));
    assert!(eval(&mut client, &body, &["open:2", "all:2"], &["id", "L", "-1"]).is_error("WAXSEAL SCRIPT_REFUSED"));
    assert_eq!(house.upstream.raw().run("LLEN queue"), Frame::Integer(3));
    house.tap.assert_never_contains(MARKER);
}
