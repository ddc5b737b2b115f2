//! What is kept for each upstream and model: one look-up for all of it.

use super::{Histogram, bounds};

/// How long requests took.
#[derive(Debug)]
pub struct Times {
    /// From the request's head to the answer's end.
    pub request: Histogram,
    /// To the first content.
    pub first_token: Histogram,
    /// Each token after the first.
    pub per_token: Histogram,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            request: Histogram::new(bounds::REQUEST),
            first_token: Histogram::new(bounds::FIRST_TOKEN),
            per_token: Histogram::new(bounds::PER_TOKEN),
        }
    }
}

/// How many tokens requests had.
#[derive(Debug)]
pub struct Tokens {
    /// Input, cached ones included.
    pub input: Histogram,
    /// Output, reasoning included.
    pub output: Histogram,
    /// Input that was read from a cache.
    pub cached_input: Histogram,
    /// Input that was written to a cache.
    pub cache_creation_input: Histogram,
    /// Output that was spent on reasoning.
    pub reasoning: Histogram,
}

impl Default for Tokens {
    fn default() -> Self {
        let new = || Histogram::new(bounds::TOKENS);
        Self {
            input: new(),
            output: new(),
            cached_input: new(),
            cache_creation_input: new(),
            reasoning: new(),
        }
    }
}

impl Tokens {
    /// Each with the value of its label.
    pub fn by_type(&self) -> [(&'static str, &Histogram); 5] {
        [
            ("input", &self.input),
            ("output", &self.output),
            ("cached_input", &self.cached_input),
            ("cache_creation_input", &self.cache_creation_input),
            ("reasoning", &self.reasoning),
        ]
    }
}
