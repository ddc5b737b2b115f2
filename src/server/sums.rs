//! Tokens so far, by conversation and by client: what the access line tells of what a session has cost.
//!
//! Memory is bounded: of the conversations those that were silent longest are forgotten, and begin anew at nothing.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use http::HeaderMap;

/// Tokens, cached input among the input.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) input: u64,
    pub(crate) output: u64,
}

/// All sums.
#[derive(Debug, Default)]
pub(crate) struct Sums {
    sessions: Mutex<Recent>,
    clients: Mutex<Recent>,
}

impl Sums {
    /// Adds to what a client's conversation has used so far. The same id of another client is another conversation.
    pub(crate) fn of_session(&self, client: Option<&str>, session: &str, more: Sum) -> Sum {
        let name = format!("{}\0{session}", client.unwrap_or_default());
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).add(&name, more)
    }

    /// Adds to what a client has used so far.
    pub(crate) fn of_client(&self, client: &str, more: Sum) -> Sum {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner).add(client, more)
    }
}

/// The conversation's id, as Claude Code sends it; `None` if it is no plain id.
pub(crate) fn session(headers: &HeaderMap) -> Option<&str> {
    let id = headers.get("x-claude-code-session-id")?.to_str().ok()?;
    let sound = (1..=64).contains(&id.len())
        && id.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_'));
    sound.then_some(id)
}

/// The sums that were added to last.
#[derive(Debug, Default)]
struct Recent {
    sums: HashMap<Arc<str>, (u64, Sum)>,
    /// By the time of the last use, counted in uses.
    by_use: BTreeMap<u64, Arc<str>>,
    uses: u64,
}

/// That are remembered, of each kind.
const MOST: usize = 10_000;

impl Recent {
    fn add(&mut self, name: &str, more: Sum) -> Sum {
        self.uses += 1;
        let (used, sum) = self.sums.get(name).copied().unwrap_or_default();
        let name = self.by_use.remove(&used).unwrap_or_else(|| name.into());
        let sum = Sum { input: sum.input + more.input, output: sum.output + more.output };
        self.sums.insert(Arc::clone(&name), (self.uses, sum));
        self.by_use.insert(self.uses, name);
        if self.sums.len() > MOST
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            self.sums.remove(&oldest);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Sum = Sum { input: 2, output: 1 };

    #[test]
    fn sums_grow_by_session_and_client() {
        let sums = Sums::default();
        sums.of_session(Some("alice"), "s", ONE);
        assert_eq!(sums.of_session(Some("alice"), "s", ONE), Sum { input: 4, output: 2 });
        assert_eq!(sums.of_session(Some("bob"), "s", ONE), ONE);
        assert_eq!(sums.of_session(None, "s", ONE), ONE);
        sums.of_client("alice", ONE);
        assert_eq!(sums.of_client("alice", ONE), Sum { input: 4, output: 2 });
    }

    #[test]
    fn those_that_were_silent_longest_are_forgotten() {
        let mut recent = Recent::default();
        for number in 0..MOST {
            recent.add(&number.to_string(), ONE);
        }
        recent.add("0", ONE);
        recent.add("one more", ONE);
        assert_eq!((recent.sums.len(), recent.by_use.len()), (MOST, MOST));
        assert_eq!(recent.add("0", ONE), Sum { input: 6, output: 3 });
        assert_eq!(recent.add("1", ONE), ONE);
    }

    #[test]
    fn a_session_is_a_plain_id() {
        let check = |id: &str, expected: Option<&str>| {
            let name = http::HeaderName::from_static("x-claude-code-session-id");
            let headers = [(name, id.parse().unwrap())].into_iter().collect();
            assert_eq!(session(&headers), expected);
        };
        check("0af7-2", Some("0af7-2"));
        check("a b", None);
        check(&"a".repeat(65), None);
    }
}
