//! Refuses text that is made to exhaust the stack or the memory of whoever parses it.
//!
//! Recursion in the parser, in protobuf, in the walk and in the drop is bounded by how deep a tree
//! can get, and every level of it costs at least one token of a few kinds: a bracket, an operator,
//! a CASE, a JOIN, a UNION. What is counted here is an upper bound of the depth, so that text below
//! the limit can't overflow the stack that [`crate::pool`] gives, while the flat lists that honest
//! programs send (IN lists, VALUES, chains of AND and OR) count for nothing.

use querycop_policy::facts::Unreadable;

use crate::lexer::{Lexer, MAX_OPERATOR, Token, TokenKind, is_operator_byte};

/// Depth that a text may have. Honest SQL stays below a few hundred: 500 chained `||`, 200 UNIONs.
const MAX_DEPTH: usize = 2_500;

/// Tokens that the parser may make of others: `SET (a, b) = (…)` makes it write the right side once
/// for every column, also when such assignments nest. 100 columns of a query with 1,000 tokens are
/// half of it.
const MAX_REPEATED: usize = 200_000;

/// Bytes that PostgreSQL's scanner may go over again.
const MAX_RESCANNED: usize = 16 << 20;

/// Statements that a text may have. Each of the smallest takes some five kilobytes until the server
/// has answered it, so that these are 100 MB; a text of 4 MiB could have half a million.
const MAX_STATEMENTS: usize = 20_000;

/// What the guard found out in passing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Measure {
    /// How many tokens there are.
    pub(crate) tokens: usize,
    /// An upper bound of the tree's depth.
    pub(crate) depth: usize,
    /// Whether a name has a byte that isn't ASCII.
    pub(crate) has_foreign_name: bool,
    /// Whether such a name can be another one to a server whose database isn't in UTF-8: it folds
    /// such letters, too, and cuts names by its own bytes.
    pub(crate) has_ambiguous_name: bool,
}

/// Bytes of a name that PostgreSQL keeps.
const MAX_NAME: usize = 63;

/// The most bytes that a character which isn't ASCII has in any encoding of a server.
const MAX_CHARACTER: usize = 4;

/// Whether a name with letters that aren't ASCII depends on the encoding of the database.
fn is_ambiguous(name: &str, kind: TokenKind) -> bool {
    let bytes: usize = name
        .chars()
        .map(|letter| if letter.is_ascii() { 1 } else { MAX_CHARACTER })
        .sum();
    let folds = |letter: char| !letter.is_ascii() && !letter.to_lowercase().eq([letter]);
    bytes > MAX_NAME || (kind == TokenKind::Word && name.chars().any(folds))
}

/// What has been seen at one level of brackets.
#[derive(Clone, Copy, Default)]
struct Level {
    /// Operators that can lean on each other, since the last comma, AND or OR.
    chain: usize,
    /// Joins and set operations, which commas don't end.
    joins: usize,
    /// BETWEENs that wait for their AND.
    betweens: usize,
    /// Commas, for the number of columns of `(a, b) = …`.
    commas: usize,
    /// How many times the parser repeats what follows.
    repeats: usize,
    opener: Opener,
}

/// What opened a level.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Opener {
    #[default]
    Bracket,
    Case,
}

impl Level {
    fn depth(self) -> usize {
        self.chain + self.joins
    }
}

struct Guard {
    levels: Vec<Level>,
    level: Level,
    /// Depth of all levels around the innermost.
    outer: usize,
    deepest: usize,
    repeated: usize,
    /// Columns of the list that the last token closed.
    closed_columns: Option<usize>,
    /// Whether the last token makes a keyword that follows a name: a point, or AS.
    names_next: bool,
}

/// Measures a text, or says why it isn't parsed.
pub(crate) fn measure(text: &str, lexer: Lexer<'_>) -> Result<Measure, Unreadable> {
    let mut measure = Measure::default();
    let mut guard = Guard {
        levels: Vec::new(),
        level: Level {
            repeats: 1,
            ..Level::default()
        },
        outer: 0,
        deepest: 0,
        repeated: 0,
        closed_columns: None,
        names_next: false,
    };
    if rescanned(text.as_bytes()) > MAX_RESCANNED {
        return Err(Unreadable::TooDeep);
    }
    let mut statements = 1;
    for token in lexer {
        measure.tokens += 1;
        statements += usize::from(token.kind == TokenKind::Mark(b';'));
        if token.kind == TokenKind::Operator && token.range().len() > MAX_OPERATOR {
            return Err(Unreadable::TooDeep);
        }
        let piece = text.get(token.range()).unwrap_or_default();
        // `U&"…"`: what it stands for is no longer than what is written.
        let is_escaped = token.kind == TokenKind::QuotedName && !piece.starts_with('"');
        measure.has_ambiguous_name |= is_escaped && piece.len() > MAX_NAME;
        if matches!(token.kind, TokenKind::Word | TokenKind::QuotedName) && !piece.is_ascii() {
            measure.has_foreign_name = true;
            measure.has_ambiguous_name |= is_ambiguous(piece, token.kind);
        }
        guard.take(token, piece);
        if guard.deepest > MAX_DEPTH || guard.repeated > MAX_REPEATED || statements > MAX_STATEMENTS
        {
            return Err(Unreadable::TooDeep);
        }
    }
    measure.depth = guard.deepest;
    Ok(measure)
}

/// Bytes that the scanner goes over again: at each `/*` it first takes all characters that follow and
/// could be an operator's, so that `/*/*/*…` takes it the square of the length.
fn rescanned(text: &[u8]) -> usize {
    let runs = text.split(|byte| !is_operator_byte(*byte));
    runs.filter(|run| run.len() > MAX_OPERATOR)
        .map(|run| {
            let comments = run.windows(2).filter(|pair| pair == b"/*").count();
            run.len().saturating_mul(comments)
        })
        .fold(0, usize::saturating_add)
}

impl Guard {
    fn take(&mut self, token: Token, piece: &str) {
        let closed_columns = self.closed_columns.take();
        let is_name = std::mem::take(&mut self.names_next);
        match token.kind {
            TokenKind::Mark(b'(' | b'[') => self.open(Opener::Bracket),
            TokenKind::Mark(b')' | b']') => self.close_bracket(),
            TokenKind::Mark(b',') => {
                self.level.chain = 0;
                self.level.betweens = 0;
                self.level.commas += 1;
                self.level.repeats = self.outer_repeats();
            }
            TokenKind::Mark(b';') => self.end_statement(),
            TokenKind::Mark(b'.') => self.names_next = true,
            TokenKind::Operator => {
                self.level.chain += 1;
                if let Some(columns) = closed_columns
                    && piece == "="
                {
                    self.level.repeats = self.outer_repeats().saturating_mul(columns);
                }
            }
            TokenKind::Word if !is_name => self.word(piece),
            TokenKind::Word
            | TokenKind::QuotedName
            | TokenKind::Literal
            | TokenKind::Parameter
            | TokenKind::Mark(_)
            | TokenKind::Unterminated => {}
        }
        self.repeated = self.repeated.saturating_add(self.level.repeats - 1);
        self.deepest = self.deepest.max(self.outer + self.level.depth());
    }

    fn outer_repeats(&self) -> usize {
        self.levels.last().map_or(1, |outer| outer.repeats)
    }

    fn open(&mut self, opener: Opener) {
        // The bracket itself is a level, too.
        self.outer += self.level.depth() + 1;
        self.levels.push(self.level);
        self.level = Level {
            repeats: self.level.repeats,
            opener,
            ..Level::default()
        };
    }

    fn close(&mut self) {
        let columns = self.level.commas + 1;
        if let Some(outer) = self.levels.pop() {
            self.level = outer;
            self.outer -= outer.depth() + 1;
            // What stands before `[1]` or `(…)` is below it.
            self.level.chain += 1;
            self.closed_columns = (columns > 1).then_some(columns);
        }
    }

    /// A bracket closes whatever CASE is open inside it.
    fn close_bracket(&mut self) {
        while self.level.opener == Opener::Case && self.levels.len() > 1 {
            self.close();
        }
        self.close();
    }

    /// A semicolon ends a statement, also inside brackets: CREATE RULE … DO (…; …).
    fn end_statement(&mut self) {
        while self.level.opener == Opener::Case {
            self.close();
        }
        self.level = Level {
            repeats: self.outer_repeats(),
            ..Level::default()
        };
    }

    fn word(&mut self, word: &str) {
        // Only words of these lengths are looked for.
        if !(2..=9).contains(&word.len()) {
            return;
        }
        let is = |keyword: &str| word.eq_ignore_ascii_case(keyword);
        if is("case") {
            self.open(Opener::Case);
        } else if is("end") {
            // Also COMMIT's other name, and a name for a result.
            if self.level.opener == Opener::Case {
                self.close();
            }
        } else if is("as") {
            self.names_next = true;
        } else if is("and") && self.level.betweens > 0 {
            // The right side of BETWEEN can lean on.
            self.level.betweens -= 1;
            self.level.chain += 1;
        } else if is("and") || is("or") && self.level.betweens == 0 {
            // Flat lists to the parser, so what stands between them doesn't add up.
            self.level.chain = 0;
        } else if is("between") {
            self.level.betweens += 1;
            self.level.chain += 1;
        } else if ["join", "union", "intersect", "except"].into_iter().any(is) {
            self.level.joins += 1;
        } else if is("where") || is("returning") {
            self.level.repeats = self.outer_repeats();
        } else if LEANING.iter().copied().any(is) {
            self.level.chain += 1;
        }
    }
}

/// Operators that are words, and what else makes a level without a bracket.
const LEANING: &[&str] = &[
    "not", "is", "isnull", "notnull", "in", "like", "ilike", "similar", "collate", "at",
    "operator", "escape", "any", "all", "some", "overlaps", "explain",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::StandardConformingStrings;

    fn depth(text: &str) -> Option<usize> {
        measure(text, Lexer::new(text, StandardConformingStrings::On))
            .ok()
            .map(|measure| measure.depth)
    }

    #[test]
    fn hostile_nesting_is_refused() {
        for text in [
            format!("SELECT {} true", "NOT ".repeat(5_000)),
            format!("SELECT 1{}", "+1".repeat(50_000)),
            format!("SELECT {}1{}", "(".repeat(100_000), ")".repeat(100_000)),
            format!("SELECT {}1", "- ".repeat(5_000)),
            format!("SELECT 1{}", " IS NULL".repeat(5_000)),
            format!("SELECT 1{}", "::int".repeat(5_000)),
            format!(
                "SELECT {} 1 {}",
                "CASE WHEN true THEN ".repeat(5_000),
                "END ".repeat(5_000)
            ),
            format!("SELECT {} 1", "CASE WHEN a.end THEN ".repeat(5_000)),
            format!("SELECT {} 1", "(SELECT 1 AS end, ".repeat(5_000)),
            format!(
                "SELECT 1 BETWEEN {} 1",
                "1 AND NOT 1 BETWEEN ".repeat(5_000)
            ),
            format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(5_000)),
            format!("SELECT * FROM a{}", " JOIN a ON b AND c".repeat(5_000)),
            format!("SELECT a{}", "[1]".repeat(5_000)),
            "SELECT 1;".repeat(20_001),
        ] {
            assert_eq!(depth(&text), None, "{}", &text[..60]);
        }
    }

    #[test]
    fn honest_length_is_not_depth() {
        let list = vec!["1"; 10_000].join(", ");
        let rows = vec!["(1, 'a', now())"; 5_000].join(", ");
        let conditions = vec!["a = 1"; 5_000].join(" OR ");
        for text in [
            format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(200)),
            format!("SELECT 'a'{}", " || f('b')".repeat(500)),
            format!("SELECT * FROM t WHERE a IN ({list})"),
            format!("INSERT INTO t VALUES {rows}"),
            format!("SELECT * FROM t WHERE {conditions}"),
            "SELECT CASE WHEN a THEN b END; ".repeat(5_000),
            "SELECT 1 AS case, t.case; ".repeat(5_000),
            "INSERT INTO t VALUES (1);".repeat(19_999),
        ] {
            assert!(depth(&text).is_some(), "{}", &text[..60]);
        }
    }

    #[test]
    fn names_that_another_server_may_cut_elsewhere_are_ambiguous() {
        let is_ambiguous = |text: &str| {
            let measure = measure(text, Lexer::new(text, StandardConformingStrings::On));
            measure.expect("it is small").has_ambiguous_name
        };
        assert!(is_ambiguous(&format!("SELECT {}\u{e9}", "a".repeat(60))));
        assert!(is_ambiguous(&format!(
            r#"SELECT U&"{}\00e9""#,
            "a".repeat(62)
        )));
        assert!(!is_ambiguous(r#"SELECT U&"\00e9""#));
        assert!(!is_ambiguous(&format!("SELECT \"{}\"", "a".repeat(62))));
    }

    #[test]
    fn runs_that_a_scanner_goes_over_again_are_refused() {
        for text in [
            format!("SELECT 1 {} 1", "+-".repeat(10_000)),
            format!(
                "SELECT {}",
                vec![format!("1 {} 1", "+-".repeat(1_000)); 50].join(", ")
            ),
            format!("SELECT 1 {}{}", "/*".repeat(10_000), "*/".repeat(10_000)),
            format!("SELECT 1 {}", "/**/".repeat(10_000)),
            format!("SELECT 1{}+1", "+/**/".repeat(10_000)),
        ] {
            assert_eq!(depth(&text), None, "{}", &text[..20]);
        }
        let banner = format!("/{}/\n--{}\n", "*".repeat(200), "-=".repeat(100));
        for text in [
            format!("SELECT 1 +-+-+-1 {}", banner.repeat(500)),
            format!("SELECT '{}', '{}'", "+-".repeat(2_000), "/*".repeat(200)),
            format!("SELECT 1 {} {}", "/* ".repeat(200), "*/ ".repeat(200)),
        ] {
            assert!(depth(&text).is_some(), "{}", &text[..20]);
        }
    }

    #[test]
    fn repeated_right_sides_multiply() {
        let columns = vec!["c"; 40].join(", ");
        let mut text = "SELECT 1".to_owned();
        for _ in 0..5 {
            text = format!("WITH x AS (UPDATE t SET ({columns}) = ({text}) RETURNING 1) SELECT 1");
        }
        assert!(text.len() < 2_000);
        assert_eq!(depth(&text), None);
        assert!(
            depth(&format!(
                "UPDATE t SET ({columns}) = (SELECT {columns} FROM u)"
            ))
            .is_some()
        );
        let columns = vec!["c"; 200].join(", ");
        let wide = format!("UPDATE t SET ({columns}) = (SELECT {columns} FROM u)");
        assert!(depth(&wide).is_some());
        let columns = vec!["c"; 400].join(", ");
        let wider = format!("UPDATE t SET ({columns}) = (SELECT {columns} FROM u)");
        assert_eq!(depth(&wider), None);
    }
}
