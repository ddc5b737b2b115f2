//! How a block is read: first every member that some kind of block has, then the kind.

use super::browser::{BrowserState, StateChange, Tab};
use super::source::{Citations, WireSource};
use super::{Block, BlockKind, Content, Document, SearchResult, Source, Stray, required};
use crate::protocol::CallId;
use crate::protocol::anthropic::request::{CacheControl, ToolChange};
use crate::protocol::json::Escaped;
use crate::protocol::object::Word;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny};
use serde_json::value::RawValue;

object! {
    /// Every member that some kind of block has.
    struct WireBlock, rarely RareMembers {
        required kind: Word = "type",
        optional text: Escaped = "text",
        optional id: CallId = "id",
        optional name: String = "name",
        optional input: Box<RawValue> = "input",
        optional tool_use_id: String = "tool_use_id",
        optional content: Content = "content",
        optional is_error: bool = "is_error",
        optional thinking: Escaped = "thinking",
        optional signature: String = "signature",
        optional cache_control: Box<CacheControl> = "cache_control",
    }
}

rare_members! {
    /// Members that conversations of agents seldom have.
    struct RareMembers {
        citations: Citations = "citations",
        source: WireSource = "source",
        title: String = "title",
        context: String = "context",
        data: String = "data",
        tool_name: String = "tool_name",
        url: String = "url",
        stdout: String = "stdout",
        stderr: String = "stderr",
        // Known, and without meaning for another model.
        caller: IgnoredAny = "caller",
        toolset_name: IgnoredAny = "toolset_name",
        server_name: IgnoredAny = "server_name",
        transformations: IgnoredAny = "transformations",
        encrypted_content: IgnoredAny = "encrypted_content",
        page_age: IgnoredAny = "page_age",
        return_code: IgnoredAny = "return_code",
        tool: ToolChange = "tool",
        tool_changes: Vec<Block> = "tool_changes",
        tabs: Vec<Tab> = "tabs",
        state_changes: Vec<StateChange> = "state_changes",
    }
}

impl<'de> Deserialize<'de> for Block {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        WireBlock::deserialize(deserializer)?.into_block()
    }
}

impl WireBlock {
    fn into_block<E: Error>(mut self) -> Result<Block, E> {
        let mut stray = Stray::default();
        let kind = self.take_kind(&mut stray)?;
        stray.unknown = std::mem::take(&mut self.unknown);
        if matches!(kind, BlockKind::Marker) {
            // Whatever it says, it says it to Anthropic's servers.
            stray.unknown.clear();
        }
        let open = matches!(
            kind,
            BlockKind::Other(_)
                | BlockKind::Marker
                | BlockKind::ServerToolResult { .. }
                | BlockKind::ServerToolOutput { .. }
        );
        if !open && self.is_anything_left() {
            self.leave_over(&mut stray.unknown);
        }
        stray.ignored = self.rare.as_deref().map(RareMembers::ignored).unwrap_or_default();
        let is_any =
            !(stray.ignored.is_empty() && stray.unknown.is_empty() && stray.unknown_in_source.is_empty());
        let stray = is_any.then(|| Box::new(stray));
        Ok(Block { kind, cache_control: self.cache_control, stray })
    }

    fn take_rare<T>(&mut self, member: impl FnOnce(&mut RareMembers) -> &mut Option<T>) -> Option<T> {
        member(self.rare.as_deref_mut()?).take()
    }

    fn wants_citations(&mut self) -> bool {
        self.take_rare(|rare| &mut rare.citations).is_some_and(|citations| citations.wanted)
    }

    fn take_kind<E: Error>(&mut self, stray: &mut Stray) -> Result<BlockKind, E> {
        let kind = std::mem::take(&mut self.kind);
        Ok(match kind.as_str() {
            "text" => {
                BlockKind::Text { text: required(self.text.take(), "text")?, cited: self.wants_citations() }
            }
            "image" => BlockKind::Image { source: self.take_source(stray)? },
            "document" => BlockKind::Document(Box::new(Document {
                source: self.take_source(stray)?,
                title: self.take_rare(|rare| &mut rare.title),
                context: self.take_rare(|rare| &mut rare.context),
                citations: self.wants_citations(),
            })),
            "search_result" => BlockKind::SearchResult(Box::new(SearchResult {
                source: match required(self.take_rare(|rare| &mut rare.source), "source")? {
                    WireSource::Name(name) => name,
                    WireSource::Object(..) => return Err(E::custom("source: expected a string")),
                },
                title: required(self.take_rare(|rare| &mut rare.title), "title")?,
                content: required(self.content.take(), "content")?,
                citations: self.wants_citations(),
            })),
            "tool_use" => BlockKind::ToolUse {
                id: required(self.id.take(), "id")?,
                name: required(self.name.take(), "name")?,
                input: required(self.input.take(), "input")?,
            },
            "tool_result" => BlockKind::ToolResult {
                tool_use_id: required(self.tool_use_id.take(), "tool_use_id")?,
                content: self.content.take(),
                is_error: self.is_error.take().unwrap_or(false),
            },
            "thinking" => BlockKind::Thinking {
                thinking: required(self.thinking.take(), "thinking")?,
                signature: self.signature.take(),
            },
            "redacted_thinking" => {
                BlockKind::RedactedThinking { data: required(self.take_rare(|rare| &mut rare.data), "data")? }
            }
            "tool_reference" => BlockKind::ToolReference {
                tool_name: required(self.take_rare(|rare| &mut rare.tool_name), "tool_name")?,
            },
            "tool_addition" => {
                BlockKind::ToolAddition(required(self.take_rare(|rare| &mut rare.tool), "tool")?)
            }
            "tool_removal" => {
                BlockKind::ToolRemoval(required(self.take_rare(|rare| &mut rare.tool), "tool")?)
            }
            "compaction" => {
                self.signature = None;
                BlockKind::Compaction {
                    content: self.content.take(),
                    tool_changes: self.take_rare(|rare| &mut rare.tool_changes).unwrap_or_default(),
                }
            }
            "server_tool_use" | "mcp_tool_use" => {
                self.id = None;
                BlockKind::ServerToolUse {
                    name: required(self.name.take(), "name")?,
                    input: self.input.take(),
                }
            }
            "web_search_result" => BlockKind::WebSearchResult {
                title: self.take_rare(|rare| &mut rare.title).unwrap_or_default(),
                url: self.take_rare(|rare| &mut rare.url).unwrap_or_default(),
            },
            "code_execution_result" | "bash_code_execution_result" => {
                self.content = None;
                BlockKind::ProgramOutput {
                    stdout: self.take_rare(|rare| &mut rare.stdout).unwrap_or_default(),
                    stderr: self.take_rare(|rare| &mut rare.stderr).unwrap_or_default(),
                }
            }
            "browser_state" => BlockKind::BrowserState(BrowserState {
                tabs: required(self.take_rare(|rare| &mut rare.tabs), "tabs")?,
                state_changes: self.take_rare(|rare| &mut rare.state_changes),
            }),
            "container_upload" => BlockKind::ContainerUpload,
            "fallback" | "mcp_tool_listing" => BlockKind::Marker,
            other if other.ends_with("_tool_result") => {
                BlockKind::ServerToolResult { content: self.content.take(), kind: kind.into_string() }
            }
            other if other.ends_with("_result") => BlockKind::ServerToolOutput {
                url: self.take_rare(|rare| &mut rare.url).map(String::into_boxed_str),
                content: self.content.take(),
                kind: kind.into_string(),
            },
            _ => BlockKind::Other(kind.into_string()),
        })
    }

    fn take_source<E: Error>(&mut self, stray: &mut Stray) -> Result<Source, E> {
        match required(self.take_rare(|rare| &mut rare.source), "source")? {
            WireSource::Object(source, unknown) => {
                stray.unknown_in_source = unknown;
                Ok(source)
            }
            WireSource::Name(_) => Err(E::custom("source: expected an object")),
        }
    }

    /// Whether there is anything to look through.
    const fn is_anything_left(&self) -> bool {
        self.rare.is_some()
            || self.text.is_some()
            || self.id.is_some()
            || self.name.is_some()
            || self.input.is_some()
            || self.tool_use_id.is_some()
            || self.content.is_some()
            || self.is_error.is_some()
            || self.thinking.is_some()
            || self.signature.is_some()
    }

    /// Adds the members that are known for other kinds of blocks but stood on this one.
    fn leave_over(&self, unknown: &mut Vec<String>) {
        let rare = self.rare.as_deref();
        let known = [
            (self.text.is_some(), "text"),
            (rare.is_some_and(|rare| rare.citations.is_some()), "citations"),
            (rare.is_some_and(|rare| rare.source.is_some()), "source"),
            (rare.is_some_and(|rare| rare.title.is_some()), "title"),
            (rare.is_some_and(|rare| rare.context.is_some()), "context"),
            (self.id.is_some(), "id"),
            (self.name.is_some(), "name"),
            (self.input.is_some(), "input"),
            (self.tool_use_id.is_some(), "tool_use_id"),
            (self.content.is_some(), "content"),
            (self.is_error.is_some(), "is_error"),
            (self.thinking.is_some(), "thinking"),
            (self.signature.is_some(), "signature"),
            (rare.is_some_and(|rare| rare.data.is_some()), "data"),
            (rare.is_some_and(|rare| rare.tool_name.is_some()), "tool_name"),
            (rare.is_some_and(|rare| rare.url.is_some()), "url"),
            (rare.is_some_and(|rare| rare.stdout.is_some()), "stdout"),
            (rare.is_some_and(|rare| rare.stderr.is_some()), "stderr"),
            (rare.is_some_and(|rare| rare.tool.is_some()), "tool"),
            (rare.is_some_and(|rare| rare.tool_changes.is_some()), "tool_changes"),
            (rare.is_some_and(|rare| rare.tabs.is_some()), "tabs"),
            (rare.is_some_and(|rare| rare.state_changes.is_some()), "state_changes"),
        ];
        let left_over = known.into_iter().filter(|(present, _)| *present);
        unknown.extend(left_over.map(|(_, name)| name.to_owned()));
    }
}

impl RareMembers {
    fn ignored(&self) -> Vec<&'static str> {
        let known = [
            (self.caller.is_some(), "caller"),
            (self.toolset_name.is_some(), "toolset_name"),
            (self.server_name.is_some(), "server_name"),
            (self.transformations.is_some(), "transformations"),
            (self.encrypted_content.is_some(), "encrypted_content"),
            (self.page_age.is_some(), "page_age"),
            (self.return_code.is_some(), "return_code"),
        ];
        known.into_iter().filter(|(present, _)| *present).map(|(_, name)| name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::anthropic::request::Message;

    fn error(block: &str) -> String {
        serde_json::from_str::<Block>(block).unwrap_err().to_string()
    }

    #[test]
    fn blocks_stay_small() {
        assert!(size_of::<Block>() <= 88, "{} bytes", size_of::<Block>());
        assert!(size_of::<Message>() <= 112, "{} bytes", size_of::<Message>());
        assert!(size_of::<WireBlock>() <= 256, "{} bytes", size_of::<WireBlock>());
    }

    #[test]
    fn rare_members_are_read_as_all_others() {
        for twice in ["title", "name"] {
            let text = error(&format!(r#"{{"type":"text","text":"a","{twice}":null,"{twice}":"b"}}"#));
            assert!(text.starts_with(&format!("duplicate field `{twice}`")), "{text}");
        }
        assert!(error(r#"{"type":"text","text":"a","title":1}"#).starts_with("invalid type: integer `1`"));
        let stray = |more: &str| {
            let block: Block =
                serde_json::from_str(&format!(r#"{{"type":"text","text":"a"{more}}}"#)).unwrap();
            block.stray
        };
        assert!(stray("").is_none());
        assert!(stray(r#","title":null,"citations":[]"#).is_none());
        let both = stray(r#","x":1,"url":"u","id":"i","caller":{},"title":"t""#).unwrap();
        assert_eq!(both.unknown, ["x", "title", "id", "url"]);
        assert_eq!(both.ignored, ["caller"]);
        assert_eq!(stray(r#","tool_changes":[]"#).unwrap().unknown, ["tool_changes"]);
    }
}
