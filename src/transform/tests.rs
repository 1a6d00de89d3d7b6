//! Every row of the table with a marker for a value: it leaves sealed or not at all, and comes back.

mod blind;
mod options;

use std::collections::HashSet;
use std::sync::Arc;

use bytes::BytesMut;

use super::{Message, ReplyPlan, Transform, Wire};
use crate::command::{Args, Keys, Reply, Request, Shape, Spec, Values, Verdict, table};
use crate::crypto::{Cipher, Keyring, OVERHEAD};
use crate::policy::rules::{Deterministic, RuleSet, RuleSource, Scope};
use crate::policy::script::Library;
use crate::policy::{Access, Grants, Identities, IdentityId, Policy, Refusal, Scratch, Scripts};
use crate::resp::{Proto, RequestLimits, RequestScanner, Token, Walker, encode};

pub(super) const MARKER: &[u8] = b"PLAINTEXT-MARKER-4711";

fn transform(patterns: &[&str]) -> Transform {
    let keyring = Arc::new(Keyring::generate().unwrap());
    transform_with(patterns, keyring)
}

fn transform_with(patterns: &[&str], keyring: Arc<Keyring>) -> Transform {
    transform_of(rule(patterns, Scope::Key), keyring)
}

pub(super) fn rule(patterns: &[&str], scope: Scope) -> RuleSource {
    let keys = patterns.iter().map(|p| p.as_bytes().to_vec()).collect();
    RuleSource { id: "r".into(), keys, scope, ..RuleSource::default() }
}

pub(super) fn transform_of(source: RuleSource, keyring: Arc<Keyring>) -> Transform {
    transform_for(Grants { monitor: true, ..Grants::default() }, source, keyring)
}

fn transform_for(grants: Grants, source: RuleSource, keyring: Arc<Keyring>) -> Transform {
    let policy = Policy {
        rules: RuleSet::new(vec![source]),
        identities: Identities::of_everybody(Access::new("default", grants)),
        scripts: Scripts::Refuse,
        functions: HashSet::new(),
        library: Library::default(),
    };
    Transform::new(Arc::new(policy), Some(Cipher::new(keyring)), 512 * 1024 * 1024)
}

/// What a server would get, and the plan of its reply.
pub(super) fn seal(transform: &mut Transform, args: &[&[u8]]) -> Result<(Vec<Vec<u8>>, ReplyPlan), Refusal> {
    let mut bytes = BytesMut::new();
    encode::command(&mut bytes, args);
    let mut scanner = RequestScanner::new();
    scanner.scan(&bytes, &RequestLimits::authenticated(1 << 29)).unwrap().unwrap();
    let raw = scanner.request(&bytes);
    let policy = transform.policy().clone();
    let mut scratch = Scratch::default();
    let admitted = policy.admit(IdentityId::default(), Request::parse(raw.bytes, raw.args), &mut scratch)?;
    let mut wire = Wire::default();
    let plan = match transform.seal(&admitted, &mut wire) {
        Ok(plan) => plan,
        Err(refusal) => {
            assert!(wire.is_empty(), "a refusal left bytes on the wire");
            return Err(refusal);
        }
    };
    Ok((request_args(wire.bytes()), plan))
}

fn request_args(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut scanner = RequestScanner::new();
    assert_eq!(scanner.scan(bytes, &RequestLimits::authenticated(1 << 29)).unwrap(), Some(bytes.len()));
    let raw = scanner.request(bytes);
    Args::new(raw.bytes, raw.args).iter().map(<[u8]>::to_vec).collect()
}

pub(super) fn open(
    transform: &mut Transform,
    plan: &ReplyPlan,
    proto: Proto,
    write: impl FnOnce(&mut BytesMut),
) -> Vec<u8> {
    let mut frame = BytesMut::new();
    write(&mut frame);
    let mut out = BytesMut::new();
    transform.open(plan, &frame, proto, &mut out);
    out.to_vec()
}

pub(super) fn bulks(frame: &[u8]) -> Vec<Vec<u8>> {
    Walker::new(frame)
        .filter_map(|t| match t {
            Token::Bulk(b) => Some(b.to_vec()),
            _ => None,
        })
        .collect()
}

pub(super) fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|w| w == needle)
}

/// A request of this row in which every argument that may be a value is the marker.
fn sample(spec: &Spec) -> Vec<Vec<u8>> {
    let mut args: Vec<Vec<u8>> = spec.name.split('|').map(|w| w.as_bytes().to_vec()).collect();
    let wanted = usize::from(spec.arity.unsigned_abs()).max(args.len() + 1);
    match spec.values {
        Values::None => {
            args.push(b"k".to_vec());
            while args.len() < wanted {
                args.push(MARKER.to_vec());
            }
        }
        Values::At(at) | Values::Payload(at) => {
            args.push(b"k".to_vec());
            while args.len() < usize::from(at) {
                args.push(b"10".to_vec());
            }
            args.push(MARKER.to_vec());
        }
        Values::KeyPairs => args.extend([b"k".to_vec(), MARKER.to_vec(), b"k2".to_vec(), MARKER.to_vec()]),
        Values::FieldPairs { .. } => {
            args.extend([b"k".to_vec(), b"f".to_vec(), MARKER.to_vec(), b"g".to_vec(), MARKER.to_vec()]);
        }
        Values::FieldValue { .. } => args.extend([b"k".to_vec(), b"f".to_vec(), MARKER.to_vec()]),
        Values::Message { .. } => args.extend([b"k".to_vec(), MARKER.to_vec()]),
        Values::From(from) => {
            args.push(b"k".to_vec());
            args.resize(usize::from(from), b"10".to_vec());
            args.extend([MARKER.to_vec(), MARKER.to_vec()]);
        }
        Values::Hashed { .. } => args.extend([b"k".to_vec(), MARKER.to_vec(), MARKER.to_vec()]),
        Values::Members { from, to } | Values::Elements { from, to } => {
            args.push(b"k".to_vec());
            // SMOVE has its second key here.
            args.resize(usize::from(from), b"k".to_vec());
            args.resize(usize::from(to.max(from)) + 1, MARKER.to_vec());
            if spec.name.starts_with("georadius") {
                args.extend([b"1".to_vec(), b"m".to_vec()]);
            }
        }
        Values::GroupedMembers { size } => {
            args.push(b"k".to_vec());
            for _ in 0..2 {
                args.extend((1..size).map(|_| b"1".to_vec()));
                args.push(MARKER.to_vec());
            }
        }
        Values::KeyPairsToStart => {
            args.extend([
                b"2".to_vec(),
                b"k".to_vec(),
                MARKER.to_vec(),
                b"k2".to_vec(),
                MARKER.to_vec(),
                b"NX".to_vec(),
            ]);
        }
        Values::PairsAtStart if spec.name == "hsetex" => {
            let words = ["k", "EX", "5", "FIELDS", "2", "f", "", "g", ""];
            args.extend(words.map(|w| if w.is_empty() { MARKER.to_vec() } else { w.as_bytes().to_vec() }));
        }
        Values::PairsAtStart => {
            args.extend([b"k".to_vec(), b"*".to_vec(), b"f".to_vec(), MARKER.to_vec(), b"g".to_vec(), MARKER.to_vec()]);
        }
        Values::SecondsFrom(_) => {
            args.extend([b"k".to_vec(), b"1".to_vec(), MARKER.to_vec(), b"2".to_vec(), MARKER.to_vec()]);
        }
        Values::MemberAtStart => {
            if spec.name == "geosearchstore" {
                args.push(b"k".to_vec());
            }
            let words = ["k", "FROMMEMBER", "", "BYRADIUS", "1", "m"];
            args.extend(words.map(|w| if w.is_empty() { MARKER.to_vec() } else { w.as_bytes().to_vec() }));
        }
    }
    args
}

#[test]
fn no_row_lets_a_value_of_a_protected_key_out_in_clear() {
    assert_eq!(rows_that_seal(rule(&["*"], Scope::Key)), 44, "PFADD is refused");
    assert_eq!(rows_that_seal(rule(&["*"], Scope::Tag)), 45);
    assert_eq!(rows_that_seal(rule(&["*"], Scope::Rule)), 45);
    let deterministic = Deterministic { field_names: true, list_elements: true };
    let rule = RuleSource { deterministic, ..rule(&["*"], Scope::Key) };
    assert_eq!(rows_that_seal(rule), 47, "LREM, LPOS and LINSERT come to it");
}

/// So many rows seal values under this rule; every other is refused or has none.
fn rows_that_seal(rule: RuleSource) -> usize {
    let mut transform = transform_of(rule, Arc::new(Keyring::generate().unwrap()));
    let mut sealed_rows = 0;
    for spec in table() {
        let args = sample(spec);
        let refs: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        let Ok((sent, _)) = seal(&mut transform, &refs) else { continue };
        let clear = sent.iter().any(|arg| contains(arg, MARKER));
        match spec.verdict {
            // Read in another form, and worked out here: LPOS.
            _ if sent[0] != args[0] && !clear => {}
            // The marker was not sealed by DUMP.
            _ if matches!(spec.values, Values::Payload(_)) && !clear => {}
            Verdict::Seal(_) | Verdict::If { .. } | Verdict::Unless { .. } if !matches!(spec.values, Values::None) => {
                assert!(!clear, "{} sends the marker in clear", spec.name);
                let values = args.iter().filter(|a| *a == MARKER).count();
                let length = if matches!(spec.values, Values::Hashed { .. }) { 32 } else { MARKER.len() + OVERHEAD };
                let sealed = sent.iter().filter(|a| a.len() == length).count();
                assert_eq!(sealed, values, "{} seals every value", spec.name);
                sealed_rows += 1;
            }
            // What a command that touches no value sends beside its keys is a field, a pattern or a number:
            // the table's own test keeps a closed list of those that could store something.
            _ => assert!(matches!(spec.values, Values::None), "{} has values and passes", spec.name),
        }
    }
    sealed_rows
}

#[test]
fn every_refused_row_is_refused_on_a_protected_key() {
    let mut transform = transform(&["*"]);
    for spec in table() {
        if !matches!(spec.verdict, Verdict::Refuse(_)) {
            continue;
        }
        let args = sample(spec);
        let refs: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        let Err(refusal) = seal(&mut transform, &refs) else { panic!("{} passes", spec.name) };
        assert!(!contains(refusal.to_string().as_bytes(), MARKER), "{} shows an argument", spec.name);
    }
}

#[test]
fn without_a_rule_every_byte_passes_as_it_came() {
    let mut transform = transform(&["protected:*"]);
    for spec in table() {
        let args = sample(spec);
        let refs: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        if let Ok((sent, plan)) = seal(&mut transform, &refs) {
            assert_eq!(sent, args, "{}", spec.name);
            assert!(matches!(plan, ReplyPlan::Raw | ReplyPlan::Info { .. } | ReplyPlan::Commands(_)), "{}", spec.name);
        }
    }
}

#[test]
fn a_string_comes_back_in_every_shape() {
    let mut t = transform(&["k*"]);
    let all: Vec<u8> = (0..=255).collect();
    let (sent, plan) = seal(&mut t, &[b"SET", b"k", &all, b"EX", b"10", b"GET"]).unwrap();
    assert!(matches!(plan, ReplyPlan::Shaped(Some(_), Shape::Value)), "SET GET gives the old value");
    let stored = sent[2].clone();
    for command in
        [&[&b"GET"[..], b"k"][..], &[b"GETDEL", b"k"], &[b"GETEX", b"k", b"PERSIST"], &[b"getset", b"k", b"n"]]
    {
        let (_, plan) = seal(&mut t, command).unwrap();
        let got = open(&mut t, &plan, Proto::Resp2, |out| encode::bulk(out, &stored));
        assert_eq!(bulks(&got), std::slice::from_ref(&all));
        for proto in [Proto::Resp2, Proto::Resp3] {
            let mut null = BytesMut::new();
            encode::null(&mut null, proto);
            assert_eq!(open(&mut t, &plan, proto, |out| encode::null(out, proto)), null);
        }
    }
    let (_, plan) = seal(&mut t, &[b"MGET", b"other", b"k", b"k2"]).unwrap();
    let got = open(&mut t, &plan, Proto::Resp2, |out| {
        encode::array_header(out, 3);
        encode::bulk(out, b"plain");
        encode::bulk(out, &stored);
        encode::null(out, Proto::Resp2);
    });
    assert_eq!(bulks(&got), [b"plain".to_vec(), all]);
}

#[test]
fn a_hash_comes_back_in_every_shape() {
    let mut t = transform(&["h"]);
    let (sent, _) = seal(&mut t, &[b"HSET", b"h", b"f", b"1st", b"g", b""]).unwrap();
    let (f, g) = (sent[3].clone(), sent[5].clone());
    let pairs = |out: &mut BytesMut| {
        for part in [&b"f"[..], &f, b"g", &g] {
            encode::bulk(out, part);
        }
    };
    let flat = |out: &mut BytesMut| {
        encode::array_header(out, 4);
        pairs(out);
    };
    let map = |out: &mut BytesMut| {
        encode::map_header(out, 2, Proto::Resp3);
        pairs(out);
    };
    let opened: Vec<Vec<u8>> = [&b"f"[..], b"1st", b"g", b""].iter().map(|b| b.to_vec()).collect();

    let (_, plan) = seal(&mut t, &[b"HGETALL", b"h"]).unwrap();
    assert_eq!(bulks(&open(&mut t, &plan, Proto::Resp2, flat)), opened);
    let got = open(&mut t, &plan, Proto::Resp3, map);
    assert!(got.starts_with(b"%2\r\n"));
    assert_eq!(bulks(&got), opened);

    let (asked, plan) = seal(&mut t, &[b"HVALS", b"h"]).unwrap();
    assert_eq!(asked[0], b"HGETALL", "a value opens only with its field");
    assert_eq!(open(&mut t, &plan, Proto::Resp2, flat), b"*2\r\n$3\r\n1st\r\n$0\r\n\r\n");
    assert_eq!(open(&mut t, &plan, Proto::Resp3, map), b"*2\r\n$3\r\n1st\r\n$0\r\n\r\n");

    let (_, plan) = seal(&mut t, &[b"HRANDFIELD", b"h", b"2", b"WITHVALUES"]).unwrap();
    assert_eq!(bulks(&open(&mut t, &plan, Proto::Resp2, flat)), opened);
    let nested = open(&mut t, &plan, Proto::Resp3, |out| {
        encode::array_header(out, 2);
        for (name, value) in [(b"f", &f), (b"g", &g)] {
            encode::array_header(out, 2);
            encode::bulk(out, name);
            encode::bulk(out, value);
        }
    });
    assert_eq!(bulks(&nested), opened);

    let (_, plan) = seal(&mut t, &[b"HMGET", b"h", b"g", b"nope", b"f"]).unwrap();
    let got = open(&mut t, &plan, Proto::Resp2, |out| {
        encode::array_header(out, 3);
        encode::bulk(out, &g);
        encode::null(out, Proto::Resp2);
        encode::bulk(out, &f);
    });
    assert_eq!(got, b"*3\r\n$0\r\n\r\n$-1\r\n$3\r\n1st\r\n");

    let (_, plan) = seal(&mut t, &[b"HSCAN", b"h", b"0"]).unwrap();
    let got = open(&mut t, &plan, Proto::Resp2, |out| {
        encode::array_header(out, 2);
        encode::bulk(out, b"0");
        flat(out);
    });
    assert_eq!(bulks(&got)[1..], opened);
}

#[test]
fn an_array_comes_back_in_every_shape() {
    let mut t = transform(&["k"]);
    let (sent, plan) = seal(&mut t, &[b"ARMSET", b"k", b"7", b"one", b"9", b"two"]).unwrap();
    assert!(matches!(plan, ReplyPlan::Sealed) && sent[2] == b"7" && sent[4] == b"9", "indexes are in clear");
    let (one, two) = (sent[3].clone(), sent[5].clone());
    let commands: [&[&[u8]]; 3] = [
        &[b"ARMGET", b"k", b"7", b"8", b"9"],
        &[b"ARGETRANGE", b"k", b"7", b"9"],
        &[b"ARLASTITEMS", b"k", b"3", b"rev"],
    ];
    for command in commands {
        let (_, plan) = seal(&mut t, command).unwrap();
        let got = open(&mut t, &plan, Proto::Resp2, |out| {
            encode::array_header(out, 3);
            encode::bulk(out, &one);
            encode::null(out, Proto::Resp2);
            encode::bulk(out, &two);
        });
        assert_eq!(got, b"*3\r\n$3\r\none\r\n$-1\r\n$3\r\ntwo\r\n");
    }
    let (_, plan) = seal(&mut t, &[b"ARSCAN", b"k", b"0", b"9", b"LIMIT", b"5"]).unwrap();
    let got = open(&mut t, &plan, Proto::Resp3, |out| {
        encode::array_header(out, 1);
        encode::array_header(out, 2);
        encode::int(out, 7);
        encode::bulk(out, &one);
    });
    assert_eq!(got, b"*1\r\n*2\r\n:7\r\n$3\r\none\r\n");
    for refused in [&[&b"ARSCAN"[..], b"k", b"0", b"9", b"WHAT"][..], &[b"ARMSET", b"k", b"1", b"a", b"2"]] {
        assert!(seal(&mut t, refused).is_err());
    }
}

#[test]
fn of_a_stream_described_only_what_is_known_passes() {
    let mut t = transform(&["k"]);
    let (sent, _) = seal(&mut t, &[b"XADD", b"k", b"1-1", b"f", MARKER]).unwrap();
    let sealed = sent[4].clone();
    let entry = |out: &mut BytesMut| {
        encode::array_header(out, 2);
        encode::bulk(out, b"1-1");
        encode::array_header(out, 2);
        encode::bulk(out, b"f");
        encode::bulk(out, &sealed);
    };
    let (_, plan) = seal(&mut t, &[b"XINFO", b"STREAM", b"k", b"full", b"COUNT", b"9"]).unwrap();
    for (name, proto) in [("first-entry", Proto::Resp2), ("last-entry", Proto::Resp3)] {
        let got = open(&mut t, &plan, proto, |out| {
            encode::map_header(out, 2, proto);
            encode::bulk(out, b"length");
            encode::int(out, 1);
            encode::bulk(out, name.as_bytes());
            entry(out);
        });
        assert_eq!(bulks(&got)[4], MARKER, "{name}");
    }
    // A part of a newer server that could hold values, and an entry where a number should be.
    for name in ["new-entries", "length"] {
        let got = open(&mut t, &plan, Proto::Resp3, |out| {
            encode::map_header(out, 1, Proto::Resp3);
            encode::bulk(out, name.as_bytes());
            entry(out);
        });
        assert!(got.starts_with(b"-WAXSEAL UNEXPECTED_REPLY "), "{name}");
    }
}

#[test]
fn what_does_not_open_becomes_an_error_and_nothing_else() {
    let mut t = transform(&["k*", "h"]);
    let (sent, _) = seal(&mut t, &[b"SET", b"k", MARKER]).unwrap();
    let stored = sent[2].clone();
    let (_, plan) = seal(&mut t, &[b"GET", b"k2"]).unwrap();
    let moved = open(&mut t, &plan, Proto::Resp2, |out| encode::bulk(out, &stored));
    assert!(moved.starts_with(b"-WAXSEAL OPEN_FAILED "), "moved to another key");

    let (_, plan) = seal(&mut t, &[b"GET", b"k"]).unwrap();
    for fault in ["flip", "short", "plain", "array", "queued"] {
        let got = open(&mut t, &plan, Proto::Resp2, |out| match fault {
            "flip" => {
                let mut changed = stored.clone();
                let last = changed.len() - 1;
                changed[last] ^= 1;
                encode::bulk(out, &changed);
            }
            "short" => encode::bulk(out, &stored[..20]),
            "plain" => encode::bulk(out, MARKER),
            "array" => encode::array_header(out, 0),
            _ => encode::simple(out, "QUEUED"),
        });
        assert!(got.starts_with(b"-WAXSEAL "), "{fault}");
        assert!(got.ends_with(b"\r\n") && !contains(&got, MARKER), "{fault}");
    }

    let (_, plan) = seal(&mut t, &[b"MGET", b"k", b"k"]).unwrap();
    let got = open(&mut t, &plan, Proto::Resp2, |out| {
        encode::array_header(out, 2);
        encode::bulk(out, &stored);
        encode::bulk(out, b"x");
    });
    assert!(got.starts_with(b"-WAXSEAL OPEN_FAILED "), "the good value goes with the bad one");
    assert!(!contains(&got, MARKER));
}

#[test]
fn exec_opens_command_by_command_and_keeps_errors_in_their_place() {
    let mut t = transform(&["k*"]);
    let (sent, _) = seal(&mut t, &[b"SET", b"k", b"one"]).unwrap();
    let stored = sent[2].clone();
    let plans = [&[&b"GET"[..], b"k"][..], &[b"GET", b"k2"], &[b"INCR", b"n"]]
        .iter()
        .map(|command| seal(&mut t, command).unwrap().1)
        .collect();
    let plan = ReplyPlan::Exec(plans);
    let got = open(&mut t, &plan, Proto::Resp2, |out| {
        encode::array_header(out, 3);
        encode::bulk(out, &stored);
        encode::bulk(out, &stored);
        encode::int(out, 7);
    });
    assert!(got.starts_with(b"*3\r\n$3\r\none\r\n-WAXSEAL OPEN_FAILED "));
    assert!(got.ends_with(b"\r\n:7\r\n"));
    assert_eq!(open(&mut t, &plan, Proto::Resp2, |out| encode::null_array(out, Proto::Resp2)), b"*-1\r\n");
    let short = open(&mut t, &plan, Proto::Resp2, |out| {
        encode::array_header(out, 1);
        encode::int(out, 7);
    });
    assert!(short.starts_with(b"-WAXSEAL UNEXPECTED_REPLY "));
}

#[test]
fn a_value_that_looks_sealed_is_sealed_again() {
    let mut t = transform(&["k"]);
    let (sent, _) = seal(&mut t, &[b"SET", b"k", MARKER]).unwrap();
    let envelope = sent[2].clone();
    let (twice, _) = seal(&mut t, &[b"SET", b"k", &envelope]).unwrap();
    assert_eq!(twice[2].len(), envelope.len() + OVERHEAD);
    let (_, plan) = seal(&mut t, &[b"GET", b"k"]).unwrap();
    assert_eq!(bulks(&open(&mut t, &plan, Proto::Resp2, |out| encode::bulk(out, &twice[2]))), [envelope]);
}

#[test]
fn a_redirection_never_reaches_the_client() {
    let mut t = transform(&["k"]);
    for error in ["MOVED 1 10.0.0.1:6379", "ASK 1 10.0.0.1:6379", "REDIRECT 10.0.0.1:6379"] {
        let got = open(&mut t, &ReplyPlan::Raw, Proto::Resp2, |out| encode::error(out, error));
        assert!(got.starts_with(b"-WAXSEAL REDIRECTED ") && !contains(&got, b"10.0.0.1"));
    }
}

#[test]
fn a_limit_that_envelopes_reach_is_explained_and_other_errors_are_not_touched() {
    const ERROR: &str = "ERR max request size exceeded. Limit: 100 bytes, Actual: 120 bytes.";
    let mut t = transform(&["k"]);
    let mut said = |args: &[&[u8]]| {
        let (_, plan) = seal(&mut t, args).unwrap();
        String::from_utf8(open(&mut t, &plan, Proto::Resp2, |out| encode::error(out, ERROR)).to_vec()).unwrap()
    };
    for sealed in
        [&[&b"SET"[..], b"k", MARKER][..], &[b"GET", b"k"], &[b"MGET", b"other", b"k"], &[b"LPUSH", b"k", MARKER]]
    {
        let said = said(sealed);
        assert!(said.starts_with(&format!("-{ERROR} ")) && said.contains("adds 48 bytes"), "{said}");
    }
    for open in [&[&b"SET"[..], b"other", MARKER][..], &[b"GET", b"other"], &[b"TTL", b"k"]] {
        assert_eq!(said(open), format!("-{ERROR}\r\n"));
    }
}

#[test]
fn messages_are_opened_by_channel() {
    let mut t = transform(&["c*"]);
    let (sent, plan) = seal(&mut t, &[b"PUBLISH", b"c1", MARKER]).unwrap();
    assert!(matches!(plan, ReplyPlan::Sealed));
    let payload = sent[2].clone();
    let mut push = |kind: &[u8], parts: &[&[u8]]| {
        let mut frame = BytesMut::new();
        encode::push_header(&mut frame, parts.len() + 1, Proto::Resp3);
        encode::bulk(&mut frame, kind);
        parts.iter().for_each(|p| encode::bulk(&mut frame, p));
        let mut out = BytesMut::new();
        if let Some(message) = Message::parse(&frame) {
            t.open_message(&message, Proto::Resp3, &mut out);
        }
        out.to_vec()
    };
    assert!(contains(&push(b"message", &[b"c1", &payload]), MARKER));
    assert!(contains(&push(b"pmessage", &[b"c*", b"c1", &payload]), MARKER));
    assert_eq!(push(b"message", &[b"c2", &payload]), b"", "copied to another channel");
    assert_eq!(push(b"message", &[b"c1", MARKER]), b"", "published around the sidecar");
    assert_eq!(push(b"message", &[b"c1", b"other", b"x"]), b"", "not the form of a message");
    assert_eq!(push(b"pmessage", &[b"c1", b"x"]), b"");
    assert!(contains(&push(b"message", &[b"other", b"x"]), b"other"));
    assert!(contains(&push(b"message", &[b"__keyspace@0__:c1", b"set"]), b"set"));
}

#[test]
fn every_reply_column_is_used_by_a_row_that_seals() {
    for spec in table() {
        if !matches!(spec.reply, Reply::Raw | Reply::Info) {
            assert!(spec.verdict.grammar().is_some(), "{}", spec.name);
        }
    }
}
