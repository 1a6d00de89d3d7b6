//! JSON documents through the sidecar, with the module RedisJSON in the server: what is at the rule's paths is
//! ciphertext there, the rest can be queried, and a client sees no difference.

mod support;

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use support::random::below;
use support::{Frame, MARKER, Raw, Sidecar, Tap, Upstream, contains};

const PATHS: &str = r#"["$.ssn", "$.card.number", "$.notes[*]", "$.people[*].name"]"#;

struct House {
    upstream: Upstream,
    sidecar: Sidecar,
    tap: Tap,
}

impl House {
    fn new() -> Option<Self> {
        let upstream = Upstream::start_with_json()?;
        let rule =
            |id: &str, keys: &str, more: &str| format!("[[encrypt]]\nid = \"{id}\"\nkeys = [\"{keys}\"]\n{more}\n");
        let more = rule("documents", "doc:*", &format!("json = {PATHS}"))
            + &rule("whole", "whole:*", "json = [\"$\"]")
            + &rule("shared", "shared:*", "scope = \"rule\"\njson = [\"$.ssn\"]");
        let sidecar = Sidecar::start_with(&upstream, |settings| settings.more = more);
        let tap = Tap::on(&upstream);
        Some(Self { upstream, sidecar, tap })
    }

    /// What the database holds.
    fn stored(&self, key: &str) -> Value {
        let text = self.upstream.raw().run(&format!("JSON.GET {key}")).bytes();
        serde_json::from_slice(&text).expect("JSON")
    }

    fn nothing_in_clear(&self) {
        self.tap.assert_never_contains(MARKER);
        self.upstream.assert_nothing_stored_contains(MARKER);
    }
}

fn sealed(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.starts_with("wVdYE"))
}

fn ask(client: &mut Raw, args: &[&str]) -> Frame {
    client.command(&args.iter().map(|arg| arg.as_bytes()).collect::<Vec<_>>())
}

#[track_caller]
fn same(client: &mut Raw, args: &[&str], wanted: &Value) {
    let text = ask(client, args).bytes();
    assert_eq!(serde_json::from_slice::<Value>(&text).expect("JSON"), *wanted, "{args:?}");
}

fn redis_py(protocol: &str) {
    let Some(house) = House::new() else { return };
    let output = Command::new(".venv/bin/python3")
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .args(["tests/python/documents.py", "--protocol", protocol, "--marker", MARKER])
        .args(["--port", &house.sidecar.port.to_string()])
        .output()
        .expect("Run `make setup` once.");
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}\n{}", said(&output.stdout), said(&output.stderr));
    house.nothing_in_clear();
    let stored = house.stored("doc:1");
    assert!(sealed(&stored["ssn"]) && sealed(&stored["card"]["number"]) && sealed(&stored["notes"][0]), "{stored}");
    assert_eq!(stored["age"], 43);
}

#[test]
fn redis_py_json_resp2() {
    redis_py("2");
}

#[test]
fn redis_py_json_resp3() {
    redis_py("3");
}

#[test]
fn the_database_has_ciphertext_at_the_paths_and_answers_for_the_rest() {
    let Some(house) = House::new() else { return };
    let secret = format!("{MARKER} \u{fc}\u{1f511} \"quoted\" \\ \n");
    let document = json!({
        "ssn": secret, "age": 42, "title": "clear",
        "card": {"number": [MARKER, 4111], "holder": "clear"},
        "notes": [MARKER, null, true, 1.5, {"deep": MARKER}],
        "people": [{"name": MARKER, "id": 1}, {"id": 2}],
    });
    for mut client in [house.sidecar.connect(), house.sidecar.connect3()] {
        assert_eq!(ask(&mut client, &["JSON.SET", "doc:1", "$", &document.to_string()]), Frame::ok());
        let stored = house.stored("doc:1");
        for place in ["/ssn", "/card/number", "/notes/0", "/notes/2", "/notes/3", "/notes/4", "/people/0/name"] {
            assert!(sealed(stored.pointer(place).unwrap()), "{place}: {stored}");
        }
        assert_eq!(
            (&stored["age"], &stored["title"], &stored["notes"][1]),
            (&json!(42), &json!("clear"), &Value::Null)
        );
        assert_eq!(stored["people"][1], json!({"id": 2}));

        same(&mut client, &["JSON.GET", "doc:1"], &document);
        same(
            &mut client,
            &["JSON.GET", "doc:1", "INDENT", "  ", "NEWLINE", "\n", "SPACE", " ", "$"],
            &json!([document]),
        );
        same(&mut client, &["JSON.GET", "doc:1", "ssn"], &json!(secret));
        let two = json!({"$.card": [document["card"]], ".age": [42]});
        same(&mut client, &["JSON.GET", "doc:1", "$.card", ".age"], &two);
        same(&mut client, &["JSON.GET", "doc:1", ".ssn", "age"], &json!({".ssn": secret, "age": 42}));
        same(&mut client, &["JSON.GET", "doc:1", "$.notes[-1]"], &json!([{"deep": MARKER}]));
        same(&mut client, &["JSON.GET", "doc:1", "$.people[*].name"], &json!([MARKER]));
        same(&mut client, &["JSON.GET", "doc:1", "$.none"], &json!([]));
        assert!(ask(&mut client, &["JSON.GET", "doc:1", ".none"]).is_error("ERR Path '$.none' does not exist"));
        assert_eq!(ask(&mut client, &["JSON.GET", "doc:none"]), Frame::Null);

        // The rest is the database's to change and to count.
        ask(&mut client, &["JSON.NUMINCRBY", "doc:1", "$.age", "1"]);
        same(&mut client, &["JSON.GET", "doc:1", ".age"], &json!(43));
        assert_eq!(ask(&mut client, &["JSON.OBJLEN", "doc:1", ".card"]), Frame::Integer(2));
        assert_eq!(ask(&mut client, &["JSON.ARRLEN", "doc:1", ".notes"]), Frame::Integer(5));

        // Elements come and go.
        let element = json!(MARKER).to_string();
        assert_eq!(ask(&mut client, &["JSON.ARRAPPEND", "doc:1", ".notes", &element, "7"]), Frame::Integer(7));
        assert_eq!(ask(&mut client, &["JSON.ARRINSERT", "doc:1", ".notes", "0", &element]), Frame::Integer(8));
        assert_eq!(ask(&mut client, &["JSON.ARRPOP", "doc:1", ".notes"]), Frame::bulk("7"));
        assert_eq!(
            ask(&mut client, &["JSON.ARRPOP", "doc:1", "$.notes", "0"]),
            Frame::Array(vec![Frame::bulk(&element)])
        );

        // Merging: null removes, what is at a path is sealed.
        assert_eq!(ask(&mut client, &["JSON.MERGE", "doc:1", "$", r#"{"ssn":null,"card":{"number":5}}"#]), Frame::ok());
        let gone = house.stored("doc:1");
        assert!(gone.get("ssn").is_none() && sealed(&gone["card"]["number"]) && gone["card"]["holder"] == "clear");
        same(&mut client, &["JSON.GET", "doc:1", ".card"], &json!({"number": 5, "holder": "clear"}));
    }
    house.nothing_in_clear();
}

#[test]
fn several_documents_and_transactions() {
    let Some(house) = House::new() else { return };
    let secret = json!(MARKER).to_string();
    let mut client = house.sidecar.connect();
    let set = [
        "JSON.MSET",
        "doc:1",
        "$",
        &format!("{{\"ssn\":{secret}}}"),
        "plain",
        "$",
        "{\"ssn\":1}",
        "shared:1",
        "$.",
        &secret,
    ];
    // The database refuses the last path's form, and so does the sidecar, before anything is stored.
    assert!(ask(&mut client, &set).is_error("WAXSEAL JSON_REFUSED"));
    let set = ["JSON.MSET", "doc:1", "$", &format!("{{\"ssn\":{secret}}}"), "plain", "$", "{\"ssn\":1}"];
    assert_eq!(ask(&mut client, &set), Frame::ok());
    assert!(sealed(&house.stored("doc:1")["ssn"]));
    assert_eq!(house.stored("plain"), json!({"ssn": 1}));
    let both = vec![Frame::bulk(format!("[{secret}]")), Frame::bulk("[1]"), Frame::Null];
    assert_eq!(ask(&mut client, &["JSON.MGET", "doc:1", "plain", "doc:none", "$.ssn"]), Frame::Array(both));

    assert_eq!(client.run("MULTI"), Frame::ok());
    for args in [&["JSON.SET", "doc:2", "$", &format!("{{\"ssn\":{secret}}}")][..], &["JSON.GET", "doc:2", "ssn"]] {
        assert_eq!(ask(&mut client, args), Frame::Simple("QUEUED".into()));
    }
    assert_eq!(client.run("EXEC"), Frame::Array(vec![Frame::ok(), Frame::bulk(&secret)]));

    // Under one scope a document moves from key to key.
    assert_eq!(ask(&mut client, &["JSON.SET", "shared:1", "$", &format!("{{\"ssn\":{secret}}}")]), Frame::ok());
    assert_eq!(client.run("RENAME shared:1 shared:2"), Frame::ok());
    assert_eq!(ask(&mut client, &["JSON.GET", "shared:2", "ssn"]), Frame::bulk(&secret));

    // The whole document under one path.
    assert_eq!(ask(&mut client, &["JSON.SET", "whole:1", "$", &format!("{{\"a\":[{secret}]}}")]), Frame::ok());
    assert!(sealed(&house.stored("whole:1")));
    assert_eq!(ask(&mut client, &["JSON.GET", "whole:1"]), Frame::bulk(format!("{{\"a\":[{secret}]}}")));
    assert!(ask(&mut client, &["JSON.GET", "whole:1", "$.a"]).is_error("WAXSEAL JSON_REFUSED"));
    house.nothing_in_clear();
}

#[test]
fn what_is_refused_does_not_reach_the_database() {
    let Some(house) = House::new() else { return };
    let mut client = house.sidecar.connect();
    let secret = json!(MARKER).to_string();
    let object = format!("{{\"ssn\":{{\"a\":{secret}}}}}");
    for args in [
        &["JSON.SET", "doc:1", "$..ssn", &secret][..],
        &["JSON.SET", "doc:1", "$.*", &secret],
        &["JSON.SET", "doc:1", "$.ssn.inner", &secret],
        &["JSON.SET", "doc:1", "$[?(@.id==1)]", &secret],
        &["JSON.SET", "doc:1", "$", &format!("{{'ssn':{secret}}}")],
        &["JSON.MERGE", "doc:1", "$", &object],
        &["JSON.STRAPPEND", "doc:1", "$.ssn", &secret],
        &["JSON.ARRINDEX", "doc:1", "$.notes", &secret],
        &["JSON.MSET", "plain", "$", "1", "doc:1", "$..a", &secret],
        &["JSON.GET", "doc:1", "$..*"],
    ] {
        assert!(ask(&mut client, args).is_error("WAXSEAL JSON_REFUSED"), "{args:?}");
    }
    assert!(ask(&mut client, &["JSON.SET", "session:1", "$", &secret]).is_error("WAXSEAL COMMAND_REFUSED"));
    house.nothing_in_clear();
    assert_eq!(house.upstream.raw().run("DBSIZE"), Frame::Integer(0));
}

#[test]
fn a_string_moved_in_the_database_does_not_open_elsewhere() {
    let Some(house) = House::new() else { return };
    let (mut client, mut raw) = (house.sidecar.connect(), house.upstream.raw());
    let document = json!({"ssn": "1", "card": {"number": "2"}, "notes": ["a", "b"]}).to_string();
    for key in ["doc:1", "doc:2"] {
        assert_eq!(ask(&mut client, &["JSON.SET", key, "$", &document]), Frame::ok());
    }
    let stored = house.stored("doc:1");
    let mut put =
        |key: &str, path: &str, value: &str| assert_eq!(ask(&mut raw, &["JSON.SET", key, path, value]), Frame::ok());
    put("doc:1", "$.card.number", &stored["ssn"].to_string());
    put("doc:2", "$.ssn", &stored["ssn"].to_string());
    put("doc:1", "$.title", &stored["ssn"].to_string());
    put("doc:1", "$.notes", &json!([stored["notes"][1], stored["notes"][0]]).to_string());
    for args in [&["JSON.GET", "doc:1", "$.card"][..], &["JSON.GET", "doc:1"], &["JSON.GET", "doc:2", "ssn"]] {
        assert!(ask(&mut client, args).is_error("WAXSEAL OPEN_FAILED"), "{args:?}");
    }
    // Not at a path: a string like any other.
    assert_eq!(ask(&mut client, &["JSON.GET", "doc:1", "title"]), Frame::bulk(stored["ssn"].to_string()));
    // Elements of one array are one place, as with lists.
    same(&mut client, &["JSON.GET", "doc:1", "notes"], &json!(["b", "a"]));
    put("doc:1", "$.ssn", "\"plain\"");
    assert!(ask(&mut client, &["JSON.GET", "doc:1", "$.ssn"]).is_error("WAXSEAL OPEN_FAILED"));
}

#[test]
fn the_stand_alone_reader_opens_a_string_of_a_document() {
    let Some(house) = House::new() else { return };
    let mut client = house.sidecar.connect();
    let document = json!({"card": {"number": {"pan": MARKER}}}).to_string();
    assert_eq!(ask(&mut client, &["JSON.SET", "doc:1", "$", &document]), Frame::ok());
    let text = house.stored("doc:1")["card"]["number"].as_str().expect("a string").to_owned();
    let file = house.sidecar.dir().join("string");
    std::fs::write(&file, &text).expect("write");
    let output = Command::new(".venv/bin/python3")
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .args([
            "tests/python/envelope_reader.py",
            "open",
            "--key",
            "doc:1",
            "--path",
            "$['card']['number']",
            "--keyring",
        ])
        .arg(house.sidecar.keyring())
        .stdin(std::fs::File::open(file).expect("open"))
        .output()
        .expect("Run `make setup` once.");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.stdout, json!({"pan": MARKER}).to_string().into_bytes());
    assert!(!contains(text.as_bytes(), MARKER.as_bytes()));
}

/// W whole document, V value, P person, N small number.
const PROGRAM: &[&str] = &[
    "JSON.SET K $ W",
    "JSON.SET K . W NX",
    "JSON.SET K $.ssn V",
    "JSON.SET K ssn V XX",
    "JSON.SET K $.card.number V",
    "JSON.SET K $['card'] {\"number\":7,\"holder\":\"x\"}",
    "JSON.SET K $.notes[N] V",
    "JSON.SET K $.people[*].name V",
    "JSON.SET K $.title \"clear\"",
    "JSON.MERGE K $ {\"ssn\":\"merged\",\"card\":{\"number\":null},\"age\":5}",
    "JSON.MERGE K $.card {\"number\":[1,2],\"more\":{\"x\":1}}",
    "JSON.MSET K $ W K $.ssn V",
    "JSON.ARRAPPEND K $.notes V V",
    "JSON.ARRAPPEND K .people P",
    "JSON.ARRINSERT K $.notes N V",
    "JSON.ARRPOP K $.notes N",
    "JSON.ARRPOP K .notes",
    "JSON.ARRPOP K $.people",
    "JSON.ARRTRIM K $.notes 0 N",
    "JSON.ARRLEN K $.notes",
    "JSON.ARRINDEX K $.tags 2",
    "JSON.NUMINCRBY K $.age N",
    "JSON.NUMMULTBY K .age 2",
    "JSON.OBJLEN K $.card",
    "JSON.OBJKEYS K .card",
    "JSON.TYPE K $.card",
    "JSON.TYPE K $.title",
    "JSON.CLEAR K $.card",
    "JSON.DEL K $.ssn",
    "JSON.DEL K $.card",
    "JSON.DEL K .notes[N]",
    "JSON.GET K",
    "JSON.GET K $",
    "JSON.GET K INDENT _ NEWLINE _ SPACE _ $.people $.ssn",
    "JSON.GET K .ssn .card",
    "JSON.GET K $.notes",
    "JSON.GET K $.notes[*]",
    "JSON.GET K $.notes[N:]",
    "JSON.GET K $.people[*].name",
    "JSON.GET K card.number",
    "JSON.MGET K K none $.ssn",
    "JSON.MGET K K .card",
    "TYPE K",
];

fn value(seed: &mut u64) -> Value {
    let n = below(seed, 1000);
    match below(seed, 6) {
        0 => json!(n),
        1 => Value::Null,
        2 => json!(true),
        3 => json!({"inner": [MARKER, n], "b": {}}),
        4 => json!([MARKER, n]),
        _ => json!(format!("{MARKER} \u{e9}\u{1f511}\"\\{n}")),
    }
}

fn fill(template: &str, seed: &mut u64) -> Vec<String> {
    let mut word = |word: &str| match word {
        "K" => format!("doc:{}", below(seed, 3)),
        "V" => value(seed).to_string(),
        "P" => json!({"name": value(seed), "id": 1}).to_string(),
        "_" => " ".to_owned(),
        "W" => json!({
            "ssn": value(seed), "age": below(seed, 50), "title": "clear", "tags": [1, 2, 3],
            "card": {"number": value(seed), "holder": "clear"}, "notes": [value(seed), value(seed)],
            "people": [{"name": value(seed), "id": 1}, {"id": 2}],
        })
        .to_string(),
        "N" => below(seed, 3).to_string(),
        word => word.replace("[N", &format!("[{}", below(seed, 3))),
    };
    template.split(' ').map(&mut word).collect()
}

/// As JSON where it is, so that the order of members and the spelling of numbers do not count.
fn parsed(frame: Frame) -> Frame {
    match frame {
        Frame::Bulk(text) => match serde_json::from_slice::<Value>(&text) {
            Ok(value) => Frame::Simple(format!("{value:?}")),
            Err(_) => Frame::Bulk(text),
        },
        Frame::Array(items) => Frame::Array(items.into_iter().map(parsed).collect()),
        other => other,
    }
}

/// Random programs, against a bare server and through Waxseal. WAXSEAL_DIFFERENTIAL_SEED repeats a run.
#[test]
fn the_replies_are_those_of_a_bare_server() {
    let (Some(house), Some(bare)) = (House::new(), Upstream::start_with_json()) else { return };
    let seed = std::env::var("WAXSEAL_DIFFERENTIAL_SEED").ok().and_then(|text| text.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| u64::from(std::process::id()));
    println!("WAXSEAL_DIFFERENTIAL_SEED={seed}");
    let (mut ours, mut theirs, mut state) = (house.sidecar.connect(), bare.raw(), seed);
    for step in 0..1500 {
        let line = fill(PROGRAM[below(&mut state, PROGRAM.len())], &mut state);
        let args: Vec<&str> = line.iter().map(String::as_str).collect();
        let (got, wanted) = (parsed(ask(&mut ours, &args)), parsed(ask(&mut theirs, &args)));
        assert_eq!(got, wanted, "step {step} of seed {seed}: {args:?}");
    }
    house.nothing_in_clear();
}
