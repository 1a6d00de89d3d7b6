//! The kind of a command, as limits, metrics and the audit log tell them apart.

use super::spec::{Flags, Lane, Spec};

/// One of few, so that it can be a label of a metric and an index of a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CommandClass {
    Read,
    Write,
    /// Runs code on the server.
    Script,
    PubSub,
    /// MULTI, EXEC, WATCH and their like.
    Transaction,
    /// About the connection itself; most are answered here.
    Connection,
    Admin,
    /// No row of the table.
    Unknown,
}

impl CommandClass {
    pub const ALL: [Self; 8] = [
        Self::Read,
        Self::Write,
        Self::Script,
        Self::PubSub,
        Self::Transaction,
        Self::Connection,
        Self::Admin,
        Self::Unknown,
    ];

    /// The class of a command by its row; without one it is unknown.
    #[must_use]
    pub const fn of(spec: Option<&Spec>) -> Self {
        let Some(spec) = spec else { return Self::Unknown };
        match spec.lane {
            Lane::Transaction => return Self::Transaction,
            Lane::Subscribe => return Self::PubSub,
            Lane::Monitor => return Self::Admin,
            _ => {}
        }
        if spec.flags.has(Flags::SCRIPT) {
            Self::Script
        } else if spec.flags.has(Flags::PUBSUB) {
            Self::PubSub
        } else if spec.flags.has(Flags::ADMIN) {
            Self::Admin
        } else if spec.flags.has(Flags::WRITE) {
            Self::Write
        } else if spec.flags.has(Flags::READ) {
            Self::Read
        } else {
            Self::Connection
        }
    }

    /// Lower case, as in settings and labels.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Script => "script",
            Self::PubSub => "pubsub",
            Self::Transaction => "transaction",
            Self::Connection => "connection",
            Self::Admin => "admin",
            Self::Unknown => "unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::find;

    #[test]
    fn commands_fall_into_the_class_that_their_users_would_name() {
        for (command, class) in [
            ("get", CommandClass::Read),
            ("scan", CommandClass::Read),
            ("set", CommandClass::Write),
            ("blpop", CommandClass::Write),
            ("flushall", CommandClass::Write),
            ("eval_ro", CommandClass::Script),
            ("publish", CommandClass::PubSub),
            ("subscribe", CommandClass::PubSub),
            ("exec", CommandClass::Transaction),
            ("ping", CommandClass::Connection),
            ("config|set", CommandClass::Admin),
            ("monitor", CommandClass::Admin),
        ] {
            let spec = find(command);
            assert!(spec.is_some(), "{command}");
            assert_eq!(CommandClass::of(spec), class, "{command}");
        }
        assert_eq!(CommandClass::of(None), CommandClass::Unknown);
        for (at, class) in CommandClass::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, at);
        }
    }
}
