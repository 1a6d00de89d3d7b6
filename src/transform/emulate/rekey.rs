//! All that one key holds goes to another: RENAME, RENAMENX, COPY.

use bytes::Bytes;

use super::home::Home;
use super::snapshot::Snapshot;
use super::swap::{Guard, Write};
use super::{Context, Next, Read, Work, integer, ok, unexpected};
use crate::command::{Args, Move};
use crate::policy::{Admitted, NotCarried, Refusal};
use crate::transform::Transform;
use crate::transform::compute::{NOT_AN_INTEGER, SYNTAX, number};

const NOT_AN_INT: &str = "ERR value is out of range, value must between -2147483648 and 2147483647";
const NO_DATABASE: &str = "ERR DB index is out of range";
const NO_SUCH_KEY: &str = "ERR no such key";
/// What the server's own form of a HyperLogLog begins with. It is a string that commands of its own look into.
const HYPERLOGLOG: &[u8] = b"HYLL";

pub(super) struct Rekey {
    command: &'static str,
    from: Home,
    to: Home,
    /// What is under the other key may be overwritten.
    replaces: bool,
    /// The value stays where it was, too.
    copies: bool,
    /// The other key is in this database.
    database: Option<Bytes>,
    /// What the client is told if there is nothing to move.
    missing: Result<Bytes, String>,
    done: Bytes,
}

impl Rekey {
    pub fn of(what: Move, admitted: &Admitted<'_>, transform: &Transform) -> Result<Self, Refusal> {
        let command = admitted.request().spec().map_or("", |spec| spec.name);
        let copies = what == Move::Copy;
        let options = match what {
            Move::Copy => CopyOptions::parse(admitted.request().args()).map_err(Refusal::Redis)?,
            _ => CopyOptions { replace: what == Move::Rename, database: None },
        };
        Ok(Self {
            command,
            from: Home::of(0, admitted, transform)?,
            to: Home::of(1, admitted, transform)?,
            replaces: options.replace,
            copies,
            database: options.database,
            missing: if copies { Ok(integer(0)) } else { Err(NO_SUCH_KEY.into()) },
            done: if what == Move::Rename { ok() } else { integer(1) },
        })
    }

    /// How what was found under the first key is stored under the other.
    fn moved(&self, found: &Snapshot, transform: &mut Transform) -> Result<Moved, String> {
        let (from, to) = (&self.from, &self.to);
        let mut parts = Vec::with_capacity(found.items().len());
        let (word, group): (&[u8], usize) = match found.kind() {
            "string" => {
                let stored = found.items().next().ok_or_else(unexpected)?;
                // Under a rule a string is an envelope, which does not begin so.
                if stored.starts_with(HYPERLOGLOG) {
                    return Err(self.refused(NotCarried::Kind));
                }
                let value = from.open_value(stored, transform)?;
                parts.push(to.seal_value(&value, transform)?);
                (b"SET", 1)
            }
            "list" => {
                for stored in found.items() {
                    let element = from.open_value(stored, transform)?;
                    parts.push(to.seal_element(&element, transform)?);
                }
                (b"RPUSH", 1)
            }
            "set" => {
                for stored in found.items() {
                    let member = from.open_member(stored, transform)?;
                    parts.push(to.seal_member(&member, transform)?);
                }
                (b"SADD", 1)
            }
            "zset" => {
                for (stored, score) in found.pairs() {
                    let member = from.open_member(stored, transform)?;
                    parts.extend([score.clone(), to.seal_member(&member, transform)?]);
                }
                (b"ZADD", 2)
            }
            "hash" => return self.moved_hash(found, transform),
            _ => return Err(self.refused(NotCarried::Kind)),
        };
        Ok(Moved { word, group, parts, names: Vec::new() })
    }

    fn moved_hash(&self, found: &Snapshot, transform: &mut Transform) -> Result<Moved, String> {
        let (from, to) = (&self.from, &self.to);
        if from.seals_names() && !to.seals_names() {
            return Err(self.refused(NotCarried::Bares));
        }
        let (mut parts, mut names) = (Vec::new(), Vec::new());
        for (stored_name, stored) in found.pairs() {
            let name = from.open_name(stored_name, transform)?;
            if from.seals(&name) && !to.seals(&name) {
                return Err(self.refused(NotCarried::Bares));
            }
            let value = from.open_field(&name, stored, transform)?;
            let new_name = to.seal_name(&name, transform)?;
            parts.extend([new_name.clone(), to.seal_field(&name, &value, transform)?]);
            names.extend([stored_name.clone(), new_name]);
        }
        Ok(Moved { word: b"HSET", group: 2, parts, names })
    }

    fn refused(&self, why: NotCarried) -> String {
        Refusal::NotCarried { command: self.command, why }.to_string()
    }
}

/// A command without its key, with arguments in groups of so many, and fields that may have times to live: their old names
/// and their new ones, in turn.
struct Moved {
    word: &'static [u8],
    group: usize,
    parts: Vec<Bytes>,
    names: Vec<Bytes>,
}

impl Work for Rekey {
    fn begin(&mut self) -> Read {
        if self.replaces && self.database.is_none() {
            Read::Snapshot(vec![self.from.key.clone()])
        } else {
            Read::First(vec![self.from.key.clone(), self.to.key.clone()], self.database.clone())
        }
    }

    fn take(&mut self, reply: &[u8], at: &mut Context<'_>) -> Result<Next, String> {
        let keys = if self.replaces && self.database.is_none() { 1 } else { 2 };
        let found = Snapshot::parse(reply, keys).ok_or_else(unexpected)?;
        let (source, there) = (&found[0], found.get(1));
        if source.kind() == "none" {
            return self.missing.clone().map(Next::Answer);
        }
        if !self.replaces && there.is_some_and(|there| there.kind() != "none") {
            return Ok(Next::Answer(integer(0)));
        }
        let Moved { word, group, parts, names } = self.moved(source, at.transform)?;
        let (from, to) = (&self.from.key, &self.to.key);
        let mut guards = vec![self.from.unchanged(source)];
        if !self.replaces && self.database.is_none() {
            guards.push(Guard::None(to.clone()));
        }
        let mut write = Write::new(guards, self.done.clone());
        // All that is read stands before what selects another database.
        write.say(&[b"KEEP", from]);
        write.run_all(&[b"FIELDS", from], 2, &names);
        if let Some(database) = &self.database {
            write.say(&[b"SELECT", database]);
            if !self.replaces {
                write.say(&[b"ABSENT", to]);
            }
        }
        if self.replaces {
            write.say(&[b"DEL", to]);
        }
        write.run_all(&[word, to], group, &parts);
        if !names.is_empty() {
            write.say(&[b"TIMED", to]);
        }
        write.say(&[b"KEPT", to]);
        if !self.copies {
            write.say(&[b"DEL", from]);
        }
        Ok(Next::Write(write))
    }
}

struct CopyOptions {
    replace: bool,
    database: Option<Bytes>,
}

impl CopyOptions {
    fn parse(args: Args<'_>) -> Result<Self, String> {
        let mut options = Self { replace: false, database: None };
        let mut at = 3;
        while at < args.len() {
            if args.is(at, "REPLACE") {
                options.replace = true;
            } else if args.is(at, "DB") && at + 1 < args.len() {
                at += 1;
                let number = args.get(at).and_then(number::integer).ok_or(NOT_AN_INTEGER)?;
                if i32::try_from(number).map_err(|_| NOT_AN_INT)? < 0 {
                    return Err(NO_DATABASE.into());
                }
                options.database = args.get(at).map(Bytes::copy_from_slice);
            } else {
                return Err(SYNTAX.into());
            }
            at += 1;
        }
        Ok(options)
    }
}
