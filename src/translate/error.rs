//! Errors: an upstream's failure, in any of their shapes, as one of Anthropic's (protocol.md §5).
//!
//! The dialects of upstreams share these shapes, and servers mix them, so all dialects share this module.

mod body;
mod content_filter;
mod limits;

use super::context::Context;
use super::wording;
use crate::protocol::anthropic::error::{Error, ErrorKind};
pub(super) use body::{Described, describe, no_object};
pub use content_filter::filtered;
pub(super) use content_filter::of_policy;
pub(super) use limits::{Limit, limit};
use serde_json::value::RawValue;

/// Longest text of an upstream that a message repeats, in characters.
const MAX_MESSAGE_CHARS: usize = 2_000;
/// Longest `retry-after` in seconds that a client should wait out. The SDKs would sleep for a day if told so.
const MAX_RETRY_AFTER_SECONDS: u64 = 60;

/// An upstream's answer with a status other than 200.
#[derive(Debug, Clone, Copy, Default)]
pub struct UpstreamAnswer<'a> {
    /// The status.
    pub status: u16,
    /// `retry-after`, in seconds or as a date; `now_unix_seconds` is needed for the latter.
    pub retry_after: Option<&'a str>,
    /// `retry-after-ms`.
    pub retry_after_ms: Option<&'a str>,
    /// The time, for dates in `retry-after`.
    pub now_unix_seconds: u64,
    /// The body, or its beginning.
    pub body: &'a [u8],
    /// The key that was refused is the client's own (`auth = "passthrough"`), so a 401 is the client's.
    pub client_key: bool,
}

/// What was asked of the upstream, as far as the messages of failures need it.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// The upstream's name.
    pub upstream: String,
    /// The model that the client asked for.
    pub requested_model: String,
    /// The most tokens that the upstream was asked for.
    pub max_tokens: Option<u64>,
    /// About how many tokens the request has.
    pub input_estimate: u64,
}

impl Asked {
    /// A request of which nothing is known but where it went.
    pub fn of(upstream: impl Into<String>) -> Self {
        Self { upstream: upstream.into(), ..Self::default() }
    }
}

impl From<&Context> for Asked {
    fn from(context: &Context) -> Self {
        Self {
            upstream: context.upstream.clone(),
            requested_model: context.requested_model.clone(),
            max_tokens: context.sent.max_tokens,
            input_estimate: context.input_estimate,
        }
    }
}

/// Translates a failure. Status, kind and hints are Anthropic's; the message names the upstream and holds no
/// markup. The caller masks secrets.
pub fn error(answer: &UpstreamAnswer<'_>, asked: &Asked) -> Error {
    let described = describe(answer.body);
    let mut error = classify(answer.status, &described, asked);
    if answer.status == 401 && answer.client_key {
        error = Error { status: 401, kind: ErrorKind::Authentication, should_retry: None, ..error };
    }
    error.retry_after_seconds = retry_after(answer, &described);
    if error.retry_after_seconds.is_some_and(|seconds| seconds > MAX_RETRY_AFTER_SECONDS) {
        error.should_retry = Some(false);
    }
    error
}

/// A failure that came inside an answer with status 200: the value of its `error` member.
pub(super) fn in_band(error: &RawValue, asked: &Asked) -> Error {
    in_band_body(format!("{{\"error\":{}}}", error.get()).as_bytes(), asked)
}

/// A failure that came as the body of an answer with status 200, or as an event of a stream.
pub(super) fn in_band_body(body: &[u8], asked: &Asked) -> Error {
    let described = describe(body);
    let of_kind = |kind: ErrorKind| if kind == ErrorKind::Api { 502 } else { kind.status() };
    let status = described.kind.map(of_kind).or_else(|| described.status());
    classify(status.unwrap_or(502), &described, asked)
}

fn classify(status: u16, described: &Described, asked: &Asked) -> Error {
    let said = described.message.as_deref().map(cut);
    let of_limit = limit(status, described, asked);
    if let Some(message) =
        of_limit.and_then(|limit| limit.message(said.as_deref().unwrap_or("no reason"), asked))
    {
        return Error::invalid_request(message);
    }
    if let (Some(kind), Some(said)) = (described.kind, &said)
        && status != 401
    {
        return as_anthropic_says(kind, status, said);
    }
    let upstream = &asked.upstream;
    let (kind, our_status) = kind_and_status(status, described);
    let message = match said {
        _ if status == 401 => {
            let said = said.map(|said| format!(": {said}")).unwrap_or_default();
            format!("{upstream} refused the key (401){said}")
        }
        Some(said) => format!("{upstream}: {said}{}", described.code_suffix(&said)),
        None if (300..400).contains(&status) => {
            format!("{upstream}: {status} redirects are not followed; check the upstream's base URL")
        }
        None if described.is_json => format!("{upstream}: {status} from upstream without a message"),
        None => format!("{upstream}: {status} from upstream (non-JSON body)"),
    };
    with_hint(Error::new(kind, message).with_status(our_status), status)
}

/// A failure that is Anthropic's already, but for a status that does not fit.
fn as_anthropic_says(kind: ErrorKind, status: u16, said: &str) -> Error {
    let fits = match kind {
        ErrorKind::Api => (500..600).contains(&status),
        ErrorKind::Timeout => matches!(status, 408 | 504),
        kind => status == kind.status(),
    };
    let own = if kind == ErrorKind::Api { 502 } else { kind.status() };
    with_hint(Error::new(kind, said).with_status(if fits { status } else { own }), status)
}

/// What no other try would mend.
fn with_hint(mut error: Error, status: u16) -> Error {
    if status == 401 || error.kind == ErrorKind::Billing {
        error.should_retry = Some(false);
    }
    error
}

fn kind_and_status(status: u16, described: &Described) -> (ErrorKind, u16) {
    let says = |words: &[&str]| words.iter().any(|word| described.mentions(word));
    match status {
        // Our own key: the client cannot mend that.
        401 => (ErrorKind::Api, 500),
        402 => (ErrorKind::Billing, 402),
        429 if says(&["insufficient_quota"]) => (ErrorKind::Billing, 402),
        400 | 429 if says(&["billing_hard_limit_reached", "billing_not_active"]) => (ErrorKind::Billing, 402),
        403 => (ErrorKind::Permission, 403),
        404 => (ErrorKind::NotFound, 404),
        400 if says(&["model_not_found", "deploymentnotfound"]) => (ErrorKind::NotFound, 404),
        // Groq: the model wrote a bad call; another try may do better.
        400 if says(&["tool_use_failed"]) => (ErrorKind::Api, 500),
        408 => (ErrorKind::Timeout, 408),
        409 => (ErrorKind::InvalidRequest, 409),
        // Groq says 413 also for tokens per minute.
        413 if says(&["rate_limit_exceeded", "tokens per minute"]) => (ErrorKind::RateLimit, 429),
        413 => (ErrorKind::TooLarge, 413),
        429 => (ErrorKind::RateLimit, 429),
        498 | 529 => (ErrorKind::Overloaded, 529),
        503 if says(&["overloaded", "slow_down"]) => (ErrorKind::Overloaded, 529),
        // llama.cpp answers 500 to an image that the model cannot see.
        500 if says(&["image input is not supported"]) => (ErrorKind::InvalidRequest, 400),
        504 => (ErrorKind::Timeout, 504),
        400..=499 => (ErrorKind::InvalidRequest, 400),
        500..=599 => (ErrorKind::Api, status),
        _ => (ErrorKind::Api, 502),
    }
}

fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || *c == '\n').take(MAX_MESSAGE_CHARS).collect()
}

fn retry_after(answer: &UpstreamAnswer<'_>, described: &Described) -> Option<u64> {
    if let Some(milliseconds) = answer.retry_after_ms.and_then(|text| text.trim().parse::<u64>().ok()) {
        return Some(milliseconds.div_ceil(1_000));
    }
    let Some(text) = answer.retry_after.map(str::trim) else {
        // Azure's gateway says it in words.
        let said = wording::find("retry after {limit} second", described.text());
        return said.filter(|_| matches!(answer.status, 429 | 503))?.limit;
    };
    if let Some(seconds) = whole_seconds(text) {
        return Some(seconds);
    }
    let date = httpdate::parse_http_date(text).ok()?;
    let at = date.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs();
    Some(at.saturating_sub(answer.now_unix_seconds))
}

/// Seconds, perhaps with a fraction, rounded up.
fn whole_seconds(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let more = fraction.bytes().any(|digit| digit != b'0');
    let seconds: u64 = whole.parse().ok()?;
    fraction.bytes().all(|digit| digit.is_ascii_digit()).then(|| seconds.saturating_add(u64::from(more)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn up() -> Asked {
        Asked::of("up")
    }

    fn check(status: u16, body: &str, expected_status: u16, kind: ErrorKind, message: &str) {
        let error = error(&UpstreamAnswer { status, body: body.as_bytes(), ..Default::default() }, &up());
        assert_eq!(
            (error.status, error.kind, error.message.as_str()),
            (expected_status, kind, message),
            "{body}"
        );
    }

    #[test]
    fn every_shape_of_body_is_read() {
        use ErrorKind::{Api, InvalidRequest, NotFound, RateLimit};
        check(
            400,
            r#"{"error":{"message":"bad","type":"invalid_request_error","code":null}}"#,
            400,
            InvalidRequest,
            "up: bad",
        );
        check(
            400,
            r#"[{"error":{"code":400,"message":"bad","status":"INVALID_ARGUMENT"}}]"#,
            400,
            InvalidRequest,
            "up: bad",
        );
        check(
            404,
            r#"{"object":"error","message":"no model","type":"NotFoundError","code":404}"#,
            404,
            NotFound,
            "up: no model",
        );
        check(422, r#"{"detail":"bad"}"#, 400, InvalidRequest, "up: bad");
        check(
            422,
            r#"{"detail":[{"loc":["body","x"],"msg":"field required"}]}"#,
            400,
            InvalidRequest,
            r#"up: [{"loc":["body","x"],"msg":"field required"}]"#,
        );
        check(500, r#"{"error":"template"}"#, 500, Api, "up: template");
        check(
            429,
            r#"{"statusCode":429,"message":"retry after 7 seconds"}"#,
            429,
            RateLimit,
            "up: retry after 7 seconds",
        );
        check(
            400,
            r#"{"object":"error","message":{"detail":[{"msg":"x"}]}}"#,
            400,
            InvalidRequest,
            r#"up: {"detail":[{"msg":"x"}]}"#,
        );
        check(
            429,
            r#"{"error":{"code":429,"message":"Provider returned error","metadata":{"raw":"slow down"}}}"#,
            429,
            RateLimit,
            "up: slow down",
        );
        check(502, "<html><h1>Bad Gateway</h1>", 502, Api, "up: 502 from upstream (non-JSON body)");
        check(503, "", 503, Api, "up: 503 from upstream (non-JSON body)");
        check(307, "", 502, Api, "up: 307 redirects are not followed; check the upstream's base URL");
    }

    #[test]
    fn statuses_say_whose_fault_it_is() {
        use ErrorKind::{Api, Billing, InvalidRequest, NotFound, Overloaded, RateLimit};
        check(
            401,
            r#"{"error":{"message":"Incorrect key"}}"#,
            500,
            Api,
            "up refused the key (401): Incorrect key",
        );
        check(
            429,
            r#"{"error":{"message":"m","code":"insufficient_quota"}}"#,
            402,
            Billing,
            "up: m (insufficient_quota)",
        );
        check(
            400,
            r#"{"error":{"message":"m","code":"model_not_found"}}"#,
            404,
            NotFound,
            "up: m (model_not_found)",
        );
        check(
            413,
            r#"{"error":{"message":"Limit: tokens per minute (TPM)"}}"#,
            429,
            RateLimit,
            "up: Limit: tokens per minute (TPM)",
        );
        check(
            503,
            r#"{"error":{"message":"The engine is overloaded"}}"#,
            529,
            Overloaded,
            "up: The engine is overloaded",
        );
        check(
            500,
            r#"{"error":{"message":"image input is not supported"}}"#,
            400,
            InvalidRequest,
            "up: image input is not supported",
        );
        let refused = error(&UpstreamAnswer { status: 401, client_key: true, ..Default::default() }, &up());
        assert_eq!((refused.status, refused.should_retry), (401, None));
        let own = error(&UpstreamAnswer { status: 401, ..Default::default() }, &up());
        assert_eq!(own.should_retry, Some(false));
    }

    #[test]
    fn long_waits_are_not_left_to_the_sdks() {
        let wait = |retry_after, retry_after_ms| {
            let answer = UpstreamAnswer {
                status: 429,
                retry_after,
                retry_after_ms,
                now_unix_seconds: 784_111_770,
                ..Default::default()
            };
            let error = error(&answer, &up());
            (error.retry_after_seconds, error.should_retry)
        };
        assert_eq!(wait(Some("7"), None), (Some(7), None));
        assert_eq!(wait(Some("86400"), None), (Some(86_400), Some(false)));
        assert_eq!(wait(Some("Sun, 06 Nov 1994 08:49:37 GMT"), None), (Some(7), None));
        assert_eq!(wait(Some("9"), Some("1500")), (Some(2), None));
        assert_eq!(wait(Some("1.25"), None), (Some(2), None));
        assert_eq!(wait(Some("3.0"), None), (Some(3), None));
        assert_eq!(wait(Some("soon"), None), (None, None));
    }

    #[test]
    fn failures_inside_of_an_answer_find_their_status() {
        let status = |body: &str| in_band_body(body.as_bytes(), &up()).status;
        assert_eq!(status(r#"{"error":{"code":429,"message":"m"}}"#), 429);
        assert_eq!(status(r#"{"error":{"code":"502","message":"m"}}"#), 502);
        assert_eq!(status(r#"{"error":{"type":"rate_limit_error","message":"m"}}"#), 429);
        assert_eq!(status(r#"{"error":{"type":"overloaded_error","message":"m"}}"#), 529);
        assert_eq!(status(r#"{"error":{"type":"BadRequestError","message":"m"}}"#), 400);
        assert_eq!(status(r#"{"error":"boom"}"#), 502);
        assert_eq!(status("no json"), 502);
    }
}
