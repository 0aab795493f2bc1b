//! The commands of docs/cookbook, run as they stand there.
//!
//! A block of commands belongs to the section that the comment above it names; the blocks of a section
//! make one script. Only what no test machine has is replaced: addresses, file names, ports, and the
//! programs of the clouds.

mod other_clouds;
mod page;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use querycop_testkit::command::{Output, Program};
use querycop_testkit::gateway::Gateway;
use querycop_testkit::postgres::Login;
use querycop_testkit::wait::eventually_within;
use serde_json::Value;
use tempfile::TempDir;

use self::page::Page;
use crate::alloydb::cloud::{ALICE, CLUSTER, Cloud, PRIMARY, SERVICE_ACCOUNT, SERVICE_ROLE};
use crate::command::http::get;
use crate::google::LOCALHOST;
use crate::google::cloud::TUNNEL_PORT;
use crate::setup::{querycop, temporary_directory};

/// A section starts several processes, on a machine that has other things to do.
const DEADLINE: Duration = Duration::from_mins(2);

/// `querycop` without arguments stays in the foreground; here it goes to the background once it is
/// ready, as in a terminal of its own. What a script started ends with it.
const PROLOGUE: &str = r#"set -euo pipefail
# The script leads the group of all that it starts, however deep; itself it does not mean.
trap 'trap "" TERM; kill -TERM 0; wait' EXIT
wait_for() {
  for _ in {1..600}; do
    if "$@" 2>/dev/null; then return; fi
    sleep 0.05
  done
  echo "not within 30 seconds: $*" >&2
  exit 1
}
answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1"); }
querycop() {
  if (($#)); then command querycop "$@"; return; fi
  before_the_gateway
  command querycop >"$WORK/log" 2>&1 &
  wait_for grep -q 'ready for connections' "$WORK/log"
}
before_the_gateway() { :; }
"#;

/// A directory for the files of a section, with programs that come before those of the machine.
struct Desk {
    directory: TempDir,
    replaced: Vec<(String, String)>,
    environment: BTreeMap<&'static str, String>,
    prologue: String,
}

impl Desk {
    fn new() -> Self {
        let directory = temporary_directory();
        let bin = directory.path().join("bin");
        fs::create_dir(&bin).expect("the directory is writable");
        std::os::unix::fs::symlink(querycop(), bin.join("querycop")).expect("it is writable");
        let path = std::env::var("PATH").unwrap_or_default();
        let work = directory.path().display().to_string();
        let environment = BTreeMap::from([
            ("PATH", format!("{}:{path}", bin.display())),
            ("WORK", work.clone()),
            ("HOME", work.clone()),
            ("PGCONNECT_TIMEOUT", "20".to_owned()),
            // As the page's reader has it: the port that is set there, and any free one for the API.
            ("GATEKEEPER_API_PORT", "0".to_owned()),
        ]);
        let mut desk = Self {
            directory,
            replaced: Vec::new(),
            environment,
            prologue: PROLOGUE.to_owned(),
        };
        let port = free_port();
        desk.environment
            .insert("GATEKEEPER_LISTEN_PORT", port.clone());
        desk.replace("15432", &port);
        desk.replace("/etc/ssl/certs/", &format!("{work}/"));
        desk
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn replace(&mut self, what: &str, with: &str) {
        self.replaced.push((what.to_owned(), with.to_owned()));
    }

    /// Puts a program on the path that does what a cloud's would.
    fn program(&self, name: &str, script: &str) {
        let path = self.path().join("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("the directory is writable");
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(&path, executable).expect("it is ours");
    }

    /// Runs a section's commands, and those that follow for the test's own sake.
    fn run(&self, section: &str, afterwards: &str) -> Output {
        let mut commands = section.to_owned();
        for (what, with) in &self.replaced {
            commands = commands.replace(what, with);
        }
        let script = self.path().join("script");
        let text = format!("{}{commands}\n{afterwards}\n", self.prologue);
        fs::write(&script, text).expect("the directory is writable");
        let mut program = Program::new("bash")
            .clean_environment()
            .argument(&script)
            .deadline(DEADLINE);
        for (name, value) in &self.environment {
            program = program.environment(name, value);
        }
        let output = program.run();
        assert!(
            output.success(),
            "{output}\n{}",
            fs::read_to_string(self.path().join("log")).unwrap_or_default()
        );
        output
    }
}

/// A port that nobody has, and that the system gives to nobody who asks for any: between the choice and
/// its use other tests open many connections.
fn free_port() -> String {
    static NEXT: AtomicU16 = AtomicU16::new(21_000);
    let free = std::iter::from_fn(|| Some(NEXT.fetch_add(1, Ordering::Relaxed)))
        .take(5_000)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok());
    free.expect("one of them is free").to_string()
}

/// A desk whose programs speak to an emulator.
fn desk(cloud: &Cloud) -> Desk {
    let mut desk = Desk::new();
    let credentials = cloud.emulator.credentials_file(SERVICE_ACCOUNT);
    let credentials = credentials.expect("the principal is known");
    let http = cloud.emulator.http_url();
    desk.environment.insert(
        "GOOGLE_APPLICATION_CREDENTIALS",
        credentials.display().to_string(),
    );
    desk.environment
        .insert("GATEKEEPER_BACKEND_ADMIN_ENDPOINT", http.clone());
    desk.replace("https://alloydb.googleapis.com", &http);
    desk.replace("10.20.30.40", &cloud.private.to_string());
    desk.replace("alloydb-password", &Login::Scram.password());
    desk.replace("-U postgres", &format!("-U {}", Login::Scram.role()));
    let token = cloud.emulator.issue_token(ALICE, None);
    let token = token.expect("the principal is known");
    desk.program(
        "gcloud",
        &format!("[ \"$*\" = 'auth print-access-token' ] && echo '{token}'"),
    );
    desk
}

/// Runs a section of the AlloyDB page; the last line it prints is the answer.
fn follow(cloud: &Cloud, section: &str, answer: &str) {
    let page = Page::read("alloydb.md");
    let output = desk(cloud).run(&page.section(section), "");
    let printed: Vec<_> = output.stdout.lines().map(str::trim).collect();
    assert!(printed.contains(&answer), "no {answer:?} in\n{output}");
}

#[test]
fn every_block_of_commands_for_alloydb_belongs_to_a_section_that_is_run() {
    let page = Page::read("alloydb.md");
    let mut names: Vec<_> = page.sections().collect();
    names.sort_unstable();
    let run = [
        "connector-iam",
        "connector-password",
        "direct-iam",
        "direct-password",
        "direct-token",
        "psc",
        "public",
        "read-pool",
        "rotation",
        "secondary",
        "sidecar",
    ];
    assert_eq!(names, run);
    assert_eq!(page.stray_blocks(), Vec::<String>::new());
}

#[test]
fn connector_with_passwords() {
    follow(&Cloud::new(), "connector-password", Login::Scram.role());
}

#[test]
fn connector_with_iam_login() {
    follow(&Cloud::new(), "connector-iam", SERVICE_ROLE);
}

#[test]
fn public_address() {
    follow(&Cloud::new(), "public", "1");
}

#[test]
fn private_service_connect() {
    let _turn = LOCALHOST
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    eventually_within("127.0.0.1:5433 to be free", DEADLINE, || {
        TcpListener::bind((Ipv4Addr::LOCALHOST, TUNNEL_PORT)).ok()
    });
    follow(&Cloud::with_psc_name("localhost"), "psc", "1");
}

#[test]
fn read_pool() {
    follow(&Cloud::new(), "read-pool", "on");
}

#[test]
fn secondary_cluster() {
    follow(&Cloud::new(), "secondary", "on");
}

#[test]
fn direct_with_passwords() {
    follow(&Cloud::new(), "direct-password", Login::Scram.role());
}

#[test]
fn direct_with_iam_login() {
    follow(&Cloud::new(), "direct-iam", SERVICE_ROLE);
}

#[test]
fn direct_with_a_token_command() {
    follow(&Cloud::new(), "direct-token", ALICE);
}

#[test]
fn rotation_of_the_authority() {
    let cloud = Cloud::new();
    let page = Page::read("alloydb.md");
    let desk = desk(&cloud);
    let file = "$WORK/alloydb-cluster-ca.pem";
    desk.run(
        &page.section("rotation"),
        &format!("wait_for test -s {file}"),
    );
    let written = fs::read_to_string(desk.path().join("alloydb-cluster-ca.pem"));
    let authority = cloud.emulator.cluster_ca_pem(CLUSTER);
    assert_eq!(written.ok(), authority.ok());
}

#[test]
#[expect(clippy::print_stdout, reason = "a skip is to be seen, with its reason")]
fn the_official_proxy_as_a_sidecar() {
    let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.cache/clients/google");
    if let Ok(reason) = fs::read_to_string(clients.join("auth-proxy.absent")) {
        println!("skipped: {reason}");
        return;
    }
    let cloud = Cloud::new();
    let page = Page::read("alloydb.md");
    let mut desk = desk(&cloud);
    let port = free_port();
    desk.replace("6432", &port);
    let proxy = clients.join("alloydb-auth-proxy");
    let http = cloud.emulator.http_url();
    desk.program(
        "alloydb-auth-proxy",
        &format!(
            "exec '{}' --alloydbadmin-api-endpoint {http} --disable-built-in-telemetry \"$@\"",
            proxy.display()
        ),
    );
    writeln!(
        desk.prologue,
        "before_the_gateway() {{ wait_for answers {port}; }}"
    )
    .expect("a string grows");
    let output = desk.run(&page.section("sidecar"), "");
    assert!(output.stdout.contains(SERVICE_ROLE), "{output}");
}

#[test]
fn the_manifest_for_gke_serves_with_the_metadata_server_alone() {
    let cloud = Cloud::new();
    let manifest: Value =
        serde_saphyr::from_str(&Page::read("alloydb.md").manifest("gke")).expect("it is YAML");
    let container = &manifest["spec"]["template"]["spec"]["containers"][0];
    let http = cloud.emulator.http_url();
    let metadata_server = http.trim_start_matches("http://");
    let mut gateway = Gateway::builder(querycop())
        .env("GCE_METADATA_HOST", metadata_server)
        .env("GATEKEEPER_BACKEND_ADMIN_ENDPOINT", &http);
    let variables = container["env"].as_array().expect("there are variables");
    for variable in variables {
        let text = |key: &str| variable[key].as_str().expect("it is a text").to_owned();
        gateway = gateway.env(&text("name"), text("value"));
    }
    let gateway = gateway.start();
    eventually_within("the gateway to be ready", DEADLINE, || {
        (get(&gateway, "/readyz", &[]).status == 200).then_some(())
    });
    let role = gateway.client().user(SERVICE_ROLE);
    assert_eq!(role.query("select current_user"), SERVICE_ROLE);
    assert_eq!(variables[0]["value"], PRIMARY);
}
