//! Short deterministic texts made of a hash.

use sha2::{Digest, Sha256};

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The first `length` (at most 64) hexadecimal digits of the SHA-256 of `bytes`.
pub(crate) fn hex(bytes: &[u8], length: usize) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text.truncate(length);
    text
}

/// `length` (at most 32) base62 digits made of the SHA-256 of `bytes`.
pub(crate) fn base62(bytes: &[u8], length: usize) -> String {
    Sha256::digest(bytes)
        .iter()
        .take(length)
        .filter_map(|byte| BASE62.get(usize::from(*byte) % BASE62.len()).copied().map(char::from))
        .collect()
}
