//! Text without its literals, and the fingerprint of it.
//!
//! Made from tokens, not from the tree: so it also reaches literals that `libpg_query`'s `normalize`
//! leaves (EXECUTE, PREPARE, CREATE VIEW, COPY PROGRAM, CHECK), and text that can't be parsed.
//! Literals become `?`, comments go, words without quotes are folded to lower case. Lists of
//! literals in IN, ARRAY and VALUES become `?, ...`, and equal rows of VALUES become one, so that
//! their length changes neither text nor fingerprint. So does the value of a setting that isn't
//! PostgreSQL's own or has connection strings or commands, be it a word, and a name in quotes that is a
//! connection string with a password.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};

use crate::lexer::{Lexer, Token, TokenKind};
use crate::secrets::{
    SettingWatch, Urls, announces_password, is_connection_string, skip_rest, skip_value,
};

/// What identifies a statement but for its literals: half of the SHA-256 of its text without them.
///
/// Relations count with their schema and full name, exactly as written; names in quotes differ from
/// names without. It can't be forged, so an allow-list can rest on it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    fn of(text: &str) -> Self {
        let digest = digest(&SHA256, text.as_bytes());
        let mut bytes = [0; 16];
        for (byte, value) in bytes.iter_mut().zip(digest.as_ref()) {
            *byte = *value;
        }
        Self(bytes)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// What stands for a literal.
const REDACTED: &str = "?";

/// What a pair of brackets holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bracket {
    /// A list whose length is of no interest.
    List,
    /// A row of VALUES; where it begins in the output.
    Row(usize),
    /// Anything else.
    Other,
}

/// Where passwords may stand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passwords {
    /// In literals, as the grammar has it.
    InLiterals,
    /// Anywhere behind a word for them, in a text that isn't SQL: `PASSWORD S3CRET`.
    Anywhere,
}

struct Redactor<'t> {
    text: &'t str,
    output: String,
    brackets: Vec<Bracket>,
    /// The last row of VALUES in the output, while rows follow each other.
    last_row: Option<(usize, usize)>,
    /// What came before: its kind and, for words, which of those that matter.
    before: Before,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    Nothing,
    /// IN or ARRAY.
    ListWord,
    Values,
    Word,
    Operator,
    /// A literal of a list, whose followers are left out.
    ListLiteral,
    Literal,
    Open,
    Close,
    /// The comma after a row of VALUES.
    RowComma,
    Mark,
    Point,
}

/// The text without literals, at most `limit` bytes of it, and the fingerprint of all of it.
pub(crate) fn redact(
    text: &str,
    lexer: Lexer<'_>,
    passwords: Passwords,
    limit: usize,
) -> (Box<str>, Fingerprint) {
    let mut redactor = Redactor {
        text,
        output: String::with_capacity(text.len().min(4096)),
        brackets: Vec::new(),
        last_row: None,
        before: Before::Nothing,
    };
    let mut tokens = lexer.peekable();
    let mut settings = SettingWatch::default();
    let mut urls = Urls::default();
    while let Some(token) = tokens.next() {
        redactor.take(token);
        let piece = text.get(token.range()).unwrap_or_default();
        let is_value = settings.take(token, piece);
        let skipped = match passwords {
            Passwords::InLiterals => is_value && skip_value(text, &mut tokens),
            Passwords::Anywhere if is_value || redactor.announces_password(token) => {
                skip_rest(text, &mut tokens)
            }
            Passwords::Anywhere => urls.skip_credentials(text, token, &mut tokens),
        };
        if skipped {
            redactor.emit(REDACTED, Before::Literal);
        }
    }
    let mut output = redactor.output;
    let fingerprint = Fingerprint::of(&output);
    if output.len() > limit {
        output.truncate(output.floor_char_boundary(limit));
        output.push_str(" ...");
    }
    (output.into_boxed_str(), fingerprint)
}

impl Redactor<'_> {
    fn announces_password(&self, token: Token) -> bool {
        matches!(token.kind, TokenKind::Word | TokenKind::QuotedName)
            && announces_password(self.text.get(token.range()).unwrap_or_default())
    }

    fn take(&mut self, token: Token) {
        let piece = self.text.get(token.range()).unwrap_or_default();
        match token.kind {
            TokenKind::Literal | TokenKind::Unterminated => self.literal(),
            TokenKind::Parameter => self.emit(piece, Before::Literal),
            TokenKind::Word => self.word(piece),
            TokenKind::QuotedName if is_connection_string(piece) => self.literal(),
            TokenKind::QuotedName => self.emit(piece, Before::Word),
            TokenKind::Operator if matches!(piece, "::" | "..") => self.tight(piece, Before::Point),
            // Not to be taken for a literal: `a ? b` asks whether a JSON object has a key.
            TokenKind::Operator if piece.bytes().all(|byte| byte == b'?') => {
                self.emit(piece, Before::Operator);
                self.output.push_str(piece);
            }
            TokenKind::Operator => self.emit(piece, Before::Operator),
            TokenKind::Mark(b'(' | b'[') => self.open(piece),
            TokenKind::Mark(b')' | b']') => self.close(piece),
            TokenKind::Mark(b'.') => self.tight(piece, Before::Point),
            TokenKind::Mark(b',') => self.comma(),
            TokenKind::Mark(_) => self.tight(piece, Before::Mark),
        }
    }

    fn literal(&mut self) {
        let in_list = self.brackets.last() == Some(&Bracket::List);
        match self.before {
            // `?, ?` and `?, ..., ?`
            Before::Mark if in_list && self.output.ends_with("?,") => {
                self.output.push_str(" ...");
                self.before = Before::ListLiteral;
            }
            Before::Mark if in_list && self.output.ends_with("?, ...,") => {
                self.output.pop();
                self.before = Before::ListLiteral;
            }
            _ => self.emit(
                REDACTED,
                if in_list {
                    Before::ListLiteral
                } else {
                    Before::Literal
                },
            ),
        }
    }

    fn word(&mut self, word: &str) {
        let before = if word.eq_ignore_ascii_case("in") || word.eq_ignore_ascii_case("array") {
            Before::ListWord
        } else if word.eq_ignore_ascii_case("values") {
            Before::Values
        } else {
            Before::Word
        };
        self.space();
        // PostgreSQL folds ASCII; what other letters become depends on the server.
        self.output
            .extend(word.chars().map(|letter| letter.to_ascii_lowercase()));
        self.before = before;
    }

    fn open(&mut self, piece: &str) {
        let bracket = match self.before {
            Before::ListWord => Bracket::List,
            Before::Values | Before::RowComma => {
                self.space();
                Bracket::Row(self.output.len())
            }
            _ => Bracket::Other,
        };
        // `f(` but `in (`, `values (`, `+ (`.
        if matches!(
            self.before,
            Before::ListWord | Before::Operator | Before::Mark
        ) {
            self.space();
        }
        self.output.push_str(piece);
        self.brackets.push(bracket);
        self.before = Before::Open;
    }

    fn close(&mut self, piece: &str) {
        self.output.push_str(piece);
        self.before = Before::Close;
        let closed = self.brackets.pop();
        let Some(Bracket::Row(start)) = closed else {
            return;
        };
        let row = (start, self.output.len());
        if let Some(last) = self.last_row
            && self.output.get(last.0..last.1) == self.output.get(row.0..row.1)
        {
            // The same row again says nothing new.
            self.output.truncate(last.1);
        } else {
            self.last_row = Some(row);
        }
    }

    fn comma(&mut self) {
        let ends_row = self.before == Before::Close
            && self
                .last_row
                .is_some_and(|(_, end)| end == self.output.len());
        self.output.push(',');
        self.before = if ends_row {
            Before::RowComma
        } else {
            Before::Mark
        };
    }

    fn tight(&mut self, piece: &str, before: Before) {
        self.output.push_str(piece);
        self.before = before;
    }

    fn emit(&mut self, piece: &str, before: Before) {
        self.space();
        self.output.push_str(piece);
        self.before = before;
    }

    fn space(&mut self) {
        if !matches!(self.before, Before::Nothing | Before::Open | Before::Point)
            && !self.output.ends_with(' ')
        {
            self.output.push(' ');
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::settings::StandardConformingStrings::On;

    fn redacted(text: &str) -> String {
        let lexer = Lexer::new(text, On);
        redact(text, lexer, Passwords::InLiterals, 10_000).0.into()
    }

    fn fingerprint(text: &str) -> Fingerprint {
        redact(text, Lexer::new(text, On), Passwords::InLiterals, 10_000).1
    }

    #[test]
    fn literals_and_comments_go() {
        for (text, expected) in [
            (
                "SELECT * FROM T WHERE a = 1 -- secret",
                "select * from t where a = ?",
            ),
            (
                "select a.\"B\", count(*) from x.y /* c */",
                "select a.\"B\", count(*) from x.y",
            ),
            (
                "SELECT 'a'::text || E'b\\'c' || $$d$$",
                "select ?::text || ? || ?",
            ),
            ("ALTER ROLE r PASSWORD 'secret'", "alter role r password ?"),
            ("EXECUTE p(1, 'secret')", "execute p(?, ?)"),
            ("COPY t TO PROGRAM 'cat secret'", "copy t to program ?"),
            (
                "SELECT * FROM t WHERE a IN (1, 2, 3)",
                "select * from t where a in (?, ...)",
            ),
            (
                "SELECT * FROM t WHERE a IN (1)",
                "select * from t where a in (?)",
            ),
            (
                "INSERT INTO t VALUES (1,'a'), (2,'b'), (3,'c')",
                "insert into t values (?, ?)",
            ),
            (
                "INSERT INTO t VALUES (1, now()), (2, 3)",
                "insert into t values (?, now()), (?, ?)",
            ),
            (
                "SELECT f(1,2), ARRAY[1,2,3]",
                "select f(?, ?), array [?, ...]",
            ),
            ("SELECT a ? 'b'", "select a ?? ?"),
            ("SELECT 'unterminated", "select ?"),
        ] {
            assert_eq!(redacted(text), expected, "{text}");
        }
    }

    #[test]
    fn fingerprint_ignores_literals_case_and_layout_only() {
        let of = fingerprint;
        assert_eq!(of("SELECT 1 FROM a.t"), of("select  2\nfrom A.T -- x"));
        assert_eq!(
            of("SELECT * FROM t WHERE a IN (1,2)"),
            of("SELECT * FROM t WHERE a IN (1,2,3)")
        );
        assert_ne!(of("SELECT 1 FROM a.t"), of("SELECT 1 FROM b.t"));
        assert_ne!(of("SELECT 1 FROM t_2024"), of("SELECT 1 FROM t_2025"));
        assert_ne!(of("SELECT f(1)"), of("SELECT f(1, 2)"));
        assert_ne!(of("SELECT a '1' b"), of("SELECT a ? b"));
        assert_ne!(of("SELECT \"A\""), of("SELECT a"));
    }

    #[test]
    fn the_value_of_a_setting_is_no_word_of_the_statement() {
        for (text, expected) in [
            ("SET myapp.password = s3cret", "set myapp.password = ?"),
            (
                "SET myapp.password TO \"s3cret\"",
                "set myapp.password to ?",
            ),
            ("SET LOCAL \"app.jwt\" = eyJ", "set local \"app.jwt\" = ?"),
            (
                "SET SESSION a.b.c = x, 'y', -5, \"z\"",
                "set session a.b.c = ?",
            ),
            ("SET session.key = x", "set session.key = ?"),
            (
                "SET U&\"a\\002Eb\" = U&\"c!0061\" UESCAPE '!'",
                "set U&\"a\\002Eb\" = ?",
            ),
            ("SET/**/a/**/./**/b/**/=/**/c", "set a.b = ?"),
            (
                "ALTER ROLE r SET myapp.api_key = abc",
                "alter role r set myapp.api_key = ?",
            ),
            (
                "ALTER ROLE update IN DATABASE d SET a.b = abc",
                "alter role update in database d set a.b = ?",
            ),
            (
                "ALTER DATABASE d SET app.token TO abc",
                "alter database d set app.token to ?",
            ),
            ("ALTER SYSTEM SET a.b = on", "alter system set a.b = ?"),
            (
                "CREATE FUNCTION f() RETURNS int SET a.b = x AS $$y$$ SET c.d TO z LANGUAGE sql",
                "create function f() returns int set a.b = ? as ? set c.d to ? language sql",
            ),
            (
                "ALTER SYSTEM SET restore_command TO word",
                "alter system set restore_command to ?",
            ),
            (
                "ALTER SYSTEM SET \"Archive_Command\" = \"scp x y\"",
                "alter system set \"Archive_Command\" = ?",
            ),
            (
                "ALTER ROLE r SET primary_conninfo = word",
                "alter role r set primary_conninfo = ?",
            ),
            (
                "SET ssl_passphrase_command = word",
                "set ssl_passphrase_command = ?",
            ),
            // Not a value, a setting of PostgreSQL's own, a column.
            ("SET a.b TO DEFAULT", "set a.b to default"),
            (
                "SET search_path = app, public",
                "set search_path = app, public",
            ),
            ("UPDATE t SET a.b = c", "update t set a.b = c"),
            (
                "WITH x AS (UPDATE t SET a.b = c) TABLE x",
                "with x as(update t set a.b = c) table x",
            ),
            (
                "CREATE RULE r AS ON INSERT TO t DO UPDATE u SET a.b = c",
                "create rule r as on insert to t do update u set a.b = c",
            ),
            (
                "SELECT dblink(\"host=x Password = y\", \"z\")",
                "select dblink(?, \"z\")",
            ),
            ("SELECT f(\"postgresql://u:p@h/d\")", "select f(?)"),
        ] {
            assert_eq!(redacted(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_sql_shows_no_password() {
        for text in [
            "CREATE USER joe IDENTIFIED BY Zq1secret",
            "ALTER USER fz PASS Zq1secret",
            "alter role fz passwd 'x' Zq1secret",
            "ALTER USER fz PASSWORD = Zq1secret;Zq1secret",
            "PGPASSWORD=Zq1secret psql -h x",
            "DB_PASS=Zq1secret, b",
            "set pwd Zq1secret",
            "psql postgresql://u:Zq1secret@h/db",
            "psql postgresql://Zq1secret:p@ss-Zq1secret@h/db?x=y",
            "psql postgresql://u:--Zq1secret@h",
            "psql postgresql://u:Zq1secret--x@h",
            "psql \"host=h password=Zq1secret\"",
            "SET a.b = Zq1secret Zq1secret",
            "\"Password\" Zq1secret",
        ] {
            let (kept, _) = redact(text, Lexer::new(text, On), Passwords::Anywhere, 10_000);
            assert!(!kept.to_lowercase().contains("zq1secret"), "{text}: {kept}");
            assert!(kept.contains('?'), "{text}: {kept}");
        }
        let text = "psql postgresql://u:p@h/db; SELEC 1";
        let (kept, _) = redact(text, Lexer::new(text, On), Passwords::Anywhere, 10_000);
        assert!(kept.ends_with("/ db; selec ?"), "{kept}");
    }

    #[test]
    fn long_text_is_cut() {
        let text = format!("SELECT {}", "abcdefgh, ".repeat(1_000));
        let (short, _) = redact(&text, Lexer::new(&text, On), Passwords::Anywhere, 100);
        assert!(short.len() < 110 && short.ends_with(" ..."));
    }

    proptest! {
        /// Whatever stands in a literal is not in the text that is kept.
        #[test]
        fn content_of_literals_never_shows(secret in "Zq[a-z0-9]{6}", prefix in ".{0,12}", form in 0..6_usize) {
            let escaped = prefix.replace('\'', "''").replace('\\', "");
            let plain = prefix.replace(['$', '\\'], "");
            let literal = match form {
                0 => format!("'{escaped}{secret}'"),
                1 => format!("E'{escaped}{secret}\\''"),
                2 => format!("$x${plain}{secret}$x$"),
                3 => format!("U&'{escaped}{secret}'"),
                4 => format!("'{escaped}'\n'{secret}'"),
                _ => format!("-- {}{secret}\n 1", escaped.replace(['\n', '\r'], "")),
            };
            for text in [
                format!("SELECT {literal}"),
                format!("ALTER ROLE a PASSWORD {literal}"),
                format!("PREPARE p AS SELECT {literal}"),
                format!("garbage ( {literal} ] x"),
                format!("SELECT * FROM t WHERE a IN ({literal}, {literal})"),
                format!("INSERT INTO t VALUES ({literal}), ({literal})"),
            ] {
                prop_assert!(!redacted(&text).contains(&secret), "{text}");
            }
        }

        /// Whatever a setting is set to, and however it is written, is not in the text that is kept,
        /// and changes no fingerprint.
        #[test]
        fn values_of_settings_never_show(secret in "Zq[a-z0-9]{6}", form in 0..5_usize, more in any::<bool>()) {
            let value = match form {
                0 => secret.clone(),
                1 => format!("\"{secret}\""),
                2 => format!("'{secret}'"),
                3 => format!("$x${secret}$x$"),
                _ => format!("U&\"{secret}\" UESCAPE '!'"),
            };
            let value = if more { format!("{value}, {value}") } else { value };
            for begin in ["SET a.b =", "SET LOCAL \"a.b\" TO", "ALTER ROLE r SET a.b ="] {
                let text = format!("{begin} {value}");
                prop_assert!(!redacted(&text).contains(&secret), "{text}");
                prop_assert_eq!(fingerprint(&text), fingerprint(&format!("{begin} x")), "{}", text);
            }
        }

        #[test]
        fn any_text_is_redacted_without_a_panic(text in any::<String>()) {
            redacted(&text);
            redact(&text, Lexer::new(&text, On), Passwords::Anywhere, 100);
        }
    }
}
