//! What PostgreSQL accepts is read, and what it doesn't isn't.
//!
//! A transaction that has failed is the trick: there the server parses a statement, and then
//! refuses it (25P02) without looking any further, so anything can be asked of it. A statement that
//! it can't parse fails otherwise.

use std::fs;
use std::path::{Path, PathBuf};

use querycop_sql::facts::{Feature, Unreadable};
use querycop_testkit::postgres::{Postgres, Version};
use tokio_postgres::{Client, NoTls};

use crate::corpus::{INVALID, VALID};
use crate::{analyze, analyze_here};

/// Refused because the transaction has failed, so parsed.
const IN_FAILED_TRANSACTION: &str = "25P02";

/// ROLLBACK TO runs also in a failed transaction; the savepoint isn't there.
const NO_SUCH_SAVEPOINT: &str = "3B001";

async fn connect(server: &Postgres) -> Client {
    let config = format!(
        "host={} port={} user={} dbname=postgres",
        server.host(),
        server.port(),
        server.superuser()
    );
    let (client, connection) = tokio_postgres::connect(&config, NoTls)
        .await
        .expect("the server trusts everybody");
    tokio::spawn(connection);
    client
}

/// Whether the server can parse a text.
async fn accepts(client: &Client, text: &str) -> bool {
    // What the statement before may have left.
    client
        .batch_execute("ROLLBACK")
        .await
        .expect("it always can");
    let failed = client.batch_execute("BEGIN; SELECT 1/0").await;
    assert!(failed.is_err());
    match client.simple_query(text).await {
        Ok(_) => true,
        Err(error) => {
            let code = error.code().map(|state| state.code().to_owned());
            assert!(code.is_some(), "{text}: {error}");
            let code = code.unwrap_or_default();
            code == IN_FAILED_TRANSACTION || code == NO_SUCH_SAVEPOINT
        }
    }
}

async fn is_read(text: &str) -> bool {
    let analysis = analyze_here(text).await;
    let reason = analysis.facts.unreadable;
    assert_ne!(reason, Some(Unreadable::Defect), "{text}");
    reason.is_none()
}

/// Statements of files of SQL, without what only psql understands.
fn statements(file: &Path) -> Vec<String> {
    let text = fs::read(file).expect("the file can be read");
    let Ok(text) = String::from_utf8(text) else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    let mut is_data = false;
    for line in text.lines() {
        let lower = line.to_ascii_lowercase();
        if is_data {
            is_data = line != "\\.";
        } else if !line.starts_with('\\') {
            is_data = lower.starts_with("copy ") && lower.contains(" from stdin");
            lines.push(line);
        }
    }
    let text = lines.join("\n");
    match pg_query::split_with_scanner(&text) {
        Ok(pieces) => pieces.into_iter().map(str::to_owned).collect(),
        Err(_) => text.split(";\n").map(str::to_owned).collect(),
    }
}

/// SQL that PostgreSQL's authors wrote, as far as the machine has it: what every installation
/// brings along, and its regression tests if they are in `.cache/postgresql-regress`.
fn files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = Vec::new();
    for folder in [
        root.join(".cache/postgresql-18/share/postgresql"),
        root.join(".cache/postgresql-18/share/postgresql/extension"),
        root.join(".cache/postgresql-regress"),
    ] {
        let Ok(entries) = fs::read_dir(folder) else {
            continue;
        };
        let paths = entries.map(|entry| entry.expect("it can be listed").path());
        files.extend(paths.filter(|path| path.extension().is_some_and(|kind| kind == "sql")));
    }
    files.sort();
    files
}

/// What the server accepts, and where the two disagree.
async fn compare(version: Version, texts: &[String]) -> (Vec<&str>, Vec<String>) {
    let server = Postgres::builder().version(version).start();
    let client = connect(&server).await;
    let mut accepted = Vec::new();
    let mut differences = Vec::new();
    for text in texts {
        let server_accepts = accepts(&client, text).await;
        if server_accepts {
            accepted.push(text.as_str());
        }
        let we_accept = is_read(text).await;
        // An older server doesn't know the newest syntax, and libpg_query takes `$1a` for
        // `$1 AS a`: both let through what the server refuses, which is no harm.
        let harmless = !server_accepts && (version == Version::Packaged || text.contains("$1a"));
        if server_accepts != we_accept && !harmless {
            differences.push(format!("server: {server_accepts}, we: {we_accept}: {text}"));
        }
    }
    (accepted, differences)
}

#[tokio::test]
async fn corpus_is_accepted_as_by_the_server() {
    let texts: Vec<_> = VALID
        .iter()
        .chain(INVALID)
        .map(|text| (*text).to_owned())
        .collect();
    let (accepted, differences) = compare(Version::V18, &texts).await;
    let refused: Vec<_> = VALID.iter().filter(|t| !accepted.contains(t)).collect();
    assert!(refused.is_empty(), "not valid: {refused:#?}");
    let wrong: Vec<_> = INVALID.iter().filter(|t| accepted.contains(t)).collect();
    assert!(wrong.is_empty(), "not invalid: {wrong:#?}");
    assert!(differences.is_empty(), "{differences:#?}");
    let (_, differences) = compare(Version::Packaged, &texts).await;
    assert!(differences.is_empty(), "{differences:#?}");
}

#[tokio::test]
async fn sql_of_postgresql_itself_is_accepted_as_by_the_server() {
    let texts: Vec<_> = files().iter().flat_map(|file| statements(file)).collect();
    // Where the project is tested, the regression tests are there.
    let least = if std::env::var_os("CI").is_some() {
        30_000
    } else {
        1_000
    };
    assert!(texts.len() > least, "only {} statements", texts.len());
    let (accepted, differences) = compare(Version::V18, &texts).await;
    assert!(
        accepted.len() > 1_000,
        "only {} of {} accepted",
        accepted.len(),
        texts.len()
    );
    assert!(
        differences.is_empty(),
        "{} of {}: {differences:#?}",
        differences.len(),
        texts.len()
    );
}

/// Every kind of node that text can make has been thought about.
#[test]
fn nothing_that_parses_is_unparsed() {
    let own = files()
        .iter()
        .flat_map(|file| statements(file))
        .collect::<Vec<_>>();
    for text in own.iter().map(String::as_str).chain(VALID.iter().copied()) {
        let analysis = analyze(text);
        if analysis.facts.unreadable.is_none() {
            for statement in &analysis.facts.statements {
                assert!(!statement.has(Feature::Unparsed), "{text}");
                assert!(
                    !statement.effects.is_empty() || !statement.kinds.is_empty(),
                    "{text}"
                );
            }
        }
    }
}
