//! Publications and subscriptions.

use pg_query::protobuf::{
    AlterPublicationStmt, AlterSubscriptionStmt, CreatePublicationStmt, CreateSubscriptionStmt,
    PublicationObjSpec, PublicationTable,
};
use querycop_policy::facts::{Action, Feature, Object, ObjectKind};

use super::Reader;

impl<'a> Reader<'a> {
    pub(super) fn create_publication_stmt(&mut self, node: &'a CreatePublicationStmt) {
        self.create_named(ObjectKind::Publication, &node.pubname);
        if node.for_all_tables {
            self.publish(Object::hidden(ObjectKind::Relation));
        }
        self.walk_create_publication_stmt(node);
    }

    pub(super) fn alter_publication_stmt(&mut self, node: &'a AlterPublicationStmt) {
        self.alter_named(ObjectKind::Publication, &node.pubname);
        if node.for_all_tables {
            self.publish(Object::hidden(ObjectKind::Relation));
        }
        self.walk_alter_publication_stmt(node);
    }

    pub(super) fn publication_obj_spec(&mut self, node: &'a PublicationObjSpec) {
        if node.pubtable.is_none() {
            let schema = super::copy::plain(ObjectKind::Schema, &node.name);
            self.publish(schema);
        }
        self.walk_publication_obj_spec(node);
    }

    pub(super) fn publication_table(&mut self, node: &'a PublicationTable) {
        if let Some(relation) = &node.relation {
            let object = self.relation_object(ObjectKind::Relation, relation);
            self.publish(object);
        }
        self.stored(|reader| reader.walk_publication_table(node));
    }

    fn publish(&mut self, object: Object) {
        self.effect(Action::Replication, "publish", object);
    }

    pub(super) fn create_subscription_stmt(&mut self, node: &'a CreateSubscriptionStmt) {
        self.create_named(ObjectKind::Subscription, &node.subname);
        self.subscribe(&node.subname, &node.conninfo);
        self.walk_create_subscription_stmt(node);
    }

    pub(super) fn alter_subscription_stmt(&mut self, node: &'a AlterSubscriptionStmt) {
        self.alter_named(ObjectKind::Subscription, &node.subname);
        self.subscribe(&node.subname, &node.conninfo);
        self.walk_alter_subscription_stmt(node);
    }

    fn subscribe(&mut self, name: &str, conninfo: &str) {
        if !conninfo.is_empty() {
            self.feature(Feature::PasswordLiteral);
        }
        self.named_effect(
            Action::Replication,
            "subscription",
            ObjectKind::Subscription,
            name,
        );
    }
}
