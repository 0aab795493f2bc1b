//! Runs the command that prints a token.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::{Bearer, Token};
use crate::config::TokenCommand;

/// Bytes of standard output that are read; no token comes near it (an Azure one has about 2 KiB).
const MAX_OUTPUT: usize = 64 * 1024;
/// Bytes of standard error that are kept for the log.
const MAX_STDERR: usize = 2 * 1024;
/// The status of a shell that found no such command (POSIX, 2.8.2).
const NOT_FOUND: i32 = 127;

/// No token was minted.
///
/// The text is for operators: it quotes the command's standard error.
#[derive(Clone, Debug, Error)]
pub(crate) enum TokenError {
    /// The shell found no such command.
    #[error("executable file not found in $PATH{}", quoted(stderr))]
    NotFound {
        /// What the shell said.
        stderr: String,
    },
    /// The command failed.
    #[error("{status}{}", quoted(stderr))]
    Failed {
        /// Its exit status or signal.
        status: ExitStatus,
        /// The beginning of its standard error.
        stderr: String,
    },
    /// The command took too long, and was killed with its children.
    #[error("i/o timeout: no token within {after:?}{}", quoted(stderr))]
    Timeout {
        /// The time it had.
        after: Duration,
        /// The beginning of its standard error.
        stderr: String,
    },
    /// The command succeeded and printed nothing.
    #[error("empty output{}", quoted(stderr))]
    Empty {
        /// The beginning of its standard error.
        stderr: String,
    },
    /// The command printed more than a token.
    #[error("output exceeds {} KiB", MAX_OUTPUT / 1024)]
    TooLong,
    /// The output is not one line of text.
    #[error("output is not a single line")]
    NotOneLine,
    /// The shell could not be started, or its output not be read.
    #[error("running the shell: {0}")]
    Shell(String),
}

impl TokenError {
    /// The error without what the command said: clients get this one.
    pub(crate) fn client_message(&self) -> String {
        match self {
            Self::NotFound { .. } => "executable file not found in $PATH".to_owned(),
            Self::Failed { status, .. } => status.to_string(),
            Self::Timeout { after, .. } => format!("i/o timeout: no token within {after:?}"),
            Self::Empty { .. } => "empty output".to_owned(),
            Self::TooLong => self.to_string(),
            Self::NotOneLine => self.to_string(),
            Self::Shell(_) => "the shell could not be run".to_owned(),
        }
    }
}

fn quoted(stderr: &str) -> String {
    if stderr.is_empty() {
        String::new()
    } else {
        format!(": {stderr:?}")
    }
}

/// Kills the command and its children when dropped: on success there is nobody left to kill, on
/// timeout, or when the client goes away meanwhile, there is.
struct ProcessGroup(Option<Pid>);

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // Fails when the whole group has ended, which is what is wanted.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

/// Runs the command once. Cancel safe: dropping the call kills the command and its children.
pub(super) async fn mint(settings: &TokenCommand, bearer: &Bearer) -> Result<Token, TokenError> {
    let mut child = spawn(settings, bearer).map_err(shell)?;
    let group = ProcessGroup(
        child
            .id()
            .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)),
    );
    let mut output = Vec::new();
    let mut stderr = Vec::new();
    let finished = timeout(
        settings.timeout,
        run(&mut child, group, &mut output, &mut stderr),
    )
    .await;
    let stderr = readable(&stderr, &output);
    let status = match finished {
        Ok(status) => status.map_err(shell)?,
        Err(_) => {
            return Err(TokenError::Timeout {
                after: settings.timeout,
                stderr,
            });
        }
    };
    if status.code() == Some(NOT_FOUND) {
        return Err(TokenError::NotFound { stderr });
    }
    if !status.success() {
        return Err(TokenError::Failed { status, stderr });
    }
    if output.len() > MAX_OUTPUT {
        return Err(TokenError::TooLong);
    }
    match output.trim_ascii() {
        [] => Err(TokenError::Empty { stderr }),
        text if text.iter().any(u8::is_ascii_control) => Err(TokenError::NotOneLine),
        text => Ok(Token::new(text.to_vec())),
    }
}

fn spawn(settings: &TokenCommand, bearer: &Bearer) -> io::Result<Child> {
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(&settings.command)
        .env("QUERYCOP_USER", &bearer.user)
        .env("QUERYCOP_DATABASE", &bearer.database)
        .env_remove("QUERYCOP_CLIENT_ADDR")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    if let Some(addr) = &bearer.client_addr {
        command.env("QUERYCOP_CLIENT_ADDR", addr);
    }
    command.spawn()
}

/// Waits for the shell to end. What it left running then is killed: such a child holds the pipes open
/// and would be waited for otherwise.
async fn run(
    child: &mut Child,
    group: ProcessGroup,
    output: &mut Vec<u8>,
    stderr: &mut Vec<u8>,
) -> io::Result<ExitStatus> {
    let (stdout_pipe, stderr_pipe) = (child.stdout.take(), child.stderr.take());
    let end = async {
        let status = child.wait().await;
        drop(group);
        status
    };
    let (status, read, _) = tokio::join!(
        end,
        read(stdout_pipe, MAX_OUTPUT + 1, output),
        read(stderr_pipe, MAX_STDERR, stderr)
    );
    read?;
    status
}

/// Keeps up to `keep` bytes and reads the rest away, so that the command is never stuck on a full pipe.
async fn read(
    pipe: Option<impl AsyncRead + Unpin>,
    keep: usize,
    kept: &mut Vec<u8>,
) -> io::Result<()> {
    let Some(mut pipe) = pipe else { return Ok(()) };
    (&mut pipe).take(keep as u64).read_to_end(kept).await?;
    tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await?;
    Ok(())
}

/// Standard error as text, without the token should it appear there (`sh -x`, a debug switch).
fn readable(stderr: &[u8], output: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr).trim().to_owned();
    let output = String::from_utf8_lossy(output);
    output
        .split_ascii_whitespace()
        .filter(|word| word.len() >= 8)
        .fold(text, |text, word| text.replace(word, "[redacted]"))
}

#[expect(clippy::needless_pass_by_value, reason = "stands in map_err")]
fn shell(error: io::Error) -> TokenError {
    TokenError::Shell(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn run(command: &str) -> Result<String, TokenError> {
        let settings = TokenCommand {
            command: command.to_owned(),
            timeout: Duration::from_secs(30),
            ttl: Duration::ZERO,
        };
        let token = mint(&settings, &bearer()).await?;
        Ok(String::from_utf8_lossy(token.expose()).into_owned())
    }

    fn bearer() -> Bearer {
        Bearer {
            user: "alice".to_owned(),
            database: "app".to_owned(),
            client_addr: Some("192.0.2.7:1234".to_owned()),
        }
    }

    #[tokio::test]
    async fn the_output_is_trimmed() {
        assert_eq!(
            run("echo '  ya29.token '; echo").await.unwrap(),
            "ya29.token"
        );
    }

    #[tokio::test]
    async fn the_command_sees_who_it_is_for() {
        let seen = run("echo $QUERYCOP_USER/$QUERYCOP_DATABASE/$QUERYCOP_CLIENT_ADDR").await;
        assert_eq!(seen.unwrap(), "alice/app/192.0.2.7:1234");
    }

    #[tokio::test]
    async fn a_failure_quotes_standard_error() {
        let error = run("echo PERMISSION_DENIED >&2; exit 3").await.unwrap_err();
        assert_eq!(error.to_string(), "exit status: 3: \"PERMISSION_DENIED\"");
        assert_eq!(error.client_message(), "exit status: 3");
    }

    #[tokio::test]
    async fn a_token_in_standard_error_is_redacted() {
        let error = run("echo ya29.secret; echo got ya29.secret >&2; exit 1")
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), "exit status: 1: \"got [redacted]\"");
    }

    #[tokio::test]
    async fn a_missing_command_is_named_as_such() {
        let error = run("no-such-command-here").await.unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("executable file not found in $PATH"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn empty_output_is_an_error() {
        assert!(matches!(run("true").await, Err(TokenError::Empty { .. })));
        assert!(matches!(
            run("echo '   '").await,
            Err(TokenError::Empty { .. })
        ));
    }

    #[tokio::test]
    async fn two_lines_are_no_token() {
        assert!(matches!(
            run("echo warning; echo token").await,
            Err(TokenError::NotOneLine)
        ));
    }

    #[tokio::test]
    async fn endless_output_is_capped() {
        let error = run("head -c 10485760 /dev/zero | tr '\\0' x")
            .await
            .unwrap_err();
        assert!(matches!(error, TokenError::TooLong));
    }

    #[tokio::test]
    async fn long_standard_error_is_cut() {
        let error = run("head -c 1048576 /dev/zero | tr '\\0' x >&2; exit 1")
            .await
            .unwrap_err();
        let TokenError::Failed { stderr, .. } = error else {
            panic!("{error}")
        };
        assert_eq!(stderr.len(), MAX_STDERR);
    }

    #[tokio::test]
    async fn a_child_left_behind_is_not_waited_for() {
        assert_eq!(run("sleep 600 & echo token").await.unwrap(), "token");
    }

    #[tokio::test]
    async fn children_die_with_the_command() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("alive");
        let made = std::process::Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap();
        assert!(made.success());
        // Parent and child hold the fifo open for writing; its reader sees the end when both are dead.
        let settings = TokenCommand {
            command: format!(
                "exec 3>{}; sleep 600 & echo started >&3; wait",
                fifo.display()
            ),
            timeout: Duration::from_millis(300),
            ttl: Duration::ZERO,
        };
        let reader = tokio::task::spawn_blocking(move || std::fs::read_to_string(fifo).unwrap());
        let error = mint(&settings, &bearer()).await.unwrap_err();
        assert!(matches!(error, TokenError::Timeout { .. }), "{error}");
        assert_eq!(reader.await.unwrap(), "started\n");
    }
}
