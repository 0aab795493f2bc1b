//! A rule, compiled.

use std::sync::Arc;

use crate::condition::Condition;
use crate::decision::{AuditText, Denial, Limits};
use crate::explain::Outcome;
use crate::facts::{Feature, Features, Kind};
use crate::matcher::EffectMatcher;
use crate::risk::Risk;
use crate::window::Window;

/// A rule, compiled.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) name: Arc<str>,
    pub(crate) does: Does,
    pub(crate) who: Who,
    pub(crate) effects: EffectMatcher,
    pub(crate) statement: StatementMatcher,
    /// Empty for any time.
    pub(crate) during: Vec<Window>,
    pub(crate) when: Option<Condition>,
}

/// What a rule does.
#[derive(Debug)]
pub(crate) enum Does {
    Allow {
        /// Why it lifts the floor, if it does.
        override_floor: Option<Box<str>>,
    },
    Deny {
        /// What the client is told, less the effect that is at fault.
        denial: Arc<Denial>,
        /// It marks, and lets pass.
        is_observed: bool,
    },
    Audit {
        text: Option<AuditText>,
    },
    Limit(Limits),
}

/// Of whom a rule speaks: of everybody, if it names nobody. Principals by their place in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Who {
    pub(crate) any_of: Vec<usize>,
    pub(crate) none_of: Vec<usize>,
}

/// What a rule asks of a statement as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StatementMatcher {
    pub(crate) kinds: KindSet,
    pub(crate) features: Features,
    pub(crate) risk: Option<RiskAsked>,
}

/// A set of kinds; empty for any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KindSet(u128);

/// A bound on the risk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RiskAsked {
    pub(crate) from: Risk,
    pub(crate) to: Risk,
}

impl KindSet {
    pub(crate) fn insert(&mut self, kind: Kind) {
        self.0 |= 1 << kind as u32;
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn has_any_of(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) fn has_all_of(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }
}

/// What statements have as a whole, found once for all rules.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Whole {
    pub(crate) kinds: KindSet,
    pub(crate) features: Features,
    pub(crate) risk: Risk,
}

impl StatementMatcher {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a statement is what it asks for; an allowing rule answers for all kinds in it.
    pub(crate) fn matches(&self, whole: &Whole, is_allow: bool) -> bool {
        self.matches_kinds(whole.kinds, is_allow)
            && self.matches_features(whole.features)
            && self.matches_risk(whole.risk)
    }

    /// The first thing that doesn't match.
    pub(crate) fn mismatch(&self, whole: &Whole, is_allow: bool) -> Option<Outcome> {
        if !self.matches_kinds(whole.kinds, is_allow) {
            Some(Outcome::Kind)
        } else if !self.matches_features(whole.features) {
            Some(Outcome::Feature)
        } else if !self.matches_risk(whole.risk) {
            Some(Outcome::Risk)
        } else {
            None
        }
    }

    fn matches_kinds(&self, found: KindSet, is_allow: bool) -> bool {
        self.kinds.is_empty()
            || if is_allow {
                self.kinds.has_all_of(found)
            } else {
                self.kinds.has_any_of(found)
            }
    }

    fn matches_features(&self, features: Features) -> bool {
        let mut asked = self.features.iter().peekable();
        asked.peek().is_none() || asked.any(|feature: Feature| features.contains(feature))
    }

    fn matches_risk(&self, risk: Risk) -> bool {
        self.risk
            .is_none_or(|asked| (asked.from..=asked.to).contains(&risk))
    }
}

impl Rule {
    pub(crate) fn is_allow(&self) -> bool {
        matches!(self.does, Does::Allow { .. })
    }

    /// What it does, in the word of the file.
    pub(crate) fn verb(&self) -> &'static str {
        match self.does {
            Does::Allow { .. } => "allow",
            Does::Deny { .. } => "deny",
            Does::Audit { .. } => "audit",
            Does::Limit(_) => "limit",
        }
    }

    pub(crate) fn lifts_floor(&self) -> bool {
        matches!(
            self.does,
            Does::Allow {
                override_floor: Some(_)
            }
        )
    }

    /// Whether it is about the statement as a whole, not about one of its effects.
    pub(crate) fn is_about_statement(&self) -> bool {
        self.effects.is_empty()
    }
}
