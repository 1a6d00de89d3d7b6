//! Random programs that run against a bare server and through the sidecar, and must be answered alike.

use super::raw::Raw;
use super::sidecar::Sidecar;
use super::upstream::Upstream;
use super::{Frame, MARKER, Tap, random};

/// The same seed, the same program.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, below: usize) -> usize {
        random::below(&mut self.0, below)
    }

    pub fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.roll(from.len())]
    }
}

/// Runs `steps` lines of `program` in each protocol on both sides; `word` puts something random in the place of a word.
/// No marker may be sent to the database or lie there.
pub fn compare(
    sidecar: &Sidecar,
    upstream: &Upstream,
    program: &[&str],
    steps: usize,
    word: impl Fn(&mut Dice, &str) -> Vec<u8>,
) {
    compare_settled(sidecar, upstream, program, steps, word, |_, reply| reply);
}

/// The same of replies whose order Redis does not promise: `settle` puts that to a line into one.
pub fn compare_settled(
    sidecar: &Sidecar,
    upstream: &Upstream,
    program: &[&str],
    steps: usize,
    word: impl Fn(&mut Dice, &str) -> Vec<u8>,
    settle: impl Fn(&str, Frame) -> Frame,
) {
    let plain = Upstream::start();
    let tap = Tap::on(upstream);
    run_alike(|| plain.raw(), || sidecar.connect(), program, steps, word, settle);
    tap.assert_never_contains(MARKER);
    upstream.assert_nothing_stored_contains(MARKER);
}

/// The same between any two servers.
pub fn run_alike(
    bare: impl Fn() -> Raw,
    sealed: impl Fn() -> Raw,
    program: &[&str],
    steps: usize,
    word: impl Fn(&mut Dice, &str) -> Vec<u8>,
    settle: impl Fn(&str, Frame) -> Frame,
) {
    let seed = std::env::var("WAXSEAL_DIFFERENTIAL_SEED").ok().and_then(|s| s.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| std::process::id().into());
    println!("WAXSEAL_DIFFERENTIAL_SEED={seed}");
    for proto in ["2", "3"] {
        let (mut bare, mut sealed) = (bare(), sealed());
        for client in [&mut bare, &mut sealed] {
            client.run(&format!("HELLO {proto}"));
            client.run("FLUSHALL");
        }
        let mut dice = Dice(seed);
        let mut log = Vec::new();
        for step in 0..steps {
            let template = dice.pick(program);
            let words: Vec<Vec<u8>> = template.split(' ').map(|part| word(&mut dice, part)).collect();
            let refs: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            log.push(words.iter().map(|w| w.escape_ascii().to_string()).collect::<Vec<_>>().join(" "));
            let ask = |client: &mut Raw| settle(template, client.command(&refs));
            let (wanted, got) = (ask(&mut bare), ask(&mut sealed));
            let tail = log[log.len().saturating_sub(40)..].join("\n");
            assert_eq!(got, wanted, "seed {seed}, protocol {proto}, step {step}, the last of:\n{tail}");
        }
    }
}
