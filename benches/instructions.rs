//! Fixed scenarios whose instructions `scripts/instructions.sh` counts, as a guard that no noise disturbs.
//!
//! `instructions --list` names each scenario with a number of rounds; `instructions SCENARIO ROUNDS` runs it. Counted once
//! with ROUNDS and once with twice as many, the difference is what the rounds cost: no start-up, no first use of anything.
//! Each scenario is all that a worker does for a command between reading and writing, its reply included; those that are
//! `served` are the whole sidecar with its sockets.

mod served;
mod support;

use std::env;
use std::hint::black_box;
use std::process::ExitCode;

use bytes::BytesMut;
use served::Served;
use support::{Pipeline, array, bulk, command, rule};
use waxseal::crypto::OVERHEAD;
use waxseal::policy::rules::RuleSet;

/// Name, rounds to count, what is run. Nonces are fetched for 64 values at once, so rounds that seal are multiples of it;
/// and they are many where setting up is much, because its own little differences are divided by them.
type Scenario = (&'static str, usize, fn(usize));

const SCENARIOS: [Scenario; 15] = [
    ("set_100B", 1024, set_small),
    ("set_64KiB", 64, set_large),
    ("set_100B_of_a_new_key", 512, set_new_keys),
    ("get_100B", 1024, get_small),
    ("get_100B_without_rules", 1024, get_without_rules),
    ("get_100B_among_10000_patterns", 4096, get_among_many_patterns),
    ("match_among_10000_patterns", 65_536, match_among_many_patterns),
    ("mget_100", 64, mget),
    ("hgetall_100", 64, hgetall),
    ("lrange_10000", 8, lrange),
    ("served_get_100B", 512, served_get),
    ("served_16_get_100B", 128, served_gets),
    ("served_16_set_100B", 128, served_sets),
    ("served_get_32KiB", 64, served_get_large),
    ("served_set_32KiB", 64, served_set_large),
];
const KEY: &str = "session:1234";
const SMALL: usize = 100;
const LARGE: usize = 64 * 1024;
/// From 64 KiB on clients get another lane, for which the database of these scenarios has no connection; and what comes in
/// several reads costs something else each time.
const SERVED_LARGE: usize = 32 * 1024;
const PATTERNS: usize = 10_000;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    match &*args {
        [list] if list == "--list" => SCENARIOS.iter().for_each(|(name, rounds, _)| println!("{name} {rounds}")),
        [name, rounds] => {
            let scenario = SCENARIOS.iter().find(|(known, ..)| known == name);
            let Some(((_, _, run), rounds)) = scenario.zip(rounds.parse().ok()) else {
                eprintln!("instructions: no scenario {name} of {rounds} rounds; --list names them");
                return ExitCode::FAILURE;
            };
            run(rounds);
        }
        // From `cargo bench`: that all of them run.
        _ => SCENARIOS.iter().for_each(|(_, _, run)| run(1)),
    }
    ExitCode::SUCCESS
}

fn set_small(rounds: usize) {
    set(rounds, SMALL);
}

fn set_large(rounds: usize) {
    set(rounds, LARGE);
}

fn set(rounds: usize, size: usize) {
    exchange(&mut encrypting(), rounds, &command(&[b"SET", KEY.as_bytes(), &vec![b'v'; size]]), b"+OK\r\n");
}

/// Each value under a key that has to be derived first.
fn set_new_keys(rounds: usize) {
    let mut pipeline = encrypting();
    let requests: Vec<BytesMut> =
        (0..rounds).map(|n| command(&["SET", &format!("session:{n:08}"), &"v".repeat(SMALL)])).collect();
    for request in &requests {
        exchange(&mut pipeline, 1, request, b"+OK\r\n");
    }
}

fn get_small(rounds: usize) {
    get(rounds, encrypting());
}

fn get_without_rules(rounds: usize) {
    get(rounds, Pipeline::new(RuleSet::default()));
}

fn get_among_many_patterns(rounds: usize) {
    let patterns = (0..PATTERNS).map(pattern).chain(["session:*".into()]);
    get(rounds, Pipeline::new(rule(patterns, [])));
}

fn get(rounds: usize, mut pipeline: Pipeline) {
    let sealed = pipeline.sealed(&command(&["SET", KEY, &"v".repeat(SMALL)]));
    exchange(&mut pipeline, rounds, &command(&["GET", KEY]), &bulk(&sealed[2]));
}

/// Half of the keys are under the rule.
fn match_among_many_patterns(rounds: usize) {
    let rules = rule((0..PATTERNS).map(pattern), (0..PATTERNS).map(|n| format!("tenant:{n}:public:*")));
    let keys: Vec<String> =
        (0..64).flat_map(|n| [format!("tenant:{}:x:a", n * 128), format!("tenant:no{n}")]).collect();
    for key in keys.iter().cycle().take(rounds) {
        black_box(rules.find(black_box(key.as_bytes())));
    }
}

fn mget(rounds: usize) {
    let mut pipeline = encrypting();
    let keys: Vec<String> = (0..100).map(|n| format!("session:{n}")).collect();
    let value = "v".repeat(SMALL);
    let pairs = keys.iter().flat_map(|key| [key, &value]);
    let sealed = pipeline.sealed(&request("MSET", pairs));
    let values: Vec<_> = sealed.iter().skip(2).step_by(2).collect();
    exchange(&mut pipeline, rounds, &request("MGET", &keys), &array(&values));
}

fn hgetall(rounds: usize) {
    let mut pipeline = encrypting();
    let pairs: Vec<String> = (0..100).flat_map(|n| [format!("field{n}"), "v".repeat(SMALL)]).collect();
    let sealed = pipeline.sealed(&request("HSET", [KEY].into_iter().chain(pairs.iter().map(String::as_str))));
    exchange(&mut pipeline, rounds, &command(&["HGETALL", KEY]), &array(&sealed[2..]));
}

fn lrange(rounds: usize) {
    let mut pipeline = encrypting();
    let value = "v".repeat(SMALL);
    let sealed = pipeline.sealed(&request("RPUSH", [KEY].into_iter().chain([&*value; 10_000])));
    exchange(&mut pipeline, rounds, &command(&["LRANGE", KEY, "0", "-1"]), &array(&sealed[2..]));
}

fn served_get(rounds: usize) {
    served_batch_of_gets(rounds, 1, SMALL);
}

fn served_gets(rounds: usize) {
    served_batch_of_gets(rounds, 16, SMALL);
}

fn served_get_large(rounds: usize) {
    served_batch_of_gets(rounds, 1, SERVED_LARGE);
}

fn served_batch_of_gets(rounds: usize, batch: usize, size: usize) {
    let mut served = Served::start(rule(["session:*".into()], []));
    let sealed = served.sealed(&command(&["SET", KEY, &"v".repeat(size)]));
    // The value is the last argument.
    let reply = bulk(&sealed[sealed.len() - size - OVERHEAD - 2..sealed.len() - 2]);
    served.exchange(rounds, batch, &command(&["GET", KEY]).repeat(batch), &reply.repeat(batch));
}

fn served_sets(rounds: usize) {
    served_batch_of_sets(rounds, 16, SMALL);
}

fn served_set_large(rounds: usize) {
    served_batch_of_sets(rounds, 1, SERVED_LARGE);
}

fn served_batch_of_sets(rounds: usize, batch: usize, size: usize) {
    let mut served = Served::start(rule(["session:*".into()], []));
    let request = command(&["SET", KEY, &"v".repeat(size)]);
    served.exchange(rounds, batch, &request.repeat(batch), &b"+OK\r\n".repeat(batch));
}

/// The request to the database and the reply back, `rounds` times.
fn exchange(pipeline: &mut Pipeline, rounds: usize, request: &[u8], frame: &[u8]) {
    for _ in 0..rounds {
        let plan = pipeline.request(black_box(request), |sealed| {
            black_box(sealed);
        });
        pipeline.reply(&plan, black_box(frame), |opened| assert_ne!(opened.first(), Some(&b'-'), "not opened"));
    }
}

fn encrypting() -> Pipeline {
    Pipeline::new(rule(["session:*".into()], []))
}

/// One of many patterns of all kinds: a beginning, an end, a whole name, and more than that.
fn pattern(n: usize) -> String {
    match n % 4 {
        0 => format!("tenant:{n}:*"),
        1 => format!("tenant:*:kind{n}"),
        2 => format!("tenant:{n}"),
        _ => format!("tenant:{n}:?:*[ab]"),
    }
}

fn request<'a, A: AsRef<[u8]> + ?Sized + 'a>(name: &'a str, args: impl IntoIterator<Item = &'a A>) -> BytesMut {
    let words: Vec<&[u8]> = [name.as_bytes()].into_iter().chain(args.into_iter().map(AsRef::as_ref)).collect();
    command(&words)
}
