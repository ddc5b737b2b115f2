//! `[server]`: the listening side, who may use it, and from which web pages.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

use ipnet::IpNet;
use serde::{Serialize, Serializer};

use super::{
    Flags,
    error::{BadValue, Error},
    file::{ServerTable, TlsTable},
    layers::{Kind, Layers, SWITCH, Setting},
    show,
};
use crate::secret::{ClientKey, ClientKeys};

mod client_keys;

/// The listening side.
#[derive(Debug, Clone, Serialize)]
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
    /// `Host` values accepted beside localhost, 127.0.0.1 and `[::1]` while no client key is required. Lower
    /// case, without port. Default none.
    pub allowed_hosts: Vec<String>,
    /// TLS towards clients. Default none.
    #[serde(serialize_with = "both_files")]
    pub tls: Option<Tls>,
    /// Peers whose `X-Forwarded-For` is believed. Default none.
    #[serde(serialize_with = "show::each_printed")]
    pub trusted_proxies: Vec<IpNet>,
    /// `auth = "none"` is allowed beyond loopback. Default false; only the flag `--allow-unauthenticated`.
    #[serde(skip)]
    pub allow_unauthenticated: bool,
    /// What becomes of a request that cannot be carried over whole. Default [`OnLossy::Warn`]; `ON_LOSSY`.
    pub on_lossy: OnLossy,
}

/// The files of TLS towards clients, in PEM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tls {
    /// The certificate and those between it and a root.
    pub cert: PathBuf,
    /// The certificate's private key.
    pub key: PathBuf,
}

/// What becomes of a request whose translation loses or changes more than hints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnLossy {
    /// It is sent, and the answer's header `x-aiapiproxy-warning` names what was lost.
    Warn,
    /// It is refused before the upstream sees it, and so is a whole answer that cannot be told whole. A stream
    /// has begun when a loss is found in it: that one is only logged.
    Refuse,
}

/// How clients prove who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cors {
    /// Web pages may call at all. Default true; `CORS_ENABLED`.
    pub enabled: bool,
    /// From where. Default any, which holds only while clients must present a key: ask
    /// [`Server::origin_allowed`]. `ALLOWED_ORIGINS`.
    #[serde(rename = "allowed_origins")]
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

impl Serialize for Origins {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Any => ["*"].serialize(serializer),
            Self::Listed(origins) => origins.serialize(serializer),
        }
    }
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
            tls: None,
            trusted_proxies: Vec::new(),
            allow_unauthenticated: false,
            on_lossy: OnLossy::Warn,
        }
    }
}

/// Both keys are shown, be they set or not.
#[expect(clippy::ref_option, reason = "serde hands over a reference to the member")]
fn both_files<S: Serializer>(tls: &Option<Tls>, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Files<'a> {
        cert: Option<&'a Path>,
        key: Option<&'a Path>,
    }
    let tls = tls.as_ref();
    let cert = tls.map(|tls| tls.cert.as_path());
    Files { cert, key: tls.map(|tls| tls.key.as_path()) }.serialize(serializer)
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
        self.client_keys.push(ClientKey::new("generated", digest));
        self.auth = Auth::Keys;
    }
}

const HOST: Kind<String> = Kind {
    expected: "a host name or address without scheme and port, such as \"127.0.0.1\"",
    read: host,
    names: &[],
};

const PORT: Kind<u16> =
    Kind { expected: "a port number from 0 to 65535", read: |text| text.parse().ok(), names: &[] };

const AUTH: Kind<Auth> = Kind {
    expected: "\"keys\", \"passthrough\" or \"none\"",
    read: |text| match text {
        "keys" => Some(Auth::Keys),
        "passthrough" => Some(Auth::Passthrough),
        "none" => Some(Auth::None),
        _ => None,
    },
    names: &["keys", "passthrough", "none"],
};

const ON_LOSSY: Kind<OnLossy> = Kind {
    expected: "\"warn\" or \"refuse\"",
    read: |text| match text {
        "warn" => Some(OnLossy::Warn),
        "refuse" => Some(OnLossy::Refuse),
        _ => None,
    },
    names: &["warn", "refuse"],
};

const ORIGINS: Kind<Origins> = Kind {
    expected: "\"*\", or a list of origins such as \"https://app.example\" without path",
    read: |text| origins(text.split(',')),
    names: &[],
};

impl Server {
    /// Chooses the settings from their layers and settles who may use the server.
    pub(super) fn resolve(table: ServerTable, flags: &Flags, layers: &mut Layers<'_>) -> Result<Self, Error> {
        let defaults = Self::default();
        let host_flag = flags.host.clone();
        let host_flag =
            Setting::flag("--host", host_flag).map(|it| HOST.read("server.host", it)).transpose()?;
        let hosts = [
            host_flag,
            layers.env("SERVER_HOST", "server.host", &HOST)?,
            layers.file(table.host, "server.host", &HOST)?,
        ];
        let host = layers.choose("server.host", hosts).map_or(defaults.host, |it| it.value);
        let ports = [
            Setting::flag("--port", flags.port),
            layers.env("SERVER_PORT", "server.port", &PORT)?,
            layers.file(table.port, "server.port", &PORT)?,
        ];
        let port = layers.choose("server.port", ports).map_or(defaults.port, |it| it.value);
        let hosts = allowed_hosts(layers.file.setting(table.allowed_hosts))?;
        let allowed_hosts =
            layers.choose("server.allowed_hosts", [hosts]).map_or_else(Vec::new, |it| it.value);
        let tls = tls(table.tls, layers)?;
        let proxies = trusted_proxies(layers.file.setting(table.trusted_proxies))?;
        let trusted_proxies =
            layers.choose("server.trusted_proxies", [proxies]).map_or_else(Vec::new, |it| it.value);
        let cors_enabled = [
            layers.env("CORS_ENABLED", "server.cors.enabled", &SWITCH)?,
            layers.file.setting(table.cors.enabled),
        ];
        let cors_enabled = layers.choose("server.cors.enabled", cors_enabled).is_none_or(|it| it.value);
        let allowed_origins = [
            layers.env("ALLOWED_ORIGINS", "server.cors.allowed_origins", &ORIGINS)?,
            listed_origins(layers.file.setting(table.cors.allowed_origins))?,
        ];
        let allowed_origins = layers.choose("server.cors.allowed_origins", allowed_origins);
        let client_keys =
            [client_keys::in_variable(layers)?, client_keys::in_file(table.client_keys, layers)?];
        let client_keys = layers.choose("server.client_keys", client_keys);
        let auth = layers.file(table.auth, "server.auth", &AUTH)?;
        let auth = layers.choose("server.auth", [auth]);
        let on_lossy = [
            layers.env("ON_LOSSY", "server.on_lossy", &ON_LOSSY)?,
            layers.file(table.on_lossy, "server.on_lossy", &ON_LOSSY)?,
        ];
        let on_lossy = layers.choose("server.on_lossy", on_lossy).map_or(defaults.on_lossy, |it| it.value);
        let mut server = Self {
            host,
            port,
            auth: Auth::None,
            client_keys: ClientKeys::default(),
            cors: Cors { enabled: cors_enabled, origins: Origins::Any },
            allowed_hosts,
            tls,
            trusted_proxies,
            allow_unauthenticated: flags.allow_unauthenticated,
            on_lossy,
        };
        server.auth = server.settle_auth(auth, client_keys.as_ref())?;
        server.client_keys = client_keys.map(|it| it.value).unwrap_or_default();
        if flags.for_one_command {
            server.auth = Auth::Generate;
            server.client_keys = ClientKeys::default();
            server.cors.enabled = false;
            server.tls = None;
        }
        if let Some(Setting { value, origin }) = allowed_origins {
            if value == Origins::Any && !server.requires_client_key() && cors_enabled {
                layers.warnings.push(format!(
                    "`*` as allowed origin ({origin}) counts only while clients must present a key; \
                     no web page may call now"
                ));
            }
            server.cors.origins = value;
        }
        Ok(server)
    }

    /// The rules of the head table of operations.md.
    fn settle_auth(
        &self,
        auth: Option<Setting<Auth>>,
        keys: Option<&Setting<ClientKeys>>,
    ) -> Result<Auth, Error> {
        let Some(Setting { value: auth, origin }) = auth else {
            return Ok(match keys {
                Some(_) => Auth::Keys,
                None if self.is_loopback() => Auth::None,
                None => Auth::Generate,
            });
        };
        match (auth, keys) {
            (Auth::Keys, None) => Err(Error::Conflict {
                problem: "auth is \"keys\" but there is no client key".to_owned(),
                origin,
                mend: "set CLIENT_API_KEYS, or add [[server.client_keys]]",
            }),
            (Auth::Passthrough | Auth::None, Some(keys)) => Err(Error::Conflict {
                problem: format!(
                    "client keys are configured ({}) but auth would not ask for them",
                    keys.origin
                ),
                origin,
                mend: "remove the keys, or set auth to \"keys\"",
            }),
            (Auth::None, None) if !self.is_loopback() && !self.allow_unauthenticated => {
                Err(Error::Unauthenticated { host: self.host.clone(), origin })
            }
            _ => Ok(auth),
        }
    }
}

/// A host without its brackets.
fn host(text: &str) -> Option<String> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_');
    let valid = bare.parse::<IpAddr>().is_ok() || (!bare.is_empty() && bare.chars().all(is_name));
    valid.then(|| bare.to_owned())
}

fn allowed_hosts(setting: Option<Setting<Vec<String>>>) -> Result<Option<Setting<Vec<String>>>, Error> {
    let Some(Setting { value: hosts, origin }) = setting else { return Ok(None) };
    let one = |host: String| {
        let setting = Setting { value: host, origin: origin.clone() };
        HOST.read("server.allowed_hosts", setting).map(|it| it.value.to_ascii_lowercase())
    };
    let value = hosts.into_iter().map(one).collect::<Result<_, _>>()?;
    Ok(Some(Setting { value, origin }))
}

fn tls(table: TlsTable, layers: &mut Layers<'_>) -> Result<Option<Tls>, Error> {
    let cert = layers.file.setting(table.cert);
    let key = layers.file.setting(table.key);
    let cert = layers.choose("server.tls.cert", [cert]);
    let key = layers.choose("server.tls.key", [key]);
    match (cert, key) {
        (Some(cert), Some(key)) => {
            Ok(Some(Tls { cert: layers.file.beside(&cert.value), key: layers.file.beside(&key.value) }))
        }
        (None, None) => Ok(None),
        (Some(one), None) | (None, Some(one)) => Err(Error::Conflict {
            problem: "TLS needs a certificate and its key".to_owned(),
            origin: one.origin,
            mend: "set both server.tls.cert and server.tls.key",
        }),
    }
}

const NETWORK: Kind<IpNet> = Kind {
    expected: "an address or a network such as \"10.0.0.0/8\"",
    read: |text| text.parse().or_else(|_| text.parse().map(|address: IpAddr| address.into())).ok(),
    names: &[],
};

fn trusted_proxies(setting: Option<Setting<Vec<String>>>) -> Result<Option<Setting<Vec<IpNet>>>, Error> {
    let Some(Setting { value: networks, origin }) = setting else { return Ok(None) };
    let one = |network: String| {
        let setting = Setting { value: network, origin: origin.clone() };
        NETWORK.read("server.trusted_proxies", setting).map(|it| it.value)
    };
    let value = networks.into_iter().map(one).collect::<Result<_, _>>()?;
    Ok(Some(Setting { value, origin }))
}

fn listed_origins(setting: Option<Setting<Vec<String>>>) -> Result<Option<Setting<Origins>>, Error> {
    let Some(Setting { value: listed, origin }) = setting else { return Ok(None) };
    let value = origins(listed.iter().map(String::as_str)).ok_or_else(|| {
        Error::from(BadValue {
            key: "server.cors.allowed_origins".to_owned(),
            expected: ORIGINS.expected.to_owned(),
            value: Some(listed.join(", ")),
            origin: origin.clone(),
            nearest: None,
        })
    })?;
    Ok(Some(Setting { value, origin }))
}

/// Empty entries are left out; a `*` among others is a `*`.
fn origins<'t>(listed: impl Iterator<Item = &'t str>) -> Option<Origins> {
    let entries: Vec<&str> = listed.map(str::trim).filter(|entry| !entry.is_empty()).collect();
    if entries.contains(&"*") {
        return Some(Origins::Any);
    }
    entries.into_iter().map(origin).collect::<Option<_>>().map(Origins::Listed)
}

/// An origin as browsers send it. Not every scheme is one that the `url` crate gives an origin to
/// (`tauri://localhost`, `vscode-webview://…`).
fn origin(text: &str) -> Option<String> {
    let text = text.strip_suffix('/').unwrap_or(text);
    let (scheme, authority) = text.split_once("://")?;
    let is_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let is_authority = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':' | '[' | ']');
    let valid = !scheme.is_empty()
        && scheme.chars().all(is_scheme)
        && !authority.is_empty()
        && authority.chars().all(is_authority);
    valid.then(|| text.to_ascii_lowercase())
}
