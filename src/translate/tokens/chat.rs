//! What costs tokens in a request of chat completions.

use super::{Countable, Tally};
use crate::protocol::openai::chat::request::{AssistantMessage, Content, Message, Part, Request};

impl Countable for Request {
    fn model(&self) -> &str {
        &self.model
    }

    fn tell(&self, tally: &mut Tally<'_>) {
        for message in &self.messages {
            tally.message();
            match message {
                Message::System { content } | Message::Developer { content } | Message::User { content } => {
                    content_of(content, tally);
                }
                Message::Tool { content, tool_call_id } => {
                    content_of(content, tally);
                    tally.text(tool_call_id);
                }
                Message::Assistant(message) => assistant(message, tally),
            }
        }
        for tool in &self.tools {
            tally.tool();
            tally.text(&tool.function.name);
            tally.text(tool.function.parameters.get());
            if let Some(description) = &tool.function.description {
                tally.text(description);
            }
        }
        if let Some(format) = &self.response_format {
            tally.text(format.json_schema.schema.get());
        }
    }
}

fn assistant(message: &AssistantMessage, tally: &mut Tally<'_>) {
    let texts = [&message.content, &message.reasoning_content, &message.reasoning];
    for said in texts.into_iter().flatten() {
        tally.text(said);
    }
    for call in &message.tool_calls {
        tally.text(&call.function.name);
        tally.text(&call.function.arguments);
    }
}

fn content_of(content: &Content, tally: &mut Tally<'_>) {
    match content {
        Content::Text(content) => tally.text(content),
        Content::Parts(parts) => {
            for part in parts {
                match part {
                    Part::Text { text } => tally.text(text),
                    Part::ImageUrl { image_url } => tally.image(&image_url.url),
                    Part::File { file } => tally.file(&file.file_data),
                }
            }
        }
    }
}
