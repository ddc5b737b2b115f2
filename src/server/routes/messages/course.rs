//! The course of one request over its remedies: what was tried, and what is kept if it helped.
//!
//! All of it happens before the client has a byte. One remedy of a kind, three in all; a lesson is remembered
//! only after a request that heeded it went through.

use crate::{
    models::dialect::Choice,
    server::lessons::Lessons,
    translate::{
        Options,
        remedy::{Learnt, Lesson, Remedy},
    },
};

/// What was changed so far.
#[derive(Debug, Clone, Default)]
pub(in crate::server::routes) struct Course {
    tried: Vec<Remedy>,
}

/// What is known of a model.
#[derive(Debug)]
pub(in crate::server::routes) struct Known {
    /// What it does not take, with what is being tried.
    learnt: Learnt,
    /// The dialect, as the configuration chooses it.
    pub(super) choice: Choice,
}

/// More ways than that to say one request are none of an upstream that knows what it wants.
const MAX_REMEDIES: usize = 3;

impl Course {
    /// Takes up a remedy. `false` if it is none here: tried before, known already and of no help, or another dialect
    /// than the one that somebody has chosen.
    pub(super) fn take_up(&mut self, remedy: Remedy, known: &Known) -> bool {
        let helps = match &remedy {
            Remedy::FewerTokens(_) => true,
            Remedy::Learn(Lesson::Dialect(_)) if !known.choice.is_open() => false,
            Remedy::Learn(lesson) => known.learnt.clone().add(lesson),
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
    /// The dialect only where nobody has chosen one.
    pub(super) fn apply(&self, lessons: &Lessons, options: &mut Options, choice: Choice) -> Known {
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
        if let Some(dialect) = learnt.dialect().filter(|_| choice.is_open()) {
            options.dialect = dialect;
        }
        Known { learnt, choice }
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
    use crate::{
        models::dialect::{Spoken, Why},
        translate::{Dialect, quirks::Preset},
    };

    fn known(why: Why) -> Known {
        let choice = Choice { spoken: Spoken::Chat, why, refuses_tools: false };
        Known { learnt: Learnt::default(), choice }
    }

    fn options() -> Options {
        Options::new(Preset::Generic.quirks(), "up", "m")
    }

    #[test]
    fn one_of_a_kind_and_three_in_all() {
        let (mut course, known) = (Course::default(), known(Why::Usual));
        assert!(course.take_up(Remedy::FewerTokens(5_000), &known));
        assert!(!course.take_up(Remedy::FewerTokens(4_000), &known));
        assert!(course.take_up(Remedy::Learn(Lesson::NoSampling), &known));
        assert!(!course.take_up(Remedy::Learn(Lesson::NoSampling), &known));
        assert!(course.take_up(Remedy::Learn(Lesson::NoStop), &known));
        assert!(!course.take_up(Remedy::Learn(Lesson::NoTopK), &known));
        assert_eq!(course.retries(), 3);
    }

    #[test]
    fn a_dialect_that_somebody_has_chosen_stays() {
        let responses = || Remedy::Learn(Lesson::Dialect(Dialect::Responses));
        let (mut course, lessons) = (Course::default(), Lessons::default());
        assert!(!course.take_up(responses(), &known(Why::OfUpstream)));
        assert!(course.take_up(responses(), &known(Why::Usual)));
        course.keep(&lessons, "m");
        for (why, dialect) in [(Why::Usual, Dialect::Responses), (Why::OfModel, Dialect::Chat)] {
            let mut told = options();
            Course::default().apply(&lessons, &mut told, known(why).choice);
            assert_eq!(told.dialect, dialect);
        }
    }

    #[test]
    fn what_is_tried_counts_for_the_request_and_what_is_kept_for_the_model() {
        let (mut course, lessons) = (Course::default(), Lessons::default());
        let apply = |course: &Course| {
            let mut told = options();
            let known = course.apply(&lessons, &mut told, known(Why::Usual).choice);
            (told, known)
        };
        course.take_up(Remedy::FewerTokens(5_000), &known(Why::Usual));
        course.take_up(Remedy::Learn(Lesson::MaxOutputTokens(9_000)), &known(Why::Usual));
        let (tried, learnt) = apply(&course);
        assert_eq!((tried.room_for_output, tried.max_output_tokens), (Some(5_000), Some(9_000)));
        // What is known and did not help is not tried again.
        assert!(!Course::default().take_up(Remedy::Learn(Lesson::MaxOutputTokens(9_000)), &learnt));
        assert_eq!(apply(&Course::default()).0.max_output_tokens, None);
        course.keep(&lessons, "m");
        let (other, _) = apply(&Course::default());
        assert_eq!((other.room_for_output, other.max_output_tokens), (None, Some(9_000)));
    }
}
