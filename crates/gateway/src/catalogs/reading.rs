//! Reads a database's catalog over a session of the gateway's own.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use querycop_policy::facts::Name;
use querycop_policy::{Catalog, Function, Operator, Relation, Volatility};
use querycop_wire::MessageError;
use querycop_wire::backend::DataRow;
use thiserror::Error;

use crate::backend::{Attempt, Backend, ConnectError};
use crate::login::Failure;
use crate::own_session::{OpenError, OwnSession, QueryError, Role};

/// Time for one message of an answer.
const MESSAGE_LIMIT: Duration = Duration::from_mins(1);

/// One snapshot, that nothing changes and that changes nothing; every name below is looked up where
/// it stands.
const BEGIN: &str = "begin isolation level repeatable read, read only; set local search_path = ''";

/// Relations with their columns, a row each. Temporary ones are somebody's own.
const COLUMNS: &str = "select n.nspname, c.relname, a.attname
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    left join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where c.relkind in ('r', 'p', 'v', 'm', 'f', 'c') and n.nspname !~ '^pg_(temp|toast)'
    order by 1, 2, a.attnum";

/// Views with what they read themselves.
///
/// `pg_depend` says nothing of what PostgreSQL brings along (`pg_authid`), so the rules themselves are
/// read, too. Of PostgreSQL's own views only those that show the secrets of what is under them.
const VIEWS: &str = "select distinct vn.nspname, v.relname, bn.nspname, b.relname
    from (select objid, refobjid from pg_catalog.pg_depend
        where classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
        and refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
        union all
        select u.oid, m.found[1]::pg_catalog.oid
        from pg_catalog.pg_rewrite u,
        pg_catalog.regexp_matches(u.ev_action::pg_catalog.text, ' :relid ([0-9]+)', 'g') m(found)
        where u.oid >= 16384
        or u.ev_class in ('pg_catalog.pg_shadow'::pg_catalog.regclass,
            'pg_catalog.pg_stats'::pg_catalog.regclass)) d
    join pg_catalog.pg_rewrite r on r.oid = d.objid
    join pg_catalog.pg_class v on v.oid = r.ev_class
    join pg_catalog.pg_namespace vn on vn.oid = v.relnamespace
    join pg_catalog.pg_class b on b.oid = d.refobjid and b.oid <> v.oid
    join pg_catalog.pg_namespace bn on bn.oid = b.relnamespace
    where v.relkind in ('v', 'm')";

const FUNCTIONS: &str = "select n.nspname, p.proname, p.provolatile, p.prosecdef, l.lanname
    from pg_catalog.pg_proc p
    join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    join pg_catalog.pg_language l on l.oid = p.prolang
    order by 1, 2, 3, 4, 5";

const OPERATORS: &str = "select o.oprname, n.nspname, fn.nspname, f.proname
    from pg_catalog.pg_operator o
    join pg_catalog.pg_namespace n on n.oid = o.oprnamespace
    join pg_catalog.pg_proc f on f.oid = o.oprcode
    join pg_catalog.pg_namespace fn on fn.oid = f.pronamespace
    order by 1, 2, 3, 4";

/// Enums, and whether another type of that name, or a cast, may call a function.
const ENUMS: &str = "select n.nspname, t.typname
    from pg_catalog.pg_type t
    join pg_catalog.pg_namespace n on n.oid = t.typnamespace
    where t.typtype = 'e'
    and not exists (select from pg_catalog.pg_type u where u.typname = t.typname and u.typtype <> 'e')
    and not exists (select from pg_catalog.pg_cast c
        join pg_catalog.pg_type u on u.oid in (c.castsource, c.casttarget)
        where c.castfunc <> 0 and u.typname = t.typname)";

/// A catalog could not be read.
#[derive(Debug, Error)]
pub(super) enum CatalogError {
    #[error("{0}")]
    Connect(#[from] ConnectError),
    #[error("{}", login(.0))]
    Open(OpenError),
    #[error("{0}")]
    Query(#[from] QueryError),
}

/// Why a login failed, in the server's words or ours.
fn login(error: &OpenError) -> String {
    match error {
        OpenError::Login(Failure::Rejected(rejected)) => {
            format!("{} ({})", rejected.error.message, rejected.error.code)
        }
        OpenError::Login(Failure::Refused(refusal)) => refusal.to_string(),
        OpenError::Login(_) | OpenError::Name(_) | OpenError::Io(_) | OpenError::Timeout => {
            error.to_string()
        }
    }
}

/// Reads the catalog of the role's database.
pub(super) async fn read(
    backend: &Backend,
    role: &Role<'_>,
    limit: Duration,
) -> Result<Catalog, CatalogError> {
    let leg = backend.connect(Attempt::First).await?;
    let session = OwnSession::open(leg, role, limit).await;
    let mut session = session.map_err(CatalogError::Open)?;
    let mut catalog = Catalog::default();
    session.query(BEGIN, MESSAGE_LIMIT, |_| Ok(())).await?;
    read_relations(&mut session, &mut catalog).await?;
    let functions = session.query(FUNCTIONS, MESSAGE_LIMIT, |mut row| {
        let [schema, name, volatility, definer, language] = texts(&mut row)?;
        let function = Function {
            volatility: match &*volatility {
                "i" => Volatility::Immutable,
                "s" => Volatility::Stable,
                _ => Volatility::Volatile,
            },
            security_definer: &*definer != "f",
            language,
        };
        catalog.add_function(&schema, &name, function);
        Ok(())
    });
    functions.await?;
    let operators = session.query(OPERATORS, MESSAGE_LIMIT, |mut row| {
        let [symbol, schema, function_schema, function] = texts(&mut row)?;
        let function = Name::qualified(&function_schema, &function);
        catalog.add_operator(&symbol, Operator { schema, function });
        Ok(())
    });
    operators.await?;
    let enums = session.query(ENUMS, MESSAGE_LIMIT, |mut row| {
        let [schema, name] = texts(&mut row)?;
        catalog.add_plain_type(&schema, &name);
        Ok(())
    });
    enums.await?;
    session.end().await;
    Ok(catalog)
}

/// Schema and name.
type Place = (Box<str>, Box<str>);

async fn read_relations(
    session: &mut OwnSession,
    catalog: &mut Catalog,
) -> Result<(), CatalogError> {
    let mut columns: BTreeMap<Place, Vec<Box<str>>> = BTreeMap::new();
    let rows = session.query(COLUMNS, MESSAGE_LIMIT, |mut row| {
        let [schema, relation, column] = texts(&mut row)?;
        let columns = columns.entry((schema, relation)).or_default();
        // A relation may have none.
        if !column.is_empty() {
            columns.push(column);
        }
        Ok(())
    });
    rows.await?;
    let mut reads: BTreeMap<Place, BTreeSet<Place>> = BTreeMap::new();
    let rows = session.query(VIEWS, MESSAGE_LIMIT, |mut row| {
        let [schema, view, base_schema, base] = texts(&mut row)?;
        let bases = reads.entry((schema, view)).or_default();
        bases.insert((base_schema, base));
        Ok(())
    });
    rows.await?;
    for (place, columns) in columns {
        let base_relations = all_the_way_down(&reads, &place)
            .into_iter()
            .map(|(schema, name)| Name::qualified(schema, name))
            .collect();
        let relation = Relation {
            columns,
            base_relations,
        };
        catalog.add_relation(&place.0, &place.1, relation);
    }
    Ok(())
}

/// Everything that a view reads, also through other views.
fn all_the_way_down<'r>(
    reads: &'r BTreeMap<Place, BTreeSet<Place>>,
    view: &Place,
) -> BTreeSet<&'r Place> {
    let mut found = BTreeSet::new();
    let mut open: Vec<_> = reads.get(view).into_iter().flatten().collect();
    while let Some(place) = open.pop() {
        if found.insert(place) {
            open.extend(reads.get(place).into_iter().flatten());
        }
    }
    found
}

/// The values of a row; NULL is empty. Names that are not UTF-8 are no names that a text could have.
fn texts<const N: usize>(row: &mut DataRow<'_>) -> Result<[Box<str>; N], MessageError> {
    let mut texts = [const { String::new() }; N];
    for text in &mut texts {
        let value = row.next_value()?.ok_or(MessageError::Truncated)?;
        *text = String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
    }
    match row.next_value()? {
        None => Ok(texts.map(String::into_boxed_str)),
        Some(_) => Err(MessageError::Invalid("more values than were asked for")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(name: &str) -> Place {
        ("s".into(), name.into())
    }

    #[test]
    fn views_are_followed_all_the_way_down_and_round() {
        let reads = BTreeMap::from([
            (place("a"), BTreeSet::from([place("b"), place("t")])),
            (place("b"), BTreeSet::from([place("u"), place("a")])),
        ]);
        let found = all_the_way_down(&reads, &place("a"));
        let names: Vec<_> = found.iter().map(|(_, name)| &**name).collect();
        assert_eq!(names, ["a", "b", "t", "u"]);
        assert!(all_the_way_down(&reads, &place("t")).is_empty());
    }
}
