//! What is at the paths leaves sealed or not at all and comes back; the rest passes byte for byte.

use std::sync::Arc;

use bytes::BytesMut;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::scan::{ScanFault, find};
use crate::command::{SealedPaths, Verdict, table};
use crate::crypto::Keyring;
use crate::policy::Refusal;
use crate::policy::rules::{RuleSource, Scope};
use crate::resp::{Proto, encode};
use crate::transform::tests::{MARKER, bulks, contains, open, rule, seal, transform_of};
use crate::transform::{ReplyPlan, Transform};

const PATHS: [&str; 4] = ["$.ssn", "$.card.number", "$.notes[*]", "$.people[*].name"];

fn paths(texts: &[&str]) -> SealedPaths {
    SealedPaths::new(&texts.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
}

fn with_paths(json: Option<SealedPaths>) -> Transform {
    let source = RuleSource { json, ..rule(&["k*"], Scope::Key) };
    transform_of(source, Arc::new(Keyring::generate().unwrap()))
}

fn transform() -> Transform {
    with_paths(Some(paths(&PATHS)))
}

fn run(t: &mut Transform, args: &[&str]) -> Result<(Vec<Vec<u8>>, ReplyPlan), Refusal> {
    seal(t, &args.iter().map(|arg| arg.as_bytes()).collect::<Vec<_>>())
}

fn sent(t: &mut Transform, args: &[&str]) -> Vec<String> {
    let (sent, _) = run(t, args).unwrap_or_else(|refusal| panic!("{args:?}: {refusal}"));
    sent.into_iter().map(|arg| String::from_utf8(arg).unwrap()).collect()
}

fn refused(t: &mut Transform, args: &[&str]) -> String {
    match run(t, args) {
        Ok(_) => panic!("{args:?} passes"),
        Err(refusal) => refusal.to_string(),
    }
}

/// What the client gets for `reply`, a bulk string.
fn got(t: &mut Transform, args: &[&str], reply: &str) -> String {
    let (_, plan) = run(t, args).unwrap_or_else(|refusal| panic!("{args:?}: {refusal}"));
    let frame = open(t, &plan, Proto::Resp2, |out| encode::bulk(out, reply.as_bytes()));
    match bulks(&frame).pop() {
        Some(text) => String::from_utf8(text).unwrap(),
        None => String::from_utf8(frame).unwrap(),
    }
}

fn is_sealed(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.starts_with("wVdYE"))
}

#[test]
fn what_is_at_the_paths_is_sealed_and_comes_back() {
    let mut t = transform();
    let text = r#"{"ssn": "078-05", "age":42, "card":{"number":4111, "x":[1.50]},
        "notes":["a",null,{"b" : [ "c d" ]},true],"people":[{"name":"Ann","id":1},{"name":null},"x"],"name":"clear"}"#;
    let stored = sent(&mut t, &["JSON.SET", "k", "$", text])[3].clone();
    let value: Value = serde_json::from_str(&stored).unwrap();
    for sealed in ["/ssn", "/card/number", "/notes/0", "/notes/2", "/notes/3", "/people/0/name"] {
        assert!(is_sealed(value.pointer(sealed).unwrap()), "{sealed}");
    }
    assert_eq!(value["age"], 42);
    assert_eq!(value["notes"][1], Value::Null);
    assert_eq!(value["people"][0]["id"], 1);
    assert_eq!(value["people"][2], "x");
    assert!(stored.contains(r#""x":[1.50]"#), "the rest is copied as it is");
    // As a server stores it, blanks between the parts of a value are gone.
    let back = text.replace(r#"{"b" : [ "c d" ]}"#, r#"{"b":["c d"]}"#);
    assert_eq!(got(&mut t, &["JSON.GET", "k"], &stored), back);
    assert_eq!(got(&mut t, &["JSON.GET", "k", "."], &stored), back);
    assert_eq!(
        got(&mut t, &["JSON.GET", "k", "INDENT", "  ", "NOESCAPE", "$"], &format!("[{stored}]")),
        format!("[{back}]")
    );
    let both = format!(r#"{{"$.age":[42],"$":[{stored}]}}"#);
    assert_eq!(got(&mut t, &["JSON.GET", "k", "$", "$.age"], &both), both.replace(&stored, &back));
    let both = format!(r#"{{".age":42,".":{stored}}}"#);
    assert_eq!(got(&mut t, &["JSON.GET", "k", ".", ".age"], &both), both.replace(&stored, &back));
    let ssn = value["ssn"].to_string();
    assert_eq!(got(&mut t, &["JSON.GET", "k", "$.ssn"], &format!("[{ssn}]")), r#"["078-05"]"#);
    assert_eq!(got(&mut t, &["JSON.GET", "k", "['ssn']"], &ssn), r#""078-05""#);
    assert_eq!(got(&mut t, &["JSON.GET", "k", "$.ssn"], "[]"), "[]");
    let notes = value["notes"].to_string();
    assert_eq!(got(&mut t, &["JSON.GET", "k", "$.notes[*]"], &notes), r#"["a",null,{"b":["c d"]},true]"#);
    assert_eq!(got(&mut t, &["JSON.GET", "k", "$.notes[1:2]"], &notes), r#"["a",null,{"b":["c d"]},true]"#);
}

#[test]
fn every_way_to_write_seals() {
    let mut t = transform();
    let marker = format!("\"{}\"", String::from_utf8_lossy(MARKER));
    let object = format!(r#"{{"name":{marker}}}"#);
    let whole = format!(
        r#"{{"ssn":{marker},"ss\u006e":{marker},"ssn":{marker},"card":{{"\u006eumber":{marker}}},"people":[{object},{object}]}}"#
    );
    let card = format!(r#"{{"number":{marker}}}"#);
    for args in [
        &["JSON.SET", "k", "$", &whole][..],
        &["JSON.SET", "k", ".", &whole, "NX"],
        &["json.set", "k", "$.ssn", &marker, "xx"],
        &["JSON.SET", "k", "ssn", &marker],
        &["JSON.SET", "k", "$['card']", &card],
        &["JSON.SET", "k", "$[\"card\"].number", &marker],
        &["JSON.SET", "k", "$.notes", &format!("[{marker},[{marker}]]")],
        &["JSON.SET", "k", "$.notes", &format!(r#"{{"first":{marker}}}"#)],
        &["JSON.SET", "k", "$.notes[-1]", &marker],
        &["JSON.SET", "k", "$.notes[*]", &object],
        &["JSON.SET", "k", "$.people[*].name", &marker],
        &["JSON.MERGE", "k", "$", &whole],
        &["JSON.MERGE", "k", "$.card", &card],
        &["JSON.MSET", "k", "$", &whole, "k2", "$.ssn", &marker],
        &["JSON.ARRAPPEND", "k", "$.notes", &marker, &object, &marker],
        &["JSON.ARRINSERT", "k", ".notes", "0", &marker, &marker],
        &["JSON.ARRAPPEND", "k", "people", &object],
    ] {
        let arguments = sent(&mut t, args);
        assert!(arguments.iter().all(|arg| !contains(arg.as_bytes(), MARKER)), "{args:?}");
        assert!(arguments.iter().any(|arg| arg.contains("wVdY")), "{args:?}");
    }
    // A string that looks sealed is sealed again, and opens to itself.
    let once = sent(&mut t, &["JSON.SET", "k", "$.ssn", &marker])[3].clone();
    let twice = sent(&mut t, &["JSON.SET", "k", "$.ssn", &once])[3].clone();
    assert_eq!(got(&mut t, &["JSON.GET", "k", ".ssn"], &twice), once);
    // What is nowhere near a path passes as it came, JSON or not.
    for args in [
        &["JSON.SET", "k", "$.other", "{ \"ssn\" : \"x\" }"][..],
        &["JSON.SET", "k", "$.other", "not json"],
        &["JSON.MSET", "other", "$", "{\"ssn\":1}", "k", "$.age", "1"],
        &["JSON.MERGE", "k", "$.ssn", "null"],
        &["JSON.NUMINCRBY", "k", "$.age", "1"],
        &["JSON.STRAPPEND", "k", "$.title", "\"x\""],
        &["JSON.ARRTRIM", "k", "$.notes", "0", "1"],
        &["JSON.ARRLEN", "k", "$.notes"],
        &["JSON.OBJKEYS", "k"],
        &["JSON.TYPE", "k", "$.card"],
        &["JSON.DEL", "k", "$.ssn"],
        &["JSON.FORGET", "k"],
        &["JSON.CLEAR", "k", "$.card"],
        &["JSON.ARRINDEX", "k", "$.tags", "\"x\"", "0", "-1"],
        &["JSON.RESP", "k", "$.tags"],
    ] {
        assert_eq!(sent(&mut t, args), args.to_vec());
    }
}

#[test]
fn what_cannot_be_told_or_done_is_refused() {
    let mut t = transform();
    for (args, word) in [
        (&["JSON.SET", "k", "$..ssn", "1"][..], "cannot be told"),
        (&["JSON.SET", "k", "$.people[?(@.id==1)].name", "1"], "cannot be told"),
        (&["JSON.SET", "k", "$['ssn','age']", "1"], "cannot be told"),
        (&["JSON.SET", "k", "$[\"s\\u0073n\"]", "1"], "cannot be told"),
        (&["JSON.SET", "k", "$.*", "1"], "wildcard"),
        (&["JSON.SET", "k", "$.ssn.x", "1"], "as a whole"),
        (&["JSON.SET", "k", "$.notes[0][0]", "1"], "as a whole"),
        (&["JSON.SET", "k", "$", "1", "FOO"], "not understood"),
        (&["JSON.SET", "k", "$", "1", "NX", "XX"], "not understood"),
        (&["JSON.SET", "k", "$", "{'ssn':1}"], "RFC 8259"),
        (&["JSON.SET", "k", "$", "{\"ssn\":1}{\"ssn\":1}"], "RFC 8259"),
        (&["JSON.SET", "k", "$", "{\"\\ud800ssn\":1}"], "RFC 8259"),
        (&["JSON.MERGE", "k", "$", r#"{"ssn":{"x":1}}"#], "merged"),
        (&["JSON.MERGE", "k", "$.ssn", "{}"], "merged"),
        (&["JSON.MERGE", "k", "$", "{}", "x"], "not understood"),
        (&["JSON.ARRAPPEND", "k", "$.ssn", "1"], "compute"),
        (&["JSON.ARRPOP", "k", "$.ssn"], "compute"),
        (&["JSON.ARRPOP", "k", "FORMAT", "EXPAND"], "not understood"),
        (&["JSON.NUMINCRBY", "k", "$.ssn", "1"], "compute"),
        (&["JSON.NUMMULTBY", "k", "$.notes[0]", "1"], "compute"),
        (&["JSON.STRAPPEND", "k", "$.ssn", "\"x\""], "compute"),
        (&["JSON.STRAPPEND", "k", "$.a", "\"x\"", "y"], "not understood"),
        (&["JSON.STRLEN", "k", "ssn"], "compute"),
        (&["JSON.TOGGLE", "k", "$.ssn"], "compute"),
        (&["JSON.TYPE", "k", "$.ssn"], "compute"),
        (&["JSON.OBJLEN", "k", "$.*"], "wildcard"),
        (&["JSON.CLEAR", "k", "$.ssn"], "compute"),
        (&["JSON.DEL", "k", "$.ssn.x"], "as a whole"),
        (&["JSON.DEL", "k", "$..x"], "cannot be told"),
        (&["JSON.DEL", "k", "$.a", "$.b"], "not understood"),
        (&["JSON.ARRINDEX", "k", "$.notes", "\"x\""], "look into"),
        (&["JSON.RESP", "k"], "look into"),
        (&["JSON.GET", "k", "$..ssn"], "cannot be told"),
        (&["JSON.GET", "k", "$.a", "$.*"], "wildcard"),
        (&["JSON.GET", "k", "FORMAT", "EXPAND"], "not understood"),
        (&["JSON.GET", "k", "INDENT", "\"", "$"], "not understood"),
        (&["JSON.GET", "k", "$", "SPACE"], "not understood"),
        (&["JSON.MGET", "other", "k", "$..ssn"], "cannot be told"),
        (&["JSON.MSET", "other", "$", "1", "k", "$..x", "1"], "cannot be told"),
        (&["JSON.MSET", "k", "$", "1", "k2"], "wrong number"),
        (&["JSON.DEBUG", "MEMORY", "k"], "server-internals"),
    ] {
        let refusal = refused(&mut t, args);
        let word = if word == "server-internals" { "ciphertext" } else { word };
        assert!(refusal.contains(word), "{args:?}: {refusal}");
    }
    let deep = "[".repeat(300) + &"]".repeat(300);
    assert!(refused(&mut t, &["JSON.SET", "k", "$", &deep]).contains("256"));
}

#[test]
fn a_rule_without_paths_takes_no_document() {
    let mut t = with_paths(None);
    let mut commands = 0;
    for spec in table() {
        if matches!(spec.verdict, Verdict::Document(_)) {
            let mut args = vec![spec.name, "k", "$", "1", "1"];
            match spec.name {
                // The key may stand further back, behind one without a rule.
                "json.mget" => args = vec![spec.name, "other", "k", "$"],
                "json.mset" => args = vec![spec.name, "other", "$", "1", "k", "$", "1"],
                _ => {}
            }
            let refusal = refused(&mut t, &args);
            assert!(refusal.contains("json = ["), "{}: {refusal}", spec.name);
            commands += 1;
        }
    }
    assert_eq!(commands, 24);
}

#[test]
fn replies_of_several_keys_and_elements_open() {
    let mut t = transform();
    let one = sent(&mut t, &["JSON.SET", "k", "$.ssn", "\"1\""])[3].clone();
    let two = sent(&mut t, &["JSON.SET", "k2", "$.ssn", "2.50"])[3].clone();
    for (path, wrap) in [("$.ssn", true), ("ssn", false)] {
        let lay = |text: &str| if wrap { format!("[{text}]") } else { text.to_owned() };
        let (_, plan) = run(&mut t, &["JSON.MGET", "k", "other", "k2", "k3", path]).unwrap();
        let frame = open(&mut t, &plan, Proto::Resp3, |out| {
            encode::array_header(out, 4);
            encode::bulk(out, lay(&one).as_bytes());
            encode::bulk(out, lay("\"wVdYplain\"").as_bytes());
            encode::bulk(out, lay(&two).as_bytes());
            encode::null(out, Proto::Resp3);
        });
        let texts: Vec<String> = bulks(&frame).into_iter().map(|text| String::from_utf8(text).unwrap()).collect();
        assert_eq!(texts, [lay("\"1\""), lay("\"wVdYplain\""), lay("2.50")]);
    }
    let note = sent(&mut t, &["JSON.ARRAPPEND", "k", "$.notes", "{\"a\": 1}"])[3].clone();
    assert_eq!(got(&mut t, &["JSON.ARRPOP", "k", "notes"], &note), "{\"a\":1}");
    let (_, plan) = run(&mut t, &["JSON.ARRPOP", "k", "$.notes", "0"]).unwrap();
    let frame = open(&mut t, &plan, Proto::Resp2, |out| {
        encode::array_header(out, 2);
        encode::bulk(out, note.as_bytes());
        encode::null(out, Proto::Resp2);
    });
    assert_eq!(frame, b"*2\r\n$7\r\n{\"a\":1}\r\n$-1\r\n");
}

#[test]
fn what_was_not_sealed_for_its_place_is_an_error() {
    let mut t = transform();
    let ssn = sent(&mut t, &["JSON.SET", "k", "$.ssn", "\"1\""])[3].clone();
    let note = sent(&mut t, &["JSON.ARRAPPEND", "k", "$.notes", "\"1\""])[3].clone();
    let other = sent(&mut t, &["JSON.SET", "k2", "$.ssn", "\"1\""])[3].clone();
    for forged in
        [&note, &other, "\"plain\"", "1", "{}", "[]", "true", "\"\"", "\"wVdY\"", &ssn.replace("wVdYE", "wVdYF")]
    {
        assert!(got(&mut t, &["JSON.GET", "k", "ssn"], forged).starts_with("-WAXSEAL OPEN_FAILED"), "{forged}");
        let whole = format!("[{{\"a\":1,\"ssn\":{forged}}}]");
        assert!(got(&mut t, &["JSON.GET", "k", "$"], &whole).starts_with("-WAXSEAL OPEN_FAILED"), "{forged}");
    }
    for shape in ["", "[", "{\"ssn\":1", "x", "[1]]", "{\"$.other\":[1]}", "\u{feff}1"] {
        let reply = got(&mut t, &["JSON.GET", "k", "$", "$.ssn"], shape);
        assert!(reply.starts_with("-WAXSEAL UNEXPECTED_REPLY"), "{shape}: {reply}");
    }
    // Elsewhere a sealed string is a string like others.
    let stray = format!("{{\"a\":{ssn}}}");
    assert_eq!(got(&mut t, &["JSON.GET", "k"], &stray), stray);
    assert_eq!(got(&mut t, &["JSON.GET", "k"], "{\"ssn\":null}"), "{\"ssn\":null}");
    // Elements of one array are one place: the threat model says so.
    let swapped = format!("[\"x\",{note}]").replace("\"x\",", "");
    assert_eq!(got(&mut t, &["JSON.GET", "k", "$.notes[5]"], &swapped), "[\"1\"]");
}

#[test]
fn the_number_of_values_is_bounded() {
    let mut t = transform();
    let many = |count: usize| format!("{{\"notes\":[{}1]}}", "1,".repeat(count - 1));
    assert!(refused(&mut t, &["JSON.SET", "k", "$", &many((1 << 20) + 1)]).contains("TOO_LARGE"));
    assert!(got(&mut t, &["JSON.GET", "k"], &many((1 << 20) + 1)).starts_with("-WAXSEAL UNEXPECTED_REPLY"));
    let set = paths(&PATHS);
    assert_eq!(find(many(1 << 20).as_bytes(), &set, &set.root()).unwrap().len(), 1 << 20);
}

/// Documents with the names that the paths use, often enough.
fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|n| Value::from(f64::from(n) / 4.0)),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        let name = prop_oneof![
            4 => prop::sample::select(vec!["ssn", "card", "number", "notes", "people", "name"]).prop_map(str::to_owned),
            1 => any::<String>(),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((name, inner), 0..6).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// What the paths mean, written a second time over a parsed document.
fn blank(value: &mut Value, path: &[&str]) {
    let Some((step, rest)) = path.split_first() else {
        if !value.is_null() {
            *value = json!("sealed");
        }
        return;
    };
    match value {
        Value::Object(members) => {
            members.iter_mut().filter(|(name, _)| *step == "*" || name == step).for_each(|(_, v)| blank(v, rest));
        }
        Value::Array(elements) if *step == "*" => elements.iter_mut().for_each(|v| blank(v, rest)),
        _ => {}
    }
}

fn blank_all(value: &mut Value) {
    for path in [&["ssn"][..], &["card", "number"], &["notes", "*"], &["people", "*", "name"]] {
        blank(value, path);
    }
}

proptest! {
    #[test]
    fn a_document_comes_back_and_only_its_paths_were_touched(value in document(), pretty in any::<bool>()) {
        let mut t = transform();
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        let stored = sent(&mut t, &["JSON.SET", "k", "$", &text])[3].clone();
        let mut seen: Value = serde_json::from_str(&stored).unwrap();
        let mut wanted = value.clone();
        blank_all(&mut seen);
        blank_all(&mut wanted);
        prop_assert_eq!(seen, wanted);
        let back = got(&mut t, &["JSON.GET", "k"], &stored);
        prop_assert_eq!(serde_json::from_str::<Value>(&back).unwrap(), value);
        if !pretty {
            prop_assert_eq!(back, text);
        }
    }

    /// Outside of what is at a path every byte is copied, whatever its spelling.
    #[test]
    fn the_rest_is_copied_byte_for_byte(value in document()) {
        let mut t = transform();
        let set = paths(&PATHS);
        let text = serde_json::to_string_pretty(&value).unwrap().replace(": ", " : ");
        let stored = sent(&mut t, &["JSON.SET", "k", "$", &text])[3].clone();
        let rest = |text: &str| {
            let mut out = String::new();
            let mut at = 0;
            for one in find(text.as_bytes(), &set, &set.root()).unwrap() {
                out += &text[at..one.range.start];
                at = one.range.end;
            }
            out + &text[at..]
        };
        prop_assert_eq!(rest(&stored), rest(&text));
    }

    /// What is accepted here, every strict parser accepts.
    #[test]
    fn what_is_accepted_is_json(value in document(), at in any::<prop::sample::Index>(), byte in prop::sample::select(&b"{}[]:,\"\\ \n0123-+.eEtrufalsn'/u\x01\x7f"[..]), insert in any::<bool>()) {
        let set = paths(&PATHS);
        let mut text = serde_json::to_vec(&value).unwrap();
        let at = at.index(text.len());
        if insert { text.insert(at, byte) } else { text[at] = byte }
        let ours = find(&text, &set, &set.root());
        let theirs = serde_json::from_slice::<Value>(&text);
        if ours.is_ok() {
            // Numbers too large for a double are grammar all the same.
            prop_assert!(theirs.as_ref().is_ok() || theirs.as_ref().is_err_and(|e| e.to_string().contains("out of range")));
        } else {
            prop_assert!(theirs.is_err());
        }
    }

    #[test]
    fn garbage_ends(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let set = paths(&PATHS);
        let _: Result<_, ScanFault> = find(&bytes, &set, &set.root());
        let mut t = transform();
        let mut frame = BytesMut::new();
        encode::bulk(&mut frame, &bytes);
        let (_, plan) = run(&mut t, &["JSON.GET", "k", "$"]).unwrap();
        let mut out = BytesMut::new();
        t.open(&plan, &frame, Proto::Resp2, &mut out);
    }
}
