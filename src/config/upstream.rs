//! `[upstream]`: the server that runs the model, and the key for it.

use std::{collections::BTreeMap, fmt, path::PathBuf, time::Duration};

use serde::Serialize;
use serde_json::{Map, Value};
use toml::Spanned;
use url::Url;

use super::{
    Flags,
    error::{BadValue, Error, nearest},
    file::{MULTIPLIER, SecretText, UpstreamTable},
    layers::{COUNT, Kind, Layers, Origin, Setting},
    limits::DURATION,
    quirks, show,
};
use crate::{
    models::{
        counting::{Counter, Multiplier},
        dialect::{Spoken, Wish},
    },
    secret::{ExposeSecret as _, SecretString},
    translate::quirks::{Preset, Quirks, SystemMode},
};

mod address;
mod dialect;
mod extra_body;
mod key;
mod key_command;
mod proxy;
mod several;

pub(super) use dialect::DIALECT;

/// The server that runs the model.
#[derive(Clone, Serialize)]
pub struct Upstream {
    /// The name in logs and messages. Default: the preset's name, or the host for [`Preset::Generic`].
    pub name: String,
    /// The kind of server. Default by host; `openai` if nothing is set.
    #[serde(serialize_with = "show::printed")]
    pub preset: Preset,
    /// How it deviates: the preset's values with those of `[upstream.quirks]` over them.
    pub quirks: Quirks,
    /// What the endpoints' paths (`/chat/completions`, `/models`) are appended to: http or https, without
    /// credentials, query, fragment and trailing slash. Only an empty path is `/`, as URLs have it.
    /// Default by preset; `OPENAI_BASE_URL`.
    #[serde(serialize_with = "show::printed")]
    pub base_url: Url,
    /// Where the base URL came from.
    #[serde(skip)]
    pub url_origin: Origin,
    /// The key; none for servers that want none, which then get no credentials at all. `OPENAI_API_KEY`, or
    /// the variable that `api_key_env` names.
    #[serde(serialize_with = "show::redacted")]
    pub api_key: Option<SecretString>,
    /// Further keys, used in turn with it. Default none.
    #[serde(skip)]
    pub other_keys: Vec<SecretString>,
    /// Where the key came from; set whenever the key is.
    #[serde(skip)]
    pub key_origin: Option<Origin>,
    /// What is spoken to it. Default `auto`; `OPENAI_DIALECT`.
    pub dialect: Wish,
    /// Where the dialect came from.
    #[serde(skip)]
    pub dialect_origin: Origin,
    /// The header that carries the key. Default by preset and dialect.
    pub auth_style: AuthStyle,
    /// More roots that its certificate may come from, in PEM. Default none.
    pub ca_file: Option<PathBuf>,
    /// Whether it is called over HTTP/2. Default false: all calls would share one connection.
    pub http2: bool,
    /// The variable that names a proxy on the way to it. Default none.
    #[serde(skip)]
    pub proxy_variable: Option<&'static str>,
    /// Azure's `api-version` query parameter. Default none; `OPENAI_API_VERSION`.
    pub api_version: Option<String>,
    /// The name at OpenAI of the models that are deployments with names of their own (Azure). Default none.
    pub model_family: Option<String>,
    /// Leave out Claude Code's billing header where requests are forwarded. Default no.
    pub strip_billing_header: bool,
    /// Where system text goes in requests that are forwarded: the quirk if somebody set it, else where it stands.
    #[serde(skip)]
    pub forwarded_system: SystemMode,
    /// What becomes of a prompt that the content filter refuses. Default: an error.
    pub content_filter: ContentFilter,
    /// The most tokens that the models answer with, if known. Default none.
    pub max_output_tokens: Option<u64>,
    /// The tokens that fit into the models' context, if known. Default none.
    pub context_window: Option<u64>,
    /// Who answers `count_tokens`. Default: the o200k tables.
    pub count_tokens: Counter,
    /// By how much token counts are multiplied for clients; a model's own multiplier wins. Default 1.
    pub count_multiplier: Multiplier,
    /// Headers added to every request, in the file's order; values may be secret, so `Debug` shows names only.
    /// Default none.
    #[serde(serialize_with = "show::redacted_values")]
    pub headers: Vec<(String, String)>,
    /// Members added to every request's body where the request has none of that name. Default none.
    pub extra_body: Map<String, Value>,
    /// For connecting to it, TLS included. Default: that of `[limits]`.
    pub connect_timeout: Option<Duration>,
    /// For its first byte. Default: that of `[limits]`; `REQUEST_TIMEOUT`.
    pub first_byte_timeout: Option<Duration>,
    /// Between two bytes of its streams. Default: that of `[limits]`; `REQUEST_TIMEOUT`.
    pub stream_idle_timeout: Option<Duration>,
    /// Requests that it gets at the same time. Default: as many as the gateway has places for.
    pub max_concurrent_requests: Option<usize>,
}

/// The header that carries the upstream's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthStyle {
    /// `Authorization: Bearer …`.
    Bearer,
    /// `api-key: …` (Azure).
    ApiKeyHeader,
    /// `x-api-key: …` (Anthropic).
    XApiKey,
    /// `x-api-key: …` and `Authorization: Bearer …`: servers that speak Messages look for the one or the other.
    Both,
}

/// What becomes of a prompt that the upstream's content filter refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ContentFilter {
    /// The failure that it is: 400.
    #[default]
    Error,
    /// A message whose `stop_reason` is `refusal`.
    Refusal,
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
            other_keys: Vec::new(),
            key_origin: None,
            dialect: Wish::Auto,
            dialect_origin: Origin::Default,
            auth_style: default_auth_style(preset, Wish::Auto),
            ca_file: None,
            http2: false,
            proxy_variable: None,
            api_version: None,
            model_family: None,
            strip_billing_header: false,
            forwarded_system: SystemMode::System,
            content_filter: ContentFilter::Error,
            max_output_tokens: None,
            context_window: None,
            count_tokens: Counter::default(),
            count_multiplier: Multiplier::default(),
            headers: Vec::new(),
            extra_body: Map::new(),
            connect_timeout: None,
            first_byte_timeout: None,
            stream_idle_timeout: None,
            max_concurrent_requests: None,
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
            .field("other_keys", &self.other_keys)
            .field("key_origin", &self.key_origin)
            .field("dialect", &self.dialect)
            .field("dialect_origin", &self.dialect_origin)
            .field("auth_style", &self.auth_style)
            .field("ca_file", &self.ca_file)
            .field("http2", &self.http2)
            .field("proxy_variable", &self.proxy_variable)
            .field("api_version", &self.api_version)
            .field("model_family", &self.model_family)
            .field("strip_billing_header", &self.strip_billing_header)
            .field("forwarded_system", &self.forwarded_system)
            .field("content_filter", &self.content_filter)
            .field("max_output_tokens", &self.max_output_tokens)
            .field("context_window", &self.context_window)
            .field("count_tokens", &self.count_tokens)
            .field("count_multiplier", &self.count_multiplier)
            .field("headers", &header_names)
            .field("extra_body", &self.extra_body)
            .field("connect_timeout", &self.connect_timeout)
            .field("first_byte_timeout", &self.first_byte_timeout)
            .field("stream_idle_timeout", &self.stream_idle_timeout)
            .field("max_concurrent_requests", &self.max_concurrent_requests)
            .finish()
    }
}

fn default_name(preset: Preset, base_url: &Url) -> String {
    match preset {
        Preset::Generic => base_url.host_str().unwrap_or("generic").to_owned(),
        known => known.name().to_owned(),
    }
}

fn default_auth_style(preset: Preset, dialect: Wish) -> AuthStyle {
    match (preset, dialect) {
        (Preset::Azure, _) => AuthStyle::ApiKeyHeader,
        (Preset::Anthropic, _) => AuthStyle::XApiKey,
        (_, Wish::Only(Spoken::Messages)) => AuthStyle::Both,
        _ => AuthStyle::Bearer,
    }
}

/// The address of a preset whose server has the same one everywhere.
pub fn default_base_url(preset: Preset) -> Option<&'static str> {
    Some(match preset {
        Preset::OpenAi => "https://api.openai.com/v1",
        Preset::Anthropic => "https://api.anthropic.com",
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

const AUTH_STYLE: Kind<AuthStyle> = Kind {
    expected: "\"bearer\", \"api_key_header\", \"x_api_key\" or \"both\"",
    read: |text| match text {
        "bearer" => Some(AuthStyle::Bearer),
        "api_key_header" => Some(AuthStyle::ApiKeyHeader),
        "x_api_key" => Some(AuthStyle::XApiKey),
        "both" => Some(AuthStyle::Both),
        _ => None,
    },
    names: &["bearer", "api_key_header", "x_api_key", "both"],
};

const CONTENT_FILTER: Kind<ContentFilter> = Kind {
    expected: "\"error\" or \"refusal\"",
    read: |text| match text {
        "error" => Some(ContentFilter::Error),
        "refusal" => Some(ContentFilter::Refusal),
        _ => None,
    },
    names: &["error", "refusal"],
};

const COUNTERS: Kind<Counter> = Kind {
    expected: "\"local\", \"chars\" or \"upstream\"",
    read: |text| match text {
        "local" => Some(Counter::Local),
        "chars" => Some(Counter::Chars),
        "upstream" => Some(Counter::Upstream),
        _ => None,
    },
    names: &["local", "chars", "upstream"],
};

const MULTIPLIERS: Kind<Multiplier> = Kind { expected: MULTIPLIER, read: Multiplier::from_text, names: &[] };

pub(super) const TOKENS: Kind<u64> = Kind {
    expected: "a number of tokens, at least 1",
    read: |text| text.parse().ok().filter(|count| *count > 0),
    names: &[],
};

/// Text that must not be empty, such as a name.
const TEXT: Kind<String> = Kind {
    expected: "a text without control characters that is not empty",
    read: |text| {
        let text = text.trim();
        (!text.is_empty() && !text.contains(char::is_control)).then(|| text.to_owned())
    },
    names: &[],
};

impl Upstream {
    /// Chooses the settings from their layers; `key_needed` says whether a hosted upstream without one is an
    /// error.
    fn resolve(
        table: UpstreamTable,
        flags: &Flags,
        key_needed: bool,
        layers: &mut Layers<'_>,
    ) -> Result<Self, Error> {
        if let Some(demo) = &flags.demo {
            return Ok(Self::demo(demo.clone()));
        }
        let written = key::Written {
            literal: table.api_key,
            file: table.api_key_file,
            variable: table.api_key_env,
            command: table.api_key_command,
        };
        let key = key::resolve(written, key_needed, layers)?;
        let (given_url, url_ignored) = address::choose(flags, table.base_url, &key, layers)?;
        let preset = choose_preset(flags, table.preset, given_url.as_ref(), layers)?;
        let version = layers.file(table.api_version, "upstream.api_version", &TEXT)?;
        let version_in_env = layers.env("OPENAI_API_VERSION", "upstream.api_version", &TEXT)?;
        let version = layers.choose("upstream.api_version", [version_in_env, version]);
        let api_version = version.map(|it| it.value);
        let url = address::settle(preset, given_url, api_version.as_deref())?;
        if key.value.is_none() && key_needed && preset.needs_key() {
            let host = url.value.host_str().unwrap_or_default().to_owned();
            if let Some(scope) = &layers.scope {
                return Err(Error::Conflict {
                    problem: format!("no key for the upstream {scope:?} ({preset} at {host})"),
                    origin: url.origin,
                    mend: "set its api_key_env (to a variable that is set), api_key_file or api_key",
                });
            }
            return Err(Error::MissingKey { preset, host, variable: key.variable, url_ignored });
        }
        let quirks = quirks::resolve(preset, table.quirks, layers)?;
        let mut upstream = Self { quirks, url_origin: url.origin, ..Self::new(preset, url.value) };
        if let Some(Setting { value, origin }) = key.value {
            upstream.api_key = Some(value);
            upstream.other_keys = key.others;
            upstream.key_origin = Some(origin);
        }
        let name = layers.file(table.name, "upstream.name", &TEXT)?;
        upstream.name = layers.choose("upstream.name", [name]).map_or(upstream.name, |it| it.value);
        if let Some(dialect) = dialect::choose(flags, table.dialect, layers)? {
            (upstream.dialect, upstream.dialect_origin) = (dialect.value, dialect.origin);
        }
        let style = layers.file(table.auth_style, "upstream.auth_style", &AUTH_STYLE)?;
        let style = layers.choose("upstream.auth_style", [style]).map(|it| it.value);
        upstream.auth_style = style.unwrap_or_else(|| default_auth_style(preset, upstream.dialect));
        let ca_file = layers.file.setting(table.ca_file);
        let ca_file = layers.choose("upstream.ca_file", [ca_file]).map(|it| it.value);
        upstream.ca_file = ca_file.map(|path| layers.file.beside(&path));
        let http2 = layers.file.setting(table.http2);
        upstream.http2 = layers.choose("upstream.http2", [http2]).is_some_and(|it| it.value);
        upstream.proxy_variable = proxy::variable(&upstream.base_url, layers)?;
        upstream.api_version = api_version;
        let family = layers.file(table.model_family, "upstream.model_family", &TEXT)?;
        upstream.model_family = layers.choose("upstream.model_family", [family]).map(|it| it.value);
        let strip = layers.file.setting(table.strip_billing_header);
        let strip = layers.choose("upstream.strip_billing_header", [strip]);
        upstream.strip_billing_header = strip.is_some_and(|it| it.value);
        if layers.origins.contains_key("upstream.quirks.system_mode") {
            upstream.forwarded_system = upstream.quirks.system_mode;
        }
        let filter = layers.file(table.content_filter, "upstream.content_filter", &CONTENT_FILTER)?;
        let filter = layers.choose("upstream.content_filter", [filter]);
        upstream.content_filter = filter.map_or_else(ContentFilter::default, |it| it.value);
        let output = layers.file(table.max_output_tokens, "upstream.max_output_tokens", &TOKENS)?;
        upstream.max_output_tokens = layers.choose("upstream.max_output_tokens", [output]).map(|it| it.value);
        let context = layers.file(table.context_window, "upstream.context_window", &TOKENS)?;
        upstream.context_window = layers.choose("upstream.context_window", [context]).map(|it| it.value);
        let counter = layers.file(table.count_tokens, "upstream.count_tokens", &COUNTERS)?;
        let counter = layers.choose("upstream.count_tokens", [counter]);
        upstream.count_tokens = counter.map_or_else(Counter::default, |it| it.value);
        let multiplier = layers.file(table.count_multiplier, "upstream.count_multiplier", &MULTIPLIERS)?;
        let multiplier = layers.choose("upstream.count_multiplier", [multiplier]);
        upstream.count_multiplier = multiplier.map_or_else(Multiplier::default, |it| it.value);
        upstream.headers = headers(table.headers, layers)?;
        upstream.extra_body = extra_body::resolve(table.extra_body, layers)?;
        let connect = layers.file(table.connect_timeout, "upstream.connect_timeout", &DURATION)?;
        upstream.connect_timeout = layers.choose("upstream.connect_timeout", [connect]).map(|it| it.value);
        let mut timeout = |name: &str, written| {
            let key = format!("upstream.{name}");
            let Some(written) = layers.file(written, &key, &DURATION)? else { return Ok(None) };
            // The variable wins over the file, here as in `[limits]`.
            let by_variable = layers.env("REQUEST_TIMEOUT", "REQUEST_TIMEOUT", &DURATION)?;
            Ok::<_, Error>(layers.choose(&key, [by_variable, Some(written)]).map(|it| it.value))
        };
        upstream.first_byte_timeout = timeout("first_byte_timeout", table.first_byte_timeout)?;
        upstream.stream_idle_timeout = timeout("stream_idle_timeout", table.stream_idle_timeout)?;
        let places = "upstream.max_concurrent_requests";
        let concurrent = layers.file(table.max_concurrent_requests, places, &COUNT)?;
        upstream.max_concurrent_requests = layers.choose(places, [concurrent]).map(|it| it.value);
        Ok(upstream)
    }

    /// The embedded upstream of `serve --demo`.
    fn demo(base_url: Url) -> Self {
        let name = "demo".to_owned();
        Self { name, url_origin: Origin::Flag("--demo"), ..Self::new(Preset::Generic, base_url) }
    }
}

/// The preset that was named, else that of the address, else OpenAI.
fn choose_preset(
    flags: &Flags,
    in_file: Option<Spanned<String>>,
    url: Option<&Setting<Url>>,
    layers: &mut Layers<'_>,
) -> Result<Preset, Error> {
    let in_file = layers.file.setting(in_file).map(preset_named).transpose()?;
    let named = layers.choose("upstream.preset", [Setting::flag("--preset", flags.preset), in_file]);
    let of_host = url.and_then(|url| url.value.host_str()).map(Preset::from_host);
    let Some(named) = named else { return Ok(of_host.unwrap_or(Preset::OpenAi)) };
    if let (Some(url), Some(host)) = (url, of_host.filter(|host| *host != Preset::Generic))
        && host != named.value
    {
        let (preset, preset_origin, url_origin) = (named.value, &named.origin, &url.origin);
        layers.warnings.push(format!(
            "the preset is {preset} ({preset_origin}) but the address is that of {host} ({url_origin})"
        ));
    }
    Ok(named.value)
}

fn preset_named(setting: Setting<String>) -> Result<Setting<Preset>, Error> {
    let names = Preset::ALL.map(Preset::name);
    match Preset::from_name(&setting.value) {
        Some(preset) => Ok(setting.map(|_| preset)),
        None => Err(Error::from(BadValue {
            key: "upstream.preset".to_owned(),
            expected: format!("one of {}", names.join(", ")),
            nearest: nearest(&setting.value, names),
            value: Some(setting.value),
            origin: setting.origin,
        })),
    }
}

/// The extra headers, in the file's order.
fn headers(
    table: BTreeMap<Spanned<String>, SecretText>,
    layers: &mut Layers<'_>,
) -> Result<Vec<(String, String)>, Error> {
    let mut entries: Vec<_> = table.into_iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    let mut headers = Vec::with_capacity(entries.len());
    for (name, value) in entries {
        let origin = layers.file.origin(&name);
        let (name, value) = (name.into_inner().to_ascii_lowercase(), value.0.expose_secret().to_owned());
        let valid = http::HeaderName::try_from(&name).is_ok() && http::HeaderValue::try_from(&value).is_ok();
        if !valid || OUR_HEADERS.contains(&name.as_str()) {
            return Err(Error::from(BadValue {
                key: format!("upstream.headers.{name}"),
                expected: "a header that may be added: a valid one, and none that the program sets"
                    .to_owned(),
                value: None,
                origin,
                nearest: None,
            }));
        }
        layers.origins.insert(layers.scoped(&format!("upstream.headers.{name}")), origin);
        headers.push((name, value));
    }
    Ok(headers)
}

/// Headers that frame the request or carry the key: a second value would break or bypass what we promise.
const OUR_HEADERS: [&str; 13] = [
    "authorization",
    "api-key",
    "x-api-key",
    "host",
    "content-length",
    "content-type",
    "content-encoding",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "upgrade",
    "te",
    "trailer",
];
