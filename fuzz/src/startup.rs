//! What holds for every first packet of a connection, whatever its bytes.

use querycop_wire::startup::{self, MAX_NAME_LEN, MAX_STARTUP_LEN, StartupMessage, StartupPacket};

/// Panics if the bytes break what [`startup::decode`] promises.
pub(crate) fn check(bytes: &[u8]) {
    match startup::decode(bytes) {
        Ok(Some((packet, used))) => {
            assert!(used <= bytes.len() && used <= MAX_STARTUP_LEN);
            check_prefixes(&bytes[..used]);
            check_packet(&packet, &bytes[..used]);
        }
        Ok(None) => assert!(bytes.len() < MAX_STARTUP_LEN),
        Err(error) => {
            let _ = (error.to_string(), error.sqlstate());
        }
    }
}

/// A packet that is not all there is neither a packet nor an error.
fn check_prefixes(packet: &[u8]) {
    for end in (0..packet.len()).take(64) {
        assert_eq!(startup::decode(&packet[..end]), Ok(None), "{end}");
    }
}

fn check_packet(packet: &StartupPacket, bytes: &[u8]) {
    match packet {
        StartupPacket::Cancel(cancel) => {
            assert_eq!(cancel.as_bytes(), bytes);
            let again = startup::CancelRequest::new(cancel.process_id(), cancel.secret());
            assert_eq!(again.as_ref(), Ok(cancel));
        }
        StartupPacket::GssEncRequest => assert_eq!(bytes, startup::gssenc_request()),
        StartupPacket::Message(message) => check_message(message, bytes),
        StartupPacket::SslRequest => assert_eq!(bytes, startup::ssl_request()),
    }
}

fn check_message(message: &StartupMessage, bytes: &[u8]) {
    assert_eq!(message.as_bytes(), bytes);
    for name in [message.user(), message.database()] {
        assert!(!name.is_empty() && name.len() <= MAX_NAME_LEN);
    }
    assert_eq!(message.parameter("user"), Some(message.user().as_bytes()));
    let _ = (
        message.application_name(),
        message.is_replication(),
        format!("{message:?}"),
    );
    let parameters: Result<Vec<_>, _> = message
        .parameters()
        .map(|(name, value)| {
            Ok::<_, std::str::Utf8Error>((str::from_utf8(name)?, str::from_utf8(value)?))
        })
        .collect();
    if let Ok(parameters) = parameters {
        let again = StartupMessage::new(message.version(), &parameters);
        assert_eq!(again.as_ref(), Ok(message));
    }
}
