//! ALTER, COMMENT, SECURITY LABEL.

use pg_query::protobuf::{
    AlterCollationStmt, AlterDatabaseRefreshCollStmt, AlterDatabaseSetStmt, AlterDatabaseStmt,
    AlterDomainStmt, AlterEnumStmt, AlterEventTrigStmt, AlterExtensionContentsStmt,
    AlterExtensionStmt, AlterObjectDependsStmt, AlterObjectSchemaStmt, AlterOpFamilyStmt,
    AlterOperatorStmt, AlterOwnerStmt, AlterPolicyStmt, AlterSeqStmt, AlterStatsStmt,
    AlterTableCmd, AlterTableMoveAllStmt, AlterTableSpaceOptionsStmt, AlterTableStmt,
    AlterTableType, AlterTsConfigurationStmt, AlterTsDictionaryStmt, AlterTypeStmt, CommentStmt,
    ObjectType, RenameStmt, SecLabelStmt,
};
use querycop_policy::facts::{Action, Kind, Name, Object, ObjectKind};

use super::Reader;
use super::names::name;
use super::objects::{Named, kind_of};

impl<'a> Reader<'a> {
    fn alter(&mut self, subtype: &'static str, object: Object) {
        self.kind(Kind::Alter);
        self.effect(Action::DdlAlter, subtype, object);
    }

    pub(super) fn alter_named(&mut self, kind: ObjectKind, own: &str) {
        self.alter("", Object::new(kind, Name::unqualified(own)));
    }

    fn alter_part(&mut self, subtype: &'static str, named: Named) {
        self.alter(subtype, named.object);
        if let Some(relation) = named.relation {
            self.effect(Action::DdlAlter, subtype, relation);
        }
    }

    pub(super) fn alter_table_stmt(&mut self, node: &'a AlterTableStmt) {
        let kind = kind_of(node.objtype());
        let object = match &node.relation {
            Some(relation) => self.relation_object(kind, relation),
            None => Object::hidden(kind),
        };
        self.kind(Kind::Alter);
        for command in &node.cmds {
            if let Some(pg_query::NodeEnum::AlterTableCmd(command)) = &command.node {
                self.alter(command_word(command.subtype()), object.clone());
            }
        }
        self.walk_alter_table_stmt(node);
    }

    pub(super) fn alter_table_cmd(&mut self, node: &'a AlterTableCmd) {
        self.walk_alter_table_cmd(node);
    }

    pub(super) fn alter_domain_stmt(&mut self, node: &'a AlterDomainStmt) {
        self.alter("", Object::new(ObjectKind::Type, name(&node.type_name)));
        self.walk_alter_domain_stmt(node);
    }

    pub(super) fn alter_policy_stmt(&mut self, node: &'a AlterPolicyStmt) {
        self.alter_named(ObjectKind::Policy, &node.policy_name);
        if let Some(relation) = &node.table {
            let object = self.relation_object(ObjectKind::Relation, relation);
            self.effect(Action::DdlAlter, "policy", object);
        }
        self.stored(|reader| {
            reader.option(node.qual.as_deref());
            reader.option(node.with_check.as_deref());
        });
        self.walk_alter_policy_stmt(node);
    }

    pub(super) fn alter_seq_stmt(&mut self, node: &'a AlterSeqStmt) {
        if let Some(sequence) = &node.sequence {
            let object = self.relation_object(ObjectKind::Sequence, sequence);
            self.alter("", object);
        }
        self.walk_alter_seq_stmt(node);
    }

    pub(super) fn alter_enum_stmt(&mut self, node: &'a AlterEnumStmt) {
        self.alter("", Object::new(ObjectKind::Type, name(&node.type_name)));
    }

    pub(super) fn alter_type_stmt(&mut self, node: &'a AlterTypeStmt) {
        self.alter("", Object::new(ObjectKind::Type, name(&node.type_name)));
        self.stored_functions(&node.options);
        self.walk_alter_type_stmt(node);
    }

    pub(super) fn alter_stats_stmt(&mut self, node: &'a AlterStatsStmt) {
        self.alter(
            "",
            Object::new(ObjectKind::Statistics, name(&node.defnames)),
        );
        self.walk_alter_stats_stmt(node);
    }

    pub(super) fn alter_collation_stmt(&mut self, node: &'a AlterCollationStmt) {
        self.alter("", Object::new(ObjectKind::Collation, name(&node.collname)));
    }

    pub(super) fn alter_operator_stmt(&mut self, node: &'a AlterOperatorStmt) {
        let operator = node
            .opername
            .as_ref()
            .map(|operator| name(&operator.objname));
        self.alter(
            "",
            Object::new(ObjectKind::Operator, operator.unwrap_or_default()),
        );
        self.stored_functions(&node.options);
        self.walk_alter_operator_stmt(node);
    }

    pub(super) fn alter_op_family_stmt(&mut self, node: &'a AlterOpFamilyStmt) {
        self.alter(
            "",
            Object::new(ObjectKind::OperatorClass, name(&node.opfamilyname)),
        );
        self.walk_alter_op_family_stmt(node);
    }

    pub(super) fn alter_ts_dictionary_stmt(&mut self, node: &'a AlterTsDictionaryStmt) {
        self.alter(
            "",
            Object::new(ObjectKind::TextSearch, name(&node.dictname)),
        );
        self.walk_alter_ts_dictionary_stmt(node);
    }

    pub(super) fn alter_ts_configuration_stmt(&mut self, node: &'a AlterTsConfigurationStmt) {
        self.alter("", Object::new(ObjectKind::TextSearch, name(&node.cfgname)));
    }

    pub(super) fn alter_database_stmt(&mut self, node: &'a AlterDatabaseStmt) {
        self.alter_named(ObjectKind::Database, &node.dbname);
        self.walk_alter_database_stmt(node);
    }

    pub(super) fn alter_database_refresh_coll_stmt(
        &mut self,
        node: &'a AlterDatabaseRefreshCollStmt,
    ) {
        self.alter_named(ObjectKind::Database, &node.dbname);
    }

    pub(super) fn alter_database_set_stmt(&mut self, node: &'a AlterDatabaseSetStmt) {
        self.alter_named(ObjectKind::Database, &node.dbname);
        self.stored_setting(node.setstmt.as_ref());
    }

    pub(super) fn alter_table_space_options_stmt(&mut self, node: &'a AlterTableSpaceOptionsStmt) {
        self.alter_named(ObjectKind::Tablespace, &node.tablespacename);
        self.walk_alter_table_space_options_stmt(node);
    }

    pub(super) fn alter_table_move_all_stmt(&mut self, node: &'a AlterTableMoveAllStmt) {
        self.alter_named(ObjectKind::Tablespace, &node.orig_tablespacename);
        self.effect(
            Action::DdlAlter,
            "tablespace",
            Object::hidden(kind_of(node.objtype())),
        );
        self.walk_alter_table_move_all_stmt(node);
    }

    pub(super) fn alter_extension_stmt(&mut self, node: &'a AlterExtensionStmt) {
        self.alter_named(ObjectKind::Extension, &node.extname);
        self.walk_alter_extension_stmt(node);
    }

    pub(super) fn alter_extension_contents_stmt(&mut self, node: &'a AlterExtensionContentsStmt) {
        self.alter_named(ObjectKind::Extension, &node.extname);
        let named = self.named(node.objtype(), None, node.object.as_deref());
        self.effect(Action::DdlAlter, "extension", named.object);
    }

    pub(super) fn alter_event_trig_stmt(&mut self, node: &'a AlterEventTrigStmt) {
        self.alter_named(ObjectKind::EventTrigger, &node.trigname);
    }

    pub(super) fn rename_stmt(&mut self, node: &'a RenameStmt) {
        let RenameStmt {
            rename_type: _,
            relation_type: _,
            relation,
            object,
            subname,
            newname: _,
            behavior: _,
            missing_ok: _,
        } = node;
        let rename_type = node.rename_type();
        if rename_type == ObjectType::ObjectRole {
            self.kind(Kind::AlterRole);
            self.named_effect(Action::Role, "rename", ObjectKind::Role, subname);
            return;
        }
        let mut named = self.named(rename_type, relation.as_ref(), object.as_deref());
        if relation.is_none() && object.is_none() {
            named.object.name = Name::unqualified(subname);
        }
        self.alter_part("rename", named);
    }

    pub(super) fn alter_object_depends_stmt(&mut self, node: &'a AlterObjectDependsStmt) {
        let named = self.named(
            node.object_type(),
            node.relation.as_ref(),
            node.object.as_deref(),
        );
        self.alter_part("depends", named);
    }

    pub(super) fn alter_object_schema_stmt(&mut self, node: &'a AlterObjectSchemaStmt) {
        let named = self.named(
            node.object_type(),
            node.relation.as_ref(),
            node.object.as_deref(),
        );
        self.alter_part("set_schema", named);
        // The object appears in the other schema.
        self.named_effect(
            Action::DdlAlter,
            "set_schema",
            ObjectKind::Schema,
            &node.newschema,
        );
    }

    pub(super) fn alter_owner_stmt(&mut self, node: &'a AlterOwnerStmt) {
        let named = self.named(
            node.object_type(),
            node.relation.as_ref(),
            node.object.as_deref(),
        );
        self.alter_part("owner", named);
    }

    pub(super) fn comment_stmt(&mut self, node: &'a CommentStmt) {
        let named = self.named(node.objtype(), None, node.object.as_deref());
        self.alter_part("comment", named);
        self.own_kind(Kind::Comment);
    }

    pub(super) fn sec_label_stmt(&mut self, node: &'a SecLabelStmt) {
        let named = self.named(node.objtype(), None, node.object.as_deref());
        self.alter_part("security_label", named);
        self.own_kind(Kind::SecurityLabel);
    }

    /// A kind of its own in place of ALTER.
    fn own_kind(&mut self, kind: Kind) {
        self.kinds.retain(|known| *known != Kind::Alter);
        self.kind(kind);
    }
}

/// What ALTER TABLE does, where a rule may want to know.
fn command_word(command: AlterTableType) -> &'static str {
    use AlterTableType as T;
    match command {
        T::AtAddColumn | T::AtAddColumnToView => "add_column",
        T::AtDropColumn => "drop_column",
        T::AtAlterColumnType => "column_type",
        T::AtColumnDefault | T::AtCookedColumnDefault => "column_default",
        T::AtAddConstraint | T::AtReAddConstraint | T::AtReAddDomainConstraint => "add_constraint",
        T::AtAlterConstraint | T::AtValidateConstraint => "alter_constraint",
        T::AtDropConstraint => "drop_constraint",
        T::AtChangeOwner => "owner",
        T::AtEnableTrig
        | T::AtEnableAlwaysTrig
        | T::AtEnableReplicaTrig
        | T::AtEnableTrigAll
        | T::AtEnableTrigUser => "enable_trigger",
        T::AtDisableTrig | T::AtDisableTrigAll | T::AtDisableTrigUser => "disable_trigger",
        T::AtEnableRule | T::AtEnableAlwaysRule | T::AtEnableReplicaRule => "enable_rule",
        T::AtDisableRule => "disable_rule",
        T::AtEnableRowSecurity | T::AtForceRowSecurity => "enable_row_security",
        T::AtDisableRowSecurity | T::AtNoForceRowSecurity => "disable_row_security",
        T::AtAttachPartition => "attach_partition",
        T::AtDetachPartition | T::AtDetachPartitionFinalize => "detach_partition",
        T::AtReplicaIdentity => "replica_identity",
        T::Undefined
        | T::AtDropNotNull
        | T::AtSetNotNull
        | T::AtSetExpression
        | T::AtDropExpression
        | T::AtSetStatistics
        | T::AtSetOptions
        | T::AtResetOptions
        | T::AtSetStorage
        | T::AtSetCompression
        | T::AtAddIndex
        | T::AtReAddIndex
        | T::AtAddIndexConstraint
        | T::AtReAddComment
        | T::AtAlterColumnGenericOptions
        | T::AtClusterOn
        | T::AtDropCluster
        | T::AtSetLogged
        | T::AtSetUnLogged
        | T::AtDropOids
        | T::AtSetAccessMethod
        | T::AtSetTableSpace
        | T::AtSetRelOptions
        | T::AtResetRelOptions
        | T::AtReplaceRelOptions
        | T::AtAddInherit
        | T::AtDropInherit
        | T::AtAddOf
        | T::AtDropOf
        | T::AtGenericOptions
        | T::AtAddIdentity
        | T::AtSetIdentity
        | T::AtDropIdentity
        | T::AtReAddStatistics => "",
    }
}
