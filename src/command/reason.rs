//! Why a command is refused on an encrypted key, and what to do instead.
//!
//! Job: one sentence and one way out per cause, used by errors, docs and README alike.
//! Must never: carry anything of the request.

/// A cause of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The server would have to know the value: APPEND, INCR, STRLEN, LCS.
    ComputesOnValue,
    /// A data type or command whose values this version does not seal.
    NotYetSealed,
    /// Equal list elements look different: LREM, LPOS, LINSERT.
    LooksForElement,
    /// The rule does not say which parts of a JSON document to seal.
    NoPaths,
    /// The value would arrive under another key, where it does not open.
    MovesBetweenKeys,
    /// What is stored cannot be sealed anew, so it must suit every key that it may come to.
    NeedsWideScope,
    /// DUMP, RESTORE, MIGRATE: a whole stored value in the server's own form.
    DumpedValue,
    /// Code on the server sees ciphertext and could store plaintext.
    Script,
    /// Looks into, or changes, how the server stores the value.
    ServerInternals,
    /// A whole command, values included, is an argument of another.
    CarriesCommand,
    /// The keys cannot be told from the arguments.
    UnclearKeys,
    /// Which keys are read is known to the server only: FT.SEARCH, TS.MRANGE.
    UnnamedKeys,
    /// There is no row for the command.
    UnknownCommand,
}

impl Reason {
    pub const ALL: &[Self] = &[
        Self::ComputesOnValue,
        Self::NotYetSealed,
        Self::LooksForElement,
        Self::NoPaths,
        Self::MovesBetweenKeys,
        Self::NeedsWideScope,
        Self::DumpedValue,
        Self::Script,
        Self::ServerInternals,
        Self::CarriesCommand,
        Self::UnclearKeys,
        Self::UnnamedKeys,
        Self::UnknownCommand,
    ];

    /// A stable name for logs, metrics and anchors in the docs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::ComputesOnValue => "computes-on-value",
            Self::NotYetSealed => "not-yet-sealed",
            Self::LooksForElement => "looks-for-element",
            Self::NoPaths => "no-paths",
            Self::MovesBetweenKeys => "moves-between-keys",
            Self::NeedsWideScope => "needs-wide-scope",
            Self::DumpedValue => "dumped-value",
            Self::Script => "script",
            Self::ServerInternals => "server-internals",
            Self::CarriesCommand => "carries-command",
            Self::UnclearKeys => "unclear-keys",
            Self::UnnamedKeys => "unnamed-keys",
            Self::UnknownCommand => "unknown-command",
        }
    }

    /// Why, as a clause without a full stop.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::ComputesOnValue => "the database would compute on the value, and it holds only ciphertext",
            Self::NotYetSealed => "this command, or the kind of data that it stores, is not encrypted by this version",
            Self::LooksForElement => {
                "the database would look for an element, and equal elements have different ciphertexts"
            }
            Self::NoPaths => "the rule does not say which parts of a JSON document are to be encrypted",
            Self::MovesBetweenKeys => {
                "the value would come to lie under another key, where it must not open, or in clear"
            }
            Self::NeedsWideScope => {
                "a HyperLogLog keeps only a keyed hash of each element, which under scope \"key\" would be of no use in another key for ever"
            }
            Self::DumpedValue => {
                "a dumped value is in the server's own form, in which ciphertext could come to lie under another key, or plaintext under an encrypted one"
            }
            Self::Script => "a script runs in the database, where it sees ciphertext and may store plaintext",
            Self::ServerInternals => "it looks into how the database stores the value, which is ciphertext",
            Self::CarriesCommand => {
                "the command given as an argument would reach the database with its values in clear"
            }
            Self::UnclearKeys => "its arguments cannot be understood, so an encrypted key may be among them",
            Self::UnnamedKeys => {
                "it reads keys that its arguments do not name, so encrypted ones may be among them, and a query tells their values"
            }
            Self::UnknownCommand => {
                "the command is not known here, so it might carry a value of an encrypted key in clear"
            }
        }
    }

    /// What to do instead, as a clause without a full stop.
    #[must_use]
    pub const fn way_out(self) -> &'static str {
        match self {
            Self::ComputesOnValue => {
                "read the value, compute in the application and write it back, or exclude the key with `except`"
            }
            Self::NotYetSealed => {
                "use another command, keep the data in another type, or exclude the key with `except`"
            }
            Self::LooksForElement => {
                "use LRANGE and look in the application, or a set; or let the rule say `deterministic = [\"list-elements\"]`, for lists that are written from then on"
            }
            Self::NoPaths => {
                "list them in the rule, as in `json = [\"$.ssn\"]`, or `[\"$\"]` for the whole, or exclude the key with `except`"
            }
            Self::MovesBetweenKeys => {
                "read the value and write it to the other key, give both keys one scope (`scope = \"tag\"` or `\"rule\"`), or exclude both with `except`"
            }
            Self::NeedsWideScope => {
                "give the rule `scope = \"tag\"` or `\"rule\"`, count with SADD and SCARD, or exclude the key with `except`"
            }
            Self::DumpedValue => {
                "read with the commands of the value's type and write with them, which encrypts anew, or exclude the key with `except`"
            }
            Self::Script => {
                "send the commands themselves, in MULTI if they belong together, or exclude the key with `except`"
            }
            Self::ServerInternals => "use TYPE, OBJECT or MEMORY USAGE, or ask the database directly",
            Self::CarriesCommand => "ask with made-up keys and values that no rule matches",
            Self::UnclearKeys => "check the command's syntax, or ask the database directly",
            Self::UnnamedKeys => "ask the database directly, or search through a sidecar that has no rules",
            Self::UnknownCommand => "use a command of docs/commands.md, or exclude the keys with `except`",
        }
    }
}
