//! What `--telemetry-project` gets of both.

use std::time::Duration;

use querycop_testkit::psql::Psql;
use querycop_testkit::wait::eventually_within;

use super::front::Front;
use super::scenarios::{start_before, terminate, with_password};
use super::watcher::Watcher;
use super::{Who, compare};
use crate::alloydb::cloud::{CLUSTER, Cloud, PRIMARY};
use crate::setup::temporary_directory;

#[test]
fn metrics_and_spans() {
    let cloud = Cloud::new();
    let watcher = Watcher::start();
    let directory = temporary_directory();
    let names = ["monitoring.googleapis.com", "cloudtrace.googleapis.com"];
    let front = Front::start(&names, watcher.addr, directory.path());
    compare("telemetry", |side| {
        watcher.forget();
        side.set("HTTPS_PROXY", &front.url);
        side.set("SSL_CERT_FILE", &front.authority.display().to_string());
        let nobody = format!("{CLUSTER}/instances/nobody");
        let words = [
            "-p",
            "{db}",
            "--telemetry-project",
            "watched",
            "--telemetry-prefix",
            "team",
            "--telemetry-sample-rate",
            "1",
            PRIMARY,
            &nobody,
        ];
        start_before(&cloud, side, &words);
        side.is_ready();
        side.note_psql("psql", &with_password(side.psql()));
        side.says("closed the connection");
        let second = Psql::new("127.0.0.1", side.ports.database + 1).sslmode("disable");
        second.user("x").run("SELECT 1").expect_failure();
        side.complains("failed to connect to instance");
        if side.who == Who::Original {
            // It sends metrics every minute, and none at its end.
            eventually_within("the first minute", Duration::from_mins(2), || {
                watcher.has("bytes_received").then_some(())
            });
        }
        terminate(side);
        let metrics = watcher.metrics();
        side.note_lines("metrics", metrics.iter().map(String::as_str));
        let spans = watcher.spans();
        side.note_lines("spans", spans.iter().map(String::as_str));
    });
}
