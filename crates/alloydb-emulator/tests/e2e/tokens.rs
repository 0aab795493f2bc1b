//! The token endpoint, the metadata server, IAM Credentials, the credentials files.

use std::time::Duration;

use alloydb_emulator::{ApiFailure, ApiMethod, Fault};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{KeyPair, SigningKey};
use serde_json::{Value, json};

use crate::client::{answer, get, post};
use crate::world::{ALICE, CLUSTER, PRIMARY, ROBOT, World};

const LOGIN: &str = "https://www.googleapis.com/auth/alloydb.login";
const METADATA: &str = "/computeMetadata/v1/instance/service-accounts/default";

fn credentials(world: &World, email: &str) -> Value {
    let file = world
        .emulator
        .credentials_file(email)
        .expect("the principal is known");
    let text = std::fs::read_to_string(file).expect("the file is there");
    serde_json::from_str(&text).expect("it is JSON")
}

/// A token signed with the key of a credentials file.
fn assertion(file: &Value, claims: &Value) -> String {
    let key = file["private_key"].as_str().expect("a key");
    let key = KeyPair::from_pkcs8_pem_and_sign_algo(key, &rcgen::PKCS_RSA_SHA256).expect("RSA");
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(&json!({"alg": "RS256"})), encode(claims));
    let signature = key.sign(signed.as_bytes()).expect("it signs");
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

async fn form(world: &World, fields: &[(&str, &str)]) -> (u16, Value) {
    let body = fields
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect::<Vec<_>>();
    let request = reqwest::Client::new()
        .post(format!("{}/token", world.emulator.http_url()))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body.join("&"));
    answer(request).await
}

/// Whose the token is.
async fn owner(world: &World, token: &str) -> String {
    world.emulator.forget_requests();
    let path = format!("/v1beta/{CLUSTER}:generateClientCertificate");
    assert_eq!(post(world, &path, token, &json!({})).await.0, 200);
    world.emulator.certificate_requests()[0].principal.clone()
}

#[tokio::test]
async fn a_service_accounts_key_gets_a_token_and_signs_its_own() {
    let world = World::with(alloydb_emulator::EmulatorBuilder::strict_tokens).await;
    let file = credentials(&world, ROBOT);
    assert_eq!(
        file["token_uri"],
        format!("{}/token", world.emulator.http_url())
    );
    let claims = json!({"iss": ROBOT, "exp": 4_000_000_000_u64});
    let signed = assertion(&file, &claims);
    assert_eq!(owner(&world, &signed).await, ROBOT);
    let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    let (status, issued) = form(&world, &[("grant_type", grant), ("assertion", &signed)]).await;
    assert_eq!((status, &issued["token_type"]), (200, &json!("Bearer")));
    assert_eq!(
        owner(&world, issued["access_token"].as_str().unwrap()).await,
        ROBOT
    );
    let forged = format!(
        "{}.{}",
        signed.rsplit_once('.').unwrap().0,
        URL_SAFE_NO_PAD.encode([1; 256])
    );
    let (status, refused) = form(&world, &[("grant_type", grant), ("assertion", &forged)]).await;
    assert_eq!((status, &refused["error"]), (400, &json!("invalid_grant")));
    let stale = assertion(&file, &json!({"iss": ROBOT, "exp": 1}));
    let info = format!("/v1beta/{PRIMARY}/connectionInfo");
    assert_eq!(get(&world, &info, &stale).await.0, 401);
    assert_eq!(get(&world, &info, &forged).await.0, 401);
}

#[tokio::test]
async fn a_persons_refresh_token_gets_tokens_that_end() {
    let world = World::with(|builder| builder.token_lifetime(Duration::ZERO)).await;
    let file = credentials(&world, ALICE);
    assert_eq!(file["type"], "authorized_user");
    let refresh = file["refresh_token"].as_str().unwrap();
    let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
    let (status, issued) = form(&world, &fields).await;
    assert_eq!((status, &issued["expires_in"]), (200, &json!(0)));
    let info = format!("/v1beta/{PRIMARY}/connectionInfo");
    let (status, _) = get(&world, &info, issued["access_token"].as_str().unwrap()).await;
    assert_eq!(status, 401);
    let failure = ApiFailure::Status {
        code: 503,
        retry_after: None,
        message: None,
    };
    let fault = Fault::Api {
        method: Some(ApiMethod::Token),
        failure,
    };
    world.emulator.inject(fault.on(ALICE).times(1));
    assert_eq!(form(&world, &fields).await.0, 503);
    world.emulator.set_token_lifetime(Duration::from_mins(1));
    let (_, issued) = form(&world, &fields).await;
    assert_eq!(
        owner(&world, issued["access_token"].as_str().unwrap()).await,
        ALICE
    );
}

#[tokio::test]
async fn the_metadata_server_is_that_of_a_machine_with_the_service_account() {
    let world = World::new().await;
    let ask = async |path: &str| {
        let url = format!("{}{path}", world.emulator.http_url());
        let request = reqwest::Client::new()
            .get(url)
            .header("metadata-flavor", "Google");
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()["metadata-flavor"], "Google");
        assert!(response.headers().contains_key("content-type"));
        response.text().await.expect("a text")
    };
    ask("/").await;
    assert_eq!(ask("/computeMetadata/v1/project/project-id").await, "demo");
    assert_eq!(
        ask("/computeMetadata/v1/universe/universe-domain").await,
        "googleapis.com"
    );
    assert_eq!(ask(&format!("{METADATA}/email")).await, ROBOT);
    let all: Value =
        serde_json::from_str(&ask(&format!("{METADATA}/?recursive=true")).await).unwrap();
    assert_eq!(all["email"], ROBOT);
    let token = ask(&format!("{METADATA}/token?scopes={LOGIN}")).await;
    let token: Value = serde_json::from_str(&token).unwrap();
    let token = token["access_token"].as_str().unwrap();
    // The scope admits to logins, not to the admin API.
    let (status, _) = get(&world, &format!("/v1beta/{PRIMARY}/connectionInfo"), token).await;
    assert_eq!(status, 403);
    assert_eq!(get(&world, &format!("{METADATA}/email"), "x").await.0, 403);
}

#[tokio::test]
async fn a_token_of_a_service_account_is_for_those_who_may_act_as_it() {
    let world = World::new().await;
    let path = format!("/v1/projects/-/serviceAccounts/{ROBOT}:generateAccessToken");
    let body =
        json!({"scope": ["https://www.googleapis.com/auth/cloud-platform"], "lifetime": "300s"});
    let (status, issued) = post(&world, &path, "alices token", &body).await;
    assert_eq!(status, 200, "{issued}");
    assert!(issued["expireTime"].as_str().unwrap().ends_with('Z'));
    assert_eq!(
        owner(&world, issued["accessToken"].as_str().unwrap()).await,
        ROBOT
    );
    let (status, refused) = post(&world, &path, "robots token", &body).await;
    assert_eq!(
        (status, &refused["error"]["status"]),
        (403, &json!("PERMISSION_DENIED"))
    );
}
