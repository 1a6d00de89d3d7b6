//! Requests on encrypted keys by somebody who may not see plaintext.
//!
//! Job: let through what neither shows nor uses any. In: a request whose keys' rules are known. Out: whether the reply
//! is to be passed on as it is stored, or a [`Refusal`].
//! Must never: let through what answers a guess: whether a member is in a set is plaintext, too.
//!
//! What only stores values at random may run; the transform room refuses it if its reply would be opened (SET ... GET).

use super::rules::Rule;
use super::{Access, KeyHit, Plaintext, Policy, Refusal};
use crate::command::{FieldNames, Flags, Lane, Method, Reply, Spec, Values, Verdict};

impl Policy {
    /// `true`: the request goes out, and its reply comes back, as they are.
    pub(super) fn check_blind(
        &self,
        access: &Access,
        spec: &'static Spec,
        hits: &[KeyHit],
        method: Option<Method>,
    ) -> Result<bool, Refusal> {
        let names_fields =
            spec.fields != FieldNames::None && self.rules_of(hits).any(|rule| rule.deterministic.field_names);
        // Then an element of one's own tells which others are equal to it.
        let always_alike = self.rules_of(hits).any(|rule| rule.deterministic.list_elements);
        let is_element = matches!(spec.values, Values::Elements { .. });
        let ciphertext = access.plaintext() == Plaintext::Ciphertext;
        let may = match spec.verdict {
            _ if method.is_some() || names_fields || spec.carries_payload() => None,
            Verdict::Tell => Some(false),
            // Messages are opened when they come, or not, by whom they come to.
            Verdict::Pass if spec.lane == Lane::Subscribe => ciphertext.then_some(false),
            Verdict::Pass => Some(false),
            Verdict::Document(_) => (ciphertext && spec.flags.has(Flags::READ)).then_some(true),
            Verdict::Seal(_) | Verdict::Unless { .. }
                if are_at_random(spec.values) && !(is_element && always_alike) =>
            {
                Some(false)
            }
            Verdict::Seal(_) | Verdict::If { .. } | Verdict::Unless { .. } => {
                let as_it_is = spec.values == Values::None && !matches!(spec.reply, Reply::Computed(_));
                let shows_nothing = spec.reply == Reply::Raw;
                (as_it_is && (ciphertext || shows_nothing)).then_some(ciphertext)
            }
            Verdict::Emulate(_) | Verdict::Refuse(_) => None,
        };
        may.ok_or_else(|| access.no_plaintext(spec, self.rules_of(hits).next()))
    }
}

/// Sealed under a nonce of its own each time, so that nobody learns what was there before.
fn are_at_random(values: Values) -> bool {
    match values {
        Values::At(_)
        | Values::KeyPairs
        | Values::FieldPairs { .. }
        | Values::FieldValue { .. }
        | Values::PairsAtStart
        | Values::SecondsFrom(_)
        | Values::KeyPairsToStart
        | Values::From(_)
        | Values::Elements { .. }
        | Values::Message { .. } => true,
        Values::None
        | Values::Members { .. }
        | Values::GroupedMembers { .. }
        | Values::MemberAtStart
        | Values::Hashed { .. }
        | Values::Payload(_) => false,
    }
}

impl Access {
    pub(super) fn no_plaintext(&self, spec: &'static Spec, rule: Option<&Rule>) -> Refusal {
        Refusal::NoPlaintext { user: self.user().clone(), command: spec.name, rule: rule.map(|rule| rule.id.clone()) }
    }
}
