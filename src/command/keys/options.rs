//! Commands whose keys stand among options: one reader each.
//!
//! Job, inputs, outputs and what must never happen: see the parent.

use super::{Found, KeyPositions, Unclear};
use crate::command::grammar::integer;
use crate::command::{Access, Args, SortOption, sort_options};

/// What the options of XREAD and XREADGROUP say.
pub(in crate::command) struct StreamOptions {
    pub(in crate::command) block: bool,
    /// The first argument after STREAMS.
    first_key: usize,
}

/// Reads the options up to STREAMS; none if a word is not known.
pub(in crate::command) fn stream_options(args: Args<'_>) -> Option<StreamOptions> {
    let group = args.is(0, "XREADGROUP");
    // Not a number: the server refuses it, or takes a STREAMS there for the real one.
    let number = |at| args.get(at).and_then(integer).map(|_| 2);
    let mut block = false;
    let mut at = 1;
    while at < args.len() {
        at += if args.is(at, "STREAMS") {
            let first_key = at + 1;
            return Some(StreamOptions { block, first_key });
        } else if args.is(at, "BLOCK") {
            block = true;
            number(at + 1)?
        } else if args.is(at, "COUNT") {
            number(at + 1)?
        } else if group && args.is(at, "GROUP") {
            3
        } else if group && args.is(at, "NOACK") {
            1
        } else {
            return None;
        };
    }
    None
}

pub(super) fn streams(args: Args<'_>, out: &mut KeyPositions) -> Found {
    let first = stream_options(args).ok_or(Unclear)?.first_key;
    let after = args.len() - first;
    if after == 0 || !after.is_multiple_of(2) {
        return Err(Unclear);
    }
    for at in first..first + after / 2 {
        out.add(at, Access::Read);
    }
    Ok(())
}

pub(super) fn sort(args: Args<'_>, store: bool, out: &mut KeyPositions) -> Found {
    if args.len() < 2 {
        return Ok(());
    }
    out.add(1, Access::Read);
    for option in sort_options(args, store) {
        match option.map_err(|_| Unclear)? {
            // Without an asterisk the server looks no key up.
            SortOption::By(at) | SortOption::Get(at) if args.get(at).is_some_and(|arg| arg.contains(&b'*')) => {
                out.add(at, Access::Pattern);
            }
            SortOption::Store(at) => out.add(at, Access::Overwrite),
            _ => {}
        }
    }
    Ok(())
}

pub(super) fn geo_radius(args: Args<'_>, options_at: usize, out: &mut KeyPositions) -> Found {
    const WORDS: [&str; 6] = ["WITHDIST", "WITHHASH", "WITHCOORD", "ANY", "ASC", "DESC"];
    if args.len() < 2 {
        return Ok(());
    }
    out.add(1, Access::Read);
    let mut at = options_at;
    while at < args.len() {
        let (access, operands) = if args.is(at, "STORE") || args.is(at, "STOREDIST") {
            (Some(Access::Overwrite), 1)
        } else if args.is(at, "COUNT") {
            (None, 1)
        } else if WORDS.iter().any(|word| args.is(at, word)) {
            (None, 0)
        } else {
            return Err(Unclear);
        };
        at = option(args, at, operands, access, out)?;
    }
    Ok(())
}

pub(super) fn migrate(args: Args<'_>, out: &mut KeyPositions) -> Found {
    let Some(key) = args.get(3) else {
        return Ok(());
    };
    let mut at = 6;
    while at < args.len() {
        let operands = if args.is(at, "KEYS") {
            if !key.is_empty() || at + 1 == args.len() {
                return Err(Unclear);
            }
            for key_at in at + 1..args.len() {
                out.add(key_at, Access::Update);
            }
            return Ok(());
        } else if args.is(at, "COPY") || args.is(at, "REPLACE") {
            0
        } else if args.is(at, "AUTH") {
            1
        } else if args.is(at, "AUTH2") {
            2
        } else {
            return Err(Unclear);
        };
        at = option(args, at, operands, None, out)?;
    }
    out.add(3, Access::Update);
    Ok(())
}

/// Steps over the option at `at`; its operand is a key if `access` is given.
fn option(
    args: Args<'_>,
    at: usize,
    operands: usize,
    access: Option<Access>,
    out: &mut KeyPositions,
) -> Result<usize, Unclear> {
    let next = at + 1 + operands;
    if next > args.len() {
        return Err(Unclear);
    }
    if let Some(access) = access {
        out.add(at + 1, access);
    }
    Ok(next)
}

pub(super) fn debug(args: Args<'_>, out: &mut KeyPositions) -> Found {
    // One key after the subcommand.
    const ONE_KEY: [&str; 6] = ["OBJECT", "SDSLEN", "ZIPLIST", "LISTPACK", "QUICKLIST", "HTSTATS-KEY"];
    // No key at all. Not here: POPULATE makes keys, REPLICATE runs a command given as text.
    const NO_KEY: [&str; 28] = [
        "AOF-FLUSH-SLEEP",
        "ASSERT",
        "CHANGE-REPL-ID",
        "CONFIG-REWRITE-FORCE-ALL",
        "CRASH-AND-RECOVER",
        "DICT-RESIZING",
        "DIGEST",
        "ERROR",
        "FLUSHALL",
        "HELP",
        "HTSTATS",
        "JMAP",
        "LOADAOF",
        "LOG",
        "MALLCTL",
        "MALLCTL-STR",
        "OOM",
        "PANIC",
        "PAUSE-CRON",
        "PROTOCOL",
        "QUICKLIST-PACKED-THRESHOLD",
        "RELOAD",
        "RESTART",
        "SEGFAULT",
        "SET-ACTIVE-EXPIRE",
        "SET-DISABLE-DENY-SCRIPTS",
        "SLEEP",
        "STRUCTSIZE",
    ];
    if ONE_KEY.iter().any(|word| args.is(1, word)) {
        if args.len() > 2 {
            out.add(2, Access::Read);
        }
    } else if args.is(1, "DIGEST-VALUE") {
        for at in 2..args.len() {
            out.add(at, Access::Read);
        }
    } else if args.len() > 1 && !NO_KEY.iter().any(|word| args.is(1, word)) {
        return Err(Unclear);
    }
    Ok(())
}
