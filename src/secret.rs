//! What must not be shown or guessed: keys, their digests, their masking in foreign text, and random names.
//!
//! Keys are [`SecretString`]s: `Debug` prints `[REDACTED]`, nothing serialises them, memory is wiped on drop.
//! Client keys are kept as SHA-256 digests only.

use std::{borrow::Cow, cell::RefCell};

pub use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest as _, Sha256};

mod client_keys;

pub use client_keys::{ClientKey, ClientKeys, Terms};

/// SHA-256 of a key. Fast on purpose: keys are random, not human passwords.
pub fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

/// A digest as configuration files have it.
pub fn hex(digest: &[u8; 32]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or_default();
    digest.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Whether a key can stand in an HTTP header: visible ASCII without spaces.
pub fn fits_header(key: &str) -> bool {
    key.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The system gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the system gives no random bytes, so no client key can be made; set CLIENT_API_KEYS")]
pub struct NoRandomness(#[source] getrandom::Error);

/// A new client key of 256 random bits (`aap_` and 43 letters and digits), and its digest.
///
/// # Errors
/// When the system gives no random bytes: a key that can be guessed must not exist.
pub fn generate_client_key() -> Result<(SecretString, [u8; 32]), NoRandomness> {
    // 62^43 > 2^256.
    let key = format!("aap_{}", random_base62(43).map_err(NoRandomness)?);
    let digest = digest(&key);
    Ok((SecretString::from(key), digest))
}

/// A new id for a request, in Anthropic's form: `req_` and 24 letters and digits.
pub fn request_id() -> String {
    random_id("req_")
}

/// A new id for a message, in Anthropic's form: `msg_` and 24 letters and digits.
pub fn message_id() -> String {
    random_id("msg_")
}

/// An id must be unlikely to repeat but guards nothing: without random bytes it is all zeros, because a request
/// is better served under a dull name than refused.
fn random_id(prefix: &str) -> String {
    let mut id = String::with_capacity(prefix.len() + ID_LETTERS);
    id.push_str(prefix);
    STOCK.with_borrow_mut(|stock| {
        if stock.is_empty() {
            *stock = random_base62(STOCK_LETTERS).unwrap_or_else(|_| "0".repeat(ID_LETTERS));
        }
        let rest = stock.len().saturating_sub(ID_LETTERS);
        id.push_str(stock.get(rest..).unwrap_or_default());
        stock.truncate(rest);
    });
    id
}

/// Of an id, behind its prefix.
const ID_LETTERS: usize = 24;
/// How many letters are made at once: asking the system for each id would cost more than the rest of it.
const STOCK_LETTERS: usize = 40 * ID_LETTERS;

thread_local! {
    /// Random letters for the ids to come.
    static STOCK: RefCell<String> = const { RefCell::new(String::new()) };
}

fn random_base62(length: usize) -> Result<String, getrandom::Error> {
    let mut text = String::with_capacity(length);
    // Enough for a stock of letters, at one call of the system mostly.
    let mut bytes = [0_u8; STOCK_LETTERS + STOCK_LETTERS / 16];
    while text.len() < length {
        getrandom::fill(&mut bytes)?;
        // 248 = 4 × 62: bytes above it would make the first letters likelier.
        let even = bytes.iter().filter(|byte| **byte < 248);
        let letters = even.filter_map(|byte| BASE62.get(usize::from(byte % 62)));
        text.extend(letters.take(length - text.len()).map(|letter| char::from(*letter)));
    }
    Ok(text)
}

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Masks keys in text that somebody else wrote (an upstream echoes a bad key in its error message): the known
/// secrets, and whatever looks like a key of a known vendor.
///
/// Secrets shorter than eight bytes are left alone: servers that want no key get words such as `none`, and
/// masking those would only garble the text.
pub fn mask_keys<'text>(text: &'text str, secrets: &[&SecretString]) -> Cow<'text, str> {
    let mut masked = Cow::Borrowed(text);
    for secret in secrets.iter().map(|secret| secret.expose_secret()).filter(|secret| secret.len() >= 8) {
        if masked.contains(secret) {
            masked = Cow::Owned(masked.replace(secret, MASK));
        }
    }
    match mask_key_like(&masked) {
        Some(clean) => Cow::Owned(clean),
        None => masked,
    }
}

const MASK: &str = "[key]";

/// How keys of known vendors begin (OpenAI and those who copy it, Groq, xAI, Google, ours).
const KEY_PREFIXES: [&str; 5] = ["sk-", "gsk_", "xai-", "AIza", "aap_"];

/// `None` when there is nothing to mask.
fn mask_key_like(text: &str) -> Option<String> {
    let mut clean = String::new();
    let mut kept_to = 0;
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        let Some(first) = rest.chars().next() else { break };
        let token = key_length(rest).filter(|_| starts_word(text, at));
        if let Some(length) = token {
            clean.push_str(text.get(kept_to..at).unwrap_or_default());
            clean.push_str(MASK);
            kept_to = at + length;
        }
        at += token.unwrap_or_else(|| first.len_utf8());
    }
    (kept_to > 0).then(|| clean + text.get(kept_to..).unwrap_or_default())
}

/// `risk-averse` holds no key.
fn starts_word(text: &str, at: usize) -> bool {
    let before = text.get(..at).and_then(|before| before.chars().next_back());
    !before.is_some_and(|c| c.is_ascii_alphanumeric())
}

/// The bytes of the key at the start of the text. Upstreams echo keys with asterisks in them.
fn key_length(text: &str) -> Option<usize> {
    let prefix = KEY_PREFIXES.into_iter().find(|prefix| text.starts_with(prefix))?;
    let is_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '*' | '.' | '…' | '•');
    let length = text.find(|c| !is_key(c)).unwrap_or(text.len());
    let token = text.get(..length)?.trim_end_matches('.');
    (token.len() >= prefix.len() + 4).then_some(token.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_sha_256() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex(&digest("abc")), expected);
    }

    #[test]
    fn random_names_have_their_form_and_differ() {
        let (key, key_digest) = generate_client_key().unwrap();
        assert_eq!(key.expose_secret().len(), "aap_".len() + 43);
        assert_eq!(digest(key.expose_secret()), key_digest);
        for (id, prefix) in [(request_id(), "req_"), (message_id(), "msg_")] {
            let random = id.strip_prefix(prefix).unwrap();
            assert_eq!(random.len(), 24);
            assert!(random.chars().all(|c| c.is_ascii_alphanumeric()), "{id}");
        }
        assert_ne!(request_id(), request_id());
        assert_ne!(key.expose_secret(), generate_client_key().unwrap().0.expose_secret());
    }

    #[test]
    fn keys_in_foreign_text_are_masked() {
        let known = SecretString::from("0123-local-secret");
        let table = [
            ("Incorrect API key provided: sk-CANARY-123.", "Incorrect API key provided: [key]."),
            ("key sk-proj-****…wxyz rejected", "key [key] rejected"),
            ("sk-or-v1-abcdef", "[key]"),
            ("\"sk-abcd1234\",\"gsk_abcd1234\"", "\"[key]\",\"[key]\""),
            ("got 0123-local-secret, twice 0123-local-secret", "got [key], twice [key]"),
            ("risk-averse task-oriented", "risk-averse task-oriented"),
            ("sk-", "sk-"),
            ("grüße", "grüße"),
            ("", ""),
        ];
        for (text, expected) in table {
            assert_eq!(mask_keys(text, &[&known]), expected);
        }
    }

    #[test]
    fn text_without_keys_is_not_copied() {
        assert!(matches!(mask_keys("nothing here", &[]), Cow::Borrowed(_)));
    }

    #[test]
    fn placeholder_keys_do_not_garble_text() {
        let placeholder = SecretString::from("ollama");
        assert_eq!(mask_keys("no such model in ollama", &[&placeholder]), "no such model in ollama");
    }
}
