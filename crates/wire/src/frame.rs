//! A frame: the tag and the length that every message but the first one has.
//!
//! <https://www.postgresql.org/docs/current/protocol-overview.html#PROTOCOL-MESSAGE-CONCEPTS>

use crate::SqlState;

/// The longest length field that is relayed: 1 GiB - 1, PostgreSQL's `MaxAllocSize`. Its
/// `PQ_LARGE_MESSAGE_LIMIT`, what it takes from a client, is one less. Such a frame is streamed,
/// never buffered whole.
///
/// <https://github.com/postgres/postgres/blob/master/src/include/libpq/libpq.h>
pub const MAX_LEN: u32 = 0x3fff_ffff;

/// The longest length field before a client is authenticated: 64 KiB. PostgreSQL takes passwords
/// and tokens of up to 65,535 bytes (`PG_MAX_AUTH_TOKEN_LENGTH`) and shorter SASL messages.
///
/// <https://github.com/postgres/postgres/blob/master/src/include/libpq/auth.h>
pub const MAX_PRE_AUTH_LEN: u32 = 65_536;

/// The shortest length field: it counts itself.
const MIN_LEN: u32 = 4;

/// Why bytes are not a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The length is below 4 or over the limit of its phase.
    #[error("invalid length {len} of message '{}'", tag.escape_ascii())]
    Length {
        /// The tag of the message.
        tag: u8,
        /// The length field as sent.
        len: u32,
    },
}

impl FrameError {
    /// The code that a peer is told.
    pub fn sqlstate(&self) -> SqlState {
        match self {
            Self::Length { .. } => SqlState::PROTOCOL_VIOLATION,
        }
    }
}

/// The first five bytes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What message it is; see [`crate::tag`].
    pub tag: u8,
    /// The length field as sent: it counts itself and the body, not the tag.
    pub len: u32,
}

impl Header {
    /// How many bytes a header has.
    pub const LEN: usize = 5;

    /// Reads the header at the front of `bytes`; `None` while fewer than five bytes are there.
    #[inline]
    pub fn decode(bytes: &[u8], limit: u32) -> Result<Option<Self>, FrameError> {
        let Some(&[tag, a, b, c, d]) = bytes.first_chunk() else {
            return Ok(None);
        };
        let len = u32::from_be_bytes([a, b, c, d]);
        if len < MIN_LEN || len > limit {
            return Err(FrameError::Length { tag, len });
        }
        Ok(Some(Self { tag, len }))
    }

    /// How many bytes the whole frame has.
    #[inline]
    pub fn total(&self) -> usize {
        (self.len as usize).saturating_add(1)
    }
}

/// A whole frame, in the sender's own bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What message it is; see [`crate::tag`].
    pub tag: u8,
    /// What follows the header.
    pub body: &'a [u8],
    raw: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The frame with its header, to be relayed as it is.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }
}

/// Reads the frame at the front of `bytes` and says how many bytes it has; `None` while it is not
/// all there. A length that is wrong is an error as soon as the header is there.
#[inline]
pub fn decode(bytes: &[u8], limit: u32) -> Result<Option<(Frame<'_>, usize)>, FrameError> {
    let Some(header) = Header::decode(bytes, limit)? else {
        return Ok(None);
    };
    let total = header.total();
    let Some(raw) = bytes.get(..total) else {
        return Ok(None);
    };
    let Some(body) = raw.get(Header::LEN..) else {
        return Ok(None);
    };
    let frame = Frame {
        tag: header.tag,
        body,
        raw,
    };
    Ok(Some((frame, total)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_is_found_among_others() {
        let bytes = b"Q\0\0\0\x07ab\0S\0\0\0\x04";
        let (query, used) = decode(bytes, MAX_LEN).unwrap().unwrap();
        assert_eq!((query.tag, query.body, used), (b'Q', b"ab\0".as_slice(), 8));
        assert_eq!(query.raw(), &bytes[..8]);
        let (sync, used) = decode(&bytes[used..], MAX_LEN).unwrap().unwrap();
        assert_eq!((sync.tag, sync.body, used), (b'S', b"".as_slice(), 5));
    }

    #[test]
    fn partial_frame_is_not_yet() {
        let bytes = b"Q\0\0\0\x07ab\0";
        for end in 0..bytes.len() {
            assert_eq!(decode(&bytes[..end], MAX_LEN), Ok(None), "{end}");
        }
    }

    #[test]
    fn length_below_four_or_over_the_limit_is_refused_with_the_header() {
        for len in [
            0,
            1,
            2,
            3,
            MAX_PRE_AUTH_LEN + 1,
            MAX_LEN,
            MAX_LEN + 1,
            1 << 31,
            u32::MAX,
        ] {
            let mut bytes = vec![b'p'];
            bytes.extend(len.to_be_bytes());
            let refused = FrameError::Length { tag: b'p', len };
            assert_eq!(Header::decode(&bytes, MAX_PRE_AUTH_LEN), Err(refused));
            assert_eq!(decode(&bytes, MAX_PRE_AUTH_LEN), Err(refused));
        }
        let longest = Header::decode(b"D\x3f\xff\xff\xff", MAX_LEN)
            .unwrap()
            .unwrap();
        assert_eq!(longest.total(), 1 << 30);
    }
}
