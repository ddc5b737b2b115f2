//! Chunks that differ from one before in nothing but one text, read without parsing them again.
//!
//! The chunks of a stream are mostly the same but for the piece of text they bring. What stands before and behind
//! that piece is remembered; a chunk that begins and ends with the same bytes, and has the inside of one JSON string
//! in between, says the same but for that string. Everything else is read in whole, by [`Chunk`].

use crate::protocol::json::plain_length;
use crate::protocol::openai::chat::chunk::{
    AssistantMessage, Choice, Chunk, Content, FunctionCall, ToolCall,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// What is remembered of the chunk before.
#[derive(Debug)]
pub(super) struct Pattern {
    learnt: Option<Learnt>,
    /// How often another chunk may still be learnt without any that fitted: where each differs in more than the
    /// text, learning only costs.
    chances: u8,
}

#[derive(Debug)]
struct Learnt {
    /// Up to the text, its opening quote included.
    before: String,
    /// What follows, from its closing quote on.
    behind: String,
    slot: Slot,
}

/// Which text of a chunk it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    Content,
    ReasoningContent,
    Reasoning,
    /// The arguments of the call with that index.
    Arguments(Option<u64>),
}

const CHANCES: u8 = 4;

impl Default for Pattern {
    fn default() -> Self {
        Self { learnt: None, chances: CHANCES }
    }
}

impl Pattern {
    /// The message of a chunk that fits; the chunk says nothing else, and it is of the first alternative.
    pub(super) fn read(&mut self, data: &str) -> Option<AssistantMessage> {
        let Learnt { before, behind, slot } = self.learnt.as_ref()?;
        let inside = data.strip_prefix(before.as_str())?.strip_suffix(behind.as_str())?;
        let text = if plain_length(inside.as_bytes()) == inside.len() {
            Cow::Borrowed(inside)
        } else {
            // With its quotes; fails if it is more than one string.
            let quoted = data.get(before.len() - 1..data.len() + 1 - behind.len())?;
            Cow::Owned(serde_json::from_str(quoted).ok()?)
        };
        self.chances = CHANCES;
        Some(slot.message(text.into_owned()))
    }

    /// Remembers a chunk that was read in whole, if it brings one text and nothing else.
    pub(super) fn learn(&mut self, data: &str, chunk: &Chunk) {
        if self.chances == 0 {
            return;
        }
        let Some(slot) = Slot::of(chunk) else { return };
        self.chances -= 1;
        self.learnt = slot.place(data).map(|(start, end)| Learnt {
            before: data.get(..start).unwrap_or_default().to_owned(),
            behind: data.get(end..).unwrap_or_default().to_owned(),
            slot,
        });
    }
}

impl Slot {
    /// The one text of a chunk that has nothing else to say.
    fn of(chunk: &Chunk) -> Option<Self> {
        let Chunk { choices, usage: None, x_groq: None, error: None, object, service_tier: _ } = chunk else {
            return None;
        };
        let [
            Choice {
                index: None | Some(0),
                delta: Some(delta),
                message: None,
                finish_reason: None,
                stop_reason: None,
                matched_stop: None,
                error: None,
            },
        ] = choices.as_slice()
        else {
            return None;
        };
        let AssistantMessage {
            content,
            reasoning_content,
            reasoning,
            thinking: None,
            reasoning_details,
            refusal: None,
            tool_calls,
            function_call: None,
            annotations,
            images,
            audio: None,
        } = delta
        else {
            return None;
        };
        let is_bare = object.as_deref() != Some("error")
            && reasoning_details.is_empty()
            && annotations.is_empty()
            && images.is_empty();
        match (content, reasoning_content, reasoning, tool_calls.as_slice()) {
            _ if !is_bare => None,
            (Some(Content::Text(_)), None, None, []) => Some(Self::Content),
            (None, Some(_), None, []) => Some(Self::ReasoningContent),
            (None, None, Some(_), []) => Some(Self::Reasoning),
            (None, None, None, [call]) => Self::of_call(call),
            _ => None,
        }
    }

    fn of_call(call: &ToolCall) -> Option<Self> {
        let ToolCall { index, id: None, function: Some(function), extra_content: None, custom: None } = call
        else {
            return None;
        };
        let FunctionCall { name: None, arguments: Some(_) } = function else { return None };
        Some(Self::Arguments(*index))
    }

    /// Where the text stands, without its quotes.
    fn place(self, data: &str) -> Option<(usize, usize)> {
        let probe: Probe<'_> = serde_json::from_str(data).ok()?;
        let [ProbeChoice { delta }] = probe.choices.as_slice() else { return None };
        let text = match self {
            Self::Content => delta.content,
            Self::ReasoningContent => delta.reasoning_content,
            Self::Reasoning => delta.reasoning,
            Self::Arguments(_) => match delta.tool_calls.as_deref() {
                Some([ProbeCall { function }]) => function.as_ref()?.arguments,
                _ => None,
            },
        };
        let text = text?.get();
        if !(text.len() >= 2 && text.starts_with('"')) {
            return None;
        }
        let start = text.as_ptr().addr().checked_sub(data.as_ptr().addr())?;
        Some((start + 1, start + text.len() - 1))
    }

    fn message(self, text: String) -> AssistantMessage {
        let mut message = AssistantMessage::default();
        match self {
            Self::Content => message.content = Some(Content::Text(text)),
            Self::ReasoningContent => message.reasoning_content = Some(text),
            Self::Reasoning => message.reasoning = Some(text),
            Self::Arguments(index) => {
                let function = Some(FunctionCall { name: None, arguments: Some(text) });
                message.tool_calls.push(ToolCall { index, function, ..ToolCall::default() });
            }
        }
        message
    }
}

/// A chunk, read only to find where its text stands.
#[derive(Deserialize)]
struct Probe<'a> {
    #[serde(borrow)]
    choices: Vec<ProbeChoice<'a>>,
}

#[derive(Deserialize)]
struct ProbeChoice<'a> {
    #[serde(borrow)]
    delta: ProbeDelta<'a>,
}

#[derive(Deserialize)]
struct ProbeDelta<'a> {
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    reasoning_content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    reasoning: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tool_calls: Option<Vec<ProbeCall<'a>>>,
}

#[derive(Deserialize)]
struct ProbeCall<'a> {
    #[serde(borrow, default)]
    function: Option<ProbeFunction<'a>>,
}

#[derive(Deserialize)]
struct ProbeFunction<'a> {
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
}

#[cfg(test)]
mod tests {
    use super::super::Reader;
    use super::*;
    use crate::sse;
    use crate::translate::context::Context;
    use proptest::prelude::*;

    /// What two readers say of the same chunks, the second one without patterns; and how often one was of use.
    fn both(chunks: &[String], context: &Context) -> (String, String, usize) {
        let (mut quick, mut slow) = (Reader::new(context), Reader::new(context));
        let (mut quick_deltas, mut slow_deltas) = (Vec::new(), Vec::new());
        let mut fitting = 0;
        for chunk in chunks {
            fitting += usize::from(quick.pattern.read(chunk.trim()).is_some());
            let event = sse::Event { name: "".into(), data: chunk.as_str().into() };
            quick.event(&event, &mut quick_deltas);
            slow.pattern = Pattern { learnt: None, chances: 0 };
            slow.event(&event, &mut slow_deltas);
        }
        (format!("{quick_deltas:?}"), format!("{slow_deltas:?}"), fitting)
    }

    fn chunk(delta: &str) -> String {
        format!(
            r#"{{"id":"c","choices":[{{"index":0,"delta":{{{delta}}},"finish_reason":null}}],"usage":null}}"#
        )
    }

    #[test]
    fn chunks_that_differ_in_their_text_are_read_by_the_pattern() {
        for member in ["content", "reasoning_content", "reasoning"] {
            let chunks = ["a", "", "é😀", r#"\n\"q\" \\ \u00e9 \ud83d\ude00"#]
                .map(|text| chunk(&format!(r#""{member}":"{text}""#)));
            let (quick, slow, fitting) = both(&chunks, &Context::default());
            assert_eq!((quick, fitting), (slow, 3), "{member}");
        }
        let call = |text: &str| chunk(&format!(r#""tool_calls":[{{"index":0,"function":{{{text}}}}}]"#));
        let begun =
            call(r#""name":"f","arguments":"""#).replace(r#""index":0,"f"#, r#""index":0,"id":"i","f"#);
        let pieces = [r#"{\"a\":"#, r#"\"x\\n\""#, "}"].map(|text| call(&format!(r#""arguments":"{text}""#)));
        let chunks = [&[begun], &pieces[..]].concat();
        let (quick, slow, fitting) = both(&chunks, &Context::default());
        assert_eq!((quick, fitting), (slow, 2));
    }

    #[test]
    fn what_only_looks_alike_is_read_in_whole() {
        let plain = chunk(r#""content":"a""#);
        let cases = [
            // A second member hidden in the text.
            chunk(r#""content":"b","refusal":"c""#),
            chunk(r#""content":"b\ud83d""#),
            chunk("\"content\":\"b\nc\""),
            chunk(r#""content":"b\""#),
            chunk(r#""content":"b\\"#),
            chunk(r#""content":null"#),
            plain.replace("null}", "\"stop\"}"),
            plain.replace("{\"id\"", "{\"id\" "),
        ];
        for case in cases {
            let (quick, slow, fitting) =
                both(&[plain.clone(), case.clone(), plain.clone()], &Context::default());
            assert_eq!(quick, slow, "{case}");
            assert!(fitting <= 1, "{case}");
        }
    }

    #[test]
    fn learning_ends_where_nothing_fits() {
        let mut pattern = Pattern::default();
        for number in 0..10 {
            let data = chunk(r#""content":"a""#).replace("\"c\"", &format!("\"c{number}\""));
            assert!(pattern.read(&data).is_none());
            pattern.learn(&data, &serde_json::from_str(&data).unwrap());
        }
        assert_eq!(pattern.chances, 0);
    }

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-z ]{0,6}",
            r#"(?s)([ -~é😀]|\\["\\/bfnrtux]|\\u[0-9a-dA-D]{4}|\\ud83d\\ude00|["<>/]){0,8}"#,
            Just("<think>".to_owned()),
            Just("</think>".to_owned()),
        ]
    }

    fn any_chunk() -> impl Strategy<Value = String> {
        let member = prop_oneof![
            5 => Just("\"content\":\"{}\""),
            2 => Just("\"content\":null,\"reasoning_content\":\"{}\""),
            1 => Just("\"reasoning\":\"{}\""),
            2 => Just("\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{}\"}}]"),
            1 => Just("\"tool_calls\":[{\"index\":0,\"id\":\"i\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]"),
            1 => Just("\"content\":\"{}\",\"reasoning\":\"{}\""),
            1 => Just("\"refusal\":\"{}\""),
        ];
        let end = prop_oneof![8 => Just(""), 1 => Just("stop"), 1 => Just("usage")];
        (member, text(), end).prop_map(|(member, text, end)| {
            let whole = chunk(&member.replace("{}", &text));
            match end {
                "stop" => whole.replace("\"finish_reason\":null", "\"finish_reason\":\"stop\""),
                "usage" => whole.replace("\"usage\":null", "\"usage\":{\"prompt_tokens\":1}"),
                _ => whole,
            }
        })
    }

    proptest! {
        #[test]
        fn both_ways_of_reading_agree(
            chunks in prop::collection::vec(any_chunk(), 0..12),
            think_tags in any::<bool>(),
        ) {
            let (quick, slow, _) = both(&chunks, &Context { think_tags, ..Context::default() });
            prop_assert_eq!(quick, slow);
        }
    }
}
