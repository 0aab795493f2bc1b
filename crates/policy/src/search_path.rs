//! The `search_path` of a session, as far as it is known.

mod value;

use std::sync::Arc;

use crate::facts::{Kind, SettingChange, SettingScope, SettingValue, Statement};
use crate::situation::TransactionState;

pub(crate) use value::{Entry, Path};

/// The `search_path` of a session, as far as it is known.
///
/// It is a set: while nobody knows whether the server took a new path or whether a transaction takes
/// it back, the old and the new count, and a name is looked for in both.
///
/// It is told of every statement twice: by [`may_change`](Self::may_change) when it is sent, and by
/// [`completed`](Self::completed) when the server has answered. Whoever tells it less gets an answer
/// that is more cautious, never one that is less.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchPath {
    /// What a session goes back to on RESET.
    initial: Paths,
    /// What may hold after all that the server has answered.
    now: Paths,
    /// What holds when what is local to the transaction has ended.
    session: Paths,
    /// All that held since the transaction began: an error or ROLLBACK may take it back to any.
    seen: Paths,
    /// While something that was sent is not answered: what it may change the path to, and what held
    /// before, for until then an error, a Sync or a commit can still take a change back.
    unanswered: Paths,
    /// The state of the transaction at the last `ReadyForQuery`.
    transaction: TransactionState,
    /// Whether an error has been seen since.
    failed: bool,
    /// What the server last said that it is, if it does.
    reported: Option<Paths>,
    /// Whether another role may have been taken on: `"$user"` is then another schema.
    role_changed: bool,
    /// Counts changes of what may hold.
    version: u64,
}

/// Paths that are possible.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Paths {
    known: Vec<Arc<Path>>,
    /// Any other is possible, too.
    others: Others,
}

/// Which paths are possible beside those that are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Others {
    #[default]
    None,
    /// The one that the session began with, which nobody has told.
    Initial,
    /// Any.
    Any,
}

/// PostgreSQL's default.
pub(crate) const DEFAULT_SEARCH_PATH: &str = "\"$user\", public";

/// More than these are as good as unknown.
const MAX_PATHS: usize = 8;

impl Default for SearchPath {
    fn default() -> Self {
        Self::unknown()
    }
}

impl SearchPath {
    /// One that nobody has told: a role's or a database's setting may have set it to anything.
    pub fn unknown() -> Self {
        Self::starting_with(Paths::initial())
    }

    /// One that is known from the start: the start-up packet asks for it.
    pub fn known(value: &str) -> Self {
        Self::starting_with(Paths::one(Path::read(value)))
    }

    pub(crate) fn of_path(path: Path) -> Self {
        Self::starting_with(Paths::one(path))
    }

    fn starting_with(paths: Paths) -> Self {
        Self {
            initial: paths.clone(),
            now: paths.clone(),
            session: paths.clone(),
            seen: paths,
            unanswered: Paths::default(),
            transaction: TransactionState::Idle,
            failed: false,
            reported: None,
            role_changed: false,
            version: 0,
        }
    }

    /// What the server reports (PostgreSQL 18). From then on its reports are taken for complete.
    pub fn reported(&mut self, value: &str) {
        self.report(Paths::one(Path::read(value)));
    }

    /// The server has reported one that is too long to be read: it can be any.
    pub fn reported_unread(&mut self) {
        self.report(Paths::any());
    }

    fn report(&mut self, path: Paths) {
        if self.initial.others != Others::None && self.seen == self.initial {
            self.initial = path.clone();
        }
        self.reported = Some(path.clone());
        self.seen.merge(&path);
        self.session = path.clone();
        self.now = path;
        self.version += 1;
    }

    /// A statement was sent: what it changes may hold from now on.
    pub fn may_change(&mut self, statement: &Statement) {
        let mut changed = self.follow_role(statement);
        for (target, _) in self.targets(statement) {
            self.unanswered.merge(&self.now);
            self.unanswered.merge(&target);
            changed = true;
        }
        if statement.ends_transaction() && (self.seen != self.now || self.session != self.now) {
            self.unanswered.merge(&self.now);
            self.unanswered.merge(&self.seen);
            self.unanswered.merge(&self.session);
            changed = true;
        }
        self.version += u64::from(changed);
    }

    /// The server has completed a statement.
    pub fn completed(&mut self, statement: &Statement) {
        let mut changed = self.follow_role(statement);
        for (target, scope) in self.targets(statement) {
            self.seen.merge(&target);
            let is_session = scope == SettingScope::Session;
            if is_certain(statement) {
                self.now = target.clone();
                if is_session {
                    self.session = target;
                }
            } else {
                self.now.merge(&target);
                if is_session {
                    self.session.merge(&target);
                }
            }
            changed = true;
        }
        changed |= self.follow_transaction(statement);
        self.version += u64::from(changed);
    }

    /// The server has answered with an error: what the transaction changed may be taken back.
    pub fn failed(&mut self) {
        self.failed = true;
        if self.now != self.seen || self.session != self.seen {
            self.now = self.seen.clone();
            self.session = self.seen.clone();
            self.version += 1;
        }
    }

    /// `ReadyForQuery` has come.
    pub fn ready(&mut self, transaction: TransactionState) {
        if transaction == TransactionState::Idle {
            // A transaction that nobody ended by a statement has been committed, or failed.
            let kept = match &self.reported {
                // Changes are reported before ReadyForQuery.
                Some(reported) => reported,
                None if self.failed => &self.seen,
                None => &self.session,
            };
            if [&self.now, &self.session, &self.seen] != [kept; 3] {
                let kept = kept.clone();
                self.version += u64::from(self.now != kept);
                self.now = kept.clone();
                self.session = kept.clone();
                self.seen = kept;
            }
        }
        self.failed = transaction == TransactionState::Failed;
        self.transaction = transaction;
    }

    /// All that was sent has been answered: what could have come of it and has not is no longer possible.
    ///
    /// To be called after [`ready`](Self::ready), when no other answer is outstanding.
    pub fn settled(&mut self) {
        if self.unanswered != Paths::default() {
            self.unanswered = Paths::default();
            self.version += 1;
        }
    }

    /// Counts up when what may hold changes: what was decided before may be decided otherwise now.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The schemas that a name without one may be in.
    pub(crate) fn possible(&self) -> impl Iterator<Item = &Arc<Path>> {
        self.now.known.iter().chain(&self.unanswered.known)
    }

    /// Whether it may be one that nobody knows.
    pub(crate) fn may_be_any(&self) -> bool {
        self.now.others == Others::Any || self.unanswered.others == Others::Any
    }

    /// Whether it may be the one that the session began with, which nobody has told.
    pub(crate) fn may_be_initial(&self) -> bool {
        self.now.others == Others::Initial || self.unanswered.others == Others::Initial
    }

    /// Whether `"$user"` is the schema of the user who logged in.
    pub(crate) fn is_user_certain(&self) -> bool {
        !self.role_changed
    }

    /// A session begins with these settings, which its start-up packet asks for: follows the roles.
    pub fn began(&mut self, settings: &Statement) {
        self.follow_role(settings);
    }

    fn follow_role(&mut self, statement: &Statement) -> bool {
        let takes_on = statement.settings.iter().any(|change| {
            change.scope != SettingScope::Stored
                && matches!(
                    change.name.as_deref(),
                    Some("role" | "session_authorization")
                )
                && change.value != SettingValue::Default
        });
        let is_new = takes_on && !self.role_changed;
        self.role_changed |= takes_on;
        is_new
    }

    /// What a statement changes it to, and for how long.
    fn targets(&self, statement: &Statement) -> Vec<(Paths, SettingScope)> {
        statement
            .settings
            .iter()
            .filter(|change| change.scope != SettingScope::Stored)
            .filter(|change| matches!(change.name.as_deref(), None | Some("search_path")))
            .map(|change| (self.target(change, statement), change.scope))
            .collect()
    }

    /// What a change changes it to.
    fn target(&self, change: &SettingChange, statement: &Statement) -> Paths {
        match &change.value {
            SettingValue::Default => self.initial.clone(),
            SettingValue::To(words) if change.name.is_some() => {
                if statement.kind() == Kind::Set {
                    Paths::one(Path::of_words(words))
                } else {
                    // `set_config` takes one text that is read as a list.
                    Paths::one(Path::read(words.first().map_or("", |text| text)))
                }
            }
            SettingValue::To(_) | SettingValue::Hidden => Paths::any(),
        }
    }

    /// Takes back what the end of a transaction takes back.
    fn follow_transaction(&mut self, statement: &Statement) -> bool {
        if !statement.ends_transaction() {
            return false;
        }
        let before = (self.now.clone(), self.session.clone());
        let is_committed =
            matches!(statement.kind(), Kind::Commit | Kind::PrepareTransaction) && !self.failed;
        if is_committed {
            self.seen = self.session.clone();
        } else {
            self.session = self.seen.clone();
        }
        self.now = self.session.clone();
        before != (self.now.clone(), self.session.clone())
    }
}

/// Whether a statement that has been completed has done all that it says, once.
fn is_certain(statement: &Statement) -> bool {
    matches!(statement.kind(), Kind::Set | Kind::Reset | Kind::Discard)
}

impl Paths {
    fn one(path: Path) -> Self {
        Self {
            known: vec![Arc::new(path)],
            others: Others::None,
        }
    }

    fn initial() -> Self {
        Self {
            known: Vec::new(),
            others: Others::Initial,
        }
    }

    fn any() -> Self {
        Self {
            known: Vec::new(),
            others: Others::Any,
        }
    }

    fn merge(&mut self, other: &Self) {
        self.others = self.others.max(other.others);
        for path in &other.known {
            if !self.known.contains(path) {
                self.known.push(Arc::clone(path));
            }
        }
        if self.known.len() > MAX_PATHS {
            *self = Self::any();
        }
    }
}
