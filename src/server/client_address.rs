//! The client's address: the peer's, or what a trusted proxy says of it.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use http::HeaderMap;
use ipnet::IpNet;

/// Where a request came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClientAddress {
    pub(crate) ip: IpAddr,
    /// Unknown where a proxy is between.
    port: Option<u16>,
}

impl ClientAddress {
    /// `X-Forwarded-For` counts only from a trusted peer, and of its hops the last that is not trusted itself: what
    /// stands before that one, anybody may have written.
    pub(crate) fn of(peer: SocketAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Self {
        let is_trusted = |ip: IpAddr| trusted.iter().any(|network| network.contains(&ip));
        let peer_ip = peer.ip().to_canonical();
        let mut found = Self { ip: peer_ip, port: Some(peer.port()) };
        if trusted.is_empty() || !is_trusted(peer_ip) {
            return found;
        }
        let lines: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
        let lines = lines.iter().rev().map(|line| line.to_str().unwrap_or_default());
        for hop in lines.flat_map(|line| line.rsplit(',')) {
            let Some(ip) = address(hop.trim()) else { break };
            found = Self { ip, port: None };
            if !is_trusted(ip) {
                break;
            }
        }
        found
    }
}

/// Some proxies write a port too.
fn address(hop: &str) -> Option<IpAddr> {
    let bare = hop.trim_start_matches('[').trim_end_matches(']');
    let ip = bare.parse().ok().or_else(|| hop.parse().ok().map(|it: SocketAddr| it.ip()))?;
    Some(ip.to_canonical())
}

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => SocketAddr::new(self.ip, port).fmt(f),
            None => self.ip.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(peer: &str, forwarded: &[&str], expected: &str) {
        let trusted = ["10.0.0.0/8", "2001:db8::/32"].map(|network| network.parse().unwrap());
        let name = http::HeaderName::from_static("x-forwarded-for");
        let headers: HeaderMap =
            forwarded.iter().map(|value| (name.clone(), value.parse().unwrap())).collect();
        let found = ClientAddress::of(peer.parse().unwrap(), &headers, &trusted);
        assert_eq!(found.to_string(), expected, "{peer} {forwarded:?}");
    }

    #[test]
    fn only_trusted_proxies_are_believed_and_only_their_last_stranger() {
        check("192.0.2.1:5", &["203.0.113.9"], "192.0.2.1:5");
        check("10.1.1.1:5", &[], "10.1.1.1:5");
        check("10.1.1.1:5", &["203.0.113.9"], "203.0.113.9");
        check("[::ffff:10.1.1.1]:5", &["203.0.113.9"], "203.0.113.9");
        check("10.1.1.1:5", &["1.2.3.4, 203.0.113.9, 10.9.9.9"], "203.0.113.9");
        check("10.1.1.1:5", &["1.2.3.4", "203.0.113.9:443"], "203.0.113.9");
        check("[2001:db8::1]:5", &["[2a00::7]:80"], "2a00::7");
        check("10.1.1.1:5", &["1.2.3.4, unknown"], "10.1.1.1:5");
        check("10.1.1.1:5", &["10.2.2.2, 10.3.3.3"], "10.2.2.2");
    }
}
