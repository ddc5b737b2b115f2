//! `[[upstream]]`: the first one, to which variables and flags belong, and further ones, which routes find by name.

use toml::Spanned;

use super::Upstream;
use crate::config::{Flags, error::Error, file::UpstreamTables, layers::Layers};

impl Upstream {
    /// All of them: the first, to which variables and flags belong, and the further ones.
    pub(in crate::config) fn resolve_all(
        tables: UpstreamTables,
        flags: &Flags,
        key_optional: bool,
        passthrough: bool,
        layers: &mut Layers<'_>,
    ) -> Result<(Self, Vec<Self>), Error> {
        let mut tables = tables.0.into_iter();
        let first = tables.next().map(Spanned::into_inner).unwrap_or_default();
        let first = Self::resolve(first, flags, !key_optional && !passthrough, layers)?;
        let mut further = Vec::new();
        if flags.demo.is_some() {
            return Ok((first, further));
        }
        for table in tables {
            let origin = layers.file.origin(&table);
            let name = table.get_ref().name.as_ref().map(|name| name.get_ref().trim().to_owned());
            let taken =
                |name: &String| *name == first.name || further.iter().any(|it: &Self| it.name == *name);
            let problem = match &name {
                None => "a further upstream has no name".to_owned(),
                Some(name) if taken(name) => format!("two upstreams are called {name:?}"),
                Some(name) if name.contains('/') => {
                    format!("{name:?} is no name for an upstream: it has a slash")
                }
                Some(_) => String::new(),
            };
            if !problem.is_empty() {
                let mend = "give each [[upstream]] a name of its own, by which routes find it";
                return Err(Error::Conflict { problem, origin, mend });
            }
            layers.scope = name;
            let upstream = Self::resolve(table.into_inner(), &Flags::default(), !key_optional, layers);
            layers.scope = None;
            further.push(upstream?);
        }
        Ok((first, further))
    }
}
