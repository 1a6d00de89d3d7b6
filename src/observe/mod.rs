//! What people and their tools see of a running sidecar.
//!
//! Job: write the audit log. Inputs: what the workers tell. Outputs: files.
//! Must never: show a password, a value, or a key's name where it is not asked for; be waited for by a command.

pub mod audit;
mod listener;

pub use listener::Listener;
