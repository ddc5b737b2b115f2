//! The names of models that metrics tell apart: those that the configuration has, for what clients send is endless.

use std::{borrow::Cow, collections::BTreeSet};

use super::{Family, ModelMap, glob_matches, without_suffix};

/// Stands for every name that is not configured.
pub const OTHER: &str = "other";

/// The names, and what stands for them.
#[derive(Debug, Clone, Default)]
pub struct Names {
    exact: BTreeSet<String>,
    globs: Vec<String>,
    upstream: BTreeSet<String>,
}

impl Names {
    /// Those of the map, those that routes look for, and the models that routes name.
    pub fn new<'n>(
        map: &'n ModelMap,
        routed: impl IntoIterator<Item = &'n str>,
        targets: impl IntoIterator<Item = &'n str>,
    ) -> Self {
        let of_map = map.exact.iter().chain(&map.globs).map(|(name, _)| name.as_str());
        let (globs, exact): (Vec<_>, Vec<_>) =
            of_map.chain(routed).map(str::to_owned).partition(|name| name.contains(['*', '?']));
        let of_map = map.targets().into_iter().map(|target| target.model.as_str());
        let upstream = of_map.chain(targets).map(str::to_owned).collect();
        Self { exact: exact.into_iter().collect(), globs, upstream }
    }

    /// What stands for a requested name: itself if it is configured, else the pattern that takes it, else the word of
    /// its family (`haiku`, `sonnet`, `opus`), else [`OTHER`].
    pub fn requested(&self, name: &str) -> Cow<'static, str> {
        let bare = without_suffix(name);
        if let Some(known) = self.exact.get(name).or_else(|| self.exact.get(bare)) {
            return known.clone().into();
        }
        if let Some(pattern) = self.globs.iter().find(|pattern| glob_matches(pattern, bare)) {
            return pattern.clone().into();
        }
        Family::of(bare).map_or(OTHER, Family::word).into()
    }

    /// What stands for an upstream's name of a model: itself if it is configured, else [`OTHER`].
    pub fn of_upstream(&self, model: &str) -> Cow<'static, str> {
        self.upstream.get(model).map_or(Cow::Borrowed(OTHER), |known| known.clone().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{Families, Target};

    #[test]
    fn a_name_that_is_not_configured_is_no_name() {
        let to = |model: &str| Target { model: model.to_owned(), ..Target::default() };
        let map = ModelMap::new(
            vec![("claude-opus-5".to_owned(), to("large")), ("gpt-*".to_owned(), to("middle"))],
            Families::default(),
            None,
        );
        let names = Names::new(&map, ["o3", "o4*"], ["tiny"]);
        for (requested, expected) in [
            ("claude-opus-5[1m]", "claude-opus-5"),
            ("gpt-5", "gpt-*"),
            ("o3", "o3"),
            ("o4-mini", "o4*"),
            ("claude-sonnet-5", "sonnet"),
            ("claude-opus-6", "opus"),
            ("made up by a client", "other"),
        ] {
            assert_eq!(names.requested(requested), expected);
        }
        for (model, expected) in
            [("large", "large"), ("middle", "middle"), ("tiny", "tiny"), ("gpt-5", "other")]
        {
            assert_eq!(names.of_upstream(model), expected);
        }
    }
}
