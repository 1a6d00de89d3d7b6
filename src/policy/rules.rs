//! Which encryption rule a key falls under.
//!
//! Job: hold the rules in their order and find the first whose patterns match a key and whose `except`
//! patterns do not.
//! Inputs: rules from the configuration, once; then keys and channel names. Output: a rule, or none.
//! Must never: try all patterns for a key. Patterns are indexed by the literal bytes that every match
//! begins or ends with, so that ten thousand of them cost about what one does; only patterns with
//! neither (`*` or `*x*`) are tried one by one.

mod index;

use std::sync::Arc;

use super::glob::Glob;
use crate::command::SealedPaths;
pub(super) use index::PatternIndex;

/// What a derived key is bound to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// One derived key per Redis key.
    #[default]
    Key,
    /// One per `{tag}`.
    Tag,
    /// One for the whole rule.
    Rule,
}

/// What a rule seals deterministically beside members: equal ones look equal, so that the server finds them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deterministic {
    /// Names of hash fields, which are in clear otherwise.
    pub field_names: bool,
    /// Elements of lists, which are sealed at random otherwise.
    pub list_elements: bool,
}

/// What a script may do with keys of a rule, if no library is known to have it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScriptMode {
    #[default]
    Refuse,
    /// See and move ciphertext, store nothing of its own.
    Ciphertext,
}

/// A rule as it comes from the configuration.
#[derive(Clone, Default)]
pub struct RuleSource {
    pub id: String,
    pub keys: Vec<Vec<u8>>,
    pub except: Vec<Vec<u8>>,
    pub scope: Scope,
    /// Patterns of pub/sub channels; without them those of the keys, less `except`.
    pub channels: Option<Vec<Vec<u8>>>,
    /// Patterns of the fields of hashes and streams whose values are sealed; without them all are.
    pub fields: Option<Vec<Vec<u8>>>,
    pub deterministic: Deterministic,
    /// What to seal in JSON documents.
    pub json: Option<SealedPaths>,
    pub scripts: ScriptMode,
    /// `emulate = false`: what computes on a sealed value is refused.
    pub refuses_computing: bool,
}

/// A rule ready for matching.
#[derive(Debug)]
pub struct Rule {
    /// Names the rule for good: values in scope `rule` are bound to it.
    pub id: Arc<str>,
    /// Its place in the configuration, from 0.
    pub index: usize,
    pub scope: Scope,
    /// `None`: all of them.
    pub fields: Option<Arc<Fields>>,
    pub deterministic: Deterministic,
    /// What is sealed in JSON documents; none: they are refused.
    pub json: Option<Arc<SealedPaths>>,
    pub scripts: ScriptMode,
    pub refuses_computing: bool,
    keys: Box<[Glob]>,
    except: PatternIndex,
    /// Whether it names its channels apart, so that `except` does not concern them.
    names_channels: bool,
}

/// The fields of hashes and streams whose values a rule seals; those of other fields are in clear.
#[derive(Debug)]
pub struct Fields {
    patterns: Vec<Vec<u8>>,
    index: PatternIndex,
}

/// All rules, indexed for look-up.
#[derive(Debug)]
pub struct RuleSet {
    rules: Vec<Rule>,
    index: PatternIndex,
    /// `None`: no rule names channels, so those of the keys' patterns it is.
    channels: Option<PatternIndex>,
    /// Every pattern, as its rule and its number there, in the order of the literal bytes that it begins with.
    by_beginning: Box<[(usize, usize)]>,
    /// The longest of these.
    longest_beginning: usize,
}

impl RuleSet {
    /// Compiles the rules. Their order is their precedence.
    pub fn new(sources: Vec<RuleSource>) -> Self {
        let channels = sources.iter().any(|source| source.channels.is_some()).then(|| {
            let named = |(index, source): (usize, &RuleSource)| -> Vec<(Glob, usize)> {
                let patterns = source.channels.as_ref().unwrap_or(&source.keys);
                patterns.iter().map(|pattern| (Glob::new(pattern), index)).collect()
            };
            PatternIndex::new(sources.iter().enumerate().flat_map(named))
        });
        let rules: Vec<Rule> = sources
            .into_iter()
            .enumerate()
            .map(|(index, source)| Rule {
                id: source.id.into(),
                index,
                scope: source.scope,
                json: source.json.map(Arc::new),
                scripts: source.scripts,
                refuses_computing: source.refuses_computing,
                keys: source.keys.iter().map(|key| Glob::new(key)).collect(),
                fields: source.fields.map(|patterns| Arc::new(Fields::new(patterns))),
                deterministic: source.deterministic,
                names_channels: source.channels.is_some(),
                except: PatternIndex::new(source.except.iter().map(|key| (Glob::new(key), 0))),
            })
            .collect();
        let index =
            PatternIndex::new(rules.iter().flat_map(|rule| rule.keys.iter().map(|glob| (glob.clone(), rule.index))));
        let glob = |&(rule, pattern): &(usize, usize)| &rules[rule].keys[pattern];
        let numbers = |rule: &Rule| (0..rule.keys.len()).map(move |pattern| (rule.index, pattern)).collect::<Vec<_>>();
        let mut by_beginning: Box<[_]> = rules.iter().flat_map(numbers).collect();
        by_beginning.sort_by_key(|at| glob(at).literal_prefix());
        let longest_beginning = by_beginning.iter().map(|at| glob(at).literal_prefix().len()).max().unwrap_or(0);
        Self { index, channels, by_beginning, longest_beginning, rules }
    }

    /// The first rule that covers `key`.
    #[inline]
    pub fn find(&self, key: &[u8]) -> Option<&Rule> {
        if self.rules.is_empty() {
            return None;
        }
        self.index.first(key, |owner| !self.rules[owner].excepts(key)).map(|owner| &self.rules[owner])
    }

    /// The first rule that covers a pub/sub channel of this name.
    #[inline]
    pub fn find_channel(&self, name: &[u8]) -> Option<&Rule> {
        let Some(channels) = &self.channels else { return self.find(name) };
        let covers = |owner: usize| self.rules[owner].names_channels || !self.rules[owner].excepts(name);
        channels.first(name, covers).map(|owner| &self.rules[owner])
    }

    /// The rules that may cover some key that begins with `start`, by their patterns alone: in any order, and one for each
    /// of its patterns.
    pub fn that_may_cover<'a>(&'a self, start: &'a [u8]) -> impl Iterator<Item = &'a Rule> {
        let glob = |at: &(usize, usize)| &self.rules[at.0].keys[at.1];
        let from = move |literal: &[u8]| {
            let first = self.by_beginning.partition_point(|at| glob(at).literal_prefix() < literal);
            self.by_beginning[first..].iter()
        };
        // What every match begins with is a part of `start`, or `start` is a part of it.
        let shorter = (0..start.len().min(self.longest_beginning + 1)).flat_map(move |length| {
            let literal = &start[..length];
            from(literal).take_while(move |at| glob(at).literal_prefix() == literal)
        });
        let longer = from(start).take_while(move |at| glob(at).literal_prefix().starts_with(start));
        shorter.chain(longer).filter(move |at| glob(at).may_begin_with(start)).map(|at| &self.rules[at.0])
    }

    /// Whether there is no rule at all, that is: nothing is encrypted.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The rules in their order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }
}

impl Default for RuleSet {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl Rule {
    /// Whether an `except` pattern takes `key` out of this rule.
    pub fn excepts(&self, key: &[u8]) -> bool {
        self.except.matches(key)
    }

    /// What the derived keys of `key`'s values are bound to: values can move between keys of which
    /// this is the same.
    pub fn scope_of<'a>(&'a self, key: &'a [u8]) -> (Scope, &'a [u8]) {
        let id = match self.scope {
            Scope::Key => key,
            Scope::Tag => hash_tag(key),
            Scope::Rule => self.id.as_bytes(),
        };
        (self.scope, id)
    }

    /// Whether the value of this field of a hash or stream is sealed.
    pub fn seals_field(&self, field: &[u8]) -> bool {
        self.fields.as_ref().is_none_or(|fields| fields.seals(field))
    }

    /// Whether what lies under a key of this rule can lie as it is under one of the other, if both share a scope.
    pub fn stores_as(&self, other: &Self) -> bool {
        self.index == other.index
            || (self.deterministic == other.deterministic
                && self.field_patterns() == other.field_patterns()
                && self.json == other.json)
    }

    pub(super) fn field_patterns(&self) -> Option<&[Vec<u8>]> {
        self.fields.as_ref().map(|fields| &fields.patterns[..])
    }

    /// The compiled key patterns, in the order given.
    pub fn patterns(&self) -> &[Glob] {
        &self.keys
    }
}

impl Fields {
    fn new(patterns: Vec<Vec<u8>>) -> Self {
        let index = PatternIndex::new(patterns.iter().map(|pattern| (Glob::new(pattern), 0)));
        Self { patterns, index }
    }

    pub fn seals(&self, field: &[u8]) -> bool {
        self.index.matches(field)
    }
}

/// The `{tag}` of a key as Redis Cluster takes it: what is between the first `{` and the first `}`
/// behind it; the whole key if there is no such part or it is empty.
pub fn hash_tag(key: &[u8]) -> &[u8] {
    let Some(open) = key.iter().position(|byte| *byte == b'{') else {
        return key;
    };
    let rest = &key[open + 1..];
    match rest.iter().position(|byte| *byte == b'}') {
        Some(close) if close > 0 => &rest[..close],
        _ => key,
    }
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
