//! Statements under policy and audit: what is denied, what is cut short, what is recorded.

mod catalog;
mod crash;
mod denied;
mod disk;
mod followed;
mod limited;
mod recorded;
mod sinks;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use querycop_testkit::gateway::{Builder, Gateway};
use querycop_testkit::postgres::Postgres;
use serde_json::Value;
use tempfile::TempDir;

use crate::relay::raw::{
    Message, RawClient, bind, execute, execute_some, message, parse, run, sync, tags,
};
use crate::setup::{before, temporary_directory};

/// Trusts everybody, in clear.
static SERVER: LazyLock<Postgres> = LazyLock::new(|| Postgres::builder().start());

/// What most tests here are under: everything is allowed but to delete.
const NO_DELETES: &str = r#"
version: 1
mode: enforce
default: allow
rules:
  - name: no-deletes
    deny: { actions: [delete] }
    message: nothing is deleted here
    hint: "Mark the rows instead: UPDATE … SET removed = true."
"#;

/// A gateway with a policy file and an audit log of its own.
struct Overseen {
    gateway: Gateway,
    directory: TempDir,
}

impl Overseen {
    fn by(policy: &str) -> Self {
        Self::with(policy, |builder| builder)
    }

    fn with(policy: &str, settings: impl FnOnce(Builder) -> Builder) -> Self {
        let directory = temporary_directory();
        let file = directory.path().join("policy.yaml");
        fs::write(&file, policy).expect("the directory is writable");
        let builder = before(&SERVER, "disable")
            .env("GATEKEEPER_POLICY_FILE", file.display())
            .env(
                "GATEKEEPER_AUDIT_DIR",
                directory.path().join("audit").display(),
            );
        Self {
            gateway: settings(builder).start(),
            directory,
        }
    }

    fn client(&self) -> RawClient {
        RawClient::log_in(self.gateway.port())
    }

    fn audit(&self) -> PathBuf {
        self.directory.path().join("audit")
    }

    /// Puts another policy in the place of this one, and waits until it is in force.
    fn change_policy(&self, policy: &str) {
        let loaded = || {
            let logs = self.gateway.logs();
            let lines = logs.iter();
            lines
                .filter(|line| line["message"] == "policy in force")
                .count()
        };
        let before = loaded();
        fs::write(self.directory.path().join("policy.yaml"), policy).expect("it is writable");
        querycop_testkit::wait::eventually("the new policy", || (loaded() > before).then_some(()));
    }

    /// The records of statements, in order.
    fn statements(&self) -> Vec<Value> {
        records(&self.audit())
            .into_iter()
            .filter(|record| record["event"] == "statement")
            .collect()
    }
}

/// All records of a log, in order.
pub(crate) fn records(directory: &Path) -> Vec<Value> {
    let mut segments: Vec<_> = fs::read_dir(directory)
        .expect("it is there")
        .map(|entry| entry.expect("it is there").path())
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("audit-") && name.ends_with(".jsonl")
        })
        .collect();
    segments.sort();
    segments
        .iter()
        .flat_map(|segment| {
            let text = fs::read_to_string(segment).expect("it is readable");
            // Room that was made beyond the last record is no record.
            let lines = text.trim_end_matches('\0').lines().map(str::to_owned);
            lines.collect::<Vec<_>>()
        })
        .map(|line| serde_json::from_str(&line).expect("each line is an object"))
        .collect()
}

/// A table of its own with this many rows.
fn table(name: &str, rows: u32) {
    SERVER.psql(&format!(
        "drop table if exists {name}; create table {name} as select n from generate_series(1, {rows}) n"
    ));
}

fn count(table: &str) -> String {
    SERVER
        .psql(&format!("select count(*) from {table}"))
        .trim()
        .to_owned()
}

/// The errors among messages.
fn codes(messages: &[Message]) -> Vec<String> {
    messages
        .iter()
        .filter(|message| message.tag == b'E')
        .map(|message| message.error().code)
        .collect()
}

/// The tags and codes of what comes up to the next `ReadyForQuery`.
fn outcome(client: &mut RawClient) -> (String, Vec<String>) {
    let messages = client.read_until_ready();
    (tags(&messages), codes(&messages))
}
