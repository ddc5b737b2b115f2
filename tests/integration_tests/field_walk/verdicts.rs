//! What becomes of each field, and why.

use Verdict::{Carried, CarriedBy, Hint, Local, Lossy, Refused};
use aiapiproxy::translate::quirks::Preset;

/// What becomes of a field.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Any upstream gets it.
    Carried,
    /// Upstreams like this one get it.
    CarriedBy(Preset),
    /// Reported as lost or changed.
    Lossy,
    /// Reported as a hint without effect.
    Hint,
    /// The request is refused.
    Refused,
    /// Dealt with here.
    Local {
        /// In which way.
        how: &'static str,
        /// The test that shows it.
        test: &'static str,
    },
}

/// The first pattern that fits decides; `*` stands for anything.
pub(super) static VERDICTS: &[(&str, Verdict)] = &[
    // What no other vendor can do.
    ("/billing_policy[billing_policy]/bill_to=user_profile", Refused),
    ("/compaction*", Refused),
    ("/container/skills*", Refused),
    ("/mcp_servers*", Refused),
    ("/thread*", Refused),
    ("/tools[advisor_*", Refused),
    ("/tools[browser_toolset_*", Refused),
    ("/tools[code_execution_*", Refused),
    ("/tools[computer_*", Refused),
    ("/tools[mcp_toolset]*", Refused),
    ("/tools[tool_search_tool_*", Refused),
    ("/tools[web_fetch_*", Refused),
    ("/tools[web_search_*", Refused),
    ("/messages[user]/*/source[file]*", Refused),
    ("/messages*/content[container_upload]*", Refused),
    // Where only some upstreams take it: the address of a document.
    ("/messages[user]/content[document]/source[url]*", CarriedBy(Preset::OpenRouter)),
    ("/messages[user]/content[tool_result]/content[document]/source[url]*", CarriedBy(Preset::OpenRouter)),
    // Blocks in messages of a role that does not have them.
    ("/messages[assistant]/content[document]", Refused),
    ("/messages[assistant]/content[image]", Refused),
    ("/messages[assistant]/content[search_result]", Refused),
    ("/messages[assistant]/content[tool_addition]", Refused),
    ("/messages[assistant]/content[tool_removal]", Refused),
    ("/messages[assistant]/content[tool_result]", Refused),
    ("/messages[user]/content[compaction]", Hint),
    ("/messages[user]/content[fallback]", Hint),
    ("/messages[user]/content[mcp_tool_listing]", Hint),
    ("/messages[user]/content[mcp_tool_*", Refused),
    ("/messages[user]/content[redacted_thinking]", Refused),
    ("/messages[user]/content[server_tool_use]", Refused),
    ("/messages[user]/content[thinking]", Refused),
    ("/messages[user]/content[tool_addition]", Carried),
    ("/messages[user]/content[tool_removal]", Carried),
    ("/messages[user]/content[tool_use]", Refused),
    ("/messages[user]/content[*_tool_result]", Refused),
    // Tools that come and go in mid-conversation.
    ("/messages[system]/content[tool_*]/tool[mcp_*", Refused),
    ("/messages[system]*/definition/type=custom", SAME_KIND),
    ("/messages[system]*/definition/allowed_callers=direct", SAME_CALLERS),
    ("/messages[system]*/definition/allowed_callers=*", Lossy),
    (
        "/messages[system]*/definition/defer_loading",
        Local {
            how: "what is defined now is loaded now",
            test: "tools_defined_later_are_told_by_their_place",
        },
    ),
    ("/messages[system]*/definition/eager_input_streaming", Hint),
    ("/messages[system]*/definition/input_examples", Hint),
    ("/messages[system]*/definition/strict", CarriedBy(Preset::OpenAi)),
    // Anthropic's own client tools become functions, which is reported; its servers' tools do not.
    ("/messages[system]*/definition[bash_*", Lossy),
    ("/messages[system]*/definition[memory_*", Lossy),
    ("/messages[system]*/definition[text_editor_*", Lossy),
    ("/messages[system]*/definition[*", Refused),
    // Markers for caches, and other things that belong to Anthropic's servers, wherever they stand.
    ("/messages[assistant]/content[fallback]/*", Hint),
    ("/messages[assistant]/content[fallback]", Hint),
    ("/messages[assistant]/content[mcp_tool_listing]*", Hint),
    ("/messages[assistant]/content[mcp_tool_result]/content[text]/*_c*", Lossy),
    ("/messages[assistant]/content[mcp_tool_result]/content[text]/c*", Lossy),
    ("/messages[assistant]/content[*_tool_result]/content[*/cache_control*", Lossy),
    ("/messages[assistant]/content[*_tool_result]/content[*/citations*", Lossy),
    ("/messages[assistant]/content[*_tool_result]/content[*/transformations*", Lossy),
    ("*/cache_control*", Hint),
    ("*]/caller[*", Hint),
    ("*/toolset_name", Hint),
    ("*/transformations*", Hint),
    ("*/block_binding*", Hint),
    ("*content[text]/citations*", Hint),
    ("/system[text]/citations*", Hint),
    // The conversation.
    (
        "/messages[system]/clear_at=never",
        Local { how: "what is done without a word", test: "vector_06_cleared_system_message" },
    ),
    (
        "/messages[system]/clear_at=next_user_message",
        Local {
            how: "the message is left out when its time has come",
            test: "vector_06_cleared_system_message",
        },
    ),
    ("/messages[user]", Carried),
    ("/messages[assistant]", Carried),
    ("/messages[assistant]/content", Carried),
    ("/messages[assistant]/content[text]*", Carried),
    ("/messages[system]", Carried),
    ("/messages[system]/content", Carried),
    ("/messages[system]/content[text]*", Carried),
    ("/messages[system]/content[tool_*", Carried),
    ("/messages[system]/output_config/effort=*", Carried),
    ("/messages[user]/content*/content[document]/context", Lossy),
    ("/messages[user]/content[document]/context", Lossy),
    ("/messages[user]/content*/citations/enabled", Lossy),
    ("/messages[user]/content*/source[text]/media_type=*", Lossy),
    // Reported of the whole state, which becomes text.
    ("/messages[user]/content[tool_result]/content[browser_state]/tabs/active", Lossy),
    // Where a document becomes text, or images move behind the results, that is what is reported.
    ("/messages[user]/content*/source[content]/content[image]/source[base64]/media_type=*", Lossy),
    ("/messages[user]/content[tool_result]/content[*]/source[base64]/media_type=*", Lossy),
    ("/messages[user]/content*", Carried),
    // What the model said, and what Anthropic's servers did for it, which becomes text.
    ("/messages[assistant]/content[compaction]/content", Carried),
    // These stand in compactions without content, which failed and count for nothing; the golden file
    // `compaction_changes_the_tools` has one with content.
    ("/messages[assistant]/content[compaction]*", Hint),
    ("/messages[assistant]/content[redacted_thinking]*", Hint),
    ("/messages[assistant]/content[thinking]*", Hint),
    ("/messages[assistant]/content[tool_use]*", Carried),
    ("/messages[assistant]/content[code_execution_tool_result]/content[encrypted_*", Lossy),
    ("/messages[assistant]/content[*_result]/content[*_view_result]", Carried),
    ("/messages[assistant]/content[*_result]/content[*_view_result]/content", Carried),
    ("/messages[assistant]/content[web_fetch_*]/content[web_fetch_result]/url", Carried),
    ("/messages[assistant]/content[web_fetch_*]/*/source[text]", Carried),
    ("/messages[assistant]/content[web_fetch_*]/*/source[text]/data", Carried),
    ("/messages[assistant]/content[*_result]*/stdout", Carried),
    ("/messages[assistant]/content[*_result]*/stderr", Carried),
    ("/messages[assistant]/content[mcp_tool_result]/content*", Carried),
    ("/messages[assistant]/content[web_search_tool_result]/content[web_search_result]/title", Carried),
    ("/messages[assistant]/content[web_search_tool_result]/content[web_search_result]/url", Carried),
    ("/messages[assistant]/content[*_tool_result]*", Lossy),
    ("/messages[assistant]/content[mcp_tool_use]/server_name", Hint),
    ("/messages[assistant]/content[*_tool_use]/input", Carried),
    ("/messages[assistant]/content[mcp_tool_use]/name", Carried),
    ("/messages[assistant]/content[*_tool_use]*", Lossy),
    // Tools.
    ("/tools/allowed_callers=direct", SAME_CALLERS),
    ("/tools/allowed_callers=*", Lossy),
    ("/tools/defer_loading", Hint),
    ("/tools/eager_input_streaming", Hint),
    ("/tools/input_examples", Hint),
    ("/tools/strict", CarriedBy(Preset::OpenAi)),
    ("/tools/type=custom", SAME_KIND),
    ("/tools[text_editor_20250728]/max_characters", Carried),
    ("/tools[*/defer_loading", Hint),
    ("/tools[*/input_examples", Hint),
    // Anthropic's own client tools become functions, which is reported of the tool.
    ("/tools[*", Lossy),
    ("/tools*", Carried),
    (
        "/tool_choice[*/disable_parallel_tool_use",
        Local { how: "sent where it is known, and enforced on the answer", test: "vector_17_one_call" },
    ),
    ("/tool_choice*", Carried),
    // Settings.
    ("/max_tokens", Carried),
    (
        "/model",
        Local {
            how: "mapped to the upstream's name, and told back",
            test: "the_upstream_gets_its_own_name_of_the_model_and_the_client_the_one_it_asked_for",
        },
    ),
    ("/stop_sequences", Local { how: "searched for in the answer", test: "vector_18_stop_sequences" }),
    ("/stream=*", Carried),
    ("/system*", Carried),
    ("/metadata*", CarriedBy(Preset::OpenAi)),
    ("/output_config/effort=*", Carried),
    ("/output_config/format*", Carried),
    ("/output_config/task_budget*", Hint),
    ("/service_tier=auto", Local { how: "what the upstream does anyway", test: USUAL }),
    ("/service_tier=standard_only", CarriedBy(Preset::OpenAi)),
    ("/speed=fast", Lossy),
    ("/speed=standard", Local { how: "what the upstream does anyway", test: USUAL }),
    ("/thinking[adaptive]", Local { how: "what a model that reasons does anyway", test: USUAL }),
    ("/thinking[between_tools]", Lossy),
    ("/thinking[disabled]", Carried),
    (
        "/thinking[*]/display=summarized",
        Local { how: "reasoning is shown as it comes", test: "vector_31_reasoning_echo" },
    ),
    ("/thinking[*]/display=omitted", Local { how: "blocks without text", test: "vector_31_reasoning_echo" }),
    ("/thinking[*]/display=updates", Lossy),
    ("/thinking[enabled]*", CarriedBy(Preset::OpenRouter)),
    // Hints to Anthropic's servers.
    ("/betas", Hint),
    ("/billing_policy*", Hint),
    ("/container*", Hint),
    ("/context_management*", Hint),
    ("/diagnostics*", Hint),
    ("/fallback_credit_token*", Hint),
    ("/fallbacks*", Hint),
    ("/inference_geo", Lossy),
    // The SDK sends these two as headers; in a body they are unknown.
    ("/user_profile_id", Lossy),
    ("/workspace_id", Lossy),
];

const SAME_KIND: Verdict = Local { how: "what a tool without a type is", test: USUAL };
const SAME_CALLERS: Verdict = Local { how: "what a tool without callers has", test: USUAL };
const USUAL: &str = "what_is_usual_anyway_changes_nothing";
