//! Token services: the token endpoint, the metadata server, IAM Credentials.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::body::Body;
use http::{HeaderValue, Method, Response, StatusCode};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{Refusal, Request, Status, caller, json, obey_faults, respond, unescape};
use crate::faults::ApiMethod;
use crate::identity::{CLOUD_PLATFORM, Principal};
use crate::state::State;

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const METADATA: &str = "/computeMetadata/v1/";
const ACCOUNTS: &str = "/v1/projects/-/serviceAccounts/";
const GENERATE: &str = ":generateAccessToken";

/// The longest life that IAM Credentials gives a token without being told to.
const IMPERSONATED_MAX: Duration = Duration::from_hours(12);

/// What a refresh token begins with; the principal's address follows.
pub(crate) const REFRESH_TOKEN: &str = "1//emulator-";

pub(super) fn concerns(path: &str) -> bool {
    matches!(path, "/" | "/token" | "/computeMetadata/v1")
        || path.starts_with(METADATA)
        || (path.starts_with(ACCOUNTS) && path.ends_with(GENERATE))
}

pub(super) async fn answer(state: &State, request: &Request) -> Result<Response<Body>, Refusal> {
    if request.path == "/token" {
        return token(state, request).await;
    }
    if let Some(rest) = request.path.strip_prefix(ACCOUNTS) {
        let target = rest.strip_suffix(GENERATE).unwrap_or_default();
        return generate_access_token(state, request, target).await;
    }
    let mut answer = metadata(state, request).await?;
    let headers = answer.headers_mut();
    headers.insert("metadata-flavor", HeaderValue::from_static("Google"));
    Ok(answer)
}

/// Exchanges a signed assertion or a refresh token for an access token.
async fn token(state: &State, request: &Request) -> Result<Response<Body>, Refusal> {
    if request.method != Method::POST {
        return Ok(oauth_error(
            "invalid_request",
            "the token endpoint takes POST only",
        ));
    }
    let form: Vec<(String, String)> = match request.json() {
        // Some libraries send JSON.
        Ok(Value::Object(fields)) => fields
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.as_str()?.to_owned())))
            .collect(),
        _ => form_urlencoded::parse(&request.body).into_owned().collect(),
    };
    let field = |wanted: &str| {
        let found = form.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    };
    let mut scopes = scopes_of(field("scope"));
    let principal = match field("grant_type") {
        JWT_BEARER => match state.identities.self_signed(field("assertion")) {
            Ok(Some(caller)) => {
                scopes.extend(caller.scopes().iter().cloned());
                caller.principal
            }
            Ok(None) => {
                return Ok(oauth_error(
                    "invalid_grant",
                    "Invalid grant: account not found",
                ));
            }
            Err(error) => {
                return Ok(oauth_error(
                    "invalid_grant",
                    &format!("Invalid JWT: {error}"),
                ));
            }
        },
        "refresh_token" => {
            let email = field("refresh_token").strip_prefix(REFRESH_TOKEN);
            match email.and_then(|email| state.identities.principal(email)) {
                Some(principal) => principal.clone(),
                None => return Ok(oauth_error("invalid_grant", "Bad Request")),
            }
        }
        other => {
            let text = format!("grant type \"{other}\" is not known");
            return Ok(oauth_error("unsupported_grant_type", &text));
        }
    };
    obey_faults(state, ApiMethod::Token, &principal.email).await?;
    let issued = state.identities.issue(&principal, scopes.clone(), None);
    let answer = json!({
        "access_token": issued.token,
        "expires_in": issued.lifetime.as_secs(),
        "scope": scopes.join(" "),
        "token_type": "Bearer",
    });
    Ok(json(StatusCode::OK, &answer))
}

fn oauth_error(error: &str, description: &str) -> Response<Body> {
    let answer = json!({ "error": error, "error_description": description });
    json(StatusCode::BAD_REQUEST, &answer)
}

/// A token for a service account that the caller may act as, directly or over delegates.
async fn generate_access_token(
    state: &State,
    request: &Request,
    target: &str,
) -> Result<Response<Body>, Refusal> {
    let caller = caller(state, &request.headers);
    obey_faults(state, ApiMethod::GenerateAccessToken, target).await?;
    let body = request.json()?;
    let list = |field: &str| -> Vec<String> {
        let values = body.get(field).and_then(Value::as_array);
        let texts = values.into_iter().flatten().filter_map(Value::as_str);
        texts.map(str::to_owned).collect()
    };
    let delegates = list("delegates");
    let steps = delegates
        .iter()
        .map(|name| name.rsplit('/').next().unwrap_or_default())
        .chain([target]);
    let mut acting = caller?.principal;
    for step in steps {
        let next = state.identities.principal(step);
        let next = next.filter(|next| next.is_service_account());
        let may = acting.may_act_as.iter().any(|email| email == step);
        let (Some(next), true) = (next, may) else {
            let message = format!(
                "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may \
                 not exist): {} may not act as {step}",
                acting.email
            );
            return Err(Refusal::permission_denied(message));
        };
        acting = next.clone();
    }
    let scopes = list("scope");
    if scopes.is_empty() {
        return Err(Refusal::new(Status::InvalidArgument, "scope is missing"));
    }
    let lifetime = body.get("lifetime").and_then(Value::as_str);
    let lifetime = lifetime
        .and_then(|text| text.strip_suffix('s')?.parse().ok())
        .map(|seconds| Duration::from_secs(seconds).min(IMPERSONATED_MAX));
    let lifetime = lifetime.map(|wanted| wanted.min(state.identities.lifetime()));
    let issued = state.identities.issue(&acting, scopes, lifetime);
    let expires_at = SystemTime::now().checked_add(issued.lifetime);
    let expires_at = expires_at.and_then(|at| jiff::Timestamp::try_from(at).ok());
    let expires_at = expires_at.map(|at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    let answer = json!({ "accessToken": issued.token, "expireTime": expires_at });
    Ok(json(StatusCode::OK, &answer))
}

/// The metadata server of a machine in Google Cloud.
async fn metadata(state: &State, request: &Request) -> Result<Response<Body>, Refusal> {
    let text = |text: &str| respond(StatusCode::OK, "application/text", text.to_owned());
    if request.path == "/" {
        return Ok(text("computeMetadata/\n"));
    }
    if request
        .headers
        .get("metadata-flavor")
        .is_none_or(|flavor| flavor != "Google")
    {
        let message = "Missing Metadata-Flavor:Google header.";
        return Ok(respond(StatusCode::FORBIDDEN, "text/html", message));
    }
    let rest = request.path.strip_prefix(METADATA).unwrap_or_default();
    match rest.trim_end_matches('/') {
        "" => return Ok(text("instance/\nproject/\nuniverse/\n")),
        "project/project-id" => return Ok(text(&state.project())),
        "project/numeric-project-id" => return Ok(text("100000000001")),
        "universe/universe-domain" | "universe/universe_domain" => {
            return Ok(text("googleapis.com"));
        }
        "instance/service-accounts" => {
            let account = machine_account(state)?;
            return Ok(text(&format!("{}/\ndefault/\n", account.email)));
        }
        _ => {}
    }
    let account = machine_account(state)?;
    let rest = rest.strip_prefix("instance/service-accounts/");
    let (name, what) = rest
        .and_then(|rest| rest.split_once('/').or(Some((rest, ""))))
        .ok_or_else(|| Refusal::not_found(&request.path))?;
    if name != "default" && name != account.email {
        return Err(Refusal::not_found(&request.path));
    }
    match what.trim_end_matches('/') {
        "email" => Ok(text(&account.email)),
        "aliases" => Ok(text("default")),
        "scopes" => Ok(text(&format!("{CLOUD_PLATFORM}\n"))),
        "token" => machine_token(state, &account, &request.query).await,
        "" if query_field(&request.query, "recursive").is_some() => {
            let answer = json!({
                "aliases": ["default"], "email": account.email, "scopes": [CLOUD_PLATFORM],
            });
            Ok(respond(
                StatusCode::OK,
                "application/json",
                answer.to_string(),
            ))
        }
        "" => Ok(text("aliases\nemail\nscopes\ntoken\n")),
        _ => Err(Refusal::not_found(&request.path)),
    }
}

async fn machine_token(
    state: &State,
    account: &Arc<Principal>,
    query: &str,
) -> Result<Response<Body>, Refusal> {
    obey_faults(state, ApiMethod::Metadata, &account.email).await?;
    let scopes = query_field(query, "scopes").unwrap_or_else(|| CLOUD_PLATFORM.to_owned());
    let issued = state.identities.issue(account, scopes_of(&scopes), None);
    let answer = json!({
        "access_token": issued.token,
        "expires_in": issued.lifetime.as_secs(),
        "token_type": "Bearer",
    });
    Ok(respond(
        StatusCode::OK,
        "application/json",
        answer.to_string(),
    ))
}

fn machine_account(state: &State) -> Result<Arc<Principal>, Refusal> {
    state.machine_account().ok_or_else(|| {
        Refusal::new(
            Status::NotFound,
            "no principal of the emulator is a service account",
        )
    })
}

fn scopes_of(text: &str) -> Vec<String> {
    let words = text.split([' ', ',']).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

/// A field of a query; one without a value is empty.
pub(super) fn query_field(query: &str, wanted: &str) -> Option<String> {
    query.split('&').find_map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (name == wanted).then(|| unescape(&value.replace('+', " ")))?
    })
}
