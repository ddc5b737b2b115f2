//! Black-box tests of the built binary, tests over the source tree, and the support they share.
//!
//! One binary for all of them, so that a build links once. Every test brings its own directory, its own
//! ports (always port 0) and its own scripted upstream; nothing leaves loopback, nothing sleeps to wait.

#![expect(clippy::needless_pass_by_value, reason = "bodies are written in the call, most often by json!")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy.toml allows these in tests, but does not count the functions that tests share as tests"
)]

// What the tests share: the program, its clients, its upstreams, stream rules, golden files.
pub mod support; // public, so that its items can be plainly `pub`

// Is the support itself right? Slicing, gates, resets; and are broken streams refused?
mod support_selftest;

// Does each module of src/ name only modules on lower floors, and is each file short enough to be read?
mod floors;

// The command line: manners, conversion of files and pipes, the mapping of models, the steps to the upstream.
mod check;
mod config;
mod config_command;
mod convert;
mod convert_stream;
mod help;
mod models;
mod run;
mod serve_start;

// Does reasoning come back to the upstream that thought it?
mod reasoning_round_trip;

// Does README.md tell the truth? Its commands are run, its tables compared.
mod readme;

// Is a newcomer there in three commands, and what others have here, too?
mod newcomer;

// Are completions/ and man/ what the model of the command line says?
mod generated;

// Does every dependency come from where it may, under a licence that is allowed?
mod supply_chain;

// Do the Dockerfile, the compose file and their like say what they must?
mod deployment;

// deploy/, the package and the recipes of README.md.
mod deploy_files;

// `serve`: what the upstream sees of a request, and the client of a whole answer.
mod serve_messages;

// `serve`: streams, event by event, through every fault of the upstream and the client's patience.
mod serve_stream;

// `serve`: several upstreams, routes and chains of fallback, several keys.
mod serve_routes;

// `serve`: what one upstream has of its own: members of the body, timeouts, places.
mod serve_upstream_settings;

// `GET /metrics`: names, labels and buckets, and what they count.
mod serve_metrics;

// `serve` before upstreams that speak Responses: when they are asked there, what comes back, what may break.
mod serve_responses;

// `serve` before upstreams that speak Messages: bytes pass, and what was promised holds all the same.
mod serve_native;

// `serve`: every row of the fault table, with a test or in the list of those that come later.
mod faults;

// `serve`: failures of the upstream, as the client is told of them, and what is tried again.
mod serve_errors;

// `serve`: who may call, by key, by name, from which web page, on which port.
mod serve_auth;

// `serve`: what each client's key allows; `keys new`.
mod serve_clients;

// `serve`: how much is let in, of which kind, and how many at once.
mod serve_limits;

// `serve`: how it stops.
mod serve_shutdown;

// `serve`: TLS, towards clients and upstreams.
mod serve_tls;

// `serve`: what web pages, neighbours and forged requests try, probe by probe.
mod attacks;

// Secrets in every place that takes one, and in no output.
mod canaries;

// `serve`: from one process to the next: sockets that are handed over, and what the service manager hears.
mod serve_restart;

// `serve`: SIGHUP.
mod serve_reload;

// `serve`: the list of models.
mod serve_models;

// `serve`: health, the front door, and paths that nobody serves.
mod serve_health;
mod serve_http2;

// `serve`: its configuration, in all layers and with all mistakes.
mod serve_config;

// `serve`: what it logs, and what it never logs.
mod serve_logs;

// The test vectors of the protocol, each by its number; CONFORMANCE.md.
mod vectors;

// Every field that the official SDK knows: carried, reported, refused or dealt with; none lost.
mod field_walk;

// What becomes of requests, answers, streams and errors, case by case, with everything that is lost?
mod translate_golden;

// What holds for every input: legal streams, cuts that change nothing, no panic, bytes kept, prefixes stable?
mod properties;

// How near the ways to count tokens come to the truth.
mod token_errors;

// What is fuzzed, on seeded inputs.
mod fuzz;
