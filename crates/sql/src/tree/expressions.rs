//! Into expressions: every field is named, so that a new one is a compile error.

use pg_query::protobuf;

use super::Reader;

impl<'a> Reader<'a> {
    pub(super) fn grouping_func(&mut self, node: &'a protobuf::GroupingFunc) {
        let protobuf::GroupingFunc {
            xpr,
            args,
            refs: _,
            agglevelsup: _,
            location: _,
        } = node;
        self.option(xpr.as_deref());
        self.nodes(args);
    }

    pub(super) fn merge_support_func(&mut self, node: &'a protobuf::MergeSupportFunc) {
        // Before PostgreSQL 17 a call.
        self.construct("merge_action");
        let protobuf::MergeSupportFunc {
            xpr,
            msftype: _,
            msfcollid: _,
            location: _,
        } = node;
        self.option(xpr.as_deref());
    }

    pub(super) fn named_arg_expr(&mut self, node: &'a protobuf::NamedArgExpr) {
        let protobuf::NamedArgExpr {
            xpr,
            arg,
            name: _,
            argnumber: _,
            location: _,
        } = node;
        self.option(xpr.as_deref());
        self.option(arg.as_deref());
    }

    pub(super) fn bool_expr(&mut self, node: &'a protobuf::BoolExpr) {
        let protobuf::BoolExpr {
            xpr,
            boolop: _,
            args,
            location: _,
        } = node;
        self.option(xpr.as_deref());
        self.nodes(args);
    }

    pub(super) fn case_expr(&mut self, node: &'a protobuf::CaseExpr) {
        let protobuf::CaseExpr {
            xpr,
            casetype: _,
            casecollid: _,
            arg,
            args,
            defresult,
            location: _,
        } = node;
        self.option(xpr.as_deref());
        self.option(arg.as_deref());
        self.nodes(args);
        self.option(defresult.as_deref());
    }

    pub(super) fn case_when(&mut self, node: &'a protobuf::CaseWhen) {
        let protobuf::CaseWhen {
            xpr,
            expr,
            result,
            location: _,
        } = node;
        self.option(xpr.as_deref());
        self.option(expr.as_deref());
        self.option(result.as_deref());
    }

    pub(super) fn row_expr(&mut self, node: &'a protobuf::RowExpr) {
        let protobuf::RowExpr {
            xpr,
            args,
            row_typeid: _,
            row_format: _,
            colnames: _,
            location: _,
        } = node;
        self.option(xpr.as_deref());
        self.nodes(args);
    }

    pub(super) fn coalesce_expr(&mut self, node: &'a protobuf::CoalesceExpr) {
        let protobuf::CoalesceExpr {
            xpr,
            coalescetype: _,
            coalescecollid: _,
            args,
            location: _,
        } = node;
        self.option(xpr.as_deref());
        self.nodes(args);
    }

    pub(super) fn min_max_expr(&mut self, node: &'a protobuf::MinMaxExpr) {
        let protobuf::MinMaxExpr {
            xpr,
            minmaxtype: _,
            minmaxcollid: _,
            inputcollid: _,
            op: _,
            args,
            location: _,
        } = node;
        self.option(xpr.as_deref());
        self.nodes(args);
    }

    pub(super) fn sql_value_function(&mut self, node: &'a protobuf::SqlValueFunction) {
        let protobuf::SqlValueFunction {
            xpr,
            op: _,
            r#type: _,
            typmod: _,
            location: _,
        } = node;
        self.option(xpr.as_deref());
    }

    pub(super) fn xml_expr(&mut self, node: &'a protobuf::XmlExpr) {
        let protobuf::XmlExpr {
            xpr,
            op: _,
            name: _,
            named_args,
            arg_names: _,
            args,
            xmloption: _,
            indent: _,
            r#type: _,
            typmod: _,
            location: _,
        } = node;
        self.option(xpr.as_deref());
        self.nodes(named_args);
        self.nodes(args);
    }

    pub(super) fn null_test(&mut self, node: &'a protobuf::NullTest) {
        let protobuf::NullTest {
            xpr,
            arg,
            nulltesttype: _,
            argisrow: _,
            location: _,
        } = node;
        self.option(xpr.as_deref());
        self.option(arg.as_deref());
    }

    pub(super) fn boolean_test(&mut self, node: &'a protobuf::BooleanTest) {
        let protobuf::BooleanTest {
            xpr,
            arg,
            booltesttype: _,
            location: _,
        } = node;
        self.option(xpr.as_deref());
        self.option(arg.as_deref());
    }

    pub(super) fn set_to_default(&mut self, node: &'a protobuf::SetToDefault) {
        let protobuf::SetToDefault {
            xpr,
            type_id: _,
            type_mod: _,
            collation: _,
            location: _,
        } = node;
        self.option(xpr.as_deref());
    }

    pub(super) fn collate_clause(&mut self, node: &'a protobuf::CollateClause) {
        let protobuf::CollateClause {
            arg,
            collname: _,
            location: _,
        } = node;
        self.option(arg.as_deref());
    }

    pub(super) fn a_indices(&mut self, node: &'a protobuf::AIndices) {
        let protobuf::AIndices {
            is_slice: _,
            lidx,
            uidx,
        } = node;
        self.option(lidx.as_deref());
        self.option(uidx.as_deref());
    }

    pub(super) fn a_array_expr(&mut self, node: &'a protobuf::AArrayExpr) {
        let protobuf::AArrayExpr {
            elements,
            list_start: _,
            list_end: _,
            location: _,
        } = node;
        self.nodes(elements);
    }

    pub(super) fn res_target(&mut self, node: &'a protobuf::ResTarget) {
        let protobuf::ResTarget {
            name: _,
            indirection,
            val,
            location: _,
        } = node;
        self.nodes(indirection);
        self.option(val.as_deref());
    }

    pub(super) fn multi_assign_ref(&mut self, node: &'a protobuf::MultiAssignRef) {
        let protobuf::MultiAssignRef {
            source,
            colno: _,
            ncolumns: _,
        } = node;
        self.option(source.as_deref());
    }

    pub(super) fn window_def(&mut self, node: &'a protobuf::WindowDef) {
        let protobuf::WindowDef {
            name: _,
            refname: _,
            partition_clause,
            order_clause,
            frame_options: _,
            start_offset,
            end_offset,
            location: _,
        } = node;
        self.nodes(partition_clause);
        self.nodes(order_clause);
        self.option(start_offset.as_deref());
        self.option(end_offset.as_deref());
    }

    pub(super) fn xml_serialize(&mut self, node: &'a protobuf::XmlSerialize) {
        let protobuf::XmlSerialize {
            xmloption: _,
            expr,
            type_name,
            indent: _,
            location: _,
        } = node;
        self.option(expr.as_deref());
        self.becomes(type_name.as_ref());
        if let Some(type_name) = type_name {
            self.type_name(type_name);
        }
    }

    pub(super) fn grouping_set(&mut self, node: &'a protobuf::GroupingSet) {
        let protobuf::GroupingSet {
            kind: _,
            content,
            location: _,
        } = node;
        self.nodes(content);
    }

    pub(super) fn walk_current_of_expr(&mut self, node: &'a protobuf::CurrentOfExpr) {
        let protobuf::CurrentOfExpr {
            xpr,
            cvarno: _,
            cursor_name: _,
            cursor_param: _,
        } = node;
        self.option(xpr.as_deref());
    }

    pub(super) fn walk_type_name(&mut self, node: &'a protobuf::TypeName) {
        let protobuf::TypeName {
            names: _,
            type_oid: _,
            setof: _,
            pct_type: _,
            typmods,
            typemod: _,
            array_bounds,
            location: _,
        } = node;
        self.nodes(typmods);
        self.nodes(array_bounds);
    }

    pub(super) fn walk_a_expr(&mut self, node: &'a protobuf::AExpr) {
        let protobuf::AExpr {
            kind: _,
            name: _,
            lexpr,
            rexpr,
            rexpr_list_start: _,
            rexpr_list_end: _,
            location: _,
        } = node;
        self.option(lexpr.as_deref());
        self.option(rexpr.as_deref());
    }

    pub(super) fn walk_type_cast(&mut self, node: &'a protobuf::TypeCast) {
        let protobuf::TypeCast {
            arg,
            type_name,
            location: _,
        } = node;
        self.option(arg.as_deref());
        if let Some(type_name) = type_name {
            self.type_name(type_name);
        }
    }

    pub(super) fn walk_func_call(&mut self, node: &'a protobuf::FuncCall) {
        let protobuf::FuncCall {
            funcname: _,
            args,
            agg_order,
            agg_filter,
            over,
            agg_within_group: _,
            agg_star: _,
            agg_distinct: _,
            func_variadic: _,
            funcformat: _,
            location: _,
        } = node;
        self.nodes(args);
        self.nodes(agg_order);
        self.option(agg_filter.as_deref());
        if let Some(over) = over {
            self.window_def(over);
        }
    }

    pub(super) fn walk_a_indirection(&mut self, node: &'a protobuf::AIndirection) {
        let protobuf::AIndirection { arg, indirection } = node;
        self.option(arg.as_deref());
        self.nodes(indirection);
    }

    pub(super) fn walk_sort_by(&mut self, node: &'a protobuf::SortBy) {
        let protobuf::SortBy {
            node,
            sortby_dir: _,
            sortby_nulls: _,
            use_op: _,
            location: _,
        } = node;
        self.option(node.as_deref());
    }
}
