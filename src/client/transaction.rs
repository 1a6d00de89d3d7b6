//! MULTI as this client has it.
//!
//! Transitions: `None -WATCH-> Watching`, `None -MULTI-> Gathering`, `Watching -MULTI-> Queued`,
//! `Gathering -more input needed-> Queued | Doomed`, and every one of them back to `None` by EXEC,
//! DISCARD or RESET. A block that is gathered whole goes upstream in one piece among other clients'
//! commands; all other states live on a pinned lane.

use bytes::Bytes;

use crate::transform::{ReplyPlan, Wire};

#[derive(Default)]
pub enum Tx {
    #[default]
    None,
    /// WATCH was sent: only this lane knows of it.
    Watching,
    /// Since MULTI nothing was sent; the rest may be in the buffer already.
    Gathering(Block),
    /// MULTI was sent on a pinned lane.
    Queued { plans: Vec<ReplyPlan>, weight: usize, refused: bool },
    /// No lane could be had after MULTI was answered: EXEC will abort.
    Doomed(String),
}

impl Tx {
    pub fn in_multi(&self) -> bool {
        matches!(self, Self::Gathering(_) | Self::Queued { .. } | Self::Doomed(_))
    }

    /// How many commands are queued; `None` outside of MULTI.
    pub fn queued(&self) -> Option<usize> {
        match self {
            Self::None | Self::Watching => None,
            Self::Gathering(block) => {
                Some(block.entries.iter().filter(|entry| matches!(entry, Entry::Queued(_))).count())
            }
            Self::Queued { plans, .. } => Some(plans.len()),
            Self::Doomed(_) => Some(0),
        }
    }

    /// Is there state on the upstream connection?
    pub fn holds_lane(&self) -> bool {
        matches!(self, Self::Watching | Self::Queued { .. })
    }

    /// A command was refused here: EXEC must not run the others.
    pub fn refuse(&mut self) {
        if let Self::Queued { refused, .. } = self {
            *refused = true;
        }
    }
}

/// MULTI and what followed it, sealed, not yet sent.
#[derive(Default)]
pub struct Block {
    pub wire: Wire,
    pub entries: Vec<Entry>,
    pub refused: bool,
}

/// One command of a block.
pub enum Entry {
    Queued(ReplyPlan),
    /// The error that takes the place of QUEUED.
    Refused(Bytes),
}
