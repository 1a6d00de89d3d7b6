//! Where clients come from.

use std::net::{IpAddr, Ipv6Addr};

/// Where a client connects from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    Address(IpAddr),
    /// A process of this user, over a unix socket.
    Uid(u32),
    /// Over a unix socket that does not tell.
    Local,
}

impl Origin {
    /// Whoever has one IPv6 address has the 64 bits behind its network.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        Self::Address(match address {
            IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
                Some(v4) => v4.into(),
                None => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
            },
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}
