//! `querycop policy learn`: proposes an allow-list from what was run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use jiff::Timestamp;
use querycop_gateway::one_line;
use querycop_policy::facts::{Action, Effect, ObjectKind};
use querycop_policy::{Policy, Principal, Scope, SearchPath, Situation, TransactionState};

use super::audited;
use super::replay::Past;
use crate::exit::print;

/// What everybody does, and what the proposal begins with.
const EVERYDAY: &str = "  - name: metadata
    allow: { actions: [read], tables: [catalog] }
  - name: functions
    allow: { actions: [call], functions: [builtin] }
  - name: session
    allow: { actions: [session], settings: [harmless], objects: [cursor, prepared_statement, nothing] }
  - name: transactions
    allow: { actions: [transaction] }
";

/// Objects that rules can name, by what is done to them.
#[derive(Default)]
struct Learned {
    statements: u64,
    /// For each user: for each object its actions.
    users: BTreeMap<String, BTreeMap<Named, BTreeSet<Action>>>,
    /// What is never proposed.
    left_out: BTreeSet<String>,
}

/// The key of a matcher, and what stands in its list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Named {
    list: &'static str,
    item: String,
}

pub(super) fn learn(past: &Past) -> ExitCode {
    match read(past) {
        Ok(learned) => {
            print(&proposal(&learned, past));
            ExitCode::SUCCESS
        }
        Err(status) => status,
    }
}

fn read(past: &Past) -> Result<Learned, ExitCode> {
    let yaml = format!("version: 1\ndefault: deny\nrules:\n{EVERYDAY}");
    let policy = Policy::read(&yaml).expect("the everyday rules are right");
    let scope = Arc::new(policy).scope(&Principal::default());
    let path = past.search_path.as_deref().unwrap_or("\"$user\", public");
    let known = SearchPath::known(path);
    let schema = only_schema(path);
    let mut learned = Learned::default();
    audited::each(&past.directory, &past.filter, &past.like, &mut |audited| {
        let entry = audited.entry;
        // What failed or was denied is no example.
        if entry.outcome != "completed" && entry.outcome != "suspended" {
            return;
        }
        learned.statements += 1;
        for effect in audited.resolved.effects() {
            if !is_everyday(&scope, effect, &known) {
                learned.note(&entry.user, effect, &schema);
            }
        }
    })?;
    Ok(learned)
}

fn is_everyday(scope: &Scope, effect: &Effect, path: &SearchPath) -> bool {
    let situation = Situation {
        search_path: path,
        now: Timestamp::UNIX_EPOCH,
        transaction: TransactionState::Idle,
    };
    let explained = scope.explain_effects(std::slice::from_ref(effect), &situation);
    explained
        .effects
        .first()
        .is_some_and(|effect| effect.allowed_by.is_some())
}

/// The schema of a path that has only one beside the user's own; else any.
fn only_schema(path: &str) -> String {
    let schemas: Vec<&str> = path
        .split(',')
        .map(|schema| schema.trim().trim_matches('"'))
        .filter(|schema| !schema.is_empty() && *schema != "$user")
        .collect();
    match schemas.as_slice() {
        [only] => (*only).to_owned(),
        _ => "*".to_owned(),
    }
}

impl Learned {
    fn note(&mut self, user: &str, effect: &Effect, schema: &str) {
        let is_left_out = matches!(
            effect.action,
            Action::Unknown | Action::UnsafeIo | Action::Replication
        );
        if is_left_out {
            let object = &effect.object;
            self.left_out.insert(format!(
                "{user}: {} {} {}",
                effect.action, object.kind, object.name
            ));
            return;
        }
        self.users
            .entry(user.to_owned())
            .or_default()
            .entry(named(effect, schema))
            .or_default()
            .insert(effect.action);
    }
}

fn named(effect: &Effect, schema: &str) -> Named {
    let object = &effect.object;
    let is_hidden = object.name.name.is_empty();
    let home = object.name.schema.as_deref().unwrap_or(schema);
    let qualified = format!("{}.{}", part(home), part(&object.name.name));
    let (list, item) = match object.kind {
        kind if is_hidden => ("objects", kind.to_string()),
        kind if kind.is_relation() => ("tables", qualified),
        ObjectKind::Function
        | ObjectKind::Procedure
        | ObjectKind::Routine
        | ObjectKind::Aggregate => ("functions", qualified),
        ObjectKind::Setting => ("settings", object.name.name.to_string()),
        kind if kind.lives_in_a_schema() => ("objects", format!("{kind}:{qualified}")),
        kind => ("objects", format!("{kind}:{}", object.name.name)),
    };
    Named { list, item }
}

/// A part of a pattern, in quotes where it would be read otherwise.
fn part(name: &str) -> String {
    let is_plain = name == "*"
        || !name.is_empty()
            && name.chars().all(|letter| {
                letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_'
            });
    if is_plain {
        name.to_owned()
    } else {
        format!("\"{name}\"")
    }
}

fn proposal(learned: &Learned, past: &Past) -> String {
    let mut text = format!(
        "# Proposed by `querycop policy learn` from {} statements in {}.\n\
         # Read it before you use it: it allows what was done, whether that was right or not.\n",
        learned.statements,
        past.directory.display()
    );
    for left_out in &learned.left_out {
        let _ = writeln!(text, "# Never proposed: {}", one_line(left_out));
    }
    text.push_str("\nversion: 1\nmode: observe\ndefault: deny\n");
    if let Some(path) = &past.search_path {
        let _ = writeln!(text, "search_path: {}", quoted(path));
    }
    if !learned.users.is_empty() {
        text.push_str("\nprincipals:\n");
    }
    for (number, user) in learned.users.keys().enumerate() {
        let _ = writeln!(
            text,
            "  {}: {{ users: [{}] }}",
            label(user, number),
            quoted(user)
        );
    }
    let _ = write!(text, "\nrules:\n{EVERYDAY}");
    for (number, (user, objects)) in learned.users.iter().enumerate() {
        rules(&mut text, &label(user, number), objects);
    }
    text
}

/// One rule for all objects of a list to which the same is done.
fn rules(text: &mut String, label: &str, objects: &BTreeMap<Named, BTreeSet<Action>>) {
    let mut alike: BTreeMap<(&str, &BTreeSet<Action>), Vec<&str>> = BTreeMap::new();
    for (named, actions) in objects {
        alike
            .entry((named.list, actions))
            .or_default()
            .push(&named.item);
    }
    for (number, ((list, actions), items)) in alike.iter().enumerate() {
        let words: Vec<_> = actions.iter().map(|action| action.as_str()).collect();
        let _ = writeln!(text, "  - name: {label}-{list}-{}", number + 1);
        let _ = writeln!(text, "    for: {label}");
        let _ = writeln!(text, "    allow:");
        let _ = writeln!(text, "      actions: [{}]", words.join(", "));
        let _ = writeln!(text, "      {list}:");
        for item in items {
            let _ = writeln!(text, "        - {}", quoted(item));
        }
    }
}

/// A name for a user in the file.
fn label(user: &str, number: usize) -> String {
    let is_plain = !user.is_empty()
        && user.len() <= 40
        && user
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-')
        && user.starts_with(|letter: char| letter.is_ascii_alphabetic());
    if is_plain {
        user.to_owned()
    } else {
        format!("user-{}", number + 1)
    }
}

/// JSON's quotes are YAML's, too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
