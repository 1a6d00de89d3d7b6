//! Waxseal: a sidecar that speaks the Redis protocol and encrypts values before they leave the host.
//!
//! The rooms, in the order in which a command passes them. ARCHITECTURE.md follows one through all.

#![forbid(unsafe_code)]

pub mod resp;

pub mod command;

pub mod crypto;

pub mod policy;

pub mod meter;

pub mod trail;

pub mod transform;

pub mod client;

pub mod config;

pub mod upstream;

pub mod server;

pub mod observe;

pub mod cli;
