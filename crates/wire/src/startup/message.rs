//! `StartupMessage`: who wants a session, where, and with which settings.
//!
//! It is read as PostgreSQL reads it, and refused where another reading would be possible:
//! <https://github.com/postgres/postgres/blob/master/src/backend/tcop/backend_startup.c>

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use super::{MAX_LEN, MAX_NAME_LEN, ProtocolVersion, StartupError};
use crate::body::Reader;

/// A client's request for a session, in the client's own bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct StartupMessage {
    packet: Vec<u8>,
    version: ProtocolVersion,
    user: String,
    database: String,
}

impl StartupMessage {
    /// A message with these parameters.
    pub fn new(version: ProtocolVersion, params: &[(&str, &str)]) -> Result<Self, StartupError> {
        if version.major != 3 {
            return Err(StartupError::UnsupportedVersion { version });
        }
        let mut packet = vec![0; 4];
        packet.extend(version.code().to_be_bytes());
        for (name, value) in params {
            if name.is_empty() || name.contains('\0') || value.contains('\0') {
                return Err(StartupError::Malformed(
                    "empty name, or NUL inside a parameter",
                ));
            }
            for text in [name, value] {
                packet.extend(text.as_bytes());
                packet.push(0);
            }
        }
        packet.push(0);
        let len = u32::try_from(packet.len()).unwrap_or(u32::MAX);
        if len > MAX_LEN {
            return Err(StartupError::Length { len });
        }
        if let Some(field) = packet.first_chunk_mut() {
            *field = len.to_be_bytes();
        }
        Self::from_packet(&packet)
    }

    /// Reads a whole packet whose length is known to be right.
    pub(super) fn from_packet(packet: &[u8]) -> Result<Self, StartupError> {
        let mut reader = Reader::new(packet);
        let code = reader.u32().and_then(|_| reader.u32());
        let code = code.map_err(|_| StartupError::Malformed("no version"))?;
        refuse_duplicates(names(reader)?)?;

        // Empty is the same as absent: PostgreSQL treats them alike.
        let find = |wanted: &str| {
            pairs(packet)
                .find(|(name, value)| *name == wanted.as_bytes() && !value.is_empty())
                .map(|(_, value)| value)
        };
        let user = find("user").ok_or(StartupError::MissingUser)?;
        let user = checked_name("user", user)?;
        let database = match find("database") {
            Some(database) => checked_name("database", database)?,
            None => user,
        };
        Ok(Self {
            packet: packet.to_vec(),
            version: ProtocolVersion::from_code(code),
            user: user.to_owned(),
            database: database.to_owned(),
        })
    }

    /// The packet as it was sent.
    pub fn as_bytes(&self) -> &[u8] {
        &self.packet
    }

    /// The version that the client asks for; the server may negotiate a lower one.
    pub fn version(&self) -> ProtocolVersion {
        self.version
    }

    /// The role, at most [`MAX_NAME_LEN`] bytes.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The database, at most [`MAX_NAME_LEN`] bytes; the role's name if none is given.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// The value of a parameter. As in PostgreSQL, the case of a setting's name doesn't matter;
    /// `user`, `database`, `options` and `replication` are not settings and are matched exactly.
    pub fn parameter(&self, name: &str) -> Option<&[u8]> {
        let wanted = name.as_bytes();
        let exact = matches!(name, "user" | "database" | "options" | "replication");
        self.parameters()
            .find(|(name, _)| *name == wanted || (!exact && name.eq_ignore_ascii_case(wanted)))
            .map(|(_, value)| value)
    }

    /// All parameters, in the order in which they were sent.
    pub fn parameters(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        pairs(&self.packet)
    }

    /// What the client calls itself. A hint, never a proof.
    pub fn application_name(&self) -> Option<Cow<'_, str>> {
        self.parameter("application_name")
            .map(String::from_utf8_lossy)
    }

    /// Whether the session speaks the replication protocol, physical or logical.
    ///
    /// <https://www.postgresql.org/docs/current/protocol-replication.html>
    pub fn is_replication(&self) -> bool {
        match self.parameter("replication") {
            Some(b"database") => true,
            Some(value) => is_true(value),
            None => false,
        }
    }
}

impl fmt::Debug for StartupMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `options` may hold anything, so the parameters are not printed.
        f.debug_struct("StartupMessage")
            .field("version", &self.version)
            .field("user", &self.user)
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

/// Reads the layout of the parameters and gives their names.
fn names(mut reader: Reader<'_>) -> Result<Vec<&[u8]>, StartupError> {
    let mut names = Vec::new();
    loop {
        let name = reader.cstr();
        let name = name.map_err(|_| StartupError::Malformed("no terminator as last byte"))?;
        if name.is_empty() {
            break;
        }
        let value = reader.cstr();
        value.map_err(|_| StartupError::Malformed("parameter without a value"))?;
        names.push(name);
    }
    let finished = reader.finish();
    finished.map_err(|_| StartupError::Malformed("bytes after the terminator"))?;
    Ok(names)
}

/// The parameters of a packet whose layout is known to be right.
fn pairs(packet: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut reader = Reader::new(packet.get(8..).unwrap_or_default());
    std::iter::from_fn(move || {
        let name = reader.cstr().ok().filter(|name| !name.is_empty())?;
        Some((name, reader.cstr().ok()?))
    })
}

/// Names of settings don't depend on case, so two that differ only in case are one.
fn refuse_duplicates(mut names: Vec<&[u8]>) -> Result<(), StartupError> {
    names.sort_unstable_by(|a, b| compare(a, b));
    for pair in names.windows(2) {
        if let [first, second] = pair
            && compare(first, second) == Ordering::Equal
        {
            let name = String::from_utf8_lossy(second).into_owned();
            return Err(StartupError::DuplicateParameter { name });
        }
    }
    Ok(())
}

fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let lower = u8::to_ascii_lowercase;
    a.iter().map(lower).cmp(b.iter().map(lower))
}

fn checked_name<'a>(parameter: &'static str, value: &'a [u8]) -> Result<&'a str, StartupError> {
    if value.len() > MAX_NAME_LEN {
        return Err(StartupError::NameTooLong {
            parameter,
            len: value.len(),
        });
    }
    str::from_utf8(value).map_err(|_| StartupError::NotUtf8 { parameter })
}

/// Whether PostgreSQL's `parse_bool` reads a true: a prefix of `true` or `yes`, `on`, or `1`.
///
/// <https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/bool.c>
fn is_true(value: &[u8]) -> bool {
    let value = value.to_ascii_lowercase();
    match value.first() {
        Some(b't') => b"true".starts_with(&value),
        Some(b'y') => b"yes".starts_with(&value),
        Some(b'o') => value == b"on",
        Some(b'1') => value == b"1",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{MAX_STARTUP_LEN, StartupPacket, decode};
    use super::*;

    const V3_0: ProtocolVersion = ProtocolVersion::V3_0;

    /// The packet with this body after the version.
    fn read(body: &[u8]) -> Result<StartupMessage, StartupError> {
        let len = u32::try_from(body.len() + 8).unwrap();
        let packet = [&len.to_be_bytes(), b"\0\x03\0\0".as_slice(), body].concat();
        match decode(&packet)? {
            Some((StartupPacket::Message(message), used)) if used == packet.len() => {
                assert_eq!(message.as_bytes(), packet);
                Ok(message)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn message_keeps_the_bytes_of_its_sender() {
        let bytes = b"\0\0\0\x2d\0\x03\0\x02user\0alice\0database\0shop\0DateStyle\0\0\0";
        let Ok(Some((StartupPacket::Message(message), 45))) = decode(bytes) else {
            panic!("{:?}", decode(bytes));
        };
        assert_eq!(message.as_bytes(), bytes);
        assert_eq!(message.version(), ProtocolVersion::V3_2);
        assert_eq!((message.user(), message.database()), ("alice", "shop"));
        assert_eq!(message.parameter("datestyle"), Some(b"".as_slice()));
        assert_eq!(message.parameter("Database"), Some(b"shop".as_slice()));
        assert_eq!(message.parameter("options"), None);
        assert_eq!(message.parameters().count(), 3);
        let params = [("user", "alice"), ("database", "shop"), ("DateStyle", "")];
        assert_eq!(
            StartupMessage::new(ProtocolVersion::V3_2, &params),
            Ok(message)
        );
    }

    #[test]
    fn database_is_the_user_unless_given() {
        assert_eq!(read(b"user\0alice\0\0").unwrap().database(), "alice");
        assert_eq!(
            read(b"database\0\0user\0alice\0\0").unwrap().database(),
            "alice"
        );
    }

    #[test]
    fn message_without_user_is_refused() {
        for body in [
            &b"\0"[..],
            b"database\0d\0\0",
            b"user\0\0\0",
            b"User\0alice\0\0",
        ] {
            assert_eq!(
                read(body),
                Err(StartupError::MissingUser),
                "{}",
                body.escape_ascii()
            );
        }
    }

    #[test]
    fn broken_layout_is_refused() {
        let terminator = StartupError::Malformed("no terminator as last byte");
        let value = StartupError::Malformed("parameter without a value");
        let trailing = StartupError::Malformed("bytes after the terminator");
        let cases: [(&[u8], StartupError); 7] = [
            (b"", terminator.clone()),
            (b"user\0a\0", terminator.clone()),
            (b"user", terminator),
            (b"user\0", value.clone()),
            (b"user\0a", value),
            (b"user\0a\0\0\0", trailing.clone()),
            (b"user\0a\0\0database\0d\0\0", trailing),
        ];
        for (body, error) in cases {
            assert_eq!(read(body), Err(error), "{}", body.escape_ascii());
        }
    }

    /// PostgreSQL obeys the last one, a gateway that looks for the first one is fooled.
    #[test]
    fn repeated_parameter_is_refused() {
        let refused = |name: &str| {
            Err(StartupError::DuplicateParameter {
                name: name.to_owned(),
            })
        };
        assert_eq!(read(b"user\0alice\0user\0bob\0\0"), refused("user"));
        assert_eq!(read(b"user\0a\0x\0p\0y\0q\0x\0p\0\0"), refused("x"));
        let body = b"user\0a\0search_path\0x\0b\0c\0SEARCH_PATH\0y\0\0";
        assert!(matches!(
            read(body),
            Err(StartupError::DuplicateParameter { .. })
        ));
    }

    /// PostgreSQL would truncate it, and so let somebody else in.
    #[test]
    fn name_over_63_bytes_is_refused() {
        let (fits, long) = ("x".repeat(63), "x".repeat(64));
        let message = StartupMessage::new(V3_0, &[("user", &fits), ("database", &fits)]).unwrap();
        assert_eq!(
            (message.user(), message.database()),
            (fits.as_str(), fits.as_str())
        );
        let refused = |parameter| Err(StartupError::NameTooLong { parameter, len: 64 });
        assert_eq!(
            StartupMessage::new(V3_0, &[("user", &long)]),
            refused("user")
        );
        let params = [("user", "a"), ("database", long.as_str())];
        assert_eq!(StartupMessage::new(V3_0, &params), refused("database"));
        // Other values may be long.
        assert!(StartupMessage::new(V3_0, &[("user", "a"), ("options", &long)]).is_ok());
    }

    #[test]
    fn names_are_utf8_and_values_are_bytes() {
        let refused = |parameter| Err(StartupError::NotUtf8 { parameter });
        assert_eq!(read(b"user\0\xff\0\0"), refused("user"));
        assert_eq!(read(b"user\0a\0database\0\xff\0\0"), refused("database"));
        let message = read(b"user\0a\0application_name\0x\xff\0\0").unwrap();
        assert_eq!(
            message.parameter("application_name"),
            Some(b"x\xff".as_slice())
        );
        assert_eq!(message.application_name().unwrap(), "x\u{fffd}");
    }

    #[test]
    fn replication_is_read_as_postgresql_does() {
        let replication = |value: &str| {
            let params = [("user", "a"), ("replication", value)];
            StartupMessage::new(V3_0, &params).unwrap().is_replication()
        };
        for value in [
            "database", "true", "TRUE", "t", "Tr", "yes", "y", "on", "ON", "1",
        ] {
            assert!(replication(value), "{value}");
        }
        for value in [
            "", "o", "of", "off", "no", "f", "0", "10", "trueish", "onn", "DATABASE",
        ] {
            assert!(!replication(value), "{value}");
        }
        assert!(!read(b"user\0a\0\0").unwrap().is_replication());
        // It is not a setting: the server would refuse this one.
        assert!(
            !read(b"user\0a\0Replication\0on\0\0")
                .unwrap()
                .is_replication()
        );
    }

    #[test]
    fn message_that_can_not_be_sent_is_not_built() {
        let malformed = |params: &[(&str, &str)]| {
            matches!(
                StartupMessage::new(V3_0, params),
                Err(StartupError::Malformed(_))
            )
        };
        assert!(malformed(&[("user", "a\0b")]));
        assert!(malformed(&[("us\0er", "a")]));
        assert!(malformed(&[("", "a")]));
        let long = "x".repeat(MAX_STARTUP_LEN);
        let result = StartupMessage::new(V3_0, &[("user", "a"), ("options", &long)]);
        assert!(matches!(result, Err(StartupError::Length { .. })));
        let version = ProtocolVersion { major: 2, minor: 0 };
        let result = StartupMessage::new(version, &[("user", "a")]);
        assert_eq!(result, Err(StartupError::UnsupportedVersion { version }));
    }

    #[test]
    fn parameters_are_not_printed() {
        let message = read(b"user\0alice\0options\0-c x=secret\0\0").unwrap();
        let printed = format!("{message:?}");
        assert!(
            printed.contains("alice") && !printed.contains("secret"),
            "{printed}"
        );
    }
}
