//! `GET /v1/models` and `/v1/models/{id}`: the names of the model map and of routes, in Anthropic's shape.
//!
//! The upstream is not asked: its names are not those that clients send.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, RawQuery, State},
};
use serde::Serialize;

use super::{query_value, query_values};
use crate::{
    models::Rule,
    protocol::anthropic::error::Error,
    routing::listing::{self, Listed},
    server::{auth::Caller, error::ApiError, state::Shared},
};

/// A model, with every member that the SDKs' types require (protocol.md §1.2).
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ModelInfo {
    #[serde(rename = "type")]
    kind: &'static str,
    id: String,
    display_name: String,
    /// Unknown, and Anthropic's API writes an unknown date so.
    created_at: &'static str,
    lifecycle: &'static str,
    line: Option<String>,
    deprecated_at: Option<&'static str>,
    retires_at: Option<&'static str>,
    max_input_tokens: Option<u64>,
    max_tokens: Option<u64>,
    /// Unknown for a model of somebody else; a guess would be believed.
    capabilities: Option<()>,
}

/// A page of the list.
#[derive(Debug, Serialize)]
pub(crate) struct Page {
    data: Vec<ModelInfo>,
    has_more: bool,
    first_id: Option<String>,
    last_id: Option<String>,
}

/// Which page. Other members of the query are ignored.
#[derive(Debug, Default)]
struct Wish {
    limit: Option<String>,
    after_id: Option<String>,
    before_id: Option<String>,
}

/// `GET /v1/models`.
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<Page>, ApiError> {
    let value = |name| query_value(query.as_deref(), name);
    let wish = Wish { limit: value("limit"), after_id: value("after_id"), before_id: value("before_id") };
    let mut all = listing::listed(&shared.config);
    let lifecycles: Vec<_> = query_values(query.as_deref(), "lifecycle[]").collect();
    if !(lifecycles.is_empty() || lifecycles.iter().any(|wanted| wanted == LIFECYCLE)) {
        all.clear();
    }
    all.retain(|listed| caller.may_use(&listed.id, &listed.target.model));
    let ids: Vec<&str> = all.iter().map(|listed| listed.id.as_str()).collect();
    let (from, to, has_more) = window(&ids, &wish)?;
    let shown = all.into_iter().skip(from).take(to - from);
    let data: Vec<_> = shown.map(info).collect();
    let id_of = |model: Option<&ModelInfo>| model.map(|model| model.id.clone());
    Ok(Json(Page { first_id: id_of(data.first()), last_id: id_of(data.last()), has_more, data }))
}

/// `GET /v1/models/{id}`: every name that the list shows or some rule means. What only the default catches is no
/// known model, though a request for it is answered.
pub(crate) async fn retrieve(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<ModelInfo>, ApiError> {
    let models = &shared.config.models;
    let resolution = models.resolve(&id);
    let is_listed = || listing::listed(&shared.config).iter().any(|listed| listed.id == id);
    let unknown = matches!(resolution.rule, Rule::PassedThrough | Rule::Default(_)) && !is_listed();
    let found = listing::of_plain(&shared.config, id);
    if unknown || !caller.may_use(&found.id, &found.target.model) {
        return Err(ApiError::not_found(format!("no model is configured under the name {:?}", found.id)));
    }
    Ok(Json(info(found)))
}

fn info(listed: Listed<'_>) -> ModelInfo {
    let Listed { id, family, target, upstream: settings } = listed;
    ModelInfo {
        kind: "model",
        display_name: target.display_name.unwrap_or_else(|| id.clone()),
        id,
        created_at: "1970-01-01T00:00:00Z",
        lifecycle: LIFECYCLE,
        line: family.map(|family| family.to_string()),
        deprecated_at: None,
        retires_at: None,
        max_input_tokens: target.max_input_tokens.or(settings.context_window),
        max_tokens: target.max_output_tokens.or(settings.max_output_tokens),
        capabilities: None,
    }
}

/// The first index shown, the one after the last, and whether there is more beyond it in the direction asked.
fn window(ids: &[&str], wish: &Wish) -> Result<(usize, usize, bool), Error> {
    let limit = match &wish.limit {
        None => DEFAULT_LIMIT,
        Some(text) => match text.parse() {
            Ok(limit @ 1..=MAX_LIMIT) => limit,
            _ => {
                return Err(Error::invalid_request(format!("limit: must be a number from 1 to {MAX_LIMIT}")));
            }
        },
    };
    let place = |name: &str, id: &str| {
        let found = ids.iter().position(|known| *known == id);
        found.ok_or_else(|| Error::invalid_request(format!("{name}: no model has the id {id:?}")))
    };
    match (&wish.after_id, &wish.before_id) {
        (Some(_), Some(_)) => Err(Error::invalid_request("after_id and before_id exclude each other")),
        (None, Some(before)) => {
            let to = place("before_id", before)?;
            let from = to.saturating_sub(limit);
            Ok((from, to, from > 0))
        }
        (after, None) => {
            let from = match after {
                Some(after) => place("after_id", after)? + 1,
                None => 0,
            };
            let to = (from + limit).min(ids.len());
            Ok((from, to, to < ids.len()))
        }
    }
}

/// What every model is here: nobody announces the end of one to this gateway.
const LIFECYCLE: &str = "active";
const DEFAULT_LIMIT: usize = 20;
const MAX_LIMIT: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        limit: Option<&str>,
        after: Option<&str>,
        before: Option<&str>,
        expected: Option<(usize, usize, bool)>,
    ) {
        let wish = Wish {
            limit: limit.map(str::to_owned),
            after_id: after.map(str::to_owned),
            before_id: before.map(str::to_owned),
        };
        let found = window(&["a", "b", "c", "d"], &wish).ok();
        assert_eq!(found, expected, "{limit:?} {after:?} {before:?}");
    }

    #[test]
    fn pages_go_forth_and_back() {
        check(None, None, None, Some((0, 4, false)));
        check(Some("1000"), None, None, Some((0, 4, false)));
        check(Some("2"), None, None, Some((0, 2, true)));
        check(Some("2"), Some("b"), None, Some((2, 4, false)));
        check(Some("1"), Some("b"), None, Some((2, 3, true)));
        check(Some("2"), Some("d"), None, Some((4, 4, false)));
        check(Some("2"), None, Some("d"), Some((1, 3, true)));
        check(Some("9"), None, Some("c"), Some((0, 2, false)));
    }

    #[test]
    fn wrong_wishes_are_refused() {
        check(Some("0"), None, None, None);
        check(Some("1001"), None, None, None);
        check(Some("x"), None, None, None);
        check(None, Some("z"), None, None);
        check(None, Some("a"), Some("b"), None);
    }
}
