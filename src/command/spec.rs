//! The columns of THE TABLE: what is known of a command before any argument is looked at.
//!
//! Job: give every property of a command that some other room decides by a name and one place.
//! In: nothing; these are constants. Out: [`Spec`] and the types of its columns.
//! Must never: hold an argument, or leave a property to be guessed from another.

use super::keys::{self, ChannelPositions, KeyPositions, Unclear};
use super::{Args, Shape};

/// One command or subcommand.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// Lower case; a subcommand as `container|sub`.
    pub name: &'static str,
    /// As Redis counts it: with the name (and the subcommand); negative means "at least".
    pub arity: i16,
    pub flags: Flags,
    pub lane: Lane,
    pub keys: Keys,
    /// Which arguments are sealed when their key is under a rule.
    pub values: Values,
    /// Which arguments are names of fields of the hash at 1, which some rules have sealed.
    pub fields: FieldNames,
    /// What in the reply is opened when the key is under a rule.
    pub reply: Reply,
    /// What happens when one of the keys (or channels) is under a rule.
    pub verdict: Verdict,
}

impl Spec {
    /// Appends the position of every key among `args` to `out`, which is cleared first.
    ///
    /// A request too short for its first key has none; the server's arity error follows.
    ///
    /// # Errors
    /// [`Unclear`] when the form cannot be understood in full. `out` then means nothing: the caller
    /// refuses the command as soon as any rule exists.
    pub fn keys(&self, args: Args<'_>, out: &mut KeyPositions) -> Result<(), Unclear> {
        keys::keys(self.keys, args, out)
    }

    /// Appends the position of every pub/sub channel or channel pattern among `args` to `out`,
    /// which is cleared first.
    ///
    /// # Errors
    /// [`Unclear`] when the command carries another command that cannot be understood.
    pub fn channel_positions(&self, args: Args<'_>, out: &mut ChannelPositions) -> Result<(), Unclear> {
        keys::channels(self.keys, args, out)
    }

    /// Whether this request may keep its connection waiting, so that it must not share one.
    ///
    /// True also for options that are not understood: a server may read them more loosely than we do.
    #[must_use]
    pub fn may_block(&self, args: Args<'_>) -> bool {
        match self.lane {
            Lane::Blocking | Lane::Wait => true,
            Lane::BlockingIfOption => keys::stream_options(args).is_none_or(|found| found.block),
            _ => false,
        }
    }

    /// Whether names of fields are all that a rule could have sealed in it.
    #[must_use]
    pub fn only_names_fields(&self) -> bool {
        self.fields != FieldNames::None && self.values == Values::None && self.reply == Reply::Raw
    }

    /// Whether it computes on the value of one hash field, named at 2.
    #[must_use]
    pub fn computes_on_a_field(&self) -> bool {
        match (self.verdict, self.reply) {
            (Verdict::Emulate(change), _) => change.of_a_field(),
            (_, Reply::Computed(computed)) => computed.of_a_field(),
            _ => false,
        }
    }

    /// Whether this row only holds subcommands.
    #[must_use]
    pub fn is_container(&self) -> bool {
        self.flags.has(Flags::CONTAINER)
    }
}

/// Whether a request of `nargs` arguments, the name among them, has an acceptable length.
#[must_use]
pub fn check_arity(spec: &Spec, nargs: usize) -> bool {
    let wanted = usize::from(spec.arity.unsigned_abs());
    if spec.arity < 0 { nargs >= wanted } else { nargs == wanted }
}

/// Properties as Redis names them, one bit each; the free bits are for the ACL categories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags(u32);

impl Flags {
    pub const WRITE: u32 = 1;
    pub const READ: u32 = 1 << 1;
    pub const FAST: u32 = 1 << 2;
    pub const BLOCKING: u32 = 1 << 3;
    pub const ADMIN: u32 = 1 << 4;
    /// Redis's category `@dangerous`.
    pub const DANGEROUS: u32 = 1 << 5;
    pub const PUBSUB: u32 = 1 << 6;
    pub const NOSCRIPT: u32 = 1 << 7;
    /// Allowed before the client has authenticated.
    pub const NOAUTH: u32 = 1 << 8;
    /// Runs code on the server, which may touch keys that are not declared.
    pub const SCRIPT: u32 = 1 << 9;
    /// Holds subcommands and does nothing itself (`COMMAND` excepted).
    pub const CONTAINER: u32 = 1 << 10;
    /// Concerns keys as a whole: whether they are there, their type, their time to live. No argument and
    /// no part of the reply is of what a key holds.
    pub const WHOLE_KEY: u32 = 1 << 11;

    pub(super) const fn new(bits: u32) -> Self {
        Self(bits)
    }

    /// Whether every one of `bits` is set.
    #[must_use]
    pub const fn has(self, bits: u32) -> bool {
        self.0 & bits == bits
    }
}

/// Which upstream connection a command runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Pipelined among the commands of other clients.
    Shared,
    /// Answered by the sidecar; nothing goes upstream.
    Local,
    /// MULTI, EXEC, DISCARD, WATCH, UNWATCH: state on the connection.
    Transaction,
    /// May wait, whatever its arguments.
    Blocking,
    /// May wait if the option BLOCK is given: ask [`Spec::may_block`].
    BlockingIfOption,
    /// WAIT, WAITAOF: waits, and speaks of the earlier writes of its own connection.
    Wait,
    /// Enters or leaves subscribed mode: several replies, then messages.
    Subscribe,
    /// Endless replies; needs an explicit grant.
    Monitor,
    /// Leaves state behind, answers unusually, or must overtake what waits on the shared lane:
    /// run on a lane that is thrown away afterwards.
    Exclusive,
    /// Refused on every key, with the reason for people.
    Never(&'static str),
}

/// Where the keys or channels of a command are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    None,
    /// From `first` to `last` (negative: from the end), every `step`th argument.
    Range {
        first: u8,
        last: i8,
        step: u8,
        access: Access,
    },
    /// Two keys side by side, used differently: RENAME, LMOVE, ZRANGESTORE.
    Two {
        first: u8,
        accesses: [Access; 2],
    },
    /// A destination, and its sources from the next argument to the end: SUNIONSTORE, BITOP.
    DestinationAndSources {
        destination: u8,
        access: Access,
    },
    /// A number of keys at `count_at`, then that many keys: EVAL, ZUNION, LMPOP.
    Counted {
        count_at: u8,
        access: Access,
    },
    /// A number of pairs at `count_at`, then that many keys, each with its value: MSETEX.
    CountedPairs {
        count_at: u8,
        access: Access,
    },
    /// A destination at 1, a number of sources at 2, then the sources: ZUNIONSTORE.
    DestinationAndCounted,
    /// XREAD and XREADGROUP: after STREAMS the keys, then as many ids.
    Streams,
    /// SORT, SORT_RO: the key, and the keys and patterns of BY, GET and, if `store`, STORE.
    Sort {
        store: bool,
    },
    /// GEORADIUS and GEORADIUSBYMEMBER: the key, and those of STORE and STOREDIST among the
    /// options, which begin at `options_at`.
    GeoRadius {
        options_at: u8,
    },
    /// MIGRATE: one key at 3, or several after KEYS.
    Migrate,
    /// DEBUG: depends on its subcommand.
    Debug,
    /// Carries another command from `at` on: COMMAND GETKEYS, ACL DRYRUN.
    Embedded {
        at: u8,
    },
    /// No keys but pub/sub channels, from `first` to `last`.
    Channels {
        first: u8,
        last: i8,
    },
    /// No keys but patterns of pub/sub channels, from `first` to the end.
    ChannelPatterns {
        first: u8,
    },
}

/// What a command does with a key, as Redis's key specifications tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// RO: reads the value or what is known about it.
    Read,
    /// RW: changes the value, which may depend on the old one.
    Update,
    /// OW: replaces the value.
    Overwrite,
    /// RM: removes it unseen.
    Remove,
    /// Not a key but what stands for keys that only the server can tell: a pattern that it fills in
    /// with data (SORT BY and GET), an index (FT.SEARCH). The caller refuses it while any rule exists.
    Pattern,
}

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
}

impl Computed {
    /// Is the value that of a hash field, named at 2? Else it is the key's.
    #[must_use]
    pub const fn of_a_field(self) -> bool {
        matches!(self, Self::FieldLength)
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
    Seal(super::Grammar),
    /// The same, but only where all keys live under one derived key; else values would have to be
    /// sealed anew on their way from one to the other.
    Together(super::Grammar),
    /// Carried out here, in more than one step.
    Emulate(Change),
    /// Like `Together` if the rule is such that it can work, else refused.
    Only { when: When, grammar: super::Grammar, reason: super::Reason },
    /// Carries JSON: what stands at the paths of the rule is sealed and opened. Refused without such paths.
    Document(Document),
    /// Refused.
    Refuse(super::Reason),
}

impl Verdict {
    /// By what a request that is sealed or opened must be understood.
    #[must_use]
    pub const fn grammar(self) -> Option<super::Grammar> {
        match self {
            Self::Seal(grammar) | Self::Together(grammar) | Self::Only { grammar, .. } => Some(grammar),
            Self::Pass | Self::Emulate(_) | Self::Document(_) | Self::Refuse(_) => None,
        }
    }
}

/// What a command asks of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// A scope that several keys can share.
    WideScope,
    /// That equal list elements have equal ciphertexts.
    ListElements,
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
