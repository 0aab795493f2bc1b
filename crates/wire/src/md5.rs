//! The answer to `AuthenticationMD5Password`.
//!
//! <https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP>

use std::fmt::Write as _;

use md5::{Digest as _, Md5};

/// `"md5"` and the hexadecimal digest of the digest of password and user, with the server's salt.
pub fn md5_password(user: &[u8], password: &[u8], salt: [u8; 4]) -> String {
    let inner = hex([password, user]);
    format!("md5{}", hex([inner.as_bytes(), &salt]))
}

fn hex(parts: [&[u8]; 2]) -> String {
    let mut md5 = Md5::new();
    for part in parts {
        md5.update(part);
    }
    let mut text = String::with_capacity(32);
    for byte in md5.finalize() {
        write!(text, "{byte:02x}").expect("a String takes all that is written");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_as_the_manual_says() {
        // printf %s "$(printf %s secretalice | md5sum | cut -c-32)" + salt "\x01\x02\x03\x04".
        let expected = "md598a0412b9c31436fc53776e863350083";
        assert_eq!(md5_password(b"alice", b"secret", [1, 2, 3, 4]), expected);
    }
}
