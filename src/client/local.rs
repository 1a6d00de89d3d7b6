//! The commands that the sidecar answers itself, because the true answer is about this client or
//! would lead it past us.

use bytes::{Bytes, BytesMut};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::control;
use super::info::ClientInfo;
use super::registry::Registry;
use super::session::{Replies, Session};
use crate::command::{Args, Spec};
use crate::policy::{Identities, IdentityId, Refusal, Who};
use crate::resp::{Proto, encode};

/// Reported until a connection has told what the server is.
const UNKNOWN_SERVER: (&str, &str) = ("redis", "7.0.0");
const CLUSTER_DISABLED: &str = "ERR This instance has cluster support disabled";
pub const WRONG_PASSWORD: &str = "WRONGPASS invalid username-password pair or user is disabled.";
const DEFAULT_USER: &[u8] = b"default";
const NO_PASSWORD: &str = "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?";
const HELLO_NOAUTH: &str = "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time";
const BAD_NAME: &str = "ERR Client names cannot contain spaces, newlines or special characters.";
const SYNTAX: &str = "ERR syntax error";

/// What a client may log in with where there are no identities: the upstream's own credentials, which applications
/// keep in their REDIS_URL. They are compared here and never forwarded.
pub struct Secrets {
    pub user: String,
    pub password: Option<Zeroizing<String>>,
    /// Nothing but the handshake before a login.
    pub required: bool,
}

/// What AUTH, or HELLO with it, has sent.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// `None`: a password alone.
    pub user: Option<&'a [u8]>,
    pub password: &'a [u8],
}

/// What became of a login: who it is, or what the client is told.
pub type Verdict = Result<Who, &'static str>;

impl Secrets {
    pub fn check(&self, offered: &Credentials<'_>, identities: &Identities) -> Verdict {
        let user = offered.user.unwrap_or(DEFAULT_USER);
        let right = match &self.password {
            None if offered.user.is_none() => return Err(NO_PASSWORD),
            // As a server whose default user has no password: any will do.
            None => user == DEFAULT_USER,
            Some(right) => {
                let known_user = user == DEFAULT_USER || user == self.user.as_bytes();
                known_user & bool::from(right.as_bytes().ct_eq(offered.password))
            }
        };
        if right { Ok(identities.who(IdentityId::default())) } else { Err(WRONG_PASSWORD) }
    }
}

/// What the answers are about.
pub struct About<'a> {
    /// Name and version.
    pub server: Option<(&'a str, &'a str)>,
    pub identities: &'a Identities,
    /// Of the login that this command is; without one it fails.
    pub verdict: Option<Verdict>,
    pub registry: &'a Registry,
    pub info: &'a ClientInfo,
}

/// What became of a local command.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// Written.
    Done,
    /// Nothing is to be said (CLIENT REPLY OFF and SKIP).
    Silent,
}

/// Redis's own words.
pub fn wrong_arity(command: &str) -> String {
    Refusal::wrong_arity(command).to_string()
}

/// Answers one command of lane `Local`, SELECT excepted. Its arity has been checked.
pub fn answer(spec: &Spec, args: Args<'_>, session: &mut Session, about: &About<'_>, out: &mut BytesMut) -> Answer {
    match spec.name {
        "ping" => ping(args, session, out),
        "echo" => encode::bulk(out, args.get(1).unwrap_or_default()),
        "quit" => {
            session.ended = true;
            encode::simple(out, "OK");
        }
        "reset" => {
            session.reset();
            encode::simple(out, "RESET");
        }
        "auth" => match auth(args, session, about) {
            Ok(()) => encode::simple(out, "OK"),
            Err(text) => encode::error(out, text),
        },
        "hello" => match hello(args, session, about) {
            Ok(()) => greeting(session, about, out),
            Err(text) => encode::error(out, text),
        },
        "acl|whoami" => encode::bulk(out, session.user.as_bytes()),
        "role" => {
            encode::array_header(out, 3);
            encode::bulk(out, b"master");
            encode::int(out, 0);
            encode::array_header(out, 0);
        }
        "readonly" | "readwrite" | "asking" => encode::error(out, CLUSTER_DISABLED),
        name if name.starts_with("cluster") => encode::error(out, CLUSTER_DISABLED),
        name if name.starts_with("sentinel") => encode::error(out, "ERR unknown command 'sentinel'"),
        name => match name.strip_prefix("client|") {
            Some(sub) => return client(sub, args, session, about, out),
            None => encode::error(
                out,
                format!("WAXSEAL UNSUPPORTED {} is not answered by this version of Waxseal", name.to_ascii_uppercase()),
            ),
        },
    }
    Answer::Done
}

fn ping(args: Args<'_>, session: &Session, out: &mut BytesMut) {
    if args.len() > 2 {
        return encode::error(out, wrong_arity("ping"));
    }
    if session.is_subscriber() {
        encode::array_header(out, 2);
        encode::bulk(out, b"pong");
        encode::bulk(out, args.get(1).unwrap_or_default());
    } else if let Some(text) = args.get(1) {
        encode::bulk(out, text);
    } else {
        encode::simple(out, "PONG");
    }
}

fn auth(args: Args<'_>, session: &mut Session, about: &About<'_>) -> Result<(), &'static str> {
    if credentials_of_auth(args).is_none() {
        return Err(SYNTAX);
    }
    log_in(session, about)
}

fn log_in(session: &mut Session, about: &About<'_>) -> Result<(), &'static str> {
    let who = about.verdict.as_ref().unwrap_or(&Err(WRONG_PASSWORD)).clone()?;
    session.log_in(who);
    Ok(())
}

/// The login that a command is, if it is one.
pub fn credentials<'a>(spec: &Spec, args: Args<'a>) -> Option<Credentials<'a>> {
    match spec.name {
        "auth" => credentials_of_auth(args),
        "hello" => Hello::parse(args).ok()?.login,
        _ => None,
    }
}

fn credentials_of_auth(args: Args<'_>) -> Option<Credentials<'_>> {
    match args.len() {
        2 => Some(Credentials { user: None, password: args.get(1)? }),
        3 => Some(Credentials { user: args.get(1), password: args.get(2)? }),
        _ => None,
    }
}

/// HELLO [version [AUTH user password] [SETNAME name]].
struct Hello<'a> {
    proto: Option<Proto>,
    login: Option<Credentials<'a>>,
    name: Option<&'a [u8]>,
}

impl<'a> Hello<'a> {
    fn parse(args: Args<'a>) -> Result<Self, &'static str> {
        let proto = match args.get(1) {
            None => None,
            Some(b"2") => Some(Proto::Resp2),
            Some(b"3") => Some(Proto::Resp3),
            Some(other) if std::str::from_utf8(other).is_ok_and(|v| v.parse::<i64>().is_ok()) => {
                return Err("NOPROTO unsupported protocol version");
            }
            Some(_) => return Err("ERR Protocol version is not an integer or out of range"),
        };
        let mut hello = Self { proto, login: None, name: None };
        let mut at = 2;
        while at < args.len() {
            if args.is(at, "AUTH") && at + 2 < args.len() {
                hello.login = args.get(at + 2).map(|password| Credentials { user: args.get(at + 1), password });
                at += 3;
            } else if args.is(at, "SETNAME") && at + 1 < args.len() {
                hello.name = args.get(at + 1);
                at += 2;
            } else {
                return Err("ERR Syntax error in HELLO option");
            }
        }
        if hello.name.is_some_and(|n| !is_printable(n)) {
            return Err(BAD_NAME);
        }
        Ok(hello)
    }
}

/// All of it or nothing.
fn hello(args: Args<'_>, session: &mut Session, about: &About<'_>) -> Result<(), &'static str> {
    let hello = Hello::parse(args)?;
    if hello.login.is_some() {
        log_in(session, about)?;
    }
    if !session.authenticated {
        return Err(HELLO_NOAUTH);
    }
    if let Some(name) = hello.name {
        session.name = Bytes::copy_from_slice(name);
    }
    session.proto = hello.proto.unwrap_or(session.proto);
    Ok(())
}

/// As a single server would: a client must not look for replicas or slots.
fn greeting(session: &Session, about: &About<'_>, out: &mut BytesMut) {
    let proto = session.proto;
    let (name, version) = about.server.unwrap_or(UNKNOWN_SERVER);
    encode::map_header(out, 7, proto);
    encode::bulk(out, b"server");
    encode::bulk(out, name.as_bytes());
    encode::bulk(out, b"version");
    encode::bulk(out, version.as_bytes());
    encode::bulk(out, b"proto");
    encode::int(out, if proto == Proto::Resp3 { 3 } else { 2 });
    encode::bulk(out, b"id");
    encode::int(out, signed(session.id));
    encode::bulk(out, b"mode");
    encode::bulk(out, b"standalone");
    encode::bulk(out, b"role");
    encode::bulk(out, b"master");
    encode::bulk(out, b"modules");
    encode::array_header(out, 0);
}

fn client(sub: &str, args: Args<'_>, session: &mut Session, about: &About<'_>, out: &mut BytesMut) -> Answer {
    let argument = args.get(2).unwrap_or_default();
    match sub {
        "id" => encode::int(out, signed(session.id)),
        "getname" if session.name.is_empty() => encode::null(out, session.proto),
        "getname" => encode::bulk(out, &session.name),
        "setname" if is_printable(argument) => {
            session.name = Bytes::copy_from_slice(argument);
            encode::simple(out, "OK");
        }
        "setname" => encode::error(out, BAD_NAME),
        "setinfo" => set_info(args, session, out),
        "info" => text(&format!("{}\n", about.info.line()), session, out),
        "list" => control::list(args, session, about, out),
        "kill" => control::kill(args, session, about, out),
        "pause" => control::pause(args, about, out),
        "unpause" => {
            about.registry.unpause();
            encode::simple(out, "OK");
        }
        "help" => control::help(out),
        "reply" => return reply(args, session, out),
        "no-evict" | "no-touch" if args.is(2, "ON") || args.is(2, "OFF") => {
            let flag = if sub == "no-evict" { &mut session.no_evict } else { &mut session.no_touch };
            *flag = args.is(2, "ON");
            encode::simple(out, "OK");
        }
        "no-evict" | "no-touch" => encode::error(out, SYNTAX),
        // Not tracking: what Redis says of such a client.
        "getredir" => encode::int(out, -1),
        "trackinginfo" => {
            encode::map_header(out, 3, session.proto);
            encode::bulk(out, b"flags");
            encode::set_header(out, 1, session.proto);
            encode::bulk(out, b"off");
            encode::bulk(out, b"redirect");
            encode::int(out, -1);
            encode::bulk(out, b"prefixes");
            encode::array_header(out, 0);
        }
        _ => encode::error(
            out,
            format!(
                "WAXSEAL UNSUPPORTED CLIENT {} is not supported by this version of Waxseal. See docs/commands.md",
                sub.to_ascii_uppercase()
            ),
        ),
    }
    Answer::Done
}

fn set_info(args: Args<'_>, session: &mut Session, out: &mut BytesMut) {
    let value = args.get(3).unwrap_or_default();
    if !is_printable(value) {
        return encode::error(out, "ERR lib-name and lib-ver cannot contain spaces, newlines or special characters.");
    }
    if args.is(2, "LIB-NAME") {
        session.lib_name = Bytes::copy_from_slice(value);
    } else if args.is(2, "LIB-VER") {
        session.lib_version = Bytes::copy_from_slice(value);
    } else {
        return encode::error(out, "ERR Unrecognized option of CLIENT SETINFO");
    }
    encode::simple(out, "OK");
}

fn reply(args: Args<'_>, session: &mut Session, out: &mut BytesMut) -> Answer {
    if args.is(2, "ON") {
        session.replies = Replies::On;
        encode::simple(out, "OK");
        return Answer::Done;
    }
    if args.is(2, "OFF") {
        session.replies = Replies::Off;
    } else if args.is(2, "SKIP") {
        // OFF is the stronger of the two, as in Redis.
        if session.replies != Replies::Off {
            session.replies = Replies::SkipNext;
        }
    } else {
        encode::error(out, SYNTAX);
        return Answer::Done;
    }
    Answer::Silent
}

/// What Redis gives as a verbatim string to RESP3 clients.
pub(super) fn text(text: &str, session: &Session, out: &mut BytesMut) {
    encode::verbatim(out, *b"txt", text.as_bytes(), session.proto);
}

fn is_printable(name: &[u8]) -> bool {
    name.iter().all(|b| (b'!'..=b'~').contains(b))
}

fn signed(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}
