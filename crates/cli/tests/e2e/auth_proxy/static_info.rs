//! Connection info out of a file.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use alloydb_emulator::Principal;
use querycop_testkit::command::Program;
use querycop_testkit::psql::Psql;
use querycop_testkit::wait::DEADLINE;
use serde_json::{Value, json};

use super::compare;
use super::scenarios::{DANA, TOKEN, start_bare, terminate, with_password};
use super::side::Side;
use crate::alloydb::cloud::{CLUSTER, Cloud, PRIMARY, READ_POOL};

#[test]
fn one_instance() {
    let cloud = cloud();
    compare("static", |side| {
        write(&cloud, side.path(), &[PRIMARY]);
        start(&cloud, side, &[PRIMARY]);
        side.is_ready();
        side.note_psql("psql", &with_password(side.psql()));
        side.says("closed the connection");
        terminate(side);
        let calls = cloud.emulator.requests().len();
        side.note("calls of the API", calls);
    });
}

#[test]
fn two_instances() {
    let cloud = cloud();
    compare("static, two", |side| {
        write(&cloud, side.path(), &[PRIMARY, READ_POOL]);
        start(&cloud, side, &[PRIMARY, READ_POOL]);
        side.is_ready();
        side.note_psql("first", &with_password(side.psql()));
        let second = Psql::new("127.0.0.1", side.ports.database + 1).sslmode("disable");
        let output = with_password(second).run("SELECT 1");
        side.note("second", output.success());
        terminate(side);
        // What became of the second is noted; whether its end is told is a matter of chance.
        side.lines
            .retain(|(place, line)| *place == "stdout" && !line.contains("closed the connection"));
    });
}

#[test]
fn an_instance_that_is_not_in_it() {
    let cloud = cloud();
    compare("static, none", |side| {
        write(&cloud, side.path(), &[READ_POOL]);
        start(&cloud, side, &[PRIMARY]);
        side.is_ready();
        let output = with_password(side.psql()).run("SELECT 1");
        side.note("psql", output.status);
        side.complains("failed to connect to instance");
        terminate(side);
    });
}

#[test]
fn a_file_that_there_is_not() {
    let cloud = cloud();
    compare("static, no file", |side| {
        start(&cloud, side, &[PRIMARY]);
        side.ends();
    });
}

/// One whose calls nobody else makes.
fn cloud() -> Cloud {
    Cloud::with(|builder| builder.principal(Principal::new(DANA).token(TOKEN)))
}

/// Starts a side with what [`write`] has written.
fn start(cloud: &Cloud, side: &mut Side, instances: &[&str]) {
    let info = ["--static-connection-info", "{dir}/static.json"];
    let words = [&["-p", "{db}", "-t", TOKEN], &info[..], instances].concat();
    start_bare(cloud, side, &words);
}

/// Writes what the API says of instances, as an operator would collect it.
fn write(cloud: &Cloud, directory: &Path, instances: &[&str]) {
    let openssl = |arguments: &[&str], input: &str| {
        let output = Program::new("openssl").arguments(arguments).input(input);
        output.run().expect_success().to_owned()
    };
    let key = openssl(&["genpkey", "-quiet", "-algorithm", "RSA"], "");
    let public_key = openssl(&["rsa", "-pubout"], &key);
    let body = json!({
        "publicKey": openssl(&["rsa", "-RSAPublicKey_out"], &key),
        "certDuration": "3600s",
        "useMetadataExchange": true,
    });
    let certificate = ask(
        cloud,
        "POST",
        &format!("{CLUSTER}:generateClientCertificate"),
        &body.to_string(),
    );
    let mut info = json!({ "publicKey": public_key, "privateKey": key });
    for instance in instances {
        let place = ask(cloud, "GET", &format!("{instance}/connectionInfo"), "");
        info[*instance] = json!({
            "ipAddress": place["ipAddress"],
            "publicIpAddress": place["publicIpAddress"],
            "pemCertificateChain": certificate["pemCertificateChain"],
            "caCert": certificate["caCert"],
        });
    }
    fs::write(directory.join("static.json"), info.to_string()).expect("the directory is writable");
    cloud.emulator.forget_requests();
}

fn ask(cloud: &Cloud, method: &str, resource: &str, body: &str) -> Value {
    let url = cloud.emulator.http_url();
    let address = url.strip_prefix("http://").expect("it is plain HTTP");
    let mut stream = TcpStream::connect(address).expect("the emulator listens");
    stream
        .set_read_timeout(Some(DEADLINE))
        .expect("the deadline is not zero");
    let length = body.len();
    write!(
        stream,
        "{method} /v1beta/{resource} HTTP/1.0\r\nHost: {address}\r\nAuthorization: Bearer {TOKEN}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .expect("the emulator reads");
    let mut response = String::new();
    let read = stream.read_to_string(&mut response);
    read.expect("it answers and closes");
    let (head, body) = response.split_once("\r\n\r\n").expect("it is HTTP");
    assert!(head.contains(" 200 "), "{response}");
    serde_json::from_str(body).expect("it is JSON")
}
