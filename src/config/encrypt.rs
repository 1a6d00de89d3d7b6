//! `[[encrypt]]`: the rules. Those of the environment and of the command line come behind those of the
//! file: they protect more keys, and never take a key away from a rule of the file.

use toml::{Table, Value};

use super::defaults::{MAX_ID, MAX_PATTERN, MAX_PATTERNS};
use super::source::Sources;
use super::types::{Deterministic, EncryptRule, RuleScripts, Scope};
use super::words::{choose, join, one_of, split_list, suggestion, texts};
use crate::command::SealedPaths;

const SECTION: &str = "encrypt";
const VARIABLE: &str = "WAXSEAL_ENCRYPT";
const SETTINGS: [&str; 10] =
    ["id", "keys", "except", "scope", "channels", "fields", "deterministic", "json", "scripts", "emulate"];
const SCOPES: [(&str, Scope); 3] = [("key", Scope::Key), ("tag", Scope::Tag), ("rule", Scope::Rule)];
const SCRIPTS: [(&str, RuleScripts); 2] = [("refuse", RuleScripts::Refuse), ("ciphertext", RuleScripts::Ciphertext)];

pub(super) fn read(sources: &mut Sources<'_>, flags: &[String]) -> Vec<EncryptRule> {
    let mut rules: Vec<EncryptRule> = Vec::new();
    for (index, table) in sources.take_tables(SECTION).into_iter().enumerate() {
        let rule = from_table(sources, index + 1, table);
        if !rule.id.is_empty() && rules.iter().any(|other| other.id == rule.id) {
            sources.fault(
                format!("[[encrypt]] #{} id", index + 1),
                "is the id of an earlier rule",
                "give each rule an id of its own",
            );
        }
        rules.push(rule);
    }
    if let Some(text) = sources.variable(VARIABLE) {
        let patterns = split_list(&text);
        short(sources, &mut rules, VARIABLE, "env", &patterns);
    }
    short(sources, &mut rules, "--encrypt", "cli", flags);

    let total: usize = rules.iter().map(patterns_of).sum();
    if total > MAX_PATTERNS {
        sources.fault(
            "[[encrypt]]",
            format!("there are {total} patterns"),
            format!("use at most {MAX_PATTERNS}; a star covers many keys at once"),
        );
    }
    warn(sources, &rules);
    rules
}

fn from_table(sources: &mut Sources<'_>, number: usize, mut table: Table) -> EncryptRule {
    let mut place = format!("[[encrypt]] #{number}");
    let id = match table.remove("id") {
        Some(Value::String(id)) if is_id(&id) => {
            place = format!("{place} (id '{id}')");
            id
        }
        Some(_) => {
            sources.fault(
                format!("{place} id"),
                "is not an id",
                format!("use from 1 to {MAX_ID} letters, digits, '.', '_' and '-'"),
            );
            String::new()
        }
        None => {
            sources.fault(
                format!("{place} id"),
                "is missing",
                "name the rule, and never change the name: values of scope \"rule\" are bound to it",
            );
            String::new()
        }
    };
    let keys = patterns(sources, &mut table, &place, "keys");
    if keys.as_ref().is_none_or(Vec::is_empty) {
        sources.fault(
            format!("{place} keys"),
            "is missing or empty",
            "list the key patterns to encrypt, such as keys = [\"session:*\"]",
        );
    }
    let except = patterns(sources, &mut table, &place, "except").unwrap_or_default();
    let scope = match table.remove("scope") {
        None => Scope::Key,
        Some(value) => choose(&value, &SCOPES).unwrap_or_else(|| {
            let mend = format!("set it to {}", one_of(&SCOPES));
            sources.fault(format!("{place} scope"), "is not understood", mend);
            Scope::Key
        }),
    };
    // Unlike `keys` it may be empty: messages then pass in clear.
    let channels = patterns(sources, &mut table, &place, "channels");
    let fields = patterns(sources, &mut table, &place, "fields");
    if fields.as_ref().is_some_and(Vec::is_empty) {
        sources.fault(
            format!("{place} fields"),
            "is empty, so that hashes and streams would be stored in clear",
            "name the fields to encrypt, or remove it to encrypt all",
        );
    }
    let deterministic = deterministic(sources, &mut table, &place);
    if deterministic.field_names && fields.is_some() {
        sources.fault(
            format!("{place} fields"),
            "does not go with \"field-names\" in deterministic: a name that is encrypted cannot be told from others",
            "use one of them; two rules can have one each",
        );
    }
    let json = json_paths(sources, &mut table, &place);
    let scripts = match table.remove("scripts") {
        None => RuleScripts::Refuse,
        Some(value) => choose(&value, &SCRIPTS).unwrap_or_else(|| {
            let mend = format!("set it to {}", one_of(&SCRIPTS));
            sources.fault(format!("{place} scripts"), "is not understood", mend);
            RuleScripts::Refuse
        }),
    };
    let refuses_computing = match table.remove("emulate") {
        None => false,
        Some(Value::Boolean(emulate)) => !emulate,
        Some(_) => {
            sources.fault(format!("{place} emulate"), "is not understood", "set it to true or false");
            false
        }
    };
    for name in table.keys() {
        let mend = suggestion(name, SETTINGS.into_iter())
            .unwrap_or_else(|| format!("remove it; a rule has {}", join(SETTINGS.into_iter())));
        sources.fault(format!("{place} {name}"), "is not a setting", mend);
    }
    let keys = keys.unwrap_or_default();
    EncryptRule { id, keys, except, scope, channels, fields, deterministic, json, scripts, refuses_computing }
}

fn patterns_of(rule: &EncryptRule) -> usize {
    let optional = [&rule.channels, &rule.fields].into_iter().flatten();
    rule.keys.len() + rule.except.len() + optional.map(Vec::len).sum::<usize>()
}

fn deterministic(sources: &mut Sources<'_>, table: &mut Table, place: &str) -> Deterministic {
    let mut chosen = Deterministic::default();
    let Some(value) = table.remove("deterministic") else { return chosen };
    let words = texts(&value);
    let known = words.iter().flatten().all(|word| match &**word {
        "field-names" => {
            chosen.field_names = true;
            true
        }
        "list-elements" => {
            chosen.list_elements = true;
            true
        }
        _ => false,
    });
    if words.is_none() || !known {
        sources.fault(
            format!("{place} deterministic"),
            "is not understood",
            "list what is to be found by equality: \"field-names\", \"list-elements\" or both",
        );
    }
    chosen
}

/// A list of patterns; `None` if it is not there. A list that is not one is reported and counts as
/// one pattern, so that it is not called empty as well.
fn patterns(sources: &mut Sources<'_>, table: &mut Table, place: &str, name: &str) -> Option<Vec<String>> {
    let value = table.remove(name)?;
    let Some(patterns) = texts(&value) else {
        sources.fault(
            format!("{place} {name}"),
            "is not a list of texts",
            format!("write it in brackets, as in {name} = [\"session:*\"]"),
        );
        return Some(vec![String::new()]);
    };
    for (number, pattern) in patterns.iter().enumerate() {
        check_pattern(sources, &format!("{place} {name}[{number}]"), pattern);
    }
    Some(patterns)
}

/// `json`: what to encrypt in JSON documents.
fn json_paths(sources: &mut Sources<'_>, table: &mut Table, place: &str) -> Option<SealedPaths> {
    let value = table.remove("json")?;
    let mut fault = |place: String, cause, mend: &str| sources.fault(place, cause, mend);
    let Some(paths) = texts(&value).filter(|paths| !paths.is_empty()) else {
        fault(
            format!("{place} json"),
            "is not a list of paths",
            "write it as in json = [\"$.ssn\", \"$.cards[*].number\"]",
        );
        return None;
    };
    match SealedPaths::new(&paths) {
        Ok(paths) => Some(paths),
        Err((number, cause, mend)) => {
            fault(format!("{place} json[{number}]"), cause, mend);
            None
        }
    }
}

/// Rules without a table: one for each pattern, with scope `key`, which does not depend on the id.
fn short(sources: &mut Sources<'_>, rules: &mut Vec<EncryptRule>, place: &str, prefix: &str, patterns: &[String]) {
    for (number, pattern) in patterns.iter().enumerate() {
        check_pattern(sources, &format!("{place} #{}", number + 1), pattern);
        let mut id = format!("{prefix}-{}", number + 1);
        while rules.iter().any(|rule| rule.id == id) {
            id.push('x');
        }
        rules.push(EncryptRule { id, keys: vec![pattern.clone()], ..EncryptRule::default() });
    }
}

fn is_id(id: &str) -> bool {
    (1..=MAX_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// To Redis every text is a pattern; what cannot have been meant is refused, because a rule that
/// matches nothing leaves the keys in clear.
pub(super) fn check_pattern(sources: &mut Sources<'_>, place: &str, pattern: &str) {
    let wrong = match pattern_fault(pattern.as_bytes()) {
        _ if pattern.is_empty() => Some(("is empty", "remove it, or name keys")),
        _ if pattern.len() > MAX_PATTERN => Some(("is longer than 1024 bytes", "shorten it with a star")),
        wrong => wrong,
    };
    if let Some((cause, mend)) = wrong {
        sources.fault(place, cause, mend);
    }
}

fn pattern_fault(mut rest: &[u8]) -> Option<(&'static str, &'static str)> {
    let mut in_class = false;
    let mut class_is_empty = false;
    loop {
        (in_class, rest) = match (in_class, rest) {
            (true, []) => {
                return Some((
                    "has a [ that is never closed",
                    "close it with ], or write \\[ for the character itself",
                ));
            }
            (false, []) => return None,
            (_, [b'\\']) => {
                return Some(("ends with a backslash", "write \\\\ for the character itself"));
            }
            (true, [b']', ..]) if class_is_empty => {
                return Some((
                    "has [] in it, which no key matches",
                    "list the characters between the brackets, or write \\[\\]",
                ));
            }
            (true, [b']', tail @ ..]) => (false, tail),
            (false, [b'[', b'^', tail @ ..]) => (true, tail),
            (false, [b'[', tail @ ..]) => {
                class_is_empty = true;
                (true, tail)
            }
            (inside, [b'\\', _, tail @ ..]) => {
                class_is_empty = false;
                (inside, tail)
            }
            (true, [_, b'-', _, tail @ ..]) => {
                class_is_empty = false;
                (true, tail)
            }
            (inside, [_, tail @ ..]) => {
                class_is_empty = false;
                (inside, tail)
            }
        };
    }
}

fn warn(sources: &mut Sources<'_>, rules: &[EncryptRule]) {
    if rules.is_empty() {
        sources.warn(
            "[[encrypt]]",
            "there is no rule: NOTHING IS ENCRYPTED, every value is stored in clear; add one, or \
             --encrypt 'PATTERN'",
        );
    }
    for (at, rule) in rules.iter().enumerate() {
        let covers_all = rule.keys.iter().any(|key| !key.is_empty() && key.bytes().all(|b| b == b'*'));
        if !covers_all {
            continue;
        }
        let later = rules.len() - at - 1;
        let mut text = format!(
            "rule '{}' covers every key, also those of queues, locks and scripts; what cannot be done \
             on encrypted values is refused there",
            rule.id
        );
        if later > 0 && rule.except.is_empty() {
            text += "; the rules behind it are never reached";
        }
        sources.warn("[[encrypt]]", text);
    }
}
