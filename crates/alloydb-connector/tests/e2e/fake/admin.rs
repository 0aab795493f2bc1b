//! The fake's HTTP side: admin API, token endpoint, impersonation.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::{Cluster, PRIVATE, PSC, PUBLIC};

/// What the API does, and what it saw.
pub(crate) struct Api {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) infos: AtomicUsize,
    pub(crate) certificates: AtomicUsize,
    pub(crate) settings: Mutex<Settings>,
    pub(crate) seen: Mutex<Vec<Call>>,
    /// A call needs a permit; a test takes them all to hold calls up.
    pub(crate) gate: Semaphore,
}

pub(crate) struct Settings {
    pub(crate) info: Value,
    pub(crate) life: Duration,
    /// Answers for the next calls of `connectionInfo`, before it is asked properly.
    pub(crate) faults: VecDeque<Fault>,
    /// A CA that isn't the server's.
    pub(crate) other_ca: Option<String>,
    /// Keys in `snake_case`.
    pub(crate) snake_case: bool,
    /// Whether certificates are made for another key than the one that was sent.
    pub(crate) other_key: bool,
}

/// An answer that isn't the one that was hoped for.
pub(crate) enum Fault {
    Status(u16, &'static str),
    RetryAfter(u16, &'static str),
    /// To another path of the same server.
    Redirect(&'static str),
    Garbage,
    Huge,
    Close,
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
}

impl Api {
    pub(crate) fn new(cluster: Arc<Cluster>) -> Self {
        let info = json!({
            "name": "x",
            "ipAddress": PRIVATE,
            "publicIpAddress": PUBLIC,
            "pscDnsName": format!("{PSC}."),
            "instanceUid": "uid",
            "newerField": {"unknown": [1]},
        });
        Self {
            cluster,
            infos: AtomicUsize::new(0),
            certificates: AtomicUsize::new(0),
            settings: Mutex::new(Settings {
                info,
                life: Duration::from_hours(1),
                faults: VecDeque::new(),
                other_ca: None,
                snake_case: false,
                other_key: false,
            }),
            seen: Mutex::default(),
            gate: Semaphore::new(1000),
        }
    }

    pub(crate) fn set(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.settings.lock().expect("no test panics with it"));
    }

    /// The requests whose path ends so.
    pub(crate) fn calls_to(&self, end: &str) -> Vec<Call> {
        let seen = self.seen.lock().expect("no test panics with it");
        seen.iter()
            .filter(|call| call.path.ends_with(end))
            .cloned()
            .collect()
    }

    fn answer(&self, call: &Call) -> Option<Vec<u8>> {
        let mut settings = self.settings.lock().expect("no test panics with it");
        if call.path.ends_with("/connectionInfo") {
            self.infos.fetch_add(1, Ordering::SeqCst);
            return match settings.faults.pop_front() {
                Some(fault) => fault.answer(),
                None if settings.snake_case => Some(ok(&json!({"ip_address": PRIVATE}))),
                None => Some(ok(&settings.info)),
            };
        }
        if call.path.ends_with(":generateClientCertificate") {
            self.certificates.fetch_add(1, Ordering::SeqCst);
            return Some(ok(&self.certificate(call, &settings)));
        }
        if call.path.ends_with(":generateAccessToken") {
            let body: Value = serde_json::from_str(&call.body).expect("the body is JSON");
            let scope = body["scope"][0].as_str().unwrap_or_default();
            let token = format!("impersonated {} {scope}", call.path);
            let token = token.replace(['/', ' '], "_");
            return Some(ok(
                &json!({"accessToken": token, "expireTime": "2999-01-01T00:00:00Z"}),
            ));
        }
        if call.path == "/token" {
            let scope = scope_of(&call.body);
            let token = format!("minted_{scope}");
            return Some(ok(&json!({
                "access_token": token, "expires_in": 3600, "token_type": "Bearer",
            })));
        }
        if call.path == "/sts" {
            let form: HashMap<_, _> = url::form_urlencoded::parse(call.body.as_bytes()).collect();
            let part = |name| {
                form.get(name)
                    .map_or("", |text| text.rsplit('/').next().unwrap_or(""))
            };
            let token = format!("exchanged_{}_{}", part("subject_token"), part("scope"));
            return Some(ok(&json!({
                "access_token": token, "expires_in": 3600, "token_type": "Bearer",
                "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
            })));
        }
        if call.path.contains("/service-accounts/default/token") {
            let scope = call.path.rsplit('/').next().unwrap_or_default();
            let token = format!("metadata_{scope}");
            return Some(ok(
                &json!({"access_token": token, "expires_in": 3600, "token_type": "Bearer"}),
            ));
        }
        if call.path.ends_with("/universe/universe-domain") {
            return Some(status(200, "Metadata-Flavor: Google\r\n", "googleapis.com"));
        }
        Some(status(501, "", "{}"))
    }

    fn certificate(&self, call: &Call, settings: &Settings) -> Value {
        let body: Value = serde_json::from_str(&call.body).expect("the body is JSON");
        let mut key = body["publicKey"].as_str().expect("a public key").to_owned();
        if settings.other_key {
            let other = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256);
            key = other.expect("rcgen makes keys").public_key_pem();
        }
        let chain = self.cluster.client_chain(&key, settings.life);
        let root = settings
            .other_ca
            .clone()
            .unwrap_or_else(|| self.cluster.root_pem());
        if settings.snake_case {
            return json!({"pem_certificate_chain": chain, "ca_cert": root});
        }
        json!({"pemCertificateChain": chain, "caCert": root})
    }
}

impl Fault {
    fn answer(&self) -> Option<Vec<u8>> {
        match self {
            Self::Status(code, body) => Some(status(*code, "", body)),
            Self::RetryAfter(code, after) => {
                let header = format!("Retry-After: {after}\r\n");
                Some(status(*code, &header, "{}"))
            }
            Self::Redirect(to) => Some(status(307, &format!("Location: {to}\r\n"), "{}")),
            Self::Garbage => Some(status(200, "", "<html>")),
            Self::Huge => Some(status(200, "", &" ".repeat(300 * 1024))),
            Self::Close => None,
        }
    }
}

/// What an assertion asks for; a user's refresh token asks for nothing.
fn scope_of(form: &str) -> String {
    use base64::Engine as _;
    let pairs: HashMap<_, _> = url::form_urlencoded::parse(form.as_bytes()).collect();
    let Some(assertion) = pairs.get("assertion") else {
        let scope = pairs.get("scope").map_or("unscoped", |scope| scope);
        return format!("user_{scope}");
    };
    let claims = assertion.split('.').nth(1).expect("a JWT has three parts");
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(claims)
        .expect("the claims are base64");
    let claims: Value = serde_json::from_slice(&claims).expect("the claims are JSON");
    let scope = claims["scope"].as_str().expect("a scope");
    scope.rsplit('/').next().unwrap_or_default().to_owned()
}

fn ok(body: &Value) -> Vec<u8> {
    status(200, "", &body.to_string())
}

fn status(code: u16, headers: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {code} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{headers}\
         Connection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

pub(crate) async fn start(api: Arc<Api>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.expect("it listens");
            let api = api.clone();
            tokio::spawn(async move { serve(tcp, &api).await });
        }
    });
    address
}

async fn serve(mut tcp: TcpStream, api: &Api) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tcp.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let mut lines = head.lines();
    let mut request = lines.next()?.split(' ');
    let (method, path) = (request.next()?.to_owned(), request.next()?.to_owned());
    let headers: HashMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers
        .get("content-length")
        .map_or(Ok(0), |length| length.parse())
        .ok()?;
    let mut body = vec![0; length];
    tcp.read_exact(&mut body).await.ok()?;
    let call = Call {
        method,
        path,
        headers,
        body: String::from_utf8(body).ok()?,
    };
    api.seen.lock().ok()?.push(call.clone());
    let permit = api.gate.acquire().await.ok()?;
    let answer = api.answer(&call);
    drop(permit);
    tcp.write_all(&answer?).await.ok()?;
    tcp.shutdown().await.ok()
}
