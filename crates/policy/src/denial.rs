//! What a client is told whose statement is denied.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::decide::Cause;
use crate::decision::Denial;
use crate::facts::Action;
use crate::policy::Policy;
use crate::rule::Does;
use crate::seen::Seen;

/// The denial for a cause.
pub(crate) fn of(policy: &Policy, cause: Cause, seen: Option<&Seen<'_>>) -> Arc<Denial> {
    match cause {
        Cause::Rule(place) => match policy.rules.get(usize::from(place)).map(|rule| &rule.does) {
            Some(Does::Deny { denial, .. }) => match seen {
                None => Arc::clone(denial),
                Some(seen) => {
                    let would = format!("The statement would {}.", describe(seen));
                    let detail = match &denial.detail {
                        Some(rule) => format!("{rule} {would}"),
                        None => would,
                    };
                    Arc::new(Denial {
                        detail: Some(detail.into()),
                        ..(**denial).clone()
                    })
                }
            },
            _ => standard("default", None, None),
        },
        Cause::Floor(article) => standard(
            &article.rule(),
            seen.map(|seen| format!("The statement would {}.", describe(seen))),
            Some(
                "No policy allows this by a wildcard; a rule has to lift it with override_floor and a reason.",
            ),
        ),
        Cause::Fallback => standard(
            "default",
            seen.map(|seen| format!("No rule allows to {}.", describe(seen))),
            None,
        ),
    }
}

fn standard(rule: &str, detail: Option<String>, hint: Option<&str>) -> Arc<Denial> {
    Arc::new(Denial {
        message: message(rule),
        detail: detail.map(Into::into),
        hint: hint.map(Into::into),
    })
}

/// The message that names a rule.
pub(crate) fn message(rule: &str) -> Box<str> {
    format!("denied by policy rule \"{rule}\"").into()
}

/// The sentence that names a rule where the message doesn't.
pub(crate) fn which(rule: &str) -> Box<str> {
    format!("The policy rule is \"{rule}\".").into()
}

/// An effect in words that stand after "would".
pub(crate) fn describe(seen: &Seen<'_>) -> String {
    let mut words = String::from(verb(seen));
    let object = seen.name.to_string();
    let kind = seen.kind.as_str().replace('_', " ");
    if seen.via.is_some() {
        let _ = write!(words, " what stands behind {kind} {object}");
    } else if seen.is_hidden() {
        let _ = write!(words, " a {kind} that the text doesn't name");
    } else if !object.is_empty() {
        let _ = write!(words, " {kind} {object}");
    }
    if !seen.subtype.is_empty() {
        let _ = write!(words, " ({})", seen.subtype);
    }
    words
}

fn verb(seen: &Seen<'_>) -> &'static str {
    match seen.action {
        Action::Read => "read",
        Action::Insert => "insert into",
        Action::Update => "update",
        Action::Delete => "delete from",
        Action::Export => "export",
        Action::Load => "load into",
        Action::DdlCreate => "create",
        Action::DdlAlter => "alter",
        Action::DdlDrop => "drop",
        Action::Truncate => "truncate",
        Action::Grant => "change privileges on",
        Action::Role => "change or take on",
        Action::Session => "use, for the session,",
        Action::Transaction => "control the transaction",
        Action::Lock => "lock",
        Action::Notify => "notify or listen to",
        Action::Maintenance => "maintain",
        Action::Call => "call",
        Action::Code => "run or store code that nobody can look into",
        Action::UnsafeIo => "reach outside of the database through",
        Action::Replication => "replicate",
        Action::Unknown => "do what can't be known",
    }
}
