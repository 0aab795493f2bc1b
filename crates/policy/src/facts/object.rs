//! What an effect is about.

use super::name::{Name, Resolution};
use crate::words::closed_set;

/// What an effect is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Object {
    /// What kind of thing.
    pub kind: ObjectKind,
    /// Its name; empty where the resolution is [`Resolution::Hidden`].
    pub name: Name,
}

closed_set! {
    /// What kind of thing an effect is about.
    pub enum ObjectKind {
        /// A table, view, materialized view, foreign table or sequence that is used as a relation.
        Relation = "relation",
        /// A table, where DDL says so.
        Table = "table",
        /// A view.
        View = "view",
        /// A materialized view.
        MaterializedView = "materialized_view",
        /// A foreign table.
        ForeignTable = "foreign_table",
        /// A sequence.
        Sequence = "sequence",
        /// An index.
        Index = "index",
        /// A column of a relation.
        Column = "column",
        /// A constraint.
        Constraint = "constraint",
        /// A trigger.
        Trigger = "trigger",
        /// An event trigger.
        EventTrigger = "event_trigger",
        /// A rewrite rule.
        Rule = "rule",
        /// A row-security policy.
        Policy = "policy",
        /// Extended statistics.
        Statistics = "statistics",
        /// A function.
        Function = "function",
        /// A procedure.
        Procedure = "procedure",
        /// A function or procedure: DDL doesn't say which.
        Routine = "routine",
        /// An aggregate.
        Aggregate = "aggregate",
        /// An operator.
        Operator = "operator",
        /// An operator class or family.
        OperatorClass = "operator_class",
        /// A cast.
        Cast = "cast",
        /// A type or domain.
        Type = "type",
        /// A collation.
        Collation = "collation",
        /// A conversion of encodings.
        Conversion = "conversion",
        /// A text search configuration, dictionary, parser or template.
        TextSearch = "text_search",
        /// A transform.
        Transform = "transform",
        /// An access method.
        AccessMethod = "access_method",
        /// A language.
        Language = "language",
        /// An extension.
        Extension = "extension",
        /// A large object.
        LargeObject = "large_object",
        /// A schema.
        Schema = "schema",
        /// A database.
        Database = "database",
        /// A tablespace.
        Tablespace = "tablespace",
        /// A role.
        Role = "role",
        /// Default privileges.
        DefaultPrivileges = "default_privileges",
        /// A foreign-data wrapper.
        ForeignDataWrapper = "foreign_data_wrapper",
        /// A foreign server.
        ForeignServer = "foreign_server",
        /// A user mapping.
        UserMapping = "user_mapping",
        /// A publication.
        Publication = "publication",
        /// A subscription.
        Subscription = "subscription",
        /// A setting (a "configuration parameter"); the resolution is `Hidden` for all of them.
        Setting = "setting",
        /// A cursor.
        Cursor = "cursor",
        /// A prepared statement.
        PreparedStatement = "prepared_statement",
        /// A savepoint or prepared transaction.
        Transaction = "transaction",
        /// A channel of `NOTIFY`.
        Channel = "channel",
        /// A file on the server.
        File = "file",
        /// A program on the server.
        Program = "program",
        /// Nothing in particular.
        Nothing = "nothing",
    }
}

impl ObjectKind {
    /// Whether names of this kind are those of relations: tables and what shares their names.
    pub const fn is_relation(self) -> bool {
        matches!(
            self,
            Self::Relation
                | Self::Table
                | Self::View
                | Self::MaterializedView
                | Self::ForeignTable
                | Self::Sequence
                | Self::Index
        )
    }

    /// Whether names of this kind are looked up in a schema.
    pub const fn lives_in_a_schema(self) -> bool {
        match self {
            Self::Relation
            | Self::Table
            | Self::View
            | Self::MaterializedView
            | Self::ForeignTable
            | Self::Sequence
            | Self::Index
            | Self::Column
            | Self::Constraint
            | Self::Trigger
            | Self::Rule
            | Self::Policy
            | Self::Statistics
            | Self::Function
            | Self::Procedure
            | Self::Routine
            | Self::Aggregate
            | Self::Operator
            | Self::OperatorClass
            | Self::Cast
            | Self::Type
            | Self::Collation
            | Self::Conversion
            | Self::TextSearch
            | Self::Transform => true,
            Self::EventTrigger
            | Self::AccessMethod
            | Self::Language
            | Self::Extension
            | Self::LargeObject
            | Self::Schema
            | Self::Database
            | Self::Tablespace
            | Self::Role
            | Self::DefaultPrivileges
            | Self::ForeignDataWrapper
            | Self::ForeignServer
            | Self::UserMapping
            | Self::Publication
            | Self::Subscription
            | Self::Setting
            | Self::Cursor
            | Self::PreparedStatement
            | Self::Transaction
            | Self::Channel
            | Self::File
            | Self::Program
            | Self::Nothing => false,
        }
    }
}

impl Object {
    /// An object of that kind and name.
    pub fn new(kind: ObjectKind, name: Name) -> Self {
        Self { kind, name }
    }

    /// An object that the text doesn't name.
    pub fn hidden(kind: ObjectKind) -> Self {
        Self::new(kind, Name::default())
    }

    /// How the name finds its object.
    pub fn resolution(&self) -> Resolution {
        if self.name.name.is_empty() && self.kind != ObjectKind::Nothing {
            Resolution::Hidden
        } else if self.kind.lives_in_a_schema() {
            self.name.resolution()
        } else {
            Resolution::Global
        }
    }
}
