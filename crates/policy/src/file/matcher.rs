//! What stands under `allow`, `deny`, `audit` and `limit`: which effects and statements are meant.

use super::objects;
use super::sets::Sets;
use super::value::{boolean_of, choice, text_of, texts_of, word_meaning, words_of};
use crate::facts::{Action, Execution, Feature, Features, Kind, SUBTYPES};
use crate::matcher::{ActionSet, EffectMatcher, FilterAsked};
use crate::risk::Risk;
use crate::rule::{KindSet, RiskAsked, StatementMatcher};
use crate::yaml::{Fields, Node, Place, Reading, advice_or};

pub(super) const KEYS: &[&str] = &[
    "actions",
    "subtypes",
    "tables",
    "columns",
    "functions",
    "operators",
    "types",
    "settings",
    "objects",
    "require_where",
    "where",
    "execution",
    "returning",
    "kinds",
    "features",
    "risk",
];

/// What the matcher belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    Allow,
    Other,
}

pub(super) fn read(
    node: Node,
    of: Of,
    sets: &mut Sets,
    reading: &mut Reading,
) -> Option<(EffectMatcher, StatementMatcher)> {
    let place = node.place;
    let mut fields = Fields::of(node, "what a rule is about", KEYS, reading)?;
    if of == Of::Allow
        && let Some(place) = objects::conflict(&fields)
    {
        reading.mistake(
            place,
            "tables and columns: tables allow all columns, so name one or the other",
        );
    }
    let actions = fields
        .take("actions")
        .map(|(_, node)| actions(node, reading));
    let objects = objects::read(&mut fields, actions.unwrap_or_default(), sets, reading);
    let mut effects = EffectMatcher {
        actions: actions.unwrap_or_default(),
        subtypes: subtypes(&mut fields, reading),
        objects,
        filter: filter(&mut fields, of, reading),
        executions: executions(&mut fields, reading),
        returning: fields
            .take("returning")
            .and_then(|(_, node)| boolean_of(&node, "returning", reading)),
    };
    let statement = statement(&mut fields, of, reading);
    fields.finish(reading);
    if of == Of::Allow && actions.is_none() {
        reading.mistake(
            place,
            "an allow says what it allows: write `actions: [...]`; ['*'] is all",
        );
    } else if effects.is_empty() && statement.is_empty() && of == Of::Allow {
        reading.mistake(place, "nothing is meant: name actions");
    }
    if !effects.is_empty() && actions.is_none() {
        effects.actions = ActionSet::known();
    }
    Some((effects, statement))
}

/// Actions, `ddl.*`, `*`.
fn actions(node: Node, reading: &mut Reading) -> ActionSet {
    let mut set = ActionSet::default();
    let words = words_of(Action::ALL, Action::as_str);
    for (place, word) in texts_of(node, "actions", reading) {
        match word.as_str() {
            "*" => {
                for action in ActionSet::known().iter() {
                    set.insert(action);
                }
            }
            "ddl.*" => {
                for action in [Action::DdlCreate, Action::DdlAlter, Action::DdlDrop] {
                    set.insert(action);
                }
            }
            word => {
                if let Some(action) = word_meaning(place, word, &words, reading) {
                    set.insert(action);
                }
            }
        }
    }
    set
}

fn subtypes(fields: &mut Fields, reading: &mut Reading) -> Vec<Box<str>> {
    let Some((_, node)) = fields.take("subtypes") else {
        return Vec::new();
    };
    let mut subtypes = Vec::new();
    for (place, word) in texts_of(node, "subtypes", reading) {
        if SUBTYPES.contains(&word.as_str()) {
            subtypes.push(word.into());
            continue;
        }
        let known = SUBTYPES.iter().copied();
        let advice = advice_or(&word, known, "docs/policy.schema.json lists them");
        reading.mistake(place, format!("unknown subtype {word}; {advice}"));
    }
    subtypes
}

fn filter(fields: &mut Fields, of: Of, reading: &mut Reading) -> Option<FilterAsked> {
    let require = fields.take("require_where");
    let asked = fields.take("where").and_then(|(_, node)| {
        let words = [
            ("given", FilterAsked::Given),
            ("missing", FilterAsked::Missing),
        ];
        choice(&node, &words, reading)
    });
    let Some((key, node)) = require else {
        return asked;
    };
    if of != Of::Allow {
        reading.mistake(
            key.place,
            "only an allow can require a WHERE: here it is `where: missing` that is meant",
        );
    }
    let is_required = boolean_of(&node, "require_where", reading)?;
    is_required.then_some(FilterAsked::Given)
}

fn executions(fields: &mut Fields, reading: &mut Reading) -> Vec<Execution> {
    let Some((_, node)) = fields.take("execution") else {
        return Vec::new();
    };
    let words = [
        ("now", Execution::Now),
        ("planned", Execution::Planned),
        ("stored", Execution::Stored),
    ];
    texts_of(node, "execution", reading)
        .into_iter()
        .filter_map(|(place, word)| word_meaning(place, &word, &words, reading))
        .collect()
}

fn statement(fields: &mut Fields, of: Of, reading: &mut Reading) -> StatementMatcher {
    let mut kinds = KindSet::default();
    if let Some((_, node)) = fields.take("kinds") {
        let words = words_of(Kind::ALL, Kind::as_str);
        for (place, word) in texts_of(node, "kinds", reading) {
            if let Some(kind) = word_meaning(place, &word, &words, reading) {
                kinds.insert(kind);
            }
        }
    }
    let mut features = Features::default();
    if let Some((key, node)) = fields.take("features") {
        if of == Of::Allow {
            reading.mistake(
                key.place,
                "an allow can't ask for features: deny those that aren't wanted",
            );
        }
        let words = words_of(Feature::ALL, Feature::as_str);
        for (place, word) in texts_of(node, "features", reading) {
            if let Some(feature) = word_meaning(place, &word, &words, reading) {
                features.insert(feature);
            }
        }
    }
    let risk = fields.take("risk").and_then(|(_, node)| {
        let text = text_of(&node, "risk", reading)?;
        risk(node.place, &text, reading)
    });
    StatementMatcher {
        kinds,
        features,
        risk,
    }
}

/// `high`, `">=high"`, `"<=medium"`.
fn risk(place: Place, text: &str, reading: &mut Reading) -> Option<RiskAsked> {
    let (sign, word) = match (text.strip_prefix(">="), text.strip_prefix("<=")) {
        (Some(word), _) => (">=", word),
        (_, Some(word)) => ("<=", word),
        (None, None) => ("", text),
    };
    let words = words_of(Risk::ALL, Risk::as_str);
    let risk = word_meaning(place, word.trim(), &words, reading)?;
    let (from, to) = match sign {
        ">=" => (risk, Risk::Critical),
        "<=" => (Risk::Low, risk),
        _ => (risk, risk),
    };
    Some(RiskAsked { from, to })
}
