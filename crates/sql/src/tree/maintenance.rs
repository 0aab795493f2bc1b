//! LOCK, TRUNCATE, VACUUM and its like, LOAD.

use pg_query::Node;
use pg_query::protobuf::node::Node as N;
use pg_query::protobuf::{
    CheckPointStmt, ClusterStmt, LoadStmt, LockStmt, RangeVar, ReindexObjectType, ReindexStmt,
    TruncateStmt, VacuumRelation, VacuumStmt,
};
use querycop_policy::facts::{Action, Kind, Object, ObjectKind};

use super::Reader;
use super::copy::plain;

/// The mode of `LOCK TABLE … IN ACCESS SHARE MODE`, the lock that every SELECT takes.
const ACCESS_SHARE: i32 = 1;

impl<'a> Reader<'a> {
    pub(super) fn lock_stmt(&mut self, node: &'a LockStmt) {
        let LockStmt {
            relations,
            mode,
            nowait: _,
        } = node;
        self.kind(Kind::Lock);
        let subtype = if *mode == ACCESS_SHARE {
            "access_share"
        } else {
            "table"
        };
        for relation in relations_of(relations) {
            let object = self.relation_object(ObjectKind::Relation, relation);
            self.effect(Action::Lock, subtype, object);
        }
    }

    pub(super) fn truncate_stmt(&mut self, node: &'a TruncateStmt) {
        let TruncateStmt {
            relations,
            restart_seqs: _,
            behavior: _,
        } = node;
        self.kind(Kind::Truncate);
        for relation in relations_of(relations) {
            let object = self.relation_object(ObjectKind::Relation, relation);
            self.effect(Action::Truncate, "", object);
        }
    }

    pub(super) fn vacuum_stmt(&mut self, node: &'a VacuumStmt) {
        let VacuumStmt {
            options,
            rels,
            is_vacuumcmd,
        } = node;
        let (kind, subtype) = if *is_vacuumcmd {
            (Kind::Vacuum, "vacuum")
        } else {
            (Kind::Analyze, "analyze")
        };
        self.kind(kind);
        self.nodes(options);
        if rels.is_empty() {
            self.effect(
                Action::Maintenance,
                subtype,
                Object::hidden(ObjectKind::Relation),
            );
        }
        for relation in rels {
            if let Some(N::VacuumRelation(VacuumRelation {
                relation: Some(relation),
                oid: _,
                va_cols: _,
            })) = &relation.node
            {
                let object = self.relation_object(ObjectKind::Relation, relation);
                self.effect(Action::Maintenance, subtype, object);
            }
        }
    }

    pub(super) fn vacuum_relation(&mut self, node: &'a VacuumRelation) {
        self.reference(node.relation.as_ref());
    }

    pub(super) fn cluster_stmt(&mut self, node: &'a ClusterStmt) {
        let ClusterStmt {
            relation,
            indexname: _,
            params,
        } = node;
        self.kind(Kind::Cluster);
        self.nodes(params);
        let object = match relation {
            Some(relation) => self.relation_object(ObjectKind::Relation, relation),
            None => Object::hidden(ObjectKind::Relation),
        };
        self.effect(Action::Maintenance, "cluster", object);
    }

    pub(super) fn reindex_stmt(&mut self, node: &'a ReindexStmt) {
        let ReindexStmt {
            kind: _,
            relation,
            name,
            params,
        } = node;
        self.kind(Kind::Reindex);
        self.nodes(params);
        let kind = match node.kind() {
            ReindexObjectType::ReindexObjectIndex => ObjectKind::Index,
            ReindexObjectType::ReindexObjectTable => ObjectKind::Relation,
            ReindexObjectType::ReindexObjectSchema => ObjectKind::Schema,
            ReindexObjectType::ReindexObjectSystem | ReindexObjectType::ReindexObjectDatabase => {
                ObjectKind::Database
            }
            ReindexObjectType::Undefined => return self.foreign(),
        };
        let object = match relation {
            Some(relation) => self.relation_object(kind, relation),
            None => plain(kind, name),
        };
        self.effect(Action::Maintenance, "reindex", object);
    }

    pub(super) fn check_point_stmt(&mut self, _node: &'a CheckPointStmt) {
        self.kind(Kind::Checkpoint);
        self.plain_effect(Action::Maintenance, "checkpoint");
    }

    /// LOAD runs a library's code inside the server.
    pub(super) fn load_stmt(&mut self, node: &'a LoadStmt) {
        self.kind(Kind::Load);
        self.named_effect(Action::UnsafeIo, "load", ObjectKind::File, &node.filename);
    }
}

fn relations_of(nodes: &[Node]) -> impl Iterator<Item = &RangeVar> {
    nodes.iter().filter_map(|node| match node.node.as_ref() {
        Some(N::RangeVar(relation)) => Some(relation),
        _ => None,
    })
}
