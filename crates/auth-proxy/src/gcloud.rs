//! Tokens from the `gcloud` command (`--gcloud-auth`).

use std::io;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use alloydb_connector::{AccessToken, BoxFuture, TokenError, TokenSource};
use jiff::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::sync::Mutex;
use tokio::time::timeout;

/// The command renews a token that has less than an hour to live, so the one that it prints lives
/// at least that long.
const ARGUMENTS: [&str; 6] = [
    "--format",
    "json",
    "config",
    "config-helper",
    "--min-expiry",
    "1h",
];

/// It starts an interpreter and may ask Google for a token.
const DEADLINE: Duration = Duration::from_mins(1);

/// A token is fetched anew when it has no more than this to live: longer than a dial takes.
const RESERVE: Duration = Duration::from_mins(5);

/// Longer than anything that it prints; what is longer isn't kept.
const MAX_OUTPUT: u64 = 1024 * 1024;

/// Runs the command when there is no token that lives on for a while.
pub(crate) struct Gcloud {
    program: &'static str,
    token: Mutex<Option<AccessToken>>,
}

/// What the command prints, as far as it is of use.
#[derive(Deserialize)]
struct Printed {
    credential: Credential,
}

#[derive(Deserialize)]
struct Credential {
    access_token: String,
    token_expiry: String,
}

impl Gcloud {
    pub(crate) fn new() -> Self {
        Self {
            program: "gcloud",
            token: Mutex::new(None),
        }
    }

    async fn fresh(&self) -> Result<AccessToken, TokenError> {
        // Held over the command on purpose: it is run once for all who wait.
        let mut held = self.token.lock().await;
        let until = SystemTime::now() + RESERVE;
        if let Some(token) = held.as_ref()
            && token.expires_at().is_some_and(|expiry| expiry > until)
        {
            return Ok(token.clone());
        }
        let token = self.run().await?;
        *held = Some(token.clone());
        Ok(token)
    }

    async fn run(&self) -> Result<AccessToken, TokenError> {
        let started = Command::new(self.program)
            .args(ARGUMENTS)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let mut child = started.map_err(|error| {
            TokenError::caused(
                "gcloud can't be run: is the Google Cloud CLI in the PATH?",
                error,
            )
        })?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let ended = timeout(DEADLINE, async {
            let (out, err, status) = tokio::join!(read(out), read(err), child.wait());
            Ok::<_, io::Error>((out?, err?, status?))
        });
        let ended = ended.await.map_err(|_| {
            TokenError::new(format!(
                "gcloud config config-helper didn't end within {DEADLINE:?}"
            ))
        })?;
        let (out, err, status) = ended
            .map_err(|error| TokenError::caused("gcloud config config-helper broke", error))?;
        if !status.success() {
            return Err(TokenError::new(format!(
                "gcloud config config-helper failed ({status}): {}",
                String::from_utf8_lossy(&err).trim()
            )));
        }
        // The text has a token in it, so no part of it is told.
        let printed: Printed = serde_json::from_slice(&out).map_err(|error| {
            TokenError::new(format!(
                "gcloud config config-helper printed something else than a credential (line {})",
                error.line()
            ))
        })?;
        let credential = printed.credential;
        let expiry = credential.token_expiry.parse::<Timestamp>();
        let expiry = expiry.and_then(SystemTime::try_from).map_err(|error| {
            TokenError::caused(
                "gcloud config config-helper printed no time of expiry",
                error,
            )
        })?;
        Ok(AccessToken::new(
            SecretString::from(credential.access_token),
            Some(expiry),
        ))
    }
}

impl TokenSource for Gcloud {
    fn token(&self) -> BoxFuture<'_, Result<AccessToken, TokenError>> {
        Box::pin(self.fresh())
    }
}

async fn read(stream: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        stream.take(MAX_OUTPUT).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}
