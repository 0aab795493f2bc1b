//! Names without a schema.

use querycop_policy::{Reuse, SearchPath, TransactionState};

use crate::support::{Session, facts, session};

const PUBLIC: &str = "
version: 1
default: deny
rules:
  - name: read
    allow: { actions: [read], tables: ['public.*', catalog] }
  - name: call
    allow: { actions: [call], functions: [builtin] }
  - name: session
    allow: { actions: [session], settings: [harmless] }
";

const SECRET: &str = "
version: 1
default: allow
rules:
  - name: no-secrets
    deny: { tables: ['secret.*', '*.salaries'] }
";

fn with_path(yaml: &str, path: SearchPath) -> Session {
    Session {
        path,
        ..session(yaml)
    }
}

#[test]
fn a_name_is_looked_for_along_the_path() {
    let public = session(PUBLIC);
    public.allows("SELECT * FROM orders");
    assert_eq!(
        public.decide("SELECT * FROM orders").reuse,
        Reuse::SearchPath
    );
    assert_eq!(
        public.decide("SELECT * FROM public.orders").reuse,
        Reuse::Facts
    );
    // Any of the schemas can have it, so all have to be allowed.
    let two = with_path(PUBLIC, SearchPath::known("secret, public"));
    two.denies("SELECT * FROM orders", "default");
    two.allows("SELECT * FROM public.orders");
    let own = with_path(PUBLIC, SearchPath::known("\"$user\""));
    own.denies("SELECT * FROM orders", "default");
}

#[test]
fn an_unknown_path_can_be_any_schema() {
    let public = with_path(PUBLIC, SearchPath::unknown());
    public.denies("SELECT * FROM orders", "default");
    public.allows("SELECT * FROM public.orders");
    public.allows("SELECT relname, count(*) FROM pg_class GROUP BY 1");
    let secret = with_path(SECRET, SearchPath::unknown());
    secret.denies("SELECT * FROM orders", "no-secrets");
    secret.denies("SELECT * FROM salaries", "no-secrets");
    secret.allows("SELECT * FROM public.orders");
    secret.allows("SELECT * FROM pg_class");
}

#[test]
fn a_policy_can_say_what_the_path_is_where_nobody_knows() {
    let assuming = PUBLIC.replace("default:", "search_path: '\"$user\", public'\ndefault:");
    let session = with_path(&assuming, SearchPath::unknown());
    session.allows("SELECT * FROM orders");
    // What a statement has set isn't assumed away.
    let mut hidden = with_path(&assuming, SearchPath::unknown());
    hidden.run("SELECT set_config('search_path', $1, false)");
    hidden.denies("SELECT * FROM orders", "default");
    hidden.denies("SELECT * FROM pg_class", "default");
}

#[test]
fn pg_catalog_comes_first_unless_the_path_says_where() {
    let public = session(PUBLIC);
    public.allows("SELECT * FROM pg_class");
    let behind = with_path(PUBLIC, SearchPath::known("evil, pg_catalog"));
    behind.denies("SELECT * FROM pg_class", "default");
    behind.denies("SELECT lower('x')", "default");
    let before = with_path(PUBLIC, SearchPath::known("pg_catalog, evil"));
    before.allows("SELECT lower(relname) FROM pg_class");
    before.denies("SELECT * FROM orders", "default");
    public.denies("SELECT * FROM pg_authid", "default");
    // A name that only looks like the catalog's is looked for along the path.
    public.allows("SELECT * FROM pg_stat_statements");
    before.denies("SELECT * FROM pg_stat_statements", "default");
}

#[test]
fn a_path_that_was_set_counts_from_the_moment_it_may_be_there() {
    let mut session = session(PUBLIC);
    let set = facts("SET search_path = secret");
    session.path.may_change(&set.statements[0]);
    session.denies("SELECT * FROM orders", "default");
    session.path.completed(&set.statements[0]);
    session.path.ready(TransactionState::Idle);
    session.path.settled();
    session.denies("SELECT * FROM orders", "default");
    session.run("SET search_path TO public");
    session.allows("SELECT * FROM orders");
    session.run("SELECT set_config('search_path', 'secret, public', false)");
    session.denies("SELECT * FROM orders", "default");
    session.run("RESET search_path");
    session.allows("SELECT * FROM orders");
    // As one word it is one name.
    session.run("SET search_path = 'secret, public'");
    session.denies("SELECT * FROM orders", "default");
    session.run("DISCARD ALL");
    session.allows("SELECT * FROM orders");
}

#[test]
fn a_refused_path_is_forgotten_when_all_is_answered() {
    let mut session = session(PUBLIC);
    let set = facts("SET search_path = secret");
    session.path.may_change(&set.statements[0]);
    session.path.failed();
    session.path.ready(TransactionState::Idle);
    session.denies("SELECT * FROM orders", "default");
    session.path.settled();
    session.allows("SELECT * FROM orders");
}

#[test]
fn the_end_of_a_transaction_takes_back_what_was_local() {
    let mut session = session(PUBLIC);
    session.run("BEGIN; SET LOCAL search_path = secret");
    session.path.ready(TransactionState::Open);
    session.denies("SELECT * FROM orders", "default");
    session.run("COMMIT");
    session.path.ready(TransactionState::Idle);
    session.allows("SELECT * FROM orders");

    session.run("BEGIN; SET search_path = secret");
    session.path.ready(TransactionState::Open);
    session.run("ROLLBACK");
    session.path.ready(TransactionState::Idle);
    // Whether the SET was before a savepoint isn't followed, so both count.
    session.denies("SELECT * FROM orders", "default");
    session.path.reported("\"$user\", public");
    session.allows("SELECT * FROM orders");
}

#[test]
fn reports_of_the_server_are_what_counts() {
    let mut session = with_path(PUBLIC, SearchPath::unknown());
    session.path.reported("\"$user\", public");
    session.allows("SELECT * FROM orders");
    session.run("SET search_path = secret");
    session.path.reported("secret");
    session.path.ready(TransactionState::Idle);
    session.denies("SELECT * FROM orders", "default");
    session.path.reported("public");
    session.path.ready(TransactionState::Idle);
    session.allows("SELECT * FROM orders");
}

#[test]
fn another_role_has_another_schema_of_its_own() {
    let mut session = session(PUBLIC);
    session.run("SET ROLE payroll");
    session.denies("SELECT * FROM orders", "default");
    session.allows("SELECT * FROM public.orders");
}

#[test]
fn the_version_counts_what_may_change_decisions() {
    let mut path = SearchPath::known("public");
    let before = path.version();
    path.completed(&facts("SELECT 1").statements[0]);
    path.ready(TransactionState::Idle);
    path.settled();
    assert_eq!(path.version(), before);
    path.may_change(&facts("SET search_path = a").statements[0]);
    assert_ne!(path.version(), before);
}
