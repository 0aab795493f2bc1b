//! Refreshes against the fake admin API.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use alloydb_connector::{DialOptions, Error, IpType, RefreshFailure};
use serde_json::json;

use crate::fake::{Fake, Fault, PRIVATE, PUBLIC, chain, count, instance, private};

const DENIED: &str = r#"{"error":{"code":403,"message":"denied","status":"PERMISSION_DENIED",
    "details":[{"@type":"t","reason":"IAM_PERMISSION_DENIED"}]}}"#;

fn fault(fake: &Fake, fault: Fault) {
    fake.api.set(|settings| settings.faults.push_back(fault));
}

async fn refused(fake: &Fake) -> Error {
    fake.dialer()
        .await
        .dial(&instance(), &private())
        .await
        .unwrap_err()
}

#[tokio::test]
async fn a_refusal_of_the_admin_api_is_told_in_full_and_not_retried() {
    let fake = Fake::start().await;
    fault(&fake, Fault::Status(403, DENIED));
    let error = refused(&fake).await;
    let Error::Refresh(refresh) = &error else {
        panic!("{error}");
    };
    let RefreshFailure::Status {
        code,
        status,
        message,
        reason,
        ..
    } = refresh.failure()
    else {
        panic!("{error}");
    };
    assert_eq!(
        (*code, status.as_str(), message.as_str()),
        (403, "PERMISSION_DENIED", "denied")
    );
    assert_eq!(reason.as_deref(), Some("IAM_PERMISSION_DENIED"));
    assert!(error.is_terminal());
    assert!(error.to_string().contains(instance().as_str()), "{error}");
    assert_eq!(fake.calls().0, 1);
}

#[tokio::test]
async fn a_missing_instance_is_terminal_and_found_when_it_is_made() {
    let fake = Fake::start().await;
    fault(&fake, Fault::Status(404, "{}"));
    let dialer = fake.dialer().await;
    let error = dialer.dial(&instance(), &private()).await.unwrap_err();
    assert!(error.is_terminal(), "{error}");
    dialer.dial(&instance(), &private()).await.unwrap();
}

#[tokio::test]
async fn overload_and_broken_connections_are_retried() {
    let fake = Fake::start().await;
    fault(&fake, Fault::RetryAfter(429, "0"));
    fault(&fake, Fault::Status(503, "{}"));
    fault(&fake, Fault::Close);
    fake.dialer()
        .await
        .dial(&instance(), &private())
        .await
        .unwrap();
    assert_eq!(fake.calls(), (4, 1), "only the failed call is retried");
}

#[tokio::test]
async fn a_retry_that_comes_too_late_is_not_waited_for() {
    let fake = Fake::start().await;
    fault(&fake, Fault::RetryAfter(429, "3600"));
    let error = refused(&fake).await;
    assert!(error.to_string().contains("429"), "{error}");
    assert!(!error.is_terminal());
}

#[tokio::test]
async fn a_hanging_admin_api_ends_with_the_refresh_timeout() {
    let fake = Fake::start().await;
    let _held = fake.api.gate.acquire_many(1000).await.unwrap();
    let dialer = fake.builder().refresh_timeout(Duration::from_millis(50));
    let dialer = dialer.build().await.unwrap();
    let error = dialer.dial(&instance(), &private()).await.unwrap_err();
    assert!(
        error.to_string().contains("no answer within 50ms"),
        "{error}"
    );
}

#[tokio::test]
async fn answers_that_make_no_sense_are_told() {
    for answer in [Fault::Garbage, Fault::Huge] {
        let fake = Fake::start().await;
        fault(&fake, answer);
        let error = refused(&fake).await;
        let Error::Refresh(refresh) = &error else {
            panic!("{error}");
        };
        let failure = refresh.failure();
        assert!(
            matches!(failure, RefreshFailure::BadAnswer { .. }),
            "{error}"
        );
    }
}

#[tokio::test]
async fn an_ip_type_that_is_switched_on_later_is_found() {
    let fake = Fake::start().await;
    fake.api
        .set(|settings| settings.info = json!({"ipAddress": PRIVATE}));
    let dialer = fake.dialer().await;
    dialer.dial(&instance(), &private()).await.unwrap();
    fake.api.set(|settings| {
        settings.info = json!({"ipAddress": PRIVATE, "publicIpAddress": PUBLIC});
    });
    let public = DialOptions::new().ip_type(IpType::Public);
    dialer.dial(&instance(), &public).await.unwrap();
    assert_eq!(fake.calls(), (2, 2));
}

#[tokio::test]
async fn a_missing_ip_type_is_a_config_error_that_names_what_there_is() {
    let fake = Fake::start().await;
    let dialer = fake.dialer().await;
    fake.api
        .set(|settings| settings.info = json!({"ipAddress": PRIVATE}));
    let psc = DialOptions::new().ip_type(IpType::Psc);
    for _ in 0..5 {
        let error = dialer.dial(&instance(), &psc).await.unwrap_err();
        assert!(matches!(error, Error::Config(_)), "{error}");
        assert!(
            error.to_string().contains("no psc address; it has private"),
            "{error}"
        );
    }
    assert_eq!(fake.calls(), (2, 2), "asked again once, then paced");
    assert_eq!(count(&fake.server.accepted), 0);
}

#[tokio::test]
async fn a_certificate_that_expired_while_the_machine_slept_is_renewed_before_the_dial() {
    let fake = Fake::start().await;
    let asleep = Arc::new(AtomicU64::new(0));
    let clock = asleep.clone();
    let dialer = fake
        .builder()
        .clock(move || SystemTime::now() + Duration::from_secs(clock.load(Ordering::SeqCst)));
    let dialer = dialer.build().await.unwrap();
    dialer.dial(&instance(), &private()).await.unwrap();
    asleep.store(7200, Ordering::SeqCst);
    fake.api
        .set(|settings| settings.life = Duration::from_hours(3));
    dialer.dial(&instance(), &private()).await.unwrap();
    assert_eq!(fake.calls(), (2, 2));
}

#[tokio::test]
async fn a_certificate_that_comes_expired_is_an_error_that_names_the_clock() {
    let fake = Fake::start().await;
    let dialer = fake
        .builder()
        .clock(|| SystemTime::now() + Duration::from_hours(5));
    let dialer = dialer.build().await.unwrap();
    let error = dialer.dial(&instance(), &private()).await.unwrap_err();
    assert!(
        error.to_string().contains("compare this machine's clock"),
        "{}",
        chain(&error)
    );
}

/// The wall clock here goes on with the dials, so that a machine that stalls makes nothing expire.
#[tokio::test]
async fn short_lived_certificates_are_renewed_under_load_without_a_failed_dial() {
    let fake = Fake::start().await;
    // For the server, which goes by the real time, all of them are valid.
    let begin = SystemTime::now() + Duration::from_hours(1);
    let life = Duration::from_secs(6);
    let passed = Arc::new(AtomicU64::new(0));
    let clock = {
        let passed = passed.clone();
        move || begin + Duration::from_millis(passed.load(Ordering::SeqCst))
    };
    let dialer = fake.builder().clock(clock.clone()).build().await.unwrap();
    // Until the third certificate is in use and the first has ended.
    while fake.calls().1 < 4 || clock() < begin + life {
        let now = clock();
        fake.api.set(|settings| {
            let end = (now + life).duration_since(SystemTime::now());
            settings.life = end.expect("an hour has not passed");
        });
        dialer.dial(&instance(), &private()).await.unwrap();
        let end = *fake.server.client_ends.lock().unwrap().last().unwrap();
        assert!(end > now, "a certificate was shown that had ended");
        passed.fetch_add(100, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_with_the_token() {
    let fake = Fake::start().await;
    fault(&fake, Fault::Redirect("/elsewhere"));
    let error = refused(&fake).await;
    assert!(error.to_string().contains("307"), "{error}");
    assert!(fake.api.calls_to("/elsewhere").is_empty());
}
