//! What a request may do, decided before any of its bytes move on.
//!
//! Job: turn a looked-up [`Request`] into an [`Admitted`] one, or a [`Refusal`].
//! Inputs: the rules, the access settings, one client's limiter.
//! Outputs: [`Admitted`], whose constructor is private, so that the sealing stage
//! cannot be reached around this one.
//! Must never: put an argument, a key or a value into an error.

mod access;
mod admitted;
mod blind;
mod confine;
pub mod glob;
mod guess;
mod identity;
mod limit;
mod names;
mod origin;
mod password;
mod queues;
mod refusal;
pub mod rules;
pub mod script;
mod scripts;

pub use access::{Access, Grants, Plaintext, Scripts};
pub use admitted::{Admitted, KeyHit, Scratch};
pub use guess::Guesses;
pub use identity::{Identities, Identity, IdentityId, Who};
pub use limit::{Algorithm, Allowances, Classes, Limits, Nanos, Over, Per, RateLimit, RateLimited, Tally, Unit};
pub use names::{ChannelNames, KeyNames};
pub use origin::Origin;
pub use password::{Passwords, hash_password};
pub use refusal::{JsonFault, NotCarried, Refusal};
pub use scripts::FIRST_KEY;

use std::collections::HashSet;

use crate::command::{
    Access as KeyAccess, Destination, Flags, Method, Reason, Request, Spec, Verdict, When, check_arity,
};
use rules::{Rule, RuleSet, Scope};
use script::Library;
use scripts::Grant;

/// Pub/sub channels on which the server itself reports key events: `__keyspace@0__:key` and
/// `__keyevent@0__:event`. Their payload is made by the server, so no rule opens it.
const KEY_EVENTS: [&[u8]; 2] = [b"__keyspace@", b"__keyevent@"];

/// Everything that is decided per request. Immutable: a reload makes a new one.
#[derive(Debug)]
pub struct Policy {
    pub rules: RuleSet,
    pub identities: Identities,
    pub scripts: Scripts,
    /// In lower case, the functions of which the operator says that they touch declared keys only.
    pub functions: HashSet<Vec<u8>>,
    /// The scripts that were seen.
    pub library: Library,
}

impl Policy {
    /// Decides on one request. The rate limit is not part of it: a limiter belongs to a client and
    /// is asked first.
    pub fn admit<'a>(
        &self,
        who: IdentityId,
        request: Request<'a>,
        scratch: &'a mut Scratch,
    ) -> Result<Admitted<'a>, Refusal> {
        self.decide(who, request, scratch).map_err(|refusal| {
            // Of a request that the server would not carry out either, its own words say more.
            match request.spec() {
                Some(spec) if !check_arity(spec, request.args().len()) => Refusal::wrong_arity(spec.name),
                Some(spec) => spec.misuse(request.args()).map_or(refusal, Refusal::Redis),
                None => refusal,
            }
        })
    }

    /// May this identity run a command that is answered here? It is about no key, and nothing is sent.
    pub fn permit(&self, who: IdentityId, spec: &'static Spec) -> Result<(), Refusal> {
        self.identities.access(who).check_listed(spec)
    }

    fn decide<'a>(
        &self,
        who: IdentityId,
        request: Request<'a>,
        scratch: &'a mut Scratch,
    ) -> Result<Admitted<'a>, Refusal> {
        scratch.hits.clear();
        let access = self.identities.access(who);
        let plain = Admitted::plain(request);
        let Some(spec) = request.spec() else {
            return self.admit_unknown(access, request);
        };
        access.check(spec)?;
        if access.is_confined() {
            self.check_confined(access, spec, &request, scratch)?;
        }
        if self.rules.is_empty() {
            return Ok(plain);
        }
        let sees = access.plaintext() == Plaintext::Allow;
        let blind = (!sees).then(|| access.user().clone());

        let unclear = Refusal::Unclear { command: spec.name };
        if spec.keys(request.args(), &mut scratch.positions).is_err()
            || spec.channel_positions(request.args(), &mut scratch.channels).is_err()
        {
            return Err(unclear);
        }
        let mut protected = None;
        // May keys be under a rule that only what is stored tells?
        let mut may_be = false;
        for key in scratch.positions.iter() {
            let Some(name) = request.args().get(key.at) else { return Err(unclear) };
            // A pattern stands for keys that cannot be told from the request.
            if key.access == KeyAccess::Pattern {
                if !matches!(spec.verdict, Verdict::Emulate(Method::Sort)) {
                    return Err(unclear);
                }
                let start = name.split(|byte| *byte == b'*').next().unwrap_or_default();
                may_be = may_be || self.rules.that_may_cover(start).next().is_some();
                continue;
            }
            let rule = self.rules.find(name);
            protected = protected.or(rule);
            scratch.hits.push(KeyHit { position: key.at, rule: rule.map(|r| r.index) });
        }
        // A pattern of channels names no channel: which messages it brings is known when they come.
        for channel in scratch.channels.iter().filter(|c| !c.pattern) {
            let Some(name) = request.args().get(channel.at) else { return Err(unclear) };
            // What a client publishes is sealed even there: the server's own reports do not come from it.
            let rule = self.rules.find_channel(name);
            protected = protected.or(rule);
            scratch.hits.push(KeyHit { position: channel.at, rule: rule.map(|r| r.index) });
        }

        if spec.flags.has(Flags::NOSCRIPT) || spec.flags.has(Flags::SCRIPT) {
            // Redis lets no script call one of these, so this leaves all others out.
            let grant = self.admit_script(spec, &request, &scratch.hits)?;
            if spec.flags.has(Flags::SCRIPT) {
                let is_protected = grant != Grant::Plain;
                if !sees && (is_protected || protected.is_some()) {
                    return Err(access.no_plaintext(spec, protected));
                }
                let hits = &scratch.hits;
                return Ok(Admitted { protected: is_protected, hits, grant, ..plain });
            }
        }
        let refused = |rule: &Rule, reason| Refusal::Command { command: spec.name, rule: rule.id.clone(), reason };
        if spec.is_emulated()
            && let Some(rule) = self.rules_of(&scratch.hits).find(|rule| rule.refuses_computing)
        {
            let field = request.args().get(2).filter(|_| spec.computes_on_a_field());
            if field.is_none_or(|field| rule.seals_field(field)) {
                return Err(refused(rule, Reason::ComputesOnValue));
            }
        }
        let mut method = None;
        match (spec.verdict, protected) {
            (Verdict::Refuse(reason), Some(rule)) => return Err(refused(rule, reason)),
            (Verdict::If { when, otherwise, .. }, Some(rule)) => {
                let reason = match when {
                    _ if !self.share_a_scope(&request, &scratch.hits) => Some(Reason::MovesBetweenKeys),
                    When::Without(words) => words.any(request.args()).then(|| when.reason()),
                    when => (!allows(rule, when)).then(|| when.reason()),
                };
                if let Some(reason) = reason {
                    let stubborn = self.rules_of(&scratch.hits).find(|rule| rule.refuses_computing);
                    method = otherwise.filter(|how| stubborn.is_none() && keeps_protection(*how, &scratch.hits));
                    if method.is_none() {
                        return Err(refused(stubborn.unwrap_or(rule), reason));
                    }
                }
            }
            (Verdict::Emulate(how), Some(rule)) if !keeps_protection(how, &scratch.hits) => {
                return Err(refused(rule, Reason::MovesBetweenKeys));
            }
            (_, Some(rule)) if rule.refuses_computing && spec.carries_payload() => {
                return Err(refused(rule, Reason::DumpedValue));
            }
            (Verdict::Emulate(how), _) if protected.is_some() || may_be => method = Some(how),
            (Verdict::Unless { words, instead, .. }, Some(_)) if words.any(request.args()) => {
                // Without a method the grammar refuses the word.
                method = self.rules_of(&scratch.hits).all(|rule| !rule.refuses_computing).then_some(instead);
            }
            (Verdict::Document(_), Some(_)) => self.check_documents(spec, &scratch.hits)?,
            _ => {}
        }
        let protected = protected.is_some() || may_be;
        let as_stored = protected && !sees && self.check_blind(access, spec, &scratch.hits, method)?;
        Ok(Admitted { hits: &scratch.hits, protected, method, blind, as_stored, ..plain })
    }

    fn rules_of<'h>(&self, hits: &'h [KeyHit]) -> impl Iterator<Item = &Rule> + use<'_, 'h> {
        hits.iter().filter_map(|hit| self.rules.rules().get(hit.rule?))
    }

    /// A rule that names no paths would leave a document in clear.
    fn check_documents(&self, spec: &'static Spec, hits: &[KeyHit]) -> Result<(), Refusal> {
        match self.rules_of(hits).find(|rule| rule.json.is_none()) {
            Some(rule) => Err(Refusal::Command { command: spec.name, rule: rule.id.clone(), reason: Reason::NoPaths }),
            None => Ok(()),
        }
    }

    /// Do all keys live under one derived key, so that values can go from one to the other as they are?
    fn share_a_scope(&self, request: &Request<'_>, hits: &[KeyHit]) -> bool {
        let scope = |hit: &KeyHit| {
            let rule = &self.rules.rules()[hit.rule?];
            Some((rule, rule.scope_of(request.args().get(hit.position)?)))
        };
        let mut scopes = hits.iter().map(scope);
        let Some(Some((rule, first))) = scopes.next() else { return false };
        scopes.all(|other| other.is_some_and(|(other, scope)| scope == first && other.stores_as(rule)))
    }

    /// The rule by which messages that come on a pub/sub channel are opened.
    pub fn message_rule(&self, channel: &[u8]) -> Option<&Rule> {
        if KEY_EVENTS.iter().any(|prefix| channel.starts_with(prefix)) {
            return None;
        }
        self.rules.find_channel(channel)
    }

    /// A command without a row: nobody knows which argument is a key, so each could be one.
    fn admit_unknown<'a>(&self, access: &Access, request: Request<'a>) -> Result<Admitted<'a>, Refusal> {
        access.check_unknown()?;
        // Redis looks a name up by its hash and then compares it up to a NUL byte, so that a name with
        // one can be any command, also one that is refused by its name.
        let named = if request.container().is_some() { 2 } else { 1 };
        if request.args().iter().take(named).any(|name| name.contains(&0)) {
            return Err(Refusal::UnknownCommand);
        }
        // What a command without a row does is not known; it could run code.
        if !self.rules.is_empty() && self.scripts == Scripts::Refuse {
            return Err(Refusal::UnknownCommand);
        }
        let covered = |name: &[u8]| self.rules.find(name).or_else(|| self.rules.find_channel(name)).is_some();
        if !self.rules.is_empty() && request.args().iter().skip(1).any(covered) {
            return Err(Refusal::UnknownCommand);
        }
        Ok(Admitted::plain(request))
    }
}

/// Does what goes from key to key stay encrypted? Not if it comes to lie under a key of no rule.
fn keeps_protection(how: Method, hits: &[KeyHit]) -> bool {
    let destination = match how.destination() {
        None => return true,
        Some(Destination::First) => hits.first(),
        Some(Destination::Last) => hits.last(),
    };
    destination.is_some_and(|hit| hit.rule.is_some())
}

/// Is the rule such that a command which asks this of it can work?
fn allows(rule: &Rule, when: When) -> bool {
    match when {
        When::OneScope | When::Without(_) => true,
        When::WideScope => rule.scope != Scope::Key,
        When::ListElements => rule.deterministic.list_elements,
    }
}
