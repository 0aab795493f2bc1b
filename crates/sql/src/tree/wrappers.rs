//! Foreign-data wrappers, servers, user mappings, foreign tables.

use pg_query::protobuf::{
    AlterFdwStmt, AlterForeignServerStmt, AlterUserMappingStmt, CreateFdwStmt,
    CreateForeignServerStmt, CreateForeignTableStmt, CreateUserMappingStmt,
    ImportForeignSchemaStmt,
};
use querycop_policy::facts::{Action, Kind, ObjectKind};

use super::Reader;
use super::names::role_name;

impl<'a> Reader<'a> {
    pub(super) fn create_foreign_table_stmt(&mut self, node: &'a CreateForeignTableStmt) {
        let CreateForeignTableStmt {
            base_stmt,
            servername,
            options,
        } = node;
        let relation = base_stmt.as_ref().and_then(|base| base.relation.as_ref());
        self.create_relation(ObjectKind::ForeignTable, relation);
        self.named_effect(
            Action::DdlAlter,
            "foreign_table",
            ObjectKind::ForeignServer,
            servername,
        );
        if let Some(base) = base_stmt {
            self.create_table_parts(base);
        }
        self.nodes(options);
    }

    pub(super) fn create_fdw_stmt(&mut self, node: &'a CreateFdwStmt) {
        self.create_named(ObjectKind::ForeignDataWrapper, &node.fdwname);
        self.stored_functions(&node.func_options);
        self.walk_create_fdw_stmt(node);
    }

    pub(super) fn alter_fdw_stmt(&mut self, node: &'a AlterFdwStmt) {
        self.alter_named(ObjectKind::ForeignDataWrapper, &node.fdwname);
        self.stored_functions(&node.func_options);
        self.walk_alter_fdw_stmt(node);
    }

    pub(super) fn create_foreign_server_stmt(&mut self, node: &'a CreateForeignServerStmt) {
        self.create_named(ObjectKind::ForeignServer, &node.servername);
        self.walk_create_foreign_server_stmt(node);
    }

    pub(super) fn alter_foreign_server_stmt(&mut self, node: &'a AlterForeignServerStmt) {
        self.alter_named(ObjectKind::ForeignServer, &node.servername);
        self.walk_alter_foreign_server_stmt(node);
    }

    pub(super) fn create_user_mapping_stmt(&mut self, node: &'a CreateUserMappingStmt) {
        self.create_named(ObjectKind::UserMapping, role_name(node.user.as_ref()));
        self.walk_create_user_mapping_stmt(node);
    }

    pub(super) fn alter_user_mapping_stmt(&mut self, node: &'a AlterUserMappingStmt) {
        self.alter_named(ObjectKind::UserMapping, role_name(node.user.as_ref()));
        self.walk_alter_user_mapping_stmt(node);
    }

    pub(super) fn import_foreign_schema_stmt(&mut self, node: &'a ImportForeignSchemaStmt) {
        self.kind(Kind::ImportForeignSchema);
        self.named_effect(
            Action::DdlCreate,
            "import_foreign_schema",
            ObjectKind::Schema,
            &node.local_schema,
        );
        self.walk_import_foreign_schema_stmt(node);
    }
}
