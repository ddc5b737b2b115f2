//! Requests to upstreams that speak Messages themselves: their bytes go there and come back.

use std::{borrow::Cow, time::Instant};

use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header, request::Parts};

use super::{
    answer::{event_stream, stream_events},
    ask,
    prepare::refuse_losses,
    refusal::Refusal,
};
use crate::{
    protocol::anthropic::error::Error,
    server::{
        auth::Caller, error::ApiError, event_body::Teller, limits::Slot, request_log::Log, state::Shared,
    },
    translate::{
        messages_forwarded::{self, Opened, Stream, Wishes},
        report::Report,
    },
    upstream::{Accept, Answer, Call, Endpoint},
};

/// A request to forward.
#[derive(Debug)]
pub(in super::super) struct Forward {
    /// The upstream's name of the model.
    pub(in super::super) model: String,
    /// The client's.
    requested: String,
    stream: bool,
    body: Bytes,
    pub(super) report: Report,
}

impl Forward {
    /// Opens a request; `None` if its model is one that is not asked in Messages.
    pub(super) fn open(shared: &Shared, log: &Log, body: &Bytes) -> Result<Option<Self>, Error> {
        if !shared.may_forward() {
            return Ok(None);
        }
        let opened = Opened::read(body)?;
        let Some(wishes) = wishes(shared, &opened.model) else { return Ok(None) };
        let mut allowed = Ok(());
        log.note(|notes| {
            notes.model_requested = Some(opened.model.clone());
            notes.model_upstream = Some(wishes.model.clone());
            notes.upstream_name = Some(shared.config.upstream.name.clone());
            notes.model_labels = Some(shared.model_labels(&opened.model, &wishes.model));
            notes.stream = Some(opened.stream);
            allowed = notes.check_model(&opened.model, &wishes.model);
        });
        allowed?;
        let forwarded = messages_forwarded::request(&opened, &wishes)?;
        log.note(|notes| notes.add_lossy(&forwarded.report));
        refuse_losses(shared.config.server.on_lossy, &shared.config.upstream.name, &forwarded.report)?;
        let bytes = match forwarded.body {
            Cow::Borrowed(same) if same.as_ptr() == body.as_ptr() && same.len() == body.len() => body.clone(),
            changed => Bytes::from(changed.into_owned()),
        };
        let Wishes { model, .. } = wishes;
        let (requested, stream) = (opened.model.clone(), opened.stream);
        Ok(Some(Self { model, requested, stream, body: bytes, report: forwarded.report }))
    }

    /// Asks the upstream, and tells its answer.
    pub(super) async fn exchange(
        self,
        shared: &Shared,
        log: &Log,
        caller: &Caller,
        head: &Parts,
        slot: Slot,
    ) -> Result<(Response, Option<HeaderValue>), ApiError> {
        let accept = if self.stream { Accept::Events } else { Accept::Json };
        let answer = self.ask(shared, log, caller, head, (Endpoint::Messages, accept)).await?;
        let id = super::upstream_request_id(&answer).cloned();
        let told = self.tell(shared, log, caller, answer, slot).await;
        Ok((told.unwrap_or_else(ApiError::into_response), id))
    }

    /// Asks the upstream to count; `None` where it does not, so that somebody else must. The count, and the answer that
    /// holds it.
    pub(in super::super) async fn count(
        &self,
        shared: &Shared,
        log: &Log,
        caller: &Caller,
        head: &Parts,
    ) -> Result<Option<(u64, Bytes)>, ApiError> {
        if shared.counts_itself() {
            return Ok(None);
        }
        let place = (Endpoint::MessagesCountTokens, Accept::Json);
        let answer = match self.ask(shared, log, caller, head, place).await {
            Ok(answer) => answer,
            Err(ApiError { error, .. }) => {
                let reason = error.message;
                tracing::debug!(request.id = log.id(), reason, "the upstream did not count; counting here");
                return Ok(None);
            }
        };
        if matches!(answer.status, 400 | 401 | 403 | 413) {
            let refusal = Refusal::read(answer, caller.upstream_key.is_some()).await;
            return Err(failed(shared, caller, &refusal, &self.model));
        }
        if matches!(answer.status, 404 | 405 | 501) {
            let refusal = Refusal::read(answer, false).await;
            // An unknown model is another matter than an unknown path.
            if !refusal.names_the_model(&self.model) {
                shared.count_by_itself();
            }
            return Ok(None);
        }
        if answer.status != 200 {
            return Ok(None);
        }
        let limits = &shared.config.limits;
        let body = answer.body.collect(limits.max_response_size, limits.stream_idle_timeout).await;
        Ok(body.ok().and_then(|body| Some((messages_forwarded::count(&body)?, body))))
    }

    async fn ask(
        &self,
        shared: &Shared,
        log: &Log,
        caller: &Caller,
        head: &Parts,
        (endpoint, accept): (Endpoint, Accept),
    ) -> Result<Answer, ApiError> {
        let call = Call {
            key: caller.upstream_key.as_ref(),
            query: head.uri.query(),
            client_headers: Some(&head.headers),
            ..Call::new(endpoint, &self.model, self.body.clone(), accept)
        };
        ask(shared, log, &call, 0).await
    }

    async fn tell(
        self,
        shared: &Shared,
        log: &Log,
        caller: &Caller,
        answer: Answer,
        slot: Slot,
    ) -> Result<Response, ApiError> {
        if !(200..300).contains(&answer.status) {
            let refusal = Refusal::read(answer, caller.upstream_key.is_some()).await;
            return Err(failed(shared, caller, &refusal, &self.model));
        }
        let (upstream, limits) = (&shared.config.upstream, &shared.config.limits);
        let mask = shared.mask.with(caller.upstream_key.as_ref());
        let limits_left = rate_limits(&answer.headers);
        let mut response = if self.stream {
            let stream = Stream::new(self.requested, upstream.name.clone(), limits.max_event_size);
            event_stream(stream_events(shared, log, mask, Teller::forwarded(stream), answer, slot).await?)
        } else {
            let body = answer.body.collect(limits.max_response_size, limits.stream_idle_timeout).await?;
            let begun = Instant::now();
            let whole = messages_forwarded::response(&body, &self.requested, &upstream.name)
                .map_err(|error| ApiError::upstream(mask.error(error)))?;
            log.told_in(begun.elapsed());
            log.note(|notes| {
                notes.usage = Some(whole.usage);
                notes.stop_reason = whole.stop_reason.map(|reason| reason.as_str().to_owned());
            });
            json(Bytes::from(whole.body.into_owned()))
        };
        response.headers_mut().extend(limits_left);
        Ok(response)
    }
}

/// What the client is told of a refusal.
fn failed(shared: &Shared, caller: &Caller, refusal: &Refusal, model: &str) -> ApiError {
    let upstream = &shared.config.upstream;
    let mask = shared.mask.with(caller.upstream_key.as_ref());
    ApiError::upstream(mask.error(refusal.forwarded(&upstream.name, model)))
}

/// What is to be changed in a request for that model, if it is to be forwarded.
fn wishes(shared: &Shared, requested: &str) -> Option<Wishes> {
    let upstream = &shared.config.upstream;
    let (model, target) = shared.config.models.model_and_target(requested);
    let choice = upstream.dialect_of(model, target);
    choice.is_forwarded().then_some(Wishes {
        model: model.to_owned(),
        strip_billing_header: upstream.strip_billing_header,
        system_mode: upstream.forwarded_system,
        media_urls: shared.config.images.url,
    })
}

/// JSON text as an answer.
pub(in super::super) fn json(body: Bytes) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
}

/// What the upstream says of its limits, in the headers that Anthropic's API has for it.
fn rate_limits(headers: &HeaderMap) -> HeaderMap {
    let of_limits = |name: &http::HeaderName| name.as_str().starts_with("anthropic-ratelimit-");
    headers.iter().filter(|(name, _)| of_limits(name)).map(|(n, v)| (n.clone(), v.clone())).collect()
}
