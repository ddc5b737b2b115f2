//! The steps that cost tokens: one tiny answer, whole and as a stream.

use futures_util::StreamExt as _;
use tokio::time;

use super::{
    Failure, Outcome, Step, Trial,
    question::{self, Seen},
};
use crate::{
    models::dialect::Spoken,
    secret, sse,
    upstream::{Accept, Answer, Call, Upstream},
};

/// Of an error's body.
const MAX_ERROR_BYTES: usize = 2 << 10;

/// A whole answer.
pub(super) async fn whole(upstream: &Upstream, model: &str, spoken: Spoken) -> Step {
    let trial = Trial::start("completion", model.to_owned());
    let answer = match ask(upstream, model, spoken, false).await {
        Ok(answer) => answer,
        Err(error) => return trial.error(&error),
    };
    if answer.status != 200 {
        return refused(upstream, trial, answer).await;
    }
    let limits = &upstream.0.limits;
    match answer.body.collect(limits.max_response_size, limits.first_byte_timeout).await {
        Err(error) => trial.error(&error),
        Ok(body) if question::is_answer(spoken, &body) => trial.ok(None),
        Ok(_) => {
            let cause = format!("the answer is no {}", question::answer(spoken));
            trial.failed(Failure::Other, cause, Some(question::wrong_url(spoken)))
        }
    }
}

/// A stream with usage.
pub(super) async fn stream(upstream: &Upstream, model: &str, spoken: Spoken) -> Step {
    let trial = Trial::start("stream", model.to_owned());
    let answer = match ask(upstream, model, spoken, true).await {
        Ok(answer) => answer,
        Err(error) => return trial.error(&error),
    };
    if answer.status != 200 {
        return refused(upstream, trial, answer).await;
    }
    let wrong_url = question::wrong_url(spoken);
    match follow(upstream, answer, spoken).await {
        Err(cause) => trial.failed(Failure::Other, cause, Some(wrong_url)),
        Ok(seen) if !seen.answer => {
            let cause = format!("the stream holds nothing of a {}", question::answer(spoken));
            trial.failed(Failure::Other, cause, Some(wrong_url))
        }
        Ok(seen) if !seen.usage => {
            let cause = "the stream tells no usage, so token counts will be estimates".to_owned();
            trial.end(Outcome::Warned, Some(cause), None)
        }
        Ok(_) => trial.ok(None),
    }
}

async fn follow(upstream: &Upstream, answer: Answer, spoken: Spoken) -> Result<Seen, String> {
    let limits = &upstream.0.limits;
    let mut events = std::pin::pin!(sse::events(answer.body, limits.max_event_size));
    let mut seen = Seen::default();
    while !seen.over {
        let event = match time::timeout(limits.stream_idle_timeout, events.next()).await {
            Err(_) => return Err("the stream fell silent".to_owned()),
            Ok(None) => break,
            Ok(Some(Err(error))) => return Err(error.to_string()),
            Ok(Some(Ok(event))) => event,
        };
        seen.take(spoken, &event.data)?;
    }
    Ok(seen)
}

async fn ask(
    upstream: &Upstream,
    model: &str,
    spoken: Spoken,
    stream: bool,
) -> Result<Answer, crate::upstream::Error> {
    let body = question::body(spoken, model, stream, &upstream.settings().quirks);
    let accept = if stream { Accept::Events } else { Accept::Json };
    upstream.post(&Call::new(question::endpoint(spoken), model, body, accept)).await
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
