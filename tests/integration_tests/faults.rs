//! The fault table: everything that clients, upstreams and the machine can do wrong, each row under its number.
//!
//! Many rows are proved where their matter is tested; a test of the row 7 has a name that begins with `f07_`. What
//! has no other home is here.

use crate::support::http::Connection;
use crate::support::serving::Gateway;
use serde_json::Value;

mod clients;
mod encodings;
mod heads;
mod machine;
mod table;
mod tls;
mod upstreams;

/// A request that is sent without waiting for its answer.
fn send_only(gateway: &Gateway, body: &Value) -> Connection {
    let mut connection = Connection::open(gateway.server.base_url());
    connection.write(post(&body.to_string()).as_bytes());
    connection
}

/// `POST /v1/messages` as bytes.
fn post(body: &str) -> String {
    format!("{}content-length: {}\r\n\r\n{body}", post_head(), body.len())
}

/// The head of `POST /v1/messages`, without what tells of the body's length.
fn post_head() -> &'static str {
    "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
}
