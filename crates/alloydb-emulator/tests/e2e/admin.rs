//! The admin API in REST.

use alloydb_emulator::{ApiFailure, ApiMethod, Fault, IpType, Principal, Role};
use serde_json::json;

use crate::client::{answer, get, post, public_key_pem};
use crate::world::{ALICE, CLUSTER, POOL, PRIMARY, ROBOT, World};

fn info_path(version: &str) -> String {
    format!("/{version}/{PRIMARY}/connectionInfo?$alt=json;enum-encoding=int&requestId=1")
}

#[tokio::test]
async fn every_version_answers_over_http_and_https_and_v1_knows_no_psc() {
    let world = World::new().await;
    let ca = reqwest::Certificate::from_pem(world.emulator.admin_ca_pem().as_bytes()).unwrap();
    let https = reqwest::Client::builder()
        .tls_certs_only([ca])
        .build()
        .unwrap();
    for (version, psc) in [
        ("v1", None),
        ("v1alpha", Some("localhost")),
        ("v1beta", Some("localhost")),
    ] {
        let (status, plain) = get(&world, &info_path(version), "any").await;
        assert_eq!(
            (status, plain["pscDnsName"].as_str()),
            (200, psc),
            "{version}"
        );
        let url = format!("{}{}", world.emulator.https_url(), info_path(version));
        let (status, encrypted) = answer(https.get(url).bearer_auth("any")).await;
        assert_eq!((status, encrypted), (200, plain), "{version}");
    }
    assert_eq!(world.emulator.calls(ApiMethod::ConnectionInfo, PRIMARY), 6);
}

#[tokio::test]
async fn a_certificate_is_made_with_and_without_a_key_and_unknown_fields() {
    let world = World::new().await;
    let path = format!("/v1/{CLUSTER}:generateClientCertificate");
    let body = json!({
        "parent": CLUSTER, "publicKey": public_key_pem(), "certDuration": "3600s", "new": [1],
    });
    for body in [body, json!({"certDuration": "3600s"})] {
        let (status, made) = post(&world, &path, "any", &body).await;
        assert_eq!(status, 200, "{made}");
        let chain = made["pemCertificateChain"].as_array().unwrap();
        assert_eq!(chain.len(), 3);
        assert!(
            chain
                .iter()
                .all(|pem| pem.as_str().unwrap().ends_with("-----\n"))
        );
        assert_eq!(chain[2], made["caCert"]);
    }
    let requests = world.emulator.certificate_requests();
    assert_eq!(requests[0].public_key, "spki");
    assert_eq!(requests[0].cert_duration_seconds, Some(3600));
    assert_eq!(requests[1].public_key, "none");
    for wrong in [
        json!({"publicKey": "junk"}),
        json!({"certDuration": "soon"}),
    ] {
        let (status, refused) = post(&world, &path, "any", &wrong).await;
        assert_eq!(
            (status, &refused["error"]["status"]),
            (400, &json!("INVALID_ARGUMENT"))
        );
    }
}

#[tokio::test]
async fn what_is_missing_is_told_as_google_tells_it() {
    let world = World::with(|builder| {
        let without = |role: Role| Role::ALL.into_iter().filter(move |other| *other != role);
        let guest = Principal::new("guest@example.com").roles(without(Role::Client));
        let poor = Principal::new("poor@example.com").roles(without(Role::ServiceUsageConsumer));
        builder
            .principal(guest.token("guest"))
            .principal(poor.token("poor"))
            .strict_tokens()
    })
    .await;
    let path = info_path("v1beta");
    let cases = [
        ("guest", 403, "PERMISSION_DENIED", "IAM_PERMISSION_DENIED"),
        ("poor", 403, "PERMISSION_DENIED", "USER_PROJECT_DENIED"),
        (
            "nobody",
            401,
            "UNAUTHENTICATED",
            "ACCESS_TOKEN_TYPE_UNSUPPORTED",
        ),
    ];
    for (token, code, status, reason) in cases {
        let (answered, refused) = get(&world, &path, token).await;
        let error = &refused["error"];
        assert_eq!((answered, &error["code"]), (code, &json!(code)), "{token}");
        assert_eq!(
            (&error["status"], &error["details"][0]["reason"]),
            (&json!(status), &json!(reason))
        );
    }
    let unknown = format!("/v1beta/{PRIMARY}x/connectionInfo");
    let (answered, refused) = get(&world, &unknown, "alices token").await;
    assert_eq!(
        (answered, &refused["error"]["status"]),
        (404, &json!("NOT_FOUND"))
    );
    world
        .emulator
        .set_roles("guest@example.com", Role::ALL)
        .unwrap();
    assert_eq!(get(&world, &path, "guest").await.0, 200);
}

#[tokio::test]
async fn requests_are_kept_without_their_tokens() {
    let world = World::new().await;
    let request = reqwest::Client::new()
        .get(format!(
            "{}{}",
            world.emulator.http_url(),
            info_path("v1beta")
        ))
        .bearer_auth("alices token")
        .header("user-agent", "alloydb-test/1")
        .header("x-goog-user-project", "billing");
    assert_eq!(answer(request).await.0, 200);
    let requests = world.emulator.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(
        requests[0].path,
        format!("/v1beta/{PRIMARY}/connectionInfo")
    );
    assert_eq!(requests[0].headers["user-agent"], "alloydb-test/1");
    assert_eq!(requests[0].headers["x-goog-user-project"], "billing");
    assert!(requests[0].authorized);
    assert!(!format!("{requests:?}").contains("alices token"));
}

#[tokio::test]
async fn calls_fail_as_the_script_says_and_then_no_more() {
    let world = World::new().await;
    let fail = |code, retry_after| Fault::Api {
        method: Some(ApiMethod::ConnectionInfo),
        failure: ApiFailure::Status {
            code,
            retry_after,
            message: None,
        },
    };
    for code in [403, 404, 429, 500, 503] {
        world
            .emulator
            .inject(fail(code, Some(7)).on(CLUSTER).times(1));
        let url = format!("{}{}", world.emulator.http_url(), info_path("v1beta"));
        let response = reqwest::Client::new()
            .get(url)
            .bearer_auth("x")
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), code);
        assert_eq!(response.headers()["retry-after"], "7");
        assert_eq!(get(&world, &info_path("v1beta"), "x").await.0, 200);
    }
    let missing = Fault::MissingAddress {
        ip_type: IpType::Public,
    };
    let id = world.emulator.inject(missing.on(PRIMARY));
    let (_, info) = get(&world, &info_path("v1beta"), "x").await;
    assert!(info.get("publicIpAddress").is_none() && info.get("ipAddress").is_some());
    assert!(world.emulator.clear_fault(id));
    let (_, info) = get(&world, &info_path("v1beta"), "x").await;
    assert_eq!(info["publicIpAddress"], "127.0.0.2");
}

#[tokio::test]
async fn a_hanging_call_ends_with_its_client_and_holds_up_nobody() {
    let world = World::new().await;
    let hang = Fault::Api {
        method: None,
        failure: ApiFailure::Hang,
    };
    world.emulator.inject(hang.on(POOL));
    let url = format!("{}/v1beta/{POOL}/connectionInfo", world.emulator.http_url());
    let hanging = tokio::spawn(reqwest::Client::new().get(url).bearer_auth("x").send());
    while world.emulator.calls(ApiMethod::ConnectionInfo, POOL) == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(get(&world, &info_path("v1beta"), "x").await.0, 200);
    assert!(!hanging.is_finished());
    hanging.abort();
    world.emulator.shutdown().await;
}

#[tokio::test]
async fn principals_are_told_apart_by_their_tokens() {
    let world = World::new().await;
    let path = format!("/v1beta/{CLUSTER}:generateClientCertificate");
    for token in ["robots token", "alices token", "unknown"] {
        assert_eq!(post(&world, &path, token, &json!({})).await.0, 200);
    }
    let requests = world.emulator.certificate_requests();
    let principals: Vec<_> = requests
        .iter()
        .map(|request| request.principal.as_str())
        .collect();
    assert_eq!(principals, [ROBOT, ALICE, ALICE]);
}
