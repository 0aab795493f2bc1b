//! A collector of OpenTelemetry's logs, that answers by script.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use serde_json::Value;

use crate::wait::DEADLINE;

/// A collector: takes logs over HTTP, in JSON.
pub struct Collector {
    endpoint: String,
    requests: Receiver<Request>,
}

/// What it was sent, and how it answered.
struct Request {
    status: u16,
    body: Value,
}

impl Collector {
    /// Starts one that answers each request with the status that `answer` gives for its body.
    pub fn start(answer: impl FnMut(&Value) -> u16 + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let (sender, requests) = channel();
        thread::spawn(move || serve(&listener, answer, &sender));
        Self { endpoint, requests }
    }

    /// Where it is.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// All records that were taken since the last call, until there are so many.
    pub fn records(&self, count: usize) -> Vec<Value> {
        let mut records = Vec::new();
        while records.len() < count {
            records.extend(self.taken());
        }
        records
    }

    /// The first record, of those taken since the last call, for which `wanted` holds.
    pub fn record(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            if let Some(record) = self.taken().into_iter().find(&wanted) {
                return record;
            }
        }
    }

    /// The records of the next request that was answered with 200.
    fn taken(&self) -> Vec<Value> {
        loop {
            let request = self.requests.recv_timeout(DEADLINE).expect("a request");
            if request.status == 200 {
                let taken = &request.body["resourceLogs"][0]["scopeLogs"][0]["logRecords"];
                return taken.as_array().expect("records").clone();
            }
        }
    }
}

fn serve(
    listener: &TcpListener,
    mut answer: impl FnMut(&Value) -> u16,
    requests: &Sender<Request>,
) {
    for stream in listener.incoming() {
        let mut stream = BufReader::new(stream.expect("a connection"));
        while let Some(body) = read_request(&mut stream) {
            let status = answer(&body);
            let reply = format!(
                "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}"
            );
            if stream.get_mut().write_all(reply.as_bytes()).is_err()
                || requests.send(Request { status, body }).is_err()
            {
                break;
            }
        }
    }
}

/// The body of the next request, which is made as a collector demands: with a bearer's token.
fn read_request(stream: &mut BufReader<TcpStream>) -> Option<Value> {
    let mut line = String::new();
    stream.read_line(&mut line).ok().filter(|read| *read > 0)?;
    assert!(line.starts_with("POST /v1/logs "), "{line}");
    let mut length = 0;
    let mut token = None;
    loop {
        line.clear();
        stream.read_line(&mut line).ok()?;
        let header = line.trim();
        let Some((name, value)) = header.split_once(':') else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().expect("a number"),
            "authorization" => token = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    assert_eq!(token.as_deref(), Some("Bearer t"), "the headers are sent");
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(serde_json::from_slice(&body).expect("the body is JSON"))
}
