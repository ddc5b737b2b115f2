//! Whole answers: stub.
use crate::protocol::anthropic::error::Error;
use crate::protocol::anthropic::response::Message;
use crate::translate::context::Context;
use crate::translate::report::Report;

/// Translates a whole answer: the body of an upstream's reply with status 200, JSON or (some gateways always
/// stream) server-sent events.
///
/// # Errors
/// When the body is a failure in disguise, or no completion at all.
pub fn response(body: &[u8], message_id: String, context: Context) -> Result<(Message, Report), Error> {
    let _ = (body, message_id, context);
    Err(Error::invalid_request("stub"))
}
