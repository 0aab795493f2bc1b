//! `wait` and `shutdown` against servers that do as they are told.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;

use querycop_auth_proxy::{Environment, Outcome, begin};

/// Runs a command line; gives its status and what it wrote to standard error.
fn run(words: &[&str]) -> (u8, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let environment = [("HTTP_PROXY", "http://127.0.0.1:1")];
    let environment = environment.map(|(name, value)| (name.into(), value.into()));
    let words = words.iter().map(OsString::from);
    let outcome = begin(
        "x",
        words,
        Environment::new(environment),
        &mut out,
        &mut err,
    );
    let status = match outcome {
        Outcome::Ended(status) => Some(status),
        _ => None,
    };
    let status = status.expect("the command needs no proxy");
    assert_eq!(out, b"");
    (status, String::from_utf8_lossy(&err).into_owned())
}

/// A server that gives these answers, one a connection; the first lines of requests are sent on.
fn server(address: &str, answers: &'static [&'static str]) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind((address, 0)).expect("there are ports");
    let port = listener.local_addr().expect("it is bound").port();
    let (sender, requests) = mpsc::channel();
    thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().expect("somebody connects");
            // Nobody may be listening any more.
            let _ = sender.send(read_head(&stream));
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (port.to_string(), requests)
}

fn read_head(stream: &TcpStream) -> String {
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    let head: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
    head.into_iter().next().unwrap_or_default()
}

const OK: &str = "HTTP/1.1 200 OK\r\n\r\n";
const UNAVAILABLE: &str = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n";

#[test]
fn wait_ends_at_the_first_200() {
    let (port, requests) = server("127.0.0.1", &[UNAVAILABLE, OK]);
    let (status, err) = run(&["wait", "--http-address", "127.0.0.1", "--http-port", &port]);
    assert_eq!((status, err.as_str()), (0, ""));
    let requests: Vec<_> = requests.iter().collect();
    assert_eq!(requests, ["GET /startup HTTP/1.1"; 2]);
}

#[test]
fn wait_takes_an_address_of_ipv6() {
    let (port, _requests) = server("::1", &[OK]);
    let words = ["--http-address", "::1", "wait", "--http-port", &port];
    assert_eq!(run(&words), (0, String::new()));
}

#[test]
fn wait_says_what_it_saw_last() {
    let (port, _requests) = server("127.0.0.1", &[UNAVAILABLE]);
    let words = [
        "wait",
        "-m",
        "500ms",
        "--http-address=127.0.0.1",
        "--http-port",
        &port,
    ];
    let (status, err) = run(&words);
    assert_eq!(status, 1);
    let start = "Error: the proxy was not ready within 500ms: GET http://127.0.0.1:";
    assert!(
        err.starts_with(start) && err.contains("the answer was 503"),
        "{err}"
    );
}

#[test]
fn wait_does_not_hang_with_a_server() {
    // It takes connections, and says nothing.
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("there are ports");
    let port = listener
        .local_addr()
        .expect("it is bound")
        .port()
        .to_string();
    let words = [
        "wait",
        "-m",
        "200ms",
        "--http-address=127.0.0.1",
        "--http-port",
        &port,
    ];
    let (status, err) = run(&words);
    assert_eq!(status, 1);
    assert!(
        err.starts_with("Error: the proxy was not ready within 200ms"),
        "{err}"
    );
}

#[test]
fn shutdown_posts_and_ends() {
    let (port, requests) = server("127.0.0.1", &[OK]);
    assert_eq!(
        run(&["shutdown", "--admin-port", &port]),
        (0, String::new())
    );
    let requests: Vec<_> = requests.iter().collect();
    assert_eq!(requests, ["POST /quitquitquit HTTP/1.1"]);
}

#[test]
fn shutdown_tells_of_a_refusal() {
    let (port, _requests) = server("127.0.0.1", &[UNAVAILABLE]);
    let (status, err) = run(&["shutdown", "--admin-port", &port]);
    assert_eq!(status, 1);
    assert!(
        err.starts_with("Error: failed to send shutdown request: POST http://localhost:"),
        "{err}"
    );
    assert!(
        err.contains("the answer was 503") && err.contains("--quitquitquit"),
        "{err}"
    );
    assert!(!err.contains("Usage:"), "{err}");
}
