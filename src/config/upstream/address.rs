//! The upstream's address: which layer's counts, and the forms in which people paste it.

use toml::Spanned;
use url::Url;

use super::{default_base_url, key::Key};
use crate::{
    config::{
        Flags,
        error::{BadValue, Error},
        layers::{Layers, Origin, Setting},
    },
    translate::quirks::Preset,
};

/// The address that was given, if any, and whether one in `./.env` was passed over.
///
/// One from `./.env` counts only when the key comes from there too: otherwise a cloned repository could send the
/// user's own key wherever it likes (CVE-2026-21852).
pub(super) fn choose(
    flags: &Flags,
    in_file: Option<Spanned<String>>,
    key: &Key,
    layers: &mut Layers<'_>,
) -> Result<(Option<Setting<Url>>, bool), Error> {
    let flag = Setting::flag("--base-url", flags.base_url.clone());
    let mut in_env = if layers.scope.is_none() { layers.env.get("OPENAI_BASE_URL")? } else { None };
    let key_origin = key.value.as_ref().map(|key| &key.origin);
    let distrusted = flag.is_none()
        && in_env.as_ref().is_some_and(|it| layers.env.is_untrusted(&it.origin))
        && !key_origin.is_some_and(|origin| layers.env.is_untrusted(origin));
    if distrusted {
        in_env = None;
        layers.warnings.push(
            "OPENAI_BASE_URL in ./.env is ignored because the key does not come from that file; \
             if you wrote it, pass `--env-file ./.env`"
                .to_owned(),
        );
    }
    let in_file = layers.file.setting(in_file);
    let Some(text) = layers.choose("upstream.base_url", [flag, in_env, in_file]) else {
        return Ok((None, distrusted));
    };
    let url = parse(text, &mut layers.warnings)?;
    Ok((Some(url), distrusted))
}

/// The address to use: the given one, with the preset's path if it has none, or the preset's own.
pub(super) fn settle(
    preset: Preset,
    given: Option<Setting<Url>>,
    api_version: Option<&str>,
) -> Result<Setting<Url>, Error> {
    let default = default_base_url(preset).and_then(|text| Url::parse(text).ok());
    match (given, default) {
        (Some(given), Some(default)) if given.value.path() == "/" => Ok(given.map(|mut url| {
            // `https://api.openai.com` means `https://api.openai.com/v1`.
            url.set_path(default.path());
            url
        })),
        (Some(given), _) if preset == Preset::Azure => Ok(given.map(|url| azure(url, api_version))),
        (Some(given), _) => Ok(given),
        (None, Some(default)) => Ok(Setting { value: default, origin: Origin::Default }),
        (None, None) => Err(Error::NoAddress { preset }),
    }
}

/// Azure's addresses as its portal shows them: the resource, perhaps with the path of one deployment. Where no
/// `api-version` is set, only the newer addresses below `/openai/v1` answer.
fn azure(mut url: Url, api_version: Option<&str>) -> Url {
    let path = url.path().trim_end_matches('/');
    let path = path.split_once("/deployments/").map_or(path, |(before, _)| before).to_owned();
    let bare = matches!(path.as_str(), "" | "/openai");
    url.set_path(if bare && api_version.is_none() { "/openai/v1" } else { &path });
    url
}

fn parse(text: Setting<String>, warnings: &mut Vec<String>) -> Result<Setting<Url>, Error> {
    let Setting { value, origin } = text;
    let value = value.trim();
    // An address with credentials or a query may hold a key.
    let shown = (!value.contains(['@', '?'])).then(|| value.to_owned());
    let wrong = |expected: &str| {
        Error::from(BadValue {
            key: "upstream.base_url".to_owned(),
            expected: expected.to_owned(),
            value: shown.clone(),
            origin: origin.clone(),
            nearest: None,
        })
    };
    let expected = "an address such as \"https://api.openai.com/v1\" or \"http://127.0.0.1:8080/v1\"";
    let mut url = Url::parse(value).map_err(|_| wrong(expected))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(wrong(expected));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("an address without user and password (keys have settings of their own)"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("an address without `?` and `#` (Azure's api-version is upstream.api_version)"));
    }
    let mut path = url.path().trim_end_matches('/').to_owned();
    if let Some(base) = path.strip_suffix("/chat/completions") {
        path = base.trim_end_matches('/').to_owned();
        warnings.push(format!(
            "the upstream's address ({origin}) should end before /chat/completions, which is left out"
        ));
    }
    url.set_path(&path);
    Ok(Setting { value: url, origin })
}
