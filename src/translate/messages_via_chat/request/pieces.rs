//! What of a request costs tokens.

use crate::protocol::openai::chat::request::{Content, Message, PartKind, Request};
use crate::translate::request::Piece;

/// Tells everything in a request that costs tokens.
pub(crate) fn pieces<'a>(request: &'a Request, tell: &mut impl FnMut(Piece<'a>)) {
    for message in &request.messages {
        tell(Piece::Message);
        match message {
            Message::System { content } | Message::Developer { content } | Message::User { content } => {
                of_content(content, tell);
            }
            Message::Tool { content, tool_call_id } => {
                of_content(content, tell);
                tell(Piece::Text(tool_call_id));
            }
            Message::Assistant(message) => {
                let texts = [&message.content, &message.reasoning_content, &message.reasoning];
                texts.into_iter().flatten().for_each(|text| tell(Piece::Said(text)));
                message.reasoning_details.iter().for_each(|details| tell(Piece::Text(details.get())));
                for call in &message.tool_calls {
                    tell(Piece::Text(&call.function.name));
                    tell(Piece::Text(&call.function.arguments));
                }
            }
        }
    }
    for tool in &request.tools {
        tell(Piece::Tool);
        tell(Piece::Text(&tool.function.name));
        tell(Piece::Text(tool.function.parameters.get()));
        tool.function.description.iter().for_each(|text| tell(Piece::Said(text)));
    }
    if let Some(format) = request.response_format.as_ref().and_then(|format| format.json_schema.as_ref()) {
        tell(Piece::Text(format.schema.get()));
    }
}

fn of_content<'a>(content: &'a Content, tell: &mut impl FnMut(Piece<'a>)) {
    match content {
        Content::Text(text) => tell(Piece::Said(text)),
        Content::Parts(parts) => parts.iter().for_each(|part| match &part.kind {
            PartKind::Text { text } => tell(Piece::Said(text)),
            PartKind::ImageUrl { image_url } => tell(Piece::Image(&image_url.url)),
            PartKind::File { file } => tell(Piece::File(&file.file_data)),
        }),
    }
}
