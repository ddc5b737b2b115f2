//! The names that clients may be shown, and where a plain request for a name goes.

use super::{Asked, choose};
use crate::{
    config::{Config, upstream::Upstream},
    models::{Family, Target},
};

/// One name.
#[derive(Debug, Clone)]
pub struct Listed<'c> {
    /// What clients send.
    pub id: String,
    /// Its family, if the name belongs to one.
    pub family: Option<Family>,
    /// The upstream's model, and what is known of it.
    pub target: Target,
    /// The upstream.
    pub upstream: &'c Upstream,
}

/// The names that the model map lists, then those that routes name whole, then the families' that only routes take.
/// A route that wants more of a request than its model lists nothing: a plain request for that name goes elsewhere.
pub fn listed(config: &Config) -> Vec<Listed<'_>> {
    let mut ids: Vec<String> = config.models.listed().into_iter().map(|listed| listed.id).collect();
    let is_routed = |id: &str| choose(&config.routes, &Asked::plain(id)).is_some();
    let named = config.routes.iter().flat_map(|route| &route.models);
    let named = named.filter(|name| !name.contains(['*', '?'])).map(String::as_str);
    for id in named.chain(Family::ALL.map(Family::alias)).filter(|id| is_routed(id)) {
        // A route that names no model does not say that there is one.
        let is_named = config.routes.iter().any(|route| route.models.iter().any(|name| name == id));
        let has_model = || by_route(config, id).is_some_and(|(target, _)| target.is_some());
        if !ids.iter().any(|known| known == id) && (is_named || has_model()) {
            ids.push(id.to_owned());
        }
    }
    ids.into_iter().map(|id| of_plain(config, id)).collect()
}

/// Where a plain request for a name goes.
pub fn of_plain(config: &Config, id: String) -> Listed<'_> {
    let of_map = || {
        let passed = || Target { model: config.models.model(&id).to_owned(), ..Target::default() };
        config.models.target(&id).cloned().unwrap_or_else(passed)
    };
    let (target, upstream) = match by_route(config, &id) {
        Some((target, upstream)) => (target.cloned().unwrap_or_else(of_map), upstream),
        None => (of_map(), &config.upstream),
    };
    Listed { family: Family::of(&id), target, upstream, id }
}

/// The model, if it says so, and the upstream of the route that takes a plain request for the name.
fn by_route<'c>(config: &'c Config, id: &str) -> Option<(Option<&'c Target>, &'c Upstream)> {
    let hop = choose(&config.routes, &Asked::plain(id))?.hops.first()?;
    let upstream = config.upstreams().find(|upstream| upstream.name == hop.upstream)?;
    Some((hop.target.as_ref(), upstream))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_names_of_routes_are_listed_with_their_model_and_upstream() {
        let text = "[[upstream]]\nname = \"one\"\nbase_url = \"http://h/v1\"\ncontext_window = 5\n\
            [[upstream]]\nname = \"two\"\nbase_url = \"http://i/v1\"\ncontext_window = 7\n\
            [models]\nsonnet = \"m\"\n[models.map]\n\"mine\" = \"m\"\n\
            [[route]]\nmodels = [\"o3\", \"o4*\"]\nupstream = \"two\"\nmodel = \"large\"\n\
            [[route]]\nmodels = [\"bare\"]\nupstream = \"two\"\n\
            [[route]]\nmodels = [\"thinker\"]\nthinking = true\nupstream = \"two\"\n\
            [[route]]\nbackground = true\nupstream = \"two\"\nmodel = \"tiny\"\n";
        let config = Config::of_text(text).unwrap().config;
        let listed: Vec<_> = listed(&config)
            .into_iter()
            .map(|it| format!("{} {} {}", it.id, it.target.model, it.upstream.name))
            .collect();
        let expected = [
            "mine m one",
            "claude-sonnet-5 m one",
            "o3 large two",
            "bare bare two",
            "claude-haiku-4-5 tiny two",
        ];
        assert_eq!(listed, expected);
    }
}
