//! The control endpoint `/emulator/v1/…`: what the handle can do, for other languages.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{Method, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Refusal, Request, Status, json, obey_faults, respond};
use crate::control::{ControlError, Rotation};
use crate::description::{IamAuthentication, Role};
use crate::faults::{ApiMethod, FaultId, Script};
use crate::state::State;

pub(super) const PREFIX: &str = "/emulator/v1/";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Restart {
    instance: String,
    /// Time during which nobody listens.
    #[serde(default)]
    down_seconds: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OneInstance {
    instance: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotate {
    cluster: String,
    step: Rotation,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Flags {
    instance: String,
    iam_authentication: IamAuthentication,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Grant {
    principal: String,
    roles: Vec<Role>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewToken {
    principal: String,
    #[serde(default)]
    lifetime_seconds: Option<u64>,
    #[serde(default)]
    scopes: Vec<String>,
}

/// How long tokens live from now on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenLifetime {
    seconds: u64,
}

pub(super) async fn answer(
    state: &Arc<State>,
    request: &Request,
) -> Result<Response<Body>, Refusal> {
    let path = request.path.strip_prefix(PREFIX).unwrap_or_default();
    let ok = |value: &Value| Ok(json(StatusCode::OK, value));
    match (&request.method, path) {
        (&Method::GET, "state") => ok(&state.summary()),
        (&Method::GET, "requests") => ok(&json!(state.requests.list())),
        (&Method::GET, "certificates") => ok(&json!(state.requests.certificates())),
        (&Method::GET, "sessions") => ok(&json!(state.requests.sessions())),
        (&Method::DELETE, "requests" | "sessions" | "certificates") => {
            state.requests.clear();
            ok(&json!({}))
        }
        (&Method::GET, "faults") => ok(&json!(state.faults.list())),
        (&Method::POST, "faults") => {
            let script: Script = body(request)?;
            let unknown = script
                .resource
                .as_ref()
                .filter(|name| !state.has_below(name));
            if let Some(name) = unknown {
                let text = format!("the fault can't happen: nothing is called \"{name}\"");
                return Err(Refusal::new(Status::NotFound, text));
            }
            ok(&json!({ "id": state.faults.arm(script) }))
        }
        (&Method::DELETE, "faults") => {
            state.faults.clear();
            ok(&json!({}))
        }
        (&Method::GET, "ca") => Ok(text(&state.admin_ca)),
        (&Method::POST, _) => command(state, request, path).await,
        (method, path) => other(state, method, path).await,
    }
}

async fn command(
    state: &Arc<State>,
    request: &Request,
    path: &str,
) -> Result<Response<Body>, Refusal> {
    match path {
        "restart" => {
            let wanted: Restart = body(request)?;
            let down = Duration::try_from_secs_f64(wanted.down_seconds);
            let down = down.map_err(|error| {
                Refusal::new(Status::InvalidArgument, format!("downSeconds: {error}"))
            })?;
            state.restart(&wanted.instance, down).await?;
        }
        "stop" => {
            let wanted: OneInstance = body(request)?;
            state.stop(&wanted.instance).await?;
        }

        "start" => {
            let wanted: OneInstance = body(request)?;
            state.resume(&wanted.instance).await?;
        }

        "failover" => {
            let wanted: OneInstance = body(request)?;
            state.failover(&wanted.instance).await?;
        }

        "rotate" => {
            let wanted: Rotate = body(request)?;
            state.rotate(&wanted.cluster, wanted.step)?;
        }
        "flags" => {
            let wanted: Flags = body(request)?;
            state.set_iam_authentication(&wanted.instance, wanted.iam_authentication)?;
        }
        "roles" => {
            let wanted: Grant = body(request)?;
            state.set_roles(&wanted.principal, wanted.roles)?;
        }
        "token-lifetime" => {
            let wanted: TokenLifetime = body(request)?;
            state
                .identities
                .set_lifetime(Duration::from_secs(wanted.seconds));
        }
        "tokens" => {
            let wanted: NewToken = body(request)?;
            let lifetime = wanted.lifetime_seconds.map(Duration::from_secs);
            let issued = state.issue_token(&wanted.principal, wanted.scopes, lifetime)?;
            let answer = json!({
                "accessToken": issued.token, "expiresInSeconds": issued.lifetime.as_secs(),
            });
            return Ok(json(StatusCode::OK, &answer));
        }
        _ => return Err(nothing(path)),
    }
    Ok(json(StatusCode::OK, &json!({})))
}

async fn other(state: &Arc<State>, method: &Method, path: &str) -> Result<Response<Body>, Refusal> {
    if *method == Method::DELETE {
        if let Some(email) = path.strip_prefix("tokens/") {
            state.identities.revoke(email);
            return Ok(json(StatusCode::OK, &json!({})));
        }
        let id = path.strip_prefix("faults/").and_then(|id| id.parse().ok());
        if id.is_some_and(|id| state.faults.disarm(FaultId(id))) {
            return Ok(json(StatusCode::OK, &json!({})));
        }
    } else if *method == Method::GET {
        if let Some(email) = path.strip_prefix("token/") {
            // As a shell wants it: a command's output, and an error status instead of one.
            obey_faults(state, ApiMethod::Token, email).await?;
            let issued = state.issue_token(email, Vec::new(), None)?;
            return Ok(text(&format!("{}\n", issued.token)));
        }
        if let Some(cluster) = path.strip_prefix("ca/") {
            return Ok(text(&state.find_cluster(cluster)?.pki().ca_pem()));
        }
    }
    Err(nothing(path))
}

fn text(text: &str) -> Response<Body> {
    let content_type = "text/plain; charset=utf-8";
    respond(StatusCode::OK, content_type, text.to_owned())
}

fn nothing(path: &str) -> Refusal {
    Refusal::new(
        Status::NotFound,
        format!("the control endpoint has no \"{path}\""),
    )
}

fn body<T: DeserializeOwned>(request: &Request) -> Result<T, Refusal> {
    serde_json::from_slice(&request.body)
        .map_err(|error| Refusal::new(Status::InvalidArgument, format!("body: {error}")))
}

impl From<ControlError> for Refusal {
    fn from(error: ControlError) -> Self {
        let status = match error {
            ControlError::Bind(_) => Status::Unavailable,
            ControlError::Certificate(_) => Status::Internal,
            ControlError::UnknownCluster(_) => Status::NotFound,
            ControlError::UnknownInstance(_) => Status::NotFound,
            ControlError::UnknownPrincipal(_) => Status::NotFound,
        };
        Self::new(status, error.to_string())
    }
}
