//! The tables of the index.

/// The version of the tables. One of another version is made anew.
pub(super) const VERSION: i64 = 2;

/// Records in a block: of each the index knows the earliest and the latest time.
pub(super) const BLOCK: u64 = 4096;

/// The tables.
pub(super) const TABLES: &str = "
CREATE TABLE mark (
    id INTEGER PRIMARY KEY CHECK (id = 0),
    segment INTEGER NOT NULL,
    \"offset\" INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    hash TEXT NOT NULL,
    last_segment INTEGER NOT NULL,
    last_offset INTEGER NOT NULL
);
CREATE TABLE words (
    id INTEGER PRIMARY KEY,
    word TEXT NOT NULL UNIQUE
);
CREATE TABLE statements (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE,
    fingerprint INTEGER NOT NULL,
    kind INTEGER NOT NULL
);
CREATE TABLE statement_tables (
    name INTEGER NOT NULL,
    statement INTEGER NOT NULL,
    PRIMARY KEY (name, statement)
) WITHOUT ROWID;
CREATE VIRTUAL TABLE texts USING fts5 (
    text, tokenize = 'trigram', detail = 'full'
);
CREATE TABLE shapes (
    id INTEGER PRIMARY KEY,
    event INTEGER NOT NULL,
    user INTEGER NOT NULL,
    principal INTEGER NOT NULL,
    database INTEGER NOT NULL,
    client_addr INTEGER NOT NULL,
    statement INTEGER NOT NULL,
    rule INTEGER NOT NULL,
    marks INTEGER NOT NULL,
    verdict INTEGER NOT NULL,
    risk INTEGER NOT NULL,
    outcome INTEGER NOT NULL,
    sqlstate INTEGER NOT NULL,
    last INTEGER NOT NULL DEFAULT 0,
    count INTEGER NOT NULL DEFAULT 0,
    UNIQUE (statement, user, client_addr, rule, event, principal, database, marks, verdict, risk,
            outcome, sqlstate)
);
CREATE TABLE mark_words (
    marks INTEGER NOT NULL,
    word INTEGER NOT NULL,
    PRIMARY KEY (word, marks)
) WITHOUT ROWID;
CREATE TABLE sessions (
    id INTEGER PRIMARY KEY,
    session TEXT NOT NULL UNIQUE
);
CREATE TABLE records (
    sequence INTEGER PRIMARY KEY,
    time INTEGER NOT NULL,
    shape INTEGER NOT NULL,
    session INTEGER NOT NULL,
    segment INTEGER NOT NULL,
    \"offset\" INTEGER NOT NULL
);
CREATE INDEX records_of_shape ON records (shape, sequence);
CREATE INDEX records_of_session ON records (session, sequence);
CREATE TABLE blocks (
    block INTEGER PRIMARY KEY,
    earliest INTEGER NOT NULL,
    latest INTEGER NOT NULL
);
CREATE TABLE segments (
    id INTEGER PRIMARY KEY,
    first INTEGER NOT NULL UNIQUE
);
";
