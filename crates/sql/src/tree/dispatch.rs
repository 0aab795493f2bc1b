//! Every kind of node, without a wildcard: a new kind of a new PostgreSQL is a compile error.

#![deny(
    clippy::wildcard_enum_match_arm,
    clippy::match_wildcard_for_single_variants
)]

use pg_query::protobuf::node::Node as N;

use super::Reader;

impl<'a> Reader<'a> {
    /// Looks into one node.
    #[expect(clippy::too_many_lines, reason = "one line for each kind of node")]
    pub(super) fn dispatch(&mut self, node: &'a N) {
        match node {
            N::RangeVar(node) => self.range_var(node),
            N::IntoClause(node) => self.select_into(node),
            N::GroupingFunc(node) => self.grouping_func(node),
            N::MergeSupportFunc(node) => self.merge_support_func(node),
            N::NamedArgExpr(node) => self.named_arg_expr(node),
            N::BoolExpr(node) => self.bool_expr(node),
            N::SubLink(node) => self.sub_link(node),
            N::CaseExpr(node) => self.case_expr(node),
            N::CaseWhen(node) => self.case_when(node),
            N::RowExpr(node) => self.row_expr(node),
            N::CoalesceExpr(node) => self.coalesce_expr(node),
            N::MinMaxExpr(node) => self.min_max_expr(node),
            N::SqlvalueFunction(node) => self.sql_value_function(node),
            N::XmlExpr(node) => self.xml_expr(node),
            N::JsonValueExpr(node) => self.json_value_expr(node),
            N::JsonIsPredicate(node) => self.json_is_predicate(node),
            N::JsonBehavior(node) => self.json_behavior(node),
            N::NullTest(node) => self.null_test(node),
            N::BooleanTest(node) => self.boolean_test(node),
            N::SetToDefault(node) => self.set_to_default(node),
            N::CurrentOfExpr(node) => self.current_of_expr(node),
            N::JoinExpr(node) => self.join_expr(node),
            N::TypeName(node) => self.type_name(node),
            N::ColumnRef(node) => self.column_ref(node),
            N::AExpr(node) => self.a_expr(node),
            N::TypeCast(node) => self.type_cast(node),
            N::CollateClause(node) => self.collate_clause(node),
            N::FuncCall(node) => self.func_call(node),
            N::AIndices(node) => self.a_indices(node),
            N::AIndirection(node) => self.a_indirection(node),
            N::AArrayExpr(node) => self.a_array_expr(node),
            N::ResTarget(node) => self.res_target(node),
            N::MultiAssignRef(node) => self.multi_assign_ref(node),
            N::SortBy(node) => self.sort_by(node),
            N::WindowDef(node) => self.window_def(node),
            N::RangeSubselect(node) => self.range_subselect(node),
            N::RangeFunction(node) => self.range_function(node),
            N::RangeTableFunc(node) => self.range_table_func(node),
            N::RangeTableFuncCol(node) => self.range_table_func_col(node),
            N::RangeTableSample(node) => self.range_table_sample(node),
            N::ColumnDef(node) => self.column_def(node),
            N::TableLikeClause(node) => self.table_like_clause(node),
            N::IndexElem(node) => self.index_elem(node),
            N::DefElem(node) => self.def_elem(node),
            N::LockingClause(node) => self.locking_clause(node),
            N::XmlSerialize(node) => self.xml_serialize(node),
            N::PartitionElem(node) => self.partition_elem(node),
            N::PartitionSpec(node) => self.partition_spec(node),
            N::PartitionBoundSpec(node) => self.partition_bound_spec(node),
            N::PartitionRangeDatum(node) => self.partition_range_datum(node),
            N::PartitionCmd(node) => self.partition_cmd(node),
            N::GroupingSet(node) => self.grouping_set(node),
            N::WithClause(node) => self.with_clause(node),
            N::InferClause(node) => self.infer_clause(node),
            N::OnConflictClause(node) => self.on_conflict_clause(node),
            N::CtecycleClause(node) => self.cte_cycle_clause(node),
            N::CommonTableExpr(node) => self.common_table_expr(node),
            N::MergeWhenClause(node) => self.merge_when_clause(node),
            N::ReturningClause(node) => self.returning_clause(node),
            N::JsonOutput(node) => self.json_output(node),
            N::JsonArgument(node) => self.json_argument(node),
            N::JsonFuncExpr(node) => self.json_func_expr(node),
            N::JsonTablePathSpec(node) => self.json_table_path_spec(node),
            N::JsonTable(node) => self.json_table(node),
            N::JsonTableColumn(node) => self.json_table_column(node),
            N::JsonKeyValue(node) => self.json_key_value(node),
            N::JsonParseExpr(node) => self.json_parse_expr(node),
            N::JsonScalarExpr(node) => self.json_scalar_expr(node),
            N::JsonSerializeExpr(node) => self.json_serialize_expr(node),
            N::JsonObjectConstructor(node) => self.json_object_constructor(node),
            N::JsonArrayConstructor(node) => self.json_array_constructor(node),
            N::JsonArrayQueryConstructor(node) => self.json_array_query_constructor(node),
            N::JsonAggConstructor(node) => self.json_agg_constructor(node),
            N::JsonObjectAgg(node) => self.json_object_agg(node),
            N::JsonArrayAgg(node) => self.json_array_agg(node),
            N::RawStmt(node) => self.raw_stmt(node),
            N::InsertStmt(node) => self.insert_stmt(node),
            N::DeleteStmt(node) => self.delete_stmt(node),
            N::UpdateStmt(node) => self.update_stmt(node),
            N::MergeStmt(node) => self.merge_stmt(node),
            N::SelectStmt(node) => self.select_stmt(node),
            N::ReturnStmt(node) => self.return_stmt(node),
            N::CreateSchemaStmt(node) => self.create_schema_stmt(node),
            N::AlterTableStmt(node) => self.alter_table_stmt(node),
            N::AlterTableCmd(node) => self.alter_table_cmd(node),
            N::AlterCollationStmt(node) => self.alter_collation_stmt(node),
            N::AlterDomainStmt(node) => self.alter_domain_stmt(node),
            N::GrantStmt(node) => self.grant_stmt(node),
            N::ObjectWithArgs(node) => self.object_with_args(node),
            N::GrantRoleStmt(node) => self.grant_role_stmt(node),
            N::AlterDefaultPrivilegesStmt(node) => self.alter_default_privileges_stmt(node),
            N::CopyStmt(node) => self.copy_stmt(node),
            N::VariableSetStmt(node) => self.variable_set_stmt(node),
            N::VariableShowStmt(node) => self.variable_show_stmt(node),
            N::CreateStmt(node) => self.create_stmt(node),
            N::Constraint(node) => self.constraint(node),
            N::CreateTableSpaceStmt(node) => self.create_table_space_stmt(node),
            N::DropTableSpaceStmt(node) => self.drop_table_space_stmt(node),
            N::AlterTableSpaceOptionsStmt(node) => self.alter_table_space_options_stmt(node),
            N::AlterTableMoveAllStmt(node) => self.alter_table_move_all_stmt(node),
            N::CreateExtensionStmt(node) => self.create_extension_stmt(node),
            N::AlterExtensionStmt(node) => self.alter_extension_stmt(node),
            N::AlterExtensionContentsStmt(node) => self.alter_extension_contents_stmt(node),
            N::CreateFdwStmt(node) => self.create_fdw_stmt(node),
            N::AlterFdwStmt(node) => self.alter_fdw_stmt(node),
            N::CreateForeignServerStmt(node) => self.create_foreign_server_stmt(node),
            N::AlterForeignServerStmt(node) => self.alter_foreign_server_stmt(node),
            N::CreateForeignTableStmt(node) => self.create_foreign_table_stmt(node),
            N::CreateUserMappingStmt(node) => self.create_user_mapping_stmt(node),
            N::AlterUserMappingStmt(node) => self.alter_user_mapping_stmt(node),
            N::DropUserMappingStmt(node) => self.drop_user_mapping_stmt(node),
            N::ImportForeignSchemaStmt(node) => self.import_foreign_schema_stmt(node),
            N::CreatePolicyStmt(node) => self.create_policy_stmt(node),
            N::AlterPolicyStmt(node) => self.alter_policy_stmt(node),
            N::CreateAmStmt(node) => self.create_am_stmt(node),
            N::CreateTrigStmt(node) => self.create_trig_stmt(node),
            N::CreateEventTrigStmt(node) => self.create_event_trig_stmt(node),
            N::AlterEventTrigStmt(node) => self.alter_event_trig_stmt(node),
            N::CreatePlangStmt(node) => self.create_plang_stmt(node),
            N::CreateRoleStmt(node) => self.create_role_stmt(node),
            N::AlterRoleStmt(node) => self.alter_role_stmt(node),
            N::AlterRoleSetStmt(node) => self.alter_role_set_stmt(node),
            N::DropRoleStmt(node) => self.drop_role_stmt(node),
            N::CreateSeqStmt(node) => self.create_seq_stmt(node),
            N::AlterSeqStmt(node) => self.alter_seq_stmt(node),
            N::DefineStmt(node) => self.define_stmt(node),
            N::CreateDomainStmt(node) => self.create_domain_stmt(node),
            N::CreateOpClassStmt(node) => self.create_op_class_stmt(node),
            N::CreateOpClassItem(node) => self.create_op_class_item(node),
            N::CreateOpFamilyStmt(node) => self.create_op_family_stmt(node),
            N::AlterOpFamilyStmt(node) => self.alter_op_family_stmt(node),
            N::DropStmt(node) => self.drop_stmt(node),
            N::TruncateStmt(node) => self.truncate_stmt(node),
            N::CommentStmt(node) => self.comment_stmt(node),
            N::SecLabelStmt(node) => self.sec_label_stmt(node),
            N::DeclareCursorStmt(node) => self.declare_cursor_stmt(node),
            N::ClosePortalStmt(node) => self.close_portal_stmt(node),
            N::FetchStmt(node) => self.fetch_stmt(node),
            N::IndexStmt(node) => self.index_stmt(node),
            N::CreateStatsStmt(node) => self.create_stats_stmt(node),
            N::StatsElem(node) => self.stats_elem(node),
            N::AlterStatsStmt(node) => self.alter_stats_stmt(node),
            N::CreateFunctionStmt(node) => self.create_function_stmt(node),
            N::FunctionParameter(node) => self.function_parameter(node),
            N::AlterFunctionStmt(node) => self.alter_function_stmt(node),
            N::DoStmt(node) => self.do_stmt(node),
            N::CallStmt(node) => self.call_stmt(node),
            N::RenameStmt(node) => self.rename_stmt(node),
            N::AlterObjectDependsStmt(node) => self.alter_object_depends_stmt(node),
            N::AlterObjectSchemaStmt(node) => self.alter_object_schema_stmt(node),
            N::AlterOwnerStmt(node) => self.alter_owner_stmt(node),
            N::AlterOperatorStmt(node) => self.alter_operator_stmt(node),
            N::AlterTypeStmt(node) => self.alter_type_stmt(node),
            N::RuleStmt(node) => self.rule_stmt(node),
            N::NotifyStmt(node) => self.notify_stmt(node),
            N::ListenStmt(node) => self.listen_stmt(node),
            N::UnlistenStmt(node) => self.unlisten_stmt(node),
            N::TransactionStmt(node) => self.transaction_stmt(node),
            N::CompositeTypeStmt(node) => self.composite_type_stmt(node),
            N::CreateEnumStmt(node) => self.create_enum_stmt(node),
            N::CreateRangeStmt(node) => self.create_range_stmt(node),
            N::AlterEnumStmt(node) => self.alter_enum_stmt(node),
            N::ViewStmt(node) => self.view_stmt(node),
            N::LoadStmt(node) => self.load_stmt(node),
            N::CreatedbStmt(node) => self.createdb_stmt(node),
            N::AlterDatabaseStmt(node) => self.alter_database_stmt(node),
            N::AlterDatabaseRefreshCollStmt(node) => self.alter_database_refresh_coll_stmt(node),
            N::AlterDatabaseSetStmt(node) => self.alter_database_set_stmt(node),
            N::DropdbStmt(node) => self.dropdb_stmt(node),
            N::AlterSystemStmt(node) => self.alter_system_stmt(node),
            N::ClusterStmt(node) => self.cluster_stmt(node),
            N::VacuumStmt(node) => self.vacuum_stmt(node),
            N::VacuumRelation(node) => self.vacuum_relation(node),
            N::ExplainStmt(node) => self.explain_stmt(node),
            N::CreateTableAsStmt(node) => self.create_table_as_stmt(node),
            N::RefreshMatViewStmt(node) => self.refresh_mat_view_stmt(node),
            N::CheckPointStmt(node) => self.check_point_stmt(node),
            N::DiscardStmt(node) => self.discard_stmt(node),
            N::LockStmt(node) => self.lock_stmt(node),
            N::ConstraintsSetStmt(node) => self.constraints_set_stmt(node),
            N::ReindexStmt(node) => self.reindex_stmt(node),
            N::CreateConversionStmt(node) => self.create_conversion_stmt(node),
            N::CreateCastStmt(node) => self.create_cast_stmt(node),
            N::CreateTransformStmt(node) => self.create_transform_stmt(node),
            N::PrepareStmt(node) => self.prepare_stmt(node),
            N::ExecuteStmt(node) => self.execute_stmt(node),
            N::DeallocateStmt(node) => self.deallocate_stmt(node),
            N::DropOwnedStmt(node) => self.drop_owned_stmt(node),
            N::ReassignOwnedStmt(node) => self.reassign_owned_stmt(node),
            N::AlterTsdictionaryStmt(node) => self.alter_ts_dictionary_stmt(node),
            N::AlterTsconfigurationStmt(node) => self.alter_ts_configuration_stmt(node),
            N::PublicationTable(node) => self.publication_table(node),
            N::PublicationObjSpec(node) => self.publication_obj_spec(node),
            N::CreatePublicationStmt(node) => self.create_publication_stmt(node),
            N::AlterPublicationStmt(node) => self.alter_publication_stmt(node),
            N::CreateSubscriptionStmt(node) => self.create_subscription_stmt(node),
            N::AlterSubscriptionStmt(node) => self.alter_subscription_stmt(node),
            N::DropSubscriptionStmt(node) => self.drop_subscription_stmt(node),
            N::List(node) => self.nodes(&node.items),
            // Names, constants and flags: whoever holds them has read them.
            N::JsonFormat(_)
            | N::JsonReturning(_)
            | N::ParamRef(_)
            | N::RoleSpec(_)
            | N::AStar(_)
            | N::CtesearchClause(_)
            | N::ReturningOption(_)
            | N::TriggerTransition(_)
            | N::AtalterConstraint(_)
            | N::ReplicaIdentityStmt(_)
            | N::AccessPriv(_)
            | N::Integer(_)
            | N::Float(_)
            | N::Boolean(_)
            | N::String(_)
            | N::BitString(_)
            | N::AConst(_)
            | N::Alias(_) => {}
            // PostgreSQL makes these after parsing, or only for PL/pgSQL.
            N::TableFunc(_)
            | N::Var(_)
            | N::Param(_)
            | N::Aggref(_)
            | N::WindowFunc(_)
            | N::WindowFuncRunCondition(_)
            | N::SubscriptingRef(_)
            | N::FuncExpr(_)
            | N::OpExpr(_)
            | N::DistinctExpr(_)
            | N::NullIfExpr(_)
            | N::ScalarArrayOpExpr(_)
            | N::SubPlan(_)
            | N::AlternativeSubPlan(_)
            | N::FieldSelect(_)
            | N::FieldStore(_)
            | N::RelabelType(_)
            | N::CoerceViaIo(_)
            | N::ArrayCoerceExpr(_)
            | N::ConvertRowtypeExpr(_)
            | N::CollateExpr(_)
            | N::CaseTestExpr(_)
            | N::ArrayExpr(_)
            | N::RowCompareExpr(_)
            | N::JsonConstructorExpr(_)
            | N::JsonExpr(_)
            | N::JsonTablePath(_)
            | N::JsonTablePathScan(_)
            | N::JsonTableSiblingJoin(_)
            | N::MergeAction(_)
            | N::CoerceToDomain(_)
            | N::CoerceToDomainValue(_)
            | N::NextValueExpr(_)
            | N::InferenceElem(_)
            | N::ReturningExpr(_)
            | N::TargetEntry(_)
            | N::RangeTblRef(_)
            | N::FromExpr(_)
            | N::OnConflictExpr(_)
            | N::Query(_)
            | N::RangeTblEntry(_)
            | N::RtepermissionInfo(_)
            | N::RangeTblFunction(_)
            | N::TableSampleClause(_)
            | N::WithCheckOption(_)
            | N::SortGroupClause(_)
            | N::WindowClause(_)
            | N::RowMarkClause(_)
            | N::SetOperationStmt(_)
            | N::PlassignStmt(_)
            | N::InlineCodeBlock(_)
            | N::CallContext(_)
            | N::IntList(_)
            | N::OidList(_) => self.foreign(),
        }
    }
}
