//! THE TABLE against a real redis-server. Without one these tests say so and pass.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis::{Connection, RedisError, Value};

use super::*;

/// The server that the rows were taken from; another one is compared as far as it knows a command.
const VERSION: &str = "7.0.15";
/// Long enough for a loaded machine; a healthy server takes some milliseconds.
const START: Duration = Duration::from_secs(10);

/// Rows that Redis 7.0 does not have.
const LATER: [&str; 19] = [
    "client|capa",
    "client|maint_notifications",
    "client|no-touch",
    "client|setinfo",
    "cluster|myshardid",
    "cluster|slot-stats",
    "hexpire",
    "hexpireat",
    "hexpiretime",
    "hgetdel",
    "hgetex",
    "hpersist",
    "hpexpire",
    "hpexpireat",
    "hpexpiretime",
    "hpttl",
    "hsetex",
    "httl",
    "waitaof",
];

struct Server {
    process: Child,
    connection: Connection,
    _dir: tempfile::TempDir,
}

impl Server {
    fn start() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("redis.sock");
        let socket = socket.to_str().unwrap();
        let started = Command::new("redis-server")
            .args(["--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no"])
            .current_dir(&dir)
            .stdout(Stdio::null())
            .spawn();
        let Ok(mut process) = started else {
            eprintln!("SKIPPED: redis-server is not installed, so the table is not compared with it");
            return None;
        };
        let client = redis::Client::open(format!("unix://{socket}")).unwrap();
        let begin = Instant::now();
        loop {
            if let Ok(connection) = client.get_connection() {
                return Some(Self { process, connection, _dir: dir });
            }
            if begin.elapsed() > START {
                let _ = process.kill();
                let _ = process.wait();
                panic!("redis-server did not start within {START:?}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn ask<W: AsRef<[u8]>>(&mut self, words: impl IntoIterator<Item = W>) -> Result<Value, RedisError> {
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(word.as_ref());
        }
        command.query(&mut self.connection)
    }

    /// Key and access of each key, as COMMAND GETKEYSANDFLAGS tells; none for no keys or an error.
    fn keys<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Vec<(Vec<u8>, Option<Access>)> {
        let ask = ["COMMAND", "GETKEYSANDFLAGS"].iter().map(|word| word.as_bytes());
        let ask = ask.chain(words.iter().map(AsRef::as_ref));
        let Ok(Value::Array(found)) = self.ask(ask) else {
            return Vec::new();
        };
        let pair = |value: &Value| {
            let [Value::BulkString(key), Value::Array(flags)] = items(value) else {
                panic!("not a key and its flags");
            };
            (key.clone(), flags.iter().find_map(|flag| access(&text(flag))))
        };
        found.iter().map(pair).collect()
    }

    fn version(&mut self) -> String {
        let Ok(Value::BulkString(info)) = self.ask(["INFO", "server"]) else {
            panic!("no INFO");
        };
        let info = String::from_utf8_lossy(&info).into_owned();
        let line = info.lines().find_map(|line| line.strip_prefix("redis_version:"));
        line.unwrap().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn access(flag: &str) -> Option<Access> {
    Some(match flag {
        "RO" => Access::Read,
        "RW" => Access::Update,
        "OW" => Access::Overwrite,
        "RM" => Access::Remove,
        _ => return None,
    })
}

fn items(value: &Value) -> &[Value] {
    match value {
        Value::Array(items) | Value::Set(items) => items,
        other => panic!("not an array: {other:?}"),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::SimpleString(text) => text.clone(),
        other => panic!("not text: {other:?}"),
    }
}

/// What COMMAND says of one command.
struct Told {
    arity: i64,
    flags: Vec<String>,
    has_subcommands: bool,
}

fn told(server: &mut Server) -> BTreeMap<String, Told> {
    fn add(entry: &Value, all: &mut BTreeMap<String, Told>) {
        let parts = items(entry);
        let Value::Int(arity) = parts[1] else {
            panic!("no arity");
        };
        let texts = |at: usize| items(&parts[at]).iter().map(text);
        let told =
            Told { arity, flags: texts(2).chain(texts(6)).collect(), has_subcommands: !items(&parts[9]).is_empty() };
        all.insert(text(&parts[0]), told);
        items(&parts[9]).iter().for_each(|sub| add(sub, all));
    }
    let mut all = BTreeMap::new();
    let reply = server.ask(["COMMAND"]).unwrap();
    items(&reply).iter().for_each(|entry| add(entry, &mut all));
    all
}

#[test]
fn no_command_is_missing_and_arity_and_flags_agree() {
    let Some(mut server) = Server::start() else {
        return;
    };
    let exact = server.version() == VERSION;
    let told = told(&mut server);
    for (name, told) in &told {
        let Some(row) = find(name) else {
            assert!(!exact, "{name} has no row");
            continue;
        };
        assert!(!exact || !LATER.contains(&name.as_str()), "{name} is not later");
        if !exact {
            continue;
        }
        assert_eq!(i64::from(row.arity), told.arity, "{name}: arity");
        assert_eq!(row.is_container(), told.has_subcommands, "{name}: container");
        for (bit, word) in [
            (Flags::WRITE, "write"),
            (Flags::READ, "readonly"),
            (Flags::FAST, "fast"),
            (Flags::BLOCKING, "blocking"),
            (Flags::ADMIN, "admin"),
            (Flags::DANGEROUS, "@dangerous"),
            (Flags::PUBSUB, "pubsub"),
            (Flags::NOSCRIPT, "noscript"),
            (Flags::NOAUTH, "no_auth"),
        ] {
            // A container's own flags mean nothing: only its subcommands run.
            let says = told.flags.iter().any(|flag| flag == word);
            assert!(row.is_container() || row.flags.has(bit) == says, "{name}: {word}");
        }
        // What may need memory may carry data. On a protected key it passes only if known to carry none.
        let carries = told.flags.iter().any(|flag| flag == "denyoom") && row.keys != Keys::None;
        let known = ["xgroup|create", "xgroup|createconsumer", "xsetid"];
        assert!(
            !carries || row.verdict != Verdict::Pass || known.contains(&row.name),
            "{name} may carry a value and passes"
        );
    }
    if exact {
        let extra = table().iter().filter(|row| !told.contains_key(row.name));
        let extra: Vec<&str> = extra.map(|row| row.name).filter(|name| *name != "sentinel").collect();
        assert_eq!(extra, LATER, "rows that the server does not know");
    }
}

/// Requests for the rows whose keys depend on more than their place.
const SAMPLES: [&str; 38] = [
    "sort k by w_* limit 0 1 get # get g_* store d",
    "sort k",
    "sort k alpha desc",
    "sort_ro k by w_* get # limit 0 1",
    "georadius k 1 2 3 m store d",
    "georadius k 1 2 3 m withcoord count 3 any store d storedist e",
    "georadius k 1 2 3 m asc",
    "georadiusbymember k mem 3 m store d",
    "migrate h 1 k 0 10",
    "migrate h 1 k 0 10 copy replace auth p",
    "migrate h 1 \"\" 0 10 copy keys a b",
    "migrate h 1 \"\" 0 10 auth2 keys keys keys a b",
    "xread count 1 streams a b 0 0",
    "xread streams streams 0",
    "xread block 0 streams a $",
    "xreadgroup group g c streams a >",
    "xreadgroup group g c count 1 block 0 noack streams a b > >",
    "eval s 0 x",
    "eval s 1 a b",
    "eval_ro s 2 a b c",
    "evalsha s 1 a",
    "evalsha_ro s 1 a",
    "fcall f 1 a b",
    "fcall_ro f 1 a b",
    "zunionstore d 2 a b weights 1 2",
    "zinterstore d 1 a",
    "zdiffstore d 2 a b",
    "zunion 2 a b withscores",
    "zinter 1 a",
    "zdiff 2 a b",
    "zintercard 2 a b limit 3",
    "sintercard 2 a b limit 3",
    "lmpop 2 a b left",
    "zmpop 1 a min",
    "blmpop 0 2 a b left",
    "bzmpop 0 1 a max",
    "spublish a b",
    "ssubscribe a b",
];

#[test]
fn keys_agree_with_the_server() {
    let Some(mut server) = Server::start() else {
        return;
    };
    let mut samples: Vec<Vec<String>> = SAMPLES
        .iter()
        .map(|line| Words::line(line).args().iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect())
        .collect();
    let told = told(&mut server);
    for row in table().iter().filter(|row| told.contains_key(row.name) && !row.is_container()) {
        // DEBUG and the commands that carry another tell the server's COMMAND nothing.
        let own = matches!(row.keys, Keys::Debug | Keys::Embedded { .. });
        let special = told[row.name].flags.iter().any(|flag| flag == "movablekeys");
        if own || special {
            let sampled = samples.iter().any(|words| words[0] == row.name);
            assert!(own || sampled, "{} needs a sample", row.name);
            continue;
        }
        let shortest = shortest(row);
        if row.arity < 0 {
            let more = (1..=3).map(|extra| (0..extra).map(|at| format!("x{at}")));
            samples.extend(more.map(|more| shortest.iter().cloned().chain(more).collect()));
        }
        samples.push(shortest);
    }
    let mut out = KeyPositions::new();
    for words in &samples {
        let ours = Words::new(words);
        let row = ours.request().spec().unwrap();
        let line = words.join(" ");
        assert!(row.keys(ours.args(), &mut out).is_ok(), "{line}: unclear");
        let found: Vec<_> = out
            .iter()
            .filter(|key| key.access != Access::Pattern)
            .map(|key| (ours.args().get(key.at).unwrap().to_vec(), Some(key.access)))
            .collect();
        let mut theirs = server.keys(words);
        if line == "pfmerge w1" {
            // Valid, but the server's COMMAND does not understand its own command without sources.
            assert!(theirs.is_empty());
            continue;
        }
        if ["bitfield", "set"].contains(&row.name) {
            // The server tells from the arguments what it does; the row says what it may do.
            theirs.iter_mut().for_each(|key| key.1 = Some(Access::Update));
        }
        assert_eq!(found, theirs, "{line}");
    }
    assert!(samples.len() > 300, "only {} samples", samples.len());
}

/// Words in random order: what we think is understood has at least the keys that the server finds.
#[test]
fn no_key_is_missed_in_random_requests() {
    const ROUNDS: usize = 4000;
    const HEADS: [&str; 8] = [
        "sort k",
        "sort_ro k",
        "georadius k 1 2 3 m",
        "georadiusbymember k m 3 m",
        "migrate h 1 k 0 9",
        "migrate h 1 \"\" 0 9",
        "xread",
        "xreadgroup group g c",
    ];
    const WORDS: [&str; 20] = [
        "store",
        "storedist",
        "by",
        "get",
        "limit",
        "1",
        "2",
        "a*",
        "#",
        "asc",
        "withdist",
        "count",
        "keys",
        "copy",
        "auth",
        "auth2",
        "streams",
        "block",
        "noack",
        "b",
    ];
    let Some(mut server) = Server::start() else {
        return;
    };
    let mut seed = 1u64;
    let mut next = |below: usize| {
        // Knuth's MMIX generator; its upper bits are the good ones.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % below
    };
    let mut understood = 0;
    let mut out = KeyPositions::new();
    for _ in 0..ROUNDS {
        let mut line = HEADS[next(HEADS.len())].to_owned();
        for _ in 0..next(6) {
            line.push(' ');
            line.push_str(WORDS[next(WORDS.len())]);
        }
        let ours = Words::line(&line);
        let row = ours.request().spec().unwrap();
        if !check_arity(row, ours.args().len()) || row.keys(ours.args(), &mut out).is_err() {
            continue;
        }
        understood += 1;
        let words: Vec<&[u8]> = ours.args().iter().collect();
        for (key, _) in server.keys(&words) {
            let found = out.iter().any(|at| ours.args().get(at.at) == Some(&key));
            assert!(found, "{line}: the server finds another key");
        }
    }
    assert!(understood > ROUNDS / 50, "only {understood} requests were understood");
}

/// Every sequence of three option words: we call it a syntax error exactly when the server does.
#[test]
fn option_grammar_agrees_with_the_server() {
    const SET: [&str; 11] = [
        "EX 99",
        "PX 9999",
        "EXAT 9999999999",
        "PXAT 9999999999999",
        "EX",
        "NX",
        "XX",
        "GET",
        "KEEPTTL",
        "PERSIST",
        "x",
    ];
    const HASH: [&str; 5] = ["MATCH *", "COUNT 5", "MATCH", "WITHVALUES", "x"];
    let Some(mut server) = Server::start() else {
        return;
    };
    server.ask(["HSET", "h", "f", "v"]).unwrap();
    let commands: [(&str, &[&str]); 4] =
        [("SET s v", &SET), ("GETEX s", &SET), ("HSCAN h 0", &HASH), ("HRANDFIELD h 1", &HASH)];
    let mut asked = 0;
    for (head, options) in commands {
        let all = || options.iter().copied().chain([""]);
        for (a, b, c) in all().flat_map(|a| all().flat_map(move |b| all().map(move |c| (a, b, c)))) {
            let words: Vec<&str> = [head, a, b, c].iter().flat_map(|part| part.split_whitespace()).collect();
            let ours = Words::new(&words);
            let Verdict::Seal(grammar) = ours.request().spec().unwrap().verdict else {
                panic!("{head} is sealed");
            };
            let reply = server.ask(&words);
            let theirs = reply.err().is_some_and(|error| error.to_string().contains("syntax error"));
            let line = words.join(" ");
            assert_eq!(grammar.check(ours.args()).is_err(), theirs, "{line}");
            asked += 1;
        }
    }
    assert!(asked > 3000);
}
