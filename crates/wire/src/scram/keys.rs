//! The keys that SCRAM derives from a password. They are wiped from memory and never printed.
//!
//! <https://www.rfc-editor.org/rfc/rfc5802#section-3>

use std::fmt;
use std::num::NonZeroU32;

use aws_lc_rs::{constant_time, digest, hmac, pbkdf2};
use secrecy::zeroize::Zeroizing;

use super::password;

/// A key, a signature or a proof: the output of SHA-256.
#[derive(Clone)]
pub(super) struct Key(Zeroizing<[u8; 32]>);

impl Key {
    pub(super) fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes
            .try_into()
            .ok()
            .map(|bytes| Self(Zeroizing::new(bytes)))
    }

    /// HMAC-SHA-256 of the message.
    pub(super) fn hmac(key: &[u8], message: &[u8]) -> Self {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message);
        Self::from_slice(tag.as_ref()).expect("HMAC-SHA-256 has 32 bytes")
    }

    /// HMAC-SHA-256 of the message with this key.
    pub(super) fn sign(&self, message: &[u8]) -> Self {
        Self::hmac(self.as_bytes(), message)
    }

    /// SHA-256 of the key.
    pub(super) fn digest(&self) -> Self {
        let digest = digest::digest(&digest::SHA256, self.as_bytes());
        Self::from_slice(digest.as_ref()).expect("SHA-256 has 32 bytes")
    }

    pub(super) fn xor(&self, other: &Self) -> Self {
        let mut result = self.clone();
        for (byte, other) in result.0.iter_mut().zip(other.as_bytes()) {
            *byte ^= other;
        }
        result
    }

    /// Whether the keys are equal, in constant time.
    pub(super) fn matches(&self, other: &Self) -> bool {
        constant_time::verify_slices_are_equal(self.as_bytes(), other.as_bytes()).is_ok()
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_slice()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// What the password becomes by salt and iterations.
pub(super) struct SaltedPassword(Key);

impl SaltedPassword {
    /// The expensive step.
    pub(super) fn derive(password: &[u8], salt: &[u8], iterations: NonZeroU32) -> Self {
        let password = password::normalised(password);
        let mut salted = Zeroizing::new([0; 32]);
        let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
        pbkdf2::derive(
            algorithm,
            iterations,
            salt,
            &password,
            salted.as_mut_slice(),
        );
        Self(Key(salted))
    }

    /// What the client proves to know.
    pub(super) fn client_key(&self) -> Key {
        self.0.sign(b"Client Key")
    }

    /// What the server proves to know.
    pub(super) fn server_key(&self) -> Key {
        self.0.sign(b"Server Key")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_is_not_printed() {
        let key = Key::from_slice(&[65; 32]).unwrap();
        assert_eq!(format!("{key:?}"), "Key(..)");
        assert!(Key::from_slice(&[65; 31]).is_none());
        assert!(Key::from_slice(&[65; 33]).is_none());
    }

    #[test]
    fn xor_undoes_itself() {
        let (a, b) = (Key::hmac(b"a", b""), Key::hmac(b"b", b""));
        assert!(a.xor(&b).xor(&b).matches(&a));
        assert!(!a.matches(&b));
    }
}
