//! Prompts that the upstream's content filter refuses: a failure, or a refusal where the configuration says so.

use super::{CANARY, Exchange, Gateway, failure, json, message, refused};
use crate::support::bodies::request;
use crate::support::serving::{answer, streamed};

fn filtered() -> Exchange {
    refused(
        400,
        json!({
            "message": format!("The response was filtered due to the prompt ({CANARY})"), "code": "content_filter",
            "innererror": {"code": "ResponsibleAIPolicyViolation"},
        }),
    )
}

#[test]
fn a_filtered_prompt_is_a_failure_unless_something_else_is_said() {
    for toml in ["", "[upstream]\ncontent_filter = \"error\"\n"] {
        let gateway = Gateway::with_config(vec![filtered(), filtered()], toml);
        for stream in [false, true] {
            let error = failure(gateway.post(request("hi", stream)), 400, "invalid_request_error");
            assert!(
                message(&error).contains("was filtered") && message(&error).contains("content_filter"),
                "{error}"
            );
        }
        gateway.end();
    }
}

#[test]
fn a_filtered_prompt_is_a_refusal_where_that_is_wanted() {
    let toml = "[upstream]\ncontent_filter = \"refusal\"\n";
    let other = refused(400, json!({"message": "no", "code": "invalid_value"}));
    let gateway = Gateway::with_config(vec![filtered(), filtered(), other], toml);
    let message = answer(gateway.post(request("hi", false)));
    assert_eq!((&message["stop_reason"], &message["content"]), (&json!("refusal"), &json!([])));
    assert_eq!(message["model"], "claude-sonnet-5-5");
    let explanation = message["stop_details"]["explanation"].as_str().unwrap();
    assert!(explanation.contains("was filtered") && !explanation.contains(CANARY), "{explanation}");
    assert!(message["usage"]["input_tokens"].as_u64() > Some(0));

    let message = streamed(gateway.post(request("hi", true)));
    assert_eq!(message.stop_reason.as_deref(), Some("refusal"));
    assert_eq!(message.text(), "");
    failure(gateway.post(request("hi", true)), 400, "invalid_request_error");
    let stderr = gateway.end();
    assert!(stderr.contains("stop_reason=\"refusal\""), "{stderr}");
}
