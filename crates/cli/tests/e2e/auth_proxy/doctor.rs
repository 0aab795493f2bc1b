//! `auth-proxy doctor`: the way to instances, step by step.

use querycop_testkit::command::{Output, Program};
use serde_json::Value;

use crate::alloydb::cloud::{Cloud, PRIMARY, SERVICE_ACCOUNT, SERVICE_ROLE};
use crate::setup::querycop;

/// Examines instances as the service account of an emulator.
fn doctor(cloud: &Cloud, words: &[&str]) -> Output {
    let credentials = cloud.emulator.credentials_file(SERVICE_ACCOUNT);
    Program::new(querycop())
        .clean_environment()
        .environment(
            "GOOGLE_APPLICATION_CREDENTIALS",
            credentials.expect("the principal is known"),
        )
        .arguments([
            "auth-proxy",
            "doctor",
            "--json",
            "--alloydbadmin-api-endpoint",
        ])
        .argument(cloud.emulator.http_url())
        .arguments(words)
        .run()
}

/// Each step with its outcome.
fn steps(report: &Value) -> Vec<String> {
    let steps = report["steps"].as_array().expect("a list");
    let text = |step: &Value, field: &str| step[field].as_str().unwrap_or_default().to_owned();
    steps
        .iter()
        .map(|step| format!("{} {}", text(step, "step"), text(step, "outcome")))
        .collect()
}

#[test]
fn all_steps_are_taken_as_the_proxy_takes_them() {
    let cloud = Cloud::new();
    let output = doctor(
        &cloud,
        &[
            "--auto-iam-authn",
            "--user",
            SERVICE_ROLE,
            "--database",
            "postgres",
            PRIMARY,
        ],
    );
    let report: Value = serde_json::from_str(&output.stdout).expect("JSON");
    assert!(output.success(), "{output}");
    assert_eq!(report["ok"], true);
    assert_eq!(
        steps(&report),
        [
            "credentials ok",
            "instance ok",
            "connect ok",
            "token skipped",
            "login ok",
            "query ok"
        ]
    );
}

#[test]
fn what_fails_is_told_for_each_instance_with_its_cause() {
    let cloud = Cloud::new();
    let nowhere = format!("{PRIMARY}-that-there-is-not");
    let output = doctor(&cloud, &[&format!("{PRIMARY}?auto-iam-authn"), &nowhere]);
    assert_eq!(output.status.code(), Some(1), "{output}");
    let reports: Value = serde_json::from_str(&output.stdout).expect("JSON");
    let failed = &reports[1];
    assert_eq!(failed["ok"], false);
    assert_eq!(steps(failed)[..2], ["credentials ok", "instance failed"]);
    let cause = failed["steps"][1]["cause"].as_str().expect("a text");
    assert!(cause.contains("404 NOT_FOUND"), "{cause}");
}
