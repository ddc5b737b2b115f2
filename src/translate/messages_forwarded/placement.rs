//! System text where the upstream wants it: the one part of a request that may be read, and only when asked for.
//!
//! With `fold` and `hoist` no system message is left in the conversation (protocol.md §2.3). One before every other
//! message joins the leading text. Later ones join it too with `hoist`; with `fold` they are appended to the user
//! message before them, or, behind an assistant message, to the next one. They never stand before a user's own
//! blocks, because tool results must come first.

use super::request::{Places, Wishes};
use super::splice::{Splices, place};
use crate::protocol::anthropic::error::Error;
use crate::translate::json_object::{Members, quoted};
use crate::translate::quirks::SystemMode;
use crate::translate::report::{Kind, Report};
use serde_json::value::RawValue;
use std::mem;
use std::ops::Range;

/// Begins a block that Claude Code puts first into `system`.
const BILLING_HEADER: &str = "x-anthropic-billing-header:";
/// The one known time at which a system message becomes void.
const NEXT_USER_MESSAGE: &str = "next_user_message";

/// Edits `system` and `messages` as wished.
pub(super) fn place_system(
    text: &[u8],
    places: &Places,
    wishes: &Wishes,
    splices: &mut Splices,
    report: &mut Report,
) -> Result<(), Error> {
    let mut system = Leading::read(text, places.system.clone());
    if wishes.strip_billing_header {
        system.strip_billing_header(splices, report);
    }
    if matches!(wishes.system_mode, SystemMode::System | SystemMode::Developer) {
        return Ok(());
    }
    let Some(messages) = part(text, places.messages.clone()) else { return Ok(()) };
    let Ok(messages) = serde_json::from_str::<Vec<&RawValue>>(messages.get()) else { return Ok(()) };
    let messages: Vec<Message<'_>> = messages.into_iter().map(Message::read).collect();
    if !messages.iter().any(|message| message.role == "system") {
        return Ok(());
    }
    let mut conversation =
        Conversation { hoist: wishes.system_mode == SystemMode::Hoist, ..Default::default() };
    conversation.fill(&messages, report)?;
    system.append(&conversation.leading, places.inside, splices);
    let Some(range) = places.messages.clone() else { return Ok(()) };
    splices.replace(range, conversation.text());
    Ok(())
}

fn part(text: &[u8], range: Option<Range<usize>>) -> Option<&RawValue> {
    serde_json::from_slice(text.get(range?)?).ok()
}

/// The `system` member.
struct Leading<'a> {
    range: Option<Range<usize>>,
    text: &'a [u8],
    value: Option<&'a RawValue>,
    /// Its blocks, if it is an array, less the billing header.
    blocks: Vec<&'a RawValue>,
}

impl<'a> Leading<'a> {
    fn read(text: &'a [u8], range: Option<Range<usize>>) -> Self {
        let value = part(text, range.clone());
        let blocks = value.and_then(|value| serde_json::from_str(value.get()).ok()).unwrap_or_default();
        Self { range, text, value, blocks }
    }

    fn strip_billing_header(&mut self, splices: &mut Splices, report: &mut Report) {
        let header = |block: &&&RawValue| text_of(block).is_some_and(|text| text.starts_with(BILLING_HEADER));
        let Some(first) = self.blocks.first().filter(header) else { return };
        let Range { start, end } = place(first, self.text);
        let end = self.blocks.get(1).map_or(end, |second| place(second, self.text).start);
        splices.replace(start..end, "");
        self.blocks.remove(0);
        report.add("/system/0", Kind::Ignored, "a billing header, which differs every time");
    }

    /// Appends texts, in the form that is there.
    fn append(&self, texts: &[String], inside: usize, splices: &mut Splices) {
        if texts.is_empty() {
            return;
        }
        let joined = texts.join("\n\n");
        match (self.value.map(RawValue::get), self.range.clone()) {
            (Some(value), Some(range)) if value.starts_with('[') => {
                let comma = if self.blocks.is_empty() { "" } else { "," };
                splices.insert(range.end.saturating_sub(1), format!("{comma}{}", text_block(&joined)));
            }
            (Some("\"\"" | "null"), Some(range)) => splices.replace(range, quoted(&joined)),
            (Some(_), Some(range)) => {
                splices.insert(range.end.saturating_sub(1), unquoted(&format!("\n\n{joined}")));
            }
            _ => splices.insert(inside, format!("\"system\":{},", quoted(&joined))),
        }
    }
}

/// One message, as far as it matters here.
struct Message<'a> {
    raw: &'a RawValue,
    role: String,
    content: Option<&'a RawValue>,
    has_output_config: bool,
    clear_at: Option<String>,
}

impl<'a> Message<'a> {
    fn read(raw: &'a RawValue) -> Self {
        let members = Members::read(raw);
        let get = |name| members.as_ref().and_then(|members| members.get(name));
        let text = |name| get(name).and_then(|value| serde_json::from_str::<String>(value.get()).ok());
        Self {
            raw,
            role: text("role").unwrap_or_default(),
            content: get("content").filter(|content| content.get() != "null"),
            has_output_config: get("output_config").is_some_and(|config| config.get() != "null"),
            clear_at: text("clear_at"),
        }
    }

    /// The text of a system message.
    fn system_text(&self, index: usize) -> Result<String, Error> {
        let Some(content) = self.content else {
            if self.has_output_config {
                return Ok(String::new());
            }
            return Err(Error::invalid_request(format!("messages.{index}: missing field `content`")));
        };
        if let Ok(text) = serde_json::from_str::<String>(content.get()) {
            return Ok(text);
        }
        let blocks: Option<Vec<&RawValue>> = serde_json::from_str(content.get()).ok();
        let texts = blocks.and_then(|blocks| blocks.into_iter().map(text_of).collect::<Option<Vec<_>>>());
        texts.map(|texts| texts.join("\n\n")).ok_or_else(|| {
            Error::invalid_request(format!("messages.{index}.content: system text holds nothing but text"))
        })
    }
}

/// The conversation without system messages.
#[derive(Default)]
struct Conversation<'a> {
    hoist: bool,
    leading: Vec<String>,
    kept: Vec<Kept<'a>>,
    /// Texts behind an assistant message.
    waiting: Vec<String>,
}

enum Kept<'a> {
    /// A message, and what is appended to it.
    Message(&'a Message<'a>, Vec<String>),
    /// A user message of texts that found no other place.
    Own(String),
}

impl<'a> Conversation<'a> {
    fn fill(&mut self, messages: &'a [Message<'a>], report: &mut Report) -> Result<(), Error> {
        let last_user = messages.iter().rposition(|message| message.role == "user").unwrap_or(0);
        for (index, message) in messages.iter().enumerate() {
            match message.role.as_str() {
                "system" => {
                    if message.has_output_config {
                        let reason = "only a system message of its own could carry it";
                        report.add(format!("/messages/{index}/output_config"), Kind::Dropped, reason);
                    }
                    if message.clear_at.as_deref() != Some(NEXT_USER_MESSAGE) || index >= last_user {
                        self.system(message.system_text(index)?);
                    }
                }
                "user" => self.kept.push(Kept::Message(message, mem::take(&mut self.waiting))),
                _ => {
                    self.let_wait_no_longer();
                    self.kept.push(Kept::Message(message, Vec::new()));
                }
            }
        }
        self.let_wait_no_longer();
        Ok(())
    }

    fn system(&mut self, text: String) {
        if text.trim().is_empty() {
            return;
        }
        if self.hoist || self.kept.is_empty() {
            self.leading.push(text);
            return;
        }
        let reminder = format!("<system-reminder>\n{text}\n</system-reminder>");
        match self.kept.last_mut() {
            Some(Kept::Message(message, appended)) if message.role == "user" => appended.push(reminder),
            _ => self.waiting.push(reminder),
        }
    }

    fn let_wait_no_longer(&mut self) {
        if !self.waiting.is_empty() {
            self.kept.push(Kept::Own(mem::take(&mut self.waiting).join("\n\n")));
        }
    }

    fn text(&self) -> String {
        let messages: Vec<String> = self.kept.iter().map(Kept::text).collect();
        format!("[{}]", messages.join(","))
    }
}

impl Kept<'_> {
    fn text(&self) -> String {
        let own = |text: &str| format!(r#"{{"role":"user","content":{}}}"#, quoted(text));
        let (message, texts) = match self {
            Self::Message(message, texts) if texts.is_empty() => return message.raw.get().to_owned(),
            Self::Message(message, texts) => (message, texts.join("\n\n")),
            Self::Own(text) => return own(text),
        };
        let raw = message.raw.get();
        let Some(content) = message.content else { return format!("{raw},{}", own(&texts)) };
        let inside_end = place(content, raw.as_bytes()).end.saturating_sub(1);
        let appended = match content.get().as_bytes() {
            [b'"', ..] => unquoted(&format!("\n\n{texts}")),
            [b'[', inside @ .., b']'] if inside.trim_ascii().is_empty() => text_block(&texts),
            [b'[', ..] => format!(",{}", text_block(&texts)),
            _ => return format!("{raw},{}", own(&texts)),
        };
        let (before, after) = raw.split_at_checked(inside_end).unwrap_or((raw, ""));
        format!("{before}{appended}{after}")
    }
}

/// The text of a text block.
fn text_of(block: &RawValue) -> Option<String> {
    let members = Members::read(block)?;
    let text = |name| members.get(name).and_then(|value| serde_json::from_str::<String>(value.get()).ok());
    if text("type")? == "text" { text("text") } else { None }
}

fn text_block(text: &str) -> String {
    format!(r#"{{"type":"text","text":{}}}"#, quoted(text))
}

/// A text as it stands inside of a JSON string.
fn unquoted(text: &str) -> String {
    let quoted = quoted(text);
    quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::request::{Opened, request};
    use super::*;

    fn check(system_mode: SystemMode, before: &str, after: &str) {
        let wishes = Wishes { strip_billing_header: true, system_mode, ..Wishes::model("m") };
        let whole = |members: &str| format!(r#"{{"model":"m",{members}}}"#);
        let before = whole(before);
        let opened = Opened::read(before.as_bytes()).unwrap();
        let body = request(&opened, &wishes).unwrap().body.into_owned();
        // What is inserted stands first.
        let expected = if after.starts_with("\"system\":\"+") {
            let after = after.replacen('+', "", 1);
            let (system, rest) = after.split_once(",\"messages\"").unwrap();
            format!(r#"{{{system},"model":"m","messages"{rest}}}"#)
        } else {
            whole(after)
        };
        assert_eq!(String::from_utf8(body).unwrap(), expected);
    }

    #[test]
    fn the_billing_header_is_cut_out() {
        let mode = SystemMode::System;
        let block = r#"{ "type":"text", "text":"x-anthropic-billing-header: cc=1; cch=2;" }"#;
        check(mode, &format!(r#""system":[ {block} , {{"a":1}} ]"#), r#""system":[ {"a":1} ]"#);
        check(mode, &format!(r#""system":[{block}]"#), r#""system":[]"#);
        let later = format!(r#""system":[{{"type":"text","text":"a"}},{block}]"#);
        check(mode, &later, &later);
        let string = r#""system":"x-anthropic-billing-header: a""#;
        check(mode, string, string);
    }

    #[test]
    fn a_conversation_without_system_messages_keeps_its_bytes() {
        let members = r#""messages":[ {"content":"a", "role":"user"} , 5, {} ]"#;
        for mode in [SystemMode::Fold, SystemMode::Hoist, SystemMode::System] {
            check(mode, members, members);
        }
        check(
            SystemMode::Developer,
            r#""messages":[{"role":"system"}]"#,
            r#""messages":[{"role":"system"}]"#,
        );
    }

    #[test]
    fn folded_texts_join_the_user_message_before_or_after_them() {
        check(
            SystemMode::Fold,
            r#""messages":[{"role":"user","content":"a\n"},{"role":"system","content":"s"},{"role":"assistant","content":"b","x":1e2}]"#,
            r#""messages":[{"role":"user","content":"a\n\n\n<system-reminder>\ns\n</system-reminder>"},{"role":"assistant","content":"b","x":1e2}]"#,
        );
        check(
            SystemMode::Fold,
            r#""messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"system","content":[{"type":"text","text":"s"}]},{"content":[{"type":"tool_result"} ],"role":"user"}]"#,
            r#""messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"content":[{"type":"tool_result"} ,{"type":"text","text":"<system-reminder>\ns\n</system-reminder>"}],"role":"user"}]"#,
        );
        check(
            SystemMode::Fold,
            r#""messages":[{"role":"user","content":[]},{"role":"system","content":"s"},{"role":"assistant","content":"b"},{"role":"system","content":"t"}]"#,
            r#""messages":[{"role":"user","content":[{"type":"text","text":"<system-reminder>\ns\n</system-reminder>"}]},{"role":"assistant","content":"b"},{"role":"user","content":"<system-reminder>\nt\n</system-reminder>"}]"#,
        );
    }

    #[test]
    fn first_and_hoisted_texts_join_the_leading_one_in_its_form() {
        let messages = r#""messages":[{"role":"system","content":"s"},{"role":"user","content":"a"}]"#;
        let kept = r#""messages":[{"role":"user","content":"a"}]"#;
        for (before, after) in [
            (String::new(), r#""system":"+s","#),
            (r#""system":null,"#.to_owned(), r#""system":"s","#),
            (r#""system":"l","#.to_owned(), r#""system":"l\n\ns","#),
            (r#""system":[],"#.to_owned(), r#""system":[{"type":"text","text":"s"}],"#),
            (r#""system":[1 ],"#.to_owned(), r#""system":[1 ,{"type":"text","text":"s"}],"#),
        ] {
            check(SystemMode::Fold, &format!("{before}{messages}"), &format!("{after}{kept}"));
        }
        let messages = r#""messages":[{"role":"user","content":"a"},{"role":"system","content":"s"}]"#;
        check(
            SystemMode::Hoist,
            &format!(r#""system":"l",{messages}"#),
            &format!(r#""system":"l\n\ns",{kept}"#),
        );
    }

    #[test]
    fn void_texts_go_and_what_is_no_text_is_refused() {
        check(
            SystemMode::Fold,
            r#""messages":[{"role":"user","content":"a"},{"role":"system","content":"s","clear_at":"next_user_message"},{"role":"user","content":"b"}]"#,
            r#""messages":[{"role":"user","content":"a"},{"role":"user","content":"b"}]"#,
        );
        let body = br#"{"model":"m","messages":[{"role":"system","content":[{"type":"image"}]}]}"#;
        let opened = Opened::read(body).unwrap();
        let wishes = Wishes { system_mode: SystemMode::Fold, ..Wishes::model("m") };
        let error = request(&opened, &wishes).unwrap_err();
        assert_eq!(error.message, "messages.0.content: system text holds nothing but text");
    }
}
