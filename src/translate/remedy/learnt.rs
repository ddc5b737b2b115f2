//! What was learnt of one model, over what its upstream is known for.

use super::Lesson;
use crate::translate::quirks::MaxTokensField;
use crate::translate::{Dialect, Options, StopSequences};

/// What was learnt of one model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Learnt {
    max_output_tokens: Option<u64>,
    max_tokens_field: Option<MaxTokensField>,
    efforts: Option<Vec<&'static str>>,
    dialect: Option<Dialect>,
    no_sampling: bool,
    no_top_k: bool,
    no_stop: bool,
    no_stream_options: bool,
    no_parallel_tool_calls: bool,
    no_json_schema: bool,
    no_summary: bool,
}

impl Learnt {
    /// Adds a lesson. `false` if it is none: known already, or against an earlier one, for an upstream that
    /// wants now this and now that would be asked twice for ever.
    pub fn add(&mut self, lesson: &Lesson) -> bool {
        match lesson {
            Lesson::MaxOutputTokens(limit) => {
                let lower = self.max_output_tokens.is_none_or(|known| *limit < known);
                if lower {
                    self.max_output_tokens = Some(*limit);
                }
                lower
            }
            Lesson::Efforts(efforts) => {
                let mut left = efforts.clone();
                if let Some(known) = &self.efforts {
                    left.retain(|effort| known.contains(effort));
                }
                self.efforts.replace(left.clone()).is_none_or(|known| known != left)
            }
            Lesson::MaxTokensField(field) => first(&mut self.max_tokens_field, *field),
            Lesson::Dialect(dialect) => first(&mut self.dialect, *dialect),
            Lesson::NoSampling => !std::mem::replace(&mut self.no_sampling, true),
            Lesson::NoTopK => !std::mem::replace(&mut self.no_top_k, true),
            Lesson::NoStop => !std::mem::replace(&mut self.no_stop, true),
            Lesson::NoStreamOptions => !std::mem::replace(&mut self.no_stream_options, true),
            Lesson::NoParallelToolCalls => !std::mem::replace(&mut self.no_parallel_tool_calls, true),
            Lesson::NoJsonSchema => !std::mem::replace(&mut self.no_json_schema, true),
            Lesson::NoSummary => !std::mem::replace(&mut self.no_summary, true),
        }
    }

    /// The dialect in which the model is served; it counts where none was chosen by a person.
    pub const fn dialect(&self) -> Option<Dialect> {
        self.dialect
    }

    /// Options as they are for this model, but for the dialect.
    pub fn apply(&self, options: &mut Options) {
        if let Some(limit) = self.max_output_tokens {
            options.max_output_tokens =
                Some(options.max_output_tokens.map_or(limit, |known| known.min(limit)));
        }
        let quirks = &mut options.quirks;
        if let Some(field) = self.max_tokens_field {
            quirks.max_tokens_field = field;
        }
        quirks.top_k &= !self.no_top_k;
        quirks.stream_usage &= !self.no_stream_options;
        quirks.parallel_tool_calls &= !self.no_parallel_tool_calls;
        quirks.json_schema &= !self.no_json_schema;
        if self.no_stop {
            quirks.reports_stop = false;
            options.stop_sequences = StopSequences::Answer;
        }
        options.no_sampling |= self.no_sampling;
        options.no_summary |= self.no_summary;
        if let Some(efforts) = &self.efforts {
            options.efforts = Some(efforts.clone());
        }
    }
}

/// Sets what was not set.
fn first<T>(known: &mut Option<T>, value: T) -> bool {
    let is_new = known.is_none();
    known.get_or_insert(value);
    is_new
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::translate::quirks::Preset;

    #[test]
    fn lessons_are_learnt_once_and_not_unlearnt() {
        let mut learnt = Learnt::default();
        for (lesson, is_new) in [
            (Lesson::MaxOutputTokens(100), true),
            (Lesson::MaxOutputTokens(200), false),
            (Lesson::MaxOutputTokens(50), true),
            (Lesson::MaxTokensField(MaxTokensField::MaxCompletionTokens), true),
            (Lesson::MaxTokensField(MaxTokensField::MaxTokens), false),
            (Lesson::NoSampling, true),
            (Lesson::NoSampling, false),
            (Lesson::Efforts(vec!["low", "high"]), true),
            (Lesson::Efforts(vec!["low", "high", "max"]), false),
            (Lesson::Efforts(vec!["none", "high"]), true),
            (Lesson::Dialect(Dialect::Responses), true),
            (Lesson::Dialect(Dialect::Chat), false),
        ] {
            assert_eq!(learnt.add(&lesson), is_new, "{lesson}");
        }
        let mut options = Options::new(Preset::Generic.quirks(), "up", "m");
        options.max_output_tokens = Some(70);
        learnt.apply(&mut options);
        assert_eq!(options.max_output_tokens, Some(50));
        assert_eq!(options.quirks.max_tokens_field, MaxTokensField::MaxCompletionTokens);
        assert_eq!(options.efforts, Some(vec!["high"]));
        assert!(options.no_sampling && options.quirks.stream_usage);
        assert_eq!((options.dialect, learnt.dialect()), (Dialect::Chat, Some(Dialect::Responses)));
    }
}
