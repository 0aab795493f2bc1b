//! Decides what a principal may run; pure functions over plain data.
//!
//! [`facts`] are what SQL text would do, as `querycop-sql` reads it. A [`Policy`] is a file of rules,
//! a [`Scope`] those of them that can match what one [`Principal`] runs, and [`Scope::decide`] makes
//! of a statement's facts a [`Decision`].
//!
//! Nothing here reads a socket, a file or a clock.

#![cfg_attr(not(test), deny(clippy::wildcard_enum_match_arm))]

mod decision;
pub mod facts;
mod file;
mod mistake;
mod policy;
mod principal;
mod risk;
mod scope;
mod search_path;
mod situation;
mod words;
mod yaml;

pub use decision::{AuditText, Decision, Denial, Limit, Limits, Reuse, Verdict};
pub use mistake::{Mistake, Mistakes};
pub use policy::{Fallback, Mode, Policy, PolicyHash};
pub use principal::{CertificateName, Principal, Tls};
pub use risk::Risk;
pub use scope::Scope;
pub use search_path::SearchPath;
pub use situation::{Situation, TransactionState};
