//! Requests: the few members that are acted upon are found in the text, the rest is not looked at.

use super::splice::{Splices, place};
use super::{media, placement};
use crate::protocol::anthropic::error::Error;
use crate::protocol::json::{self, Scanned};
use crate::translate::json_object::{Members, quoted};
use crate::translate::quirks::{MediaUrls, SystemMode};
use crate::translate::report::{Kind, Report};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::ops::Range;

/// A request whose members were found.
#[derive(Debug)]
pub struct Opened<'a> {
    /// The model the client asked for.
    pub model: String,
    /// Whether the client wants a stream.
    pub stream: bool,
    /// Most tokens to generate, if it is a number.
    pub max_tokens: Option<u64>,
    /// Lone surrogate escapes that became U+FFFD.
    pub repaired_surrogates: usize,
    text: Cow<'a, [u8]>,
    places: Places,
}

/// Where members stand in the text.
#[derive(Debug)]
pub(super) struct Places {
    model: Range<usize>,
    /// After the opening brace.
    pub(super) inside: usize,
    pub(super) system: Option<Range<usize>>,
    pub(super) messages: Option<Range<usize>>,
}

impl<'a> Opened<'a> {
    /// Finds the members in the body of a call.
    ///
    /// # Errors
    /// `invalid_request_error`: malformed JSON, nesting deeper than [`json::MAX_DEPTH`], no model, a duplicate or
    /// mistyped member among those that are acted upon. What else may be wrong, the upstream will say.
    pub fn read(body: &'a [u8]) -> Result<Self, Error> {
        let at_once: Option<Members<'_>> = json::read(body);
        let scanned = match &at_once {
            Some(_) => Scanned { text: Cow::Borrowed(body), repaired: 0 },
            None => json::scan(body).map_err(|error| Error::invalid_request(format!("{error}")))?,
        };
        let text = scanned.text;
        let slowly = || {
            serde_json::from_slice(&text).map_err(|error| {
                if error.is_data() {
                    Error::invalid_request(without_line(&error))
                } else {
                    Error::invalid_request(format!("the request body is not valid JSON: {error}"))
                }
            })
        };
        let members = at_once.map_or_else(slowly, Ok)?;
        let model =
            only(&members, "model")?.ok_or_else(|| Error::invalid_request("missing field `model`"))?;
        let name: String = read("model", model)?;
        if name.len() > MAX_MODEL_BYTES {
            return Err(Error::invalid_request("model: a name is 256 bytes long at most"));
        }
        let stream =
            only(&members, "stream")?.map(|value| read::<Option<bool>>("stream", value)).transpose()?;
        let max_tokens = only(&members, "max_tokens")?.and_then(|value| value.get().parse().ok());
        let at = |value: &RawValue| place(value, &text);
        let places = Places {
            model: at(model),
            inside: text.iter().position(|byte| *byte == b'{').map_or(0, |brace| brace + 1),
            system: only(&members, "system")?.map(at),
            messages: only(&members, "messages")?.map(at),
        };
        Ok(Self {
            model: name,
            stream: stream.flatten() == Some(true),
            max_tokens,
            repaired_surrogates: scanned.repaired,
            text,
            places,
        })
    }
}

/// Longest name of a model: names stand in logs, prompts must not.
const MAX_MODEL_BYTES: usize = 256;

/// The member of that name. Two of them would leave open which one counts.
fn only<'a>(members: &Members<'a>, name: &str) -> Result<Option<&'a RawValue>, Error> {
    let mut found = members.iter().filter(|(known, _)| *known == name).map(|(_, value)| value);
    match (found.next(), found.next()) {
        (value, None) => Ok(value),
        _ => Err(Error::invalid_request(format!("duplicate field `{name}`"))),
    }
}

fn read<T: DeserializeOwned>(name: &str, value: &RawValue) -> Result<T, Error> {
    serde_json::from_str(value.get())
        .map_err(|error| Error::invalid_request(format!("{name}: {}", without_line(&error))))
}

fn without_line(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.as_str(), |(reason, _)| reason).to_owned()
}

/// What is to be changed on the way.
#[derive(Debug, Clone)]
pub struct Wishes {
    /// The upstream's name of the model.
    pub model: String,
    /// Leave out the block that Claude Code puts first into `system` for its own upstream, and that differs from
    /// conversation to conversation.
    pub strip_billing_header: bool,
    /// Where system messages in mid-conversation go. [`SystemMode::System`] and [`SystemMode::Developer`] leave
    /// them in their place.
    pub system_mode: SystemMode,
    /// Which URLs of images and documents may be passed on.
    pub media_urls: MediaUrls,
}

impl Wishes {
    /// Nothing but that model.
    pub fn model(model: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            strip_billing_header: false,
            system_mode: SystemMode::System,
            media_urls: MediaUrls::Pass,
        }
    }
}

/// A request to send.
#[derive(Debug)]
pub struct Forwarded<'a> {
    /// Its body; borrowed if nothing had to change.
    pub body: Cow<'a, [u8]>,
    /// What could not be said as it was.
    pub report: Report,
}

/// The request as it goes to the upstream.
///
/// # Errors
/// `invalid_request_error` for system messages that cannot be placed as wished, and URLs that may not be passed on.
pub fn request<'a>(opened: &'a Opened<'_>, wishes: &Wishes) -> Result<Forwarded<'a>, Error> {
    media::check_urls(&opened.text, &opened.places, wishes.media_urls)?;
    let mut report = Report::default();
    if opened.repaired_surrogates > 0 {
        report.add("", Kind::Repaired, "lone surrogate escapes became U+FFFD");
    }
    let mut splices = Splices::default();
    if wishes.model != opened.model {
        splices.replace(opened.places.model.clone(), quoted(&wishes.model));
    }
    placement::place_system(&opened.text, &opened.places, wishes, &mut splices, &mut report)?;
    Ok(Forwarded { body: splices.apply(&opened.text), report })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forwarded(body: &str, wishes: &Wishes) -> String {
        let opened = Opened::read(body.as_bytes()).unwrap();
        String::from_utf8(request(&opened, wishes).unwrap().body.into_owned()).unwrap()
    }

    fn refused(body: &[u8]) -> String {
        Opened::read(body).unwrap_err().message
    }

    #[test]
    fn only_the_model_changes() {
        let check = |before: &str, after: &str| assert_eq!(forwarded(before, &Wishes::model("a\"b")), after);
        check(r#" {"model" : "x" ,"z":1.0e2}"#, r#" {"model" : "a\"b" ,"z":1.0e2}"#);
        check(
            r#"{"messages":[{"model":"x","content":"\"model\":\"x\""}],"mod\u0065l":"\u0078"}"#,
            r#"{"messages":[{"model":"x","content":"\"model\":\"x\""}],"mod\u0065l":"a\"b"}"#,
        );
        let same = r#"{"b":[1,{"c":null}],"model":"a\"b"}"#;
        let opened = Opened::read(same.as_bytes()).unwrap();
        assert!(matches!(request(&opened, &Wishes::model("a\"b")).unwrap().body, Cow::Borrowed(_)));
    }

    #[test]
    fn what_is_acted_upon_is_read() {
        let opened = Opened::read(br#"{"model":"m","stream":true,"max_tokens":0}"#).unwrap();
        assert_eq!((opened.model.as_str(), opened.stream, opened.max_tokens), ("m", true, Some(0)));
        let opened = Opened::read(br#"{"model":"m","stream":null,"max_tokens":"many"}"#).unwrap();
        assert_eq!((opened.stream, opened.max_tokens), (false, None));
    }

    #[test]
    fn what_cannot_be_acted_upon_is_refused() {
        assert!(refused(b"{\"model\":").starts_with("the request body is not valid JSON"));
        assert!(refused(b"{\"model\":\"m\"} {}").starts_with("the request body is not valid JSON"));
        assert!(refused(b"{\"model\":\"m\xFF\"}").starts_with("the request body is not valid JSON"));
        assert_eq!(refused(b"[]"), "invalid type: sequence, expected an object");
        assert_eq!(refused(b"{}"), "missing field `model`");
        assert_eq!(refused(br#"{"model":5}"#), "model: invalid type: integer `5`, expected a string");
        assert_eq!(
            refused(br#"{"model":"m","stream":"yes"}"#),
            "stream: invalid type: string \"yes\", expected a boolean"
        );
        for name in ["model", "stream", "max_tokens", "system", "messages"] {
            let body = format!(r#"{{"model":"m","{name}":null,"{name}":null}}"#);
            assert_eq!(refused(body.as_bytes()), format!("duplicate field `{name}`"));
        }
        let deep = format!(r#"{{"model":"m","x":{}{}}}"#, "[".repeat(128), "]".repeat(128));
        assert_eq!(refused(deep.as_bytes()), "JSON nests deeper than 128 levels");
        let long = format!(r#"{{"model":"{}"}}"#, "m".repeat(257));
        assert!(refused(long.as_bytes()).starts_with("model: a name"));
    }

    #[test]
    fn lone_surrogates_are_mended_and_reported() {
        let opened = Opened::read(br#"{"model":"m","x":"\ud83d","y":"\ud83d\ude00"}"#).unwrap();
        let forwarded = request(&opened, &Wishes::model("n")).unwrap();
        assert_eq!(&*forwarded.body, br#"{"model":"n","x":"\ufffd","y":"\ud83d\ude00"}"#);
        assert_eq!(forwarded.report.entries().len(), 1);
    }
}
