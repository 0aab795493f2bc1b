//! Decides what a principal may run; pure functions over plain data.
//!
//! [`facts`] are what SQL text would do, as `querycop-sql` reads it. A [`Policy`] is a file of rules,
//! a [`Scope`] those of them that can match what one [`Principal`] runs, and [`Scope::decide`] makes
//! of a statement's facts a [`Decision`].
//!
//! Nothing here reads a socket, a file or a clock.

#![cfg_attr(not(test), deny(clippy::wildcard_enum_match_arm))]

mod builtin;
mod catalog;
mod condition;
mod decide;
mod decision;
mod denial;
mod explain;
pub mod facts;
mod file;
mod floor;
mod home;
mod matcher;
mod mistake;
mod pattern;
mod policy;
mod principal;
mod rehearsal;
mod risk;
mod rule;
mod scope;
mod search_path;
mod seen;
mod situation;
mod test;
mod who;
mod window;
mod words;
mod yaml;

pub use builtin::is_steady_function;
pub use catalog::{Catalog, Function, Operator, Relation, Volatility};
pub use condition::Variable;
pub use decision::{AuditText, Decision, Denial, Limit, Limits, Reuse, Verdict};
pub use explain::{ExplainedEffect, Explanation, Outcome, RuleOutcome, Standing};
pub use floor::Article;
pub use mistake::{Mistake, Mistakes};
pub use policy::{Fallback, Mode, Policy, PolicyHash};
pub use principal::{CertificateName, Principal, Tls};
pub use rehearsal::Rehearsal;
pub use risk::{Risk, Stake};
pub use scope::Scope;
pub use search_path::SearchPath;
pub use situation::{Situation, TransactionState};
pub use test::{Expectation, PolicyTest, TestFailure};
