//! What the tests share: run the program, stand in for its upstream, be its client, judge its streams.
//!
//! A test of a stream through the built binary, whole:
//!
//! ```ignore
//! #[test]
//! fn the_first_token_does_not_wait_for_the_second() {
//!     let gate = Gate::new();
//!     let chunks = bodies::chunks(&["Hel", "lo"]);
//!     let upstream = Upstream::start(vec![
//!         Exchange::new()
//!             .expect_path("/v1/chat/completions")
//!             .sse(&chunks[..2]) // the role and "Hel"
//!             .pause(&gate)
//!             .sse(&chunks[2..]),
//!     ]);
//!     let server = Server::start(Program::aiapiproxy().upstream(&upstream));
//!
//!     let call = Call::post("/v1/messages").json(bodies::request("hi", true));
//!     let mut reply = call.send(server.base_url());
//!     let mut events = reply.events_until(|event| event.data.contains("Hel"));
//!     gate.open();
//!     events.extend(reply.events());
//!
//!     let message = check_stream(&events); // every rule of a legal stream
//!     assert_eq!(message.text(), "Hello");
//!     assert_eq!(upstream.requests()[0].json()["stream"], true);
//!     upstream.finish(); // every exchange was asked for, and no other
//!     assert_eq!(server.interrupt().code, Some(0));
//! }
//! ```
//!
//! Every wait is bounded by [`LIVENESS`]; a test that reaches it fails and says what it waited for.

use std::time::Duration;

pub mod bodies;
pub mod golden;
pub mod http;
#[cfg(target_os = "linux")]
pub mod linux;
pub mod packing;
pub mod program;
pub mod serving;
pub mod sse;
pub mod sse_rules;
pub mod tls;
pub mod upstream;
pub mod watched;
pub mod wire;

/// The longest that any single wait of a test may last; generous, because CI machines are slow and shared.
pub const LIVENESS: Duration = Duration::from_secs(60);
