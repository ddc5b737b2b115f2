//! The upstream: HTTP calls to the server that runs the model.
//!
//! Bytes go out and bytes come in; what they mean is the translation's affair. This is the only place that
//! knows reqwest, and hyper as a client. Redirects are never followed (they would carry the key and the prompt elsewhere), nothing is
//! retried after the first byte, and dropping a future or a [`Body`] cancels the call.

mod body;
mod client;
mod direct;
mod error;
mod extra_body;
pub mod probe;
mod request;
mod retry;
mod token_count;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde::Deserialize;
use tokio::time;

pub use self::{
    body::{Body, Progress},
    error::{Error, Unreachable, Waiting},
    request::{Accept, Endpoint},
    token_count::{CountBy, Uncounted},
};
use self::{
    client::{Clients, Request},
    request::Address,
    retry::{Budget, Course, Outcome},
};
use crate::{
    config::{limits::Limits, upstream::Upstream as Settings},
    metrics::{Counter, Metrics, reason},
    secret::SecretString,
};

/// A configured upstream and its connections. Clones share them.
#[derive(Debug, Clone)]
pub struct Upstream(Arc<Inner>, StandBy);

/// Who else could answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StandBy {
    /// Nobody: a failure is waited out as far as the client's patience goes.
    Nobody,
    /// Another upstream, so no failure is waited out.
    Another,
}

#[derive(Debug)]
struct Inner {
    settings: Settings,
    limits: Limits,
    clients: Clients,
    /// Host and port, as messages name them.
    host: Arc<str>,
    addresses: request::Addresses,
    headers: request::Headers,
    /// Whose turn it is among several keys.
    next_key: AtomicUsize,
    budget: Budget,
    metrics: Arc<Metrics>,
}

/// One `POST`.
#[derive(Debug)]
pub struct Call<'a> {
    /// Where to.
    pub endpoint: Endpoint,
    /// The upstream's name of the model; Azure has it in the path.
    pub model: &'a str,
    /// The JSON text to send.
    pub body: Bytes,
    /// What is to come back.
    pub accept: Accept,
    /// The client's own key, which takes the place of the configured one (`auth = "passthrough"`).
    pub key: Option<&'a SecretString>,
    /// The query of the client's request, where it is the upstream's, too.
    pub query: Option<&'a str>,
    /// The headers of the client's request, of which Anthropic's endpoints get `anthropic-version` and
    /// `anthropic-beta`.
    pub client_headers: Option<&'a HeaderMap>,
}

impl<'a> Call<'a> {
    /// A call with the configured key, and nothing of the client's but the body.
    pub const fn new(endpoint: Endpoint, model: &'a str, body: Bytes, accept: Accept) -> Self {
        Self { endpoint, model, body, accept, key: None, query: None, client_headers: None }
    }
}

/// An answer, as soon as its head is there.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// What follows.
    pub body: Body,
    /// Attempts beyond the first.
    pub retries: u32,
}

/// What `GET /models` said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The status.
    pub status: u16,
    /// The ids, if it was a list.
    pub ids: Option<Vec<String>>,
}

impl Upstream {
    /// Prepares the connections to an upstream; nothing is sent yet. Retries are counted in `metrics`.
    ///
    /// # Errors
    /// [`Error::Setup`] when a configured header cannot be sent, or this machine has no TLS roots.
    pub fn new(settings: &Settings, limits: &Limits, metrics: Arc<Metrics>) -> Result<Self, Error> {
        let limits = limits.of(settings);
        let inner = Inner {
            settings: settings.clone(),
            clients: Clients::new(settings, &limits)?,
            limits,
            host: request::authority(settings).into(),
            addresses: request::Addresses::new(settings)?,
            headers: request::Headers::new(settings)?,
            next_key: AtomicUsize::new(0),
            budget: Budget::default(),
            metrics,
        };
        Ok(Self(Arc::new(inner), StandBy::Nobody))
    }

    /// The same, for calls that another upstream can take over at once.
    #[must_use]
    pub fn with_a_stand_by(&self) -> Self {
        Self(Arc::clone(&self.0), StandBy::Another)
    }

    /// The same, for calls that nobody takes over.
    #[must_use]
    pub fn alone(&self) -> Self {
        Self(Arc::clone(&self.0), StandBy::Nobody)
    }

    /// The keys for one call, each call beginning with another; the client's own if it has one.
    fn keys<'k>(&'k self, call: &Call<'k>) -> impl Iterator<Item = &'k SecretString> + Send + 'k {
        let settings = &self.0.settings;
        let (first, others) = match call.key {
            Some(own) => (Some(own), &[][..]),
            None => (settings.api_key.as_ref(), &settings.other_keys[..]),
        };
        let turn = match others {
            [] => 0,
            _ => self.0.next_key.fetch_add(1, Ordering::Relaxed) % (others.len() + 1),
        };
        let keys = first.into_iter().chain(others);
        keys.clone().skip(turn).chain(keys.take(turn))
    }

    /// The configuration.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Posts, and waits for the head of the answer, at most for `first_byte_timeout` per
    /// attempt. Failures that another attempt may mend are retried (see the module `retry`); an answer with an
    /// error status is an answer.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn post(&self, call: &Call<'_>) -> Result<Answer, Error> {
        let address = self.0.addresses.of(&self.0.settings, call)?;
        let mut keys = self.keys(call);
        let mut key = keys.next();
        let (mut course, mut other_keys) = (Course::default(), 0);
        self.0.budget.note_call();
        // Requests for a count of tokens are no requests for an answer, and take nothing else.
        let body = match call.endpoint {
            Endpoint::ChatCompletions | Endpoint::Responses | Endpoint::Messages => {
                extra_body::added(&call.body, &self.0.settings.extra_body)
            }
            _ => call.body.clone(),
        };
        loop {
            let mut headers = self.0.headers.of(&self.0.settings, call.accept, key)?;
            request::add_anthropic(&self.0.settings, &mut headers, call.endpoint, call.client_headers);
            let request = Request {
                method: Method::POST,
                address: &address,
                headers,
                body: body.clone(),
                fresh: course.wants_fresh(),
            };
            let mut result = self.attempt(request, self.0.limits.first_byte_timeout).await;
            let outcome = match &mut result {
                Ok(answer) => Outcome::of_answer(answer).await,
                Err(failure) => failure.outcome.clone(),
            };
            if matches!(&result, Ok(answer) if answer.status == 429)
                && let Some(another) = keys.next()
            {
                // What one key may not have now, another may, without a wait.
                (key, other_keys) = (Some(another), other_keys + 1);
                self.0.metrics.retries.of([reason::ANOTHER_KEY], Counter::default).count();
                continue;
            }
            let retries = course.retries() + other_keys;
            let patient = |wait: &Duration| self.1 == StandBy::Nobody || wait.is_zero();
            let Some(wait) = course.next(&outcome, &self.0.budget, &self.0.metrics).filter(patient) else {
                return result.map(|answer| Answer { retries, ..answer }).map_err(|failure| failure.error);
            };
            // The answer must not hold its connection during the wait.
            drop(result);
            time::sleep(wait).await;
        }
    }

    /// Asks for the list of models, once, and waits at most `patience`.
    ///
    /// # Errors
    /// When there is no answer. A refusal is a [`Listing`] without ids.
    pub async fn list_models(
        &self,
        key: Option<&SecretString>,
        patience: Duration,
    ) -> Result<Listing, Error> {
        let address = Address::new(request::url(&self.0.settings, Endpoint::Models, "", None))?;
        let key = key.or(self.0.settings.api_key.as_ref());
        let mut headers = self.0.headers.of(&self.0.settings, Accept::Json, key)?;
        request::add_anthropic(&self.0.settings, &mut headers, Endpoint::Models, None);
        let request = Request { headers, ..Request::new(Method::GET, &address) };
        let answer = self.attempt(request, patience).await.map_err(|failure| failure.error)?;
        let limit = self.0.limits.max_response_size;
        let body = answer.body.collect(limit, patience).await?;
        let ids = if answer.status == 200 { model_ids(&body) } else { None };
        Ok(Listing { status: answer.status, ids })
    }

    /// Sends one request without credentials to the base URL: whatever is answered, something listens there.
    async fn knock(&self) -> Result<(), Error> {
        let address = Address::new(self.0.settings.base_url.clone())?;
        let request = Request::new(Method::HEAD, &address);
        self.attempt(request, self.0.limits.connect_timeout).await.map(drop).map_err(|failure| failure.error)
    }

    async fn attempt(&self, request: Request<'_>, patience: Duration) -> Result<Answer, Failure> {
        let started = Instant::now();
        let host = &self.0.host;
        match time::timeout(patience, self.0.clients.send(request, host)).await {
            Ok(Ok(response)) => {
                let (head, body) = response.into_parts();
                let body = Body::new(body, Arc::clone(host));
                Ok(Answer { status: head.status.as_u16(), headers: head.headers, body, retries: 0 })
            }
            Ok(Err(error)) => Err(Failure { outcome: Outcome::of_error(&error, started.elapsed()), error }),
            Err(_) => {
                let host = host.as_ref().to_owned();
                let error = Error::Timeout { host, waiting: Waiting::FirstByte, limit: patience };
                Err(Failure { outcome: Outcome::Hopeless, error })
            }
        }
    }
}

/// An attempt that got no answer.
#[derive(Debug)]
struct Failure {
    error: Error,
    outcome: Outcome,
}

impl Answer {
    /// A header's value, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The media type without parameters, in lower case; empty if there is none.
    pub fn media_type(&self) -> String {
        let full = self.header("content-type").unwrap_or_default();
        full.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }
}

impl Listing {
    /// Whether the upstream lists that model. Gemini writes `models/` before its ids.
    pub fn has(&self, model: &str) -> bool {
        let same = |id: &String| id == model || id.strip_prefix("models/") == Some(model);
        self.ids.as_ref().is_some_and(|ids| ids.iter().any(same))
    }
}

/// The ids of a model list. Some servers send a bare array.
fn model_ids(body: &[u8]) -> Option<Vec<String>> {
    #[derive(Deserialize)]
    struct Page {
        data: Vec<Model>,
    }
    #[derive(Deserialize)]
    struct Model {
        id: String,
    }
    let models = match serde_json::from_slice::<Page>(body) {
        Ok(page) => page.data,
        Err(_) => serde_json::from_slice::<Vec<Model>>(body).ok()?,
    };
    Some(models.into_iter().map(|model| model.id).collect())
}

#[cfg(test)]
mod tests;
