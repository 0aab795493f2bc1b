//! Roles and privileges.

use pg_query::Node;
use pg_query::protobuf::node::Node as N;
use pg_query::protobuf::{
    AccessPriv, AlterDefaultPrivilegesStmt, AlterRoleSetStmt, AlterRoleStmt, CreateRoleStmt,
    DefElem, DropRoleStmt, GrantRoleStmt, GrantStmt, GrantTargetType, ReassignOwnedStmt,
};
use querycop_policy::facts::{Action, Columns, Feature, Kind, Name, Object, ObjectKind};

use super::Reader;
use super::names::{role_name, word};
use super::objects::kind_of;

impl<'a> Reader<'a> {
    pub(super) fn create_role_stmt(&mut self, node: &'a CreateRoleStmt) {
        self.kind(Kind::CreateRole);
        self.named_effect(Action::Role, "create", ObjectKind::Role, &node.role);
        self.walk_create_role_stmt(node);
    }

    pub(super) fn alter_role_stmt(&mut self, node: &'a AlterRoleStmt) {
        self.kind(Kind::AlterRole);
        let role = role_name(node.role.as_ref());
        self.named_effect(Action::Role, "alter", ObjectKind::Role, role);
        self.walk_alter_role_stmt(node);
    }

    pub(super) fn alter_role_set_stmt(&mut self, node: &'a AlterRoleSetStmt) {
        let AlterRoleSetStmt {
            role,
            database: _,
            setstmt,
        } = node;
        self.kind(Kind::AlterRole);
        let role = role_name(role.as_ref());
        self.named_effect(Action::Role, "alter", ObjectKind::Role, role);
        self.stored_setting(setstmt.as_ref());
    }

    pub(super) fn drop_role_stmt(&mut self, node: &'a DropRoleStmt) {
        self.kind(Kind::DropRole);
        self.grant_to_roles(Action::Role, "drop", &node.roles);
    }

    pub(super) fn reassign_owned_stmt(&mut self, node: &'a ReassignOwnedStmt) {
        let ReassignOwnedStmt { roles, newrole: _ } = node;
        self.kind(Kind::ReassignOwned);
        self.grant_to_roles(Action::DdlAlter, "owner", roles);
    }

    /// The same effect on each role of a list.
    pub(super) fn grant_to_roles(
        &mut self,
        action: Action,
        subtype: &'static str,
        roles: &'a [Node],
    ) {
        for role in roles {
            if let Some(N::RoleSpec(role)) = &role.node {
                self.named_effect(action, subtype, ObjectKind::Role, role_name(Some(role)));
            }
        }
    }

    /// An option: the place where passwords stand.
    pub(super) fn def_elem(&mut self, node: &'a DefElem) {
        if node.arg.is_some()
            && matches!(
                node.defname.to_ascii_lowercase().as_str(),
                "password" | "sslpassword" | "passfile"
            )
        {
            self.feature(Feature::PasswordLiteral);
        }
        self.walk_def_elem(node);
    }

    pub(super) fn grant_role_stmt(&mut self, node: &'a GrantRoleStmt) {
        let GrantRoleStmt {
            granted_roles,
            grantee_roles: _,
            is_grant,
            opt,
            grantor: _,
            behavior: _,
        } = node;
        let subtype = self.grant_kind(*is_grant);
        for role in granted_roles {
            if let Some(N::AccessPriv(AccessPriv { priv_name, cols: _ })) = &role.node {
                self.named_effect(Action::Grant, subtype, ObjectKind::Role, priv_name);
            }
        }
        self.nodes(opt);
    }

    pub(super) fn grant_stmt(&mut self, node: &'a GrantStmt) {
        let GrantStmt {
            is_grant,
            targtype: _,
            objtype: _,
            objects,
            privileges,
            grantees: _,
            grant_option: _,
            grantor: _,
            behavior: _,
        } = node;
        let subtype = self.grant_kind(*is_grant);
        let columns = granted_columns(privileges);
        for object in objects {
            // Each gets all columns.
            if !self.budget.spend(columns.named.len()) {
                break;
            }
            let object = self.granted_object(node, object);
            self.effect_on(Action::Grant, subtype, object, columns.clone());
        }
    }

    pub(super) fn alter_default_privileges_stmt(&mut self, node: &'a AlterDefaultPrivilegesStmt) {
        let AlterDefaultPrivilegesStmt { options, action } = node;
        let is_grant = action.as_ref().is_some_and(|action| action.is_grant);
        let subtype = self.grant_kind(is_grant);
        self.effect(
            Action::Grant,
            subtype,
            Object::hidden(ObjectKind::DefaultPrivileges),
        );
        self.nodes(options);
    }

    fn grant_kind(&mut self, is_grant: bool) -> &'static str {
        self.feature(Feature::Grant);
        if is_grant {
            self.kind(Kind::Grant);
            "grant"
        } else {
            self.kind(Kind::Revoke);
            "revoke"
        }
    }

    fn granted_object(&mut self, grant: &'a GrantStmt, object: &'a Node) -> Object {
        let kind = kind_of(grant.objtype());
        if grant.targtype() == GrantTargetType::AclTargetAllInSchema {
            // All of a schema: a name that is hidden in a schema that isn't.
            let schema = word(object).unwrap_or_default();
            return Object::new(kind, Name::qualified(schema, ""));
        }
        match object.node.as_ref() {
            Some(N::RangeVar(relation)) => self.relation_object(kind, relation),
            _ => self.named(grant.objtype(), None, Some(object)).object,
        }
    }
}

/// The columns that privileges are granted on; all, if none are named.
fn granted_columns(privileges: &[Node]) -> Columns {
    let privileges = privileges.iter().filter_map(|node| match &node.node {
        Some(N::AccessPriv(privilege)) => Some(privilege),
        _ => None,
    });
    let columns = privileges.flat_map(|privilege| &privilege.cols);
    columns.filter_map(word).collect()
}
