//! What each client may do: which models, how many requests and tokens in a minute, how much at once.
//!
//! The state is one small record per configured key, and so bounded. It outlives reloads while a key's terms stay
//! the same: a reload must not hand out a new minute.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    extract::Request,
    response::{IntoResponse as _, Response},
};
use governor::{
    Quota, RateLimiter,
    clock::{Clock as _, MonotonicClock},
    middleware::{StateInformationMiddleware, StateSnapshot},
    state::{InMemoryState, NotKeyed},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::{headers::Level, tokens::TokenBucket};
use super::{
    auth::Caller,
    error::ApiError,
    limits,
    request_log::{Log, Notes},
};
use crate::{
    metrics::Counter,
    models::glob_matches,
    protocol::anthropic::{
        error::{Error, ErrorKind},
        response::Usage,
    },
    secret::{ClientKey, ClientKeys, Terms},
};

mod headers;
pub(super) mod strangers;
mod tokens;

/// All clients that have a key.
#[derive(Debug, Default)]
pub(crate) struct Clients(HashMap<String, Arc<Client>>);

/// One client, and what it has used.
#[derive(Debug)]
pub(crate) struct Client {
    terms: Terms,
    requests: Option<RequestLimiter>,
    tokens: Option<TokenBucket>,
    places: Option<Arc<Semaphore>>,
}

type RequestLimiter = RateLimiter<NotKeyed, InMemoryState, MonotonicClock, StateInformationMiddleware>;

impl Clients {
    pub(crate) fn new(keys: &ClientKeys) -> Self {
        Self::default().renewed(keys)
    }

    /// Those of other keys; clients whose terms did not change keep what they have used.
    pub(crate) fn renewed(&self, keys: &ClientKeys) -> Self {
        let client = |key: &ClientKey| match self.0.get(&key.id) {
            Some(known) if known.terms == key.terms => Arc::clone(known),
            _ => Arc::new(Client::new(key.terms.clone())),
        };
        Self(keys.iter().map(|key| (key.id.clone(), client(key))).collect())
    }

    /// The client with this id.
    pub(crate) fn of(&self, id: &str) -> Option<Arc<Client>> {
        self.0.get(id).cloned()
    }
}

impl Client {
    fn new(terms: Terms) -> Self {
        let requests = terms.requests_per_minute.map(|limit| {
            RateLimiter::direct_with_clock(Quota::per_minute(limit), MonotonicClock)
                .with_middleware::<StateInformationMiddleware>()
        });
        let places = |limit: NonZeroU32| usize::try_from(limit.get()).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            requests,
            tokens: terms.tokens_per_minute.map(TokenBucket::new),
            places: terms
                .max_concurrent
                .map(|limit| Arc::new(Semaphore::new(places(limit).min(Semaphore::MAX_PERMITS)))),
            terms,
        }
    }

    /// Whether the client may use the model that it asked for, or the upstream's that stands for it.
    pub(crate) fn may_use(&self, requested: &str, upstream: &str) -> bool {
        self.terms.models.as_ref().is_none_or(|allowed| {
            allowed.iter().any(|pattern| glob_matches(pattern, requested) || glob_matches(pattern, upstream))
        })
    }

    /// Admits one request, or says why not; and how much is left.
    fn admit(&self) -> (Result<Option<OwnedSemaphorePermit>, Exhausted>, Vec<Level>) {
        let mut levels = Vec::new();
        let now = Instant::now();
        let place = match &self.places {
            Some(places) => match Arc::clone(places).try_acquire_owned() {
                Ok(place) => Some(place),
                Err(_) => return (Err(Exhausted::places(&self.terms)), levels),
            },
            None => None,
        };
        if let Some(tokens) = &self.tokens {
            levels.push(tokens.level(now));
            if let Some(wait) = tokens.wait(now) {
                return (Err(Exhausted { what: "tokens in a minute", limit: tokens.limit(), wait }), levels);
            }
        }
        if let (Some(requests), Some(limit)) = (&self.requests, self.terms.requests_per_minute) {
            let checked = requests.check();
            let remaining = checked.as_ref().map_or(0, StateSnapshot::remaining_burst_capacity);
            levels.push(Level::of("requests", limit.get(), remaining));
            if let Err(not_until) = checked {
                let wait = not_until.wait_time_from(MonotonicClock.now());
                return (Err(Exhausted { what: "requests in a minute", limit: limit.get(), wait }), levels);
            }
        }
        (Ok(place), levels)
    }
}

/// A limit that is reached.
#[derive(Debug)]
struct Exhausted {
    what: &'static str,
    limit: u32,
    wait: Duration,
}

impl Exhausted {
    /// When a place becomes free nobody knows.
    fn places(terms: &Terms) -> Self {
        let limit = terms.max_concurrent.map_or(0, NonZeroU32::get);
        Self { what: "requests at the same time", limit, wait: Duration::from_secs(1) }
    }
}

impl From<Exhausted> for ApiError {
    fn from(exhausted: Exhausted) -> Self {
        let Exhausted { what, limit, wait } = exhausted;
        let message = format!("this client key's limit of {limit} {what} is reached (server.client_keys)");
        Self::come_back(message, wait)
    }
}

/// A request that was let in; it has its place until it is dropped.
#[derive(Debug)]
pub(crate) struct Admitted {
    client: Arc<Client>,
    _place: Option<OwnedSemaphorePermit>,
    /// The body's length by its header, for an estimate.
    request_bytes: u64,
}

impl Admitted {
    /// Charges the tokens. Where the answer never came to its usage, they are estimated: who goes away before the
    /// end must not get everything for nothing.
    pub(crate) fn settle(&self, usage: Option<&Usage>, asked: bool, answer_bytes: u64) {
        let Some(bucket) = &self.client.tokens else { return };
        let used = match usage {
            Some(usage) => usage.input_tokens + usage.cache_creation_input_tokens + usage.output_tokens,
            None if asked => self.request_bytes / 4 + answer_bytes / STREAM_BYTES_PER_TOKEN,
            None => 0,
        };
        bucket.charge(used, Instant::now());
    }
}

/// An event with one token in it has a hundred bytes and more around it.
const STREAM_BYTES_PER_TOKEN: u64 = 100;

/// Lets a request through as far as its client's limits go, and tells the client what is left of them. `answer` makes
/// the answer to one that is let through.
pub(crate) async fn admit(
    log: &Log,
    caller: &Caller,
    request: Request,
    answer: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let Some(client) = &caller.client else { return answer(request).await };
    let (admitted, levels) = client.admit();
    let mut response = match admitted {
        Ok(place) => {
            let request_bytes = limits::announced_length(request.headers()).unwrap_or(0);
            let client = Arc::clone(client);
            let admitted = Arc::new(Admitted { client, _place: place, request_bytes });
            log.note(|notes| notes.admitted = Some(admitted));
            answer(request).await
        }
        Err(exhausted) => {
            log.security_event("rate_limited", exhausted.what);
            let mut id = None;
            log.note(|notes| id.clone_from(&notes.client_id));
            let id = id.unwrap_or_default();
            log.metrics().rate_limited.of([&id], Counter::default).count();
            ApiError::from(exhausted).into_response()
        }
    };
    for level in levels {
        level.write(response.headers_mut());
    }
    response
}

impl Notes {
    /// Refuses a model that the client may not use.
    pub(crate) fn check_model(&self, requested: &str, upstream: &str) -> Result<(), Error> {
        let client = self.client.as_deref();
        if client.is_none_or(|client| client.may_use(requested, upstream)) {
            return Ok(());
        }
        let message =
            format!("this client key may not use the model {requested:?} (server.client_keys.models)");
        Err(Error::new(ErrorKind::Permission, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(limit: u32) -> Option<NonZeroU32> {
        NonZeroU32::new(limit)
    }

    fn keys(terms: Terms) -> ClientKeys {
        [ClientKey { terms, ..ClientKey::new("alice", [0; 32]) }].into_iter().collect()
    }

    #[test]
    fn a_client_without_terms_has_no_limits() {
        let client = Client::new(Terms::default());
        assert!(client.may_use("anything", "anything"));
        for _ in 0..1_000 {
            let (admitted, levels) = client.admit();
            assert!(admitted.is_ok() && levels.is_empty());
        }
    }

    #[test]
    fn requests_run_out_and_are_refused_until_the_next_is_due() {
        let client = Client::new(Terms { requests_per_minute: limit(6), ..Terms::default() });
        for left in (0..6).rev() {
            let (admitted, levels) = client.admit();
            assert!(admitted.is_ok());
            assert_eq!(levels, [Level::of("requests", 6, left)]);
        }
        let refused = client.admit().0.unwrap_err();
        assert!(
            refused.wait <= Duration::from_secs(10) && refused.wait > Duration::from_secs(5),
            "{refused:?}"
        );
        assert_eq!(ApiError::from(refused).error.status, 429);
    }

    #[test]
    fn a_reload_keeps_what_was_used_while_the_terms_stay() {
        let clients = Clients::new(&keys(Terms { requests_per_minute: limit(1), ..Terms::default() }));
        assert!(clients.of("alice").unwrap().admit().0.is_ok());
        let same = clients.renewed(&keys(Terms { requests_per_minute: limit(1), ..Terms::default() }));
        assert!(same.of("alice").unwrap().admit().0.is_err());
        let other = clients.renewed(&keys(Terms { requests_per_minute: limit(2), ..Terms::default() }));
        assert!(other.of("alice").unwrap().admit().0.is_ok());
        assert!(other.of("bob").is_none());
    }

    #[test]
    fn a_place_is_free_again_when_its_request_is_gone() {
        let client = Client::new(Terms { max_concurrent: limit(1), ..Terms::default() });
        let place = client.admit().0.unwrap();
        assert!(client.admit().0.is_err());
        drop(place);
        assert!(client.admit().0.is_ok());
    }

    #[test]
    fn models_are_allowed_by_either_name() {
        let models = Some(vec!["claude-haiku-*".to_owned(), "gpt-6-luna".to_owned()]);
        let client = Client::new(Terms { models, ..Terms::default() });
        assert!(client.may_use("claude-haiku-5", "anything"));
        assert!(client.may_use("alias", "gpt-6-luna"));
        assert!(!client.may_use("claude-opus-5", "gpt-6-astra"));
    }
}
