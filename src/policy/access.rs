//! Who may run what. One identity so far: the application behind the listener.

use super::Refusal;
use crate::command::{Flags, Lane, Spec};

/// Access settings that hold for every client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Access {
    /// Only commands that cannot write.
    pub read_only: bool,
    /// MONITOR shows the commands of everybody who uses the database, hence the explicit grant.
    pub monitor: bool,
}

/// What to do with a script or function whose keys cannot be known from its declared ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scripts {
    /// Refused as soon as any rule exists: it could write plaintext under a protected key.
    #[default]
    Refuse,
    /// The operator's word that scripts touch declared keys only.
    Trust,
}

impl Access {
    pub(super) fn check(&self, spec: &'static Spec) -> Result<(), Refusal> {
        match &spec.lane {
            Lane::Never(reason) => return Err(Refusal::Never { command: spec.name, reason }),
            Lane::Monitor if !self.monitor => return Err(Refusal::MonitorNotGranted),
            _ => {}
        }
        if self.read_only && may_write(spec) {
            return Err(Refusal::ReadOnly { command: spec.name });
        }
        Ok(())
    }

    pub(super) fn check_unknown(&self) -> Result<(), Refusal> {
        if self.read_only { Err(Refusal::UnknownCommand) } else { Ok(()) }
    }
}

/// A script is not flagged as a write by Redis, yet it can write unless it is the `_RO` form.
fn may_write(spec: &Spec) -> bool {
    let script = spec.flags.has(Flags::SCRIPT);
    spec.flags.has(Flags::WRITE) || spec.flags.has(Flags::ADMIN) || (script && !spec.name.ends_with("_ro"))
}
