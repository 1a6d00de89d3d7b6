//! What a key holds, as it is stored, and what a command makes of that.
//!
//! Job: follow the commands of a transaction, so that what an emulated one among them reads is known before any has run.
//! In: a [`Snapshot`], then commands with sealed values. Out: what they leave.
//! Must never: guess. A command that is not listed, or whose arguments are not plain, is [`Unforeseen`], whatever the key
//! holds.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::{Bytes, BytesMut};

use super::snapshot::Snapshot;
use crate::resp::encode;
use crate::transform::compute::{number, score};

#[derive(Default)]
pub(super) enum Contents {
    #[default]
    Nothing,
    String(Bytes),
    List(VecDeque<Bytes>),
    Set(BTreeSet<Bytes>),
    /// Members and their scores.
    Sorted(BTreeMap<Bytes, Bytes>),
    /// Fields and their values.
    Hash(BTreeMap<Bytes, Bytes>),
    /// Of a type that is not followed.
    Other(String),
}

/// What the command does is not known.
#[derive(Debug)]
pub(super) struct Unforeseen;

/// Whether it is carried out; `false`: the server answers with an error.
type Carried = Result<bool, Unforeseen>;

/// In milliseconds. What lives for so long outlives the transaction.
const SECOND: i64 = 1000;
/// In seconds as in milliseconds Redis takes this for a time to live.
const FAR: i64 = 1_000_000_000_000;

impl Contents {
    pub fn of(found: &Snapshot) -> Self {
        let items = || found.items().cloned();
        let pairs = || found.pairs().map(|(one, other)| (one.clone(), other.clone()));
        match found.kind() {
            "none" => Self::Nothing,
            "string" => Self::String(items().next().unwrap_or_default()),
            "list" => Self::List(items().collect()),
            "set" => Self::Set(items().collect()),
            "zset" => Self::Sorted(pairs().collect()),
            "hash" => Self::Hash(pairs().collect()),
            other => Self::Other(other.to_owned()),
        }
    }

    pub fn kind(&self) -> &str {
        match self {
            Self::Nothing => "none",
            Self::String(_) => "string",
            Self::List(_) => "list",
            Self::Set(_) => "set",
            Self::Sorted(_) => "zset",
            Self::Hash(_) => "hash",
            Self::Other(kind) => kind,
        }
    }

    /// What SNAPSHOT tells of it, but for the digest; `whole`: of what it holds, too.
    pub fn tell(&self, whole: bool, out: &mut BytesMut) {
        let items: Vec<&Bytes> = match self {
            _ if !whole => vec![],
            Self::Nothing | Self::Other(_) => vec![],
            Self::String(value) => vec![value],
            Self::List(items) => items.iter().collect(),
            Self::Set(members) => members.iter().collect(),
            // Members before scores, fields before values: the first of each pair is the key of the map.
            Self::Sorted(pairs) | Self::Hash(pairs) => pairs.iter().flat_map(|(one, other)| [one, other]).collect(),
        };
        encode::array_header(out, 3);
        encode::bulk(out, self.kind().as_bytes());
        encode::bulk(out, b"");
        encode::array_header(out, items.len());
        items.into_iter().for_each(|item| encode::bulk(out, item));
    }

    /// Can it be told what this command leaves, whatever is there before?
    pub fn follows(words: &[&[u8]]) -> bool {
        Self::Nothing.apply(words).is_ok()
    }

    /// Does this command, in lower case, touch times to live only? All but the first three are words of SWAP.
    pub fn are_untouched_by(name: &[u8]) -> bool {
        matches!(name, b"expire" | b"pexpire" | b"persist" | b"keep" | b"kept" | b"fields" | b"timed")
    }

    /// What it leaves, if that is the same whatever is there before.
    pub fn decided_by(words: &[&[u8]]) -> Option<Self> {
        let (mut one, mut other) = (Self::Nothing, Self::Other(String::new()));
        let carried = |outcome: Carried| outcome.is_ok_and(|carried| carried);
        let decided = carried(one.apply(words)) && carried(other.apply(words)) && !matches!(other, Self::Other(_));
        decided.then_some(one)
    }

    /// Carries out a command on this key, which is its first argument, or a word of SWAP.
    pub fn apply(&mut self, words: &[&[u8]]) -> Carried {
        let (Some(name), rest) = (words.first(), words.get(2..).unwrap_or_default()) else { return Err(Unforeseen) };
        match &name.to_ascii_lowercase()[..] {
            b"del" | b"unlink" if rest.is_empty() => *self = Self::Nothing,
            b"set" => return self.set(rest),
            b"setex" if rest.len() == 2 && is_later(rest[0], 1) => *self = Self::String(copy(rest[1])),
            b"psetex" if rest.len() == 2 && is_later(rest[0], SECOND) => *self = Self::String(copy(rest[1])),
            b"setnx" if rest.len() == 1 => return self.set(&[rest[0], b"NX"]),
            b"getset" if rest.len() == 1 => return self.set(&[rest[0], b"GET"]),
            b"expire" if is_later(first(rest), 1) => {}
            b"pexpire" if is_later(first(rest), SECOND) => {}
            b"expire" | b"pexpire" => return Err(Unforeseen),
            other if Self::are_untouched_by(other) => {}
            b"rpush" | b"lpush" | b"rpushx" | b"lpushx" | b"rpop" | b"lpop" | b"lset" | b"lrem" | b"linsert" => {
                return self.change_list(&name.to_ascii_lowercase(), rest);
            }
            b"sadd" | b"srem" if !rest.is_empty() => {
                let adds = name.eq_ignore_ascii_case(b"sadd");
                match self.members(adds) {
                    Some(members) if adds => members.extend(rest.iter().map(|member| copy(member))),
                    Some(members) => rest.iter().for_each(|member| _ = members.remove(*member)),
                    None => return self.finds_nothing(),
                }
            }
            b"zadd" if !rest.is_empty() && rest.len().is_multiple_of(2) => {
                if rest.chunks(2).any(|pair| score::parse(pair[0]).is_none_or(f64::is_nan)) {
                    return Err(Unforeseen);
                }
                let Some(members) = self.pairs(true, true) else { return Ok(false) };
                members.extend(rest.chunks(2).map(|pair| (copy(pair[1]), copy(pair[0]))));
            }
            b"zrem" if !rest.is_empty() => match self.pairs(true, false) {
                Some(members) => rest.iter().for_each(|member| _ = members.remove(*member)),
                None => return self.finds_nothing(),
            },
            b"hset" | b"hmset" | b"field" if !rest.is_empty() && rest.len().is_multiple_of(2) => {
                let Some(fields) = self.pairs(false, true) else { return Ok(false) };
                fields.extend(rest.chunks(2).map(|pair| (copy(pair[0]), copy(pair[1]))));
            }
            b"hsetnx" if rest.len() == 2 => match self.pairs(false, true) {
                Some(fields) => _ = fields.entry(copy(rest[0])).or_insert_with(|| copy(rest[1])),
                None => return Ok(false),
            },
            b"hdel" if !rest.is_empty() => match self.pairs(false, false) {
                Some(fields) => rest.iter().for_each(|field| _ = fields.remove(*field)),
                None => return self.finds_nothing(),
            },
            _ => return Err(Unforeseen),
        }
        self.vanish_if_empty();
        Ok(true)
    }

    fn set(&mut self, rest: &[&[u8]]) -> Carried {
        let Some((value, options)) = rest.split_first() else { return Err(Unforeseen) };
        let (mut carried, mut at) = (true, 0);
        while let Some(option) = options.get(at) {
            let time = options.get(at + 1).copied().unwrap_or_default();
            match &option.to_ascii_lowercase()[..] {
                b"ex" if is_later(time, 1) => at += 1,
                b"px" if is_later(time, SECOND) => at += 1,
                b"keepttl" => {}
                b"nx" => carried &= matches!(self, Self::Nothing),
                b"xx" => carried &= !matches!(self, Self::Nothing),
                b"get" => carried &= matches!(self, Self::Nothing | Self::String(_)),
                _ => return Err(Unforeseen),
            }
            at += 1;
        }
        if carried {
            *self = Self::String(copy(value));
        }
        Ok(carried)
    }

    fn change_list(&mut self, name: &[u8], rest: &[&[u8]]) -> Carried {
        // Understood before it is looked at what is there.
        let number_at = |at: usize| rest.get(at).and_then(|text| number::integer(text)).ok_or(Unforeseen);
        match (name, rest) {
            (b"rpop" | b"lpop", []) | (b"rpush" | b"lpush" | b"rpushx" | b"lpushx", [_, ..]) => {}
            (b"lset" | b"lrem", [_, _]) => _ = number_at(0)?,
            (b"linsert", [side, _, _]) if [&b"before"[..], b"after"].iter().any(|it| side.eq_ignore_ascii_case(it)) => {
            }
            _ => return Err(Unforeseen),
        }
        let creates = matches!(name, b"rpush" | b"lpush");
        if matches!(self, Self::Nothing) && creates {
            *self = Self::List(VecDeque::new());
        }
        let list = match self {
            Self::List(list) => list,
            // LSET has no such key; the others do nothing.
            Self::Nothing => return Ok(name != b"lset"),
            _ => return Ok(false),
        };
        match name {
            b"rpush" | b"rpushx" => list.extend(rest.iter().map(|item| copy(item))),
            b"lpush" | b"lpushx" => rest.iter().for_each(|item| list.push_front(copy(item))),
            b"rpop" => _ = list.pop_back(),
            b"lpop" => _ = list.pop_front(),
            b"lset" => {
                let at = number_at(0)?;
                let from_start = if at < 0 { at.saturating_add_unsigned(list.len() as u64) } else { at };
                match usize::try_from(from_start).ok().and_then(|at| list.get_mut(at)) {
                    Some(item) => *item = copy(rest[1]),
                    None => return Ok(false),
                }
            }
            b"lrem" => {
                let count = number_at(0)?;
                let mut left = if count == 0 { u64::MAX } else { count.unsigned_abs() };
                let mut keeps = |item: &Bytes| {
                    let goes = item == rest[1] && left > 0;
                    left -= u64::from(goes);
                    !goes
                };
                if count < 0 {
                    let kept: VecDeque<Bytes> = list.drain(..).rev().filter(|item| keeps(item)).collect();
                    *list = kept.into_iter().rev().collect();
                } else {
                    list.retain(keeps);
                }
            }
            _ => {
                if let Some(at) = list.iter().position(|item| item == rest[1]) {
                    list.insert(at + usize::from(rest[0].eq_ignore_ascii_case(b"after")), copy(rest[2]));
                }
            }
        }
        self.vanish_if_empty();
        Ok(true)
    }

    /// What takes something away does nothing if there is no such key, and fails if that is something else.
    fn finds_nothing(&self) -> Carried {
        Ok(matches!(self, Self::Nothing))
    }

    /// `None`: the key holds something else.
    fn members(&mut self, creates: bool) -> Option<&mut BTreeSet<Bytes>> {
        if matches!(self, Self::Nothing) && creates {
            *self = Self::Set(BTreeSet::new());
        }
        match self {
            Self::Set(members) => Some(members),
            _ => None,
        }
    }

    /// The same of a sorted set, or of a hash.
    fn pairs(&mut self, sorted: bool, creates: bool) -> Option<&mut BTreeMap<Bytes, Bytes>> {
        if matches!(self, Self::Nothing) && creates {
            *self = if sorted { Self::Sorted(BTreeMap::new()) } else { Self::Hash(BTreeMap::new()) };
        }
        match self {
            Self::Sorted(pairs) if sorted => Some(pairs),
            Self::Hash(pairs) if !sorted => Some(pairs),
            _ => None,
        }
    }

    fn vanish_if_empty(&mut self) {
        let empty = match self {
            Self::List(items) => items.is_empty(),
            Self::Set(members) => members.is_empty(),
            Self::Sorted(pairs) | Self::Hash(pairs) => pairs.is_empty(),
            Self::Nothing | Self::String(_) | Self::Other(_) => false,
        };
        if empty {
            *self = Self::Nothing;
        }
    }
}

fn first<'a>(words: &[&'a [u8]]) -> &'a [u8] {
    words.first().copied().unwrap_or_default()
}

/// A time to live that Redis takes, and of so many units at least.
fn is_later(time: &[u8], least: i64) -> bool {
    number::integer(time).is_some_and(|time| (least..=FAR).contains(&time))
}

fn copy(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}
