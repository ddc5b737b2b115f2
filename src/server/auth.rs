//! Who may call: the client's key, the `Host` it called, the web page it calls from.
//!
//! All of it is decided from the head of a request, before a byte of the body is read.

use std::{
    future::ready,
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::extract::{FromRequestParts, Request};
use http::{HeaderMap, HeaderValue, Uri, Version, header, request::Parts};

use super::{clients::Client, error::ApiError, request_log::Log, state::Shared};
use crate::{
    config::server::{Auth, Server},
    metrics::Counter,
    protocol::anthropic::error::{Error, ErrorKind},
    secret::{ClientKeys, SecretString},
};

/// Who calls, as far as that is known.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// The id of the client's key.
    pub(crate) id: Option<String>,
    /// What that client may do.
    pub(crate) client: Option<Arc<Client>>,
    /// The key to forward to the upstream (`auth = "passthrough"`).
    pub(crate) upstream_key: Option<SecretString>,
}

impl Caller {
    /// Whether the caller may use the model that it asks for, or the upstream's that stands for it.
    pub(crate) fn may_use(&self, requested: &str, upstream: &str) -> bool {
        self.client.as_deref().is_none_or(|client| client.may_use(requested, upstream))
    }
}

/// Whoever comes with a valid key.
impl FromRequestParts<Arc<Shared>> for Caller {
    type Rejection = ApiError;

    fn from_request_parts(
        parts: &mut Parts,
        shared: &Arc<Shared>,
    ) -> impl Future<Output = Result<Self, ApiError>> + Send {
        ready(require_key(shared, parts))
    }
}

fn require_key(shared: &Shared, parts: &Parts) -> Result<Caller, ApiError> {
    let server = &shared.config.server;
    let log = parts.extensions.get::<Log>();
    match authenticate(server.auth, &server.client_keys, &parts.headers, SystemTime::now()) {
        Ok(mut caller) => {
            caller.client = caller.id.as_deref().and_then(|id| shared.clients.of(id));
            if let (Some(log), Some(_)) = (log, &caller.id) {
                log.note(|notes| {
                    notes.client_id.clone_from(&caller.id);
                    notes.client.clone_from(&caller.client);
                });
            }
            Ok(caller)
        }
        Err(denied) => {
            warn_of("auth_failed", log, denied.reason());
            shared.metrics.auth_failures.count();
            Err(throttle(shared, log).map_or_else(|| denied.into(), too_many_failures))
        }
    }
}

/// Counts a failure of this address. Only after the key was looked at: behind one address there may be many, and
/// the guesses of one must not lock out the others.
fn throttle(shared: &Shared, log: Option<&Log>) -> Option<Duration> {
    let address = log?.client_address()?;
    let wait = shared.strangers.count(address.ip).err()?;
    shared.metrics.rate_limited.of([""], Counter::default).count();
    Some(wait)
}

fn too_many_failures(wait: Duration) -> ApiError {
    let message = "too many requests without a valid client key came from this address";
    ApiError::come_back(message, wait)
}

/// Lets through what was sent to this server's own name, by a program or by a page that may.
///
/// # Errors
/// When it was sent to another name, or by a page that may not.
pub(crate) fn guard_origin(shared: &Shared, request: &Request) -> Result<(), ApiError> {
    let server = &shared.config.server;
    if !server.requires_client_key() && !host_allowed(request, &server.allowed_hosts) {
        warn_of("host_refused", log(request), "Host is not one of this server's names");
        return Err(host_refused());
    }
    if let Some(origin) = request.headers().get(header::ORIGIN)
        && !origin_allowed(server, origin)
    {
        warn_of("origin_refused", log(request), "Origin is not in server.allowed_origins");
        let message = "web pages of this origin may not use this gateway; its operator can list the origin in \
                       ALLOWED_ORIGINS";
        return Err(Error::new(ErrorKind::Permission, message).into());
    }
    Ok(())
}

fn log(request: &Request) -> Option<&Log> {
    request.extensions().get()
}

/// Whether a page of this `Origin` may call.
pub(crate) fn origin_allowed(server: &Server, origin: &HeaderValue) -> bool {
    origin.to_str().is_ok_and(|origin| server.origin_allowed(origin))
}

/// Why a key was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// There was none.
    Missing,
    /// It is nobody's.
    Unknown,
    /// It was somebody's.
    Expired,
}

impl Denied {
    const fn reason(self) -> &'static str {
        match self {
            Self::Missing => "no key",
            Self::Unknown => "unknown key",
            Self::Expired => "expired key",
        }
    }
}

/// The same for every reason, and for every key.
impl From<Denied> for ApiError {
    fn from(_: Denied) -> Self {
        let message = "a valid client key is required, as x-api-key or as Authorization: Bearer";
        Error::new(ErrorKind::Authentication, message).with_retry(false).into()
    }
}

/// Decides by the two headers in which clients send keys, `x-api-key` and `authorization: Bearer`; one valid key is
/// enough.
///
/// # Errors
/// When keys are required and there is none, or none that is valid now.
pub fn authenticate(
    auth: Auth,
    keys: &ClientKeys,
    headers: &HeaderMap,
    now: SystemTime,
) -> Result<Caller, Denied> {
    let presented = [api_key(headers), bearer(headers)];
    let mut presented = presented.into_iter().flatten().filter(|key| !key.is_empty()).peekable();
    match auth {
        Auth::None => Ok(Caller::default()),
        Auth::Passthrough => {
            let key = presented.next().ok_or(Denied::Missing)?;
            Ok(Caller { upstream_key: Some(SecretString::from(key.to_owned())), ..Caller::default() })
        }
        // A server whose key was not made yet has no clients.
        Auth::Keys | Auth::Generate => {
            presented.peek().ok_or(Denied::Missing)?;
            let found: Vec<_> = presented.filter_map(|key| keys.find(key)).collect();
            let valid = found.iter().find(|key| key.terms.expires.is_none_or(|end| now < end));
            match valid {
                Some(key) => Ok(Caller { id: Some(key.id.clone()), ..Caller::default() }),
                None if found.is_empty() => Err(Denied::Unknown),
                None => Err(Denied::Expired),
            }
        }
    }
}

fn api_key(headers: &HeaderMap) -> Option<&str> {
    headers.get("x-api-key")?.to_str().ok().map(str::trim)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

/// Whether the request was meant for this server and not for a name that a web page bent to its address. Both
/// the `Host` header and the URI's own authority must be known. Browsers always send a `Host`; HTTP/1.0 programs
/// need not.
pub(crate) fn host_allowed(request: &Request, allowed: &[String]) -> bool {
    let named = |name: &str| is_own_name(name, allowed);
    let header = request.headers().get(header::HOST);
    let header_fits = match header {
        Some(host) => host.to_str().is_ok_and(named),
        None => request.uri().authority().is_some() || request.version() == Version::HTTP_10,
    };
    header_fits && uri_host(request.uri()).is_none_or(named)
}

fn uri_host(uri: &Uri) -> Option<&str> {
    uri.authority().map(http::uri::Authority::as_str)
}

/// `name` with or without a port.
fn is_own_name(name: &str, allowed: &[String]) -> bool {
    let host = match name.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => name,
    };
    let own = ["localhost", "127.0.0.1", "[::1]"];
    own.into_iter().chain(allowed.iter().map(String::as_str)).any(|own| own.eq_ignore_ascii_case(host))
}

fn host_refused() -> ApiError {
    let message = "this gateway requires no client key and so answers only to localhost, 127.0.0.1, [::1] and the \
                   names in server.allowed_hosts; set CLIENT_API_KEYS, or add the name you called it by to \
                   server.allowed_hosts";
    Error::invalid_request(message).with_status(421).with_retry(false).into()
}

/// Tells the log of an attempt.
fn warn_of(event: &'static str, log: Option<&Log>, reason: &'static str) {
    if let Some(log) = log {
        log.security_event(event, reason);
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;
    use crate::secret::{ClientKey, ExposeSecret as _, digest};

    fn keys() -> ClientKeys {
        [("alice", "key-a"), ("bob", "key-b")]
            .map(|(id, key)| ClientKey::new(id, digest(key)))
            .into_iter()
            .collect()
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn one_valid_key_in_either_header_is_enough() {
        let check = |pairs: &[(&'static str, &str)], expected: Result<&str, Denied>| {
            let caller = authenticate(Auth::Keys, &keys(), &headers(pairs), SystemTime::now());
            let id = caller.map(|caller| caller.id.unwrap());
            assert_eq!(id.as_deref().map_err(|denied| *denied), expected, "{pairs:?}");
        };
        check(&[("x-api-key", "key-a")], Ok("alice"));
        check(&[("authorization", "Bearer key-b")], Ok("bob"));
        check(&[("authorization", "bEARER   key-b ")], Ok("bob"));
        check(&[("x-api-key", "wrong"), ("authorization", "Bearer key-b")], Ok("bob"));
        check(&[("x-api-key", "key-a"), ("authorization", "Bearer wrong")], Ok("alice"));
        check(&[("x-api-key", "key-ab")], Err(Denied::Unknown));
        check(&[("authorization", "Basic key-a")], Err(Denied::Missing));
        check(&[("x-api-key", "")], Err(Denied::Missing));
        check(&[], Err(Denied::Missing));
    }

    #[test]
    fn without_configured_keys_nobody_is_let_in() {
        let denied = authenticate(
            Auth::Keys,
            &ClientKeys::default(),
            &headers(&[("x-api-key", "a")]),
            SystemTime::now(),
        );
        assert_eq!(denied.unwrap_err(), Denied::Unknown);
    }

    #[test]
    fn passthrough_takes_the_clients_key_along() {
        let none = ClientKeys::default();
        let caller = authenticate(
            Auth::Passthrough,
            &none,
            &headers(&[("authorization", "Bearer sk-1")]),
            SystemTime::now(),
        )
        .unwrap();
        assert_eq!(caller.upstream_key.unwrap().expose_secret(), "sk-1");
        assert_eq!(
            authenticate(Auth::Passthrough, &none, &headers(&[]), SystemTime::now()).unwrap_err(),
            Denied::Missing
        );
    }

    #[test]
    fn only_own_names_count_as_host() {
        let allowed = ["gateway.lan".to_owned()];
        let check = |uri: &str, host: Option<&str>, expected: bool| {
            let mut request = Request::builder().uri(uri);
            if let Some(host) = host {
                request = request.header("host", host);
            }
            let request = request.body(Body::empty()).unwrap();
            assert_eq!(host_allowed(&request, &allowed), expected, "{uri} {host:?}");
        };
        for host in ["localhost", "LOCALHOST:1", "127.0.0.1:8082", "[::1]", "[::1]:8082", "gateway.lan:80"] {
            check("/", Some(host), true);
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:8082",
            "::1",
            "",
            "localhost:8a",
        ] {
            check("/", Some(host), false);
        }
        check("/", None, false);
        check("http://localhost:1/", None, true);
        check("http://evil.example/", Some("localhost"), false);
    }
}
