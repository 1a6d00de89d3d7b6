//! What an emulated command writes, and on which condition.
//!
//! Job: put guards and commands into a call of SWAP.
//! In: what was read, what is to be written, all of it ciphertext. Out: a command.
//! Must never: write over something that was not read, or that it does not say in a guard.

use bytes::{Bytes, BytesMut};

use super::lookup::{Found, Lookup};
use super::lua::{LOOKUP, SNAPSHOT, SWAP, Script};
use crate::crypto::OVERHEAD;
use crate::policy::script::sha_hex;
use crate::resp::encode;

/// Of the old value: magic, key id and nonce.
const HEAD: usize = 32;
const TAG: usize = 16;
/// Words that one command of a script may have: Lua hands on at most 8,000 values at a time.
const MAX_WORDS: usize = 1000;

/// How a script is called.
#[derive(Clone, Copy)]
pub(super) struct Form {
    /// With its text, which the server may not know yet.
    pub in_full: bool,
    pub locking: bool,
}

/// The condition on which something is written.
pub(super) enum Guard {
    /// There is no such key.
    None(Bytes),
    String(Bytes, Seen),
    Field(Bytes, Bytes, Seen),
    /// No such field of the hash, or no hash at all.
    NoField(Bytes, Bytes),
    /// The key holds what the snapshot shows.
    All(Bytes, Bytes),
    /// At this place of the list is this element.
    Element(Bytes, &'static str, Bytes),
    /// The set has this member.
    Member(Bytes, Bytes),
    /// This question about the key is answered with these strings.
    Reply {
        key: Bytes,
        question: Vec<Bytes>,
        reply: Vec<Bytes>,
    },
    /// This look-up finds the same, in keys that are not the request's.
    Found(Lookup, Found),
}

/// What identifies a value that was read.
pub(super) struct Seen {
    len: usize,
    head: Bytes,
    tag: Bytes,
}

impl Seen {
    /// What opened is longer than head and tag.
    pub fn of(sealed: &[u8]) -> Self {
        Self {
            len: sealed.len(),
            head: Bytes::copy_from_slice(&sealed[..HEAD.min(sealed.len())]),
            tag: Bytes::copy_from_slice(&sealed[sealed.len().saturating_sub(TAG)..]),
        }
    }
}

impl Guard {
    /// Which of the command's keys it is about.
    fn key(&self) -> Option<&Bytes> {
        match self {
            Self::Found(..) => None,
            Self::None(key)
            | Self::String(key, _)
            | Self::Field(key, ..)
            | Self::NoField(key, _)
            | Self::All(key, _)
            | Self::Element(key, ..)
            | Self::Member(key, _)
            | Self::Reply { key, .. } => Some(key),
        }
    }
}

/// Guards, commands, and what the client is told when the commands have run.
pub struct Write {
    pub(super) guards: Vec<Guard>,
    commands: Vec<Vec<Bytes>>,
    /// A complete reply.
    pub(super) answer: Bytes,
    /// The one value that is written, if that is all.
    pub(super) stored: Option<Stored>,
}

/// A value as it will be stored.
#[derive(Clone)]
pub struct Stored {
    pub key: Bytes,
    /// The field's name in the database.
    pub field: Option<Bytes>,
    pub sealed: Bytes,
}

impl Write {
    pub fn new(guards: Vec<Guard>, answer: Bytes) -> Self {
        Self { guards, commands: Vec::new(), answer, stored: None }
    }

    /// One command, or one word of SWAP.
    pub fn run(&mut self, words: impl IntoIterator<Item = impl Into<Bytes>>) {
        self.commands.push(words.into_iter().map(Into::into).collect());
    }

    /// The same of words that are at hand.
    pub fn say(&mut self, words: &[&[u8]]) {
        self.run(words.iter().map(|word| Bytes::copy_from_slice(word)));
    }

    /// A command that takes any number of arguments behind its first words, in groups of so many, in as many
    /// commands as are needed. None if there are no arguments.
    pub fn run_all(&mut self, first: &[&[u8]], group: usize, more: &[Bytes]) {
        for part in more.chunks(MAX_WORDS / group * group) {
            let first = first.iter().map(|word| Bytes::copy_from_slice(word));
            self.commands.push(first.chain(part.iter().cloned()).collect());
        }
    }

    pub(super) fn commands(&self) -> &[Vec<Bytes>] {
        &self.commands
    }

    /// Of how many words the call consists, about.
    pub(super) fn len(&self) -> usize {
        let looked_up = |guard: &Guard| if let Guard::Found(lookup, _) = guard { lookup.len() } else { 0 };
        let guards: usize = self.guards.iter().map(looked_up).sum();
        guards + self.commands.iter().map(|words| words.len() + 1).sum::<usize>()
    }

    /// Appends the call. Not `guarded`: what was read is sure to be there.
    pub(super) fn call(&self, keys: &[Bytes], guarded: bool, form: Form, out: &mut BytesMut) {
        let guards = if guarded { &self.guards[..] } else { &[] };
        let mut args: Vec<Bytes> = vec![guards.len().to_string().into()];
        let mut all_keys = keys.to_vec();
        for guard in guards {
            let number = keys.iter().position(|key| Some(key) == guard.key()).map_or(0, |at| at + 1);
            let (kind, more): (&str, Vec<Bytes>) = match guard {
                Guard::None(_) => ("none", vec![]),
                Guard::String(_, seen) => ("string", seen.words().to_vec()),
                Guard::Field(_, field, seen) => ("field", [&[field.clone()][..], &seen.words()].concat()),
                Guard::NoField(_, field) => ("nofield", vec![field.clone()]),
                Guard::All(_, digest) => ("all", vec![digest.clone()]),
                Guard::Element(_, place, element) => {
                    ("end", vec![Bytes::from_static(place.as_bytes()), sha_hex(element).into()])
                }
                Guard::Member(_, member) => ("member", vec![member.clone()]),
                Guard::Reply { question, reply, .. } => {
                    let count = question.len().to_string().into();
                    ("reply", [&[count], &question[..], &[digest(reply)]].concat())
                }
                Guard::Found(lookup, found) => {
                    let before = all_keys.len();
                    all_keys.extend(lookup.keys().iter().cloned());
                    let count = lookup.count().to_string().into();
                    ("found", [&[count], &lookup.pairs(before)[..], &[digest(&found.told())]].concat())
                }
            };
            args.push(Bytes::copy_from_slice(kind.as_bytes()));
            args.push(number.to_string().into());
            args.extend(more);
        }
        args.push(self.commands.len().to_string().into());
        for command in &self.commands {
            args.push(command.len().to_string().into());
            args.extend(command.iter().cloned());
        }
        call(&SWAP, form, &all_keys, &args, out);
    }
}

/// As the script has it of a list.
fn digest(items: &[Bytes]) -> Bytes {
    let lengths: Vec<String> = items.iter().map(|item| item.len().to_string()).collect();
    let text = [format!("list {} ", lengths.join(" ")).as_bytes(), &items.concat()].concat();
    sha_hex(&text).into()
}

impl Seen {
    fn words(&self) -> [Bytes; 3] {
        [self.len.to_string().into(), self.head.clone(), self.tag.clone()]
    }
}

/// Appends a call of SNAPSHOT, which looks into the first `whole` keys; the others are perhaps in another database.
pub(super) fn snapshot(keys: &[Bytes], whole: usize, database: Option<&Bytes>, form: Form, out: &mut BytesMut) {
    let some = (whole < keys.len()).then(|| whole.to_string().into());
    let args: Vec<Bytes> = some.into_iter().chain(database.cloned()).collect();
    call(&SNAPSHOT, form, keys, &args, out);
}

/// Appends a call of LOOKUP, if this key still has this digest.
pub(super) fn look_up(key: &Bytes, digest: &Bytes, lookup: &Lookup, form: Form, out: &mut BytesMut) {
    let keys = [std::slice::from_ref(key), lookup.keys()].concat();
    call(&LOOKUP, form, &keys, &[std::slice::from_ref(digest), &lookup.pairs(1)].concat(), out);
}

fn call(script: &Script, form: Form, keys: &[Bytes], args: &[Bytes], out: &mut BytesMut) {
    encode::array_header(out, 3 + keys.len() + args.len());
    let text = script.text(form.locking);
    let (name, script): (&[u8], _) = if form.in_full { (b"EVAL", &text.body) } else { (b"EVALSHA", &text.sha1) };
    encode::bulk(out, name);
    encode::bulk(out, script.as_bytes());
    encode::bulk(out, keys.len().to_string().as_bytes());
    for word in keys.iter().chain(args) {
        encode::bulk(out, word);
    }
}

const _: () = assert!(HEAD + TAG == OVERHEAD);
