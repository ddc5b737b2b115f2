//! Content blocks of a request: what a message, a system prompt or a tool result is made of.

pub mod browser;
mod source;

use super::request::{CacheControl, ToolChange};
use crate::protocol::json::{Escaped, OrElse};
use crate::protocol::object::Word;
use browser::{BrowserState, StateChange, Tab};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use source::{Citations, WireSource};
use std::fmt;

/// A string, which stands for one text block, or a list of blocks.
#[derive(Debug, Clone)]
pub enum Content {
    /// One text.
    Text(Escaped),
    /// Blocks in order.
    Blocks(Vec<Block>),
}

/// One block and what every kind of block may carry.
#[derive(Debug, Clone)]
pub struct Block {
    /// What the block says.
    pub kind: BlockKind,
    /// A cache marker.
    pub cache_control: Option<CacheControl>,
    /// Names of members that are known, and mean nothing to another vendor's model.
    pub ignored: Vec<&'static str>,
    /// Names of members that this kind of block does not know.
    pub unknown: Vec<String>,
    /// Names of members of its `source` that no kind of source knows.
    pub unknown_in_source: Vec<String>,
}

/// The kinds of blocks a client may send.
#[derive(Debug, Clone)]
pub enum BlockKind {
    /// Text.
    Text {
        /// The text.
        text: Escaped,
        /// Whether it carries citations.
        cited: bool,
    },
    /// An image.
    Image {
        /// Where its bytes are.
        source: Source,
    },
    /// A document: PDF, plain text, or text and images.
    Document {
        /// Where its content is.
        source: Source,
        /// Its title.
        title: Option<String>,
        /// What the client says about it.
        context: Option<String>,
        /// Whether citations of it are wanted.
        citations: bool,
    },
    /// A search result the client found.
    SearchResult {
        /// Where it was found.
        source: String,
        /// Its title.
        title: String,
        /// Its text.
        content: Content,
        /// Whether citations of it are wanted.
        citations: bool,
    },
    /// A call of a tool by the model.
    ToolUse {
        /// The call's id.
        id: String,
        /// The tool's name.
        name: String,
        /// Its input, carried byte for byte.
        input: Box<RawValue>,
    },
    /// What a tool answered.
    ToolResult {
        /// The id of the call.
        tool_use_id: String,
        /// The answer; may be missing.
        content: Option<Content>,
        /// Whether the tool failed.
        is_error: bool,
    },
    /// What the model thought.
    Thinking {
        /// The text, which may be empty.
        thinking: Escaped,
        /// An opaque signature, ours or another's.
        signature: Option<String>,
    },
    /// Thinking that the client may not read.
    RedactedThinking {
        /// Opaque.
        data: String,
    },
    /// In a tool result: the name of a tool that becomes available.
    ToolReference {
        /// Its name.
        tool_name: String,
    },
    /// A tool added in the middle of the conversation (system messages).
    ToolAddition(ToolChange),
    /// A tool removed in the middle of the conversation (system messages).
    ToolRemoval(ToolChange),
    /// The summary of an earlier part of the conversation.
    Compaction {
        /// The summary; `None` when nothing was summarised.
        content: Option<Content>,
        /// What the compacted turns changed about the tools: `tool_addition` and `tool_removal` blocks.
        tool_changes: Vec<Block>,
    },
    /// A call of a tool that Anthropic's servers ran (`server_tool_use`, `mcp_tool_use`).
    ServerToolUse {
        /// The tool's name.
        name: String,
        /// Its input.
        input: Option<Box<RawValue>>,
    },
    /// What such a tool answered.
    ServerToolResult {
        /// The block's type, such as `web_search_tool_result`.
        kind: String,
        /// The answer.
        content: Option<Content>,
    },
    /// In a `web_search_tool_result`: one hit.
    WebSearchResult {
        /// Title of the page.
        title: String,
        /// Address of the page.
        url: String,
    },
    /// In a code execution result: what the program printed.
    ProgramOutput {
        /// Standard output.
        stdout: String,
        /// Standard error.
        stderr: String,
    },
    /// In the result of another server tool (`web_fetch_result`, `text_editor_code_execution_view_result`): what it
    /// brought.
    ServerToolOutput {
        /// The block's type.
        kind: String,
        /// Where it is from.
        url: Option<String>,
        /// What it is.
        content: Option<Content>,
    },
    /// In a tool result: what a browser shows.
    BrowserState(BrowserState),
    /// A file to be put into a code execution container.
    ContainerUpload,
    /// Markers without content for the model (`fallback`, `mcp_tool_listing`).
    Marker,
    /// A kind this program does not know.
    Other(String),
}

/// Where the bytes of an image or a document are.
#[derive(Debug, Clone)]
pub enum Source {
    /// In the request.
    Base64 {
        /// What the client says they are.
        media_type: String,
        /// The bytes, base64.
        data: Escaped,
    },
    /// At an address.
    Url(String),
    /// Plain text in the request.
    Text(Escaped),
    /// Blocks in the request.
    Content(Content),
    /// A file stored with Anthropic.
    File,
    /// A kind this program does not know.
    Other(String),
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(deserializer)
    }
}

impl<'de> OrElse<'de> for Content {
    fn text(text: Escaped) -> Self {
        Self::Text(text)
    }

    fn other<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ContentVisitor;
        impl<'de> Visitor<'de> for ContentVisitor {
            type Value = Content;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an array of content blocks")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Content, E> {
                Ok(Content::Text(text.into()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Content, A::Error> {
                let mut blocks = Vec::new();
                while let Some(block) = seq.next_element()? {
                    blocks.push(block);
                }
                Ok(Content::Blocks(blocks))
            }
            // Results of server tools may be a single object, for example an error.
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Content, A::Error> {
                Ok(Content::Blocks(vec![Block::deserialize(MapAccessDeserializer::new(map))?]))
            }
        }
        deserializer.deserialize_any(ContentVisitor)
    }
}

object! {
    /// Every member that some kind of block has.
    struct WireBlock {
        required kind: Word = "type",
        optional text: Escaped = "text",
        optional citations: Citations = "citations",
        optional source: WireSource = "source",
        optional title: String = "title",
        optional context: String = "context",
        optional id: String = "id",
        optional name: String = "name",
        optional input: Box<RawValue> = "input",
        optional tool_use_id: String = "tool_use_id",
        optional content: Content = "content",
        optional is_error: bool = "is_error",
        optional thinking: Escaped = "thinking",
        optional signature: String = "signature",
        optional data: String = "data",
        optional tool_name: String = "tool_name",
        optional url: String = "url",
        optional stdout: String = "stdout",
        optional stderr: String = "stderr",
        optional cache_control: CacheControl = "cache_control",
        // Known, and without meaning for another model.
        optional caller: IgnoredAny = "caller",
        optional toolset_name: IgnoredAny = "toolset_name",
        optional server_name: IgnoredAny = "server_name",
        optional transformations: IgnoredAny = "transformations",
        optional encrypted_content: IgnoredAny = "encrypted_content",
        optional page_age: IgnoredAny = "page_age",
        optional return_code: IgnoredAny = "return_code",
        optional tool: ToolChange = "tool",
        optional tool_changes: Vec<Block> = "tool_changes",
        optional tabs: Vec<Tab> = "tabs",
        optional state_changes: Vec<StateChange> = "state_changes",
    }
}

impl<'de> Deserialize<'de> for Block {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        WireBlock::deserialize(deserializer)?.into_block()
    }
}

impl WireBlock {
    fn into_block<E: Error>(mut self) -> Result<Block, E> {
        let mut unknown_in_source = Vec::new();
        let kind = self.take_kind(&mut unknown_in_source)?;
        let cache_control = self.cache_control.take();
        let mut unknown = std::mem::take(&mut self.unknown);
        if matches!(kind, BlockKind::Marker) {
            // Whatever it says, it says it to Anthropic's servers.
            unknown.clear();
        }
        let open = matches!(
            kind,
            BlockKind::Other(_)
                | BlockKind::Marker
                | BlockKind::ServerToolResult { .. }
                | BlockKind::ServerToolOutput { .. }
        );
        if !open {
            unknown.extend(self.left_over());
        }
        Ok(Block { kind, cache_control, ignored: self.ignored(), unknown, unknown_in_source })
    }

    fn take_kind<E: Error>(&mut self, unknown_in_source: &mut Vec<String>) -> Result<BlockKind, E> {
        let kind = std::mem::take(&mut self.kind);
        Ok(match kind.as_str() {
            "text" => BlockKind::Text {
                text: required(self.text.take(), "text")?,
                cited: self.citations.take().is_some_and(|citations| citations.wanted),
            },
            "image" => BlockKind::Image { source: self.take_source(unknown_in_source)? },
            "document" => BlockKind::Document {
                source: self.take_source(unknown_in_source)?,
                title: self.title.take(),
                context: self.context.take(),
                citations: self.citations.take().is_some_and(|citations| citations.wanted),
            },
            "search_result" => BlockKind::SearchResult {
                source: match required(self.source.take(), "source")? {
                    WireSource::Name(name) => name,
                    WireSource::Object(..) => return Err(E::custom("source: expected a string")),
                },
                title: required(self.title.take(), "title")?,
                content: required(self.content.take(), "content")?,
                citations: self.citations.take().is_some_and(|citations| citations.wanted),
            },
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
            "redacted_thinking" => BlockKind::RedactedThinking { data: required(self.data.take(), "data")? },
            "tool_reference" => {
                BlockKind::ToolReference { tool_name: required(self.tool_name.take(), "tool_name")? }
            }
            "tool_addition" => BlockKind::ToolAddition(required(self.tool.take(), "tool")?),
            "tool_removal" => BlockKind::ToolRemoval(required(self.tool.take(), "tool")?),
            "compaction" => {
                self.signature = None;
                BlockKind::Compaction {
                    content: self.content.take(),
                    tool_changes: self.tool_changes.take().unwrap_or_default(),
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
                title: self.title.take().unwrap_or_default(),
                url: self.url.take().unwrap_or_default(),
            },
            "code_execution_result" | "bash_code_execution_result" => {
                self.content = None;
                BlockKind::ProgramOutput {
                    stdout: self.stdout.take().unwrap_or_default(),
                    stderr: self.stderr.take().unwrap_or_default(),
                }
            }
            "browser_state" => BlockKind::BrowserState(BrowserState {
                tabs: required(self.tabs.take(), "tabs")?,
                state_changes: self.state_changes.take(),
            }),
            "container_upload" => BlockKind::ContainerUpload,
            "fallback" | "mcp_tool_listing" => BlockKind::Marker,
            other if other.ends_with("_tool_result") => {
                BlockKind::ServerToolResult { content: self.content.take(), kind: kind.into_string() }
            }
            other if other.ends_with("_result") => BlockKind::ServerToolOutput {
                url: self.url.take(),
                content: self.content.take(),
                kind: kind.into_string(),
            },
            _ => BlockKind::Other(kind.into_string()),
        })
    }

    fn take_source<E: Error>(&mut self, unknown_members: &mut Vec<String>) -> Result<Source, E> {
        match required(self.source.take(), "source")? {
            WireSource::Object(source, unknown) => {
                *unknown_members = unknown;
                Ok(source)
            }
            WireSource::Name(_) => Err(E::custom("source: expected an object")),
        }
    }

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

    /// Members that are known for other kinds of blocks but stood on this one.
    fn left_over(&self) -> impl Iterator<Item = String> {
        [
            (self.text.is_some(), "text"),
            (self.citations.is_some(), "citations"),
            (self.source.is_some(), "source"),
            (self.title.is_some(), "title"),
            (self.context.is_some(), "context"),
            (self.id.is_some(), "id"),
            (self.name.is_some(), "name"),
            (self.input.is_some(), "input"),
            (self.tool_use_id.is_some(), "tool_use_id"),
            (self.content.is_some(), "content"),
            (self.is_error.is_some(), "is_error"),
            (self.thinking.is_some(), "thinking"),
            (self.signature.is_some(), "signature"),
            (self.data.is_some(), "data"),
            (self.tool_name.is_some(), "tool_name"),
            (self.url.is_some(), "url"),
            (self.stdout.is_some(), "stdout"),
            (self.stderr.is_some(), "stderr"),
            (self.tabs.is_some(), "tabs"),
            (self.state_changes.is_some(), "state_changes"),
        ]
        .into_iter()
        .filter(|(present, _)| *present)
        .map(|(_, name)| name.to_owned())
    }
}

fn required<T, E: Error>(value: Option<T>, name: &'static str) -> Result<T, E> {
    value.ok_or_else(|| E::missing_field(name))
}
