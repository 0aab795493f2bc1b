//! What is written to standard output and standard error.
//!
//! Two channels, as programs that read them expect: errors go to standard error, everything else to
//! standard output; one line an event, written soon, by a thread of its own.

mod channel;

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;

use jiff::ZonedDateTime;
use serde::Serialize;

use self::channel::{Channel, Notice};
use crate::Logging;

/// How long the end waits for what isn't written yet, on each of the two channels.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Writes lines. Cheap to clone.
///
/// A line that can't be written (the reader is gone or reads nothing, the disk is full) is lost: no
/// client is to suffer for it, nor to wait.
#[derive(Clone)]
pub struct Logger(Arc<Inner>);

struct Inner {
    logging: Logging,
    out: Channel,
    /// `None` where both are the same file.
    err: Option<Channel>,
}

/// How grave a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
enum Severity {
    Debug,
    Error,
    Info,
}

/// A structured line; the order of the fields is part of the format.
#[derive(Serialize)]
struct Entry<'a> {
    timestamp: &'a str,
    severity: Severity,
    message: &'a str,
}

impl Logger {
    /// Writes information to `out` and errors to `err`.
    pub fn new(
        logging: Logging,
        out: impl Write + Send + 'static,
        err: impl Write + Send + 'static,
    ) -> Self {
        Self::to(logging, Box::new(out), Some(Box::new(err)))
    }

    /// Writes to the process's standard output and standard error.
    pub fn standard(logging: Logging) -> Self {
        let (out, err) = (io::stdout(), io::stderr());
        let is_one = match (identity(out.as_fd()), identity(err.as_fd())) {
            (Ok(out), Ok(err)) => out == err,
            _ => false,
        };
        // In one file lines of both stay in the order in which they came.
        let err: Option<Box<dyn Write + Send>> = if is_one { None } else { Some(Box::new(err)) };
        Self::to(logging, Box::new(out), err)
    }

    fn to(
        logging: Logging,
        out: Box<dyn Write + Send>,
        err: Option<Box<dyn Write + Send>>,
    ) -> Self {
        Self(Arc::new(Inner {
            logging,
            out: Channel::new("log", out, notice(logging)),
            err: err.map(|err| Channel::new("log-errors", err, notice(logging))),
        }))
    }

    /// Whether debug lines are written.
    pub(crate) fn has_debug(&self) -> bool {
        self.0.logging.debug && !self.0.logging.quiet
    }

    /// Writes what the connector does; nothing without `--debug-logs`.
    pub(crate) fn debug(&self, message: impl fmt::Display) {
        if self.has_debug() {
            self.write(Severity::Debug, &message);
        }
    }

    /// Writes what happens; nothing with `--quiet`.
    pub(crate) fn info(&self, message: impl fmt::Display) {
        if !self.0.logging.quiet {
            self.write(Severity::Info, &message);
        }
    }

    /// Writes what went wrong.
    pub fn error(&self, message: impl fmt::Display) {
        self.write(Severity::Error, &message);
    }

    /// Waits until all lines so far are written, unless they can't be: not for long.
    pub fn flush(&self) {
        for channel in self.channels() {
            channel.flush(LAST_WORDS);
        }
    }

    /// How many lines found no room since this was asked last.
    pub(crate) fn take_lost(&self) -> u64 {
        self.channels().map(Channel::take_lost).sum()
    }

    fn channels(&self) -> impl Iterator<Item = &Channel> {
        std::iter::once(&self.0.out).chain(&self.0.err)
    }

    fn write(&self, severity: Severity, message: &dyn fmt::Display) {
        let Inner { logging, out, err } = &*self.0;
        let channel = match severity {
            Severity::Debug | Severity::Info => out,
            Severity::Error => err.as_ref().unwrap_or(out),
        };
        let now = ZonedDateTime::now();
        channel.push(line(*logging, &now, severity, &message.to_string()));
    }
}

/// What tells files, pipes, sockets and terminals apart: device and inode.
fn identity(file: BorrowedFd<'_>) -> io::Result<(u64, u64)> {
    let meta = File::from(file.try_clone_to_owned()?).metadata()?;
    Ok((meta.dev(), meta.ino()))
}

/// Tells of lines that are missing.
fn notice(logging: Logging) -> Notice {
    Box::new(move |dropped| {
        let text = format!("{dropped} lines of the log were lost here: nobody took them in time");
        line(logging, &ZonedDateTime::now(), Severity::Error, &text)
    })
}

fn line(logging: Logging, now: &ZonedDateTime, severity: Severity, message: &str) -> String {
    if !logging.structured {
        return format!("{} {message}\n", now.strftime("%Y/%m/%d %H:%M:%S"));
    }
    let format = if now.offset().is_zero() {
        "%Y-%m-%dT%H:%M:%SZ"
    } else {
        "%Y-%m-%dT%H:%M:%S%:z"
    };
    let entry = Entry {
        timestamp: &now.strftime(format).to_string(),
        severity,
        message,
    };
    // Text alone can't fail.
    let mut line = serde_json::to_string(&entry).unwrap_or_default();
    line.push('\n');
    line
}

impl fmt::Debug for Logger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Logger").field(&self.0.logging).finish()
    }
}

/// An error and all its causes on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // Some errors repeat their cause in their own text.
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logging(structured: bool, quiet: bool) -> Logging {
        Logging {
            structured,
            quiet,
            debug: false,
        }
    }

    fn at(text: &str) -> ZonedDateTime {
        text.parse().expect("a time")
    }

    #[test]
    fn a_plain_line_has_local_time_and_no_level() {
        let plain = line(
            logging(false, false),
            &at("2026-01-02T03:04:05.678+02:00[+02:00]"),
            Severity::Error,
            "it <broke>",
        );
        assert_eq!(plain, "2026/01/02 03:04:05 it <broke>\n");
    }

    #[test]
    fn a_structured_line_has_its_keys_in_order() {
        let message = "[p.l.c.i] said \"<no>\"";
        let structured = line(
            logging(true, true),
            &at("2026-01-02T03:04:05.678+02:00[+02:00]"),
            Severity::Error,
            message,
        );
        let expected = "{\"timestamp\":\"2026-01-02T03:04:05+02:00\",\"severity\":\"ERROR\",\
                        \"message\":\"[p.l.c.i] said \\\"<no>\\\"\"}\n";
        assert_eq!(structured, expected);
        let now = at("2026-01-02T03:04:05+00:00[UTC]");
        let utc = line(logging(true, false), &now, Severity::Info, "x");
        assert!(
            utc.contains("\"2026-01-02T03:04:05Z\",\"severity\":\"INFO\""),
            "{utc}"
        );
    }
}
