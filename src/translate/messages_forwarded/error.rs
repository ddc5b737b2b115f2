//! Errors: those of any upstream; Anthropic's own keep their type and text.

use crate::protocol::anthropic::error::Error;
use crate::translate::error::{self, Asked, UpstreamAnswer};

/// What a failure is to the client. Status, kind and hints are Anthropic's. The caller masks secrets.
///
/// An upstream that speaks of a failure in Anthropic's envelope is repeated word for word, unless the context is full
/// and it says so in other words than agents know.
pub fn error(answer: &UpstreamAnswer<'_>, upstream: &str) -> Error {
    error::error(answer, &Asked::of(upstream))
}

/// A failure that came inside an answer with status 200, or as an event.
pub(super) fn in_band(body: &[u8], upstream: &str) -> Error {
    error::in_band_body(body, &Asked::of(upstream))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::anthropic::error::ErrorKind;

    fn check(status: u16, body: &str, expected: (u16, ErrorKind, &str)) {
        let answer = UpstreamAnswer { status, body: body.as_bytes(), ..Default::default() };
        let error = error(&answer, "up");
        assert_eq!((error.status, error.kind, error.message.as_str()), expected, "{body}");
    }

    fn own(kind: &str, message: &str) -> String {
        format!(
            r#"{{"type":"error","error":{{"type":"{kind}","message":"{message}"}},"request_id":"req_up"}}"#
        )
    }

    #[test]
    fn anthropics_own_envelope_keeps_type_and_text() {
        use ErrorKind::{Api, InvalidRequest, NotFound, Overloaded, RateLimit, Timeout};
        check(400, &own("invalid_request_error", "no"), (400, InvalidRequest, "no"));
        check(422, &own("invalid_request_error", "no"), (400, InvalidRequest, "no"));
        check(404, &own("not_found_error", "model: x"), (404, NotFound, "model: x"));
        check(429, &own("rate_limit_error", "slow"), (429, RateLimit, "slow"));
        check(503, &own("overloaded_error", "full"), (529, Overloaded, "full"));
        check(503, &own("api_error", "bug"), (503, Api, "bug"));
        check(418, &own("api_error", "bug"), (502, Api, "bug"));
        check(408, &own("timeout_error", "late"), (408, Timeout, "late"));
    }

    #[test]
    fn a_refused_key_of_ours_is_not_the_clients_fault() {
        check(
            401,
            &own("authentication_error", "bad key"),
            (500, ErrorKind::Api, "up refused the key (401): bad key"),
        );
    }

    #[test]
    fn other_shapes_are_translated() {
        use ErrorKind::{Api, InvalidRequest};
        check(400, &own("BadRequestError", "no"), (400, InvalidRequest, "up: no"));
        check(400, r#"{"error":{"message":"no"}}"#, (400, InvalidRequest, "up: no"));
        check(502, "<html>", (502, Api, "up: 502 from upstream (non-JSON body)"));
        check(400, "", (400, InvalidRequest, "up: 400 from upstream (non-JSON body)"));
    }

    #[test]
    fn a_full_context_is_told_in_the_words_that_agents_know() {
        let said = "prompt is too long: 9 tokens > 8 maximum";
        check(400, &own("invalid_request_error", said), (400, ErrorKind::InvalidRequest, said));
        let body = r#"{"type":"error","error":{"type":"invalid_request_error","message":"This model's maximum context length is 8 tokens. However, you requested 9 tokens (9 in the messages, 0 in the completion)."}}"#;
        let answer = UpstreamAnswer { status: 400, body: body.as_bytes(), ..Default::default() };
        assert!(error(&answer, "up").message.starts_with("prompt is too long: 9 tokens > 8"));
    }

    #[test]
    fn failures_in_band_have_a_status_too() {
        let error = in_band(own("overloaded_error", "full").as_bytes(), "up");
        assert_eq!((error.status, error.kind, error.message.as_str()), (529, ErrorKind::Overloaded, "full"));
        assert_eq!(in_band(own("api_error", "x").as_bytes(), "up").status, 502);
        assert_eq!(in_band(br#"{"error":{"message":"x","code":429}}"#, "up").message, "up: x");
        assert_eq!(in_band(b"garbage", "up").status, 502);
    }
}
