//! Tokens from the `gcloud` command (`--gcloud-auth`).

use std::io;
use std::path::PathBuf;
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
    program: PathBuf,
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
            program: PathBuf::from("gcloud"),
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
        let started = Command::new(&self.program)
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

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::*;

    /// A command that notes its arguments, and then does what is said.
    fn command(place: &Path, does: &str) -> Gcloud {
        let program = place.join("gcloud");
        let noted = place.join("noted");
        let script = format!("#!/bin/sh\necho \"$@\" >>{}\n{does}\n", noted.display());
        // Written by another name and moved: a file that is open for writing can't be run.
        fs::write(place.join("script"), script).unwrap();
        fs::set_permissions(place.join("script"), Permissions::from_mode(0o755)).unwrap();
        fs::rename(place.join("script"), &program).unwrap();
        Gcloud {
            program,
            ..Gcloud::new()
        }
    }

    fn printing(expiry: &str) -> String {
        format!(
            r#"echo '{{"credential": {{"access_token": "ya29.x", "token_expiry": "{expiry}"}}}}'"#
        )
    }

    #[tokio::test]
    async fn a_token_is_kept_while_it_lives() {
        let place = tempfile::tempdir().unwrap();
        let gcloud = command(place.path(), &printing("2999-01-02T03:04:05Z"));
        for _ in 0..3 {
            assert_eq!(gcloud.token().await.unwrap().expose(), "ya29.x");
        }
        let noted = fs::read_to_string(place.path().join("noted")).unwrap();
        assert_eq!(
            noted,
            "--format json config config-helper --min-expiry 1h\n"
        );
    }

    #[tokio::test]
    async fn a_token_that_is_over_is_fetched_anew() {
        let place = tempfile::tempdir().unwrap();
        let gcloud = command(place.path(), &printing("2020-01-02T03:04:05Z"));
        for _ in 0..2 {
            gcloud.token().await.unwrap();
        }
        let noted = fs::read_to_string(place.path().join("noted")).unwrap();
        assert_eq!(noted.lines().count(), 2);
    }

    #[tokio::test]
    async fn what_went_wrong_is_told_without_the_token() {
        let place = tempfile::tempdir().unwrap();
        let gcloud = command(place.path(), "echo 'log in first' >&2; exit 3");
        let error = gcloud.token().await.unwrap_err().to_string();
        assert!(
            error.contains("exit status: 3") && error.contains("log in first"),
            "{error}"
        );
        let gcloud = command(place.path(), "echo 'ya29.secret'");
        let error = gcloud.token().await.unwrap_err();
        assert!(!crate::log::chain(&error).contains("secret"), "{error}");
        let gcloud = Gcloud {
            program: place.path().join("missing"),
            ..Gcloud::new()
        };
        let error = gcloud.token().await.unwrap_err().to_string();
        assert!(error.contains("PATH"), "{error}");
    }
}
