//! The labels: each one of few, whatever clients do.

use crate::command::CommandClass;

/// A table of words for an enum whose variants count from zero.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            pub const ALL: [Self; [$($word),+].len()] = [$(Self::$variant),+];

            /// As a label.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}

words! {
    /// How a command was dealt with.
    Way {
        /// Answered here.
        Local = "local",
        /// Passed as it came: no rule covers its keys.
        Raw = "raw",
        /// One of its keys is under a rule.
        Sealed = "sealed",
        /// Carried out here, in several steps.
        Emulated = "emulated",
        Refused = "refused",
    }
}

words! {
    /// Why a command was refused here.
    Refused {
        /// The table refuses it on a key under a rule.
        Command = "command",
        Script = "script",
        Unclear = "unclear",
        UnknownCommand = "unknown_command",
        Never = "never",
        /// Access: NOPERM.
        Denied = "denied",
        /// Not logged in, or with a wrong password.
        Login = "login",
        RateLimited = "rate_limited",
        Json = "json",
        Seal = "seal",
        TooLarge = "too_large",
        /// Not possible in this state of the connection.
        Unsupported = "unsupported",
        /// No connection to the database, and nothing was sent.
        Unavailable = "unavailable",
        /// What Redis would have refused in the same words.
        Redis = "redis",
    }
}

words! {
    /// Why a connection ended.
    Cut {
        Client = "client",
        Said = "told",
        Upstream = "upstream_lost",
        SlowReader = "slow_reader",
        Budget = "budget",
        Order = "order",
        Drain = "drain",
        Killed = "killed",
        TimedOut = "timed_out",
        Login = "login",
        Anomaly = "anomaly",
    }
}

words! {
    /// What an upstream connection is for.
    LaneKind {
        Shared = "shared",
        Bulk = "bulk",
        Pinned = "pinned",
    }
}

/// What a command is and how it was dealt with, as its answer is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    pub class: CommandClass,
    pub way: Way,
}

impl Refused {
    /// By the words of the error that the client gets. Those come first, for they are stable and documented.
    #[must_use]
    pub fn of(error: &str) -> Self {
        let mut words = error.split(' ');
        let first = words.next().unwrap_or_default();
        let code = if first == "WAXSEAL" { words.next().unwrap_or_default() } else { first };
        match code {
            "COMMAND_REFUSED" => Self::Command,
            "SCRIPT_REFUSED" | "NOSCRIPT" => Self::Script,
            "UNCLEAR_ARGUMENTS" => Self::Unclear,
            "UNKNOWN_COMMAND" => Self::UnknownCommand,
            "NEVER" => Self::Never,
            "NOPERM" => Self::Denied,
            "NOAUTH" | "WRONGPASS" => Self::Login,
            "RATE_LIMITED" => Self::RateLimited,
            "JSON_REFUSED" => Self::Json,
            "SEAL_FAILED" => Self::Seal,
            "TOO_LARGE" => Self::TooLarge,
            "UNSUPPORTED" => Self::Unsupported,
            "LOADING" => Self::Unavailable,
            _ => Self::Redis,
        }
    }
}
