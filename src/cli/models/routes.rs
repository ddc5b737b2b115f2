//! What routes make of a name: who takes a plain request for it, who comes next, and who would take another request.

use serde::Serialize;

use crate::{
    cli::output::{self, Cell},
    config::{Config, routes::Route},
    routing::{self, Asked},
};

/// The routes' part of an explanation.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Way {
    /// The route that takes a plain request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) route: Option<String>,
    /// Who is asked when that upstream fails.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fallback: Vec<String>,
    /// Routes that take other requests for the same name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    elsewhere: Vec<Elsewhere>,
}

/// A route that wants more of a request than its model.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Elsewhere {
    route: String,
    to: Vec<String>,
    /// The first condition that a plain request does not meet.
    needs: String,
}

/// Where a plain request for a name goes: the routes' part, and the configuration of that place.
pub(super) fn of(name: &str, config: &Config) -> (Way, Option<Config>) {
    let plain = Asked::plain(name);
    let chosen = routing::choose(&config.routes, &plain);
    let before =
        config.routes.iter().take_while(|route| chosen.is_none_or(|chosen| chosen.name != route.name));
    let elsewhere = before
        .filter_map(|route| Some((route, routing::unmet(route, &plain)?)))
        .filter(|(_, needs)| !needs.starts_with("models") && !needs.starts_with("background"))
        .map(|(route, needs)| Elsewhere { route: route.name.clone(), to: hops(route), needs })
        .collect();
    let fallback = chosen.map(|route| hops(route).split_off(1)).unwrap_or_default();
    let place = chosen.and_then(|route| config.at(&route.name, route.hops.first()?));
    (Way { route: chosen.map(|route| route.name.clone()), fallback, elsewhere }, place)
}

impl Way {
    /// The lines that follow the explanation of the name.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.route.iter().map(|route| format!("by route: {route}")).collect();
        if !self.fallback.is_empty() {
            lines.push(format!("if that fails: {}", self.fallback.join(", then ")));
        }
        let others = self.elsewhere.iter();
        lines.extend(
            others.map(|it| format!("with {}: by route {} to {}", it.needs, it.route, it.to.join(", then "))),
        );
        lines
    }
}

/// All routes as a table, below that of the rules.
pub(super) fn table(config: &Config) -> String {
    if config.routes.is_empty() {
        return String::new();
    }
    let rows: Vec<[Cell; 3]> = config
        .routes
        .iter()
        .map(|route| {
            [Cell::new(&route.name), Cell::new(conditions(route)), Cell::new(hops(route).join(", then "))]
        })
        .collect();
    format!("\n{}", output::table(["ROUTE", "TAKES", "TO"], &rows))
}

fn conditions(route: &Route) -> String {
    let switch = |name: &str, wanted: Option<bool>| wanted.map(|wanted| format!("{name} = {wanted}"));
    let all = [
        (!route.models.is_empty()).then(|| route.models.join(", ")),
        switch("background", route.background),
        switch("thinking", route.thinking),
        switch("images", route.images),
        switch("web_search", route.web_search),
        route.min_tokens.map(|least| format!("min_tokens = {least}")),
    ];
    let all: Vec<String> = all.into_iter().flatten().collect();
    if all.is_empty() { "everything else".to_owned() } else { all.join("; ") }
}

fn hops(route: &Route) -> Vec<String> {
    route.hops.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_followed_along_its_route() {
        let text = "[[upstream]]\nname = \"a\"\nbase_url = \"http://127.0.0.1:1/v1\"\n\
                    [[upstream]]\nname = \"b\"\nbase_url = \"http://127.0.0.1:2/v1\"\n\
                    [[route]]\nname = \"images\"\nimages = true\nupstream = \"b\"\nmodel = \"vl\"\n\
                    [[route]]\nname = \"small\"\nbackground = true\nupstream = \"b\"\nmodel = \"tiny\"\nfallback = [\"a/x/y\"]\n";
        let config = Config::of_text(text).unwrap().config;
        let (way, place) = of("claude-haiku-4-5", &config);
        assert_eq!(
            way.lines(),
            ["by route: small", "if that fails: a/x/y", "with images = true: by route images to b/vl"]
        );
        let place = place.unwrap();
        assert_eq!(place.upstream.name, "b");
        assert_eq!(place.models.resolve("claude-haiku-4-5").model, "tiny");
        let (way, place) = of("claude-sonnet-5", &config);
        assert_eq!((way.route, place.is_none()), (None, true));
        assert!(table(&config).contains("small"));
    }
}
