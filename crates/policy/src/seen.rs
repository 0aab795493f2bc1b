//! An effect as rules look at it.

use std::sync::LazyLock;

use crate::facts::{
    Action, Attributes, Columns, Effect, Name, ObjectKind, PossibleCall, Resolved, SettingValue,
    Statement, Via,
};
use crate::home::Wanted;

/// An effect as rules look at it: of a statement, or one that may hide in an attribute.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) action: Action,
    pub(crate) subtype: &'static str,
    pub(crate) kind: ObjectKind,
    pub(crate) name: &'a Name,
    pub(crate) columns: &'a Columns,
    pub(crate) attributes: Attributes,
    /// What a setting is set to, if it is one of those whose value is kept.
    pub(crate) value: Option<&'a str>,
    /// Set for a call that the text doesn't spell as one.
    pub(crate) via: Option<Via>,
    /// The relation of which such a call would take a row, if the text says it.
    pub(crate) of: Option<&'a Name>,
    /// The calls that may hide in the statement.
    pub(crate) beside: &'a [PossibleCall],
}

static NO_COLUMNS: Columns = Columns {
    all: false,
    named: Vec::new(),
};

static ALL_COLUMNS: Columns = Columns {
    all: true,
    named: Vec::new(),
};

static UNKNOWN_PREPARED: LazyLock<Effect> = LazyLock::new(|| Effect::unknown("unknown_prepared"));

impl<'a> Seen<'a> {
    pub(crate) fn of_effect(effect: &'a Effect) -> Self {
        Self {
            action: effect.action,
            subtype: effect.subtype,
            kind: effect.object.kind,
            name: &effect.object.name,
            columns: &effect.columns,
            attributes: effect.attributes,
            value: None,
            via: None,
            of: None,
            beside: &[],
        }
    }

    /// An effect of a statement, which knows more of it.
    fn within(statement: &'a Statement, effect: &'a Effect) -> Self {
        let mut seen = Self::of_effect(effect);
        seen.beside = &statement.possible_calls;
        if seen.kind == ObjectKind::Setting && seen.action == Action::Session {
            seen.value = value_of(statement, &effect.object.name.name);
        }
        seen
    }

    pub(crate) fn of_possible_call(call: &'a PossibleCall) -> Self {
        let kind = match call.via {
            Via::Column | Via::Attribute => ObjectKind::Function,
            Via::Operator => ObjectKind::Operator,
            Via::Cast => ObjectKind::Type,
        };
        Self {
            action: Action::Call,
            subtype: "",
            kind,
            name: &call.name,
            columns: &NO_COLUMNS,
            attributes: Attributes::default(),
            value: None,
            via: Some(call.via),
            of: call.of.as_ref(),
            beside: &[],
        }
    }

    pub(crate) fn wanted(&self) -> Wanted<'a> {
        Wanted {
            kind: self.kind,
            name: self.name,
        }
    }

    /// The same, with the whole row.
    pub(crate) fn with_all_columns(self) -> Self {
        Self {
            columns: &ALL_COLUMNS,
            ..self
        }
    }

    /// Whether the text doesn't say which object it is.
    pub(crate) fn is_hidden(&self) -> bool {
        self.name.name.is_empty() && self.kind != ObjectKind::Nothing
    }

    /// Each effect of a statement and of what it executes, then the calls that may hide in it.
    pub(crate) fn all(resolved: &'a Resolved) -> impl Iterator<Item = Self> {
        let unknown = resolved
            .executes_unknown
            .then(|| Self::of_effect(&UNKNOWN_PREPARED));
        let calls = std::iter::once(&resolved.statement)
            .chain(&resolved.executed)
            .flat_map(|statement| &statement.possible_calls)
            .map(Self::of_possible_call);
        std::iter::once(&resolved.statement)
            .chain(&resolved.executed)
            .flat_map(|statement| {
                let effects = statement.effects.iter();
                effects.map(|effect| Self::within(statement, effect))
            })
            .chain(unknown)
            .chain(calls)
    }
}

/// Settings of one statement whose values are looked at. Honest ones change a few.
const MAX_SETTINGS: usize = 64;

/// What a statement sets a setting to, if it sets it once.
fn value_of<'s>(statement: &'s Statement, setting: &str) -> Option<&'s str> {
    if statement.settings.len() > MAX_SETTINGS {
        return None;
    }
    let mut changes = statement
        .settings
        .iter()
        .filter(|change| change.name.as_deref().is_none_or(|name| *name == *setting));
    match (changes.next(), changes.next()) {
        (Some(change), None) => match &change.value {
            SettingValue::To(words) => words.first().map(|word| &**word),
            SettingValue::Default | SettingValue::Hidden => None,
        },
        _ => None,
    }
}
