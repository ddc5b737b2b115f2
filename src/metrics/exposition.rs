//! The numbers in Prometheus' text format (0.0.4).
//!
//! Written by hand: the numbers are plain atomics that exist anyway, and a registry of a library would hold each of
//! them a second time. Labels come from closed sets: routes of the router, names of upstreams, of configured models and
//! of clients' keys, ways to end.

use std::{borrow::Cow, fmt::Write as _};

use super::{
    Counter, Family, Gauge, Histogram, Metrics, Times, Tokens,
    process::{self, Process},
    reason,
};

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
    histograms(metrics, &mut text);
    if let Some(process) = process::read() {
        of_process(&process, &mut text);
    }
    text.0
}

fn histograms(metrics: &Metrics, text: &mut Text) {
    let times: [(_, _, Choose); 3] = [
        (REQUEST_DURATION, "Time from a request's head to its answer's end.", |times| &times.request),
        (FIRST_TOKEN, "Time to the first content of an answer.", |times| &times.first_token),
        (PER_TOKEN, "Time for each output token after the first.", |times| &times.per_token),
    ];
    let all = metrics.times.all();
    for (name, help, histogram) in times {
        text.head(name, "histogram", help);
        for ([provider, requested, answered, error], times) in &all {
            let labels = [
                ("operation", Cow::Borrowed("chat")),
                ("provider", provider.clone()),
                ("request_model", requested.clone()),
                ("response_model", answered.clone()),
                ("error_type", error.clone()),
            ];
            text.histogram(name, &labels, histogram(times));
        }
    }
    text.head(TOKEN_USAGE, "histogram", "Tokens of a request, by kind.");
    for ([provider, requested, answered], tokens) in metrics.tokens.all() {
        let labels = [
            ("operation", Cow::Borrowed("chat")),
            ("provider", provider),
            ("request_model", requested),
            ("response_model", answered),
        ];
        for (kind, histogram) in Tokens::by_type(&tokens) {
            let labels: Vec<_> = labels.iter().cloned().chain([("token_type", kind.into())]).collect();
            text.histogram(TOKEN_USAGE, &labels, histogram);
        }
    }
    text.head(OVERHEAD, "histogram", "The gateway's own work, without waiting for upstream and client.");
    let overhead = &metrics.overhead;
    for (phase, histogram) in [("request", &overhead.request), ("response_chunk", &overhead.response_chunk)] {
        text.histogram(OVERHEAD, &[("phase", phase.into())], histogram);
    }
}

/// One of the histograms.
type Choose = fn(&Times) -> &Histogram;

const REQUEST_DURATION: &str = "gen_ai_server_request_duration_seconds";
const FIRST_TOKEN: &str = "gen_ai_server_time_to_first_token_seconds";
const PER_TOKEN: &str = "gen_ai_server_time_per_output_token_seconds";
const TOKEN_USAGE: &str = "gen_ai_client_token_usage";
const OVERHEAD: &str = "aiapiproxy_overhead_seconds";

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
    let labelled: [(_, _, _, &Family<Counter, 1>, &[&'static str]); 4] = [
        (
            "shed_total",
            "Requests that were refused because there was too much to do.",
            "reason",
            &metrics.shed,
            &reason::SHED,
        ),
        (
            "client_cancelled_total",
            "Requests whose client went away, by what it left.",
            "phase",
            &metrics.cancelled,
            &reason::CANCELLED,
        ),
        (
            "retries_total",
            "Attempts at an upstream beyond the first.",
            "reason",
            &metrics.retries,
            &reason::RETRIED,
        ),
        (
            "rate_limited_total",
            "Requests beyond the limits of their client's key; without a valid key the client is empty.",
            "client",
            &metrics.rate_limited,
            &[""],
        ),
    ];
    for (name, help, label, family, known) in labelled {
        let name = format!("aiapiproxy_{name}");
        text.head(&name, "counter", help);
        // A series that begins with its first event has no rate before the second.
        for value in known {
            family.of([value], Counter::default);
        }
        for ([value], counter) in family.all() {
            text.sample(&name, &[(label, value)], counter.get());
        }
    }
    let pairs = [
        (
            "config_reloads_total",
            "Reloads of the configuration.",
            "result",
            [("ok", &metrics.reloads), ("refused", &metrics.reloads_refused)],
        ),
        (
            "sse_invalid_total",
            "Events of upstreams that were no UTF-8, or longer than the limit.",
            "kind",
            [("utf8", &metrics.invalid_utf8_events), ("too_long", &metrics.too_long_events)],
        ),
    ];
    for (name, help, label, samples) in pairs {
        let name = format!("aiapiproxy_{name}");
        text.head(&name, "counter", help);
        for (value, counter) in samples {
            text.sample(&name, &[(label, value.into())], counter.get());
        }
    }
    let single: [(&str, &str, &Counter); 10] = [
        (
            "connections_accepted_total",
            "Client connections that were accepted.",
            &metrics.connections_accepted,
        ),
        ("accept_errors_total", "Connections that could not be accepted.", &metrics.accept_errors),
        ("auth_failures_total", "Requests without a valid client key.", &metrics.auth_failures),
        (
            "stale_connections_total",
            "Second attempts because a kept connection was closed.",
            &metrics.stale_connections,
        ),
        ("retry_budget_exhausted_total", "Retries that were not made.", &metrics.retries_suppressed),
        (
            "stream_idle_timeouts_total",
            "Streams that ended because the upstream was silent.",
            &metrics.stream_idle_timeouts,
        ),
        ("pings_total", "Pings sent while an upstream was silent.", &metrics.pings),
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
    let single: [(&str, &str, &Gauge); 4] = [
        ("inflight_requests", "Requests that have a place.", &metrics.requests_in_flight),
        ("queue_depth", "Requests that wait for a place.", &metrics.queue_depth),
        ("inflight_streams", "Answers that are streamed.", &metrics.streams_open),
        ("buffered_bytes", "Bytes of request bodies that are held.", &metrics.buffered_bytes),
    ];
    for (name, help, gauge) in single {
        let name = format!("aiapiproxy_{name}");
        text.head(&name, "gauge", help);
        text.sample(&name, &[], gauge.get());
    }
    let name = "aiapiproxy_connections";
    text.head(name, "gauge", "Client connections that are open.");
    let active = metrics.connections_active.get();
    let idle = metrics.connections_open.get().saturating_sub(active);
    for (state, count) in [("active", active), ("idle", idle)] {
        text.sample(name, &[("state", state.into())], count);
    }
    let name = "aiapiproxy_upstream_circuit_state";
    text.head(name, "gauge", "0 in use, 1 about to be tried again, 2 left alone.");
    for upstream in upstreams {
        text.sample(name, &[("upstream", upstream.name.to_owned().into())], upstream.circuit);
    }
    let name = "aiapiproxy_config_last_reload_success_timestamp_seconds";
    text.head(name, "gauge", "When a configuration came into force last.");
    text.sample(name, &[], metrics.configured_at.get());
    text.head("aiapiproxy_build_info", "gauge", "Always 1; the label says which version runs.");
    text.sample("aiapiproxy_build_info", &[("version", env!("CARGO_PKG_VERSION").into())], 1);
}

fn of_process(process: &Process, text: &mut Text) {
    let Process { cpu_seconds, resident_bytes, virtual_bytes, open_fds, max_fds, start_seconds } = process;
    text.single("process_cpu_seconds_total", "counter", "Processor time used.", cpu_seconds);
    text.single("process_resident_memory_bytes", "gauge", "Memory held.", resident_bytes);
    text.single("process_virtual_memory_bytes", "gauge", "Address space.", virtual_bytes);
    text.single("process_open_fds", "gauge", "Descriptors that are open.", open_fds);
    if let Some(max_fds) = max_fds {
        text.single("process_max_fds", "gauge", "Descriptors that may be open.", max_fds);
    }
    text.single("process_start_time_seconds", "gauge", "When the process began.", start_seconds);
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn single(&mut self, name: &str, kind: &str, help: &str, value: impl std::fmt::Display) {
        self.head(name, kind, help);
        self.sample(name, &[], value);
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
        metrics.retries.of(["529"], Counter::default).count();
        let labels = ["up\"1", "sonnet", "gpt", ""];
        metrics.times.of(labels, Times::default).request.record(Duration::from_millis(15));
        metrics.tokens.of(["up", "opus", "m"], Tokens::default).reasoning.record_count(9);
        metrics.overhead.request.record(Duration::from_micros(70));
        let text = text(&metrics, &[Upstream { name: "a", circuit: 2 }]);
        let labels = "operation=\"chat\",provider=\"up\\\"1\",request_model=\"sonnet\",response_model=\"gpt\",error_type=\"\"";
        for line in [
            "# TYPE aiapiproxy_retries_total counter",
            "aiapiproxy_retries_total{reason=\"529\"} 1",
            "aiapiproxy_retries_total{reason=\"not_connected\"} 0",
            "aiapiproxy_upstream_circuit_state{upstream=\"a\"} 2",
            "aiapiproxy_config_reloads_total{result=\"refused\"} 0",
            &format!("gen_ai_server_request_duration_seconds_bucket{{{labels},le=\"0.01\"}} 0"),
            &format!("gen_ai_server_request_duration_seconds_bucket{{{labels},le=\"0.02\"}} 1"),
            &format!("gen_ai_server_request_duration_seconds_bucket{{{labels},le=\"+Inf\"}} 1"),
            &format!("gen_ai_server_request_duration_seconds_sum{{{labels}}} 0.015"),
            "gen_ai_client_token_usage_sum{operation=\"chat\",provider=\"up\",request_model=\"opus\",\
             response_model=\"m\",token_type=\"reasoning\"} 9",
            "aiapiproxy_overhead_seconds_bucket{phase=\"request\",le=\"0.00005\"} 0",
            "aiapiproxy_overhead_seconds_bucket{phase=\"request\",le=\"0.0001\"} 1",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} in {text}");
        }
    }
}
