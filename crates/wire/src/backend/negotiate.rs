//! `NegotiateProtocolVersion`: the server speaks less than the client asked for.

use crate::body::{MessageError, Reader, put_cstr, put_frame};
use crate::startup::ProtocolVersion;
use crate::tag;

/// What the server makes of the client's wishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NegotiateProtocolVersion<'a> {
    /// The version that the session will have. The manual calls it a minor version, but servers
    /// send major and minor in one number, as a `StartupMessage` does.
    pub version: ProtocolVersion,
    options: &'a [u8],
}

impl<'a> NegotiateProtocolVersion<'a> {
    /// Reads the body.
    pub fn decode(body: &'a [u8]) -> Result<Self, MessageError> {
        let mut reader = Reader::new(body);
        let version = ProtocolVersion::from_code(reader.u32()?);
        let count = reader.u32()?;
        let options = reader.rest();
        // The count allocates nothing and each turn consumes a byte, so a lie ends at the end.
        for _ in 0..count {
            reader.cstr()?;
        }
        reader.finish()?;
        Ok(Self { version, options })
    }

    /// The names of the `_pq_.` parameters that the server doesn't know.
    pub fn options(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut reader = Reader::new(self.options);
        std::iter::from_fn(move || reader.cstr().ok())
    }
}

/// Appends `NegotiateProtocolVersion`.
pub fn negotiate_protocol_version(
    out: &mut Vec<u8>,
    version: ProtocolVersion,
    unknown_options: &[&[u8]],
) {
    put_frame(out, tag::backend::NEGOTIATE_PROTOCOL_VERSION, |out| {
        let count = u32::try_from(unknown_options.len()).unwrap_or(u32::MAX);
        out.extend(version.code().to_be_bytes());
        out.extend(count.to_be_bytes());
        for option in unknown_options {
            put_cstr(out, option);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_and_options_are_read_and_written() {
        let mut out = Vec::new();
        negotiate_protocol_version(&mut out, ProtocolVersion::V3_2, &[b"_pq_.a", b"_pq_.b"]);
        assert_eq!(out, b"v\0\0\0\x1a\0\x03\0\x02\0\0\0\x02_pq_.a\0_pq_.b\0");
        let view = NegotiateProtocolVersion::decode(&out[5..]).unwrap();
        assert_eq!(view.version, ProtocolVersion::V3_2);
        let options: Vec<_> = view.options().collect();
        assert_eq!(options, [b"_pq_.a", b"_pq_.b"]);
    }

    #[test]
    fn count_that_lies_is_refused() {
        let lie = b"\0\x03\0\0\xff\xff\xff\xffa\0";
        let refused = Err(MessageError::Unterminated);
        assert_eq!(NegotiateProtocolVersion::decode(lie), refused);
        let refused = Err(MessageError::TrailingBytes { count: 2 });
        assert_eq!(
            NegotiateProtocolVersion::decode(b"\0\x03\0\0\0\0\0\0a\0"),
            refused
        );
    }
}
