//! Requests: stub.
use crate::protocol::anthropic::error::Error;
use crate::protocol::anthropic::request::Request;
use crate::protocol::openai::chat;
use crate::translate::Options;
use crate::translate::context::Context;
use crate::translate::report::Report;

/// A translated request.
#[derive(Debug, Clone)]
pub struct Translated {
    /// What to send to the upstream.
    pub body: chat::request::Request,
    /// What the translation of the answer must remember.
    pub context: Context,
    /// What was lost on the way.
    pub report: Report,
}

/// Translates a request.
///
/// # Errors
/// `invalid_request_error` naming the member, for everything that can be neither carried over nor reported.
pub fn request(request: Request, options: &Options) -> Result<Translated, Error> {
    let _ = options;
    Err(Error::invalid_request(request.model))
}
