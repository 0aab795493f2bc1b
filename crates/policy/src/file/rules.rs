//! Rules.

use std::collections::HashSet;
use std::sync::Arc;

use super::matcher::{self, Of};
use super::principals::Principals;
use super::sets::Sets;
use super::value::{choice, text_of};
use super::{limits, time};
use crate::condition::{Condition, ConditionScope};
use crate::decision::{AuditText, Denial};
use crate::denial;
use crate::facts::Action;
use crate::matcher::EffectMatcher;
use crate::policy::Mode;
use crate::rule::{Does, Rule, Who};
use crate::yaml::{Fields, Key, Node, Place, Reading, Value};

pub(super) const KEYS: &[&str] = &[
    "name",
    "description",
    "for",
    "except",
    "allow",
    "deny",
    "audit",
    "limit",
    "approve",
    "mask",
    "to",
    "text",
    "during",
    "when",
    "mode",
    "message",
    "hint",
    "override_floor",
];

/// What a rule can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Allow,
    Deny,
    Audit,
    Limit,
}

pub(super) fn read(
    node: Node,
    sets: &mut Sets,
    principals: &mut Principals,
    reading: &mut Reading,
) -> Vec<Rule> {
    let place = node.place;
    let Value::List(nodes) = node.value else {
        reading.mistake(place, "rules is a list: each rule begins with `- name:`");
        return Vec::new();
    };
    if nodes.len() > usize::from(u16::MAX) {
        reading.mistake(place, format!("more than {} rules", u16::MAX));
        return Vec::new();
    }
    let mut names = HashSet::new();
    nodes
        .into_iter()
        .filter_map(|node| {
            let (key, rule) = read_one(node, sets, principals, reading)?;
            if !names.insert(Arc::clone(&rule.name)) {
                reading.mistake(
                    key,
                    format!(
                        "there are two rules {}: a decision names its rule, so names differ",
                        rule.name
                    ),
                );
            }
            Some(rule)
        })
        .collect()
}

fn read_one(
    node: Node,
    sets: &mut Sets,
    principals: &mut Principals,
    reading: &mut Reading,
) -> Option<(Place, Rule)> {
    let place = node.place;
    let mut fields = Fields::of(node, "a rule", KEYS, reading)?;
    let (name_place, name) = name(&mut fields, reading);
    fields.take("description");
    let who = Who {
        any_of: who(&mut fields, "for", principals, reading),
        none_of: who(&mut fields, "except", principals, reading),
    };
    not_yet(&mut fields, reading);
    let verb = verb(&mut fields, place, reading);
    let matched = verb.map(|(verb, node)| {
        let of = if verb == Verb::Allow {
            Of::Allow
        } else {
            Of::Other
        };
        (verb, matcher::read(node, of, sets, reading))
    });
    let during = fields
        .take("during")
        .map(|(_, node)| time::read(node, reading))
        .unwrap_or_default();
    let Some((verb, Some((effects, statement)))) = matched else {
        fields.finish(reading);
        return None;
    };
    let scope = if effects.is_empty() {
        ConditionScope::Statement
    } else {
        ConditionScope::Effect
    };
    let when = when(&mut fields, scope, reading);
    let does = does(verb, &name, &effects, &mut fields, reading);
    fields.finish(reading);
    let rule = Rule {
        name,
        does,
        who,
        effects,
        statement,
        during,
        when,
    };
    Some((name_place, rule))
}

fn name(fields: &mut Fields, reading: &mut Reading) -> (Place, Arc<str>) {
    let place = fields.place;
    let Some((_, node)) = fields.take("name") else {
        reading.mistake(
            place,
            "a rule without a name: decisions, errors and the audit name it",
        );
        return (place, Arc::default());
    };
    let name = text_of(&node, "a rule's name", reading).unwrap_or_default();
    if name == "default" || name.starts_with("floor.") || name == "no_effects" {
        reading.mistake(
            node.place,
            format!("{name} is what the policy itself decides by: take another name"),
        );
    }
    if name.chars().any(char::is_control) || name.len() > 63 {
        reading.mistake(
            node.place,
            "a rule's name has at most 63 bytes and stands on one line",
        );
    }
    (node.place, name.into())
}

fn who(
    fields: &mut Fields,
    key: &str,
    principals: &mut Principals,
    reading: &mut Reading,
) -> Vec<usize> {
    match fields.take(key) {
        Some((_, node)) => principals.find(node, reading),
        None => Vec::new(),
    }
}

/// Keys that have a place and no meaning yet.
fn not_yet(fields: &mut Fields, reading: &mut Reading) {
    for (key, what) in [
        ("approve", "to hold a statement for a person's approval"),
        ("mask", "to mask columns of results"),
    ] {
        if let Some((key, _)) = fields.take(key) {
            reading.mistake(
                key.place,
                format!("{}: {what} is not available yet", key.name),
            );
        }
    }
}

fn verb(fields: &mut Fields, place: Place, reading: &mut Reading) -> Option<(Verb, Node)> {
    let verbs = [
        ("allow", Verb::Allow),
        ("deny", Verb::Deny),
        ("audit", Verb::Audit),
        ("limit", Verb::Limit),
    ];
    let mut found: Vec<(Verb, Key, Node)> = Vec::new();
    for (word, verb) in verbs {
        if let Some((key, node)) = fields.take_even_empty(word) {
            found.push((verb, key, node));
        }
    }
    if let [_, second, ..] = found.as_slice() {
        reading.mistake(
            second.1.place,
            "a rule does one thing: allow, deny, audit or limit; make a rule of its own for the other",
        );
    }
    let Some((verb, _, node)) = found.into_iter().next() else {
        reading.mistake(
            place,
            "the rule does nothing: it needs one of allow, deny, audit, limit",
        );
        return None;
    };
    Some((verb, node))
}

fn when(fields: &mut Fields, scope: ConditionScope, reading: &mut Reading) -> Option<Condition> {
    let (_, node) = fields.take("when")?;
    let text = text_of(&node, "when", reading)?;
    match Condition::compile(&text, scope) {
        Ok(condition) => Some(condition),
        Err(mistakes) => {
            for mistake in mistakes {
                reading.mistake(node.place, mistake);
            }
            None
        }
    }
}

fn does(
    verb: Verb,
    name: &Arc<str>,
    effects: &EffectMatcher,
    fields: &mut Fields,
    reading: &mut Reading,
) -> Does {
    let observed = fields.take("mode");
    let message = words(fields, "message", Verb::Deny, verb, reading);
    let hint = words(fields, "hint", Verb::Deny, verb, reading);
    let to = fields.take("to");
    let text = fields.take("text");
    let lifted = fields.take("override_floor");
    only_with(verb, Verb::Deny, observed.as_ref(), reading);
    only_with(verb, Verb::Limit, to.as_ref(), reading);
    only_with(verb, Verb::Audit, text.as_ref(), reading);
    only_with(verb, Verb::Allow, lifted.as_ref(), reading);
    match verb {
        Verb::Allow => {
            let override_floor = lifted.and_then(|(_, node)| reason(node, reading));
            if override_floor.is_none() {
                warn_of_floor(effects, fields.place, reading);
            }
            Does::Allow { override_floor }
        }
        Verb::Deny => {
            let is_observed = observed.is_some_and(|(_, node)| {
                let words = [("enforce", Mode::Enforce), ("observe", Mode::Observe)];
                choice(&node, &words, reading) == Some(Mode::Observe)
            });
            // Whatever the message says, the client is told which rule it was.
            let (message, detail) = match message {
                Some(message) => (message, Some(denial::which(name))),
                None => (denial::message(name), None),
            };
            let denial = Arc::new(Denial {
                message,
                detail,
                hint,
            });
            Does::Deny {
                denial,
                is_observed,
            }
        }
        Verb::Audit => {
            let words = [("redacted", AuditText::Redacted), ("raw", AuditText::Raw)];
            let text = text.and_then(|(_, node)| choice(&node, &words, reading));
            Does::Audit { text }
        }
        Verb::Limit => {
            if to.is_none() {
                reading.mistake(
                    fields.place,
                    "a limit says to what: write `to: { rows: 1000 }`",
                );
            }
            let limits = to.map(|(_, node)| limits::read(node, name, reading));
            Does::Limit(limits.unwrap_or_default())
        }
    }
}

fn words(
    fields: &mut Fields,
    key: &'static str,
    of: Verb,
    verb: Verb,
    reading: &mut Reading,
) -> Option<Box<str>> {
    let found = fields.take(key);
    only_with(verb, of, found.as_ref(), reading);
    let (_, node) = found?;
    let text = text_of(&node, key, reading)?;
    Some(text.trim().into())
}

/// Reports a key that means something only for another kind of rule.
fn only_with(verb: Verb, of: Verb, found: Option<&(Key, Node)>, reading: &mut Reading) {
    if let Some((key, _)) = found
        && verb != of
    {
        let of = match of {
            Verb::Allow => "allows",
            Verb::Deny => "denies",
            Verb::Audit => "audits",
            Verb::Limit => "limits",
        };
        reading.mistake(
            key.place,
            format!("{} belongs to a rule that {of}", key.name),
        );
    }
}

/// `override_floor: { reason: … }`.
fn reason(node: Node, reading: &mut Reading) -> Option<Box<str>> {
    let mut fields = Fields::of(node, "override_floor", &["reason"], reading)?;
    let reason = fields
        .demand(
            "reason",
            "no reason: whoever reads the policy wants to know why the floor is lifted",
            reading,
        )
        .and_then(|node| text_of(&node, "the reason", reading));
    fields.finish(reading);
    reason.map(Into::into)
}

/// An allow of what the floor denies does nothing on its own.
fn warn_of_floor(effects: &EffectMatcher, place: Place, reading: &mut Reading) {
    let all = crate::matcher::ActionSet::known().is_within(effects.actions);
    for action in [Action::UnsafeIo, Action::Replication] {
        if effects.actions.contains(action) && !all {
            reading.warning(
                place,
                format!(
                    "{action} stays denied by the floor: it takes override_floor with a reason"
                ),
            );
        }
    }
}
