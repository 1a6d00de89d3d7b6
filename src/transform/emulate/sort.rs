//! SORT and SORT_RO: elements are put in order here, by themselves or by what keys hold to which they lead.
//!
//! Those keys are named by the client's patterns and the elements, opened, as an application would name them that sorts
//! by itself; each falls under its own rule or none. They are read only while the elements are still the same, and what
//! is stored is stored only if all of it is.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::home::Home;
use super::lookup::{Found, Lookup, LookupBuilder};
use super::snapshot::Snapshot;
use super::swap::{Guard, Write};
use super::{Context, Next, Read, WRONG_TYPE, Work, integer, unexpected};
use crate::command::{Keys, Reason};
use crate::policy::{Admitted, Refusal};
use crate::resp::{Proto, Token, Walker, encode};
use crate::transform::Transform;
use crate::transform::compute::score;
use crate::transform::compute::sets::{Scored, by_score};
use crate::transform::compute::sorting::{Pattern, Sorting};
use crate::transform::seal::MAX_SEALED_ARGS;

pub(super) struct Sort {
    command: &'static str,
    from: Home,
    to: Option<Home>,
    sorting: Sorting,
    /// What the second read is for.
    read: Option<Elements>,
}

/// What is to be sorted, opened, and what is looked up for it.
struct Elements {
    /// Of the key as it was read.
    found: Snapshot,
    elements: Vec<Bytes>,
    /// Which of them, in which order; `None` while that depends on what is looked up.
    order: Option<Vec<usize>>,
    lookup: Lookup,
    /// Where each answer was sealed.
    homes: Vec<(Home, Option<Bytes>)>,
    /// For each element the number of the answer by which it is sorted.
    weights: Vec<usize>,
    /// For each element and each GET what the client gets.
    gets: Vec<Vec<Got>>,
}

#[derive(Clone, Copy)]
enum Got {
    Element,
    Nothing,
    Answer(usize),
}

/// A part of the result, and the rule that has it encrypted where it lies.
#[derive(Clone, Default)]
struct Part {
    text: Option<Bytes>,
    rule: Option<Arc<str>>,
}

impl Sort {
    pub fn of(admitted: &Admitted<'_>, transform: &Transform) -> Result<Self, Refusal> {
        let request = admitted.request();
        let (command, keys) = request.spec().map_or(("", Keys::None), |spec| (spec.name, spec.keys));
        let store = keys == Keys::Sort { store: true };
        let sorting = Sorting::parse(request.args(), store).map_err(|complaint| Refusal::Redis(complaint.into()))?;
        // Of several destinations Redis takes the last.
        let to = match admitted.hits().len() {
            0 | 1 => None,
            keys => Some(Home::of(keys - 1, admitted, transform)?),
        };
        let sort = Self { command, from: Home::of(0, admitted, transform)?, to, sorting, read: None };
        if sort.sorting.gives_elements() {
            sort.check_destination(sort.from.rule.as_ref())?;
        }
        Ok(sort)
    }

    /// What this rule protects is not stored in clear.
    fn check_destination(&self, rule: Option<&Arc<str>>) -> Result<(), Refusal> {
        match (rule, &self.to) {
            (Some(rule), Some(Home { rule: None, .. })) => {
                Err(Refusal::Command { command: self.command, rule: rule.clone(), reason: Reason::MovesBetweenKeys })
            }
            _ => Ok(()),
        }
    }

    /// The elements of the key, opened, in Redis's order.
    fn open(&self, found: &Snapshot, transform: &mut Transform) -> Result<Vec<Bytes>, String> {
        match found.kind() {
            "none" => Ok(Vec::new()),
            "list" => found.items().map(|stored| self.from.open_value(stored, transform)).collect(),
            "set" => found.items().map(|stored| self.from.open_member(stored, transform)).collect(),
            "zset" => {
                let mut members: Vec<Scored> = Vec::with_capacity(found.items().len() / 2);
                for (stored, text) in found.pairs() {
                    let score = score::parse(text).ok_or_else(unexpected)?;
                    members.push((self.from.open_member(stored, transform)?, score));
                }
                members.sort_by(by_score);
                Ok(members.into_iter().map(|(member, _)| member).collect())
            }
            _ => Err(WRONG_TYPE.into()),
        }
    }

    /// What has to be looked up for these elements.
    fn elements(&self, found: Snapshot, transform: &mut Transform) -> Result<Elements, String> {
        let elements = self.open(&found, transform)?;
        let mut asking =
            Asking { command: self.command, transform, lookup: LookupBuilder::default(), homes: Vec::new() };
        let (mut order, mut weights) = (None, Vec::new());
        match self.sorting.pattern() {
            Some(pattern) => {
                for element in &elements {
                    weights.extend(asking.ask(pattern, element)?);
                }
            }
            None => order = Some(self.sorting.order(found.kind() == "set", &elements, &[])?),
        }
        if order.as_ref().map_or(elements.len(), Vec::len).saturating_mul(self.sorting.gets.len()) > MAX_SEALED_ARGS {
            return Err(Refusal::TooManyValues.to_string());
        }
        let mut gets = vec![Vec::new(); elements.len()];
        let given = order.clone().unwrap_or_else(|| (0..elements.len()).collect());
        for at in given {
            for pattern in &self.sorting.gets {
                gets[at].push(match pattern {
                    Pattern::Element => Got::Element,
                    pattern => asking.ask(pattern, &elements[at])?.map_or(Got::Nothing, Got::Answer),
                });
            }
        }
        let (lookup, homes) = (asking.lookup.build(), asking.homes);
        Ok(Elements { found, elements, order, lookup, homes, weights, gets })
    }

    /// What was looked up, opened.
    fn answers(&self, read: &Elements, found: &Found, transform: &mut Transform) -> Result<Vec<Part>, String> {
        let mut answers = Vec::with_capacity(read.homes.len());
        for ((home, field), stored) in read.homes.iter().zip(found.items()) {
            let Some(stored) = stored else {
                answers.push(Part::default());
                continue;
            };
            let sealed = field.as_ref().is_none_or(|field| home.seals(field));
            let text = match field {
                Some(field) => home.open_field(field, stored, transform)?,
                None => home.open_value(stored, transform)?,
            };
            answers.push(Part { text: Some(text), rule: home.rule.clone().filter(|_| sealed) });
        }
        Ok(answers)
    }

    /// The result, put together.
    fn finish(&self, read: &Elements, found: Found, at: &mut Context<'_>) -> Result<Next, String> {
        let answers = self.answers(read, &found, at.transform)?;
        let order = match &read.order {
            Some(order) => order.clone(),
            None => {
                let weights: Vec<Option<Bytes>> =
                    read.weights.iter().map(|number| answers[*number].text.clone()).collect();
                self.sorting.order(read.found.kind() == "set", &read.elements, &weights)?
            }
        };
        let mut parts = Vec::with_capacity(order.len() * self.sorting.gets.len().max(1));
        for place in order {
            let element = || Part { text: Some(read.elements[place].clone()), rule: self.from.rule.clone() };
            if self.sorting.gets.is_empty() {
                parts.push(element());
            }
            parts.extend(read.gets[place].iter().map(|got| match got {
                Got::Element => element(),
                Got::Nothing => Part::default(),
                Got::Answer(number) => answers[*number].clone(),
            }));
        }
        let Some(to) = &self.to else { return Ok(Next::Answer(reply(&parts, at.proto))) };
        let mut sealed = Vec::with_capacity(parts.len());
        for part in &parts {
            self.check_destination(part.rule.as_ref()).map_err(|refusal| refusal.to_string())?;
            sealed.push(to.seal_element(part.text.as_ref().unwrap_or(&Bytes::new()), at.transform)?);
        }
        let mut guards = vec![self.from.unchanged(&read.found)];
        if read.lookup.count() > 0 {
            guards.push(Guard::Found(read.lookup.clone(), found));
        }
        let mut write = Write::new(guards, integer(parts.len()));
        write.run([&b"DEL"[..], &to.key].map(Bytes::copy_from_slice));
        write.run_all(&[b"RPUSH", &to.key], 1, &sealed);
        Ok(Next::Write(write))
    }
}

fn reply(parts: &[Part], proto: Proto) -> Bytes {
    let mut out = BytesMut::new();
    encode::array_header(&mut out, parts.len());
    for part in parts {
        match &part.text {
            Some(text) => encode::bulk(&mut out, text),
            None => encode::null(&mut out, proto),
        }
    }
    out.freeze()
}

impl Work for Sort {
    fn begin(&mut self) -> Read {
        self.read = None;
        Read::Snapshot(vec![self.from.key.clone()])
    }

    fn take(&mut self, reply: &[u8], at: &mut Context<'_>) -> Result<Next, String> {
        if let Some(read) = self.read.take() {
            if Walker::new(reply).next() == Some(Token::Integer(0)) {
                return Ok(Next::Lost);
            }
            let found = Found::parse(reply, read.lookup.count()).ok_or_else(unexpected)?;
            return self.finish(&read, found, at);
        }
        let found = Snapshot::parse(reply, 1).ok_or_else(unexpected)?.remove(0);
        let read = self.elements(found, at.transform)?;
        if read.lookup.count() == 0 {
            return self.finish(&read, Found::default(), at);
        }
        let asked = Read::Found(self.from.key.clone(), read.found.digest().clone(), read.lookup.clone());
        self.read = Some(read);
        Ok(Next::Read(asked))
    }
}

/// A look-up that is being put together.
struct Asking<'a> {
    command: &'static str,
    transform: &'a mut Transform,
    lookup: LookupBuilder,
    homes: Vec<(Home, Option<Bytes>)>,
}

impl Asking<'_> {
    /// The number of the answer to what this pattern names with this element, if it names anything.
    fn ask(&mut self, pattern: &Pattern, element: &Bytes) -> Result<Option<usize>, String> {
        let Pattern::Of { before, after, field } = pattern else { return Ok(None) };
        if self.lookup.len() > MAX_SEALED_ARGS {
            return Err(Refusal::TooManyValues.to_string());
        }
        let key = Bytes::from([before, &element[..], after].concat());
        let policy = self.transform.policy.clone();
        let rule = policy.rules.find(&key);
        if let Some(rule) = rule.filter(|rule| rule.refuses_computing) {
            let (command, rule) = (self.command, rule.id.clone());
            return Err(Refusal::Command { command, rule, reason: Reason::ComputesOnValue }.to_string());
        }
        let home = Home::at(key, rule);
        let name = match field {
            Some(field) => home.seal_name(field, self.transform)?,
            None => Bytes::new(),
        };
        let number = self.lookup.ask(home.key.clone(), name);
        if number == self.homes.len() {
            self.homes.push((home, field.clone()));
        }
        Ok(Some(number))
    }
}
