//! No way between keys leaves plaintext under an encrypted key or ciphertext under another: every command that may have
//! several keys, over every kind of protection of each, alone and in transactions.
//!
//! After each command the database is read past the sidecar and through it. What the row of THE TABLE says about
//! the combination decides only whether the command is to run; what must hold afterwards does not depend on it.

mod support;

#[path = "moves/forms.rs"]
mod forms;

use std::collections::BTreeSet;

use forms::{FORMS, Form, Kind, Runs};
use support::newer::{REDIS_8_2, VALKEY_9_1};
use support::sidecar::Settings;
use support::{Frame, MARKER, Newer, Raw, Sidecar, Tap, Upstream, contains};
use waxseal::command::{Destination, Keys, Method, Verdict, When, find, table};

/// In what is written under keys without a rule. Under the others it is MARKER.
const PUBLIC: &str = "WRITTEN-IN-CLEAR";
/// What every envelope begins with (proto/envelope.md).
const MAGIC: &[u8] = b"\xC1WX";

/// What the server's own form of a HyperLogLog begins with.
const HYPERLOGLOG: &[u8] = b"HYLL";

const RULES: &str = r#"
[[encrypt]]
id = "k"
keys = ["k:*"]
[[encrypt]]
id = "a"
keys = ["a:*"]
scope = "rule"
[[encrypt]]
id = "b"
keys = ["b:*"]
scope = "rule"
[[encrypt]]
id = "t"
keys = ["t:*"]
scope = "tag"
"#;

/// Forms that change nothing if their second key is there.
const ONLY_WHERE_NOTHING_IS: [&str; 3] = ["copy A B", "copy A B DB 1", "renamenx A B"];

/// How a key is protected. The number makes it another key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Clear,
    Key,
    RuleA,
    RuleB,
    TagX,
    TagY,
}

const CLASSES: [Class; 6] = [Class::Clear, Class::Key, Class::RuleA, Class::RuleB, Class::TagX, Class::TagY];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key(Class, u8);

impl Key {
    fn name(self) -> String {
        let Self(class, number) = self;
        match class {
            Class::Clear => format!("p:{number}"),
            Class::Key => format!("k:{number}"),
            Class::RuleA => format!("a:{number}"),
            Class::RuleB => format!("b:{number}"),
            Class::TagX => format!("t:{{x}}:{number}"),
            Class::TagY => format!("t:{{y}}:{number}"),
        }
    }

    fn is_protected(self) -> bool {
        self.0 != Class::Clear
    }

    /// What two keys share if values may go from one to the other as they are.
    fn scope(self) -> (Class, u8) {
        (self.0, if self.0 == Class::Key { self.1 } else { 0 })
    }

    fn word(self, what: &str) -> String {
        let text = if self.is_protected() { MARKER } else { PUBLIC };
        // Members are the same under all keys, so that intersections are not empty.
        format!("{text}-{what}")
    }
}

/// A key has a rule when its name begins so; the database's view, for what is found in it.
fn is_protected(name: &[u8]) -> bool {
    [&b"k:"[..], b"a:", b"b:", b"t:"].iter().any(|prefix| name.starts_with(prefix))
}

/// Who is A, B and C: all pairs, each in the three ways in which three keys may be of two kinds, and the same key twice.
fn combinations(keys: usize) -> Vec<[Key; 3]> {
    let mut all = Vec::new();
    for one in CLASSES {
        all.push([Key(one, 1), Key(one, 1), Key(one, 1)]);
        for other in CLASSES {
            all.push([Key(one, 1), Key(other, 2), Key(other, 3)]);
            if keys > 2 && one != other {
                all.push([Key(one, 1), Key(one, 2), Key(other, 3)]);
                all.push([Key(one, 1), Key(other, 2), Key(one, 3)]);
            }
        }
    }
    if keys < 2 {
        all.retain(|[a, b, _]| a == b);
    }
    all
}

/// How the command arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Alone,
    /// MULTI, command and EXEC in one piece: a block on a shared lane.
    Block,
    /// Behind WATCH and one by one: a pinned lane.
    Watched,
}

const WAYS: [Way; 3] = [Way::Alone, Way::Block, Way::Watched];

/// Both sides of the sidecar.
struct Bench<'a> {
    raw: Raw,
    client: Raw,
    protocol: &'a str,
}

type Words = Vec<Vec<u8>>;

fn words(line: &str) -> Words {
    line.split(' ').map(|word| if word == "\"\"" { Vec::new() } else { word.as_bytes().to_vec() }).collect()
}

/// Sends all at once and gives each reply with its bytes.
fn pipeline(to: &mut Raw, commands: &[Words]) -> Vec<(Frame, Vec<u8>)> {
    let mut bytes = Vec::new();
    for command in commands {
        let refs: Vec<&[u8]> = command.iter().map(Vec::as_slice).collect();
        bytes.extend(support::raw::encode(&refs));
    }
    to.send(&bytes);
    commands.iter().map(|_| to.read_with_bytes()).collect()
}

/// Which of A, B and C a form names.
fn named(form: &Form, keys: &[Key; 3]) -> Vec<Key> {
    let has = |letter: &str| form.line.split(' ').any(|word| word == letter);
    ["A", "B", "C"].iter().zip(keys).filter(|(letter, _)| has(letter)).map(|(_, key)| *key).collect()
}

/// The form with its keys, values and members.
fn request(form: &Form, keys: &[Key; 3]) -> Words {
    let mut line = words(form.line);
    for word in &mut line {
        for (letter, key) in [b'A', b'B', b'C'].iter().zip(keys) {
            if word[..] == [*letter] {
                *word = key.name().into_bytes();
            } else if word[..] == [b'v', *letter] {
                *word = key.word("value").into_bytes();
            } else if word[..] == [b'm', *letter] {
                *word = key.word("member").into_bytes();
            } else if word[..] == [*letter, b'*'] {
                *word = format!("{}*", key.name()).into_bytes();
            }
        }
    }
    line
}

fn load(kind: Kind, key: Key) -> Vec<Words> {
    let (name, value, member) = (key.name(), key.word("value"), key.word("member"));
    let own = key.word(&format!("own-{}", key.1));
    let lines = match kind {
        Kind::Nothing => vec![],
        Kind::String => vec![format!("SET {name} {value}")],
        Kind::Hash => vec![format!("HSET {name} f {value} g {own}")],
        Kind::List => vec![format!("RPUSH {name} {value} {own} {own}")],
        Kind::Numbers => vec![format!("RPUSH {name} 2 1 2")],
        Kind::Set => vec![format!("SADD {name} {member} {own}")],
        Kind::SortedSet => vec![format!("ZADD {name} 1 {member} 2 {own}")],
        Kind::Geo => vec![format!("GEOADD {name} 13.36 38.11 {member} 15.08 37.50 {own}")],
        // Not under scope `key`, where it is refused.
        Kind::HyperLogLog if key.0 == Class::Key => vec![],
        Kind::HyperLogLog => vec![format!("PFADD {name} {value} {own}")],
        Kind::Stream => vec![format!("XADD {name} 1-1 f {value}"), format!("XGROUP CREATE {name} g 0")],
    };
    lines.iter().map(|line| words(line)).collect()
}

/// Asks for all that a key holds.
fn read(kind: &str, key: &[u8]) -> Words {
    let (before, after) = match kind {
        "string" => ("GET", ""),
        "hash" => ("HVALS", ""),
        "list" => ("LRANGE", "0 -1"),
        "set" => ("SMEMBERS", ""),
        "zset" => ("ZRANGE", "0 -1"),
        "stream" => ("XRANGE", "- +"),
        other => panic!("a key of type {other}"),
    };
    let after = after.split(' ').filter(|word| !word.is_empty()).map(|word| word.as_bytes().to_vec());
    [before.as_bytes().to_vec(), key.to_vec()].into_iter().chain(after).collect()
}

/// The values in such a reply: all strings, but of streams neither ids nor fields.
fn values(kind: &str, frame: Frame) -> Vec<Vec<u8>> {
    if kind == "string" {
        return vec![frame.bytes()];
    }
    let items = frame.items();
    if kind != "stream" {
        return items.into_iter().map(Frame::bytes).collect();
    }
    let pairs = items.into_iter().flat_map(|entry| entry.items().pop().expect("an id and its fields").items());
    pairs.skip(1).step_by(2).map(Frame::bytes).collect()
}

/// A database's key, its type, and its values as the database and as a client sees them.
type Found = (Vec<u8>, Vec<Vec<u8>>, Vec<Vec<u8>>);

impl Bench<'_> {
    fn clear(&mut self) {
        pipeline(&mut self.raw, &[words("FLUSHALL")]);
    }

    /// Everything in the databases 0 and 1.
    fn look(&mut self, what: &str) -> Vec<Found> {
        let mut found = Vec::new();
        for database in ["0", "1"] {
            let select = words(&format!("SELECT {database}"));
            let keys = pipeline(&mut self.raw, &[select.clone(), words("KEYS *")]).pop().expect("two").0.items();
            let keys: Vec<Vec<u8>> = keys.into_iter().map(Frame::bytes).collect();
            if keys.is_empty() {
                continue;
            }
            let types: Vec<Words> = keys.iter().map(|key| vec![b"TYPE".to_vec(), key.clone()]).collect();
            let types = pipeline(&mut self.raw, &types);
            let types: Vec<String> =
                types.into_iter().map(|(frame, _)| String::from_utf8(frame.bytes()).expect("a type")).collect();
            let mut asked = vec![select];
            asked.extend(types.iter().zip(&keys).map(|(kind, key)| read(kind, key)));
            let stored = pipeline(&mut self.raw, &asked).split_off(1);
            asked.push(words("SELECT 0"));
            let mut seen = pipeline(&mut self.client, &asked).split_off(1);
            seen.pop();
            for (((key, kind), (stored, _)), (seen, _)) in keys.into_iter().zip(types).zip(stored).zip(seen) {
                if matches!(&stored, Frame::Bulk(bytes) if bytes.starts_with(HYPERLOGLOG)) {
                    // Hashes with a key where a rule is, which do not open; and the rule must be one of several keys.
                    assert!(matches!(seen, Frame::Error(_)) == is_protected(&key), "{what}");
                    assert!(!key.starts_with(b"k:"), "{what}: a HyperLogLog under scope key");
                    continue;
                }
                assert!(!matches!(seen, Frame::Error(_)), "{what}: {seen:?}");
                found.push((key, values(&kind, stored), values(&kind, seen)));
            }
        }
        pipeline(&mut self.raw, &[words("SELECT 0")]);
        found
    }

    /// What must hold whatever has happened.
    fn check(&mut self, what: &str) {
        for (key, stored, seen) in self.look(what) {
            for value in &stored {
                if is_protected(&key) {
                    assert!(value.starts_with(MAGIC), "{what}: in clear under an encrypted key");
                } else {
                    assert!(!value.starts_with(MAGIC), "{what}: an envelope under a key without a rule");
                }
            }
            if is_protected(&key) {
                assert_eq!(seen.len(), stored.len(), "{what}");
                assert!(seen.iter().all(|value| !value.starts_with(MAGIC)), "{what}: opened to an envelope");
            } else {
                let (stored, seen): (BTreeSet<_>, BTreeSet<_>) = (stored.iter().collect(), seen.iter().collect());
                assert_eq!(seen, stored, "{what}: changed on its way");
            }
            let marked = stored.iter().any(|value| contains(value, MARKER.as_bytes()));
            assert!(!marked, "{what}: what was written under an encrypted key is in clear in the database");
        }
    }

    /// One case: loaded, sent, looked at. Whether the command was let through.
    fn case(&mut self, form: &Form, keys: &[Key; 3], way: Way) -> bool {
        let what = format!("{} with {keys:?}, {way:?}, RESP{}", form.line, self.protocol);
        self.clear();
        let mut loads: Vec<Words> = named(form, keys).into_iter().flat_map(|key| load(form.before, key)).collect();
        if ONLY_WHERE_NOTHING_IS.contains(&form.line) {
            loads.truncate(1);
        }
        for (reply, _) in pipeline(&mut self.client, &loads) {
            // The same key twice has its entry and its group already.
            let again = reply.is_error("BUSYGROUP") || reply.is_error("ERR The ID specified");
            assert!(again || !matches!(reply, Frame::Error(_)), "{what}: {reply:?}");
        }
        let command = request(form, keys);
        let replies = match way {
            Way::Alone => pipeline(&mut self.client, &[command]),
            Way::Block => pipeline(&mut self.client, &[words("MULTI"), command, words("EXEC")]),
            Way::Watched => {
                let mut replies = pipeline(&mut self.client, &[words("WATCH unrelated")]);
                for command in [words("MULTI"), command, words("EXEC")] {
                    replies.extend(pipeline(&mut self.client, &[command]));
                }
                replies
            }
        };
        for (_, bytes) in &replies {
            // What DUMP gives is sealed for the client.
            let dumped = form.line == "dump A" && keys[0].is_protected();
            assert!(dumped || !contains(bytes, MAGIC), "{what}: a reply holds an envelope");
        }
        let refused = |frame: &Frame| {
            ["WAXSEAL COMMAND_REFUSED", "WAXSEAL UNCLEAR_ARGUMENTS", "WAXSEAL SCRIPT_REFUSED"]
                .iter()
                .any(|code| frame.is_error(code))
        };
        let at = if way == Way::Watched { 2 } else { usize::from(way != Way::Alone) };
        let (answer, last) = (&replies[at].0, &replies.last().expect("a reply").0);
        if refused(answer) && way != Way::Alone {
            assert!(last.is_error("EXECABORT"), "{what}: {last:?}");
        }
        // What hangs on what is stored is refused when EXEC has it read.
        let was_refused = refused(answer) || matches!(last, Frame::Array(items) if items.iter().any(refused));
        // Of a script that nobody has, server and sidecar say the same.
        let unseen = answer.is_error("NOSCRIPT");
        assert!(unseen || was_refused != may_run(form, keys), "{what}: {answer:?}, {last:?}");
        self.check(&what);
        !was_refused
    }
}

/// Whether the row of THE TABLE lets this form run with these keys.
fn may_run(form: &Form, keys: &[Key; 3]) -> bool {
    let name = words(form.line);
    let spec = [1, 2].iter().find_map(|parts| {
        let name = name[..*parts.min(&name.len())].join(&b'|');
        find(std::str::from_utf8(&name).ok()?).filter(|spec| !spec.is_container())
    });
    let spec = spec.unwrap_or_else(|| panic!("{} has no row", form.line));
    let keys = named(form, keys);
    let in_clear = keys.iter().all(|key| !key.is_protected());
    let of_one_scope = keys.iter().all(|key| key.scope() == keys[0].scope());
    // What would come to lie in clear stays refused.
    let arrives = |how: Method| match how.destination() {
        None => true,
        Some(Destination::First) => keys[0].is_protected(),
        Some(Destination::Last) => keys.last().expect("a key").is_protected(),
    };
    match (form.runs, spec.verdict) {
        (Runs::Never, _) => false,
        // None of the rules here says what to encrypt in JSON.
        (Runs::Row, Verdict::Refuse(_) | Verdict::Document(_)) => in_clear,
        (Runs::OneScope, _) => {
            // Nothing was there to be refused.
            let nothing = form.before == Kind::HyperLogLog && keys[0].0 == Class::Key && keys[1].is_protected();
            in_clear || of_one_scope || nothing
        }
        (Runs::Row, Verdict::If { when, otherwise, .. }) => {
            let native = match when {
                When::OneScope => of_one_scope,
                When::Without(options) => {
                    of_one_scope && !options.words.iter().any(|option| form.line.contains(option))
                }
                When::WideScope => of_one_scope && keys[0].0 != Class::Key,
                // None of the rules here says so.
                When::ListElements => false,
            };
            in_clear || native || otherwise.is_some_and(arrives)
        }
        (Runs::Row, Verdict::Emulate(Method::Sort)) => {
            let gives_elements = !form.line.contains("GET") || form.line.contains("GET #");
            let stores = form.line.contains("STORE");
            !(stores && gives_elements && keys[0].is_protected() && !keys[1].is_protected())
        }
        (Runs::Row, Verdict::Emulate(how)) => in_clear || arrives(how),
        (Runs::Row, Verdict::Pass | Verdict::Seal(_) | Verdict::Unless { .. } | Verdict::Tell) => true,
    }
}

/// Every combination; all ways of sending it, or one of them in turn.
fn walk(bench: &mut Bench<'_>, all_ways: bool) {
    let (mut cases, mut ran) = (0, 0);
    for form in FORMS {
        let keys = form.line.split(' ').filter(|word| ["A", "B", "C"].contains(word)).count();
        for (number, keys) in combinations(keys).iter().enumerate() {
            for (turn, way) in WAYS.into_iter().enumerate() {
                // What a transaction may not hold, or does not wait for.
                let alone = ["watch", "debug", "eval"].iter().any(|word| form.line.starts_with(word));
                if (alone && way != Way::Alone) || (!all_ways && !alone && turn != number % WAYS.len()) {
                    continue;
                }
                ran += usize::from(bench.case(form, keys, way));
                cases += 1;
            }
        }
    }
    println!("RESP{}: {cases} cases, of which {ran} ran", bench.protocol);
    assert!(ran > 1000 && cases - ran > 1000, "hardly anything was refused, or hardly anything ran");
}

fn rules(settings: &mut Settings) {
    settings.rules.clear();
    settings.trust_scripts = false;
    settings.more = RULES.into();
}

fn on(server: &Upstream, proto: &str) {
    let sidecar = Sidecar::start_with(server, rules);
    let tap = Tap::on(server);
    let mut client = sidecar.connect();
    client.run(&format!("HELLO {proto}"));
    let mut bench = Bench { raw: server.raw(), client, protocol: proto };
    walk(&mut bench, proto == "2");
    tap.assert_never_contains(MARKER);
}

#[test]
fn no_command_of_redis_7_0_carries_a_value_over_a_border() {
    on(&Upstream::start(), "2");
}

#[test]
fn nor_in_resp3() {
    on(&Upstream::start(), "3");
}

#[test]
fn nor_of_newer_servers() {
    for binary in [REDIS_8_2, VALKEY_9_1] {
        let Some(server) = Newer::start(binary) else { continue };
        let sidecar = server.sidecar(rules);
        let mut bench = Bench { raw: server.raw(), client: sidecar.connect(), protocol: "2" };
        println!("{binary}");
        walk(&mut bench, false);
    }
}

/// A row that may have two keys, runs code or takes what was dumped has a form above.
#[test]
fn every_row_that_can_move_a_value_is_walked() {
    let asked: BTreeSet<String> = FORMS
        .iter()
        .flat_map(|form| {
            let words: Vec<&str> = form.line.split(' ').collect();
            [words[0].to_owned(), words[..2].join("|")]
        })
        .collect();
    let several = |keys: Keys| match keys {
        Keys::Range { first, last, .. } => last < 0 || i16::from(last) > i16::from(first),
        Keys::None | Keys::Channels { .. } | Keys::ChannelPatterns { .. } => false,
        _ => true,
    };
    let missing: Vec<&str> =
        table().iter().filter(|row| several(row.keys) && !asked.contains(row.name)).map(|row| row.name).collect();
    assert!(missing.is_empty(), "no form for {missing:?}");
}

/// A payload carries a value past everything that looks at values.
#[test]
fn a_dumped_value_does_not_come_to_lie_under_an_encrypted_key() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, rules);
    let (mut client, mut raw) = (sidecar.connect(), upstream.raw());
    client.run("SET p:1 in-clear");
    let payload = client.run("DUMP p:1").bytes();
    assert_eq!(client.command(&[b"RESTORE", b"p:2", b"0", &payload]), Frame::ok());
    for key in [&b"k:1"[..], b"a:1", b"t:{x}:1"] {
        for command in [&b"RESTORE"[..], b"RESTORE-ASKING", b"restore"] {
            let reply = client.command(&[command, key, b"0", &payload, b"REPLACE"]);
            assert!(reply.is_error("ERR DUMP payload version or checksum are wrong"), "{reply:?}");
        }
        assert_eq!(raw.command(&[b"EXISTS", key]), Frame::Integer(0));
    }
}
