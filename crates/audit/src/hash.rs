//! The hash of a line, which ties the next one to it.

use std::fmt;

use aws_lc_rs::digest::{Context, Digest, SHA256, digest};

/// SHA-256 of a line without its newline.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct LineHash([u8; 32]);

/// The two digits of each byte.
const DIGITS: [[u8; 2]; 256] = {
    let hex = b"0123456789abcdef";
    let mut digits = [[0; 2]; 256];
    let mut byte = 0;
    while byte < digits.len() {
        digits[byte] = [hex[byte >> 4], hex[byte & 15]];
        byte += 1;
    }
    digits
};

impl LineHash {
    /// Digits of its text.
    pub(crate) const DIGITS: usize = 64;

    /// The hash of a line, without its newline.
    pub(crate) fn of(line: &[u8]) -> Self {
        Self::from_digest(&digest(&SHA256, line))
    }

    /// The hash of a line that was read piece by piece.
    pub(crate) fn finish(context: Context) -> Self {
        Self::from_digest(&context.finish())
    }

    fn from_digest(digest: &Digest) -> Self {
        let mut hash = Self::default();
        for (byte, value) in hash.0.iter_mut().zip(digest.as_ref()) {
            *byte = *value;
        }
        hash
    }

    /// Reads 64 digits in lower case.
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        let mut hash = Self::default();
        if text.len() != Self::DIGITS {
            return None;
        }
        for (byte, pair) in hash.0.iter_mut().zip(text.chunks_exact(2)) {
            let [high, low] = *pair else { return None };
            *byte = nibble(high)? << 4 | nibble(low)?;
        }
        Some(hash)
    }

    /// Its text.
    pub(crate) fn digits(&self) -> [u8; Self::DIGITS] {
        let mut digits = [0; Self::DIGITS];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(self.0) {
            pair.copy_from_slice(&DIGITS[usize::from(byte)]);
        }
        digits
    }
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for LineHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for LineHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_hash_is_read_back() {
        let hash = LineHash::of(b"{}");
        assert_eq!(hash.to_string().as_bytes(), hash.digits());
        assert_eq!(LineHash::read(&hash.digits()), Some(hash));
        assert_eq!(LineHash::read(&[b'A'; 64]), None);
        assert_eq!(LineHash::read(b"00"), None);
    }
}
