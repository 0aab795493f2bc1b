//! Whom a request is counted for.

use std::net::{IpAddr, Ipv6Addr};

use querycop_serve::PeerAddr;

/// Bits of an IPv6 address that are a network's; the others are one customer's to choose
/// (RFC 4291 §2.5.4), so a limit per address would be none.
const NETWORK_BITS: u128 = !0 << 64;

/// Whom a request is counted for: an IPv4 address or an IPv6 /64, as the socket says. A header like
/// `X-Forwarded-For` is the sender's word and changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    /// One network.
    Network(IpAddr),
    /// All who have no count of their own.
    Others,
}

impl From<PeerAddr> for Source {
    fn from(peer: PeerAddr) -> Self {
        match peer.ip().map(|ip| ip.to_canonical()) {
            Some(IpAddr::V6(ip)) => {
                Self::Network(IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & NETWORK_BITS)))
            }
            Some(ip) => Self::Network(ip),
            None => Self::Others,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(addr: &str) -> Source {
        PeerAddr::Tcp(addr.parse().unwrap()).into()
    }

    #[test]
    fn the_port_does_not_count() {
        assert_eq!(source("192.0.2.1:1"), source("192.0.2.1:2"));
        assert_ne!(source("192.0.2.1:1"), source("192.0.2.2:1"));
    }

    #[test]
    fn an_ipv6_network_counts_as_one() {
        assert_eq!(source("[2001:db8::1]:1"), source("[2001:db8::ffff:2]:1"));
        assert_ne!(source("[2001:db8::1]:1"), source("[2001:db8:0:1::1]:1"));
    }

    #[test]
    fn a_mapped_address_is_the_ipv4_one() {
        assert_eq!(source("[::ffff:192.0.2.1]:1"), source("192.0.2.1:1"));
    }
}
