//! Which of an instance's addresses a dial goes to.

use std::fmt;
use std::str::FromStr;

/// Which of an instance's addresses to dial. The default is the private one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum IpType {
    /// The address in the VPC network, through private services access.
    #[default]
    Private,
    /// The address on the internet.
    Public,
    /// The DNS name of a Private Service Connect endpoint.
    Psc,
}

impl IpType {
    /// `private`, `public` or `psc`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Public => "public",
            Self::Psc => "psc",
        }
    }
}

impl fmt::Display for IpType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for IpType {
    type Err = ParseIpTypeError;

    /// Case doesn't matter; anything but the three names is an error.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Private, Self::Public, Self::Psc]
            .into_iter()
            .find(|ip_type| ip_type.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| ParseIpTypeError {
                input: text.to_owned(),
            })
    }
}

/// A text that isn't an IP type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid IP type {input:?}, expected private, public or psc")]
pub struct ParseIpTypeError {
    input: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_whatever_their_case() {
        assert_eq!("PRIVATE".parse(), Ok(IpType::Private));
        assert_eq!("Public".parse(), Ok(IpType::Public));
        assert_eq!("psc".parse(), Ok(IpType::Psc));
    }

    #[test]
    fn an_unknown_name_is_an_error_that_echoes_it() {
        let error = "internal".parse::<IpType>().unwrap_err();
        assert!(error.to_string().contains("\"internal\""));
    }
}
