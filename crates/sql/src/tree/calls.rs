//! What calls functions: calls, operators, casts, attributes.

use pg_query::Node;
use pg_query::protobuf::node::Node as N;
use pg_query::protobuf::{
    AExpr, AExprKind, AIndirection, CallStmt, CurrentOfExpr, FuncCall, SortBy, TypeCast, TypeName,
};
use querycop_policy::facts::{Action, Feature, Kind, Name, Object, ObjectKind, Via};

use super::Reader;
use super::builtin::{is_operator, is_type};
use super::names::{name, word};

impl<'a> Reader<'a> {
    pub(super) fn func_call(&mut self, node: &'a FuncCall) {
        let function = name(&node.funcname);
        self.known_function(&function.name, &node.args);
        if function.schema.as_deref() == Some("pg_catalog") {
            self.written_without_schema(&function.name);
        }
        self.effect(
            Action::Call,
            "",
            Object::new(ObjectKind::Function, function),
        );
        self.walk_func_call(node);
    }

    /// What the grammar of the parser's version turns into a call in `pg_catalog`, and that of an
    /// older server doesn't.
    fn written_without_schema(&mut self, function: &str) {
        match function {
            // A column, before PostgreSQL 16.
            "system_user" => self.unqualified(function),
            // Calls like any other, before PostgreSQL 13 and 16.
            "normalize" | "json_object" => {
                self.named_effect(Action::Call, "", ObjectKind::Function, function);
            }
            _ => {}
        }
    }

    /// A construct of the grammar that an older server, which doesn't have it, takes for the call of
    /// whatever function of that name it finds.
    pub(super) fn construct(&mut self, function: &'static str) {
        self.named_effect(Action::Call, "construct", ObjectKind::Function, function);
    }

    pub(super) fn call_stmt(&mut self, node: &'a CallStmt) {
        let CallStmt {
            funccall,
            funcexpr,
            outargs,
        } = node;
        self.kind(Kind::Call);
        self.feature(Feature::OpaqueCode);
        if let Some(call) = funccall {
            let procedure = Object::new(ObjectKind::Procedure, name(&call.funcname));
            self.effect(Action::Call, "call", procedure);
            self.walk_func_call(call);
        }
        self.foreign_if(funcexpr.is_some());
        self.nodes(outargs);
    }

    /// A function that something stored will call: of a trigger, an operator, an aggregate.
    pub(super) fn stored_call(&mut self, function: &'a [Node]) {
        if !function.is_empty() {
            let object = Object::new(ObjectKind::Function, name(function));
            self.stored(|reader| {
                reader.effect(Action::Call, "", object);
            });
        }
    }

    pub(super) fn a_expr(&mut self, node: &'a AExpr) {
        match node.kind() {
            // Their name is the keyword; what they call are `>=`, `<=` and their like.
            AExprKind::AexprBetween
            | AExprKind::AexprNotBetween
            | AExprKind::AexprBetweenSym
            | AExprKind::AexprNotBetweenSym => {}
            AExprKind::Undefined
            | AExprKind::AexprOp
            | AExprKind::AexprOpAny
            | AExprKind::AexprOpAll
            | AExprKind::AexprDistinct
            | AExprKind::AexprNotDistinct
            | AExprKind::AexprNullif
            | AExprKind::AexprIn
            | AExprKind::AexprLike
            | AExprKind::AexprIlike
            | AExprKind::AexprSimilar => self.operator(&node.name),
        }
        self.walk_a_expr(node);
    }

    pub(super) fn sort_by(&mut self, node: &'a SortBy) {
        self.operator(&node.use_op);
        self.walk_sort_by(node);
    }

    /// An operator is a call, if it isn't one of PostgreSQL's own.
    pub(super) fn operator(&mut self, parts: &'a [Node]) {
        let foreign = match parts {
            [] => false,
            [symbol] => word(symbol).is_some_and(|symbol| !is_operator(symbol)),
            [schema, ..] => word(schema) != Some("pg_catalog"),
        };
        if foreign {
            self.possible_call(Via::Operator, name(parts));
        }
    }

    pub(super) fn type_cast(&mut self, node: &'a TypeCast) {
        self.becomes(node.type_name.as_ref());
        self.walk_type_cast(node);
    }

    /// What becomes a value of a type that isn't PostgreSQL's own may call a function that somebody
    /// wrote: in a cast, or where a type says what comes out.
    pub(super) fn becomes(&mut self, target: Option<&'a TypeName>) {
        let Some(target) = target else { return };
        let foreign = match target.names.as_slice() {
            [] => false,
            [single] => word(single).is_some_and(|name| !is_type(name)),
            [schema, ..] => word(schema) != Some("pg_catalog"),
        };
        if foreign {
            self.possible_call(Via::Cast, name(&target.names));
        }
    }

    pub(super) fn type_name(&mut self, node: &'a TypeName) {
        if node.pct_type {
            // relation.column%TYPE
            let relation = node
                .names
                .split_last()
                .map_or(&[][..], |(_, relation)| relation);
            let relation: Name = name(relation);
            self.note_schema(&relation);
            self.effect(
                Action::Read,
                "reference",
                Object::new(ObjectKind::Relation, relation),
            );
        }
        self.walk_type_name(node);
    }

    /// `(expression).f` is a column or `f(expression)`.
    pub(super) fn a_indirection(&mut self, node: &'a AIndirection) {
        for field in node.indirection.iter().filter_map(word) {
            self.possible_call(Via::Attribute, Name::unqualified(field));
            // `(t).column`, where t is a relation in sight.
            if let Some(N::ColumnRef(_)) = node.arg.as_deref().and_then(|arg| arg.node.as_ref()) {
                self.read_column(field);
            }
        }
        self.walk_a_indirection(node);
    }

    pub(super) fn current_of_expr(&mut self, node: &'a CurrentOfExpr) {
        self.feature(Feature::Cursor);
        self.walk_current_of_expr(node);
    }
}
