//! The policies that the ways around are tried against.

/// Reads `public` and the catalogs, calls what PostgreSQL brings along, and nothing else.
pub(crate) const READ_ONLY: &str = r#"
version: 1
default: deny
search_path: '"$user", public'
rules:
  - name: read
    allow: { actions: [read], tables: ["public.*", catalog] }
  - name: call
    allow: { actions: [call], functions: [builtin] }
  - name: session
    allow: { actions: [session], settings: [harmless], objects: [cursor, prepared_statement, nothing] }
  - name: transactions
    allow:
      actions: [transaction]
      # Not prepare, commit_prepared, rollback_prepared: they reach other sessions.
      subtypes: [begin, commit, rollback, savepoint, release, rollback_to, read_only, read_write]
  - name: export
    allow: { actions: [export] }
  - name: no-secrets
    deny:
      actions: [read, insert, update, delete, truncate, export, load, ddl.*, grant]
      tables: ["secret.*", public.aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg]
    hint: "Read public.orders."
  - name: no-nicks
    deny: { actions: [read, export], columns: [public.people.nick] }
"#;

/// Allows all but this: what a rule that denies has to see by itself.
pub(crate) const FORBIDDING: &str = r#"
version: 1
default: allow
search_path: '"$user", public'
rules:
  - name: no-secrets
    deny:
      tables: ["secret.*", public.aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg]
  - name: no-writes
    deny: { actions: [insert, update, delete, truncate, load, ddl.*, grant, maintenance] }
  - name: no-roles
    deny: { actions: [role] }
  - name: no-code
    deny: { actions: [code] }
  - name: no-nicks
    deny: { actions: [read, export], columns: [public.people.nick] }
"#;

/// [`READ_ONLY`] with the rules that close what can't be seen from outside.
pub(crate) const CLOSING: &str = r#"
version: 1
default: deny
search_path: '"$user", public'
dotted_names: calls
rules:
  - name: read
    allow: { actions: [read], tables: ["public.*", catalog] }
  - name: call
    allow: { actions: [call], functions: [builtin] }
  - name: session
    allow: { actions: [session], settings: [harmless], objects: [cursor, prepared_statement, nothing] }
  - name: transactions
    allow:
      actions: [transaction]
      # Not prepare, commit_prepared, rollback_prepared: they reach other sessions.
      subtypes: [begin, commit, rollback, savepoint, release, rollback_to, read_only, read_write]
  - name: export
    allow: { actions: [export] }
  - name: no-secrets
    deny: { tables: ["secret.*"] }
  - name: no-views-of-secrets
    deny: { tables: [public.open_customers] }
  - name: no-parents-of-secrets
    deny: { tables: [public.parent] }
  - name: no-other-path
    deny: { actions: [session], settings: [search_path] }
"#;
