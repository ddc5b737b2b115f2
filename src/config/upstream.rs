//! `[upstream]`: the server that runs the model, and the key for it.

use std::fmt;

use url::Url;

use super::layers::Origin;
use crate::{
    secret::SecretString,
    translate::quirks::{Preset, Quirks},
};

/// The server that runs the model.
#[derive(Clone)]
pub struct Upstream {
    /// The name in logs and messages. Default: the preset's name, or the host for [`Preset::Generic`].
    pub name: String,
    /// The kind of server. Default by host; `openai` if nothing is set.
    pub preset: Preset,
    /// How it deviates: the preset's values with those of `[upstream.quirks]` over them.
    pub quirks: Quirks,
    /// What the endpoints' paths (`/chat/completions`, `/models`) are appended to: http or https, without
    /// credentials, query, fragment and trailing slash. Only an empty path is `/`, as URLs have it.
    /// Default by preset; `OPENAI_BASE_URL`.
    pub base_url: Url,
    /// Where the base URL came from.
    pub url_origin: Origin,
    /// The key; none for servers that want none, which then get no credentials at all. `OPENAI_API_KEY`, or
    /// the variable that `api_key_env` names.
    pub api_key: Option<SecretString>,
    /// Where the key came from; set whenever the key is.
    pub key_origin: Option<Origin>,
    /// The header that carries the key. Default by preset.
    pub auth_style: AuthStyle,
    /// Azure's `api-version` query parameter. Default none.
    pub api_version: Option<String>,
    /// The most tokens that the models answer with, if known. Default none.
    pub max_output_tokens: Option<u64>,
    /// The tokens that fit into the models' context, if known. Default none.
    pub context_window: Option<u64>,
    /// Headers added to every request, in the file's order; values may be secret, so `Debug` shows names only.
    /// Default none.
    pub headers: Vec<(String, String)>,
}

/// The header that carries the upstream's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthStyle {
    /// `Authorization: Bearer …`.
    Bearer,
    /// `api-key: …` (Azure).
    ApiKeyHeader,
}

impl Upstream {
    /// An upstream of that kind at that address, without a key, everything else at its default.
    pub fn new(preset: Preset, base_url: Url) -> Self {
        Self {
            name: default_name(preset, &base_url),
            preset,
            quirks: preset.quirks(),
            base_url,
            url_origin: Origin::Default,
            api_key: None,
            key_origin: None,
            auth_style: default_auth_style(preset),
            api_version: None,
            max_output_tokens: None,
            context_window: None,
            headers: Vec::new(),
        }
    }
}

impl Default for Upstream {
    /// OpenAI itself, without a key.
    fn default() -> Self {
        // An address that is written here and covered by a test cannot fail to parse; `Url` has no const form.
        #[expect(clippy::expect_used, reason = "a constant, covered by every test that builds a default")]
        let base_url = Url::parse("https://api.openai.com/v1").expect("a constant URL");
        Self::new(Preset::OpenAi, base_url)
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header_names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("Upstream")
            .field("name", &self.name)
            .field("preset", &self.preset)
            .field("quirks", &self.quirks)
            .field("base_url", &self.base_url.as_str())
            .field("url_origin", &self.url_origin)
            .field("api_key", &self.api_key)
            .field("key_origin", &self.key_origin)
            .field("auth_style", &self.auth_style)
            .field("api_version", &self.api_version)
            .field("max_output_tokens", &self.max_output_tokens)
            .field("context_window", &self.context_window)
            .field("headers", &header_names)
            .finish()
    }
}

fn default_name(preset: Preset, base_url: &Url) -> String {
    match preset {
        Preset::Generic => base_url.host_str().unwrap_or("generic").to_owned(),
        known => known.name().to_owned(),
    }
}

fn default_auth_style(preset: Preset) -> AuthStyle {
    if preset == Preset::Azure { AuthStyle::ApiKeyHeader } else { AuthStyle::Bearer }
}

/// The address of a preset whose server has the same one everywhere.
pub fn default_base_url(preset: Preset) -> Option<&'static str> {
    Some(match preset {
        Preset::OpenAi => "https://api.openai.com/v1",
        Preset::OpenRouter => "https://openrouter.ai/api/v1",
        Preset::Groq => "https://api.groq.com/openai/v1",
        Preset::DeepSeek => "https://api.deepseek.com",
        Preset::Mistral => "https://api.mistral.ai/v1",
        Preset::Gemini => "https://generativelanguage.googleapis.com/v1beta/openai",
        Preset::Ollama => "http://127.0.0.1:11434/v1",
        Preset::LmStudio => "http://127.0.0.1:1234/v1",
        Preset::Vllm => "http://127.0.0.1:8000/v1",
        Preset::LlamaCpp => "http://127.0.0.1:8080/v1",
        Preset::Sglang => "http://127.0.0.1:30000/v1",
        Preset::Azure | Preset::Generic => return None,
    })
}
