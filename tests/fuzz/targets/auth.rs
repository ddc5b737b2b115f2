#![no_main]

#[path = "../entries.rs"]
mod entries;
#[path = "../../integration_tests/support/sse.rs"]
mod sse;
#[path = "../../integration_tests/support/sse_rules.rs"]
mod sse_rules;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entries::auth(bytes));
