//! How a password is normalised before it is hashed.
//!
//! PostgreSQL applies `SASLprep` (RFC 4013) to a password that is valid UTF-8 and permitted, and
//! takes any other one as it is, so that every password of every encoding can be used:
//! <https://github.com/postgres/postgres/blob/master/src/common/saslprep.c>

use secrecy::zeroize::Zeroizing;

/// The password as it is hashed.
pub(super) fn normalised(password: &[u8]) -> Zeroizing<Vec<u8>> {
    let prepared = str::from_utf8(password)
        .ok()
        .and_then(|text| stringprep::saslprep(text).ok());
    Zeroizing::new(match prepared {
        // A password of nothing but characters that vanish is taken as it is.
        Some(prepared) if !prepared.is_empty() => prepared.into_owned().into_bytes(),
        _ => password.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permitted_utf8_is_prepared() {
        let cases: [(&[u8], &[u8]); 4] = [
            (b"secret", b"secret"),
            // The soft hyphen vanishes, the Roman numeral is written out, the space is a space.
            ("I\u{ad}X".as_bytes(), b"IX"),
            ("\u{2168}".as_bytes(), b"IX"),
            ("a\u{a0}b".as_bytes(), b"a b"),
        ];
        for (password, expected) in cases {
            assert_eq!(normalised(password).as_slice(), expected);
        }
    }

    #[test]
    fn any_other_password_is_taken_as_it_is() {
        let cases: [&[u8]; 5] = [
            b"",
            b"\xff\xfe",
            b"a\x07b",
            "\u{ad}".as_bytes(),
            "\u{627}1".as_bytes(),
        ];
        for password in cases {
            assert_eq!(normalised(password).as_slice(), password);
        }
    }
}
