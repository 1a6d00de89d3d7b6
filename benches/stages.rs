//! What a command costs room by room and as a whole, without sockets: look-up in THE TABLE, rule match, request, reply.
//! Scanning alone is in `resp.rs`, the cryptography alone in `crypto.rs`.

mod support;

use bytes::BytesMut;
use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use support::{Pipeline, array, bulk, command, rule};
use waxseal::command::Request;
use waxseal::policy::rules::RuleSet;
use waxseal::resp::{MAX_BULK, RequestLimits, RequestScanner};

const SIZES: [usize; 4] = [100, 1024, 64 * 1024, 1024 * 1024];
/// The cost of a match must not grow with them.
const PATTERNS: [usize; 3] = [1, 100, 10_000];
const KEY: &str = "session:1234";

fn main() {
    divan::main();
}

#[divan::bench(args = ["GET", "ZRANGEBYSCORE", "CONFIG GET", "NOSUCHCOMMAND"])]
fn look_up(bencher: Bencher, name: &str) {
    let words: Vec<&str> = name.split(' ').chain(["session:1234"]).collect();
    let bytes = command(&words);
    let mut scanner = RequestScanner::new();
    scanner.scan(&bytes, &RequestLimits::authenticated(MAX_BULK)).unwrap().unwrap();
    let raw = scanner.request(&bytes);
    bencher.bench_local(|| Request::parse(black_box(raw.bytes), raw.args).spec());
}

#[divan::bench(args = PATTERNS)]
fn match_exact_name(bencher: Bencher, patterns: usize) {
    find(bencher, &rule((0..patterns).map(|n| format!("tenant:{n}")), []), "tenant:0", true);
}

#[divan::bench(args = PATTERNS)]
fn match_prefix(bencher: Bencher, patterns: usize) {
    find(bencher, &rule((0..patterns).map(|n| format!("tenant:{n}:*")), []), "tenant:0:profile", true);
}

#[divan::bench(args = PATTERNS)]
fn match_suffix(bencher: Bencher, patterns: usize) {
    find(bencher, &rule((0..patterns).map(|n| format!("tenant:*:kind{n}")), []), "tenant:77:kind0", true);
}

#[divan::bench(args = PATTERNS)]
fn match_class(bencher: Bencher, patterns: usize) {
    find(bencher, &rule((0..patterns).map(|n| format!("tenant:{n}:?:*[ab]")), []), "tenant:0:x:profileb", true);
}

#[divan::bench(args = PATTERNS)]
fn match_excepted(bencher: Bencher, patterns: usize) {
    let rules = rule(["tenant:*".into()], (0..patterns).map(|n| format!("tenant:{n}:public:*")));
    find(bencher, &rules, "tenant:0:public:name", false);
}

#[divan::bench(args = PATTERNS)]
fn match_none_of_all_kinds(bencher: Bencher, patterns: usize) {
    let of_kind = |n| match n % 4 {
        0 => format!("tenant:{n}:*"),
        1 => format!("tenant:*:kind{n}"),
        2 => format!("tenant:{n}"),
        _ => format!("tenant:{n}:?:*[ab]"),
    };
    find(bencher, &rule((0..patterns).map(of_kind), []), "tenant:none:profile", false);
}

/// What SORT asks of the patterns that it names.
#[divan::bench(args = PATTERNS)]
fn may_cover_none(bencher: Bencher, patterns: usize) {
    let rules = rule((0..patterns).map(|n| format!("tenant:{n}:*")), []);
    bencher.bench_local(|| rules.that_may_cover(black_box(b"tenant:none:weight_")).next().is_some());
}

fn find(bencher: Bencher, rules: &RuleSet, key: &str, found: bool) {
    assert_eq!(rules.find(key.as_bytes()).is_some(), found);
    bencher.bench_local(|| rules.find(black_box(key.as_bytes())).is_some());
}

/// SET, from the client's bytes to the database's.
#[divan::bench(args = SIZES)]
fn request_set(bencher: Bencher, size: usize) {
    let bytes = command(&[b"SET", KEY.as_bytes(), &vec![b'v'; size]]);
    request(bencher, &mut encrypting(), &bytes);
}

#[divan::bench(args = SIZES)]
fn request_set_without_rules(bencher: Bencher, size: usize) {
    let bytes = command(&[b"SET", KEY.as_bytes(), &vec![b'v'; size]]);
    request(bencher, &mut Pipeline::new(RuleSet::default()), &bytes);
}

#[divan::bench]
fn request_get(bencher: Bencher) {
    request(bencher, &mut encrypting(), &command(&["GET", KEY]));
}

#[divan::bench(args = [10, 100, 1000])]
fn request_mget(bencher: Bencher, keys: usize) {
    let words: Vec<String> = ["MGET".into()].into_iter().chain((0..keys).map(|n| format!("session:{n}"))).collect();
    request(bencher, &mut encrypting(), &command(&words));
}

/// The reply to GET, from the database's bytes to the client's.
#[divan::bench(args = SIZES)]
fn reply_get(bencher: Bencher, size: usize) {
    let mut pipeline = encrypting();
    let sealed = pipeline.sealed(&command(&[b"SET", KEY.as_bytes(), &vec![b'v'; size]]));
    reply(bencher, &mut pipeline, &command(&["GET", KEY]), &bulk(&sealed[2]));
}

#[divan::bench(args = SIZES)]
fn reply_get_without_rules(bencher: Bencher, size: usize) {
    let mut pipeline = Pipeline::new(RuleSet::default());
    reply(bencher, &mut pipeline, &command(&["GET", KEY]), &bulk(&vec![b'v'; size]));
}

#[divan::bench(args = [100, 10_000])]
fn reply_lrange(bencher: Bencher, elements: usize) {
    let mut pipeline = encrypting();
    let mut words = vec!["RPUSH".into(), KEY.into()];
    words.resize(2 + elements, "v".repeat(100));
    let sealed = pipeline.sealed(&command(&words));
    reply(bencher, &mut pipeline, &command(&["LRANGE", KEY, "0", "-1"]), &array(&sealed[2..]));
}

#[divan::bench(args = [100, 10_000])]
fn reply_hgetall(bencher: Bencher, fields: usize) {
    let mut pipeline = encrypting();
    let pairs = (0..fields).flat_map(|n| [format!("field{n}"), "v".repeat(100)]);
    let words: Vec<String> = ["HSET".into(), KEY.into()].into_iter().chain(pairs).collect();
    let sealed = pipeline.sealed(&command(&words));
    reply(bencher, &mut pipeline, &command(&["HGETALL", KEY]), &array(&sealed[2..]));
}

fn encrypting() -> Pipeline {
    Pipeline::new(rule(["session:*".into()], []))
}

fn request(bencher: Bencher, pipeline: &mut Pipeline, bytes: &BytesMut) {
    bencher.counter(BytesCount::new(bytes.len())).bench_local(|| {
        pipeline.request(black_box(bytes), |sealed| {
            black_box(sealed);
        })
    });
}

fn reply(bencher: Bencher, pipeline: &mut Pipeline, request: &BytesMut, frame: &BytesMut) {
    let plan = pipeline.request(request, |_| {});
    pipeline.reply(&plan, frame, |opened| assert_ne!(opened.first(), Some(&b'-'), "the reply does not open"));
    bencher.counter(BytesCount::new(frame.len())).bench_local(|| {
        pipeline.reply(&plan, black_box(frame), |opened| {
            black_box(opened);
        });
    });
}
