//! What the keys of a transaction hold at one of its commands, as far as the commands before it decide that.
//!
//! Job: answer what an emulated command would read there, or say that the database must be asked, or that nobody can tell.
//! In: the sealed commands of a transaction in order, what was read of the database before, and what emulated commands
//! will store. Out: [`Answer`]s.
//! Must never: take for known what a command may leave otherwise ([`Contents`] says which it follows).
//!
//! The same is foreseen, with less knowledge, when a command is queued: see [`Outlook`](super::Outlook).

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use bytes::{Bytes, BytesMut};

use super::contents::Contents;
use super::outlook::{Effect, commands};
use super::snapshot::Snapshot;
use super::swap::Write;
use super::{Emulation, Read, Stage, WRONG_TYPE};
use crate::resp::{Token, Walker, encode};

const NULL: &[u8] = b"$-1\r\n";

#[derive(Default)]
pub(super) struct Overlay {
    /// What keys hold before the transaction, of those that were read whole and not changed by it yet.
    bases: HashMap<Bytes, Contents>,
    /// Keys that were changed, or read.
    keys: HashMap<Bytes, Held>,
    /// Some command may have changed any key.
    anything: bool,
    /// So many bytes of the transaction have been looked at.
    looked_at: usize,
}

/// What is known of a key.
enum Held {
    Unknown,
    Whole(Contents),
    /// GET was answered with this error.
    NoString(Bytes),
    /// What HGET would be answered with, of these fields, if the key holds a hash. Not all of them are known.
    Fields(HashMap<Bytes, Option<Bytes>>),
}

/// What a command that reads would be answered with.
pub(super) enum Answer {
    /// What the database holds before the transaction.
    Ask,
    /// The same if that is an error, for then the commands before have failed as well; else this.
    Checked(Bytes),
    Known(Bytes),
    Unknown,
}

impl Overlay {
    /// What the key holds before the transaction.
    pub fn begin_with(&mut self, key: &Bytes, found: &Snapshot) {
        self.bases.insert(key.clone(), Contents::of(found));
    }

    /// Looks at what follows in `block`, up to byte `end`.
    pub fn look(&mut self, block: &[u8], end: usize) {
        let from = std::mem::replace(&mut self.looked_at, end);
        commands(&block[from..end], |effect| match effect {
            Effect::Anything => self.anything = true,
            Effect::Unforeseen(keys) => keys.into_iter().for_each(|key| _ = self.keys.insert(key, Held::Unknown)),
            Effect::Change(words) => _ = self.apply(words),
            Effect::Hidden(key, field) => self.field(key, field, None),
        });
    }

    /// `false`: the server answers with an error.
    fn apply(&mut self, words: &[&[u8]]) -> bool {
        let key = words.get(1).copied().unwrap_or_default();
        let name = words.first().copied().unwrap_or_default().to_ascii_lowercase();
        if Contents::are_untouched_by(&name) {
            return true;
        }
        if let Some(contents) = self.bases.remove(key) {
            // If nothing less certain has come in between.
            self.keys.entry(copy(key)).or_insert(Held::Whole(contents));
        }
        if let Some(Held::Whole(contents)) = self.keys.get_mut(key) {
            if let Ok(carried) = contents.apply(words) {
                return carried;
            }
            self.keys.insert(copy(key), Held::Unknown);
            return true;
        }
        match &name[..] {
            b"hset" | b"hmset" | b"field" => {
                words[2..].chunks_exact(2).for_each(|pair| self.field(key, pair[0], Some(bulk(pair[1]))));
                return true;
            }
            b"hdel" => {
                words[2..].iter().for_each(|field| self.field(key, field, Some(Bytes::from_static(NULL))));
                return true;
            }
            b"hsetnx" if words.len() == 4 => {
                self.field(key, words[2], None);
                return true;
            }
            _ => {}
        }
        self.keys.insert(copy(key), Contents::decided_by(words).map_or(Held::Unknown, Held::Whole));
        true
    }

    /// What this emulated command would read now.
    pub fn answer(&self, emulation: &Emulation) -> Answer {
        if self.anything || emulation.looks_up().iter().any(|key| self.keys.contains_key(key)) {
            return Answer::Unknown;
        }
        let Stage::Read(read) = &emulation.stage else { return Answer::Unknown };
        let answer = match read {
            Read::Command(words) => self.answer_to(words),
            Read::Snapshot(keys) => self.told(keys, keys.len()),
            Read::First(keys, None) => self.told(keys, 1),
            // What lies in another database is not followed.
            Read::First(_, Some(_)) => Answer::Unknown,
            Read::Types(keys) => self.told(keys, 0),
            // Of keys that no command before has changed.
            Read::Found(..) => return Answer::Ask,
        };
        let untouched = emulation.keys.iter().all(|key| !self.keys.contains_key(key));
        if untouched && matches!(answer, Answer::Unknown) { Answer::Ask } else { answer }
    }

    fn answer_to(&self, words: &[Bytes]) -> Answer {
        let [name, key, rest @ ..] = words else { return Answer::Unknown };
        let base = self.bases.get(key);
        let held = match (self.keys.get(key), base) {
            (Some(Held::Whole(contents)), _) | (None, Some(contents)) => Ok(contents),
            (Some(held), _) => Err(held),
            (None, None) => return Answer::Ask,
        };
        let value = |value: Option<&Bytes>| Answer::Known(value.map_or(Bytes::from_static(NULL), |it| bulk(it)));
        match (&name[..], rest, held) {
            (b"GET", [], Err(Held::NoString(reply))) => Answer::Known(reply.clone()),
            (b"GET", [], Ok(Contents::String(it))) => value(Some(it)),
            (b"HGET", [field], Err(Held::Fields(replies))) => match replies.get(field) {
                Some(Some(reply)) => Answer::Checked(reply.clone()),
                Some(None) => Answer::Unknown,
                None => Answer::Ask,
            },
            (b"HGET", [field], Ok(Contents::Hash(fields))) => value(fields.get(field)),
            (b"LINDEX", [at], Ok(Contents::List(items))) => {
                value(if &at[..] == b"0" { items.front() } else { items.back() })
            }
            (b"SISMEMBER", [member], Ok(Contents::Set(members))) => {
                Answer::Known(super::integer(usize::from(members.contains(member))))
            }
            (b"SISMEMBER", [_], Ok(Contents::Nothing)) => Answer::Known(super::integer(0)),
            (b"GET", [], Ok(Contents::Nothing)) => value(None),
            (b"HGET" | b"LINDEX", [_], Ok(Contents::Nothing)) => value(None),
            (b"GET" | b"HGET" | b"LINDEX" | b"SISMEMBER", _, Ok(_)) => {
                let mut error = BytesMut::new();
                encode::error(&mut error, WRONG_TYPE);
                Answer::Known(error.freeze())
            }
            _ => Answer::Unknown,
        }
    }

    /// As SNAPSHOT tells it.
    fn told(&self, keys: &[Bytes], whole: usize) -> Answer {
        let mut out = BytesMut::new();
        encode::array_header(&mut out, keys.len());
        for (number, key) in keys.iter().enumerate() {
            let contents = match (self.keys.get(key), self.bases.get(key)) {
                (Some(Held::Whole(contents)), _) | (None, Some(contents)) => contents,
                _ => return Answer::Unknown,
            };
            contents.tell(number < whole, &mut out);
        }
        Answer::Known(out.freeze())
    }

    /// What an emulated command on one value has read.
    pub fn replied(&mut self, emulation: &Emulation, reply: &Bytes) {
        let Some((key, field)) = emulation.one_value().filter(|(key, _)| !self.bases.contains_key(*key)) else {
            return;
        };
        if let Some(field) = field {
            return self.field(key, field, Some(reply.clone()));
        }
        let held = match Walker::new(reply).next() {
            Some(Token::Bulk(value)) => Held::Whole(Contents::String(copy(value))),
            Some(Token::Null) => Held::Whole(Contents::Nothing),
            Some(Token::Error(_)) => Held::NoString(reply.clone()),
            _ => Held::Unknown,
        };
        self.keys.insert(key.clone(), held);
    }

    /// What an emulated command will write. SWAP ends at the first error.
    pub fn wrote(&mut self, emulation: &Emulation, write: &Write) {
        if !emulation.followed {
            return emulation.changed().iter().for_each(|key| _ = self.keys.insert(key.clone(), Held::Unknown));
        }
        for words in write.commands() {
            let words: Vec<&[u8]> = words.iter().map(|word| &word[..]).collect();
            if !self.apply(&words) {
                return;
            }
        }
    }

    fn field(&mut self, key: &[u8], field: &[u8], reply: Option<Bytes>) {
        match self.keys.entry(copy(key)) {
            Entry::Vacant(slot) => _ = slot.insert(Held::Fields(HashMap::from([(copy(field), reply)]))),
            Entry::Occupied(mut slot) => match slot.get_mut() {
                Held::Fields(replies) => _ = replies.insert(copy(field), reply),
                // Of a string it fails, of a key that is not there it does not.
                held => *held = Held::Unknown,
            },
        }
    }
}

impl Emulation {
    /// The key, and perhaps the field, of the value that it reads and changes, if that is all.
    pub(super) fn one_value(&self) -> Option<(&Bytes, Option<&Bytes>)> {
        if !self.one_value {
            return None;
        }
        let Stage::Read(Read::Command(words)) = &self.stage else { return None };
        match &words[..] {
            [name, key] if &name[..] == b"GET" => Some((key, None)),
            [name, key, field] if &name[..] == b"HGET" => Some((key, Some(field))),
            _ => None,
        }
    }
}

fn bulk(value: &[u8]) -> Bytes {
    let mut reply = BytesMut::with_capacity(value.len() + 16);
    encode::bulk(&mut reply, value);
    reply.freeze()
}

fn copy(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}
