//! The metadata exchange on a real TLS stream.

use alloydb_connector::{DialFailure, Error, ExchangeError};

use crate::dialling::echoes;
use crate::fake::{Answer, Fake, chain, count, instance, private, until};

/// Dials once and expects the exchange to fail; checks what every failure must do.
async fn fails(fake: &Fake) -> Error {
    let dialer = fake.dialer().await;
    let error = dialer.dial(&instance(), &private()).await.unwrap_err();
    assert_eq!(error.instance(), Some(&instance()));
    until("the socket's end", || {
        count(&fake.server.ended) == count(&fake.server.accepted)
    })
    .await;
    until("a forced refresh", || fake.calls() == (2, 2)).await;
    error
}

fn failure(error: &Error) -> &ExchangeError {
    let Error::Dial(dial) = error else {
        panic!("it isn't the dial that failed: {error}");
    };
    match dial.failure() {
        DialFailure::MetadataExchange(failure) => failure,
        other => panic!("it isn't the exchange that failed: {other}"),
    }
}

#[tokio::test]
async fn an_answer_split_over_many_records_is_read() {
    let fake = Fake::start().await;
    fake.server.answers(Answer::Split(vec![0, 0, 0, 2, 8, 1]));
    let mut stream = fake
        .dialer()
        .await
        .dial(&instance(), &private())
        .await
        .unwrap();
    echoes(&mut stream).await;
}

#[tokio::test]
async fn a_refusal_is_quoted_closes_the_socket_and_forces_a_refresh() {
    let fake = Fake::start().await;
    fake.server
        .answers(Answer::refusal("no alloydb.instances.connect"));
    let error = fails(&fake).await;
    assert!(matches!(failure(&error), ExchangeError::Refused { .. }));
    assert!(
        error.to_string().contains("no alloydb.instances.connect"),
        "{error}"
    );
    assert!(error.to_string().contains("10.0.0.5:5433"), "{error}");
}

#[tokio::test]
async fn an_empty_answer_is_no_verdict() {
    let fake = Fake::start().await;
    fake.server.answers(Answer::Bytes(vec![0; 4]));
    let error = fails(&fake).await;
    assert!(
        matches!(failure(&error), ExchangeError::Unspecified),
        "{error}"
    );
}

#[tokio::test]
async fn an_oversized_answer_is_refused() {
    let fake = Fake::start().await;
    fake.server.answers(Answer::Bytes(vec![0, 1, 0, 0]));
    let error = fails(&fake).await;
    assert!(
        matches!(
            failure(&error),
            ExchangeError::TooLarge {
                length: 0x1_0000,
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn an_end_of_the_stream_is_told() {
    let fake = Fake::start().await;
    fake.server.answers(Answer::Close);
    let error = fails(&fake).await;
    assert!(matches!(failure(&error), ExchangeError::Closed), "{error}");
}

#[tokio::test]
async fn postgresqls_error_is_quoted() {
    let fake = Fake::start().await;
    let mut bytes = vec![b'E', 0, 0, 0, 29];
    bytes.extend_from_slice(b"SFATAL\0C57P03\0Mstarting\0\0");
    bytes[4] = u8::try_from(bytes.len() - 1).unwrap();
    fake.server.answers(Answer::Bytes(bytes));
    let error = fails(&fake).await;
    assert!(
        error.to_string().contains("57P03 starting"),
        "{}",
        chain(&error)
    );
}

#[tokio::test]
async fn a_dial_that_is_dropped_during_the_exchange_closes_its_socket() {
    let fake = Fake::start().await;
    fake.server.answers(Answer::Silence);
    let dialer = fake.dialer().await;
    let dial = tokio::spawn(async move { dialer.dial(&instance(), &private()).await.is_ok() });
    until("the exchange", || fake.server.exchanged().len() == 1).await;
    assert_eq!(count(&fake.server.ended), 0);
    dial.abort();
    until("the socket's end", || count(&fake.server.ended) == 1).await;
}
