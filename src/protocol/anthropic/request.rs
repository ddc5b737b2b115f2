//! The request of `POST /v1/messages`, and of `count_tokens`, which has the same members less the sampling.

use super::block::Content;
use super::error::Error;
use crate::protocol::json::{self, Escaped};
use crate::protocol::object::Word;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

object! {
    /// A request. Members that a translation never reads but knows are `IgnoredAny` or raw.
    pub struct Request {
        /// The model the client asked for, suffixes such as `[1m]` included.
        required model: String = "model",
        /// The conversation, oldest first.
        required messages: Vec<Message> = "messages",
        /// Most tokens to generate. Required by `POST /v1/messages`, absent in `count_tokens`.
        optional max_tokens: u64 = "max_tokens",
        /// Instructions before the conversation.
        optional system: Content = "system",
        /// Whether the answer comes as server-sent events.
        optional stream: bool = "stream",
        /// Texts that end the answer.
        optional stop_sequences: Vec<String> = "stop_sequences",
        /// Sampling temperature, 0 to 1.
        optional temperature: f64 = "temperature",
        /// Nucleus sampling, 0 to 1.
        optional top_p: f64 = "top_p",
        /// Sampling from the k most likely tokens.
        optional top_k: u64 = "top_k",
        /// Who asks.
        optional metadata: Metadata = "metadata",
        /// How the model shall think.
        optional thinking: Thinking = "thinking",
        /// Effort and format of the answer.
        optional output_config: OutputConfig = "output_config",
        /// The deprecated place of `output_config.format`.
        optional output_format: OutputFormat = "output_format",
        /// Tools the model may use.
        optional tools: Vec<Tool> = "tools",
        /// Whether and which tool must be used.
        optional tool_choice: ToolChoice = "tool_choice",
        /// `auto` or `standard_only`.
        optional service_tier: String = "service_tier",
        /// `fast` or `standard`.
        optional speed: String = "speed",
        /// A cache marker for the whole prompt.
        optional cache_control: CacheControl = "cache_control",
        /// Where inference shall run.
        optional inference_geo: String = "inference_geo",
        /// A code execution container: an id, or an object that may list skills.
        optional container: Container = "container",
        /// Edits of the conversation that the server should make.
        optional context_management: IgnoredAny = "context_management",
        /// A request to summarise the conversation (beta).
        optional compaction: IgnoredAny = "compaction",
        /// A server-side conversation (beta).
        optional thread: IgnoredAny = "thread",
        /// Remote MCP servers (beta).
        optional mcp_servers: Vec<IgnoredAny> = "mcp_servers",
        /// Models to fall back to (beta).
        optional fallbacks: IgnoredAny = "fallbacks",
        /// A credit for a fallback (beta).
        optional fallback_credit_token: IgnoredAny = "fallback_credit_token",
        /// Reference to the previous message, for diagnostics.
        optional diagnostics: IgnoredAny = "diagnostics",
        /// Who pays.
        optional billing_policy: BillingPolicy = "billing_policy",
        /// Classifier context of Claude Code's interactive mode.
        optional safeguards: IgnoredAny = "safeguards",
        /// Betas in the body, as Bedrock has them.
        optional anthropic_beta: IgnoredAny = "anthropic_beta",
        /// Version in the body, as Bedrock has it.
        optional anthropic_version: IgnoredAny = "anthropic_version",
        /// Betas in the body, as the SDKs' types have them.
        optional betas: IgnoredAny = "betas",
    }
}

/// A request as it was read, and what had to be mended to read it.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// The request.
    pub request: Request,
    /// Lone surrogate escapes that became U+FFFD.
    pub repaired_surrogates: usize,
}

impl Request {
    /// Reads a request from the body of a call.
    ///
    /// # Errors
    /// `invalid_request_error` naming the place: malformed JSON, nesting deeper than [`json::MAX_DEPTH`],
    /// a missing, duplicate or mistyped member.
    pub fn parse(body: &[u8]) -> Result<Parsed, Error> {
        if let Some(request) = Self::read(body) {
            return Self::checked(request, 0);
        }
        // Something is amiss, and it is said what.
        let scanned = json::scan(body).map_err(|error| Error::invalid_request(format!("{error}")))?;
        let text = scanned.text.as_ref();
        let mended = || if scanned.repaired > 0 { json::read(text) } else { None };
        let request = match mended() {
            Some(request) => request,
            None => serde_json::from_slice(text).map_err(|error| place_of(text, &error))?,
        };
        Self::checked(request, scanned.repaired)
    }

    /// Reads a request in which nothing is amiss; the cheapest way to learn that a text is none.
    pub fn read(body: &[u8]) -> Option<Self> {
        json::read(body)
    }

    /// The request, with what had to be mended to read it.
    ///
    /// # Errors
    /// `invalid_request_error` for a model whose name nobody would give.
    pub fn checked(request: Self, repaired_surrogates: usize) -> Result<Parsed, Error> {
        if request.model.len() > MAX_MODEL_BYTES {
            return Err(Error::invalid_request("model: a name is 256 bytes long at most"));
        }
        Ok(Parsed { request, repaired_surrogates })
    }
}

/// Longest name of a model: names stand in logs, prompts must not.
const MAX_MODEL_BYTES: usize = 256;

/// Reads the body once more, slowly, to learn where the error is.
fn place_of(text: &[u8], error: &serde_json::Error) -> Error {
    if !error.is_data() {
        return Error::invalid_request(format!("the request body is not valid JSON: {error}"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    match serde_path_to_error::deserialize::<_, Request>(&mut deserializer) {
        Err(placed) => {
            let path = dotted(placed.path());
            let reason = placed.inner().to_string();
            let reason = reason.rsplit_once(" at line ").map_or(reason.as_str(), |(reason, _)| reason);
            let reason = in_plain_words(reason);
            if path.is_empty() {
                Error::invalid_request(reason)
            } else {
                Error::invalid_request(format!("{path}: {reason}"))
            }
        }
        Ok(_) => Error::invalid_request(error.to_string()),
    }
}

/// The names of Rust's types mean nothing to a client.
fn in_plain_words(reason: &str) -> String {
    let names = [("expected u64", "expected a whole number"), ("expected f64", "expected a number")];
    names.iter().fold(reason.to_owned(), |reason, (rust, plain)| reason.replace(rust, plain))
}

/// `messages[0].content[1]` as Anthropic writes it: `messages.0.content.1`.
fn dotted(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let parts: Vec<String> = path
        .iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(index.to_string()),
            Segment::Map { key } => Some(key.clone()),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect();
    parts.join(".")
}

object! {
    /// One message of the conversation.
    pub struct Message {
        /// Who speaks.
        required role: Role = "role",
        /// What is said; may be missing on a system message that only carries `output_config`.
        optional content: Content = "content",
        /// Settings from this message on (system messages only).
        optional output_config: Box<OutputConfig> = "output_config",
        /// `next_user_message`: the message is void once a later user message exists (system messages only).
        optional clear_at: String = "clear_at",
    }
}

/// Who speaks in a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// The person, and the results of tools.
    User,
    /// The model.
    Assistant,
    /// Instructions within the conversation.
    System,
    /// A role this program does not know.
    Other(String),
}

impl<'de> Deserialize<'de> for Role {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Word::deserialize(deserializer)?;
        Ok(match name.as_str() {
            "user" => Self::User,
            "assistant" => Self::Assistant,
            "system" => Self::System,
            _ => Self::Other(name.into_string()),
        })
    }
}

object! {
    /// Who asks.
    pub struct Metadata {
        /// An opaque id of the end user. Claude Code puts account and session ids into it.
        optional user_id: String = "user_id",
    }
}

object! {
    /// How the model shall think.
    pub struct Thinking {
        /// `enabled`, `disabled`, `adaptive` or `between_tools`.
        required kind: String = "type",
        /// Most tokens to think with.
        optional budget_tokens: u64 = "budget_tokens",
        /// `summarized`, `omitted` or `updates`.
        optional display: String = "display",
        /// How thinking blocks are bound to their place.
        optional block_binding: IgnoredAny = "block_binding",
    }
}

object! {
    /// Effort and format of the answer.
    pub struct OutputConfig {
        /// `low`, `medium`, `high`, `xhigh` or `max`.
        optional effort: String = "effort",
        /// A schema that the answer must satisfy.
        optional format: OutputFormat = "format",
        /// A budget for a whole task (beta).
        optional task_budget: IgnoredAny = "task_budget",
    }
}

object! {
    /// A schema that the answer must satisfy.
    pub struct OutputFormat {
        /// `json_schema`.
        required kind: String = "type",
        /// A name for the schema.
        optional name: String = "name",
        /// The schema, carried.
        optional schema: Box<RawValue> = "schema",
    }
}

object! {
    /// A tool the model may use: the client's own function, one of Anthropic's client tools, or a server tool.
    pub struct Tool {
        /// Absent, `null` or `custom` for functions; a dated name for Anthropic's own tools.
        optional kind: String = "type",
        /// The tool's name.
        optional name: String = "name",
        /// What the tool does.
        optional description: Escaped = "description",
        /// The schema of its input, carried.
        optional input_schema: Box<RawValue> = "input_schema",
        /// Whether the input must match the schema exactly.
        optional strict: bool = "strict",
        /// Whether the tool is held back until a `tool_reference` asks for it.
        optional defer_loading: bool = "defer_loading",
        /// Who may call it: `direct`, or a code execution tool.
        optional allowed_callers: Vec<String> = "allowed_callers",
        /// Examples of its input, carried.
        optional input_examples: Vec<Box<RawValue>> = "input_examples",
        /// Whether input is streamed before it is complete.
        optional eager_input_streaming: bool = "eager_input_streaming",
        /// A cache marker.
        optional cache_control: Box<CacheControl> = "cache_control",
        /// Longest text the editor tool shows.
        optional max_characters: u64 = "max_characters",
    }
}

/// The tool that a `tool_addition` or `tool_removal` is about.
#[derive(Debug, Clone)]
pub enum ToolChange {
    /// One that is defined elsewhere, by its name.
    Reference(String),
    /// One that is defined here; `None` once it has been taken.
    Definition(Option<Box<Tool>>),
    /// One of an MCP server; the kind of reference.
    Other(String),
}

#[derive(Deserialize)]
struct ToolChangeMembers {
    #[serde(rename = "type")]
    kind: String,
    name: Option<String>,
    definition: Option<Tool>,
}

impl<'de> Deserialize<'de> for ToolChange {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let members = ToolChangeMembers::deserialize(deserializer)?;
        match (members.kind.as_str(), members.name, members.definition) {
            ("tool_reference", Some(name), _) => Ok(Self::Reference(name)),
            ("tool_reference", None, _) => Err(D::Error::missing_field("name")),
            ("tool_definition", _, Some(tool)) => Ok(Self::Definition(Some(Box::new(tool)))),
            ("tool_definition", _, None) => Err(D::Error::missing_field("definition")),
            _ => Ok(Self::Other(members.kind)),
        }
    }
}

object! {
    /// Whether and which tool must be used.
    pub struct ToolChoice {
        /// `auto`, `any`, `tool` or `none`.
        required kind: String = "type",
        /// The tool's name, for `tool`.
        optional name: String = "name",
        /// At most one tool call in the answer.
        optional disable_parallel_tool_use: bool = "disable_parallel_tool_use",
    }
}

object! {
    /// A cache marker.
    pub struct CacheControl {
        /// `ephemeral`.
        optional kind: String = "type",
        /// `5m` or `1h`.
        optional ttl: String = "ttl",
        /// Where the marker came from.
        optional scope: IgnoredAny = "scope",
    }
}

object! {
    /// Who pays.
    pub struct BillingPolicy {
        /// `organization` or `user_profile`.
        optional bill_to: String = "bill_to",
    }
}

/// A code execution container.
#[derive(Debug, Clone)]
pub enum Container {
    /// The id of an existing one. The SDKs' tool runners echo it.
    Id(String),
    /// A description, which may ask for skills.
    Described {
        /// Number of skills asked for.
        skills: usize,
    },
}

impl<'de> Deserialize<'de> for Container {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ContainerVisitor;
        impl<'de> serde::de::Visitor<'de> for ContainerVisitor {
            type Value = Container;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a container id or an object")
            }
            fn visit_str<E: serde::de::Error>(self, id: &str) -> Result<Container, E> {
                Ok(Container::Id(id.to_owned()))
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Container, A::Error> {
                let described =
                    DescribedContainer::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                Ok(Container::Described { skills: described.skills.map_or(0, |skills| skills.len()) })
            }
        }
        deserializer.deserialize_any(ContainerVisitor)
    }
}

#[derive(Deserialize)]
struct DescribedContainer {
    skills: Option<Vec<IgnoredAny>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(body: &str) -> String {
        Request::parse(body.as_bytes()).unwrap_err().message
    }

    /// A server's threads have two megabytes of stack, as those of tests do.
    #[test]
    fn blocks_in_blocks_are_read_as_deep_as_may_be() {
        let nested = |levels: usize| {
            let open = r#"[{"type":"tool_result","tool_use_id":"a","content":"#.repeat(levels);
            let close = "}]".repeat(levels);
            format!(r#"{{"model":"m","messages":[{{"role":"user","content":{open}"x"{close}}}]}}"#)
        };
        for levels in [60, 61, 62] {
            assert!(Request::parse(nested(levels).as_bytes()).is_ok(), "{levels}");
        }
        assert!(error(&nested(63)).contains("deeper than 128"));
    }

    #[test]
    fn errors_name_the_place() {
        assert_eq!(error(r#"{"model":"m"}"#), "missing field `messages`");
        assert_eq!(
            error(r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":5}]}]}"#),
            "messages.0.content.0.text: invalid type: integer `5`, expected a string"
        );
        assert_eq!(
            error(r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text"}]}]}"#),
            "messages.0.content.0: missing field `text`"
        );
        assert!(error("{").starts_with("the request body is not valid JSON"));
        assert!(error(&format!("{{\"tools\":{}1", "[".repeat(200))).contains("deeper than 128"));
    }

    #[test]
    fn lone_surrogates_are_repaired() {
        let parsed =
            Request::parse(br#"{"model":"m","messages":[{"role":"user","content":"\ud83d"}]}"#).unwrap();
        assert_eq!(parsed.repaired_surrogates, 1);
    }

    #[test]
    fn unknown_members_are_remembered_at_every_level() {
        let body = br#"{"model":"m","zzz":1,"messages":[{"role":"user","x":1,"content":[{"type":"text","text":"a","name":"b","q":1}]}]}"#;
        let request = Request::parse(body).unwrap().request;
        assert_eq!(request.unknown, ["zzz"]);
        assert_eq!(request.messages[0].unknown, ["x"]);
        let Some(Content::Blocks(blocks)) = &request.messages[0].content else { panic!("blocks") };
        assert_eq!(blocks[0].stray.as_ref().unwrap().unknown, ["q", "name"]);
    }
}
