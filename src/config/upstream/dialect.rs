//! The dialect: what was set, and what it comes to for a model.

use toml::Spanned;

use super::Upstream;
use crate::{
    config::{
        Flags,
        error::Error,
        layers::{Kind, Layers, Setting},
    },
    models::{
        Target,
        dialect::{Asked, Choice, Spoken, Why, Wish, own_dialect},
    },
};

/// The dialect that was named.
pub(super) fn choose(
    flags: &Flags,
    in_file: Option<Spanned<String>>,
    layers: &mut Layers<'_>,
) -> Result<Option<Setting<Wish>>, Error> {
    let key = "upstream.dialect";
    let flag = Setting::flag("--dialect", flags.dialect.clone());
    let flag = flag.map(|name| DIALECT.read(key, name)).transpose()?;
    let in_env = layers.env("OPENAI_DIALECT", key, &DIALECT)?;
    let in_file = layers.file(in_file, key, &DIALECT)?;
    Ok(layers.choose(key, [flag, in_env, in_file]))
}

/// The names of dialects.
pub(in crate::config) const DIALECT: Kind<Wish> = Kind {
    expected: "\"auto\", \"chat\", \"responses\" or \"messages\"",
    read: Wish::from_name,
    names: &Wish::NAMES,
};

impl Upstream {
    /// The dialect for one of its models, and why. `target` is what the model map says of it.
    pub fn dialect_of(&self, model: &str, target: Option<&Target>) -> Choice {
        Choice::of(&Asked {
            of_model: target.map_or(Wish::Auto, |target| target.dialect),
            of_upstream: self.dialect,
            quirks: &self.quirks,
            family: self.family_of(model, target),
        })
    }

    /// Why that dialect was chosen, in words.
    pub fn explain(&self, choice: &Choice) -> String {
        match choice.why {
            Why::OfUpstream => self.dialect_origin.to_string(),
            _ => choice.why.to_string(),
        }
    }

    /// The name that tells what a model can do: its own, or that of the model that a deployment runs.
    pub fn family_of<'a>(&'a self, model: &'a str, target: Option<&'a Target>) -> &'a str {
        let family = target.and_then(|target| target.model_family.as_deref());
        family.or(self.model_family.as_deref()).unwrap_or(model)
    }

    /// Whether its list of models is where Anthropic's API has it.
    pub fn lists_as_anthropic(&self) -> bool {
        match self.dialect {
            Wish::Only(spoken) => spoken == Spoken::Messages,
            Wish::Auto => own_dialect(self.preset) == Some(Spoken::Messages),
        }
    }
}
