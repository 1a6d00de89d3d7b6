//! A value is written or removed if the one that is there is, or is not, a certain one: SET with IFEQ and its like, DELEX,
//! DELIFEQ.
//!
//! Compared is here, in clear. Then the server gets the same command; in the place of what the client compares with
//! stands what is stored, or something else, so that the server comes to the same result. So what a server does not
//! know, or takes for a mistake, it says itself.

use bytes::{Bytes, BytesMut};

use super::home::Home;
use super::snapshot::Snapshot;
use super::swap::{Guard, Write};
use super::{Context, Next, Read, WRONG_TYPE, Work, integer, ok, unexpected};
use crate::command::{Args, Conditional, Grammar};
use crate::policy::{Admitted, Refusal};
use crate::resp::{Proto, encode};
use crate::transform::Transform;
use crate::transform::compute::{SYNTAX, digest};

/// No digest, as Redis checks it.
const NO_DIGEST: &str = "x";

pub(super) struct If {
    home: Home,
    /// The command; where its values stand is nothing.
    words: Vec<Bytes>,
    /// What SET is to write, at 2.
    value: Option<Bytes>,
    /// And where in the command it stands. None with DELEX alone, which looks at no value.
    condition: Option<(usize, Condition)>,
    /// The client wants the old value.
    gets: bool,
}

struct Condition {
    compared: Bytes,
    /// Digests are compared.
    digest: bool,
    /// It holds if they are not equal, or if nothing is there.
    negated: bool,
}

impl If {
    pub fn of(what: Conditional, admitted: &Admitted<'_>, transform: &Transform) -> Result<Self, Refusal> {
        let (home, args) = (Home::of(0, admitted, transform)?, admitted.request().args());
        let copy = |at: usize| Bytes::copy_from_slice(args.get(at).unwrap_or_default());
        let mut new = Self { home, words: vec![copy(0), copy(1)], value: None, condition: None, gets: false };
        match what {
            Conditional::Set => {
                Grammar::SetIf.check(args).map_err(|error| Refusal::Redis(format!("ERR {error}")))?;
                new.value = Some(copy(2));
                new.words.push(Bytes::new());
                new.take_options(args);
            }
            Conditional::DeleteEqual => {
                let condition = Condition { compared: copy(2), digest: false, negated: false };
                new.condition = Some((new.words.len(), condition));
                new.words.push(Bytes::new());
            }
            Conditional::Delete if args.len() == 2 => {}
            Conditional::Delete => {
                let condition = Condition::parse(args, 2).filter(|_| args.len() == 4);
                let condition = condition.ok_or_else(|| Refusal::Redis(SYNTAX.into()))?;
                new.words.extend([copy(2), Bytes::new()]);
                new.condition = Some((3, condition));
            }
        }
        Ok(new)
    }

    /// Those of SET, which the grammar has understood.
    fn take_options(&mut self, args: Args<'_>) {
        let mut at = 3;
        while at < args.len() {
            let copy = |at: usize| Bytes::copy_from_slice(args.get(at).unwrap_or_default());
            if args.is(at, "GET") {
                // Answered here, so that the server's answer says whether it has written.
                self.gets = true;
                at += 1;
            } else if let Some(condition) = Condition::parse(args, at) {
                self.condition = Some((self.words.len() + 1, condition));
                self.words.extend([copy(at), Bytes::new()]);
                at += 2;
            } else if ["EX", "PX", "EXAT", "PXAT"].iter().any(|word| args.is(at, word)) {
                self.words.extend([copy(at), copy(at + 1)]);
                at += 2;
            } else {
                self.words.push(copy(at));
                at += 1;
            }
        }
    }

    /// Whatever is there.
    fn delete(&self, found: &Snapshot) -> Write {
        let is_there = found.kind() != "none";
        let guard = (!is_there).then(|| Guard::None(self.home.key.clone()));
        let mut write = Write::new(guard.into_iter().collect(), integer(i64::from(is_there)));
        let says_so = is_there.then(|| Bytes::from_static(b"IF"));
        write.run(says_so.into_iter().chain(self.words.iter().cloned()));
        write
    }

    fn answer(&self, holds: bool, old: Option<&Bytes>, proto: Proto) -> Bytes {
        let mut out = BytesMut::new();
        match (self.gets, old) {
            _ if self.value.is_none() => return integer(i64::from(holds)),
            (true, Some(old)) => encode::bulk(&mut out, old),
            (false, _) if holds => return ok(),
            _ => encode::null(&mut out, proto),
        }
        out.freeze()
    }
}

impl Condition {
    /// With the word that stands there, and what follows it.
    fn parse(args: Args<'_>, at: usize) -> Option<Self> {
        let words = [("IFEQ", false, false), ("IFNE", false, true), ("IFDEQ", true, false), ("IFDNE", true, true)];
        let (_, digest, negated) = words.into_iter().find(|(word, ..)| args.is(at, word))?;
        Some(Self { compared: Bytes::copy_from_slice(args.get(at + 1)?), digest, negated })
    }

    fn holds(&self, old: Option<&Bytes>) -> bool {
        let equal = old.is_some_and(|old| match self.digest {
            true => self.compared.eq_ignore_ascii_case(digest(old).as_bytes()),
            false => self.compared == old,
        });
        equal != self.negated
    }

    /// What the server is to compare with, so that it comes to the same result of what is stored.
    fn stored(&self, holds: bool, stored: &[u8]) -> Bytes {
        let equal = holds != self.negated;
        if !self.digest {
            // No envelope is empty.
            return if equal { Bytes::copy_from_slice(stored) } else { Bytes::new() };
        }
        let well_formed = self.compared.len() == 16 && self.compared.iter().all(u8::is_ascii_hexdigit);
        let of_stored = digest(stored);
        match (well_formed, of_stored.strip_prefix('0')) {
            (false, _) => Bytes::from_static(NO_DIGEST.as_bytes()),
            (true, _) if equal => of_stored.into(),
            (true, Some(rest)) => format!("1{rest}").into(),
            (true, None) => format!("0{}", &of_stored[1..]).into(),
        }
    }
}

impl Work for If {
    fn begin(&mut self) -> Read {
        let key = vec![self.home.key.clone()];
        // Not the command itself: what is read may be read twice, and before a transaction.
        if self.condition.is_some() { Read::Snapshot(key) } else { Read::Types(key) }
    }

    fn take(&mut self, reply: &[u8], at: &mut Context<'_>) -> Result<Next, String> {
        let found = Snapshot::parse(reply, 1).ok_or_else(unexpected)?.remove(0);
        let Some((place, condition)) = &self.condition else { return Ok(Next::Write(self.delete(&found))) };
        let stored = found.items().next().filter(|_| found.kind() == "string");
        let old = match stored {
            Some(stored) => Some(self.home.open_value(stored, at.transform)?),
            None => None,
        };
        let holds = condition.holds(old.as_ref());
        let mut words = self.words.clone();
        words[*place] = condition.stored(holds, stored.map_or(&[], |stored| &stored[..]));
        if let Some(value) = &self.value {
            words[2] = match stored {
                // Nothing is to be written. If the server comes to another result all the same, the old value stays.
                Some(stored) if !holds => stored.clone(),
                _ => self.home.seal_value(value, at.transform)?,
            };
        }
        let answer = if found.is_string_or_none() {
            self.answer(holds, old.as_ref(), at.proto)
        } else {
            let mut out = BytesMut::new();
            encode::error(&mut out, WRONG_TYPE);
            out.freeze()
        };
        let mut write = Write::new(vec![self.home.unchanged(&found)], answer);
        if holds && found.is_string_or_none() {
            words.insert(0, Bytes::from_static(b"IF"));
        }
        write.run(words);
        Ok(Next::Write(write))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Redis 8.4 makes of a condition, and Valkey of the first.
    fn server_holds(word: &str, stored: Option<&[u8]>, compared: &[u8]) -> bool {
        let equal = match word {
            "IFEQ" | "IFNE" => stored == Some(compared),
            _ => stored.is_some_and(|stored| compared.eq_ignore_ascii_case(digest(stored).as_bytes())),
        };
        equal != word.ends_with("NE")
    }

    #[test]
    fn the_server_comes_to_the_same_result_of_ciphertext() {
        let sealed = Bytes::from_static(b"what an envelope of the value may look like, and longer");
        let compared = ["", "value", "other", "78af5f94892f3950", "ffffffffffffffff", "x"];
        let of_value = digest(b"value");
        for word in ["IFEQ", "IFNE", "IFDEQ", "IFDNE"] {
            for compared in compared.into_iter().chain([&*of_value, &*of_value.to_ascii_uppercase()]) {
                let condition = Condition {
                    compared: Bytes::copy_from_slice(compared.as_bytes()),
                    digest: word.contains('D'),
                    negated: word.ends_with("NE"),
                };
                for old in [None, Some(Bytes::from_static(b"value"))] {
                    let stored = old.as_ref().map(|_| &sealed[..]);
                    let holds = condition.holds(old.as_ref());
                    let told = condition.stored(holds, stored.unwrap_or_default());
                    assert_eq!(server_holds(word, stored, &told), holds, "{word} {compared}");
                    assert_eq!(holds, server_holds(word, old.as_deref(), compared.as_bytes()), "{word} {compared}");
                    assert!(compared.is_empty() || compared == "x" || told != compared, "{word} shows it");
                }
            }
        }
    }
}
