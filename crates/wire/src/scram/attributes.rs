//! The text of a SCRAM message: attributes of one letter, between commas.
//!
//! <https://www.rfc-editor.org/rfc/rfc5802#section-7>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{MAX_MESSAGE_LEN, MAX_NONCE_LEN, ScramError};

/// The message as text, if it is of a sensible length.
pub(super) fn text(bytes: &[u8]) -> Result<&str, ScramError> {
    if bytes.len() > MAX_MESSAGE_LEN {
        return Err(ScramError::TooLong {
            what: "message",
            len: bytes.len(),
        });
    }
    str::from_utf8(bytes).map_err(|_| ScramError::Malformed("not UTF-8"))
}

/// Takes attributes from the front of a message.
pub(super) struct Attributes<'a> {
    parts: std::str::Split<'a, char>,
}

impl<'a> Attributes<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            parts: text.split(','),
        }
    }

    /// The value of the next attribute, which must have that name.
    pub(super) fn take(&mut self, name: char) -> Result<&'a str, ScramError> {
        let part = self
            .parts
            .next()
            .ok_or(ScramError::Malformed("attribute missing"))?;
        if part.starts_with("m=") {
            return Err(ScramError::MandatoryExtension);
        }
        part.strip_prefix(name)
            .and_then(|rest| rest.strip_prefix('='))
            .ok_or(ScramError::Malformed("unexpected attribute"))
    }

    /// What follows must be attributes; they are extensions that need not be understood.
    pub(super) fn skip_extensions(self) -> Result<(), ScramError> {
        for part in self.parts {
            let mut letters = part.chars();
            let name = letters.next().filter(char::is_ascii_alphabetic);
            // An attribute that has a meaning elsewhere is not an extension.
            if name.is_none_or(|name| "acimnprsv".contains(name)) || letters.next() != Some('=') {
                return Err(ScramError::Malformed("extension expected"));
            }
        }
        Ok(())
    }

    /// Nothing may follow. RFC 5802 would allow extensions, libpq doesn't.
    pub(super) fn finish(mut self) -> Result<(), ScramError> {
        match self.parts.next() {
            None => Ok(()),
            Some(_) => Err(ScramError::Malformed("garbage at the end")),
        }
    }
}

/// The nonce, if it is printable and of a sensible length.
pub(super) fn checked_nonce(nonce: &str) -> Result<&str, ScramError> {
    if nonce.len() > MAX_NONCE_LEN {
        return Err(ScramError::TooLong {
            what: "nonce",
            len: nonce.len(),
        });
    }
    if nonce.is_empty() || !nonce.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(ScramError::Malformed("nonce is not printable"));
    }
    Ok(nonce)
}

pub(super) fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub(super) fn from_base64(text: &str) -> Result<Vec<u8>, ScramError> {
    STANDARD
        .decode(text)
        .map_err(|_| ScramError::Malformed("invalid base64"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_taken_in_order() {
        let mut attributes = Attributes::new("r=ab=c,s=");
        assert_eq!(attributes.take('r'), Ok("ab=c"));
        assert_eq!(attributes.take('s'), Ok(""));
        assert!(attributes.take('i').is_err());
        assert!(Attributes::new("x=1").take('r').is_err());
        assert!(Attributes::new("r").take('r').is_err());
        assert_eq!(
            Attributes::new("m=1,r=a").take('r'),
            Err(ScramError::MandatoryExtension)
        );
    }

    #[test]
    fn extensions_have_a_letter_and_no_known_name() {
        for (text, accepted) in [
            ("x=1,Y=", true),
            ("p=1", false),
            ("1=1", false),
            ("x", false),
        ] {
            assert_eq!(
                Attributes::new(text).skip_extensions().is_ok(),
                accepted,
                "{text}"
            );
        }
        assert!(Attributes::new("").finish().is_err());
    }

    #[test]
    fn long_nonce_is_refused() {
        assert!(checked_nonce(&"a".repeat(MAX_NONCE_LEN)).is_ok());
        let refused = Err(ScramError::TooLong {
            what: "nonce",
            len: MAX_NONCE_LEN + 1,
        });
        assert_eq!(checked_nonce(&"a".repeat(MAX_NONCE_LEN + 1)), refused);
        assert!(checked_nonce("").is_err());
        assert!(checked_nonce("a b").is_err());
        assert!(checked_nonce("\u{e9}").is_err());
    }
}
