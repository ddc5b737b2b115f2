//! One number for each combination of labels, of which there are never many.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// The values of labels, in the order of their names.
pub type Labels<const N: usize> = [Cow<'static, str>; N];

/// Numbers by labels. What labels say comes from this program and its configuration, never from a client; the bound
/// on their number holds even if that is forgotten somewhere.
#[derive(Debug)]
pub struct Family<T, const N: usize> {
    series: Mutex<BTreeMap<Labels<N>, Arc<T>>>,
}

const MOST_SERIES: usize = 2_000;
/// Stands in every label of what came when there were too many.
const OTHER: &str = "other";

impl<T, const N: usize> Default for Family<T, N> {
    fn default() -> Self {
        Self { series: Mutex::default() }
    }
}

impl<T, const N: usize> Family<T, N> {
    /// The number for these labels, made by `new` if it is the first time.
    pub fn of(&self, labels: [&str; N], new: impl FnOnce() -> T) -> Arc<T> {
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = get(&series, labels) {
            return known;
        }
        let labels = if series.len() >= MOST_SERIES { [OTHER; N] } else { labels };
        let labels = labels.map(|label| Cow::Owned(label.to_owned()));
        Arc::clone(series.entry(labels).or_insert_with(|| Arc::new(new())))
    }

    /// All of them, in the order of their labels.
    pub fn all(&self) -> Vec<(Labels<N>, Arc<T>)> {
        let series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        series.iter().map(|(labels, number)| (labels.clone(), Arc::clone(number))).collect()
    }
}

/// Looks for labels without making them its own. Keys that live for ever serve as keys of any shorter life.
fn get<'l, T, const N: usize>(
    series: &BTreeMap<[Cow<'l, str>; N], Arc<T>>,
    labels: [&'l str; N],
) -> Option<Arc<T>> {
    series.get(&labels.map(Cow::Borrowed)).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Counter;

    #[test]
    fn series_are_kept_apart_and_bounded() {
        let family = Family::<Counter, 1>::default();
        for number in 0..MOST_SERIES + 5 {
            family.of([&number.to_string()], Counter::default).count();
        }
        family.of(["7"], Counter::default).count();
        let all = family.all();
        assert_eq!(all.len(), MOST_SERIES + 1);
        let of = |name: &str| all.iter().find(|(labels, _)| labels[0] == name).unwrap().1.get();
        assert_eq!([of("7"), of("other")], [2, 5]);
    }
}
