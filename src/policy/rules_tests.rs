use std::collections::BTreeSet;
use std::time::Instant;

use proptest::prelude::*;

use super::{RuleSet, RuleSource, hash_tag};
use crate::policy::glob::Glob;

fn rule(id: &str, keys: &[&str], except: &[&str]) -> RuleSource {
    let bytes = |list: &[&str]| list.iter().map(|item| item.as_bytes().to_vec()).collect();
    RuleSource { id: id.into(), keys: bytes(keys), except: bytes(except), ..RuleSource::default() }
}

fn found<'a>(rules: &'a RuleSet, key: &str) -> Option<&'a str> {
    rules.find(key.as_bytes()).map(|rule| &*rule.id)
}

#[test]
fn the_first_match_wins_whatever_the_index_finds_first() {
    let rules = RuleSet::new(vec![
        rule("all-users", &["user:*"], &[]),
        rule("profiles", &["user:*:profile", "*:secret"], &[]),
        rule("exact", &["user:1:profile", "config"], &[]),
        rule("rest", &["*"], &[]),
    ]);
    assert_eq!(found(&rules, "user:1:profile"), Some("all-users"));
    assert_eq!(found(&rules, "my:secret"), Some("profiles"));
    assert_eq!(found(&rules, "config"), Some("exact"));
    assert_eq!(found(&rules, "config2"), Some("rest"));
    assert_eq!(found(&rules, ""), Some("rest"));
}

#[test]
fn an_excepted_key_may_fall_to_a_later_rule() {
    let rules = RuleSet::new(vec![
        rule("sessions", &["session:*"], &["session:counter:*", "*:tmp"]),
        rule("counters", &["session:counter:vip:*"], &[]),
    ]);
    assert_eq!(found(&rules, "session:1"), Some("sessions"));
    assert_eq!(found(&rules, "session:counter:1"), None);
    assert_eq!(found(&rules, "session:counter:vip:1"), Some("counters"));
    assert_eq!(found(&rules, "session:1:tmp"), None);
}

#[test]
fn channels_are_those_of_the_keys_unless_they_are_named() {
    let channels = |names: &[&str]| Some(names.iter().map(|name| name.as_bytes().to_vec()).collect());
    let rules = RuleSet::new(vec![
        RuleSource { channels: channels(&["chat:*", "s:out"]), ..rule("named", &["s:*"], &["*:out"]) },
        RuleSource { channels: channels(&[]), ..rule("none", &["quiet:*"], &[]) },
        rule("default", &["s:*", "quiet:loud", "d:*"], &["d:out"]),
    ]);
    let channel = |name: &str| rules.find_channel(name.as_bytes()).map(|rule| &*rule.id);
    assert_eq!(channel("chat:1"), Some("named"));
    assert_eq!(channel("s:out"), Some("named"), "`except` is about keys where channels are named");
    assert_eq!(channel("s:1"), Some("default"), "a key of the first rule, but no channel of it");
    assert_eq!(channel("quiet:1"), None);
    assert_eq!(channel("quiet:loud"), Some("default"));
    assert_eq!(channel("d:1"), Some("default"));
    assert_eq!(channel("d:out"), None);
    assert_eq!(found(&rules, "chat:1"), None);
    assert_eq!(found(&rules, "s:1"), Some("named"));
    assert_eq!(found(&rules, "quiet:1"), Some("none"));
}

#[test]
fn rules_that_seal_other_fields_do_not_store_alike() {
    let fields = |names: &[&str]| Some(names.iter().map(|name| name.as_bytes().to_vec()).collect());
    let set = RuleSet::new(vec![
        rule("all", &["a:*"], &[]),
        RuleSource { fields: fields(&["ssn"]), ..rule("ssn", &["b:*"], &[]) },
        RuleSource { fields: fields(&["ssn"]), ..rule("ssn too", &["c:*"], &[]) },
        rule("all too", &["d:*"], &[]),
    ]);
    let [all, ssn, ssn_too, all_too] = set.rules() else { panic!("four rules") };
    assert!(all.stores_as(all) && all.stores_as(all_too) && ssn.stores_as(ssn_too));
    assert!(!all.stores_as(ssn) && !ssn.stores_as(all));
    assert!(all.seals_field(b"city") && ssn.seals_field(b"ssn") && !ssn.seals_field(b"city"));
}

#[test]
fn without_rules_nothing_is_found() {
    let rules = RuleSet::new(Vec::new());
    assert!(rules.is_empty());
    assert!(rules.find(b"any").is_none());
}

#[test]
fn tags_are_taken_as_redis_cluster_does() {
    assert_eq!(hash_tag(b"{user}:1"), b"user");
    assert_eq!(hash_tag(b"a{b}{c}"), b"b");
    assert_eq!(hash_tag(b"a{{b}}"), b"{b");
    assert_eq!(hash_tag(b"a{}{b}"), b"a{}{b}");
    assert_eq!(hash_tag(b"a}b{c"), b"a}b{c");
    assert_eq!(hash_tag(b"plain"), b"plain");
}

#[test]
fn ten_thousand_patterns_are_not_scanned() {
    let patterns: Vec<String> = (0..10_000)
        .map(|n| match n % 4 {
            0 => format!("tenant:{n}:*"),
            1 => format!("tenant:*:kind{n}"),
            2 => format!("tenant:{n}:exact"),
            _ => format!("tenant:{n}:*:[ab]"),
        })
        .collect();
    let refs: Vec<&str> = patterns.iter().map(String::as_str).collect();
    let many = RuleSet::new(vec![rule("many", &refs, &[])]);
    let one = RuleSet::new(vec![rule("one", &["tenant:4:*"], &[])]);
    assert_eq!(found(&many, "tenant:9996:x"), Some("many"));
    assert_eq!(found(&many, "tenant:x:kind9997"), Some("many"));
    assert_eq!(found(&many, "tenant:9998:exacT"), None);
    let keys: Vec<String> = (0..1000).map(|n| format!("tenant:{}:field", n * 7)).collect();
    let time = |rules: &RuleSet| {
        let start = Instant::now();
        let mut hits = 0_usize;
        for _ in 0..20 {
            hits += keys.iter().filter(|key| found(rules, key).is_some()).count();
        }
        std::hint::black_box(hits);
        start.elapsed()
    };
    // The fastest of several: others may need the processor, too.
    let fastest = |rules: &RuleSet| (0..7).map(|_| time(rules)).min().unwrap_or_default();
    let (single, all) = (fastest(&one), fastest(&many));
    eprintln!("20,000 look-ups: 1 pattern {single:?}, 10,000 patterns {all:?}");
    // A scan would be thousands of times slower; the margin leaves room for a busy machine.
    assert!(all < single * 100, "{single:?} against {all:?}");
}

fn pattern() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(b"aaabb:**?[]\\".to_vec()), 0..7)
}

fn patterns(count: usize) -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(pattern(), 0..count)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn the_index_agrees_with_trying_every_pattern(
        sources in prop::collection::vec((patterns(6), patterns(3)), 0..6),
        keys in prop::collection::vec(
            prop::collection::vec(prop::sample::select(b"aab:[*".to_vec()), 0..7), 20),
    ) {
        let sources: Vec<RuleSource> = sources
            .into_iter()
            .enumerate()
            .map(|(n, (keys, except))| RuleSource {
                id: n.to_string(), keys, except, ..RuleSource::default()
            })
            .collect();
        let any = |patterns: &[Vec<u8>], key: &[u8]| {
            patterns.iter().any(|pattern| Glob::new(pattern).matches(key))
        };
        let rules = RuleSet::new(sources.clone());
        for key in &keys {
            let naive = sources
                .iter()
                .position(|source| any(&source.keys, key) && !any(&source.except, key));
            prop_assert_eq!(rules.find(key).map(|rule| rule.index), naive);
            let may_cover: BTreeSet<usize> = rules.that_may_cover(key).map(|rule| rule.index).collect();
            let may_begin = |source: &RuleSource| source.keys.iter().any(|pattern| Glob::new(pattern).may_begin_with(key));
            let naive: BTreeSet<usize> = (0..sources.len()).filter(|n| may_begin(&sources[*n])).collect();
            prop_assert_eq!(may_cover, naive);
        }
    }
}
