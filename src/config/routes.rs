//! `[[route]]`: which upstream and model answer which requests, and which come next when that one fails.

use serde::{Serialize, Serializer};
use toml::Spanned;

use super::{
    error::{BadValue, Error, nearest},
    file::{RouteTable, TargetValue},
    layers::{Layers, Origin, Setting},
    models,
    upstream::Upstream,
};
use crate::models::Target;

/// Conditions on a request, all of which must hold, and where it goes then.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Route {
    /// The name in logs and explanations. Default: `route` and its number.
    pub name: String,
    /// Names or globs, one of which the requested model fits. Default none: every model.
    pub models: Vec<String>,
    /// The requested model is of the small family, which agents use in the background. Default: either.
    pub background: Option<bool>,
    /// The model shall think. Default: either.
    pub thinking: Option<bool>,
    /// At least so many input tokens, by the cheap estimate. Default none.
    pub min_tokens: Option<u64>,
    /// There are images in it. Default: either.
    pub images: Option<bool>,
    /// The server tool for web search is offered. Default: either.
    pub web_search: Option<bool>,
    /// Where it goes: the upstream, then those that come next if it fails.
    #[serde(rename = "to")]
    pub hops: Vec<Hop>,
    /// Who wrote it.
    #[serde(skip)]
    pub origin: Option<Origin>,
}

/// An upstream and, if the route says so, the model there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// The upstream's name.
    pub upstream: String,
    /// Its model; otherwise that of the model map.
    pub target: Option<Target>,
}

/// The routes, in order, with every upstream that they name known.
pub(super) fn resolve(
    tables: Vec<Spanned<RouteTable>>,
    upstreams: &[&Upstream],
    layers: &mut Layers<'_>,
) -> Result<Vec<Route>, Error> {
    let mut routes = Vec::with_capacity(tables.len());
    for (number, table) in (1..).zip(tables) {
        let origin = layers.file.origin(&table);
        let route = resolve_one(number, table.into_inner(), &origin, upstreams, layers)?;
        if routes.iter().any(|known: &Route| known.name == route.name) {
            return Err(conflict(
                format!("two routes are called {:?}", route.name),
                origin,
                "name them apart",
            ));
        }
        layers.origins.insert(format!("route.{}", route.name), origin);
        routes.push(route);
    }
    Ok(routes)
}

fn resolve_one(
    number: usize,
    table: RouteTable,
    origin: &Origin,
    upstreams: &[&Upstream],
    layers: &Layers<'_>,
) -> Result<Route, Error> {
    let known = |setting: Setting<String>| known_upstream(setting, upstreams);
    let target =
        layers.file.setting(table.model).map(|it| it.map(|TargetValue(table)| models::table_target(table)));
    let target = target.map(|it| models::target("route.model", it)).transpose()?.map(|it| it.value);
    let named = layers.file.setting(table.upstream).map(known).transpose()?;
    // Whoever names only a model means the first upstream.
    let first = named.or_else(|| upstreams.first().map(|first| first.name.clone())).unwrap_or_default();
    let mut hops = vec![Hop { upstream: first, target }];
    for entry in table.fallback {
        let Setting { value, origin } =
            Setting { origin: layers.file.origin(&entry), value: entry.into_inner() };
        hops.push(fallback(&value, &origin, upstreams)?);
    }
    let min_tokens = layers.file(table.min_tokens, "route.min_tokens", &super::upstream::TOKENS)?;
    let models = table.models.map(|models| models.0).unwrap_or_default();
    Ok(Route {
        name: table.name.unwrap_or_else(|| format!("route{number}")),
        models,
        background: table.background,
        thinking: table.thinking,
        min_tokens: min_tokens.map(|it| it.value),
        images: table.images,
        web_search: table.web_search,
        hops,
        origin: Some(origin.clone()),
    })
}

/// `upstream` or `upstream/model`; a model's own name may hold slashes.
fn fallback(text: &str, origin: &Origin, upstreams: &[&Upstream]) -> Result<Hop, Error> {
    let (upstream, model) = text.split_once('/').map_or((text, None), |(name, model)| (name, Some(model)));
    let setting = |value: &str| Setting { value: value.to_owned(), origin: origin.clone() };
    let upstream = known_upstream(setting(upstream.trim()), upstreams)?;
    let target = |model: &str| {
        let target = Target { model: model.trim().to_owned(), ..Target::default() };
        models::target("route.fallback", Setting { value: (target, None), origin: origin.clone() })
    };
    Ok(Hop { upstream, target: model.map(target).transpose()?.map(|it| it.value) })
}

fn known_upstream(setting: Setting<String>, upstreams: &[&Upstream]) -> Result<String, Error> {
    let names: Vec<&str> = upstreams.iter().map(|upstream| upstream.name.as_str()).collect();
    if names.contains(&setting.value.as_str()) {
        return Ok(setting.value);
    }
    let like = nearest(&setting.value, names.iter().copied()).map(|name| format!("; did you mean {name:?}?"));
    Err(Error::from(BadValue {
        key: "route.upstream".to_owned(),
        expected: format!("the name of an upstream ({}){}", names.join(", "), like.unwrap_or_default()),
        value: Some(setting.value),
        origin: setting.origin,
        nearest: None,
    }))
}

pub(super) fn conflict(problem: String, origin: Origin, mend: &'static str) -> Error {
    Error::Conflict { problem, origin, mend }
}

/// As the file writes them.
impl Serialize for Hop {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl std::fmt::Display for Hop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.upstream)?;
        self.target.as_ref().map_or(Ok(()), |target| write!(f, "/{}", target.model))
    }
}
