//! CLIENT LIST, KILL, PAUSE, UNPAUSE and HELP, and the arguments of UNBLOCK.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::filter::{Filter, integer, number};
use super::info::Unblock;
use super::local::{About, text};
use super::session::Session;
use crate::command::Args;
use crate::resp::encode;

/// A pause longer than this is as good as for ever, and an `Instant` has an end.
const MAX_PAUSE: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
const SYNTAX: &str = "ERR syntax error";
const NOT_AN_INTEGER: &str = "ERR value is not an integer or out of range";

/// Only what is answered here is listed.
const HELP: [&str; 39] = [
    "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CACHING (YES|NO)",
    "    Track the keys of the next command, or not.",
    "GETNAME",
    "    Return the name of this connection.",
    "GETREDIR",
    "    Return the client that invalidations are redirected to, or -1.",
    "ID",
    "    Return the number of this connection.",
    "INFO",
    "    Return one line about this connection.",
    "KILL <ip:port>",
    "    Close the connection from that address.",
    "KILL <option> <value> [<option> <value> ...]",
    "    Close connections by ID, ADDR, LADDR, TYPE, USER, MAXAGE; SKIPME (yes|no) spares this one.",
    "LIST [TYPE (NORMAL|MASTER|REPLICA|PUBSUB) | ID <id> ...]",
    "    Return one line about each connection.",
    "NO-EVICT (ON|OFF)",
    "    Accepted; memory is the database's concern.",
    "NO-TOUCH (ON|OFF)",
    "    Accepted.",
    "PAUSE <milliseconds> [WRITE|ALL]",
    "    Hold commands back for so long.",
    "REPLY (ON|OFF|SKIP)",
    "    Say whether replies are wanted.",
    "SETINFO (LIB-NAME|LIB-VER) <value>",
    "    Name the client library.",
    "SETNAME <name>",
    "    Name this connection.",
    "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> ...] [OPTIN] [OPTOUT] [NOLOOP]",
    "    Say whether changes of keys that were read are to be told.",
    "TRACKINGINFO",
    "    Return how invalidations are sent.",
    "UNBLOCK <id> [TIMEOUT|ERROR]",
    "    End the blocking command of that client.",
    "UNPAUSE",
    "    End a pause.",
    "HELP",
    "    Print this text.",
];

pub(super) fn help(out: &mut BytesMut) {
    encode::array_header(out, HELP.len());
    for line in HELP {
        encode::simple(out, line);
    }
}

/// CLIENT LIST [TYPE type | ID id ...].
pub(super) fn list(args: Args<'_>, session: &Session, about: &About<'_>, out: &mut BytesMut) {
    let listed = match args.len() {
        2 => about.registry.list(&Filter::default()),
        4 if args.is(2, "TYPE") => match Filter::of_type(args) {
            Ok(filter) => about.registry.list(&filter),
            Err(error) => return encode::error(out, error),
        },
        n if n > 3 && args.is(2, "ID") => {
            let ids: Option<Vec<u64>> = args.from(3).map(number).collect();
            let Some(mut ids) = ids else { return encode::error(out, "ERR Invalid client ID") };
            // Each once, though Redis repeats them: a request must not be answered by a thousand times its size.
            let mut seen = HashSet::new();
            ids.retain(|id| seen.insert(*id));
            about.registry.list_of(&ids)
        }
        _ => return encode::error(out, SYNTAX),
    };
    text(&listed, session, out);
}

pub(super) fn kill(args: Args<'_>, session: &mut Session, about: &About<'_>, out: &mut BytesMut) {
    if let (3, Some(address)) = (args.len(), args.get(2)) {
        // The old form, with which a client may end itself.
        let (killed, self_too) = about.registry.kill(&Filter::at(address), session.id);
        session.ended |= self_too;
        return match killed {
            0 => encode::error(out, "ERR No such client"),
            _ => encode::simple(out, "OK"),
        };
    }
    match Filter::to_kill(args, session.id, about.identities) {
        Ok(filter) => {
            let (killed, self_too) = about.registry.kill(&filter, session.id);
            session.ended |= self_too;
            encode::int(out, i64::try_from(killed).unwrap_or(i64::MAX));
        }
        Err(error) => encode::error(out, error),
    }
}

/// CLIENT PAUSE milliseconds [WRITE|ALL].
pub(super) fn pause(args: Args<'_>, about: &About<'_>, out: &mut BytesMut) {
    let all = match args.len() {
        3 => true,
        4 if args.is(3, "ALL") => true,
        4 if args.is(3, "WRITE") => false,
        4 => return encode::error(out, "ERR CLIENT PAUSE mode must be WRITE or ALL"),
        _ => return misused("PAUSE", out),
    };
    let Some(length) = args.get(2).and_then(integer) else {
        return encode::error(out, "ERR timeout is not an integer or out of range");
    };
    let Ok(length) = u64::try_from(length) else { return encode::error(out, "ERR timeout is negative") };
    about.registry.pause(Instant::now() + Duration::from_millis(length).min(MAX_PAUSE), all);
    encode::simple(out, "OK");
}

/// CLIENT UNBLOCK id [TIMEOUT|ERROR].
///
/// # Errors
/// What the client is to be told.
pub fn unblock(args: Args<'_>) -> Result<(u64, Unblock), String> {
    let how = match args.len() {
        3 => Unblock::Timeout,
        4 if args.is(3, "TIMEOUT") => Unblock::Timeout,
        4 if args.is(3, "ERROR") => Unblock::Error,
        4 => return Err("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR".into()),
        _ => return Err(misuse("UNBLOCK")),
    };
    let id = args.get(2).and_then(integer).ok_or(NOT_AN_INTEGER)?;
    // No client has a negative number.
    Ok((u64::try_from(id).unwrap_or(0), how))
}

fn misused(subcommand: &str, out: &mut BytesMut) {
    encode::error(out, misuse(subcommand));
}

fn misuse(subcommand: &str) -> String {
    format!("ERR unknown subcommand or wrong number of arguments for '{subcommand}'. Try CLIENT HELP.")
}
