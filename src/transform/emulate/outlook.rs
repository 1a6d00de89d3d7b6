//! What will be known of the keys of a transaction while it is put together: whether an emulated command can be queued, and
//! what has to be read for it. [`Overlay`](super::overlay::Overlay) works the same out again, with values, when it runs.
//!
//! Job: say yes, say which keys must be read whole before the transaction, or say no.
//! In: the sealed commands so far, and each emulated one. Out: [`Outlook::queue`]'s answer.
//! Must never: say yes where the overlay would not know.

use std::collections::{BTreeSet, HashMap, HashSet};

use bytes::Bytes;

use super::contents::Contents;
use super::{Emulation, Read, Stage};
use crate::command::{Flags, KeyPositions, Request, Spec};
use crate::resp::{RequestLimits, RequestScanner};

/// As far as any value goes.
const LIMITS: RequestLimits = RequestLimits::authenticated(usize::MAX);

#[derive(Default)]
pub struct Outlook {
    keys: HashMap<Bytes, Seen>,
    /// Keys that are read whole before the transaction.
    bases: BTreeSet<Bytes>,
    /// Keys that an emulated command reads whole, and that are not read again for the next one.
    read: HashSet<Bytes>,
    /// Some command may have changed any key.
    anything: bool,
    /// So many bytes of the transaction have been looked at.
    looked_at: usize,
}

/// What was done with a key so far.
#[derive(Clone, Copy)]
struct Seen {
    /// Who knows what it held before knows what it holds now.
    followed: bool,
    value: Value,
    /// Only fields of a hash were written or read.
    fields: bool,
}

/// Is it known what GET would find?
#[derive(Clone, Copy, PartialEq, Eq)]
enum Value {
    No,
    /// An emulated command has read it.
    Read,
    /// It was written, or deleted, whatever it was.
    Written,
}

const UNTOUCHED: Seen = Seen { followed: true, value: Value::No, fields: false };

/// What a command that the database carries out does to keys.
pub(super) enum Effect<'a> {
    Anything,
    Unforeseen(Vec<Bytes>),
    /// This command on one key, which [`Contents`] follows.
    Change(&'a [&'a [u8]]),
    /// A field gets a value that is not known.
    Hidden(&'a [u8], &'a [u8]),
}

impl Outlook {
    /// Takes an emulated command that comes behind `block`. Is what it reads first known without being asked for?
    /// `None`: nobody can tell what it would read.
    pub fn queue(&mut self, block: &[u8], emulation: &Emulation) -> Option<bool> {
        let from = std::mem::replace(&mut self.looked_at, block.len());
        commands(&block[from..], |effect| self.note(effect));
        if self.anything {
            return None;
        }
        let whole = emulation.one_value().is_none() && emulation.reads_foreseeably();
        let read = whole && emulation.keys.iter().any(|key| self.read.contains(key));
        if whole {
            self.read.extend(emulation.keys.iter().cloned());
        }
        let touched = read || emulation.keys.iter().any(|key| self.keys.contains_key(key));
        let known = if touched { self.foresee(emulation)? } else { false };
        self.note_emulated(emulation);
        Some(known)
    }

    /// Keys that are to be read whole.
    pub fn into_bases(self) -> Vec<Bytes> {
        self.bases.into_iter().collect()
    }

    fn seen(&self, key: &[u8]) -> Seen {
        self.keys.get(key).copied().unwrap_or(UNTOUCHED)
    }

    fn foresee(&mut self, emulation: &Emulation) -> Option<bool> {
        let of_one = emulation.one_value().map(|(key, field)| (self.seen(key), field.is_some()));
        match of_one {
            Some((seen, false)) if seen.value != Value::No => return Some(true),
            Some((seen, true)) if seen.fields => return Some(false),
            Some((seen, true)) if seen.value == Value::Written && seen.followed => return Some(true),
            Some(_) => {}
            None if !emulation.reads_foreseeably() => return None,
            None => {}
        }
        if !emulation.keys.iter().all(|key| self.seen(key).followed) {
            return None;
        }
        self.bases.extend(emulation.keys.iter().cloned());
        Some(true)
    }

    fn note_emulated(&mut self, emulation: &Emulation) {
        if let Some((key, field)) = emulation.one_value() {
            let first = match field {
                None => Seen { value: Value::Read, ..UNTOUCHED },
                Some(_) => Seen { fields: true, ..UNTOUCHED },
            };
            self.keys.entry(key.clone()).or_insert(first);
        } else {
            for key in emulation.changed() {
                let before = self.seen(key);
                self.keys.insert(key.clone(), before.changed(emulation.followed));
            }
        }
    }

    fn note(&mut self, effect: Effect<'_>) {
        match effect {
            Effect::Anything => self.anything = true,
            Effect::Unforeseen(keys) => {
                for key in keys {
                    let before = self.seen(&key);
                    self.keys.insert(key, before.changed(false));
                }
            }
            Effect::Hidden(key, _) => {
                let new = self.seen_by_fields(key);
                self.keys.insert(Bytes::copy_from_slice(key), Seen { followed: false, value: Value::No, ..new });
            }
            Effect::Change(words) => {
                let (name, key) = (words[0].to_ascii_lowercase(), words[1]);
                let new = match &name[..] {
                    name if Contents::are_untouched_by(name) => return,
                    _ if Contents::decided_by(words).is_some() => Seen { value: Value::Written, ..UNTOUCHED },
                    b"hset" | b"hmset" | b"hdel" => self.seen_by_fields(key),
                    _ => self.seen(key).changed(true),
                };
                self.keys.insert(Bytes::copy_from_slice(key), new);
            }
        }
    }

    /// After a command on fields.
    fn seen_by_fields(&self, key: &[u8]) -> Seen {
        match self.keys.get(key) {
            None => Seen { fields: true, ..UNTOUCHED },
            Some(before) => Seen { fields: before.fields, ..before.changed(true) },
        }
    }
}

impl Seen {
    /// After a command that may have changed all of it; `followed`: in a way that can be told.
    fn changed(self, followed: bool) -> Self {
        let followed = self.followed && followed;
        // What was written is known as a whole, and so is what becomes of it.
        let value = if self.value == Value::Written && followed { Value::Written } else { Value::No };
        Self { followed, value, fields: false }
    }
}

impl Emulation {
    /// Can its first read be answered from what is known of its keys?
    fn reads_foreseeably(&self) -> bool {
        match &self.stage {
            Stage::Read(Read::Command(words)) => {
                words.first().is_some_and(|name| [&b"LINDEX"[..], b"SISMEMBER"].contains(&&name[..]))
            }
            Stage::Read(Read::First(_, database)) => database.is_none(),
            Stage::Read(_) => true,
            Stage::Write(_) => false,
        }
    }
}

/// Tells what each command of this piece of a transaction does.
pub(super) fn commands(piece: &[u8], mut tell: impl FnMut(Effect<'_>)) {
    let (mut scanner, mut positions, mut at) = (RequestScanner::new(), KeyPositions::new(), 0);
    while at < piece.len() {
        let Ok(Some(len)) = scanner.scan(&piece[at..], &LIMITS) else { return tell(Effect::Anything) };
        let raw = scanner.request(&piece[at..]);
        tell_of(&Request::parse(raw.bytes, raw.args), &mut positions, &mut tell);
        scanner.reset();
        at += len;
    }
}

fn tell_of(request: &Request<'_>, positions: &mut KeyPositions, tell: &mut impl FnMut(Effect<'_>)) {
    // A script may touch keys that it does not declare (DEL needs no proof), and FLUSH take ours away that is known by then.
    let followed = |spec: &&Spec| !["select", "script|flush"].contains(&spec.name) && !spec.flags.has(Flags::SCRIPT);
    let reads = |spec: &&'static Spec| spec.name.ends_with("_ro");
    let Some(spec) = request.spec().filter(|spec| followed(spec) || reads(spec)) else {
        return tell(Effect::Anything);
    };
    if !spec.flags.has(Flags::WRITE) {
        return;
    }
    let words: Vec<&[u8]> = request.args().iter().collect();
    match spec.name {
        "mset" if words.len() % 2 == 1 => {
            words[1..].chunks(2).for_each(|pair| tell(Effect::Change(&[b"SET", pair[0], pair[1]])));
        }
        "del" | "unlink" => words[1..].iter().for_each(|key| tell(Effect::Change(&[b"DEL", key]))),
        // By the database itself, so of a field that the rule leaves in clear.
        "hincrby" | "hincrbyfloat" if words.len() == 4 => tell(Effect::Hidden(words[1], words[2])),
        _ => {
            if spec.keys(request.args(), positions).is_err() || positions.is_empty() {
                return tell(Effect::Anything);
            }
            if positions.len() == 1 && positions[0].at == 1 && Contents::follows(&words) {
                return tell(Effect::Change(&words));
            }
            let name = |at: usize| Bytes::copy_from_slice(words.get(at).copied().unwrap_or_default());
            tell(Effect::Unforeseen(positions.iter().map(|key| name(key.at)).collect()));
        }
    }
}
