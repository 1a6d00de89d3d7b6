//! What one client does, and what it must therefore be answered.
//!
//! Its keys are its own, so that every reply is known before it comes. Each value names client, key and number.

use std::collections::{BTreeMap, VecDeque};

use super::names::{Names, pairs};
use super::random::Random;
use super::wire::short;
use crate::support::raw::encode;
use crate::support::{Frame, MARKER};

pub const KEYS: usize = 6;
pub const FIELDS: usize = 5;
const DATABASES: usize = 2;
/// A value now and then is larger than what a relay hands on in one piece.
const LARGE_VALUE: usize = 150_000;

#[derive(Clone, Debug)]
pub enum Op {
    Set(usize, Vec<u8>),
    SetGet(usize, Vec<u8>),
    Get(usize),
    GetInline(usize),
    GetDel(usize),
    GetBoth(usize, usize),
    SetBoth(usize, Vec<u8>, usize, Vec<u8>),
    HashSet(usize, Vec<u8>),
    HashGet(usize),
    HashAll,
    Delete(usize),
    Increment,
    Push(Vec<u8>),
    Pop,
    /// Waits a little if there is nothing.
    BlockingPop,
    Range,
    Echo(Vec<u8>),
    Ping,
    Refused(usize),
    Select(usize),
    Hello(bool),
    /// CLIENT REPLY SKIP, and a command that is not answered.
    Skip(usize),
    /// CLIENT REPLY OFF, two commands, CLIENT REPLY ON.
    Silence(usize, usize),
    /// MULTI, commands, EXEC; with WATCH; with a command that is refused, so that EXEC aborts.
    Transaction {
        ops: Vec<Op>,
        watch: Option<usize>,
        refused: bool,
    },
}

/// What one database holds of this client.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Database {
    pub strings: BTreeMap<usize, Vec<u8>>,
    pub fields: BTreeMap<usize, Vec<u8>>,
    pub counter: i64,
    pub list: VecDeque<Vec<u8>>,
}

#[derive(Clone, Debug, Default)]
pub struct State {
    pub databases: [Database; DATABASES],
    pub selected: usize,
    pub resp3: bool,
}

pub struct Maker {
    pub names: Names,
    pub random: Random,
    made: usize,
}

impl Maker {
    pub fn new(client: usize, seed: u64) -> Self {
        Self { names: Names { client, generation: 0 }, random: Random::new(seed, client as u64 + 1), made: 0 }
    }

    pub fn value(&mut self, what: &str) -> Vec<u8> {
        self.made += 1;
        let Names { client, .. } = self.names;
        let mut value = format!("client {client} {what} number {} ", self.made).into_bytes();
        let length = match self.random.below(100) {
            0 => self.random.below(LARGE_VALUE),
            1..=10 => self.random.below(4_000),
            _ => self.random.below(80),
        };
        let filler = self.made % 251;
        value.extend((0..length).map(|at| u8::try_from((at + filler) % 256).expect("below 256")));
        value
    }

    /// For a key under encryption.
    pub fn secret(&mut self, key: usize) -> Vec<u8> {
        let mut value = format!("{MARKER} key {key} ").into_bytes();
        value.extend(self.value("secret"));
        value
    }

    pub fn any(&mut self) -> Op {
        let key = self.random.below(KEYS);
        match self.random.below(30) {
            0 => self.transaction(),
            1 => Op::Select(self.random.below(DATABASES)),
            2 => Op::Hello(self.random.one_in(2)),
            3 => Op::Skip(key),
            4 => Op::Silence(key, self.random.below(KEYS)),
            5 => Op::Refused(key),
            6 => Op::Echo(self.value("echo")),
            7 => Op::Ping,
            8 => Op::GetInline(key),
            _ => self.simple(),
        }
    }

    /// One that may stand inside of a transaction.
    pub fn simple(&mut self) -> Op {
        let key = self.random.below(KEYS);
        let other = (key + 1 + self.random.below(KEYS - 1)) % KEYS;
        let field = self.random.below(FIELDS);
        match self.random.below(20) {
            0..=3 => Op::Set(key, self.secret(key)),
            4..=6 => Op::Get(key),
            7 => Op::SetGet(key, self.secret(key)),
            8 => Op::GetDel(key),
            9 => Op::GetBoth(key, other),
            10 => Op::SetBoth(key, self.secret(key), other, self.secret(other)),
            11 | 12 => Op::HashSet(field, self.secret(field)),
            13 => Op::HashGet(field),
            14 => Op::HashAll,
            15 => Op::Delete(key),
            16 => Op::Increment,
            17 => Op::Push(self.value("list")),
            18 => Op::Pop,
            _ => Op::Range,
        }
    }

    pub fn transaction(&mut self) -> Op {
        let ops = (0..self.random.below(6)).map(|_| self.simple()).collect();
        let watch = self.random.one_in(2).then(|| self.random.below(KEYS));
        Op::Transaction { ops, watch, refused: self.random.one_in(6) }
    }
}

impl Op {
    /// As the client sends it.
    pub fn bytes(&self, names: Names) -> Vec<u8> {
        let key = |key: &usize| names.string(*key);
        match self {
            Self::Set(at, value) => encode(&[b"SET", &key(at), value]),
            Self::SetGet(at, value) => encode(&[b"SET", &key(at), value, b"GET"]),
            Self::Get(at) => encode(&[b"GET", &key(at)]),
            Self::GetInline(at) => [b"get ", key(at).as_slice(), b"\r\n"].concat(),
            Self::GetDel(at) => encode(&[b"GETDEL", &key(at)]),
            Self::GetBoth(a, b) => encode(&[b"MGET", &key(a), &key(b)]),
            Self::SetBoth(a, one, b, two) => encode(&[b"MSET", &key(a), one, &key(b), two]),
            Self::HashSet(at, value) => encode(&[b"HSET", &names.hash(), &Names::field(*at), value]),
            Self::HashGet(at) => encode(&[b"HGET", &names.hash(), &Names::field(*at)]),
            Self::HashAll => encode(&[b"HGETALL", &names.hash()]),
            Self::Delete(at) => encode(&[b"DEL", &key(at)]),
            Self::Increment => encode(&[b"INCR", &names.counter()]),
            Self::Push(value) => encode(&[b"RPUSH", &names.list(), value]),
            Self::Pop => encode(&[b"LPOP", &names.list()]),
            Self::BlockingPop => encode(&[b"BLPOP", &names.list(), b"0.02"]),
            Self::Range => encode(&[b"LRANGE", &names.list(), b"0", b"-1"]),
            Self::Echo(text) => encode(&[b"ECHO", text]),
            Self::Ping => b"PING\r\n".to_vec(),
            Self::Refused(at) => encode(&[b"PFADD", &key(at), b"more"]),
            Self::Select(database) => encode(&[b"SELECT", database.to_string().as_bytes()]),
            Self::Hello(resp3) => encode(&[b"HELLO", if *resp3 { b"3" } else { b"2" }]),
            Self::Skip(at) => [encode(&[b"CLIENT", b"REPLY", b"SKIP"]), encode(&[b"GET", &key(at)])].concat(),
            Self::Silence(a, b) => [
                encode(&[b"CLIENT", b"REPLY", b"OFF"]),
                encode(&[b"GET", &key(a)]),
                encode(&[b"GET", &key(b)]),
                encode(&[b"CLIENT", b"REPLY", b"ON"]),
            ]
            .concat(),
            Self::Transaction { ops, watch, refused } => {
                let mut bytes = Vec::new();
                if let Some(at) = watch {
                    bytes.extend(encode(&[b"WATCH", &key(at)]));
                }
                bytes.extend(encode(&[b"MULTI"]));
                bytes.extend(ops.iter().flat_map(|op| op.bytes(names)));
                if *refused {
                    bytes.extend(encode(&[b"PFADD", &key(&0), b"more"]));
                }
                bytes.extend(encode(&[b"EXEC"]));
                bytes
            }
        }
    }

    /// How many frames answer it.
    pub fn replies(&self) -> usize {
        match self {
            Self::Skip(_) => 0,
            Self::Transaction { ops, watch, refused } => {
                2 + ops.len() + usize::from(watch.is_some()) + usize::from(*refused)
            }
            _ => 1,
        }
    }

    pub fn name(&self) -> String {
        let text = format!("{self:?}");
        let end = text.find(|c: char| !c.is_alphanumeric()).unwrap_or(text.len());
        text[..end].to_string()
    }

    /// The commands that change something, one by one.
    pub fn parts(&self) -> &[Op] {
        match self {
            Self::Transaction { refused: true, .. } => &[],
            Self::Transaction { ops, .. } => ops,
            other => std::slice::from_ref(other),
        }
    }

    /// Carries it out and gives the reply of a single command.
    pub fn apply(&self, state: &mut State) -> Frame {
        let resp3 = state.resp3;
        let database = &mut state.databases[state.selected];
        let bulk = |value: Option<&Vec<u8>>| value.map_or(Frame::Null, |value| Frame::Bulk(value.clone()));
        match self {
            Self::Set(at, value) => {
                database.strings.insert(*at, value.clone());
                Frame::ok()
            }
            Self::SetGet(at, value) => bulk(database.strings.insert(*at, value.clone()).as_ref()),
            Self::Get(at) | Self::GetInline(at) => bulk(database.strings.get(at)),
            Self::GetDel(at) => bulk(database.strings.remove(at).as_ref()),
            Self::GetBoth(a, b) => Frame::Array(vec![bulk(database.strings.get(a)), bulk(database.strings.get(b))]),
            Self::SetBoth(a, one, b, two) => {
                database.strings.insert(*a, one.clone());
                database.strings.insert(*b, two.clone());
                Frame::ok()
            }
            Self::HashSet(at, value) => Frame::Integer(i64::from(database.fields.insert(*at, value.clone()).is_none())),
            Self::HashGet(at) => bulk(database.fields.get(at)),
            Self::HashAll => {
                let all = database.fields.iter();
                let pairs = all.map(|(field, value)| (Frame::Bulk(Names::field(*field)), Frame::Bulk(value.clone())));
                if resp3 {
                    Frame::Map(pairs.collect())
                } else {
                    Frame::Array(pairs.flat_map(|(a, b)| [a, b]).collect())
                }
            }
            Self::Delete(at) => Frame::Integer(i64::from(database.strings.remove(at).is_some())),
            Self::Increment => {
                database.counter += 1;
                Frame::Integer(database.counter)
            }
            Self::Push(value) => {
                database.list.push_back(value.clone());
                Frame::Integer(i64::try_from(database.list.len()).expect("a short list"))
            }
            Self::Pop => bulk(database.list.pop_front().as_ref()),
            // The list's name is the caller's to compare.
            Self::BlockingPop => match database.list.pop_front() {
                Some(value) => Frame::Array(vec![Frame::Null, Frame::Bulk(value)]),
                None => Frame::Null,
            },
            Self::Range => Frame::Array(database.list.iter().map(Frame::bulk).collect()),
            Self::Echo(text) => Frame::Bulk(text.clone()),
            Self::Ping => Frame::Simple("PONG".into()),
            Self::Refused(_) | Self::Skip(_) => Frame::Null,
            Self::Select(database) => {
                state.selected = *database;
                Frame::ok()
            }
            Self::Hello(resp3) => {
                state.resp3 = *resp3;
                Frame::Null
            }
            Self::Silence(..) => Frame::ok(),
            Self::Transaction { ops, refused, .. } => {
                if *refused {
                    return Frame::Null;
                }
                Frame::Array(ops.iter().map(|op| op.apply(state)).collect())
            }
        }
    }

    /// Carries it out and compares; `loading` if upstream may have been cut, and the command not been sent.
    pub fn judge(&self, replies: Vec<Frame>, state: &mut State, names: Names, loading: bool) -> Result<(), String> {
        if let Self::Transaction { ops, watch, refused } = self {
            return judge_transaction(ops, watch.is_some(), *refused, replies, state, names, loading);
        }
        let Some(reply) = replies.into_iter().next() else {
            return Ok(());
        };
        if loading && reply.is_error("LOADING") {
            return Ok(());
        }
        let wanted = self.apply(state);
        self.compare(&wanted, &reply, names)
    }

    fn compare(&self, wanted: &Frame, reply: &Frame, names: Names) -> Result<(), String> {
        let fits = match self {
            Self::Refused(_) => reply.is_error("WAXSEAL COMMAND_REFUSED"),
            Self::Hello(resp3) => {
                let proto = pairs(reply.clone()).and_then(|pairs| {
                    let shown = matches!(reply, Frame::Map(_)) == *resp3;
                    pairs.iter().any(|(name, _)| name == b"proto").then_some(shown)
                });
                proto == Some(true)
            }
            Self::HashAll => {
                matches!(wanted, Frame::Map(_)) == matches!(reply, Frame::Map(_))
                    && sorted(wanted.clone()) == sorted(reply.clone())
            }
            Self::BlockingPop => match (wanted, reply) {
                (Frame::Array(wanted), Frame::Array(reply)) => {
                    reply.len() == 2 && reply[0] == Frame::Bulk(names.list()) && reply[1] == wanted[1]
                }
                (wanted, reply) => wanted == reply,
            },
            _ => wanted == reply,
        };
        if fits { Ok(()) } else { Err(format!("{}: got {}, wanted {}", self.name(), short(reply), short(wanted))) }
    }
}

fn judge_transaction(
    ops: &[Op],
    watch: bool,
    refused: bool,
    replies: Vec<Frame>,
    state: &mut State,
    names: Names,
    loading: bool,
) -> Result<(), String> {
    let mut wanted = vec![Frame::ok(); 1 + usize::from(watch)];
    wanted.extend(ops.iter().map(|_| Frame::Simple("QUEUED".into())));
    let (exec, before) = replies.split_last().expect("EXEC has a reply");
    for (at, reply) in before.iter().enumerate() {
        let fits = match wanted.get(at) {
            Some(wanted) => wanted == reply,
            None => reply.is_error("WAXSEAL COMMAND_REFUSED"),
        };
        if !(fits || loading && reply.is_error("LOADING")) {
            return Err(format!("Transaction: reply {at} is {}", short(reply)));
        }
    }
    match exec {
        reply if loading && reply.is_error("LOADING") => Ok(()),
        reply if (refused || loading) && reply.is_error("EXECABORT") => Ok(()),
        // MULTI was not sent; nor was anything behind it, as seen above.
        reply if loading && reply.is_error("ERR EXEC without MULTI") => Ok(()),
        Frame::Array(items) if !refused && items.len() == ops.len() => {
            for (op, reply) in ops.iter().zip(items) {
                let wanted = op.apply(state);
                op.compare(&wanted, reply, names).map_err(|what| format!("in EXEC: {what}"))?;
            }
            Ok(())
        }
        other => Err(format!("EXEC: got {}", short(other))),
    }
}

fn sorted(frame: Frame) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut pairs = pairs(frame)?;
    pairs.sort();
    Some(pairs)
}
