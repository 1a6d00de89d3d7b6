//! Which scripts run while there is any rule.

use super::rules::ScriptMode;
use super::script::pack::{Keys, Script};
use super::script::{Known, Proven};
use super::{KeyHit, Policy, Refusal, Scripts};
use crate::command::{Flags, Reason, Request, Spec};

/// What a script is let through for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grant {
    /// No value of a protected key is in it.
    Plain,
    /// A listed script; its values are in the scope of this rule and of the key at this position.
    Listed { script: &'static Script, rule: usize, key: usize },
}

/// Where the keys of EVAL and its like begin.
pub const FIRST_KEY: usize = 3;

impl Policy {
    /// Decides on EVAL, EVALSHA, FCALL, SCRIPT LOAD and SCRIPT FLUSH.
    pub(super) fn admit_script(
        &self,
        spec: &'static Spec,
        request: &Request<'_>,
        hits: &[KeyHit],
    ) -> Result<Grant, Refusal> {
        let body = request.args().get(1).unwrap_or_default();
        let known = match spec.name {
            "eval" | "eval_ro" => self.library.learn(body),
            // A listed script has to be recognised even where all are trusted.
            "evalsha" | "evalsha_ro" => self.library.find(body).ok_or(Refusal::NoScript)?,
            // A script that is not proven may be loaded: it is refused when it is to run.
            "script|load" => {
                self.library.learn(request.args().get(2).unwrap_or_default());
                return Ok(Grant::Plain);
            }
            "script|flush" => {
                self.library.forget();
                return Ok(Grant::Plain);
            }
            _ => return self.admit_function(spec, request, hits),
        };
        if let Some(script) = known.row {
            return self.admit_listed(spec, script, request, hits);
        }
        match hits.iter().find_map(|hit| hit.rule) {
            Some(rule) => self.admit_on_ciphertext(spec, rule, &known, request, hits),
            None if self.scripts == Scripts::Trust => Ok(Grant::Plain),
            None => self.proven(spec, &known).map(|_| Grant::Plain),
        }
    }

    /// A function is called by a name, behind which its code can be replaced at any time by whoever reaches the
    /// database: what was read when it was loaded would prove nothing. The operator's word counts.
    fn admit_function(&self, spec: &'static Spec, request: &Request<'_>, hits: &[KeyHit]) -> Result<Grant, Refusal> {
        let name = request.args().get(1).unwrap_or_default().to_ascii_lowercase();
        match hits.iter().find_map(|hit| hit.rule) {
            _ if !spec.flags.has(Flags::SCRIPT) => Ok(Grant::Plain),
            Some(rule) => Err(self.refused(spec, rule, Reason::Script)),
            None if self.scripts == Scripts::Trust || self.functions.contains(&name) => Ok(Grant::Plain),
            None => Err(Refusal::HiddenKeys { command: spec.name, unproven: None }),
        }
    }

    fn admit_listed(
        &self,
        spec: &'static Spec,
        script: &'static Script,
        request: &Request<'_>,
        hits: &[KeyHit],
    ) -> Result<Grant, Refusal> {
        if let Keys::Queue(queue) = script.keys {
            return self.admit_queue(script, queue, request, hits);
        }
        let protected = hits.iter().find_map(|hit| Some((hit.rule?, hit.position)));
        let Some((rule, key)) = protected else { return Ok(Grant::Plain) };
        let state =
            |rule: usize| Refusal::LibraryState { library: script.library, rule: self.rules.rules()[rule].id.clone() };
        match script.keys {
            Keys::State => Err(state(rule)),
            Keys::Only(place) => {
                let other = |hit: &&KeyHit| hit.position != FIRST_KEY + place - 1;
                match hits.iter().filter(other).find_map(|hit| hit.rule) {
                    Some(rule) => Err(state(rule)),
                    // Where the names of fields are sealed, a script's would be in clear.
                    None if self.rules.rules()[rule].deterministic.field_names && script.has_fields() => {
                        Err(self.refused(spec, rule, Reason::Script))
                    }
                    None => Ok(Grant::Listed { script, rule, key }),
                }
            }
            Keys::Values if hits.len() > 1 && !self.share_a_scope(request, hits) => {
                Err(self.refused(spec, rule, Reason::MovesBetweenKeys))
            }
            _ => Ok(Grant::Listed { script, rule, key }),
        }
    }

    /// `scripts = "ciphertext"`: a script that is proven to store nothing of its own may see what is there.
    fn admit_on_ciphertext(
        &self,
        spec: &'static Spec,
        rule: usize,
        known: &Known,
        request: &Request<'_>,
        hits: &[KeyHit],
    ) -> Result<Grant, Refusal> {
        let refuses =
            |hit: &KeyHit| hit.rule.is_some_and(|rule| self.rules.rules()[rule].scripts == ScriptMode::Refuse);
        if hits.iter().any(refuses) {
            return Err(self.refused(spec, rule, Reason::Script));
        }
        let proven = self.proven(spec, known)?;
        if proven.needs.values {
            return Err(Refusal::ScriptNeedsValues { rule: self.rules.rules()[rule].id.clone() });
        }
        if proven.needs.one_scope && !self.share_a_scope(request, hits) {
            return Err(self.refused(spec, rule, Reason::MovesBetweenKeys));
        }
        Ok(Grant::Plain)
    }

    /// Scripts run if they are proven to touch no other keys than those they declare.
    fn proven<'k>(&self, spec: &'static Spec, known: &'k Known) -> Result<&'k Proven, Refusal> {
        let hidden = |unproven| Refusal::HiddenKeys { command: spec.name, unproven: Some(unproven) };
        let proven = known.verdict.as_ref().map_err(|unproven| hidden(*unproven))?;
        match proven.channels.iter().find_map(|channel| self.rules.find_channel(&channel.0)) {
            Some(rule) => Err(Refusal::HiddenChannel { command: spec.name, rule: rule.id.clone() }),
            None => Ok(proven),
        }
    }

    /// Do rules or permissions depend on what scripts do?
    fn reads_scripts(&self) -> bool {
        !self.rules.is_empty() || self.identities.confine()
    }

    /// Would EVALSHA be answered NOSCRIPT for one of these names, whatever the server holds?
    pub fn has_unseen_script<'a>(&self, mut names: impl Iterator<Item = &'a [u8]>) -> bool {
        self.reads_scripts() && names.any(|name| self.library.find(name).is_none())
    }

    fn refused(&self, spec: &'static Spec, rule: usize, reason: Reason) -> Refusal {
        Refusal::Command { command: spec.name, rule: self.rules.rules()[rule].id.clone(), reason }
    }
}
