//! The bodies of failures: OpenAI's, Azure's, OpenRouter's, vLLM's, `FastAPI`'s, llama.cpp's, Ollama's, Mistral's,
//! Gemini's, Anthropic's, and those of proxies in between (protocol.md §5.4).

use crate::protocol::anthropic::error::ErrorKind;
use crate::translate::json_object::Members;
use crate::translate::wording::plain;
use serde_json::value::RawValue;

/// What an answer is that should have been an object.
pub(in crate::translate) fn no_object(body: &[u8]) -> &'static str {
    if body.trim_ascii_start().starts_with(b"<") {
        "the answer is a web page and no JSON; does the base URL lead to the API (most end in /v1)?"
    } else {
        "the answer is no JSON object"
    }
}

/// What a body says, in whatever shape.
#[derive(Debug, Default)]
pub(in crate::translate) struct Described {
    /// The text for people.
    pub(super) message: Option<String>,
    /// Whether the body is JSON at all.
    pub(super) is_json: bool,
    /// The kind, where the body has Anthropic's own shape.
    pub(super) kind: Option<ErrorKind>,
    /// `param`: which member of the request is meant, in lower case.
    pub(in crate::translate) param: String,
    /// The message as wordings are compared: see [`plain`].
    text: String,
    /// `code`, if it is a word.
    code: Option<String>,
    /// `type`, `code` and `status`, and Azure's inner `code`, lower case, space between.
    words: String,
    /// A number among them that is a status.
    number: Option<u16>,
    /// llama.cpp: tokens of the prompt.
    pub(super) prompt_tokens: Option<u64>,
    /// llama.cpp: tokens that fit.
    pub(super) context_tokens: Option<u64>,
}

impl Described {
    /// Whether the type, the code or the text holds this word, which must be lower case.
    pub(super) fn mentions(&self, word: &str) -> bool {
        self.words.contains(word) || self.text.contains(word)
    }

    /// The message as wordings are compared.
    pub(in crate::translate) fn text(&self) -> &str {
        &self.text
    }

    /// The code in brackets, where it is a word that the message does not hold already.
    pub(super) fn code_suffix(&self, message: &str) -> String {
        let code = self.code.as_deref().filter(|code| !message.contains(code));
        code.map(|code| format!(" ({code})")).unwrap_or_default()
    }

    /// The status that fits, for failures inside of an answer with status 200.
    pub(super) fn status(&self) -> Option<u16> {
        const STATUS_WORDS: [(&str, u16); 16] = [
            ("insufficient_quota", 402),
            ("rate_limit", 429),
            ("overloaded", 529),
            ("slow_down", 529),
            ("server_error", 500),
            ("invalid_prompt", 400),
            ("data_residency_mismatch", 400),
            ("policy", 400),
            // OpenAI has a dozen codes for what may be wrong with an image.
            ("image", 400),
            ("context_length_exceeded", 400),
            ("exceed_context_size", 400),
            ("invalid_request", 400),
            ("badrequest", 400),
            ("authentication", 401),
            ("not_found", 404),
            ("timeout", 504),
        ];
        self.number.or_else(|| {
            STATUS_WORDS.iter().find(|(word, _)| self.words.contains(word)).map(|(_, status)| *status)
        })
    }
}

/// Reads a body. Anything that is no JSON object is described by nothing.
pub(in crate::translate) fn describe(body: &[u8]) -> Described {
    let Ok(value) = serde_json::from_slice::<&RawValue>(body) else { return Described::default() };
    let value = first_of(value);
    let Some(members) = Members::read(value) else {
        return Described { is_json: true, ..Described::default() };
    };
    match members.get("error").filter(|error| error.get() != "null") {
        Some(error) => match Members::read(error) {
            Some(inner) => Described { kind: anthropic_kind(&members, &inner), ..described(&inner) },
            None => said(message(error)),
        },
        None => described(&members),
    }
}

/// A JSON body that holds a message, or not even that.
fn said(message: Option<String>) -> Described {
    let text = message.as_deref().map(plain).unwrap_or_default();
    Described { message, text, is_json: true, ..Described::default() }
}

/// The kind that a body of Anthropic's shape names, if it is one of Anthropic's.
fn anthropic_kind(outer: &Members<'_>, inner: &Members<'_>) -> Option<ErrorKind> {
    let word = |members: &Members<'_>| members.get("type").and_then(text);
    if word(outer)? != "error" {
        return None;
    }
    match (word(inner)?.as_str(), inner.get("type")?) {
        ("api_error", _) => Some(ErrorKind::Api),
        // A kind that is not known reads as `api_error`.
        (_, kind) => serde_json::from_str(kind.get()).ok().filter(|kind| *kind != ErrorKind::Api),
    }
}

/// Gemini wraps its failures in an array.
fn first_of(value: &RawValue) -> &RawValue {
    let items: Option<Vec<&RawValue>> = serde_json::from_str(value.get()).ok();
    items.and_then(|items| items.first().copied()).unwrap_or(value)
}

fn described(members: &Members<'_>) -> Described {
    let number = |name| members.get(name).and_then(text).and_then(|text| text.parse::<u64>().ok());
    let inner = members.get("innererror").and_then(Members::read);
    let inner_code = inner.and_then(|inner| inner.get("code"));
    let words: Vec<String> = ["type", "code", "status"]
        .into_iter()
        .filter_map(|name| members.get(name))
        .chain(inner_code)
        .filter_map(text)
        .map(|word| word.to_ascii_lowercase())
        .collect();
    // OpenRouter's own message only says that the provider failed; the provider's stands in `metadata.raw`.
    let metadata = members.get("metadata").and_then(Members::read);
    let raw = metadata.and_then(|metadata| metadata.get("raw")).and_then(message);
    let message = raw.or_else(|| {
        ["message", "detail", "error"].into_iter().find_map(|name| members.get(name).and_then(message))
    });
    let is_word = |code: &String| {
        let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
        code.len() <= 64 && code.bytes().all(legal) && code.bytes().any(|b| b.is_ascii_alphabetic())
    };
    let status = ["code", "statusCode", "raw_status_code"].into_iter().find_map(number);
    let param = members.get("param").and_then(text).map(|param| plain(&param)).unwrap_or_default();
    // A gateway is known that puts the whole text into `param`.
    let talkative = Some(&param).filter(|param| param.contains(' '));
    Described {
        text: message.iter().map(|it| plain(it)).chain(talkative.cloned()).collect::<Vec<_>>().join(" "),
        param,
        kind: None,
        message,
        is_json: true,
        code: members.get("code").and_then(text).filter(is_word),
        words: words.join(" "),
        number: status.and_then(|code| u16::try_from(code).ok()).filter(|code| (400..600).contains(code)),
        prompt_tokens: number("n_prompt_tokens"),
        context_tokens: number("n_ctx"),
    }
}

/// A text for people: anything but markup, which proxies in between wrap into JSON.
fn message(value: &RawValue) -> Option<String> {
    // DashScope's texts begin with `<400>`.
    let is_markup = |text: &str| {
        text.trim_start()
            .strip_prefix('<')
            .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    text(value).filter(|text| !is_markup(text))
}

/// A string's text, or another value's JSON. `null` and blank texts are none.
fn text(value: &RawValue) -> Option<String> {
    let text = serde_json::from_str::<String>(value.get()).unwrap_or_else(|_| value.get().to_owned());
    (!text.trim().is_empty() && text != "null").then_some(text)
}
