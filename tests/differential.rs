//! Random programs, the same against a bare server and through Waxseal with every key encrypted: the replies are
//! equal, and the database never sees a marker. A program that fails is cut down to the commands that it takes.
//!
//! WAXSEAL_DIFFERENTIAL_SEED: repeats a run; it is printed. WAXSEAL_DIFFERENTIAL_STEPS: commands per program.
//! WAXSEAL_PROGRAMS: programs per type and protocol, for a long run.

mod support;

#[path = "differential/dice.rs"]
mod dice;
#[path = "differential/play.rs"]
mod play;
#[path = "differential/shrink.rs"]
mod shrink;
#[path = "differential/templates.rs"]
mod templates;

use std::fmt::Write as _;
use std::time::Duration;

use dice::{Dice, Step};
use play::Sides;
use support::newer::{REDIS_8_2, VALKEY_9_1};
use support::sidecar::Settings;
use support::{Frame, MARKER, Newer, Raw, Sidecar, Tap, Upstream};
use templates::*;

const STEPS: u64 = 5000;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// Every key but `open:*`.
fn everything(settings: &mut Settings, more: &str) {
    settings.rules.clear();
    settings.trust_scripts = false;
    settings.more = format!("[[encrypt]]\nid = \"all\"\nkeys = [\"*\"]\nexcept = [\"open:*\"]\n{more}\n");
}

fn run(kind: &str, templates: &[&'static str]) {
    run_in("key", kind, templates);
}

fn run_in(scope: &str, kind: &str, templates: &[&'static str]) {
    run_with(&format!("scope = \"{scope}\""), kind, templates);
}

/// Under a rule that also says this.
fn run_with(more: &str, kind: &str, templates: &[&'static str]) {
    let plain = Upstream::start();
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, |settings| everything(settings, more));
    often([&mut plain.raw(), &mut upstream.raw()]);
    let tap = Tap::on(&upstream);
    compare(kind, templates, &|| plain.raw(), &|| sidecar.connect());
    tap.assert_never_contains(MARKER);
}

/// The same with a newer server, without TLS on loopback. Skipped, aloud, where it is not installed.
fn run_on(binary: &str, kind: &str, templates: &[&'static str]) {
    run_on_with("", binary, kind, templates);
}

fn run_on_with(more: &str, binary: &str, kind: &str, templates: &[&'static str]) {
    let (Some(bare), Some(server)) = (Newer::start(binary), Newer::start(binary)) else { return };
    let sidecar = server.sidecar(|settings| everything(settings, more));
    often([&mut bare.raw(), &mut server.raw()]);
    let mut monitor = server.raw();
    monitor.run("MONITOR");
    compare(kind, templates, &|| bare.raw(), &|| sidecar.connect());
    let (seen, _) = monitor.drain(Duration::from_millis(200));
    assert!(seen.len() > 1000, "MONITOR saw nothing");
    assert!(!support::contains(&seen, MARKER.as_bytes()), "plaintext reached the database");
}

/// An idle server ends a wait when it looks at the clock: ten times a second, unless told otherwise.
fn often(servers: [&mut Raw; 2]) {
    for server in servers {
        assert_eq!(server.run("CONFIG SET hz 500"), Frame::ok());
    }
}

fn compare(kind: &str, templates: &[&'static str], bare: &dyn Fn() -> Raw, sealed: &dyn Fn() -> Raw) {
    let steps = usize::try_from(setting("WAXSEAL_DIFFERENTIAL_STEPS", STEPS)).unwrap();
    let first = setting("WAXSEAL_DIFFERENTIAL_SEED", u64::from(std::process::id()));
    for seed in first..first + setting("WAXSEAL_PROGRAMS", 1) {
        println!("{kind}: WAXSEAL_DIFFERENTIAL_SEED={seed}");
        for protocol in ["2", "3"] {
            let program = Dice(seed ^ u64::from(protocol.as_bytes()[0])).program(kind, templates, steps);
            let sides = Sides { bare, sealed, protocol };
            if let Some((short, mismatch)) = sides.shrink(&program) {
                panic!(
                    "{kind}, seed {seed}, RESP{protocol}: differs at step {} of\n{}expected {:?}\n     got {:?}",
                    mismatch.at + 1,
                    shown(&short),
                    mismatch.expected,
                    mismatch.got
                );
            }
        }
    }
}

/// A program as a person can type it.
fn shown(program: &[Step]) -> String {
    let mut text = String::new();
    for step in program {
        let words: Vec<String> = step.words.iter().map(|word| word.escape_ascii().to_string()).collect();
        let inline = if step.inline { " (inline)" } else { "" };
        let end = if step.last_of_piece { " <- awaited" } else { "" };
        writeln!(text, "    {}{inline}{end}", words.join(" ")).expect("a String takes all");
    }
    text
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
fn keys_of_a_rule_beside_others() {
    run("string", BESIDE);
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
fn some_fields_of_hashes_and_streams() {
    run_with("fields = [\"field-*\"]", "hash", SOME_FIELDS);
    run_with("fields = [\"field-*\"]", "stream", SOME_STREAM_FIELDS);
}

#[test]
fn names_of_fields_sealed() {
    run_with("deterministic = [\"field-names\"]", "hash", HASHES);
    run_with("deterministic = [\"field-names\"]", "hash", COMPUTED_FIELDS);
    run_with("deterministic = [\"field-names\"]", "stream", STREAMS);
}

#[test]
fn list_elements_found() {
    run_with("deterministic = [\"list-elements\"]", "list", FOUND_ELEMENTS);
    run_with("deterministic = [\"list-elements\"]", "list", LISTS);
}

#[test]
fn names_of_fields_sealed_on_redis_8_2() {
    run_on_with("deterministic = [\"field-names\"]", REDIS_8_2, "hash", NEWER_HASHES);
}

#[test]
fn hashes_of_redis_8_2() {
    run_on(REDIS_8_2, "hash", HASHES);
    run_on(REDIS_8_2, "hash", NEWER_HASHES);
    run_on(REDIS_8_2, "hash", FIELD_TTL);
}

#[test]
fn hashes_of_valkey_9_1() {
    // HGETDEL is the one that it shares with Redis in all forms.
    run_on(VALKEY_9_1, "hash", HASHES);
    run_on(VALKEY_9_1, "hash", FIELD_TTL);
}

#[test]
fn strings_that_are_computed_with() {
    run("string", COMPUTED);
}

#[test]
fn hashes_that_are_computed_with() {
    run("hash", COMPUTED_FIELDS);
}

#[test]
fn messages() {
    run("string", MESSAGES);
}

#[test]
fn other_types_of_redis_8_2() {
    other_types_on(REDIS_8_2);
}

#[test]
fn other_types_of_valkey_9_1() {
    other_types_on(VALKEY_9_1);
}

fn other_types_on(binary: &str) {
    for (kind, templates) in [
        ("string", STRINGS),
        ("list", LISTS),
        ("set", SETS),
        ("zset", SORTED_SETS),
        ("stream", STREAMS),
        ("geo", GEO),
        ("string", BESIDE),
        ("string", MESSAGES),
    ] {
        run_on(binary, kind, templates);
    }
}

/// A real difference, in the middle of a long program: ciphertext has another encoding than the number that it is of.
#[test]
fn a_program_that_fails_is_cut_down_to_what_it_takes() {
    let plain = Upstream::start();
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, |settings| everything(settings, ""));
    let step = |line: &'static str| Step {
        template: line,
        words: line.split(' ').map(|word| word.as_bytes().to_vec()).collect(),
        inline: false,
        last_of_piece: true,
    };
    let mut program = Dice(1).program("string", STRINGS, 800);
    program.retain(|step| STRINGS.contains(&step.template));
    program.insert(150, step("SET number 5"));
    program.insert(350, step("OBJECT ENCODING number"));
    let sides = Sides { bare: &|| plain.raw(), sealed: &|| sidecar.connect(), protocol: "2" };
    let (short, mismatch) = sides.shrink(&program).expect("it differs");
    let templates: Vec<&str> = short.iter().map(|step| step.template).collect();
    assert_eq!(templates, ["SET number 5", "OBJECT ENCODING number"]);
    assert_eq!(mismatch.at, 1);
    assert!(shown(&short).contains("SET number 5"));
}
