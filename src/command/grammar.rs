//! What may follow the values of a sealed command.
//!
//! Job: understand a request on an encrypted key in full, or refuse it, because an option that we
//! do not know may carry a value or change what the reply means.
//! In: the arguments. Out: [`Form`], what the options mean for sealing and opening.
//! Must never: let an unknown word pass. Numbers are left to the server, which says what is wrong.

use std::fmt;

use super::Args;

/// Which words may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grammar {
    /// No options: the arity says all.
    Fixed,
    /// No options, and at most so many arguments, the name among them.
    AtMost(u8),
    /// The same, where Redis takes what is beyond for a wrong number of arguments.
    NoMoreThan(u8),
    /// Pairs from position `from` to the end.
    Pairs { from: u8 },
    /// SET: EX PX EXAT PXAT KEEPTTL NX XX GET.
    Set,
    /// The same with one of IFEQ IFNE IFDEQ IFDNE in the place of NX XX.
    SetIf,
    /// GETEX: EX PX EXAT PXAT PERSIST.
    GetEx,
    /// HRANDFIELD: a count, then WITHVALUES.
    RandomField,
    /// HSCAN: MATCH COUNT NOVALUES.
    HashScan,
    /// Nothing but these words from position `from` on, in any order.
    Options { from: u8, words: &'static [Word] },
    /// ZRANDMEMBER: a count, then WITHSCORES.
    RandomMember,
    /// ZUNION and its like: keys, then WEIGHTS AGGREGATE LIMIT WITHSCORES.
    SetOperation { count_at: u8 },
    /// ZADD: NX XX GT LT CH INCR, then scores and members.
    ScoredMembers,
    /// GEOADD: NX XX CH, then longitudes, latitudes and members.
    GeoMembers,
    /// GEOSEARCH and GEOSEARCHSTORE: their whole language, with at most one member.
    GeoSearch { from: u8 },
    /// XADD: NOMKSTREAM, trimming, an id, then fields and values.
    StreamEntry,
    /// HGETDEL, HGETEX, HSETEX, HEXPIRE: from a position on these words, each with so many arguments, then FIELDS, a count, and that
    /// many groups of `size`.
    NamedFields { from: u8, words: &'static [Word], size: u8 },
    /// MSETEX: a count, that many keys and values, then options as SET has them.
    CountedPairs,
    /// XCLAIM, XAUTOCLAIM: only whether this word is there matters; none of the others is a value.
    Mark { from: u8, word: &'static str },
}

/// An option word, the arguments that follow it, and what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    pub name: &'static str,
    pub takes: usize,
    pub effect: Effect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Nothing,
    /// Changes what the reply holds.
    Marks,
    /// Would have the server look at values or members.
    Compares,
}

impl Word {
    pub const fn plain(name: &'static str, takes: usize) -> Self {
        Self { name, takes, effect: Effect::Nothing }
    }

    pub const fn marking(name: &'static str) -> Self {
        Self { name, takes: 0, effect: Effect::Marks }
    }

    pub const fn comparing(name: &'static str, takes: usize) -> Self {
        Self { name, takes, effect: Effect::Compares }
    }
}

/// What the options of an understood request mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// The option is there on which the reply's shape depends: GET, WITHVALUES, NOVALUES, WITHSCORES, JUSTID.
    pub marked: bool,
    /// Where the members or the fields and values begin, if options come before them; of GEOSEARCH the one
    /// member's place, or 0.
    pub start: usize,
    /// Names of hash fields are to be compared with a pattern.
    pub compares: bool,
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
    /// Where XADD's id should be.
    NotAnId,
    /// IFEQ, IFNE, IFDEQ, IFDNE: compares with the stored value.
    ComparesValue,
}

impl fmt::Display for GrammarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syntax => "syntax error",
            Self::WrongArity => "wrong number of arguments",
            Self::NotAnInteger => "value is not an integer or out of range",
            Self::NotAnId => "Invalid stream ID specified as stream command argument",
            Self::ComparesValue => "the database would compare with ciphertext",
        })
    }
}

impl std::error::Error for GrammarError {}

impl Grammar {
    /// The options it admits, for people; empty if there are none.
    #[must_use]
    pub const fn options(self) -> &'static str {
        match self {
            Self::Fixed | Self::AtMost(_) | Self::NoMoreThan(_) | Self::Pairs { .. } => "",
            Self::Set => "EX PX EXAT PXAT KEEPTTL NX XX GET",
            Self::GetEx => "EX PX EXAT PXAT PERSIST",
            Self::RandomField => "WITHVALUES",
            Self::HashScan => "MATCH COUNT NOVALUES",
            Self::RandomMember => "WITHSCORES",
            Self::SetOperation { .. } => "WEIGHTS AGGREGATE LIMIT WITHSCORES",
            Self::ScoredMembers => "NX XX GT LT CH INCR",
            Self::GeoMembers => "NX XX CH",
            Self::StreamEntry => "NOMKSTREAM MAXLEN MINID LIMIT KEEPREF DELREF ACKED",
            Self::CountedPairs => "EX PX EXAT PXAT KEEPTTL NX XX",
            Self::SetIf
            | Self::Options { .. }
            | Self::GeoSearch { .. }
            | Self::Mark { .. }
            | Self::NamedFields { .. } => "",
        }
    }

    /// Understands `args`, whose arity has been checked.
    ///
    /// # Errors
    /// [`GrammarError`], the answer the client gets; nothing may be sent upstream then.
    pub fn check(self, args: Args<'_>) -> Result<Form, GrammarError> {
        match self {
            Self::Fixed => Ok(Form::default()),
            Self::AtMost(most) if args.len() > usize::from(most) => Err(GrammarError::Syntax),
            Self::NoMoreThan(most) if args.len() > usize::from(most) => Err(GrammarError::WrongArity),
            Self::AtMost(_) | Self::NoMoreThan(_) => Ok(Form::default()),
            Self::Pairs { from } => pairs(args, usize::from(from)),
            Self::Set => expiring(args, 3, Expiring::Set),
            Self::SetIf => expiring(args, 3, Expiring::SetIf),
            Self::GetEx => expiring(args, 2, Expiring::GetEx),
            Self::RandomField => random(args, "WITHVALUES"),
            Self::HashScan => hash_scan(args),
            Self::Options { from, words } => options(args, usize::from(from), words),
            Self::RandomMember => random(args, "WITHSCORES"),
            Self::SetOperation { count_at } => set_operation(args, usize::from(count_at)),
            Self::ScoredMembers => groups(args, &["NX", "XX", "GT", "LT", "CH", "INCR"], 2),
            Self::GeoMembers => groups(args, &["NX", "XX", "CH"], 3),
            Self::GeoSearch { from } => geo_search(args, usize::from(from)),
            Self::StreamEntry => stream_entry(args),
            Self::NamedFields { from, words, size } => named_fields(args, usize::from(from), words, usize::from(size)),
            Self::CountedPairs => counted_pairs(args),
            Self::Mark { from, word } => {
                let marked = (usize::from(from)..args.len()).any(|at| args.is(at, word));
                Ok(Form { marked, ..Form::default() })
            }
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
    SetIf,
    GetEx,
}

/// The options of SET and GETEX, with what excludes what, as Redis has it. Redis admits the same
/// option twice, so do we.
fn expiring(args: Args<'_>, from: usize, command: Expiring) -> Result<Form, GrammarError> {
    const TIMES: [&str; 4] = ["EX", "PX", "EXAT", "PXAT"];
    let set = command != Expiring::GetEx;
    let mut form = Form::default();
    let (mut nx, mut xx, mut compares) = (false, false, false);
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
        } else if set && args.is(at, "NX") && !xx && !compares {
            nx = true;
        } else if set && args.is(at, "XX") && !nx && !compares {
            xx = true;
        } else if set && args.is(at, "GET") {
            form.marked = true;
        } else if set && ["IFEQ", "IFNE", "IFDEQ", "IFDNE"].iter().any(|word| args.is(at, word)) {
            if command == Expiring::Set {
                return Err(GrammarError::ComparesValue);
            }
            at += 1;
            if nx || xx || compares || at >= args.len() {
                return Err(GrammarError::Syntax);
            }
            compares = true;
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
    if command == Expiring::SetIf && !compares {
        // The word that had this grammar asked is the operand of a time.
        return Err(GrammarError::NotAnInteger);
    }
    Ok(form)
}

/// `HRANDFIELD key [count [WITHVALUES]]` and ZRANDMEMBER; Redis looks at the count before the word after it.
fn random(args: Args<'_>, word: &str) -> Result<Form, GrammarError> {
    let Some(count) = args.get(2) else {
        return Ok(Form::default());
    };
    if integer(count).is_none() {
        return Err(GrammarError::NotAnInteger);
    }
    match args.len() {
        3 => Ok(Form::default()),
        4 if args.is(3, word) => Ok(Form { marked: true, ..Form::default() }),
        _ => Err(GrammarError::Syntax),
    }
}

/// `HSCAN key cursor [MATCH pattern] [COUNT count] [NOVALUES]`, in any order.
fn hash_scan(args: Args<'_>) -> Result<Form, GrammarError> {
    let mut form = Form::default();
    let mut at = 3;
    while at < args.len() {
        if args.is(at, "MATCH") || args.is(at, "COUNT") {
            form.compares |= args.is(at, "MATCH") && args.get(at + 1) != Some(b"*");
            at += 1;
            if at >= args.len() {
                return Err(GrammarError::Syntax);
            }
        } else if args.is(at, "NOVALUES") {
            form.marked = true;
        } else {
            return Err(GrammarError::Syntax);
        }
        at += 1;
    }
    Ok(form)
}

fn options(args: Args<'_>, from: usize, words: &[Word]) -> Result<Form, GrammarError> {
    let mut form = Form::default();
    let mut at = from;
    while at < args.len() {
        let word = words.iter().find(|word| args.is(at, word.name)).ok_or(GrammarError::Syntax)?;
        match word.effect {
            Effect::Nothing => {}
            Effect::Marks => form.marked = true,
            // MATCH * compares nothing, and some libraries always send it.
            Effect::Compares if word.takes == 1 && args.get(at + 1) == Some(b"*") => {}
            Effect::Compares => return Err(GrammarError::ComparesValue),
        }
        at += 1 + word.takes;
        if at > args.len() {
            return Err(GrammarError::Syntax);
        }
    }
    Ok(form)
}

/// `numkeys key [key ...]`, then options, one of which has as many arguments as there are keys.
fn set_operation(args: Args<'_>, count_at: usize) -> Result<Form, GrammarError> {
    let keys = args.get(count_at).and_then(integer).and_then(|n| usize::try_from(n).ok());
    let keys = keys.filter(|keys| *keys <= args.len()).ok_or(GrammarError::Syntax)?;
    let words = [
        Word::plain("WEIGHTS", keys),
        Word::plain("AGGREGATE", 1),
        Word::plain("LIMIT", 1),
        Word::marking("WITHSCORES"),
    ];
    options(args, count_at + 1 + keys, &words)
}

/// Flags, then groups of `size` arguments of which the last is a member.
fn groups(args: Args<'_>, flags: &[&str], size: usize) -> Result<Form, GrammarError> {
    let mut start = 2;
    while flags.iter().any(|flag| args.is(start, flag)) {
        start += 1;
    }
    let after = args.len().saturating_sub(start);
    if after == 0 || !after.is_multiple_of(size) {
        return Err(GrammarError::Syntax);
    }
    Ok(Form { start, ..Form::default() })
}

fn geo_search(args: Args<'_>, from: usize) -> Result<Form, GrammarError> {
    const WORDS: [Word; 12] = [
        Word::plain("FROMMEMBER", 1),
        Word::plain("FROMLONLAT", 2),
        Word::plain("BYRADIUS", 2),
        Word::plain("BYBOX", 3),
        Word::plain("ASC", 0),
        Word::plain("DESC", 0),
        Word::plain("COUNT", 1),
        Word::plain("ANY", 0),
        Word::plain("WITHCOORD", 0),
        Word::plain("WITHDIST", 0),
        Word::plain("WITHHASH", 0),
        // Of GEOSEARCHSTORE only, which the server says.
        Word::plain("STOREDIST", 0),
    ];
    let form = options(args, from, &WORDS)?;
    // A second FROMMEMBER would leave a member in clear; Redis refuses it as well.
    let mut members = 0;
    let mut start = 0;
    let mut at = from;
    while at < args.len() {
        if args.is(at, "FROMMEMBER") {
            members += 1;
            start = at + 1;
        }
        let takes = WORDS.iter().find(|word| args.is(at, word.name)).map_or(0, |word| word.takes);
        at += 1 + takes;
    }
    if members > 1 { Err(GrammarError::Syntax) } else { Ok(Form { start, ..form }) }
}

/// `XADD key [NOMKSTREAM] [MAXLEN|MINID [=|~] threshold [LIMIT count]] id field value [field value ...]`
fn stream_entry(args: Args<'_>) -> Result<Form, GrammarError> {
    let mut at = 2;
    loop {
        if ["NOMKSTREAM", "KEEPREF", "DELREF", "ACKED"].iter().any(|word| args.is(at, word)) {
            at += 1;
        } else if args.is(at, "MAXLEN") || args.is(at, "MINID") {
            at += 1;
            if args.is(at, "=") || args.is(at, "~") {
                at += 1;
            }
            at += 1;
        } else if args.is(at, "LIMIT") {
            at += 2;
        } else {
            break;
        }
    }
    // The id: anything else here is a word of a newer server, whose arguments would be taken for fields.
    let id = args.get(at).ok_or(GrammarError::WrongArity)?;
    if id != b"*" && !id.first().is_some_and(u8::is_ascii_digit) {
        return Err(GrammarError::NotAnId);
    }
    pairs(args, at + 1)?;
    Ok(Form { start: at + 1, ..Form::default() })
}

/// `[options] FIELDS numfields field ...`: nothing may follow, and nothing may be missing.
fn named_fields(args: Args<'_>, from: usize, words: &[Word], size: usize) -> Result<Form, GrammarError> {
    let mut at = from;
    while !args.is(at, "FIELDS") {
        let word = words.iter().find(|word| args.is(at, word.name)).ok_or(GrammarError::Syntax)?;
        at += 1 + word.takes;
    }
    let count = args.get(at + 1).and_then(integer).and_then(|n| usize::try_from(n).ok()).ok_or(GrammarError::Syntax)?;
    let start = at + 2;
    if count == 0 || count.checked_mul(size).and_then(|n| n.checked_add(start)) != Some(args.len()) {
        return Err(GrammarError::Syntax);
    }
    Ok(Form { start, ..Form::default() })
}

fn counted_pairs(args: Args<'_>) -> Result<Form, GrammarError> {
    const WORDS: [Word; 7] = [
        Word::plain("EX", 1),
        Word::plain("PX", 1),
        Word::plain("EXAT", 1),
        Word::plain("PXAT", 1),
        Word::plain("KEEPTTL", 0),
        Word::plain("NX", 0),
        Word::plain("XX", 0),
    ];
    let count = args.get(1).and_then(integer).and_then(|n| usize::try_from(n).ok()).ok_or(GrammarError::Syntax)?;
    let end = count.checked_mul(2).and_then(|n| n.checked_add(2)).filter(|end| *end <= args.len());
    let end = end.filter(|_| count > 0).ok_or(GrammarError::Syntax)?;
    options(args, end, &WORDS)?;
    // Where the pairs end: behind it there is no value.
    Ok(Form { start: end, ..Form::default() })
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
