//! What people and their tools see of a running sidecar: metrics, probes, console, log, audit log.
//!
//! Job: serve the admin and the metrics address; write the log, at levels that can be changed meanwhile; write the audit log.
//! Inputs: the counters of `meter`, the state of `server::Shared`, what the workers tell. Outputs: HTTP answers, log
//! lines, files.
//! Must never: show a password, a value, a client's address, or a key's name where it is not asked for; be waited for by a
//! command; let a page of another site read or change something.

pub mod audit;
mod exposition;
mod guard;
mod http;
mod listener;
mod log;
mod metrics;
mod page;
mod probes;
mod process;
mod status;
#[cfg(test)]
mod tests;
mod watched;

pub use http::{Door, Fault, bind, serve};
pub use listener::Listener;
pub use log::LogControl;
pub use page::Site;
pub use probes::Probes;
pub use watched::Watched;
