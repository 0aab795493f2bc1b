//! The client's side of the exchange.

use std::fmt;
use std::num::NonZeroU32;

use super::attributes::{Attributes, checked_nonce, from_base64, text, to_base64};
use super::keys::{Key, SaltedPassword};
use super::{ChannelBinding, MAX_ITERATIONS, MAX_SALT_LEN, NONCE_LEN, Outcome, ScramError};

/// The client before its first word.
#[derive(Clone, Copy, Debug)]
pub struct Client;

impl Client {
    /// The first message, to go with [`ChannelBinding::mechanism`]. The nonce must be random.
    pub fn start(
        channel_binding: ChannelBinding<'_>,
        nonce: &[u8; NONCE_LEN],
    ) -> (ExpectServerFirst, Vec<u8>) {
        // The user name stands in the StartupMessage; libpq leaves it out as well.
        Self::start_as(channel_binding, "", to_base64(nonce))
    }

    fn start_as(
        channel_binding: ChannelBinding<'_>,
        user: &str,
        nonce: String,
    ) -> (ExpectServerFirst, Vec<u8>) {
        let client_first_bare = format!("n={user},r={nonce}");
        let message = format!("{}{client_first_bare}", channel_binding.gs2_header());
        let binding_input = channel_binding.input();
        let expect = ExpectServerFirst {
            binding_input,
            client_first_bare,
            nonce,
        };
        (expect, message.into_bytes())
    }
}

/// The client has named its nonce and awaits the challenge.
#[derive(Debug)]
#[must_use]
pub struct ExpectServerFirst {
    binding_input: Vec<u8>,
    client_first_bare: String,
    nonce: String,
}

impl ExpectServerFirst {
    /// Takes the data of `AuthenticationSASLContinue`.
    pub fn server_first(self, bytes: &[u8]) -> Result<ServerChallenge, ScramError> {
        let message = text(bytes)?;
        let mut attributes = Attributes::new(message);
        let nonce = checked_nonce(attributes.take('r')?)?;
        let salt = checked_salt(attributes.take('s')?)?;
        let iterations = checked_iterations(attributes.take('i')?)?;
        attributes.finish()?;
        // The server's part must not be empty, or the proof could be replayed.
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err(ScramError::Nonce);
        }
        let without_proof = format!("c={},r={nonce}", to_base64(&self.binding_input));
        let auth_message = format!("{},{message},{without_proof}", self.client_first_bare);
        Ok(ServerChallenge {
            auth_message,
            iterations,
            salt,
            without_proof,
        })
    }
}

/// What the client has to prove the password with.
#[derive(Debug)]
#[must_use]
pub struct ServerChallenge {
    auth_message: String,
    iterations: NonZeroU32,
    salt: Vec<u8>,
    without_proof: String,
}

impl ServerChallenge {
    /// How much work [`Self::prove`] will be; at most [`MAX_ITERATIONS`].
    pub fn iterations(&self) -> u32 {
        self.iterations.get()
    }

    /// The final message. Expensive: milliseconds at PostgreSQL's default number of iterations.
    pub fn prove(self, password: &[u8]) -> (ExpectServerFinal, Vec<u8>) {
        let salted = SaltedPassword::derive(password, &self.salt, self.iterations);
        let client_key = salted.client_key();
        let client_signature = client_key.digest().sign(self.auth_message.as_bytes());
        let proof = to_base64(client_key.xor(&client_signature).as_bytes());
        let message = format!("{},p={proof}", self.without_proof);
        let server_signature = salted.server_key().sign(self.auth_message.as_bytes());
        (ExpectServerFinal { server_signature }, message.into_bytes())
    }
}

/// The client has proved that it knows the password and awaits the same of the server.
#[must_use]
pub struct ExpectServerFinal {
    server_signature: Key,
}

impl ExpectServerFinal {
    /// Takes the data of `AuthenticationSASLFinal`. PostgreSQL sends `ErrorResponse` in its place when
    /// the password is wrong.
    pub fn server_final(self, bytes: &[u8]) -> Result<Outcome, ScramError> {
        let message = text(bytes)?;
        if let Some(reason) = message.strip_prefix("e=") {
            return Ok(Outcome::Refused {
                reason: reason.to_owned(),
            });
        }
        let mut attributes = Attributes::new(message);
        let signature = from_base64(attributes.take('v')?)?;
        attributes.finish()?;
        let signature = Key::from_slice(&signature);
        let signature = signature.ok_or(ScramError::Malformed("signature is not 32 bytes"))?;
        if !self.server_signature.matches(&signature) {
            return Err(ScramError::ServerSignature);
        }
        Ok(Outcome::Authenticated)
    }
}

impl fmt::Debug for ExpectServerFinal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExpectServerFinal").finish_non_exhaustive()
    }
}

fn checked_salt(text: &str) -> Result<Vec<u8>, ScramError> {
    let salt = from_base64(text)?;
    if salt.len() > MAX_SALT_LEN {
        return Err(ScramError::TooLong {
            what: "salt",
            len: salt.len(),
        });
    }
    if salt.is_empty() {
        return Err(ScramError::Malformed("empty salt"));
    }
    Ok(salt)
}

fn checked_iterations(text: &str) -> Result<NonZeroU32, ScramError> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ScramError::Malformed("iteration count is not a number"));
    }
    let count = text.parse().unwrap_or(u32::MAX);
    match NonZeroU32::new(count) {
        Some(iterations) if count <= MAX_ITERATIONS => Ok(iterations),
        _ => Err(ScramError::Iterations { count }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7677, section 3: user `user`, password `pencil`.
    const CLIENT_NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
    const CLIENT_FIRST: &[u8] = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
    const SERVER_FIRST: &[u8] = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
        s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    const CLIENT_FINAL: &[u8] = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
        p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    const SERVER_FINAL: &[u8] = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

    fn client() -> ExpectServerFirst {
        Client::start_as(ChannelBinding::Unsupported, "user", CLIENT_NONCE.to_owned()).0
    }

    fn challenge(bytes: &str) -> Result<u32, ScramError> {
        client()
            .server_first(bytes.as_bytes())
            .map(|challenge| challenge.iterations())
    }

    #[test]
    fn exchange_is_that_of_rfc_7677() {
        let nonce = CLIENT_NONCE.to_owned();
        let (client, message) = Client::start_as(ChannelBinding::Unsupported, "user", nonce);
        assert_eq!(message, CLIENT_FIRST);
        let challenge = client.server_first(SERVER_FIRST).unwrap();
        assert_eq!(challenge.iterations(), 4096);
        let (client, message) = challenge.prove(b"pencil");
        assert_eq!(message, CLIENT_FINAL);
        assert_eq!(
            client.server_final(SERVER_FINAL),
            Ok(Outcome::Authenticated)
        );
    }

    #[test]
    fn first_message_is_that_of_libpq() {
        let end_point = ChannelBinding::TlsServerEndPoint(&[0; 32]);
        let (_, message) = Client::start(end_point, &[0; NONCE_LEN]);
        assert_eq!(
            message,
            b"p=tls-server-end-point,,n=,r=AAAAAAAAAAAAAAAAAAAAAAAA"
        );
        let (_, message) = Client::start(ChannelBinding::NotOffered, &[0; NONCE_LEN]);
        assert_eq!(message, b"y,,n=,r=AAAAAAAAAAAAAAAAAAAAAAAA");
    }

    /// RUSTSEC-2026-0179: a server could keep the client hashing for hours.
    #[test]
    fn iteration_count_is_capped() {
        let with = |count: &str| challenge(&format!("r={CLIENT_NONCE}x,s=AAAA,i={count}"));
        assert_eq!(with("1"), Ok(1));
        assert_eq!(with("1000000"), Ok(MAX_ITERATIONS));
        assert_eq!(
            with("1000001"),
            Err(ScramError::Iterations { count: 1_000_001 })
        );
        assert_eq!(with("0"), Err(ScramError::Iterations { count: 0 }));
        let refused = Err(ScramError::Iterations { count: u32::MAX });
        assert_eq!(with("99999999999999999999"), refused);
        for count in ["", "-1", "+1", " 1", "1e3"] {
            assert!(
                matches!(with(count), Err(ScramError::Malformed(_))),
                "{count}"
            );
        }
    }

    /// CVE-2026-6665: a long nonce from a malicious server overflowed a proxy's buffer.
    #[test]
    fn long_nonce_or_salt_from_a_server_is_refused() {
        let long = "x".repeat(super::super::MAX_NONCE_LEN);
        let refused = challenge(&format!("r={CLIENT_NONCE}{long},s=AAAA,i=1"));
        assert_eq!(
            refused,
            Err(ScramError::TooLong {
                what: "nonce",
                len: 1044
            })
        );
        let long = to_base64(&[0; MAX_SALT_LEN + 1]);
        let refused = challenge(&format!("r={CLIENT_NONCE}x,s={long},i=1"));
        assert_eq!(
            refused,
            Err(ScramError::TooLong {
                what: "salt",
                len: 1025
            })
        );
        let refused = challenge(&"x".repeat(5000));
        assert_eq!(
            refused,
            Err(ScramError::TooLong {
                what: "message",
                len: 5000
            })
        );
    }

    #[test]
    fn nonce_must_extend_ours() {
        assert_eq!(challenge("r=other,s=AAAA,i=1"), Err(ScramError::Nonce));
        assert_eq!(
            challenge(&format!("r={CLIENT_NONCE},s=AAAA,i=1")),
            Err(ScramError::Nonce)
        );
        let mandatory = challenge(&format!("m=x,r={CLIENT_NONCE}x,s=AAAA,i=1"));
        assert_eq!(mandatory, Err(ScramError::MandatoryExtension));
        assert!(challenge(&format!("r={CLIENT_NONCE}x,s=AAAA,i=1,x=1")).is_err());
        assert!(challenge(&format!("r={CLIENT_NONCE}x,s=,i=1")).is_err());
        assert!(challenge(&format!("r={CLIENT_NONCE}x,s=A,i=1")).is_err());
    }

    #[test]
    fn server_that_can_not_prove_itself_is_refused() {
        let expect = || {
            client()
                .server_first(SERVER_FIRST)
                .unwrap()
                .prove(b"other")
                .0
        };
        assert_eq!(
            expect().server_final(SERVER_FINAL),
            Err(ScramError::ServerSignature)
        );
        let refused = Outcome::Refused {
            reason: "invalid-proof".to_owned(),
        };
        assert_eq!(expect().server_final(b"e=invalid-proof"), Ok(refused));
        for message in ["", "v=", "v=AAAA", "x=1"] {
            assert!(
                expect().server_final(message.as_bytes()).is_err(),
                "{message}"
            );
        }
    }
}
