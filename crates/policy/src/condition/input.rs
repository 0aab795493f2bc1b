//! What a condition is asked about.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::Arc;

use cel::Value;
use cel::objects::{Key, Map};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{ConditionScope, Variable};
use crate::facts::{Execution, Feature, Filter, Kind, Name, ObjectKind, Statement};
use crate::matcher::is_function;
use crate::principal::{CertificateName, Principal, Tls};
use crate::risk::Risk;
use crate::seen::Seen;
use crate::situation::TransactionState;

/// What a condition is asked about.
#[derive(Clone, Copy)]
pub(crate) struct Input<'a> {
    pub(crate) principal: &'a Principal,
    /// The statement and what it executes; none for what comes without SQL.
    pub(crate) statements: &'a [&'a Statement],
    /// What was made of them, for the conditions that are asked next.
    pub(crate) statement_seen: &'a OnceCell<Value>,
    pub(crate) count: usize,
    pub(crate) risk: Risk,
    pub(crate) effect: Option<Seen<'a>>,
    pub(crate) transaction: TransactionState,
    pub(crate) now: Timestamp,
}

/// What `statement` has.
pub(super) const STATEMENT_FIELDS: &[&str] = &[
    "kind",
    "kinds",
    "features",
    "tables",
    "functions",
    "settings",
    "risk",
    "count",
];

/// What `effect` has.
pub(super) const EFFECT_FIELDS: &[&str] = &[
    "action",
    "subtype",
    "kind",
    "schema",
    "name",
    "columns",
    "all_columns",
    "filter",
    "execution",
    "returning",
];

impl Input<'_> {
    pub(super) fn value(&self, variable: Variable) -> Value {
        let principal = self.principal;
        match variable {
            Variable::User => text(&principal.user),
            Variable::Database => text(&principal.database),
            Variable::Backend => text(&principal.backend),
            Variable::Groups => texts(principal.groups.iter().map(|group| &**group)),
            Variable::Claims => map(principal
                .claims
                .iter()
                .map(|(name, claim)| (&**name, json(claim)))),
            Variable::Certificate => texts(
                principal
                    .certificate
                    .iter()
                    .flat_map(CertificateName::names),
            ),
            Variable::ClientAddr => {
                let addr = principal
                    .client_addr
                    .map(|addr| addr.to_canonical().to_string());
                text(&addr.unwrap_or_default())
            }
            Variable::Tls => Value::Bool(principal.tls == Tls::On),
            Variable::ApplicationName => {
                text(principal.application_name.as_deref().unwrap_or_default())
            }
            Variable::Statement => self.statement_seen.get_or_init(|| self.statement()).clone(),
            Variable::Effect => self.effect(),
            Variable::Transaction => text(match self.transaction {
                TransactionState::Idle => "idle",
                TransactionState::Open => "open",
                TransactionState::Failed => "failed",
            }),
            Variable::Now => Value::Int(self.now.as_second()),
            Variable::Hour => Value::Int(self.now.to_zoned_datetime(TimeZone::UTC).hour().into()),
            Variable::Weekday => {
                let day = self
                    .now
                    .to_zoned_datetime(TimeZone::UTC)
                    .strftime("%A")
                    .to_string();
                text(&day.to_lowercase())
            }
        }
    }

    fn statement(&self) -> Value {
        let effects = || {
            self.statements
                .iter()
                .flat_map(|statement| &statement.effects)
        };
        let named = |matches: fn(ObjectKind) -> bool| {
            let mut names: Vec<String> = effects()
                .filter(|effect| matches(effect.object.kind))
                .map(|effect| effect.object.name.to_string())
                .collect();
            names.sort_unstable();
            names.dedup();
            texts(names.iter().map(String::as_str))
        };
        let kind = self
            .statements
            .first()
            .map_or(Kind::Unparsed, |first| first.kind());
        let kinds = self
            .statements
            .iter()
            .flat_map(|statement| &statement.kinds);
        let features = self
            .statements
            .iter()
            .flat_map(|statement| statement.features.iter());
        let settings = self
            .statements
            .iter()
            .flat_map(|statement| &statement.settings)
            .filter_map(|setting| setting.name.as_deref());
        map([
            ("kind", text(kind.as_str())),
            ("kinds", texts(kinds.map(|kind| kind.as_str()))),
            ("features", texts(features.map(Feature::as_str))),
            ("tables", named(ObjectKind::is_relation)),
            ("functions", named(is_function)),
            ("settings", texts(settings)),
            ("risk", text(self.risk.as_str())),
            (
                "count",
                Value::Int(i64::try_from(self.count).unwrap_or(i64::MAX)),
            ),
        ]
        .into_iter())
    }

    fn effect(&self) -> Value {
        let Some(seen) = &self.effect else {
            return Value::Null;
        };
        map([
            ("action", text(seen.action.as_str())),
            ("subtype", text(seen.subtype)),
            ("kind", text(seen.kind.as_str())),
            (
                "schema",
                text(seen.name.schema.as_deref().unwrap_or_default()),
            ),
            ("name", text(&seen.name.name)),
            (
                "columns",
                texts(seen.columns.named.iter().map(|column| &**column)),
            ),
            ("all_columns", Value::Bool(seen.columns.all)),
            ("filter", text(filter_word(seen.attributes.filter))),
            ("execution", text(execution_word(seen.attributes.execution))),
            ("returning", Value::Bool(seen.attributes.returning)),
        ]
        .into_iter())
    }
}

pub(crate) const fn filter_word(filter: Filter) -> &'static str {
    match filter {
        Filter::NotApplicable => "not_applicable",
        Filter::Missing => "missing",
        Filter::AlwaysTrue => "always_true",
        Filter::Given => "given",
    }
}

pub(crate) const fn execution_word(execution: Execution) -> &'static str {
    match execution {
        Execution::Now => "now",
        Execution::Planned => "planned",
        Execution::Stored => "stored",
    }
}

fn text(text: &str) -> Value {
    Value::String(Arc::new(text.to_owned()))
}

fn texts<'t>(items: impl Iterator<Item = &'t str>) -> Value {
    Value::List(Arc::new(items.map(text).collect()))
}

fn map<'k>(entries: impl Iterator<Item = (&'k str, Value)>) -> Value {
    let map: HashMap<Key, Value> = entries
        .map(|(name, value)| (Key::String(Arc::new(name.to_owned())), value))
        .collect();
    Value::Map(Map { map: Arc::new(map) })
}

fn json(value: &serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(boolean) => Value::Bool(*boolean),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Value::Int(integer),
            (None, Some(float)) => Value::Float(float),
            (None, None) => Value::Null,
        },
        serde_json::Value::String(string) => text(string),
        serde_json::Value::Array(items) => Value::List(Arc::new(items.iter().map(json).collect())),
        serde_json::Value::Object(entries) => map(entries
            .iter()
            .map(|(name, entry)| (name.as_str(), json(entry)))),
    }
}

/// Made-up input of each kind.
pub(super) fn rehearsals(
    scope: ConditionScope,
    run: &mut dyn FnMut(&Input<'_>) -> Result<(), String>,
) -> Result<(), String> {
    let principal = Principal {
        user: "somebody".into(),
        database: "somewhere".into(),
        groups: vec!["some".into()],
        client_addr: Some(std::net::IpAddr::from([127, 0, 0, 1])),
        ..Principal::default()
    };
    let name = Name::qualified("public", "something");
    for kind in [
        Kind::Select,
        Kind::Update,
        Kind::Create,
        Kind::Set,
        Kind::Do,
    ] {
        let effect = crate::facts::Effect {
            object: crate::facts::Object::new(ObjectKind::Relation, name.clone()),
            ..crate::facts::Effect::unknown("")
        };
        let statement = Statement {
            kinds: vec![kind],
            effects: vec![effect.clone()],
            ..Statement::default()
        };
        run(&Input {
            principal: &principal,
            statements: &[&statement],
            statement_seen: &OnceCell::new(),
            count: 1,
            risk: Risk::Medium,
            effect: (scope == ConditionScope::Effect).then(|| Seen::of_effect(&effect)),
            transaction: TransactionState::Idle,
            now: Timestamp::UNIX_EPOCH,
        })?;
    }
    Ok(())
}
