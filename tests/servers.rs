//! THE TABLE against what real servers say: Redis 7.0 (Debian), Redis 8.2 and Valkey 9.1 (`scripts/setup-servers.sh`).
//! A server that is not installed is skipped, and the test says so.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use waxseal::command::{
    Access, Args, Categories, Flags, KeyPositions, Keys, Request, Spec, Verdict, check_arity, find, groups, table,
};

#[path = "servers/differs.rs"]
mod differs;
#[path = "servers/samples.rs"]
mod samples;
#[path = "servers/server.rs"]
mod server;

use differs::{CARRY_NONE, CATEGORIES_DIFFER, DIFFERS, ELSEWHERE};
use samples::{HASH_OPTIONS, HEADS, SAMPLES, SET_OPTIONS, WORDS};
use server::{Kind, Server, servers};

/// Arguments with the bytes and ranges they borrow from.
struct Words {
    bytes: Vec<u8>,
    ranges: Vec<Range<usize>>,
}

impl Words {
    fn new<W: AsRef<[u8]>>(words: impl IntoIterator<Item = W>) -> Self {
        let (mut bytes, mut ranges) = (Vec::new(), Vec::new());
        for word in words {
            let from = bytes.len();
            bytes.extend_from_slice(word.as_ref());
            ranges.push(from..bytes.len());
        }
        Self { bytes, ranges }
    }

    /// Words between spaces; `""` is an empty one.
    fn line(line: &str) -> Self {
        Self::new(line.split(' ').map(|word| if word == "\"\"" { "" } else { word }))
    }

    fn args(&self) -> Args<'_> {
        Args::new(&self.bytes, &self.ranges)
    }

    fn spec(&self) -> &'static Spec {
        Request::parse(&self.bytes, &self.ranges).spec().expect("the command has a row")
    }
}

/// A request of `len` words, made of harmless ones.
fn request(row: &Spec, len: usize) -> Vec<String> {
    let mut words: Vec<String> = row.name.split('|').map(str::to_owned).collect();
    words.extend((words.len()..len).map(|at| format!("w{at}")));
    words
}

fn least(row: &Spec) -> usize {
    usize::from(row.arity.unsigned_abs())
}

fn differs(command: &str, what: &str) -> bool {
    DIFFERS.iter().any(|known| known.command == command && known.what == what)
}

/// Whether every request that a server of arity `theirs` takes is one for `ours`.
fn is_wider(ours: i16, theirs: i16) -> bool {
    ours < 0 && ours.unsigned_abs() <= theirs.unsigned_abs()
}

const FLAGS: [(u32, &str); 9] = [
    (Flags::WRITE, "write"),
    (Flags::READ, "readonly"),
    (Flags::FAST, "fast"),
    (Flags::BLOCKING, "blocking"),
    (Flags::ADMIN, "admin"),
    (Flags::DANGEROUS, "@dangerous"),
    (Flags::PUBSUB, "pubsub"),
    (Flags::NOSCRIPT, "noscript"),
    (Flags::NOAUTH, "no_auth"),
];

#[test]
fn no_command_is_missing_and_arity_and_flags_agree() {
    let mut wrong = Vec::new();
    // What differs from at least one server, so that the list does not go stale.
    let mut seen: BTreeSet<(&str, &str)> = BTreeSet::new();
    // Rows whose arity is exactly that of a server: wider than all would be a guess.
    let mut exact: BTreeSet<&str> = BTreeSet::new();
    let mut servers = servers();
    for server in &mut servers {
        let kind = server.kind;
        for (name, told) in server.told() {
            let Some(row) = find(&name) else {
                wrong.push(format!("{kind:?}: {name} has no row"));
                continue;
            };
            if row.is_container() != told.has_subcommands {
                wrong.push(format!("{kind:?}: {name}: container"));
            }
            // A module registers "any" and counts by itself; see the next test.
            if row.arity == told.arity {
                exact.insert(row.name);
            } else if !told.has("module") {
                seen.insert((row.name, "arity"));
                if !(differs(row.name, "arity") && is_wider(row.arity, told.arity)) {
                    wrong.push(format!("{kind:?}: {name}: arity {}, the row says {}", told.arity, row.arity));
                }
            }
            // A container's own flags mean nothing: only its subcommands run.
            for (bit, word) in FLAGS.iter().filter(|_| !row.is_container()) {
                let (ours, theirs) = (row.flags.has(*bit), told.has(word));
                if ours != theirs {
                    seen.insert((row.name, word));
                    if !(differs(row.name, word) && ours) {
                        wrong.push(format!("{kind:?}: {name}: {word} is {theirs}, the row says {ours}"));
                    }
                }
            }
            // What may need memory may carry data. On a protected key it passes only if known to carry none.
            let carries = told.has("denyoom") && row.keys != Keys::None;
            if carries && row.verdict == Verdict::Pass && !CARRY_NONE.contains(&row.name) {
                wrong.push(format!("{kind:?}: {name} may carry a value and passes"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    if servers.len() == Kind::ALL.len() {
        for known in DIFFERS.iter().filter(|known| known.what != "key") {
            assert!(known.what != "arity" || exact.contains(known.command), "{} has no server's arity", known.command);
            let found = seen.contains(&(known.command, known.what));
            assert!(found, "{} {} differs from no server ({})", known.command, known.what, known.reason);
        }
    }
}

/// `ACL CAT` of every category, both ways: nothing missing, nothing more.
#[test]
fn categories_agree_with_the_servers() {
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    let mut servers = servers();
    for server in &mut servers {
        let kind = server.kind;
        let told = server.told();
        let names = server.texts(["ACL", "CAT"]);
        assert!(names.iter().all(|name| Categories::named(name).is_some()), "{kind:?}: {names:?}");
        let mut theirs: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        for name in &names {
            for command in server.texts(["ACL", "CAT", name]) {
                theirs.entry(command.to_ascii_lowercase()).or_default().insert(name);
            }
        }
        for command in told.keys() {
            // A container's own mean nothing: only its subcommands run.
            let Some(row) = find(command).filter(|row| !row.is_container()) else { continue };
            let theirs = theirs.remove(command).unwrap_or_default();
            for category in row.categories.iter().filter(|ours| !theirs.contains(ours)) {
                let what = if told[command].has("module") { "categories" } else { category };
                seen.insert((row.name, what));
                if !CATEGORIES_DIFFER.iter().any(|(name, known, _)| (*name, *known) == (row.name, what)) {
                    wrong.push(format!("{kind:?}: {command} is not in @{category} there"));
                }
            }
            for category in theirs.iter().filter(|theirs| !row.categories.iter().any(|ours| ours == **theirs)) {
                wrong.push(format!("{kind:?}: {command} is in @{category} there"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    if servers.len() == Kind::ALL.len() {
        for (command, what, reason) in CATEGORIES_DIFFER {
            assert!(seen.contains(&(command, what)), "{command} {what} differs from no server ({reason})");
        }
    }
}

/// Modules do not tell their arity, so ask with one word too few, and one too many.
#[test]
fn modules_count_arguments_as_the_table_does() {
    let mut asked = 0;
    for mut server in servers() {
        let modules: Vec<String> =
            server.told().into_iter().filter(|(_, told)| told.has("module")).map(|(name, _)| name).collect();
        for name in modules {
            let row = find(&name).expect("see the test before");
            let mut refuses = |len| {
                let reply = server.ask(request(row, len));
                reply.is_err_and(|error| error.to_string().contains("wrong number of arguments"))
            };
            assert!(refuses(least(row) - 1), "{name} takes less than {}", least(row));
            assert!(!refuses(least(row)), "{name} does not take {}", least(row));
            assert!(row.arity < 0 || refuses(least(row) + 1), "{name} takes more than {}", least(row));
            asked += 1;
        }
    }
    eprintln!("{asked} commands of modules");
}

#[test]
fn every_row_is_of_a_known_server() {
    let mut servers = servers();
    if servers.len() != Kind::ALL.len() {
        return;
    }
    let told: BTreeSet<String> = servers.iter_mut().flat_map(|server| server.told().into_keys()).collect();
    let ours = groups().iter().filter(|group| group.servers.is_empty()).flat_map(|group| group.rows);
    let mut unknown: BTreeSet<&str> = ours.map(|row| row.name).filter(|name| !told.contains(*name)).collect();
    // Vector sets are an extension that one of the three has.
    let vectors = table().iter().map(|row| row.name).filter(|name| name.starts_with('v') && !name.contains('.'));
    unknown.extend(vectors.filter(|name| !told.contains(*name)));
    let listed: BTreeSet<&str> = ELSEWHERE.iter().map(|(name, _)| *name).collect();
    assert_eq!(unknown, listed, "rows that no server knows, and those said to be known elsewhere");
}

#[test]
fn keys_agree_with_the_servers() {
    for mut server in servers() {
        let samples = samples_for(&mut server);
        let modules: BTreeSet<String> =
            server.told().into_iter().filter(|(_, told)| told.has("module")).map(|(name, _)| name).collect();
        let mut out = KeyPositions::new();
        for words in &samples {
            let ours = Words::new(words);
            let row = ours.spec();
            let line = format!("{:?}: {}", server.kind, words.join(" "));
            assert!(row.keys(ours.args(), &mut out).is_ok(), "{line}: unclear");
            let mut found: Vec<_> = out
                .iter()
                .filter(|key| key.access != Access::Pattern)
                .map(|key| (ours.args().get(key.at).unwrap().to_vec(), Some(key.access)))
                .collect();
            let mut theirs = server.keys(words);
            if row.name == "pfmerge" && words.len() == 2 && theirs.is_empty() {
                // Valid, but a server's COMMAND may not understand its own command without sources.
                continue;
            }
            // What a module does with a key it does not say, and these the server tells from the arguments
            // where the row says what they may do.
            let vague = modules.contains(row.name) || ["bitfield", "set"].contains(&row.name);
            if vague || differs(row.name, "key") {
                let keys = found.iter_mut().chain(&mut theirs);
                keys.for_each(|key| key.1 = Some(Access::Update));
            }
            assert_eq!(found, theirs, "{line}");
        }
        assert!(samples.len() > 300, "only {} samples", samples.len());
    }
}

/// Requests of every command that the server knows: the least and some longer ones, or those written by hand.
fn samples_for(server: &mut Server) -> Vec<Vec<String>> {
    let told = server.told();
    let mut samples: Vec<Vec<String>> = SAMPLES
        .iter()
        .map(|line| Words::line(line).args().iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect())
        .filter(|words: &Vec<String>| told.contains_key(&words[0]))
        .collect();
    for row in table().iter().filter(|row| told.contains_key(row.name) && !row.is_container()) {
        // DEBUG and the commands that carry another tell the server's COMMAND nothing.
        let own = matches!(row.keys, Keys::Debug | Keys::Embedded { .. });
        if own || told[row.name].has("movablekeys") {
            let sampled = samples.iter().any(|words| words[0] == row.name);
            assert!(own || sampled, "{} needs a sample", row.name);
            continue;
        }
        // COMMAND checks the arity that it tells.
        let theirs = told[row.name].arity;
        let first = least(row).max(usize::from(theirs.unsigned_abs()));
        let more = if row.arity < 0 && theirs < 0 { 3 } else { 0 };
        samples.extend((first..=first + more).map(|len| request(row, len)));
    }
    samples
}

/// Words in random order: what we think is understood has at least the keys that the server finds.
#[test]
fn no_key_is_missed_in_random_requests() {
    const ROUNDS: usize = 4000;
    for mut server in servers() {
        let mut seed = 1u64;
        let mut next = |below: usize| {
            // Knuth's MMIX generator; its upper bits are the good ones.
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(seed >> 33).unwrap() % below
        };
        let mut understood = 0;
        let mut out = KeyPositions::new();
        for _ in 0..ROUNDS {
            let mut line = HEADS[next(HEADS.len())].to_owned();
            for _ in 0..next(6) {
                line.push(' ');
                line.push_str(WORDS[next(WORDS.len())]);
            }
            let ours = Words::line(&line);
            let row = ours.spec();
            if !check_arity(row, ours.args().len()) || row.keys(ours.args(), &mut out).is_err() {
                continue;
            }
            understood += 1;
            let words: Vec<&[u8]> = ours.args().iter().collect();
            for (key, _) in server.keys(&words) {
                let found = out.iter().any(|at| ours.args().get(at.at) == Some(&key));
                assert!(found, "{:?}: {line}: the server finds another key", server.kind);
            }
        }
        assert!(understood > ROUNDS / 50, "only {understood} requests were understood");
    }
}

/// Every sequence of three option words: we call it a syntax error exactly when the server does.
#[test]
fn option_grammar_agrees_with_the_servers() {
    for mut server in servers() {
        server.ask(["HSET", "h", "f", "v"]).unwrap();
        let commands: [(&str, &[&str]); 4] = [
            ("SET s v", &SET_OPTIONS),
            ("GETEX s", &SET_OPTIONS),
            ("HSCAN h 0", &HASH_OPTIONS),
            ("HRANDFIELD h 1", &HASH_OPTIONS),
        ];
        let mut asked = 0;
        for (head, options) in commands {
            let all = || options.iter().copied().chain([""]);
            for (a, b, c) in all().flat_map(|a| all().flat_map(move |b| all().map(move |c| (a, b, c)))) {
                let words: Vec<&str> = [head, a, b, c].iter().flat_map(|part| part.split_whitespace()).collect();
                let ours = Words::new(&words);
                let grammar = ours.spec().verdict.grammar().expect("it is sealed");
                let reply = server.ask(&words);
                let theirs = reply.err().is_some_and(|error| error.to_string().contains("syntax error"));
                let line = words.join(" ");
                assert_eq!(grammar.check(ours.args()).is_err(), theirs, "{:?}: {line}", server.kind);
                asked += 1;
            }
        }
        assert!(asked > 3000);
    }
}
