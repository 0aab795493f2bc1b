//! The extended query protocol: statements are parsed, bound, described, executed and closed.
//!
//! <https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-EXT-QUERY>

use crate::body::{MessageError, Reader, put_cstr, put_frame};
use crate::tag;

/// Makes a prepared statement of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parse<'a> {
    /// The statement's name; empty for the unnamed one.
    pub name: &'a [u8],
    /// The text, in the session's `client_encoding`.
    pub query: &'a [u8],
    /// How many types of parameters are given; there may be more parameters.
    pub parameter_types: u16,
}

impl<'a> Parse<'a> {
    /// Reads the body.
    #[inline]
    pub fn decode(body: &'a [u8]) -> Result<Self, MessageError> {
        let mut reader = Reader::new(body);
        let (name, query) = (reader.cstr()?, reader.cstr()?);
        let parameter_types = reader.u16()?;
        reader.bytes(usize::from(parameter_types).saturating_mul(4))?;
        reader.finish()?;
        Ok(Self {
            name,
            query,
            parameter_types,
        })
    }
}

/// Makes a portal of a prepared statement and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bind<'a> {
    /// The portal's name; empty for the unnamed one.
    pub portal: &'a [u8],
    /// The statement's name; empty for the unnamed one.
    pub statement: &'a [u8],
    /// Formats and values, unread: what is in them is the server's business.
    pub values: &'a [u8],
}

impl<'a> Bind<'a> {
    /// Reads the two names of the body.
    #[inline]
    pub fn decode(body: &'a [u8]) -> Result<Self, MessageError> {
        let mut reader = Reader::new(body);
        let (portal, statement) = (reader.cstr()?, reader.cstr()?);
        Ok(Self {
            portal,
            statement,
            values: reader.rest(),
        })
    }
}

/// Runs a portal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Execute<'a> {
    /// The portal's name; empty for the unnamed one.
    pub portal: &'a [u8],
    /// How many rows to send at most; 0 is no limit.
    pub max_rows: u32,
}

impl<'a> Execute<'a> {
    /// Reads the body.
    #[inline]
    pub fn decode(body: &'a [u8]) -> Result<Self, MessageError> {
        let mut reader = Reader::new(body);
        let (portal, max_rows) = (reader.cstr()?, reader.u32()?);
        reader.finish()?;
        Ok(Self { portal, max_rows })
    }
}

/// What Close and Describe are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// The portal of that name.
    Portal(&'a [u8]),
    /// The prepared statement of that name.
    Statement(&'a [u8]),
}

impl<'a> Target<'a> {
    fn decode(body: &'a [u8]) -> Result<Self, MessageError> {
        let mut reader = Reader::new(body);
        let kind = reader.u8()?;
        let name = reader.cstr()?;
        reader.finish()?;
        match kind {
            b'P' => Ok(Self::Portal(name)),
            b'S' => Ok(Self::Statement(name)),
            _ => Err(MessageError::Invalid("neither a portal nor a statement")),
        }
    }
}

/// Forgets a statement or portal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close<'a> {
    /// Which one.
    pub target: Target<'a>,
}

impl<'a> Close<'a> {
    /// Reads the body.
    #[inline]
    pub fn decode(body: &'a [u8]) -> Result<Self, MessageError> {
        Target::decode(body).map(|target| Self { target })
    }
}

/// Asks what a statement takes, or what a statement or portal returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Describe<'a> {
    /// Which one.
    pub target: Target<'a>,
}

impl<'a> Describe<'a> {
    /// Reads the body.
    #[inline]
    pub fn decode(body: &'a [u8]) -> Result<Self, MessageError> {
        Target::decode(body).map(|target| Self { target })
    }
}

/// Appends a `Parse` that leaves every parameter's type to the server.
pub fn parse(out: &mut Vec<u8>, name: &[u8], sql: &[u8]) {
    put_frame(out, tag::frontend::PARSE, |out| {
        put_cstr(out, name);
        put_cstr(out, sql);
        out.extend([0, 0]);
    });
}

/// Appends a `Bind` without values.
pub fn bind(out: &mut Vec<u8>, portal: &[u8], statement: &[u8]) {
    put_frame(out, tag::frontend::BIND, |out| {
        put_cstr(out, portal);
        put_cstr(out, statement);
        // No formats of values, no values, no formats of results.
        out.extend([0; 6]);
    });
}

/// Appends an `Execute` that asks for all rows.
pub fn execute(out: &mut Vec<u8>, portal: &[u8]) {
    put_frame(out, tag::frontend::EXECUTE, |out| {
        put_cstr(out, portal);
        out.extend([0; 4]);
    });
}

/// Appends Sync.
pub fn sync(out: &mut Vec<u8>) {
    put_frame(out, tag::frontend::SYNC, |_| ());
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRAILING: MessageError = MessageError::TrailingBytes { count: 1 };

    #[test]
    fn parse_is_read() {
        let parse = Parse {
            name: b"s",
            query: b"select $1",
            parameter_types: 1,
        };
        assert_eq!(Parse::decode(b"s\0select $1\0\0\x01\0\0\0\x17"), Ok(parse));
        assert_eq!(
            Parse::decode(b"s\0select $1\0\0\x01\0\0\0\x17x"),
            Err(TRAILING)
        );
        assert_eq!(
            Parse::decode(b"s\0select $1\0\xff\xff\0"),
            Err(MessageError::Truncated)
        );
        assert_eq!(
            Parse::decode(b"s\0select $1\0"),
            Err(MessageError::Truncated)
        );
    }

    #[test]
    fn bind_is_read_up_to_its_values() {
        let bind = Bind {
            portal: b"p",
            statement: b"",
            values: b"\0\0\0\0\0\0",
        };
        assert_eq!(Bind::decode(b"p\0\0\0\0\0\0\0\0"), Ok(bind));
        assert_eq!(Bind::decode(b"p\0s"), Err(MessageError::Unterminated));
    }

    #[test]
    fn execute_is_read() {
        let execute = Execute {
            portal: b"",
            max_rows: 256,
        };
        assert_eq!(Execute::decode(b"\0\0\0\x01\0"), Ok(execute));
        assert_eq!(Execute::decode(b"\0\0\0\x01\0x"), Err(TRAILING));
    }

    #[test]
    fn close_and_describe_have_a_target() {
        let close = Close {
            target: Target::Statement(b"s"),
        };
        assert_eq!(Close::decode(b"Ss\0"), Ok(close));
        let describe = Describe {
            target: Target::Portal(b""),
        };
        assert_eq!(Describe::decode(b"P\0"), Ok(describe));
        assert!(Describe::decode(b"X\0").is_err());
        assert_eq!(Close::decode(b"Ss\0x"), Err(TRAILING));
        assert_eq!(Close::decode(b""), Err(MessageError::Truncated));
    }

    #[test]
    fn what_is_written_is_read() {
        let mut out = Vec::new();
        parse(&mut out, b"s", b"select 1");
        let parse = Parse::decode(&out[5..]).unwrap();
        assert_eq!((parse.name, parse.query), (&b"s"[..], &b"select 1"[..]));
        let mut out = Vec::new();
        bind(&mut out, b"p", b"s");
        let bind = Bind::decode(&out[5..]).unwrap();
        assert_eq!((bind.portal, bind.statement), (&b"p"[..], &b"s"[..]));
        let mut out = Vec::new();
        execute(&mut out, b"p");
        let execute = Execute::decode(&out[5..]).unwrap();
        assert_eq!((execute.portal, execute.max_rows), (&b"p"[..], 0));
    }

    #[test]
    fn sync_is_five_bytes() {
        let mut out = Vec::new();
        sync(&mut out);
        assert_eq!(out, b"S\0\0\0\x04");
    }
}
