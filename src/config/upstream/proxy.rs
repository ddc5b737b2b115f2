//! Which variable sends requests for the upstream through a proxy. The HTTP client obeys it by itself; here it is found
//! out so that the user can be told.

use url::Url;

use crate::config::{
    error::Error,
    layers::{Layers, Origin},
};

/// The variable that counts, if any. Its value is not told: it may hold a password.
pub(super) fn variable(base_url: &Url, layers: &Layers<'_>) -> Result<Option<&'static str>, Error> {
    let names: &[&'static str] = match base_url.scheme() {
        "https" => &["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"],
        _ => &["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"],
    };
    let host = base_url.host_str().unwrap_or_default();
    if ["localhost", "[::1]"].contains(&host) || host.ends_with(".localhost") || host.starts_with("127.") {
        return Ok(None);
    }
    for name in ["NO_PROXY", "no_proxy"] {
        if real(name, layers)?.is_some_and(|list| excludes(&list, host)) {
            return Ok(None);
        }
    }
    for name in names {
        if real(name, layers)?.is_some() {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// Only the process's own variables count for the client.
fn real(name: &str, layers: &Layers<'_>) -> Result<Option<String>, Error> {
    let setting = layers.env.get(name)?;
    Ok(setting.filter(|it| matches!(it.origin, Origin::Env(_))).map(|it| it.value))
}

/// A list of hosts, each with all below it; `*` is everything.
fn excludes(list: &str, host: &str) -> bool {
    list.split(',').map(|entry| entry.trim().trim_start_matches('.')).any(|entry| {
        let below = |entry: &str| host.strip_suffix(entry).is_some_and(|rest| rest.ends_with('.'));
        entry == "*" || (!entry.is_empty() && (entry.eq_ignore_ascii_case(host) || below(entry)))
    })
}

#[cfg(test)]
mod tests {
    use super::excludes;

    #[test]
    fn hosts_and_all_below_them_are_excluded() {
        for (list, host, expected) in [
            ("*", "api.example", true),
            ("example.org, .api.example", "eu.api.example", true),
            ("api.example", "api.example", true),
            ("pi.example", "api.example", false),
            ("", "api.example", false),
        ] {
            assert_eq!(excludes(list, host), expected, "{list} {host}");
        }
    }
}
