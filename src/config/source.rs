//! Where settings come from, and their precedence.
//!
//! Job: hand out each setting once, from the command line, else the environment, else the file, and
//! read it as its type; collect every fault on the way; at the end report what nobody asked for.
//! Must never: stop at the first fault, or let an unknown setting pass (it may be a misspelt rule).
//!
//! Typed deserialisation would stop at the first error and could not name the place of a setting that
//! came from the environment, so settings are read by hand from the parsed document.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::{Table, Value};

use super::env::Env;
use super::fault::{Fault, Faults};
use super::types::Warning;
use super::units::{parse_duration, parse_size, show_duration, show_size};
use super::words::{choose, join, one_of, split_list, suggestion, texts};

/// Environment variables whose names begin so are ours.
const ENV_PREFIX: &str = "WAXSEAL_";

/// Who said it. The order is the precedence, lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    File,
    Environment,
    Flag,
}

/// A setting that was found, before it is read as its type.
pub(super) struct Found {
    pub place: String,
    pub origin: Origin,
    value: Value,
}

impl Found {
    pub fn in_file(place: String, value: Value) -> Self {
        Self { place, origin: Origin::File, value }
    }
}

/// A setting read as its type.
pub(super) struct Set<T> {
    pub place: String,
    pub origin: Origin,
    pub value: T,
}

impl<T> Set<T> {
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Set<U> {
        Set { place: self.place, origin: self.origin, value: change(self.value) }
    }
}

pub(super) struct Sources<'a> {
    file: Table,
    env: &'a dyn Env,
    flags: BTreeMap<(&'static str, &'static str), (&'static str, Value)>,
    known_env: BTreeSet<String>,
    known: BTreeMap<&'static str, BTreeSet<&'static str>>,
    pub faults: Vec<Fault>,
    pub warnings: Vec<Warning>,
}

impl<'a> Sources<'a> {
    pub fn new(file: Table, env: &'a dyn Env) -> Self {
        Self {
            file,
            env,
            flags: BTreeMap::new(),
            known_env: BTreeSet::new(),
            known: BTreeMap::new(),
            faults: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Notes a command-line flag that stands for a setting.
    pub fn flag(&mut self, at: (&'static str, &'static str), flag: &'static str, value: Value) {
        self.flags.insert(at, (flag, value));
    }

    pub fn fault(&mut self, place: impl Into<String>, cause: impl Into<String>, mend: impl Into<String>) {
        self.faults.push(Fault::new(place, cause, mend));
    }

    pub fn warn(&mut self, place: impl Into<String>, text: impl Into<String>) {
        self.warnings.push(Warning { place: place.into(), text: text.into() });
    }

    /// An environment variable that is not a setting of the `WAXSEAL_SECTION_SETTING` form.
    pub fn variable(&mut self, name: &str) -> Option<String> {
        self.known_env.insert(name.to_owned());
        let text = self.env.var(name)?.into_string();
        if text.is_err() {
            self.fault(name, "is not valid UTF-8", "set it to plain text");
        }
        // An empty variable is how shells, compose files and templates say "not set".
        text.ok().filter(|text| !text.is_empty())
    }

    /// Takes a setting from its strongest source. `section` is `limits` or `limits.per_connection`.
    pub fn take(&mut self, section: &'static str, name: &'static str) -> Option<Found> {
        self.known.entry(section).or_default().insert(name);
        let in_file = self.take_from_file(section, name);
        let variable = variable_name(section, name);
        let in_env = self.variable(&variable);
        if let Some((flag, value)) = self.flags.remove(&(section, name)) {
            return Some(Found { place: flag.into(), origin: Origin::Flag, value });
        }
        if let Some(text) = in_env {
            return Some(Found { place: variable, origin: Origin::Environment, value: Value::String(text) });
        }
        in_file.map(|value| Found { place: format!("[{section}] {name}"), origin: Origin::File, value })
    }

    /// The tables of a list, such as `encrypt` or `limits.rate`.
    pub fn take_tables(&mut self, name: &'static str) -> Vec<Table> {
        self.known.entry(name).or_default();
        let mut tables = Vec::new();
        let list = match name.rsplit_once('.') {
            None => self.file.remove(name),
            Some((section, list)) => {
                self.known.entry(section).or_default().insert(list);
                self.take_from_file(section, list)
            }
        };
        match list {
            None => {}
            Some(Value::Array(items)) if items.iter().all(Value::is_table) => {
                tables.extend(items.into_iter().filter_map(|item| match item {
                    Value::Table(table) => Some(table),
                    _ => None,
                }));
            }
            Some(_) => self.fault(
                format!("[[{name}]]"),
                "must be a list of tables",
                format!("write [[{name}]] with two brackets, once for each"),
            ),
        }
        tables
    }

    /// Whether any source has this setting.
    pub fn has(&self, section: &'static str, name: &'static str) -> bool {
        let variable = self.env.var(&variable_name(section, name));
        let in_file = self.file.get(section).and_then(Value::as_table);
        self.flags.contains_key(&(section, name))
            || variable.is_some_and(|text| !text.is_empty())
            || in_file.is_some_and(|table| table.contains_key(name))
    }

    /// Whether a fault was already found at a place that has one of these words in it.
    pub fn faulty(&self, one: &str, other: &str) -> bool {
        self.faults.iter().any(|fault| fault.place.contains(one) || fault.place.contains(other))
    }

    pub fn text(&mut self, section: &'static str, name: &'static str) -> Option<Set<String>> {
        let found = self.take(section, name)?;
        self.read(found, "text in quotes", |value| value.as_str().map(str::to_owned))
    }

    pub fn flag_setting(&mut self, section: &'static str, name: &'static str) -> Option<Set<bool>> {
        let found = self.take(section, name)?;
        self.read(found, "true or false", |value| match value {
            Value::Boolean(value) => Some(*value),
            Value::String(text) => match text.as_str() {
                "true" | "1" => Some(true),
                "false" | "0" => Some(false),
                _ => None,
            },
            _ => None,
        })
    }

    pub fn list(&mut self, section: &'static str, name: &'static str) -> Option<Set<Vec<String>>> {
        let found = self.take(section, name)?;
        self.as_list(found)
    }

    pub fn as_list(&mut self, found: Found) -> Option<Set<Vec<String>>> {
        let from_env = found.origin == Origin::Environment;
        self.read(found, "a list of texts", |value| match value {
            Value::String(text) if from_env => Some(split_list(text)),
            _ => texts(value),
        })
    }

    pub fn count(
        &mut self,
        section: &'static str,
        name: &'static str,
        bounds: RangeInclusive<u64>,
    ) -> Option<Set<u64>> {
        let found = self.take(section, name)?;
        self.as_count(found, bounds)
    }

    pub fn as_count(&mut self, found: Found, bounds: RangeInclusive<u64>) -> Option<Set<u64>> {
        let wanted = format!("a whole number from {} to {}", bounds.start(), bounds.end());
        self.read(found, &wanted, |value| whole(value)?.parse().ok().filter(|n| bounds.contains(n)))
    }

    pub fn size(&mut self, section: &'static str, name: &'static str, bounds: RangeInclusive<u64>) -> Option<u64> {
        let found = self.take(section, name)?;
        self.as_size(found, bounds).map(|set| set.value)
    }

    pub fn as_size(&mut self, found: Found, bounds: RangeInclusive<u64>) -> Option<Set<u64>> {
        let wanted =
            format!("a size from {} to {}, such as \"64mb\"", show_size(*bounds.start()), show_size(*bounds.end()));
        self.read(found, &wanted, |value| parse_size(&whole(value)?).filter(|n| bounds.contains(n)))
    }

    pub fn duration(
        &mut self,
        section: &'static str,
        name: &'static str,
        bounds: RangeInclusive<Duration>,
    ) -> Option<Set<Duration>> {
        let found = self.take(section, name)?;
        self.as_duration(found, bounds)
    }

    pub fn as_duration(&mut self, found: Found, bounds: RangeInclusive<Duration>) -> Option<Set<Duration>> {
        let wanted = format!(
            "a time with its unit from {} to {}, such as \"250ms\", \"1s\" or \"5m\"",
            show_duration(*bounds.start()),
            show_duration(*bounds.end())
        );
        self.read(found, &wanted, |value| parse_duration(value.as_str()?).filter(|time| bounds.contains(time)))
    }

    pub fn choice<T: Copy>(
        &mut self,
        section: &'static str,
        name: &'static str,
        choices: &[(&str, T)],
    ) -> Option<Set<T>> {
        let found = self.take(section, name)?;
        self.as_choice(found, choices)
    }

    pub fn as_choice<T: Copy>(&mut self, found: Found, choices: &[(&str, T)]) -> Option<Set<T>> {
        let wanted = one_of(choices);
        self.read(found, &wanted, |value| choose(value, choices))
    }

    /// Ends the reading: whatever is left was not understood.
    pub fn finish(mut self) -> Result<Vec<Warning>, Faults> {
        for (name, value) in std::mem::take(&mut self.file) {
            self.unknown_in_file(&name, &value);
        }
        let unknown: Vec<String> = self
            .env
            .names()
            .into_iter()
            .filter(|name| name.starts_with(ENV_PREFIX))
            .filter(|name| !self.known_env.contains(name) && !made_by_kubernetes(name))
            .collect();
        for name in unknown {
            let mend = suggestion(&name, self.known_env.iter().map(String::as_str))
                .unwrap_or_else(|| "unset it; docs name every WAXSEAL_ variable".into());
            self.fault(name, "is not a setting", mend);
        }
        if self.faults.is_empty() { Ok(self.warnings) } else { Err(Faults(self.faults)) }
    }

    fn unknown_in_file(&mut self, section: &str, value: &Value) {
        match (self.known.get(section).cloned(), value) {
            (Some(names), Value::Table(table)) => {
                for name in table.keys() {
                    let place = format!("[{section}] {name}");
                    let nested = format!("{section}.{name}");
                    if table[name].is_table() && self.known.contains_key(nested.as_str()) {
                        self.unknown_in_file(&nested, &table[name]);
                        continue;
                    }
                    let mend = if self.known.contains_key(nested.as_str()) {
                        format!("make it a table with {}", join(self.known[nested.as_str()].iter().copied()))
                    } else if nested == "upstream.password" {
                        "put it in WAXSEAL_UPSTREAM_PASSWORD, or in a file named by \
                         WAXSEAL_UPSTREAM_PASSWORD_FILE"
                            .into()
                    } else {
                        suggestion(name, names.iter().copied())
                            .unwrap_or_else(|| format!("remove it; [{section}] has {}", join(names.iter().copied())))
                    };
                    self.fault(place, "is not a setting", mend);
                }
            }
            (Some(_), _) => self.fault(
                format!("[{section}]"),
                "must be a table",
                format!("write [{section}] on a line of its own and the settings below it"),
            ),
            (None, _) => {
                let sections = || self.known.keys().copied().filter(|one| !one.contains('.'));
                let mend = suggestion(section, sections())
                    .unwrap_or_else(|| format!("remove it; there are {}", join(sections())));
                self.fault(format!("[{section}]"), "is not a section", mend);
            }
        }
    }

    fn take_from_file(&mut self, section: &str, name: &str) -> Option<Value> {
        let mut table = &mut self.file;
        for part in section.split('.') {
            table = table.get_mut(part)?.as_table_mut()?;
        }
        table.remove(name)
    }

    fn read<T>(&mut self, found: Found, wanted: &str, parse: impl FnOnce(&Value) -> Option<T>) -> Option<Set<T>> {
        let Some(value) = parse(&found.value) else {
            self.fault(found.place, "is not understood", format!("set it to {wanted}"));
            return None;
        };
        Some(Set { place: found.place, origin: found.origin, value })
    }
}

fn variable_name(section: &str, name: &str) -> String {
    format!("{ENV_PREFIX}{section}_{name}").replace('.', "_").to_uppercase()
}

/// A number as text, whether it was written as text (environment) or as a number (file).
fn whole(value: &Value) -> Option<String> {
    match value {
        Value::Integer(number) => Some(number.to_string()),
        Value::String(text) => Some(text.trim().to_owned()),
        _ => None,
    }
}

/// Kubernetes gives every pod of a namespace variables for each service in it; a service called
/// `waxseal` makes these.
fn made_by_kubernetes(name: &str) -> bool {
    let name = &name[ENV_PREFIX.len()..];
    name.starts_with("SERVICE_") || name == "PORT" || name.starts_with("PORT_")
}
