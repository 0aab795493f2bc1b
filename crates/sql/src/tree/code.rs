//! Code that runs now or is stored: DO, functions, triggers, rules, languages.

use pg_query::Node;
use pg_query::protobuf::node::Node as N;
use pg_query::protobuf::{
    AlterFunctionStmt, CreateEventTrigStmt, CreateFunctionStmt, CreatePLangStmt, CreateTrigStmt,
    DoStmt, RuleStmt,
};
use querycop_policy::facts::{Action, Feature, Kind, Name, Object, ObjectKind};

use super::Reader;
use super::names::{name, relation_name, word};
use super::objects::kind_of;
use super::scope::Source;

impl<'a> Reader<'a> {
    pub(super) fn do_stmt(&mut self, node: &'a DoStmt) {
        self.kind(Kind::Do);
        self.feature(Feature::OpaqueCode);
        self.look_for_passwords(&node.args);
        let language = language(&node.args).unwrap_or("plpgsql");
        self.named_effect(Action::Code, "do", ObjectKind::Language, language);
    }

    /// Code can set a password as well.
    fn look_for_passwords(&mut self, options: &'a [Node]) {
        let texts = options.iter().filter_map(|option| match &option.node {
            Some(N::DefElem(option)) if option.defname == "as" => option.arg.as_deref(),
            _ => None,
        });
        let holds_one = |text: &Node| match &text.node {
            Some(N::List(list)) => list.items.iter().filter_map(word).any(names_password),
            _ => word(text).is_some_and(names_password),
        };
        if texts.into_iter().any(holds_one) {
            self.feature(Feature::PasswordLiteral);
        }
    }

    pub(super) fn create_function_stmt(&mut self, node: &'a CreateFunctionStmt) {
        self.kind(Kind::Create);
        self.feature(Feature::OpaqueCode);
        let kind = if node.is_procedure {
            ObjectKind::Procedure
        } else {
            ObjectKind::Function
        };
        self.effect(
            Action::DdlCreate,
            "",
            Object::new(kind, name(&node.funcname)),
        );
        self.look_for_passwords(&node.options);
        let language = language(&node.options).unwrap_or("sql");
        self.stored(|reader| {
            reader.named_effect(Action::Code, "body", ObjectKind::Language, language);
            reader.scopes.push();
            reader.option(node.sql_body.as_deref());
            reader.scopes.pop();
            // Defaults of parameters and the settings of SET run when it is called.
            reader.walk_create_function_stmt(node);
        });
    }

    pub(super) fn alter_function_stmt(&mut self, node: &'a AlterFunctionStmt) {
        self.kind(Kind::Alter);
        let function = node.func.as_ref().map(|function| name(&function.objname));
        self.effect(
            Action::DdlAlter,
            "",
            Object::new(kind_of(node.objtype()), function.unwrap_or_default()),
        );
        self.stored(|reader| reader.walk_alter_function_stmt(node));
    }

    pub(super) fn create_trig_stmt(&mut self, node: &'a CreateTrigStmt) {
        self.kind(Kind::Create);
        self.feature(Feature::OpaqueCode);
        let mut trigger = Name::unqualified(&node.trigname);
        if let Some(relation) = &node.relation {
            trigger.schema = relation_name(relation).schema;
            let object = self.relation_object(ObjectKind::Relation, relation);
            self.effect(Action::DdlAlter, "trigger", object);
        }
        self.effect(
            Action::DdlCreate,
            "",
            Object::new(ObjectKind::Trigger, trigger),
        );
        self.stored_call(&node.funcname);
        self.stored(|reader| reader.option(node.when_clause.as_deref()));
        self.walk_create_trig_stmt(node);
    }

    pub(super) fn create_event_trig_stmt(&mut self, node: &'a CreateEventTrigStmt) {
        self.kind(Kind::Create);
        self.feature(Feature::OpaqueCode);
        self.named_effect(
            Action::DdlCreate,
            "",
            ObjectKind::EventTrigger,
            &node.trigname,
        );
        self.stored_call(&node.funcname);
        self.walk_create_event_trig_stmt(node);
    }

    pub(super) fn create_plang_stmt(&mut self, node: &'a CreatePLangStmt) {
        let CreatePLangStmt {
            replace: _,
            plname,
            plhandler,
            plinline,
            plvalidator,
            pltrusted: _,
        } = node;
        self.kind(Kind::Create);
        self.feature(Feature::OpaqueCode);
        self.named_effect(Action::DdlCreate, "", ObjectKind::Language, plname);
        for function in [plhandler, plinline, plvalidator] {
            self.stored_call(function);
        }
    }

    pub(super) fn rule_stmt(&mut self, node: &'a RuleStmt) {
        let RuleStmt {
            relation,
            rulename,
            where_clause,
            event: _,
            instead: _,
            actions,
            replace: _,
        } = node;
        self.kind(Kind::Create);
        self.feature(Feature::OpaqueCode);
        let mut rule = Name::unqualified(rulename);
        if let Some(relation) = relation {
            rule.schema = relation_name(relation).schema;
            let object = self.relation_object(ObjectKind::Relation, relation);
            self.effect(Action::DdlAlter, "rule", object);
        }
        self.effect(Action::DdlCreate, "", Object::new(ObjectKind::Rule, rule));
        self.stored(|reader| {
            reader.scopes.push();
            reader.scopes.add("old", Source::Derived);
            reader.scopes.add("new", Source::Derived);
            reader.option(where_clause.as_deref());
            reader.nodes(actions);
            reader.scopes.pop();
        });
    }
}

/// Whether a text has `PASSWORD 'literal'`, `PASSWORD %L`, or `password=…` of a connection string.
fn names_password(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.split("password").skip(1).any(|behind| {
        let next = behind.trim_start();
        let next = next.strip_prefix("e'").map_or(next, |_| "'");
        let is_joined = behind
            .strip_prefix('=')
            .is_some_and(|value| !value.starts_with([' ', '$', '=']));
        is_joined || next.starts_with(['\'', '$', '%'])
    })
}

/// The language that a DO or CREATE FUNCTION names; the last one, if there are more.
fn language(options: &[Node]) -> Option<&str> {
    options.iter().rev().find_map(|option| match &option.node {
        Some(N::DefElem(option)) if option.defname == "language" => {
            option.arg.as_deref().and_then(word)
        }
        _ => None,
    })
}
