//! What an effect does.

use crate::words::closed_set;

closed_set! {
    /// What an effect does: a closed set, so that a rule can name all there is.
    pub enum Action {
        /// Reads rows of a relation.
        Read = "read",
        /// Adds rows.
        Insert = "insert",
        /// Changes rows.
        Update = "update",
        /// Removes rows.
        Delete = "delete",
        /// Sends rows in bulk to the client (`COPY … TO STDOUT`); what is read is a `read` beside it.
        Export = "export",
        /// Takes rows in bulk from the client (`COPY … FROM STDIN`), beside an `insert`.
        Load = "load",
        /// Makes an object.
        DdlCreate = "ddl.create",
        /// Changes an object.
        DdlAlter = "ddl.alter",
        /// Removes an object.
        DdlDrop = "ddl.drop",
        /// Empties a relation.
        Truncate = "truncate",
        /// Gives or takes privileges.
        Grant = "grant",
        /// Makes, changes, removes or takes on a role.
        Role = "role",
        /// Changes or shows what belongs to the session: settings, prepared statements, cursors.
        Session = "session",
        /// Begins, ends or shapes a transaction.
        Transaction = "transaction",
        /// Locks a relation, rows or an advisory key.
        Lock = "lock",
        /// `NOTIFY`, `LISTEN`, `UNLISTEN`.
        Notify = "notify",
        /// `VACUUM`, `ANALYZE`, `CLUSTER`, `REINDEX`, `CHECKPOINT`, `REFRESH`, backends signalled.
        Maintenance = "maintenance",
        /// Calls a function or procedure.
        Call = "call",
        /// Runs or stores code that can't be looked into: `DO`, bodies of functions, SQL in a string.
        Code = "code",
        /// Reads or writes files or runs programs on the server.
        UnsafeIo = "unsafe_io",
        /// Publications, subscriptions, slots.
        Replication = "replication",
        /// Can't be known. No wildcard matches it.
        Unknown = "unknown",
    }
}
