//! What a request adds to the metrics when it is over.

use std::borrow::Cow;

use super::{End, Line, Notes, input_tokens};
use crate::metrics::{Counter, Times, Tokens, reason};

impl Line {
    pub(super) fn count(&self, notes: &Notes, end: End) {
        let metrics = &self.log.metrics;
        end.counter(&metrics.requests).count();
        match end {
            End::Panicked => metrics.panics.count(),
            End::Shed => {
                let why = notes.shed.unwrap_or(reason::STOPPING);
                metrics.shed.of([why.into()], Counter::default).count();
            }
            End::ClientClosed => {
                metrics.cancelled.of([phase(notes).into()], Counter::default).count();
            }
            _ => {}
        }
        if let Some(usage) = &notes.usage {
            metrics.input_tokens.add(input_tokens(usage));
            metrics.output_tokens.add(usage.output_tokens);
        }
        let route = self.route.clone().unwrap_or_else(|| "unknown".to_owned());
        let status = notes.status.map_or_else(String::new, |status| status.to_string());
        let labels = [route.into(), status.into(), end.as_str().into()];
        metrics.requests_by_route.of(labels, Counter::default).count();
        if self.route.as_deref() == Some("/v1/messages") {
            self.observe(notes, end);
        }
    }

    /// What the histograms hold, for requests for a message that went to an upstream.
    fn observe(&self, notes: &Notes, end: End) {
        let (metrics, Some(upstream)) = (&self.log.metrics, &notes.upstream_name) else { return };
        let error = if matches!(end, End::Complete) { "" } else { end.as_str() };
        let upstream: Cow<'static, str> = upstream.clone().into();
        let [requested, answered] = notes.model_labels.clone().unwrap_or_default();
        let labels = [upstream.clone(), requested.clone(), answered.clone(), error.into()];
        let times = metrics.times.of(labels, Times::default);
        let took = self.log.started.elapsed();
        times.request.record(took);
        if let Some(first) = notes.ttft {
            times.first_token.record(first);
            let more = notes
                .usage
                .as_ref()
                .and_then(|usage| u32::try_from(usage.output_tokens.checked_sub(1)?).ok());
            if let Some(each) = more.and_then(|more| took.saturating_sub(first).checked_div(more)) {
                times.per_token.record(each);
            }
        }
        metrics.overhead.request.record(notes.own_work);
        for failed in &notes.failed {
            let labels = [failed.clone().into(), "passed_on".into()];
            metrics.upstream_errors.of(labels, Counter::default).count();
        }
        if matches!(end, End::UpstreamError | End::Timeout) {
            let labels = [upstream.clone(), end.as_str().into()];
            metrics.upstream_errors.of(labels, Counter::default).count();
        }
        let Some(usage) = &notes.usage else { return };
        let tokens = metrics.tokens.of([upstream, requested, answered], Tokens::default);
        tokens.input.record_count(input_tokens(usage));
        tokens.output.record_count(usage.output_tokens);
        tokens.cached_input.record_count(usage.cache_read_input_tokens);
        tokens.cache_creation_input.record_count(usage.cache_creation_input_tokens);
        // Not every upstream tells, and none would be a lie then.
        if let Some(details) = &usage.output_tokens_details {
            tokens.reasoning.record_count(details.thinking_tokens);
        }
    }
}

/// What the client left.
fn phase(notes: &Notes) -> &'static str {
    match notes {
        Notes { ttft: Some(_), .. } => reason::STREAMING,
        Notes { model_upstream: Some(_), .. } => reason::WAITING,
        _ => reason::RECEIVING,
    }
}
