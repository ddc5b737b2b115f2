//! Thinking and effort: what the client wants, and how each kind of upstream is told (protocol.md §2.7).

use super::Translation;
use super::place::Place;
use crate::protocol::anthropic::error::Error;
use crate::protocol::anthropic::request::{Request, Role, Thinking};
use crate::translate::Options;
use crate::translate::quirks::{ReasoningRequest, is_reasoning_model, lacks_effort_none};
use crate::translate::report::Kind;

/// Effort names, weakest first; what an upstream lacks is replaced by the nearest.
const RANKS: [&str; 7] = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];

/// What the client wants.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wish {
    /// Nothing was said.
    Unsaid,
    /// No thinking.
    Off,
    /// Thinking, as much as the model likes.
    On,
    /// Thinking with that effort.
    Effort(Effort),
    /// Thinking within that many tokens.
    Budget(u64),
}

/// An effort and where it was said, as a JSON pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Effort {
    name: String,
    pointer: String,
}

impl Wish {
    /// Where it was said.
    fn pointer(&self) -> &str {
        match self {
            Self::Effort(effort) => &effort.pointer,
            Self::Budget(_) => "/thinking/budget_tokens",
            Self::Unsaid | Self::Off | Self::On => "/thinking",
        }
    }
}

/// What the upstream is told; how, is the dialect's affair.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Reasoning {
    /// Whether to think; `None` leaves it to the upstream.
    pub(crate) switch: Option<bool>,
    /// With how much effort, in the upstream's words.
    pub(crate) effort: Option<&'static str>,
    /// Within how many tokens, where the upstream takes that.
    pub(crate) budget_tokens: Option<u64>,
    /// A summary of it is to be shown.
    pub(crate) wants_summary: bool,
    /// The model is known not to reason.
    pub(crate) is_impossible: bool,
}

impl Translation<'_> {
    pub(super) fn reasoning(&mut self, request: &Request) -> Result<Reasoning, Error> {
        let wish = self.wish(request)?;
        let quirks = &self.options.quirks;
        // OpenAI's older models answer 400 to `reasoning_effort`; their documentation knows no exception.
        if quirks.no_sampling_on_reasoning_models && !is_reasoning_model(self.options.family()) {
            if !matches!(wish, Wish::Unsaid | Wish::Off) {
                self.report.add(wish.pointer(), Kind::Dropped, "the model does not reason");
            }
            return Ok(Reasoning { is_impossible: true, ..Reasoning::default() });
        }
        let (effort, budget_tokens) = match (self.form.reasoning_request, &wish) {
            (ReasoningRequest::ReasoningObject, Wish::Budget(tokens)) => (None, Some(*tokens)),
            (ReasoningRequest::Effort, _) | (_, Wish::Effort(_) | Wish::Budget(_)) => {
                (self.effort(&wish), None)
            }
            (_, Wish::Unsaid | Wish::Off | Wish::On) => (None, None),
        };
        let switch = match wish {
            Wish::Unsaid => None,
            Wish::Off => Some(false),
            Wish::On | Wish::Effort(_) | Wish::Budget(_) => Some(true),
        };
        let display = request.thinking.as_ref().and_then(|thinking| thinking.display.as_deref());
        // Where nothing was said, only a model that is known to reason is asked.
        let reasons = switch.unwrap_or(quirks.no_sampling_on_reasoning_models);
        let wants_summary = reasons && display != Some("omitted") && !self.options.no_summary;
        Ok(Reasoning { switch, effort, budget_tokens, wants_summary, is_impossible: false })
    }

    /// The last effort said wins over a budget; thinking that is switched off wins over any effort.
    fn wish(&mut self, request: &Request) -> Result<Wish, Error> {
        let effort = effort_said(request)?;
        let Some(thinking) = &request.thinking else {
            return Ok(effort.map_or(Wish::Unsaid, Wish::Effort));
        };
        let said = said_of(thinking)?;
        if thinking.kind == "between_tools" {
            let reason = "thinking between tools is switched off altogether";
            self.report.add("/thinking/type", Kind::Approximated, reason);
        }
        if thinking.block_binding.is_some() {
            let reason = "the upstream binds no thinking blocks";
            self.report.add("/thinking/block_binding", Kind::Ignored, reason);
        }
        if thinking.display.as_deref().is_some_and(|display| !matches!(display, "summarized" | "omitted")) {
            let reason = "thinking is shown as it comes: only `omitted` is told from `summarized`";
            self.report.add("/thinking/display", Kind::Approximated, reason);
        }
        match (said, effort) {
            (Wish::Off, Some(effort)) => {
                self.report.add(effort.pointer, Kind::Ignored, "thinking is switched off");
                Ok(Wish::Off)
            }
            (said, Some(effort)) => {
                if let Wish::Budget(_) = said {
                    let reason = "the effort stands for it";
                    self.report.add("/thinking/budget_tokens", Kind::Approximated, reason);
                }
                Ok(Wish::Effort(effort))
            }
            (said, None) => Ok(said),
        }
    }

    /// The effort's name at the upstream.
    fn effort(&mut self, wish: &Wish) -> Option<&'static str> {
        let wanted = match wish {
            Wish::Unsaid | Wish::On => return None,
            Wish::Off => "none",
            Wish::Effort(effort) => &effort.name,
            Wish::Budget(tokens) => effort_of_budget(*tokens),
        };
        let Some(nearest) = nearest_effort(wanted, self.options) else {
            self.report.add(wish.pointer(), Kind::Dropped, "the model takes no effort near to it");
            return None;
        };
        if let Wish::Budget(tokens) = wish {
            let reason = format!("a budget of {tokens} tokens became the effort `{nearest}`");
            self.report.add(wish.pointer(), Kind::Approximated, reason);
        } else if nearest != wanted {
            let reason = format!("`{wanted}` became `{nearest}`, the nearest the model has");
            self.report.add(wish.pointer(), Kind::Clamped, reason);
        }
        Some(nearest)
    }
}

/// The effort of the last system message that has one, else that at the top.
fn effort_said(request: &Request) -> Result<Option<Effort>, Error> {
    let mut systems =
        request.messages.iter().enumerate().rev().filter(|(_, message)| message.role == Role::System);
    let in_messages = systems.find_map(|(index, message)| {
        let effort = message.output_config.as_ref()?.effort.as_deref()?;
        Some((format!("/messages/{index}/output_config/effort"), effort))
    });
    let at_top = || {
        let effort = request.output_config.as_ref()?.effort.as_deref()?;
        Some(("/output_config/effort".to_owned(), effort))
    };
    let Some((pointer, name)) = in_messages.or_else(at_top) else { return Ok(None) };
    if !RANKS.contains(&name) {
        let known = "low, medium, high, xhigh, max";
        return Err(Place::at(pointer).refuse(format_args!("`{name}` is unknown; known are {known}")));
    }
    Ok(Some(Effort { name: name.to_owned(), pointer }))
}

fn said_of(thinking: &Thinking) -> Result<Wish, Error> {
    match thinking.kind.as_str() {
        "disabled" | "between_tools" => Ok(Wish::Off),
        "adaptive" => Ok(Wish::On),
        "enabled" => Ok(thinking.budget_tokens.map_or(Wish::On, Wish::Budget)),
        other => Err(Error::invalid_request(format!(
            "thinking.type: `{other}` is unknown; known are enabled, disabled, adaptive, between_tools"
        ))),
    }
}

fn effort_of_budget(tokens: u64) -> &'static str {
    match tokens {
        0..4096 => "low",
        4096..16384 => "medium",
        16384..32768 => "high",
        _ => "xhigh",
    }
}

/// The effort the upstream knows that is nearest to the wanted one, the weaker of two.
fn nearest_effort(wanted: &str, options: &Options) -> Option<&'static str> {
    let quirks = &options.quirks;
    let rank = |effort: &str| RANKS.iter().position(|known| *known == effort);
    let wanted = rank(wanted)?;
    // `none` switches reasoning off, so it is near to nothing but itself.
    let none_fits =
        wanted == 0 && !(quirks.no_sampling_on_reasoning_models && lacks_effort_none(options.family()));
    // What was learnt of the model is narrower than what is known of the upstream, if they meet at all.
    let learnt = options.efforts.as_deref().unwrap_or(quirks.efforts);
    let meet = learnt.iter().any(|effort| quirks.efforts.contains(effort));
    learnt
        .iter()
        .copied()
        .filter(|effort| !meet || quirks.efforts.contains(effort))
        .filter(|effort| none_fits || *effort != "none")
        .filter_map(|effort| Some((rank(effort)?.abs_diff(wanted), effort)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, effort)| effort)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::translate::quirks::Preset;

    #[test]
    fn efforts_are_clamped_to_what_the_upstream_knows() {
        let nearest = |wanted, preset: Preset, model| {
            nearest_effort(wanted, &Options::new(preset.quirks(), "up", model))
        };
        assert_eq!(nearest("max", Preset::OpenAi, "gpt-6-sol"), Some("max"));
        assert_eq!(nearest("none", Preset::OpenAi, "gpt-6-astra"), Some("minimal"));
        assert_eq!(nearest("low", Preset::DeepSeek, "deepseek-chat"), Some("high"));
        assert_eq!(nearest("xhigh", Preset::DeepSeek, "deepseek-chat"), Some("high"));
        assert_eq!(nearest("max", Preset::Gemini, "gemini"), Some("high"));
        assert_eq!(nearest("low", Preset::Mistral, "mistral"), Some("high"));
        assert_eq!(nearest("none", Preset::Mistral, "mistral"), Some("none"));
    }

    #[test]
    fn budgets_become_efforts() {
        let efforts = [0, 4095, 4096, 16384, 32768, 1 << 40].map(effort_of_budget);
        assert_eq!(efforts, ["low", "low", "medium", "high", "xhigh", "xhigh"]);
    }
}
