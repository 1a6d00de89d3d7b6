//! Which argument is sealed, as what, and for which place.
//!
//! In: a row of the table, what its grammar understood, and an argument's position. Out: the place, or none.
//! Must never: take an argument for clear that the row calls a value of a protected key.

use crate::command::{FieldNames, Form, Spec, Values};
use crate::crypto::Purpose;
use crate::policy::rules::RuleSet;
use crate::policy::{Admitted, KeyHit, Refusal};

/// Is argument `index` a value of a protected key, and of which?
pub(super) fn place_of<'a>(
    spec: &'static Spec,
    form: &Form,
    admitted: &'a Admitted<'_>,
    rules: &RuleSet,
    index: usize,
) -> Result<Option<PlaceOf<'a>>, Refusal> {
    let args = admitted.request().args();
    let unclear = || Refusal::Unclear { command: spec.name };
    let arg = |i: usize| args.get(i).ok_or_else(unclear);
    let place = |position: usize, field: Option<&'a [u8]>, what| -> Result<_, Refusal> {
        // Every value belongs to a key that admission has looked at; anything else is a fault of the table.
        let hit = hit_at(admitted.hits(), position).ok_or_else(unclear)?;
        let key = arg(position)?;
        // A rule may leave the values of some fields in clear.
        let sealed = |rule: &usize| field.is_none_or(|field| rules.rules()[*rule].seals_field(field));
        Ok(hit.rule.filter(sealed).map(|rule| PlaceOf { rule, key, field, what }))
    };
    let hidden = || {
        let rule = hit_at(admitted.hits(), 1).and_then(|hit| rules.rules().get(hit.rule?));
        rule.is_some_and(|rule| rule.deterministic.field_names)
    };
    if names_field(spec.fields, form, index) && hidden() {
        return place(1, None, What::FieldName);
    }
    // The second of each pair that begins at `from`.
    let second = |from: usize| index > from && (index - from) % 2 == 1;
    match spec.values {
        Values::At(at) if index == usize::from(at) => place(1, None, What::Value),
        Values::From(from) if index >= usize::from(from) => place(1, None, What::Value),
        Values::SecondsFrom(from) if second(usize::from(from)) => place(1, None, What::Value),
        Values::KeyPairs if second(1) => place(index - 1, None, What::Value),
        Values::FieldPairs { from } if second(usize::from(from)) => place(1, Some(arg(index - 1)?), What::Value),
        Values::KeyPairsToStart if index < form.start && second(2) => place(index - 1, None, What::Value),
        Values::PairsAtStart if second(form.start) => place(1, Some(arg(index - 1)?), What::Value),
        Values::FieldValue { field, value } if index == usize::from(value) => {
            place(1, Some(arg(usize::from(field))?), What::Value)
        }
        Values::Members { from, to } if index >= usize::from(from) && (to == 0 || index <= usize::from(to)) => {
            place(1, None, What::Member)
        }
        Values::Elements { from, to } if index >= usize::from(from) && (to == 0 || index <= usize::from(to)) => {
            place(1, None, What::Element)
        }
        Values::GroupedMembers { size }
            if index >= form.start && (index - form.start) % usize::from(size) == usize::from(size) - 1 =>
        {
            place(1, None, What::Member)
        }
        Values::Payload(at) if index == usize::from(at) => place(1, None, What::Payload),
        Values::MemberAtStart if form.start != 0 && index == form.start => place(1, None, What::Member),
        Values::Hashed { from } if index >= usize::from(from) => place(1, None, What::Hashed),
        Values::Message { channel, value } if index == usize::from(value) => {
            place(usize::from(channel), None, What::Message)
        }
        _ => Ok(None),
    }
}

/// The place of one value argument.
pub(super) struct PlaceOf<'a> {
    pub rule: usize,
    pub key: &'a [u8],
    pub field: Option<&'a [u8]>,
    pub what: What,
}

fn names_field(fields: FieldNames, form: &Form, index: usize) -> bool {
    let every = |from: usize, step: u8| index >= from && (index - from).is_multiple_of(usize::from(step));
    match fields {
        FieldNames::None => false,
        FieldNames::At(at) => index == usize::from(at),
        FieldNames::From { from, step } => every(usize::from(from), step),
        FieldNames::FromStart { step } => every(form.start, step),
    }
}

/// What an argument is sealed as.
#[derive(Clone, Copy)]
pub(super) enum What {
    Value,
    Member,
    /// Of a list.
    Element,
    FieldName,
    Message,
    /// A whole key in the server's form, sealed already.
    Payload,
    /// An element of a HyperLogLog, of which only a hash leaves.
    Hashed,
}

impl What {
    pub fn purpose(self) -> Purpose {
        match self {
            Self::Value | Self::Element => Purpose::Value,
            Self::Member => Purpose::Member,
            Self::FieldName => Purpose::FieldName,
            Self::Message => Purpose::Message,
            Self::Payload => Purpose::Payload,
            Self::Hashed => Purpose::Element,
        }
    }
}

fn hit_at(hits: &[KeyHit], position: usize) -> Option<&KeyHit> {
    // Admission lists the keys of every command that is sealed in the order of its arguments.
    hits.binary_search_by_key(&position, |h| h.position).ok().map(|i| &hits[i])
}
