//! How the tokens of a request are counted for a client that asks.

use serde::{Serialize, Serializer};

/// Who counts the input tokens of a request for `count_tokens`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Counter {
    /// OpenAI's o200k tables.
    #[default]
    Local,
    /// The length of the texts.
    Chars,
    /// The upstream, where it can ([`Quirks::token_counting`](crate::translate::quirks::Quirks::token_counting));
    /// the tables where it cannot, or fails to.
    Upstream,
}

/// By how much counts are multiplied before clients see them: 1 unless configured. Upstreams with other
/// vocabularies need more tokens than o200k, and a client that counts too few compacts too late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Multiplier {
    thousandths: u32,
}

impl Default for Multiplier {
    fn default() -> Self {
        Self { thousandths: 1_000 }
    }
}

impl Serialize for Multiplier {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(f64::from(self.thousandths) / 1_000.0)
    }
}

impl Multiplier {
    /// Reads a decimal number from 0.1 to 10 with at most three digits behind the point.
    pub fn from_text(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let are_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !are_digits(whole) || !are_digits(fraction) || fraction.len() > 3 {
            return None;
        }
        let thousandths: u32 = format!("{whole}{fraction:0<3}").parse().ok()?;
        (100..=10_000).contains(&thousandths).then_some(Self { thousandths })
    }

    /// The multiple, rounded up.
    pub fn of(self, tokens: u64) -> u64 {
        tokens.saturating_mul(u64::from(self.thousandths)).div_ceil(1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multipliers_are_decimal_numbers_within_reason() {
        let multiple = |text: &str| Multiplier::from_text(text).map(|it| it.of(1_000));
        for (text, expected) in
            [("1", 1_000), ("1.15", 1_150), ("0.1", 100), ("10", 10_000), ("10.000", 10_000), ("2.5", 2_500)]
        {
            assert_eq!(multiple(text), Some(expected), "{text}");
        }
        for text in ["", ".5", "1.", "0", "0.09", "10.001", "-1", "1e3", "1.1234", "99999999999", "inf"] {
            assert_eq!(multiple(text), None, "{text}");
        }
        assert_eq!(Multiplier::default().of(7), 7);
        assert_eq!(Multiplier::from_text("1.15").unwrap().of(1), 2);
    }
}
