//! Which upstream gets a request, which ones come next if that fails, and which ones are left alone for a while.
//!
//! Policy as values: [`choose`] compares what a request is with what each `[[route]]` wants, [`Breaker`] counts
//! failures and says when an upstream may be tried. Nothing here waits or sends; the server does, and only before
//! the client's first byte.

use crate::{config::routes::Route, models};

mod breaker;
pub mod listing;

pub use breaker::{Breaker, Change, Gate, State, Verdict};

/// What a request is, as far as routes ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked<'a> {
    /// The model that the client named.
    pub model: &'a str,
    /// The model shall think.
    pub thinking: bool,
    /// There is an image in it.
    pub images: bool,
    /// The server tool for web search is offered.
    pub web_search: bool,
    /// Its length by the cheap estimate.
    pub input_tokens: u64,
}

impl<'a> Asked<'a> {
    /// A plain request for a model.
    pub const fn plain(model: &'a str) -> Self {
        Self { model, thinking: false, images: false, web_search: false, input_tokens: 0 }
    }
}

/// The first route all of whose conditions hold.
pub fn choose<'r>(routes: &'r [Route], asked: &Asked<'_>) -> Option<&'r Route> {
    routes.iter().find(|route| unmet(route, asked).is_none())
}

/// The first condition of a route that does not hold, in words; `None` if all of them do.
pub fn unmet(route: &Route, asked: &Asked<'_>) -> Option<String> {
    let switch = |wanted: Option<bool>, found: bool, name: &str| {
        wanted.filter(|wanted| *wanted != found).map(|wanted| format!("{name} = {wanted}"))
    };
    let is_named = |pattern: &String| models::matches(pattern, asked.model);
    let models = (!route.models.is_empty() && !route.models.iter().any(is_named))
        .then(|| format!("models = {:?}", route.models));
    let long = route.min_tokens.filter(|least| asked.input_tokens < *least);
    let background = models::Family::of(asked.model) == Some(models::Family::Haiku);
    models
        .or_else(|| switch(route.background, background, "background"))
        .or_else(|| switch(route.thinking, asked.thinking, "thinking"))
        .or_else(|| switch(route.images, asked.images, "images"))
        .or_else(|| switch(route.web_search, asked.web_search, "web_search"))
        .or_else(|| long.map(|least| format!("min_tokens = {least}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(name: &str, change: impl FnOnce(&mut Route)) -> Route {
        let mut route = Route { name: name.to_owned(), ..Route::default() };
        change(&mut route);
        route
    }

    #[test]
    fn the_first_route_whose_conditions_hold_decides() {
        let routes = [
            route("images", |it| it.images = Some(true)),
            route("search", |it| it.web_search = Some(true)),
            route("long", |it| it.min_tokens = Some(60_000)),
            route("think", |it| (it.thinking, it.models) = (Some(true), vec!["claude-opus-*".to_owned()])),
            route("background", |it| it.background = Some(true)),
            route("quick", |it| {
                (it.thinking, it.models) = (Some(false), vec!["gpt-*".to_owned(), "o1".to_owned()]);
            }),
        ];
        let plain = Asked::plain;
        let table = [
            (plain("claude-sonnet-5"), None),
            (Asked { images: true, thinking: true, ..plain("claude-opus-5") }, Some("images")),
            (Asked { web_search: true, ..plain("x") }, Some("search")),
            (Asked { input_tokens: 60_000, ..plain("claude-haiku-4-5") }, Some("long")),
            (Asked { input_tokens: 59_999, ..plain("claude-haiku-4-5") }, Some("background")),
            (Asked { thinking: true, ..plain("claude-opus-5-5[1m]") }, Some("think")),
            (Asked { thinking: true, ..plain("claude-sonnet-5") }, None),
            (plain("o1"), Some("quick")),
            (Asked { thinking: true, ..plain("o1") }, None),
        ];
        for (asked, expected) in table {
            let chosen = choose(&routes, &asked).map(|route| route.name.as_str());
            assert_eq!(chosen, expected, "{asked:?}");
        }
    }

    #[test]
    fn a_condition_that_does_not_hold_is_named() {
        let long = route("long", |it| it.min_tokens = Some(9));
        assert_eq!(unmet(&long, &Asked::plain("m")).as_deref(), Some("min_tokens = 9"));
        let named = route("named", |it| it.models = vec!["a*".to_owned()]);
        assert_eq!(unmet(&named, &Asked::plain("m")).as_deref(), Some("models = [\"a*\"]"));
        assert_eq!(unmet(&named, &Asked::plain("am")), None);
    }
}
