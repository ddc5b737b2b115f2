//! Where something stands in a request. A place is made for every block and read for the few about which there is
//! something to say, so it is written down only then.

use crate::protocol::anthropic::error::Error;
use std::fmt;

/// The place of a block in the request: a JSON pointer for reports, dotted for errors.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// What is too long for `steps`, as a pointer.
    above: Option<Box<str>>,
    steps: [Step; MOST_STEPS],
    count: usize,
}

/// Steps that take no memory of their own: `/messages/3/content/1/content/0` has six.
const MOST_STEPS: usize = 6;
const NO_STEPS: [Step; MOST_STEPS] = [Step::Index(0); MOST_STEPS];

/// The name of a member, or the number of an element.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    Name(&'static str),
    Index(usize),
}

impl From<&'static str> for Step {
    fn from(name: &'static str) -> Self {
        Self::Name(name)
    }
}

impl From<usize> for Step {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

impl Place {
    /// A member at the top.
    pub(super) fn top(name: &'static str) -> Self {
        Self { above: None, steps: NO_STEPS, count: 0 }.child(name)
    }

    /// The place of a JSON pointer.
    pub(super) fn at(pointer: impl Into<String>) -> Self {
        Self { above: Some(pointer.into().into()), steps: NO_STEPS, count: 0 }
    }

    pub(super) fn child(&self, step: impl Into<Step>) -> Self {
        let mut child = self.clone();
        match child.steps.get_mut(child.count) {
            Some(free) => *free = step.into(),
            None => return Self::at(self.to_string()).child(step),
        }
        child.count += 1;
        child
    }

    fn dotted(&self) -> String {
        self.to_string().trim_start_matches('/').replace('/', ".")
    }

    /// The message that it is in: `/messages/3` of `/messages/3/content/1`.
    pub(super) fn message(&self) -> Self {
        Self::at(self.to_string().split('/').take(3).collect::<Vec<_>>().join("/"))
    }

    pub(super) fn refuse(&self, message: impl fmt::Display) -> Error {
        Error::invalid_request(format!("{}: {message}", self.dotted()))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.above.as_deref().unwrap_or_default())?;
        self.steps.iter().take(self.count).try_for_each(|step| match step {
            Step::Name(name) => write!(f, "/{name}"),
            Step::Index(index) => write!(f, "/{index}"),
        })
    }
}

impl From<&Place> for String {
    fn from(place: &Place) -> Self {
        place.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_as_long_as_it_must_be() {
        let mut place = Place::top("messages");
        let mut pointer = "/messages".to_owned();
        for index in 0..30 {
            place = place.child(index).child("content");
            pointer = format!("{pointer}/{index}/content");
            assert_eq!(place.to_string(), pointer);
        }
        assert_eq!(place.message().to_string(), "/messages/0");
        assert_eq!(Place::at("/a/0").child("b").refuse("no").message, "a.0.b: no");
    }
}
