//! Filtered prompts: an upstream that will not even read the request, as Azure's content filter does.

use super::body::{Described, describe};
use super::{Asked, UpstreamAnswer};
use crate::protocol::anthropic::response::{Message, StopDetails, StopReason, Usage};
use crate::translate::delta::Finish;
use serde_json::value::RawValue;

/// What upstreams call it: Azure, OpenAI, and OpenAI's usage policies.
const WORDS: [&str; 7] = [
    "content_filter",
    "responsibleaipolicyviolation",
    "content_policy_violation",
    "bio_policy",
    "cyber_policy",
    "misalignment_policy_violation",
    "your prompt was flagged as potentially violating",
];

/// The refusal that stands for the failure, if the failure is that the prompt was filtered: clients show it like
/// a refusal by the model itself.
pub fn filtered(answer: &UpstreamAnswer<'_>, message_id: String, asked: &Asked) -> Option<Message> {
    let described = describe(answer.body);
    if answer.status != 400 || !is_policy(&described) {
        return None;
    }
    let usage = Usage { input_tokens: asked.input_estimate, ..Usage::default() };
    let mut message = Message::empty(message_id, asked.requested_model.clone(), usage);
    message.stop_reason = Some(StopReason::Refusal);
    message.stop_details = Some(StopDetails::refusal(explanation(&described)));
    Some(message)
}

/// The end of an answer that a policy of the upstream forbade under way, if this failure says that one did: the
/// value of an `error` member.
pub(in crate::translate) fn of_policy(error: &RawValue) -> Option<Finish> {
    let described = describe(error.get().as_bytes());
    is_policy(&described).then(|| Finish::Filter(explanation(&described)))
}

fn is_policy(described: &Described) -> bool {
    WORDS.iter().any(|word| described.mentions(word))
}

fn explanation(described: &Described) -> Option<String> {
    described.message.as_deref().map(super::cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_filtered_prompts_are_refusals() {
        let refusal = |status, body: &str| {
            let answer = UpstreamAnswer { status, body: body.as_bytes(), ..UpstreamAnswer::default() };
            filtered(&answer, "msg_1".to_owned(), &Asked::default())
        };
        let azure = r#"{"error":{"message":"The response was filtered","code":"content_filter"}}"#;
        let message = refusal(400, azure).unwrap();
        assert_eq!((message.stop_reason, message.content.len()), (Some(StopReason::Refusal), 0));
        let explanation = message.stop_details.unwrap().explanation;
        assert_eq!(explanation.as_deref(), Some("The response was filtered"));
        let inner = r#"{"error":{"message":"x","innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#;
        assert!(refusal(400, inner).is_some());
        assert!(refusal(500, azure).is_none());
        assert!(refusal(400, r#"{"error":{"message":"x","code":"invalid_value"}}"#).is_none());
    }
}
