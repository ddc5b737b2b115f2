//! Content blocks of a request: what a message, a system prompt or a tool result is made of.
//!
//! A conversation is hundreds of them, and each is moved a dozen times on its way: what few blocks have is boxed.

pub mod browser;
mod source;
mod wire;

use super::request::{CacheControl, ToolChange};
use crate::protocol::CallId;
use crate::protocol::json::{Escaped, OrElse};
use browser::BrowserState;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
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
    pub cache_control: Option<Box<CacheControl>>,
    /// Members without a meaning here, where there are any.
    pub stray: Option<Box<Stray>>,
}

/// Names of members of a block that have no meaning here.
#[derive(Debug, Clone, Default)]
pub struct Stray {
    /// Those that are known, and mean nothing to another vendor's model.
    pub ignored: Vec<&'static str>,
    /// Those that this kind of block does not know.
    pub unknown: Vec<String>,
    /// Those of its `source` that no kind of source knows.
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
    Document(Box<Document>),
    /// A search result the client found.
    SearchResult(Box<SearchResult>),
    /// A call of a tool by the model.
    ToolUse {
        /// The call's id.
        id: CallId,
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
        url: Option<Box<str>>,
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

/// A document: PDF, plain text, or text and images.
#[derive(Debug, Clone)]
pub struct Document {
    /// Where its content is.
    pub source: Source,
    /// Its title.
    pub title: Option<String>,
    /// What the client says about it.
    pub context: Option<String>,
    /// Whether citations of it are wanted.
    pub citations: bool,
}

/// A search result the client found.
#[derive(Debug, Clone)]
pub struct SearchResult {
    /// Where it was found.
    pub source: String,
    /// Its title.
    pub title: String,
    /// Its text.
    pub content: Content,
    /// Whether citations of it are wanted.
    pub citations: bool,
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

fn required<T, E: Error>(value: Option<T>, name: &'static str) -> Result<T, E> {
    value.ok_or_else(|| E::missing_field(name))
}
