//! Decides.

use std::sync::Arc;

use crate::decision::{Decision, Denial, Limits, Reuse, Verdict};
use crate::facts::{Action, Effect, Resolved};
use crate::policy::{Fallback, Mode, Policy};
use crate::risk::Risk;
use crate::situation::Situation;

/// The rules of a policy that can match what one principal runs.
#[derive(Clone, Debug)]
pub struct Scope {
    pub(crate) policy: Arc<Policy>,
}

impl Scope {
    /// The policy.
    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// Decides about one statement and what the EXECUTEs in it run.
    ///
    /// `statements_in_message` is how many statements the text holds.
    pub fn decide(
        &self,
        resolved: &Resolved,
        _statements_in_message: usize,
        _situation: &Situation<'_>,
    ) -> Decision {
        let is_known = !resolved.executes_unknown
            && resolved
                .effects()
                .all(|effect| effect.action != Action::Unknown);
        self.by_default(is_known)
    }

    /// Decides about what comes without SQL: a FunctionCall message, a replication connection.
    pub fn decide_effects(&self, effects: &[Effect], _situation: &Situation<'_>) -> Decision {
        self.by_default(
            effects
                .iter()
                .all(|effect| effect.action != Action::Unknown),
        )
    }

    fn by_default(&self, is_known: bool) -> Decision {
        let is_denied = self.policy.default == Fallback::Deny || !is_known;
        let rule: Arc<str> = "default".into();
        let verdict = match (is_denied, self.policy.mode) {
            (true, Mode::Enforce) => Verdict::Deny,
            (true, Mode::Observe) | (false, _) => Verdict::Allow,
        };
        let marks = if is_denied && verdict == Verdict::Allow {
            vec![Arc::clone(&rule)]
        } else {
            Vec::new()
        };
        let denial = (verdict == Verdict::Deny).then(|| {
            Arc::new(Denial {
                message: "denied by policy rule \"default\"".into(),
                detail: None,
                hint: None,
            })
        });
        Decision {
            verdict,
            rule,
            denial,
            marks,
            risk: Risk::Low,
            limits: Limits::default(),
            text: None,
            reuse: Reuse::Facts,
        }
    }
}
