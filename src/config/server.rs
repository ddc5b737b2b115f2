//! `[server]`: the listening side, who may use it, and from which web pages.

use std::net::IpAddr;

use crate::secret::{ClientKey, ClientKeys};

/// The listening side.
#[derive(Debug, Clone)]
pub struct Server {
    /// Host name or address to listen on, without brackets. Default `127.0.0.1`; `SERVER_HOST`.
    pub host: String,
    /// TCP port to listen on; 0 lets the system choose. Default 8082; `SERVER_PORT`.
    pub port: u16,
    /// How clients prove who they are. Unset: [`Auth::Keys`] with client keys, else [`Auth::None`] on loopback
    /// and [`Auth::Generate`] beyond it.
    pub auth: Auth,
    /// The keys that clients may present. Default none; `CLIENT_API_KEYS`.
    pub client_keys: ClientKeys,
    /// What web pages may do.
    pub cors: Cors,
    /// `Host` values accepted beside localhost, 127.0.0.1 and [::1] while no client key is required. Lower case,
    /// without port. Default none.
    pub allowed_hosts: Vec<String>,
    /// `auth = "none"` is allowed beyond loopback. Default false; only the flag `--allow-unauthenticated`.
    pub allow_unauthenticated: bool,
}

/// How clients prove who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// By one of the configured client keys.
    Keys,
    /// The client's own key is the upstream's key and is forwarded to it.
    Passthrough,
    /// Not at all: everybody who reaches the port.
    None,
    /// By a key that `serve` has yet to make and print: see [`Server::adopt_generated_key`].
    Generate,
}

/// Cross-origin requests, that is requests by web pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    /// Web pages may call at all. Default true; `CORS_ENABLED`.
    pub enabled: bool,
    /// From where. Default any, which holds only while clients must present a key: ask
    /// [`Server::origin_allowed`]. `ALLOWED_ORIGINS`.
    pub origins: Origins,
}

/// The web origins that may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// `*`.
    Any,
    /// These, each as a browser sends it: `scheme://host[:port]` in lower case.
    Listed(Vec<String>),
}

impl Default for Server {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 8082,
            auth: Auth::None,
            client_keys: ClientKeys::default(),
            cors: Cors { enabled: true, origins: Origins::Any },
            allowed_hosts: Vec::new(),
            allow_unauthenticated: false,
        }
    }
}

impl Server {
    /// Whether only this machine can reach the port. A name other than `localhost` counts as reachable from
    /// outside, whatever it resolves to.
    pub fn is_loopback(&self) -> bool {
        match self.host.parse::<IpAddr>() {
            Ok(address) => address.to_canonical().is_loopback(),
            Err(_) => self.host.eq_ignore_ascii_case("localhost"),
        }
    }

    /// Whether a request without a key is refused. While this is false, `Host` must be checked against
    /// [`Server::allowed_hosts`].
    pub fn requires_client_key(&self) -> bool {
        self.auth != Auth::None
    }

    /// Whether a web page of this `Origin` may call. `*` counts as an empty list while no key is required, so
    /// that no page spends the operator's key.
    pub fn origin_allowed(&self, origin: &str) -> bool {
        self.cors.enabled
            && match &self.cors.origins {
                Origins::Any => self.requires_client_key(),
                Origins::Listed(listed) => listed.iter().any(|known| known.eq_ignore_ascii_case(origin)),
            }
    }

    /// Takes the digest of the key made for [`Auth::Generate`] as the one client key, with the id `generated`.
    pub fn adopt_generated_key(&mut self, digest: [u8; 32]) {
        self.client_keys.push(ClientKey { id: "generated".to_owned(), digest });
        self.auth = Auth::Keys;
    }
}
