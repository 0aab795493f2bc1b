//! Into statements that alter: every field is named, so that a new one is a compile error.

use pg_query::protobuf;

use super::Reader;

impl<'a> Reader<'a> {
    pub(super) fn walk_alter_table_stmt(&mut self, node: &'a protobuf::AlterTableStmt) {
        let protobuf::AlterTableStmt {
            relation: _,
            cmds,
            objtype: _,
            missing_ok: _,
        } = node;
        self.nodes(cmds);
    }

    pub(super) fn walk_alter_domain_stmt(&mut self, node: &'a protobuf::AlterDomainStmt) {
        let protobuf::AlterDomainStmt {
            subtype: _,
            type_name: _,
            name: _,
            def,
            behavior: _,
            missing_ok: _,
        } = node;
        self.option(def.as_deref());
    }

    pub(super) fn walk_alter_table_space_options_stmt(
        &mut self,
        node: &'a protobuf::AlterTableSpaceOptionsStmt,
    ) {
        let protobuf::AlterTableSpaceOptionsStmt {
            tablespacename: _,
            options,
            is_reset: _,
        } = node;
        self.nodes(options);
    }

    pub(super) fn walk_alter_table_move_all_stmt(
        &mut self,
        node: &'a protobuf::AlterTableMoveAllStmt,
    ) {
        let protobuf::AlterTableMoveAllStmt {
            orig_tablespacename: _,
            objtype: _,
            roles,
            new_tablespacename: _,
            nowait: _,
        } = node;
        self.nodes(roles);
    }

    pub(super) fn walk_alter_extension_stmt(&mut self, node: &'a protobuf::AlterExtensionStmt) {
        let protobuf::AlterExtensionStmt {
            extname: _,
            options,
        } = node;
        self.nodes(options);
    }

    pub(super) fn walk_alter_fdw_stmt(&mut self, node: &'a protobuf::AlterFdwStmt) {
        let protobuf::AlterFdwStmt {
            fdwname: _,
            func_options,
            options,
        } = node;
        self.nodes(func_options);
        self.nodes(options);
    }

    pub(super) fn walk_alter_foreign_server_stmt(
        &mut self,
        node: &'a protobuf::AlterForeignServerStmt,
    ) {
        let protobuf::AlterForeignServerStmt {
            servername: _,
            version: _,
            options,
            has_version: _,
        } = node;
        self.nodes(options);
    }

    pub(super) fn walk_alter_user_mapping_stmt(
        &mut self,
        node: &'a protobuf::AlterUserMappingStmt,
    ) {
        let protobuf::AlterUserMappingStmt {
            user: _,
            servername: _,
            options,
        } = node;
        self.nodes(options);
    }

    pub(super) fn walk_alter_policy_stmt(&mut self, node: &'a protobuf::AlterPolicyStmt) {
        let protobuf::AlterPolicyStmt {
            policy_name: _,
            table: _,
            roles,
            qual: _,
            with_check: _,
        } = node;
        self.nodes(roles);
    }

    pub(super) fn walk_alter_role_stmt(&mut self, node: &'a protobuf::AlterRoleStmt) {
        let protobuf::AlterRoleStmt {
            role: _,
            options,
            action: _,
        } = node;
        self.nodes(options);
    }

    pub(super) fn walk_alter_seq_stmt(&mut self, node: &'a protobuf::AlterSeqStmt) {
        let protobuf::AlterSeqStmt {
            sequence: _,
            options,
            for_identity: _,
            missing_ok: _,
        } = node;
        self.nodes(options);
    }

    pub(super) fn walk_alter_op_family_stmt(&mut self, node: &'a protobuf::AlterOpFamilyStmt) {
        let protobuf::AlterOpFamilyStmt {
            opfamilyname: _,
            amname: _,
            is_drop: _,
            items,
        } = node;
        self.nodes(items);
    }

    pub(super) fn walk_alter_stats_stmt(&mut self, node: &'a protobuf::AlterStatsStmt) {
        let protobuf::AlterStatsStmt {
            defnames: _,
            stxstattarget,
            missing_ok: _,
        } = node;
        self.option(stxstattarget.as_deref());
    }

    pub(super) fn walk_alter_function_stmt(&mut self, node: &'a protobuf::AlterFunctionStmt) {
        let protobuf::AlterFunctionStmt {
            objtype: _,
            func: _,
            actions,
        } = node;
        self.nodes(actions);
    }

    pub(super) fn walk_alter_operator_stmt(&mut self, node: &'a protobuf::AlterOperatorStmt) {
        let protobuf::AlterOperatorStmt {
            opername: _,
            options,
        } = node;
        self.nodes(options);
    }

    pub(super) fn walk_alter_type_stmt(&mut self, node: &'a protobuf::AlterTypeStmt) {
        let protobuf::AlterTypeStmt {
            type_name: _,
            options,
        } = node;
        self.nodes(options);
    }

    pub(super) fn walk_alter_database_stmt(&mut self, node: &'a protobuf::AlterDatabaseStmt) {
        let protobuf::AlterDatabaseStmt { dbname: _, options } = node;
        self.nodes(options);
    }

    pub(super) fn walk_alter_ts_dictionary_stmt(
        &mut self,
        node: &'a protobuf::AlterTsDictionaryStmt,
    ) {
        let protobuf::AlterTsDictionaryStmt {
            dictname: _,
            options,
        } = node;
        self.nodes(options);
    }

    pub(super) fn walk_alter_publication_stmt(&mut self, node: &'a protobuf::AlterPublicationStmt) {
        let protobuf::AlterPublicationStmt {
            pubname: _,
            options,
            pubobjects,
            for_all_tables: _,
            action: _,
        } = node;
        self.nodes(options);
        self.nodes(pubobjects);
    }

    pub(super) fn walk_alter_subscription_stmt(
        &mut self,
        node: &'a protobuf::AlterSubscriptionStmt,
    ) {
        let protobuf::AlterSubscriptionStmt {
            kind: _,
            subname: _,
            conninfo: _,
            publication: _,
            options,
            conninfo_location: _,
        } = node;
        self.nodes(options);
    }
}
