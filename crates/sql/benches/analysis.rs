//! How long it takes to analyze a statement that nobody has seen, and one that is known.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use querycop_sql::{Analyzer, AnalyzerConfig, LexerSettings};

/// A statement of pgbench's, one that a program might send, and a report.
const STATEMENTS: &[(&str, &str)] = &[
    (
        "pgbench update",
        "UPDATE pgbench_accounts SET abalance = abalance + -4371 WHERE aid = ",
    ),
    (
        "pgbench select",
        "SELECT abalance FROM pgbench_accounts WHERE aid = ",
    ),
    (
        "oltp join",
        "SELECT o.id, o.total, c.name, c.email FROM orders o JOIN customers c ON c.id = o.customer_id \
         WHERE o.status IN ('new', 'paid') AND o.created_at > now() - interval '1 day' \
         ORDER BY o.created_at DESC LIMIT ",
    ),
];

/// Analyzes texts of which none comes twice: `make` makes each from a statement and a number.
fn analyze_each(criterion: &mut Criterion, group: &str, make: fn(&str, u64) -> String) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("runtime");
    let analyzer = Analyzer::new(AnalyzerConfig::default()).expect("threads");
    let mut number = 0_u64;
    for (name, text) in STATEMENTS {
        criterion.bench_function(&format!("{group}/{name}"), |bencher| {
            bencher.iter_batched(
                || {
                    number += 1;
                    make(text, number)
                },
                |text| {
                    let analysis = analyzer.analyze(text.as_bytes(), LexerSettings::default());
                    runtime.block_on(analysis)
                },
                BatchSize::SmallInput,
            );
        });
    }
}

fn unseen(criterion: &mut Criterion) {
    analyze_each(criterion, "unseen", |text, number| {
        format!("{text}{number}")
    });
}

/// Texts that differ in more than their literals: nothing of one is of use for the next.
fn new_shape(criterion: &mut Criterion) {
    analyze_each(criterion, "new shape", |text, number| {
        let text = text.replacen("pgbench_accounts", &format!("table_{number}"), 1);
        format!("{text}1").replacen("orders o", &format!("orders_{number} o"), 1)
    });
}

fn cached(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("runtime");
    let analyzer = Analyzer::new(AnalyzerConfig::default()).expect("threads");
    let settings = LexerSettings::default();
    for (name, text) in STATEMENTS {
        let text = format!("{text}1");
        runtime.block_on(analyzer.analyze(text.as_bytes(), settings));
        criterion.bench_function(&format!("cached/{name}"), |bencher| {
            bencher.iter(|| analyzer.cached(black_box(text.as_bytes()), settings));
        });
    }
}

criterion_group!(benches, unseen, new_shape, cached);
criterion_main!(benches);
