//! Into statements that make: every field is named, so that a new one is a compile error.

use pg_query::protobuf;

use super::Reader;

impl<'a> Reader<'a> {
    pub(super) fn walk_create_schema_stmt(&mut self, node: &'a protobuf::CreateSchemaStmt) {
        let protobuf::CreateSchemaStmt {
            schemaname: _,
            authrole: _,
            schema_elts,
            if_not_exists: _,
        } = node;
        self.nodes(schema_elts);
    }

    pub(super) fn walk_create_stmt(&mut self, node: &'a protobuf::CreateStmt) {
        let protobuf::CreateStmt {
            relation: _,
            table_elts,
            inh_relations: _,
            partbound,
            partspec,
            of_typename,
            constraints,
            nnconstraints,
            options,
            oncommit: _,
            tablespacename: _,
            access_method: _,
            if_not_exists: _,
        } = node;
        self.nodes(table_elts);
        if let Some(partbound) = partbound {
            self.partition_bound_spec(partbound);
        }
        if let Some(partspec) = partspec {
            self.partition_spec(partspec);
        }
        if let Some(of_typename) = of_typename {
            self.type_name(of_typename);
        }
        self.nodes(constraints);
        self.nodes(nnconstraints);
        self.nodes(options);
    }

    pub(super) fn walk_create_table_space_stmt(
        &mut self,
        node: &'a protobuf::CreateTableSpaceStmt,
    ) {
        let protobuf::CreateTableSpaceStmt {
            tablespacename: _,
            owner: _,
            location: _,
            options,
        } = node;
        self.nodes(options);
    }

    pub(super) fn walk_create_extension_stmt(&mut self, node: &'a protobuf::CreateExtensionStmt) {
        let protobuf::CreateExtensionStmt {
            extname: _,
            if_not_exists: _,
            options,
        } = node;
        self.nodes(options);
    }

    pub(super) fn walk_create_fdw_stmt(&mut self, node: &'a protobuf::CreateFdwStmt) {
        let protobuf::CreateFdwStmt {
            fdwname: _,
            func_options,
            options,
        } = node;
        self.nodes(func_options);
        self.nodes(options);
    }

    pub(super) fn walk_create_foreign_server_stmt(
        &mut self,
        node: &'a protobuf::CreateForeignServerStmt,
    ) {
        let protobuf::CreateForeignServerStmt {
            servername: _,
            servertype: _,
            version: _,
            fdwname: _,
            if_not_exists: _,
            options,
        } = node;
        self.nodes(options);
    }

    pub(super) fn walk_create_user_mapping_stmt(
        &mut self,
        node: &'a protobuf::CreateUserMappingStmt,
    ) {
        let protobuf::CreateUserMappingStmt {
            user: _,
            servername: _,
            if_not_exists: _,
            options,
        } = node;
        self.nodes(options);
    }

    pub(super) fn walk_import_foreign_schema_stmt(
        &mut self,
        node: &'a protobuf::ImportForeignSchemaStmt,
    ) {
        let protobuf::ImportForeignSchemaStmt {
            server_name: _,
            remote_schema: _,
            local_schema: _,
            list_type: _,
            table_list: _,
            options,
        } = node;
        self.nodes(options);
    }

    pub(super) fn walk_create_policy_stmt(&mut self, node: &'a protobuf::CreatePolicyStmt) {
        let protobuf::CreatePolicyStmt {
            policy_name: _,
            table: _,
            cmd_name: _,
            permissive: _,
            roles,
            qual: _,
            with_check: _,
        } = node;
        self.nodes(roles);
    }

    pub(super) fn walk_create_trig_stmt(&mut self, node: &'a protobuf::CreateTrigStmt) {
        let protobuf::CreateTrigStmt {
            replace: _,
            isconstraint: _,
            trigname: _,
            relation: _,
            funcname: _,
            args: _,
            row: _,
            timing: _,
            events: _,
            columns: _,
            when_clause: _,
            transition_rels,
            deferrable: _,
            initdeferred: _,
            constrrel,
        } = node;
        self.nodes(transition_rels);
        self.reference(constrrel.as_ref());
    }

    pub(super) fn walk_create_event_trig_stmt(&mut self, node: &'a protobuf::CreateEventTrigStmt) {
        let protobuf::CreateEventTrigStmt {
            trigname: _,
            eventname: _,
            whenclause,
            funcname: _,
        } = node;
        self.nodes(whenclause);
    }

    pub(super) fn walk_create_role_stmt(&mut self, node: &'a protobuf::CreateRoleStmt) {
        let protobuf::CreateRoleStmt {
            stmt_type: _,
            role: _,
            options,
        } = node;
        self.nodes(options);
    }

    pub(super) fn walk_create_seq_stmt(&mut self, node: &'a protobuf::CreateSeqStmt) {
        let protobuf::CreateSeqStmt {
            sequence: _,
            options,
            owner_id: _,
            for_identity: _,
            if_not_exists: _,
        } = node;
        self.nodes(options);
    }

    pub(super) fn walk_define_stmt(&mut self, node: &'a protobuf::DefineStmt) {
        let protobuf::DefineStmt {
            kind: _,
            oldstyle: _,
            defnames: _,
            args,
            definition,
            if_not_exists: _,
            replace: _,
        } = node;
        self.nodes(args);
        self.nodes(definition);
    }

    pub(super) fn walk_create_domain_stmt(&mut self, node: &'a protobuf::CreateDomainStmt) {
        let protobuf::CreateDomainStmt {
            domainname: _,
            type_name,
            coll_clause,
            constraints,
        } = node;
        if let Some(type_name) = type_name {
            self.type_name(type_name);
        }
        if let Some(coll_clause) = coll_clause {
            self.collate_clause(coll_clause);
        }
        self.nodes(constraints);
    }

    pub(super) fn walk_create_op_class_stmt(&mut self, node: &'a protobuf::CreateOpClassStmt) {
        let protobuf::CreateOpClassStmt {
            opclassname: _,
            opfamilyname: _,
            amname: _,
            datatype,
            items,
            is_default: _,
        } = node;
        if let Some(datatype) = datatype {
            self.type_name(datatype);
        }
        self.nodes(items);
    }

    pub(super) fn walk_index_stmt(&mut self, node: &'a protobuf::IndexStmt) {
        let protobuf::IndexStmt {
            idxname: _,
            relation: _,
            access_method: _,
            table_space: _,
            index_params,
            index_including_params,
            options,
            where_clause,
            exclude_op_names: _,
            idxcomment: _,
            index_oid: _,
            old_number: _,
            old_create_subid: _,
            old_first_relfilelocator_subid: _,
            unique: _,
            nulls_not_distinct: _,
            primary: _,
            isconstraint: _,
            iswithoutoverlaps: _,
            deferrable: _,
            initdeferred: _,
            transformed: _,
            concurrent: _,
            if_not_exists: _,
            reset_default_tblspc: _,
        } = node;
        self.nodes(index_params);
        self.nodes(index_including_params);
        self.nodes(options);
        self.option(where_clause.as_deref());
    }

    pub(super) fn walk_create_stats_stmt(&mut self, node: &'a protobuf::CreateStatsStmt) {
        let protobuf::CreateStatsStmt {
            defnames: _,
            stat_types: _,
            exprs,
            relations: _,
            stxcomment: _,
            transformed: _,
            if_not_exists: _,
        } = node;
        self.nodes(exprs);
    }

    pub(super) fn walk_create_function_stmt(&mut self, node: &'a protobuf::CreateFunctionStmt) {
        let protobuf::CreateFunctionStmt {
            is_procedure: _,
            replace: _,
            funcname: _,
            parameters,
            return_type,
            options,
            sql_body: _,
        } = node;
        self.nodes(parameters);
        if let Some(return_type) = return_type {
            self.type_name(return_type);
        }
        self.nodes(options);
    }

    pub(super) fn walk_composite_type_stmt(&mut self, node: &'a protobuf::CompositeTypeStmt) {
        let protobuf::CompositeTypeStmt {
            typevar: _,
            coldeflist,
        } = node;
        self.nodes(coldeflist);
    }

    pub(super) fn walk_create_range_stmt(&mut self, node: &'a protobuf::CreateRangeStmt) {
        let protobuf::CreateRangeStmt {
            type_name: _,
            params,
        } = node;
        self.nodes(params);
    }

    pub(super) fn walk_createdb_stmt(&mut self, node: &'a protobuf::CreatedbStmt) {
        let protobuf::CreatedbStmt { dbname: _, options } = node;
        self.nodes(options);
    }

    pub(super) fn walk_dropdb_stmt(&mut self, node: &'a protobuf::DropdbStmt) {
        let protobuf::DropdbStmt {
            dbname: _,
            missing_ok: _,
            options,
        } = node;
        self.nodes(options);
    }

    pub(super) fn walk_create_cast_stmt(&mut self, node: &'a protobuf::CreateCastStmt) {
        let protobuf::CreateCastStmt {
            sourcetype,
            targettype,
            func: _,
            context: _,
            inout: _,
        } = node;
        if let Some(sourcetype) = sourcetype {
            self.type_name(sourcetype);
        }
        if let Some(targettype) = targettype {
            self.type_name(targettype);
        }
    }

    pub(super) fn walk_create_transform_stmt(&mut self, node: &'a protobuf::CreateTransformStmt) {
        let protobuf::CreateTransformStmt {
            replace: _,
            type_name,
            lang: _,
            fromsql: _,
            tosql: _,
        } = node;
        if let Some(type_name) = type_name {
            self.type_name(type_name);
        }
    }

    pub(super) fn walk_create_publication_stmt(
        &mut self,
        node: &'a protobuf::CreatePublicationStmt,
    ) {
        let protobuf::CreatePublicationStmt {
            pubname: _,
            options,
            pubobjects,
            for_all_tables: _,
        } = node;
        self.nodes(options);
        self.nodes(pubobjects);
    }

    pub(super) fn walk_create_subscription_stmt(
        &mut self,
        node: &'a protobuf::CreateSubscriptionStmt,
    ) {
        let protobuf::CreateSubscriptionStmt {
            subname: _,
            conninfo: _,
            publication: _,
            options,
            conninfo_location: _,
        } = node;
        self.nodes(options);
    }
}
