//! DROP.

use pg_query::protobuf::{
    DropOwnedStmt, DropStmt, DropSubscriptionStmt, DropTableSpaceStmt, DropUserMappingStmt,
    DropdbStmt,
};
use querycop_policy::facts::{Action, Kind, ObjectKind};

use super::Reader;
use super::names::role_name;
use super::objects::kind_of;

impl<'a> Reader<'a> {
    pub(super) fn drop_stmt(&mut self, node: &'a DropStmt) {
        let DropStmt {
            objects,
            remove_type: _,
            behavior: _,
            missing_ok: _,
            concurrent: _,
        } = node;
        self.kind(Kind::Drop);
        let object_type = node.remove_type();
        for object in objects {
            let named = self.named(object_type, None, Some(object));
            self.effect(Action::DdlDrop, "", named.object);
            if let Some(relation) = named.relation {
                self.effect(Action::DdlAlter, kind_of(object_type).as_str(), relation);
            }
        }
    }

    pub(super) fn dropdb_stmt(&mut self, node: &'a DropdbStmt) {
        self.kind(Kind::Drop);
        self.named_effect(Action::DdlDrop, "", ObjectKind::Database, &node.dbname);
        self.walk_dropdb_stmt(node);
    }

    pub(super) fn drop_table_space_stmt(&mut self, node: &'a DropTableSpaceStmt) {
        self.kind(Kind::Drop);
        self.named_effect(
            Action::DdlDrop,
            "",
            ObjectKind::Tablespace,
            &node.tablespacename,
        );
    }

    pub(super) fn drop_user_mapping_stmt(&mut self, node: &'a DropUserMappingStmt) {
        self.kind(Kind::Drop);
        self.named_effect(
            Action::DdlDrop,
            "",
            ObjectKind::UserMapping,
            role_name(node.user.as_ref()),
        );
    }

    pub(super) fn drop_subscription_stmt(&mut self, node: &'a DropSubscriptionStmt) {
        self.kind(Kind::Drop);
        self.named_effect(Action::DdlDrop, "", ObjectKind::Subscription, &node.subname);
        self.named_effect(
            Action::Replication,
            "subscription",
            ObjectKind::Subscription,
            &node.subname,
        );
    }

    /// DROP OWNED also takes back privileges.
    pub(super) fn drop_owned_stmt(&mut self, node: &'a DropOwnedStmt) {
        self.kind(Kind::DropOwned);
        self.grant_to_roles(Action::DdlDrop, "owned", &node.roles);
        self.grant_to_roles(Action::Grant, "revoke", &node.roles);
    }
}
