//! `waxseal explain`: what becomes of one command, without sending it.
//!
//! Inputs: the configuration and a command with its arguments, no network. Output: which rule covers each key, what
//! the database would get, what that costs; or the refusal as the client would read it (exit code 1).
//! Must never: repeat an argument that would be encrypted.

use std::fmt::Write;
use std::ops::Range;
use std::process::ExitCode;
use std::sync::Arc;

use bytes::BytesMut;

use super::{ExplainArgs, complain, exit, load, run, tell};
use crate::command::{Lane, Request, Spec, on_rule};
use crate::config::Config;
use crate::crypto::{Cipher, Keyring, looks_sealed};
use crate::policy::{Admitted, IdentityId, Policy, Refusal, Scratch};
use crate::resp::{RequestLimits, RequestScanner, encode};
use crate::transform::{Transform, Wire};

pub(super) fn execute(args: ExplainArgs) -> ExitCode {
    let config = match load(args.common) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let words: Vec<Vec<u8>> = args.command.into_iter().map(String::into_bytes).collect();
    let (text, runs) = explain(&config, &words);
    tell(text.as_bytes());
    if runs { ExitCode::SUCCESS } else { ExitCode::from(exit::FAILED) }
}

/// Writing to a `String` does not fail.
macro_rules! line {
    ($out:expr, $label:expr, $($format:tt)*) => {
        let _ = writeln!($out, "{:<9} {}", $label, format_args!($($format)*));
    };
}

/// The report, and whether the command would run.
fn explain(config: &Config, words: &[Vec<u8>]) -> (String, bool) {
    let (bytes, ranges) = request(words);
    let request = Request::parse(&bytes, &ranges);
    let mut out = String::new();
    let policy = Arc::new(run::policy(config));
    let mut scratch = Scratch::default();
    let outcome = policy
        .admit(IdentityId::default(), request, &mut scratch)
        .and_then(|admitted| tell_of(&policy, config, &admitted, &mut out));
    if let Err(refusal) = &outcome {
        line!(out, "refused", "{refusal}");
    }
    (out, outcome.is_ok())
}

fn tell_of(policy: &Arc<Policy>, config: &Config, admitted: &Admitted<'_>, out: &mut String) -> Result<(), Refusal> {
    let request = admitted.request();
    for hit in admitted.hits() {
        let name = request.args().get(hit.position).unwrap_or_default().escape_ascii();
        match hit.rule.and_then(|rule| policy.rules.rules().get(rule)) {
            Some(rule) => {
                line!(
                    out,
                    "key",
                    "{name}: encrypted, by rule {} with scope {}",
                    rule.id,
                    config.encrypt[rule.index].scope
                );
            }
            None => {
                line!(out, "key", "{name}: in clear, no rule covers it");
            }
        }
    }
    let Some(spec) = request.spec() else {
        line!(out, "command", "not known here; none of its arguments can be a key under a rule, so it passes");
        return Ok(());
    };
    if spec.lane == Lane::Local {
        line!(out, "answered", "by Waxseal itself, without asking the database");
        return Ok(());
    }
    if admitted.is_protected() && admitted.listed_script().is_none() {
        line!(out, "so", "{}", on_rule(spec));
    }
    let mut transform = Transform::new(policy.clone(), cipher(), config.limits.max_bulk);
    let mut wire = Wire::default();
    let Some(emulation) = transform.emulation(admitted)? else {
        transform.seal(admitted, &mut wire)?;
        line!(out, "database", "gets {}", shown(wire.bytes()));
        line!(out, "costs", "1 command of the database, {}", connection(spec));
        return Ok(());
    };
    emulation.send(&mut wire);
    line!(out, "database", "gets {}", shown(wire.bytes()));
    line!(
        out,
        "then",
        "what Waxseal has worked out, if there is anything to write, on condition that nothing has changed"
    );
    line!(
        out,
        "costs",
        "2 commands of the database, 1 if nothing is to be written, 3 if more has to be read; it begins again while \
         others write in between. The client's next command waits"
    );
    Ok(())
}

/// With keys that are thrown away: nobody is to see what real ones make of it.
fn cipher() -> Option<Cipher> {
    match Keyring::generate() {
        Ok(keyring) => Some(Cipher::new(Arc::new(keyring))),
        Err(error) => {
            complain(&error);
            None
        }
    }
}

fn connection(spec: &Spec) -> &'static str {
    match spec.lane {
        Lane::Blocking | Lane::BlockingIfOption => "on a connection of its own while it waits",
        Lane::Subscribe => "on a connection of its own while it is subscribed",
        Lane::Transaction => "on a connection of its own, or with all of its transaction at once",
        Lane::Monitor | Lane::Exclusive => "on a connection of its own",
        Lane::Wait => "on the connection that carried this client's writes",
        Lane::Local | Lane::Shared | Lane::Never(_) => "on a connection that clients share",
    }
}

/// The words as a client sends them.
fn request(words: &[Vec<u8>]) -> (BytesMut, Vec<Range<usize>>) {
    let mut bytes = BytesMut::new();
    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    encode::command(&mut bytes, &words);
    let ranges = ranges(&bytes);
    (bytes, ranges)
}

fn ranges(request: &[u8]) -> Vec<Range<usize>> {
    let mut scanner = RequestScanner::new();
    match scanner.scan(request, &RequestLimits::authenticated(usize::MAX)) {
        Ok(Some(_)) => scanner.request(request).args.to_vec(),
        _ => Vec::new(),
    }
}

/// What goes upstream, for people.
fn shown(sent: &[u8]) -> String {
    let ranges = ranges(sent);
    let name = ranges.first().map(|range| &sent[range.clone()]).unwrap_or_default();
    let script = name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"EVAL"));
    let words: Vec<String> = ranges
        .into_iter()
        .map(|range| &sent[range])
        .enumerate()
        .map(|(at, word)| match word {
            word if looks_sealed(word) => format!("(encrypted, {} bytes)", word.len()),
            // A script of ours or of the client's; the name says as little.
            _ if script && at == 1 => "(script)".to_owned(),
            b"" => "\"\"".to_owned(),
            word => word.escape_ascii().to_string(),
        })
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::Overrides;

    fn explained(line: &str) -> (String, bool) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("waxseal.toml");
        let text = "[[encrypt]]\nid = 's'\nkeys = ['s:*']\n[[encrypt]]\nid = 'w'\nkeys = ['w:*']\nscope = 'rule'";
        std::fs::write(&path, text).unwrap();
        let env = BTreeMap::from([
            ("WAXSEAL_UPSTREAM_URL".to_owned(), "rediss://u:SECRET@db:1".to_owned()),
            ("WAXSEAL_KEYRING".to_owned(), Keyring::generate().unwrap().to_json().to_string()),
        ]);
        let config = Config::load(&Overrides { config: Some(path), ..Overrides::default() }, &env).unwrap();
        let words: Vec<Vec<u8>> = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        explain(&config, &words)
    }

    #[test]
    fn what_is_sealed_passes_or_is_refused_is_told() {
        let (text, runs) = explained("SET s:1 hello EX 60");
        assert!(runs);
        assert_eq!(
            text,
            "key       s:1: encrypted, by rule s with scope key\n\
             so        encrypts the value; decrypts the reply; options: EX PX EXAT PXAT KEEPTTL NX XX GET; \
             with IFEQ, IFNE, IFDEQ, IFDNE: compared by Waxseal, done if it is still the same, on a server that has it\n\
             database  gets SET s:1 (encrypted, 53 bytes) EX 60\n\
             costs     1 command of the database, on a connection that clients share\n"
        );
        let (text, runs) = explained("GET other");
        assert!(runs);
        assert!(text.starts_with("key       other: in clear, no rule covers it\ndatabase  gets GET other\n"), "{text}");
        assert!(explained("SET medieval eval").0.contains("gets SET medieval eval\n"));
        let (text, runs) = explained("OBJECT FREQ");
        assert!(runs && text.contains("gets OBJECT FREQ"), "{text}");
        let (text, runs) = explained("CLIENT ID");
        assert!(runs && text.starts_with("answered  by Waxseal itself"), "{text}");
        let (text, runs) = explained("PFADD s:1 hello");
        assert!(!runs && text.starts_with("refused   WAXSEAL COMMAND_REFUSED"), "{text}");
        assert!(!text.contains("hello"), "{text}");
    }

    /// What is read may be read again.
    #[test]
    fn the_first_step_of_what_takes_several_writes_nothing() {
        for line in ["DELEX s:1", "DELEX s:1 IFEQ x", "DELIFEQ s:1 x", "SET s:1 v IFNE x", "BITOP ONE s:1 s:2 s:3"] {
            let (text, runs) = explained(line);
            let first = text.lines().find(|line| line.starts_with("database")).unwrap();
            assert!(runs && first.contains("EVAL"), "{first}");
            assert!(["DEL", "SET", "BITOP"].iter().all(|word| !first.contains(&format!("gets {word}"))), "{first}");
        }
    }

    #[test]
    fn what_takes_steps_says_what_it_costs() {
        let (text, runs) = explained("INCR s:n");
        assert!(runs);
        assert!(text.contains("\ndatabase  gets GET s:n\nthen      what"), "{text}");
        assert!(text.contains("\ncosts     2 commands"), "{text}");
        let (text, runs) = explained("LREM s:l 0 hello");
        assert!(runs && text.contains("(script) 1 s:l\n") && !text.contains("hello"), "{text}");
        let (text, runs) = explained("INCR s:n 1");
        assert!(!runs && text.contains("wrong number of arguments"), "{text}");
        assert!(explained("BLPOP w:q 0").0.contains("on a connection of its own while it waits"));
    }
}
