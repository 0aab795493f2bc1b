//! Parts of a record that don't change from one to the next, encoded once.

use std::collections::HashSet;
use std::sync::Arc;

use querycop_policy::facts::{Action, Effect, Feature, Features, Object, ObjectKind, Statement};
use uuid::Uuid;

use crate::effects;
use crate::line::{self, key};

/// The most that a session's part has, in bytes. Names have 63 in PostgreSQL.
const MAX_NAME: usize = 256;

/// The most that the names of a statement's tables have together, likewise its functions, effects.
const MAX_NAMES: usize = 4 << 10;

/// The most that a single value of a decision has, in bytes.
const MAX_VALUE: usize = 512;

/// The most that all marks of a decision have together.
const MAX_MARKS: usize = 2 << 10;

/// The most that a statement's text has, with escapes.
pub(crate) const MAX_TEXT: usize = 20 << 10;

/// The same, of a statement that runs others, and of the texts of those: together no more than a text
/// has alone.
const MAX_TEXT_BESIDE_OTHERS: usize = 4 << 10;
const MAX_RUNS: usize = 16 << 10;

/// The fields of a session that every record of it carries, encoded once.
#[derive(Clone, Debug)]
pub struct SessionFragment(Box<[u8]>);

/// What is known of a session. Empty texts are left out.
#[derive(Clone, Copy, Debug, Default)]
pub struct SessionFields<'a> {
    /// Identifies the session.
    pub session: Uuid,
    /// The role that the client asked for, as the server accepted it.
    pub user: &'a str,
    /// The database.
    pub database: &'a str,
    /// Who it is, if that is known by more than the role: what was proved, and by which means.
    pub principal: Option<&'a str>,
    /// The client's address; `None` for a Unix socket.
    pub client_addr: Option<std::net::IpAddr>,
    /// The client's port.
    pub client_port: Option<u16>,
    /// The version of TLS on the client's leg, as `TLSv1.3`.
    pub tls: Option<&'a str>,
    /// What the client calls itself: a hint, never a proof.
    pub application_name: Option<&'a str>,
    /// The server, as the gateway dials it.
    pub backend: &'a str,
    /// The server's role: `primary`, `replica`, `read_pool`.
    pub backend_role: Option<&'a str>,
    /// The gateway's version.
    pub version: &'a str,
}

/// What of a statement does not change from one execution to the next, encoded once.
#[derive(Clone, Debug)]
pub struct StatementFragment(Box<[u8]>);

/// A statement that another one runs, and its text as it may be kept.
#[derive(Clone, Copy, Debug)]
pub struct Ran<'a> {
    /// Its facts.
    pub statement: &'a Statement,
    /// Its text.
    pub text: &'a str,
}

/// What the policy said of a statement.
#[derive(Clone, Copy, Debug)]
pub struct DecisionFields<'a> {
    /// `allow` or `deny`.
    pub verdict: &'a str,
    /// The rule that decided.
    pub rule: &'a str,
    /// Rules in observe mode that would have denied, and the marks of `audit` rules.
    pub marks: &'a [Arc<str>],
    /// `low`, `medium`, `high` or `critical`.
    pub risk: &'a str,
    /// The hash of the policy file.
    pub policy: &'a str,
}

/// What the policy said of a statement, encoded once for all of its executions.
#[derive(Clone, Debug)]
pub struct DecisionFragment(Box<[u8]>);

impl SessionFragment {
    /// Encodes what is known of a session.
    pub fn new(fields: &SessionFields<'_>) -> Self {
        let mut buffer = Vec::with_capacity(512);
        let named = |buffer: &mut Vec<u8>, key: &'static str, value: &str| {
            if !value.is_empty() {
                line::text(buffer, key, value, MAX_NAME);
            }
        };
        let mut id = Uuid::encode_buffer();
        let id = fields.session.hyphenated().encode_lower(&mut id);
        line::text(&mut buffer, key!("session"), id, MAX_NAME);
        named(&mut buffer, key!("user"), fields.user);
        named(&mut buffer, key!("database"), fields.database);
        line::optional(&mut buffer, key!("principal"), fields.principal, MAX_NAME);
        if let Some(address) = fields.client_addr {
            let address = address.to_canonical().to_string();
            line::text(&mut buffer, key!("client_addr"), &address, MAX_NAME);
        }
        if let Some(port) = fields.client_port {
            line::number(&mut buffer, key!("client_port"), port.into());
        }
        line::optional(&mut buffer, key!("tls"), fields.tls, MAX_NAME);
        let application = fields.application_name;
        line::optional(&mut buffer, key!("application_name"), application, MAX_NAME);
        named(&mut buffer, key!("backend"), fields.backend);
        line::optional(
            &mut buffer,
            key!("backend_role"),
            fields.backend_role,
            MAX_NAME,
        );
        named(&mut buffer, key!("version"), fields.version);
        Self(buffer.into())
    }

    pub(crate) fn encoded(&self) -> &[u8] {
        &self.0
    }
}

impl StatementFragment {
    /// Encodes what is known of a statement: its facts, its text as it may be kept, and its
    /// fingerprint in hexadecimal.
    pub fn new(statement: &Statement, text: &str, fingerprint: &str) -> Self {
        Self::running(statement, text, fingerprint, &[])
    }

    /// The same for one that runs others, as EXECUTE and FETCH do: what they do it does.
    pub fn running(statement: &Statement, text: &str, fingerprint: &str, ran: &[Ran<'_>]) -> Self {
        let mut buffer = Vec::with_capacity(256 + text.len());
        let others = ran.iter().map(|ran| ran.statement);
        let all: Vec<&Statement> = std::iter::once(statement).chain(others).collect();
        line::text(
            &mut buffer,
            key!("kind"),
            statement.kind().as_str(),
            MAX_NAME,
        );
        let kinds = all.iter().flat_map(|one| &one.kinds);
        let inner = once_each(kinds.skip(1).map(|kind| kind.as_str()));
        line::list(&mut buffer, key!("inner_kinds"), inner, MAX_NAME);
        let effects = || all.iter().flat_map(|one| &one.effects);
        let actions = once_each(effects().map(|effect| effect.action.as_str()));
        line::list(&mut buffer, key!("actions"), actions, MAX_NAMES);
        line::list(&mut buffer, key!("tables"), tables(effects()), MAX_NAMES);
        line::list(
            &mut buffer,
            key!("functions"),
            functions(effects()),
            MAX_NAMES,
        );
        let mut features = Features::default();
        for one in &all {
            features.merge(one.features);
        }
        let features = features.iter().map(Feature::as_str);
        line::list(&mut buffer, key!("features"), features, MAX_NAMES);
        let effects = effects().map(effects::written);
        line::list(&mut buffer, key!("effects"), effects, MAX_NAMES);
        line::text(&mut buffer, key!("fingerprint"), fingerprint, MAX_NAME);
        let most = if ran.is_empty() {
            MAX_TEXT
        } else {
            MAX_TEXT_BESIDE_OTHERS
        };
        if !text.is_empty() {
            line::text(&mut buffer, key!("text"), text, most);
        }
        let texts = ran.iter().map(|ran| ran.text);
        line::texts(&mut buffer, key!("runs"), texts, MAX_RUNS);
        Self(buffer.into())
    }

    /// How many bytes it adds to a record.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it adds nothing; it always adds something.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn encoded(&self) -> &[u8] {
        &self.0
    }
}

impl DecisionFragment {
    /// Encodes what the policy said.
    pub fn new(fields: &DecisionFields<'_>) -> Self {
        let mut buffer = Vec::with_capacity(256);
        line::text(&mut buffer, key!("verdict"), fields.verdict, MAX_VALUE);
        line::text(&mut buffer, key!("rule"), fields.rule, MAX_VALUE);
        line::list(&mut buffer, key!("marks"), fields.marks, MAX_MARKS);
        line::text(&mut buffer, key!("risk"), fields.risk, MAX_VALUE);
        line::text(&mut buffer, key!("policy"), fields.policy, MAX_VALUE);
        Self(buffer.into())
    }

    pub(crate) fn encoded(&self) -> &[u8] {
        &self.0
    }
}

/// Each word once.
fn once_each(words: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    let mut once: Vec<&'static str> = Vec::new();
    for word in words {
        if !once.contains(&word) {
            once.push(word);
        }
    }
    once
}

/// Each relation once, in the order of the text.
fn tables<'a>(effects: impl Iterator<Item = &'a Effect>) -> Vec<String> {
    named(effects, |action, object| {
        action != Action::Call && object.kind.is_relation() && object.kind != ObjectKind::Index
    })
}

/// Each function and procedure that is called, once.
fn functions<'a>(effects: impl Iterator<Item = &'a Effect>) -> Vec<String> {
    named(effects, |action, _| action == Action::Call)
}

fn named<'a>(
    effects: impl Iterator<Item = &'a Effect>,
    wanted: impl Fn(Action, &Object) -> bool,
) -> Vec<String> {
    let mut seen = HashSet::new();
    effects
        .map(|effect| (effect.action, &effect.object))
        .filter(|(action, object)| !object.name.name.is_empty() && wanted(*action, object))
        .filter(|(_, object)| seen.insert(&object.name))
        .map(|(_, object)| object.name.to_string())
        .collect()
}
