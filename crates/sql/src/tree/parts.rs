//! Into parts of definitions: every field is named, so that a new one is a compile error.

use pg_query::protobuf;

use super::Reader;

impl<'a> Reader<'a> {
    pub(super) fn range_table_func_col(&mut self, node: &'a protobuf::RangeTableFuncCol) {
        let protobuf::RangeTableFuncCol {
            colname: _,
            type_name,
            for_ordinality: _,
            is_not_null: _,
            colexpr,
            coldefexpr,
            location: _,
        } = node;
        self.becomes(type_name.as_ref());
        if let Some(type_name) = type_name {
            self.type_name(type_name);
        }
        self.option(colexpr.as_deref());
        self.option(coldefexpr.as_deref());
    }

    pub(super) fn column_def(&mut self, node: &'a protobuf::ColumnDef) {
        let protobuf::ColumnDef {
            colname: _,
            type_name,
            compression: _,
            inhcount: _,
            is_local: _,
            is_not_null: _,
            is_from_type: _,
            storage: _,
            storage_name: _,
            raw_default,
            cooked_default,
            identity: _,
            identity_sequence,
            generated: _,
            coll_clause,
            coll_oid: _,
            constraints,
            fdwoptions,
            location: _,
        } = node;
        if let Some(type_name) = type_name {
            self.type_name(type_name);
        }
        self.option(raw_default.as_deref());
        self.option(cooked_default.as_deref());
        self.reference(identity_sequence.as_ref());
        if let Some(coll_clause) = coll_clause {
            self.collate_clause(coll_clause);
        }
        self.nodes(constraints);
        self.nodes(fdwoptions);
    }

    pub(super) fn table_like_clause(&mut self, node: &'a protobuf::TableLikeClause) {
        let protobuf::TableLikeClause {
            relation,
            options: _,
            relation_oid: _,
        } = node;
        self.reference(relation.as_ref());
    }

    pub(super) fn index_elem(&mut self, node: &'a protobuf::IndexElem) {
        let protobuf::IndexElem {
            name: _,
            expr,
            indexcolname: _,
            collation: _,
            opclass: _,
            opclassopts,
            ordering: _,
            nulls_ordering: _,
        } = node;
        self.option(expr.as_deref());
        self.nodes(opclassopts);
    }

    pub(super) fn partition_elem(&mut self, node: &'a protobuf::PartitionElem) {
        let protobuf::PartitionElem {
            name: _,
            expr,
            collation: _,
            opclass: _,
            location: _,
        } = node;
        self.option(expr.as_deref());
    }

    pub(super) fn partition_spec(&mut self, node: &'a protobuf::PartitionSpec) {
        let protobuf::PartitionSpec {
            strategy: _,
            part_params,
            location: _,
        } = node;
        self.nodes(part_params);
    }

    pub(super) fn partition_bound_spec(&mut self, node: &'a protobuf::PartitionBoundSpec) {
        let protobuf::PartitionBoundSpec {
            strategy: _,
            is_default: _,
            modulus: _,
            remainder: _,
            listdatums,
            lowerdatums,
            upperdatums,
            location: _,
        } = node;
        self.nodes(listdatums);
        self.nodes(lowerdatums);
        self.nodes(upperdatums);
    }

    pub(super) fn partition_range_datum(&mut self, node: &'a protobuf::PartitionRangeDatum) {
        let protobuf::PartitionRangeDatum {
            kind: _,
            value,
            location: _,
        } = node;
        self.option(value.as_deref());
    }

    pub(super) fn partition_cmd(&mut self, node: &'a protobuf::PartitionCmd) {
        let protobuf::PartitionCmd {
            name,
            bound,
            concurrent: _,
        } = node;
        self.reference(name.as_ref());
        if let Some(bound) = bound {
            self.partition_bound_spec(bound);
        }
    }

    pub(super) fn infer_clause(&mut self, node: &'a protobuf::InferClause) {
        let protobuf::InferClause {
            index_elems,
            where_clause,
            conname: _,
            location: _,
        } = node;
        self.nodes(index_elems);
        self.option(where_clause.as_deref());
    }

    pub(super) fn cte_cycle_clause(&mut self, node: &'a protobuf::CteCycleClause) {
        let protobuf::CteCycleClause {
            cycle_col_list: _,
            cycle_mark_column: _,
            cycle_mark_value,
            cycle_mark_default,
            cycle_path_column: _,
            location: _,
            cycle_mark_type: _,
            cycle_mark_typmod: _,
            cycle_mark_collation: _,
            cycle_mark_neop: _,
        } = node;
        self.option(cycle_mark_value.as_deref());
        self.option(cycle_mark_default.as_deref());
    }

    pub(super) fn return_stmt(&mut self, node: &'a protobuf::ReturnStmt) {
        let protobuf::ReturnStmt { returnval } = node;
        self.option(returnval.as_deref());
    }

    pub(super) fn object_with_args(&mut self, node: &'a protobuf::ObjectWithArgs) {
        let protobuf::ObjectWithArgs {
            objname: _,
            objargs,
            objfuncargs,
            args_unspecified: _,
        } = node;
        self.nodes(objargs);
        self.nodes(objfuncargs);
    }

    pub(super) fn constraint(&mut self, node: &'a protobuf::Constraint) {
        let protobuf::Constraint {
            contype: _,
            conname: _,
            deferrable: _,
            initdeferred: _,
            is_enforced: _,
            skip_validation: _,
            initially_valid: _,
            is_no_inherit: _,
            raw_expr,
            cooked_expr: _,
            generated_when: _,
            generated_kind: _,
            nulls_not_distinct: _,
            keys: _,
            without_overlaps: _,
            including: _,
            exclusions,
            options,
            indexname: _,
            indexspace: _,
            reset_default_tblspc: _,
            access_method: _,
            where_clause,
            pktable,
            fk_attrs: _,
            pk_attrs: _,
            fk_with_period: _,
            pk_with_period: _,
            fk_matchtype: _,
            fk_upd_action: _,
            fk_del_action: _,
            fk_del_set_cols: _,
            old_conpfeqop: _,
            old_pktable_oid: _,
            location: _,
        } = node;
        self.option(raw_expr.as_deref());
        self.nodes(exclusions);
        self.nodes(options);
        self.option(where_clause.as_deref());
        self.reference(pktable.as_ref());
    }

    pub(super) fn stats_elem(&mut self, node: &'a protobuf::StatsElem) {
        let protobuf::StatsElem { name: _, expr } = node;
        self.option(expr.as_deref());
    }

    pub(super) fn function_parameter(&mut self, node: &'a protobuf::FunctionParameter) {
        let protobuf::FunctionParameter {
            name: _,
            arg_type,
            mode: _,
            defexpr,
            location: _,
        } = node;
        if let Some(arg_type) = arg_type {
            self.type_name(arg_type);
        }
        self.option(defexpr.as_deref());
    }

    pub(super) fn walk_create_op_class_item(&mut self, node: &'a protobuf::CreateOpClassItem) {
        let protobuf::CreateOpClassItem {
            itemtype: _,
            name: _,
            number: _,
            order_family: _,
            class_args,
            storedtype,
        } = node;
        self.nodes(class_args);
        if let Some(storedtype) = storedtype {
            self.type_name(storedtype);
        }
    }

    pub(super) fn walk_publication_table(&mut self, node: &'a protobuf::PublicationTable) {
        let protobuf::PublicationTable {
            relation: _,
            where_clause,
            columns: _,
        } = node;
        self.option(where_clause.as_deref());
    }

    pub(super) fn walk_publication_obj_spec(&mut self, node: &'a protobuf::PublicationObjSpec) {
        let protobuf::PublicationObjSpec {
            pubobjtype: _,
            name: _,
            pubtable,
            location: _,
        } = node;
        if let Some(pubtable) = pubtable {
            self.publication_table(pubtable);
        }
    }

    pub(super) fn walk_alter_table_cmd(&mut self, node: &'a protobuf::AlterTableCmd) {
        let protobuf::AlterTableCmd {
            subtype: _,
            name: _,
            num: _,
            newowner: _,
            def,
            behavior: _,
            missing_ok: _,
            recurse: _,
        } = node;
        self.option(def.as_deref());
    }

    pub(super) fn walk_def_elem(&mut self, node: &'a protobuf::DefElem) {
        let protobuf::DefElem {
            defnamespace: _,
            defname: _,
            arg,
            defaction: _,
            location: _,
            arg_location: _,
        } = node;
        self.option(arg.as_deref());
    }

    pub(super) fn walk_range_table_func(&mut self, node: &'a protobuf::RangeTableFunc) {
        let protobuf::RangeTableFunc {
            lateral: _,
            docexpr,
            rowexpr,
            namespaces,
            columns,
            alias: _,
            location: _,
        } = node;
        self.option(docexpr.as_deref());
        self.option(rowexpr.as_deref());
        self.nodes(namespaces);
        self.nodes(columns);
    }
}
