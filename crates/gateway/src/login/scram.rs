//! SCRAM with the server, by a gateway that has the password.

use aws_lc_rs::rand;
use querycop_wire::backend::Authentication;
use querycop_wire::frontend::{sasl_initial_response, sasl_response};
use querycop_wire::scram::{
    ChannelBinding, Client, NONCE_LEN, Outcome, SCRAM_SHA_256, SCRAM_SHA_256_PLUS,
};
use querycop_wire::tag;
use secrecy::{ExposeSecret, SecretSlice};

use super::{Failure, Login, body};
use crate::refusal::Refusal;
use crate::tls::endpoint_hash;

impl Login<'_> {
    /// Runs the exchange up to the server's last word in it. Not cancel safe.
    pub(super) async fn scram(
        &mut self,
        offered: &[Vec<u8>],
        password: &[u8],
    ) -> Result<(), Failure> {
        let certificate = self.backend.leg().tls().and_then(|tls| {
            tls.peer_certificates()?
                .first()
                .map(|leaf| leaf.as_ref().to_vec())
        });
        let hash = certificate.and_then(|leaf| endpoint_hash(&leaf));
        let offers = |name: &str| offered.iter().any(|offer| offer == name.as_bytes());
        let binding = match &hash {
            Some(hash) if offers(SCRAM_SHA_256_PLUS) => ChannelBinding::TlsServerEndPoint(hash),
            Some(_) if offers(SCRAM_SHA_256) => ChannelBinding::NotOffered,
            None if offers(SCRAM_SHA_256) => ChannelBinding::Unsupported,
            Some(_) | None => {
                return Err(Failure::Refused(Refusal::Method {
                    method: names(offered).into(),
                }));
            }
        };
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).expect("the operating system gives random bytes");
        let (expect, message) = Client::start(binding, &nonce);
        let mechanism = binding.mechanism().as_bytes();
        sasl_initial_response(self.backend.output(), mechanism, Some(&message));

        let server_first = self.sasl_data().await?;
        let challenge = expect.server_first(&server_first).map_err(Refusal::from)?;
        let password = SecretSlice::from(password.to_vec());
        // Thousands of rounds of a hash: milliseconds that other sessions of this thread don't have.
        let proved =
            tokio::task::spawn_blocking(move || challenge.prove(password.expose_secret())).await;
        let (expect, message) = proved.expect("deriving a key does not panic");
        sasl_response(self.backend.output(), &message);

        let server_final = self.sasl_data().await?;
        match expect.server_final(&server_final).map_err(Refusal::from)? {
            Outcome::Authenticated => Ok(()),
            Outcome::Refused { reason } => Err(Failure::Refused(Refusal::ScramRefused(reason))),
        }
    }

    /// Waits for the server's next word in the exchange.
    async fn sasl_data(&mut self) -> Result<Vec<u8>, Failure> {
        self.flush_backend().await?;
        loop {
            let (tag, message) = self.read_backend().await?;
            if tag == tag::backend::ERROR_RESPONSE {
                return Err(self.rejected(message));
            }
            if tag != tag::backend::AUTHENTICATION {
                self.hold_for_client(&message)?;
                continue;
            }
            let authentication = Authentication::decode(body(&message))
                .map_err(|error| Refusal::BackendMessage(error.into()))?;
            return match authentication {
                Authentication::SaslContinue(data) | Authentication::SaslFinal(data) => {
                    Ok(data.to_vec())
                }
                other => Err(Failure::Refused(Refusal::Method {
                    method: other.method_name().into(),
                })),
            };
        }
    }
}

/// Mechanisms as the server names them, as far as they are fit to be shown.
fn names(offered: &[Vec<u8>]) -> String {
    let shown = offered.iter().take(8).map(|name| {
        let end = name.len().min(64);
        name[..end].escape_ascii().to_string()
    });
    format!("SASL {}", shown.collect::<Vec<_>>().join(", "))
}
