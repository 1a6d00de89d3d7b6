//! COMMAND and its subcommands from THE TABLE, for an upstream that has no answer of its own: Upstash
//! gives an empty array for COMMAND and refuses the others.
//!
//! In: the request, and later the server's reply. Out: the reply as a server would give it.
//! Must never: replace an answer that the server has.

use bytes::{Bytes, BytesMut};

use crate::command::{Flags, KeyPositions, Keys, Request, Spec, check_arity, find, look_up, table};
use crate::resp::{Proto, encode};

/// What such a refusal begins with: Upstash's, Redis's before 7, Valkey's.
const NOT_THERE: [&[u8]; 3] = [b"-ERR Command is not available", b"-ERR unknown command", b"-ERR unknown subcommand"];

/// Flags by the names that Redis gives them.
const FLAG_NAMES: [(u32, &str); 8] = [
    (Flags::WRITE, "write"),
    (Flags::READ, "readonly"),
    (Flags::ADMIN, "admin"),
    (Flags::PUBSUB, "pubsub"),
    (Flags::NOSCRIPT, "noscript"),
    (Flags::BLOCKING, "blocking"),
    (Flags::FAST, "fast"),
    (Flags::NOAUTH, "no_auth"),
];
const CATEGORIES: [(u32, &str); 7] = [
    (Flags::WRITE, "@write"),
    (Flags::READ, "@read"),
    (Flags::ADMIN, "@admin"),
    (Flags::DANGEROUS, "@dangerous"),
    (Flags::PUBSUB, "@pubsub"),
    (Flags::BLOCKING, "@blocking"),
    (Flags::SCRIPT, "@scripting"),
];

/// What was asked.
pub enum Question {
    All,
    Count,
    List,
    Info(Vec<Option<&'static Spec>>),
    Keys(Vec<Bytes>),
}

impl Question {
    /// `None` for what the table cannot answer.
    pub fn of(request: &Request<'_>) -> Option<Self> {
        let args = request.args();
        let spec = request.spec()?;
        let named = |name: &[u8]| find(std::str::from_utf8(name).ok()?);
        match (spec.name, args.len()) {
            ("command", 1) | ("command|info", 2) => Some(Self::All),
            ("command|count", 2) => Some(Self::Count),
            ("command|list", 2) => Some(Self::List),
            ("command|info", _) => Some(Self::Info(args.from(2).map(named).collect())),
            ("command|getkeys", n) if n > 2 => {
                let mut keys = KeyPositions::default();
                spec.keys(args, &mut keys).ok()?;
                let keys: Vec<Bytes> =
                    keys.iter().filter_map(|key| args.get(key.at)).map(Bytes::copy_from_slice).collect();
                (!keys.is_empty()).then_some(Self::Keys(keys))
            }
            _ => None,
        }
    }

    /// The answer to COMMAND GETKEYS, in Redis's words.
    pub fn told(request: &Request<'_>) -> Bytes {
        let mut out = BytesMut::new();
        let inner = request.args().tail(2);
        match (Self::of(request), look_up(inner).0) {
            (_, Some(inner_row)) if !check_arity(inner_row, inner.len()) => {
                encode::error(&mut out, "ERR Invalid number of arguments specified for command");
            }
            (Some(keys), _) => keys.answer(Proto::Resp2, &mut out),
            // A channel is no key.
            (None, _) => encode::error(&mut out, "ERR The command has no key arguments"),
        }
        out.freeze()
    }

    /// About how many bytes it holds.
    pub fn weight(&self) -> usize {
        match self {
            Self::All | Self::Count | Self::List => 0,
            Self::Info(specs) => specs.len() * size_of::<Option<&Spec>>(),
            Self::Keys(keys) => keys.iter().map(|key| key.len() + size_of::<Bytes>()).sum(),
        }
    }

    /// Does the server have no answer?
    pub fn is_open(reply: &[u8]) -> bool {
        matches!(reply, b"*0\r\n" | b":0\r\n") || NOT_THERE.iter().any(|error| reply.starts_with(error))
    }

    pub fn answer(&self, proto: Proto, out: &mut BytesMut) {
        let commands = || table().iter().filter(|spec| !spec.name.contains('|'));
        match self {
            Self::All => {
                encode::array_header(out, commands().count());
                commands().for_each(|spec| describe(spec, proto, out));
            }
            Self::Count => encode::int(out, i64::try_from(commands().count()).unwrap_or(i64::MAX)),
            Self::List => {
                encode::array_header(out, commands().count());
                commands().for_each(|spec| encode::bulk(out, spec.name.as_bytes()));
            }
            Self::Info(specs) => {
                encode::array_header(out, specs.len());
                for spec in specs {
                    match spec {
                        Some(spec) => describe(spec, proto, out),
                        None => encode::null_array(out, proto),
                    }
                }
            }
            Self::Keys(keys) => {
                encode::array_header(out, keys.len());
                keys.iter().for_each(|key| encode::bulk(out, key));
            }
        }
    }
}

/// The ten elements of Redis 7: without tips and key specifications, which no client needs to find
/// the keys of a command that has them in a row.
fn describe(spec: &Spec, proto: Proto, out: &mut BytesMut) {
    let (first, last, step, movable) = positions(spec.keys);
    encode::array_header(out, 10);
    encode::bulk(out, spec.name.as_bytes());
    encode::int(out, i64::from(spec.arity));
    let mut flags = named(spec, &FLAG_NAMES);
    if movable {
        flags.push("movablekeys");
    }
    words(&flags, proto, out);
    encode::int(out, first);
    encode::int(out, last);
    encode::int(out, step);
    let mut categories = named(spec, &CATEGORIES);
    categories.push(if spec.flags.has(Flags::FAST) { "@fast" } else { "@slow" });
    words(&categories, proto, out);
    encode::array_header(out, 0);
    encode::array_header(out, 0);
    let within = |row: &&Spec| row.name.split_once('|').is_some_and(|(container, _)| container == spec.name);
    encode::array_header(out, table().iter().filter(within).count());
    table().iter().filter(within).for_each(|row| describe(row, proto, out));
}

fn named(spec: &Spec, names: &[(u32, &'static str)]) -> Vec<&'static str> {
    names.iter().filter(|(flag, _)| spec.flags.has(*flag)).map(|(_, name)| *name).collect()
}

fn words(words: &[&str], proto: Proto, out: &mut BytesMut) {
    encode::set_header(out, words.len(), proto);
    for word in words {
        encode::simple(out, word);
    }
}

/// First key, last key and step, and whether there are keys that these do not tell.
fn positions(keys: Keys) -> (i64, i64, i64, bool) {
    match keys {
        Keys::None | Keys::Channels { .. } | Keys::ChannelPatterns { .. } | Keys::Debug | Keys::Embedded { .. } => {
            (0, 0, 0, false)
        }
        Keys::Range { first, last, step, .. } => (first.into(), last.into(), step.into(), false),
        Keys::Two { first, .. } => (first.into(), i64::from(first) + 1, 1, false),
        Keys::DestinationAndSources { destination, .. } => (destination.into(), -1, 1, false),
        Keys::Counted { .. } | Keys::CountedPairs { .. } | Keys::Streams => (0, 0, 0, true),
        Keys::DestinationAndCounted | Keys::Sort { .. } | Keys::GeoRadius { .. } => (1, 1, 1, true),
        Keys::Migrate => (3, 3, 1, true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(question: &Question, proto: Proto) -> String {
        let mut out = BytesMut::new();
        question.answer(proto, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn only_a_server_without_an_answer_is_spoken_for() {
        for none in ["*0\r\n", ":0\r\n", "-ERR Command is not available: 'COMMAND'. See https://\r\n"] {
            assert!(Question::is_open(none.as_bytes()), "{none}");
        }
        for answer in ["*1\r\n*0\r\n", ":241\r\n", "*-1\r\n", "-ERR wrong number of arguments\r\n", "-NOPERM no\r\n"] {
            assert!(!Question::is_open(answer.as_bytes()), "{answer}");
        }
    }

    #[test]
    fn commands_are_described_as_redis_does() {
        let info = Question::Info(vec![find("get"), None, find("zunionstore")]);
        assert_eq!(
            answer(&info, Proto::Resp2),
            "*3\r\n*10\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n*2\r\n+@read\r\n+@fast\r\n\
             *0\r\n*0\r\n*0\r\n*-1\r\n*10\r\n$11\r\nzunionstore\r\n:-4\r\n*2\r\n+write\r\n+movablekeys\r\n:1\r\n:1\r\n:1\r\n\
             *2\r\n+@write\r\n+@slow\r\n*0\r\n*0\r\n*0\r\n"
        );
        let config = answer(&Question::Info(vec![find("config")]), Proto::Resp3);
        assert!(config.contains("$10\r\nconfig|get\r\n"), "{config}");
        let commands = table().iter().filter(|spec| !spec.name.contains('|')).count();
        assert_eq!(answer(&Question::Count, Proto::Resp2), format!(":{commands}\r\n"));
        for question in [Question::All, Question::List] {
            assert!(answer(&question, Proto::Resp3).starts_with(&format!("*{commands}\r\n")));
        }
    }
}
