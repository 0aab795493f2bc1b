//! Objects as DDL names them.

use pg_query::Node;
use pg_query::protobuf::node::Node as N;
use pg_query::protobuf::{ObjectType, RangeVar};
use querycop_policy::facts::{Name, Object, ObjectKind};

use super::Reader;
use super::names::{name, word};

/// What kind of object a type of DDL's is.
pub(super) fn kind_of(object_type: ObjectType) -> ObjectKind {
    use ObjectType as T;
    match object_type {
        T::ObjectAccessMethod => ObjectKind::AccessMethod,
        T::ObjectAggregate => ObjectKind::Aggregate,
        T::ObjectAmop | T::ObjectAmproc | T::ObjectOpclass | T::ObjectOpfamily => {
            ObjectKind::OperatorClass
        }
        T::ObjectAttribute | T::ObjectColumn | T::ObjectDefault => ObjectKind::Column,
        T::ObjectCast => ObjectKind::Cast,
        T::ObjectCollation => ObjectKind::Collation,
        T::ObjectConversion => ObjectKind::Conversion,
        T::ObjectDatabase => ObjectKind::Database,
        T::ObjectDefacl => ObjectKind::DefaultPrivileges,
        T::ObjectDomain | T::ObjectType => ObjectKind::Type,
        T::ObjectDomconstraint | T::ObjectTabconstraint => ObjectKind::Constraint,
        T::ObjectEventTrigger => ObjectKind::EventTrigger,
        T::ObjectExtension => ObjectKind::Extension,
        T::ObjectFdw => ObjectKind::ForeignDataWrapper,
        T::ObjectForeignServer => ObjectKind::ForeignServer,
        T::ObjectForeignTable => ObjectKind::ForeignTable,
        T::ObjectFunction => ObjectKind::Function,
        T::ObjectIndex => ObjectKind::Index,
        T::ObjectLanguage => ObjectKind::Language,
        T::ObjectLargeobject => ObjectKind::LargeObject,
        T::ObjectMatview => ObjectKind::MaterializedView,
        T::ObjectOperator => ObjectKind::Operator,
        T::ObjectParameterAcl => ObjectKind::Setting,
        T::ObjectPolicy => ObjectKind::Policy,
        T::ObjectProcedure => ObjectKind::Procedure,
        T::ObjectPublication | T::ObjectPublicationNamespace | T::ObjectPublicationRel => {
            ObjectKind::Publication
        }
        T::ObjectRole => ObjectKind::Role,
        T::ObjectRoutine => ObjectKind::Routine,
        T::ObjectRule => ObjectKind::Rule,
        T::ObjectSchema => ObjectKind::Schema,
        T::ObjectSequence => ObjectKind::Sequence,
        T::ObjectSubscription => ObjectKind::Subscription,
        T::ObjectStatisticExt => ObjectKind::Statistics,
        T::ObjectTable => ObjectKind::Table,
        T::ObjectTablespace => ObjectKind::Tablespace,
        T::ObjectTransform => ObjectKind::Transform,
        T::ObjectTrigger => ObjectKind::Trigger,
        T::ObjectTsconfiguration
        | T::ObjectTsdictionary
        | T::ObjectTsparser
        | T::ObjectTstemplate => ObjectKind::TextSearch,
        T::ObjectUserMapping => ObjectKind::UserMapping,
        T::ObjectView => ObjectKind::View,
        T::Undefined => ObjectKind::Nothing,
    }
}

/// Whether such an object is part of a relation, whose name stands before its own.
fn is_part_of_relation(object_type: ObjectType) -> bool {
    matches!(
        object_type,
        ObjectType::ObjectTrigger
            | ObjectType::ObjectRule
            | ObjectType::ObjectPolicy
            | ObjectType::ObjectTabconstraint
            | ObjectType::ObjectColumn
    )
}

/// An object, and the relation that it is part of.
pub(super) struct Named {
    pub(super) object: Object,
    pub(super) relation: Option<Object>,
}

impl Reader<'_> {
    /// The object of DROP, COMMENT, ALTER … OWNER and their like.
    pub(super) fn named(
        &mut self,
        object_type: ObjectType,
        relation: Option<&RangeVar>,
        node: Option<&Node>,
    ) -> Named {
        let kind = kind_of(object_type);
        if let Some(relation) = relation {
            let object = self.relation_object(kind, relation);
            return Named {
                object,
                relation: None,
            };
        }
        let Some(node) = node.and_then(|node| node.node.as_ref()) else {
            return Named {
                object: Object::hidden(kind),
                relation: None,
            };
        };
        let parts = match node {
            // An operator class stands behind its access method.
            N::List(list) if kind == ObjectKind::OperatorClass => {
                list.items.get(1..).unwrap_or_default()
            }
            N::List(list) => list.items.as_slice(),
            N::ObjectWithArgs(object) => object.objname.as_slice(),
            N::TypeName(type_name) => type_name.names.as_slice(),
            N::String(string) => {
                return Named {
                    object: Object::new(kind, Name::unqualified(&string.sval)),
                    relation: None,
                };
            }
            _ => &[],
        };
        let relation = if is_part_of_relation(object_type) {
            parts
                .split_last()
                .map(|(_, relation)| Object::new(ObjectKind::Relation, name(relation)))
        } else {
            None
        };
        let object = if relation.is_some() {
            let own = parts.last().and_then(word).unwrap_or_default();
            Object::new(kind, Name::unqualified(own))
        } else {
            Object::new(kind, name_or_type(parts))
        };
        self.note_schema(&object.name);
        Named { object, relation }
    }
}

/// A name, or that of a type in a list (`DROP CAST`, `COMMENT ON DOMAIN`).
fn name_or_type(parts: &[Node]) -> Name {
    match parts.first().and_then(|part| part.node.as_ref()) {
        Some(N::TypeName(type_name)) => name(&type_name.names),
        _ => name(parts),
    }
}
