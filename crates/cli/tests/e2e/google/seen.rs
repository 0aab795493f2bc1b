//! What the emulator saw of each client, against what is known of them.

use serde_json::{Value, json};

use super::cloud::{
    Outcome, SERVICE_ACCOUNT, SHARED, cluster_name, database_user, instance, watched,
};
use super::{IpType, Login};

/// What is known of a client.
struct Known {
    client: &'static str,
    /// How the paths of its calls to the admin API begin.
    api: &'static str,
    transport: &'static str,
    /// The header of the admin API that names it, and how the value begins.
    agent: (&'static str, &'static str),
    /// The form of the public key that it sends.
    key: &'static str,
    /// How the user agent of its metadata exchange begins; nothing if it has none.
    exchange: Option<&'static str>,
    /// Whether the driver asks for TLS inside the tunnel.
    asks_for_tls: bool,
    /// Sessions that the five behaviours need, cancels aside.
    sessions: usize,
    cancels: usize,
    /// How often it may connect again where the connector itself has broken a session (see its client):
    /// each time the connector asks for both again.
    retries: usize,
}

const REST: &str = "/v1alpha/projects/google-clients/locations/here/clusters/";
const GRPC_ALPHA: &str = "/google.cloud.alloydb.v1alpha.AlloyDBAdmin/";
const GRPC_BETA: &str = "/google.cloud.alloydb.v1beta.AlloyDBAdmin/";

#[test]
fn go_is_as_known() {
    is_as_known(&Known {
        client: "go",
        api: REST,
        transport: "rest",
        agent: ("user-agent", "alloydb-go-connector/1.19.3"),
        key: "pkcs1",
        exchange: Some("alloydb-go-connector/1.19.3"),
        asks_for_tls: false,
        sessions: 6,
        cancels: 1,
        retries: 0,
    });
}

#[test]
fn java_is_as_known() {
    is_as_known(&Known {
        client: "java",
        api: GRPC_ALPHA,
        transport: "grpc",
        agent: (
            "user-agent",
            "alloydb-java-connector/1.4.0 grpc-java-netty/",
        ),
        key: "spki",
        exchange: Some("alloydb-java-connector/1.4.0"),
        asks_for_tls: true,
        sessions: 6,
        cancels: 1,
        retries: 0,
    });
}

#[test]
fn pg8000_is_as_known() {
    is_as_known(&Known {
        client: "pg8000",
        api: GRPC_BETA,
        transport: "grpc",
        agent: (
            "x-goog-api-client",
            "alloydb-python-connector/1.14.1+pg8000 ",
        ),
        key: "spki",
        exchange: Some("alloydb-python-connector/1.14.1+pg8000"),
        asks_for_tls: true,
        sessions: 4,
        cancels: 0,
        retries: 0,
    });
}

#[test]
fn psycopg_is_as_known() {
    is_as_known(&Known {
        client: "psycopg",
        api: GRPC_BETA,
        transport: "grpc",
        agent: (
            "x-goog-api-client",
            "alloydb-python-connector/1.14.1+psycopg ",
        ),
        key: "spki",
        exchange: Some("alloydb-python-connector/1.14.1+psycopg"),
        asks_for_tls: false,
        sessions: 4,
        cancels: 0,
        retries: 2,
    });
}

#[test]
fn asyncpg_is_as_known() {
    is_as_known(&Known {
        client: "asyncpg",
        api: GRPC_BETA,
        transport: "grpc",
        agent: (
            "x-goog-api-client",
            "alloydb-python-connector/1.14.1+asyncpg ",
        ),
        key: "spki",
        exchange: None,
        asks_for_tls: false,
        sessions: 4,
        cancels: 0,
        retries: 0,
    });
}

#[test]
fn the_auth_proxy_is_as_known() {
    is_as_known(&Known {
        client: "auth-proxy",
        api: REST,
        transport: "rest",
        agent: (
            "user-agent",
            "alloydb-go-connector/1.19.2 alloy-db-auth-proxy/1.17.2",
        ),
        key: "pkcs1",
        exchange: Some("alloydb-go-connector/1.19.2"),
        asks_for_tls: false,
        sessions: 7,
        cancels: 1,
        retries: 0,
    });
}

/// Runs the client once, with automatic IAM login, and compares.
fn is_as_known(known: &Known) {
    let cluster = watched(known.client);
    let outcome = SHARED.check(
        known.client,
        &cluster,
        IpType::Private,
        Login::ServiceAccount,
    );
    if outcome == Outcome::Worked {
        admin_calls_are_as_known(known, &cluster);
        certificate_is_as_known(known, &cluster);
        sessions_are_as_known(known, &cluster);
    }
}

/// Both calls once, for all sessions of the process, and once more for each that was broken.
fn admin_calls_are_as_known(known: &Known, cluster: &str) {
    let requests = SHARED.recorded("requests");
    let names_it = |request: &&Value| {
        let parameters = &request["headers"]["x-goog-request-params"];
        let parameters = parameters.as_str().unwrap_or_default().replace("%2F", "/");
        parameters.contains(&format!("/clusters/{cluster}"))
    };
    let requests: Vec<_> = requests.iter().filter(names_it).collect();
    let pairs = requests.len() / 2;
    assert!(
        requests.len() % 2 == 0 && (1..=1 + known.retries).contains(&pairs),
        "{requests:#?}"
    );
    for request in requests {
        let path = request["path"].as_str().unwrap_or_default();
        assert!(path.starts_with(known.api), "{request:#?}");
        assert_eq!(request["transport"], known.transport);
        let (header, agent) = known.agent;
        let value = request["headers"][header].as_str().unwrap_or_default();
        assert!(value.starts_with(agent), "{request:#?}");
        assert_eq!(request["authorized"], true);
    }
}

fn certificate_is_as_known(known: &Known, cluster: &str) {
    let certificates = SHARED.recorded("certificates");
    let ours = |call: &&Value| call["cluster"] == cluster_name(cluster);
    let certificate = certificates.iter().find(ours).expect("it was asked for");
    let expected = json!({
        "certDurationSeconds": 3600,
        "cluster": cluster_name(cluster),
        "principal": SERVICE_ACCOUNT,
        "publicKey": known.key,
        "useMetadataExchange": known.exchange.is_some(),
    });
    assert_eq!(certificate, &expected);
}

fn sessions_are_as_known(known: &Known, cluster: &str) {
    let sessions = SHARED.recorded("sessions");
    let ours = |session: &&Value| session["instance"] == instance(cluster);
    let (cancels, sessions): (Vec<_>, Vec<_>) = sessions
        .iter()
        .filter(ours)
        .partition(|session| session["outcome"] == "cancel");
    assert_eq!(cancels.len(), known.cancels, "{cancels:#?}");
    // The Auth Proxy's program looks again and again before its cancel.
    assert!(sessions.len() >= known.sessions, "{sessions:#?}");
    for session in cancels.iter().chain(&sessions) {
        assert_eq!(session["door"], 5433);
        assert_eq!(session["tls"], "TLSv1_3");
        assert_eq!(session["alpn"], json!([]));
        let agent = session["userAgent"].as_str();
        assert_eq!(agent, known.exchange, "{session:#?}");
        let auth_type = known.exchange.map(|_| "AUTO_IAM");
        assert_eq!(session["authType"].as_str(), auth_type, "{session:#?}");
    }
    for session in sessions {
        assert_eq!(session["outcome"], "relayed", "{session:#?}");
        assert_eq!(session["sslRequest"], known.asks_for_tls, "{session:#?}");
        assert_eq!(session["user"], database_user(SERVICE_ACCOUNT));
    }
}
