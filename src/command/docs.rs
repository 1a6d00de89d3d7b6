//! docs/commands.md, written from THE TABLE.
//!
//! Job: render what a user wants to know of each command. In: the rows. Out: Markdown.
//! A test compares it with the file; `WAXSEAL_BLESS=1 cargo test` rewrites the file.

use std::fmt::Write;

use super::{
    Computed, Document, FieldNames, Grammar, Keys, Lane, Method, Move, Reason, Reply, Spec, Values, Verdict, Wanted,
    When, groups, table,
};

const INTRODUCTION: &str = "\
# Commands

What Waxseal does with each command. Written from the table in `src/command/table/`; do not edit.

Names of keys are never encrypted, nor stream ids, names of stream fields, scores and coordinates; names of
hash fields only if the rule says so. On a key that no rule matches every command passes unchanged, except
those that run nowhere (`never`) or are answered by Waxseal.

Keys of one scope are keys that share a derived key: always a key with itself; under `scope = \"tag\"` keys
with the same `{tag}`, under `scope = \"rule\"` all keys of the rule.

Where Redis orders members of equal score by the member (ZRANGE, ZRANK, ZPOPMIN and their like), the order
of an encrypted sorted set is that of the ciphertexts: always the same, but another one. MATCH with SSCAN
and ZSCAN (and with HSCAN where names of fields are encrypted) is looked at by Waxseal; the database gets
no pattern.

OBJECT ENCODING, MEMORY USAGE and the sizes in XINFO STREAM tell of what is stored, which is ciphertext.

In a JSON document only what stands at the rule's `json` paths is encrypted, and each value there as a whole.

A command that takes a value (GETDEL, LPOP, BLPOP, SPOP, ZPOPMIN ...) has taken it even if it does not open.

As soon as there is any rule, a command that is not listed is refused, because it could run code, and so
is one whose arguments cannot be understood. Where scripts are trusted, an unlisted command is refused
only if one of its arguments could be a key under a rule.

A script or function may build the name of a key that it does not declare, so as soon as there is any
rule only those scripts run that are proven to touch none but the keys they declare, and those functions
that `[scripts] functions` names, unless the configuration says `[scripts] undeclared_keys = \"trust\"`.
Queries of a search index read keys that their arguments do not name, and are refused likewise: as soon as
there is any rule. SORT with a pattern after BY or GET does so, too; Waxseal carries it out where the pattern
may name keys under a rule, and asks for them by their names, which hold the elements in clear. It compares
texts by their bytes, as a server does in the locale C, and reads numbers as Redis 7.0 does.

## Runs on

| | |
|---|---|
| shared | an upstream connection that many clients share, in each client's order |
| local | nothing: Waxseal answers, because the answer is about the client's own connection, or would lead it past Waxseal |
| transaction | a connection of the client's own, from WATCH or MULTI to EXEC, DISCARD or UNWATCH |
| blocking | a connection of the client's own while it waits |
| blocking if BLOCK | shared; blocking if that option is given |
| behind its writes | the connection that carried the client's writes |
| subscribing | a connection of the client's own while it is subscribed |
| monitor | a connection of the client's own; needs a grant, shows ciphertext |
| exclusive | a connection that is closed afterwards |
| never | nowhere |
";

/// The whole of docs/commands.md.
#[must_use]
pub fn render() -> String {
    let mut out = String::from(INTRODUCTION);
    out.push_str("\n## Why a command is refused\n");
    for &reason in Reason::ALL {
        paragraph(
            &mut out,
            &format!("### {}\n\n{}.\nInstead: {}.", reason.code(), capital(reason.sentence()), reason.way_out()),
        );
    }
    let never: Vec<&Spec> = table().iter().filter(|row| matches!(row.lane, Lane::Never(_))).collect();
    paragraph(&mut out, "### never\n\nRefused on every key:\n");
    for row in never {
        if let Lane::Never(reason) = row.lane {
            line(&mut out, &format!("- `{}`: {reason}.", shown(row.name)));
        }
    }
    for group in groups() {
        paragraph(&mut out, &format!("## {}", group.title));
        if !group.servers.is_empty() {
            paragraph(&mut out, &format!("{}.", group.servers));
        }
        paragraph(&mut out, "| command | runs on | on an encrypted key |\n|---|---|---|");
        for row in group.rows.iter().filter(|row| !row.is_container()) {
            line(&mut out, &format!("| `{}` | {} | {} |", shown(row.name), lane(row.lane), on_rule(row)));
        }
    }
    out
}

fn paragraph(out: &mut String, text: &str) {
    line(out, "");
    line(out, text);
}

fn line(out: &mut String, text: &str) {
    // Writing to a String does not fail.
    let _ = writeln!(out, "{text}");
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// `client|setname` as people write it.
fn shown(name: &str) -> String {
    name.replace('|', " ").to_uppercase()
}

fn lane(lane: Lane) -> &'static str {
    match lane {
        Lane::Shared => "shared",
        Lane::Local => "local",
        Lane::Transaction => "transaction",
        Lane::Blocking => "blocking",
        Lane::BlockingIfOption => "blocking if BLOCK",
        Lane::Wait => "behind its writes",
        Lane::Subscribe => "subscribing",
        Lane::Monitor => "monitor",
        Lane::Exclusive => "exclusive",
        Lane::Never(_) => "[never](#never)",
    }
}

/// What happens when one of the command's keys is under a rule, for people.
#[must_use]
pub fn on_rule(row: &Spec) -> String {
    match row.verdict {
        Verdict::Refuse(reason @ Reason::UnnamedKeys) => {
            format!("refused as soon as there is any rule: [{0}](#{0})", reason.code())
        }
        Verdict::Refuse(reason) => format!("refused: [{0}](#{0})", reason.code()),
        Verdict::Emulate(method) => {
            let passes = if row.computes_on_a_field() { PASSES_IN_CLEAR } else { "" };
            format!("{}{passes}", emulated(method))
        }
        Verdict::Document(what) => {
            format!("{}; refused without `json` in the rule: [{1}](#{1})", document(what), Reason::NoPaths.code())
        }
        Verdict::Tell => "answered here, from this table".into(),
        Verdict::Seal(grammar) => sealed(row, grammar),
        Verdict::Unless { grammar, words, instead } => {
            format!("{}; with {}: {}", sealed(row, grammar), words.words.join(", "), emulated(instead))
        }
        Verdict::If { when, grammar, otherwise } => {
            let sealed = sealed(row, grammar);
            let sealed = if sealed.is_empty() { "passes".to_owned() } else { sealed };
            let asks = match when {
                When::OneScope => "only between keys of one scope".to_owned(),
                When::Without(words) => {
                    format!("only between keys of one scope and without {}", words.words.join(", "))
                }
                When::WideScope => "only under scope `tag` or `rule`, and between keys of one scope".to_owned(),
                When::ListElements => "only if the rule's `deterministic` has `list-elements`".to_owned(),
            };
            match otherwise {
                None => format!("{sealed}; {asks}, else refused: [{0}](#{0})", when.reason().code()),
                Some(method) => format!("{sealed}; {asks}, else {}", emulated(method)),
            }
        }
        Verdict::Pass => match (row.lane, row.keys, row.reply) {
            (Lane::Never(_), ..) => "refused".to_owned(),
            (_, _, Reply::Info) => {
                "no key; the replication section is rewritten, and a section `waxseal` added".to_owned()
            }
            (Lane::Subscribe, ..) => "passes; messages are decrypted".to_owned(),
            (_, Keys::None, _) => "no key".to_owned(),
            _ => "passes".to_owned(),
        },
    }
}

fn emulated(method: Method) -> &'static str {
    match method {
        Method::Change(_) => "read, changed by Waxseal and written back if it is still the same",
        Method::Read(Computed::Matching(_)) => "what matches is picked by Waxseal, decrypted",
        Method::Read(_) => "worked out by Waxseal on all that is stored, decrypted",
        Method::Common => "read and worked out by Waxseal",
        Method::Bits => "read, worked out by Waxseal and stored under a destination under a rule",
        Method::Conditional(_) => "compared by Waxseal, done if it is still the same, on a server that has it",
        Method::Search(_) | Method::Cut => "read, looked through by Waxseal and changed if it is still the same",
        Method::Move(Move::Element { waits: true, .. }) => {
            "waits in the database, then sealed anew by Waxseal for a destination under a rule"
        }
        Method::Move(_) => "read and sealed anew by Waxseal for a destination under a rule",
        Method::Sort => {
            "read, put in order by Waxseal, and with STORE sealed for a destination under a rule; so it is, too, where BY or \
             GET may name keys under a rule"
        }
        Method::Combine(combine) => match combine.wanted {
            Wanted::Stored => "read, worked out by Waxseal and stored under a destination under a rule",
            Wanted::Members | Wanted::Count => "read and worked out by Waxseal",
        },
    }
}

const PASSES_IN_CLEAR: &str = "; passes on a field that the rule's `fields` leave in clear";

fn document(what: Document) -> &'static str {
    match what {
        Document::Set => "encrypts what is at the rule's paths; options: NX XX",
        Document::Merge => "encrypts what is at the rule's paths, but refuses an object there",
        Document::SetEach | Document::Elements { .. } => "encrypts what is at the rule's paths",
        Document::Get => "decrypts what is at the rule's paths; options: INDENT NEWLINE SPACE NOESCAPE",
        Document::GetEach | Document::Pop => "decrypts what is at the rule's paths",
        Document::Remove => "passes, but not with a path into an encrypted value",
        Document::Here { .. } => "passes, but not with a path to an encrypted value",
        Document::Deep { .. } => "passes, but not with a path to what is or holds an encrypted value",
    }
}

fn sealed(row: &Spec, grammar: Grammar) -> String {
    let what = match row.values {
        Values::None => None,
        Values::At(_) | Values::FieldValue { .. } => Some("encrypts the value"),
        Values::KeyPairs
        | Values::SecondsFrom(_)
        | Values::FieldPairs { .. }
        | Values::From(_)
        | Values::Elements { .. }
        | Values::PairsAtStart
        | Values::KeyPairsToStart => Some("encrypts the values"),
        Values::Members { .. } | Values::GroupedMembers { .. } | Values::MemberAtStart => Some("encrypts the members"),
        Values::Hashed { .. } => Some("replaces the elements by keyed hashes"),
        Values::Message { .. } => Some("encrypts the message"),
        Values::Payload(_) => Some(
            "takes only what DUMP gave of a key of the same scope (under scope `tag`, also of the same rule), and decrypts it",
        ),
    };
    let reply = match row.reply {
        Reply::Raw | Reply::Info => None,
        Reply::Computed(_) => Some("worked out by Waxseal on the decrypted value"),
        Reply::Payload => Some("encrypts the reply as a whole"),
        Reply::FieldMapValues => Some("decrypts the reply, asked as HGETALL"),
        _ => Some("decrypts the reply"),
    };
    let names = match row.fields {
        FieldNames::None => None,
        _ => Some("names of fields encrypted, too, if the rule says so"),
    };
    let mut text: Vec<&str> = what.into_iter().chain(reply).chain(names).collect();
    let options = grammar.options();
    let options = (!options.is_empty()).then(|| format!("options: {options}"));
    text.extend(options.as_deref());
    text.join("; ") + if row.computes_on_a_field() { PASSES_IN_CLEAR } else { "" }
}
