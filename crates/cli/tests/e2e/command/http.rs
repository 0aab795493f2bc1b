//! A client of the HTTP API.

use std::io::{Read, Write};
use std::net::TcpStream;

use querycop_testkit::gateway::Gateway;
use querycop_testkit::wait::DEADLINE;
use serde_json::Value;

/// An answer.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// Asks the gateway for a path, with these further header lines.
pub(crate) fn get(gateway: &Gateway, path: &str, headers: &[(&str, &str)]) -> Response {
    get_from(gateway.api_port(), path, headers)
}

/// Asks whoever listens on a port of 127.0.0.1.
pub(crate) fn get_from(port: u16, path: &str, headers: &[(&str, &str)]) -> Response {
    let fields: String = headers
        .iter()
        .flat_map(|(name, value)| [*name, ": ", *value, "\r\n"])
        .collect();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the API listens");
    let deadline = stream.set_read_timeout(Some(DEADLINE));
    deadline.expect("the deadline is not zero");
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}\r\n"
    )
    .expect("the API reads");
    let mut response = String::new();
    let read = stream.read_to_string(&mut response);
    read.expect("the API answers and closes");
    let (head, body) = response.split_once("\r\n\r\n").expect("it is HTTP");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Response {
        status: status.expect("it has a status"),
        body: body.to_owned(),
    }
}

/// A sample of `/metrics`, by its name with labels; 0 if it was never counted.
pub(crate) fn metric(gateway: &Gateway, name: &str) -> f64 {
    let metrics = get(gateway, "/metrics", &[]);
    assert_eq!(metrics.status, 200, "{metrics:?}");
    let found = metrics
        .body
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    found.map_or(0.0, |value| value.parse().expect("it is a number"))
}

impl Response {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("it is JSON")
    }
}
