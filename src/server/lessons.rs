//! What upstreams said of their models when they refused a request, kept in memory while the server runs.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use crate::{
    telemetry::field,
    translate::remedy::{Learnt, Lesson},
};

/// What was learnt, by the upstream's name of the model.
#[derive(Debug, Default)]
pub(crate) struct Lessons(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    by_model: HashMap<String, Learnt>,
    /// The models in the order in which they became known.
    order: VecDeque<String>,
    /// Lessons since the start.
    count: u64,
}

/// Clients choose names where names pass through; of more models than that the oldest is forgotten.
const MAX_MODELS: usize = 1_000;

impl Lessons {
    /// What is known of a model.
    pub(crate) fn of(&self, model: &str) -> Learnt {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).by_model.get(model).cloned().unwrap_or_default()
    }

    /// Remembers a lesson, and tells the log of it if it is one.
    pub(crate) fn keep(&self, model: &str, lesson: &Lesson) {
        let Some(count) = self.0.lock().unwrap_or_else(PoisonError::into_inner).add(model, lesson) else {
            return;
        };
        tracing::info!(
            { field::MODEL_UPSTREAM } = model,
            learnt = %lesson,
            lessons = count,
            "learnt of a model by its refusal"
        );
    }
}

impl Known {
    /// The number of lessons with this one; `None` if it was known.
    fn add(&mut self, model: &str, lesson: &Lesson) -> Option<u64> {
        if !self.by_model.contains_key(model) {
            if self.order.len() >= MAX_MODELS
                && let Some(oldest) = self.order.pop_front()
            {
                self.by_model.remove(&oldest);
            }
            self.order.push_back(model.to_owned());
        }
        if !self.by_model.entry(model.to_owned()).or_default().add(lesson) {
            return None;
        }
        self.count += 1;
        Some(self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lessons_belong_to_one_model_and_are_bounded() {
        let lessons = Lessons::default();
        for number in 0..=MAX_MODELS {
            lessons.keep(&format!("m{number}"), &Lesson::NoSampling);
            lessons.keep(&format!("m{number}"), &Lesson::NoSampling);
        }
        let mut expected = Learnt::default();
        expected.add(&Lesson::NoSampling);
        assert_eq!(lessons.of("m1000"), expected);
        assert_eq!(lessons.of("m1"), expected);
        assert_eq!(lessons.of("m0"), Learnt::default());
        let known = lessons.0.lock().unwrap();
        assert_eq!((known.by_model.len(), known.order.len()), (MAX_MODELS, MAX_MODELS));
        assert_eq!(known.count, 1 + u64::try_from(MAX_MODELS).unwrap());
    }
}
