//! What a request to the upstream looks like: its URL, its headers, its credentials.
//!
//! Nothing of the client's request gets here but the body that the translation wrote, and the client's own key
//! where that was configured; so no client chooses where a request goes.

use std::{borrow::Cow, ptr};

use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use url::{Position, Url};

use super::{Call, error::Error};
use crate::{
    config::upstream::{AuthStyle, Upstream as Settings},
    secret::{ExposeSecret as _, SecretString},
};

/// What is asked of the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// `POST /chat/completions`.
    ChatCompletions,
    /// `POST /responses`.
    Responses,
    /// `POST /responses/input_tokens`, which counts.
    ResponsesInputTokens,
    /// `POST /v1/messages`, as Anthropic has it.
    Messages,
    /// `POST /v1/messages/count_tokens`.
    MessagesCountTokens,
    /// `POST /tokenize` beside `/v1`, which counts (vLLM, llama.cpp).
    Tokenize,
    /// `POST /apply-template` beside `/v1`, which makes a prompt (llama.cpp).
    ApplyTemplate,
    /// `GET /models`.
    Models,
}

impl Endpoint {
    /// Whether it is one of Anthropic's.
    fn is_anthropic(self, settings: &Settings) -> bool {
        match self {
            Self::Messages | Self::MessagesCountTokens => true,
            Self::Models => settings.lists_as_anthropic(),
            _ => false,
        }
    }

    /// Whether it is a server's own, which stands beside the `/v1` of the others.
    const fn is_beside_v1(self) -> bool {
        matches!(self, Self::Tokenize | Self::ApplyTemplate)
    }

    /// What follows the base URL.
    const fn path(self) -> &'static str {
        match self {
            Self::ChatCompletions => "/chat/completions",
            Self::Responses => "/responses",
            Self::ResponsesInputTokens => "/responses/input_tokens",
            Self::Messages => "/messages",
            Self::MessagesCountTokens => "/messages/count_tokens",
            Self::Tokenize => "/tokenize",
            Self::ApplyTemplate => "/apply-template",
            Self::Models => "/models",
        }
    }
}

/// What is to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accept {
    /// One JSON text.
    Json,
    /// Server-sent events.
    Events,
}

/// Where a request goes.
#[derive(Debug, Clone)]
pub(super) struct Address {
    pub(super) url: Url,
    /// What of it stands in a request's first line.
    pub(super) path: Uri,
}

impl Address {
    pub(super) fn new(url: Url) -> Result<Self, Error> {
        let path = url[Position::BeforePath..Position::AfterQuery].parse();
        let path = path.map_err(|error| Error::Setup(format!("the URL's path cannot be sent: {error}")))?;
        Ok(Self { url, path })
    }
}

/// The addresses that are the same for every call.
#[derive(Debug)]
pub(super) struct Addresses(Vec<(Endpoint, Address)>);

impl Addresses {
    pub(super) fn new(settings: &Settings) -> Result<Self, Error> {
        let endpoints = [Endpoint::ChatCompletions, Endpoint::Responses, Endpoint::Messages];
        let of = |endpoint| {
            let url = url(settings, endpoint, "", None);
            // Azure's older ones name the model.
            let is_fixed = url == self::url(settings, endpoint, "m", None);
            is_fixed.then(|| Address::new(url).map(|address| (endpoint, address)))
        };
        endpoints.into_iter().filter_map(of).collect::<Result<_, _>>().map(Self)
    }

    /// Where a call goes.
    pub(super) fn of(&self, settings: &Settings, call: &Call<'_>) -> Result<Cow<'_, Address>, Error> {
        let known = self.0.iter().find(|(endpoint, _)| *endpoint == call.endpoint);
        match (known, call.query) {
            (Some((_, address)), None | Some("")) => Ok(Cow::Borrowed(address)),
            _ => Address::new(url(settings, call.endpoint, call.model, call.query)).map(Cow::Owned),
        }
    }
}

/// The endpoint's URL. The base URL's own path is kept; `model` is what Azure's older addresses have in the path,
/// and `query` what the client's request had.
pub(super) fn url(settings: &Settings, endpoint: Endpoint, model: &str, query: Option<&str>) -> Url {
    let mut url = settings.base_url.clone();
    let base = url.path().trim_end_matches('/').to_owned();
    let azure = settings.api_version.as_deref();
    let path = endpoint.path();
    url.set_path(&match azure {
        _ if endpoint.is_beside_v1() => format!("{}{path}", base.strip_suffix("/v1").unwrap_or(&base)),
        _ if endpoint.is_anthropic(settings) => format!("{}{path}", messages_base(&base, azure.is_some())),
        // Azure's older addresses name the deployment; its newer ones, which end in `/v1`, are like OpenAI's.
        Some(_) if !base.ends_with("/v1") => {
            let root = base.strip_suffix("/openai").unwrap_or(&base);
            // Of the older ones only chat completions had the model in the path, not in the body.
            let deployment = match endpoint {
                Endpoint::ChatCompletions => format!("/deployments/{}", utf8_percent_encode(model, SEGMENT)),
                _ => String::new(),
            };
            format!("{root}/openai{deployment}{path}")
        }
        _ => format!("{base}{path}"),
    });
    url.set_query(query.filter(|query| !query.is_empty()));
    if let Some(version) = azure.filter(|_| !endpoint.is_anthropic(settings)) {
        url.query_pairs_mut().append_pair("api-version", version);
    }
    url
}

/// Anthropic's endpoints stand below a `/v1`, which base URLs for OpenAI's dialects have and those for
/// Anthropic's have not. Azure has them beside its `/openai`.
fn messages_base(base: &str, azure: bool) -> String {
    let root = base.strip_suffix("/v1").unwrap_or(base);
    if azure && !root.ends_with("/anthropic") {
        return format!("{}/anthropic/v1", root.strip_suffix("/openai").unwrap_or(root));
    }
    format!("{root}/v1")
}

/// Everything that would end or change a path segment.
const SEGMENT: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'/').add(b'?').add(b'\\').add(b'<').add(b'>');

/// Host and port, as messages name them.
pub(super) fn authority(settings: &Settings) -> String {
    let url = &settings.base_url;
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// The headers of requests but those that a client of Anthropic's API may add: ours, and the configured ones, which
/// may replace `user-agent`.
#[derive(Debug)]
pub(super) struct Headers {
    json: HeaderMap,
    events: HeaderMap,
    /// The same two with the configured key, where there is only one.
    with_key: Option<[HeaderMap; 2]>,
}

impl Headers {
    pub(super) fn new(settings: &Settings) -> Result<Self, Error> {
        let mut json = HeaderMap::new();
        let agent = concat!("aiapiproxy/", env!("CARGO_PKG_VERSION"));
        json.insert(header::USER_AGENT, HeaderValue::from_static(agent));
        for (name, value) in &settings.headers {
            let wrong = || Error::Setup(format!("upstream.headers: `{name}` cannot be sent as a header"));
            let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
            let mut value = HeaderValue::from_str(value).map_err(|_| wrong())?;
            value.set_sensitive(true);
            json.insert(header, value);
        }
        json.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let mut events = json.clone();
        json.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        events.insert(header::ACCEPT, HeaderValue::from_static("text/event-stream"));
        // A compressor would hold tokens back. One that compresses all the same is still understood.
        events.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let with_key = match &settings.api_key {
            Some(key) if settings.other_keys.is_empty() => {
                let with_key = |mut headers: HeaderMap| {
                    headers.reserve(MORE_HEADERS);
                    // A key that cannot be sent is told of by each request.
                    add_key(&mut headers, settings.auth_style, key).ok().map(|()| headers)
                };
                with_key(json.clone()).zip(with_key(events.clone())).map(<[_; 2]>::from)
            }
            _ => None,
        };
        Ok(Self { json, events, with_key })
    }

    /// Those of one request. Without a key there are no credentials at all, unless a configured header holds them.
    pub(super) fn of(
        &self,
        settings: &Settings,
        accept: Accept,
        key: Option<&SecretString>,
    ) -> Result<HeaderMap, Error> {
        let is_configured =
            || key.is_some_and(|key| settings.api_key.as_ref().is_some_and(|it| ptr::eq(it, key)));
        if let Some([json, events]) = self.with_key.as_ref().filter(|_| is_configured()) {
            let fixed = if accept == Accept::Json { json } else { events };
            return Ok(fixed.clone());
        }
        let fixed = if accept == Accept::Json { &self.json } else { &self.events };
        let mut headers = HeaderMap::with_capacity(fixed.len() + MORE_HEADERS);
        headers.extend(fixed.iter().map(|(name, value)| (name.clone(), value.clone())));
        if let Some(key) = key {
            add_key(&mut headers, settings.auth_style, key)?;
        }
        Ok(headers)
    }
}

/// Those that are added to the fixed ones, mostly: credentials, the host, the length, what may be compressed.
const MORE_HEADERS: usize = 6;

fn add_key(headers: &mut HeaderMap, style: AuthStyle, key: &SecretString) -> Result<(), Error> {
    let names: &[HeaderName] = match style {
        AuthStyle::Bearer => &[header::AUTHORIZATION],
        AuthStyle::ApiKeyHeader => &[HeaderName::from_static("api-key")],
        AuthStyle::XApiKey => &[HeaderName::from_static("x-api-key")],
        AuthStyle::Both => &[HeaderName::from_static("x-api-key"), header::AUTHORIZATION],
    };
    for name in names {
        let scheme = if *name == header::AUTHORIZATION { "Bearer " } else { "" };
        let text = format!("{scheme}{}", key.expose_secret());
        let mut value = HeaderValue::try_from(text).map_err(|_| Error::UnusableKey)?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(())
}

/// Adds what Anthropic's endpoints want beside the rest: the version, and what the client said of it. Nothing else
/// of the client's headers gets through.
pub(super) fn add_anthropic(
    settings: &Settings,
    headers: &mut HeaderMap,
    endpoint: Endpoint,
    client: Option<&HeaderMap>,
) {
    if !endpoint.is_anthropic(settings) {
        return;
    }
    if !headers.contains_key(ANTHROPIC_VERSION) {
        let version = client.and_then(|client| client.get(ANTHROPIC_VERSION)).cloned();
        let version = version.unwrap_or_else(|| HeaderValue::from_static("2023-06-01"));
        headers.insert(ANTHROPIC_VERSION, version);
    }
    for value in client.into_iter().flat_map(|client| client.get_all(ANTHROPIC_BETA)) {
        headers.append(ANTHROPIC_BETA, value.clone());
    }
}

const ANTHROPIC_VERSION: &str = "anthropic-version";
const ANTHROPIC_BETA: &str = "anthropic-beta";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::translate::quirks::Preset;

    fn settings(base: &str, api_version: Option<&str>) -> Settings {
        let mut settings = Settings::new(Preset::Generic, Url::parse(base).unwrap());
        settings.api_version = api_version.map(str::to_owned);
        settings
    }

    #[test]
    fn endpoints_are_appended_to_the_base_path() {
        let check = |base: &str, version: Option<&str>, chat: &str, models: &str| {
            let settings = settings(base, version);
            let url = |endpoint| url(&settings, endpoint, "my gpt/4?", None);
            assert_eq!(url(Endpoint::ChatCompletions).as_str(), chat);
            assert_eq!(url(Endpoint::Models).as_str(), models);
        };
        check(
            "https://api.openai.com/v1",
            None,
            "https://api.openai.com/v1/chat/completions",
            "https://api.openai.com/v1/models",
        );
        check(
            "http://127.0.0.1:8080",
            None,
            "http://127.0.0.1:8080/chat/completions",
            "http://127.0.0.1:8080/models",
        );
        check(
            "https://h/a/b/openai/",
            None,
            "https://h/a/b/openai/chat/completions",
            "https://h/a/b/openai/models",
        );
        check(
            "https://x.openai.azure.com/openai/v1",
            Some("preview"),
            "https://x.openai.azure.com/openai/v1/chat/completions?api-version=preview",
            "https://x.openai.azure.com/openai/v1/models?api-version=preview",
        );
        for base in ["https://x.openai.azure.com", "https://x.openai.azure.com/openai"] {
            check(
                base,
                Some("2024-10-21"),
                "https://x.openai.azure.com/openai/deployments/my%20gpt%2F4%3F/chat/completions?api-version=2024-10-21",
                "https://x.openai.azure.com/openai/models?api-version=2024-10-21",
            );
        }
    }

    #[test]
    fn every_dialect_has_its_path() {
        let check = |base: &str, version: Option<&str>, responses: &str, messages: &str| {
            let settings = settings(base, version);
            let url = |endpoint| url(&settings, endpoint, "m", None);
            assert_eq!(url(Endpoint::Responses).as_str(), responses);
            assert_eq!(url(Endpoint::Messages).as_str(), messages);
            let (path, query) = responses.split_once('?').map_or((responses, None), |it| (it.0, Some(it.1)));
            let count = url(Endpoint::ResponsesInputTokens);
            assert_eq!(count.query(), query);
            assert!(count.as_str().starts_with(&format!("{path}/input_tokens")), "{count}");
            assert_eq!(url(Endpoint::MessagesCountTokens).as_str(), format!("{messages}/count_tokens"));
        };
        check(
            "https://api.openai.com/v1",
            None,
            "https://api.openai.com/v1/responses",
            "https://api.openai.com/v1/messages",
        );
        check(
            "http://127.0.0.1:8080",
            None,
            "http://127.0.0.1:8080/responses",
            "http://127.0.0.1:8080/v1/messages",
        );
        check(
            "https://api.deepseek.com/anthropic",
            None,
            "https://api.deepseek.com/anthropic/responses",
            "https://api.deepseek.com/anthropic/v1/messages",
        );
        check(
            "https://openrouter.ai/api/v1",
            None,
            "https://openrouter.ai/api/v1/responses",
            "https://openrouter.ai/api/v1/messages",
        );
        // Azure: the older addresses, the newer ones, and Anthropic's models there.
        for base in ["https://x.openai.azure.com", "https://x.openai.azure.com/openai"] {
            check(
                base,
                Some("2025-04-01-preview"),
                "https://x.openai.azure.com/openai/responses?api-version=2025-04-01-preview",
                "https://x.openai.azure.com/anthropic/v1/messages",
            );
        }
        check(
            "https://x.services.ai.azure.com/openai/v1",
            Some("preview"),
            "https://x.services.ai.azure.com/openai/v1/responses?api-version=preview",
            "https://x.services.ai.azure.com/anthropic/v1/messages",
        );
    }

    #[test]
    fn a_servers_own_endpoints_stand_beside_v1() {
        for base in ["http://h:8000/v1", "http://h:8000", "http://h:8000/v1/"] {
            let url = |endpoint| url(&settings(base, None), endpoint, "m", None).to_string();
            assert_eq!(url(Endpoint::Tokenize), "http://h:8000/tokenize");
            assert_eq!(url(Endpoint::ApplyTemplate), "http://h:8000/apply-template");
        }
    }

    #[test]
    fn the_query_of_the_client_is_kept_where_it_is_wanted() {
        let settings = settings("http://h/v1", None);
        let with = |query| url(&settings, Endpoint::Messages, "m", query);
        assert_eq!(with(Some("beta=true")).as_str(), "http://h/v1/messages?beta=true");
        assert_eq!(with(Some("")).as_str(), "http://h/v1/messages");
    }

    #[test]
    fn anthropics_endpoints_are_told_the_version_and_the_betas() {
        let client: HeaderMap =
            [("anthropic-version", "2026-10-21"), ("anthropic-beta", "a"), ("cookie", "c")]
                .into_iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
                .collect();
        let settings = settings("http://h/v1", None);
        let with = |endpoint, client: Option<&HeaderMap>| {
            let mut headers = HeaderMap::new();
            add_anthropic(&settings, &mut headers, endpoint, client);
            headers
        };
        let said = with(Endpoint::Messages, Some(&client));
        assert_eq!(
            (&said["anthropic-version"], &said["anthropic-beta"]),
            (&client["anthropic-version"], &client["anthropic-beta"])
        );
        assert_eq!(said.len(), 2);
        assert_eq!(with(Endpoint::MessagesCountTokens, None)["anthropic-version"], "2023-06-01");
        assert!(with(Endpoint::ChatCompletions, Some(&client)).is_empty());
    }

    /// The headers of a call with that key.
    fn headers(settings: &Settings, accept: Accept, key: Option<&str>) -> Result<HeaderMap, Error> {
        let key = key.map(|key| SecretString::from(key.to_owned()));
        Headers::new(settings)?.of(settings, accept, key.as_ref())
    }

    #[test]
    fn the_key_goes_into_the_header_of_its_style_and_nowhere_else() {
        let mut settings = settings("http://h/v1", None);
        assert!(!headers(&settings, Accept::Json, None).unwrap().contains_key("authorization"));
        let bearer = headers(&settings, Accept::Events, Some("sk-1")).unwrap();
        assert_eq!(bearer["authorization"], "Bearer sk-1");
        assert!(bearer["authorization"].is_sensitive());
        assert_eq!(bearer["accept-encoding"], "identity");
        settings.auth_style = AuthStyle::ApiKeyHeader;
        let azure = headers(&settings, Accept::Json, Some("sk-2")).unwrap();
        assert_eq!(azure["api-key"], "sk-2");
        assert!(!azure.contains_key("authorization") && !azure.contains_key("accept-encoding"));
        settings.auth_style = AuthStyle::XApiKey;
        let anthropic = headers(&settings, Accept::Json, Some("sk-1")).unwrap();
        assert!(anthropic["x-api-key"] == "sk-1" && !anthropic.contains_key("authorization"));
        settings.auth_style = AuthStyle::Both;
        let both = headers(&settings, Accept::Json, Some("sk-1")).unwrap();
        assert_eq!(
            (&both["x-api-key"], &both["authorization"]),
            (&"sk-1".parse().unwrap(), &"Bearer sk-1".parse().unwrap())
        );
        assert!(both["x-api-key"].is_sensitive());
    }

    #[test]
    fn the_one_configured_key_stands_in_headers_that_are_made_once() {
        let mut settings = settings("http://h/v1", None);
        for style in [AuthStyle::Bearer, AuthStyle::ApiKeyHeader, AuthStyle::XApiKey, AuthStyle::Both] {
            settings.auth_style = style;
            settings.api_key = Some("sk-1".to_owned().into());
            let made = Headers::new(&settings).unwrap();
            for accept in [Accept::Json, Accept::Events] {
                let once = made.of(&settings, accept, settings.api_key.as_ref()).unwrap();
                assert_eq!(once, headers(&settings, accept, Some("sk-1")).unwrap());
                // A client's own key is another.
                let others = made.of(&settings, accept, Some(&"sk-1b".to_owned().into())).unwrap();
                assert_eq!(others, headers(&settings, accept, Some("sk-1b")).unwrap());
            }
            settings.api_key = Some("a\nb".to_owned().into());
            let made = Headers::new(&settings).unwrap();
            let refused = made.of(&settings, Accept::Json, settings.api_key.as_ref());
            assert!(matches!(refused, Err(Error::UnusableKey)));
        }
    }

    #[test]
    fn a_key_that_cannot_be_sent_is_an_error_and_not_a_panic() {
        let settings = settings("http://h/v1", None);
        assert!(matches!(headers(&settings, Accept::Json, Some("a\nb")), Err(Error::UnusableKey)));
    }

    #[test]
    fn configured_headers_are_added_and_may_replace_the_user_agent() {
        let mut settings = settings("http://h/v1", None);
        settings.headers =
            vec![("User-Agent".to_owned(), "me".to_owned()), ("x-team".to_owned(), "a".to_owned())];
        let fixed = headers(&settings, Accept::Json, None).unwrap();
        assert_eq!((&fixed["user-agent"], &fixed["x-team"]), (&"me".parse().unwrap(), &"a".parse().unwrap()));
        settings.headers = vec![("bad name".to_owned(), "a".to_owned())];
        assert!(matches!(Headers::new(&settings), Err(Error::Setup(_))));
    }

    #[test]
    fn an_address_that_names_the_model_is_made_for_each_call() {
        let check = |base: &str, version: Option<&str>, query: Option<&str>, expected: &str| {
            let settings = settings(base, version);
            let endpoint = Endpoint::ChatCompletions;
            let call = Call { query, ..Call::new(endpoint, "gpt", bytes::Bytes::new(), Accept::Json) };
            let address = Addresses::new(&settings).unwrap().of(&settings, &call).unwrap().into_owned();
            assert_eq!(address.url, url(&settings, endpoint, "gpt", query));
            assert_eq!(address.path, expected);
        };
        check("http://h/v1", None, None, "/v1/chat/completions");
        check("http://h/v1", None, Some("beta=true"), "/v1/chat/completions?beta=true");
        check(
            "https://x.openai.azure.com",
            Some("2024-10-21"),
            None,
            "/openai/deployments/gpt/chat/completions?api-version=2024-10-21",
        );
    }
}
