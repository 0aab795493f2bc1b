//! The rules of a policy that can match what one principal runs.

use std::sync::Arc;

use crate::catalog::Catalog;
use crate::decide::{Case, Subject};
use crate::decision::Decision;
use crate::facts::{Action, Effect, Resolved};
use crate::policy::{Mode, Policy};
use crate::principal::Principal;
use crate::rule::Rule;
use crate::situation::Situation;

/// The rules of a policy that can match what one principal runs. Made once for each session and
/// policy; a clone shares everything.
#[derive(Clone, Debug)]
pub struct Scope(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    policy: Arc<Policy>,
    principal: Principal,
    catalog: Option<Arc<Catalog>>,
    /// What is only observed is judged as if it were enforced.
    is_rehearsal: bool,
    rules: Index,
}

/// Rules by what they can match, each by its place in the file.
#[derive(Clone, Debug)]
struct Index {
    /// Allowing rules about effects, by action.
    allows: [Box<[u16]>; Action::ALL.len()],
    /// All other rules about effects, by action.
    others: [Box<[u16]>; Action::ALL.len()],
    /// Rules about statements as a whole.
    whole: Box<[u16]>,
}

impl Scope {
    pub(crate) fn new(policy: &Arc<Policy>, principal: &Principal) -> Self {
        Self(Arc::new(Inner {
            policy: Arc::clone(policy),
            principal: principal.clone(),
            catalog: None,
            is_rehearsal: false,
            rules: Index::new(policy, principal),
        }))
    }

    /// The same, with what the database's catalog says: less cautious where it knows better.
    #[must_use]
    pub fn with_catalog(&self, catalog: Arc<Catalog>) -> Self {
        Self(Arc::new(Inner {
            policy: Arc::clone(&self.0.policy),
            principal: self.0.principal.clone(),
            catalog: Some(catalog),
            is_rehearsal: self.0.is_rehearsal,
            rules: self.0.rules.clone(),
        }))
    }

    /// The same, with everything enforced that the file only observes.
    #[must_use]
    pub(crate) fn as_if_enforced(&self) -> Self {
        Self(Arc::new(Inner {
            policy: Arc::clone(&self.0.policy),
            principal: self.0.principal.clone(),
            catalog: self.0.catalog.clone(),
            is_rehearsal: true,
            rules: self.0.rules.clone(),
        }))
    }

    /// Whether nothing is refused.
    pub(crate) fn only_observes(&self) -> bool {
        self.0.policy.mode == Mode::Observe && !self.0.is_rehearsal
    }

    /// Whether a rule that only observes is judged as if it were enforced.
    pub(crate) fn is_rehearsal(&self) -> bool {
        self.0.is_rehearsal
    }

    /// The policy.
    pub fn policy(&self) -> &Arc<Policy> {
        &self.0.policy
    }

    /// Who it is for.
    pub fn principal(&self) -> &Principal {
        &self.0.principal
    }

    /// Decides about one statement and what the EXECUTEs in it run.
    ///
    /// `statements_in_message` is how many statements the text has; conditions can ask for it.
    pub fn decide(
        &self,
        resolved: &Resolved,
        statements_in_message: usize,
        situation: &Situation<'_>,
    ) -> Decision {
        Case::new(
            self,
            Subject::Statement(resolved),
            statements_in_message,
            situation,
        )
        .decide()
    }

    /// Decides about what comes without SQL: a `FunctionCall` message (a `call` of a hidden
    /// function), a replication connection (`replication`, subtype `connection`).
    pub fn decide_effects(&self, effects: &[Effect], situation: &Situation<'_>) -> Decision {
        Case::new(self, Subject::Effects(effects), 1, situation).decide()
    }

    /// Whether a rule is for this principal.
    pub(crate) fn is_for_principal(&self, rule: &Rule) -> bool {
        let principals = &self.0.policy.principals;
        let is_one = |places: &[usize]| {
            places
                .iter()
                .filter_map(|place| principals.get(*place))
                .any(|whom| whom.matches(&self.0.principal))
        };
        (rule.who.any_of.is_empty() || is_one(&rule.who.any_of)) && !is_one(&rule.who.none_of)
    }

    /// What the database's catalog says, if it was given.
    pub fn catalog(&self) -> Option<&Arc<Catalog>> {
        self.0.catalog.as_ref()
    }

    pub(crate) fn allows(&self, action: Action) -> impl Iterator<Item = &Rule> {
        self.rules(&self.0.rules.allows[action as usize])
            .map(|(_, rule)| rule)
    }

    pub(crate) fn others(&self, action: Action) -> impl Iterator<Item = (u16, &Rule)> {
        self.rules(&self.0.rules.others[action as usize])
    }

    pub(crate) fn whole(&self) -> impl Iterator<Item = (u16, &Rule)> {
        self.rules(&self.0.rules.whole)
    }

    fn rules<'s>(&'s self, places: &'s [u16]) -> impl Iterator<Item = (u16, &'s Rule)> {
        places.iter().filter_map(|place| {
            let rule = self.0.policy.rules.get(usize::from(*place))?;
            Some((*place, rule))
        })
    }
}

impl Index {
    fn new(policy: &Policy, principal: &Principal) -> Self {
        let whom: Vec<bool> = policy
            .principals
            .iter()
            .map(|whom| whom.matches(principal))
            .collect();
        let is_one = |places: &[usize]| {
            places
                .iter()
                .any(|place| whom.get(*place).is_some_and(|is_it| *is_it))
        };
        let applies = |rule: &Rule| {
            (rule.who.any_of.is_empty() || is_one(&rule.who.any_of)) && !is_one(&rule.who.none_of)
        };
        let places = |matches: &dyn Fn(&Rule) -> bool| -> Box<[u16]> {
            policy
                .rules
                .iter()
                .zip(0..=u16::MAX)
                .filter(|(rule, _)| applies(rule) && matches(rule))
                .map(|(_, place)| place)
                .collect()
        };
        let by_action = |is_allow: bool| {
            std::array::from_fn(|index| {
                places(&|rule: &Rule| {
                    Action::ALL
                        .get(index)
                        .is_some_and(|action| rule.effects.actions.contains(*action))
                        && !rule.is_about_statement()
                        && rule.is_allow() == is_allow
                })
            })
        };
        Self {
            allows: by_action(true),
            others: by_action(false),
            whole: places(&Rule::is_about_statement),
        }
    }
}
