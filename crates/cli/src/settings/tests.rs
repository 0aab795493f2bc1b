use std::time::Duration;

use querycop_gateway::config::{
    BackendAddress, Direct, IamLogin, IpType, Requirement, Roots, Route, TlsMode, TokenSource,
};
use querycop_serve::Endpoint;

use super::*;

const HOST: (&str, &str) = ("GATEKEEPER_BACKEND_HOST", "db.example");
const TOKEN: (&str, &str) = ("GATEKEEPER_BACKEND_TOKEN_CMD", "echo token");

fn load_env(variables: &[(&str, &str)]) -> Loaded {
    let owned = variables
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()));
    load(None, &[], &Environment::read(owned))
}

fn settings(variables: &[(&str, &str)]) -> Settings {
    match load_env(variables).settings {
        Ok(settings) => settings,
        Err(problems) => panic!("{problems:?}"),
    }
}

fn problems(variables: &[(&str, &str)]) -> Vec<String> {
    match load_env(variables).settings {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

fn direct(config: &Config) -> &Direct {
    match &config.backend.route {
        Route::Direct(direct) => direct,
        Route::Instance(instance) => panic!("an instance: {}", instance.uri),
    }
}

#[test]
fn a_host_is_all_that_is_needed() {
    let settings = settings(&[HOST]);
    let config = settings.config;
    assert_eq!(
        config.listen,
        Endpoint::Tcp("127.0.0.1:15432".parse().unwrap())
    );
    let direct = direct(&config);
    assert_eq!(
        direct.address,
        BackendAddress::Tcp {
            host: "db.example".to_owned(),
            port: 5432
        }
    );
    assert_eq!(direct.tls.mode, TlsMode::Prefer);
    assert_eq!(direct.tls.roots, Roots::System);
    assert_eq!(config.limits.drain_timeout, Duration::from_secs(30));
    assert!(config.client_tls.is_none());
    assert!(config.backend.token.is_none());
    assert_eq!(settings.api_addr, "127.0.0.1:8080".parse().unwrap());
}

#[test]
fn without_a_host_the_variable_is_named() {
    let problems = problems(&[]);
    assert_eq!(problems.len(), 1);
    assert!(
        problems[0].contains("GATEKEEPER_BACKEND_HOST"),
        "{problems:?}"
    );
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let problems = problems(&[
        ("GATEKEEPER_LISTEN_PORT", "many"),
        ("GATEKEEPER_BACKEND_TLS_MODE", "sometimes"),
        ("GATEKEEPER_DRAIN_TIMEOUT", "soon"),
        ("GATEKEEPER_MAX_SESSIONS", "0"),
        ("ADMIN_API_KEY", "hunter2"),
    ]);
    let about = |text: &str| problems.iter().any(|problem| problem.contains(text));
    assert!(
        about("listen.port (GATEKEEPER_LISTEN_PORT): \"many\""),
        "{problems:?}"
    );
    assert!(about(
        "backend.tls_mode (GATEKEEPER_BACKEND_TLS_MODE): \"sometimes\" is not one of"
    ));
    assert!(about("limits.drain_timeout"));
    assert!(about("limits.max_sessions"));
    assert!(about("api.admin_key"));
    assert!(about("backend.host"));
    assert!(!about("hunter2"), "a secret is in {problems:?}");
}

#[test]
fn flags_win_over_the_environment_and_it_over_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("querycop.toml");
    std::fs::write(
        &path,
        "[backend]\nhost = 'from-file'\nport = 1\n[listen]\nport = 1\n",
    )
    .unwrap();
    let environment = Environment::read([
        ("GATEKEEPER_BACKEND_PORT".into(), "2".into()),
        ("GATEKEEPER_LISTEN_PORT".into(), "2".into()),
    ]);
    let flags = [(Setting::of_key("listen.port").unwrap(), "3".to_owned())];
    let loaded = load(Some(path.clone()), &flags, &environment);
    let value = |key: &str| loaded.values.value(key).unwrap();
    assert_eq!(value("backend.host").source, Source::File { path, line: 2 });
    assert_eq!(
        value("backend.port").source,
        Source::Environment("GATEKEEPER_BACKEND_PORT")
    );
    assert_eq!(value("backend.port").text, "2");
    assert_eq!(
        value("listen.port").source,
        Source::Flag("listen-port".to_owned())
    );
    assert_eq!(value("listen.port").text, "3");
}

#[test]
fn a_token_never_goes_with_a_mode_that_may_be_in_clear() {
    for mode in ["disable", "prefer"] {
        let problems = problems(&[HOST, TOKEN, ("GATEKEEPER_BACKEND_TLS_MODE", mode)]);
        assert_eq!(problems.len(), 1, "{mode}: {problems:?}");
        assert!(
            problems[0].contains("GATEKEEPER_BACKEND_TOKEN_CMD"),
            "{problems:?}"
        );
        assert!(
            problems[0].contains("GATEKEEPER_BACKEND_TLS_MODE"),
            "{problems:?}"
        );
    }
    for mode in ["require", "verify-full"] {
        settings(&[HOST, TOKEN, ("GATEKEEPER_BACKEND_TLS_MODE", mode)]);
    }
}

#[test]
fn the_exemption_for_loopback_is_for_disable_and_this_machine_only() {
    let allow = ("GATEKEEPER_BACKEND_TOKEN_ALLOW_PLAINTEXT_LOOPBACK", "true");
    let with = |host, mode| {
        problems(&[
            ("GATEKEEPER_BACKEND_HOST", host),
            TOKEN,
            allow,
            ("GATEKEEPER_BACKEND_TLS_MODE", mode),
        ])
    };
    for local in ["127.0.0.1", "::1", "localhost", "/run/postgresql"] {
        assert_eq!(with(local, "disable"), [""; 0], "{local}");
    }
    assert_eq!(with("127.0.0.1", "prefer").len(), 1);
    assert_eq!(with("db.example", "disable").len(), 1);
}

#[test]
fn a_token_is_not_for_everybody_on_the_network() {
    let open = ("GATEKEEPER_LISTEN_ADDRESS", "0.0.0.0");
    let tls = ("GATEKEEPER_BACKEND_TLS_MODE", "verify-full");
    let refused = problems(&[HOST, TOKEN, tls, open]);
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert!(
        refused[0].contains("GATEKEEPER_ALLOW_UNAUTHENTICATED_CLIENTS=true"),
        "{refused:?}"
    );
    settings(&[
        HOST,
        TOKEN,
        tls,
        open,
        ("GATEKEEPER_ALLOW_UNAUTHENTICATED_CLIENTS", "true"),
    ]);
    settings(&[HOST, tls, open]);
    settings(&[HOST, TOKEN, tls, ("GATEKEEPER_LISTEN_ADDRESS", "/tmp")]);
    settings(&[HOST, TOKEN, tls, ("GATEKEEPER_LISTEN_ADDRESS", "::1")]);
}

#[test]
fn what_comes_later_is_refused_and_not_ignored() {
    for (name, value) in [
        ("GATEKEEPER_CLIENT_AUTH", "scram"),
        ("GATEKEEPER_CLIENT_AUTH", "jwt"),
    ] {
        let problems = problems(&[HOST, (name, value)]);
        assert_eq!(problems.len(), 1, "{name}: {problems:?}");
        assert!(
            problems[0].contains("not available in this version"),
            "{problems:?}"
        );
    }
}

#[test]
fn certificate_and_key_come_together() {
    let certificate = ("GATEKEEPER_PROXY_TLS_CERT", "/c.pem");
    let key = ("GATEKEEPER_PROXY_TLS_KEY", "/k.pem");
    assert_eq!(problems(&[HOST, certificate]).len(), 1);
    assert_eq!(problems(&[HOST, key]).len(), 1);
    let tls = settings(&[HOST, certificate, key])
        .config
        .client_tls
        .unwrap();
    assert_eq!(tls.required, Requirement::Optional);
    assert_eq!(
        problems(&[HOST, ("GATEKEEPER_PROXY_TLS_MODE", "require")]).len(),
        1
    );
}

#[test]
fn a_client_authority_makes_tls_required() {
    let files = [
        HOST,
        ("GATEKEEPER_PROXY_TLS_CERT", "/c.pem"),
        ("GATEKEEPER_PROXY_TLS_KEY", "/k.pem"),
        ("GATEKEEPER_PROXY_TLS_CLIENT_CA", "/ca.pem"),
    ];
    let tls = settings(&files).config.client_tls.unwrap();
    assert_eq!(tls.required, Requirement::Required);
    let with_prefer = [&files[..], &[("GATEKEEPER_PROXY_TLS_MODE", "prefer")]].concat();
    assert_eq!(problems(&with_prefer).len(), 1);
}

#[test]
fn verify_ca_asks_whom_to_believe() {
    let mode = ("GATEKEEPER_BACKEND_TLS_MODE", "verify-ca");
    assert_eq!(problems(&[HOST, mode]).len(), 1);
    let roots = |file| {
        let settings = settings(&[HOST, mode, ("GATEKEEPER_BACKEND_TLS_CA_FILE", file)]);
        direct(&settings.config).tls.roots.clone()
    };
    assert_eq!(roots("system"), Roots::System);
    assert_eq!(roots("/ca.pem"), Roots::File("/ca.pem".into()));
}

#[test]
fn direct_tls_does_not_go_with_falling_back() {
    let direct = ("GATEKEEPER_BACKEND_TLS_NEGOTIATION", "direct");
    assert_eq!(problems(&[HOST, direct]).len(), 1);
    settings(&[HOST, direct, ("GATEKEEPER_BACKEND_TLS_MODE", "require")]);
}

#[test]
fn a_directory_means_a_unix_socket() {
    let settings = settings(&[
        ("GATEKEEPER_BACKEND_HOST", "/run/postgresql"),
        ("GATEKEEPER_LISTEN_ADDRESS", "/run/querycop"),
    ]);
    assert_eq!(
        settings.config.listen,
        Endpoint::Unix("/run/querycop/.s.PGSQL.15432".into())
    );
    assert_eq!(
        direct(&settings.config).address,
        BackendAddress::Unix("/run/postgresql/.s.PGSQL.5432".into())
    );
}

#[test]
fn an_empty_variable_counts_as_not_set() {
    let settings = settings(&[HOST, ("GATEKEEPER_LISTEN_PORT", "")]);
    assert_eq!(
        settings.config.listen,
        Endpoint::Tcp("127.0.0.1:15432".parse().unwrap())
    );
}

#[test]
fn a_value_that_can_t_be_read_is_a_mistake() {
    let broken = std::os::unix::ffi::OsStringExt::from_vec(b"verify-full\xff".to_vec());
    let environment = Environment::read([
        (HOST.0.into(), HOST.1.into()),
        ("GATEKEEPER_BACKEND_TLS_MODE".into(), broken),
    ]);
    let problems = load(None, &[], &environment).settings.err().unwrap();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(
        problems[0].to_string(),
        "GATEKEEPER_BACKEND_TLS_MODE: the value is not UTF-8"
    );
}

#[test]
fn a_backend_port_of_zero_and_limits_beyond_reason_are_refused() {
    for (name, value) in [
        ("GATEKEEPER_BACKEND_PORT", "0"),
        ("GATEKEEPER_MAX_STARTUPS", "9223372036854775807"),
    ] {
        assert_eq!(problems(&[HOST, (name, value)]).len(), 1, "{name}");
    }
}

#[test]
fn a_mistyped_variable_is_warned_of() {
    let loaded = load_env(&[
        HOST,
        ("GATEKEEPER_PROXY_TLSMODE", "require"),
        ("GATEKEEPER_PORT_5432_TCP_ADDR", "10.0.0.1"),
        ("GATEKEEPER_SERVICE_HOST", "10.0.0.1"),
    ]);
    let warnings: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "GATEKEEPER_PROXY_TLSMODE: unknown variable, ignored; did you mean GATEKEEPER_PROXY_TLS_MODE?"
        ]
    );
}

#[test]
fn a_token_for_an_unverified_server_is_warned_of() {
    let warnings = |mode| {
        load_env(&[HOST, TOKEN, ("GATEKEEPER_BACKEND_TLS_MODE", mode)])
            .warnings
            .len()
    };
    assert_eq!(warnings("require"), 1);
    assert_eq!(warnings("verify-full"), 0);
}

#[test]
fn secrets_are_masked() {
    let loaded = load_env(&[HOST, ("ADMIN_API_KEY", "0123456789abcdef")]);
    let key = loaded.values.shown().find(|(setting, _)| setting.secret);
    assert_eq!(key.unwrap().1.unwrap().text, "********");
}

const INSTANCE: (&str, &str) = (
    "GATEKEEPER_BACKEND_INSTANCE",
    "projects/p/locations/l/clusters/c/instances/i",
);
const IAM: (&str, &str) = ("GATEKEEPER_BACKEND_IAM_AUTH", "true");

#[test]
fn an_instance_is_all_that_is_needed() {
    let config = settings(&[INSTANCE]).config;
    let Route::Instance(instance) = &config.backend.route else {
        panic!("a direct route: {}", config.backend.route);
    };
    assert_eq!(instance.uri.as_str(), INSTANCE.1);
    assert_eq!(instance.ip_type, IpType::Private);
    assert_eq!(instance.iam_login, IamLogin::Off);
    assert!(!config.backend.logs_in_by_itself());
}

#[test]
fn iam_login_to_an_instance_is_automatic() {
    let config = settings(&[INSTANCE, IAM, ("GATEKEEPER_BACKEND_IP_TYPE", "psc")]).config;
    let Route::Instance(instance) = &config.backend.route else {
        panic!("a direct route: {}", config.backend.route);
    };
    assert_eq!(instance.ip_type, IpType::Psc);
    assert_eq!(instance.iam_login, IamLogin::On);
    assert!(config.backend.token.is_none());
    assert!(config.backend.logs_in_by_itself());
}

#[test]
fn iam_login_to_a_host_needs_tls_as_every_token_does() {
    let problems = problems(&[HOST, IAM]);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(
        problems[0].contains("GATEKEEPER_BACKEND_IAM_AUTH"),
        "{problems:?}"
    );
    assert!(
        problems[0].contains("GATEKEEPER_BACKEND_TLS_MODE"),
        "{problems:?}"
    );
    let tls = ("GATEKEEPER_BACKEND_TLS_MODE", "verify-full");
    let config = settings(&[HOST, IAM, tls]).config;
    assert!(matches!(config.backend.token, Some(TokenSource::Iam)));
}

#[test]
fn iam_login_is_for_this_machine_alone_unless_said_otherwise() {
    let open = ("GATEKEEPER_LISTEN_ADDRESS", "0.0.0.0");
    let problems = problems(&[INSTANCE, IAM, open]);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(
        problems[0].contains("with GATEKEEPER_BACKEND_IAM_AUTH"),
        "{problems:?}"
    );
    settings(&[INSTANCE, open]);
}

#[test]
fn an_instance_leaves_nothing_to_be_said_of_address_and_tls() {
    let problems = problems(&[
        INSTANCE,
        HOST,
        ("GATEKEEPER_BACKEND_PORT", "5432"),
        ("GATEKEEPER_BACKEND_TLS_MODE", "verify-full"),
    ]);
    assert_eq!(problems.len(), 3, "{problems:?}");
    for problem in problems {
        assert!(problem.contains("backend.instance"), "{problem}");
    }
}

#[test]
fn an_instance_that_is_none_is_refused_with_the_form_that_it_should_have() {
    for text in [
        "p:l:c:i",
        "projects/p/locations/l/clusters/c/instances/i/extra",
    ] {
        let problems = problems(&[("GATEKEEPER_BACKEND_INSTANCE", text)]);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains(text), "{problems:?}");
        assert!(problems[0].contains("projects/"), "{problems:?}");
    }
}

#[test]
fn two_ways_to_log_in_are_one_too_many() {
    let problems = problems(&[INSTANCE, IAM, TOKEN]);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains("backend.token_cmd"), "{problems:?}");
}

#[test]
fn the_accounts_to_impersonate_are_a_list_of_addresses() {
    let list = "sa@p.iam.gserviceaccount.com, second@p.iam.gserviceaccount.com";
    let config = settings(&[INSTANCE, ("GATEKEEPER_BACKEND_IMPERSONATE", list)]).config;
    let expected = list.split(", ").collect::<Vec<_>>();
    assert_eq!(config.backend.google.impersonate, expected);
    let problems = problems(&[INSTANCE, ("GATEKEEPER_BACKEND_IMPERSONATE", "sa")]);
    assert_eq!(problems.len(), 1, "{problems:?}");
}
