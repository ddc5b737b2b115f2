//! Tool call ids, both ways (protocol.md §2.12).
//!
//! Upstreams use ids that clients or other upstreams refuse (`functions.Bash:0`), reuse them (`call_0` in every
//! turn), or send none. Every replacement is a function of its input, so that a conversation serialises to the
//! same bytes every turn.

use super::digest::base62;
use super::quirks::ToolIds;
use crate::protocol::CallId;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::collections::HashMap;

/// Begins an id that holds the upstream's own id. The underscore is no base62 digit, so no generated id begins so.
const ENCODED: &str = "toolu_x_";
/// Longest id that Anthropic's clients take as it is.
const MAX_CLIENT_LENGTH: usize = 64;

/// The ids of the calls of a conversation, as the client knows them, and how often each has been tried at the upstream.
#[derive(Debug, Clone, Default)]
pub(crate) struct UsedIds(HashMap<CallId, usize>);

impl UsedIds {
    /// With room for so many.
    pub(crate) fn with_capacity(ids: usize) -> Self {
        Self(HashMap::with_capacity(ids))
    }

    /// How often the id has been tried, to be counted up.
    pub(crate) fn tries(&mut self, id: &CallId) -> &mut usize {
        self.0.entry(id.clone()).or_default()
    }

    pub(crate) fn add(&mut self, id: &str) {
        self.tries(&id.into());
    }

    fn contains(&self, id: &str) -> bool {
        self.0.contains_key(id)
    }
}

/// The id that a client gets for a call of the upstream.
///
/// An id that the clients take and that is not `used` in the conversation stays; another is encoded; a missing
/// or repeated one is made of `message_id` and the call's `ordinal`.
pub(crate) fn to_client(
    upstream_id: Option<&str>,
    used: &UsedIds,
    message_id: &str,
    ordinal: usize,
) -> String {
    let id = upstream_id.filter(|id| !id.is_empty()).map(|id| {
        if is_client_id(id) { id.to_owned() } else { format!("{ENCODED}{}", URL_SAFE_NO_PAD.encode(id)) }
    });
    match id {
        Some(id) if !used.contains(&id) => id,
        _ => format!("toolu_{}", base62(format!("{message_id}/{ordinal}").as_bytes(), 24)),
    }
}

/// The id that an upstream gets for the `occurrence`th call (from 0) that has this id in the conversation.
pub(crate) fn to_upstream(client_id: &CallId, occurrence: usize, rule: ToolIds) -> CallId {
    let id = decode(client_id).map_or_else(|| client_id.clone(), CallId::from);
    let id = if occurrence == 0 { id } else { format!("{id}_{occurrence}").into() };
    match rule {
        ToolIds::Any => id,
        ToolIds::Max40 if id.len() <= 40 => id,
        ToolIds::Max64 if id.len() <= 64 => id,
        ToolIds::Max40 | ToolIds::Max64 => format!("call_{}", base62(id.as_bytes(), 24)).into(),
        ToolIds::Alphanumeric9 if id.len() == 9 && id.bytes().all(|b| b.is_ascii_alphanumeric()) => id,
        ToolIds::Alphanumeric9 => base62(id.as_bytes(), 9).into(),
    }
}

fn is_client_id(id: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    id.len() <= MAX_CLIENT_LENGTH && id.bytes().all(legal) && !id.starts_with(ENCODED)
}

/// The upstream's id inside an encoded one, if it encodes back to the same text.
fn decode(id: &str) -> Option<String> {
    let encoded = id.strip_prefix(ENCODED)?;
    let decoded = String::from_utf8(URL_SAFE_NO_PAD.decode(encoded).ok()?).ok()?;
    (!is_client_id(&decoded) && URL_SAFE_NO_PAD.encode(&decoded) == encoded).then_some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn upstream(client_id: &str, occurrence: usize, rule: ToolIds) -> String {
        to_upstream(&client_id.into(), occurrence, rule).to_string()
    }

    #[test]
    fn strange_ids_survive_the_round_trip() {
        for id in ["functions.Bash:0", "call 1", "ü", &"x".repeat(80), "toolu_x_abc"] {
            let client = to_client(Some(id), &UsedIds::default(), "msg_1", 0);
            assert!(client.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'), "{client}");
            assert_eq!(upstream(&client, 0, ToolIds::Any), id);
        }
        assert_eq!(to_client(Some("call_9"), &UsedIds::default(), "msg_1", 0), "call_9");
    }

    #[test]
    fn missing_and_repeated_ids_are_made_and_differ() {
        let mut used = UsedIds::default();
        used.add("call_0");
        let made = [
            to_client(None, &used, "m", 0),
            to_client(Some("call_0"), &used, "m", 1),
            to_client(Some(""), &used, "n", 0),
        ];
        assert!(made.iter().all(|id| id.starts_with("toolu_") && id.len() == 30));
        assert_eq!(made.iter().collect::<HashSet<_>>().len(), 3);
        assert_eq!(made[0], to_client(None, &used, "m", 0));
    }

    #[test]
    fn upstream_rules_hold_and_occurrences_differ() {
        let nine = upstream("toolu_01abcdefghijklmnopqrstuv", 0, ToolIds::Alphanumeric9);
        assert!(nine.len() == 9 && nine.bytes().all(|b| b.is_ascii_alphanumeric()));
        assert_eq!(upstream("abcDEF123", 0, ToolIds::Alphanumeric9), "abcDEF123");
        assert!(upstream(&"x".repeat(64), 0, ToolIds::Max40).len() <= 40);
        assert_eq!(upstream(&"x".repeat(64), 0, ToolIds::Max64), "x".repeat(64));
        assert!(upstream(&"x".repeat(65), 0, ToolIds::Max64).len() <= 64);
        assert_ne!(upstream("call_0", 0, ToolIds::Any), upstream("call_0", 1, ToolIds::Any));
        assert_eq!(upstream("toolu_x_!!", 0, ToolIds::Any), "toolu_x_!!");
    }
}
