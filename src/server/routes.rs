//! What becomes of a request, one module per endpoint.

pub(super) mod count_tokens;
pub(super) mod health;
pub(super) mod messages;
pub(super) mod metrics;
pub(super) mod models;
pub(super) mod root;

use url::form_urlencoded;

/// The first value of that name in a query; unknown names are nobody's mistake.
fn query_value(query: Option<&str>, name: &str) -> Option<String> {
    query_values(query, name).next()
}

/// All values of that name.
fn query_values<'a>(query: Option<&'a str>, name: &'a str) -> impl Iterator<Item = String> {
    let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    pairs.filter(move |(key, _)| key == name).map(|(_, value)| value.into_owned())
}
