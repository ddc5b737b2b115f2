//! What of a request costs tokens.

use crate::protocol::openai::responses::request::{Content, Item, PartKind, Request};
use crate::translate::request::Piece;

/// Tells everything in a request that costs tokens.
pub(crate) fn pieces<'a>(request: &'a Request, tell: &mut impl FnMut(Piece<'a>)) {
    if let Some(instructions) = &request.instructions {
        tell(Piece::Message);
        tell(Piece::Said(instructions));
    }
    for item in &request.input {
        match item {
            Item::Message(message) => {
                tell(Piece::Message);
                of_content(&message.content, tell);
            }
            Item::Reasoning(reasoning) => {
                reasoning.encrypted_content.iter().for_each(|text| tell(Piece::Sealed(text)));
                reasoning.content.iter().for_each(|part| tell(Piece::Text(&part.text)));
            }
            Item::FunctionCall { call_id: _, name, arguments } => {
                tell(Piece::Message);
                tell(Piece::Text(name));
                tell(Piece::Text(arguments));
            }
            Item::FunctionCallOutput { call_id, output } => {
                tell(Piece::Message);
                of_content(output, tell);
                tell(Piece::Text(call_id));
            }
        }
    }
    for tool in &request.tools {
        tell(Piece::Tool);
        tell(Piece::Text(&tool.name));
        tell(Piece::Text(tool.parameters.get()));
        tool.description.iter().for_each(|text| tell(Piece::Said(text)));
    }
    if let Some(text) = &request.text {
        tell(Piece::Text(text.format.schema.get()));
    }
}

fn of_content<'a>(content: &'a Content, tell: &mut impl FnMut(Piece<'a>)) {
    match content {
        Content::Text(text) => tell(Piece::Said(text)),
        Content::Parts(parts) => parts.iter().for_each(|part| match &part.kind {
            PartKind::InputText { text } => tell(Piece::Said(text)),
            PartKind::InputImage { image_url, .. } => tell(Piece::Image(image_url)),
            PartKind::InputFile { file_data, file_url, .. } => {
                file_data.iter().chain(file_url).for_each(|url| tell(Piece::File(url)));
            }
        }),
    }
}
