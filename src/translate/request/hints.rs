//! Members at the top that no other vendor's server can serve, and members without effect.

use super::tools;
use crate::protocol::anthropic::error::{Error, ErrorDetails};
use crate::protocol::anthropic::request::{Container, Request};
use crate::translate::report::{Kind, Report, step};

/// Anthropic's own limit.
const MAX_MESSAGES: usize = 100_000;
/// Every byte of the answer is compared with every sequence.
const MAX_SEQUENCES: usize = 256;
const MAX_SEQUENCE_BYTES: usize = 64 << 10;

/// What no other vendor's server can do.
pub(super) fn refuse_unsupported(request: &Request) -> Result<(), Error> {
    let refuse = |message: &str| Err(Error::invalid_request(message));
    if request.messages.is_empty() {
        return refuse("messages: at least one message is required");
    }
    if request.messages.len() > MAX_MESSAGES {
        return refuse("messages: 100,000 messages are the most, as with Anthropic's API");
    }
    let sequences = request.stop_sequences.as_deref().unwrap_or_default();
    if sequences.len() > MAX_SEQUENCES
        || sequences.iter().map(String::len).sum::<usize>() > MAX_SEQUENCE_BYTES
    {
        return refuse("stop_sequences: 256 sequences of 64 KiB in all are the most");
    }
    if request.thread.is_some() {
        // The SDKs' tool runners send threads by default and resend everything when told so by this code.
        return Err(Error {
            details: Some(ErrorDetails {
                error_code: "thread_unsupported_request",
                unsupported: &["thread"],
            }),
            ..Error::invalid_request(
                "thread: server-side threads are not kept here; send the whole conversation",
            )
        });
    }
    if request.mcp_servers.as_ref().is_some_and(|servers| !servers.is_empty()) {
        return refuse("mcp_servers: remote MCP servers cannot be called here; connect them in the client");
    }
    if request.compaction.is_some() {
        return refuse("compaction: this gateway does not summarise conversations; ask the model to");
    }
    if let Some(Container::Described { skills: 1.. }) = request.container {
        return refuse("container.skills: skills need Anthropic's code execution");
    }
    if request.container.is_some() && tools::needs_container(request.tools.as_deref().unwrap_or_default()) {
        return refuse("container: code execution needs Anthropic's servers");
    }
    if request.billing_policy.as_ref().and_then(|it| it.bill_to.as_deref()) == Some("user_profile") {
        return refuse("billing_policy.bill_to: user profiles are unknown here");
    }
    Ok(())
}

/// Members without effect on the answer, and members nobody knows.
pub(super) fn report_hints(request: &Request, report: &mut Report) {
    let hints = [
        ("cache_control", request.cache_control.is_some()),
        ("container", request.container.is_some()),
        ("context_management", request.context_management.is_some()),
        ("fallbacks", request.fallbacks.is_some()),
        ("fallback_credit_token", request.fallback_credit_token.is_some()),
        ("diagnostics", request.diagnostics.is_some()),
        ("billing_policy", request.billing_policy.is_some()),
        ("safeguards", request.safeguards.is_some()),
        ("anthropic_beta", request.anthropic_beta.is_some()),
        ("anthropic_version", request.anthropic_version.is_some()),
        ("betas", request.betas.is_some()),
    ];
    for (name, _) in hints.into_iter().filter(|(_, present)| *present) {
        report.add(format!("/{name}"), Kind::Ignored, "no effect on another vendor's model");
    }
    if request.inference_geo.is_some() {
        report.add("/inference_geo", Kind::Dropped, "the upstream runs where it runs");
    }
    report_unknown(&request.unknown, &"", report);
    let nested = [
        ("/metadata", request.metadata.as_ref().map(|it| &it.unknown)),
        ("/thinking", request.thinking.as_ref().map(|it| &it.unknown)),
        ("/output_config", request.output_config.as_ref().map(|it| &it.unknown)),
        ("/tool_choice", request.tool_choice.as_ref().map(|it| &it.unknown)),
    ];
    for (pointer, unknown) in nested {
        report_unknown(unknown.map_or(&[], Vec::as_slice), &pointer, report);
    }
    if request.output_config.as_ref().is_some_and(|it| it.task_budget.is_some()) {
        report.add("/output_config/task_budget", Kind::Ignored, "the upstream knows no budget for a task");
    }
}

/// Members that stood at `pointer` and that no type knows.
pub(super) fn report_unknown(unknown: &[String], pointer: &impl std::fmt::Display, report: &mut Report) {
    for name in unknown {
        report.add(format!("{pointer}/{}", step(name)), Kind::Dropped, "unknown member");
    }
}
