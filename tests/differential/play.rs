//! One program on a bare server and through Waxseal, reply by reply.

use super::dice::Step;
use super::shrink::shrink;
use crate::support::raw::encode;
use crate::support::same::settled;
use crate::support::{Frame, MARKER, Raw};

/// Commands whose replies have no promised order.
const UNORDERED: [&str; 15] = [
    "HRANDFIELD",
    "HGETALL",
    "HKEYS",
    "HVALS",
    "SMEMBERS",
    "SDIFF",
    "SINTER",
    "SUNION",
    "HSCAN",
    "SSCAN",
    "ZSCAN",
    "GEOSEARCH",
    "SPOP",
    "KEYS",
    "SCAN",
];
/// Commands that tell how much time is left, which goes on between the two sides.
const LEFT: [&str; 4] = ["TTL", "PTTL", "HTTL", "HPTTL"];

/// Commands that tell when something ends: what was given as so many seconds from now may end a second later on the other
/// side. Points in time that a program gives are beyond this one.
const WHEN: [&str; 2] = ["EXPIRETIME", "HEXPIRETIME"];
const SOON: i64 = 5_000_000_000;

/// Both sides: how to connect to each.
pub struct Sides<'a> {
    pub bare: &'a dyn Fn() -> Raw,
    pub sealed: &'a dyn Fn() -> Raw,
    /// 2 or 3.
    pub protocol: &'a str,
}

#[derive(Debug)]
pub struct Mismatch {
    /// The step whose replies differ.
    pub at: usize,
    pub expected: Frame,
    pub got: Frame,
}

impl Mismatch {
    /// Which command it is, and with which error if one side has one.
    fn cause(&self, program: &[Step]) -> (&'static str, [String; 2]) {
        let code = |frame: &Frame| match frame {
            Frame::Error(text) => text.split(' ').take(2).collect::<Vec<_>>().join(" "),
            _ => String::new(),
        };
        (program[self.at].template, [code(&self.expected), code(&self.got)])
    }
}

impl Sides<'_> {
    /// Runs the program on empty databases, up to the first reply that differs.
    pub fn play(&self, program: &[Step]) -> Option<Mismatch> {
        let (mut bare, mut sealed) = ((self.bare)(), (self.sealed)());
        for client in [&mut bare, &mut sealed] {
            client.run(&format!("HELLO {}", self.protocol));
            client.run("FLUSHALL");
        }
        let mut listeners: Option<[Listener; 2]> = None;
        // What is queued since MULTI, for the order of the replies in EXEC's.
        let mut queued: Vec<&str> = Vec::new();
        let mut sent = 0;
        for (at, step) in program.iter().enumerate() {
            if Listener::takes(step) {
                let new = || [&self.bare, &self.sealed].map(|side| Listener::new(side(), self.protocol));
                listeners.get_or_insert_with(new).iter_mut().for_each(|listener| listener.run(step));
                sent = at + 1;
                continue;
            }
            if !step.last_of_piece && program.get(at + 1).is_some_and(|next| !Listener::takes(next)) {
                continue;
            }
            let bytes: Vec<u8> = program[sent..=at].iter().flat_map(wire).collect();
            bare.send(&bytes);
            sealed.send_lossy(&bytes);
            for (at, step) in program.iter().enumerate().take(at + 1).skip(sent) {
                let expected = bare.read();
                let got = sealed.try_read().unwrap_or_else(|end| Frame::Error(format!("the connection is {end:?}")));
                let name = command(step.template);
                let (expected, got) = (comparable(name, expected, &queued), comparable(name, got, &queued));
                match (name, &expected) {
                    (_, Frame::Simple(text)) if text == "QUEUED" => queued.push(name),
                    ("EXEC" | "DISCARD", _) => queued.clear(),
                    _ => {}
                }
                if expected != got {
                    return Some(Mismatch { at, expected, got });
                }
            }
            sent = at + 1;
        }
        let [expected, got] = listeners?;
        let (expected, got) = (expected.all(&mut bare), got.all(&mut sealed));
        (expected != got).then(|| Mismatch { at: program.len() - 1, expected, got })
    }

    /// What is left of a program that fails, and how it does.
    pub fn shrink(&self, program: &[Step]) -> Option<(Vec<Step>, Mismatch)> {
        let first = self.play(program)?;
        // The same difference: without a command between, another one may appear that is known.
        let cause = first.cause(program);
        let short = shrink(program[..=first.at].to_vec(), |part| {
            self.play(part).is_some_and(|mismatch| mismatch.cause(part) == cause)
        });
        // Of what depends on the moment, the last run may have succeeded.
        let mismatch = self.play(&short).unwrap_or(first);
        Some((short, mismatch))
    }
}

/// The subscriber of a side: a connection of its own, which runs what subscribes and hears the messages.
struct Listener {
    client: Raw,
    heard: Vec<Frame>,
}

/// A channel that is no program's, on which the last message is sent.
const LAST: &str = "channel:last";

impl Listener {
    fn takes(step: &Step) -> bool {
        command(step.template).ends_with("SUBSCRIBE")
    }

    fn new(mut client: Raw, protocol: &str) -> Self {
        client.run(&format!("HELLO {protocol}"));
        client.run(&format!("SUBSCRIBE {LAST}"));
        Self { client, heard: Vec::new() }
    }

    /// Sends it and hears all up to its confirmation. Its templates have one channel or pattern each.
    fn run(&mut self, step: &Step) {
        self.client.send(&wire(step));
        let wanted = command(step.template).to_lowercase();
        self.hear(|items| items[0] == Frame::bulk(&wanted));
    }

    fn hear(&mut self, is_last: impl Fn(&[Frame]) -> bool) {
        loop {
            let frame = self.client.read();
            let ended = is_last(&frame.clone().items());
            self.heard.push(frame);
            if ended {
                return;
            }
        }
    }

    /// Everything that was heard.
    fn all(mut self, other: &mut Raw) -> Frame {
        // A transaction that was left open would keep the message.
        other.run("DISCARD");
        other.run(&format!("PUBLISH {LAST} end"));
        self.hear(|items| items[1] == Frame::bulk(LAST));
        Frame::Array(self.heard)
    }
}

fn wire(step: &Step) -> Vec<u8> {
    if step.inline {
        return [step.words.join(&b' ').as_slice(), b"\r\n"].concat();
    }
    let words: Vec<&[u8]> = step.words.iter().map(Vec::as_slice).collect();
    encode(&words)
}

fn command(template: &'static str) -> &'static str {
    template.split(' ').next().unwrap_or_default()
}

/// What is compared of a reply.
fn comparable(command: &str, frame: Frame, queued: &[&str]) -> Frame {
    match frame {
        Frame::Array(replies) if command == "EXEC" && replies.len() == queued.len() => {
            Frame::Array(replies.into_iter().zip(queued).map(|(reply, name)| comparable(name, reply, &[])).collect())
        }
        // Where a server repeats a member, Waxseal leaves its ciphertext out.
        Frame::Error(text) => {
            let known = [MARKER, "(encrypted)"].iter().filter_map(|mark| text.find(mark)).min();
            Frame::Error(text[..known.unwrap_or(text.len())].to_owned())
        }
        frame if UNORDERED.contains(&command) => canonical(&frame),
        frame if LEFT.contains(&command) => without_time(frame, i64::MAX),
        frame if WHEN.contains(&command) => without_time(frame, SOON),
        frame => settled(frame),
    }
}

/// Where no order is promised, both sides are put in one: pairs of a map or of a flat list of fields and values
/// fall apart in it, alike on both sides.
fn canonical(frame: &Frame) -> Frame {
    let mut texts: Vec<String> = match frame {
        Frame::Array(items) | Frame::Set(items) => items.iter().map(|item| format!("{:?}", canonical(item))).collect(),
        Frame::Map(pairs) => pairs.iter().map(|pair| format!("{pair:?}")).collect(),
        other => return other.clone(),
    };
    texts.sort();
    Frame::Simple(texts.join(" "))
}

fn without_time(frame: Frame, before: i64) -> Frame {
    match frame {
        Frame::Integer(time) if (1..before).contains(&time) => Frame::Integer(1),
        Frame::Array(items) => Frame::Array(items.into_iter().map(|item| without_time(item, before)).collect()),
        other => other,
    }
}
