//! What both proxies are put through.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::sync::{LazyLock, PoisonError};
use std::time::Duration;

use alloydb_emulator::Principal;
use querycop_testkit::command::Program;
use querycop_testkit::postgres::Login;
use querycop_testkit::psql::Psql;
use querycop_testkit::wait::{eventually, eventually_within};

use super::side::{Side, request};
use super::{Who, compare};
use crate::alloydb::cloud::{CLUSTER, Cloud, PRIMARY, READ_POOL, SERVICE_ACCOUNT, SERVICE_ROLE};
use crate::google::LOCALHOST;
use crate::google::cloud::TUNNEL_PORT;

pub(super) const DANA: &str = "dana@example.com";
pub(super) const TOKEN: &str = "token-of-dana";
const PASSWORD: Login = Login::Scram;

static CLOUD: LazyLock<Cloud> =
    LazyLock::new(|| Cloud::with(|builder| builder.principal(Principal::new(DANA).token(TOKEN))));

/// Starts a proxy of the service account before the emulator.
fn start(side: &mut Side, words: &[&str]) {
    start_before(&CLOUD, side, words);
}

pub(super) fn start_before(cloud: &Cloud, side: &mut Side, words: &[&str]) {
    let credentials = cloud.emulator.credentials_file(SERVICE_ACCOUNT);
    let credentials = credentials.expect("the principal is known");
    side.set(
        "GOOGLE_APPLICATION_CREDENTIALS",
        &credentials.display().to_string(),
    );
    start_bare(cloud, side, words);
}

/// Starts a proxy that has to be told as whom it acts.
pub(super) fn start_bare(cloud: &Cloud, side: &mut Side, words: &[&str]) {
    let endpoint = cloud.emulator.http_url();
    let common = [
        "--alloydbadmin-api-endpoint",
        &endpoint,
        "--disable-built-in-telemetry",
    ];
    side.start(&[&common, words].concat());
}

pub(super) fn with_password(psql: Psql) -> Psql {
    psql.user(PASSWORD.role()).password(&PASSWORD.password())
}

/// Ends it by SIGTERM.
pub(super) fn terminate(side: &mut Side) {
    side.signal("TERM");
    side.ends();
}

#[test]
fn a_private_address_with_a_password() {
    compare("private", |side| {
        start(side, &["--port", "{db}", PRIMARY]);
        side.is_ready();
        side.note_sockets();
        side.note_psql("psql", &with_password(side.psql()));
        side.says("closed the connection");
        terminate(side);
    });
}

#[test]
fn a_public_address() {
    compare("public", |side| {
        start(side, &["--port", "{db}", "--public-ip", PRIMARY]);
        side.is_ready();
        side.note_psql("psql", &with_password(side.psql()));
        side.says("closed the connection");
        terminate(side);
    });
}

#[test]
fn a_psc_name() {
    let _turn = LOCALHOST.lock().unwrap_or_else(PoisonError::into_inner);
    eventually_within("127.0.0.1:5433 to be free", Duration::from_mins(2), || {
        TcpListener::bind((Ipv4Addr::LOCALHOST, TUNNEL_PORT)).ok()
    });
    let cloud = Cloud::with_psc_name("localhost");
    compare("psc", |side| {
        start_before(&cloud, side, &["--port", "{db}", "--psc", PRIMARY]);
        side.is_ready();
        side.note_psql("psql", &with_password(side.psql()));
        side.says("closed the connection");
        terminate(side);
    });
}

#[test]
fn an_iam_login_of_a_service_account() {
    compare("iam", |side| {
        start(side, &["--port", "{db}", "--auto-iam-authn", PRIMARY]);
        side.is_ready();
        side.note_psql("psql", &side.psql().user(SERVICE_ROLE));
        side.says("closed the connection");
        terminate(side);
    });
}

#[test]
fn an_iam_login_of_a_token() {
    compare("token", |side| {
        let instance = format!("{PRIMARY}?auto-iam-authn=true");
        start_bare(
            &CLOUD,
            side,
            &["-p", "{db}", "-t", TOKEN, "--login-token", TOKEN, &instance],
        );
        side.is_ready();
        side.note_psql("psql", &side.psql().user(DANA));
        side.says("closed the connection");
        terminate(side);
    });
}

#[test]
fn an_iam_login_of_one_instance_alone() {
    compare("iam of one", |side| {
        let first = format!("{PRIMARY}?auto-iam-authn=true");
        start(side, &["-p", "{db}", &first, READ_POOL]);
        side.is_ready();
        let second = Psql::new("127.0.0.1", side.ports.database + 1).sslmode("disable");
        // The second instance was not told to log anybody in.
        let output = second.user(SERVICE_ROLE).run("SELECT current_user");
        side.note("logged in", output.success());
        side.says("closed the connection");
        terminate(side);
    });
}

#[test]
fn sockets_in_a_directory() {
    compare("unix", |side| {
        start(side, &["--unix-socket", "{dir}", PRIMARY]);
        side.is_ready();
        side.note_sockets();
        let folder = side
            .path()
            .join("my-project.us-central1.my-cluster.my-primary");
        let socket = folder.join(".s.PGSQL.5432");
        let mode = std::fs::metadata(&socket)
            .expect("it is there")
            .permissions()
            .mode();
        side.note("mode", format!("{mode:o}"));
        let host = folder.to_str().expect("a temporary path is UTF-8");
        side.note_psql("psql", &with_password(Psql::new(host, 5432)));
        side.says("closed the connection");
        terminate(side);
        side.note("socket left", socket.exists());
        side.note("directory left", folder.exists());
    });
}

#[test]
fn a_socket_at_an_exact_path() {
    compare("unix path", |side| {
        let instance = format!("{PRIMARY}?unix-socket-path={{dir}}/db");
        start(side, &[&instance]);
        side.is_ready();
        side.note_sockets();
        terminate(side);
    });
}

#[test]
fn a_socket_without_its_parent() {
    compare("unix nowhere", |side| {
        start(side, &["-u", "{dir}/nowhere", PRIMARY]);
        side.ends();
    });
}

#[test]
fn several_listeners() {
    compare("listeners", |side| {
        let second = format!("{READ_POOL}?address=127.0.0.2");
        let third = format!("{PRIMARY}?unix-socket={{dir}}");
        let fourth = format!("{PRIMARY}?port={{http}}");
        start(side, &["-p", "{db}", PRIMARY, &third, &fourth, &second]);
        side.is_ready();
        side.note_sockets();
        terminate(side);
    });
}

#[test]
fn all_addresses() {
    compare("0.0.0.0", |side| {
        start(side, &["-a", "0.0.0.0", "-p", "{db}", PRIMARY]);
        side.is_ready();
        side.note_sockets();
        terminate(side);
    });
}

#[test]
fn addresses_of_ipv6() {
    compare("::1", |side| {
        start(side, &["-a", "::1", "-p", "{db}", PRIMARY]);
        side.is_ready();
        side.note_sockets();
        terminate(side);
    });
}

#[test]
fn each_signal_has_its_status() {
    for (scenario, signal, flags) in [
        ("INT", "INT", &[][..]),
        ("TERM", "TERM", &[]),
        ("TERM zero", "TERM", &["--exit-zero-sigterm"]),
        ("INT zero", "INT", &["--exit-zero-sigterm"]),
    ] {
        compare(scenario, |side| {
            start(side, &[&["-p", "{db}", PRIMARY], flags].concat());
            side.is_ready();
            side.signal(signal);
            side.ends();
        });
    }
}

#[test]
fn a_signal_during_the_start() {
    for (scenario, signal, flags) in [
        ("early TERM", "TERM", &[][..]),
        ("early INT", "INT", &[]),
        ("early zero", "TERM", &["--exit-zero-sigterm"]),
    ] {
        compare(scenario, |side| {
            // Both ask gcloud before they open a port, and wait for what it says.
            let gcloud = side.path().join("gcloud");
            let script = "#!/bin/sh\nexec sleep 3 2>/dev/null\n";
            std::fs::write(&gcloud, script).expect("the directory is writable");
            let mode = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(&gcloud, mode).expect("it is ours");
            let path = format!("{}:/usr/bin:/bin", side.path().display());
            side.set("PATH", &path);
            start_bare(
                &CLOUD,
                side,
                &[&["-g", "-p", "{db}", PRIMARY], flags].concat(),
            );
            side.says("gcloud user credentials");
            side.signal(signal);
            side.ends();
        });
    }
}

#[test]
fn quitquitquit() {
    for method in ["GET", "POST"] {
        compare("quit", |side| {
            let flags = ["--quitquitquit", "--admin-port", "{admin}"];
            start(side, &[&["-p", "{db}", PRIMARY], &flags[..]].concat());
            side.says("quitquitquit");
            eventually("the admin server", || {
                TcpStream::connect(("127.0.0.1", side.ports.admin)).ok()
            });
            side.note_sockets();
            let port = side.ports.admin;
            side.note_http("HEAD", port, "/quitquitquit");
            side.note_http("PUT", port, "/quitquitquit");
            side.note_http("GET", port, "/nothing");
            side.note_http(method, port, "/quitquitquit");
            side.ends();
        });
    }
}

#[test]
fn the_command_shutdown() {
    compare("shutdown", |side| {
        let flags = ["--quitquitquit", "--admin-port", "{admin}"];
        start(side, &[&["-p", "{db}", PRIMARY], &flags[..]].concat());
        let port = side.ports.admin;
        eventually("the admin server", || {
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        let told = Program::new(side.program())
            .arguments(["shutdown", "--admin-port", &port.to_string()])
            .run();
        side.note(
            "shutdown",
            format!("{}{}{}", told.status, told.stdout, told.stderr),
        );
        side.ends();
        let told = Program::new(side.program())
            .arguments(["shutdown", "--admin-port", &port.to_string()])
            .run();
        side.note(
            "shutdown of nobody",
            format!("{}{}", told.status, told.stdout),
        );
    });
}

#[test]
fn the_command_wait() {
    compare("wait", |side| {
        let port = side.ports.http.to_string();
        let wait = |side: &Side, max: &str| {
            let words = ["wait", "--http-port", &port, "--max", max];
            let waited = Program::new(side.program()).arguments(words).run();
            format!("{} {}", waited.status, waited.stdout)
        };
        side.note("wait for nobody", wait(side, "10ms"));
        let flags = ["--health-check", "--http-port", "{http}"];
        start(side, &[&["-p", "{db}", PRIMARY], &flags[..]].concat());
        side.note("wait", wait(side, "20s"));
        terminate(side);
    });
}

#[test]
fn health() {
    compare("health", |side| {
        let flags = [
            "--health-check",
            "--http-port",
            "{http}",
            "--max-connections",
            "1",
        ];
        start(side, &[&["-p", "{db}", PRIMARY], &flags[..]].concat());
        let port = side.ports.http;
        eventually("the start", || {
            request("GET", port, "/startup")
                .starts_with("200")
                .then_some(())
        });
        side.note_sockets();
        for path in [
            "/startup",
            "/readiness",
            "/liveness",
            "/metrics",
            "/",
            "/startup/",
        ] {
            side.note_http("GET", port, path);
        }
        side.note_http("POST", port, "/readiness");
        let client = logged_in(side);
        side.note_http("GET", port, "/readiness");
        client.leave();
        side.says("closed the connection");
        terminate(side);
    });
}

#[test]
fn a_check_of_the_backend() {
    for (scenario, instance) in [("backend", "my-primary"), ("backend of nobody", "nobody")] {
        compare(scenario, |side| {
            let instance = format!("{CLUSTER}/instances/{instance}");
            let flags = [
                "--health-check",
                "--with-backend-check",
                "--http-port",
                "{http}",
            ];
            start(side, &[&["-p", "{db}", &instance], &flags[..]].concat());
            let port = side.ports.http;
            eventually("the HTTP server", || {
                TcpStream::connect(("127.0.0.1", port)).ok()
            });
            side.is_ready();
            let answer = request("GET", port, "/startup");
            side.note("/startup", answer.split(' ').next().unwrap_or_default());
            terminate(side);
        });
    }
}

/// Names, types and labels of metrics, without values.
fn families(metrics: &str) -> Vec<String> {
    let mut families: Vec<_> = metrics
        .lines()
        .filter(|line| !line.starts_with("# HELP"))
        .filter_map(|line| {
            if line.starts_with('#') {
                return Some(line.to_owned());
            }
            let (series, _) = line.rsplit_once(' ')?;
            let Some(at) = series.find("alloydb_dialer_id=\"") else {
                return Some(series.to_owned());
            };
            let (head, id) = series.split_at(at + "alloydb_dialer_id=\"".len());
            let end = id.find('"').unwrap_or(id.len());
            Some(format!("{head}{{id}}{}", &id[end..]))
        })
        .collect();
    families.sort();
    families
}

#[test]
fn metrics() {
    for (scenario, flags) in [
        ("metrics", &[][..]),
        ("namespace", &["--prometheus-namespace", "ns"]),
    ] {
        compare(scenario, |side| {
            let common = [
                "-p",
                "{db}",
                "--prometheus",
                "--http-port",
                "{http}",
                PRIMARY,
            ];
            let nobody = format!("{CLUSTER}/instances/nobody");
            start(side, &[&common[..], &[&nobody], flags].concat());
            side.is_ready();
            side.note_psql("psql", &with_password(side.psql()));
            side.says("closed the connection");
            let second = Psql::new("127.0.0.1", side.ports.database + 1).sslmode("disable");
            second.user("x").run("SELECT 1").expect_failure();
            let port = side.ports.http;
            let all = eventually("all metrics", || {
                let all = request("GET", port, "/metrics");
                let has = |name: &str| all.contains(name);
                let complete = has("bytes_sent") && has("dial_failure_count");
                complete.then_some(all)
            });
            side.note(
                "metrics",
                all.split('#').next().unwrap_or_default().trim_end(),
            );
            let body = all.find('#').map_or("", |start| &all[start..]);
            let families = families(body);
            side.note_lines("/metrics", families.iter().map(String::as_str));
            terminate(side);
        });
    }
}

#[test]
fn too_many_clients() {
    compare("limit", |side| {
        start(side, &["-p", "{db}", "--max-connections", "1", PRIMARY]);
        side.is_ready();
        let first = logged_in(side);
        let output = with_password(side.psql()).run("SELECT 1");
        side.note("second", output.status);
        side.note("what it read", output.stderr.trim());
        first.leave();
        side.says("closed the connection");
        terminate(side);
    });
}

#[test]
fn an_instance_that_there_is_not() {
    compare("nobody", |side| {
        let nobody = format!("{CLUSTER}/instances/nobody");
        start(side, &["-p", "{db}", &nobody]);
        side.is_ready();
        let output = with_password(side.psql()).run("SELECT 1");
        side.note("psql", output.status);
        side.note("what it read", output.stderr.trim());
        side.complains("failed to connect to instance");
        terminate(side);
    });
}

#[test]
fn logs_in_json() {
    compare("structured", |side| {
        start(side, &["-l", "-p", "{db}", PRIMARY]);
        side.is_ready();
        side.signal("INT");
        side.ends();
        for (_, line) in &mut side.lines {
            let parsed: serde_json::Value = serde_json::from_str(line).expect("it is JSON");
            let timestamp = parsed["timestamp"].as_str().expect("it is a text");
            *line = line.replace(timestamp, "{time}");
        }
    });
}

#[test]
fn logs_of_what_the_connector_does() {
    compare("debug", |side| {
        start(side, &["-l", "--debug-logs", "-p", "{db}", PRIMARY]);
        side.is_ready();
        side.note_psql("psql", &with_password(side.psql()));
        side.says("closed the connection");
        terminate(side);
        let mut told = [false; 3];
        for (place, line) in &mut side.lines {
            let parsed: serde_json::Value = serde_json::from_str(line).expect("it is JSON");
            let timestamp = parsed["timestamp"].as_str().expect("it is a text");
            if parsed["severity"] == "DEBUG" {
                assert_eq!(*place, "stdout", "{line}");
                let text = line.to_lowercase();
                for (told, word) in told.iter_mut().zip(["dial", "refresh", "expir"]) {
                    *told |= text.contains(word);
                }
            }
            *line = line.replace(timestamp, "{time}");
        }
        side.note(
            "dials, refreshes and expiries are told",
            format!("{told:?}"),
        );
    });
}

#[test]
fn quiet() {
    for (scenario, flags) in [
        ("quiet", &["--quiet"][..]),
        ("quiet JSON", &["--quiet", "-l"]),
    ] {
        compare(scenario, |side| {
            let nobody = format!("{CLUSTER}/instances/nobody");
            start(side, &[&["-p", "{db}", &nobody], flags].concat());
            eventually("the listener", || {
                // Ours says nothing of a client that goes without a word.
                let output = with_password(side.psql()).run("SELECT 1");
                (!output.stderr.contains("Connection refused")).then_some(())
            });
            side.complains("failed to connect to instance");
            terminate(side);
            // JSON is told by its first character.
            let first = side.lines.iter().map(|(_, line)| line.starts_with('{'));
            let mut forms: Vec<_> = first
                .map(|json| if json { "JSON" } else { "text" })
                .collect();
            forms.dedup();
            side.note("form", forms.join(" "));
            side.lines.clear();
        });
    }
}

#[test]
fn ports_that_are_taken() {
    for (scenario, words) in [
        ("port taken", &["-p", "{db}", PRIMARY][..]),
        ("port negative", &["-p", "-5", PRIMARY]),
        ("port large", &["-p", "70000", PRIMARY]),
        (
            "HTTP taken",
            &[
                "-p",
                "{admin}",
                "--health-check",
                "--http-port",
                "{db}",
                PRIMARY,
            ],
        ),
        (
            "admin taken",
            &[
                "-p",
                "{http}",
                "--quitquitquit",
                "--admin-port",
                "{db}",
                PRIMARY,
            ],
        ),
    ] {
        compare(scenario, |side| {
            // A child that another test starts this instant may still have the last one.
            let port = side.ports.database;
            let _taken = eventually("the port to be free", || {
                TcpListener::bind(("127.0.0.1", port)).ok()
            });
            start(side, words);
            side.ends();
        });
    }
}

#[test]
fn credentials_that_there_are_not() {
    for (scenario, words) in [
        ("file missing", &["-c", "/nowhere/key.json"][..]),
        ("file of nothing", &["-c", "/dev/null"]),
        ("JSON of nothing", &["-j", "{}"]),
        ("no gcloud", &["-g"]),
    ] {
        compare(scenario, |side| {
            // gcloud may be there, and say what it likes.
            side.set("PATH", "/nowhere");
            start_bare(&CLOUD, side, &[&["-p", "{db}", PRIMARY], words].concat());
            side.ends();
        });
    }
}

#[test]
fn a_connection_test() {
    for (scenario, instance) in [("test", "my-primary"), ("test of nobody", "nobody")] {
        compare(scenario, |side| {
            let instance = format!("{CLUSTER}/instances/{instance}");
            start(side, &["-p", "{db}", "--run-connection-test", &instance]);
            if scenario == "test" {
                side.says("Connection test passed");
                side.signal("TERM");
            }
            side.ends();
        });
    }
}

#[test]
fn a_client_that_stays() {
    for (scenario, flags) in [
        ("stays", &["--max-sigterm-delay", "100ms"][..]),
        ("cut off", &[]),
        (
            "stays, zero",
            &["--max-sigterm-delay", "100ms", "--exit-zero-sigterm"],
        ),
    ] {
        compare(scenario, |side| {
            start(side, &[&["-p", "{db}", PRIMARY], flags].concat());
            side.is_ready();
            let mut client = logged_in(side);
            side.signal("TERM");
            side.ends();
            client.wait_for_end();
        });
    }
}

#[test]
fn a_client_that_leaves_in_time() {
    compare("leaves", |side| {
        let flags = [
            "--max-sigterm-delay",
            "60s",
            "--health-check",
            "--http-port",
            "{http}",
        ];
        start(side, &[&["-p", "{db}", PRIMARY], &flags[..]].concat());
        side.is_ready();
        let client = logged_in(side);
        side.signal("TERM");
        let (http, database) = (side.ports.http, side.ports.database);
        eventually("readiness to fall", || {
            request("GET", http, "/readiness")
                .starts_with("503")
                .then_some(())
        });
        side.note_http("GET", http, "/readiness");
        side.note_http("GET", http, "/startup");
        side.note_http("GET", http, "/liveness");
        eventually("the listener to close", || {
            TcpStream::connect(("127.0.0.1", database)).err()
        });
        client.leave();
        side.ends();
    });
}

#[test]
fn a_delay_before_the_end() {
    for (scenario, flags) in [
        ("delay", &[][..]),
        ("delay, zero", &["--exit-zero-sigterm"]),
    ] {
        compare(scenario, |side| {
            let common = [
                "--min-sigterm-delay",
                "3s",
                "--health-check",
                "--http-port",
                "{http}",
            ];
            start(
                side,
                &[&["-p", "{db}", PRIMARY], &common[..], flags].concat(),
            );
            side.is_ready();
            let (http, database) = (side.ports.http, side.ports.database);
            eventually("the start", || {
                request("GET", http, "/startup")
                    .starts_with("200")
                    .then_some(())
            });
            side.signal("TERM");
            if scenario == "delay, zero" && side.who == Who::Original {
                side.complains("terminal error");
                side.note("serves", "not for the delay");
                side.note("readiness", "not for the delay");
            } else {
                side.says("Shutting down");
                let serves = TcpStream::connect(("127.0.0.1", database)).is_ok();
                side.note("serves", serves);
                side.note("readiness", request("GET", http, "/readiness"));
            }
            side.ends();
        });
    }
}

#[test]
fn systemd_is_told() {
    compare("systemd", |side| {
        let socket = side.path().join("notify");
        let notified = UnixDatagram::bind(&socket).expect("the directory is writable");
        notified
            .set_read_timeout(Some(Duration::from_secs(30)))
            .expect("the deadline is not zero");
        side.set(
            "NOTIFY_SOCKET",
            socket.to_str().expect("a temporary path is UTF-8"),
        );
        start(side, &["-p", "{db}", PRIMARY]);
        let mut message = [0; 256];
        let length = notified.recv(&mut message).expect("it tells");
        side.note("first", String::from_utf8_lossy(&message[..length]).trim());
        side.is_ready();
        side.signal("TERM");
        side.ends();
    });
}

#[test]
fn flags_without_effect() {
    compare("no effect", |side| {
        let flags = [
            "--http-port",
            "1",
            "--telemetry-prefix",
            "x",
            "--disable-metrics",
            "--disable-traces",
            "--login-token",
            "x",
        ];
        start(side, &[&["-p", "{db}", PRIMARY], &flags[..]].concat());
        side.is_ready();
        terminate(side);
    });
}

#[test]
fn a_token_for_both() {
    compare("token for both", |side| {
        start_bare(&CLOUD, side, &["-p", "{db}", "-t", TOKEN, "-i", PRIMARY]);
        side.is_ready();
        side.note_psql("psql", &side.psql().user(DANA));
        side.says("closed the connection");
        terminate(side);
    });
}

#[test]
fn a_lazy_refresh() {
    compare("lazy", |side| {
        start(side, &["-p", "{db}", "--lazy-refresh", PRIMARY]);
        side.is_ready();
        side.note_psql("psql", &with_password(side.psql()));
        side.says("closed the connection");
        terminate(side);
    });
}

#[test]
fn environment_and_file() {
    compare("environment", |side| {
        let file = side.path().join("proxy.toml");
        let text = format!(
            "instance-uri = \"{READ_POOL}\"\nquitquitquit = true\naddress = \"127.0.0.3\"\n"
        );
        std::fs::write(&file, text).expect("the directory is writable");
        side.set("ALLOYDB_PROXY_INSTANCE_URI", PRIMARY);
        side.set("ALLOYDB_PROXY_INSTANCE_URI_1", READ_POOL);
        side.set("ALLOYDB_PROXY_PORT", &side.ports.database.to_string());
        side.set("ALLOYDB_PROXY_ADDRESS", "127.0.0.1");
        start(
            side,
            &[
                "--config-file",
                "{dir}/proxy.toml",
                "--admin-port",
                "{admin}",
            ],
        );
        side.says("quitquitquit");
        let port = side.ports.admin;
        eventually("the admin server", || {
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        side.note_sockets();
        terminate(side);
    });
}

#[test]
fn a_port_that_kubernetes_means() {
    compare("kubernetes", |side| {
        side.set("ALLOYDB_PROXY_PORT", "tcp://10.0.0.1:5432");
        let instance = format!("{PRIMARY}?port={{db}}");
        start(side, &[&instance]);
        side.is_ready();
        terminate(side);
    });
}

#[test]
fn profiles() {
    compare("profiles", |side| {
        let flags = ["--debug", "--admin-port", "{admin}"];
        start(side, &[&["-p", "{db}", PRIMARY], &flags[..]].concat());
        side.says("pprof");
        let port = side.ports.admin;
        eventually("the admin server", || {
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        for page in ["", "cmdline", "heap"] {
            let answer = request("GET", port, &format!("/debug/pprof/{page}"));
            side.note(page, answer.split(' ').next().unwrap_or_default());
        }
        side.note_http("GET", port, "/quitquitquit");
        terminate(side);
    });
}

#[test]
fn a_socket_of_a_killed_proxy() {
    compare("stale", |side| {
        start(side, &["-u", "{dir}", PRIMARY]);
        side.is_ready();
        side.signal("KILL");
        side.ends();
        start(side, &["-u", "{dir}", PRIMARY]);
        match side.who {
            Who::Original => side.complains("Unable to mount socket"),
            Who::Ours => {
                side.is_ready();
                side.signal("INT");
            }
        }
        side.ends();
    });
}

#[test]
fn a_hangup() {
    compare("hangup", |side| {
        start(side, &["-p", "{db}", PRIMARY]);
        side.is_ready();
        side.signal("HUP");
        if side.who == Who::Ours {
            side.says("Reloading");
            side.signal("INT");
        }
        side.ends();
    });
}

/// A client between two statements.
struct Client(TcpStream);

/// Logs a client in, and keeps it there.
fn logged_in(side: &Side) -> Client {
    let mut stream = TcpStream::connect(("127.0.0.1", side.ports.database)).expect("it listens");
    // The server trusts this one, from the emulator's address.
    let parameters = b"user\0postgres\0database\0postgres\0\0";
    let length = u32::try_from(8 + parameters.len()).expect("it is short");
    let mut packet = length.to_be_bytes().to_vec();
    packet.extend(196_608_u32.to_be_bytes());
    packet.extend(parameters);
    stream.write_all(&packet).expect("it reads");
    // Up to ReadyForQuery.
    while message(&mut stream) != b'Z' {}
    Client(stream)
}

/// Reads a message; gives its tag.
fn message(stream: &mut TcpStream) -> u8 {
    let mut head = [0; 5];
    stream.read_exact(&mut head).expect("the server answers");
    assert_ne!(head[0], b'E', "the server refuses");
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
    let mut rest = vec![0; usize::try_from(length).expect("it is short") - 4];
    stream.read_exact(&mut rest).expect("the message is whole");
    head[0]
}

impl Client {
    /// Ends as a client does.
    fn leave(mut self) {
        self.0.write_all(b"X\0\0\0\x04").expect("it reads");
    }

    /// What comes after is of no interest; that it ends is.
    fn wait_for_end(&mut self) {
        let mut rest = Vec::new();
        // A reset is an end too.
        let _ = self.0.read_to_end(&mut rest);
    }
}
