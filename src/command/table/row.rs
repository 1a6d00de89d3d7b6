//! The words a row is written with.
//!
//! Job: let a row be one readable line. In: the columns. Out: a [`Spec`].

pub(super) use crate::command::Access::{Overwrite, Read, Remove, Update};
pub(super) use crate::command::Grammar::{
    AtMost, Fixed, GeoMembers, GeoSearch, GetEx, HashScan, Mark, NamedFields, NoMoreThan, Options, Pairs, RandomField,
    RandomMember, ScoredMembers, Set, StreamEntry,
};
pub(super) use crate::command::Keys::{
    ChannelPatterns, Channels, Counted, CountedPairs, Debug, DestinationAndCounted, DestinationAndSources, Embedded,
    GeoRadius, Migrate, Range, Sort, Streams,
};
pub(super) use crate::command::Lane::{
    Blocking, BlockingIfOption, Exclusive, Local, Monitor, Never, Shared, Subscribe, Transaction, Wait,
};
pub(super) use crate::command::Reason::{
    CarriesCommand, ComputesOnValue, DumpedValue, NotYetSealed, Script, ServerInternals, UnnamedKeys,
};
pub(super) use crate::command::Values::{
    At, Elements, FieldPairs, FieldValue, From, GroupedMembers, Hashed, KeyPairs, KeyPairsToStart, MemberAtStart,
    Members, Message, PairsAtStart, Payload, SecondsFrom,
};
pub(super) use crate::command::{
    Around, Change, Combining, Computed, Conditional, Effect, FieldNames, Lex, Method, Move, Reply, Scanned, Search,
    Shape, Spec, Wanted, Word,
};

use crate::command::category::Categories;
use crate::command::{Access, Combine, Document, Flags, Grammar, Keys, Lane, Reason, Values, Verdict, When, Words};

pub(super) const R: u32 = Flags::READ;
pub(super) const W: u32 = Flags::WRITE;
pub(super) const FAST: u32 = Flags::FAST;
pub(super) const BLOCK: u32 = Flags::BLOCKING;
pub(super) const ADMIN: u32 = Flags::ADMIN;
pub(super) const DANGER: u32 = Flags::DANGEROUS;
pub(super) const PUBSUB: u32 = Flags::PUBSUB;
pub(super) const NOSCRIPT: u32 = Flags::NOSCRIPT;
pub(super) const NOAUTH: u32 = Flags::NOAUTH;
pub(super) const RUNS: u32 = Flags::SCRIPT;
pub(super) const WHOLE: u32 = Flags::WHOLE_KEY;

/// What happens on a key under a rule: the last three columns.
#[derive(Clone, Copy)]
pub(super) struct Treatment(Verdict, Values, Reply, FieldNames);

/// Touches no value.
pub(super) const PASS: Treatment = Treatment(Verdict::Pass, Values::None, Reply::Raw, FieldNames::None);

/// As [`PASS`], but the reply is rewritten whether or not a rule is met.
pub(super) const fn rewritten(reply: Reply) -> Treatment {
    Treatment(Verdict::Pass, Values::None, reply, FieldNames::None)
}

pub(super) const fn refuse(reason: Reason) -> Treatment {
    Treatment(Verdict::Refuse(reason), Values::None, Reply::Raw, FieldNames::None)
}

/// The value is read, opened, changed here and written back.
pub(super) const fn emulate(change: Change) -> Treatment {
    here(Method::Change(change))
}

/// Carried out here, always.
pub(super) const fn here(how: Method) -> Treatment {
    Treatment(Verdict::Emulate(how), Values::None, Reply::Raw, FieldNames::None)
}

/// SORT and SORT_RO.
pub(super) const SORTED: Treatment =
    Treatment(Verdict::Emulate(Method::Sort), Values::None, Reply::Raw, FieldNames::None);

/// The value is read and opened, and the reply worked out here.
pub(super) const fn computed(computed: Computed) -> Treatment {
    Treatment(Verdict::Seal(Grammar::Fixed), Values::None, Reply::Computed(computed), FieldNames::None)
}

/// As `treatment`, but if one of these words stands at `from` or behind it, carried out here.
pub(super) const fn unless(
    from: usize,
    words: &'static [&'static str],
    instead: Method,
    Treatment(verdict, values, reply, fields): Treatment,
) -> Treatment {
    let verdict = match verdict {
        Verdict::Seal(grammar) => Verdict::Unless { grammar, words: Words { from, words }, instead },
        other => other,
    };
    Treatment(verdict, values, reply, fields)
}

/// Carries JSON documents.
pub(super) const fn document(what: Document) -> Treatment {
    Treatment(Verdict::Document(what), Values::None, Reply::Raw, FieldNames::None)
}

/// Answered from the table.
pub(super) const TOLD: Treatment = Treatment(Verdict::Tell, Values::None, Reply::Raw, FieldNames::None);

/// Seals values of the request; opens nothing.
pub(super) const fn seal(grammar: Grammar, values: Values) -> Treatment {
    Treatment(Verdict::Seal(grammar), values, Reply::Raw, FieldNames::None)
}

/// Opens values of the reply; seals nothing.
pub(super) const fn open(grammar: Grammar, reply: Reply) -> Treatment {
    Treatment(Verdict::Seal(grammar), Values::None, reply, FieldNames::None)
}

/// A reply of this shape.
pub(super) const fn shaped(grammar: Grammar, shape: Shape) -> Treatment {
    open(grammar, Reply::Shaped(shape))
}

/// A reply whose shape depends on the option that the grammar marks.
pub(super) const fn optional(grammar: Grammar, marked: Shape, plain: Shape) -> Treatment {
    open(grammar, Reply::Optional { marked, plain })
}

/// The same between keys that share a derived key; between others what moves is sealed anew here.
pub(super) const fn carried(what: Move, treatment: Treatment) -> Treatment {
    only(When::OneScope, Some(Method::Move(what)), treatment)
}

/// ZRANGESTORE: also carried out here if one of these words stands at `from` or behind it.
pub(super) const fn range_stored(from: usize, words: &'static [&'static str], treatment: Treatment) -> Treatment {
    only(When::Without(Words { from, words }), Some(Method::Move(Move::Range)), treatment)
}

/// The same between keys that share a derived key; members of others are compared here.
const fn combined(how: Combining, sorted: bool, wanted: Wanted, treatment: Treatment) -> Treatment {
    only(When::OneScope, Some(Method::Combine(Combine { how, sorted, wanted })), treatment)
}

/// SINTER and its like.
pub(super) const fn of_sets(how: Combining, wanted: Wanted) -> Treatment {
    let members = shaped(Grammar::Fixed, MEMBERS);
    combined(how, false, wanted, if let Wanted::Members = wanted { members } else { AS_THEY_ARE })
}

/// ZINTER and its like.
pub(super) const fn of_sorted_sets(how: Combining, wanted: Wanted) -> Treatment {
    let members = optional(Grammar::SetOperation { count_at: 1 }, SCORED, MEMBERS);
    combined(how, true, wanted, if let Wanted::Members = wanted { members } else { AS_THEY_ARE })
}

/// As `treatment`, but only on keys of such a rule, and where all keys live under one derived key.
const fn only(
    when: When,
    otherwise: Option<Method>,
    Treatment(verdict, values, reply, fields): Treatment,
) -> Treatment {
    let verdict = match verdict.grammar() {
        Some(grammar) => Verdict::If { when, grammar, otherwise },
        None => verdict,
    };
    Treatment(verdict, values, reply, fields)
}

/// Only where the scope is wider than one key.
pub(super) const fn wide_scope(treatment: Treatment) -> Treatment {
    only(When::WideScope, None, treatment)
}

/// As `treatment`, with names of fields in these places.
pub(super) const fn named(fields: FieldNames, Treatment(verdict, values, reply, _): Treatment) -> Treatment {
    Treatment(verdict, values, reply, fields)
}

/// One field's name at 2.
pub(super) const ONE: FieldNames = FieldNames::At(2);
/// Names of fields from 2 on.
pub(super) const NAMES: FieldNames = FieldNames::From { from: 2, step: 1 };
/// Names and values in turn from 2 on.
pub(super) const PAIRS: FieldNames = FieldNames::From { from: 2, step: 2 };
/// Names behind FIELDS and their number.
pub(super) const BEHIND_FIELDS: FieldNames = FieldNames::FromStart { step: 1 };
/// Names and values behind FIELDS and their number.
pub(super) const PAIRS_BEHIND_FIELDS: FieldNames = FieldNames::FromStart { step: 2 };

/// Touches no value, but names fields; passes as it came where those are in clear.
pub(super) const fn names(fields: FieldNames, grammar: Grammar) -> Treatment {
    named(fields, seal(grammar, Values::None))
}

/// HEXPIRE and its like.
pub(super) const EXPIRES: Treatment = names(BEHIND_FIELDS, NamedFields { from: 3, words: CONDITIONS, size: 1 });
/// HTTL and its like.
pub(super) const TELLS_TTL: Treatment = names(BEHIND_FIELDS, NamedFields { from: 2, words: &[], size: 1 });

/// Looks for a list element, which the server can do only if equal ones look equal.
pub(super) const fn looks_for_element(grammar: Grammar, from: u8, to: u8, otherwise: Option<Method>) -> Treatment {
    only(When::ListElements, otherwise, seal(grammar, Values::Elements { from, to }))
}

/// Carried out here.
pub(super) const fn searched(search: Search) -> Option<Method> {
    Some(Method::Search(search))
}

/// Read and worked out here.
pub(super) const fn read(computed: Computed) -> Method {
    Method::Read(computed)
}

/// Values move as they are from one key to another.
pub(super) const AS_THEY_ARE: Treatment = seal(Grammar::Fixed, Values::None);

pub(super) const VALUES: Shape = Shape::Each(&Shape::Value);
pub(super) const MEMBERS: Shape = Shape::Each(&Shape::Member);
pub(super) const SCORED: Shape = Shape::Pairs(&Shape::Member, &Shape::Raw);
pub(super) const ENTRY: Shape = Shape::Tuple(&[Shape::Raw, Shape::Entry]);
pub(super) const ENTRIES: Shape = Shape::Each(&ENTRY);
/// Found members, each alone or with distance, hash and coordinates.
pub(super) const FOUND: Shape = Shape::Each(&Shape::Head(&Shape::Member));

/// Seals and opens.
pub(super) const fn seal_open(grammar: Grammar, values: Values, reply: Reply) -> Treatment {
    Treatment(Verdict::Seal(grammar), values, reply, FieldNames::None)
}

pub(super) const fn row(
    name: &'static str,
    arity: i16,
    flags: u32,
    lane: Lane,
    keys: Keys,
    Treatment(verdict, values, reply, fields): Treatment,
) -> Spec {
    let (number, categories) = (0, Categories::NONE);
    Spec { name, number, arity, flags: Flags::new(flags), categories, lane, keys, values, fields, reply, verdict }
}

/// A command that only holds subcommands.
pub(super) const fn container(name: &'static str, arity: i16, lane: Lane) -> Spec {
    row(name, arity, Flags::CONTAINER, lane, NO_KEYS, PASS)
}

pub(super) const NO_KEYS: Keys = Keys::None;

/// Keys that the arguments do not name; the first argument stands for them.
pub(super) const UNNAMED: Keys = key(Access::Pattern);

/// One key at 1.
pub(super) const fn key(access: Access) -> Keys {
    key_at(1, access)
}

/// One key at another place.
pub(super) const fn key_at(at: u8, access: Access) -> Keys {
    #[allow(clippy::cast_possible_wrap)] // Positions in the table are single digits.
    let last = at as i8;
    Keys::Range { first: at, last, step: 1, access }
}

/// Keys from 1 to `last`, counted from the end if negative.
pub(super) const fn keys_to(last: i8, access: Access) -> Keys {
    Keys::Range { first: 1, last, step: 1, access }
}

/// Keys at 1, 3, 5 ...
pub(super) const fn key_pairs(access: Access) -> Keys {
    Keys::Range { first: 1, last: -1, step: 2, access }
}

/// Two keys at 1 and 2.
pub(super) const fn two(first: Access, second: Access) -> Keys {
    Keys::Two { first: 1, accesses: [first, second] }
}

/// SSCAN and ZSCAN: MATCH would have the server look at members.
pub(super) const SCAN: &[Word] = &[Word::plain("COUNT", 1), Word::comparing("MATCH", 1)];
/// ZRANGEBYSCORE and its like.
pub(super) const SCORES: &[Word] = &[Word::marking("WITHSCORES"), Word::plain("LIMIT", 2)];
/// ZRANGE: BYLEX orders by members, of which the server has ciphertext.
pub(super) const RANGE: &[Word] = &[
    Word::plain("BYSCORE", 0),
    Word::comparing("BYLEX", 0),
    Word::plain("REV", 0),
    Word::plain("LIMIT", 2),
    Word::marking("WITHSCORES"),
];

/// SET: what has the value that is there compared.
pub(super) const IF: &[&str] = &["IFEQ", "IFNE", "IFDEQ", "IFDNE"];
/// SSCAN and ZSCAN: compares what the server has as ciphertext.
pub(super) const MATCH: &[&str] = &["MATCH"];
/// HGETEX.
pub(super) const TTL: &[Word] = &[
    Word::plain("EX", 1),
    Word::plain("PX", 1),
    Word::plain("EXAT", 1),
    Word::plain("PXAT", 1),
    Word::plain("PERSIST", 0),
];
/// HSETEX.
pub(super) const SET_TTL: &[Word] = &[
    Word::plain("FNX", 0),
    Word::plain("FXX", 0),
    Word::plain("NX", 0),
    Word::plain("XX", 0),
    Word::plain("EX", 1),
    Word::plain("PX", 1),
    Word::plain("EXAT", 1),
    Word::plain("PXAT", 1),
    Word::plain("KEEPTTL", 0),
];

/// HEXPIRE.
const CONDITIONS: &[Word] = &[Word::plain("NX", 0), Word::plain("XX", 0), Word::plain("GT", 0), Word::plain("LT", 0)];
/// LPOS.
pub(super) const POSITION: &[Word] = &[Word::plain("RANK", 1), Word::plain("COUNT", 1), Word::plain("MAXLEN", 1)];
/// XRANGE.
pub(super) const COUNT: &[Word] = &[Word::plain("COUNT", 1)];
/// ZRANK of Redis 7.2: the score beside the rank.
pub(super) const RANK: &[Word] = &[Word::plain("WITHSCORE", 0)];
/// ARLASTITEMS.
pub(super) const REV: &[Word] = &[Word::plain("REV", 0)];
/// ARSCAN.
pub(super) const LIMIT: &[Word] = &[Word::plain("LIMIT", 1)];
/// XINFO STREAM.
pub(super) const FULL: &[Word] = &[Word::plain("FULL", 0), Word::plain("COUNT", 1)];
/// GEORADIUS and GEORADIUSBYMEMBER.
pub(super) const RADIUS: &[Word] = &[
    // Instead of the members the reply is their number.
    Word { name: "STORE", takes: 1, effect: Effect::Marks },
    Word { name: "STOREDIST", takes: 1, effect: Effect::Marks },
    Word::plain("WITHCOORD", 0),
    Word::plain("WITHDIST", 0),
    Word::plain("WITHHASH", 0),
    Word::plain("ANY", 0),
    Word::plain("ASC", 0),
    Word::plain("DESC", 0),
    Word::plain("COUNT", 1),
];
/// The same without STORE and STOREDIST.
pub(super) const RADIUS_RO: &[Word] = RADIUS.split_at(2).1;
/// RESTORE.
pub(super) const RESTORE: &[Word] =
    &[Word::plain("REPLACE", 0), Word::plain("ABSTTL", 0), Word::plain("IDLETIME", 1), Word::plain("FREQ", 1)];
/// GEODIST.
pub(super) const UNITS: &[Word] =
    &[Word::plain("M", 0), Word::plain("KM", 0), Word::plain("FT", 0), Word::plain("MI", 0)];
