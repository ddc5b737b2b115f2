//! Whole answers. They are told as a stream and folded, so that both ways give the same message.

use super::stream::{End, Stream};
use crate::protocol::anthropic::error::Error;
use crate::protocol::anthropic::response::{CacheCreation, Message};
use crate::sse;
use crate::translate::context::Context;
use crate::translate::message_fold::MessageFold;
use crate::translate::report::Report;

/// Translates a whole answer: the body of an upstream's reply with status 200, JSON or (some gateways always
/// stream) server-sent events.
///
/// # Errors
/// When the body is a failure in disguise, or no completion at all.
pub fn response(body: &[u8], message_id: String, context: Context) -> Result<(Message, Report), Error> {
    let mut stream = Stream::new(message_id, context);
    let mut events = Vec::new();
    if sse::is_event_stream(body) {
        let mut decoder = sse::Decoder::new(body.len());
        // An event cannot be longer than the body that holds it.
        let _ = decoder.push(body, |event| stream.push(&event, &mut events));
        decoder.finish(|event| stream.push(&event, &mut events));
    } else {
        stream.push_whole(body, &mut events);
    }
    stream.finish(End::Eof, &mut events);
    let mut fold = MessageFold::default();
    for event in events {
        fold.push(event)?;
    }
    let mut message = fold.finish()?;
    let told = stream.usage().cache_creation;
    message.usage.cache_creation = Some(told.unwrap_or(CacheCreation {
        ephemeral_5m_input_tokens: message.usage.cache_creation_input_tokens,
        ephemeral_1h_input_tokens: 0,
    }));
    message.usage.service_tier.clone_from(&stream.usage().service_tier);
    Ok((message, stream.report().clone()))
}
