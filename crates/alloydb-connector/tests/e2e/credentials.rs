//! Tokens: which, from where, how narrow.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use alloydb_connector::{AccessToken, Credentials, Dialer, Error, TokenError};
use serde_json::{Value, json};

use crate::fake::{Fake, chain, instance, private, until};

/// A service account's key, whose tokens the fake mints.
fn service_account(fake: &Fake) -> Value {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    json!({
        "type": "service_account",
        "client_email": "sa@proj.iam.gserviceaccount.com",
        "private_key": key.serialize_pem(),
        "private_key_id": "1",
        "project_id": "proj",
        "token_uri": format!("{}/token", fake.endpoint()),
        "quota_project_id": "from-the-file",
    })
}

fn bearer(fake: &Fake) -> String {
    let call = &fake.api.calls_to("/connectionInfo")[0];
    call.headers["authorization"].clone()
}

#[tokio::test]
async fn a_service_accounts_login_token_is_narrowed_and_the_admin_apis_is_not() {
    let fake = Fake::start().await;
    let json = service_account(&fake).to_string();
    let dialer = fake.builder().credentials(Credentials::json(json.into()));
    let dialer = dialer.build().await.unwrap();
    dialer.dial(&instance(), &private()).await.unwrap();
    dialer.dial(&instance(), &private()).await.unwrap();
    assert_eq!(bearer(&fake), "Bearer minted_cloud-platform");
    assert_eq!(fake.server.exchanged()[1].token, "minted_alloydb.login");
    assert_eq!(fake.api.calls_to("/token").len(), 2, "each is kept");
    let quota = &fake.api.calls_to("/connectionInfo")[0].headers["x-goog-user-project"];
    assert_eq!(quota, "from-the-file");
    let token = dialer.login_token().await.unwrap();
    assert_eq!(token.expose(), "minted_alloydb.login");
    assert!(token.expires_at().is_some());
}

#[tokio::test]
async fn a_credentials_file_is_read() {
    let fake = Fake::start().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), service_account(&fake).to_string()).unwrap();
    let dialer = fake.builder().credentials(Credentials::file(file.path()));
    dialer
        .build()
        .await
        .unwrap()
        .dial(&instance(), &private())
        .await
        .unwrap();
    assert_eq!(fake.server.exchanged()[0].token, "minted_alloydb.login");
}

#[tokio::test]
async fn a_users_credentials_are_not_narrowed() {
    let fake = Fake::start().await;
    let json = json!({
        "type": "authorized_user",
        "client_id": "id",
        "client_secret": "secret",
        "refresh_token": "refresh",
        "token_uri": format!("{}/token", fake.endpoint()),
    });
    let dialer = fake
        .builder()
        .credentials(Credentials::json(json.to_string().into()));
    let dialer = dialer.build().await.unwrap();
    dialer.dial(&instance(), &private()).await.unwrap();
    assert_eq!(fake.server.exchanged()[0].token, "minted_user_unscoped");
}

#[tokio::test]
async fn an_impersonated_login_is_narrowed_at_the_end_of_the_chain() {
    let fake = Fake::start().await;
    let credentials = Credentials::token("source".into())
        .impersonate(
            "first@p.iam.gserviceaccount.com",
            ["delegate@p.iam.gserviceaccount.com"],
        )
        .impersonate("target@p.iam.gserviceaccount.com", None::<String>);
    let dialer = fake
        .builder()
        .credentials(credentials)
        .build()
        .await
        .unwrap();
    dialer.dial(&instance(), &private()).await.unwrap();
    let token = &fake.server.exchanged()[0].token;
    assert!(
        token.contains("target@") && token.ends_with("alloydb.login"),
        "{token}"
    );
    let calls = fake.api.calls_to(":generateAccessToken");
    let first = calls
        .iter()
        .find(|call| call.path.contains("first@"))
        .unwrap();
    assert_eq!(first.headers["authorization"], "Bearer source");
    let body: Value = serde_json::from_str(&first.body).unwrap();
    let delegate = "projects/-/serviceAccounts/delegate@p.iam.gserviceaccount.com";
    assert_eq!(body["delegates"], json!([delegate]));
    assert_eq!(
        body["scope"],
        json!(["https://www.googleapis.com/auth/cloud-platform"])
    );
    let second = calls
        .iter()
        .find(|call| call.path.contains("target@"))
        .unwrap();
    assert!(
        second.headers["authorization"].contains("first@"),
        "{second:?}"
    );
}

#[tokio::test]
async fn only_a_service_account_can_be_impersonated() {
    let fake = Fake::start().await;
    for (target, delegate) in [
        ("", "d@p.iam.gserviceaccount.com"),
        (
            "t@p.iam.gserviceaccount.com/../x",
            "d@p.iam.gserviceaccount.com",
        ),
        ("t@p.iam.gserviceaccount.com", "d?x"),
    ] {
        let credentials = Credentials::token("source".into()).impersonate(target, [delegate]);
        let error = fake.builder().credentials(credentials).build().await;
        let error = error.unwrap_err();
        assert!(matches!(error, Error::Config(_)), "{error}");
        assert!(
            chain(&error).contains("to impersonate"),
            "{}",
            chain(&error)
        );
    }
}

#[tokio::test]
async fn an_impersonation_of_the_files_own_making_works_too() {
    let fake = Fake::start().await;
    let url = format!(
        "{}/v1/projects/-/serviceAccounts/t@p.iam.gserviceaccount.com:generateAccessToken",
        fake.endpoint()
    );
    let json = json!({
        "type": "impersonated_service_account",
        "service_account_impersonation_url": url,
        "source_credentials": {
            "type": "authorized_user",
            "client_id": "id",
            "client_secret": "secret",
            "refresh_token": "refresh",
            "token_uri": format!("{}/token", fake.endpoint()),
        },
    });
    let dialer = fake
        .builder()
        .credentials(Credentials::json(json.to_string().into()));
    dialer
        .build()
        .await
        .unwrap()
        .dial(&instance(), &private())
        .await
        .unwrap();
    let token = &fake.server.exchanged()[0].token;
    assert!(
        token.contains("t@") && token.ends_with("alloydb.login"),
        "{token}"
    );
}

#[tokio::test]
async fn a_workload_identity_is_exchanged_with_the_scope_that_is_needed() {
    let fake = Fake::start().await;
    let subject = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(subject.path(), "subject").unwrap();
    let json = json!({
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": format!("{}/sts", fake.endpoint()),
        "credential_source": {"file": subject.path()},
    });
    let dialer = fake
        .builder()
        .credentials(Credentials::json(json.to_string().into()));
    let dialer = dialer.build().await.unwrap();
    dialer.dial(&instance(), &private()).await.unwrap();
    assert_eq!(bearer(&fake), "Bearer exchanged_subject_cloud-platform");
    let token = &fake.server.exchanged()[0].token;
    assert_eq!(token, "exchanged_subject_alloydb.login");
}

#[tokio::test]
async fn a_key_is_not_signed_with_towards_plain_http_beyond_loopback() {
    let fake = Fake::start().await;
    let mut json = service_account(&fake);
    json["token_uri"] = json!("http://10.0.0.1/token");
    let credentials = Credentials::json(json.to_string().into());
    let builder = || fake.builder().credentials(credentials.clone());
    let error = builder().build().await.unwrap_err();
    assert!(
        chain(&error).contains("for loopback only"),
        "{}",
        chain(&error)
    );
    let danger = builder().danger_allow_plaintext_admin_endpoint();
    danger.build().await.unwrap();
}

#[tokio::test]
async fn a_source_that_hangs_keeps_no_task_for_every_dial() {
    let fake = Fake::start().await;
    let waiting = Arc::new(());
    let seen = Arc::downgrade(&waiting);
    let source = move || {
        let waiting = waiting.clone();
        async move {
            std::future::pending::<()>().await;
            drop(waiting);
            Err(TokenError::new("never"))
        }
    };
    let dialer = fake
        .builder()
        .login_credentials(Credentials::source(source))
        .refresh_timeout(std::time::Duration::from_secs(1));
    let dialer = dialer.build().await.unwrap();
    // Dropped by somebody who is less patient.
    let instance = instance();
    let private = private();
    tokio::select! {
        biased;
        _ = dialer.login_token() => panic!("it hangs"),
        () = until("the source's call", || seen.strong_count() == 2) => {}
    }
    until("the call's end", || seen.strong_count() == 1).await;
    let error = dialer.dial(&instance, &private).await.unwrap_err();
    assert!(
        chain(&error).contains("no answer within 1s"),
        "{}",
        chain(&error)
    );
}

#[tokio::test]
async fn login_credentials_may_be_others_and_are_asked_at_every_dial() {
    let fake = Fake::start().await;
    let asked = Arc::new(AtomicU64::new(0));
    let login = Credentials::source(move || {
        let number = asked.fetch_add(1, Ordering::SeqCst);
        let token = AccessToken::new(format!("login-{number}").into(), None);
        std::future::ready(Ok(token))
    });
    let dialer = fake
        .builder()
        .login_credentials(login)
        .build()
        .await
        .unwrap();
    for _ in 0..2 {
        dialer.dial(&instance(), &private()).await.unwrap();
    }
    assert_eq!(bearer(&fake), "Bearer ya29.static");
    let tokens: Vec<_> = fake
        .server
        .exchanged()
        .into_iter()
        .map(|seen| seen.token)
        .collect();
    assert_eq!(tokens, ["login-0", "login-1"], "renewed between dials");
}

#[tokio::test]
async fn a_source_that_fails_says_why_and_leaks_nothing() {
    let fake = Fake::start().await;
    let source = || std::future::ready(Err(TokenError::new("the vault is sealed")));
    let dialer = fake.builder().credentials(Credentials::source(source));
    let error = dialer
        .build()
        .await
        .unwrap()
        .dial(&instance(), &private())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Refresh(_)), "{error}");
    assert!(
        chain(&error).ends_with("the vault is sealed"),
        "{}",
        chain(&error)
    );

    let empty = fake
        .builder()
        .login_credentials(Credentials::token("".into()));
    let error = empty
        .build()
        .await
        .unwrap()
        .dial(&instance(), &private())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Dial(_)), "{error}");
    assert!(
        chain(&error).contains("token is empty"),
        "{}",
        chain(&error)
    );

    let dialer = fake
        .builder()
        .login_credentials(Credentials::source(source));
    let dialer = dialer.build().await.unwrap();
    let error = dialer.login_token().await.unwrap_err();
    assert!(
        matches!(error, Error::Login(_)) && !error.is_terminal(),
        "{error}"
    );
    let error = dialer.prepare(&instance()).await.unwrap_err();
    assert_eq!(error.instance(), Some(&instance()));
}

#[tokio::test]
async fn credentials_of_another_universe_are_refused() {
    let fake = Fake::start().await;
    let mut json = service_account(&fake);
    json["universe_domain"] = json!("example.goog");
    let credentials = Credentials::json(json.to_string().into());
    let error = fake
        .builder()
        .credentials(credentials.clone())
        .build()
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Config(_)), "{error}");
    assert!(error.to_string().contains("example.goog"), "{error}");
    let same = fake
        .builder()
        .credentials(credentials)
        .universe_domain("example.goog");
    same.build()
        .await
        .unwrap()
        .dial(&instance(), &private())
        .await
        .unwrap();
}

#[tokio::test]
async fn credentials_that_cant_be_used_are_config_errors_without_secrets() {
    let fake = Fake::start().await;
    let mut broken = service_account(&fake);
    broken["private_key"] = json!("-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----");
    let texts = [
        broken.to_string(),
        "secret, not JSON".to_owned(),
        r#"{"type":"secret_type","x":"y"}"#.replace("secret", "unknown"),
        r#"{"private_key":"secret"}"#.to_owned(),
    ];
    for text in texts {
        let credentials = Credentials::json(text.into());
        let error = fake
            .builder()
            .credentials(credentials)
            .build()
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Config(_)), "{error}");
        assert!(!chain(&error).contains("secret,"), "{}", chain(&error));
    }
    let missing = Credentials::file("/nonexistent/key.json");
    let error = fake
        .builder()
        .credentials(missing)
        .build()
        .await
        .unwrap_err();
    assert!(
        chain(&error).contains("/nonexistent/key.json"),
        "{}",
        chain(&error)
    );
}

/// A process of its own, because these credentials are found through the environment.
#[tokio::test]
async fn application_default_credentials_are_found_at_the_metadata_server() {
    const NAME: &str =
        "credentials::application_default_credentials_are_found_at_the_metadata_server";
    if let Ok(tunnel) = std::env::var("CONNECTOR_TEST_TUNNEL") {
        let admin = std::env::var("GCE_METADATA_HOST").unwrap();
        let dialer = Dialer::builder()
            .admin_endpoint(format!("http://{admin}"))
            .dial_function(move |_| tokio::net::TcpStream::connect(tunnel.clone()));
        dialer
            .build()
            .await
            .unwrap()
            .dial(&instance(), &private())
            .await
            .unwrap();
        return;
    }
    let fake = Fake::start().await;
    let output = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME])
        .env_remove("GOOGLE_APPLICATION_CREDENTIALS")
        .env("HOME", "/nonexistent")
        .env("GCE_METADATA_HOST", fake.admin.to_string())
        .env("CONNECTOR_TEST_TUNNEL", fake.tunnel.to_string())
        .output();
    let output = output.await.unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    assert!(bearer(&fake).contains("metadata_"), "{}", bearer(&fake));
    assert!(
        bearer(&fake).contains("cloud-platform"),
        "{}",
        bearer(&fake)
    );
    let token = &fake.server.exchanged()[0].token;
    assert!(token.contains("alloydb.login"), "{token}");
}
