use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use querycop_testkit::postgres::{Auth, Postgres};
use querycop_testkit::psql::Psql;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use super::refusal::SqlState;
use super::*;

/// A start-up packet of protocol 3.0 for the role `a`.
const STARTUP: &[u8] = b"\0\0\0\x10\0\x03\0\0user\0a\0\0";
const SSL_REQUEST: &[u8] = b"\0\0\0\x08\x04\xd2\x16\x2f";
const GSSENC_REQUEST: &[u8] = b"\0\0\0\x08\x04\xd2\x16\x30";
const CANCEL_REQUEST: &[u8] = b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x01\0\0\0\x02";

/// Leads to the socket of a PostgreSQL server.
struct Server(PathBuf);

impl Upstream for Server {
    type Stream = UnixStream;

    async fn dial(&self) -> Result<UnixStream, Refusal> {
        Ok(UnixStream::connect(&self.0).await.expect("it listens"))
    }
}

/// Gives the test the other end of each stream.
struct Scripted(mpsc::UnboundedSender<UnixStream>);

impl Upstream for Scripted {
    type Stream = UnixStream;

    async fn dial(&self) -> Result<UnixStream, Refusal> {
        let (ours, theirs) = UnixStream::pair().expect("descriptors are left");
        self.0.send(theirs).expect("the test still looks");
        Ok(ours)
    }
}

/// Can't be reached.
struct Nowhere;

impl Upstream for Nowhere {
    type Stream = UnixStream;

    async fn dial(&self) -> Result<UnixStream, Refusal> {
        Err(Refusal {
            sqlstate: SqlState::UnableToConnect,
            message: "instance projects/p/…/i: connection refused".to_owned(),
            hint: "Port 5433 must be open.".to_owned(),
        })
    }
}

/// Is being reached for ever.
struct Slow;

impl Upstream for Slow {
    type Stream = UnixStream;

    async fn dial(&self) -> Result<UnixStream, Refusal> {
        std::future::pending().await
    }
}

/// Is being reached for ever, and tells the test when that begins and when it is given up.
struct Watched(mpsc::UnboundedSender<&'static str>);

struct GivenUp<'a>(&'a Watched);

impl Drop for GivenUp<'_> {
    fn drop(&mut self) {
        // The test may be over.
        let _ = self.0.0.send("given up");
    }
}

impl Upstream for Watched {
    type Stream = UnixStream;

    async fn dial(&self) -> Result<UnixStream, Refusal> {
        self.0.send("begun").expect("the test still looks");
        let _given_up = GivenUp(self);
        std::future::pending().await
    }
}

fn own_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn bridge_for<U: Upstream>(upstream: U, max_half_open: usize, user: u32) -> Bridge {
    let listening = SocketDirectory::listen(&std::env::temp_dir(), DEFAULT_PORT).unwrap();
    Bridge::start(listening, max_half_open, upstream, user)
}

fn bridge<U: Upstream>(upstream: U) -> Bridge {
    bridge_for(upstream, DEFAULT_MAX_HALF_OPEN, own_user())
}

fn psql(bridge: &Bridge) -> Psql {
    Psql::new(bridge.directory().to_str().unwrap(), bridge.port())
}

async fn blocking<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(run).await.unwrap()
}

async fn connect(bridge: &Bridge) -> UnixStream {
    UnixStream::connect(bridge.socket()).await.unwrap()
}

/// What the bridge answers to `sent`, to the end.
async fn answer(bridge: &Bridge, sent: &[u8]) -> Vec<u8> {
    let mut client = connect(bridge).await;
    client.write_all(sent).await.unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    answer
}

fn code(answer: &[u8]) -> &str {
    let text = str::from_utf8(&answer[5..]).unwrap();
    let code = text.split('\0').find(|field| field.starts_with('C'));
    &code.expect("an error has a code")[1..]
}

#[tokio::test]
async fn psql_logs_in_and_queries_through_the_bridge() {
    let server = blocking(|| {
        let server = Postgres::builder().auth(Auth::Scram).start();
        server.psql("CREATE TABLE t AS SELECT generate_series(1, 100000) AS i");
        server
    })
    .await;
    let socket = server
        .socket_dir()
        .join(format!(".s.PGSQL.{}", server.port()));
    let bridge = bridge(Server(socket));
    let psql = psql(&bridge).user(server.superuser());
    let sum = blocking(move || psql.query("SELECT sum(i), count(*) FROM t")).await;
    assert_eq!(sum.trim(), "5000050000|100000");
    bridge.close().await;
}

#[tokio::test]
async fn only_the_owner_may_enter_the_directory_and_it_goes_with_the_bridge() {
    let bridge = bridge(Nowhere);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(bridge.directory()), 0o700);
    assert_eq!(mode(&bridge.socket()), 0o600);
    let directory = bridge.directory().to_owned();
    drop(bridge);
    assert!(!directory.exists());
}

#[tokio::test]
async fn psql_shows_why_the_instance_can_not_be_reached() {
    let bridge = bridge(Nowhere);
    let psql = psql(&bridge).user("alice");
    let output = blocking(move || psql.run("SELECT 1")).await;
    let error = output.expect_failure();
    assert!(
        error.contains("FATAL:  instance projects/p/…/i: connection refused"),
        "{error}"
    );
    assert!(error.contains("HINT:  Port 5433 must be open."), "{error}");
}

#[tokio::test]
async fn refusal_follows_the_answer_to_encryption_requests() {
    let bridge = bridge(Nowhere);
    let refusal = answer(&bridge, STARTUP).await;
    assert_eq!(code(&refusal), "08001");
    let both = [GSSENC_REQUEST, SSL_REQUEST, STARTUP].concat();
    assert_eq!(answer(&bridge, &both).await, [b"NN", &*refusal].concat());
}

#[tokio::test]
async fn a_cancel_request_that_goes_nowhere_is_not_answered() {
    let bridge = bridge(Nowhere);
    assert_eq!(answer(&bridge, CANCEL_REQUEST).await, b"");
}

#[tokio::test]
async fn what_is_not_postgresql_is_told_so() {
    let bridge = bridge(Nowhere);
    assert_eq!(code(&answer(&bridge, b"GET / HTTP/1.1\r\n").await), "08P01");
    // A ClientHello: TLS without asking.
    assert_eq!(code(&answer(&bridge, b"\x16\x03\x01\x02\0").await), "08P01");
}

#[tokio::test]
async fn another_user_of_the_machine_is_refused() {
    let bridge = bridge_for(Nowhere, 1, own_user() + 1);
    let refusal = answer(&bridge, STARTUP).await;
    assert_eq!(code(&refusal), "28000");
    let text = String::from_utf8_lossy(&refusal);
    assert!(
        text.contains(&format!("user {} of this machine", own_user())),
        "{text}"
    );
}

#[tokio::test]
async fn half_open_connections_are_limited() {
    let bridge = bridge_for(Slow, 2, own_user());
    let _first = connect(&bridge).await;
    let mut second = connect(&bridge).await;
    second.write_all(STARTUP).await.unwrap();
    // Accepted in the order of their coming, so the third finds both places taken.
    let refusal = answer(&bridge, STARTUP).await;
    assert_eq!(code(&refusal), "53300");
}

#[tokio::test]
async fn a_dial_is_given_up_when_its_client_has_gone_but_not_for_half_of_that() {
    let (sender, mut told) = mpsc::unbounded_channel();
    let bridge = bridge(Watched(sender));
    let mut client = connect(&bridge).await;
    client.write_all(STARTUP).await.unwrap();
    assert_eq!(told.recv().await, Some("begun"));
    client.shutdown().await.unwrap();
    // Another client is served meanwhile, and its end is noticed.
    let mut other = connect(&bridge).await;
    other.write_all(STARTUP).await.unwrap();
    assert_eq!(told.recv().await, Some("begun"));
    assert!(told.is_empty());
    drop(other);
    assert_eq!(told.recv().await, Some("given up"));
    // A request to cancel is not given up: its client never waits.
    let mut cancelling = connect(&bridge).await;
    cancelling.write_all(CANCEL_REQUEST).await.unwrap();
    drop(cancelling);
    assert_eq!(told.recv().await, Some("begun"));
    let mut last = connect(&bridge).await;
    last.write_all(STARTUP).await.unwrap();
    assert_eq!(told.recv().await, Some("begun"));
    assert!(told.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_says_nothing_is_sent_away() {
    let bridge = bridge(Nowhere);
    let begin = tokio::time::Instant::now();
    assert_eq!(answer(&bridge, b"").await, b"");
    assert_eq!(answer(&bridge, &STARTUP[..7]).await, b"");
    assert!(begin.elapsed() >= Duration::from_secs(20));
}

#[tokio::test]
async fn the_end_of_one_direction_leaves_the_other_open() {
    let (sender, mut dialled) = mpsc::unbounded_channel();
    let bridge = bridge(Scripted(sender));
    let mut client = connect(&bridge).await;
    client.write_all(STARTUP).await.unwrap();
    client.write_all(b"more").await.unwrap();
    client.shutdown().await.unwrap();
    let mut server = dialled.recv().await.unwrap();
    let mut received = Vec::new();
    server.read_to_end(&mut received).await.unwrap();
    assert_eq!(received, [STARTUP, b"more"].concat());
    server.write_all(b"after the client's end").await.unwrap();
    drop(server);
    received.clear();
    client.read_to_end(&mut received).await.unwrap();
    assert_eq!(received, b"after the client's end");
}

#[tokio::test]
async fn requests_for_encryption_and_cancellation_pass_as_they_came() {
    let (sender, mut dialled) = mpsc::unbounded_channel();
    let bridge = bridge(Scripted(sender));
    for packet in [SSL_REQUEST, GSSENC_REQUEST, CANCEL_REQUEST] {
        let mut client = connect(&bridge).await;
        client.write_all(packet).await.unwrap();
        let mut server = dialled.recv().await.unwrap();
        let mut received = vec![0; packet.len()];
        server.read_exact(&mut received).await.unwrap();
        assert_eq!(received, packet);
        server.write_all(b"N").await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), b'N');
    }
}

#[tokio::test]
async fn established_connections_outlive_a_dropped_bridge_but_not_a_closed_one() {
    let (sender, mut dialled) = mpsc::unbounded_channel();
    for closes in [false, true] {
        let bridge = bridge(Scripted(sender.clone()));
        let socket = bridge.socket();
        let mut client = connect(&bridge).await;
        client.write_all(STARTUP).await.unwrap();
        let mut server = dialled.recv().await.unwrap();
        server.read_exact(&mut [0; STARTUP.len()]).await.unwrap();
        if closes {
            bridge.close().await;
            assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
        } else {
            drop(bridge);
            server.write_all(b"x").await.unwrap();
            assert_eq!(client.read_u8().await.unwrap(), b'x');
        }
        assert!(UnixStream::connect(&socket).await.is_err());
    }
}

#[tokio::test]
async fn a_directory_that_is_too_long_is_named_with_the_limit() {
    let parent = tempfile::tempdir().unwrap();
    let long = parent.path().join("x".repeat(90));
    fs::create_dir(&long).unwrap();
    let error = SocketDirectory::listen(&long, DEFAULT_PORT).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, BridgeError::PathTooLong { .. }), "{text}");
    assert!(
        text.contains("is the limit; choose a shorter directory"),
        "{text}"
    );
    // Nothing is left behind.
    assert_eq!(fs::read_dir(&long).unwrap().count(), 0);
}
