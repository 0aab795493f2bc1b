//! Into SQL/JSON: every field is named, so that a new one is a compile error.
//!
//! What looks like a call is one to servers before PostgreSQL 16 or 17.

use pg_query::protobuf::{self, JsonExprOp};

use super::Reader;

impl<'a> Reader<'a> {
    pub(super) fn json_value_expr(&mut self, node: &'a protobuf::JsonValueExpr) {
        let protobuf::JsonValueExpr {
            raw_expr,
            formatted_expr,
            format: _,
        } = node;
        self.option(raw_expr.as_deref());
        self.option(formatted_expr.as_deref());
    }

    pub(super) fn json_is_predicate(&mut self, node: &'a protobuf::JsonIsPredicate) {
        let protobuf::JsonIsPredicate {
            expr,
            format: _,
            item_type: _,
            unique_keys: _,
            location: _,
        } = node;
        self.option(expr.as_deref());
    }

    pub(super) fn json_behavior(&mut self, node: &'a protobuf::JsonBehavior) {
        let protobuf::JsonBehavior {
            btype: _,
            expr,
            coerce: _,
            location: _,
        } = node;
        self.option(expr.as_deref());
    }

    pub(super) fn json_output(&mut self, node: &'a protobuf::JsonOutput) {
        let protobuf::JsonOutput {
            type_name,
            returning: _,
        } = node;
        self.becomes(type_name.as_ref());
        if let Some(type_name) = type_name {
            self.type_name(type_name);
        }
    }

    pub(super) fn json_argument(&mut self, node: &'a protobuf::JsonArgument) {
        let protobuf::JsonArgument { val, name: _ } = node;
        if let Some(val) = val {
            self.json_value_expr(val);
        }
    }

    pub(super) fn json_func_expr(&mut self, node: &'a protobuf::JsonFuncExpr) {
        let protobuf::JsonFuncExpr {
            op: _,
            column_name: _,
            context_item,
            pathspec,
            passing,
            output,
            on_empty,
            on_error,
            wrapper: _,
            quotes: _,
            location: _,
        } = node;
        match node.op() {
            JsonExprOp::JsonExistsOp => self.construct("json_exists"),
            JsonExprOp::JsonQueryOp => self.construct("json_query"),
            JsonExprOp::JsonValueOp => self.construct("json_value"),
            // COLUMNS, which it needs, stands in no call.
            JsonExprOp::JsonTableOp => {}
            JsonExprOp::Undefined => self.foreign(),
        }
        if let Some(context_item) = context_item {
            self.json_value_expr(context_item);
        }
        self.option(pathspec.as_deref());
        self.nodes(passing);
        if let Some(output) = output {
            self.json_output(output);
        }
        if let Some(on_empty) = on_empty {
            self.json_behavior(on_empty);
        }
        if let Some(on_error) = on_error {
            self.json_behavior(on_error);
        }
    }

    pub(super) fn json_table_path_spec(&mut self, node: &'a protobuf::JsonTablePathSpec) {
        let protobuf::JsonTablePathSpec {
            string,
            name: _,
            name_location: _,
            location: _,
        } = node;
        self.option(string.as_deref());
    }

    pub(super) fn json_table_column(&mut self, node: &'a protobuf::JsonTableColumn) {
        let protobuf::JsonTableColumn {
            coltype: _,
            name: _,
            type_name,
            pathspec,
            format: _,
            wrapper: _,
            quotes: _,
            columns,
            on_empty,
            on_error,
            location: _,
        } = node;
        self.becomes(type_name.as_ref());
        if let Some(type_name) = type_name {
            self.type_name(type_name);
        }
        if let Some(pathspec) = pathspec {
            self.json_table_path_spec(pathspec);
        }
        self.nodes(columns);
        if let Some(on_empty) = on_empty {
            self.json_behavior(on_empty);
        }
        if let Some(on_error) = on_error {
            self.json_behavior(on_error);
        }
    }

    pub(super) fn json_key_value(&mut self, node: &'a protobuf::JsonKeyValue) {
        let protobuf::JsonKeyValue { key, value } = node;
        self.option(key.as_deref());
        if let Some(value) = value {
            self.json_value_expr(value);
        }
    }

    pub(super) fn json_parse_expr(&mut self, node: &'a protobuf::JsonParseExpr) {
        self.construct("json");
        let protobuf::JsonParseExpr {
            expr,
            output,
            unique_keys: _,
            location: _,
        } = node;
        if let Some(expr) = expr {
            self.json_value_expr(expr);
        }
        if let Some(output) = output {
            self.json_output(output);
        }
    }

    pub(super) fn json_scalar_expr(&mut self, node: &'a protobuf::JsonScalarExpr) {
        self.construct("json_scalar");
        let protobuf::JsonScalarExpr {
            expr,
            output,
            location: _,
        } = node;
        self.option(expr.as_deref());
        if let Some(output) = output {
            self.json_output(output);
        }
    }

    pub(super) fn json_serialize_expr(&mut self, node: &'a protobuf::JsonSerializeExpr) {
        self.construct("json_serialize");
        let protobuf::JsonSerializeExpr {
            expr,
            output,
            location: _,
        } = node;
        if let Some(expr) = expr {
            self.json_value_expr(expr);
        }
        if let Some(output) = output {
            self.json_output(output);
        }
    }

    pub(super) fn json_object_constructor(&mut self, node: &'a protobuf::JsonObjectConstructor) {
        self.construct("json_object");
        let protobuf::JsonObjectConstructor {
            exprs,
            output,
            absent_on_null: _,
            unique: _,
            location: _,
        } = node;
        self.nodes(exprs);
        if let Some(output) = output {
            self.json_output(output);
        }
    }

    pub(super) fn json_array_constructor(&mut self, node: &'a protobuf::JsonArrayConstructor) {
        self.construct("json_array");
        let protobuf::JsonArrayConstructor {
            exprs,
            output,
            absent_on_null: _,
            location: _,
        } = node;
        self.nodes(exprs);
        if let Some(output) = output {
            self.json_output(output);
        }
    }

    pub(super) fn json_array_query_constructor(
        &mut self,
        node: &'a protobuf::JsonArrayQueryConstructor,
    ) {
        self.construct("json_array");
        let protobuf::JsonArrayQueryConstructor {
            query,
            output,
            format: _,
            absent_on_null: _,
            location: _,
        } = node;
        self.option(query.as_deref());
        if let Some(output) = output {
            self.json_output(output);
        }
    }

    pub(super) fn json_agg_constructor(&mut self, node: &'a protobuf::JsonAggConstructor) {
        let protobuf::JsonAggConstructor {
            output,
            agg_filter,
            agg_order,
            over,
            location: _,
        } = node;
        if let Some(output) = output {
            self.json_output(output);
        }
        self.option(agg_filter.as_deref());
        self.nodes(agg_order);
        if let Some(over) = over {
            self.window_def(over);
        }
    }

    pub(super) fn json_object_agg(&mut self, node: &'a protobuf::JsonObjectAgg) {
        self.construct("json_objectagg");
        let protobuf::JsonObjectAgg {
            constructor,
            arg,
            absent_on_null: _,
            unique: _,
        } = node;
        if let Some(constructor) = constructor {
            self.json_agg_constructor(constructor);
        }
        if let Some(arg) = arg {
            self.json_key_value(arg);
        }
    }

    pub(super) fn json_array_agg(&mut self, node: &'a protobuf::JsonArrayAgg) {
        self.construct("json_arrayagg");
        let protobuf::JsonArrayAgg {
            constructor,
            arg,
            absent_on_null: _,
        } = node;
        if let Some(constructor) = constructor {
            self.json_agg_constructor(constructor);
        }
        if let Some(arg) = arg {
            self.json_value_expr(arg);
        }
    }

    pub(super) fn walk_json_table(&mut self, node: &'a protobuf::JsonTable) {
        let protobuf::JsonTable {
            context_item,
            pathspec,
            passing,
            columns,
            on_error,
            alias: _,
            lateral: _,
            location: _,
        } = node;
        if let Some(context_item) = context_item {
            self.json_value_expr(context_item);
        }
        if let Some(pathspec) = pathspec {
            self.json_table_path_spec(pathspec);
        }
        self.nodes(passing);
        self.nodes(columns);
        if let Some(on_error) = on_error {
            self.json_behavior(on_error);
        }
    }
}
