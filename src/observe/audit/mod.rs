//! The audit log: who did what on protected keys, what was refused and what failed, in lines that cannot be changed unnoticed.
//!
//! Job: append lines of JSON, each with a keyed digest of itself and of the one before; keep an anchor that says how far the
//! log goes; rotate; verify.
//! Inputs: what [`crate::trail`] tells. Outputs: files.
//! Must never: hold a value; go on behind a log that is not as it was left; be waited for by a command.
//!
//! `docs/audit.md` has the format.

mod line;
mod log;
mod record;
#[cfg(test)]
mod tests;
mod verify;

pub use line::Line;
pub use log::{AuditFault, AuditLog, Files};
pub use record::{KeyNames, Names, Recorder};
pub use verify::{Anchor, Report, verify};
