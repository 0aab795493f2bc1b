//! What the command says and how it ends: help, check, doctor, exit statuses, log, HTTP API.

pub(crate) mod http;

use std::fs;
use std::net::TcpListener;
use std::sync::LazyLock;

use querycop_testkit::command::{Output, Program};
use querycop_testkit::gateway::Gateway;
use querycop_testkit::postgres::{Login, Postgres, Transport};
use querycop_testkit::wait::eventually;
use serde_json::Value;

use self::http::get;
use crate::relay::raw::RawClient;
use crate::setup::{Pki, before, querycop, temporary_directory};

const KEY: &str = "a-key-of-many-characters";

/// A SCRAM server under TLS and the authority of its certificate, which names 127.0.0.1 and localhost.
static SERVER: LazyLock<(Postgres, Pki)> = LazyLock::new(|| {
    let pki = Pki::new();
    let server = Postgres::builder()
        .tls(&pki.server())
        .logins(Transport::Tls)
        .start();
    (server, pki)
});

/// Trusts everybody, in clear.
static OPEN_SERVER: LazyLock<Postgres> = LazyLock::new(|| Postgres::builder().start());

/// The command with nothing but these arguments and variables.
fn command(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut program = Program::new(querycop()).clean_environment();
    for (name, value) in environment {
        program = program.environment(name, value);
    }
    program.arguments(arguments).run()
}

fn exit_code(output: &Output) -> i32 {
    output
        .status
        .code()
        .expect("it ends by itself, not by a signal")
}

// ---- Help ----

/// Keys and variables of all settings, from the reference that docs/configuration.md is made of.
fn settings() -> Vec<(String, String)> {
    let reference = command(&["reference"], &[]);
    let rows = reference.expect_success().lines().skip(2);
    rows.map(|row| {
        let mut quoted = row.split('`').skip(1).step_by(2).map(str::to_owned);
        let key = quoted.next().expect("a row begins with the key");
        (key, quoted.next().expect("the variable follows the key"))
    })
    .collect()
}

#[test]
fn the_version_is_that_of_the_package() {
    let version = concat!("querycop ", env!("CARGO_PKG_VERSION"));
    assert_eq!(command(&["--version"], &[]).expect_success(), version);
}

#[test]
fn help_names_every_setting_and_every_exit_status() {
    let settings = settings();
    assert!(settings.len() > 30, "{settings:?}");
    let help = command(&["--help"], &[]);
    for (key, variable) in &settings {
        let said = help.expect_success().contains(variable.as_str());
        assert!(said, "{variable} is missing:\n{help}");
        let flag = format!("--{} ", key.replace(['.', '_'], "-"));
        let secret = ["api.admin_key", "catalog.password", "audit.otlp_headers"];
        let secret = secret.contains(&key.as_str());
        assert_eq!(help.stdout.contains(&flag), !secret, "{flag}:\n{help}");
    }
    for word in [
        "check",
        "doctor",
        "completion",
        "--config",
        "GATEKEEPER_CONFIG",
    ] {
        assert!(help.stdout.contains(word), "{word} is missing:\n{help}");
    }
    for status in ["0 ", "1 ", "64 ", "69 ", "71 ", "78 ", "130, 143 "] {
        let line = format!("\n  {status}");
        assert!(help.stdout.contains(&line), "{status} is missing:\n{help}");
    }
}

#[test]
fn each_command_has_help() {
    for name in ["check", "doctor", "completion"] {
        let help = command(&[name, "--help"], &[]);
        assert!(help.expect_success().contains("Usage: querycop"), "{help}");
    }
}

#[test]
fn an_unknown_flag_is_a_usage_error() {
    for arguments in [
        &["--no-such-flag"][..],
        &["no-such-command"],
        &["check", "--no-such-flag"],
        &["completion", "no-such-shell"],
        // A secret in the arguments would be visible to all.
        &["--api-admin-key", KEY],
    ] {
        let output = command(arguments, &[]);
        assert_eq!(exit_code(&output), 64, "{arguments:?} {output}");
        assert!(output.stderr.starts_with("error: "), "{output}");
    }
}

#[test]
fn completion_scripts_are_for_their_shells() {
    let script = |shell| {
        let output = command(&["completion", shell], &[]);
        output.expect_success().to_owned()
    };
    let bash = script("bash");
    Program::new("bash")
        .argument("-n")
        .input(bash.as_str())
        .run()
        .expect_success();
    for script in [bash, script("zsh"), script("fish")] {
        for word in ["querycop", "backend-tls-mode", "verify-full", "doctor"] {
            assert!(script.contains(word), "{word} is missing in:\n{script}");
        }
    }
}

// ---- check ----

#[test]
fn check_prints_the_settings_in_force_with_their_sources_and_no_secret() {
    let directory = temporary_directory();
    let file = directory.path().join("querycop.toml");
    let text = "[backend]\nhost = 'from-file'\nport = 6000\ntls_mode = 'require'\n";
    fs::write(&file, text).expect("the directory is writable");
    let path = file.to_str().expect("a temporary path is UTF-8");
    let output = command(
        &["check", "--config", path, "--backend-port", "6002"],
        &[
            ("GATEKEEPER_BACKEND_HOST", "from-environment"),
            ("GATEKEEPER_BACKEND_PORT", "6001"),
            ("ADMIN_API_KEY", KEY),
        ],
    );
    let expected = [
        "[backend]".to_owned(),
        "host = \"from-environment\"  # GATEKEEPER_BACKEND_HOST".to_owned(),
        "port = 6002  # --backend-port".to_owned(),
        format!("tls_mode = \"require\"  # {path}:4"),
        "# connect_timeout = \"10s\"".to_owned(),
        "admin_key = \"********\"  # ADMIN_API_KEY".to_owned(),
    ];
    let lines: Vec<_> = output.expect_success().lines().collect();
    for line in &expected {
        assert!(
            lines.contains(&line.as_str()),
            "{line} is missing: {output}"
        );
    }
    assert!(!output.to_string().contains(KEY), "{output}");
}

#[test]
fn what_check_prints_is_a_configuration_file() {
    let settings = [("GATEKEEPER_BACKEND_HOST", "db.example")];
    let first = command(&["check"], &settings);
    let directory = temporary_directory();
    let file = directory.path().join("querycop.toml");
    fs::write(&file, first.expect_success()).expect("the directory is writable");
    let path = file.to_str().expect("a temporary path is UTF-8");
    let second = command(&["check", "--config", path], &[]);
    assert!(second.expect_success().contains("host = \"db.example\""));
}

/// All mistakes that `check` finds in a file of this name.
fn mistakes(name: &str, text: &str, arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let directory = temporary_directory();
    let file = directory.path().join(name);
    fs::write(&file, text).expect("the directory is writable");
    let path = file.to_str().expect("a temporary path is UTF-8");
    let arguments = [&["check", "--config", path], arguments].concat();
    let output = command(&arguments, environment);
    assert_eq!(exit_code(&output), 78, "{output}");
    output.stderr.replace(path, name)
}

#[test]
fn check_reports_all_mistakes_with_key_and_source() {
    let found = mistakes(
        "querycop.toml",
        "[listen]\nport = 'many'\n[limits]\nmax_sessions = 0\n",
        &["--log-format", "verse"],
        &[
            ("GATEKEEPER_BACKEND_TLS_MODE", "sometimes"),
            ("ADMIN_API_KEY", "short-secret"),
        ],
    );
    for mistake in [
        "listen.port (querycop.toml:2): ",
        "limits.max_sessions (querycop.toml:4): ",
        "log.format (--log-format): ",
        "backend.tls_mode (GATEKEEPER_BACKEND_TLS_MODE): ",
        "api.admin_key (ADMIN_API_KEY): ",
        "backend.host: not set",
        "6 mistakes in the settings",
    ] {
        assert!(found.contains(mistake), "{mistake} is missing:\n{found}");
    }
    assert!(!found.contains("short-secret"), "{found}");
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_nearest_known_one() {
    let toml = mistakes(
        "q.toml",
        "[backend]\nhost = 'db'\ntls_mod = 'x'\n",
        &[],
        &[],
    );
    let expected = "backend.tls_mod (q.toml:3): unknown key; did you mean backend.tls_mode?";
    assert!(toml.contains(expected), "{toml}");
    let yaml = mistakes("q.yaml", "backend:\n  host: db\n  tls_mod: x\n", &[], &[]);
    assert!(yaml.contains(&expected.replace("toml", "yaml")), "{yaml}");
}

#[test]
fn an_unknown_variable_is_warned_of() {
    let output = command(
        &["check"],
        &[
            ("GATEKEEPER_BACKEND_HOST", "db.example"),
            ("GATEKEEPER_BACKEND_PROT", "6432"),
        ],
    );
    assert!(output.success(), "{output}");
    let warning = "GATEKEEPER_BACKEND_PROT: unknown variable, ignored; \
                   did you mean GATEKEEPER_BACKEND_PORT?";
    assert!(output.stderr.contains(warning), "{output}");
}

#[test]
fn a_missing_certificate_file_is_a_mistake_in_the_settings() {
    let directory = temporary_directory();
    let missing = directory.path().join("missing.crt");
    let missing = missing.to_str().expect("a temporary path is UTF-8");
    let settings = [
        ("GATEKEEPER_BACKEND_HOST", "127.0.0.1"),
        ("GATEKEEPER_BACKEND_TLS_MODE", "verify-full"),
        ("GATEKEEPER_BACKEND_TLS_CA_FILE", missing),
        ("GATEKEEPER_LISTEN_PORT", "0"),
        ("GATEKEEPER_API_PORT", "0"),
    ];
    for arguments in [&["check"][..], &[]] {
        let output = command(arguments, &settings);
        assert_eq!(exit_code(&output), 78, "{arguments:?} {output}");
        assert!(output.stderr.contains(missing), "{arguments:?} {output}");
        let words = "No such file or directory";
        assert!(output.stderr.contains(words), "{arguments:?} {output}");
    }
}

#[test]
fn a_mistake_in_the_settings_keeps_the_gateway_from_starting() {
    let output = Gateway::builder(querycop())
        .env("GATEKEEPER_BACKEND_TLS_MODE", "sometimes")
        .start_expecting_failure();
    assert_eq!(exit_code(&output), 78, "{output}");
    for mistake in ["backend.tls_mode", "backend.host"] {
        assert!(output.stderr.contains(mistake), "{output}");
    }
}

// ---- doctor ----

const STEPS: [&str; 6] = ["resolve", "connect", "tls", "token", "login", "query"];

/// How the doctor is told of the server and its role.
fn good_settings() -> Vec<(&'static str, String)> {
    let (server, pki) = &*SERVER;
    vec![
        ("GATEKEEPER_BACKEND_HOST", "127.0.0.1".to_owned()),
        ("GATEKEEPER_BACKEND_PORT", server.port().to_string()),
        ("GATEKEEPER_BACKEND_TLS_MODE", "verify-full".to_owned()),
        (
            "GATEKEEPER_BACKEND_TLS_CA_FILE",
            pki.root.display().to_string(),
        ),
        ("PGUSER", Login::Scram.role().to_owned()),
        ("PGPASSWORD", Login::Scram.password()),
        ("PGDATABASE", "postgres".to_owned()),
    ]
}

/// Runs the doctor with these settings beside, and in place of, the good ones.
fn doctor(arguments: &[&str], changes: &[(&str, &str)]) -> Output {
    let settings = good_settings();
    let mut environment: Vec<_> = settings
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    environment.extend(changes);
    command(&[&["doctor"], arguments].concat(), &environment)
}

/// The step that fails with these changes: its cause, its cure and its details.
fn diagnosis(failing: &str, changes: &[(&str, &str)]) -> (String, String, String) {
    let output = doctor(&["--json"], changes);
    assert_eq!(exit_code(&output), 1, "{output}");
    let report: Value = serde_json::from_str(&output.stdout).expect("it is JSON");
    assert_eq!(report["ok"], false);
    let steps = report["steps"].as_array().expect("there are steps");
    let position = STEPS.iter().position(|name| *name == failing);
    let position = position.expect("it is a step");
    for (number, step) in steps.iter().enumerate() {
        let outcome = step["outcome"].as_str().unwrap_or_default();
        match number.cmp(&position) {
            std::cmp::Ordering::Less => assert_ne!(outcome, "failed", "{output}"),
            std::cmp::Ordering::Equal => assert_eq!(outcome, "failed", "{output}"),
            std::cmp::Ordering::Greater => assert_eq!(outcome, "skipped", "{output}"),
        }
    }
    let names: Vec<_> = steps.iter().map(|step| step["step"].clone()).collect();
    assert_eq!(names, STEPS);
    let step = &steps[position];
    let text = |field: &str| step[field].as_str().unwrap_or_default().to_owned();
    assert_ne!(text("cure"), "", "{output}");
    (text("cause"), text("cure"), step["details"].to_string())
}

#[test]
fn the_doctor_finds_nothing_wrong_with_a_good_server() {
    let output = doctor(&[], &[]);
    let report = output.expect_success();
    for step in ["resolve", "connect", "tls", "login", "query"] {
        let ok = report.lines().any(|line| {
            let mut words = line.split_whitespace();
            words.next() == Some(step) && words.next() == Some("ok")
        });
        assert!(ok, "{step}: {output}");
    }
    for detail in [
        "certificate verified",
        "names localhost, 127.0.0.1",
        "valid from ",
    ] {
        assert!(report.contains(detail), "{detail}: {output}");
    }
    assert!(
        !output.to_string().contains(&Login::Scram.password()),
        "{output}"
    );
}

#[test]
fn the_doctor_speaks_json() {
    let (server, _) = &*SERVER;
    let token = server.rotate_token(Login::Token.role());
    let mint = format!("echo {token}");
    let changes = [
        ("PGUSER", Login::Token.role()),
        ("GATEKEEPER_BACKEND_TOKEN_CMD", mint.as_str()),
    ];
    let output = doctor(&["--json"], &changes);
    let report: Value = serde_json::from_str(output.expect_success()).expect("it is JSON");
    assert_eq!(report["ok"], true);
    let steps = report["steps"].as_array().expect("there are steps");
    for (step, name) in steps.iter().zip(STEPS) {
        assert_eq!(step["step"], name);
        assert_eq!(step["outcome"], "ok", "{output}");
        assert!(step["took_ms"].as_f64().is_some_and(|took| took >= 0.0));
    }
    assert_eq!(steps.len(), STEPS.len());
    assert!(!output.to_string().contains(&token), "{output}");
}

#[test]
fn the_doctor_takes_role_and_database_from_its_flags() {
    let arguments = ["--user", Login::Password.role(), "--database", "template1"];
    let password = Login::Password.password();
    let output = doctor(&arguments, &[("PGPASSWORD", &password)]);
    let login = "as \"password_user\" to \"template1\"";
    assert!(output.expect_success().contains(login), "{output}");
}

#[test]
fn the_doctor_sees_a_host_that_has_no_address() {
    let (cause, cure, _) = diagnosis("resolve", &[("GATEKEEPER_BACKEND_HOST", "host.invalid")]);
    assert!(cause.contains("host.invalid"), "{cause}");
    assert!(cure.contains("GATEKEEPER_BACKEND_HOST"), "{cure}");
}

#[test]
fn the_doctor_sees_a_port_that_nobody_listens_on() {
    let bound = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let port = bound.local_addr().expect("it is bound").port().to_string();
    drop(bound);
    let (cause, cure, _) = diagnosis("connect", &[("GATEKEEPER_BACKEND_PORT", &port)]);
    assert!(cause.starts_with("backend dial failed: "), "{cause}");
    assert!(
        cause.to_lowercase().contains("connection refused"),
        "{cause}"
    );
    assert!(cure.contains("firewalls"), "{cure}");
}

#[test]
fn the_doctor_shows_the_names_and_dates_of_a_certificate_with_another_name() {
    let changes = [("GATEKEEPER_BACKEND_TLS_SERVER_NAME", "db.example")];
    let (cause, _, details) = diagnosis("tls", &changes);
    assert!(
        cause.starts_with("backend TLS negotiation failed: "),
        "{cause}"
    );
    for name in ["db.example", "localhost", "127.0.0.1"] {
        assert!(cause.contains(name), "{name}: {cause}");
    }
    assert!(details.contains("names localhost, 127.0.0.1"), "{details}");
    assert!(details.contains("valid from "), "{details}");
    assert!(details.contains("certificate not verified"), "{details}");
}

#[test]
fn the_doctor_sees_an_unknown_authority() {
    let other = Pki::new();
    let root = other.root.display().to_string();
    let changes = [("GATEKEEPER_BACKEND_TLS_CA_FILE", root.as_str())];
    let (cause, _, details) = diagnosis("tls", &changes);
    assert!(
        cause.starts_with("backend TLS negotiation failed: "),
        "{cause}"
    );
    assert!(details.contains("issuer "), "{details}");
}

#[test]
fn the_doctor_sees_a_server_without_tls() {
    let port = OPEN_SERVER.port().to_string();
    let (cause, cure, _) = diagnosis("tls", &[("GATEKEEPER_BACKEND_PORT", &port)]);
    assert!(
        cause.starts_with("backend TLS negotiation failed: "),
        "{cause}"
    );
    assert_ne!(cure, "");
}

#[test]
fn the_doctor_sees_a_token_command_that_fails() {
    let command = "echo the vault is closed >&2; exit 3";
    let changes = [("GATEKEEPER_BACKEND_TOKEN_CMD", command)];
    let (cause, cure, _) = diagnosis("token", &changes);
    assert!(
        cause.starts_with("backend token command failed: "),
        "{cause}"
    );
    assert!(cause.contains("the vault is closed"), "{cause}");
    assert!(cure.contains("by hand"), "{cure}");
}

#[test]
fn the_doctor_sees_a_wrong_password() {
    let (cause, cure, _) = diagnosis("login", &[("PGPASSWORD", "wrong-secret")]);
    let words = "password authentication failed for user \"scram_user\"";
    assert!(cause.contains(words) && cause.contains("28P01"), "{cause}");
    assert!(cure.contains("pg_hba.conf"), "{cure}");
    assert!(!cause.contains("wrong-secret"), "{cause}");
}

#[test]
fn the_doctor_sees_that_a_password_is_missing() {
    let (cause, cure, _) = diagnosis("login", &[("PGPASSWORD", "")]);
    assert!(cause.contains("password"), "{cause}");
    assert!(cure.contains("PGPASSWORD"), "{cure}");
}

#[test]
fn the_doctor_sees_a_missing_database() {
    let (cause, cure, _) = diagnosis("login", &[("PGDATABASE", "nowhere")]);
    assert!(
        cause.contains("\"nowhere\"") && cause.contains("3D000"),
        "{cause}"
    );
    assert!(cure.contains("--database"), "{cure}");
}

#[test]
fn the_doctor_refuses_wrong_settings() {
    let output = doctor(&[], &[("GATEKEEPER_BACKEND_TLS_MODE", "sometimes")]);
    assert_eq!(exit_code(&output), 78, "{output}");
}

// ---- Running ----

#[test]
fn a_port_in_use_is_unavailable() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let port = taken.local_addr().expect("it is bound").port();
    for variable in ["GATEKEEPER_LISTEN_PORT", "GATEKEEPER_API_PORT"] {
        let output = before(&OPEN_SERVER, "disable")
            .env(variable, port)
            .start_expecting_failure();
        assert_eq!(exit_code(&output), 69, "{variable} {output}");
        let line = output.stderr.lines().last().expect("it says why");
        let line: Value = serde_json::from_str(line).expect("it is JSON");
        assert_eq!(line["level"], "ERROR");
        let error = line["error"].as_str().expect("it says why");
        assert!(error.contains(&format!("127.0.0.1:{port}")), "{error}");
        assert!(error.contains("in use"), "{error}");
    }
}

#[test]
fn the_log_is_text_unless_told_otherwise() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let port = taken.local_addr().expect("it is bound").port().to_string();
    let settings = [
        ("GATEKEEPER_BACKEND_HOST", "127.0.0.1"),
        ("GATEKEEPER_API_PORT", "0"),
        ("GATEKEEPER_LISTEN_PORT", port.as_str()),
    ];
    for format in [None, Some(("GATEKEEPER_LOG_FORMAT", "text"))] {
        let settings: Vec<_> = settings.into_iter().chain(format).collect();
        let output = command(&[], &settings);
        assert_eq!(exit_code(&output), 69, "{output}");
        let last = output.stderr.lines().last().expect("it says why");
        assert!(last.contains("ERROR the gateway can't start"), "{output}");
        // Colours are for terminals.
        assert!(!output.stderr.contains('\u{1b}'), "{output}");
    }
}

#[test]
fn each_line_of_a_session_names_it() {
    let gateway = before(&OPEN_SERVER, "disable").start();
    let client = gateway.client().user("postgres").dbname("template1");
    assert_eq!(client.query("select 1"), "1");
    let established = gateway.wait_for_message("session established");
    let ended = gateway.wait_for_message("session ended");
    for line in [&established, &ended] {
        let span = &line["span"];
        assert_eq!(span["db.user"], "postgres", "{line}");
        assert_eq!(span["db.name"], "template1", "{line}");
        let addr = span["client.addr"].as_str().unwrap_or_default();
        assert!(addr.starts_with("127.0.0.1:"), "{line}");
        assert_eq!(
            span["session.id"].as_str().map(str::len),
            Some(36),
            "{line}"
        );
        assert!(line["timestamp"].is_string(), "{line}");
    }
    assert_eq!(
        established["span"]["session.id"],
        ended["span"]["session.id"]
    );
    // Nothing but JSON.
    assert_eq!(gateway.stderr().lines().count(), gateway.logs().len());
    assert_eq!(gateway.stdout(), "");
}

/// Runs the gateway from a file alone.
fn runs_from_file(name: &str, text: &str) {
    let directory = temporary_directory();
    let file = directory.path().join(name);
    fs::write(&file, text).expect("the directory is writable");
    let gateway = Gateway::builder(querycop())
        // The file says it: an empty variable counts as none.
        .env("GATEKEEPER_LISTEN_PORT", "")
        .env("GATEKEEPER_API_PORT", "")
        .env("GATEKEEPER_LOG_FORMAT", "")
        .env("GATEKEEPER_CONFIG", file.display())
        .start();
    let mut client = RawClient::log_in(gateway.port());
    assert_eq!(client.value("select 1"), "1");
    let refused = RawClient::expect_refusal(gateway.port(), "postgres");
    assert_eq!(refused.code, "53300");
    let key = [("X-API-Key", KEY)];
    assert_eq!(get(&gateway, "/api/v1/sessions", &key).status, 200);
    let info = get(&gateway, "/metrics", &[]).body;
    assert!(info.contains("backend_role=\"replica\""), "{info}");
}

#[test]
fn a_configuration_file_is_all_that_is_needed() {
    let port = OPEN_SERVER.port();
    let toml = format!(
        "[listen]\naddress = '127.0.0.1'\nport = 0\n\n\
         [api]\nport = 0\nadmin_key = '{KEY}'\n\n\
         [backend]\nhost = '127.0.0.1'\nport = {port}\ntls_mode = 'disable'\nrole = 'replica'\n\n\
         [limits]\nmax_sessions = 1\ndrain_timeout = '5s'\n\n\
         [log]\nformat = 'json'\n"
    );
    runs_from_file("querycop.toml", &toml);
    let yaml = format!(
        "listen:\n  address: 127.0.0.1\n  port: 0\n\
         api:\n  port: 0\n  admin_key: {KEY}\n\
         backend:\n  host: 127.0.0.1\n  port: {port}\n  tls_mode: disable\n  role: replica\n\
         limits:\n  max_sessions: 1\n  drain_timeout: 5s\n\
         log:\n  format: json\n"
    );
    runs_from_file("querycop.yaml", &yaml);
}

// ---- HTTP API ----

#[test]
fn health_and_metrics_need_no_key() {
    for key in ["", KEY] {
        let gateway = before(&OPEN_SERVER, "disable")
            .env("ADMIN_API_KEY", key)
            .start();
        assert_eq!(get(&gateway, "/healthz", &[]).status, 200);
        assert_eq!(get(&gateway, "/readyz", &[]).status, 200);
        let metrics = get(&gateway, "/metrics", &[]);
        assert_eq!(metrics.status, 200);
        let version = concat!("version=\"", env!("CARGO_PKG_VERSION"), "\"");
        for text in ["querycop_sessions_active 0", version, "# EOF"] {
            assert!(metrics.body.contains(text), "{text}: {}", metrics.body);
        }
    }
}

#[test]
fn without_a_configured_key_the_rest_is_forbidden_with_a_hint() {
    let gateway = before(&OPEN_SERVER, "disable").start();
    for path in ["/api/v1/sessions", "/", "/anything"] {
        let refused = get(&gateway, path, &[("X-API-Key", KEY)]);
        assert_eq!(refused.status, 403, "{path}");
        let hint = refused.json()["hint"].to_string();
        assert!(hint.contains("ADMIN_API_KEY"), "{path}: {hint}");
    }
}

#[test]
fn a_wrong_key_is_refused() {
    let gateway = before(&OPEN_SERVER, "disable")
        .env("ADMIN_API_KEY", KEY)
        .start();
    let wrong = "a-key-that-is-somebody-else-s";
    for headers in [
        &[][..],
        &[("X-API-Key", wrong)],
        &[("Authorization", "Bearer x")],
    ] {
        let refused = get(&gateway, "/api/v1/sessions", headers);
        assert_eq!(refused.status, 401, "{headers:?}");
        assert!(!refused.body.contains(KEY), "{refused:?}");
    }
    assert!(!gateway.stderr().contains(wrong));
}

#[test]
fn the_sessions_are_listed_for_who_has_the_key() {
    let gateway = before(&OPEN_SERVER, "disable")
        .env("ADMIN_API_KEY", KEY)
        .start();
    let bearer = format!("Bearer {KEY}");
    let sessions = || get(&gateway, "/api/v1/sessions", &[("Authorization", &bearer)]).json();
    assert_eq!(sessions(), serde_json::json!([]));
    let mut client = RawClient::log_in(gateway.port());
    client.query("begin");
    // The client may have its answer a moment before the list says so.
    let session = eventually("the transaction to show", || {
        let session = sessions()[0].clone();
        (session["phase"] == "idle in transaction").then_some(session)
    });
    assert_eq!(session["user"], "postgres");
    assert_eq!(session["database"], "postgres");
    assert_eq!(session["client_tls"], false);
    let established = gateway.wait_for_message("session established");
    assert_eq!(session["id"], established["span"]["session.id"]);
    drop(client);
    eventually("the session to leave the list", || {
        (sessions() == serde_json::json!([])).then_some(())
    });
}
