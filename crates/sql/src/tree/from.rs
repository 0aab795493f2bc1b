//! FROM, and to which relation a column belongs.

use pg_query::protobuf::node::Node as N;
use pg_query::protobuf::{
    Alias, ColumnRef, JoinExpr, JsonTable, RangeFunction, RangeSubselect, RangeTableFunc,
    RangeTableSample, RangeVar,
};
use querycop_policy::facts::{Action, Columns, Name, Object, ObjectKind, PossibleCall, Via};

use super::Reader;
use super::columns::FACT;
use super::names::{name, relation_name, word};
use super::query::Rows;
use super::scope::Source;

impl<'a> Reader<'a> {
    /// A relation in FROM, or the name of a CTE.
    pub(super) fn range_var(&mut self, node: &'a RangeVar) {
        let alias = alias_or(node.alias.as_ref(), &node.relname);
        if node.schemaname.is_empty() && self.scopes.is_cte(&node.relname) {
            self.scopes.add(alias, Source::Derived);
            return;
        }
        let object = self.relation_object(ObjectKind::Relation, node);
        if let Some(place) = self.effect(Action::Read, "", object) {
            let source = Source::Read(node, place);
            if node.alias.as_ref().is_some_and(renames_columns) {
                self.read_from(&source, None);
            }
            self.scopes.add(alias, source);
        }
    }

    /// A relation that INSERT, UPDATE, DELETE or MERGE changes: never a CTE.
    pub(super) fn add_target(&mut self, relation: &'a RangeVar) {
        let alias = alias_or(relation.alias.as_ref(), &relation.relname);
        self.scopes.add(alias, Source::Target(relation));
    }

    pub(super) fn range_subselect(&mut self, node: &'a RangeSubselect) {
        let RangeSubselect {
            lateral,
            subquery,
            alias,
        } = node;
        if *lateral {
            self.query(subquery.as_deref(), Rows::Inside);
        } else {
            let hidden = self.scopes.hide();
            self.query(subquery.as_deref(), Rows::Inside);
            self.scopes.restore(hidden);
        }
        self.add_derived(alias.as_ref());
    }

    pub(super) fn range_function(&mut self, node: &'a RangeFunction) {
        let RangeFunction {
            lateral: _,
            ordinality: _,
            is_rowsfrom: _,
            functions,
            alias,
            coldeflist,
        } = node;
        self.nodes(functions);
        self.nodes(coldeflist);
        for column in coldeflist {
            if let Some(N::ColumnDef(column)) = &column.node {
                self.becomes(column.type_name.as_ref());
            }
        }
        self.add_derived(alias.as_ref());
    }

    pub(super) fn range_table_func(&mut self, node: &'a RangeTableFunc) {
        self.walk_range_table_func(node);
        self.add_derived(node.alias.as_ref());
    }

    pub(super) fn json_table(&mut self, node: &'a JsonTable) {
        self.walk_json_table(node);
        self.add_derived(node.alias.as_ref());
    }

    pub(super) fn range_table_sample(&mut self, node: &'a RangeTableSample) {
        let RangeTableSample {
            relation,
            method,
            args,
            repeatable,
            location: _,
        } = node;
        self.option(relation.as_deref());
        // A sampling method is a function.
        self.effect(
            Action::Call,
            "tablesample",
            Object::new(ObjectKind::Function, name(method)),
        );
        self.nodes(args);
        self.option(repeatable.as_deref());
    }

    pub(super) fn join_expr(&mut self, node: &'a JoinExpr) {
        let JoinExpr {
            jointype: _,
            is_natural,
            larg,
            rarg,
            using_clause,
            join_using_alias,
            quals,
            alias,
            rtindex: _,
        } = node;
        let before = self.scopes.len();
        self.option(larg.as_deref());
        self.option(rarg.as_deref());
        for column in using_clause.iter().filter_map(word) {
            self.read_column(column);
        }
        if *is_natural {
            // Which columns they have in common is for the catalog to say.
            self.read_all_columns();
        }
        self.option(quals.as_deref());
        if alias.as_ref().is_some_and(renames_columns) {
            self.read_all_columns();
        }
        if alias.is_some() {
            self.scopes.forget_names(before);
        }
        for alias in [alias.as_ref(), join_using_alias.as_ref()]
            .into_iter()
            .flatten()
        {
            self.scopes.add(&alias.aliasname, Source::Join);
        }
    }

    fn add_derived(&mut self, alias: Option<&'a Alias>) {
        if let Some(alias) = alias {
            self.scopes.add(&alias.aliasname, Source::Derived);
        }
    }

    /// A column, a whole row, `*`, or a function in disguise.
    pub(super) fn column_ref(&mut self, node: &'a ColumnRef) {
        let star = node
            .fields
            .last()
            .is_some_and(|field| matches!(field.node, Some(N::AStar(_))));
        let mut words = node.fields.iter().rev().filter_map(word);
        if star {
            match words.next() {
                Some(alias) if words.next().is_some() => {
                    for source in self.sources_in_schemas(alias) {
                        self.read_from(&source, None);
                    }
                }
                Some(alias) => self.read_whole_row(alias),
                None => self.read_all_columns(),
            }
            return;
        }
        let Some(column) = words.next() else { return };
        if let Some(qualifier) = words.next() {
            let sources = match words.next() {
                Some(_) => self.sources_in_schemas(qualifier),
                None => self.sources(qualifier),
            };
            self.possible_column(qualifier, column, &sources);
            for source in sources {
                self.read_from(&source, Some(column));
            }
        } else {
            self.unqualified(column);
        }
    }

    /// A name alone: a column, or the whole row of what has this alias.
    pub(super) fn unqualified(&mut self, column: &str) {
        self.read_column(column);
        self.read_whole_row(column);
    }

    /// `q.f`, which is a call of `f` where what `q` stands for has no such column.
    fn possible_column(&mut self, qualifier: &str, column: &str, sources: &[Source<'a>]) {
        if !self.budget.spend(sources.len() * FACT + self.scopes.size()) {
            return;
        }
        let calls = &mut self.possible_calls;
        let mut call = |of| {
            calls.insert(PossibleCall {
                via: Via::Column,
                name: Name::unqualified(column),
                of,
            });
        };
        if sources.iter().any(|source| matches!(source, Source::Join)) {
            // A column of any of them.
            return call(None);
        }
        for source in sources {
            call(row_of(source));
        }
        if sources.is_empty() {
            let mut entries = self.scopes.all().filter(|_| qualifier == "excluded");
            let target = entries.find(|entry| matches!(entry.source, Source::Target(_)));
            let of = target.and_then(|entry| row_of(&entry.source));
            call(of);
        }
    }

    /// A column without a qualifier: of any relation in sight.
    pub(super) fn read_column(&mut self, column: &str) {
        if !self.budget.spend(self.scopes.size()) {
            return;
        }
        let entries: Vec<_> = self
            .scopes
            .all()
            .map(|entry| entry.source.clone())
            .collect();
        for source in entries {
            self.read_from(&source, Some(column));
        }
    }

    fn read_whole_row(&mut self, alias: &str) {
        for source in self.sources(alias) {
            self.read_from(&source, None);
        }
    }

    /// `*`: every column of the innermost FROM.
    fn read_all_columns(&mut self) {
        if !self.budget.spend(self.scopes.size()) {
            return;
        }
        let entries: Vec<_> = self
            .scopes
            .innermost()
            .map(|entry| entry.source.clone())
            .collect();
        for source in entries {
            self.read_from(&source, None);
        }
    }

    /// What an alias stands for: all relations for a join.
    fn sources(&mut self, alias: &str) -> Vec<Source<'a>> {
        if !self.budget.spend(self.scopes.size()) {
            return Vec::new();
        }
        let mut found: Vec<_> = self.scopes.named(alias).cloned().collect();
        if found.is_empty() && matches!(alias, "old" | "new") {
            found.extend(self.scopes.targets().next().cloned());
        }
        if found.iter().any(|source| matches!(source, Source::Join)) {
            return self
                .scopes
                .all()
                .map(|entry| entry.source.clone())
                .collect();
        }
        found
    }

    /// What a name with a schema stands for: `a.t` and `b.t` can be in sight at once.
    fn sources_in_schemas(&mut self, name: &str) -> Vec<Source<'a>> {
        if !self.budget.spend(self.scopes.size()) {
            return Vec::new();
        }
        let entries = self.scopes.all().filter(|entry| entry.alias == Some(name));
        entries.map(|entry| entry.source.clone()).collect()
    }

    fn read_from(&mut self, source: &Source<'a>, column: Option<&str>) {
        let place = match source {
            Source::Read(_, place) => Some(*place),
            Source::Target(relation) => {
                if !self.budget.spend(FACT) {
                    return;
                }
                let object = self.relation_object(ObjectKind::Relation, relation);
                self.effect_on(Action::Read, "", object, Columns::default())
            }
            Source::Join | Source::Derived => None,
        };
        let Some(place) = place else { return };
        match column {
            Some(column) => self.use_column(place, column),
            None => {
                if let Some(effect) = self.effects.get_mut(place) {
                    effect.columns.all = true;
                }
            }
        }
    }
}

fn alias_or<'a>(alias: Option<&'a Alias>, name: &'a str) -> &'a str {
    alias.map_or(name, |alias| &alias.aliasname)
}

/// The relation whose columns a source has, under their own names.
fn row_of(source: &Source<'_>) -> Option<Name> {
    match source {
        Source::Read(relation, _) | Source::Target(relation) => {
            let is_renamed = relation.alias.as_ref().is_some_and(renames_columns);
            (!is_renamed).then(|| relation_name(relation))
        }
        Source::Join | Source::Derived => None,
    }
}

/// Whether columns get other names, as in `t AS x (a, b)`: which is which is for the catalog to say.
fn renames_columns(alias: &Alias) -> bool {
    !alias.colnames.is_empty()
}
