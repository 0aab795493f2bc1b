//! PREPARE and EXECUTE.

use querycop_sql::facts::{Feature, Kind, PreparedStatements};

use crate::{analyze, has_effects, line, statement};

#[test]
fn prepare_is_judged_by_its_body() {
    has_effects(
        "PREPARE p (int) AS DELETE FROM customers WHERE id = $1",
        &[
            "delete relation customers stored",
            "session:prepare prepared_statement p",
        ],
    );
    let prepare = statement("PREPARE p AS DELETE FROM t");
    assert!(prepare.has(Feature::NoWhere));
    assert_eq!(prepare.kinds, [Kind::Prepare, Kind::Delete]);
    let body = &prepare.prepares.as_ref().expect("a body").body;
    assert_eq!(body.kind(), Kind::Delete);
    let effects: Vec<_> = body.effects.iter().map(line).collect();
    assert_eq!(effects, ["delete relation t all rows"]);
}

#[test]
fn execute_is_judged_by_what_was_prepared() {
    let mut prepared = PreparedStatements::default();
    prepared.completed(&statement("PREPARE p AS DELETE FROM t"));
    for text in [
        "EXECUTE p",
        "EXPLAIN ANALYZE EXECUTE p",
        "CREATE TABLE u AS EXECUTE p",
    ] {
        let resolved = prepared.resolve(&analyze(text).facts);
        assert!(!resolved[0].executes_unknown, "{text}");
        assert!(
            resolved[0]
                .effects()
                .any(|effect| line(effect) == "delete relation t all rows"),
            "{text}"
        );
    }
    prepared.completed(&statement("DISCARD ALL"));
    assert!(prepared.resolve(&analyze("EXECUTE p").facts)[0].executes_unknown);
}

#[test]
fn execute_in_the_same_text_finds_its_prepare() {
    let analysis = analyze("PREPARE p AS DELETE FROM t; EXECUTE p");
    let resolved = PreparedStatements::default().resolve(&analysis.facts);
    assert_eq!(resolved[1].executed[0].kind(), Kind::Delete);
}
