//! The numbers in Prometheus' text format (0.0.4).
//!
//! Written by hand: the numbers are plain atomics that exist anyway, and a registry of a library would hold each of
//! them a second time. Labels come from closed sets: routes of the router, names of upstreams, ways to end.

use std::{borrow::Cow, fmt::Write as _};

use super::{Counter, Gauge, Histogram, Metrics};

/// The media type of the text.
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What is known elsewhere than in [`Metrics`].
#[derive(Debug, Clone)]
pub struct Upstream<'a> {
    /// Its configured name.
    pub name: &'a str,
    /// 0 in use, 1 about to be tried again, 2 left alone.
    pub circuit: u64,
}

/// All numbers.
pub fn text(metrics: &Metrics, upstreams: &[Upstream<'_>]) -> String {
    let mut text = Text::default();
    counters(metrics, &mut text);
    gauges(metrics, upstreams, &mut text);
    let histograms = [
        (REQUEST_DURATION, "Time from a request's head to its answer's end.", &metrics.request_duration),
        (FIRST_TOKEN, "Time to the first content of an answer.", &metrics.first_token),
        (PER_TOKEN, "Time for each output token after the first.", &metrics.per_token),
    ];
    for (name, help, family) in histograms {
        text.head(name, "histogram", help);
        for ([provider, error], histogram) in family.all() {
            let labels =
                [("operation", Cow::Borrowed("chat")), ("provider", provider), ("error_type", error)];
            text.histogram(name, &labels, &histogram);
        }
    }
    text.head(TOKEN_USAGE, "histogram", "Tokens of a request, by kind.");
    for ([provider, kind], histogram) in metrics.token_usage.all() {
        text.histogram(TOKEN_USAGE, &[("provider", provider), ("token_type", kind)], &histogram);
    }
    text.0
}

const REQUEST_DURATION: &str = "gen_ai_server_request_duration_seconds";
const FIRST_TOKEN: &str = "gen_ai_server_time_to_first_token_seconds";
const PER_TOKEN: &str = "gen_ai_server_time_per_output_token_seconds";
const TOKEN_USAGE: &str = "gen_ai_client_token_usage";

fn counters(metrics: &Metrics, text: &mut Text) {
    text.head("aiapiproxy_requests_total", "counter", "Requests by route, status and how they ended.");
    for ([route, status, outcome], counter) in metrics.requests_by_route.all() {
        let labels = [("route", route), ("status", status), ("outcome", outcome)];
        text.sample("aiapiproxy_requests_total", &labels, counter.get());
    }
    text.head("aiapiproxy_upstream_errors_total", "counter", "Requests that an upstream failed or shed.");
    for ([upstream, kind], counter) in metrics.upstream_errors.all() {
        text.sample(
            "aiapiproxy_upstream_errors_total",
            &[("upstream", upstream), ("kind", kind)],
            counter.get(),
        );
    }
    let single: [(&str, &str, &Counter); 12] = [
        (
            "connections_accepted_total",
            "Client connections that were accepted.",
            &metrics.connections_accepted,
        ),
        ("accept_errors_total", "Connections that could not be accepted.", &metrics.accept_errors),
        (
            "shed_total",
            "Requests that were refused because there was too much to do.",
            &metrics.requests.shed,
        ),
        ("client_cancelled_total", "Requests whose client went away.", &metrics.requests.client_closed),
        ("retries_total", "Attempts at an upstream beyond the first.", &metrics.retries),
        (
            "stale_connections_total",
            "Second attempts because a kept connection was closed.",
            &metrics.stale_connections,
        ),
        ("retry_budget_exhausted_total", "Retries that were not made.", &metrics.retries_suppressed),
        ("pings_total", "Pings sent while an upstream was silent.", &metrics.pings),
        ("sse_invalid_total", "Events of upstreams that were no UTF-8.", &metrics.invalid_utf8_events),
        ("surrogates_mended_total", "Texts with half a surrogate pair.", &metrics.surrogates_mended),
        ("panics_total", "Panics, each of which ended one request.", &metrics.panics),
        ("log_dropped_total", "Log lines that nobody took in time.", &metrics.log_lines_dropped),
    ];
    for (name, help, counter) in single {
        let name = format!("aiapiproxy_{name}");
        text.head(&name, "counter", help);
        text.sample(&name, &[], counter.get());
    }
}

fn gauges(metrics: &Metrics, upstreams: &[Upstream<'_>], text: &mut Text) {
    let single: [(&str, &str, &Gauge); 5] = [
        ("inflight_requests", "Requests that have a place.", &metrics.requests_in_flight),
        ("queue_depth", "Requests that wait for a place.", &metrics.queue_depth),
        ("inflight_streams", "Answers that are streamed.", &metrics.streams_open),
        ("connections", "Client connections that are open.", &metrics.connections_open),
        ("buffered_bytes", "Bytes of request bodies that are held.", &metrics.buffered_bytes),
    ];
    for (name, help, gauge) in single {
        let name = format!("aiapiproxy_{name}");
        text.head(&name, "gauge", help);
        text.sample(&name, &[], gauge.get());
    }
    let name = "aiapiproxy_upstream_circuit_state";
    text.head(name, "gauge", "0 in use, 1 about to be tried again, 2 left alone.");
    for upstream in upstreams {
        text.sample(name, &[("upstream", upstream.name.to_owned().into())], upstream.circuit);
    }
    text.head("aiapiproxy_build_info", "gauge", "Always 1; the label says which version runs.");
    text.sample("aiapiproxy_build_info", &[("version", env!("CARGO_PKG_VERSION").into())], 1);
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, Cow<'static, str>)], value: impl std::fmt::Display) {
        self.0.push_str(name);
        for (number, (label, text)) in labels.iter().enumerate() {
            let text = text.replace('\\', r"\\").replace('"', "\\\"").replace('\n', "\\n");
            let before = if number == 0 { "{" } else { "," };
            let _ = write!(self.0, "{before}{label}=\"{text}\"");
        }
        let after = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{after} {value}");
    }

    fn histogram(&mut self, name: &str, labels: &[(&str, Cow<'static, str>)], histogram: &Histogram) {
        let cumulative = histogram.cumulative();
        let total = cumulative.last().map_or(0, |(_, count)| *count);
        for (bound, count) in cumulative {
            let bound = bound.map_or_else(|| "+Inf".to_owned(), |bound| bound.to_string());
            let mut labels = labels.to_vec();
            labels.push(("le", bound.into()));
            self.sample(&format!("{name}_bucket"), &labels, count);
        }
        self.sample(&format!("{name}_sum"), labels, histogram.sum());
        self.sample(&format!("{name}_count"), labels, total);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn numbers_are_told_with_their_labels() {
        let metrics = Metrics::default();
        metrics.retries.count();
        let labels = ["up\"1".into(), String::new().into()];
        let histogram = metrics.request_duration.of(labels, || Histogram::new(super::super::bounds::REQUEST));
        histogram.record(Duration::from_millis(15));
        let text = text(&metrics, &[Upstream { name: "a", circuit: 2 }]);
        for line in [
            "# TYPE aiapiproxy_retries_total counter",
            "aiapiproxy_retries_total 1",
            "aiapiproxy_upstream_circuit_state{upstream=\"a\"} 2",
            "gen_ai_server_request_duration_seconds_bucket{operation=\"chat\",provider=\"up\\\"1\",error_type=\"\",le=\"0.01\"} 0",
            "gen_ai_server_request_duration_seconds_bucket{operation=\"chat\",provider=\"up\\\"1\",error_type=\"\",le=\"0.02\"} 1",
            "gen_ai_server_request_duration_seconds_bucket{operation=\"chat\",provider=\"up\\\"1\",error_type=\"\",le=\"+Inf\"} 1",
            "gen_ai_server_request_duration_seconds_sum{operation=\"chat\",provider=\"up\\\"1\",error_type=\"\"} 0.015",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} in {text}");
        }
    }
}
