//! Why a client of the bridge gets no session, in the words of the PostgreSQL protocol.

use crate::drivers::one_line;
use crate::{
    ConfigError, DialError, DialFailure, Error, ExchangeError, Mistake, RefreshError,
    RefreshFailure,
};

/// The longest text of a field, in bytes: clients show it on a terminal.
const MAX_TEXT_LEN: usize = 8192;

/// Where the login credentials give no token.
const LOGIN_ADVICE: (SqlState, &str) = (
    SqlState::InvalidAuthorization,
    "Check the connector's login credentials.",
);

/// What a client is told before its connection is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) sqlstate: SqlState,
    pub(super) message: String,
    pub(super) hint: String,
}

/// The codes that we use, of
/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SqlState {
    /// Who asks may not.
    InvalidAuthorization,
    /// This isn't PostgreSQL's protocol.
    ProtocolViolation,
    /// The limit is reached.
    TooManyConnections,
    /// The instance can't be reached.
    UnableToConnect,
}

impl SqlState {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::InvalidAuthorization => "28000",
            Self::ProtocolViolation => "08P01",
            Self::TooManyConnections => "53300",
            Self::UnableToConnect => "08001",
        }
    }
}

impl Refusal {
    /// Why a dial failed: all causes in the message, since many clients show nothing else.
    pub(super) fn of(error: &Error) -> Self {
        let (sqlstate, hint) = match error {
            Error::Config(error) => config_advice(error),
            Error::Refresh(error) => refresh_advice(error),
            Error::Dial(error) => dial_advice(error),
            Error::Login(_) => LOGIN_ADVICE,
            Error::Closed { .. } => (
                SqlState::UnableToConnect,
                "The program with the bridge in it has closed its dialer.",
            ),
        };
        Self {
            sqlstate,
            message: one_line(error),
            hint: hint.to_owned(),
        }
    }

    /// Another user of the machine came, against whom the directory should have held.
    pub(super) fn foreign_user(uid: Option<u32>) -> Self {
        let who = uid.map_or("an unknown user".to_owned(), |uid| format!("user {uid}"));
        Self {
            sqlstate: SqlState::InvalidAuthorization,
            message: format!("{who} of this machine may not use this bridge to AlloyDB"),
            hint: "Connect as the user that runs the program with the bridge in it.".to_owned(),
        }
    }

    /// More clients wait for a session than the bridge lets wait.
    pub(super) fn too_many(limit: usize) -> Self {
        Self {
            sqlstate: SqlState::TooManyConnections,
            message: format!("{limit} connections to AlloyDB are being opened already"),
            hint: "Open fewer at once, or raise the bridge's max_half_open.".to_owned(),
        }
    }

    /// What came is no start-up packet.
    pub(super) fn not_postgresql() -> Self {
        Self {
            sqlstate: SqlState::ProtocolViolation,
            message: "invalid length of start-up packet".to_owned(),
            hint: "The bridge speaks PostgreSQL's protocol without TLS: \
                   the way to the instance is encrypted already."
                .to_owned(),
        }
    }

    /// The `ErrorResponse`.
    ///
    /// <https://www.postgresql.org/docs/current/protocol-error-fields.html>
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut fields = Vec::new();
        put_field(&mut fields, b'S', "FATAL");
        put_field(&mut fields, b'V', "FATAL");
        put_field(&mut fields, b'C', self.sqlstate.as_str());
        put_field(&mut fields, b'M', &self.message);
        put_field(&mut fields, b'H', &self.hint);
        fields.push(0);
        let length = u32::try_from(fields.len() + 4).expect("five fields of bounded length");
        let mut message = vec![b'E'];
        message.extend(length.to_be_bytes());
        message.extend(fields);
        message
    }
}

fn config_advice(error: &ConfigError) -> (SqlState, &'static str) {
    let hint = match error.mistake() {
        Mistake::NoSuchAddress { .. } => {
            "Choose an IP type that the instance has, or give the instance such an address."
        }
        _ => "Correct the settings of the program with the bridge in it.",
    };
    (SqlState::UnableToConnect, hint)
}

fn refresh_advice(error: &RefreshError) -> (SqlState, &'static str) {
    match error.failure() {
        RefreshFailure::Status {
            code: 401 | 403, ..
        } => (
            SqlState::InvalidAuthorization,
            "The connector's principal needs roles/alloydb.client and \
             roles/serviceusage.serviceUsageConsumer, and the AlloyDB API must be enabled.",
        ),
        RefreshFailure::Status { code: 404, .. } => (
            SqlState::UnableToConnect,
            "Compare the instance URI with `gcloud alloydb instances list`.",
        ),
        RefreshFailure::Token => (
            SqlState::InvalidAuthorization,
            "Check the connector's Application Default Credentials, or those that it was given.",
        ),
        _ => (
            SqlState::UnableToConnect,
            "The AlloyDB admin API must answer: check the network, the quota and the clock.",
        ),
    }
}

fn dial_advice(error: &DialError) -> (SqlState, &'static str) {
    match error.failure() {
        DialFailure::Tcp { .. } | DialFailure::Timeout { .. } => (
            SqlState::UnableToConnect,
            "Port 5433 of the instance must be reachable from here: \
             check the network, the firewall and the IP type.",
        ),
        DialFailure::Token => LOGIN_ADVICE,
        DialFailure::MetadataExchange(ExchangeError::Refused { .. }) => (
            SqlState::InvalidAuthorization,
            "The principal needs roles/alloydb.client, and for automatic IAM login \
             roles/alloydb.databaseUser and a database user of the type IAM.",
        ),
        DialFailure::WrongName => (
            SqlState::UnableToConnect,
            "Something between here and the instance answers in its place: \
             check proxies, dial functions and the IP type.",
        ),
        _ => (
            SqlState::UnableToConnect,
            "The connector fetches a new certificate now; try again.",
        ),
    }
}

fn put_field(out: &mut Vec<u8>, field: u8, text: &str) {
    let end = text.floor_char_boundary(MAX_TEXT_LEN);
    out.push(field);
    // A NUL would end the field, and what follows it would be read as another one.
    out.extend(text.bytes().take(end).filter(|byte| *byte != 0));
    out.push(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_those_of_the_manual() {
        let refusal = Refusal {
            sqlstate: SqlState::UnableToConnect,
            message: "no".to_owned(),
            hint: "h".to_owned(),
        };
        let expected = b"E\0\0\0\x21SFATAL\0VFATAL\0C08001\0Mno\0Hh\0\0";
        assert_eq!(refusal.encode(), expected);
    }

    #[test]
    fn text_can_not_end_a_field_and_is_cut_between_characters() {
        let refusal = Refusal {
            message: "a\0Hforged".to_owned(),
            hint: "x".to_owned() + &"\u{e9}".repeat(MAX_TEXT_LEN),
            ..Refusal::too_many(1)
        };
        let encoded = refusal.encode();
        let text = str::from_utf8(&encoded[5..]).expect("no character is cut");
        assert!(text.contains("MaHforged\0"));
        assert_eq!(text.matches('\u{e9}').count(), (MAX_TEXT_LEN - 1) / 2);
    }
}
