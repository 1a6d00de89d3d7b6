//! Whom a client is taken for.

/// An index into the configured identities. 0 is whoever has not said who it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IdentityId(pub u16);
