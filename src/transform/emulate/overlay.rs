//! What the keys of a transaction hold at one of its commands, as far as the commands before it decide that.
//!
//! Job: answer what an emulated command would read there, or say that the database must be asked, or that nobody can tell.
//! In: the sealed commands of a transaction, in order, and what emulated ones among them read and will store.
//! Must never: take for known what a command may leave as it was. Whatever is not listed in [`Overlay::note`] may do
//! anything to its keys.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use bytes::{Bytes, BytesMut};

use super::swap::Stored;
use super::{Emulation, Read, Stage};
use crate::command::{Args, Flags, KeyPositions, Request, Spec};
use crate::resp::{RequestLimits, RequestScanner, encode};
use crate::transform::compute::number;

/// As far as any value goes.
const LIMITS: RequestLimits = RequestLimits::authenticated(usize::MAX);
const NULL: &[u8] = b"$-1\r\n";

/// In milliseconds. What lives for so long outlives the transaction.
const SECOND: i64 = 1000;
/// In seconds as in milliseconds Redis takes this for a time to live.
const FAR: i64 = 1_000_000_000_000;

#[derive(Default)]
pub struct Overlay {
    keys: HashMap<Bytes, Held>,
    /// Some command may have changed any key.
    anything: bool,
    /// So many bytes of the transaction have been looked at.
    looked_at: usize,
}

/// What is known of a key that was written or read.
enum Held {
    Unknown,
    /// It was deleted.
    Gone,
    /// What GET would be answered with.
    Value(Bytes),
    Fields {
        /// There are no others.
        alone: bool,
        /// What HGET would be answered with, if that is known.
        replies: HashMap<Bytes, Option<Bytes>>,
    },
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
    /// Looks at what follows in `block`, up to byte `end`.
    pub(super) fn look(&mut self, block: &[u8], end: usize) {
        let (mut scanner, mut positions) = (RequestScanner::new(), KeyPositions::new());
        while self.looked_at < end {
            let rest = &block[self.looked_at..end];
            let Ok(Some(len)) = scanner.scan(rest, &LIMITS) else {
                self.anything = true;
                return;
            };
            let raw = scanner.request(rest);
            self.note(&Request::parse(raw.bytes, raw.args), &mut positions);
            scanner.reset();
            self.looked_at += len;
        }
    }

    /// Takes an emulated command that is queued here, whose values are not known yet. Is the answer to what it reads first?
    /// `None`: nobody can tell what it would read.
    pub fn queue(&mut self, block: &[u8], emulation: &Emulation) -> Option<bool> {
        self.look(block, block.len());
        let known = match self.answer(emulation) {
            Answer::Unknown => return None,
            Answer::Known(_) => true,
            Answer::Ask | Answer::Checked(_) => false,
        };
        if emulation.one_value().is_some() {
            self.replied(emulation, &Bytes::new());
        } else if emulation.writes {
            self.scramble(&emulation.keys);
        }
        Some(known)
    }

    /// What this emulated command would read now.
    pub(super) fn answer(&self, emulation: &Emulation) -> Answer {
        if self.anything {
            return Answer::Unknown;
        }
        if emulation.keys.iter().all(|key| !self.keys.contains_key(key)) {
            return Answer::Ask;
        }
        let Some((key, field)) = emulation.one_value() else { return Answer::Unknown };
        let null = || Answer::Known(Bytes::from_static(NULL));
        match (self.keys.get(key), field) {
            (None, _) => Answer::Ask,
            (Some(Held::Gone), _) => null(),
            (Some(Held::Value(reply)), None) => Answer::Known(reply.clone()),
            (Some(Held::Fields { alone, replies }), Some(field)) => match replies.get(field) {
                Some(Some(reply)) if *alone => Answer::Known(reply.clone()),
                Some(Some(reply)) => Answer::Checked(reply.clone()),
                Some(None) => Answer::Unknown,
                None if *alone => null(),
                None => Answer::Ask,
            },
            // Both a string and a hash: which commands fail depends on which it is.
            _ => Answer::Unknown,
        }
    }

    /// What this emulated command has read.
    pub(super) fn replied(&mut self, emulation: &Emulation, reply: &Bytes) {
        match emulation.one_value() {
            Some((key, None)) => self.hold(key, reply.clone()),
            Some((key, Some(field))) => self.field(key, field, Some(reply.clone())),
            None => {}
        }
    }

    pub(super) fn stored(&mut self, stored: &Stored) {
        let reply = bulk(&stored.sealed);
        match &stored.field {
            None => self.hold(&stored.key, reply),
            Some(field) => self.field(&stored.key, field, Some(reply)),
        }
    }

    /// Nobody knows what these hold now.
    pub(super) fn scramble<'k>(&mut self, keys: impl IntoIterator<Item = &'k Bytes>) {
        for key in keys {
            self.keys.insert(key.clone(), Held::Unknown);
        }
    }

    /// What a command that the database carries out leaves behind.
    fn note(&mut self, request: &Request<'_>, positions: &mut KeyPositions) {
        let args = request.args();
        let Some(spec) = request.spec() else {
            self.anything = true;
            return;
        };
        if spec.name == "select" {
            self.anything = true;
        }
        if !writes(spec) || self.decide(spec.name, args).is_some() {
            return;
        }
        if spec.keys(args, positions).is_err() || positions.is_empty() {
            self.anything = true;
        }
        for key in positions.iter() {
            let name = Bytes::copy_from_slice(args.get(key.at).unwrap_or_default());
            self.keys.insert(name, Held::Unknown);
        }
    }

    /// The commands of which that is certain, whatever is there before.
    fn decide(&mut self, name: &str, args: Args<'_>) -> Option<()> {
        let arg = |at: usize| args.get(at).unwrap_or_default();
        let (key, count) = (arg(1), args.len());
        match name {
            "set" if keeps_its_word(args) => self.hold(key, bulk(arg(2))),
            "setex" if count == 4 && is_later(arg(2), 1) => self.hold(key, bulk(arg(3))),
            "psetex" if count == 4 && is_later(arg(2), SECOND) => self.hold(key, bulk(arg(3))),
            "mset" if count % 2 == 1 => (1..count).step_by(2).for_each(|at| self.hold(arg(at), bulk(arg(at + 1)))),
            "del" | "unlink" => args.from(1).for_each(|key| _ = self.keys.insert(copy(key), Held::Gone)),
            "hset" | "hmset" if count.is_multiple_of(2) => {
                (2..count).step_by(2).for_each(|at| self.field(key, arg(at), Some(bulk(arg(at + 1)))));
            }
            "hdel" => args.from(2).for_each(|field| self.field(key, field, Some(Bytes::from_static(NULL)))),
            // By the database itself, so of a field that the rule leaves in clear.
            "hincrby" | "hincrbyfloat" | "hsetnx" => self.field(key, arg(2), None),
            "expire" if is_later(arg(2), 1) => {}
            "pexpire" if is_later(arg(2), SECOND) => {}
            "persist" => {}
            _ => return None,
        }
        Some(())
    }

    fn hold(&mut self, key: &[u8], reply: Bytes) {
        self.keys.insert(copy(key), Held::Value(reply));
    }

    fn field(&mut self, key: &[u8], field: &[u8], reply: Option<Bytes>) {
        let held = match self.keys.entry(copy(key)) {
            Entry::Vacant(slot) => slot.insert(Held::Fields { alone: false, replies: HashMap::new() }),
            Entry::Occupied(slot) => slot.into_mut(),
        };
        match held {
            Held::Fields { replies, .. } => _ = replies.insert(copy(field), reply),
            Held::Gone => *held = Held::Fields { alone: true, replies: HashMap::from([(copy(field), reply)]) },
            // Of a string it fails, of a key that is not there it does not.
            Held::Value(_) | Held::Unknown => *held = Held::Unknown,
        }
    }
}

impl Emulation {
    /// The key, and perhaps the field, of the value that it reads and changes, if that is all.
    fn one_value(&self) -> Option<(&Bytes, Option<&Bytes>)> {
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

/// Does SET store its value whatever is there? Not with NX or XX, nor with GET, which fails of a list; and a time that is over
/// deletes it.
fn keeps_its_word(args: Args<'_>) -> bool {
    let mut at = 3;
    while at < args.len() {
        let time = args.get(at + 1).unwrap_or_default();
        if (args.is(at, "EX") && is_later(time, 1)) || (args.is(at, "PX") && is_later(time, SECOND)) {
            at += 1;
        } else if !args.is(at, "KEEPTTL") {
            return false;
        }
        at += 1;
    }
    args.len() >= 3
}

/// A time to live that Redis takes, and of so many units at least.
fn is_later(time: &[u8], least: i64) -> bool {
    number::integer(time).is_some_and(|time| (least..=FAR).contains(&time))
}

fn writes(spec: &Spec) -> bool {
    spec.flags.has(Flags::WRITE) || (spec.flags.has(Flags::SCRIPT) && !spec.name.ends_with("_ro"))
}

fn bulk(value: &[u8]) -> Bytes {
    let mut reply = BytesMut::with_capacity(value.len() + 16);
    encode::bulk(&mut reply, value);
    reply.freeze()
}

fn copy(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}
