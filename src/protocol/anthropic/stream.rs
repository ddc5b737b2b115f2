//! The events of a streamed answer.

use super::error::{Error, ErrorKind};
use super::response::{Citation, ContentBlock, Message, StopDetails, StopReason, Usage};
use crate::protocol::json;
use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

/// One event. On the wire each has a line `event:` with [`Event::name`], without which both official SDKs
/// ignore it.
#[derive(Debug, Clone)]
pub enum Event {
    /// The first event: the message without content.
    MessageStart(Message),
    /// A sign of life.
    Ping,
    /// A block begins.
    ContentBlockStart {
        /// Its index: 0, 1, 2 …
        index: u32,
        /// The block, still empty.
        content_block: ContentBlock,
    },
    /// A block grows.
    ContentBlockDelta {
        /// Its index.
        index: u32,
        /// By what.
        delta: BlockDelta,
    },
    /// A block is complete.
    ContentBlockStop {
        /// Its index.
        index: u32,
    },
    /// The message is complete but for the last event.
    MessageDelta {
        /// Why the model stopped.
        stop_reason: Option<StopReason>,
        /// Which stop sequence matched.
        stop_sequence: Option<String>,
        /// More about a refusal.
        stop_details: Option<StopDetails>,
        /// Final token counts; they replace those of `message_start`.
        usage: Usage,
    },
    /// The last event of a whole message.
    MessageStop,
    /// The last event of a message that failed.
    Error {
        /// What happened.
        error: Error,
        /// The request's id, once the server has written it in.
        request_id: Option<String>,
    },
}

/// What is added to a block.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum BlockDelta {
    /// Text.
    TextDelta {
        /// The text.
        text: String,
    },
    /// What the text rests on.
    CitationsDelta {
        /// One source.
        citation: Citation,
    },
    /// Thinking.
    ThinkingDelta {
        /// The text.
        thinking: String,
    },
    /// The signature of a thinking block.
    SignatureDelta {
        /// The signature, whole.
        signature: String,
    },
    /// A piece of a tool's input.
    InputJsonDelta {
        /// The piece; all pieces of a block together are one JSON object.
        partial_json: String,
    },
}

impl Event {
    /// The event's name, equal to `type` in its data.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::MessageStart(_) => "message_start",
            Self::Ping => "ping",
            Self::ContentBlockStart { .. } => "content_block_start",
            Self::ContentBlockDelta { .. } => "content_block_delta",
            Self::ContentBlockStop { .. } => "content_block_stop",
            Self::MessageDelta { .. } => "message_delta",
            Self::MessageStop => "message_stop",
            Self::Error { .. } => "error",
        }
    }
}

impl Event {
    /// Appends the event's data. What comes for each token is put together from fixed parts, the rest by its types.
    ///
    /// # Errors
    /// Our own types always serialise.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        let Self::ContentBlockDelta { index, delta } = self else { return json::write(self, out) };
        let (kind, text): (&[u8], _) = match delta {
            BlockDelta::TextDelta { text } => (br#"{"type":"text_delta","text":"#, text),
            BlockDelta::ThinkingDelta { thinking } => (br#"{"type":"thinking_delta","thinking":"#, thinking),
            BlockDelta::InputJsonDelta { partial_json } => {
                (br#"{"type":"input_json_delta","partial_json":"#, partial_json)
            }
            BlockDelta::CitationsDelta { .. } | BlockDelta::SignatureDelta { .. } => {
                return json::write(self, out);
            }
        };
        out.extend_from_slice(br#"{"type":"content_block_delta","index":"#);
        json::write(index, out)?;
        out.extend_from_slice(br#","delta":"#);
        out.extend_from_slice(kind);
        json::write_str(text, out);
        out.extend_from_slice(b"}}");
        Ok(())
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(serde::Serialize)]
        #[serde(tag = "type", rename_all = "snake_case")]
        enum Wire<'a> {
            MessageStart { message: &'a Message },
            Ping,
            ContentBlockStart { index: u32, content_block: &'a ContentBlock },
            ContentBlockDelta { index: u32, delta: &'a BlockDelta },
            ContentBlockStop { index: u32 },
            MessageDelta { delta: WireDelta<'a>, usage: &'a Usage },
            MessageStop,
        }
        #[derive(serde::Serialize)]
        struct WireDelta<'a> {
            stop_reason: Option<&'a StopReason>,
            stop_sequence: Option<&'a str>,
            stop_details: Option<&'a StopDetails>,
        }
        let wire = match self {
            Self::MessageStart(message) => Wire::MessageStart { message },
            Self::Ping => Wire::Ping,
            Self::ContentBlockStart { index, content_block } => {
                Wire::ContentBlockStart { index: *index, content_block }
            }
            Self::ContentBlockDelta { index, delta } => Wire::ContentBlockDelta { index: *index, delta },
            Self::ContentBlockStop { index } => Wire::ContentBlockStop { index: *index },
            Self::MessageDelta { stop_reason, stop_sequence, stop_details, usage } => Wire::MessageDelta {
                delta: WireDelta {
                    stop_reason: stop_reason.as_ref(),
                    stop_sequence: stop_sequence.as_deref(),
                    stop_details: stop_details.as_ref(),
                },
                usage,
            },
            Self::MessageStop => Wire::MessageStop,
            Self::Error { error, request_id } => {
                return error.envelope(request_id.as_deref()).serialize(serializer);
            }
        };
        wire.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Event {
    /// Reads an event that somebody else wrote, for `convert --from messages`. Members that [`Event`] does
    /// not hold are lost.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = WireEvent::deserialize(deserializer)?;
        wire.into_event()
    }
}

#[derive(serde::Deserialize)]
struct WireEvent {
    #[serde(rename = "type")]
    kind: String,
    message: Option<Message>,
    index: Option<u32>,
    content_block: Option<ContentBlock>,
    delta: Option<Box<serde_json::value::RawValue>>,
    usage: Option<Usage>,
    error: Option<WireError>,
    request_id: Option<String>,
}

#[derive(serde::Deserialize)]
struct WireError {
    #[serde(rename = "type")]
    kind: ErrorKind,
    message: Option<String>,
}

#[derive(serde::Deserialize)]
struct WireMessageDelta {
    stop_reason: Option<StopReason>,
    stop_sequence: Option<String>,
    stop_details: Option<StopDetails>,
}

impl WireEvent {
    fn into_event<E: serde::de::Error>(self) -> Result<Event, E> {
        let index = || self.index.ok_or_else(|| E::missing_field("index"));
        let delta = || self.delta.as_deref().ok_or_else(|| E::missing_field("delta"));
        Ok(match self.kind.as_str() {
            "message_start" => Event::MessageStart(self.message.ok_or_else(|| E::missing_field("message"))?),
            "ping" => Event::Ping,
            "content_block_start" => Event::ContentBlockStart {
                index: index()?,
                content_block: self.content_block.ok_or_else(|| E::missing_field("content_block"))?,
            },
            "content_block_delta" => Event::ContentBlockDelta {
                index: index()?,
                delta: serde_json::from_str(delta()?.get()).map_err(E::custom)?,
            },
            "content_block_stop" => Event::ContentBlockStop { index: index()? },
            "message_delta" => {
                let delta: WireMessageDelta = serde_json::from_str(delta()?.get()).map_err(E::custom)?;
                Event::MessageDelta {
                    stop_reason: delta.stop_reason,
                    stop_sequence: delta.stop_sequence,
                    stop_details: delta.stop_details,
                    usage: self.usage.unwrap_or_default(),
                }
            }
            "message_stop" => Event::MessageStop,
            "error" => {
                let error = self.error.ok_or_else(|| E::missing_field("error"))?;
                let message = error.message.unwrap_or_default();
                Event::Error { error: Error::new(error.kind, message), request_id: self.request_id }
            }
            other => return Err(E::custom(format!("event of unknown type `{other}`"))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_reads_back_what_it_wrote() {
        let texts = [
            r#"{"type":"message_start","message":{"id":"m","type":"message","role":"assistant","model":"x","content":[],"stop_reason":null,"stop_sequence":null,"stop_details":null,"usage":{"input_tokens":1,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}}"#,
            r#"{"type":"ping"}"#,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"n","input":{}}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{}"}}"#,
            r#"{"type":"content_block_delta","index":12,"delta":{"type":"text_delta","text":"a\n\"b\\é\u0001"}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":""}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"s"}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"citations_delta","citation":{"type":"web_search_result_location","url":"u","title":null,"cited_text":"c","encrypted_index":""}}}"#,
            r#"{"type":"content_block_stop","index":0}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null,"stop_details":null},"usage":{"input_tokens":1,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":2}}"#,
            r#"{"type":"message_stop"}"#,
            r#"{"type":"error","error":{"type":"overloaded_error","message":"m"},"request_id":"r"}"#,
        ];
        for text in texts {
            let event: Event = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&event).unwrap(), text);
            let mut written = Vec::new();
            event.write(&mut written).unwrap();
            assert_eq!(String::from_utf8(written).unwrap(), text);
        }
    }
}
