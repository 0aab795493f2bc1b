//! Lists of objects.

use super::sets::Sets;
use super::value::texts_of;
use crate::facts::{Action, ObjectKind};
use crate::matcher::{ActionSet, ObjectPattern, Objects};
use crate::pattern::{ColumnPattern, Glob, NamePattern};
use crate::yaml::{Fields, Place, Reading, advice_or};

/// The keys that list objects, and the actions that can have such an object.
const LISTS: &[(&str, &[Action])] = &[
    (
        "tables",
        &[
            Action::Read,
            Action::Insert,
            Action::Update,
            Action::Delete,
            Action::Export,
            Action::Load,
            Action::DdlCreate,
            Action::DdlAlter,
            Action::DdlDrop,
            Action::Truncate,
            Action::Grant,
            Action::Lock,
            Action::Maintenance,
            Action::Replication,
        ],
    ),
    (
        "columns",
        &[
            Action::Read,
            Action::Insert,
            Action::Update,
            Action::Export,
            Action::Load,
            Action::Grant,
        ],
    ),
    (
        "functions",
        &[
            Action::Call,
            Action::DdlCreate,
            Action::DdlAlter,
            Action::DdlDrop,
            Action::Grant,
        ],
    ),
    (
        "operators",
        &[
            Action::Call,
            Action::DdlCreate,
            Action::DdlAlter,
            Action::DdlDrop,
        ],
    ),
    (
        "types",
        &[
            Action::Call,
            Action::DdlCreate,
            Action::DdlAlter,
            Action::DdlDrop,
            Action::Grant,
        ],
    ),
    (
        "settings",
        &[Action::Session, Action::UnsafeIo, Action::Grant],
    ),
];

/// Takes the lists of objects out of a matcher.
pub(super) fn read(
    fields: &mut Fields,
    actions: ActionSet,
    sets: &mut Sets,
    reading: &mut Reading,
) -> Objects {
    let mut objects = Objects::default();
    for (list, can_have) in LISTS {
        let Some((key, node)) = fields.take(list) else {
            continue;
        };
        if !actions.is_empty() && !can_have.iter().any(|action| actions.contains(*action)) {
            let actions: Vec<_> = can_have.iter().map(|action| action.as_str()).collect();
            reading.mistake(
                key.place,
                format!(
                    "{list} never match: only {} have any, and actions names none of them",
                    actions.join(", ")
                ),
            );
        }
        let items = texts_of(node, list, reading);
        for (place, item) in sets.expand(list, items, reading) {
            match read_item(list, &item) {
                Ok(Item::Object(pattern)) => objects.patterns.push(pattern),
                Ok(Item::Column(pattern)) => objects.columns.push(pattern),
                Err(mistake) => reading.mistake(place, mistake),
            }
        }
    }
    if let Some((_, node)) = fields.take("objects") {
        for (place, item) in texts_of(node, "objects", reading) {
            match read_kind(&item) {
                Ok(pattern) => objects.patterns.push(pattern),
                Err(mistake) => reading.mistake(place, mistake),
            }
        }
    }
    objects.finish();
    objects
}

enum Item {
    Object(ObjectPattern),
    Column(ColumnPattern),
}

fn read_item(list: &str, item: &str) -> Result<Item, String> {
    let built_in = match (list, item) {
        ("tables", "catalog") => Some(ObjectPattern::Catalog),
        ("tables", "activity") => Some(ObjectPattern::Activity),
        ("functions", "builtin") => Some(ObjectPattern::Builtin),
        ("settings", "harmless") => Some(ObjectPattern::HarmlessSetting),
        (_, "catalog" | "activity") => return Err(format!("{item} is a set of tables")),
        (_, "builtin") => return Err("builtin is a set of functions".to_owned()),
        (_, "harmless") => return Err("harmless is a set of settings".to_owned()),
        _ => None,
    };
    if let Some(built_in) = built_in {
        return Ok(Item::Object(built_in));
    }
    Ok(match list {
        "columns" => Item::Column(ColumnPattern::read(item)?),
        "tables" => Item::Object(ObjectPattern::Relation(NamePattern::read(item)?)),
        "functions" => Item::Object(ObjectPattern::Function(NamePattern::read(item)?)),
        "types" => Item::Object(ObjectPattern::InSchema(
            ObjectKind::Type,
            NamePattern::read(item)?,
        )),
        "operators" => Item::Object(operator(item)),
        _ => Item::Object(ObjectPattern::Setting(Glob::new(&item.to_lowercase()))),
    })
}

/// An operator by its symbol, in any schema; `*` stands for all, and is the symbol of none other.
fn operator(symbol: &str) -> ObjectPattern {
    ObjectPattern::InSchema(
        ObjectKind::Operator,
        NamePattern {
            schema: Glob::Any,
            name: if symbol == "*" {
                Glob::Any
            } else {
                Glob::Exact(symbol.into())
            },
        },
    )
}

/// `kind` or `kind:name`.
fn read_kind(item: &str) -> Result<ObjectPattern, String> {
    let (word, name) = item.split_once(':').unwrap_or((item, "*"));
    let Some(kind) = ObjectKind::from_word(word) else {
        let known = ObjectKind::ALL.iter().map(|kind| kind.as_str());
        let advice = advice_or(word, known, "write kind:name, as role:app or schema:public");
        return Err(format!("there is no kind of object {word}; {advice}"));
    };
    if kind.lives_in_a_schema() {
        Ok(ObjectPattern::InSchema(kind, NamePattern::read(name)?))
    } else {
        Ok(ObjectPattern::Global(kind, Glob::new(name)))
    }
}

/// The place of a list that is there, to report what doesn't go with it.
pub(super) fn conflict(fields: &Fields) -> Option<Place> {
    fields.place_of("tables").and(fields.place_of("columns"))
}
