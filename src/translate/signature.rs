//! The signature of a thinking block: what a later turn needs to give the upstream its reasoning back.
//!
//! Clients send thinking blocks back unchanged, so the block itself carries the state and the program keeps none:
//! `apx1.` and a compressed JSON text. A signature of somebody else, or made for another upstream, is no error; the
//! block is then left out (protocol.md §3.4).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::read::{ZlibDecoder, ZlibEncoder};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::io::Read as _;

/// Begins every signature of this program; the digit is the form's version.
const PREFIX: &str = "apx1.";
/// Longest signature that is read or written, in bytes.
const MAX_ENCODED_BYTES: usize = 256 << 10;
/// Longest JSON text inside of one, in bytes.
const MAX_INFLATED_BYTES: u64 = 1 << 20;
/// By how much all signatures of one request may be longer inflated than they are, in bytes: a client can write
/// thousands of them. What a vendor encrypted is hardly shorter compressed, so a long conversation of it is within.
pub(crate) const INFLATE_BUDGET_BYTES: u64 = 8 << 20;

/// What a signature says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Signature {
    /// The dialect that the reasoning was said in.
    #[serde(rename = "d")]
    pub(crate) dialect: String,
    /// The upstream that said it.
    #[serde(rename = "h")]
    pub(crate) upstream: String,
    /// Its model.
    #[serde(rename = "m")]
    pub(crate) model: String,
    /// What is carried: `rt`, the reasoning's text; `rd`, its details; `ri`, its item; or `ts`, members of tool
    /// calls.
    #[serde(rename = "k")]
    pub(crate) kind: String,
    /// The text, where the client was not shown it (`display: "omitted"`).
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
    /// By the client's id of a call: what must come back with it (Gemini's thought signatures).
    #[serde(rename = "c", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) calls: BTreeMap<String, Box<RawValue>>,
    /// What must come back with the reasoning itself, in the words of its dialect. In chat completions (`rd`) the
    /// array of OpenRouter's `reasoning_details`, which hold the text too; in Responses (`ri`) the reasoning item.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<Box<RawValue>>,
}

impl Signature {
    /// The signature of plain reasoning.
    pub(crate) fn of_text(dialect: &str, upstream: &str, model: &str, text: Option<String>) -> Self {
        Self {
            dialect: dialect.to_owned(),
            upstream: upstream.to_owned(),
            model: model.to_owned(),
            kind: "rt".to_owned(),
            text,
            calls: BTreeMap::new(),
            state: None,
        }
    }

    /// The same, carrying what must come back with the reasoning.
    pub(crate) fn with_state(mut self, kind: &str, state: Box<RawValue>) -> Self {
        kind.clone_into(&mut self.kind);
        self.state = Some(state);
        self
    }

    /// The same, carrying what must come back with a call.
    pub(crate) fn with_call(mut self, id: String, extra: Box<RawValue>) -> Self {
        "ts".clone_into(&mut self.kind);
        self.calls.insert(id, extra);
        self
    }

    /// The text to put into a thinking block; `None` if it would be too long.
    pub(crate) fn encode(&self) -> Option<String> {
        let json = serde_json::to_vec(self).ok()?;
        if u64::try_from(json.len()).ok()? > MAX_INFLATED_BYTES {
            return None;
        }
        let mut packed = Vec::new();
        ZlibEncoder::new(json.as_slice(), Compression::fast()).read_to_end(&mut packed).ok()?;
        let encoded = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(packed));
        (encoded.len() <= MAX_ENCODED_BYTES).then_some(encoded)
    }

    /// What a signature says; `None` for one that is not ours, damaged or too long, and once the `budget` of bytes
    /// is spent by which all signatures of a request may grow.
    pub(crate) fn decode(signature: &str, budget: &mut u64) -> Option<Self> {
        if signature.len() > MAX_ENCODED_BYTES || *budget == 0 {
            return None;
        }
        let packed = URL_SAFE_NO_PAD.decode(signature.strip_prefix(PREFIX)?).ok()?;
        let mut json = Vec::new();
        let read = ZlibDecoder::new(packed.as_slice()).take(MAX_INFLATED_BYTES + 1).read_to_end(&mut json);
        let inflated = u64::try_from(json.len()).ok()?;
        let grown = inflated.saturating_sub(u64::try_from(signature.len()).ok()?);
        *budget = budget.saturating_sub(grown);
        if read.is_err() || inflated > MAX_INFLATED_BYTES {
            return None;
        }
        serde_json::from_slice(&json).ok()
    }

    /// Whether the reasoning may go back to that upstream.
    pub(crate) fn is_for(&self, dialect: &str, upstream: &str) -> bool {
        self.dialect == dialect && self.upstream == upstream
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_says_what_was_put_into_it() {
        let signature = Signature::of_text("chat", "up", "m", Some("because é😀".to_owned()));
        let encoded = signature.encode().unwrap();
        assert!(encoded.starts_with(PREFIX) && encoded.is_ascii());
        let decoded = Signature::decode(&encoded, &mut 1_000).unwrap();
        assert_eq!(decoded.text, signature.text);
        assert!(signature.is_for("chat", "up") && !signature.is_for("chat", "other"));
    }

    #[test]
    fn foreign_damaged_and_oversized_signatures_say_nothing() {
        let encoded = Signature::of_text("chat", "up", "m", None).encode().unwrap();
        for signature in ["", "ErUB3foreign", "apx1.", "apx1.AAAA", &encoded[..encoded.len() - 3]] {
            assert!(Signature::decode(signature, &mut { INFLATE_BUDGET_BYTES }).is_none(), "{signature}");
        }
        assert!(
            Signature::decode(&format!("apx1.{}", "A".repeat(MAX_ENCODED_BYTES)), &mut {
                INFLATE_BUDGET_BYTES
            })
            .is_none()
        );
    }

    #[test]
    fn a_bomb_is_not_inflated_and_too_long_a_text_not_carried() {
        let mut bomb = Vec::new();
        ZlibEncoder::new(vec![b' '; 8 << 20].as_slice(), Compression::best()).read_to_end(&mut bomb).unwrap();
        assert!(
            Signature::decode(&format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bomb)), &mut {
                INFLATE_BUDGET_BYTES
            })
            .is_none()
        );
        assert_eq!(Signature::of_text("chat", "up", "m", Some("x".repeat(2 << 20))).encode(), None);
    }

    #[test]
    fn the_signatures_of_a_request_share_a_budget() {
        let encoded = Signature::of_text("chat", "up", "m", Some("x".repeat(600))).encode().unwrap();
        let mut budget = 1_000;
        assert!(Signature::decode(&encoded, &mut budget).is_some());
        assert!(Signature::decode(&encoded, &mut budget).is_some());
        assert_eq!(budget, 0);
        assert!(Signature::decode(&encoded, &mut budget).is_none());
    }
}
