//! The API as its clients see it: HTTP over a loopback socket.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use querycop_console::{AdminKey, Api, Parts};
use querycop_gateway::config::{
    Backend, BackendAddress, BackendTls, Config, Direct, Google, Governance, Limits, Roots, Route,
    ScramOverTls, TlsMode, TlsNegotiation,
};
use querycop_gateway::{Gateway, Metrics};
use querycop_serve::Endpoint;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

const KEY: &str = "correct horse battery staple";
const WRONG: &str = "incorrect horse battery staple";

/// An API that is being served.
struct Served {
    addr: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

/// What a request got.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

async fn gateway(backend: SocketAddr) -> Gateway {
    let config = Config {
        listen: Endpoint::Tcp("127.0.0.1:0".parse().expect("an address")),
        client_tls: None,
        backend: Backend {
            route: Route::Direct(Direct {
                address: BackendAddress::Tcp {
                    host: backend.ip().to_string(),
                    port: backend.port(),
                },
                tls: BackendTls {
                    mode: TlsMode::Disable,
                    roots: Roots::System,
                    server_name: None,
                    identity: None,
                    negotiation: TlsNegotiation::Postgres,
                },
            }),
            role: None,
            token: None,
            google: Google::default(),
            connect_timeout: Duration::from_secs(10),
        },
        scram_over_tls: ScramOverTls::Terminate,
        limits: Limits {
            max_sessions: 10,
            max_sessions_per_role: None,
            max_startups: 10,
            startup_timeout: Duration::from_secs(10),
            login_timeout: Duration::from_mins(1),
            drain_timeout: Duration::ZERO,
            worker_threads: 1,
        },
        governance: Governance::default(),
    };
    Gateway::new(config, Arc::new(Metrics::default()))
        .await
        .expect("no files to read")
}

/// A gateway that no test connects through.
async fn idle_gateway() -> Gateway {
    gateway("127.0.0.1:1".parse().expect("an address")).await
}

fn serve(gateway: &Gateway, admin_key: Option<&str>) -> Served {
    let mut metrics = prometheus_client::registry::Registry::with_prefix("querycop");
    metrics.register("probes", "Probes", Counter::<u64>::default());
    let parts = Parts {
        registry: gateway.registry(),
        readiness: gateway.readiness(),
        metrics: Arc::new(metrics),
        admin_key: admin_key.map(|key| AdminKey::new(key).expect("long enough")),
        version: "1.2.3",
    };
    let api = Api::bind("127.0.0.1:0".parse().expect("an address"), parts).expect("a free port");
    let addr = api.local_addr();
    let (stop, stopped) = oneshot::channel();
    let serving = tokio::spawn(api.serve(async {
        // A test that drops its end stops the API as well.
        let _ = stopped.await;
    }));
    Served {
        addr,
        stop,
        serving,
    }
}

impl Served {
    /// One request on a connection of its own.
    async fn request(&self, method: &str, path: &str, fields: &str) -> Answer {
        let text =
            format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{fields}\r\n");
        Answer::parse(&self.raw(text.as_bytes()).await)
    }

    async fn get(&self, path: &str) -> Answer {
        self.request("GET", path, "").await
    }

    async fn get_as(&self, key: &str, path: &str) -> Answer {
        self.request("GET", path, &format!("Authorization: Bearer {key}\r\n"))
            .await
    }

    /// Sends bytes and reads until the server closes.
    async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        // The server may have answered and closed before it took everything.
        let _ = stream.write_all(bytes).await;
        read_to_close(&mut stream).await
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.addr)
            .await
            .expect("the port is open")
    }
}

async fn read_to_close(stream: &mut TcpStream) -> String {
    let mut received = Vec::new();
    // A reset is a close, too: the server need not have read all that was sent.
    let _ = stream.read_to_end(&mut received).await;
    String::from_utf8(received).expect("text")
}

impl Answer {
    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").expect("a whole head");
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
        Self {
            status: status.expect("a status"),
            head: head.to_ascii_lowercase(),
            body: body.to_owned(),
        }
    }

    fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self
            .head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(": "));
        fields
            .find(|(found, _)| *found == name)
            .map(|(_, value)| value)
    }

    fn json(&self) -> Value {
        assert_eq!(self.field("content-type"), Some("application/json"));
        serde_json::from_str(&self.body).expect("JSON")
    }
}

#[tokio::test]
async fn health_and_metrics_need_no_key() {
    for key in [None, Some(KEY)] {
        let api = serve(&idle_gateway().await, key);
        for (path, body) in [("/healthz", "ok"), ("/livez", "ok"), ("/readyz", "ready")] {
            let answer = api.get(path).await;
            assert_eq!((answer.status, &*answer.body), (200, body), "{path}");
        }
        let metrics = api.get("/metrics").await;
        assert_eq!(metrics.status, 200);
        assert_eq!(
            metrics.field("content-type"),
            Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
        );
        assert!(metrics.body.contains("querycop_probes_total 0\n"));
        assert!(metrics.body.ends_with("# EOF\n"));
    }
}

#[tokio::test]
async fn without_a_configured_key_the_rest_is_off() {
    let api = serve(&idle_gateway().await, None);
    for path in ["/api/v1/sessions", "/api/v1/version", "/", "/nothing"] {
        let answer = api.get_as(KEY, path).await;
        assert_eq!(answer.status, 403, "{path}");
        let body = answer.json();
        assert!(body["error"].is_string());
        let hint = body["hint"].as_str().expect("a hint");
        assert!(hint.starts_with("set ADMIN_API_KEY "), "{hint}");
    }
}

#[tokio::test]
async fn a_key_is_asked_for_whatever_the_path_and_method() {
    let api = serve(&idle_gateway().await, Some(KEY));
    let wrong = format!("X-API-Key: {WRONG}\r\n");
    for fields in ["", &wrong, "Authorization: Basic YTpi\r\n"] {
        for (method, path) in [
            ("GET", "/api/v1/version"),
            ("DELETE", "/api/v1/version"),
            ("GET", "/nothing"),
        ] {
            let answer = api.request(method, path, fields).await;
            assert_eq!(answer.status, 401, "{method} {path} {fields}");
            let challenge = answer.field("www-authenticate").expect("a challenge");
            assert!(challenge.starts_with("bearer"), "{challenge}");
            assert!(answer.json()["error"].is_string());
            assert!(!answer.body.contains("horse"));
        }
    }
}

#[tokio::test]
async fn the_key_opens_from_either_header() {
    let api = serve(&idle_gateway().await, Some(KEY));
    for fields in [
        format!("Authorization: Bearer {KEY}\r\n"),
        format!("authorization: bearer {KEY}\r\n"),
        format!("X-API-Key: {KEY}\r\n"),
    ] {
        let answer = api.request("GET", "/api/v1/version", &fields).await;
        assert_eq!(answer.status, 200, "{fields}");
        assert_eq!(answer.json(), json!({"version": "1.2.3"}));
    }
}

#[tokio::test]
async fn with_the_key_mistakes_are_told() {
    let api = serve(&idle_gateway().await, Some(KEY));
    let unknown = api.get_as(KEY, "/api/v1/nothing").await;
    assert_eq!(unknown.status, 404);
    assert!(unknown.json()["error"].is_string());
    let fields = format!("X-API-Key: {KEY}\r\n");
    let method = api.request("POST", "/api/v1/sessions", &fields).await;
    assert_eq!(method.status, 405);
    assert_eq!(method.field("allow"), Some("get,head"));
    assert!(method.json()["error"].is_string());
}

#[tokio::test]
async fn health_does_not_take_other_methods() {
    let api = serve(&idle_gateway().await, None);
    let answer = api.request("POST", "/healthz", "").await;
    assert_eq!(answer.status, 405);
    assert!(answer.json()["error"].is_string());
    assert_eq!(api.request("HEAD", "/healthz", "").await.status, 200);
}

#[tokio::test]
async fn every_answer_forbids_caching_and_sniffing() {
    let api = serve(&idle_gateway().await, Some(KEY));
    for answer in [
        api.get("/healthz").await,
        api.get("/metrics").await,
        api.get("/nothing").await,
        api.request("PUT", "/livez", "").await,
        api.get_as(KEY, "/nothing").await,
        api.get_as(KEY, "/api/v1/sessions").await,
    ] {
        assert_eq!(answer.field("cache-control"), Some("no-store"));
        assert_eq!(answer.field("x-content-type-options"), Some("nosniff"));
    }
}

#[tokio::test]
async fn a_session_is_listed_and_a_drain_is_told() {
    let backend = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let gateway = gateway(backend.local_addr().expect("bound")).await;
    let api = serve(&gateway, Some(KEY));
    assert_eq!(api.get_as(KEY, "/api/v1/sessions").await.json(), json!([]));

    let opened = gateway.open().expect("a free port");
    let Endpoint::Tcp(addr) = opened.endpoint().clone() else {
        unreachable!("a TCP port was asked for")
    };
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(opened.serve(async {
        let _ = stopped.await;
    }));
    let parameters = b"user\0alice\0database\0shop\0application_name\0say \"hi\"\0\0";
    let length = u32::try_from(8 + parameters.len()).expect("short");
    let mut client = TcpStream::connect(addr).await.expect("the port is open");
    let startup = [&length.to_be_bytes(), &[0, 3, 0, 0], &parameters[..]].concat();
    client.write_all(&startup).await.expect("it is read");
    // Once the backend is dialled, the session is there; the login then waits for the backend.
    let (_backend, _) = backend.accept().await.expect("a dial");

    let listed = api.get_as(KEY, "/api/v1/sessions").await;
    assert_eq!(listed.status, 200);
    let mut sessions = listed.json();
    let session = sessions[0].as_object_mut().expect("one session");
    let id = session.remove("id").expect("an id");
    assert_eq!(id.as_str().map(str::len), Some(36));
    let started_at = session.remove("started_at").expect("a time");
    let started_at = started_at.as_str().expect("text");
    assert!(started_at.contains('T') && started_at.ends_with('Z'));
    assert_eq!(
        sessions,
        json!([{
            "client_addr": client.local_addr().expect("connected").to_string(),
            "client_tls": false,
            "user": "alice",
            "database": "shop",
            "application_name": "say \"hi\"",
            "phase": "login",
            "bytes_to_backend": 0,
            "bytes_to_client": 0,
        }])
    );

    stop.send(()).expect("the gateway waits for it");
    serving.await.expect("no panic");
    let ready = api.get("/readyz").await;
    assert_eq!((ready.status, &*ready.body), (503, "shutting down"));
    assert_eq!(api.get("/healthz").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn guessing_is_slowed_and_locks_nobody_out() {
    let api = serve(&idle_gateway().await, Some(KEY));
    let begun = Instant::now();
    for _ in 0..10 {
        assert_eq!(api.get_as(WRONG, "/api/v1/version").await.status, 401);
    }
    assert!(begun.elapsed() < Duration::from_secs(1));

    let begun = Instant::now();
    let eleventh = api.get_as(WRONG, "/api/v1/version").await;
    assert_eq!(eleventh.status, 429);
    assert!(eleventh.json()["error"].is_string());
    let retry_after = eleventh.field("retry-after").expect("a time");
    let retry_after: u64 = retry_after.parse().expect("seconds");
    assert!((1..=60).contains(&retry_after), "{retry_after}");
    assert!(begun.elapsed() >= Duration::from_secs(1));

    // A right key is as late, so that the time tells nothing, and is taken.
    let begun = Instant::now();
    assert_eq!(api.get_as(KEY, "/api/v1/version").await.status, 200);
    assert!(begun.elapsed() >= Duration::from_secs(1));
    // Who brings no key guesses nothing, and health is not for the guard at all.
    assert_eq!(api.get("/api/v1/version").await.status, 401);
    assert_eq!(api.get("/healthz").await.status, 200);

    tokio::time::advance(Duration::from_secs(retry_after)).await;
    assert_eq!(api.get_as(WRONG, "/api/v1/version").await.status, 401);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_come_is_not_waited_for() {
    let api = serve(&idle_gateway().await, None);
    for begun in [
        "",
        "GET /healthz HT",
        "GET /healthz HTTP/1.1\r\nHost: x\r\n",
    ] {
        let since = Instant::now();
        assert_eq!(api.raw(begun.as_bytes()).await, "", "{begun}");
        let waited = since.elapsed();
        assert!(waited >= Duration::from_secs(10), "{begun}: {waited:?}");
        assert!(waited < Duration::from_secs(12), "{begun}: {waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_gives_its_place_back() {
    let api = serve(&idle_gateway().await, None);
    let since = Instant::now();
    let answer = api.raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(Answer::parse(&answer).status, 200);
    assert!(since.elapsed() < Duration::from_secs(12));
}

#[tokio::test(start_paused = true)]
async fn a_busy_connection_ends_with_its_minute() {
    let api = serve(&idle_gateway().await, None);
    let mut stream = api.connect().await;
    let since = Instant::now();
    let mut answers = 0;
    let mut buffer = [0; 1024];
    loop {
        let request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
        let sent = stream.write_all(request).await;
        if sent.is_err() || matches!(stream.read(&mut buffer).await, Ok(0) | Err(_)) {
            break;
        }
        answers += 1;
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    assert!(answers > 2, "{answers}");
    assert!(since.elapsed() <= Duration::from_secs(70));
}

#[tokio::test]
async fn large_heads_are_refused() {
    let api = serve(&idle_gateway().await, None);
    let long = format!("X: {}\r\n", "x".repeat(64 * 1024));
    assert_eq!(api.request("GET", "/healthz", &long).await.status, 431);
    let many = "X: x\r\n".repeat(100);
    assert_eq!(api.request("GET", "/healthz", &many).await.status, 431);
}

#[tokio::test]
async fn a_body_is_not_read() {
    let api = serve(&idle_gateway().await, None);
    let endless = b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000000\r\n\r\nxxx";
    let answer = Answer::parse(&api.raw(endless).await);
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn an_address_has_no_more_than_its_share_of_connections() {
    let api = serve(&idle_gateway().await, None);
    let mut held = Vec::new();
    for _ in 0..128 {
        held.push(api.connect().await);
    }
    let mut over = api.connect().await;
    assert_eq!(read_to_close(&mut over).await, "");
    // A place that is given back can be taken again.
    let mut last = held.pop().expect("one of them");
    last.write_all(b"GET /healthz HTTP/1.0\r\n\r\n")
        .await
        .expect("it has a place");
    assert_eq!(Answer::parse(&read_to_close(&mut last).await).status, 200);
    assert_eq!(api.get("/healthz").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn it_ends_though_clients_stay_connected() {
    let api = serve(&idle_gateway().await, None);
    let _silent = api.connect().await;
    let mut half = api.connect().await;
    half.write_all(b"GET /hea").await.expect("it is read");
    assert_eq!(api.get("/healthz").await.status, 200);
    let since = Instant::now();
    api.stop.send(()).expect("the API waits for it");
    api.serving.await.expect("no panic");
    assert!(since.elapsed() <= Duration::from_secs(4));
    assert!(TcpStream::connect(api.addr).await.is_err());
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let gateway = idle_gateway().await;
    let api = serve(&gateway, None);
    let parts = Parts {
        registry: gateway.registry(),
        readiness: gateway.readiness(),
        metrics: Arc::default(),
        admin_key: None,
        version: "1.2.3",
    };
    let error = Api::bind(api.addr, parts).expect_err("it is taken");
    assert_eq!(error.to_string(), format!("listening on {}", api.addr));
}

#[tokio::test]
async fn parts_can_be_printed_without_the_key() {
    let gateway = idle_gateway().await;
    let parts = Parts {
        registry: gateway.registry(),
        readiness: gateway.readiness(),
        metrics: Arc::default(),
        admin_key: Some(AdminKey::new(KEY).expect("long enough")),
        version: "1.2.3",
    };
    let printed = format!("{parts:?}");
    assert!(printed.contains("AdminKey(..)"), "{printed}");
    assert!(!printed.contains("horse"));
}
