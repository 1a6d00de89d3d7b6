//! What a rule has to be like for the scripts of a queue ([`bullmq`]).
//!
//! The scripts build the names of jobs and of what belongs to them, so it is not enough to look at the keys
//! that they declare: the rule must cover every job of the queue and nothing that the scripts work with.

use super::rules::{Rule, Scope};
use super::script::msgpack;
use super::script::pack::bullmq::{self, FIELDS, JOB_STATE, NAMES, STATE};
use super::script::pack::{Arg, Queue, Script, Told};
use super::scripts::{FIRST_KEY, Grant};
use super::{KeyHit, Policy, Refusal};
use crate::command::{Args, Request};

/// Ids that jobs may have: made by the script, given by the application, of a scheduler.
const IDS: [&str; 3] = ["0", "x", "repeat:x:0"];

impl Policy {
    pub(super) fn admit_queue(
        &self,
        script: &'static Script,
        queue: Queue,
        request: &Request<'_>,
        hits: &[KeyHit],
    ) -> Result<Grant, Refusal> {
        let args = request.args();
        let unclear = || Refusal::Unclear { command: "eval" };
        let refuse = |rule: Option<&Rule>, why: &str| Refusal::LibraryRule {
            library: script.library,
            rule: rule.map(|rule| rule.id.clone()),
            why: why.into(),
        };
        let main = if queue.key == 0 {
            hits.iter().find_map(|hit| Some((hit.rule?, hit.position)))
        } else {
            let position = FIRST_KEY - 1 + queue.key;
            let key = args.get(position).filter(|_| queue.key <= hits.len()).ok_or_else(unclear)?;
            let prefix = prefix_of(key);
            if !prefix.ends_with(b":") {
                return Err(refuse(None, "its keys are not named as those of a queue"));
            }
            if told(queue.told, args, hits.len()).is_some_and(|told| told != prefix) {
                return Err(refuse(None, "the prefix in its arguments is not that of its keys"));
            }
            let rule = self.rule_of_jobs(prefix).map_err(|why| refuse(None, why))?;
            if let Some(rule) = rule {
                self.check_state(prefix).map_err(|(rule, suffix)| {
                    refuse(Some(rule), &format!("`except` must leave out the keys that end in {suffix}"))
                })?;
                if rule.scope == Scope::Tag && rule.scope_of(prefix).1.len() == prefix.len() {
                    return Err(refuse(Some(rule), "with scope tag the prefix must have a {tag}"));
                }
            }
            rule.map(|rule| (rule.index, position))
        };
        for hit in hits {
            let Some(rule) = hit.rule.map(|rule| &self.rules.rules()[rule]) else { continue };
            let name = args.get(hit.position).ok_or_else(unclear)?;
            check_rule(rule).map_err(|why| refuse(Some(rule), why))?;
            if let Some(suffix) = state_of(name) {
                return Err(refuse(Some(rule), &format!("`except` must leave out the keys that end in {suffix}")));
            }
            let same = main.and_then(|(main, at)| Some(self.rules.rules()[main].scope_of(args.get(at)?)));
            if same != Some(rule.scope_of(name)) {
                return Err(refuse(Some(rule), "all rules of a queue must have the same scope"));
            }
        }
        let Some((rule, key)) = main else { return Ok(Grant::Plain) };
        let rules = self.rules.rules();
        check_rule(&rules[rule]).map_err(|why| refuse(Some(&rules[rule]), why))?;
        let events = hits.get(1).and_then(|hit| hit.rule).map(|rule| &rules[rule]);
        if script.args.iter().any(|(_, arg)| *arg == Arg::Progress)
            && let Some(rule) = events.filter(|rule| rule.seals_field(b"data"))
        {
            return Err(refuse(
                Some(rule),
                "progress is also written to the stream of events as `data`, where it must not be encrypted",
            ));
        }
        Ok(Grant::Listed { script, rule, key })
    }

    /// The one rule of all jobs with this prefix, if there is one.
    fn rule_of_jobs(&self, prefix: &[u8]) -> Result<Option<&Rule>, &'static str> {
        let found = IDS.map(|id| self.rules.find(&[prefix, id.as_bytes()].concat()));
        let first = found[0].map(|rule| rule.index);
        if found.iter().any(|rule| rule.map(|rule| rule.index) != first) {
            return Err("one rule must cover all jobs of a queue, whatever their ids");
        }
        let takes_jobs = |rule: &Rule| !IDS.iter().any(|id| rule.excepts(&[prefix, id.as_bytes()].concat()));
        if first.is_none() && self.rules.that_may_cover(prefix).any(takes_jobs) {
            return Err("a rule covers some names of this queue, but not all of its jobs");
        }
        Ok(found[0])
    }

    /// Nothing that the scripts work with may be under a rule.
    fn check_state(&self, prefix: &[u8]) -> Result<(), (&Rule, &'static str)> {
        let queue = STATE.iter().map(|suffix| ([prefix, suffix.as_bytes()].concat(), *suffix));
        let job = JOB_STATE.iter().map(|suffix| ([prefix, b"0", suffix.as_bytes()].concat(), *suffix));
        for (name, suffix) in queue.chain(job) {
            if let Some(rule) = self.rules.find(&name) {
                return Err((rule, suffix));
            }
        }
        Ok(())
    }
}

fn check_rule(rule: &Rule) -> Result<(), &'static str> {
    if rule.scope == Scope::Key {
        return Err("its scope must be tag or rule, because the id of a job is not known when its data is encrypted");
    }
    let known = |field: &Vec<u8>| FIELDS.iter().any(|known| known.as_bytes() == field);
    match rule.field_patterns() {
        Some(fields) if fields.iter().all(known) => Ok(()),
        _ => Err("it must have `fields`, with none but data, returnvalue, failedReason and stacktrace"),
    }
}

/// The queue's prefix, of one of its keys.
fn prefix_of(key: &[u8]) -> &[u8] {
    let names = STATE.iter().chain(&NAMES).filter_map(|name| key.strip_suffix(name.as_bytes()));
    // `failed` ends in no other name; of `stalled-check` and the like the longest name counts.
    names.filter(|prefix| prefix.ends_with(b":")).min_by_key(|prefix| prefix.len()).unwrap_or(key)
}

/// The name by which a key holds what the scripts work with.
fn state_of(key: &[u8]) -> Option<&'static str> {
    let ends = |name: &&str| {
        key.strip_suffix(name.as_bytes()).is_some_and(|rest| name.starts_with(':') || rest.ends_with(b":"))
    };
    bullmq::STATE.iter().chain(&JOB_STATE).find(|name| ends(name)).copied()
}

/// The prefix that the script is told.
fn told<'a>(told: Told, args: Args<'a>, keys: usize) -> Option<&'a [u8]> {
    let arg = |place: usize| args.get(FIRST_KEY - 1 + keys + place).unwrap_or_default();
    match told {
        Told::Unsaid => None,
        Told::Arg(place) => Some(arg(place)),
        Told::Packed(place) => Some(msgpack::first_text(arg(place)).unwrap_or_default()),
    }
}
