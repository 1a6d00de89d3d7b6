//! Tests over all rows, and of the look-up. See the siblings for keys and grammar, and `tests/servers.rs`
//! for real servers.

mod grammar;
mod keys;

use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;

use super::*;

/// Arguments with the bytes and ranges they borrow from.
pub(super) struct Words {
    bytes: Vec<u8>,
    ranges: Vec<Range<usize>>,
}

impl Words {
    pub(super) fn new<W: AsRef<[u8]>>(words: impl IntoIterator<Item = W>) -> Self {
        let (mut bytes, mut ranges) = (Vec::new(), Vec::new());
        for word in words {
            let from = bytes.len();
            bytes.extend_from_slice(word.as_ref());
            ranges.push(from..bytes.len());
        }
        Self { bytes, ranges }
    }

    /// Words between spaces; `""` is an empty one.
    pub(super) fn line(line: &str) -> Self {
        Self::new(line.split(' ').map(|word| if word == "\"\"" { "" } else { word }))
    }

    pub(super) fn args(&self) -> Args<'_> {
        Args::new(&self.bytes, &self.ranges)
    }

    pub(super) fn request(&self) -> Request<'_> {
        Request::parse(&self.bytes, &self.ranges)
    }
}

/// A request of the least length that this row admits, made of harmless words.
pub(super) fn shortest(row: &Spec) -> Vec<String> {
    let mut words: Vec<String> = row.name.split('|').map(str::to_owned).collect();
    for at in words.len()..usize::from(row.arity.unsigned_abs()) {
        words.push(format!("w{at}"));
    }
    words
}

fn value_positions(row: &Spec, len: usize) -> Vec<usize> {
    match row.values {
        Values::None => vec![],
        Values::At(value)
        | Values::Payload(value)
        | Values::FieldValue { value, .. }
        | Values::Message { value, .. } => {
            vec![usize::from(value)]
        }
        Values::KeyPairs => (2..len).step_by(2).collect(),
        Values::FieldPairs { from } => (usize::from(from) + 1..len).step_by(2).collect(),
        Values::From(from) | Values::Elements { from, .. } | Values::Members { from, .. } | Values::Hashed { from } => {
            (usize::from(from)..len).take(1).collect()
        }
        Values::GroupedMembers { size } => vec![1 + usize::from(size)],
        Values::SecondsFrom(from) => vec![usize::from(from) + 1],
        Values::PairsAtStart => vec![4],
        Values::KeyPairsToStart => vec![3],
        Values::MemberAtStart => vec![],
    }
}

#[test]
fn names_are_sorted_unique_and_lower_case() {
    for group in groups() {
        assert!(group.rows.is_sorted_by(|a, b| a.name < b.name), "{} is not in order", group.title);
    }
    assert!(table().is_sorted_by(|a, b| a.name < b.name), "twice the same name");
    for row in table() {
        let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_|.".contains(c);
        assert!(row.name.chars().all(fine), "{}", row.name);
        assert!(row.name.len() <= 32, "{} is longer than what is hashed", row.name);
        assert_ne!(row.arity, 0, "{}", row.name);
    }
}

#[test]
fn every_subcommand_has_its_container_and_every_container_subcommands() {
    let parents: HashSet<&str> = table().iter().filter_map(|row| Some(row.name.split_once('|')?.0)).collect();
    for row in table() {
        // SENTINEL is known so that it is answered here; nothing of it is.
        let expected = parents.contains(row.name) || row.name == "sentinel";
        assert_eq!(row.is_container(), expected, "{}", row.name);
    }
    for parent in parents {
        assert!(find(parent).is_some(), "{parent} has no row");
    }
}

#[test]
fn every_row_is_found_by_its_name_in_any_case() {
    for row in table() {
        assert_eq!(find(row.name).map(|found| found.name), Some(row.name));
        let mut odd = false;
        let mixed: String = row
            .name
            .chars()
            .map(|c| {
                odd = !odd;
                if odd { c.to_ascii_uppercase() } else { c }
            })
            .collect();
        let words = Words::new(mixed.split('|'));
        assert_eq!(words.request().spec().map(|found| found.name), Some(row.name));
    }
}

#[test]
fn what_is_not_a_name_finds_nothing() {
    for line in ["", "ge", "gett", "get\0", "client|setname x", "config\0 get x", "|", "get|", "\u{e9}"] {
        assert!(Words::line(line).request().spec().is_none(), "{line:?}");
        assert!(Words::line(line).request().container().is_none(), "{line:?}");
    }
    assert!(Words::new(Vec::<&str>::new()).request().spec().is_none());
    assert!(Words::new(["x".repeat(1 << 20)]).request().spec().is_none());
    assert!(find("client|").is_none() && find("|setname").is_none() && find("").is_none());
}

#[test]
fn an_unknown_subcommand_keeps_its_container() {
    let words = Words::line("CLIENT nosuch x");
    assert!(words.request().spec().is_none());
    assert_eq!(words.request().container().map(|row| row.name), Some("client"));
    let bare = Words::line("client");
    assert_eq!(bare.request().spec().map(|row| row.name), Some("client"));
    let joined = Words::line("client setname|x y");
    assert!(joined.request().spec().is_none());
}

#[test]
fn keys_and_values_lie_within_the_arity_and_apart() {
    for row in table() {
        let words = Words::new(shortest(row));
        let len = words.args().len();
        let mut keys = KeyPositions::new();
        let mut channels = ChannelPositions::new();
        // Forms with words of their own are not understood here; see the tests of keys.
        let understood = row.keys(words.args(), &mut keys).is_ok();
        if row.channel_positions(words.args(), &mut channels).is_ok() && understood {
            for at in value_positions(row, len) {
                assert!(at < len, "{}: a value beyond the arity", row.name);
                assert!(keys.iter().all(|key| key.at != at), "{}", row.name);
                assert!(channels.iter().all(|channel| channel.at != at), "{}", row.name);
            }
            if let Keys::Range { first, .. } = row.keys {
                assert!(usize::from(first) < len, "{}: a key beyond the arity", row.name);
            }
            assert!(keys.iter().all(|key| key.at > 0 && key.at < len), "{}", row.name);
        }
        if let Values::FieldValue { field, value } = row.values {
            assert!(field < value, "{}", row.name);
        }
        if let Reply::FieldValue { field } = row.reply {
            assert!(usize::from(field) < len, "{}", row.name);
        }
    }
}

#[test]
fn sealing_and_refusing_are_said_in_full() {
    for row in table() {
        let touches = row.values != Values::None
            || row.fields != FieldNames::None
            || !matches!(row.reply, Reply::Raw | Reply::Info);
        // What only moves between keys of one scope may touch nothing on its way.
        if !matches!(row.verdict, Verdict::If { .. } | Verdict::Emulate(_)) {
            let sealed = matches!(row.verdict, Verdict::Seal(_) | Verdict::Unless { .. });
            assert_eq!(touches, sealed, "{}: values and verdict disagree", row.name);
        }
        if matches!(row.keys, Keys::None) {
            assert_eq!(row.verdict, Verdict::Pass, "{} has no key to be under a rule", row.name);
        }
        if row.flags.has(Flags::SCRIPT) || matches!(row.keys, Keys::Embedded { .. }) {
            assert!(matches!(row.verdict, Verdict::Refuse(_) | Verdict::Tell), "{}", row.name);
        }
        if row.flags.has(Flags::BLOCKING) {
            assert!(
                matches!(row.lane, Lane::Blocking | Lane::BlockingIfOption | Lane::Wait),
                "{} would hold up a shared lane",
                row.name
            );
        }
        // A destination that is overwritten gets its value from somewhere else or from an argument.
        let overwrites = match row.keys {
            Keys::Two { accesses, .. } => accesses.contains(&Access::Overwrite),
            Keys::Range { access, .. } => access == Access::Overwrite,
            _ => false,
        };
        assert!(!overwrites || row.verdict != Verdict::Pass, "{}", row.name);
    }
}

#[test]
fn arity_counts_as_redis_does() {
    let get = find("get").unwrap();
    assert!(check_arity(get, 2) && !check_arity(get, 1) && !check_arity(get, 3));
    let set = find("set").unwrap();
    assert!(!check_arity(set, 2) && check_arity(set, 3) && check_arity(set, 9));
}

#[test]
fn nothing_prints_an_argument() {
    let words = Words::line("SET session:1 secret");
    let shown = format!("{:?} {:?}", words.request(), words.args());
    assert!(!shown.contains("session") && !shown.contains("secret"), "{shown}");
    let unknown = Words::line("secret secret");
    assert!(!format!("{:?}", unknown.request()).contains("secret"));
}

#[test]
fn every_reason_has_its_words() {
    let mut codes = HashSet::new();
    for &reason in Reason::ALL {
        assert!(codes.insert(reason.code()));
        assert!(!reason.sentence().ends_with('.') && !reason.way_out().ends_with('.'));
    }
}

#[test]
fn docs_commands_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/commands.md");
    let wanted = render_docs();
    if std::env::var_os("WAXSEAL_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "docs/commands.md does not match the table; run WAXSEAL_BLESS=1 cargo test");
}
