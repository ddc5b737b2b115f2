//! The upstream's own count of a request's tokens, which it can tell without answering the request.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::json;
use tokio::time;

use super::{Accept, Call, Endpoint, Error, Upstream, Waiting, request::authority};
use crate::secret::SecretString;

/// A request whose tokens are to be counted.
#[derive(Debug)]
pub struct Uncounted<'a> {
    /// The upstream's name of the model.
    pub model: &'a str,
    /// The JSON text that would be sent.
    pub body: Bytes,
    /// The client's own key (`auth = "passthrough"`).
    pub key: Option<&'a SecretString>,
}

/// The ways to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountBy {
    /// `POST /responses/input_tokens` takes the request (OpenAI's Responses).
    InputTokens,
    /// `POST /tokenize` takes the request (vLLM).
    Tokenize,
    /// `POST /apply-template` makes a prompt of the request, and `POST /tokenize` tokens of the prompt (llama.cpp).
    ApplyTemplate,
}

/// Counting must not take as long as answering: clients ask for many counts at once.
const PATIENCE: Duration = Duration::from_secs(10);

impl Upstream {
    /// The tokens of a request by the upstream's own tokenizer; waits ten seconds at most.
    ///
    /// # Errors
    /// When the upstream cannot be reached, refuses, is too slow, or answers something else.
    pub async fn count_tokens(&self, by: CountBy, request: &Uncounted<'_>) -> Result<u64, Error> {
        time::timeout(PATIENCE, self.ask_for_count(by, request)).await.unwrap_or_else(|_| {
            let host = authority(self.settings());
            Err(Error::Timeout { host, waiting: Waiting::FirstByte, limit: PATIENCE })
        })
    }

    async fn ask_for_count(&self, by: CountBy, request: &Uncounted<'_>) -> Result<u64, Error> {
        #[derive(Deserialize)]
        struct InputTokens {
            input_tokens: u64,
        }
        #[derive(Deserialize)]
        struct Tokenized {
            count: u64,
        }
        #[derive(Deserialize)]
        struct Prompt {
            prompt: String,
        }
        #[derive(Deserialize)]
        struct Tokens {
            tokens: Vec<IgnoredAny>,
        }
        let body = request.body.clone();
        match by {
            CountBy::InputTokens => {
                let answer: InputTokens = self.ask(Endpoint::ResponsesInputTokens, request, body).await?;
                Ok(answer.input_tokens)
            }
            CountBy::Tokenize => {
                let answer: Tokenized = self.ask(Endpoint::Tokenize, request, body).await?;
                Ok(answer.count)
            }
            CountBy::ApplyTemplate => {
                let Prompt { prompt } = self.ask(Endpoint::ApplyTemplate, request, body).await?;
                let text = json!({"content": prompt, "add_special": true, "parse_special": true});
                let answer: Tokens = self.ask(Endpoint::Tokenize, request, text.to_string().into()).await?;
                Ok(u64::try_from(answer.tokens.len()).unwrap_or(u64::MAX))
            }
        }
    }

    async fn ask<T: for<'de> Deserialize<'de>>(
        &self,
        endpoint: Endpoint,
        request: &Uncounted<'_>,
        body: Bytes,
    ) -> Result<T, Error> {
        let call = Call { key: request.key, ..Call::new(endpoint, request.model, body, Accept::Json) };
        let answer = self.post(&call).await?;
        let status = answer.status;
        let body = answer.body.collect(self.0.limits.max_response_size, PATIENCE).await?;
        let understood = if status == 200 { serde_json::from_slice(&body).ok() } else { None };
        understood.ok_or_else(|| Error::Unreadable {
            host: authority(self.settings()),
            reason: format!("no count of tokens, but status {status}"),
        })
    }
}
