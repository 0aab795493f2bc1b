//! Transactions, prepared statements, cursors, DISCARD, NOTIFY.

use pg_query::Node;
use pg_query::protobuf::a_const::Val;
use pg_query::protobuf::node::Node as N;
use pg_query::protobuf::{
    ClosePortalStmt, ConstraintsSetStmt, DeallocateStmt, DeclareCursorStmt, DiscardMode,
    DiscardStmt, ExecuteStmt, FetchStmt, ListenStmt, NotifyStmt, PrepareStmt, TransactionStmt,
    TransactionStmtKind, UnlistenStmt,
};
use querycop_policy::facts::{Action, Deallocation, Feature, Kind, ObjectKind};

use super::Reader;
use super::query::Rows;
use crate::shape::read_literal;

impl<'a> Reader<'a> {
    pub(super) fn transaction_stmt(&mut self, node: &'a TransactionStmt) {
        use TransactionStmtKind as T;
        let TransactionStmt {
            kind: _,
            options,
            savepoint_name,
            gid,
            chain: _,
            location: _,
        } = node;
        let (kind, subtype, name) = match node.kind() {
            T::TransStmtBegin | T::TransStmtStart => (Kind::Begin, "begin", ""),
            T::TransStmtCommit => (Kind::Commit, "commit", ""),
            T::TransStmtRollback => (Kind::Rollback, "rollback", ""),
            T::TransStmtSavepoint => (Kind::Savepoint, "savepoint", savepoint_name.as_str()),
            T::TransStmtRelease => (Kind::Release, "release", savepoint_name.as_str()),
            T::TransStmtRollbackTo => (Kind::RollbackTo, "rollback_to", savepoint_name.as_str()),
            T::TransStmtPrepare => (Kind::PrepareTransaction, "prepare", gid.as_str()),
            T::TransStmtCommitPrepared => (Kind::CommitPrepared, "commit_prepared", gid.as_str()),
            T::TransStmtRollbackPrepared => {
                (Kind::RollbackPrepared, "rollback_prepared", gid.as_str())
            }
            T::Undefined => return self.foreign(),
        };
        self.kind(kind);
        self.feature(Feature::TransactionControl);
        self.named_effect(Action::Transaction, subtype, ObjectKind::Transaction, name);
        self.transaction_modes(options);
    }

    /// READ WRITE and READ ONLY of BEGIN and SET TRANSACTION.
    pub(super) fn transaction_modes(&mut self, modes: &'a [Node]) {
        for mode in modes {
            let Some(N::DefElem(mode)) = &mode.node else {
                continue;
            };
            if mode.defname == "transaction_read_only" {
                let argument = mode
                    .arg
                    .as_deref()
                    .and_then(|argument| argument.node.as_ref());
                let subtype = if argument.is_some_and(is_zero) {
                    "read_write"
                } else {
                    "read_only"
                };
                self.plain_effect(Action::Transaction, subtype);
            }
        }
    }

    pub(super) fn constraints_set_stmt(&mut self, _node: &'a ConstraintsSetStmt) {
        self.kind(Kind::SetConstraints);
        self.plain_effect(Action::Transaction, "set_constraints");
    }

    pub(super) fn prepare_stmt(&mut self, node: &'a PrepareStmt) {
        let PrepareStmt {
            name,
            argtypes,
            query,
        } = node;
        self.kind(Kind::Prepare);
        self.feature(Feature::Prepare);
        self.named_effect(
            Action::Session,
            "prepare",
            ObjectKind::PreparedStatement,
            name,
        );
        self.nodes(argtypes);
        for argtype in argtypes {
            if let Some(N::TypeName(argtype)) = &argtype.node {
                self.becomes(Some(argtype));
            }
        }
        let mut body = Reader::new(std::mem::take(&mut self.budget));
        body.query(query.as_deref(), Rows::ToClient);
        let (body, left) = body.finish();
        self.budget = left;
        self.adopt(name, body);
    }

    pub(super) fn execute_stmt(&mut self, node: &'a ExecuteStmt) {
        let ExecuteStmt { name, params } = node;
        self.kind(Kind::Execute);
        self.feature(Feature::Execute);
        self.named_effect(
            Action::Session,
            "execute",
            ObjectKind::PreparedStatement,
            name,
        );
        self.statement.executes.push(name.as_str().into());
        self.nodes(params);
    }

    pub(super) fn deallocate_stmt(&mut self, node: &'a DeallocateStmt) {
        let DeallocateStmt {
            name,
            isall,
            location: _,
        } = node;
        self.kind(Kind::Deallocate);
        self.feature(Feature::Deallocate);
        self.named_effect(
            Action::Session,
            "deallocate",
            ObjectKind::PreparedStatement,
            name,
        );
        self.statement.deallocates = Some(if *isall {
            Deallocation::All
        } else {
            Deallocation::One(name.as_str().into())
        });
    }

    pub(super) fn declare_cursor_stmt(&mut self, node: &'a DeclareCursorStmt) {
        let DeclareCursorStmt {
            portalname,
            options: _,
            query,
        } = node;
        self.kind(Kind::DeclareCursor);
        self.cursor("declare", portalname);
        self.query(query.as_deref(), Rows::ToClient);
    }

    pub(super) fn fetch_stmt(&mut self, node: &'a FetchStmt) {
        if node.ismove {
            self.kind(Kind::Move);
            self.cursor("move", &node.portalname);
        } else {
            self.kind(Kind::Fetch);
            self.cursor("fetch", &node.portalname);
        }
    }

    pub(super) fn close_portal_stmt(&mut self, node: &'a ClosePortalStmt) {
        self.kind(Kind::Close);
        self.cursor("close", &node.portalname);
    }

    fn cursor(&mut self, subtype: &'static str, name: &str) {
        self.feature(Feature::Cursor);
        self.named_effect(Action::Session, subtype, ObjectKind::Cursor, name);
    }

    pub(super) fn discard_stmt(&mut self, node: &'a DiscardStmt) {
        self.kind(Kind::Discard);
        let subtype = match node.target() {
            DiscardMode::DiscardAll => "discard_all",
            DiscardMode::DiscardPlans => "discard_plans",
            DiscardMode::DiscardSequences => "discard_sequences",
            DiscardMode::DiscardTemp => "discard_temp",
            DiscardMode::Undefined => return self.foreign(),
        };
        self.plain_effect(Action::Session, subtype);
        if node.target() == DiscardMode::DiscardAll {
            self.statement.deallocates = Some(Deallocation::All);
        }
    }

    pub(super) fn notify_stmt(&mut self, node: &'a NotifyStmt) {
        self.kind(Kind::Notify);
        self.named_effect(
            Action::Notify,
            "notify",
            ObjectKind::Channel,
            &node.conditionname,
        );
    }

    pub(super) fn listen_stmt(&mut self, node: &'a ListenStmt) {
        self.kind(Kind::Listen);
        self.named_effect(
            Action::Notify,
            "listen",
            ObjectKind::Channel,
            &node.conditionname,
        );
    }

    pub(super) fn unlisten_stmt(&mut self, node: &'a UnlistenStmt) {
        self.kind(Kind::Unlisten);
        self.named_effect(
            Action::Notify,
            "unlisten",
            ObjectKind::Channel,
            &node.conditionname,
        );
    }
}

fn is_zero(argument: &N) -> bool {
    read_literal();
    match argument {
        N::Integer(integer) => integer.ival == 0,
        N::AConst(constant) => match &constant.val {
            Some(Val::Ival(integer)) => integer.ival == 0,
            Some(Val::Boolval(boolean)) => !boolean.boolval,
            Some(Val::Fval(_) | Val::Sval(_) | Val::Bsval(_)) | None => false,
        },
        _ => false,
    }
}
