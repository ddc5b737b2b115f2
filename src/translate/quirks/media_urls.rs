//! Which URLs of images and documents may be passed on.
//!
//! Nothing is fetched here. But a server in the operator's own network fetches what a request names, so a URL is a
//! way into that network. What can be told from the text alone is told here: hosts that are addresses of private
//! networks in any spelling, and names that only such networks have. A public name that leads to a private address
//! cannot be recognised without asking for it; against that the server that fetches must guard itself.

// Of `core`, which has addresses but no sockets.
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::Serialize;
use url::{Host, Url};

/// The rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaUrls {
    /// `https` to public hosts.
    HttpsOnly,
    /// Every `http` and `https` URL.
    #[default]
    Pass,
    /// None.
    Block,
}

impl MediaUrls {
    /// Every rule, by its name.
    pub const ALL: [(&'static str, Self); 3] =
        [("https_only", Self::HttpsOnly), ("pass", Self::Pass), ("block", Self::Block)];

    /// Why a URL may not be passed on; `None` if it may.
    pub fn refusal(self, url: &str) -> Option<&'static str> {
        match self {
            Self::Pass => None,
            Self::Block => Some("this gateway passes on no URLs (images.url); send the bytes as base64"),
            Self::HttpsOnly if is_public_https(url) => None,
            Self::HttpsOnly => Some(
                "this gateway passes on only https URLs of public hosts (images.url); send the bytes as base64",
            ),
        }
    }
}

/// Parsers differ about backslashes, blanks and what stands before an `@`; a URL that two of them could understand
/// differently is none that may pass.
fn is_public_https(text: &str) -> bool {
    if text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
        return false;
    }
    let Ok(url) = Url::parse(text) else { return false };
    let authority = authority(text).unwrap_or_default();
    let sound = !authority.is_empty() && !authority.contains('@');
    url.scheme() == "https" && sound && url.host().is_some_and(|host| is_public(&host))
}

/// What stands between `https://` and the path, as the text has it.
fn authority(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once("://")?;
    scheme.eq_ignore_ascii_case("https").then_some(rest)?.split(['/', '?', '#']).next()
}

/// The parser has made addresses of all their spellings: decimal, octal, hexadecimal, short.
fn is_public(host: &Host<&str>) -> bool {
    match host {
        Host::Ipv4(address) => is_public_v4(*address),
        Host::Ipv6(address) => is_public_v6(*address),
        Host::Domain(name) => is_public_name(name),
    }
}

fn is_public_name(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    if name.parse::<IpAddr>().is_ok() {
        return false;
    }
    let Some((_, top)) = name.rsplit_once('.') else { return false };
    let home = name.to_ascii_lowercase().ends_with(".home.arpa");
    !PRIVATE_TOP_NAMES.iter().any(|known| top.eq_ignore_ascii_case(known)) && !home
}

/// Reserved for local use, or used so by custom.
const PRIVATE_TOP_NAMES: [&str; 9] =
    ["localhost", "local", "internal", "localdomain", "lan", "intranet", "corp", "home", "private"];

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let reserved =
        a == 0 || a >= 240 || (a == 100 && (64..128).contains(&b)) || (a == 198 && (b & 0xfe) == 18);
    let private = address.is_private() || address.is_loopback() || address.is_link_local();
    !(private || reserved || address.is_multicast() || (a, b, c) == (192, 0, 0))
}

/// Only what is routed on the internet, and no way back to IPv4 that leads into a private network.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        // Translated by the network (64:ff9b::/96), mapped, and 6to4.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0x2002, high, low, ..] => embedded(high, low),
        // Teredo, which may lead anywhere.
        [0x2001, 0, ..] => false,
        // Compatible addresses, loopback and all others outside of 2000::/3 are not routed.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_https_may_pass() {
        for url in [
            "https://example.com/cat.png",
            "HTTPS://Example.COM:8443/a?b=c%20d#e",
            "https://bücher.example/ä.png",
            "https://93.184.216.34/x",
            "https://[2606:2800:220:1:248:1893:25c8:1946]/x",
            "https://[::ffff:93.184.216.34]/x",
            "https://localhost.example.com/x",
        ] {
            assert_eq!(MediaUrls::HttpsOnly.refusal(url), None, "{url}");
        }
    }

    #[test]
    fn no_spelling_of_a_private_address_passes() {
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "017700000001",
            "127.0.0.1.",
            "0",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "0xa9fea9fe",
            "100.64.0.1",
            "192.0.0.8",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[::127.0.0.1]",
            "[64:ff9b::10.0.0.1]",
            "[2002:7f00:1::]",
            "[2001::1]",
            "[fc00::1]",
            "[fd12:3456::1]",
            "[fe80::1]",
            "[fec0::1]",
            "[ff02::1]",
            "localhost",
            "LOCALHOST.",
            "api.localhost",
            "printer.local",
            "metadata.google.internal",
            "nas.lan",
            "router.home.arpa",
            "redis",
            "１２７.0.0.1",
            "127。0。0。1",
            "user@127.0.0.1",
            "example.com@127.0.0.1",
        ] {
            let url = format!("https://{host}/x");
            assert!(MediaUrls::HttpsOnly.refusal(&url).is_some(), "{url}");
        }
    }

    #[test]
    fn what_two_parsers_could_read_differently_does_not_pass() {
        for url in [
            "http://example.com/x",
            "ftp://example.com/x",
            "file:///etc/passwd",
            "data:image/png;base64,AAAA",
            "https:example.com",
            "https://example.com\\@127.0.0.1/x",
            "https://example.com@93.184.216.34/x",
            "https://@example.com/x",
            "https://example.com/x y",
            " https://example.com/",
            "https://exa\tmple.com/",
            "https://example.com/\n",
            "//example.com/x",
            "https:///example.com/x",
            "https://",
            "",
        ] {
            assert!(MediaUrls::HttpsOnly.refusal(url).is_some(), "{url:?}");
        }
    }

    #[test]
    fn the_other_rules_do_not_look() {
        assert_eq!(MediaUrls::Pass.refusal("http://127.0.0.1/"), None);
        assert!(MediaUrls::Block.refusal("https://example.com/").is_some());
    }
}
