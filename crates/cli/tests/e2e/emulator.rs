//! `querycop emulator` as a shell meets it.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use querycop_testkit::command::Program;
use querycop_testkit::postgres::{Auth, Encryption, Postgres};
use querycop_testkit::psql::Psql;
use querycop_testkit::wait::eventually;
use serde_json::Value;

use crate::setup::{Running, querycop, temporary_directory};

#[test]
fn a_backend_is_all_it_needs_and_a_signal_ends_it() {
    let server = Postgres::builder().auth(Auth::Scram).start();
    server.psql("ALTER ROLE postgres PASSWORD 'root'");
    server.create_role("bob", "secret", Encryption::Scram);
    let directory = temporary_directory();
    let backend = format!(
        "postgres://postgres:root@127.0.0.1:{}/postgres",
        server.port()
    );
    let process = Command::new(querycop())
        .arg("emulator")
        .env("EMULATOR_BACKEND", backend)
        .arg("--directory")
        .arg(directory.path())
        .args(["--https-port", "0", "--http-port", "0"])
        .args(["--tunnel-port", "0", "--direct-port", "0"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary runs");
    let mut emulator = Running(process);
    let summary = directory.path().join("emulator.json");
    let summary = eventually("the emulator to listen", || fs::read(&summary).ok());
    let summary: Value = serde_json::from_slice(&summary).expect("it is JSON");
    let cluster = &summary["clusters"][0];
    assert_eq!(
        cluster["name"],
        "projects/demo/locations/local/clusters/main"
    );
    let addr = cluster["instances"][0]["privateDirect"]
        .as_str()
        .expect("an address");
    let (host, port) = addr.split_once(':').expect("a port");
    let client = Psql::new(host, port.parse().expect("a number"))
        .dbname("postgres")
        .sslmode("verify-ca")
        .option(
            "sslrootcert",
            directory.path().join("cluster-ca-main.pem").display(),
        );
    let bob = client.clone().user("bob").password("secret");
    assert_eq!(bob.query("SELECT current_user"), "bob");
    let token = directory.path().join("token-alice@example.com");
    let token = fs::read_to_string(token).expect("the file is there");
    let alice = client.user("alice@example.com").password(token.trim());
    assert_eq!(alice.query("SELECT current_user"), "alice@example.com");
    let kill = Program::new("kill")
        .argument(emulator.0.id().to_string())
        .run();
    kill.expect_success();
    let status = emulator.0.wait().expect("it is our child");
    assert_eq!((status.code(), status.signal()), (Some(0), None));
}

#[test]
fn what_is_wrong_is_said_before_anything_starts() {
    let run = |arguments: &[&str]| {
        let program = Program::new(querycop()).clean_environment();
        program.argument("emulator").arguments(arguments).run()
    };
    let refused = run(&[]);
    assert_eq!(refused.status.code(), Some(78));
    assert!(refused.expect_failure().contains("--backend"));
    let refused = run(&["--backend", "mysql://db"]);
    assert_eq!(refused.status.code(), Some(78));
    assert!(refused.expect_failure().contains("not with postgres:"));
    assert!(run(&["--help"]).expect_success().contains("--tunnel-port"));
}
