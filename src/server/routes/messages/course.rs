//! The course of one request over its remedies: what was tried, and what is kept if it helped.
//!
//! All of it happens before the client has a byte. One remedy of a kind, three in all; a lesson is remembered
//! only after a request that heeded it went through.

use crate::{
    server::lessons::Lessons,
    translate::{
        Dialect, Options,
        remedy::{Learnt, Lesson, Remedy},
    },
};

/// What was changed so far.
#[derive(Debug, Clone, Default)]
pub(in crate::server::routes) struct Course {
    tried: Vec<Remedy>,
}

/// More ways than that to say one request are none of an upstream that knows what it wants.
const MAX_REMEDIES: usize = 3;

/// Whether requests can be sent in this dialect.
const fn is_spoken(dialect: Dialect) -> bool {
    matches!(dialect, Dialect::Chat)
}

impl Course {
    /// Takes up a remedy. `false` if it is none here: tried before, or known already and of no help.
    pub(super) fn take_up(&mut self, remedy: Remedy, learnt: &Learnt) -> bool {
        let helps = match &remedy {
            Remedy::FewerTokens(_) => true,
            Remedy::Learn(Lesson::Dialect(dialect)) if !is_spoken(*dialect) => false,
            Remedy::Learn(lesson) => learnt.clone().add(lesson),
        };
        let is_new =
            self.tried.len() < MAX_REMEDIES && !self.tried.iter().any(|tried| tried.is_like(&remedy));
        if helps && is_new {
            self.tried.push(remedy);
        }
        helps && is_new
    }

    /// How often the request was sent again.
    pub(super) fn retries(&self) -> u32 {
        u32::try_from(self.tried.len()).unwrap_or(u32::MAX)
    }

    /// Changes the options by what is known of the model and by what is tried; returns all that counts as known.
    /// The dialect too, if it `is_open`: if nobody has chosen it.
    pub(super) fn apply(&self, lessons: &Lessons, options: &mut Options, is_open: bool) -> Learnt {
        let mut learnt = lessons.of(&options.model);
        for remedy in &self.tried {
            match remedy {
                Remedy::FewerTokens(room) => options.room_for_output = Some(*room),
                Remedy::Learn(lesson) => {
                    learnt.add(lesson);
                }
            }
        }
        learnt.apply(options);
        if let Some(dialect) = learnt.dialect().filter(|dialect| is_open && is_spoken(*dialect)) {
            options.dialect = dialect;
        }
        learnt
    }

    /// Remembers what helped.
    pub(super) fn keep(&self, lessons: &Lessons, model: &str) {
        for remedy in &self.tried {
            if let Remedy::Learn(lesson) = remedy {
                lessons.keep(model, lesson);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::translate::quirks::Preset;

    #[test]
    fn one_of_a_kind_and_three_in_all() {
        let (mut course, learnt) = (Course::default(), Learnt::default());
        assert!(course.take_up(Remedy::FewerTokens(5_000), &learnt));
        assert!(!course.take_up(Remedy::FewerTokens(4_000), &learnt));
        assert!(course.take_up(Remedy::Learn(Lesson::NoSampling), &learnt));
        assert!(!course.take_up(Remedy::Learn(Lesson::NoSampling), &learnt));
        assert!(!course.take_up(Remedy::Learn(Lesson::Dialect(Dialect::Responses)), &learnt));
        assert!(course.take_up(Remedy::Learn(Lesson::NoStop), &learnt));
        assert!(!course.take_up(Remedy::Learn(Lesson::NoTopK), &learnt));
        assert_eq!(course.retries(), 3);
    }

    #[test]
    fn what_is_tried_counts_for_the_request_and_what_is_kept_for_the_model() {
        let (mut course, lessons) = (Course::default(), Lessons::default());
        let options = || Options::new(Preset::Generic.quirks(), "up", "m");
        course.take_up(Remedy::FewerTokens(5_000), &Learnt::default());
        course.take_up(Remedy::Learn(Lesson::MaxOutputTokens(9_000)), &Learnt::default());
        let mut tried = options();
        let learnt = course.apply(&lessons, &mut tried, true);
        assert_eq!((tried.room_for_output, tried.max_output_tokens), (Some(5_000), Some(9_000)));
        // What is known and did not help is not tried again.
        assert!(!Course::default().take_up(Remedy::Learn(Lesson::MaxOutputTokens(9_000)), &learnt));
        let mut other = options();
        Course::default().apply(&lessons, &mut other, true);
        assert_eq!(other.max_output_tokens, None);
        course.keep(&lessons, "m");
        Course::default().apply(&lessons, &mut other, true);
        assert_eq!((other.room_for_output, other.max_output_tokens), (None, Some(9_000)));
    }
}
