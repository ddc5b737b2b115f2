//! Tool names: OpenAI takes 64 characters of `[A-Za-z0-9_-]`, Anthropic's clients use longer and freer ones.
//!
//! The replacement is a function of the name alone, so that no state is needed between requests and the same
//! history always serialises to the same bytes.

use super::digest::hex;
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

/// Longest name that upstreams take.
const MAX_LENGTH: usize = 64;
/// What is kept of a name that must change: 55 characters, `_`, 8 of its hash.
const KEPT_LENGTH: usize = 55;
const HASH_LENGTH: usize = 8;

/// The names of one request that had to change.
#[derive(Debug, Clone, Default)]
pub(crate) struct ToolNames {
    original: HashMap<String, String>,
    /// All names in the upstream's form.
    upstream: BTreeSet<String>,
}

impl ToolNames {
    /// The upstream's form of a client's name; remembers the way back.
    pub(crate) fn upstream_name(&mut self, name: String) -> String {
        let legal = match legal_name(&name) {
            Cow::Borrowed(_) => name,
            Cow::Owned(changed) => {
                self.original.insert(changed.clone(), name);
                changed
            }
        };
        if !self.upstream.contains(&legal) {
            self.upstream.insert(legal.clone());
        }
        legal
    }

    /// The upstream's forms of all names.
    pub(crate) const fn upstream_names(&self) -> &BTreeSet<String> {
        &self.upstream
    }

    /// The client's form of an upstream's name. Names the request did not have pass through.
    pub(crate) fn client_name(&self, name: String) -> String {
        self.original.get(&name).cloned().unwrap_or(name)
    }
}

fn legal_name(name: &str) -> Cow<'_, str> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !name.is_empty() && name.len() <= MAX_LENGTH && name.chars().all(legal) {
        return Cow::Borrowed(name);
    }
    let mut changed: String =
        name.chars().take(KEPT_LENGTH).map(|c| if legal(c) { c } else { '_' }).collect();
    changed.push('_');
    changed.push_str(&hex(name.as_bytes(), HASH_LENGTH));
    Cow::Owned(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_legal_stay_distinct_and_come_back() {
        let mut names = ToolNames::default();
        let long = "mcp__server__".repeat(7);
        for name in
            [format!("{long}a"), format!("{long}b"), "a.b/c".to_owned(), "ü".repeat(60), String::new()]
        {
            let changed = names.upstream_name(name.clone());
            assert!(changed.len() <= MAX_LENGTH && legal_name(&changed) == changed, "{changed}");
            assert_eq!(names.client_name(changed), name);
        }
        assert_ne!(names.upstream_name(format!("{long}a")), names.upstream_name(format!("{long}b")));
        assert_eq!(names.upstream_name("Bash".to_owned()), "Bash");
        assert_eq!(names.client_name("hallucinated".to_owned()), "hallucinated");
    }
}
