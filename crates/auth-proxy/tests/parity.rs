//! Arguments, environment and file to settings or an error: each line of parity/cases.txt.

#[path = "parity/table.rs"]
mod table;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;

use querycop_auth_proxy::{
    Bind, Credential, Environment, FailedInstance, Identity, InstanceName, Outcome, Refresh,
    Settings, StartUpCheck, begin,
};
use secrecy::ExposeSecret;

use self::table::{Case, Expected, cases, expand};

const DEFAULTS: &str = include_str!("parity/defaults.txt");

fn facts_expected(text: &str) -> BTreeMap<String, String> {
    let entry = |(key, value): (&str, &str)| (key.trim().to_owned(), expand(value.trim()));
    let lines = DEFAULTS.lines().filter(|line| !line.starts_with('#'));
    let mut facts: BTreeMap<_, _> = lines
        .map(|line| entry(line.split_once('=').expect("a default has a value")))
        .collect();
    let own: BTreeMap<_, _> = text
        .split("; ")
        .filter(|fact| !fact.is_empty())
        .map(|fact| entry(fact.split_once('=').expect("a fact has a value")))
        .collect();
    let count: usize = own
        .get("instances")
        .map_or(1, |text| text.parse().expect("a number"));
    for further in 1..count {
        for key in ["ip", "iam", "identity", "tls"] {
            let default = facts[&format!("0.{key}")].clone();
            facts.insert(format!("{further}.{key}"), default);
        }
    }
    facts.extend(own);
    facts
}

fn identity(identity: &Identity) -> String {
    let mut text = match &identity.credential {
        Credential::ApplicationDefault => "application default".to_owned(),
        Credential::Token(token) => format!("token {}", token.expose_secret()),
        Credential::File(path) => format!("file {}", path.display()),
        Credential::Json(json) => format!("json {}", json.expose_secret()),
        Credential::Gcloud => "gcloud".to_owned(),
    };
    if let Some(impersonation) = &identity.impersonation {
        let _ = write!(text, " as {}", impersonation.target);
        if !impersonation.delegates.is_empty() {
            let _ = write!(text, " by {}", impersonation.delegates.join(" "));
        }
    }
    text
}

fn or_none(text: Option<String>) -> String {
    text.unwrap_or_else(|| "none".to_owned())
}

fn instance_facts(settings: &Settings, facts: &mut Vec<(String, String)>) {
    facts.push(("instances".to_owned(), settings.instances.len().to_string()));
    for (number, instance) in settings.instances.iter().enumerate() {
        let name = match &instance.name {
            InstanceName::Uri(uri) => uri.to_string(),
            InstanceName::Dns(name) => format!("dns {name}"),
        };
        let bind = match &instance.bind {
            Bind::Tcp { address, port } if address.is_ipv6() => format!("[{address}]:{port}"),
            Bind::Tcp { address, port } => format!("{address}:{port}"),
            Bind::Unix { parent, directory } => {
                format!("{} > {}", parent.display(), directory.display())
            }
        };
        let tls = instance.tls.as_ref();
        let tls = tls.map(|tls| format!("{} {}", tls.certificate.display(), tls.key.display()));
        for (key, value) in [
            ("name", name),
            ("bind", bind),
            ("ip", instance.ip_type.to_string()),
            ("iam", instance.auto_iam_authn.to_string()),
            (
                "identity",
                or_none(instance.identity.as_ref().map(identity)),
            ),
            ("tls", or_none(tls)),
        ] {
            facts.push((format!("{number}.{key}"), value));
        }
    }
}

/// All that settings say, by the names of parity/defaults.txt.
fn facts(settings: &Settings) -> BTreeMap<String, String> {
    let mut facts = Vec::new();
    instance_facts(settings, &mut facts);
    let named = [
        connector_facts(settings),
        server_facts(settings),
        end_and_log_facts(settings),
        telemetry_facts(settings),
    ];
    let named = named.concat().into_iter();
    facts.extend(named.map(|(key, value)| (key.to_owned(), value)));
    for (number, notice) in settings.notices.iter().enumerate() {
        facts.push((format!("notice.{number}"), notice.clone()));
    }
    facts.into_iter().collect()
}

fn connector_facts(settings: &Settings) -> Vec<(&'static str, String)> {
    let login_token = settings.login_token.as_ref();
    let login_token = login_token.map(|token| token.expose_secret().to_owned());
    let refresh = match &settings.refresh {
        Refresh::Ahead => "ahead".to_owned(),
        Refresh::Lazy => "lazy".to_owned(),
        Refresh::Static(path) => format!("static {}", path.display()),
    };
    let check = match settings.start_up_check {
        StartUpCheck::Off => "off".to_owned(),
        StartUpCheck::Once => "once".to_owned(),
        StartUpCheck::Retry { timeout } => format!("retry {timeout:?}"),
    };
    let failed_instance = match settings.failed_instance {
        FailedInstance::EndsAll => "ends all",
        FailedInstance::IsSkipped => "is skipped",
    };
    let config_file = settings.config_file.as_ref().map(|path| {
        let extension = path.extension().unwrap_or_default();
        extension.to_string_lossy().into_owned()
    });
    vec![
        ("identity", identity(&settings.identity)),
        ("login-token", or_none(login_token)),
        ("endpoint", or_none(settings.admin_endpoint.clone())),
        ("universe", or_none(settings.universe_domain.clone())),
        ("agents", settings.user_agents.join(" ")),
        ("refresh", refresh),
        ("max-connections", settings.max_connections.to_string()),
        ("check", check),
        ("failed-instance", failed_instance.to_owned()),
        ("dns-period", format!("{:?}", settings.dns_period)),
        ("config-file", or_none(config_file)),
        ("notices", settings.notices.len().to_string()),
        ("version", settings.version.clone()),
    ]
}

fn server_facts(settings: &Settings) -> Vec<(&'static str, String)> {
    let Settings { http, admin, .. } = settings;
    vec![
        ("http.address", http.address.clone()),
        ("http.port", http.port.clone()),
        ("http.health", http.health_check.to_string()),
        ("http.backend-check", http.with_backend_check.to_string()),
        ("http.prometheus", http.prometheus.to_string()),
        ("http.namespace", http.prometheus_namespace.clone()),
        ("admin.address", admin.address.clone()),
        ("admin.port", admin.port.clone()),
        ("admin.debug", admin.debug.to_string()),
        ("admin.quit", admin.quitquitquit.to_string()),
    ]
}

fn end_and_log_facts(settings: &Settings) -> Vec<(&'static str, String)> {
    let Settings {
        shutdown, logging, ..
    } = settings;
    let fail_readiness = shutdown.fail_readiness_on_term;
    vec![
        ("min-delay", format!("{:?}", shutdown.min_sigterm_delay)),
        ("max-delay", format!("{:?}", shutdown.max_sigterm_delay)),
        ("exit-zero", shutdown.exit_zero_sigterm.to_string()),
        ("fail-readiness", fail_readiness.to_string()),
        ("structured", logging.structured.to_string()),
        ("quiet", logging.quiet.to_string()),
        ("debug-logs", logging.debug.to_string()),
    ]
}

fn telemetry_facts(settings: &Settings) -> Vec<(&'static str, String)> {
    let telemetry = &settings.telemetry;
    let switches = [
        ("telemetry.metrics-off", telemetry.disable_metrics),
        ("telemetry.traces-off", telemetry.disable_traces),
        ("telemetry.built-in-off", telemetry.disable_built_in),
    ];
    let switches = switches.map(|(name, on)| (name, on.to_string()));
    let texts = [
        ("telemetry.project", or_none(telemetry.project.clone())),
        ("telemetry.prefix", telemetry.prefix.clone()),
        ("telemetry.rate", telemetry.sample_rate.to_string()),
        ("telemetry.otlp", or_none(telemetry.otlp_endpoint.clone())),
    ];
    switches.into_iter().chain(texts).collect()
}

/// What is different, a line each.
fn differences(
    expected: &BTreeMap<String, String>,
    actual: &BTreeMap<String, String>,
) -> Vec<String> {
    let mut keys: Vec<_> = expected.keys().chain(actual.keys()).collect();
    keys.sort();
    keys.dedup();
    let mut lines = Vec::new();
    for key in keys {
        let (wanted, found) = (expected.get(key), actual.get(key));
        let same = match (wanted, found) {
            (Some(wanted), Some(found)) if key.starts_with("notice.") => found.contains(wanted),
            (wanted, found) => wanted == found,
        };
        if !same {
            lines.push(format!("{key}: expected {wanted:?}, got {found:?}"));
        }
    }
    lines
}

/// Runs a case; gives what is wrong.
fn judge(case: &Case) -> Vec<String> {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let os = |(name, value): &(String, String)| (OsString::from(name), OsString::from(value));
    let environment = Environment::new(case.environment.iter().map(os));
    let arguments = case.arguments.iter().map(OsString::from);
    let outcome = begin(
        "alloydb-auth-proxy",
        arguments,
        environment,
        &mut out,
        &mut err,
    );
    let (out, err) = (String::from_utf8_lossy(&out), String::from_utf8_lossy(&err));
    let mut wrong = Vec::new();
    let mut check = |right: bool, what: String| {
        if !right {
            wrong.push(what);
        }
    };
    match (case.expected, outcome) {
        (Expected::Settings, Outcome::Run(settings, _)) => {
            check(
                out.is_empty() && err.is_empty(),
                format!("it printed {out}{err}"),
            );
            // Harnesses of the original take such a line for a failure.
            let alarming = |notice: &String| notice.to_lowercase().contains("error");
            check(
                !settings.notices.iter().any(alarming),
                format!("{:?}", settings.notices),
            );
            wrong.extend(differences(&facts_expected(case.text), &facts(&settings)));
        }
        (Expected::Error, Outcome::Ended(status)) => {
            let first = err.lines().next().unwrap_or_default();
            let is_told = first.starts_with("Error: ") && first.contains(case.text);
            check(status == 1, format!("status {status}"));
            check(out.is_empty(), format!("stdout: {out}"));
            check(is_told, format!("stderr: {first}"));
            check(err.contains("\nUsage:\n"), "no usage".to_owned());
        }
        (Expected::Output, Outcome::Ended(status)) => {
            check(status == 0, format!("status {status}"));
            check(err.is_empty(), format!("stderr: {err}"));
            check(out.contains(&expand(case.text)), format!("stdout: {out}"));
        }
        (_, Outcome::Ended(status)) => {
            check(
                false,
                format!(
                    "status {status}, stderr: {}",
                    err.lines().next().unwrap_or("")
                ),
            );
        }
        (_, Outcome::Run(..) | Outcome::Examine(..)) => check(false, "it was accepted".to_owned()),
    }
    wrong
}

#[test]
fn every_case_of_the_table_holds() {
    let folder = tempfile::tempdir().expect("a directory");
    let mut failed = String::new();
    let cases = cases(folder.path());
    for case in &cases {
        let wrong = judge(case);
        if !wrong.is_empty() {
            let _ = writeln!(failed, "{}\n    {}", case.line, wrong.join("\n    "));
        }
    }
    let count = cases.len();
    assert!(failed.is_empty(), "of {count} cases:\n{failed}");
    assert!(count > 300, "only {count} cases were found");
}

#[test]
fn the_manual_tells_of_every_difference() {
    let manual = include_str!("../../../docs/auth-proxy.md");
    let folder = tempfile::tempdir().expect("a directory");
    for case in cases(folder.path()) {
        let Some(name) = case.difference else {
            continue;
        };
        assert!(
            manual.contains(&format!("* `{name}`: ")),
            "{name}: {}",
            case.line
        );
    }
}

#[test]
fn settings_are_made_anew_from_the_file() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("proxy.toml");
    let uri = expand("@i");
    let write = |text: String| fs::write(&path, text).expect("the file can be written");
    write(format!("instance-uri = \"{uri}\"\n"));
    let arguments = [
        OsString::from("--config-file"),
        path.clone().into_os_string(),
    ];
    let outcome = begin(
        "x",
        arguments,
        Environment::default(),
        &mut Vec::new(),
        &mut Vec::new(),
    );
    let Outcome::Run(first, sources) = outcome else {
        panic!("the file is right");
    };
    assert_eq!(first.instances.len(), 1);
    write(format!(
        "instance-uri = \"{uri}\"\ninstance-uri-1 = \"{uri}?port=7\"\n"
    ));
    assert_eq!(
        sources
            .settings()
            .expect("the file is right")
            .instances
            .len(),
        2
    );
    write("instance-uri = 'x'".to_owned());
    let error = sources.settings().expect_err("x is no instance");
    assert!(
        error
            .to_string()
            .contains("could not parse instance uri: \"x\""),
        "{error}"
    );
}

#[test]
fn secrets_are_never_shown() {
    let secret = "hush-hush";
    for arguments in [
        vec!["--token", secret, "--login-token", secret, "-i"],
        vec!["--json-credentials", secret],
        vec![
            "--otlp-endpoint",
            "http://c",
            "--login-token",
            secret,
            "--token",
            secret,
        ],
    ] {
        let uri = expand("@i");
        let arguments = arguments
            .into_iter()
            .chain([uri.as_str()])
            .map(OsString::from);
        let environment = Environment::default();
        let outcome = begin(
            "x",
            arguments,
            environment,
            &mut Vec::new(),
            &mut Vec::new(),
        );
        let shown = format!("{outcome:?}");
        assert!(
            shown.starts_with("Run(") && !shown.contains(secret),
            "{shown}"
        );
    }
}

#[test]
fn a_broken_file_is_not_quoted() {
    let folder = tempfile::tempdir().expect("a directory");
    let secret = "hush-hush";
    for (name, content) in [
        ("x.toml", format!("token = \"{secret}\nport = 1\n")),
        ("x.yaml", format!("token: [{secret}\nport: 1\n")),
        ("x.json", format!("{{\"token\": \"{secret}\", port}}")),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, content).expect("the file can be written");
        let arguments = [OsString::from("--config-file"), path.into_os_string()];
        let mut err = Vec::new();
        let outcome = begin(
            "x",
            arguments,
            Environment::default(),
            &mut Vec::new(),
            &mut err,
        );
        assert!(matches!(outcome, Outcome::Ended(1)), "{name}");
        let said = String::from_utf8_lossy(&err);
        assert!(
            said.contains("failed to load") && !said.contains(secret),
            "{said}"
        );
    }
}
