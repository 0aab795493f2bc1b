//! What is written to standard output and standard error.
//!
//! Two channels, as programs that read them expect: errors go to standard error, everything else to
//! standard output; one line an event, written at once.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::ZonedDateTime;
use serde::Serialize;

use crate::Logging;

/// Writes lines. Cheap to clone.
///
/// A line that can't be written (the reader is gone, the disk is full) is lost: no client is to
/// suffer for it.
#[derive(Clone)]
pub struct Logger(Arc<Inner>);

struct Inner {
    logging: Logging,
    out: Mutex<Box<dyn Write + Send>>,
    err: Mutex<Box<dyn Write + Send>>,
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
        Self(Arc::new(Inner {
            logging,
            out: Mutex::new(Box::new(out)),
            err: Mutex::new(Box::new(err)),
        }))
    }

    /// Writes to the process's standard output and standard error.
    pub fn standard(logging: Logging) -> Self {
        Self::new(logging, io::stdout(), io::stderr())
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

    fn write(&self, severity: Severity, message: &dyn fmt::Display) {
        let line = self.line(&ZonedDateTime::now(), severity, &message.to_string());
        let channel = match severity {
            Severity::Debug | Severity::Info => &self.0.out,
            Severity::Error => &self.0.err,
        };
        let mut channel = channel.lock().unwrap_or_else(PoisonError::into_inner);
        // One call, so that lines of several processes don't mix.
        let _ = channel
            .write_all(line.as_bytes())
            .and_then(|()| channel.flush());
    }

    fn line(&self, now: &ZonedDateTime, severity: Severity, message: &str) -> String {
        if !self.0.logging.structured {
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

    fn logger(structured: bool, quiet: bool) -> Logger {
        let logging = Logging {
            structured,
            quiet,
            debug: false,
        };
        Logger::new(logging, io::sink(), io::sink())
    }

    fn at(text: &str) -> ZonedDateTime {
        text.parse().expect("a time")
    }

    #[test]
    fn a_plain_line_has_local_time_and_no_level() {
        let line = logger(false, false).line(
            &at("2026-01-02T03:04:05.678+02:00[+02:00]"),
            Severity::Error,
            "it <broke>",
        );
        assert_eq!(line, "2026/01/02 03:04:05 it <broke>\n");
    }

    #[test]
    fn a_structured_line_has_its_keys_in_order() {
        let message = "[p.l.c.i] said \"<no>\"";
        let line = logger(true, true).line(
            &at("2026-01-02T03:04:05.678+02:00[+02:00]"),
            Severity::Error,
            message,
        );
        let expected = "{\"timestamp\":\"2026-01-02T03:04:05+02:00\",\"severity\":\"ERROR\",\
                        \"message\":\"[p.l.c.i] said \\\"<no>\\\"\"}\n";
        assert_eq!(line, expected);
        let utc =
            logger(true, false).line(&at("2026-01-02T03:04:05+00:00[UTC]"), Severity::Info, "x");
        assert!(
            utc.contains("\"2026-01-02T03:04:05Z\",\"severity\":\"INFO\""),
            "{utc}"
        );
    }
}
