//! Token counts, read from wherever they stand and as far as they can be read.

use crate::protocol::anthropic::response::Usage;
use crate::translate::json_object::Members;
use serde_json::value::RawValue;

/// Takes what `said` says. What it leaves out stays; so do input counts where it says that there was no input, as
/// some servers do at the end of a stream.
pub(super) fn overlay(usage: &mut Usage, said: &RawValue) {
    let Some(members) = Members::read(said) else { return };
    let count = |name| members.get(name).and_then(|value| value.get().parse::<u64>().ok());
    let inputs = ["input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"].map(count);
    if inputs.iter().flatten().any(|tokens| *tokens > 0) {
        let [input, written, read] = inputs;
        usage.input_tokens = input.unwrap_or(usage.input_tokens);
        usage.cache_creation_input_tokens = written.unwrap_or(usage.cache_creation_input_tokens);
        usage.cache_read_input_tokens = read.unwrap_or(usage.cache_read_input_tokens);
    }
    usage.output_tokens = count("output_tokens").unwrap_or(usage.output_tokens);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_where_they_are_counts() {
        let mut usage = Usage::default();
        let mut say = |said: &str| {
            overlay(&mut usage, serde_json::from_str(said).unwrap());
            (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens)
        };
        assert_eq!(say(r#"{"input_tokens":5,"cache_read_input_tokens":null,"output_tokens":1}"#), (5, 0, 1));
        assert_eq!(say(r#"{"cache_read_input_tokens":7,"output_tokens":"x"}"#), (5, 7, 1));
        assert_eq!(say(r#"{"input_tokens":0,"output_tokens":9,"new":{}}"#), (5, 7, 9));
        assert_eq!(say("null"), (5, 7, 9));
    }
}
