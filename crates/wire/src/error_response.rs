//! Errors and notices: those that we send, and those that a server sent.
//!
//! <https://www.postgresql.org/docs/current/protocol-error-fields.html>

use std::borrow::Cow;
use std::fmt;

use crate::body::{MessageError, Reader, put_frame};
use crate::{SqlState, tag};

/// The longest text that we send in one field, in bytes. Clients show it on a terminal.
pub const MAX_TEXT_LEN: usize = 8192;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The statement failed.
    Error,
    /// The session is over.
    Fatal,
    /// Of use to somebody.
    Info,
    /// Worth knowing.
    Notice,
    /// All sessions are over.
    Panic,
    /// Likely a mistake.
    Warning,
}

impl Severity {
    /// The word in the message.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
            Self::Info => "INFO",
            Self::Notice => "NOTICE",
            Self::Panic => "PANIC",
            Self::Warning => "WARNING",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An error or notice that we send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorResponse {
    severity: Severity,
    code: SqlState,
    message: String,
    detail: Option<String>,
    hint: Option<String>,
}

impl ErrorResponse {
    /// What went wrong, in one line.
    pub fn new(severity: Severity, code: SqlState, message: impl Into<String>) -> Self {
        Self {
            severity,
            code,
            message: message.into(),
            detail: None,
            hint: None,
        }
    }

    /// Adds facts that don't fit into the line.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds what can be done about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The code that drivers branch on.
    pub fn code(&self) -> SqlState {
        self.code
    }

    /// The line that says what went wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// How bad it is.
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// Appends it as an `ErrorResponse`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_frame(out, tag::backend::ERROR_RESPONSE, |out| {
            self.put_fields(out);
        });
    }

    /// Appends it as a `NoticeResponse`.
    pub fn encode_notice(&self, out: &mut Vec<u8>) {
        put_frame(out, tag::backend::NOTICE_RESPONSE, |out| {
            self.put_fields(out);
        });
    }

    fn put_fields(&self, out: &mut Vec<u8>) {
        put_field(out, b'S', self.severity.as_str());
        put_field(out, b'V', self.severity.as_str());
        put_field(out, b'C', self.code.as_str());
        put_field(out, b'M', &self.message);
        for (field, text) in [(b'D', &self.detail), (b'H', &self.hint)] {
            if let Some(text) = text {
                put_field(out, field, text);
            }
        }
        out.push(0);
    }
}

fn put_field(out: &mut Vec<u8>, field: u8, text: &str) {
    let end = text.floor_char_boundary(MAX_TEXT_LEN);
    out.push(field);
    // A NUL would end the field, and what follows it would be read as another one.
    out.extend(text.bytes().take(end).filter(|byte| *byte != 0));
    out.push(0);
}

/// An error or notice that a server sent. No field is sure to be there, whatever the manual says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorView<'a> {
    body: &'a [u8],
}

impl<'a> ErrorView<'a> {
    /// Reads the body of an `ErrorResponse` or `NoticeResponse`.
    pub fn decode(body: &'a [u8]) -> Result<Self, MessageError> {
        let mut reader = Reader::new(body);
        while reader.u8()? != 0 {
            reader.cstr()?;
        }
        reader.finish()?;
        Ok(Self { body })
    }

    /// The first field of that type.
    pub fn field(&self, field: u8) -> Option<&'a [u8]> {
        self.fields()
            .find(|(found, _)| *found == field)
            .map(|(_, text)| text)
    }

    /// All fields with their types.
    pub fn fields(&self) -> impl Iterator<Item = (u8, &'a [u8])> + use<'a> {
        let mut reader = Reader::new(self.body);
        std::iter::from_fn(move || {
            let field = reader.u8().ok().filter(|field| *field != 0)?;
            Some((field, reader.cstr().ok()?))
        })
    }

    /// How bad it is: the word that is never translated, else the one that may be.
    pub fn severity(&self) -> Option<Cow<'a, str>> {
        self.field(b'V')
            .or_else(|| self.field(b'S'))
            .map(String::from_utf8_lossy)
    }

    /// The SQLSTATE.
    pub fn code(&self) -> Option<&'a str> {
        self.field(b'C').and_then(|code| str::from_utf8(code).ok())
    }

    /// What went wrong; empty if the server didn't say.
    pub fn message(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.field(b'M').unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame;

    fn encoded(response: &ErrorResponse) -> Vec<u8> {
        let mut out = Vec::new();
        response.encode(&mut out);
        out
    }

    #[test]
    fn fields_are_those_of_the_manual() {
        let response = ErrorResponse::new(Severity::Fatal, SqlState::INVALID_PASSWORD, "no")
            .detail("d")
            .hint("h");
        let expected = b"E\0\0\0\x24SFATAL\0VFATAL\0C28P01\0Mno\0Dd\0Hh\0\0";
        assert_eq!(encoded(&response), expected);
        let mut notice = Vec::new();
        response.encode_notice(&mut notice);
        assert_eq!(notice[0], b'N');
        assert_eq!(notice[1..], expected[1..]);
    }

    #[test]
    fn text_can_not_end_a_field() {
        let response = ErrorResponse::new(Severity::Error, SqlState::IO_ERROR, "a\0Hforged\0");
        let bytes = encoded(&response);
        let view = ErrorView::decode(&bytes[5..]).unwrap();
        assert_eq!(view.message(), "aHforged");
        assert_eq!(view.field(b'H'), None);
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        let text = "x".to_owned() + &"\u{e9}".repeat(MAX_TEXT_LEN);
        let bytes = encoded(&ErrorResponse::new(
            Severity::Error,
            SqlState::IO_ERROR,
            text,
        ));
        let (frame, used) = frame::decode(&bytes, frame::MAX_LEN).unwrap().unwrap();
        assert_eq!(used, bytes.len());
        let view = ErrorView::decode(frame.body).unwrap();
        assert_eq!(view.message().len(), MAX_TEXT_LEN - 1);
        assert!(view.message().ends_with('\u{e9}'));
    }

    /// CVE-2026-6666: a proxy crashed on such an error.
    #[test]
    fn server_error_without_sqlstate_is_read() {
        let view = ErrorView::decode(b"SERROR\0Mbad\0\0").unwrap();
        assert_eq!(view.code(), None);
        assert_eq!(view.severity().unwrap(), "ERROR");
        assert_eq!(view.message(), "bad");
        let view = ErrorView::decode(b"\0").unwrap();
        assert_eq!(
            (view.code(), view.severity(), view.message()),
            (None, None, "".into())
        );
    }

    #[test]
    fn severity_that_is_not_translated_is_preferred() {
        let view = ErrorView::decode(b"SFEHLER\0VERROR\0C\xff\xfe\0M\xff\0\0").unwrap();
        assert_eq!(view.severity().unwrap(), "ERROR");
        assert_eq!(view.code(), None);
        assert_eq!(view.message(), "\u{fffd}");
    }

    #[test]
    fn broken_bodies_are_refused() {
        assert_eq!(ErrorView::decode(b""), Err(MessageError::Truncated));
        assert_eq!(ErrorView::decode(b"Mbad"), Err(MessageError::Unterminated));
        assert_eq!(ErrorView::decode(b"Mbad\0"), Err(MessageError::Truncated));
        let refused = Err(MessageError::TrailingBytes { count: 1 });
        assert_eq!(ErrorView::decode(b"Mbad\0\0x"), refused);
    }
}
