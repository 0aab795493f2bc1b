//! SET, RESET, SHOW, ALTER SYSTEM.

use pg_query::Node;
use pg_query::protobuf::a_const::Val;
use pg_query::protobuf::node::Node as N;
use pg_query::protobuf::{AlterSystemStmt, VariableSetKind, VariableSetStmt, VariableShowStmt};
use querycop_policy::facts::{
    Action, Attributes, Certainty, Columns, Effect, Execution, Feature, Kind, Object, ObjectKind,
    SettingChange, SettingScope, SettingValue,
};

use super::Reader;
use super::constant::string_literal;
use crate::secrets::may_hold_password;
use crate::shape::read_literal;

impl<'a> Reader<'a> {
    pub(super) fn variable_set_stmt(&mut self, node: &'a VariableSetStmt) {
        let VariableSetStmt {
            kind: _,
            name,
            args,
            jumble_args: _,
            is_local,
            location: _,
        } = node;
        let scope = if *is_local {
            SettingScope::Transaction
        } else {
            SettingScope::Session
        };
        match node.kind() {
            VariableSetKind::VarSetMulti => {
                self.kind(Kind::Set);
                self.set_transaction(args);
            }
            VariableSetKind::VarSetValue => {
                self.kind(Kind::Set);
                self.change_setting(Some(name), value_of(args), scope);
            }
            VariableSetKind::VarSetDefault => {
                self.kind(Kind::Set);
                self.change_setting(Some(name), SettingValue::Default, scope);
            }
            // FROM CURRENT: to what holds now, which may then hold for longer. It isn't only for
            // CREATE FUNCTION: the server runs it as a statement of its own, too.
            VariableSetKind::VarSetCurrent => {
                self.kind(Kind::Set);
                self.change_setting(Some(name), SettingValue::Hidden, scope);
            }
            VariableSetKind::VarReset => {
                self.kind(Kind::Reset);
                self.change_setting(Some(name), SettingValue::Default, scope);
            }
            VariableSetKind::VarResetAll => {
                self.kind(Kind::Reset);
                self.change_setting(None, SettingValue::Default, scope);
            }
            VariableSetKind::Undefined => self.foreign(),
        }
        self.nodes(args);
    }

    /// SET TRANSACTION and SET SESSION CHARACTERISTICS.
    fn set_transaction(&mut self, modes: &'a [Node]) {
        self.feature(Feature::TransactionControl);
        self.plain_effect(Action::Transaction, "set_transaction");
        self.transaction_modes(modes);
    }

    pub(super) fn change_hidden_setting(&mut self) {
        self.change_setting(None, SettingValue::Hidden, SettingScope::Session);
    }

    /// Notes that a setting changes; `None` if it can be any.
    pub(super) fn change_setting(
        &mut self,
        name: Option<&str>,
        value: SettingValue,
        scope: SettingScope,
    ) {
        // PostgreSQL doesn't mind the case of a setting's name, not even in quotes.
        let name = name.map(str::to_ascii_lowercase);
        let reset = value == SettingValue::Default;
        let is_role = matches!(name.as_deref(), Some("role" | "session_authorization"));
        if is_role {
            self.feature(Feature::SetRole);
            let role = match &value {
                SettingValue::To(words) => words.first().cloned().unwrap_or_default(),
                SettingValue::Default | SettingValue::Hidden => Box::default(),
            };
            let subtype = if reset || *role == *"none" {
                "reset_role"
            } else {
                "set_role"
            };
            self.named_effect(Action::Role, subtype, ObjectKind::Role, &role);
        } else {
            self.feature(Feature::SetSetting);
            if name.is_none() && !reset {
                self.possible_role();
            }
            let subtype = if reset { "reset" } else { "set" };
            self.named_effect(
                Action::Session,
                subtype,
                ObjectKind::Setting,
                name.as_deref().unwrap_or_default(),
            );
        }
        let scope = if self.execution == Execution::Stored {
            SettingScope::Stored
        } else {
            scope
        };
        self.note_setting(name, value, scope);
    }

    /// Keeps a change, and its value where that may be kept.
    fn note_setting(&mut self, name: Option<String>, value: SettingValue, scope: SettingScope) {
        let kept = name.as_deref().is_some_and(SettingValue::is_kept);
        let value = match value {
            SettingValue::To(_) if !kept => SettingValue::Hidden,
            value => value,
        };
        self.statement.settings.push(SettingChange {
            name: name.map(Into::into),
            value,
            scope,
        });
    }

    /// Who may set anything may set `role`; only RESET ALL leaves that alone.
    fn possible_role(&mut self) {
        self.feature(Feature::SetRole);
        let attributes = Attributes {
            execution: self.execution,
            certainty: Certainty::Possible,
            ..Attributes::default()
        };
        self.add_effect(Effect {
            action: Action::Role,
            subtype: "set_role",
            object: Object::hidden(ObjectKind::Role),
            columns: Columns::default(),
            attributes,
        });
    }

    /// A setting that takes effect later: of a role, a database, a function.
    pub(super) fn stored_setting(&mut self, setting: Option<&'a VariableSetStmt>) {
        if let Some(setting) = setting {
            self.stored(|reader| reader.variable_set_stmt(setting));
        }
    }

    pub(super) fn alter_system_stmt(&mut self, node: &'a AlterSystemStmt) {
        self.kind(Kind::AlterSystem);
        let Some(setting) = &node.setstmt else {
            return self.foreign();
        };
        let name = setting.name.to_ascii_lowercase();
        if may_hold_password(&name) && !setting.args.is_empty() {
            self.feature(Feature::PasswordLiteral);
        }
        self.named_effect(Action::UnsafeIo, "alter_system", ObjectKind::Setting, &name);
        let value = match setting.kind() {
            VariableSetKind::VarSetValue => value_of(&setting.args),
            _ => SettingValue::Default,
        };
        // RESET ALL names none.
        let name = (!name.is_empty()).then_some(name);
        self.note_setting(name, value, SettingScope::Stored);
    }

    pub(super) fn variable_show_stmt(&mut self, node: &'a VariableShowStmt) {
        self.kind(Kind::Show);
        let name = node.name.to_ascii_lowercase();
        let name = if name == "all" { "" } else { &name };
        let object = Object::new(
            ObjectKind::Setting,
            querycop_policy::facts::Name::unqualified(name),
        );
        self.effect(Action::Session, "show", object);
    }
}

/// The words of a SET; hidden if one isn't a constant.
fn value_of(args: &[Node]) -> SettingValue {
    let words: Option<Vec<Box<str>>> = args.iter().map(constant_text).collect();
    words.map_or(SettingValue::Hidden, SettingValue::To)
}

fn constant_text(node: &Node) -> Option<Box<str>> {
    if let Some(text) = string_literal(node) {
        return Some(text.into());
    }
    read_literal();
    match node.node.as_ref()? {
        N::AConst(constant) => match constant.val.as_ref()? {
            Val::Ival(integer) => Some(integer.ival.to_string().into()),
            Val::Boolval(boolean) => Some(boolean.boolval.to_string().into()),
            Val::Fval(float) => Some(float.fval.as_str().into()),
            Val::Sval(string) => Some(string.sval.as_str().into()),
            Val::Bsval(_) => None,
        },
        _ => None,
    }
}
