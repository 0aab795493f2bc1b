//! Channel binding: that both ends of the exchange are the two ends of one TLS connection.
//!
//! <https://www.rfc-editor.org/rfc/rfc5929#section-4>, tls-server-end-point.

use super::{SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramError};

/// The only type of binding that PostgreSQL knows.
pub(super) const END_POINT: &str = "tls-server-end-point";

/// What the client says about channel binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelBinding<'a> {
    /// `y`: it could bind, but the server doesn't offer it. A server that did offer it knows by
    /// this that somebody changed the offer.
    NotOffered,
    /// `p`: it binds to the hash of the server's certificate.
    TlsServerEndPoint(&'a [u8]),
    /// `n`: it can't bind, or there is no TLS.
    Unsupported,
}

impl ChannelBinding<'_> {
    /// The mechanism that goes with it.
    pub fn mechanism(&self) -> &'static str {
        match self {
            Self::NotOffered => SCRAM_SHA_256,
            Self::TlsServerEndPoint(_) => SCRAM_SHA_256_PLUS,
            Self::Unsupported => SCRAM_SHA_256,
        }
    }

    /// The start of the client's first message; there is never an authorization identity.
    pub(super) fn gs2_header(&self) -> &'static str {
        match self {
            Self::NotOffered => "y,,",
            Self::TlsServerEndPoint(_) => "p=tls-server-end-point,,",
            Self::Unsupported => "n,,",
        }
    }

    /// What the client's final message repeats: the header and the hash.
    pub(super) fn input(&self) -> Vec<u8> {
        let end_point = match self {
            Self::NotOffered => &[],
            Self::TlsServerEndPoint(end_point) => *end_point,
            Self::Unsupported => &[],
        };
        [self.gs2_header().as_bytes(), end_point].concat()
    }
}

/// Which mechanisms the server offered to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Offer {
    /// SCRAM-SHA-256.
    Plain,
    /// SCRAM-SHA-256-PLUS and SCRAM-SHA-256.
    Plus {
        /// The hash of the server's certificate, as tls-server-end-point defines it.
        end_point: Vec<u8>,
    },
}

impl Offer {
    /// The names for `AuthenticationSASL`, the preferred one first.
    pub fn mechanisms(&self) -> impl Iterator<Item = &'static [u8]> + use<> {
        let plus = match self {
            Self::Plain => None,
            Self::Plus { .. } => Some(SCRAM_SHA_256_PLUS.as_bytes()),
        };
        plus.into_iter().chain([SCRAM_SHA_256.as_bytes()])
    }

    /// What the client means by its mechanism and the flag of its first message.
    pub(super) fn binding(
        &self,
        mechanism: &[u8],
        flag: &str,
    ) -> Result<ChannelBinding<'_>, ScramError> {
        let end_point = match self {
            Self::Plain => None,
            Self::Plus { end_point } => Some(end_point),
        };
        let chosen = if mechanism == SCRAM_SHA_256.as_bytes() {
            None
        } else if mechanism == SCRAM_SHA_256_PLUS.as_bytes() && end_point.is_some() {
            end_point
        } else {
            return Err(ScramError::Mechanism);
        };
        match (flag.strip_prefix("p="), flag, chosen) {
            (Some(END_POINT), _, Some(end_point)) => {
                Ok(ChannelBinding::TlsServerEndPoint(end_point))
            }
            (Some(_), _, Some(_)) => Err(ScramError::ChannelBindingType),
            (Some(_), _, None) => Err(ScramError::ChannelBindingFlag),
            (None, "n" | "y", Some(_)) => Err(ScramError::ChannelBindingFlag),
            (None, "n", None) => Ok(ChannelBinding::Unsupported),
            (None, "y", None) if end_point.is_some() => Err(ScramError::Downgrade),
            (None, "y", None) => Ok(ChannelBinding::NotOffered),
            (None, _, _) => Err(ScramError::Malformed("unexpected channel binding flag")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &[u8] = b"SCRAM-SHA-256";
    const PLUS: &[u8] = b"SCRAM-SHA-256-PLUS";

    #[test]
    fn plus_is_offered_first() {
        let offer = Offer::Plus { end_point: vec![] };
        assert_eq!(offer.mechanisms().collect::<Vec<_>>(), [PLUS, PLAIN]);
        assert_eq!(Offer::Plain.mechanisms().collect::<Vec<_>>(), [PLAIN]);
    }

    #[test]
    fn flag_and_mechanism_are_checked_against_the_offer() {
        use ChannelBinding::{NotOffered, TlsServerEndPoint, Unsupported};
        let plus = Offer::Plus { end_point: vec![7] };
        let malformed = ScramError::Malformed("unexpected channel binding flag");
        let cases = [
            (&Offer::Plain, PLAIN, "n", Ok(Unsupported)),
            (&Offer::Plain, PLAIN, "y", Ok(NotOffered)),
            (
                &Offer::Plain,
                PLAIN,
                "p=tls-unique",
                Err(ScramError::ChannelBindingFlag),
            ),
            (&Offer::Plain, PLUS, "n", Err(ScramError::Mechanism)),
            (
                &Offer::Plain,
                b"scram-sha-256",
                "n",
                Err(ScramError::Mechanism),
            ),
            (&plus, PLAIN, "n", Ok(Unsupported)),
            (&plus, PLAIN, "y", Err(ScramError::Downgrade)),
            (
                &plus,
                PLAIN,
                "p=tls-server-end-point",
                Err(ScramError::ChannelBindingFlag),
            ),
            (
                &plus,
                PLUS,
                "p=tls-server-end-point",
                Ok(TlsServerEndPoint(&[7])),
            ),
            (
                &plus,
                PLUS,
                "p=tls-unique",
                Err(ScramError::ChannelBindingType),
            ),
            (&plus, PLUS, "n", Err(ScramError::ChannelBindingFlag)),
            (&plus, PLUS, "y", Err(ScramError::ChannelBindingFlag)),
            (&plus, PLAIN, "", Err(malformed.clone())),
            (&plus, PLUS, "p", Err(malformed)),
        ];
        for (offer, mechanism, flag, expected) in cases {
            assert_eq!(offer.binding(mechanism, flag), expected, "{offer:?} {flag}");
        }
    }
}
