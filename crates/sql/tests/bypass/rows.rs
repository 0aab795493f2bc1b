//! Functions that show a row where a column could stand (`t.to_jsonb`), as servers have them.

use querycop_testkit::postgres::{Postgres, Version};
use tokio_postgres::NoTls;

use crate::Session;

/// A column is closed, and nothing else.
const CLOSED: &str = "
version: 1
default: allow
rules:
  - name: closed
    deny: { columns: [public.people.email] }
";

/// What says no more than how many rows there are, or how they are kept.
const TELL_NO_VALUES: &[&str] = &[
    "count",
    "pg_collation_for",
    "pg_column_compression",
    "pg_column_toast_chunk_id",
    "pg_typeof",
];

/// The functions that a server lets stand for a column.
async fn names_in_dots(version: Version) -> Vec<String> {
    let server = Postgres::builder().version(version).start();
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
    let made = client.batch_execute("CREATE TABLE public.people (id int, email text)");
    made.await.expect("a table");
    let functions = "SELECT DISTINCT proname::text FROM pg_proc ORDER BY 1";
    let functions = client.query(functions, &[]).await.expect("functions");
    let mut names = Vec::new();
    for row in functions {
        let name: String = row.get(0);
        let text = format!("SELECT c.\"{name}\" FROM public.people c");
        if client.prepare(&text).await.is_ok() {
            names.push(name);
        }
    }
    names
}

#[test]
fn every_function_that_shows_a_row_in_dots_is_denied_as_its_columns_are() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("runtime");
    for version in [Version::Packaged, Version::V18] {
        let names = runtime.block_on(names_in_dots(version));
        assert!(names.iter().any(|name| name == "to_jsonb"), "{names:?}");
        let passing: Vec<_> = names
            .iter()
            .filter(|name| !TELL_NO_VALUES.contains(&name.as_str()))
            .filter(|name| {
                let text = format!("SELECT c.\"{name}\" FROM public.people c");
                Session::new(CLOSED).send(text.as_bytes()).is_none()
            })
            .collect();
        assert!(passing.is_empty(), "{version:?}: {passing:?}");
    }
}
