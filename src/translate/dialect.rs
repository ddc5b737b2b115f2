//! The dialects of upstreams, and what each calls the places of an answer.

/// The dialects of upstreams that requests are translated to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Dialect {
    /// OpenAI's chat completions.
    #[default]
    Chat,
    /// OpenAI's Responses.
    Responses,
}

impl Dialect {
    /// The name used in configuration, signatures and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Responses => "responses",
        }
    }

    /// What a signature calls that which must come back with reasoning.
    pub(crate) const fn state_kind(self) -> &'static str {
        match self {
            Self::Chat => "rd",
            Self::Responses => "ri",
        }
    }

    /// What an upstream failed to do that answered without an answer.
    pub(crate) const fn nothing_said(self) -> &'static str {
        match self {
            Self::Chat => "the upstream returned no choices",
            Self::Responses => "the upstream returned no output",
        }
    }

    /// Where the reasoning stands in an answer, as a JSON pointer.
    pub(crate) const fn reasoning(self) -> &'static str {
        match self {
            Self::Chat => "/choices/0/message/reasoning_content",
            Self::Responses => "/output",
        }
    }

    /// Where the calls stand.
    pub(crate) const fn calls(self) -> &'static str {
        match self {
            Self::Chat => "/choices/0/message/tool_calls",
            Self::Responses => "/output",
        }
    }

    /// Where one call stands; `number` counts the calls from 0. Where they stand among other things only the list
    /// of them can be named.
    pub(crate) fn call(self, number: usize) -> String {
        match self {
            Self::Chat => format!("{}/{number}", self.calls()),
            Self::Responses => self.calls().to_owned(),
        }
    }

    /// Where the arguments of one call stand.
    pub(crate) fn arguments(self, number: usize) -> String {
        match self {
            Self::Chat => format!("{}/function/arguments", self.call(number)),
            Self::Responses => self.call(number),
        }
    }

    /// Where the sources stand that the upstream names.
    pub(crate) const fn annotations(self) -> &'static str {
        match self {
            Self::Chat => "/choices/0/message/annotations",
            Self::Responses => "/output",
        }
    }

    /// Where it stands why the model stopped.
    pub(crate) const fn finish(self) -> &'static str {
        match self {
            Self::Chat => "/choices/0/finish_reason",
            Self::Responses => "/status",
        }
    }
}
