//! tokio-postgres.

use std::future::poll_fn;
use std::time::Duration;

use alloydb_connector::drivers::ConnectError;
use alloydb_connector::{DialOptions, Error, IamLogin};
use tokio::sync::mpsc;
use tokio_postgres::config::{SslMode, TargetSessionAttrs};
use tokio_postgres::error::SqlState;
use tokio_postgres::{AsyncMessage, NoTls};

use crate::lab::{
    APP_ROLE, APP_TOKEN, GONE, PRIMARY, READ_POOL, REFUSAL, REFUSING, ROLE, SILENT, STRANGER_TOKEN,
    chain, lab, password_login, uri,
};

#[path = "../../examples/tokio_postgres.rs"]
#[expect(dead_code, unreachable_pub, reason = "it is a program of its own")]
mod example;

#[tokio::test]
async fn the_example_queries_pipelines_and_cancels() {
    let settings = example::settings::Settings::read(lab().iam_environment()).unwrap();
    let told = example::run(&settings).await.unwrap();
    assert_eq!(told, format!("{APP_ROLE}: 3, 6; cancelled: true"));
    let settings = example::settings::Settings::read(lab().password_environment()).unwrap();
    let told = example::run(&settings).await.unwrap();
    assert_eq!(told, format!("{ROLE}: 3, 6; cancelled: true"));
}

#[tokio::test]
async fn a_configuration_that_demands_tls_is_content_with_the_tunnel() {
    let dialer = lab().dialer(APP_TOKEN, IamLogin::Off).await;
    let mut config = password_login();
    config.ssl_mode(SslMode::Require);
    let options = DialOptions::default();
    let connected = dialer.connect(&uri(PRIMARY), &options, &config).await;
    let (client, _) = connected.unwrap();
    client.check_connection().await.unwrap();
    // And so is the request that cancels.
    dialer
        .cancel(&uri(PRIMARY), &options, &client.cancel_token())
        .await
        .unwrap();
}

#[tokio::test]
async fn the_drivers_own_cancel_knows_no_way() {
    let connect = lab().connect(PRIMARY).await;
    let (client, _) = connect.connect(&password_login()).await.unwrap();
    let error = client.cancel_token().cancel_query(NoTls).await.unwrap_err();
    assert_eq!(chain(&error), "error connecting to server: unknown host");
}

#[tokio::test]
async fn a_refused_login_keeps_its_sqlstate() {
    let connect = lab().connect(PRIMARY).await;
    let mut config = password_login();
    config.password("wrong");
    let error = connect.connect(&config).await.unwrap_err();
    let text = chain(&error);
    let ConnectError::Login { instance, cause } = error else {
        panic!("{text}");
    };
    assert_eq!(instance, uri(PRIMARY));
    assert_eq!(cause.code(), Some(&SqlState::INVALID_PASSWORD));
    assert!(
        text.ends_with("password authentication failed for user \"worker\""),
        "{text}"
    );
}

#[tokio::test]
async fn an_iam_login_as_somebody_else_is_refused() {
    let dialer = lab().dialer(APP_TOKEN, IamLogin::On).await;
    let error = dialer
        .connect(&uri(PRIMARY), &DialOptions::default(), &password_login())
        .await
        .unwrap_err();
    assert!(
        matches!(error, ConnectError::Login { .. }),
        "{}",
        chain(&error)
    );
}

#[tokio::test]
async fn each_reason_not_to_be_dialled_is_told() {
    let cases = [
        (APP_TOKEN, REFUSING, REFUSAL),
        (APP_TOKEN, GONE, "onnection refused"),
        (STRANGER_TOKEN, PRIMARY, "403 PERMISSION_DENIED"),
        (APP_TOKEN, "missing", "404 NOT_FOUND"),
    ];
    for (token, instance, reason) in cases {
        let dialer = lab().dialer(token, IamLogin::Off).await;
        let error = dialer
            .connect(&uri(instance), &DialOptions::default(), &password_login())
            .await
            .unwrap_err();
        let text = chain(&error);
        assert!(text.contains(reason), "{text}");
        assert!(text.contains(uri(instance).as_str()), "{text}");
        assert!(!text.contains(token), "{text}");
        let ConnectError::Dial(error) = error else {
            panic!("{text}");
        };
        assert!(
            matches!(error, Error::Refresh(_) | Error::Dial(_)),
            "{text}"
        );
    }
}

#[tokio::test]
async fn connect_timeout_bounds_the_whole_way() {
    let connect = lab().connect(SILENT).await;
    let mut config = password_login();
    config.connect_timeout(Duration::from_millis(50));
    let error = connect.connect(&config).await.unwrap_err();
    assert_eq!(
        chain(&error),
        format!("no session with {} within 50ms", uri(SILENT))
    );
}

#[tokio::test]
async fn target_session_attrs_are_checked() {
    let cases = [
        (PRIMARY, TargetSessionAttrs::ReadWrite, true),
        (PRIMARY, TargetSessionAttrs::ReadOnly, false),
        (READ_POOL, TargetSessionAttrs::ReadWrite, false),
        (READ_POOL, TargetSessionAttrs::ReadOnly, true),
    ];
    for (instance, wanted, fits) in cases {
        let connect = lab().connect(instance).await;
        let mut config = password_login();
        config.target_session_attrs(wanted);
        match connect.connect(&config).await {
            Ok((client, _)) => {
                assert!(fits, "{instance} {wanted:?}");
                client.check_connection().await.unwrap();
            }
            Err(ConnectError::WrongSessionAttrs { .. }) => {
                assert!(!fits, "{instance} {wanted:?}");
            }
            Err(error) => panic!("{}", chain(&error)),
        }
    }
}

#[tokio::test]
async fn notifications_reach_who_drives_the_connection() {
    let dialer = lab().dialer(APP_TOKEN, IamLogin::Off).await;
    let options = DialOptions::default();
    let (client, mut connection) = dialer
        .connect_raw(&uri(PRIMARY), &options, &password_login())
        .await
        .unwrap();
    let (sender, mut notifications) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
            if let AsyncMessage::Notification(notification) = message.unwrap() {
                sender.send(notification).unwrap();
            }
        }
    });
    client
        .batch_execute("LISTEN jobs; NOTIFY jobs, 'the payload'")
        .await
        .unwrap();
    let notification = notifications.recv().await.unwrap();
    assert_eq!(notification.payload(), "the payload");
}

#[tokio::test]
async fn what_breaks_a_connection_is_what_its_task_returns() {
    let dialer = lab().dialer(APP_TOKEN, IamLogin::Off).await;
    let options = DialOptions::default();
    let (client, connection) = dialer
        .connect(&uri(PRIMARY), &options, &password_login())
        .await
        .unwrap();
    let application = "SET application_name = 'to_be_terminated'";
    client.batch_execute(application).await.unwrap();
    let terminated = lab().postgres.psql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE application_name = 'to_be_terminated'",
    );
    assert_eq!(terminated.trim(), "t");
    let error = connection.await.unwrap().unwrap_err();
    let code = error.code();
    assert_eq!(code, Some(&SqlState::ADMIN_SHUTDOWN), "{}", chain(&error));
    assert!(client.is_closed());
}
