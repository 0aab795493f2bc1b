//! The server's side of the exchange.

use super::attributes::{Attributes, checked_nonce, from_base64, text, to_base64};
use super::keys::Key;
use super::{NONCE_LEN, Offer, Outcome, ScramError, Verifier};

/// The server after its offer.
#[derive(Debug)]
#[must_use]
pub struct Server {
    verifier: Verifier,
    offer: Offer,
}

impl Server {
    /// A server that knows the verifier and has made the offer.
    pub fn new(verifier: Verifier, offer: Offer) -> Self {
        Self { verifier, offer }
    }

    /// Takes the mechanism and the data of `SASLInitialResponse`, and gives the data of
    /// `AuthenticationSASLContinue`. The nonce must be random.
    pub fn client_first(
        self,
        mechanism: &[u8],
        bytes: &[u8],
        nonce: &[u8; NONCE_LEN],
    ) -> Result<(ExpectClientFinal, Vec<u8>), ScramError> {
        self.client_first_with(mechanism, bytes, &to_base64(nonce))
    }

    fn client_first_with(
        self,
        mechanism: &[u8],
        bytes: &[u8],
        nonce: &str,
    ) -> Result<(ExpectClientFinal, Vec<u8>), ScramError> {
        let message = text(bytes)?;
        let missing = ScramError::Malformed("channel binding flag missing");
        let (flag, rest) = message.split_once(',').ok_or(missing)?;
        let binding_input = self.offer.binding(mechanism, flag)?.input();
        let missing = ScramError::Malformed("authorization identity missing");
        let (identity, client_first_bare) = rest.split_once(',').ok_or(missing)?;
        if !identity.is_empty() {
            return Err(ScramError::AuthorizationIdentity);
        }
        let mut attributes = Attributes::new(client_first_bare);
        // The role is the one of the StartupMessage.
        attributes.take('n')?;
        let client_nonce = checked_nonce(attributes.take('r')?)?;
        attributes.skip_extensions()?;

        let nonce = format!("{client_nonce}{nonce}");
        let salt = to_base64(&self.verifier.salt);
        let server_first = format!("r={nonce},s={salt},i={}", self.verifier.iterations);
        let expect = ExpectClientFinal {
            verifier: self.verifier,
            binding_input,
            nonce,
            auth_prefix: format!("{client_first_bare},{server_first}"),
        };
        Ok((expect, server_first.into_bytes()))
    }
}

/// The server has sent its challenge and awaits the proof.
#[derive(Debug)]
#[must_use]
pub struct ExpectClientFinal {
    verifier: Verifier,
    binding_input: Vec<u8>,
    nonce: String,
    auth_prefix: String,
}

impl ExpectClientFinal {
    /// Takes the data of `SASLResponse`, and gives the data of `AuthenticationSASLFinal`. When the
    /// client is refused, PostgreSQL sends `ErrorResponse` instead, and clients expect that.
    pub fn client_final(self, bytes: &[u8]) -> Result<(Outcome, Vec<u8>), ScramError> {
        let message = text(bytes)?;
        let missing = ScramError::Malformed("proof missing");
        let (without_proof, proof) = message.rsplit_once(",p=").ok_or(missing)?;
        let mut attributes = Attributes::new(without_proof);
        let binding_input = from_base64(attributes.take('c')?)?;
        let nonce = attributes.take('r')?;
        attributes.skip_extensions()?;
        let proof = Key::from_slice(&from_base64(proof)?);
        let proof = proof.ok_or(ScramError::Malformed("proof is not 32 bytes"))?;
        if binding_input != self.binding_input {
            return Err(ScramError::ChannelBindingMismatch);
        }
        if nonce != self.nonce {
            return Err(ScramError::Nonce);
        }
        let auth_message = format!("{},{without_proof}", self.auth_prefix);
        Ok(self.judge(&auth_message, &proof))
    }

    fn judge(&self, auth_message: &str, proof: &Key) -> (Outcome, Vec<u8>) {
        let Verifier {
            stored_key,
            server_key,
            doomed,
            ..
        } = &self.verifier;
        let client_key = proof.xor(&stored_key.sign(auth_message.as_bytes()));
        // Both are computed before they are looked at, so that time doesn't tell them apart.
        let signature = to_base64(server_key.sign(auth_message.as_bytes()).as_bytes());
        let matches = client_key.digest().matches(stored_key);
        if !matches || *doomed {
            let reason = "invalid-proof".to_owned();
            return (Outcome::Refused { reason }, b"e=invalid-proof".to_vec());
        }
        (
            Outcome::Authenticated,
            format!("v={signature}").into_bytes(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::DEFAULT_ITERATIONS;
    use super::*;

    const MECHANISM: &[u8] = b"SCRAM-SHA-256";
    const SERVER_NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    const CLIENT_FINAL: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
        p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";

    fn server() -> Server {
        let salt = from_base64("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        Server::new(
            Verifier::derive(b"pencil", &salt, DEFAULT_ITERATIONS),
            Offer::Plain,
        )
    }

    fn client_first(message: &str) -> Result<(ExpectClientFinal, Vec<u8>), ScramError> {
        server().client_first_with(MECHANISM, message.as_bytes(), SERVER_NONCE)
    }

    fn client_final(message: &str) -> Result<(Outcome, Vec<u8>), ScramError> {
        let (expect, _) = client_first("n,,n=user,r=rOprNGfwEbeRWgbNEkqO").unwrap();
        expect.client_final(message.as_bytes())
    }

    #[test]
    fn exchange_is_that_of_rfc_7677() {
        let (_, message) = client_first("n,,n=user,r=rOprNGfwEbeRWgbNEkqO").unwrap();
        let expected = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
            s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        assert_eq!(message, expected);
        let (outcome, message) = client_final(CLIENT_FINAL).unwrap();
        assert_eq!(outcome, Outcome::Authenticated);
        assert_eq!(message, b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }

    #[test]
    fn first_message_is_checked() {
        let refused = |message: &str| client_first(message).unwrap_err();
        assert_eq!(
            refused("n,a=admin,n=,r=x"),
            ScramError::AuthorizationIdentity
        );
        assert_eq!(refused("n,,m=1,n=,r=x"), ScramError::MandatoryExtension);
        assert_eq!(
            refused("p=tls-unique,,n=,r=x"),
            ScramError::ChannelBindingFlag
        );
        let long = "x".repeat(super::super::MAX_NONCE_LEN + 1);
        let too_long = ScramError::TooLong {
            what: "nonce",
            len: 1025,
        };
        assert_eq!(refused(&format!("n,,n=,r={long}")), too_long);
        for message in [
            "",
            "n",
            "n,",
            "n,,",
            "n,,n=",
            "n,,r=x",
            "n,,n=,r=",
            "n,,n=,r=x,p=1",
        ] {
            assert!(
                matches!(refused(message), ScramError::Malformed(_)),
                "{message}"
            );
        }
        assert!(client_first("n,,n=,r=x,y=1").is_ok());
    }

    #[test]
    fn final_message_is_checked() {
        let refused = |from: &str, to: &str| client_final(&CLIENT_FINAL.replace(from, to));
        assert_eq!(
            refused("biws", "eSws").unwrap_err(),
            ScramError::ChannelBindingMismatch
        );
        assert_eq!(refused("r=r", "r=x").unwrap_err(), ScramError::Nonce);
        assert_eq!(refused("k0,", "k,").unwrap_err(), ScramError::Nonce);
        for (from, to) in [
            (",p=", ",p=AAAA,p="),
            (",p=", ",x="),
            ("c=", "x="),
            ("dHzb", ""),
        ] {
            assert!(
                matches!(refused(from, to), Err(ScramError::Malformed(_))),
                "{to}"
            );
        }
        let (outcome, message) = refused("dHzb", "AAAA").unwrap();
        assert_eq!(
            outcome,
            Outcome::Refused {
                reason: "invalid-proof".to_owned()
            }
        );
        assert_eq!(message, b"e=invalid-proof");
        // An extension changes what is signed, so the old proof is wrong, not malformed.
        assert!(matches!(
            refused(",p=", ",x=1,p="),
            Ok((Outcome::Refused { .. }, _))
        ));
    }
}
