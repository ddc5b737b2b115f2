//! The steps that cost tokens: one tiny answer, whole and as a stream.

use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::time;

use super::{Failure, Outcome, Step, Trial};
use crate::{
    protocol::openai::chat::{
        chunk::Chunk,
        request::{Content, Message, Request, StreamOptions},
    },
    secret, sse,
    translate::quirks::MaxTokensField,
    upstream::{Accept, Answer, Call, Endpoint, Upstream},
};

/// Enough for a word and for the least that some servers accept.
const MAX_TOKENS: u64 = 16;
/// Of an error's body.
const MAX_ERROR_BYTES: usize = 2 << 10;

/// A whole answer.
pub(super) async fn whole(upstream: &Upstream, model: &str) -> Step {
    let trial = Trial::start("completion", model.to_owned());
    let answer = match ask(upstream, model, false).await {
        Ok(answer) => answer,
        Err(error) => return trial.error(&error),
    };
    if answer.status != 200 {
        return refused(upstream, trial, answer).await;
    }
    let limits = &upstream.0.limits;
    match answer.body.collect(limits.max_response_size, limits.first_byte_timeout).await {
        Err(error) => trial.error(&error),
        Ok(body) => match serde_json::from_slice::<Chunk>(&body) {
            Ok(completion) if !completion.choices.is_empty() => trial.ok(None),
            _ => trial.failed(Failure::Other, "the answer is no chat completion".to_owned(), Some(WRONG_URL)),
        },
    }
}

const WRONG_URL: &str = "check the base URL: it must be the part before /chat/completions";

/// A stream with usage.
pub(super) async fn stream(upstream: &Upstream, model: &str) -> Step {
    let trial = Trial::start("stream", model.to_owned());
    let answer = match ask(upstream, model, true).await {
        Ok(answer) => answer,
        Err(error) => return trial.error(&error),
    };
    if answer.status != 200 {
        return refused(upstream, trial, answer).await;
    }
    match follow(upstream, answer).await {
        Err(cause) => trial.failed(Failure::Other, cause, Some(WRONG_URL)),
        Ok(seen) if !seen.choices => {
            trial.failed(Failure::Other, "the stream holds no chunk of an answer".to_owned(), Some(WRONG_URL))
        }
        Ok(seen) if !seen.usage => {
            let cause = "the stream tells no usage, so token counts will be estimates".to_owned();
            trial.end(Outcome::Warned, Some(cause), None)
        }
        Ok(_) => trial.ok(None),
    }
}

/// What a stream held.
#[derive(Default)]
struct Seen {
    choices: bool,
    usage: bool,
}

async fn follow(upstream: &Upstream, answer: Answer) -> Result<Seen, String> {
    let limits = &upstream.0.limits;
    let mut events = std::pin::pin!(sse::events(answer.body, limits.max_event_size));
    let mut seen = Seen::default();
    loop {
        let event = match time::timeout(limits.stream_idle_timeout, events.next()).await {
            Err(_) => return Err("the stream fell silent".to_owned()),
            Ok(None) => return Ok(seen),
            Ok(Some(Err(error))) => return Err(error.to_string()),
            Ok(Some(Ok(event))) => event,
        };
        if event.data.trim() == "[DONE]" {
            return Ok(seen);
        }
        let Ok(mut chunk) = serde_json::from_str::<Chunk>(&event.data) else { continue };
        if chunk.is_error() {
            return Err("the stream holds an error".to_owned());
        }
        seen.choices |= !chunk.choices.is_empty();
        seen.usage |= chunk.take_usage().is_some();
    }
}

async fn ask(upstream: &Upstream, model: &str, stream: bool) -> Result<Answer, crate::upstream::Error> {
    let quirks = &upstream.settings().quirks;
    let (max_tokens, max_completion_tokens) = match quirks.max_tokens_field {
        MaxTokensField::MaxTokens => (Some(MAX_TOKENS), None),
        MaxTokensField::MaxCompletionTokens => (None, Some(MAX_TOKENS)),
    };
    let request = Request {
        model: model.to_owned(),
        messages: vec![Message::User { content: Content::Text("Say ok.".to_owned()) }],
        max_tokens,
        max_completion_tokens,
        stream: stream.then_some(true),
        stream_options: (stream && quirks.stream_usage).then_some(StreamOptions { include_usage: true }),
        ..Request::default()
    };
    let body = Bytes::from(serde_json::to_vec(&request).unwrap_or_default());
    let accept = if stream { Accept::Events } else { Accept::Json };
    upstream.post(&Call::new(Endpoint::ChatCompletions, model, body, accept)).await
}

/// What to do about a status.
pub(super) const fn cure_of(status: u16) -> &'static str {
    match status {
        401 | 403 => "set OPENAI_API_KEY to a key that may use this model",
        402 => "add credit to the upstream's account",
        404 => {
            "map the name to a model that the upstream has (CLAUDE_SONNET_MODEL and its kin), or correct the base URL"
        }
        429 => "wait, or raise the account's limits",
        300..=399 => "set the base URL to the address that the upstream redirects to",
        400..=499 => "choose the preset that fits the upstream (--preset), or another model",
        _ => "look into the upstream's own log or status page, and try again",
    }
}

/// A status other than 200, with the beginning of what the upstream says about it.
async fn refused(upstream: &Upstream, trial: Trial, answer: Answer) -> Step {
    let status = answer.status;
    let body = answer.body.prefix(MAX_ERROR_BYTES, upstream.0.limits.connect_timeout).await;
    let text = String::from_utf8_lossy(&body);
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect();
    let key = upstream.settings().api_key.as_ref();
    let text = secret::mask_keys(text.trim(), key.as_slice()).into_owned();
    let failure = if status == 401 { Failure::KeyRefused } else { Failure::Other };
    let cause = if text.starts_with('<') || text.is_empty() {
        format!("answered with {status}")
    } else {
        format!("answered with {status}: {text}")
    };
    trial.failed(failure, cause, Some(cure_of(status)))
}
