//! Why the upstream cannot be used, in words for the person who reads the client's log.

use std::fmt;

/// The kinds differ in what a client should do: retry by itself, or call the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Not reachable, or gone: comes back by itself.
    Network,
    /// Certificate not trusted or not for this name, or no TLS there.
    Tls,
    /// User or password refused.
    Auth,
    /// Answered something that is not the Redis protocol.
    Protocol,
    /// The server refused this lane only (a database number out of range).
    Lane,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable {
    pub fault: Fault,
    /// What happened, with the address, without secrets.
    pub what: String,
}

impl Unavailable {
    pub fn new(fault: Fault, what: impl Into<String>) -> Self {
        Self { fault, what: what.into() }
    }
}

/// The RESP error without its leading `-`. LOADING is what clients retry by themselves.
impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = &self.what;
        match self.fault {
            Fault::Network => {
                write!(f, "LOADING Waxseal cannot reach the database: {what}. The command was not sent; try again")
            }
            Fault::Tls => write!(
                f,
                "WAXSEAL UPSTREAM_TLS the database's certificate was not accepted: {what}. Check the host name and ca_file; `waxseal doctor` tells more"
            ),
            Fault::Auth => write!(
                f,
                "WAXSEAL UPSTREAM_AUTH the database refused the login: {what}. Check user and password of the upstream; `waxseal doctor` tells more"
            ),
            Fault::Protocol => write!(
                f,
                "WAXSEAL UPSTREAM_PROTOCOL the upstream does not answer as a Redis server does: {what}. Check its address and port"
            ),
            Fault::Lane => f.write_str(what),
        }
    }
}

impl std::error::Error for Unavailable {}
