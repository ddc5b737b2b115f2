//! A sample of long texts: some stretches are measured and stand for all.

use super::length;

/// Texts, taken as one, of which some stretches are measured.
#[derive(Debug)]
pub(super) struct Sample {
    /// A stretch begins each so many bytes.
    period: usize,
    /// How far the texts so far reach into a period.
    at: usize,
    bytes: u64,
    measured: u64,
    tokens: u64,
}

/// What is measured of long texts; shorter ones are measured whole.
const MEASURED_BYTES: usize = 6 << 10;
/// Of one stretch. Shorter ones would count more words twice, at their edges.
const STRETCH_BYTES: usize = 256;

impl Sample {
    /// A sample of texts of so many bytes in all.
    pub(super) fn new(bytes: usize) -> Self {
        let period = STRETCH_BYTES * bytes.div_ceil(MEASURED_BYTES).max(1);
        Self { period, at: 0, bytes: 0, measured: 0, tokens: 0 }
    }

    /// The next text, and what estimates a stretch of it: one that is escaped is cut where it may be, which seldom
    /// is within an escape.
    pub(super) fn take(&mut self, mut text: &str, estimate: fn(&str) -> u64) {
        self.bytes += length(text.len());
        if self.period == STRETCH_BYTES {
            return self.measure(text, estimate);
        }
        while !text.is_empty() {
            let is_stretch = self.at < STRETCH_BYTES;
            let left = if is_stretch { STRETCH_BYTES } else { self.period } - self.at;
            let mut end = left.min(text.len());
            while !text.is_char_boundary(end) {
                end += 1;
            }
            let (piece, rest) = text.split_at_checked(end).unwrap_or((text, ""));
            if is_stretch {
                self.measure(piece, estimate);
            }
            self.at = (self.at + piece.len()) % self.period;
            text = rest;
        }
    }

    fn measure(&mut self, piece: &str, estimate: fn(&str) -> u64) {
        self.measured += length(piece.len());
        self.tokens += estimate(piece);
    }

    /// The tokens of all texts.
    pub(super) fn tokens(&self) -> u64 {
        let all = u128::from(self.tokens) * u128::from(self.bytes);
        u64::try_from(all.div_ceil(u128::from(self.measured.max(1)))).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::super::estimate::{estimate_escaped, estimate_text};
    use super::*;
    use crate::protocol::json::Escaped;

    fn sampled(texts: &[&str]) -> u64 {
        let mut sample = Sample::new(texts.iter().map(|text| text.len()).sum());
        for text in texts {
            sample.take(text, estimate_text);
        }
        sample.tokens()
    }

    #[test]
    fn short_texts_are_measured_whole() {
        assert_eq!(sampled(&[]), 0);
        assert_eq!(sampled(&["one two", "", "日本語"]), estimate_text("one two") + estimate_text("日本語"));
    }

    #[test]
    fn a_sample_of_long_texts_is_near_the_whole() {
        let prose = "The quick brown fox jumps over the lazy dog, said nobody in earnest. ";
        let code = "    let value = self.items.get(index).copied().unwrap_or_default();\n";
        let texts =
            [prose.repeat(900), code.repeat(1_500), "日本のキー 한국 é".repeat(2_000), prose.repeat(90)];
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let whole: u64 = texts.iter().map(|text| estimate_text(text)).sum();
        let off = sampled(&texts).abs_diff(whole);
        assert!(off * 20 < whole, "{off} of {whole}");
        // Escaped it is another sample, and as near.
        let escaped: Vec<Escaped> =
            texts.iter().map(|text| text.replace(' ', "\n").as_str().into()).collect();
        let whole: u64 = escaped.iter().map(|text| estimate_text(&text.unescaped())).sum();
        let mut sample = Sample::new(escaped.iter().map(|text| text.inner().len()).sum());
        for text in &escaped {
            sample.take(text.inner(), estimate_escaped);
        }
        let off = sample.tokens().abs_diff(whole);
        assert!(off * 20 < whole, "{off} of {whole}");
    }
}
