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
    /// What the client is told if there is nothing to move.
    missing: Result<Bytes, String>,
    done: Bytes,
}

impl Rekey {
    pub fn of(what: Move, admitted: &Admitted<'_>, transform: &Transform) -> Result<Self, Refusal> {
        let command = admitted.request().spec().map_or("", |spec| spec.name);
        let copies = what == Move::Copy;
        let mut replaces = what == Move::Rename;
        if copies {
            let options = CopyOptions::parse(admitted.request().args()).map_err(Refusal::Redis)?;
            if options.database {
                return Err(Refusal::NotCarried { command, why: NotCarried::Elsewhere });
            }
            replaces = options.replace;
        }
        Ok(Self {
            command,
            from: Home::of(0, admitted, transform)?,
            to: Home::of(1, admitted, transform)?,
            replaces,
            copies,
            missing: if copies { Ok(integer(0)) } else { Err(NO_SUCH_KEY.into()) },
            done: if what == Move::Rename { ok() } else { integer(1) },
        })
    }

    /// Appends the commands that store under the other key what was found under the first.
    fn store(&self, found: &Snapshot, write: &mut Write, transform: &mut Transform) -> Result<(), String> {
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
            "hash" => return self.store_hash(found, write, transform),
            _ => return Err(self.refused(NotCarried::Kind)),
        };
        write.run_all(&[word, &to.key], group, &parts);
        Ok(())
    }

    fn store_hash(&self, found: &Snapshot, write: &mut Write, transform: &mut Transform) -> Result<(), String> {
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
        write.run_all(&[b"HSET", &to.key], 2, &parts);
        // So that names of both come in pairs behind these words.
        write.run_all(&[b"FIELDS", &from.key, &to.key], 2, &names);
        Ok(())
    }

    fn refused(&self, why: NotCarried) -> String {
        Refusal::NotCarried { command: self.command, why }.to_string()
    }
}

impl Work for Rekey {
    fn begin(&mut self) -> Read {
        if self.replaces {
            Read::Snapshot(vec![self.from.key.clone()])
        } else {
            Read::First(vec![self.from.key.clone(), self.to.key.clone()])
        }
    }

    fn take(&mut self, reply: &[u8], at: &mut Context<'_>) -> Result<Next, String> {
        let found = Snapshot::parse(reply, if self.replaces { 1 } else { 2 }).ok_or_else(unexpected)?;
        let (source, there) = (&found[0], found.get(1));
        if source.kind() == "none" {
            return self.missing.clone().map(Next::Answer);
        }
        if there.is_some_and(|there| there.kind() != "none") {
            return Ok(Next::Answer(integer(0)));
        }
        let mut guards = vec![self.from.unchanged(source)];
        if !self.replaces {
            guards.push(Guard::None(self.to.key.clone()));
        }
        let mut write = Write::new(guards, self.done.clone());
        if self.replaces {
            write.run([&b"DEL"[..], &self.to.key].map(Bytes::copy_from_slice));
        }
        self.store(source, &mut write, at.transform)?;
        write.run([&b"TTL"[..], &self.from.key, &self.to.key].map(Bytes::copy_from_slice));
        if !self.copies {
            write.run([&b"DEL"[..], &self.from.key].map(Bytes::copy_from_slice));
        }
        Ok(Next::Write(write))
    }
}

struct CopyOptions {
    replace: bool,
    database: bool,
}

impl CopyOptions {
    fn parse(args: Args<'_>) -> Result<Self, String> {
        let mut options = Self { replace: false, database: false };
        let mut at = 3;
        while at < args.len() {
            if args.is(at, "REPLACE") {
                options.replace = true;
            } else if args.is(at, "DB") && at + 1 < args.len() {
                at += 1;
                args.get(at).and_then(number::integer).ok_or(NOT_AN_INTEGER)?;
                options.database = true;
            } else {
                return Err(SYNTAX.into());
            }
            at += 1;
        }
        Ok(options)
    }
}
