//! Why a connection does not become a session.

use std::borrow::Cow;
use std::error::Error;
use std::io;

use crate::login::ServerError;
use crate::messages::Messages;
use crate::metrics::Dropped;
use crate::refusal::Refusal;

/// Why there is no session. The client has been told, where it could be.
#[must_use]
pub(crate) enum Stop {
    /// The gateway refused the client, and said so.
    Refused(Refusal),
    /// The server refused the client; its words were passed on.
    Rejected(ServerError),
    /// The connection was closed without a word.
    Dropped(Dropped, Option<Box<dyn Error + Send + Sync>>),
    /// The client closed the connection.
    ClientLeft,
    /// The connection to the client broke.
    ClientLost(io::Error),
}

impl Stop {
    /// Tells the client why it is not served.
    pub(crate) async fn refuse(mut client: Messages, refusal: Refusal) -> Self {
        // What the server said so far belongs to a login that has come to nothing.
        client.output().clear();
        let mut last_words = Vec::new();
        refusal.response().encode(&mut last_words);
        client.farewell(&last_words).await;
        Self::Refused(refusal)
    }
}

/// An error with all its causes.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Many errors repeat their cause in their own text.
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

/// A text from elsewhere, fit for a line of a log or a terminal: control characters are escaped, so
/// that nobody writes lines of his own into it.
pub fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let escape = |c: char| -> String {
        if c.is_control() {
            c.escape_default().collect()
        } else {
            c.to_string()
        }
    };
    Cow::Owned(text.chars().map(escape).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_from_elsewhere_stays_on_its_line() {
        assert_eq!(one_line("grün"), "grün");
        assert_eq!(one_line("a\nWARN b\r\x1b[31m"), "a\\nWARN b\\r\\u{1b}[31m");
    }
}
