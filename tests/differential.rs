//! Random programs, the same against a bare server and through Waxseal with every key encrypted: the replies are
//! equal, and the database never sees a marker.
//!
//! WAXSEAL_DIFFERENTIAL_STEPS: commands per type and protocol. WAXSEAL_DIFFERENTIAL_SEED: repeats a run; it is printed.

mod support;

use std::time::Duration;

use support::sidecar::Settings;
use support::{Frame, MARKER, Newer, Raw, Sidecar, Tap, Upstream};

const STEPS: usize = 1500;
/// So many keys, fields and members that commands meet.
const FEW: u64 = 5;

/// A small generator (splitmix64): the same seed, the same program.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[usize::try_from(self.roll(from.len() as u64)).unwrap()]
    }

    /// Replaces each letter of the template by a word: K key, F field, M member, E element, V value, N number, I index, S score.
    fn fill(&mut self, template: &str, kind: &str) -> Vec<Vec<u8>> {
        template.split(' ').map(|word| self.word(word, kind)).collect()
    }

    fn word(&mut self, word: &str, kind: &str) -> Vec<u8> {
        match word {
            "K" => format!("{kind}:{}", self.roll(FEW)).into_bytes(),
            "F" => format!("field-{}", self.roll(FEW)).into_bytes(),
            "M" => format!("{MARKER}-member-{}", self.roll(FEW * 2)).into_bytes(),
            // Few enough that no two of them fall together in a HyperLogLog, with which key whatever.
            "E" => format!("{MARKER}-element-{}", self.roll(3)).into_bytes(),
            "V" => {
                let mut value = format!("{MARKER}-{}-", self.roll(1000)).into_bytes();
                let more = self.roll(40);
                value.extend((0..more).map(|_| u8::try_from(self.roll(256)).unwrap()));
                value
            }
            "N" => (1 + self.roll(4)).to_string().into_bytes(),
            "I" => (i64::try_from(self.roll(9)).unwrap() - 4).to_string().into_bytes(),
            // Different members get different scores as good as always: what ties do is not promised. And such
            // as binary floats hold exactly: how others are printed depends on how the server stores the set.
            "S" => format!("{}.25", self.roll(1_000_000)).into_bytes(),
            "A" => format!("{}.{}", self.roll(80), self.roll(1_000_000)).into_bytes(),
            word => word.as_bytes().to_vec(),
        }
    }
}

/// Commands whose replies have no promised order.
const UNORDERED: [&str; 13] = [
    "HRANDFIELD",
    "HGETALL",
    "HKEYS",
    "HVALS",
    "SMEMBERS",
    "SDIFF",
    "SINTER",
    "SUNION",
    "HSCAN",
    "SSCAN",
    "ZSCAN",
    "GEOSEARCH",
    "SPOP",
];

const STRINGS: &[&str] = &[
    "SET K V",
    "SET K V EX 100",
    "SET K V NX",
    "SET K V XX GET",
    "SET K V GET",
    "SET K V KEEPTTL",
    "GET K",
    "GET K",
    "GETSET K V",
    "GETDEL K",
    "GETEX K PERSIST",
    "GETEX K EX 50",
    "SETEX K 100 V",
    "PSETEX K 100000 V",
    "SETNX K V",
    "MGET K K K",
    "MSET K V K V",
    "MSETNX K V K V",
    "DEL K",
    "EXISTS K K",
    "TYPE K",
    "PERSIST K",
    "SET K V WRONG",
    "GET K K",
    "MSET K",
    "HGET K F",
    "LPUSH other-type V",
];
const HASHES: &[&str] = &[
    "HSET K F V",
    "HSET K F V F V",
    "HMSET K F V",
    "HSETNX K F V",
    "HGET K F",
    "HMGET K F F nope",
    "HGETALL K",
    "HVALS K",
    "HKEYS K",
    "HLEN K",
    "HDEL K F",
    "HEXISTS K F",
    "HRANDFIELD K 100 WITHVALUES",
    "HSCAN K 0 COUNT 100",
    "HSCAN K 0 MATCH field-* COUNT 100",
    "DEL K",
    "HSET K F",
    "HMGET K",
    "GET K",
    "HRANDFIELD K x WITHVALUES",
];
const LISTS: &[&str] = &[
    "RPUSH K V",
    "RPUSH K V V",
    "LPUSH K V V",
    "LPUSHX K V",
    "RPUSHX K V",
    "LPOP K",
    "RPOP K",
    "LPOP K N",
    "RPOP K N",
    "LRANGE K 0 -1",
    "LRANGE K I I",
    "LINDEX K I",
    "LSET K I V",
    "LLEN K",
    "LTRIM K I I",
    "LMPOP 2 K K LEFT",
    "LMPOP 1 K RIGHT COUNT N",
    "BLPOP K K 0.01",
    "BRPOP K 0.01",
    "BLMPOP 0.01 1 K LEFT",
    "DEL K",
    "GET K",
    "LSET K x V",
    "LPOP K x",
    "RPUSH K V V V",
    "RPUSH K V V V",
];
const SETS: &[&str] = &[
    "SADD K M",
    "SADD K M M M",
    "SREM K M",
    "SISMEMBER K M",
    "SMISMEMBER K M M",
    "SMEMBERS K",
    "SCARD K",
    "SSCAN K 0 COUNT 100",
    "DEL K",
    "SPOP K 100",
    "GET K",
    "SADD K",
    "SRANDMEMBER K 0",
];
const SORTED_SETS: &[&str] = &[
    "ZADD K S M",
    "ZADD K S M S M",
    "ZADD K NX S M",
    "ZADD K XX CH S M",
    "ZADD K INCR S M",
    "ZINCRBY K S M",
    "ZREM K M",
    "ZSCORE K M",
    "ZMSCORE K M M",
    "ZRANK K M",
    "ZREVRANK K M",
    "ZRANGE K 0 -1",
    "ZRANGE K I I WITHSCORES",
    "ZRANGE K 0 -1 REV",
    "ZREVRANGE K 0 -1 WITHSCORES",
    "ZRANGEBYSCORE K -inf +inf",
    "ZRANGEBYSCORE K (10 500 WITHSCORES LIMIT 0 2",
    "ZREVRANGEBYSCORE K +inf 5",
    "ZRANGE K 5 700 BYSCORE",
    "ZCARD K",
    "ZCOUNT K 0 500",
    "ZPOPMIN K",
    "ZPOPMAX K",
    "ZPOPMIN K N",
    "ZMPOP 1 K MIN",
    "ZMPOP 2 K K MAX COUNT N",
    "BZPOPMIN K K 0.01",
    "BZMPOP 0.01 1 K MIN",
    "ZREMRANGEBYSCORE K 900 1000",
    "ZREMRANGEBYRANK K 3 4",
    "ZSCAN K 0",
    "DEL K",
    "ZADD K S",
    "ZADD K x M",
    "GET K",
    "ZADD K S M S M S M",
];
const STREAMS: &[&str] = &[
    "XADD K * F V",
    "XADD K MAXLEN ~ 100 * F V F V",
    "XADD K NOMKSTREAM * F V",
    "XLEN K",
    "XRANGE K - +",
    "XREVRANGE K + - COUNT N",
    "XREAD COUNT N STREAMS K K 0 0",
    "XREAD STREAMS K 0",
    "XTRIM K MAXLEN 20",
    "DEL K",
    "GET K",
    "XADD K * F",
    "XRANGE K x +",
    "XGROUP CREATE K g 0 MKSTREAM",
    "XREADGROUP GROUP g c COUNT N STREAMS K >",
    "XREADGROUP GROUP g c STREAMS K 0",
    "XPENDING K g",
    "XAUTOCLAIM K g d 0 0 COUNT N",
    "XAUTOCLAIM K g d 0 0 JUSTID",
];
const GEO: &[&str] = &[
    "GEOADD K A A M",
    "GEOADD K NX A A M A A M",
    "GEOPOS K M M",
    "GEODIST K M M",
    "GEODIST K M M km",
    "GEOHASH K M",
    "ZREM K M",
    "ZCARD K",
    "DEL K",
    "GEOSEARCH K FROMLONLAT 40 40 BYRADIUS 5000 km ASC",
    "GEOSEARCH K FROMMEMBER M BYRADIUS 3000 km DESC WITHDIST",
    "GEOSEARCH K FROMLONLAT 10 10 BYBOX 5000 5000 km ASC COUNT N WITHCOORD",
];

/// Where no order is promised, both sides are put in one: pairs of a map or of a flat list of fields and values
/// fall apart in it, alike on both sides.
fn canonical(frame: &Frame) -> Frame {
    let mut texts: Vec<String> = match frame {
        Frame::Array(items) | Frame::Set(items) => items.iter().map(|item| format!("{:?}", canonical(item))).collect(),
        Frame::Map(pairs) => pairs.iter().map(|pair| format!("{pair:?}")).collect(),
        other => return other.clone(),
    };
    texts.sort();
    Frame::Simple(texts.join(" "))
}

fn comparable(command: &str, frame: &Frame) -> Frame {
    if UNORDERED.contains(&command) { canonical(frame) } else { frame.clone() }
}

/// What Redis 8.2 and Valkey 9.1 added for hashes.
const NEWER_HASHES: &[&str] = &[
    "HSET K F V F V F V",
    "HSETEX K FIELDS 1 F V",
    "HSETEX K FNX EX 100 FIELDS 2 F V F V",
    "HSETEX K FXX KEEPTTL FIELDS 1 F V",
    "HGETEX K FIELDS 2 F F",
    "HGETEX K EX 100 FIELDS 1 F",
    "HGETEX K PERSIST FIELDS 1 F",
    "HGETDEL K FIELDS 1 F",
    "HGETDEL K FIELDS 2 F nope",
    "HGETALL K",
    "HTTL K FIELDS 1 F",
    "HPERSIST K FIELDS 1 F",
    "HMGET K F F",
    "HLEN K",
    "DEL K",
];

/// Commands between keys, which need one scope for all of them.
const BETWEEN_LISTS: &[&str] = &[
    "RPUSH K V V",
    "LPUSH K V",
    "LMOVE K K LEFT RIGHT",
    "LMOVE K K RIGHT RIGHT",
    "RPOPLPUSH K K",
    "BLMOVE K K LEFT LEFT 0.01",
    "BRPOPLPUSH K K 0.01",
    "RENAME K K",
    "RENAMENX K K",
    "COPY K K",
    "COPY K K REPLACE",
    "LRANGE K 0 -1",
    "LPOP K",
    "DEL K",
];
const BETWEEN_SETS: &[&str] = &[
    "SADD K M M M",
    "SADD K M M",
    "SINTER K K",
    "SUNION K K K",
    "SDIFF K K",
    "SINTERCARD 2 K K",
    "SINTERCARD 2 K K LIMIT 1",
    "SUNIONSTORE K K K",
    "SINTERSTORE K K K",
    "SDIFFSTORE K K K",
    "SMOVE K K M",
    "RENAME K K",
    "COPY K K REPLACE",
    "SMEMBERS K",
    "SREM K M",
    "DEL K",
];
const BETWEEN_SORTED_SETS: &[&str] = &[
    "ZADD K S M S M",
    "ZADD K S M S M S M",
    "ZINTER 2 K K",
    "ZUNION 2 K K WITHSCORES",
    "ZUNION 2 K K WEIGHTS 2 3 AGGREGATE MAX WITHSCORES",
    "ZDIFF 2 K K",
    "ZDIFF 2 K K WITHSCORES",
    "ZINTERCARD 2 K K",
    "ZUNIONSTORE K 2 K K",
    "ZINTERSTORE K 2 K K AGGREGATE MIN",
    "ZDIFFSTORE K 2 K K",
    "ZRANGESTORE K K 0 2",
    "ZRANGE K 0 -1 WITHSCORES",
    "RENAME K K",
    "ZREM K M",
    "DEL K",
];

const BETWEEN_HYPERLOGLOGS: &[&str] = &[
    "PFADD K E",
    "PFADD K E E",
    "PFADD K",
    "PFCOUNT K",
    "PFCOUNT K K K",
    "PFMERGE K K",
    "PFMERGE K",
    "PFMERGE K K K",
    "RENAME K K",
    "COPY K K REPLACE",
    "EXISTS K",
    "PFADD",
    "PFCOUNT",
    "DEL K",
];

fn run(kind: &str, templates: &[&str]) {
    run_in("key", kind, templates);
}

fn run_in(scope: &str, kind: &str, templates: &[&str]) {
    let plain = Upstream::start();
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, |settings| everything(settings, scope));
    let tap = Tap::on(&upstream);
    compare(kind, templates, || plain.raw(), || sidecar.connect());
    tap.assert_never_contains(MARKER);
}

/// The same with a newer server, without TLS on loopback. Skipped, aloud, where it is not installed.
fn run_on(binary: &str, kind: &str, templates: &[&str]) {
    let (Some(bare), Some(server)) = (Newer::start(binary), Newer::start(binary)) else { return };
    let sidecar = server.sidecar(|settings| everything(settings, "key"));
    let mut monitor = server.raw();
    monitor.run("MONITOR");
    compare(kind, templates, || bare.raw(), || sidecar.connect());
    let (seen, _) = monitor.drain(Duration::from_millis(200));
    assert!(seen.len() > 1000, "MONITOR saw nothing");
    assert!(!support::contains(&seen, MARKER.as_bytes()), "plaintext reached the database");
}

fn everything(settings: &mut Settings, scope: &str) {
    settings.rules.clear();
    settings.more = format!("[[encrypt]]\nid = \"all\"\nkeys = [\"*\"]\nscope = \"{scope}\"\n");
}

fn compare(kind: &str, templates: &[&str], bare: impl Fn() -> Raw, through: impl Fn() -> Raw) {
    let steps = std::env::var("WAXSEAL_DIFFERENTIAL_STEPS").ok().and_then(|s| s.parse().ok()).unwrap_or(STEPS);
    let seed = std::env::var("WAXSEAL_DIFFERENTIAL_SEED").ok().and_then(|s| s.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
    println!("{kind}: WAXSEAL_DIFFERENTIAL_SEED={seed}");
    for proto in ["2", "3"] {
        let mut dice = Dice(seed ^ u64::from(proto.as_bytes()[0]));
        let (mut bare, mut sealed) = (bare(), through());
        for client in [&mut bare, &mut sealed] {
            client.run(&format!("HELLO {proto}"));
            client.run("FLUSHALL");
        }
        for step in 0..steps {
            let template = dice.pick(templates);
            let mut words = dice.fill(template, kind);
            // Ids that both servers give themselves would differ.
            if let Some(id) = words.iter_mut().find(|word| *word == b"*" && template.starts_with("XADD")) {
                *id = format!("{}-1", step + 1).into_bytes();
            }
            let args: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            let expected = comparable(command(template), &bare.command(&args));
            let got = comparable(command(template), &sealed.command(&args));
            assert_eq!(got, expected, "seed {seed}, RESP{proto}, step {step}: {template}");
        }
    }
}

fn command(template: &str) -> &str {
    template.split(' ').next().unwrap_or_default()
}

#[test]
fn strings() {
    run("string", STRINGS);
}

#[test]
fn hashes() {
    run("hash", HASHES);
}

#[test]
fn lists() {
    run("list", LISTS);
}

#[test]
fn sets() {
    run("set", SETS);
}

#[test]
fn sorted_sets() {
    run("zset", SORTED_SETS);
}

#[test]
fn streams() {
    run("stream", STREAMS);
}

#[test]
fn geo() {
    run("geo", GEO);
}

#[test]
fn between_lists_of_one_scope() {
    run_in("rule", "list", BETWEEN_LISTS);
}

#[test]
fn between_sets_of_one_scope() {
    run_in("rule", "set", BETWEEN_SETS);
}

#[test]
fn between_sorted_sets_of_one_scope() {
    run_in("rule", "zset", BETWEEN_SORTED_SETS);
}

#[test]
fn between_hyperloglogs_of_one_scope() {
    run_in("rule", "hll", BETWEEN_HYPERLOGLOGS);
}

#[test]
fn hashes_of_redis_8_2() {
    run_on("redis-server-8.2", "hash", HASHES);
    run_on("redis-server-8.2", "hash", NEWER_HASHES);
}

#[test]
fn hashes_of_valkey_9_1() {
    // HGETDEL is the one that it shares with Redis in all forms.
    run_on("valkey-server-9.1", "hash", HASHES);
}

#[test]
fn other_types_of_newer_servers() {
    for binary in ["redis-server-8.2", "valkey-server-9.1"] {
        for (kind, templates) in
            [("string", STRINGS), ("list", LISTS), ("set", SETS), ("zset", SORTED_SETS), ("stream", STREAMS)]
        {
            run_on(binary, kind, templates);
        }
    }
}
