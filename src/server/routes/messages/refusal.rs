//! An upstream's answer that is none: what may mend it, and what the client is told.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use crate::{
    config::upstream::ContentFilter,
    protocol::anthropic::{error::Error, response::Message},
    secret,
    translate::{
        self, Asked, UpstreamAnswer,
        context::Context,
        messages_forwarded,
        remedy::{self, Remedy},
    },
    upstream::Answer,
};

/// A refusal, read as far as it matters.
pub(super) struct Refusal {
    status: u16,
    retry_after: Option<String>,
    retry_after_ms: Option<String>,
    /// Of a long one the beginning says enough.
    body: Bytes,
    client_key: bool,
}

const MAX_BODY_BYTES: usize = 64 << 10;
const PATIENCE: Duration = Duration::from_secs(10);

impl Refusal {
    /// Reads it. `client_key` says that the key was the client's own.
    pub(super) async fn read(answer: Answer, client_key: bool) -> Self {
        let header = |name: &str| answer.header(name).map(str::to_owned);
        let (status, retry_after) = (answer.status, header("retry-after"));
        let retry_after_ms = header("retry-after-ms");
        let body = answer.body.prefix(MAX_BODY_BYTES, PATIENCE).await;
        Self { status, retry_after, retry_after_ms, body, client_key }
    }

    /// What may help against it.
    pub(super) fn remedy(&self, context: &Context) -> Option<Remedy> {
        remedy::remedy(&self.answer(), context)
    }

    /// What the client is told.
    pub(super) fn error(&self, context: &Context) -> Error {
        translate::error(&self.answer(), &Asked::from(context))
    }

    /// The same where the request was forwarded.
    pub(super) fn forwarded(&self, upstream: &str, model: &str) -> Error {
        let mut error = messages_forwarded::error(&self.answer(), upstream);
        // A client would take an unknown path for an unknown model. What Anthropic's own envelope says has no prefix.
        let is_foreign = error.message.starts_with(&format!("{upstream}: "));
        if matches!(self.status, 404 | 405) && is_foreign && !self.names_the_model(model) {
            error.message.push_str(
                "; does this address serve the Messages API (/v1/messages)? If not, set the dialect to chat or auto",
            );
        }
        error
    }

    /// Whether it speaks of that model.
    pub(super) fn names_the_model(&self, model: &str) -> bool {
        String::from_utf8_lossy(&self.body).contains(model)
    }

    /// The message that stands for it, if the prompt was filtered and the configuration wants one.
    pub(super) fn message(&self, wish: ContentFilter, context: &Context) -> Option<Message> {
        match wish {
            ContentFilter::Error => None,
            ContentFilter::Refusal => {
                translate::filtered(&self.answer(), secret::message_id(), &Asked::from(context))
            }
        }
    }

    fn answer(&self) -> UpstreamAnswer<'_> {
        UpstreamAnswer {
            status: self.status,
            retry_after: self.retry_after.as_deref(),
            retry_after_ms: self.retry_after_ms.as_deref(),
            now_unix_seconds: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs()),
            body: &self.body,
            client_key: self.client_key,
        }
    }
}
