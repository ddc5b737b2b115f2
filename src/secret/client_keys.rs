//! The keys that clients may present, known by their digests, and what each allows.

use std::{fmt, num::NonZeroU32, time::SystemTime};

use serde::{Serialize, Serializer};
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};

use super::digest;

/// One client's key, known by its digest.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct ClientKey {
    /// What logs call the client.
    pub id: String,
    /// SHA-256 of the key.
    #[serde(rename = "sha256", serialize_with = "redacted")]
    pub digest: [u8; 32],
    /// What it allows.
    #[serde(flatten)]
    pub terms: Terms,
}

/// What a key allows. Nothing set means no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Terms {
    /// From then on it is nobody's key.
    #[serde(serialize_with = "date")]
    pub expires: Option<SystemTime>,
    /// The models that may be asked for: names or globs, as clients send them or as the upstream has them.
    pub models: Option<Vec<String>>,
    /// Messages that may be asked for in a minute, spent at once or spread.
    pub requests_per_minute: Option<NonZeroU32>,
    /// Tokens of input and output in a minute. Those that were read from a cache do not count.
    pub tokens_per_minute: Option<NonZeroU32>,
    /// Requests that may run at the same time.
    pub max_concurrent: Option<NonZeroU32>,
}

/// A digest is no key, but those who know it can try keys at home.
fn redacted<S: Serializer>(_: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str("[redacted]")
}

#[expect(clippy::ref_option, reason = "serde hands over the field as it is")]
fn date<S: Serializer>(time: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(httpdate::fmt_http_date).serialize(serializer)
}

impl ClientKey {
    /// A key without limits.
    pub fn new(id: impl Into<String>, digest: [u8; 32]) -> Self {
        Self { id: id.into(), digest, terms: Terms::default() }
    }
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientKey").field("id", &self.id).field("terms", &self.terms).finish_non_exhaustive()
    }
}

/// The keys that clients may present.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ClientKeys(Vec<ClientKey>);

impl ClientKeys {
    /// Adds a key. Ids and digests should differ; of two equal digests the later one is found.
    pub fn push(&mut self, key: ClientKey) {
        self.0.push(key);
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys, in configured order.
    pub fn iter(&self) -> impl Iterator<Item = &ClientKey> {
        self.0.iter()
    }

    /// The key that was presented.
    ///
    /// Every key is compared and no comparison ends early, so the time tells neither which key came close nor
    /// how long a configured key is. The empty key belongs to nobody.
    pub fn find(&self, presented: &str) -> Option<&ClientKey> {
        let presented_digest = digest(presented);
        let mut found = 0_u64;
        for (position, key) in (1_u64..).zip(&self.0) {
            let same: Choice = key.digest.ct_eq(&presented_digest);
            found = u64::conditional_select(&found, &position, same);
        }
        let index = usize::try_from(found).ok()?.checked_sub(1)?;
        if presented.is_empty() {
            return None;
        }
        self.0.get(index)
    }
}

impl FromIterator<ClientKey> for ClientKeys {
    fn from_iter<I: IntoIterator<Item = ClientKey>>(keys: I) -> Self {
        Self(keys.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(of: &[&str]) -> ClientKeys {
        of.iter().map(|key| ClientKey::new(format!("id of {key}"), digest(key))).collect()
    }

    fn found<'k>(keys: &'k ClientKeys, presented: &str) -> Option<&'k str> {
        keys.find(presented).map(|key| key.id.as_str())
    }

    #[test]
    fn a_key_is_found_wherever_it_stands() {
        let keys = keys(&["alpha", "beta", "gamma"]);
        for key in ["alpha", "beta", "gamma"] {
            assert_eq!(found(&keys, key), Some(format!("id of {key}").as_str()));
        }
        for wrong in ["", "alph", "alphaa", "ALPHA", "delta", " alpha"] {
            assert_eq!(found(&keys, wrong), None, "{wrong:?}");
        }
        assert_eq!(found(&ClientKeys::default(), ""), None);
    }

    #[test]
    fn an_empty_key_matches_not_even_an_empty_one() {
        assert_eq!(found(&keys(&[""]), ""), None);
        assert_eq!(found(&keys(&["", "alpha"]), "alpha"), Some("id of alpha"));
    }

    #[test]
    fn debug_shows_neither_key_nor_digest() {
        let shown = format!("{:?}", keys(&["CANARY"]));
        assert!(shown.starts_with(r#"ClientKeys([ClientKey { id: "id of CANARY", terms: "#), "{shown}");
        assert!(!shown.contains("digest"), "{shown}");
    }
}
