//! How long a decision takes under a policy of 50 rules.

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use querycop_policy::facts::{PreparedStatements, Resolved};
use querycop_policy::{Policy, Principal, SearchPath, Situation, TransactionState, Verdict};
use querycop_sql::{Analyzer, AnalyzerConfig, LexerSettings};

/// What an application's policy could be, and 42 rules that are about other tables.
fn policy() -> Arc<Policy> {
    let mut yaml = String::from(
        "
version: 1
default: deny
principals:
  app: { users: [app] }
rules:
  - name: session
    allow: { actions: [session], settings: [harmless] }
  - name: transactions
    allow: { actions: [transaction] }
  - name: functions
    allow: { actions: [call], functions: [builtin, 'app.*'] }
  - name: metadata
    allow: { actions: [read], tables: [catalog] }
  - name: rows
    for: app
    allow: { actions: [read, insert, update, delete], tables: ['public.*'], require_where: true }
  - name: no-multi
    deny: { features: [copy_program, opaque_code] }
  - name: no-pii
    deny: { columns: ['*.people.ssn'] }
  - name: small
    limit: { actions: [read] }
    to: { rows: 100000 }
",
    );
    for number in 0..42 {
        let verb = if number % 2 == 0 { "deny" } else { "allow" };
        let _ = writeln!(
            yaml,
            "  - name: other-{number}\n    {verb}: {{ actions: [read, update, delete], tables: ['schema{number}.*', '*.secret_{number}_*'] }}"
        );
    }
    Arc::new(Policy::read(&yaml).expect("the policy is right"))
}

fn resolved(sql: &str) -> Resolved {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let analyzer = Analyzer::new(AnalyzerConfig::default()).expect("threads");
    let analysis = runtime.block_on(analyzer.analyze(sql.as_bytes(), LexerSettings::default()));
    let prepared = PreparedStatements::default();
    prepared.resolve(&analysis.facts).remove(0)
}

fn decide(criterion: &mut Criterion) {
    let policy = policy();
    let scope = policy.scope(&Principal {
        user: "app".into(),
        ..Principal::default()
    });
    let path = SearchPath::known("\"$user\", public");
    let situation = Situation {
        search_path: &path,
        now: jiff::Timestamp::UNIX_EPOCH,
        transaction: TransactionState::Idle,
    };
    let mut group = criterion.benchmark_group("decide");
    for (name, sql) in [
        ("begin", "BEGIN"),
        (
            "select",
            "SELECT abalance FROM pgbench_accounts WHERE aid = $1",
        ),
        (
            "update",
            "UPDATE pgbench_accounts SET abalance = abalance + $1 WHERE aid = $2",
        ),
        (
            "join",
            "SELECT u.name, count(*), sum(o.total) FROM public.users u JOIN public.orders o \
             ON o.user_id = u.id WHERE u.created > now() - interval '1 day' GROUP BY u.name",
        ),
    ] {
        let resolved = resolved(sql);
        assert_eq!(
            scope.decide(&resolved, 1, &situation).verdict,
            Verdict::Allow,
            "{sql}"
        );
        group.bench_function(name, |bencher| {
            bencher.iter(|| scope.decide(black_box(&resolved), 1, black_box(&situation)));
        });
    }
    group.finish();
}

criterion_group!(benches, decide);
criterion_main!(benches);
