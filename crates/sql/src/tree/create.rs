//! CREATE of what has no code and comes from no query.

use pg_query::Node;
use pg_query::protobuf::node::Node as N;
use pg_query::protobuf::{
    CompositeTypeStmt, CreateAmStmt, CreateCastStmt, CreateConversionStmt, CreateDomainStmt,
    CreateEnumStmt, CreateExtensionStmt, CreateOpClassItem, CreateOpClassStmt, CreateOpFamilyStmt,
    CreatePolicyStmt, CreateRangeStmt, CreateSchemaStmt, CreateSeqStmt, CreateStatsStmt,
    CreateStmt, CreateTableSpaceStmt, CreateTransformStmt, CreatedbStmt, DefElem, DefineStmt,
    IndexStmt, RangeVar,
};
use querycop_policy::facts::{Action, Kind, Name, Object, ObjectKind};

use super::Reader;
use super::names::{name, relation_name};
use super::objects::kind_of;

impl<'a> Reader<'a> {
    /// CREATE of an object with a name of its own.
    fn create(&mut self, kind: ObjectKind, name: Name) {
        self.kind(Kind::Create);
        self.effect(Action::DdlCreate, "", Object::new(kind, name));
    }

    pub(super) fn create_relation(&mut self, kind: ObjectKind, relation: Option<&'a RangeVar>) {
        self.kind(Kind::Create);
        let object = match relation {
            Some(relation) => self.relation_object(kind, relation),
            None => Object::hidden(kind),
        };
        self.effect(Action::DdlCreate, "", object);
    }

    /// An object of a relation, which changes the relation, too.
    fn create_on(&mut self, kind: ObjectKind, own: &str, relation: Option<&'a RangeVar>) {
        let mut created = Name::unqualified(own);
        if let Some(relation) = relation {
            created.schema = relation_name(relation).schema;
            let object = self.relation_object(ObjectKind::Relation, relation);
            self.effect(Action::DdlAlter, kind.as_str(), object);
        }
        self.create(kind, created);
    }

    pub(super) fn create_stmt(&mut self, node: &'a CreateStmt) {
        self.create_relation(ObjectKind::Table, node.relation.as_ref());
        self.create_table_parts(node);
    }

    /// Columns, defaults, checks, parents.
    pub(super) fn create_table_parts(&mut self, node: &'a CreateStmt) {
        for parent in &node.inh_relations {
            if let Some(N::RangeVar(parent)) = &parent.node {
                self.reference(Some(parent));
            }
        }
        self.stored(|reader| reader.walk_create_stmt(node));
    }

    pub(super) fn index_stmt(&mut self, node: &'a IndexStmt) {
        self.create_on(ObjectKind::Index, &node.idxname, node.relation.as_ref());
        self.walk_index_stmt(node);
    }

    pub(super) fn create_policy_stmt(&mut self, node: &'a CreatePolicyStmt) {
        self.create_on(ObjectKind::Policy, &node.policy_name, node.table.as_ref());
        self.stored(|reader| {
            reader.option(node.qual.as_deref());
            reader.option(node.with_check.as_deref());
        });
        self.walk_create_policy_stmt(node);
    }

    pub(super) fn create_schema_stmt(&mut self, node: &'a CreateSchemaStmt) {
        let name = if node.schemaname.is_empty() {
            // AUTHORIZATION role: the schema is named like the role.
            super::names::role_name(node.authrole.as_ref())
        } else {
            &node.schemaname
        };
        self.create(ObjectKind::Schema, Name::unqualified(name));
        self.walk_create_schema_stmt(node);
    }

    pub(super) fn create_seq_stmt(&mut self, node: &'a CreateSeqStmt) {
        self.create_relation(ObjectKind::Sequence, node.sequence.as_ref());
        self.walk_create_seq_stmt(node);
    }

    pub(super) fn define_stmt(&mut self, node: &'a DefineStmt) {
        self.create(kind_of(node.kind()), name(&node.defnames));
        for option in &node.definition {
            if let Some(N::DefElem(option)) = &option.node {
                self.define_function(option);
            }
        }
        self.walk_define_stmt(node);
    }

    /// Functions that an aggregate, operator, type or collation will call.
    fn define_function(&mut self, option: &'a DefElem) {
        const OPTIONS: &[&str] = &[
            "sfunc",
            "sfunc1",
            "finalfunc",
            "combinefunc",
            "serialfunc",
            "deserialfunc",
            "msfunc",
            "minvfunc",
            "mfinalfunc",
            "procedure",
            "function",
            "restrict",
            "join",
            "input",
            "output",
            "receive",
            "send",
            "typmod_in",
            "typmod_out",
            "analyze",
            "subscript",
            "start",
            "gettoken",
            "end",
            "lextypes",
            "headline",
            "init",
            "lexize",
        ];
        if !OPTIONS.contains(&option.defname.to_ascii_lowercase().as_str()) {
            return;
        }
        match option.arg.as_deref().and_then(|arg| arg.node.as_ref()) {
            Some(N::TypeName(function)) => self.stored_call(&function.names),
            Some(N::List(function)) => self.stored_call(&function.items),
            _ => {}
        }
    }

    pub(super) fn create_domain_stmt(&mut self, node: &'a CreateDomainStmt) {
        self.create(ObjectKind::Type, name(&node.domainname));
        self.stored(|reader| reader.walk_create_domain_stmt(node));
    }

    pub(super) fn composite_type_stmt(&mut self, node: &'a CompositeTypeStmt) {
        self.create_relation(ObjectKind::Type, node.typevar.as_ref());
        self.walk_composite_type_stmt(node);
    }

    pub(super) fn create_enum_stmt(&mut self, node: &'a CreateEnumStmt) {
        self.create(ObjectKind::Type, name(&node.type_name));
    }

    pub(super) fn create_range_stmt(&mut self, node: &'a CreateRangeStmt) {
        self.create(ObjectKind::Type, name(&node.type_name));
        for option in &node.params {
            if let Some(N::DefElem(option)) = &option.node
                && matches!(option.defname.as_str(), "canonical" | "subtype_diff")
                && let Some(N::TypeName(function)) =
                    option.arg.as_deref().and_then(|arg| arg.node.as_ref())
            {
                self.stored_call(&function.names);
            }
        }
        self.walk_create_range_stmt(node);
    }

    pub(super) fn create_op_class_stmt(&mut self, node: &'a CreateOpClassStmt) {
        self.create(ObjectKind::OperatorClass, name(&node.opclassname));
        self.walk_create_op_class_stmt(node);
    }

    pub(super) fn create_op_class_item(&mut self, node: &'a CreateOpClassItem) {
        // Operators, functions and storage types: only the second kind is called.
        const FUNCTION: i32 = 2;
        if node.itemtype == FUNCTION
            && let Some(function) = &node.name
        {
            self.stored_call(&function.objname);
        }
        self.walk_create_op_class_item(node);
    }

    pub(super) fn create_op_family_stmt(&mut self, node: &'a CreateOpFamilyStmt) {
        self.create(ObjectKind::OperatorClass, name(&node.opfamilyname));
    }

    pub(super) fn create_stats_stmt(&mut self, node: &'a CreateStatsStmt) {
        self.create(ObjectKind::Statistics, name(&node.defnames));
        for relation in &node.relations {
            if let Some(N::RangeVar(relation)) = &relation.node {
                self.reference(Some(relation));
            }
        }
        self.walk_create_stats_stmt(node);
    }

    pub(super) fn create_conversion_stmt(&mut self, node: &'a CreateConversionStmt) {
        self.create(ObjectKind::Conversion, name(&node.conversion_name));
        self.stored_call(&node.func_name);
    }

    pub(super) fn create_cast_stmt(&mut self, node: &'a CreateCastStmt) {
        let source = node.sourcetype.as_ref().map(|source| &source.names);
        self.create(
            ObjectKind::Cast,
            source.map(|names| name(names)).unwrap_or_default(),
        );
        if let Some(function) = &node.func {
            self.stored_call(&function.objname);
        }
        self.walk_create_cast_stmt(node);
    }

    pub(super) fn create_transform_stmt(&mut self, node: &'a CreateTransformStmt) {
        let target = node.type_name.as_ref().map(|target| name(&target.names));
        self.create(ObjectKind::Transform, target.unwrap_or_default());
        for function in [&node.fromsql, &node.tosql].into_iter().flatten() {
            self.stored_call(&function.objname);
        }
        self.walk_create_transform_stmt(node);
    }

    pub(super) fn create_am_stmt(&mut self, node: &'a CreateAmStmt) {
        self.create(ObjectKind::AccessMethod, Name::unqualified(&node.amname));
        self.stored_call(&node.handler_name);
    }

    pub(super) fn createdb_stmt(&mut self, node: &'a CreatedbStmt) {
        self.create(ObjectKind::Database, Name::unqualified(&node.dbname));
        self.walk_createdb_stmt(node);
    }

    pub(super) fn create_table_space_stmt(&mut self, node: &'a CreateTableSpaceStmt) {
        self.create(
            ObjectKind::Tablespace,
            Name::unqualified(&node.tablespacename),
        );
        self.named_effect(
            Action::UnsafeIo,
            "tablespace",
            ObjectKind::File,
            &node.location,
        );
        self.walk_create_table_space_stmt(node);
    }

    pub(super) fn create_extension_stmt(&mut self, node: &'a CreateExtensionStmt) {
        self.create(ObjectKind::Extension, Name::unqualified(&node.extname));
        self.walk_create_extension_stmt(node);
    }

    pub(super) fn create_named(&mut self, kind: ObjectKind, own: &str) {
        self.create(kind, Name::unqualified(own));
    }

    /// A function that is an option of something: a handler, a validator.
    pub(super) fn stored_functions(&mut self, options: &'a [Node]) {
        for option in options {
            if let Some(N::DefElem(option)) = &option.node
                && let Some(N::List(function)) =
                    option.arg.as_deref().and_then(|arg| arg.node.as_ref())
            {
                self.stored_call(&function.items);
            }
        }
    }
}
