//! The tiny question of `check --complete`, and its answer, in each dialect.

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::IgnoredAny};

use crate::{
    models::dialect::Spoken,
    protocol::openai::chat::{
        chunk::Chunk,
        request::{Content, Message, Request, StreamOptions},
    },
    translate::quirks::{MaxTokensField, Quirks},
    upstream::Endpoint,
};

const QUESTION: &str = "Say ok.";
/// Enough for a word and for the least that some servers accept.
const MAX_TOKENS: u64 = 16;

/// Where it is asked.
pub(super) const fn endpoint(spoken: Spoken) -> Endpoint {
    match spoken {
        Spoken::Chat => Endpoint::ChatCompletions,
        Spoken::Responses => Endpoint::Responses,
        Spoken::Messages => Endpoint::Messages,
    }
}

/// What an answer is called.
pub(super) const fn answer(spoken: Spoken) -> &'static str {
    match spoken {
        Spoken::Chat => "chat completion",
        Spoken::Responses => "response",
        Spoken::Messages => "message",
    }
}

/// What to look at when there is none.
pub(super) const fn wrong_url(spoken: Spoken) -> &'static str {
    match spoken {
        Spoken::Chat => "check the base URL: it must be the part before /chat/completions",
        Spoken::Responses => {
            "check the base URL: it must be the part before /responses; or set the dialect to chat"
        }
        Spoken::Messages => {
            "check the base URL: it must be the part before /messages or /v1/messages; or set the dialect to chat"
        }
    }
}

/// The question.
pub(super) fn body(spoken: Spoken, model: &str, stream: bool, quirks: &Quirks) -> Bytes {
    let stream = stream.then_some(true);
    let text = match spoken {
        Spoken::Chat => serde_json::to_vec(&chat(model, stream, quirks)),
        Spoken::Responses => serde_json::to_vec(&Responses {
            model,
            input: QUESTION,
            max_output_tokens: MAX_TOKENS,
            store: false,
            stream,
        }),
        Spoken::Messages => serde_json::to_vec(&Messages {
            model,
            max_tokens: MAX_TOKENS,
            messages: [Said { role: "user", content: QUESTION }],
            stream,
        }),
    };
    Bytes::from(text.unwrap_or_default())
}

fn chat(model: &str, stream: Option<bool>, quirks: &Quirks) -> Request {
    let (max_tokens, max_completion_tokens) = match quirks.max_tokens_field {
        MaxTokensField::MaxTokens => (Some(MAX_TOKENS), None),
        MaxTokensField::MaxCompletionTokens => (None, Some(MAX_TOKENS)),
    };
    let usage = stream.is_some() && quirks.stream_usage;
    Request {
        model: model.to_owned(),
        messages: vec![Message::User { content: Content::Text(QUESTION.into()) }],
        max_tokens,
        max_completion_tokens,
        stream,
        stream_options: usage.then_some(StreamOptions { include_usage: true }),
        ..Request::default()
    }
}

#[derive(Serialize)]
struct Responses<'a> {
    model: &'a str,
    input: &'a str,
    max_output_tokens: u64,
    store: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<bool>,
}

#[derive(Serialize)]
struct Messages<'a> {
    model: &'a str,
    max_tokens: u64,
    messages: [Said<'a>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<bool>,
}

#[derive(Serialize)]
struct Said<'a> {
    role: &'a str,
    content: &'a str,
}

/// Whether a body is an answer.
pub(super) fn is_answer(spoken: Spoken, body: &[u8]) -> bool {
    match spoken {
        Spoken::Chat => {
            serde_json::from_slice::<Chunk>(body).is_ok_and(|completion| !completion.choices.is_empty())
        }
        Spoken::Responses => serde_json::from_slice::<Told>(body).is_ok_and(|told| told.output.is_some()),
        Spoken::Messages => serde_json::from_slice::<Told>(body).is_ok_and(|told| told.content.is_some()),
    }
}

/// What a stream held.
#[derive(Default)]
pub(super) struct Seen {
    /// Something of an answer.
    pub(super) answer: bool,
    /// How many tokens it took.
    pub(super) usage: bool,
    /// The end.
    pub(super) over: bool,
}

impl Seen {
    /// Takes one event's data.
    pub(super) fn take(&mut self, spoken: Spoken, data: &str) -> Result<(), String> {
        let failed = || Err("the stream holds an error".to_owned());
        if spoken == Spoken::Chat {
            self.over |= data.trim() == "[DONE]";
            let Ok(mut chunk) = serde_json::from_str::<Chunk>(data) else { return Ok(()) };
            if chunk.is_error() {
                return failed();
            }
            self.answer |= !chunk.choices.is_empty();
            self.usage |= chunk.take_usage().is_some();
            return Ok(());
        }
        let Ok(told) = serde_json::from_str::<Told>(data) else { return Ok(()) };
        let within = told.response.as_ref().or(told.message.as_ref());
        self.usage |= told.usage.is_some() || within.is_some_and(|within| within.usage.is_some());
        match told.kind.as_str() {
            "error" | "response.failed" => return failed(),
            "response.completed" | "response.incomplete" | "message_stop" => self.over = true,
            "message_start" => self.answer = true,
            kind => self.answer |= kind.starts_with("response."),
        }
        Ok(())
    }
}

/// What an event or a body of Responses or Messages tells, as far as it matters here.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Told {
    #[serde(rename = "type")]
    kind: String,
    usage: Option<IgnoredAny>,
    response: Option<Box<Self>>,
    message: Option<Box<Self>>,
    output: Option<Vec<IgnoredAny>>,
    content: Option<Vec<IgnoredAny>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(spoken: Spoken, events: &[&str]) -> Option<(bool, bool, bool)> {
        let mut seen = Seen::default();
        events.iter().try_for_each(|data| seen.take(spoken, data)).ok()?;
        Some((seen.answer, seen.usage, seen.over))
    }

    #[test]
    fn streams_are_followed_in_every_dialect() {
        use Spoken::{Chat, Messages, Responses};
        let chat = [r#"{"choices":[{"index":0,"delta":{"content":"ok"}}]}"#, "[DONE]"];
        assert_eq!(seen(Chat, &chat), Some((true, false, true)));
        let responses = [
            r#"{"type":"response.created","response":{"usage":null,"output":[]}}"#,
            r#"{"type":"response.incomplete","response":{"usage":{"input_tokens":1}}}"#,
        ];
        assert_eq!(seen(Responses, &responses[..1]), Some((true, false, false)));
        assert_eq!(seen(Responses, &responses), Some((true, true, true)));
        assert_eq!(seen(Responses, &[r#"{"type":"response.failed"}"#]), None);
        let messages = [
            r#"{"type":"message_start","message":{"content":[],"usage":{"input_tokens":1}}}"#,
            r#"{"type":"ping"}"#,
            r#"{"type":"message_stop"}"#,
        ];
        assert_eq!(seen(Messages, &messages[..2]), Some((true, true, false)));
        assert_eq!(seen(Messages, &messages), Some((true, true, true)));
        assert_eq!(seen(Messages, &[r#"{"type":"error","error":{}}"#]), None);
    }

    #[test]
    fn an_answer_of_another_dialect_is_none() {
        let of = |spoken| match spoken {
            Spoken::Chat => r#"{"choices":[{"message":{"content":"ok"}}]}"#,
            Spoken::Responses => r#"{"object":"response","output":[],"usage":null}"#,
            Spoken::Messages => r#"{"type":"message","content":[]}"#,
        };
        for asked in Spoken::ALL {
            for answered in Spoken::ALL {
                assert_eq!(is_answer(asked, of(answered).as_bytes()), asked == answered);
            }
            assert!(!is_answer(asked, b"{}") && !is_answer(asked, b"<html>"));
        }
    }
}
