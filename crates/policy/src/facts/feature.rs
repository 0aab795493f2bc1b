//! Traits of a statement that rules can ask for by word.

use std::fmt;

use crate::words::closed_set;

closed_set! {
    /// A trait of a statement, found anywhere in its tree.
    pub enum Feature {
        /// One of several statements in one text.
        MultiStatement = "multi_statement",
        /// UPDATE or DELETE of all rows: no WHERE, or one that is always true.
        NoWhere = "no_where",
        /// INSERT, UPDATE, DELETE or MERGE inside WITH.
        DataModifyingCte = "data_modifying_cte",
        /// EXPLAIN that runs what it explains.
        ExplainAnalyze = "explain_analyze",
        /// COPY from or to a program on the server.
        CopyProgram = "copy_program",
        /// COPY from or to a file on the server.
        CopyFile = "copy_file",
        /// COPY TO STDOUT.
        CopyToClient = "copy_to_client",
        /// COPY FROM STDIN.
        CopyFromClient = "copy_from_client",
        /// DO, CALL, or a body of code that is stored: nobody can see from the text what it does.
        OpaqueCode = "opaque_code",
        /// PREPARE of a statement.
        Prepare = "prepare",
        /// EXECUTE, also in EXPLAIN and CREATE TABLE AS.
        Execute = "execute",
        /// DEALLOCATE.
        Deallocate = "deallocate",
        /// DECLARE, FETCH, MOVE, CLOSE, WHERE CURRENT OF.
        Cursor = "cursor",
        /// SET ROLE, SET SESSION AUTHORIZATION, or the same through `set_config`.
        SetRole = "set_role",
        /// A setting is changed; the effect `session` names it.
        SetSetting = "set_setting",
        /// BEGIN, COMMIT and their like, SET TRANSACTION.
        TransactionControl = "transaction_control",
        /// Privileges or membership are given or taken.
        Grant = "grant",
        /// A password stands in the text.
        PasswordLiteral = "password_literal",
        /// `*` or `t.*` in a list of results.
        SelectStar = "select_star",
        /// Rows of a FROM come back to the client without LIMIT or FETCH FIRST.
        NoLimit = "no_limit",
        /// FOR UPDATE and its like.
        RowLocking = "row_locking",
        /// A temporary object is made or used by its schema.
        TempObject = "temp_object",
        /// A relation of `pg_catalog`, `information_schema` or `pg_toast` is used.
        SystemCatalog = "system_catalog",
        /// Something in the text can't be read.
        Unparsed = "unparsed",
    }
}

/// A set of features.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Features(u32);

impl Features {
    /// Adds one.
    pub fn insert(&mut self, feature: Feature) {
        self.0 |= Self::bit(feature);
    }

    /// Adds what another has.
    pub fn merge(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// Whether it is in the set.
    pub fn contains(self, feature: Feature) -> bool {
        self.0 & Self::bit(feature) != 0
    }

    /// Those in the set, in the order of declaration.
    pub fn iter(self) -> impl Iterator<Item = Feature> {
        Feature::ALL
            .iter()
            .copied()
            .filter(move |feature| self.contains(*feature))
    }

    fn bit(feature: Feature) -> u32 {
        1 << feature as u32
    }
}

impl fmt::Debug for Features {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_set()
            .entries(self.iter().map(Feature::as_str))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feature_has_a_bit_and_a_word_of_its_own() {
        let mut all = Features::default();
        for feature in Feature::ALL {
            assert!(!all.contains(*feature), "{feature}");
            all.insert(*feature);
            assert_eq!(Feature::from_word(feature.as_str()), Some(*feature));
        }
        assert_eq!(all.iter().count(), Feature::ALL.len());
    }
}
