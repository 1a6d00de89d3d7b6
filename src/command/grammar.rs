//! What may follow the values of a sealed command.
//!
//! Job: understand a request on an encrypted key in full, or refuse it, because an option that we
//! do not know may carry a value or change what the reply means.
//! In: the arguments. Out: [`Form`], what the options mean for sealing and opening.
//! Must never: let an unknown word pass. Numbers are left to the server, which says what is wrong.

use std::fmt;

use super::{Args, Reason};

/// Which words may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grammar {
    /// No options: the arity says all.
    Fixed,
    /// Pairs from position `from` to the end.
    Pairs { from: u8 },
    /// SET: EX PX EXAT PXAT KEEPTTL NX XX GET.
    Set,
    /// GETEX: EX PX EXAT PXAT PERSIST.
    GetEx,
    /// HRANDFIELD: a count, then WITHVALUES.
    RandomField,
    /// HSCAN: MATCH COUNT NOVALUES.
    HashScan,
}

/// What the options of an understood request mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// SET ... GET: the reply is the old value.
    pub get: bool,
    /// HRANDFIELD ... WITHVALUES.
    pub with_values: bool,
    /// HSCAN ... NOVALUES.
    pub no_values: bool,
}

/// Why a request is not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrammarError {
    /// Redis's `syntax error`.
    Syntax,
    /// Redis's `wrong number of arguments`, which names the command.
    WrongArity,
    /// Redis's `value is not an integer or out of range`.
    NotAnInteger,
    /// IFEQ, IFNE, IFDEQ, IFDNE: compares with the stored value.
    ComparesValue,
}

impl fmt::Display for GrammarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syntax => "syntax error",
            Self::WrongArity => "wrong number of arguments",
            Self::NotAnInteger => "value is not an integer or out of range",
            Self::ComparesValue => Reason::ValueComparison.sentence(),
        })
    }
}

impl std::error::Error for GrammarError {}

impl Grammar {
    /// The options it admits, for people; empty if there are none.
    #[must_use]
    pub const fn options(self) -> &'static str {
        match self {
            Self::Fixed | Self::Pairs { .. } => "",
            Self::Set => "EX PX EXAT PXAT KEEPTTL NX XX GET",
            Self::GetEx => "EX PX EXAT PXAT PERSIST",
            Self::RandomField => "WITHVALUES",
            Self::HashScan => "MATCH COUNT NOVALUES",
        }
    }

    /// Understands `args`, whose arity has been checked.
    ///
    /// # Errors
    /// [`GrammarError`], the answer the client gets; nothing may be sent upstream then.
    pub fn check(self, args: Args<'_>) -> Result<Form, GrammarError> {
        match self {
            Self::Fixed => Ok(Form::default()),
            Self::Pairs { from } => pairs(args, usize::from(from)),
            Self::Set => expiring(args, 3, Expiring::Set),
            Self::GetEx => expiring(args, 2, Expiring::GetEx),
            Self::RandomField => random_field(args),
            Self::HashScan => hash_scan(args),
        }
    }
}

fn pairs(args: Args<'_>, from: usize) -> Result<Form, GrammarError> {
    let after = args.len().saturating_sub(from);
    if after == 0 || !after.is_multiple_of(2) {
        return Err(GrammarError::WrongArity);
    }
    Ok(Form::default())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Expiring {
    Set,
    GetEx,
}

/// The options of SET and GETEX, with what excludes what, as Redis has it. Redis admits the same
/// option twice, so do we.
fn expiring(args: Args<'_>, from: usize, command: Expiring) -> Result<Form, GrammarError> {
    const TIMES: [&str; 4] = ["EX", "PX", "EXAT", "PXAT"];
    let set = command == Expiring::Set;
    let mut form = Form::default();
    let (mut nx, mut xx) = (false, false);
    // At most one way to treat the TTL may be named: the index into TIMES, or KEEPTTL or PERSIST.
    let mut ttl: Option<usize> = None;
    let mut at = from;
    while at < args.len() {
        let mut means = None;
        if let Some(index) = TIMES.iter().position(|word| args.is(at, word)) {
            at += 1;
            if at >= args.len() {
                return Err(GrammarError::Syntax);
            }
            means = Some(index);
        } else if args.is(at, if set { "KEEPTTL" } else { "PERSIST" }) {
            means = Some(TIMES.len());
        } else if set && args.is(at, "NX") && !xx {
            nx = true;
        } else if set && args.is(at, "XX") && !nx {
            xx = true;
        } else if set && args.is(at, "GET") {
            form.get = true;
        } else if set && ["IFEQ", "IFNE", "IFDEQ", "IFDNE"].iter().any(|word| args.is(at, word)) {
            return Err(GrammarError::ComparesValue);
        } else {
            return Err(GrammarError::Syntax);
        }
        if means.is_some() {
            if ttl.is_some() && ttl != means {
                return Err(GrammarError::Syntax);
            }
            ttl = means;
        }
        at += 1;
    }
    Ok(form)
}

/// `HRANDFIELD key [count [WITHVALUES]]`; Redis looks at the count before the word after it.
fn random_field(args: Args<'_>) -> Result<Form, GrammarError> {
    let Some(count) = args.get(2) else {
        return Ok(Form::default());
    };
    if integer(count).is_none() {
        return Err(GrammarError::NotAnInteger);
    }
    match args.len() {
        3 => Ok(Form::default()),
        4 if args.is(3, "WITHVALUES") => Ok(Form { with_values: true, ..Form::default() }),
        _ => Err(GrammarError::Syntax),
    }
}

/// `HSCAN key cursor [MATCH pattern] [COUNT count] [NOVALUES]`, in any order.
fn hash_scan(args: Args<'_>) -> Result<Form, GrammarError> {
    let mut form = Form::default();
    let mut at = 3;
    while at < args.len() {
        if args.is(at, "MATCH") || args.is(at, "COUNT") {
            at += 1;
            if at >= args.len() {
                return Err(GrammarError::Syntax);
            }
        } else if args.is(at, "NOVALUES") {
            form.no_values = true;
        } else {
            return Err(GrammarError::Syntax);
        }
        at += 1;
    }
    Ok(form)
}

/// An integer as Redis reads one: no plus sign, no leading zero, no spaces.
pub(super) fn integer(bytes: &[u8]) -> Option<i64> {
    let digits = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let plain = match digits {
        [b'0'] => digits.len() == bytes.len(),
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if !plain {
        return None;
    }
    std::str::from_utf8(bytes).ok()?.parse().ok()
}
