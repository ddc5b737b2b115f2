//! Which dialect is spoken to an upstream for one of its models, and why. Pure.
//!
//! What is said of the model goes over what is said of its upstream; where neither says, or says `auto`, the kind of
//! upstream decides: its own dialect if that is Messages, Responses for the models of OpenAI that take tools only
//! there, chat completions for all others.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::translate::quirks::{Preset, Quirks, needs_responses};

/// What the configuration wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Wish {
    /// What fits the upstream and the model.
    #[default]
    Auto,
    /// This one and no other.
    Only(Spoken),
}

/// A dialect of upstreams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Spoken {
    /// OpenAI's chat completions.
    Chat,
    /// OpenAI's Responses.
    Responses,
    /// Anthropic's Messages, which are forwarded.
    Messages,
}

/// The dialect for a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The dialect.
    pub spoken: Spoken,
    /// Why.
    pub why: Why,
    /// The model takes no tools in this dialect.
    pub refuses_tools: bool,
}

/// Why a dialect was chosen; its `Display` is what `models` and `check` print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The model's entry in the map says so.
    OfModel,
    /// The upstream's settings say so.
    OfUpstream,
    /// This kind of upstream speaks it.
    OfPreset(Preset),
    /// The model takes tools in no other.
    NeededFor(String),
    /// Nothing speaks for another.
    Usual,
}

/// What decides.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// What is wanted for the model.
    pub of_model: Wish,
    /// What is wanted for its upstream.
    pub of_upstream: Wish,
    /// How the upstream deviates.
    pub quirks: &'a Quirks,
    /// The model's name at OpenAI, where its own name is that of a deployment; else its own name.
    pub family: &'a str,
}

impl Wish {
    /// The names of all wishes, as the configuration writes them.
    pub const NAMES: [&'static str; 4] = ["auto", "chat", "responses", "messages"];

    /// Whether nothing is wished.
    pub const fn is_auto(&self) -> bool {
        matches!(self, Self::Auto)
    }

    /// The wish of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        if name == "auto" {
            return Some(Self::Auto);
        }
        Spoken::ALL.into_iter().find(|spoken| spoken.name() == name).map(Self::Only)
    }
}

/// As the configuration writes it.
impl Serialize for Wish {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::Auto => "auto",
            Self::Only(spoken) => spoken.name(),
        })
    }
}

impl Spoken {
    /// Every dialect.
    pub const ALL: [Self; 3] = [Self::Chat, Self::Responses, Self::Messages];

    /// The name used in configuration and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Responses => "responses",
            Self::Messages => "messages",
        }
    }
}

impl fmt::Display for Spoken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Choice {
    /// Chooses.
    pub fn of(asked: &Asked<'_>) -> Self {
        let needs_responses = asked.quirks.newer_models_need_responses && needs_responses(asked.family);
        let (spoken, why) = match (asked.of_model, asked.of_upstream) {
            (Wish::Only(spoken), _) => (spoken, Why::OfModel),
            (Wish::Auto, Wish::Only(spoken)) => (spoken, Why::OfUpstream),
            (Wish::Auto, Wish::Auto) => match own_dialect(asked.quirks.preset) {
                Some(own) => (own, Why::OfPreset(asked.quirks.preset)),
                None if needs_responses => (Spoken::Responses, Why::NeededFor(asked.family.to_owned())),
                None => (Spoken::Chat, Why::Usual),
            },
        };
        Self { spoken, why, refuses_tools: spoken == Spoken::Chat && needs_responses }
    }

    /// Whether the client's own bytes go to the upstream.
    pub const fn is_forwarded(&self) -> bool {
        matches!(self.spoken, Spoken::Messages)
    }

    /// Whether nobody has chosen, so that the upstream's word can change it.
    pub const fn is_open(&self) -> bool {
        matches!(self.why, Why::NeededFor(_) | Why::Usual)
    }
}

/// The dialect of the upstreams that speak no other.
pub const fn own_dialect(preset: Preset) -> Option<Spoken> {
    match preset {
        Preset::Anthropic => Some(Spoken::Messages),
        _ => None,
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OfModel => f.write_str("set for this model"),
            Self::OfUpstream => f.write_str("set for the upstream"),
            Self::OfPreset(preset) => write!(f, "auto: {preset} speaks it"),
            Self::NeededFor(family) => write!(f, "auto: {family} takes tools only there"),
            Self::Usual => f.write_str("auto"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(of_model: Wish, of_upstream: Wish, preset: Preset, family: &str) -> Choice {
        let quirks = preset.quirks();
        Choice::of(&Asked { of_model, of_upstream, quirks: &quirks, family })
    }

    #[test]
    fn names_go_there_and_back() {
        for name in Wish::NAMES {
            let told = match Wish::from_name(name).unwrap() {
                Wish::Auto => "auto",
                Wish::Only(spoken) => spoken.name(),
            };
            assert_eq!(told, name);
        }
        assert_eq!(Wish::from_name("Chat"), None);
    }

    #[test]
    fn the_model_decides_over_its_upstream_and_both_over_what_is_usual() {
        use Spoken::{Chat, Messages, Responses};
        use Wish::{Auto, Only};
        let table = [
            (Auto, Auto, Preset::Vllm, "gpt-6-sol", Chat, "auto"),
            (Auto, Auto, Preset::OpenAi, "gpt-4.1", Chat, "auto"),
            (Auto, Auto, Preset::OpenAi, "gpt-6-sol", Responses, "auto: gpt-6-sol takes tools only there"),
            (Auto, Auto, Preset::Azure, "gpt-5.4", Responses, "auto: gpt-5.4 takes tools only there"),
            (Auto, Auto, Preset::Anthropic, "claude-x", Messages, "auto: anthropic speaks it"),
            (Auto, Only(Chat), Preset::OpenAi, "gpt-6-sol", Chat, "set for the upstream"),
            (Auto, Only(Messages), Preset::Vllm, "m", Messages, "set for the upstream"),
            (Only(Responses), Only(Chat), Preset::Vllm, "m", Responses, "set for this model"),
        ];
        for (of_model, of_upstream, preset, family, spoken, why) in table {
            let choice = choice(of_model, of_upstream, preset, family);
            assert_eq!((choice.spoken, choice.why.to_string().as_str()), (spoken, why));
            assert_eq!(
                choice.refuses_tools,
                (family, spoken) == ("gpt-6-sol", Chat) && preset == Preset::OpenAi
            );
            assert_eq!(choice.is_open(), why.starts_with("auto") && preset != Preset::Anthropic);
        }
    }
}
