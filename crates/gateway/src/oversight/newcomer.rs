//! What is known of a session when its first statement is still to come.

use querycop_audit::{SessionFields, SessionFragment};
use querycop_policy::facts::{
    Action, Attributes, Columns, Effect, Feature, Kind, Name, Object, ObjectKind, SettingChange,
    SettingScope, SettingValue, Statement,
};
use querycop_policy::{CertificateName, Principal, SearchPath, Tls};
use querycop_serve::PeerAddr;
use querycop_sql::LexerSettings;
use querycop_wire::backend::{BackendKeyData, ParameterStatus};
use querycop_wire::frame::Header;
use querycop_wire::startup::{CancelRequest, StartupMessage};
use querycop_wire::tag;

use super::Sees;
use crate::config::BackendRole;
use crate::leg::Leg;
use crate::registry::Entry;
use crate::shared::Shared;
use crate::tls::CertificateSummary;

/// What the server said during the login that the gateway remembers.
#[derive(Debug, Default)]
pub(crate) struct Learned {
    lexer: LexerSettings,
    search_path: Option<String>,
    cancel_key: Option<CancelRequest>,
}

/// A session that is about to begin.
pub(crate) struct Newcomer<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) entry: &'a Entry,
    pub(crate) client: &'a Leg,
    pub(crate) startup: &'a StartupMessage,
    pub(crate) learned: Learned,
}

impl Learned {
    /// Looks at a message of the server.
    pub(crate) fn note(&mut self, message: &[u8]) {
        let Some((&[kind, ..], body)) = message.split_first_chunk::<{ Header::LEN }>() else {
            return;
        };
        match kind {
            tag::backend::BACKEND_KEY_DATA => {
                self.cancel_key = BackendKeyData::decode(body)
                    .ok()
                    .and_then(|key| CancelRequest::new(key.process_id, key.secret).ok());
            }
            tag::backend::PARAMETER_STATUS => {
                let Ok(status) = ParameterStatus::decode(body) else {
                    return;
                };
                let value = String::from_utf8_lossy(status.value);
                if status.name == b"search_path" {
                    self.search_path = Some(value.into_owned());
                } else {
                    self.lexer.reported(status.name, &value);
                }
            }
            _ => {}
        }
    }
}

impl Newcomer<'_> {
    /// Who runs statements in this session.
    pub(super) fn principal(&self) -> Principal {
        Principal {
            user: self.startup.user().into(),
            database: self.startup.database().into(),
            certificate: self.certificate(),
            client_addr: self.entry.client_addr.ip(),
            tls: if self.entry.client_tls {
                Tls::On
            } else {
                Tls::Off
            },
            application_name: self.entry.application_name.as_deref().map(Into::into),
            backend: self.shared.backend.settings.route.to_string().into(),
            ..Principal::default()
        }
    }

    /// The fields of all records of the session of this principal.
    pub(super) fn fragment(&self, principal: &Principal) -> SessionFragment {
        let client_port = match self.entry.client_addr {
            PeerAddr::Tcp(address) => Some(address.port()),
            PeerAddr::Unix => None,
        };
        SessionFragment::new(&SessionFields {
            session: self.entry.id,
            user: &principal.user,
            database: &principal.database,
            principal: principal
                .certificate
                .as_ref()
                .and_then(|certificate| certificate.common_name.as_deref()),
            client_addr: principal.client_addr,
            client_port,
            tls: self.client.tls().and_then(version),
            application_name: principal.application_name.as_deref(),
            backend: &principal.backend,
            backend_role: self.shared.backend.settings.role.map(BackendRole::as_str),
            version: env!("CARGO_PKG_VERSION"),
        })
    }

    /// The settings that the client asked for at its start, as a statement that sets them.
    pub(super) fn settings(&self) -> Statement {
        let mut statement = Statement {
            kinds: vec![Kind::Set],
            ..Statement::default()
        };
        // The server takes them first, wherever they stand.
        for (name, value) in self.startup.parameters() {
            if name == b"options" {
                for (name, value) in options(&lossy(value)) {
                    set(&mut statement, name.as_deref(), &value);
                }
            }
        }
        for (name, value) in self.startup.parameters() {
            let (name, value) = (lossy(name), lossy(value));
            match &*name {
                "user" | "database" | "replication" | "options" => {}
                // Protocol options, no settings.
                other if other.starts_with("_pq_.") => {}
                _ => set(&mut statement, Some(&name), &value),
            }
        }
        statement
    }

    /// The search path, as far as it is known by now.
    pub(super) fn search_path(&self, settings: &Statement) -> SearchPath {
        let asked = settings.settings.iter().rev().find_map(|change| {
            match (change.name.as_deref(), &change.value) {
                (Some("search_path"), SettingValue::To(words)) => words.first(),
                _ => None,
            }
        });
        let mut path = match asked {
            Some(path) => SearchPath::known(path),
            None => SearchPath::unknown(),
        };
        if let Some(reported) = &self.learned.search_path {
            path.reported(reported);
        }
        path.began(settings);
        path
    }

    pub(super) fn lexer(&self) -> LexerSettings {
        self.learned.lexer
    }

    pub(super) fn cancel_key(&self) -> Option<CancelRequest> {
        self.learned.cancel_key.clone()
    }

    /// What can be seen of it.
    pub(super) fn sees(&self) -> Sees {
        if self.startup.is_replication() {
            Sees::Nothing
        } else {
            Sees::Statements
        }
    }

    fn certificate(&self) -> Option<CertificateName> {
        let chain = self.client.tls()?.peer_certificates()?;
        let summary = CertificateSummary::from_der(chain.first()?)?;
        Some(CertificateName {
            common_name: summary.common_name.map(Into::into),
            alternative_names: summary.names.into_iter().map(Into::into).collect(),
        })
    }
}

/// What it means to set something at the start of a session.
fn set(statement: &mut Statement, name: Option<&str>, value: &str) {
    let name = name.map(str::to_ascii_lowercase);
    let is_role = matches!(name.as_deref(), Some("role" | "session_authorization"));
    let (action, subtype, kind, object) = if is_role {
        (Action::Role, "set_role", ObjectKind::Role, value)
    } else {
        let object = name.as_deref().unwrap_or_default();
        (Action::Session, "set", ObjectKind::Setting, object)
    };
    statement.features.insert(if is_role {
        Feature::SetRole
    } else {
        Feature::SetSetting
    });
    statement.effects.push(Effect {
        action,
        subtype,
        object: Object::new(kind, Name::unqualified(object)),
        columns: Columns::default(),
        attributes: Attributes::default(),
    });
    let is_kept = name.as_deref().is_some_and(SettingValue::is_kept);
    statement.settings.push(SettingChange {
        name: name.map(Into::into),
        value: if is_kept {
            SettingValue::To(vec![value.into()])
        } else {
            SettingValue::Hidden
        },
        scope: SettingScope::Session,
    });
}

/// The settings in the `options` of a start-up packet; one that isn't a setting has no name.
///
/// Words are split at white space, and a backslash takes the next character as it is
/// (`pg_split_opts`).
fn options(text: &str) -> Vec<(Option<String>, String)> {
    let mut words: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character.is_ascii_whitespace() || character == '\u{b}' {
            words.extend(word.take());
            continue;
        }
        let literal = match character {
            '\\' => characters.next(),
            other => Some(other),
        };
        word.get_or_insert_default().extend(literal);
    }
    words.extend(word);
    let mut settings = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let setting = match word.strip_prefix("-c") {
            Some("") => words.next(),
            Some(setting) => Some(setting.to_owned()),
            None => word.strip_prefix("--").map(str::to_owned),
        };
        let pair = setting
            .as_deref()
            .and_then(|setting| setting.split_once('='));
        settings.push(match pair {
            // A name's hyphens are read as underscores.
            Some((name, value)) => (Some(name.trim().replace('-', "_")), value.to_owned()),
            None => (None, word),
        });
    }
    settings
}

fn version(tls: &rustls::CommonState) -> Option<&'static str> {
    match tls.protocol_version()? {
        rustls::ProtocolVersion::TLSv1_2 => Some("TLSv1.2"),
        rustls::ProtocolVersion::TLSv1_3 => Some("TLSv1.3"),
        _ => None,
    }
}

fn lossy(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_split_as_the_server_splits_them() {
        let named = |name: &str, value: &str| (Some(name.to_owned()), value.to_owned());
        assert_eq!(
            options(r"-c search_path=a,\ b  -crole=admin --work-mem=1MB -c"),
            [
                named("search_path", "a, b"),
                named("role", "admin"),
                named("work_mem", "1MB"),
                (None, "-c".to_owned()),
            ]
        );
        assert_eq!(options("-B 100")[0].0, None);
        assert_eq!(options(""), []);
    }

    #[test]
    fn a_role_at_the_start_is_the_effect_of_set_role() {
        let mut statement = Statement::default();
        set(&mut statement, Some("ROLE"), "admin");
        assert_eq!(statement.effects[0].action, Action::Role);
        assert_eq!(&*statement.effects[0].object.name.name, "admin");
        assert!(statement.has(Feature::SetRole));
    }
}
