//! The columns of THE TABLE that say what happens to a command on a key under a rule.
//!
//! Job: name which arguments are sealed, what of the reply is opened, and whether the command runs at all.
//! In: nothing; these are constants. Out: the types of a row's last columns.
//! Must never: hold an argument.

use super::{Args, Grammar, Reason, Shape};

/// Which arguments are values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    None,
    /// One, of the key at 1.
    At(u8),
    /// After each key its value: MSET.
    KeyPairs,
    /// Fields and values in turn, from the first field: HSET.
    FieldPairs {
        from: u8,
    },
    /// One value of one field: HSETNX.
    FieldValue {
        field: u8,
        value: u8,
    },
    /// Fields and values in turn, from where the grammar says: XADD, HSETEX.
    PairsAtStart,
    /// The second of each pair, the first of which begin here: ARMSET.
    SecondsFrom(u8),
    /// Keys and values in turn from 2 to where the grammar says: MSETEX.
    KeyPairsToStart,
    /// Members from one position to another, or to the end if that is 0.
    Members {
        from: u8,
        to: u8,
    },
    /// All arguments from here on: ARSET.
    From(u8),
    /// Elements of a list, likewise: LPUSH, LSET.
    Elements {
        from: u8,
        to: u8,
    },
    /// The last of each group of `size`, from where the grammar says: ZADD, GEOADD.
    GroupedMembers {
        size: u8,
    },
    /// One, where the grammar says: GEOSEARCH FROMMEMBER.
    MemberAtStart,
    /// All arguments from here on, of which only a keyed hash leaves: PFADD.
    Hashed {
        from: u8,
    },
    /// A whole key in the server's form, which was sealed when it was dumped, and is opened: RESTORE.
    Payload(u8),
    /// One message to a channel: PUBLISH.
    Message {
        channel: u8,
        value: u8,
    },
}

/// Which arguments are names of hash fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldNames {
    None,
    /// One: HGET.
    At(u8),
    /// Every `step`th, from a position to the end: HDEL, HSET.
    From {
        from: u8,
        step: u8,
    },
    /// The same from where the grammar says: HGETEX, HSETEX.
    FromStart {
        step: u8,
    },
}

/// What of the reply is to be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Nothing.
    Raw,
    /// This shape.
    Shaped(Shape),
    /// One shape if the option that the grammar marks is there, another if not.
    Optional { marked: Shape, plain: Shape },
    /// An array with a value or null for each key: MGET.
    ValuePerKey,
    /// A bulk string or null of one field: HGET.
    FieldValue { field: u8 },
    /// An array with a value or null for each field of the request: HMGET.
    ValuePerField { from: u8 },
    /// The same for the fields from where the grammar says: HGETEX.
    ValuePerFieldAtStart,
    /// Values alone: asked as HGETALL, because a value opens only with its field.
    FieldMapValues,
    /// The whole value is asked for, and this is worked out here: STRLEN, GETRANGE.
    Computed(Computed),
    /// A whole key in the server's form, or null, which is sealed for the client: DUMP.
    Payload,
    /// INFO: the replication section is rewritten.
    Info,
}

/// What is worked out on a value that was read and opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Computed {
    /// STRLEN.
    Length,
    /// HSTRLEN.
    FieldLength,
    /// GETRANGE, SUBSTR.
    Range,
    /// GETBIT.
    Bit,
    /// BITCOUNT.
    BitCount,
    /// BITPOS.
    BitPosition,
    /// BITFIELD_RO.
    BitFields,
    /// DIGEST.
    Digest,
    /// LPOS.
    Position,
    /// ZRANGEBYLEX and its like.
    Lex(Lex),
    /// SSCAN, ZSCAN and HSCAN with MATCH.
    Matching(Scanned),
}

/// What one step of a scan gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scanned {
    Members,
    MembersAndScores,
    /// Of a hash; with NOVALUES the names alone.
    Fields,
}

/// Which command orders members by their bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lex {
    /// ZRANGE with BYLEX.
    Range,
    /// ZRANGEBYLEX, ZREMRANGEBYLEX.
    Forward,
    /// ZREVRANGEBYLEX.
    Reverse,
    /// ZLEXCOUNT.
    Count,
}

/// What is read so that something can be worked out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The key's value.
    Value,
    /// That of the hash field named at 2.
    Field,
    /// All elements of a list.
    Elements,
    /// All members of a sorted set, with their scores.
    Members,
    /// What the command itself gives without MATCH.
    Scan,
}

impl Computed {
    #[must_use]
    pub const fn source(self) -> Source {
        match self {
            Self::FieldLength => Source::Field,
            Self::Position => Source::Elements,
            Self::Lex(_) => Source::Members,
            Self::Matching(_) => Source::Scan,
            _ => Source::Value,
        }
    }

    /// Is all that it touches one value of a hash field, named at 2?
    #[must_use]
    pub const fn of_a_field(self) -> bool {
        matches!(self.source(), Source::Field)
    }
}

/// How a command changes one value: it is read and opened, changed here, sealed, and written if it is
/// still the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// APPEND.
    Append,
    /// SETRANGE.
    SetRange,
    /// INCR, DECR: by one, up or down.
    Step(i64),
    /// INCRBY, DECRBY: by the argument at 2, up or down.
    By { negative: bool },
    /// INCRBYFLOAT.
    ByFloat,
    /// HINCRBY.
    FieldBy,
    /// HINCRBYFLOAT.
    FieldByFloat,
    /// SETBIT.
    Bit,
    /// BITFIELD.
    BitFields,
}

impl Change {
    /// Is the value that of a hash field, named at 2? Else it is the key's.
    #[must_use]
    pub const fn of_a_field(self) -> bool {
        matches!(self, Self::FieldBy | Self::FieldByFloat)
    }
}

/// What happens on a key under a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Touches no value; passes as it came.
    Pass,
    /// Values are sealed and opened, if the grammar admits the request.
    Seal(Grammar),
    /// The same where all keys live under one derived key and the rule is such that it can work; else carried
    /// out here, or refused.
    If { when: When, grammar: Grammar, otherwise: Option<Method> },
    /// The same as [`Self::Seal`], but carried out here if one of these words stands among the options.
    Unless { grammar: Grammar, words: Words, instead: Method },
    /// Carried out here, in more than one step.
    Emulate(Method),
    /// Carries JSON: what stands at the paths of the rule is sealed and opened. Refused without such paths.
    Document(Document),
    /// Answered from THE TABLE, so that nothing of it leaves: COMMAND GETKEYS.
    Tell,
    /// Refused.
    Refuse(Reason),
}

impl Verdict {
    /// By what a request that is sealed or opened must be understood.
    #[must_use]
    pub const fn grammar(self) -> Option<Grammar> {
        match self {
            Self::Seal(grammar) | Self::If { grammar, .. } | Self::Unless { grammar, .. } => Some(grammar),
            Self::Pass | Self::Emulate(_) | Self::Document(_) | Self::Tell | Self::Refuse(_) => None,
        }
    }
}

/// Options, in upper case, from this position on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words {
    pub from: usize,
    pub words: &'static [&'static str],
}

impl Words {
    /// Is one of them there? Also true where it is the operand of another option, so whoever carries the command
    /// out reads all options.
    #[must_use]
    pub fn any(self, args: Args<'_>) -> bool {
        (self.from..args.len()).any(|at| self.words.iter().any(|word| args.is(at, word)))
    }
}

/// What a command asks of its keys and their rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// One derived key for all keys. Everything below asks this, too.
    OneScope,
    /// And none of these options, by which the server would compare members.
    Without(Words),
    /// A scope that several keys can share.
    WideScope,
    /// That equal list elements have equal ciphertexts.
    ListElements,
}

impl When {
    /// Why the command is refused where this does not hold.
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Self::OneScope => Reason::MovesBetweenKeys,
            Self::Without(_) => Reason::ComputesOnValue,
            Self::WideScope => Reason::NeedsWideScope,
            Self::ListElements => Reason::LooksForElement,
        }
    }
}

/// How a command is carried out here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// One read, on whose reply the client's is worked out.
    Read(Computed),
    /// One value is changed.
    Change(Change),
    /// An element of a list is looked for.
    Search(Search),
    /// What lies under one key is sealed anew for another.
    Move(Move),
    /// Members of several keys are compared.
    Combine(Combine),
    /// SORT and SORT_RO: put in order, by themselves or by what other keys hold. The keys that BY and GET name with
    /// a pattern are known only when the elements are.
    Sort,
    /// Members of a sorted set between two others are taken out of it: ZREMRANGEBYLEX.
    Cut,
    /// What two strings have in common: LCS.
    Common,
    /// Strings of bits become one: BITOP.
    Bits,
    /// A value is written or removed if the one that is there is, or is not, a certain one.
    Conditional(Conditional),
}

/// What is done on a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conditional {
    /// SET with IFEQ, IFNE, IFDEQ, IFDNE.
    Set,
    /// DELEX.
    Delete,
    /// DELIFEQ.
    DeleteEqual,
}

/// What goes from one key to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// All of it: RENAME.
    Rename,
    /// RENAMENX.
    RenameIfNew,
    /// COPY.
    Copy,
    /// An element at one end of a list to one end of another: RPOPLPUSH, or LMOVE, whose arguments name the ends.
    Element { named_ends: bool, waits: bool },
    /// A member of a set: SMOVE.
    Member,
    /// A range of a sorted set: ZRANGESTORE.
    Range,
    /// What a search in a geo index finds: GEOSEARCHSTORE, GEORADIUS and GEORADIUSBYMEMBER with STORE.
    Found(Around),
}

/// How a search in a geo index is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Around {
    /// GEOSEARCHSTORE.
    Search,
    /// GEORADIUS.
    Position,
    /// GEORADIUSBYMEMBER.
    Member,
}

/// How members of several keys are compared, and what of it is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Combine {
    pub how: Combining,
    /// With scores, that is.
    pub sorted: bool,
    pub wanted: Wanted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Combining {
    Union,
    Intersection,
    Difference,
}

/// What the client wants of the members that were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    Members,
    Count,
    /// That they are stored under the first key.
    Stored,
}

/// Which of a command's keys gets what was sealed anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    First,
    Last,
}

/// Why an element of a list is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Search {
    /// LREM.
    Remove,
    /// LINSERT.
    Insert,
}

impl Method {
    /// Is all that it touches one value of a hash field, named at 2?
    #[must_use]
    pub const fn of_a_field(self) -> bool {
        match self {
            Self::Change(change) => change.of_a_field(),
            Self::Read(computed) => computed.of_a_field(),
            _ => false,
        }
    }

    /// Where values that were under other keys come to lie.
    #[must_use]
    pub const fn destination(self) -> Option<Destination> {
        match self {
            Self::Bits
            | Self::Move(Move::Range | Move::Found(Around::Search))
            | Self::Combine(Combine { wanted: Wanted::Stored, .. }) => Some(Destination::First),
            Self::Move(_) => Some(Destination::Last),
            // Where SORT's go depends on its options, so that whoever carries it out looks.
            Self::Sort
            | Self::Change(_)
            | Self::Search(_)
            | Self::Combine(_)
            | Self::Read(_)
            | Self::Cut
            | Self::Common
            | Self::Conditional(_) => None,
        }
    }
}

/// What a command does with a JSON document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Document {
    /// A key, a path, a value, then NX or XX: JSON.SET.
    Set,
    /// The same without options, and an object is merged into what is there: JSON.MERGE.
    Merge,
    /// Keys, paths and values in turn: JSON.MSET.
    SetEach,
    /// A key, a path to an array, then new elements from this position: JSON.ARRAPPEND.
    Elements { from: u8 },
    /// A key, options and paths: JSON.GET.
    Get,
    /// Keys and a path: JSON.MGET.
    GetEach,
    /// A key, a path to an array, a position: JSON.ARRPOP.
    Pop,
    /// A key, a path and so many arguments after it. Removes what is there, encrypted or not: JSON.DEL.
    Remove,
    /// The same, with so many arguments after the path. Looks at what is there itself, not below: JSON.TYPE.
    Here { after: u8 },
    /// The same, and looks at what lies below, too: JSON.ARRINDEX.
    Deep { after: u8 },
}
