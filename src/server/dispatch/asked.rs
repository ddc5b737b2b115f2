//! What a request is, as far as routes ask: read once more than the translation reads it, and only where there are
//! routes.

use std::sync::Arc;

use bytes::Bytes;

use crate::{
    protocol::anthropic::{
        block::{Block, BlockKind, Content},
        request::{Parsed, Request},
    },
    routing::Asked,
    server::{error::ApiError, state::Shared},
    translate::{self, Options, quirks::Preset},
};

/// A request's answers to the questions of routes.
pub(super) struct Facts {
    model: String,
    thinking: bool,
    images: bool,
    web_search: bool,
    input_tokens: u64,
}

/// Above this, reading takes long enough to be kept off the threads that serve everybody.
const LARGE_BYTES: usize = 1 << 20;

impl Facts {
    /// Reads them; `None` if the request cannot be read.
    pub(super) async fn read(shared: &Arc<Shared>, body: &Bytes) -> Result<Option<Self>, ApiError> {
        let counts = shared.ways.iter().any(|way| way.route.min_tokens.is_some());
        if body.len() <= LARGE_BYTES {
            return Ok(Self::of(body, counts));
        }
        let body = body.clone();
        tokio::task::spawn_blocking(move || Self::of(&body, counts)).await.map_err(ApiError::crashed)
    }

    fn of(body: &[u8], counts: bool) -> Option<Self> {
        let parsed = Request::parse(body).ok()?;
        let request = &parsed.request;
        let thinking = request.thinking.as_ref().is_some_and(|thinking| thinking.kind != "disabled");
        let tools = request.tools.iter().flatten();
        let is_search = |kind: &String| kind.starts_with("web_search");
        let web_search = tools.filter_map(|tool| tool.kind.as_ref()).any(is_search);
        let images = request.messages.iter().filter_map(|message| message.content.as_ref()).any(has_image);
        let model = request.model.clone();
        let input_tokens = if counts { estimate(parsed, body) } else { 0 };
        Some(Self { model, thinking, images, web_search, input_tokens })
    }

    pub(super) fn asked(&self) -> Asked<'_> {
        Asked {
            model: &self.model,
            thinking: self.thinking,
            images: self.images,
            web_search: self.web_search,
            input_tokens: self.input_tokens,
        }
    }
}

fn has_image(content: &Content) -> bool {
    let Content::Blocks(blocks) = content else { return false };
    blocks.iter().any(|Block { kind, .. }| match kind {
        BlockKind::Image { .. } => true,
        BlockKind::ToolResult { content: Some(content), .. } => has_image(content),
        _ => false,
    })
}

/// The same estimate that stands in `message_start`. Where to it is sent is not decided yet; that changes little.
fn estimate(mut parsed: Parsed, body: &[u8]) -> u64 {
    let model = parsed.request.model.clone();
    parsed.request.max_tokens = parsed.request.max_tokens.or(Some(1));
    let options = Options::new(Preset::Generic.quirks(), "any", model);
    let by_length = || u64::try_from(body.len() / 4).unwrap_or(u64::MAX);
    translate::request(parsed, &options).map_or_else(|_| by_length(), |it| it.context.input_estimate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_known_by_what_is_in_it() {
        let facts = |more: &str, content: &str| {
            let body = format!(
                r#"{{"model":"m","max_tokens":9,{more}"messages":[{{"role":"user","content":{content}}}]}}"#
            );
            let facts = Facts::of(body.as_bytes(), true).unwrap();
            (facts.thinking, facts.images, facts.web_search, facts.input_tokens)
        };
        let plain = facts("", "\"hello there\"");
        assert_eq!((plain.0, plain.1, plain.2), (false, false, false));
        assert!((1..20).contains(&plain.3), "{plain:?}");
        assert!(facts(r#""thinking":{"type":"adaptive"},"#, "\"hi\"").0);
        assert!(!facts(r#""thinking":{"type":"disabled"},"#, "\"hi\"").0);
        assert!(facts(r#""tools":[{"type":"web_search_20250305","name":"web_search"}],"#, "\"hi\"").2);
        let image = r#"{"type":"image","source":{"type":"url","url":"https://x.example/a.png"}}"#;
        assert!(facts("", &format!("[{image}]")).1);
        let result = format!(r#"[{{"type":"tool_result","tool_use_id":"t","content":[{image}]}}]"#);
        assert!(facts("", &result).1);
        assert!(facts("", &format!("\"{}\"", "word ".repeat(2_000))).3 > 1_000);
        assert!(Facts::of(b"{", true).is_none());
    }
}
