//! A decision taken apart: every effect, and what each rule says of it.

use std::sync::Arc;

use crate::decide::{Case, Subject};
use crate::decision::Decision;
use crate::denial;
use crate::facts::{Action, Attributes, Columns, Effect, Name, ObjectKind, Resolved};
use crate::floor::Article;
use crate::risk::Risk;
use crate::scope::Scope;
use crate::situation::Situation;
use crate::words::closed_set;

/// A decision taken apart.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The decision.
    pub decision: Decision,
    /// What the rules about statements as a whole say.
    pub statement: Vec<RuleOutcome>,
    /// Each effect, in the order in which it is judged.
    pub effects: Vec<ExplainedEffect>,
}

/// One effect, and what each rule says of it.
#[derive(Clone, Debug)]
pub struct ExplainedEffect {
    /// What it does.
    pub action: Action,
    /// How.
    pub subtype: &'static str,
    /// What kind of object it is about.
    pub kind: ObjectKind,
    /// The object's name, as the text has it.
    pub name: Name,
    /// The columns that the text names.
    pub columns: Columns,
    /// In which way.
    pub attributes: Attributes,
    /// How risky it is by itself.
    pub risk: Risk,
    /// In words, as a denial has it.
    pub description: String,
    /// How it is counted.
    pub standing: Standing,
    /// What the floor says.
    pub floor: Option<Article>,
    /// The rule that allows it, if one does.
    pub allowed_by: Option<Arc<str>>,
    /// What each rule about effects says, in the order of the file.
    pub rules: Vec<RuleOutcome>,
}

/// What a rule says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleOutcome {
    /// Its name.
    pub rule: Arc<str>,
    /// What it would do: `allow`, `deny`, `audit` or `limit`.
    pub verb: &'static str,
    /// Whether it matches, or what doesn't.
    pub outcome: Outcome,
}

closed_set! {
    /// How an effect is counted.
    pub enum Standing {
        /// As it stands.
        Effect = "effect",
        /// The text doesn't spell it as a call, and it counts as one.
        HiddenCall = "hidden call",
        /// It counts as a column, but for rules that name such a function.
        Column = "column",
        /// The catalog says that it calls nothing that matters.
        Nothing = "nothing",
    }
}

closed_set! {
    /// Whether a rule matches, or the first thing of it that doesn't.
    pub enum Outcome {
        /// It matches.
        Matches = "matches",
        /// It is not for this principal.
        Principal = "not for this principal",
        /// It names other actions.
        Action = "other actions",
        /// It names other subtypes.
        Subtype = "other subtypes",
        /// It asks for another WHERE.
        Filter = "asks for another WHERE",
        /// It is about effects that happen at another time.
        Execution = "other execution",
        /// It asks for RETURNING or for none.
        Returning = "asks for another RETURNING",
        /// It names other objects, or the object may be one that it doesn't name.
        Object = "other objects",
        /// It is about other kinds of statement.
        Kind = "other kinds of statement",
        /// It is about statements with other features.
        Feature = "other features",
        /// It is about another risk.
        Risk = "another risk",
        /// It is not the time for it.
        Time = "not at this time",
        /// Its condition is false, or can't be evaluated and counts as false.
        Condition = "its condition doesn't hold",
        /// The effect is on the floor, and it doesn't lift that.
        Floor = "doesn't lift the floor",
    }
}

impl Scope {
    /// Decides about one statement and says how it came to that.
    pub fn explain(
        &self,
        resolved: &Resolved,
        statements_in_message: usize,
        situation: &Situation<'_>,
    ) -> Explanation {
        self.explain_subject(
            Subject::Statement(resolved),
            statements_in_message,
            situation,
        )
    }

    /// The same for what comes without SQL.
    pub fn explain_effects(&self, effects: &[Effect], situation: &Situation<'_>) -> Explanation {
        self.explain_subject(Subject::Effects(effects), 1, situation)
    }

    fn explain_subject(
        &self,
        subject: Subject<'_>,
        count: usize,
        situation: &Situation<'_>,
    ) -> Explanation {
        let decision = Case::new(self, subject, count, situation).decide();
        let mut case = Case::new(self, subject, count, situation);
        let rules = &self.policy().rules;
        let statement = rules
            .iter()
            .filter(|rule| rule.is_about_statement())
            .map(|rule| case.say(rule, None))
            .collect();
        let mut effects = Vec::new();
        subject.visit(&mut |seen| {
            let seen = case.with_hidden_rows(seen);
            let floor = Article::on(&seen);
            let standing = case.standing(&seen);
            let counts = matches!(standing, Standing::Effect | Standing::HiddenCall);
            let allowed_by = if counts {
                case.allow(&seen, floor)
            } else {
                None
            };
            effects.push(ExplainedEffect {
                action: seen.action,
                subtype: seen.subtype,
                kind: seen.kind,
                name: seen.name.clone(),
                columns: seen.columns.clone(),
                attributes: seen.attributes,
                risk: self.policy().risks.of(&seen),
                description: denial::describe(&seen),
                standing,
                floor: floor.filter(|_| counts),
                allowed_by,
                rules: rules
                    .iter()
                    .filter(|rule| !rule.is_about_statement())
                    .map(|rule| case.say(rule, Some(&seen)))
                    .collect(),
            });
        });
        Explanation {
            decision,
            statement,
            effects,
        }
    }
}
