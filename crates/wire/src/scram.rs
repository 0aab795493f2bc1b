//! SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, both sides, as machines that take and give bytes.
//!
//! Each state is a type that is named by what it awaits, and each step consumes it. A wrong
//! password is an [`Outcome`], a broken exchange is a [`ScramError`]. Nonces are arguments.
//!
//! - RFC 5802, <https://www.rfc-editor.org/rfc/rfc5802>, the exchange;
//! - RFC 7677, <https://www.rfc-editor.org/rfc/rfc7677>, with SHA-256;
//! - <https://www.postgresql.org/docs/current/sasl-authentication.html>, what PostgreSQL makes of
//!   it: the user name in the exchange is ignored, and there is no authorization identity.

mod attributes;
mod binding;
mod client;
mod error;
mod keys;
mod password;
mod server;
mod verifier;

use std::num::NonZeroU32;

pub use binding::{ChannelBinding, Offer};
pub use client::{Client, ExpectServerFinal, ExpectServerFirst, ServerChallenge};
pub use error::ScramError;
pub use server::{ExpectClientFinal, Server};
pub use verifier::{Verifier, VerifierError};

/// The mechanism without channel binding.
pub const SCRAM_SHA_256: &str = "SCRAM-SHA-256";

/// The mechanism with channel binding.
pub const SCRAM_SHA_256_PLUS: &str = "SCRAM-SHA-256-PLUS";

/// How many random bytes a nonce has; PostgreSQL's `SCRAM_RAW_NONCE_LEN`.
///
/// <https://github.com/postgres/postgres/blob/master/src/include/common/scram-common.h>
pub const NONCE_LEN: usize = 18;

/// The longest nonce that is accepted from a peer, as text. PostgreSQL's own has 24 characters and
/// the two of them 48; a longer one than this only costs memory (CVE-2026-6665).
pub const MAX_NONCE_LEN: usize = 1024;

/// The longest salt that is accepted, in bytes. PostgreSQL's own has 16.
pub const MAX_SALT_LEN: usize = 1024;

/// The most iterations that are accepted: about half a second of work, where PostgreSQL's default
/// is 4,096. A malicious server could ask for hours of it (RUSTSEC-2026-0179).
pub const MAX_ITERATIONS: u32 = 1_000_000;

/// PostgreSQL's default of `scram_iterations`.
pub const DEFAULT_ITERATIONS: NonZeroU32 = NonZeroU32::new(4096).expect("4096 is not zero");

/// The longest message of an exchange: a nonce and a salt of the longest kind, and room.
const MAX_MESSAGE_LEN: usize = 4096;

/// How an exchange ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "an exchange that ended has not therefore succeeded"]
pub enum Outcome {
    /// The peer has proved that it knows the password, or its verifier.
    Authenticated,
    /// The password is wrong, or the server says so.
    Refused {
        /// The server's word, such as `invalid-proof`.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: [u8; NONCE_LEN] = [1; NONCE_LEN];
    const SERVER: [u8; NONCE_LEN] = [2; NONCE_LEN];

    fn exchange(
        verifier: Verifier,
        offer: Offer,
        binding: ChannelBinding<'_>,
        password: &[u8],
    ) -> Result<(Outcome, Outcome), ScramError> {
        let mechanism = binding.mechanism().as_bytes();
        let (client, message) = Client::start(binding, &CLIENT);
        let server = Server::new(verifier, offer);
        let (server, message) = server.client_first(mechanism, &message, &SERVER)?;
        let (client, message) = client.server_first(&message)?.prove(password);
        let (server_outcome, message) = server.client_final(&message)?;
        Ok((server_outcome, client.server_final(&message)?))
    }

    fn verifier() -> Verifier {
        Verifier::derive(b"secret", b"0123456789abcdef", NonZeroU32::MIN)
    }

    #[test]
    fn both_sides_agree_with_and_without_channel_binding() {
        let end_point = vec![9; 32];
        let plus = Offer::Plus {
            end_point: end_point.clone(),
        };
        let cases = [
            (Offer::Plain, ChannelBinding::Unsupported),
            (Offer::Plain, ChannelBinding::NotOffered),
            (plus.clone(), ChannelBinding::Unsupported),
            (plus, ChannelBinding::TlsServerEndPoint(&end_point)),
        ];
        for (offer, binding) in cases {
            let outcomes = exchange(verifier(), offer, binding, b"secret").unwrap();
            assert_eq!(outcomes, (Outcome::Authenticated, Outcome::Authenticated));
        }
    }

    #[test]
    fn wrong_password_is_an_outcome() {
        let binding = ChannelBinding::Unsupported;
        let refused = Outcome::Refused {
            reason: "invalid-proof".to_owned(),
        };
        let outcomes = exchange(verifier(), Offer::Plain, binding, b"wrong").unwrap();
        assert_eq!(outcomes, (refused.clone(), refused));
    }

    #[test]
    fn mock_verifier_never_lets_in() {
        let mock = Verifier::mock("nobody", b"gateway's secret");
        let binding = ChannelBinding::Unsupported;
        let (outcome, _) = exchange(mock, Offer::Plain, binding, b"").unwrap();
        assert!(matches!(outcome, Outcome::Refused { .. }));
    }

    #[test]
    fn certificate_of_a_man_in_the_middle_is_noticed() {
        let offer = Offer::Plus {
            end_point: vec![9; 32],
        };
        let binding = ChannelBinding::TlsServerEndPoint(&[8; 32]);
        let result = exchange(verifier(), offer, binding, b"secret");
        assert_eq!(result, Err(ScramError::ChannelBindingMismatch));
    }

    #[test]
    fn client_that_was_told_of_no_binding_notices_the_downgrade() {
        let offer = Offer::Plus {
            end_point: vec![9; 32],
        };
        let result = exchange(verifier(), offer, ChannelBinding::NotOffered, b"secret");
        assert_eq!(result, Err(ScramError::Downgrade));
    }

    #[test]
    fn states_can_run_elsewhere() {
        fn check<T: Send + 'static>() {}
        check::<ExpectServerFirst>();
        check::<ServerChallenge>();
        check::<ExpectServerFinal>();
        check::<Server>();
        check::<ExpectClientFinal>();
    }
}
