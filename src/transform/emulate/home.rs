//! A key and where what it holds lives: sealed under a scope, or in clear if no rule covers it.
//!
//! Job: open and seal what goes from one key to another, each part for its place.
//! In: what is stored, or plaintext. Out: the other of the two.
//! Must never: leave in clear under a rule what that rule has sealed.

use std::sync::Arc;

use std::collections::HashMap;

use bytes::Bytes;

use super::snapshot::Snapshot;
use super::swap::{Guard, Seen};
use super::unexpected;
use crate::crypto::{OVERHEAD, Place};
use crate::policy::rules::Rule;
use crate::policy::{Admitted, Refusal};
use crate::transform::Transform;
use crate::transform::compute::score;
use crate::transform::compute::sets::Scored;
use crate::transform::plan::Owned;

pub(super) struct Home {
    pub key: Bytes,
    /// The id of the rule that covers it.
    pub rule: Option<Arc<str>>,
    owned: Option<Owned>,
}

impl Home {
    /// Of the request's key of that number.
    pub fn of(nth: usize, admitted: &Admitted<'_>, transform: &Transform) -> Result<Self, Refusal> {
        let unclear = || Refusal::Unclear { command: admitted.request().spec().map_or("", |spec| spec.name) };
        let hit = admitted.hits().get(nth).ok_or_else(unclear)?;
        let key = admitted.request().args().get(hit.position).ok_or_else(unclear)?;
        let rule = match hit.rule {
            Some(rule) => Some(transform.policy.rules.rules().get(rule).ok_or_else(unclear)?),
            None => None,
        };
        Ok(Self::at(Bytes::copy_from_slice(key), rule))
    }

    /// Of a key that is not the request's.
    pub fn at(key: Bytes, rule: Option<&Rule>) -> Self {
        let owned = rule.map(|rule| Owned::of(rule, &key));
        Self { key, rule: rule.map(|rule| rule.id.clone()), owned }
    }

    /// Each of these keys once, and for each mention which of them it is: a request may name one key a thousand times.
    pub fn distinct(homes: Vec<Self>) -> (Vec<Self>, Vec<usize>) {
        let (mut seen, mut distinct) = (HashMap::new(), Vec::new());
        let mentions = homes.into_iter().map(|home| {
            *seen.entry(home.key.clone()).or_insert_with(|| {
                distinct.push(home);
                distinct.len() - 1
            })
        });
        let mentions = mentions.collect();
        (distinct, mentions)
    }

    /// From this key up to the last.
    pub fn all(from: usize, admitted: &Admitted<'_>, transform: &Transform) -> Result<Vec<Self>, Refusal> {
        (from..admitted.hits().len()).map(|nth| Self::of(nth, admitted, transform)).collect()
    }

    /// The key holds what was read, all of it.
    pub fn unchanged(&self, found: &Snapshot) -> Guard {
        let key = self.key.clone();
        match (found.kind(), found.items().next()) {
            ("none", _) => Guard::None(key),
            // Only of what is sealed a few bytes tell the whole.
            ("string", Some(sealed)) if self.owned.is_some() && sealed.len() >= OVERHEAD => {
                Guard::String(key, Seen::of(sealed))
            }
            _ => Guard::All(key, found.digest().clone()),
        }
    }

    /// The same of several keys.
    pub fn all_unchanged(homes: &[Self], found: &[Snapshot]) -> Vec<Guard> {
        homes.iter().zip(found).map(|(home, found)| home.unchanged(found)).collect()
    }

    /// Is this field's value sealed?
    pub fn seals(&self, field: &[u8]) -> bool {
        self.owned.as_ref().is_some_and(|owned| owned.seals(field))
    }

    pub fn seals_names(&self) -> bool {
        self.owned.as_ref().is_some_and(|owned| owned.field_names)
    }

    /// A string or an element of a list.
    pub fn open_value(&self, stored: &Bytes, transform: &mut Transform) -> Result<Bytes, String> {
        self.open(stored, transform, |owned| Some(owned.value(None)))
    }

    /// What each of these keys holds, which is a string or nothing.
    pub fn open_strings(homes: &[Self], found: &[Snapshot], transform: &mut Transform) -> Result<Vec<Bytes>, String> {
        let open = |(home, found): (&Self, &Snapshot)| {
            found.items().next().map_or(Ok(Bytes::new()), |stored| home.open_value(stored, transform))
        };
        homes.iter().zip(found).map(open).collect()
    }

    pub fn seal_value(&self, value: &Bytes, transform: &mut Transform) -> Result<Bytes, String> {
        self.seal(value, transform, |owned| Some(owned.value(None)))
    }

    /// Of a list.
    pub fn seal_element(&self, element: &Bytes, transform: &mut Transform) -> Result<Bytes, String> {
        match &self.owned {
            Some(owned) if owned.list_elements => {
                transform.seal_as_always(&owned.value(None), element).map_err(|refusal| refusal.to_string())
            }
            _ => self.seal_value(element, transform),
        }
    }

    /// Of a set or a sorted set.
    pub fn open_member(&self, stored: &Bytes, transform: &mut Transform) -> Result<Bytes, String> {
        self.open(stored, transform, |owned| Some(owned.member()))
    }

    /// All members of a sorted set.
    pub fn open_scored(&self, found: &Snapshot, transform: &mut Transform) -> Result<Vec<Scored>, String> {
        found
            .pairs()
            .map(|(stored, text)| {
                Ok((self.open_member(stored, transform)?, score::parse(text).ok_or_else(unexpected)?))
            })
            .collect()
    }

    pub fn seal_member(&self, member: &Bytes, transform: &mut Transform) -> Result<Bytes, String> {
        self.seal(member, transform, |owned| Some(owned.member()))
    }

    /// Of a hash field.
    pub fn open_name(&self, stored: &Bytes, transform: &mut Transform) -> Result<Bytes, String> {
        self.open(stored, transform, |owned| owned.field_names.then(|| owned.field_name()))
    }

    pub fn seal_name(&self, name: &Bytes, transform: &mut Transform) -> Result<Bytes, String> {
        self.seal(name, transform, |owned| owned.field_names.then(|| owned.field_name()))
    }

    /// The value of a hash field.
    pub fn open_field(&self, name: &[u8], stored: &Bytes, transform: &mut Transform) -> Result<Bytes, String> {
        self.open(stored, transform, |owned| owned.seals(name).then(|| owned.value(Some(name))))
    }

    pub fn seal_field(&self, name: &[u8], value: &Bytes, transform: &mut Transform) -> Result<Bytes, String> {
        self.seal(value, transform, |owned| owned.seals(name).then(|| owned.value(Some(name))))
    }

    fn open<'a>(
        &'a self,
        stored: &Bytes,
        transform: &mut Transform,
        place: impl FnOnce(&'a Owned) -> Option<Place<'a>>,
    ) -> Result<Bytes, String> {
        match self.owned.as_ref().and_then(place) {
            Some(place) => match transform.open_value(&place, stored) {
                Ok(plain) => Ok(plain.freeze()),
                Err(failure) => Err(failure.to_string()),
            },
            None => Ok(stored.clone()),
        }
    }

    fn seal<'a>(
        &'a self,
        plain: &Bytes,
        transform: &mut Transform,
        place: impl FnOnce(&'a Owned) -> Option<Place<'a>>,
    ) -> Result<Bytes, String> {
        match self.owned.as_ref().and_then(place) {
            Some(place) => transform.seal_value(&place, plain).map_err(|refusal| refusal.to_string()),
            None => Ok(plain.clone()),
        }
    }
}
