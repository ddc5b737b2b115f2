//! What a request adds to the metrics when it is over.

use super::{End, Line, Notes, input_tokens};
use crate::metrics::{Counter, Times, Tokens, reason};

impl Line {
    pub(super) fn count(&self, notes: &Notes, end: End) {
        let metrics = self.log.metrics();
        end.counter(&metrics.requests).count();
        match end {
            End::Panicked => metrics.panics.count(),
            End::Shed => {
                let why = notes.shed.unwrap_or(reason::STOPPING);
                metrics.shed.of([why], Counter::default).count();
            }
            End::ClientClosed => {
                metrics.cancelled.of([phase(notes)], Counter::default).count();
            }
            _ => {}
        }
        if let Some(usage) = &notes.usage {
            metrics.input_tokens.add(input_tokens(usage));
            metrics.output_tokens.add(usage.output_tokens);
        }
        let route = self.route().unwrap_or("unknown");
        let status = notes.status.map(|status| status.to_string()).unwrap_or_default();
        let labels = [route, &status, end.as_str()];
        metrics.requests_by_route.of(labels, Counter::default).count();
        if self.route() == Some("/v1/messages") {
            self.observe(notes, end);
        }
    }

    /// What the histograms hold, for requests for a message that went to an upstream.
    fn observe(&self, notes: &Notes, end: End) {
        let (metrics, Some(upstream)) = (self.log.metrics(), &notes.upstream_name) else { return };
        let error = if matches!(end, End::Complete) { "" } else { end.as_str() };
        let [requested, answered] = match &notes.model_labels {
            Some([requested, answered]) => [&**requested, &**answered],
            None => [""; 2],
        };
        let labels = [upstream, requested, answered, error];
        let times = metrics.times.of(labels, Times::default);
        let took = self.log.0.started.elapsed();
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
            let labels = [failed, "passed_on"];
            metrics.upstream_errors.of(labels, Counter::default).count();
        }
        if matches!(end, End::UpstreamError | End::Timeout) {
            let labels = [upstream, end.as_str()];
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
