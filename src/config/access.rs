//! `[access]`: what clients may run and touch.

use super::encrypt::check_pattern;
use super::source::{Set, Sources};
use super::types::{Access, KeyLists};
use super::words::suggestion;
use crate::command::{Categories, RowSet, Selector, table};

const SECTION: &str = "access";

pub(super) fn read(sources: &mut Sources<'_>) -> Access {
    let mut flag = |name| sources.flag_setting(SECTION, name).is_some_and(|set| set.value);
    let (read_only, monitor) = (flag("read_only"), flag("monitor"));
    let allow = sources.list(SECTION, "allow");
    let deny = sources.list(SECTION, "deny");
    let lists = Lists {
        allow,
        deny,
        keys: sources.list(SECTION, "keys"),
        read_keys: sources.list(SECTION, "read_keys"),
        channels: sources.list(SECTION, "channels"),
    };
    Access { read_only, monitor, ..lists.check(sources) }
}

/// The lists of `[access]` or of an identity, as they were written.
#[derive(Default)]
pub(super) struct Lists {
    pub allow: Option<Set<Vec<String>>>,
    pub deny: Option<Set<Vec<String>>>,
    pub keys: Option<Set<Vec<String>>>,
    pub read_keys: Option<Set<Vec<String>>>,
    pub channels: Option<Set<Vec<String>>>,
}

impl Lists {
    pub fn check(self, sources: &mut Sources<'_>) -> Access {
        for list in [&self.keys, &self.read_keys, &self.channels].into_iter().flatten() {
            for (number, pattern) in list.value.iter().enumerate() {
                check_pattern(sources, &format!("{}[{number}]", list.place), pattern);
            }
        }
        let commands = self.commands(sources);
        let texts = |list: Option<Set<Vec<String>>>| list.map(|set| set.value);
        let keys = match (texts(self.keys), texts(self.read_keys)) {
            (None, None) => None,
            (all, read) => Some(KeyLists { all: all.unwrap_or_default(), read: read.unwrap_or_default() }),
        };
        Access { commands, keys, channels: texts(self.channels), ..Access::default() }
    }

    /// Deny beats allow.
    fn commands(&self, sources: &mut Sources<'_>) -> Option<RowSet> {
        if self.allow.is_none() && self.deny.is_none() {
            return None;
        }
        let allowed = self.allow.as_ref().map_or_else(|| RowSet::of(|_| true), |list| rows(sources, list));
        let denied = self.deny.as_ref().map_or_else(RowSet::none, |list| rows(sources, list));
        Some(allowed.without(&denied))
    }
}

fn rows(sources: &mut Sources<'_>, list: &Set<Vec<String>>) -> RowSet {
    let mut selectors = Vec::with_capacity(list.value.len());
    for (number, word) in list.value.iter().enumerate() {
        match Selector::parse(word) {
            Some(selector) => selectors.push(selector),
            None => sources.fault(
                format!("{}[{number}]", list.place),
                "is neither a command nor a category of commands",
                closest(word),
            ),
        }
    }
    RowSet::selected(&selectors)
}

fn closest(word: &str) -> String {
    let near = match word.strip_prefix('@') {
        Some(name) => suggestion(&name.to_ascii_lowercase(), Categories::names().chain(["all"]))
            .map(|text| text.replace("mean ", "mean @")),
        None => suggestion(&word.to_ascii_lowercase(), table().iter().map(|spec| spec.name)),
    };
    near.unwrap_or_else(|| {
        "write a command as \"get\" or \"client|setname\", a category as \"@read\"; docs/commands.md lists the commands"
            .into()
    })
}
