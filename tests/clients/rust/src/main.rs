//! The behaviours of tests/clients through tokio-postgres, with rustls.

use std::env;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{self, SHA256};
use bytes::Bytes;
use futures_util::future::try_join_all;
use futures_util::{SinkExt, StreamExt, TryStreamExt};
use rust_decimal::Decimal;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{self, CryptoProvider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use serde_json::json;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;
use tokio_postgres::config::{SslMode, SslNegotiation};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{AsyncMessage, Client, Config, Notification, Row, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;
use uuid::Uuid;

const DEADLINE: Duration = Duration::from_secs(60);
const COPIED_ROWS: i64 = 10_000;
const MANY_ROWS: i32 = 200_000;
const LARGE_VALUE_SIZE: usize = 64 << 20;

type Error = Box<dyn std::error::Error + Send + Sync>;
type Outcome = Result<(), Error>;
type Behaviour = fn() -> Pin<Box<dyn Future<Output = Outcome>>>;

/// Why there is nothing to try a behaviour on.
#[derive(Debug)]
struct Skip(&'static str);

impl fmt::Display for Skip {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

impl std::error::Error for Skip {}

/// A name and a boxed call for each behaviour.
macro_rules! behaviours {
    ($($name:ident),* $(,)?) => {
        [$((stringify!($name), (|| Box::pin($name())) as Behaviour)),*]
    };
}

/// Ends the behaviour with an error unless the two are equal.
macro_rules! expect {
    ($actual:expr, $expected:expr $(,)?) => {
        match (&$actual, &$expected) {
            (actual, expected) if actual == expected => {}
            (actual, expected) => {
                let at = stringify!($actual);
                return Err(format!("{at}: expected {expected:.200?}, got {actual:.200?}").into());
            }
        }
    };
}

/// `sslmode=require`: encrypted, with whatever certificate the server shows.
#[derive(Debug)]
struct AnyCertificate(CryptoProvider);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

fn tls_mode() -> String {
    env::var("PGSSLMODE").unwrap_or_else(|_| "disable".into())
}

fn tls() -> Result<MakeRustlsConnect, Error> {
    let builder = ClientConfig::builder();
    let mut config = if ["disable", "require"].contains(&tls_mode().as_str()) {
        let verifier = AnyCertificate(crypto::aws_lc_rs::default_provider());
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth()
    } else {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(env::var("PGSSLROOTCERT")?)? {
            roots.add(certificate?)?;
        }
        builder.with_root_certificates(roots).with_no_client_auth()
    };
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    Ok(MakeRustlsConnect::new(config))
}

/// A new session, and the notifications that come in it.
async fn connect_listening() -> Result<(Client, UnboundedReceiver<Notification>), Error> {
    let mut config = Config::new();
    config
        .host(env::var("PGHOST")?)
        .port(env::var("PGPORT")?.parse()?)
        .user(env::var("PGUSER")?)
        .password(env::var("PGPASSWORD")?)
        .dbname(env::var("PGDATABASE")?);
    match tls_mode().as_str() {
        "disable" => config.ssl_mode(SslMode::Disable),
        "direct" => config
            .ssl_mode(SslMode::Require)
            .ssl_negotiation(SslNegotiation::Direct),
        _ => config.ssl_mode(SslMode::Require),
    };
    let (client, mut connection) = config.connect(tls()?).await?;
    let (sender, notifications) = unbounded_channel();
    tokio::spawn(async move {
        // The client's own calls report the end of the connection, and an error of it.
        while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
            if let AsyncMessage::Notification(notification) = message {
                // Most behaviours have dropped the receiver: they don't listen.
                let _ = sender.send(notification);
            }
        }
    });
    Ok((client, notifications))
}

async fn connect() -> Result<Client, Error> {
    Ok(connect_listening().await?.0)
}

fn sqlstate_of<T>(result: Result<T, tokio_postgres::Error>) -> Result<String, Error> {
    let error = result.err().ok_or("the query did not fail")?;
    match error.code() {
        Some(code) => Ok(code.code().to_owned()),
        None => Err(error.into()),
    }
}

/// The query has failed as one that the policy rule no-deletes denies.
fn expect_denied<T>(result: Result<T, tokio_postgres::Error>) -> Outcome {
    let error = result.err().ok_or("the query was not denied")?;
    let Some(refused) = error.as_db_error() else {
        return Err(error.into());
    };
    expect!(refused.code().code(), "42501");
    expect!(refused.message(), "denied by policy rule \"no-deletes\"");
    let hint = refused.hint().unwrap_or_default();
    expect!(hint.contains("Mark the rows instead"), true);
    Ok(())
}

/// Returns once the backend is inside `pg_sleep`: a cancel before that could come too early.
async fn until_sleeping(pid: i32) -> Outcome {
    let sql = "select coalesce(wait_event, '') = 'PgSleep' from pg_stat_activity where pid = $1";
    let observer = connect().await?;
    while !observer.query_one_scalar::<bool, _>(sql, &[&pid]).await? {}
    Ok(())
}

async fn simple_query() -> Outcome {
    let client = connect().await?;
    let messages = client
        .simple_query(
            "create temp table simple (n int4);
             insert into simple values (1), (2), (3);
             select sum(n) from simple",
        )
        .await?;
    let rows: Vec<_> = messages
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        })
        .collect();
    expect!(rows, ["6"]);
    Ok(())
}

async fn extended_query() -> Outcome {
    let client = connect().await?;
    let row = client
        .query_one("select $1::int4 + 1, upper($2)", &[&41, &"it's"])
        .await?;
    expect!((row.get(0), row.get(1)), (42, "IT'S"));
    Ok(())
}

async fn prepared_statement() -> Outcome {
    let sql = "select $1::int8 * 2";
    let client = connect().await?;
    let statement = client.prepare(sql).await?;
    for n in 0..10_i64 {
        expect!(
            client.query_one_scalar::<i64, _>(&statement, &[&n]).await?,
            n * 2
        );
    }
    // Prepared once, executed ten times, by the server's own count.
    let counts = "select generic_plans + custom_plans from pg_prepared_statements
                  where statement = $1";
    let counts = client.query(counts, &[&sql]).await?;
    expect!(
        counts.iter().map(|row| row.get(0)).collect::<Vec<i64>>(),
        [10]
    );
    Ok(())
}

async fn pipeline() -> Outcome {
    let client = connect().await?;
    let statement = client.prepare("select $1::int4").await?;
    // What is polled together is sent together.
    let numbers: Vec<i32> = (0..100).collect();
    let queries = numbers.iter().map(async |n| {
        let parameters: [&(dyn ToSql + Sync); 1] = [n];
        client
            .query_one_scalar::<i32, _>(&statement, &parameters)
            .await
    });
    expect!(try_join_all(queries).await?, numbers);
    Ok(())
}

fn copied_line(n: i64) -> String {
    format!("{n}\trow {n}\n")
}

async fn copy_in() -> Outcome {
    let client = connect().await?;
    client
        .batch_execute("create temp table copied (id int8, body text)")
        .await?;
    let mut sink = pin!(client.copy_in("copy copied from stdin").await?);
    for n in 1..=COPIED_ROWS {
        sink.feed(Bytes::from(copied_line(n))).await?;
    }
    expect!(sink.finish().await?, COPIED_ROWS.unsigned_abs());
    let sql = "select count(*), sum(id)::int8 from copied where body = 'row ' || id";
    let row = client.query_one(sql, &[]).await?;
    expect!(
        (row.get(0), row.get(1)),
        (COPIED_ROWS, COPIED_ROWS * (COPIED_ROWS + 1) / 2)
    );
    Ok(())
}

async fn copy_out() -> Outcome {
    let client = connect().await?;
    let rows = format!("select n, 'row ' || n from generate_series(1, {COPIED_ROWS}) as n");
    let chunks = client.copy_out(&format!("copy ({rows}) to stdout")).await?;
    let text = chunks.try_collect::<Vec<_>>().await?.concat();
    expect!(
        String::from_utf8(text)?,
        (1..=COPIED_ROWS).map(copied_line).collect::<String>()
    );
    Ok(())
}

async fn cancel() -> Outcome {
    let client = connect().await?;
    let pid: i32 = client
        .query_one_scalar("select pg_backend_pid()", &[])
        .await?;
    let (sleep, cancelled) = tokio::join!(client.simple_query("select pg_sleep(600)"), async {
        until_sleeping(pid).await?;
        Ok::<_, Error>(client.cancel_token().cancel_query(tls()?).await?)
    });
    cancelled?;
    expect!(sqlstate_of(sleep)?, "57014");
    let same: i32 = client
        .query_one_scalar("select pg_backend_pid()", &[])
        .await?;
    expect!(same, pid);
    Ok(())
}

async fn listen_notify() -> Outcome {
    let channel = format!("clients_{}", Uuid::new_v4().simple());
    let (listener, mut notifications) = connect_listening().await?;
    listener.batch_execute(&format!("listen {channel}")).await?;
    let notifier = connect().await?;
    notifier
        .execute("select pg_notify($1, 'hello')", &[&channel])
        .await?;
    let event = notifications.recv().await.ok_or("the session ended")?;
    expect!(
        (event.channel(), event.payload()),
        (channel.as_str(), "hello")
    );
    Ok(())
}

async fn many_rows() -> Outcome {
    let source = format!("from generate_series(1, {MANY_ROWS}) as n");
    let client = connect().await?;
    let none: [&str; 0] = [];
    let sql = format!("select n, md5(n::text) {source}");
    let mut rows = pin!(client.query_raw(&sql, none).await?);
    let (mut count, mut digest) = (0, digest::Context::new(&SHA256));
    while let Some(row) = rows.next().await {
        let row: Row = row?;
        count += 1;
        expect!(row.get::<_, i32>(0), count);
        digest.update(row.get::<_, &str>(1).as_bytes());
    }
    expect!(count, MANY_ROWS);
    let sql = format!("select sha256(string_agg(md5(n::text), '')::bytea) {source}");
    let expected: Vec<u8> = client.query_one_scalar(&sql, &[]).await?;
    expect!(digest.finish().as_ref(), expected);
    Ok(())
}

/// One 64 MiB value to the client and back, the server's digest against the client's.
async fn large_value() -> Outcome {
    let sql = format!(
        "with large as materialized (
           select string_agg(md5(n::text), '')::bytea as value
           from generate_series(1, {}) as n)
         select value, sha256(value) from large",
        LARGE_VALUE_SIZE / 32
    );
    let client = connect().await?;
    let row = client.query_one(&sql, &[]).await?;
    let (value, digest): (&[u8], &[u8]) = (row.get(0), row.get(1));
    expect!(value.len(), LARGE_VALUE_SIZE);
    expect!(digest::digest(&SHA256, value).as_ref(), digest);
    let back: Vec<u8> = client
        .query_one_scalar("select sha256($1)", &[&value])
        .await?;
    expect!(back, digest);
    Ok(())
}

async fn error_recovery() -> Outcome {
    let client = connect().await?;
    expect!(
        sqlstate_of(client.query("select 1 / $1::int4", &[&0]).await)?,
        "22012"
    );
    let answer: String = client.query_one_scalar("select 'still here'", &[]).await?;
    expect!(answer, "still here");
    Ok(())
}

async fn failed_transaction() -> Outcome {
    let client = connect().await?;
    client.batch_execute("begin").await?;
    expect!(
        sqlstate_of(client.query("select 1 / $1::int4", &[&0]).await)?,
        "22012"
    );
    expect!(sqlstate_of(client.query("select 1", &[]).await)?, "25P02");
    client.batch_execute("rollback").await?;
    let answer: String = client.query_one_scalar("select 'still here'", &[]).await?;
    expect!(answer, "still here");
    Ok(())
}

/// The driver has no format but binary.
async fn binary_types() -> Outcome {
    let numeric: Decimal = "1234567890123456.0123456789".parse()?; // Decimal holds 28 digits
    let time = SystemTime::UNIX_EPOCH + Duration::from_micros(1_770_091_506_789_012);
    let uuid: Uuid = "0191b2c3-d4e5-7f60-8a9b-0c1d2e3f4a5b".parse()?;
    let bytes: &[u8] = &[0x00, 0x01, 0xfe, 0xff];
    let document = json!({"a": [1, 2, null], "b": "ü"});
    let numbers = [Some(1), None, Some(-3)];
    let texts = [Some("a"), None, Some("b,\"c")];
    let client = connect().await?;
    let row = client
        .query_one(
            "select $1::int8, $2::float8, $3::numeric, $4::timestamptz, $5::uuid, $6::bytea,
                    $7::jsonb, $8::int4[], $9::text[]",
            &[
                &i64::MAX,
                &-0.1,
                &numeric,
                &time,
                &uuid,
                &bytes,
                &document,
                &numbers.as_slice(),
                &texts.as_slice(),
            ],
        )
        .await?;
    expect!(row.get::<_, i64>(0), i64::MAX);
    expect!(row.get::<_, f64>(1), -0.1);
    expect!(row.get::<_, Decimal>(2), numeric);
    expect!(row.get::<_, SystemTime>(3), time);
    expect!(row.get::<_, Uuid>(4), uuid);
    expect!(row.get::<_, &[u8]>(5), bytes);
    expect!(row.get::<_, serde_json::Value>(6), document);
    expect!(row.get::<_, Vec<Option<i32>>>(7), numbers);
    expect!(row.get::<_, Vec<Option<&str>>>(8), texts);
    Ok(())
}

/// The values of a row that has two.
fn pair(row: &Row) -> (i64, i32) {
    (row.get(0), row.get(1))
}

/// What is polled together is sent together, each with a Sync of its own.
async fn denied_in_pipeline(client: &Client, delete: &str) -> Outcome {
    let statement = client.prepare("select $1::int4").await?;
    let removal = format!("{delete} where n = $1");
    let (first, simple, second, failed, prepared, third) = tokio::join!(
        client.query_one_scalar::<i32, _>(&statement, &[&1]),
        client.simple_query(delete),
        client.query_one_scalar::<i32, _>(&statement, &[&2]),
        client.simple_query("select 1 / 0"),
        client.prepare(&removal),
        client.query_one_scalar::<i32, _>(&statement, &[&3]),
    );
    expect!((first?, second?, third?), (1, 2, 3));
    expect_denied(simple)?;
    expect!(sqlstate_of(failed)?, "22012");
    expect_denied(prepared)
}

async fn denied_in_transaction(client: &Client, table: &str, delete: &str) -> Outcome {
    client.batch_execute("begin").await?;
    let insert = format!("insert into {table} values (0)");
    client.execute(&insert, &[]).await?;
    expect_denied(client.execute(delete, &[]).await)?;
    expect!(sqlstate_of(client.query("select 1", &[]).await)?, "25P02");
    // In a transaction that has failed already, the denial is still the denial.
    expect_denied(client.batch_execute(delete).await)?;
    let removal = format!("{delete} where n = $1");
    expect_denied(client.execute(&removal, &[&1]).await)?;
    client.batch_execute("rollback").await?;
    let answer: String = client.query_one_scalar("select 'still here'", &[]).await?;
    expect!(answer, "still here");
    Ok(())
}

async fn denied() -> Outcome {
    let table = env::var("CLIENTS_DENIED_TABLE").unwrap_or_default();
    if table.is_empty() {
        return Err(Skip("no policy: CLIENTS_DENIED_TABLE is not set").into());
    }
    let delete = format!("delete from {table}");
    let removal = format!("{delete} where n = $1");
    let client = connect().await?;
    let state = client
        .prepare(&format!("select count(*), pg_backend_pid() from {table}"))
        .await?;
    let before = pair(&client.query_one(&state, &[]).await?);
    expect_denied(client.simple_query(&delete).await)?;
    // Had any of it run, a row would have come and stayed.
    let several = format!("insert into {table} values (0); commit; {delete}");
    expect_denied(client.simple_query(&several).await)?;
    client.simple_query("select 1").await?;
    expect_denied(client.execute(&removal, &[&1]).await)?;
    expect_denied(client.query_typed(&removal, &[(&1, Type::INT4)]).await)?;
    let answer: i32 = client.query_one_scalar("select $1::int4", &[&2]).await?;
    expect!(answer, 2);
    denied_in_pipeline(&client, &delete).await?;
    denied_in_transaction(&client, &table, &delete).await?;
    expect!(pair(&client.query_one(&state, &[]).await?), before);
    Ok(())
}

/// An error and what caused it, on one line.
fn reason(error: &Error) -> String {
    let mut reason = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        reason = format!("{reason}: {error}");
        cause = error.source();
    }
    reason.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let behaviours = behaviours![
        simple_query,
        extended_query,
        prepared_statement,
        pipeline,
        copy_in,
        copy_out,
        cancel,
        listen_notify,
        many_rows,
        large_value,
        error_recovery,
        failed_transaction,
        binary_types,
        denied,
    ];
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for (name, behaviour) in behaviours {
        let late = || Err(format!("not finished within {} s", DEADLINE.as_secs()).into());
        match timeout(DEADLINE, behaviour())
            .await
            .unwrap_or_else(|_| late())
        {
            Ok(()) => {
                passed += 1;
                println!("ok {name}");
            }
            Err(error) if error.is::<Skip>() => {
                skipped += 1;
                println!("skip {name}: {error}");
            }
            Err(error) => {
                failed += 1;
                println!("not ok {name}: {}", reason(&error));
            }
        }
    }
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    ExitCode::from(u8::from(failed > 0))
}
