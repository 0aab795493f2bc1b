//! One decision.

mod hidden;

use std::cell::OnceCell;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use crate::condition::{Budget, Input, StatementSeen};
use crate::decision::{AuditText, Decision, Limits, Reuse, Verdict};
use crate::denial;
use crate::explain::{Outcome, RuleOutcome, Standing};
use crate::facts::{Columns, Effect, ObjectKind, Resolved, Statement, Via};
use crate::floor::Article;
use crate::home::{Finder, Home, Homes};
use crate::matcher::{Asked, ObjectPattern, Objects};
use crate::pattern::Glob;
use crate::policy::Fallback;
use crate::rule::{Does, Rule, Whole};
use crate::scope::Scope;
use crate::seen::Seen;
use crate::situation::Situation;

/// What is decided about.
#[derive(Clone, Copy)]
pub(crate) enum Subject<'a> {
    Statement(&'a Resolved),
    Effects(&'a [Effect]),
}

/// One decision in the making.
pub(crate) struct Case<'a> {
    scope: &'a Scope,
    subject: Subject<'a>,
    count: usize,
    situation: &'a Situation<'a>,
    finder: Finder<'a>,
    whole: Whole,
    /// The names behind a point in the text, once they are asked for.
    dotted: OnceCell<HashSet<&'a str>>,
    /// What conditions see of the statement, once one looks.
    statement_seen: OnceCell<StatementSeen>,
    /// What conditions may still go through of it.
    budget: Budget,
    /// What the conditions have said that are not about an effect, by the address of their rule: a
    /// statement can have ten thousand effects.
    said: HashMap<usize, bool>,
    tally: Tally<'a>,
}

/// What rules have said so far.
#[derive(Default)]
struct Tally<'a> {
    denied: Option<(Cause, Option<Seen<'a>>)>,
    /// The rule that allows the first effect.
    allowed_by: Option<Arc<str>>,
    /// Whether an effect is allowed by the default.
    fell_back: bool,
    marks: Vec<Arc<str>>,
    limits: Limits,
    text: Option<AuditText>,
    reuse: Reuse,
}

/// Why something is denied; the least one is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    /// By a rule, by its place in the file.
    Rule(u16),
    /// By the floor.
    Floor(Article),
    /// By no rule that allows it.
    Fallback,
}

impl<'a> Subject<'a> {
    pub(crate) fn visit(self, visit: &mut dyn FnMut(Seen<'a>)) {
        match self {
            Self::Statement(resolved) => Seen::all(resolved).for_each(visit),
            Self::Effects(effects) => effects.iter().map(Seen::of_effect).for_each(visit),
        }
    }

    fn statements(self) -> impl Iterator<Item = &'a Statement> {
        let resolved = match self {
            Self::Statement(resolved) => Some(resolved),
            Self::Effects(_) => None,
        };
        resolved
            .into_iter()
            .flat_map(|resolved| std::iter::once(&resolved.statement).chain(&resolved.executed))
            .map(|statement| &**statement)
    }
}

impl<'a> Case<'a> {
    pub(crate) fn new(
        scope: &'a Scope,
        subject: Subject<'a>,
        count: usize,
        situation: &'a Situation<'a>,
    ) -> Self {
        let policy = &**scope.policy();
        let mut whole = Whole::default();
        for statement in subject.statements() {
            whole.features.merge(statement.features);
            for kind in &statement.kinds {
                whole.kinds.insert(*kind);
            }
        }
        subject.visit(&mut |seen| whole.risk = whole.risk.max(policy.risks.of(&seen)));
        Self {
            scope,
            subject,
            count,
            situation,
            finder: Finder {
                search_path: situation.search_path,
                user: &scope.principal().user,
                assumed: policy.assumed_path.as_ref(),
            },
            whole,
            dotted: OnceCell::new(),
            statement_seen: OnceCell::new(),
            budget: Budget::share(count),
            said: HashMap::new(),
            tally: Tally::default(),
        }
    }

    pub(crate) fn decide(mut self) -> Decision {
        let scope = self.scope;
        for (place, rule) in scope.whole() {
            if self.applies(rule, None) {
                self.apply(place, rule, None);
            }
        }
        let subject = self.subject;
        subject.visit(&mut |seen| {
            let seen = self.with_hidden_rows(seen);
            self.judge(seen);
        });
        self.finish()
    }

    /// Judges one effect.
    fn judge(&mut self, seen: Seen<'a>) {
        if seen.via == Some(Via::Cast) {
            // Where the type is may decide that there is nothing to allow.
            self.note_path(&seen);
        }
        match self.standing(&seen) {
            Standing::Nothing => return,
            Standing::Column => {
                self.oppose(&seen, true);
                return;
            }
            Standing::Effect | Standing::HiddenCall => {}
        }
        self.oppose(&seen, false);
        let floor = Article::on(&seen);
        match (floor, self.allow(&seen, floor)) {
            (_, Some(rule)) => {
                self.tally.allowed_by.get_or_insert(rule);
            }
            (Some(article), None) => self.deny(Cause::Floor(article), Some(seen)),
            (None, None) => {
                let is_unknown = seen.action == crate::facts::Action::Unknown;
                if is_unknown || self.scope.policy().fallback == Fallback::Deny {
                    self.deny(Cause::Fallback, Some(seen));
                } else {
                    self.tally.fell_back = true;
                }
            }
        }
    }

    /// What a rule says of an effect, or of the statement as a whole.
    pub(crate) fn say(&mut self, rule: &Rule, seen: Option<&Seen<'a>>) -> RuleOutcome {
        let (verb, outcome) = (rule.verb(), self.outcome(rule, seen));
        RuleOutcome {
            rule: Arc::clone(&rule.name),
            verb,
            outcome,
        }
    }

    fn outcome(&mut self, rule: &Rule, seen: Option<&Seen<'a>>) -> Outcome {
        if !self.scope.is_for_principal(rule) {
            return Outcome::Principal;
        }
        if let Some(seen) = seen {
            if let Some(mismatch) = rule.effects.mismatch(seen) {
                return mismatch;
            }
            let objects = &rule.effects.objects;
            let is_about = if rule.is_allow() {
                let homes = self.finder.certain(seen.wanted());
                let mut homes = homes.all().iter();
                homes.all(|home| objects.matches(seen, *home, Asked::Certain))
            } else {
                let homes = self.finder.possible(seen.wanted());
                self.may_be_about(objects, seen, &homes)
            };
            if !is_about {
                return Outcome::Object;
            }
            let floor = Article::on(seen);
            if rule.is_allow()
                && !rule.lifts_floor()
                && floor.is_some_and(|article| !article.needs_no_reason())
            {
                return Outcome::Floor;
            }
        }
        if let Some(mismatch) = rule.statement.mismatch(&self.whole, rule.is_allow()) {
            return mismatch;
        }
        let now = self.situation.now;
        if !rule.during.is_empty() && !rule.during.iter().any(|window| window.contains(now)) {
            return Outcome::Time;
        }
        if self.applies(rule, seen.copied()) {
            Outcome::Matches
        } else {
            Outcome::Condition
        }
    }

    /// Hears the rules that deny, limit and audit.
    fn oppose(&mut self, seen: &Seen<'a>, only_if_named: bool) {
        let scope = self.scope;
        let mut rules = scope.others(seen.action).peekable();
        if rules.peek().is_none() {
            return;
        }
        let homes = self.finder.possible(seen.wanted());
        for (place, rule) in rules {
            if rule.effects.matches_manner(seen)
                && (!only_if_named || rule.effects.objects.names_a_function())
                && self.may_be_about(&rule.effects.objects, seen, &homes)
                && self.applies(rule, Some(*seen))
            {
                self.apply(place, rule, Some(*seen));
            }
        }
    }

    /// Whether the object of an effect may be among some.
    fn may_be_about(&mut self, objects: &Objects, seen: &Seen<'a>, homes: &Homes<'a>) -> bool {
        if objects.is_any() {
            return true;
        }
        self.note_path(seen);
        objects.matches_any(seen, homes.all()) || self.is_behind_view(objects, seen, homes)
    }

    /// Whether a view reads what a rule speaks of.
    fn is_behind_view(&self, objects: &Objects, seen: &Seen<'a>, homes: &Homes<'a>) -> bool {
        let Some(catalog) = self.scope.catalog() else {
            return false;
        };
        let views = homes.all().iter().filter_map(|home| match home {
            Home::In(schema) => catalog.relation(schema, &seen.name.name),
            Home::None | Home::Anywhere => None,
        });
        // Which columns of a table a view shows isn't known.
        let columns = Columns::all();
        views.flat_map(|view| &view.base_relations).any(|base| {
            let home = base.schema.as_deref().map_or(Home::Anywhere, Home::In);
            let behind = Seen {
                name: base,
                kind: ObjectKind::Relation,
                columns: &columns,
                ..*seen
            };
            objects.matches(&behind, home, Asked::Possible)
        })
    }

    /// The rule that allows an effect, wherever its object is; the first, if it takes several.
    pub(crate) fn allow(&mut self, seen: &Seen<'a>, floor: Option<Article>) -> Option<Arc<str>> {
        self.note_path(seen);
        let (scope, homes) = (self.scope, self.finder.certain(seen.wanted()));
        let mut first = None;
        for home in homes.all() {
            let mut rules = scope.allows(seen.action);
            let rule = rules.find(|rule| {
                (floor.is_none_or(Article::needs_no_reason) || rule.lifts_floor())
                    && rule.effects.matches_manner(seen)
                    && rule.effects.objects.matches(seen, *home, Asked::Certain)
                    && self.applies(rule, Some(*seen))
            })?;
            first.get_or_insert(&rule.name);
        }
        first.map(Arc::clone)
    }

    /// Whether a rule applies to the statement and the moment.
    fn applies(&mut self, rule: &Rule, effect: Option<Seen<'a>>) -> bool {
        if !rule.statement.matches(&self.whole, rule.is_allow()) {
            return false;
        }
        if !rule.during.is_empty() {
            self.depends_on(Reuse::Moment);
            let now = self.situation.now;
            if !rule.during.iter().any(|window| window.contains(now)) {
                return false;
            }
        }
        let Some(condition) = &rule.when else {
            return true;
        };
        if condition.is_of_the_moment() {
            self.depends_on(Reuse::Moment);
        }
        let key = std::ptr::from_ref(rule).addr();
        if let Some(holds) = self.said.get(&key) {
            return *holds;
        }
        let statement = condition.is_about_statement().then(|| {
            self.statement_seen.get_or_init(|| {
                let statements: Vec<&Statement> = self.subject.statements().collect();
                StatementSeen::new(&statements, self.count, self.whole.risk)
            })
        });
        let input = Input {
            principal: self.scope.principal(),
            statement,
            effect,
            transaction: self.situation.transaction,
            now: self.situation.now,
        };
        let holds = condition.holds(&input, &mut self.budget);
        // What can't be evaluated holds, unless that would allow something.
        let holds = holds.unwrap_or(!rule.is_allow());
        if !condition.is_about_effect() {
            self.said.insert(key, holds);
        }
        holds
    }

    /// A rule that isn't about allowing matches.
    fn apply(&mut self, place: u16, rule: &Rule, seen: Option<Seen<'a>>) {
        match &rule.does {
            Does::Allow { .. } => {}
            Does::Deny {
                is_observed: true, ..
            } => {
                self.mark(&rule.name);
                if self.scope.is_rehearsal() {
                    self.deny(Cause::Rule(place), seen);
                }
            }
            Does::Deny { .. } => self.deny(Cause::Rule(place), seen),
            Does::Audit { text } => {
                self.mark(&rule.name);
                // Where rules differ, the text that says less is kept.
                self.tally.text = match (self.tally.text, *text) {
                    (Some(one), Some(other)) => Some(one.min(other)),
                    (one, other) => one.or(other),
                };
            }
            Does::Limit(limits) => self.tally.limits.tighten(limits),
        }
    }

    fn mark(&mut self, rule: &Arc<str>) {
        if !self.tally.marks.contains(rule) {
            self.tally.marks.push(Arc::clone(rule));
        }
    }

    fn deny(&mut self, cause: Cause, seen: Option<Seen<'a>>) {
        let is_first = self
            .tally
            .denied
            .as_ref()
            .is_none_or(|(before, _)| cause < *before);
        if is_first {
            self.tally.denied = Some((cause, seen));
        }
    }

    fn note_path(&mut self, seen: &Seen<'_>) {
        if seen.wanted().depends_on_path() {
            self.depends_on(Reuse::SearchPath);
        }
    }

    fn depends_on(&mut self, reuse: Reuse) {
        self.tally.reuse = self.tally.reuse.max(reuse);
    }

    fn finish(mut self) -> Decision {
        let policy = self.scope.policy();
        let Some((cause, seen)) = self.tally.denied.take() else {
            let rule = self.tally.allowed_by.take().unwrap_or_else(|| {
                if self.tally.fell_back {
                    policy.names.fallback()
                } else {
                    policy.names.no_effects()
                }
            });
            return self.decision(Verdict::Allow, rule);
        };
        let rule = match cause {
            Cause::Rule(place) => policy
                .rules
                .get(usize::from(place))
                .map_or_else(|| policy.names.fallback(), |rule| Arc::clone(&rule.name)),
            Cause::Floor(article) => article.rule(),
            Cause::Fallback => policy.names.fallback(),
        };
        if self.scope.only_observes() {
            self.mark(&rule);
            return self.decision(Verdict::Allow, rule);
        }
        let denial = denial::of(policy, cause, seen.as_ref());
        Decision {
            denial: Some(denial),
            limits: Limits::default(),
            ..self.decision(Verdict::Deny, rule)
        }
    }

    fn decision(self, verdict: Verdict, rule: Arc<str>) -> Decision {
        let limits = if self.scope.only_observes() {
            // Whoever only looks on holds nobody up.
            Limits::default()
        } else {
            self.tally.limits
        };
        Decision {
            verdict,
            rule,
            denial: None,
            marks: self.tally.marks,
            risk: self.whole.risk,
            limits,
            text: self.tally.text,
            reuse: self.tally.reuse,
        }
    }
}

impl Objects {
    /// Whether it names functions, other than all of them.
    fn names_a_function(&self) -> bool {
        self.patterns.iter().any(|pattern| {
            matches!(pattern, ObjectPattern::Function(pattern) if pattern.name != Glob::Any)
        })
    }
}
