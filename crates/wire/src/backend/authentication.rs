//! Authentication: what the server asks the client to prove, and that it is satisfied.
//!
//! <https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP>

use crate::body::{MessageError, Reader, put_cstr, put_frame};
use crate::tag;

const OK: u32 = 0;
const KERBEROS_V5: u32 = 2;
const CLEARTEXT_PASSWORD: u32 = 3;
const MD5_PASSWORD: u32 = 5;
const GSS: u32 = 7;
const GSS_CONTINUE: u32 = 8;
const SSPI: u32 = 9;
const SASL: u32 = 10;
const SASL_CONTINUE: u32 = 11;
const SASL_FINAL: u32 = 12;

/// A request for authentication, or its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authentication<'a> {
    /// The password as it is.
    CleartextPassword,
    /// GSSAPI.
    Gss,
    /// More of GSSAPI or SSPI.
    GssContinue(&'a [u8]),
    /// Kerberos V5, no longer in use.
    KerberosV5,
    /// The password's MD5, salted.
    Md5Password {
        /// Chosen by the server.
        salt: [u8; 4],
    },
    /// The client is let in.
    Ok,
    /// A method that we don't know.
    Other(u32),
    /// One of these SASL mechanisms.
    Sasl(Mechanisms<'a>),
    /// The server's challenge.
    SaslContinue(&'a [u8]),
    /// The server's proof.
    SaslFinal(&'a [u8]),
    /// SSPI.
    Sspi,
}

impl<'a> Authentication<'a> {
    /// Reads the body.
    pub fn decode(body: &'a [u8]) -> Result<Self, MessageError> {
        let mut reader = Reader::new(body);
        let request = match reader.u32()? {
            OK => Self::Ok,
            KERBEROS_V5 => Self::KerberosV5,
            CLEARTEXT_PASSWORD => Self::CleartextPassword,
            MD5_PASSWORD => Self::Md5Password {
                salt: reader.array()?,
            },
            GSS => Self::Gss,
            SSPI => Self::Sspi,
            GSS_CONTINUE => return Ok(Self::GssContinue(reader.rest())),
            SASL => return Mechanisms::decode(reader.rest()).map(Self::Sasl),
            SASL_CONTINUE => return Ok(Self::SaslContinue(reader.rest())),
            SASL_FINAL => return Ok(Self::SaslFinal(reader.rest())),
            other => return Ok(Self::Other(other)),
        };
        reader.finish()?;
        Ok(request)
    }

    /// What the method is called, for an error that names it.
    pub fn method_name(&self) -> &'static str {
        match self {
            Self::CleartextPassword => "cleartext password",
            Self::Gss => "GSSAPI",
            Self::GssContinue(_) => "GSSAPI",
            Self::KerberosV5 => "Kerberos V5",
            Self::Md5Password { .. } => "MD5 password",
            Self::Ok => "trust",
            Self::Other(_) => "unknown method",
            Self::Sasl(_) => "SASL",
            Self::SaslContinue(_) => "SASL",
            Self::SaslFinal(_) => "SASL",
            Self::Sspi => "SSPI",
        }
    }
}

/// The SASL mechanisms that a server offers, the one it prefers first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mechanisms<'a> {
    list: &'a [u8],
}

impl<'a> Mechanisms<'a> {
    fn decode(list: &'a [u8]) -> Result<Self, MessageError> {
        let mut reader = Reader::new(list);
        while !reader.cstr()?.is_empty() {}
        reader.finish()?;
        Ok(Self { list })
    }

    /// Each mechanism's name.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut reader = Reader::new(self.list);
        std::iter::from_fn(move || reader.cstr().ok().filter(|name| !name.is_empty()))
    }

    /// Whether the mechanism is offered.
    pub fn contains(&self, mechanism: &str) -> bool {
        self.iter().any(|offered| offered == mechanism.as_bytes())
    }
}

/// Appends `AuthenticationOk`.
pub fn authentication_ok(out: &mut Vec<u8>) {
    put_request(out, OK, |_| ());
}

/// Appends `AuthenticationCleartextPassword`.
pub fn authentication_cleartext(out: &mut Vec<u8>) {
    put_request(out, CLEARTEXT_PASSWORD, |_| ());
}

/// Appends `AuthenticationMD5Password`.
pub fn authentication_md5(out: &mut Vec<u8>, salt: [u8; 4]) {
    put_request(out, MD5_PASSWORD, |out| out.extend(salt));
}

/// Appends `AuthenticationSASL`.
pub fn authentication_sasl<'a>(out: &mut Vec<u8>, mechanisms: impl IntoIterator<Item = &'a [u8]>) {
    put_request(out, SASL, |out| {
        // An empty name would end the list.
        for mechanism in mechanisms.into_iter().filter(|name| !name.is_empty()) {
            put_cstr(out, mechanism);
        }
        out.push(0);
    });
}

/// Appends `AuthenticationSASLContinue`.
pub fn authentication_sasl_continue(out: &mut Vec<u8>, data: &[u8]) {
    put_request(out, SASL_CONTINUE, |out| out.extend_from_slice(data));
}

/// Appends `AuthenticationSASLFinal`.
pub fn authentication_sasl_final(out: &mut Vec<u8>, data: &[u8]) {
    put_request(out, SASL_FINAL, |out| out.extend_from_slice(data));
}

fn put_request(out: &mut Vec<u8>, code: u32, rest: impl FnOnce(&mut Vec<u8>)) {
    put_frame(out, tag::backend::AUTHENTICATION, |out| {
        out.extend(code.to_be_bytes());
        rest(out);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_from_their_bytes() {
        let cases: [(&[u8], Authentication<'_>); 9] = [
            (b"\0\0\0\0", Authentication::Ok),
            (b"\0\0\0\x02", Authentication::KerberosV5),
            (b"\0\0\0\x03", Authentication::CleartextPassword),
            (
                b"\0\0\0\x05abcd",
                Authentication::Md5Password { salt: *b"abcd" },
            ),
            (b"\0\0\0\x07", Authentication::Gss),
            (b"\0\0\0\x08xy", Authentication::GssContinue(b"xy")),
            (b"\0\0\0\x09", Authentication::Sspi),
            (b"\0\0\0\x0bxy", Authentication::SaslContinue(b"xy")),
            (b"\0\0\0\x0d???", Authentication::Other(13)),
        ];
        for (body, expected) in cases {
            assert_eq!(Authentication::decode(body), Ok(expected));
        }
        assert_eq!(
            Authentication::decode(b"\0\0\0\x0cv="),
            Ok(Authentication::SaslFinal(b"v="))
        );
    }

    #[test]
    fn mechanisms_are_listed_in_order() {
        let body = b"\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0";
        let Ok(Authentication::Sasl(mechanisms)) = Authentication::decode(body) else {
            panic!("not SASL");
        };
        let names: Vec<_> = mechanisms.iter().collect();
        assert_eq!(names, [b"SCRAM-SHA-256-PLUS".as_slice(), b"SCRAM-SHA-256"]);
        assert!(mechanisms.contains("SCRAM-SHA-256"));
        assert!(!mechanisms.contains("SCRAM-SHA-2"));
        let mut out = Vec::new();
        authentication_sasl(&mut out, mechanisms.iter());
        assert_eq!(out[5..], body[..]);
    }

    #[test]
    fn broken_requests_are_refused() {
        let trailing = Err(MessageError::TrailingBytes { count: 1 });
        assert_eq!(
            Authentication::decode(b"\0\0\0"),
            Err(MessageError::Truncated)
        );
        assert_eq!(Authentication::decode(b"\0\0\0\0x"), trailing);
        assert_eq!(Authentication::decode(b"\0\0\0\x05abcde"), trailing);
        assert_eq!(
            Authentication::decode(b"\0\0\0\x05abc"),
            Err(MessageError::Truncated)
        );
        assert_eq!(Authentication::decode(b"\0\0\0\x0aA\0\0x"), trailing);
        assert_eq!(
            Authentication::decode(b"\0\0\0\x0aA\0"),
            Err(MessageError::Unterminated)
        );
    }

    #[test]
    fn encoders_write_the_bytes_of_the_manual() {
        let mut out = Vec::new();
        authentication_ok(&mut out);
        authentication_cleartext(&mut out);
        authentication_md5(&mut out, *b"abcd");
        authentication_sasl_continue(&mut out, b"r=");
        authentication_sasl_final(&mut out, b"v=");
        let expected = b"R\0\0\0\x08\0\0\0\0R\0\0\0\x08\0\0\0\x03R\0\0\0\x0c\0\0\0\x05abcd\
            R\0\0\0\x0a\0\0\0\x0br=R\0\0\0\x0a\0\0\0\x0cv=";
        assert_eq!(out, expected);
    }
}
