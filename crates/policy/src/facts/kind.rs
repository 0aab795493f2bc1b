//! Kinds of statement.

use crate::words::closed_set;

closed_set! {
    /// What kind of command a statement is; DDL says in its effects which object it is about.
    pub enum Kind {
        /// `SELECT`, `TABLE`, `VALUES`.
        Select = "select",
        /// `INSERT`.
        Insert = "insert",
        /// `UPDATE`.
        Update = "update",
        /// `DELETE`.
        Delete = "delete",
        /// `MERGE`.
        Merge = "merge",
        /// `COPY`.
        Copy = "copy",
        /// `PREPARE`.
        Prepare = "prepare",
        /// `EXECUTE`.
        Execute = "execute",
        /// `DEALLOCATE`.
        Deallocate = "deallocate",
        /// `DECLARE … CURSOR`.
        DeclareCursor = "declare_cursor",
        /// `FETCH`.
        Fetch = "fetch",
        /// `MOVE`.
        Move = "move",
        /// `CLOSE`.
        Close = "close",
        /// `EXPLAIN`.
        Explain = "explain",
        /// `CREATE TABLE AS`, `CREATE MATERIALIZED VIEW`.
        CreateTableAs = "create_table_as",
        /// `SELECT … INTO`.
        SelectInto = "select_into",
        /// `REFRESH MATERIALIZED VIEW`.
        RefreshMaterializedView = "refresh_materialized_view",
        /// `BEGIN`, `START TRANSACTION`.
        Begin = "begin",
        /// `COMMIT`, `END`.
        Commit = "commit",
        /// `ROLLBACK`, `ABORT`.
        Rollback = "rollback",
        /// `SAVEPOINT`.
        Savepoint = "savepoint",
        /// `RELEASE SAVEPOINT`.
        Release = "release",
        /// `ROLLBACK TO SAVEPOINT`.
        RollbackTo = "rollback_to",
        /// `PREPARE TRANSACTION`.
        PrepareTransaction = "prepare_transaction",
        /// `COMMIT PREPARED`.
        CommitPrepared = "commit_prepared",
        /// `ROLLBACK PREPARED`.
        RollbackPrepared = "rollback_prepared",
        /// `SET`, also `SET ROLE` and `SET TRANSACTION`.
        Set = "set",
        /// `RESET`.
        Reset = "reset",
        /// `SHOW`.
        Show = "show",
        /// `DISCARD`.
        Discard = "discard",
        /// `SET CONSTRAINTS`.
        SetConstraints = "set_constraints",
        /// `LOCK`.
        Lock = "lock",
        /// `TRUNCATE`.
        Truncate = "truncate",
        /// `NOTIFY`.
        Notify = "notify",
        /// `LISTEN`.
        Listen = "listen",
        /// `UNLISTEN`.
        Unlisten = "unlisten",
        /// `LOAD`.
        Load = "load",
        /// `CHECKPOINT`.
        Checkpoint = "checkpoint",
        /// `VACUUM`.
        Vacuum = "vacuum",
        /// `ANALYZE`.
        Analyze = "analyze",
        /// `CLUSTER`.
        Cluster = "cluster",
        /// `REINDEX`.
        Reindex = "reindex",
        /// `DO`.
        Do = "do",
        /// `CALL`.
        Call = "call",
        /// `CREATE`, of anything that has no kind of its own.
        Create = "create",
        /// `ALTER`, of anything that has no kind of its own.
        Alter = "alter",
        /// `DROP`.
        Drop = "drop",
        /// `COMMENT`.
        Comment = "comment",
        /// `SECURITY LABEL`.
        SecurityLabel = "security_label",
        /// `GRANT` of privileges or of membership, `ALTER DEFAULT PRIVILEGES … GRANT`.
        Grant = "grant",
        /// `REVOKE`, likewise.
        Revoke = "revoke",
        /// `CREATE ROLE`, `USER` or `GROUP`.
        CreateRole = "create_role",
        /// `ALTER ROLE`, `USER` or `GROUP`.
        AlterRole = "alter_role",
        /// `DROP ROLE`, `USER` or `GROUP`.
        DropRole = "drop_role",
        /// `DROP OWNED`.
        DropOwned = "drop_owned",
        /// `REASSIGN OWNED`.
        ReassignOwned = "reassign_owned",
        /// `ALTER SYSTEM`.
        AlterSystem = "alter_system",
        /// `IMPORT FOREIGN SCHEMA`.
        ImportForeignSchema = "import_foreign_schema",
        /// Text that can't be read as PostgreSQL's SQL.
        Unparsed = "unparsed",
    }
}
