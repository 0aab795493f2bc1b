//! How much is at stake when a statement runs.

use crate::words::closed_set;

closed_set! {
    /// How much is at stake when a statement runs, from its effects.
    pub enum Risk {
        /// Nothing is changed, and nothing leaves in bulk.
        Low = "low",
        /// Rows are changed, one by one.
        Medium = "medium",
        /// Many rows are changed or leave, or objects change.
        High = "high",
        /// What was there is gone, or whoever runs it reaches beyond the database.
        Critical = "critical",
    }
}
