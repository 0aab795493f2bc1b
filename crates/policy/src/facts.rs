//! What SQL text would do: statements as the set of their effects.
//!
//! Plain data. `querycop-sql` makes it from text; rules match against it. Where a fact can't be
//! known from the text alone (which schema a name resolves to, whether `t.f` is a column or a call
//! of a function), the fact says so, and whoever decides takes the cautious side.

mod action;
mod attributes;
mod effect;
mod feature;
mod kind;
mod name;
mod object;
mod prepared;
mod setting;
mod statement;
mod subtype;

pub use action::Action;
pub use attributes::{Attributes, Certainty, Execution, Filter};
pub use effect::{Columns, Effect};
pub use feature::{Feature, Features};
pub use kind::Kind;
pub use name::{Name, Resolution};
pub use object::{Object, ObjectKind};
pub use prepared::{PreparedStatements, Resolved};
pub use setting::{SettingChange, SettingScope, SettingValue};
pub use statement::{
    CursorUse, Deallocation, Facts, PossibleCall, Preparation, Statement, Unreadable, Via,
};
pub use subtype::SUBTYPES;
