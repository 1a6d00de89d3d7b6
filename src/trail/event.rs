//! What is rare enough to be told one by one.

use std::time::SystemTime;

use crate::policy::IdentityId;

/// Something happened that somebody should know of.
#[derive(Debug, Clone)]
pub struct Event {
    pub at: SystemTime,
    pub who: Who,
    pub what: What,
}

impl Event {
    pub(super) fn now(who: Who, what: What) -> Self {
        Self { at: SystemTime::now(), who, what }
    }
}

/// By whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Who {
    pub identity: IdentityId,
    /// The number of its connection, as in CLIENT LIST; 0: the sidecar itself.
    pub client: u64,
}

/// Names of commands come from the table, never from a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A command was refused here.
    Refused {
        command: &'static str,
        reason: &'static str,
    },
    /// Values of a reply did not open.
    OpenFailed {
        count: u64,
    },
    LoggedIn,
    LoginFailed,
    /// A command that is about the database or about other clients.
    Administrative {
        command: &'static str,
    },
    /// A decoy key was named.
    Decoy {
        decoy: usize,
        command: &'static str,
    },
    /// The client said which library it is: printable, bounded.
    Library {
        name: String,
    },
    Connected {
        address: String,
    },
    Closed {
        reason: &'static str,
    },
    /// Of the sidecar itself.
    Started,
    Stopping,
    LogLevels {
        to: String,
    },
}
