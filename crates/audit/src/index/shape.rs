//! What a filter asks for, as numbers.

use std::collections::HashMap;
use std::hash::Hash;

use aws_lc_rs::digest::{Context, SHA256};
use rusqlite::{Connection, OptionalExtension, Statement, ToSql, params};

use crate::entry::Entry;
use crate::filter::last_part;

/// What a filter asks for, as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Shape {
    fields: [u32; 12],
}

/// Gives numbers to words, statements, shapes and sessions, and remembers some of them.
pub(super) struct Interner<'c> {
    connection: &'c Connection,
    words: Texts<'c>,
    sessions: Texts<'c>,
    find_statement: Statement<'c>,
    find_shape: Statement<'c>,
    add_shape: Statement<'c>,
    statements: Remembered<[u8; 16]>,
    shapes: Remembered<Shape>,
}

/// The numbers of texts in a table of their own.
struct Texts<'c> {
    find: Statement<'c>,
    add: Statement<'c>,
    remembered: Remembered<String>,
}

/// Some of the numbers that were given. When there are too many, it begins anew.
struct Remembered<K>(HashMap<K, i64>);

/// How many of each are remembered: some tens of megabytes.
const REMEMBERED: usize = 400_000;

impl<K: Eq + Hash> Remembered<K> {
    fn new() -> Self {
        Self(HashMap::new())
    }

    fn insert(&mut self, key: K, id: i64) -> i64 {
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        self.0.insert(key, id);
        id
    }
}

impl<'c> Texts<'c> {
    fn new(connection: &'c Connection, table: &str, column: &str) -> rusqlite::Result<Self> {
        let find = format!("SELECT id FROM {table} WHERE {column} = ?");
        let add = format!("INSERT INTO {table} ({column}) VALUES (?)");
        Ok(Self {
            find: connection.prepare(&find)?,
            add: connection.prepare(&add)?,
            remembered: Remembered::new(),
        })
    }

    /// The number of a text; zero for none.
    fn number(&mut self, text: &str) -> rusqlite::Result<i64> {
        if text.is_empty() {
            return Ok(0);
        }
        if let Some(id) = self.remembered.0.get(text) {
            return Ok(*id);
        }
        let found = self.find.query_row([text], |row| row.get(0)).optional()?;
        let id = match found {
            Some(id) => id,
            None => self.add.insert([text])?,
        };
        Ok(self.remembered.insert(text.to_owned(), id))
    }
}

const SHAPE_COLUMNS: &str = "event, user, principal, database, client_addr, statement, rule, marks, \
                             verdict, risk, outcome, sqlstate";

impl<'c> Interner<'c> {
    pub(super) fn new(connection: &'c Connection) -> rusqlite::Result<Self> {
        let equal = SHAPE_COLUMNS.replace(", ", " = ? AND ") + " = ?";
        Ok(Self {
            connection,
            words: Texts::new(connection, "words", "word")?,
            sessions: Texts::new(connection, "sessions", "session")?,
            find_statement: connection.prepare("SELECT id FROM statements WHERE key = ?")?,
            find_shape: connection.prepare(&format!("SELECT id FROM shapes WHERE {equal}"))?,
            add_shape: connection.prepare(&format!(
                "INSERT INTO shapes ({SHAPE_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)"
            ))?,
            statements: Remembered::new(),
            shapes: Remembered::new(),
        })
    }

    /// The number of a record's shape.
    pub(super) fn shape(&mut self, entry: &Entry<'_>) -> rusqlite::Result<i64> {
        let numbers = [
            self.word(&entry.event)?,
            self.word(&entry.user)?,
            self.word(&entry.principal)?,
            self.word(&entry.database)?,
            self.word(&entry.client_addr)?,
            self.statement(entry)?,
            self.word(&entry.rule)?,
            self.marks(entry)?,
            self.word(&entry.verdict)?,
            self.word(&entry.risk)?,
            self.word(&entry.outcome)?,
            self.word(&entry.sqlstate)?,
        ];
        // Half the memory; there are no four thousand million words.
        let shape = Shape {
            fields: numbers.map(|number| u32::try_from(number).unwrap_or(u32::MAX)),
        };
        if let Some(id) = self.shapes.0.get(&shape) {
            return Ok(*id);
        }
        let values = numbers.each_ref().map(|number| number as &dyn ToSql);
        let find = &mut self.find_shape;
        let id = match find.query_row(&values[..], |row| row.get(0)).optional()? {
            Some(id) => id,
            None => self.add_shape.insert(&values[..])?,
        };
        Ok(self.shapes.insert(shape, id))
    }

    /// The number of a session; zero for a record of none.
    pub(super) fn session(&mut self, session: &str) -> rusqlite::Result<i64> {
        self.sessions.number(session)
    }

    /// The number of a word; zero for none.
    fn word(&mut self, word: &str) -> rusqlite::Result<i64> {
        self.words.number(word)
    }

    /// The number of a set of marks; zero for none.
    fn marks(&mut self, entry: &Entry<'_>) -> rusqlite::Result<i64> {
        if entry.marks.is_empty() {
            return Ok(0);
        }
        // No name of a rule has a newline in it.
        let marks = self.word(&entry.marks.join("\n"))?;
        for mark in &entry.marks {
            let word = self.word(mark)?;
            let sql = "INSERT OR IGNORE INTO mark_words (marks, word) VALUES (?, ?)";
            self.connection.execute(sql, [marks, word])?;
        }
        Ok(marks)
    }

    /// The number of a statement; zero for none.
    fn statement(&mut self, entry: &Entry<'_>) -> rusqlite::Result<i64> {
        if entry.fingerprint.is_empty() {
            return Ok(0);
        }
        let key = key_of(entry);
        if let Some(id) = self.statements.0.get(&key) {
            return Ok(*id);
        }
        let find = &mut self.find_statement;
        let id = match find.query_row([&key[..]], |row| row.get(0)).optional()? {
            Some(id) => id,
            None => self.add_statement(entry, key)?,
        };
        Ok(self.statements.insert(key, id))
    }

    fn add_statement(&mut self, entry: &Entry<'_>, key: [u8; 16]) -> rusqlite::Result<i64> {
        let fingerprint = self.word(&entry.fingerprint)?;
        let kind = self.word(&entry.kind)?;
        self.connection.execute(
            "INSERT INTO statements (key, fingerprint, kind) VALUES (?, ?, ?)",
            params![&key[..], fingerprint, kind],
        )?;
        let id = self.connection.last_insert_rowid();
        self.connection.execute(
            "INSERT INTO texts (rowid, text) VALUES (?, ?)",
            params![id, entry.all_texts()],
        )?;
        for table in &entry.tables {
            for name in [table, last_part(table)] {
                let name = self.word(name)?;
                let sql = "INSERT OR IGNORE INTO statement_tables (name, statement) VALUES (?, ?)";
                self.connection.execute(sql, [name, id])?;
            }
        }
        Ok(id)
    }
}

/// What tells one statement from another: all of it that filters ask for.
fn key_of(entry: &Entry<'_>) -> [u8; 16] {
    let mut hash = Context::new(&SHA256);
    let parts = [&entry.fingerprint, &entry.kind, &entry.text];
    for part in parts.into_iter().chain(&entry.runs).chain(&entry.tables) {
        hash.update(part.as_bytes());
        hash.update(&[0]);
    }
    let mut key = [0; 16];
    for (byte, value) in key.iter_mut().zip(hash.finish().as_ref()) {
        *byte = *value;
    }
    key
}
