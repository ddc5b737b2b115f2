//! URLs of images and documents that must not be passed on, in a request that is otherwise not looked into.
//!
//! The upstream may fetch what a request names, and it may stand in a network that the client must not reach.

use super::request::Places;
use crate::protocol::anthropic::error::Error;
use crate::translate::quirks::MediaUrls;
use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
}

/// A block, or what it holds; only these members lead to a URL.
#[derive(Deserialize)]
struct Block<'a> {
    #[serde(rename = "type", default)]
    kind: Option<String>,
    #[serde(borrow, default)]
    source: Option<&'a RawValue>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Source<'a> {
    #[serde(rename = "type", default)]
    kind: Option<String>,
    #[serde(default)]
    url: Option<String>,
    /// Blocks, in a document of text and images.
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
}

/// Refuses the request if it names what the rule does not let through.
pub(super) fn check_urls(text: &[u8], places: &Places, rule: MediaUrls) -> Result<(), Error> {
    let messages = places.messages.clone().and_then(|range| text.get(range));
    let Some(messages) = messages.filter(|text| rule != MediaUrls::Pass && may_name_urls(text)) else {
        return Ok(());
    };
    // What is no list of messages, the upstream will say.
    let Ok(messages) = serde_json::from_slice::<Vec<&RawValue>>(messages) else { return Ok(()) };
    for (number, message) in messages.into_iter().enumerate() {
        let pointer = format!("messages.{number}");
        let message: Message<'_> = read(message, &pointer)?;
        check_content(message.content, &pointer, rule)?;
    }
    Ok(())
}

/// Whether the word is there, or letters of it may be hidden in escapes.
fn may_name_urls(text: &[u8]) -> bool {
    memmem::find(text, b"\"url\"").is_some() || memmem::find(text, b"\\u00").is_some()
}

fn check_content(content: Option<&RawValue>, pointer: &str, rule: MediaUrls) -> Result<(), Error> {
    let Some(content) = content.filter(|content| content.get().starts_with('[')) else { return Ok(()) };
    let Ok(blocks) = serde_json::from_str::<Vec<&RawValue>>(content.get()) else { return Ok(()) };
    for (number, block) in blocks.into_iter().enumerate() {
        let pointer = format!("{pointer}.content.{number}");
        let block: Block<'_> = read(block, &pointer)?;
        // What a model gave a tool may look like anything.
        if block.kind.as_deref() == Some("tool_use") {
            continue;
        }
        check_content(block.content, &pointer, rule)?;
        let Some(source) = block.source else { continue };
        let pointer = format!("{pointer}.source");
        let source: Source<'_> = read(source, &pointer)?;
        check_content(source.content, &pointer, rule)?;
        let is_url = source.kind.as_deref() == Some("url");
        if let Some(reason) = source.url.filter(|_| is_url).and_then(|url| rule.refusal(&url)) {
            return Err(Error::invalid_request(format!("{pointer}.url: {reason}")));
        }
    }
    Ok(())
}

/// A member that stands there twice, or is of another type than it can be, could be read in two ways: here, and by the
/// upstream.
fn read<'a, T: Deserialize<'a>>(value: &'a RawValue, pointer: &str) -> Result<T, Error> {
    let looked_at = serde_json::from_str(value.get());
    looked_at.map_err(|error| {
        let text = error.to_string();
        let reason = text.rsplit_once(" at line ").map_or(text.as_str(), |(reason, _)| reason);
        Error::invalid_request(format!("{pointer}: {reason}"))
    })
}

#[cfg(test)]
mod tests {
    use super::super::request::{Opened, Wishes, request};
    use super::*;

    fn check(content: &str, rule: MediaUrls) -> Result<(), String> {
        let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":{content}}}]}}"#);
        let opened = Opened::read(body.as_bytes()).unwrap();
        let wishes = Wishes { media_urls: rule, ..Wishes::model("m") };
        request(&opened, &wishes).map(drop).map_err(|error| error.message)
    }

    #[test]
    fn urls_of_private_hosts_are_refused_wherever_they_stand() {
        let image = |url: &str| format!(r#"{{"type":"image","source":{{"type":"url","url":"{url}"}}}}"#);
        let bad = image("http://169.254.169.254/latest");
        let inside = [
            format!("[{bad}]"),
            format!(r#"[{{"type":"tool_result","tool_use_id":"t","content":[{bad}]}}]"#),
            format!(r#"[{{"type":"document","source":{{"type":"content","content":[{bad}]}}}}]"#),
            format!(
                "[{}]",
                bad.replace("\"url\":\"h", "\"\\u0075rl\":\"h").replace("\"url\"", "\"u\\u0072l\"")
            ),
            format!("[{}]", bad.replace("http:", "http\\u003a")),
        ];
        for content in inside {
            let refused = check(&content, MediaUrls::HttpsOnly).unwrap_err();
            assert!(
                refused.starts_with("messages.0.content.0") && refused.contains("images.url"),
                "{refused}"
            );
            assert_eq!(check(&content, MediaUrls::Pass), Ok(()));
        }
        let good = format!("[{}]", image("https://example.com/a.png"));
        assert_eq!(check(&good, MediaUrls::HttpsOnly), Ok(()));
        assert!(check(&good, MediaUrls::Block).is_err());
    }

    #[test]
    fn what_is_no_source_is_left_alone() {
        let input =
            r#"{"source":{"type":"url","url":"http://10.0.0.1/"},"type":"url","url":"http://10.0.0.1/"}"#;
        for content in [
            "\"see \\\"url\\\"\"".to_owned(),
            format!(r#"[{{"type":"tool_use","id":"t","name":"f","input":{input}}}]"#),
            r#"[{"type":"text","text":"\u0041","url":"http://10.0.0.1/"}]"#.to_owned(),
            r#"[{"type":"image","source":{"type":"base64","data":"AA==","url":null}}]"#.to_owned(),
        ] {
            assert_eq!(check(&content, MediaUrls::HttpsOnly), Ok(()), "{content}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        let twice = r#"[{"type":"image","source":{"type":"url","url":"https://example.com/","url":"http://10.0.0.1/"}}]"#;
        assert_eq!(
            check(twice, MediaUrls::HttpsOnly),
            Err("messages.0.content.0.source: duplicate field `url`".to_owned())
        );
    }
}
