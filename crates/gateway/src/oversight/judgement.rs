//! What the policy says of a text, for one session.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;
use hashbrown::HashMap;
use jiff::Timestamp;
use querycop_audit::{DecisionFields, DecisionFragment};
use querycop_policy::facts::{Effect, PreparedStatements, Resolved, Statement};
use querycop_policy::{
    Catalog, Decision, Denial, Policy, Principal, Reuse, Scope, SearchPath, Situation,
    TransactionState, Verdict,
};
use querycop_sql::Analysis;

use super::names::Names;
use super::text::Text;
use crate::catalogs::Snapshot;

/// Judgements that a session remembers.
const REMEMBERED: usize = 128;

/// What the policy says of a text.
#[derive(Debug)]
pub(super) struct Judgement {
    /// Of each statement.
    pub(super) decisions: Vec<Decision>,
    /// The hash of the policy.
    policy: Arc<str>,
    /// What is recorded of each, once that was asked for.
    fragments: OnceLock<Box<[DecisionFragment]>>,
}

/// Judges texts by the policy that is in force.
pub(super) struct Judge {
    in_force: Arc<ArcSwapOption<Policy>>,
    /// What the database's catalog says, where it is read.
    catalog: Option<Snapshot>,
    principal: Principal,
    current: Option<Current>,
    pub(super) search_path: SearchPath,
    pub(super) transaction: TransactionState,
}

/// What is in force, and what was judged by it.
struct Current {
    scope: Scope,
    hash: Arc<str>,
    /// By the analysis, which is kept so that its address stays its own.
    remembered: HashMap<usize, Remembered>,
}

struct Remembered {
    analysis: Arc<Analysis>,
    judgement: Arc<Judgement>,
    /// Whether cursors that are declared by then run with it.
    runs_held_cursors: bool,
    /// The search path that it depended on.
    path: Option<u64>,
}

impl Judge {
    pub(super) fn new(
        in_force: Arc<ArcSwapOption<Policy>>,
        catalog: Option<Snapshot>,
        principal: Principal,
        search_path: SearchPath,
    ) -> Self {
        Self {
            in_force,
            catalog,
            principal,
            current: None,
            search_path,
            transaction: TransactionState::Idle,
        }
    }

    /// What the policy in force says of a text; `None` without a policy.
    pub(super) fn judge(
        &mut self,
        analysis: &Arc<Analysis>,
        prepared: &Names<Text>,
        portals: &Names<Text>,
        batch: u64,
    ) -> Option<Arc<Judgement>> {
        self.refresh();
        let path = self.search_path.version();
        let current = self.current.as_mut()?;
        let key = Arc::as_ptr(analysis).addr();
        if let Some(known) = current.remembered.get(&key)
            && Arc::ptr_eq(&known.analysis, analysis)
            && known.path.is_none_or(|seen| seen == path)
            && !(known.runs_held_cursors && portals.all(Text::is_held_cursor).next().is_some())
        {
            return Some(Arc::clone(&known.judgement));
        }
        let resolved = resolve(analysis, prepared, portals, batch);
        let statements = &analysis.facts.statements;
        let runs_others = resolved.iter().any(|one| !one.executed.is_empty())
            || statements.iter().any(|one| one.runs_others());
        let now = Timestamp::now();
        let mut search_path = Cow::Borrowed(&self.search_path);
        let mut decisions = Vec::with_capacity(resolved.len());
        for one in &resolved {
            let situation = Situation {
                search_path: &search_path,
                now,
                transaction: self.transaction,
            };
            decisions.push(current.scope.decide(one, resolved.len(), &situation));
            if decisions.len() < resolved.len() {
                // What one statement of a text changes holds for the next.
                let search_path = search_path.to_mut();
                search_path.may_change(&one.statement);
                for executed in &one.executed {
                    search_path.may_change(executed);
                }
            }
        }
        let reuse = decisions.iter().map(|one| one.reuse).max();
        let judgement = Arc::new(Judgement::new(decisions, Arc::clone(&current.hash)));
        // What EXECUTE and FETCH run can be another statement next time.
        if !runs_others && reuse != Some(Reuse::Moment) {
            let remembered = Remembered {
                analysis: Arc::clone(analysis),
                judgement: Arc::clone(&judgement),
                runs_held_cursors: statements.iter().any(|one| one.runs_held_cursors()),
                path: (reuse == Some(Reuse::SearchPath)).then_some(path),
            };
            current.remember(key, remembered);
        }
        Some(judgement)
    }

    /// What the policy in force says of what is not SQL.
    pub(super) fn judge_effects(&mut self, effects: &[Effect]) -> Option<Arc<Judgement>> {
        self.judge_one(|scope, situation| scope.decide_effects(effects, situation))
    }

    /// What the policy in force says of a statement that stands in no text.
    pub(super) fn judge_statement(&mut self, statement: Statement) -> Option<Arc<Judgement>> {
        let resolved = Resolved {
            statement: Arc::new(statement),
            executed: Vec::new(),
            executes_unknown: false,
        };
        self.judge_one(|scope, situation| scope.decide(&resolved, 1, situation))
    }

    fn judge_one(
        &mut self,
        decide: impl FnOnce(&Scope, &Situation<'_>) -> Decision,
    ) -> Option<Arc<Judgement>> {
        self.refresh();
        let current = self.current.as_ref()?;
        let situation = Situation {
            search_path: &self.search_path,
            now: Timestamp::now(),
            transaction: self.transaction,
        };
        Some(Arc::new(Judgement::new(
            vec![decide(&current.scope, &situation)],
            Arc::clone(&current.hash),
        )))
    }

    /// Whether there is a policy.
    pub(super) fn is_bound(&self) -> bool {
        self.current.is_some()
    }

    /// Who runs the statements.
    pub(super) fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Takes on the policy that is in force by now, and the newest snapshot of the catalog.
    fn refresh(&mut self) {
        let in_force = self.in_force.load();
        let snapshot = self.catalog.as_ref().map(|catalog| catalog.load());
        let catalog = snapshot.as_ref().and_then(|catalog| catalog.as_ref());
        match (&*in_force, &self.current) {
            (Some(policy), Some(current)) if current.is_of(policy, catalog) => {}
            (Some(policy), _) => {
                let scope = policy.scope(&self.principal);
                let scope = match catalog {
                    Some(catalog) => scope.with_catalog(Arc::clone(catalog)),
                    None => scope,
                };
                self.current = Some(Current {
                    scope,
                    hash: policy.hash().to_string().into(),
                    remembered: HashMap::new(),
                });
            }
            (None, _) => self.current = None,
        }
    }
}

impl Current {
    fn is_of(&self, policy: &Arc<Policy>, catalog: Option<&Arc<Catalog>>) -> bool {
        let is_same_catalog = match (catalog, self.scope.catalog()) {
            (None, None) => true,
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (Some(_), None) | (None, Some(_)) => false,
        };
        is_same_catalog && Arc::ptr_eq(policy, self.scope.policy())
    }

    fn remember(&mut self, key: usize, remembered: Remembered) {
        if self.remembered.len() >= REMEMBERED {
            self.remembered.clear();
        }
        self.remembered.insert(key, remembered);
    }
}

impl Judgement {
    fn new(decisions: Vec<Decision>, policy: Arc<str>) -> Self {
        Self {
            decisions,
            policy,
            fragments: OnceLock::new(),
        }
    }

    /// What holds where nobody knows which of two it will be: the later one's decisions, under the
    /// limits of both. Neither may be a denial.
    pub(super) fn strictest(one: Option<Arc<Self>>, other: Option<Arc<Self>>) -> Option<Arc<Self>> {
        let (one, other) = match (one, other) {
            (Some(one), Some(other)) => (one, other),
            (one, other) => return one.or(other),
        };
        let mut decisions = other.decisions.clone();
        for decision in &mut decisions {
            for earlier in &one.decisions {
                decision.limits.tighten(&earlier.limits);
            }
        }
        Some(Arc::new(Self::new(decisions, Arc::clone(&other.policy))))
    }

    /// Of the statement at a place. A server may answer more often than the text has statements, where
    /// it is unparsed: then the last one's.
    pub(super) fn decision(&self, place: usize) -> Option<&Decision> {
        self.decisions.get(place).or(self.decisions.last())
    }

    /// What is recorded of the decision on the statement at a place.
    pub(super) fn fragment(&self, place: usize) -> Option<&DecisionFragment> {
        let fragments = self.fragments.get_or_init(|| {
            let decisions = self.decisions.iter();
            let encoded = decisions.map(|decision| {
                DecisionFragment::new(&DecisionFields {
                    verdict: decision.verdict.as_str(),
                    rule: &decision.rule,
                    marks: &decision.marks,
                    risk: decision.risk.as_str(),
                    policy: &self.policy,
                })
            });
            encoded.collect()
        });
        fragments.get(place).or(fragments.last())
    }

    /// The first statement that is denied.
    pub(super) fn denied(&self) -> Option<(usize, &Decision)> {
        self.decisions
            .iter()
            .enumerate()
            .find(|(_, decision)| decision.verdict != Verdict::Allow)
    }
}

/// What a client is told whose statement is denied by this decision.
pub(super) fn denial_of(decision: &Decision) -> Arc<Denial> {
    decision.denial.clone().unwrap_or_else(|| {
        Arc::new(Denial {
            message: format!("denied by policy rule \"{}\"", decision.rule).into(),
            detail: None,
            hint: None,
        })
    })
}

/// The cursors that a statement may make run.
pub(super) fn cursors<'a>(
    statement: &Statement,
    portals: &'a Names<Text>,
    batch: u64,
) -> impl Iterator<Item = &'a Arc<Text>> {
    let fetched = statement.fetches();
    let fetched = fetched.map(|name| portals.candidates(name.as_bytes(), batch));
    let held = statement
        .runs_held_cursors()
        .then(|| portals.all(Text::is_held_cursor));
    let fetched = fetched.into_iter().flatten();
    fetched.chain(held.into_iter().flatten())
}

/// The statements of a text with what EXECUTE and FETCH in it may run.
fn resolve(
    analysis: &Analysis,
    prepared: &Names<Text>,
    portals: &Names<Text>,
    batch: u64,
) -> Vec<Resolved> {
    let mut known = PreparedStatements::default();
    for statement in &analysis.facts.statements {
        // A commit runs what is held whatever its name is.
        let name = statement.fetches().unwrap_or_default();
        for text in cursors(statement, portals, batch) {
            for declared in &text.analysis.facts.statements {
                known.add_cursor(name, Arc::clone(declared));
            }
        }
        for name in &statement.executes {
            for text in prepared.candidates(name.as_bytes(), batch) {
                for statement in &text.analysis.facts.statements {
                    known.add(name, Arc::clone(statement));
                }
            }
        }
    }
    known.resolve(&analysis.facts)
}
