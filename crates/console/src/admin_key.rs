//! The key of the admin API.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use secrecy::{ExposeSecret, SecretString};

/// Characters that a key has at least: short ones can be guessed over the network.
const MIN_CHARACTERS: usize = 16;

/// The key of the admin API. Only its digest is kept.
#[derive(Clone)]
pub struct AdminKey {
    // Digests have one length, so that the comparison says nothing about the key's.
    digest: [u8; SHA256_OUTPUT_LEN],
}

/// A text that can't be the key of the admin API. Says nothing about the text itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdminKeyError {
    /// It is too short.
    #[error("ADMIN_API_KEY must have at least {MIN_CHARACTERS} characters")]
    TooShort,
    /// An HTTP header would not carry it unchanged.
    #[error(
        "ADMIN_API_KEY must not begin or end with white space nor contain control characters: \
         an HTTP header can't carry them"
    )]
    Unsendable,
}

impl AdminKey {
    /// Takes a text of at least 16 characters that an HTTP header can carry.
    pub fn new(text: impl Into<SecretString>) -> Result<Self, AdminKeyError> {
        let text = text.into();
        let text = text.expose_secret();
        if text.trim() != text || text.contains(char::is_control) {
            return Err(AdminKeyError::Unsendable);
        }
        if text.chars().count() < MIN_CHARACTERS {
            return Err(AdminKeyError::TooShort);
        }
        Ok(Self {
            digest: sha256(text.as_bytes()),
        })
    }

    /// Whether `presented` is the key, in a time that depends on the length of `presented` only.
    pub(crate) fn matches(&self, presented: &[u8]) -> bool {
        verify_slices_are_equal(&self.digest, &sha256(presented)).is_ok()
    }
}

impl fmt::Debug for AdminKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminKey(..)")
    }
}

fn sha256(bytes: &[u8]) -> [u8; SHA256_OUTPUT_LEN] {
    let mut output = [0; SHA256_OUTPUT_LEN];
    output.copy_from_slice(digest(&SHA256, bytes).as_ref());
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "0123456789abcdef";

    #[test]
    fn only_the_very_key_matches() {
        let key = AdminKey::new(KEY).unwrap();
        assert!(key.matches(KEY.as_bytes()));
        for other in [
            "",
            "0123456789abcde",
            "0123456789abcdeF",
            "0123456789abcdef0",
        ] {
            assert!(!key.matches(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn a_short_key_is_refused_without_being_repeated() {
        let error = AdminKey::new("hunter2").unwrap_err();
        assert_eq!(
            error.to_string(),
            "ADMIN_API_KEY must have at least 16 characters"
        );
    }

    #[test]
    fn characters_are_counted_and_not_bytes() {
        // Eight characters in sixteen bytes.
        assert_eq!(
            AdminKey::new("éééééééé").unwrap_err(),
            AdminKeyError::TooShort
        );
        assert!(AdminKey::new("é".repeat(16)).is_ok());
    }

    #[test]
    fn a_key_that_no_header_carries_is_refused() {
        for text in [
            "0123456789abcdef\n",
            " 0123456789abcdef",
            "01234567\u{0}9abcdef",
        ] {
            let error = AdminKey::new(text).unwrap_err();
            assert_eq!(error, AdminKeyError::Unsendable, "{text:?}");
        }
    }

    #[test]
    fn debug_says_nothing() {
        let key = AdminKey::new(KEY).unwrap();
        assert_eq!(format!("{key:?}"), "AdminKey(..)");
    }
}
