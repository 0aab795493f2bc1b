//! Names in the tree.

use pg_query::Node;
use pg_query::protobuf::node::Node as N;
use pg_query::protobuf::{RangeVar, RoleSpec, RoleSpecType};
use querycop_policy::facts::{Feature, Name, Object, ObjectKind};

use super::Reader;

/// The text of a node that is a name.
pub(super) fn word(node: &Node) -> Option<&str> {
    match node.node.as_ref() {
        Some(N::String(string)) => Some(&string.sval),
        _ => None,
    }
}

/// A name of one to three parts.
pub(super) fn name(parts: &[Node]) -> Name {
    let mut words = parts.iter().rev().filter_map(word);
    let last = words.next().unwrap_or_default();
    let schema = words.next();
    Name {
        database: words.next().map(Into::into),
        schema: schema.map(Into::into),
        name: last.into(),
    }
}

/// The name of a relation.
pub(super) fn relation_name(relation: &RangeVar) -> Name {
    let part = |text: &str| (!text.is_empty()).then(|| text.into());
    Name {
        database: part(&relation.catalogname),
        schema: part(&relation.schemaname),
        name: relation.relname.as_str().into(),
    }
}

/// The name of a role; empty for those that stand for whoever it is.
pub(super) fn role_name(role: Option<&RoleSpec>) -> &str {
    let Some(role) = role else { return "" };
    match role.roletype() {
        RoleSpecType::RolespecCstring => &role.rolename,
        RoleSpecType::RolespecPublic => "public",
        RoleSpecType::RolespecCurrentRole
        | RoleSpecType::RolespecCurrentUser
        | RoleSpecType::RolespecSessionUser
        | RoleSpecType::Undefined => "",
    }
}

impl Reader<'_> {
    /// A relation as an object; notes what its schema says about it.
    pub(super) fn relation_object(&mut self, kind: ObjectKind, relation: &RangeVar) -> Object {
        let name = relation_name(relation);
        if relation.relpersistence == "t" {
            self.feature(Feature::TempObject);
        }
        self.note_schema(&name);
        Object::new(kind, name)
    }

    /// Notes relations of the system and temporary ones by their schema.
    ///
    /// Names that begin with `pg_` are found in `pg_catalog` first, unless a session has put it
    /// behind another schema.
    pub(super) fn note_schema(&mut self, name: &Name) {
        match name.schema.as_deref() {
            Some("pg_catalog" | "information_schema" | "pg_toast") => {
                self.feature(Feature::SystemCatalog);
            }
            Some(schema)
                if schema.starts_with("pg_temp") || schema.starts_with("pg_toast_temp") =>
            {
                self.feature(Feature::TempObject);
            }
            None if name.name.starts_with("pg_") => self.feature(Feature::SystemCatalog),
            Some(_) | None => {}
        }
    }
}
