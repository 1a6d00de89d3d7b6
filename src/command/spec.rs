//! The columns of THE TABLE: what is known of a command before any argument is looked at.
//!
//! Job: give every property of a command that some other room decides by a name and one place.
//! In: nothing; these are constants. Out: [`Spec`] and the types of its columns.
//! Must never: hold an argument, or leave a property to be guessed from another.

use super::category::Categories;
use super::keys::{self, ChannelPositions, KeyPositions, Unclear};
use super::{Args, FieldNames, Reply, Values, Verdict};

/// One command or subcommand.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// Lower case; a subcommand as `container|sub`.
    pub name: &'static str,
    /// Its place among all rows, sorted by name; set when the table is put together.
    pub(super) number: u16,
    /// As Redis counts it: with the name (and the subcommand); negative means "at least".
    pub arity: i16,
    pub flags: Flags,
    /// Redis's ACL categories; set when the table is put together.
    pub categories: Categories,
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
            (Verdict::Emulate(method), _) => method.of_a_field(),
            (_, Reply::Computed(computed)) => computed.of_a_field(),
            _ => false,
        }
    }

    /// Whether it computes on an encrypted value, which is done here in the server's place.
    #[must_use]
    pub fn is_emulated(&self) -> bool {
        matches!(self.verdict, Verdict::Emulate(_)) || matches!(self.reply, Reply::Computed(_))
    }

    /// Whether it takes or gives a whole key in the server's own form.
    #[must_use]
    pub fn carries_payload(&self) -> bool {
        matches!(self.values, Values::Payload(_)) || self.reply == Reply::Payload
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

/// Properties as Redis names them, one bit each.
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
    /// Not a key but what stands for keys that the request does not tell: a pattern that is filled in
    /// with data (SORT BY and GET), an index (FT.SEARCH). The caller refuses it while any rule exists, but for
    /// SORT, which can be carried out here.
    Pattern,
}
