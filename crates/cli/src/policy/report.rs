//! How a judged statement is shown.

use std::borrow::Cow;
use std::fmt::Write as _;

use querycop_gateway::one_line;
use querycop_policy::facts::{Columns, Execution, Filter};
use querycop_policy::{
    Article, Decision, ExplainedEffect, Limit, Limits, Outcome, RuleOutcome, Standing,
};
use serde_json::{Value, json};

use super::test::Judged;

/// How much of an explanation is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    Effects,
    Rules,
}

/// Characters of a statement that are shown in one line.
const SHOWN: usize = 100;

/// The verdict, and a table of the effects.
pub(super) fn summary(judged: &Judged<'_>) -> String {
    let mut text = head(judged);
    let effects = shown(judged);
    let rows: Vec<[String; 4]> = effects.iter().map(|effect| row(effect)).collect();
    let mut widths = [0; 4];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in &rows {
        let mut line = String::from("   ");
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(line, " {cell:<width$} ");
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text.push_str(&foot(&judged.explanation.decision));
    text
}

/// The verdict, and for each effect what each rule says.
pub(super) fn full(judged: &Judged<'_>) -> String {
    let mut text = head(judged);
    if !judged.explanation.statement.is_empty() {
        text.push_str("    the statement as a whole\n");
        text.push_str(&outcomes(&judged.explanation.statement));
    }
    for effect in &judged.explanation.effects {
        let _ = writeln!(text, "    {}", row(effect).join("  ").trim_end());
        text.push_str(&outcomes(&effect.rules));
    }
    text.push_str(&foot(&judged.explanation.decision));
    text
}

fn head(judged: &Judged<'_>) -> String {
    let decision = &judged.explanation.decision;
    let text: String = judged.text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut sql: String = text.chars().take(SHOWN).collect();
    if sql.len() < text.len() {
        sql.push('…');
    }
    format!(
        "{}  {}  risk {}  {}\n",
        decision.verdict.as_str().to_uppercase(),
        decision.rule,
        decision.risk,
        one_line(&sql)
    )
}

/// Effects without those that are plainly columns.
fn shown<'j>(judged: &'j Judged<'_>) -> Vec<&'j ExplainedEffect> {
    let effects = judged.explanation.effects.iter();
    effects
        .filter(|effect| matches!(effect.standing, Standing::Effect | Standing::HiddenCall))
        .collect()
}

fn row(effect: &ExplainedEffect) -> [String; 4] {
    let action = if effect.subtype.is_empty() {
        effect.action.to_string()
    } else {
        format!("{} ({})", effect.action, effect.subtype)
    };
    let name = effect.name.to_string();
    let object = if name.is_empty() {
        effect.kind.to_string()
    } else {
        format!("{} {name}", effect.kind)
    };
    let decided = match (&effect.allowed_by, effect.floor, effect.standing) {
        (Some(rule), _, _) => format!("allowed by {rule}"),
        (None, Some(article), _) => format!("denied by floor.{article}"),
        (None, None, Standing::Column) => "a column".to_owned(),
        (None, None, Standing::Nothing) => "nothing, says the catalog".to_owned(),
        (None, None, Standing::Effect | Standing::HiddenCall) => "allowed by no rule".to_owned(),
    };
    // Names are the client's own words.
    [action, object, manner(effect), decided].map(|cell| one_line(&cell).into_owned())
}

fn manner(effect: &ExplainedEffect) -> String {
    let mut words = Vec::new();
    if !columns(&effect.columns).is_empty() {
        words.push(format!("[{}]", columns(&effect.columns)));
    }
    match effect.attributes.filter {
        Filter::NotApplicable | Filter::Given => {}
        Filter::Missing => words.push("no WHERE".to_owned()),
        Filter::AlwaysTrue => words.push("WHERE always true".to_owned()),
    }
    match effect.attributes.execution {
        Execution::Now => {}
        Execution::Planned => words.push("planned".to_owned()),
        Execution::Stored => words.push("stored".to_owned()),
    }
    if effect.standing == Standing::HiddenCall {
        words.push("hidden call".to_owned());
    }
    words.join(", ")
}

fn columns(columns: &Columns) -> String {
    let mut names: Vec<&str> = columns.named.iter().map(|name| &**name).collect();
    if columns.all {
        names.insert(0, "*");
    }
    names.join(" ")
}

fn outcomes(rules: &[RuleOutcome]) -> String {
    let width = rules
        .iter()
        .map(|rule| rule.rule.chars().count())
        .max()
        .unwrap_or_default();
    let mut text = String::new();
    for rule in rules {
        let sign = if rule.outcome == Outcome::Matches {
            '+'
        } else {
            '-'
        };
        let _ = writeln!(
            text,
            "      {sign} {:<5}  {:<width$}  {}",
            rule.verb, rule.rule, rule.outcome
        );
    }
    text
}

fn foot(decision: &Decision) -> String {
    let mut text = String::new();
    if let Some(denial) = &decision.denial {
        let _ = writeln!(text, "    ERROR:  {}", denial.message);
        // Message and hint are those of the file; the detail has names of the client's.
        let detail = denial.detail.as_deref().map(one_line);
        let hint = denial.hint.as_deref().map(Cow::Borrowed);
        for (label, words) in [("DETAIL", detail), ("HINT", hint)] {
            if let Some(words) = words {
                let _ = writeln!(text, "    {label}:  {words}");
            }
        }
    }
    if !decision.marks.is_empty() {
        let _ = writeln!(text, "    marks: {}", decision.marks.join(", "));
    }
    let limits = limits(&decision.limits);
    if let Value::Object(limits) = &limits
        && !limits.is_empty()
    {
        let words: Vec<String> = limits
            .iter()
            .map(|(name, limit)| format!("{name} {} ({})", limit["max"], plain(&limit["rule"])))
            .collect();
        let _ = writeln!(text, "    limits: {}", words.join(", "));
    }
    text
}

fn plain(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn limits(limits: &Limits) -> Value {
    let mut map = serde_json::Map::new();
    add_limit(&mut map, "rows", limits.rows.as_ref(), Value::from);
    add_limit(&mut map, "bytes", limits.bytes.as_ref(), Value::from);
    add_limit(
        &mut map,
        "statement_time_ms",
        limits.statement_time.as_ref(),
        |time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX).into(),
    );
    add_limit(&mut map, "rate", limits.rate.as_ref(), Value::from);
    add_limit(
        &mut map,
        "concurrent",
        limits.concurrent.as_ref(),
        Value::from,
    );
    Value::Object(map)
}

fn add_limit<T: Copy>(
    map: &mut serde_json::Map<String, Value>,
    name: &str,
    limit: Option<&Limit<T>>,
    value: impl Fn(T) -> Value,
) {
    if let Some(limit) = limit {
        let limit = json!({ "max": value(limit.max), "rule": &*limit.rule });
        map.insert(name.to_owned(), limit);
    }
}

/// One object on one line.
pub(super) fn json(judged: &Judged<'_>, depth: Depth) -> String {
    let decision = &judged.explanation.decision;
    let effects: Vec<Value> = judged
        .explanation
        .effects
        .iter()
        .filter(|effect| depth == Depth::Rules || effect.standing != Standing::Column)
        .map(|effect| effect_json(effect, depth))
        .collect();
    let mut object = json!({
        "statement": judged.text,
        "kind": judged.kind,
        "verdict": decision.verdict.as_str(),
        "rule": &*decision.rule,
        "risk": decision.risk.as_str(),
        "marks": decision.marks.iter().map(|mark| &**mark).collect::<Vec<_>>(),
        "limits": limits(&decision.limits),
        "denial": decision.denial.as_ref().map(|denial| json!({
            "message": &*denial.message,
            "detail": denial.detail.as_deref(),
            "hint": denial.hint.as_deref(),
        })),
        "effects": effects,
    });
    if depth == Depth::Rules {
        object["rules"] = rules_json(&judged.explanation.statement);
    }
    format!("{object}\n")
}

fn effect_json(effect: &ExplainedEffect, depth: Depth) -> Value {
    let mut object = json!({
        "action": effect.action.as_str(),
        "subtype": effect.subtype,
        "object": effect.kind.as_str(),
        "name": effect.name.to_string(),
        "columns": effect.columns.named.iter().map(|name| &**name).collect::<Vec<_>>(),
        "all_columns": effect.columns.all,
        "risk": effect.risk.as_str(),
        "standing": effect.standing.as_str(),
        "allowed_by": effect.allowed_by.as_deref(),
        "floor": effect.floor.map(Article::as_str),
    });
    if depth == Depth::Rules {
        object["rules"] = rules_json(&effect.rules);
    }
    object
}

fn rules_json(rules: &[RuleOutcome]) -> Value {
    let rules = rules.iter().map(
        |rule| json!({ "rule": &*rule.rule, "does": rule.verb, "outcome": rule.outcome.as_str() }),
    );
    rules.collect()
}
