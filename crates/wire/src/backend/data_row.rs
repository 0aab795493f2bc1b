//! `DataRow`: the values of one row.

use crate::body::{MessageError, Reader};

/// The values of one row, in order; `None` is NULL.
#[derive(Clone, Debug)]
pub struct DataRow<'a> {
    left: u16,
    reader: Reader<'a>,
}

impl<'a> DataRow<'a> {
    /// Reads the body.
    pub fn decode(body: &'a [u8]) -> Result<Self, MessageError> {
        let mut reader = Reader::new(body);
        let left = reader.u16()?;
        Ok(Self { left, reader })
    }

    /// The next value; after the last one, whether the row ends there.
    ///
    /// # Errors
    ///
    /// A length goes beyond the message, or something comes after the last value.
    pub fn next_value(&mut self) -> Result<Option<Option<&'a [u8]>>, MessageError> {
        let Some(left) = self.left.checked_sub(1) else {
            self.reader.clone().finish()?;
            return Ok(None);
        };
        self.left = left;
        let length = self.reader.u32()?;
        if length == u32::MAX {
            return Ok(Some(None));
        }
        let length = usize::try_from(length).map_err(|_| MessageError::Truncated)?;
        Ok(Some(Some(self.reader.bytes(length)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_in_order() {
        let body = b"\0\x03\0\0\0\x02ab\xff\xff\xff\xff\0\0\0\0";
        let mut row = DataRow::decode(body).unwrap();
        assert_eq!(row.next_value(), Ok(Some(Some(b"ab".as_slice()))));
        assert_eq!(row.next_value(), Ok(Some(None)));
        assert_eq!(row.next_value(), Ok(Some(Some(b"".as_slice()))));
        assert_eq!(row.next_value(), Ok(None));
    }

    #[test]
    fn a_length_beyond_the_message_and_leftovers_are_refused() {
        let mut row = DataRow::decode(b"\0\x01\0\0\0\x03ab").unwrap();
        assert_eq!(row.next_value(), Err(MessageError::Truncated));
        let mut row = DataRow::decode(b"\0\x01\xff\xff\xff\xfeab").unwrap();
        assert_eq!(row.next_value(), Err(MessageError::Truncated));
        let mut row = DataRow::decode(b"\0\0x").unwrap();
        let refused = Err(MessageError::TrailingBytes { count: 1 });
        assert_eq!(row.next_value(), refused);
        assert_eq!(DataRow::decode(b"\0").err(), Some(MessageError::Truncated));
    }
}
