//! Folds the events of a stream into the message they tell, as the official SDKs do.
use crate::protocol::anthropic::error::Error;
use crate::protocol::anthropic::response::Message;
use crate::protocol::anthropic::stream::Event;

/// The fold.
#[derive(Debug, Default)]
pub struct MessageFold {}

impl MessageFold {
    /// Takes the next event.
    ///
    /// # Errors
    /// When the event is an `error`, or breaks the grammar of a stream.
    pub fn push(&mut self, event: Event) -> Result<(), Error> {
        let _ = event;
        Ok(())
    }

    /// The message.
    ///
    /// # Errors
    /// When the stream was not whole.
    pub fn finish(self) -> Result<Message, Error> {
        Err(Error::invalid_request("stub"))
    }
}
