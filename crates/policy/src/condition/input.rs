//! What a condition is asked about.

use std::collections::HashMap;
use std::sync::Arc;

use cel::objects::{Key, Map};
use cel::{Context, Value};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{ConditionScope, ENVIRONMENT, Variable};
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
    /// Only for conditions that look at it.
    pub(crate) statement: Option<&'a StatementSeen>,
    pub(crate) effect: Option<Seen<'a>>,
    pub(crate) transaction: TransactionState,
    pub(crate) now: Timestamp,
}

/// The statement and what it executes, made once for all conditions that look at it: it can be long.
pub(crate) struct StatementSeen {
    scope: Context<'static, 'static>,
    /// How many items its lists have.
    items: usize,
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
    /// How many items of lists a condition may go through, as far as they are of the SQL.
    pub(super) fn items(&self) -> usize {
        let statement = self.statement.map_or(0, |statement| statement.items);
        let effect = self.effect.map_or(0, |seen| seen.columns.named.len());
        statement + effect
    }

    /// What a variable is; `None` for the statement, which stands in an outer scope.
    pub(super) fn value(&self, variable: Variable) -> Option<Value> {
        let principal = self.principal;
        Some(match variable {
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
            Variable::Statement => return None,
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
        })
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

impl StatementSeen {
    /// Of a statement and what it executes; none for what comes without SQL.
    pub(crate) fn new(statements: &[&Statement], count: usize, risk: Risk) -> Self {
        let named = |matches: fn(ObjectKind) -> bool| {
            let mut names: Vec<String> = statements
                .iter()
                .flat_map(|statement| &statement.effects)
                .filter(|effect| matches(effect.object.kind))
                .map(|effect| effect.object.name.to_string())
                .collect();
            names.sort_unstable();
            names.dedup();
            texts(names.iter().map(String::as_str))
        };
        let kind = statements
            .first()
            .map_or(Kind::Unparsed, |first| first.kind());
        let kinds = statements.iter().flat_map(|statement| &statement.kinds);
        let features = statements
            .iter()
            .flat_map(|statement| statement.features.iter());
        let settings = statements
            .iter()
            .flat_map(|statement| &statement.settings)
            .filter_map(|setting| setting.name.as_deref());
        let lists = [
            ("kinds", texts(kinds.map(|kind| kind.as_str()))),
            ("features", texts(features.map(Feature::as_str))),
            ("tables", named(ObjectKind::is_relation)),
            ("functions", named(is_function)),
            ("settings", texts(settings)),
        ];
        let items = lists.iter().map(|(_, list)| {
            if let Value::List(list) = list {
                list.len()
            } else {
                0
            }
        });
        let items = items.sum();
        let count = Value::Int(i64::try_from(count).unwrap_or(i64::MAX));
        let others = [
            ("kind", text(kind.as_str())),
            ("risk", text(risk.as_str())),
            ("count", count),
        ];
        let mut scope = Context::with_env(Arc::clone(&ENVIRONMENT));
        scope.add_variable_from_value(
            Variable::Statement.as_str(),
            map(lists.into_iter().chain(others)),
        );
        Self { scope, items }
    }

    /// A scope in which `statement` is.
    pub(super) fn scope(&self) -> Context<'_, 'static> {
        self.scope.new_inner_scope()
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
            statement: Some(&StatementSeen::new(&[&statement], 1, Risk::Medium)),
            effect: (scope == ConditionScope::Effect).then(|| Seen::of_effect(&effect)),
            transaction: TransactionState::Idle,
            now: Timestamp::UNIX_EPOCH,
        })?;
    }
    Ok(())
}
