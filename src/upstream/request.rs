//! What a request to the upstream looks like: its URL, its headers, its credentials.
//!
//! Nothing of the client's request gets here but the body that the translation wrote, and the client's own key
//! where that was configured; so no client chooses where a request goes.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use url::Url;

use super::error::Error;
use crate::{
    config::upstream::{AuthStyle, Upstream as Settings},
    secret::{ExposeSecret as _, SecretString},
};

/// What is asked of the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint<'a> {
    /// `POST /chat/completions`.
    ChatCompletions {
        /// The model, which Azure's older addresses have in the path.
        model: &'a str,
    },
    /// `GET /models`.
    Models,
}

/// What is to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accept {
    /// One JSON text.
    Json,
    /// Server-sent events.
    Events,
}

/// The endpoint's URL. The base URL's own path is kept.
pub(super) fn url(settings: &Settings, endpoint: Endpoint<'_>) -> Url {
    let mut url = settings.base_url.clone();
    let base = url.path().trim_end_matches('/').to_owned();
    let path = match (&settings.api_version, endpoint) {
        // Azure's older addresses name the deployment; its newer ones, which end in `/v1`, are like OpenAI's.
        (Some(_), Endpoint::ChatCompletions { model }) if !base.ends_with("/v1") => {
            let root = base.strip_suffix("/openai").unwrap_or(&base);
            let model = utf8_percent_encode(model, SEGMENT);
            format!("{root}/openai/deployments/{model}/chat/completions")
        }
        (Some(_), Endpoint::Models) if !base.ends_with("/v1") => {
            let root = base.strip_suffix("/openai").unwrap_or(&base);
            format!("{root}/openai/models")
        }
        (_, Endpoint::ChatCompletions { .. }) => format!("{base}/chat/completions"),
        (_, Endpoint::Models) => format!("{base}/models"),
    };
    url.set_path(&path);
    if let Some(version) = &settings.api_version {
        url.query_pairs_mut().append_pair("api-version", version);
    }
    url
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

/// The headers that every request has: ours, and the configured ones, which may replace `user-agent`.
pub(super) fn fixed_headers(settings: &Settings) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    let agent = concat!("aiapiproxy/", env!("CARGO_PKG_VERSION"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
    for (name, value) in &settings.headers {
        let wrong = || Error::Setup(format!("upstream.headers: `{name}` cannot be sent as a header"));
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
        let mut value = HeaderValue::from_str(value).map_err(|_| wrong())?;
        value.set_sensitive(true);
        headers.insert(header, value);
    }
    Ok(headers)
}

/// All headers of one request. Without a key there are no credentials at all, unless a configured header holds
/// them.
pub(super) fn headers(
    settings: &Settings,
    fixed: &HeaderMap,
    accept: Accept,
    client_key: Option<&SecretString>,
) -> Result<HeaderMap, Error> {
    let mut headers = fixed.clone();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    match accept {
        Accept::Json => {
            headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        }
        Accept::Events => {
            headers.insert(header::ACCEPT, HeaderValue::from_static("text/event-stream"));
            // A compressor would hold tokens back. One that compresses all the same is still understood.
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
    }
    if let Some(key) = client_key.or(settings.api_key.as_ref()) {
        let (name, text) = match settings.auth_style {
            AuthStyle::Bearer => (header::AUTHORIZATION, format!("Bearer {}", key.expose_secret())),
            AuthStyle::ApiKeyHeader => (HeaderName::from_static("api-key"), key.expose_secret().to_owned()),
        };
        let mut value = HeaderValue::try_from(text).map_err(|_| Error::UnusableKey)?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

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
            let model = "my gpt/4?";
            assert_eq!(url(&settings, Endpoint::ChatCompletions { model }).as_str(), chat);
            assert_eq!(url(&settings, Endpoint::Models).as_str(), models);
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
    fn the_key_goes_into_the_header_of_its_style_and_nowhere_else() {
        let mut settings = settings("http://h/v1", None);
        let fixed = fixed_headers(&settings).unwrap();
        assert!(!headers(&settings, &fixed, Accept::Json, None).unwrap().contains_key("authorization"));
        settings.api_key = Some("sk-1".to_owned().into());
        let bearer = headers(&settings, &fixed, Accept::Events, None).unwrap();
        assert_eq!(bearer["authorization"], "Bearer sk-1");
        assert!(bearer["authorization"].is_sensitive());
        assert_eq!(bearer["accept-encoding"], "identity");
        settings.auth_style = AuthStyle::ApiKeyHeader;
        let client_key = SecretString::from("sk-2".to_owned());
        let azure = headers(&settings, &fixed, Accept::Json, Some(&client_key)).unwrap();
        assert_eq!(azure["api-key"], "sk-2");
        assert!(!azure.contains_key("authorization") && !azure.contains_key("accept-encoding"));
    }

    #[test]
    fn a_key_that_cannot_be_sent_is_an_error_and_not_a_panic() {
        let settings = settings("http://h/v1", None);
        let key = SecretString::from("a\nb".to_owned());
        assert!(matches!(
            headers(&settings, &HeaderMap::new(), Accept::Json, Some(&key)),
            Err(Error::UnusableKey)
        ));
    }

    #[test]
    fn configured_headers_are_added_and_may_replace_the_user_agent() {
        let mut settings = settings("http://h/v1", None);
        settings.headers =
            vec![("User-Agent".to_owned(), "me".to_owned()), ("x-team".to_owned(), "a".to_owned())];
        let fixed = fixed_headers(&settings).unwrap();
        assert_eq!((&fixed["user-agent"], &fixed["x-team"]), (&"me".parse().unwrap(), &"a".parse().unwrap()));
        settings.headers = vec![("bad name".to_owned(), "a".to_owned())];
        assert!(matches!(fixed_headers(&settings), Err(Error::Setup(_))));
    }
}
