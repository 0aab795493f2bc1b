//! The gateway before AlloyDB: through the connector, and directly as the cookbook has it.

pub(crate) mod cloud;
mod direct;
mod fetch_ca;
pub(crate) mod running;

use std::sync::LazyLock;

use alloydb_emulator::{ApiFailure, ApiMethod, ExchangeFailure, Fault, IpType, Rotation};
use querycop_testkit::command::Program;
use querycop_testkit::gateway::Gateway;
use querycop_testkit::postgres::Login;
use querycop_testkit::wait::eventually;
use serde_json::Value;
use tokio_postgres::NoTls;

use self::cloud::{
    CLUSTER, Cloud, NOBODY, PRIMARY, READ_POOL, SECONDARY, SERVICE_ACCOUNT, SERVICE_ROLE,
};
use crate::command::http::get;
use crate::setup::{querycop, session_log};

/// One that nobody spoils.
static CLOUD: LazyLock<Cloud> = LazyLock::new(Cloud::new);

fn who(gateway: &Gateway, role: &str) -> String {
    gateway.client().user(role).query("select current_user")
}

fn api_fault(code: u16, method: Option<ApiMethod>) -> Fault {
    let failure = ApiFailure::Status {
        code,
        retry_after: None,
        message: None,
    };
    Fault::Api { method, failure }
}

fn ready(gateway: &Gateway) -> (u16, String) {
    let answer = get(gateway, "/readyz", &[]);
    (answer.status, answer.body)
}

fn until_ready(gateway: &Gateway) {
    eventually("the gateway to be ready", || {
        (ready(gateway).0 == 200).then_some(())
    });
}

#[test]
fn a_client_s_own_password_goes_through_the_connector() {
    for ip_type in ["private", "public"] {
        let gateway = CLOUD
            .before(PRIMARY)
            .env("GATEKEEPER_BACKEND_IP_TYPE", ip_type)
            .start();
        let login = Login::Scram;
        let client = gateway.client().user(login.role());
        let right = client.clone().password(&login.password());
        assert_eq!(right.query("select current_user"), login.role());
        let wrong = client.password("wrong").run("select 1");
        let said = wrong.expect_failure();
        assert!(
            said.contains("password authentication failed"),
            "{ip_type}: {said}"
        );
    }
}

#[test]
fn iam_login_asks_for_no_password() {
    for (instance, read_only) in [(PRIMARY, "off"), (READ_POOL, "on"), (SECONDARY, "on")] {
        let gateway = CLOUD.before_with_iam(instance).start();
        assert_eq!(who(&gateway, SERVICE_ROLE), SERVICE_ROLE, "{instance}");
        let client = gateway.client().user(SERVICE_ROLE);
        assert_eq!(client.query("show transaction_read_only"), read_only);
        let sessions = session_log(&gateway, "INFO");
        assert_eq!(sessions[0]["span"]["backend"], instance);
        assert_eq!(sessions[0]["backend.tls"], true, "{sessions:?}");
    }
}

#[test]
fn iam_login_is_for_the_gateway_s_own_principal_alone() {
    let gateway = CLOUD.before_with_iam(PRIMARY).start();
    let client = gateway.client().user("alice@example.com");
    let said = client.run("select 1").expect_failure().to_owned();
    assert!(said.contains("alice@example.com"), "{said}");
    // A role with a password is no IAM user: the question for it must not reach the client.
    let scram = gateway.client().user(Login::Scram.role());
    let answered = scram.password(&Login::Scram.password()).run("select 1");
    answered.expect_failure();
}

#[test]
fn the_whole_protocol_goes_through_the_connector() {
    let gateway = CLOUD.before_with_iam(PRIMARY).start();
    let client = gateway.client().user(SERVICE_ROLE);
    let rows = client.query("select sum(n) from generate_series(1, 100000) n");
    assert_eq!(rows, "5000050000");
    let wide = client.query("select repeat('x', 10000000)");
    assert_eq!(wide.len(), 10_000_000);
    let script = "create temp table t (n int);\ncopy t from stdin;\n1\n2\n\\.\ncopy t to stdout;\n";
    assert_eq!(client.script(script).expect_success(), "1\n2");
}

#[test]
fn a_cancel_request_goes_through_the_connector() {
    let gateway = CLOUD.before_with_iam(PRIMARY).start();
    let runtime = tokio::runtime::Runtime::new().expect("threads can be started");
    let code = runtime.block_on(cancelled_statement(gateway.port()));
    assert_eq!(code.as_deref(), Some("57014"));
}

/// The SQLSTATE of a statement that is cancelled.
async fn cancelled_statement(port: u16) -> Option<String> {
    let config = format!("host=127.0.0.1 port={port} user={SERVICE_ROLE} dbname=appdb");
    let connected = tokio_postgres::connect(&config, NoTls).await;
    let (client, connection) = connected.expect("the gateway lets it in");
    tokio::spawn(connection);
    let cancel = client.cancel_token();
    // A request that comes before the statement is lost, so it is sent until one has an effect.
    let cancelling = async {
        loop {
            let sent = cancel.cancel_query(NoTls).await;
            sent.expect("the gateway takes the request");
        }
    };
    let failed = tokio::select! {
        slept = client.simple_query("select pg_sleep(600)") => slept.err(),
        () = cancelling => None,
    };
    Some(failed?.code()?.code().to_owned())
}

#[test]
fn all_sessions_share_one_certificate() {
    let cloud = Cloud::new();
    let gateway = cloud.before_with_iam(PRIMARY).start();
    until_ready(&gateway);
    for _ in 0..5 {
        assert_eq!(who(&gateway, SERVICE_ROLE), SERVICE_ROLE);
    }
    assert_eq!(cloud.emulator.calls(ApiMethod::ConnectionInfo, PRIMARY), 1);
    let certificates = cloud
        .emulator
        .calls(ApiMethod::GenerateClientCertificate, CLUSTER);
    assert_eq!(certificates, 1);
}

#[test]
fn readiness_waits_for_the_first_certificate() {
    let cloud = Cloud::with(|builder| builder.fault(api_fault(503, None)));
    let gateway = cloud.before_with_iam(PRIMARY).start();
    let warned = gateway.wait_for_log("why it is not ready", |line| {
        line["level"] == "WARN"
            && line["message"]
                .as_str()
                .is_some_and(|m| m.contains("not ready"))
    });
    assert!(
        warned["error"]
            .as_str()
            .is_some_and(|cause| cause.contains("503")),
        "{warned}"
    );
    let (status, body) = ready(&gateway);
    assert_eq!(status, 503);
    assert!(body.contains("waiting for Google Cloud"), "{body}");
    cloud.emulator.clear_faults();
    until_ready(&gateway);
    assert_eq!(who(&gateway, SERVICE_ROLE), SERVICE_ROLE);
}

#[test]
fn a_rotated_authority_costs_no_session() {
    let cloud = Cloud::new();
    let gateway = cloud.before_with_iam(PRIMARY).start();
    assert_eq!(who(&gateway, SERVICE_ROLE), SERVICE_ROLE);
    for step in [Rotation::Begin, Rotation::Server] {
        cloud
            .emulator
            .rotate(CLUSTER, step)
            .expect("it can be rotated");
        // A server that a new authority signed is refused once; that fetches the authority.
        eventually("a session after the rotation", || {
            let output = gateway.client().user(SERVICE_ROLE).run("select 1");
            output.success().then_some(())
        });
    }
}

#[test]
fn a_failover_is_followed() {
    let cloud = Cloud::new();
    let gateway = cloud.before_with_iam(PRIMARY).start();
    assert_eq!(who(&gateway, SERVICE_ROLE), SERVICE_ROLE);
    cloud
        .emulator
        .run(async |emulator| emulator.failover(PRIMARY).await)
        .expect("it has a standby");
    eventually("a session with the new primary", || {
        let output = gateway.client().user(SERVICE_ROLE).run("select 1");
        output.success().then_some(())
    });
}

/// What a client and the operator are told.
struct Refused {
    client: String,
    operator: String,
}

fn refused(gateway: &Gateway) -> Refused {
    let client = gateway.client().user(SERVICE_ROLE);
    let verbose = client.argument("--set=VERBOSITY=verbose");
    let client = verbose.run("select 1").expect_failure().to_owned();
    let warnings = session_log(gateway, "WARN");
    let operator = warnings.first().map(|line| line["message"].to_string());
    Refused {
        client,
        operator: operator.unwrap_or_default(),
    }
}

#[test]
fn whatever_fails_on_the_way_is_named() {
    let exchange = |failure| Fault::Exchange { failure };
    let info = |code| api_fault(code, Some(ApiMethod::ConnectionInfo));
    let refusal = ExchangeFailure::Refused {
        message: "missing alloydb.instances.connect".to_owned(),
    };
    let cases = [
        (info(403), "backend dial failed", "roles/alloydb.client"),
        (
            info(404),
            "backend dial failed",
            "GATEKEEPER_BACKEND_INSTANCE",
        ),
        (
            Fault::MissingAddress {
                ip_type: IpType::Private,
            },
            "backend dial failed",
            "GATEKEEPER_BACKEND_IP_TYPE",
        ),
        (
            Fault::WrongCa,
            "backend TLS negotiation failed",
            "querycop doctor",
        ),
        (
            Fault::Tls12Only,
            "backend TLS negotiation failed",
            "querycop doctor",
        ),
        (
            exchange(refusal),
            "backend metadata exchange failed",
            "alloydb.iam_authentication=on",
        ),
        (
            exchange(ExchangeFailure::Eof),
            "backend metadata exchange failed",
            "querycop doctor",
        ),
        (
            exchange(ExchangeFailure::ZeroLength),
            "backend metadata exchange failed",
            "querycop doctor",
        ),
    ];
    for (fault, leading, hint) in cases {
        let cloud = Cloud::with(|builder| builder.fault(fault.clone()));
        let gateway = cloud.before_with_iam(PRIMARY).start();
        let Refused { client, operator } = refused(&gateway);
        assert!(client.contains(leading), "{fault:?}: {client}");
        assert!(client.contains(hint), "{fault:?}: {client}");
        assert!(operator.contains(leading), "{fault:?}: {operator}");
        assert!(operator.contains(PRIMARY), "{fault:?}: {operator}");
    }
}

#[test]
fn an_instance_that_is_down_is_named_and_served_again_when_it_is_back() {
    let cloud = Cloud::new();
    let gateway = cloud.before_with_iam(PRIMARY).start();
    assert_eq!(who(&gateway, SERVICE_ROLE), SERVICE_ROLE);
    cloud
        .emulator
        .run(async |emulator| emulator.stop(PRIMARY).await)
        .expect("it runs");
    let client = gateway.client().user(SERVICE_ROLE);
    let said = client.run("select 1").expect_failure().to_owned();
    assert!(said.contains("backend dial failed"), "{said}");
    cloud
        .emulator
        .run(async |emulator| emulator.resume(PRIMARY).await)
        .expect("it was stopped");
    eventually("the instance to serve again", || {
        client.run("select 1").success().then_some(())
    });
}

#[test]
fn a_principal_without_permission_is_told_apart_by_its_sqlstate() {
    let gateway = CLOUD
        .gateway_of(NOBODY)
        .env("GATEKEEPER_BACKEND_INSTANCE", PRIMARY)
        .start();
    let client = gateway.client().user(Login::Scram.role());
    let client = client.password(&Login::Scram.password());
    let output = client.script("select 1");
    let said = output.expect_failure();
    assert!(said.contains("403"), "{said}");
    assert!(said.contains("PERMISSION_DENIED"), "{said}");
}

#[test]
fn no_token_is_ever_logged() {
    let cloud = Cloud::new();
    let gateway = cloud
        .before_with_iam(PRIMARY)
        .env("GATEKEEPER_LOG_LEVEL", "trace")
        .start();
    assert_eq!(who(&gateway, SERVICE_ROLE), SERVICE_ROLE);
    cloud.emulator.revoke_tokens(SERVICE_ACCOUNT);
    gateway.client().user(SERVICE_ROLE).run("select 1");
    session_log(&gateway, "INFO");
    let log = gateway.stderr();
    // All tokens of the emulator begin like this.
    assert!(!log.contains("ya29."), "a token is in the log");
    assert!(!log.contains("PRIVATE KEY"), "a key is in the log");
}

fn doctor(cloud: &Cloud, principal: &str, arguments: &[&str]) -> Program {
    let credentials = cloud.emulator.credentials_file(principal);
    let credentials = credentials.expect("the principal is known");
    Program::new(querycop())
        .clean_environment()
        .arguments(["doctor", "--json", "-d", "appdb"])
        .arguments(arguments)
        .environment("GOOGLE_APPLICATION_CREDENTIALS", credentials)
        .environment(
            "GATEKEEPER_BACKEND_ADMIN_ENDPOINT",
            cloud.emulator.http_url(),
        )
        .environment("GATEKEEPER_BACKEND_INSTANCE", PRIMARY)
        .environment("GATEKEEPER_BACKEND_IAM_AUTH", "true")
}

fn outcomes(report: &Value) -> Vec<(String, String)> {
    let steps = report["steps"].as_array().expect("there are steps");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let outcome = |step: &Value| (text(&step["step"]), text(&step["outcome"]));
    steps.iter().map(outcome).collect()
}

#[test]
fn the_doctor_goes_the_whole_way_to_an_instance() {
    let output = doctor(&CLOUD, SERVICE_ACCOUNT, &["-U", SERVICE_ROLE]).run();
    let report: Value = serde_json::from_str(output.expect_success()).expect("it is JSON");
    let expected = [
        ("credentials", "ok"),
        ("instance", "ok"),
        ("connect", "ok"),
        ("token", "skipped"),
        ("login", "ok"),
        ("query", "ok"),
    ];
    let expected = expected.map(|(step, outcome)| (step.to_owned(), outcome.to_owned()));
    assert_eq!(outcomes(&report), expected, "{output}");
    let details = report["steps"][1]["details"].to_string();
    assert!(details.contains(&CLOUD.private.to_string()), "{details}");
    assert!(
        details.contains("client certificate valid until"),
        "{details}"
    );
}

#[test]
fn the_doctor_says_what_a_principal_lacks() {
    let output = doctor(&CLOUD, NOBODY, &["-U", SERVICE_ROLE]).run();
    assert!(!output.success(), "{output}");
    let report: Value = serde_json::from_str(&output.stdout).expect("it is JSON");
    let instance = &report["steps"][1];
    assert_eq!(instance["outcome"], "failed", "{output}");
    let cure = instance["cure"].as_str().unwrap_or_default();
    assert!(cure.contains("roles/alloydb.client"), "{cure}");
    assert_eq!(report["steps"][5]["outcome"], "skipped", "{output}");
}
