//! COPY, EXPLAIN, and what is made from a query: views, tables.

use pg_query::Node;
use pg_query::protobuf::node::Node as N;
use pg_query::protobuf::{
    CopyStmt, CreateTableAsStmt, DefElem, ExplainStmt, ObjectType, RefreshMatViewStmt, ViewStmt,
};
use querycop_policy::facts::{Action, Columns, Execution, Feature, Kind, Name, Object, ObjectKind};

use super::Reader;
use super::names::word;
use super::query::Rows;
use super::scope::Source;

impl<'a> Reader<'a> {
    pub(super) fn copy_stmt(&mut self, node: &'a CopyStmt) {
        let CopyStmt {
            relation,
            query,
            attlist,
            is_from,
            is_program,
            filename,
            options,
            where_clause,
        } = node;
        self.kind(Kind::Copy);
        self.query(query.as_deref(), Rows::ToClient);
        let object = match relation {
            Some(relation) => self.relation_object(ObjectKind::Relation, relation),
            None => Object::hidden(ObjectKind::Nothing),
        };
        let (rows, bulk, feature) = if *is_from {
            (Action::Insert, Action::Load, Feature::CopyFromClient)
        } else {
            (Action::Read, Action::Export, Feature::CopyToClient)
        };
        if relation.is_some() {
            self.effect_on(rows, "copy", object.clone(), columns(attlist));
        }
        if *is_program {
            self.feature(Feature::CopyProgram);
            self.named_effect(Action::UnsafeIo, "program", ObjectKind::Program, filename);
        } else if filename.is_empty() {
            self.feature(feature);
            let columns = match relation {
                Some(_) => columns(attlist),
                None => Columns::default(),
            };
            self.effect_on(bulk, "copy", object, columns);
        } else {
            self.feature(Feature::CopyFile);
            self.named_effect(Action::UnsafeIo, "file", ObjectKind::File, filename);
        }
        self.nodes(options);
        self.scopes.push();
        if let Some(relation) = relation {
            // What COPY FROM … WHERE looks at is the data that comes in.
            self.scopes.add(&relation.relname, Source::Derived);
        }
        self.option(where_clause.as_deref());
        self.scopes.pop();
    }

    pub(super) fn explain_stmt(&mut self, node: &'a ExplainStmt) {
        let ExplainStmt { query, options } = node;
        self.kind(Kind::Explain);
        let analyzes = options.iter().any(|option| match &option.node {
            Some(N::DefElem(option)) => option.defname == "analyze" && is_on(option),
            _ => false,
        });
        let before = self.execution;
        if analyzes {
            self.feature(Feature::ExplainAnalyze);
        } else if before == Execution::Now {
            self.execution = Execution::Planned;
        }
        self.query(query.as_deref(), Rows::Inside);
        self.execution = before;
        self.nodes(options);
    }

    pub(super) fn create_table_as_stmt(&mut self, node: &'a CreateTableAsStmt) {
        let CreateTableAsStmt {
            query,
            into,
            objtype: _,
            is_select_into: _,
            if_not_exists: _,
        } = node;
        self.kind(Kind::CreateTableAs);
        self.query(query.as_deref(), Rows::Inside);
        let Some(into) = into else { return };
        if node.objtype() == ObjectType::ObjectMatview {
            if let Some(relation) = &into.rel {
                let object = self.relation_object(ObjectKind::MaterializedView, relation);
                self.effect(Action::DdlCreate, "", object);
            }
        } else {
            self.select_into(into);
        }
    }

    pub(super) fn view_stmt(&mut self, node: &'a ViewStmt) {
        let ViewStmt {
            view,
            aliases: _,
            query,
            replace: _,
            options,
            with_check_option: _,
        } = node;
        self.kind(Kind::Create);
        if let Some(view) = view {
            let object = self.relation_object(ObjectKind::View, view);
            self.effect(Action::DdlCreate, "", object);
        }
        self.stored(|reader| reader.query(query.as_deref(), Rows::Inside));
        self.nodes(options);
    }

    pub(super) fn refresh_mat_view_stmt(&mut self, node: &'a RefreshMatViewStmt) {
        self.kind(Kind::RefreshMaterializedView);
        if let Some(relation) = &node.relation {
            let object = self.relation_object(ObjectKind::MaterializedView, relation);
            self.effect(Action::Maintenance, "refresh", object);
        }
    }
}

fn columns(list: &[Node]) -> Columns {
    if list.is_empty() {
        return Columns::all();
    }
    list.iter().filter_map(word).collect()
}

/// Whether an option is on; what isn't plainly off counts as on.
pub(super) fn is_on(option: &DefElem) -> bool {
    match option
        .arg
        .as_deref()
        .and_then(|argument| argument.node.as_ref())
    {
        None => true,
        Some(N::String(string)) => {
            !matches!(string.sval.to_ascii_lowercase().as_str(), "false" | "off")
        }
        Some(N::Integer(integer)) => integer.ival != 0,
        Some(N::Boolean(boolean)) => boolean.boolval,
        Some(_) => true,
    }
}

/// An object with a name of one part.
pub(super) fn plain(kind: ObjectKind, name: &str) -> Object {
    Object::new(kind, Name::unqualified(name))
}
