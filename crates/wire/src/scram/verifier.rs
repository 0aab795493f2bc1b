//! The verifier: what a server stores in place of a password.
//!
//! `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`, as in
//! <https://www.postgresql.org/docs/current/catalog-pg-authid.html>

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use super::attributes::{from_base64, to_base64};
use super::keys::{Key, SaltedPassword};
use super::{DEFAULT_ITERATIONS, MAX_ITERATIONS, MAX_SALT_LEN};

/// How many bytes the salt of PostgreSQL's verifiers has.
const SALT_LEN: usize = 16;

/// What a server knows of a password. Written by `Display`, hidden by `Debug`.
#[derive(Clone)]
pub struct Verifier {
    pub(super) iterations: NonZeroU32,
    pub(super) salt: Vec<u8>,
    pub(super) stored_key: Key,
    pub(super) server_key: Key,
    /// Whether no password can match, whatever the keys are.
    pub(super) doomed: bool,
}

/// Why a text is not a verifier. It never repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifierError {
    /// The number of iterations is none, or not sensible.
    #[error("iteration count is not between 1 and {MAX_ITERATIONS}")]
    Iterations,
    /// One of the two keys is not 32 bytes in base64.
    #[error("key is not 32 bytes in base64")]
    Key,
    /// The text has other parts.
    #[error("not of the form SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>")]
    Layout,
    /// The salt is not base64, empty or too long.
    #[error("salt is not 1 to {MAX_SALT_LEN} bytes in base64")]
    Salt,
}

impl Verifier {
    /// The verifier of a password. Expensive.
    pub fn derive(password: &[u8], salt: &[u8], iterations: NonZeroU32) -> Self {
        let salted = SaltedPassword::derive(password, salt, iterations);
        Self {
            iterations,
            salt: salt.to_vec(),
            stored_key: salted.client_key().digest(),
            server_key: salted.server_key(),
            doomed: false,
        }
    }

    /// The verifier of a role that doesn't exist: the exchange looks as with any other role, and
    /// never succeeds. The salt is always the same for a role, since a salt that changes would
    /// tell that there is none. It has PostgreSQL's default number of iterations.
    pub fn mock(role: &str, server_secret: &[u8]) -> Self {
        Self::mock_with_iterations(role, server_secret, DEFAULT_ITERATIONS)
    }

    /// As [`Self::mock`], among verifiers that have another number of iterations.
    pub fn mock_with_iterations(role: &str, server_secret: &[u8], iterations: NonZeroU32) -> Self {
        let derive = |purpose: &str| {
            let secret = Key::hmac(server_secret, purpose.as_bytes());
            secret.sign(role.as_bytes())
        };
        let salt = derive("salt")
            .as_bytes()
            .iter()
            .copied()
            .take(SALT_LEN)
            .collect();
        Self {
            iterations,
            salt,
            stored_key: derive("stored key"),
            server_key: derive("server key"),
            doomed: true,
        }
    }

    /// How often a client has to hash.
    pub fn iterations(&self) -> NonZeroU32 {
        self.iterations
    }
}

impl FromStr for Verifier {
    type Err = VerifierError;

    fn from_str(text: &str) -> Result<Self, VerifierError> {
        let mut parts = text.split('$');
        let mut part = || parts.next().ok_or(VerifierError::Layout);
        let (scheme, parameters, keys) = (part()?, part()?, part()?);
        if scheme != super::SCRAM_SHA_256 || parts.next().is_some() {
            return Err(VerifierError::Layout);
        }
        let (iterations, salt) = parameters.split_once(':').ok_or(VerifierError::Layout)?;
        let (stored_key, server_key) = keys.split_once(':').ok_or(VerifierError::Layout)?;
        Ok(Self {
            iterations: parse_iterations(iterations)?,
            salt: parse_salt(salt)?,
            stored_key: parse_key(stored_key)?,
            server_key: parse_key(server_key)?,
            doomed: false,
        })
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let salt = to_base64(&self.salt);
        let stored_key = to_base64(self.stored_key.as_bytes());
        let server_key = to_base64(self.server_key.as_bytes());
        let (scheme, iterations) = (super::SCRAM_SHA_256, self.iterations);
        write!(f, "{scheme}${iterations}:{salt}${stored_key}:{server_key}")
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}

fn parse_iterations(text: &str) -> Result<NonZeroU32, VerifierError> {
    let iterations: NonZeroU32 = text.parse().map_err(|_| VerifierError::Iterations)?;
    if iterations.get() > MAX_ITERATIONS {
        return Err(VerifierError::Iterations);
    }
    Ok(iterations)
}

fn parse_salt(text: &str) -> Result<Vec<u8>, VerifierError> {
    let salt = from_base64(text).map_err(|_| VerifierError::Salt)?;
    if salt.is_empty() || salt.len() > MAX_SALT_LEN {
        return Err(VerifierError::Salt);
    }
    Ok(salt)
}

fn parse_key(text: &str) -> Result<Key, VerifierError> {
    let key = from_base64(text).map_err(|_| VerifierError::Key)?;
    Key::from_slice(&key).ok_or(VerifierError::Key)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of password `pencil`, with the salt and iterations of RFC 7677, section 3.
    const PENCIL: &str = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$\
        WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

    #[test]
    fn derived_verifier_is_that_of_postgresql() {
        let salt = from_base64("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let verifier = Verifier::derive(b"pencil", &salt, DEFAULT_ITERATIONS);
        assert_eq!(verifier.to_string(), PENCIL);
        assert_eq!(PENCIL.parse::<Verifier>().unwrap().to_string(), PENCIL);
    }

    #[test]
    fn keys_are_not_printed() {
        let verifier: Verifier = PENCIL.parse().unwrap();
        assert_eq!(format!("{verifier:?}"), "Verifier { iterations: 4096, .. }");
    }

    #[test]
    fn broken_verifiers_are_refused() {
        let cases = [
            ("", VerifierError::Layout),
            ("md5d41d8cd98f00b204e9800998ecf8427e", VerifierError::Layout),
            (&PENCIL.replace("4096", "0"), VerifierError::Iterations),
            (
                &PENCIL.replace("4096", "1000001"),
                VerifierError::Iterations,
            ),
            (
                &PENCIL.replace("W22ZaJ0SNY7soEsUEjb6gQ==", ""),
                VerifierError::Salt,
            ),
            (&PENCIL.replace("gQ==", "gQ"), VerifierError::Salt),
            (&PENCIL.replace("4qY=", ""), VerifierError::Key),
            (&format!("{PENCIL}$"), VerifierError::Layout),
            (&format!("{PENCIL}:"), VerifierError::Key),
        ];
        for (text, error) in cases {
            assert_eq!(text.parse::<Verifier>().err(), Some(error), "{text}");
        }
    }

    #[test]
    fn mock_salt_depends_on_role_and_secret_only() {
        let mock = |role, secret: &[u8]| Verifier::mock(role, secret).to_string();
        assert_eq!(mock("a", b"s"), mock("a", b"s"));
        assert_ne!(mock("a", b"s"), mock("b", b"s"));
        assert_ne!(mock("a", b"s"), mock("a", b"t"));
        let verifier = Verifier::mock("a", b"s");
        assert_eq!(verifier.salt.len(), SALT_LEN);
    }
}
