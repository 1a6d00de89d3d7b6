//! Keys to which what was read has led, and what is looked up there.
//!
//! In: names of keys and of hash fields. Out: the arguments of LOOKUP, and what its reply says.
//! Must never: hold what no client may know: names of keys are in clear.

use std::collections::HashMap;
use std::rc::Rc;

use bytes::Bytes;

use crate::resp::{Token, Walker};

/// What is to be looked up: each string and each field of a hash once.
#[derive(Clone, Default)]
pub(super) struct Lookup {
    keys: Rc<Vec<Bytes>>,
    /// A key by its number, and a field; of a string it is empty, for SORT has no empty field.
    wanted: Rc<Vec<(usize, Bytes)>>,
}

/// A [`Lookup`] that grows.
#[derive(Default)]
pub(super) struct LookupBuilder {
    numbers: HashMap<Bytes, usize>,
    places: HashMap<(usize, Bytes), usize>,
    keys: Vec<Bytes>,
    wanted: Vec<(usize, Bytes)>,
}

impl LookupBuilder {
    /// At which place the answer will be.
    pub fn ask(&mut self, key: Bytes, field: Bytes) -> usize {
        let number = *self.numbers.entry(key.clone()).or_insert_with(|| {
            self.keys.push(key);
            self.keys.len() - 1
        });
        *self.places.entry((number, field.clone())).or_insert_with(|| {
            self.wanted.push((number, field));
            self.wanted.len() - 1
        })
    }

    /// Of how many words a call consists, about.
    pub fn len(&self) -> usize {
        self.keys.len() + 2 * self.wanted.len()
    }

    pub fn build(self) -> Lookup {
        Lookup { keys: Rc::new(self.keys), wanted: Rc::new(self.wanted) }
    }
}

impl Lookup {
    pub fn keys(&self) -> &[Bytes] {
        &self.keys
    }

    /// How many answers there will be.
    pub fn count(&self) -> usize {
        self.wanted.len()
    }

    /// Of how many words a call consists, about.
    pub fn len(&self) -> usize {
        self.keys.len() + 2 * self.wanted.len()
    }

    /// As the script has them, where so many keys come first.
    pub fn pairs(&self, before: usize) -> Vec<Bytes> {
        let pair = |(key, field): &(usize, Bytes)| [Bytes::from((before + key + 1).to_string()), field.clone()];
        self.wanted.iter().flat_map(pair).collect()
    }
}

/// What was found, as it is stored.
#[derive(Default)]
pub(super) struct Found(Vec<Option<Bytes>>);

impl Found {
    /// `None` if the reply is of another shape.
    pub fn parse(reply: &[u8], count: usize) -> Option<Self> {
        let mut walk = Walker::new(reply);
        if walk.next() != Some(Token::Array(count)) {
            return None;
        }
        let one = |_| match walk.next() {
            Some(Token::Bulk(bytes)) => Some(Some(Bytes::copy_from_slice(bytes))),
            Some(Token::Null) => Some(None),
            _ => None,
        };
        (0..count).map(one).collect::<Option<_>>().map(Self)
    }

    pub fn items(&self) -> impl Iterator<Item = Option<&Bytes>> {
        self.0.iter().map(Option::as_ref)
    }

    /// As the script tells it, for its digest.
    pub fn told(&self) -> Vec<Bytes> {
        let told = |one: &Option<Bytes>| match one {
            Some(one) => [&b"+"[..], one].concat().into(),
            None => Bytes::from_static(b"-"),
        };
        self.0.iter().map(told).collect()
    }
}
