//! Text that is made to crash, to stall or to be mistaken.

use std::time::Duration;

use proptest::prelude::*;
use querycop_sql::facts::{Kind, Unreadable};
use querycop_sql::{
    Analyzer, AnalyzerConfig, ClientEncoding, LexerSettings, StandardConformingStrings,
};

use crate::{analyze, analyze_with};

#[test]
fn nesting_that_exhausts_stacks_is_not_read() {
    for text in [
        format!("SELECT {} true", "NOT ".repeat(5_000)),
        format!("SELECT 1{}", "+1".repeat(50_000)),
        format!("SELECT {}1{}", "(".repeat(100_000), ")".repeat(100_000)),
        format!(
            "SELECT {}1{}",
            "(SELECT ".repeat(50_000),
            ")".repeat(50_000)
        ),
        format!("SELECT {}", "f(".repeat(50_000)),
        "SELECT 1 UNION ALL ".repeat(50_000),
    ] {
        let analysis = analyze(&text);
        assert_eq!(
            analysis.facts.unreadable,
            Some(Unreadable::TooDeep),
            "{}",
            &text[..40]
        );
        assert_eq!(analysis.facts.statements[0].kind(), Kind::Unparsed);
    }
}

/// The deepest texts that the guard lets through, in every shape, fit the stack.
#[test]
fn depth_below_the_limit_is_read() {
    let depth = 1_200;
    for text in [
        format!("SELECT {} true", "NOT ".repeat(depth)),
        format!("SELECT {} 1", "- ".repeat(depth)),
        format!("SELECT 1{}", " + 1".repeat(depth)),
        format!("SELECT 1{}", " IS NULL".repeat(depth)),
        format!("SELECT 1{}", "::int".repeat(depth)),
        format!("SELECT 1{}", " COLLATE \"C\"".repeat(depth)),
        format!("SELECT {}1{}", "(".repeat(depth), ")".repeat(depth)),
        format!("SELECT {}1{}", "f(".repeat(depth), ")".repeat(depth)),
        format!("SELECT {}1{}", "ARRAY[".repeat(depth), "]".repeat(depth)),
        format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(depth)),
        format!("SELECT 1 FROM a{}", " JOIN a ON true".repeat(depth)),
        format!(
            "SELECT {}1{}",
            "CASE WHEN true THEN ".repeat(depth),
            " END".repeat(depth)
        ),
    ] {
        let analysis = analyze(&text);
        // PostgreSQL's own limit of its parser's stack may come first.
        let reason = analysis.facts.unreadable;
        assert!(
            matches!(reason, None | Some(Unreadable::TooDeep)),
            "{}: {reason:?}",
            &text[..40]
        );
    }
    for text in [
        format!("SELECT {}1{}", "(SELECT ".repeat(600), ")".repeat(600)),
        format!(
            "SELECT * FROM {}t{}",
            "(SELECT * FROM ".repeat(600),
            ") x".repeat(600)
        ),
    ] {
        let reason = analyze(&text).facts.unreadable;
        assert!(
            matches!(reason, None | Some(Unreadable::TooDeep)),
            "{reason:?}"
        );
    }
}

#[test]
fn honest_length_is_read() {
    let list = vec!["1"; 10_000].join(", ");
    let rows = vec!["(1, 'a', now())"; 5_000].join(", ");
    let conditions = vec!["a = 1"; 3_000].join(" OR ");
    let tables: Vec<_> = (0..5_000)
        .map(|number| format!("public.t{number}"))
        .collect();
    for text in [
        format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(200)),
        format!("SELECT 'a'{}", " || 'b'".repeat(500)),
        format!("SELECT a FROM t WHERE a IN ({list})"),
        format!("INSERT INTO t VALUES {rows}"),
        format!("SELECT a FROM t WHERE {conditions}"),
        format!("LOCK TABLE {} IN ACCESS SHARE MODE", tables.join(", ")),
    ] {
        let analysis = analyze(&text);
        assert_eq!(analysis.facts.unreadable, None, "{}", &text[..40]);
    }
    let lock = analyze(&format!("LOCK TABLE {}", tables.join(", ")));
    assert_eq!(lock.facts.statements[0].effects.len(), 5_000);
}

fn list(count: usize, item: impl Fn(usize) -> String) -> String {
    let items: Vec<_> = (0..count).map(item).collect();
    items.join(", ")
}

/// A column without a qualifier is one of every table in sight, and there are other ways to make a
/// short text mean very much.
#[test]
fn work_that_multiplies_is_not_read() {
    let columns = |count| list(count, |n| format!("u{n}"));
    let tables = |count| list(count, |n| format!("v{n}"));
    let product = format!("SELECT {} FROM {}", columns(60), tables(60));
    for text in [
        format!("SELECT {} FROM {}", columns(1_600), tables(1_600)),
        format!(
            "SELECT {} FROM {}",
            list(8_000, |_| "*".into()),
            tables(8_000)
        ),
        format!(
            "SELECT {} FROM {}",
            list(8_000, |n| format!("v{n}.*")),
            tables(8_000)
        ),
        format!(
            "SELECT {} FROM {}",
            list(2_000, |n| format!("(a{n}).b")),
            tables(2_000)
        ),
        format!(
            "SELECT 1 FROM {} {}",
            tables(8_000),
            "FOR UPDATE ".repeat(8_000)
        ),
        format!(
            "UPDATE t SET {} FROM {}",
            list(1_600, |n| format!("a{n} = b{n}")),
            tables(1_600)
        ),
        format!(
            "GRANT SELECT ({}) ON {} TO r",
            columns(5_000),
            tables(5_000)
        ),
        format!(
            "PREPARE p AS SELECT {} FROM {}",
            columns(1_600),
            tables(1_600)
        ),
        // What a text does in many statements counts as well.
        vec![product; 500].join("; "),
        format!("SELECT 1 {}", "+-".repeat(5_000)),
        format!("SELECT 1 {}{}", "/*".repeat(5_000), "*/".repeat(5_000)),
    ] {
        let reason = analyze(&text).facts.unreadable;
        assert_eq!(reason, Some(Unreadable::TooDeep), "{}", &text[..40]);
    }
}

#[test]
fn honest_width_is_read() {
    let columns = |count| list(count, |n| format!("c{n}"));
    let joins: Vec<_> = (1..30)
        .map(|n| format!(" JOIN t{n} ON t{n}.id = t0.id"))
        .collect();
    let joins = joins.concat();
    let wide = columns(1_600);
    for text in [
        format!("SELECT {} FROM t0{joins}", columns(300)),
        format!("SELECT {wide} FROM t WHERE c1 = 1 GROUP BY {wide} ORDER BY {wide}"),
        format!("SELECT {} FROM t", list(1_600, |n| format!("t.c{n}"))),
        format!("INSERT INTO t ({wide}) SELECT {wide} FROM u"),
        format!(
            "UPDATE t SET {}",
            list(1_600, |n| format!("c{n} = c{n} + 1"))
        ),
        format!("COPY t ({wide}) FROM STDIN"),
        format!("GRANT SELECT ({wide}) ON t TO r"),
        format!("SELECT * FROM t0{joins}"),
    ] {
        assert_eq!(analyze(&text).facts.unreadable, None, "{}", &text[..40]);
    }
    let many = analyze(&format!("SELECT {} FROM t", columns(40_000)));
    let effects = &many.facts.statements[0].effects;
    assert_eq!(effects[0].columns.named.len(), 40_000);
    let twice = format!("INSERT INTO t ({wide}) VALUES (1) RETURNING 1");
    let text = format!("WITH a AS ({twice}), b AS ({twice}) SELECT 1");
    let effects = &analyze(&text).facts.statements[0].effects;
    assert_eq!(effects[0].columns.named.len(), 1_600);
}

#[test]
fn text_over_the_limit_is_not_read() {
    let text = format!("SELECT '{}'", "x".repeat(5 << 20));
    let analysis = analyze(&text);
    assert_eq!(analysis.facts.unreadable, Some(Unreadable::TooLong));
    assert_eq!(&*analysis.texts[0].text, "select ?");
}

/// A session isn't stalled by its own large statement: the thread that polls it goes on.
#[tokio::test]
async fn large_text_leaves_the_thread_free() {
    let analyzer = Analyzer::new(AnalyzerConfig::default()).expect("threads");
    let text = format!(
        "INSERT INTO t VALUES {}",
        vec!["(1, 'a')"; 50_000].join(", ")
    );
    let mut polled = 0_u32;
    let ticks = async {
        loop {
            polled += 1;
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        analysis = analyzer.analyze(text.as_bytes(), LexerSettings::default()) => {
            assert_eq!(analysis.facts.unreadable, None);
        }
        () = ticks => unreachable!("it never ends"),
    }
    assert!(polled > 1, "{polled}");
}

#[tokio::test]
async fn known_text_is_answered_from_the_cache() {
    let analyzer = Analyzer::new(AnalyzerConfig::default()).expect("threads");
    let settings = LexerSettings::default();
    assert!(analyzer.cached(b"SELECT 1", settings).is_none());
    let first = analyzer.analyze(b"SELECT 1", settings).await;
    let cached = analyzer.cached(b"SELECT 1", settings).expect("it is known");
    assert!(std::sync::Arc::ptr_eq(&first, &cached));
    assert!(analyzer.cached_bytes() > 0);
}

/// Dropping the analyzer ends its threads, also with work in the queue.
#[tokio::test]
async fn abandoned_work_is_dropped() {
    let analyzer = Analyzer::new(AnalyzerConfig::default()).expect("threads");
    let text = format!("SELECT {}", vec!["1"; 50_000].join(", "));
    let waiting = analyzer.analyze(text.as_bytes(), LexerSettings::default());
    let outcome = tokio::time::timeout(Duration::ZERO, waiting).await;
    assert!(outcome.is_err());
    let again = analyzer
        .analyze(b"SELECT 1", LexerSettings::default())
        .await;
    assert_eq!(again.facts.unreadable, None);
}

/// Pieces of SQL, so that chance finds texts that parse.
fn sql() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("SELECT"),
        Just("FROM"),
        Just("WHERE"),
        Just("t"),
        Just("a.b"),
        Just("1"),
        Just("'x'"),
        Just("("),
        Just(")"),
        Just(","),
        Just(";"),
        Just("="),
        Just("+"),
        Just("*"),
        Just("AND"),
        Just("NOT"),
        Just("UPDATE t SET a ="),
        Just("DELETE FROM"),
        Just("INSERT INTO t VALUES"),
        Just("WITH x AS ("),
        Just("UNION"),
        Just("CASE WHEN"),
        Just("THEN"),
        Just("END"),
        Just("CREATE TABLE"),
        Just("int"),
        Just("DROP"),
        Just("ALTER TABLE t"),
        Just("GRANT"),
        Just("TO"),
        Just("ON"),
        Just("COPY"),
        Just("STDIN"),
        Just("PREPARE p AS"),
        Just("EXECUTE p"),
        Just("IN"),
        Just("BETWEEN"),
        Just("IS NULL"),
        Just("::text"),
        Just("[1]"),
        Just("$1"),
        Just("JOIN"),
        Just("USING (a)"),
        Just("ORDER BY"),
        Just("LIMIT"),
        Just("EXISTS"),
        Just("."),
        Just("f("),
        Just("RETURNING"),
        Just("FUNCTION"),
        Just("TYPE"),
        Just("VIEW"),
        Just("SCHEMA"),
    ];
    proptest::collection::vec(word, 0..20).prop_map(|words| words.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn any_bytes_are_taken(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for client_encoding in [ClientEncoding::Utf8, ClientEncoding::Latin1, ClientEncoding::AsciiSuperset] {
            for standard_conforming_strings in [StandardConformingStrings::On, StandardConformingStrings::Off] {
                let settings = LexerSettings { standard_conforming_strings, client_encoding, ..LexerSettings::default() };
                let analysis = analyze_with(&bytes, settings);
                prop_assert_eq!(analysis.facts.statements.len(), analysis.texts.len());
                prop_assert_ne!(analysis.facts.unreadable, Some(Unreadable::Defect));
            }
        }
    }

    #[test]
    fn any_sql_is_taken(text in sql()) {
        let analysis = analyze(&text);
        prop_assert_ne!(analysis.facts.unreadable, Some(Unreadable::Defect), "{}", text);
        for statement in &analysis.facts.statements {
            prop_assert!(!statement.kinds.is_empty());
            prop_assert!(text.get(statement.span.clone()).is_some());
        }
    }
}
