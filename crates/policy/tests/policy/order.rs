//! The order of rules does not matter.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use crate::support::session;

const RULES: &[&str] = &[
    "  - name: a\n    allow: { actions: [read], tables: ['public.*'] }\n",
    "  - name: b\n    deny: { tables: ['*.salaries'] }\n",
    "  - name: c\n    allow: { actions: [insert, update], tables: ['public.*'], require_where: true }\n",
    "  - name: d\n    limit: { actions: [read] }\n    to: { rows: 10, bytes: 1MB }\n",
    "  - name: e\n    limit: {}\n    to: { rows: 20, statement_time: 5s }\n",
    "  - name: f\n    audit: { features: [select_star] }\n    text: raw\n",
    "  - name: g\n    audit: { tables: ['public.*'] }\n    text: redacted\n",
    "  - name: h\n    deny: { risk: '>=high' }\n    mode: observe\n",
    "  - name: i\n    allow: { actions: ['*'] }\n    when: user == 'ann'\n",
    "  - name: j\n    deny: { columns: ['public.*.email'] }\n",
];

const STATEMENTS: &[&str] = &[
    "SELECT * FROM orders",
    "SELECT id FROM public.salaries",
    "SELECT email FROM users",
    "UPDATE orders SET a = 1",
    "UPDATE orders SET a = 1 WHERE b = 2",
    "DROP TABLE orders",
    "SELECT 1",
    "SELECT a.id FROM orders a JOIN hr.salaries b USING (id)",
    "COPY orders FROM PROGRAM 'x'",
    "no SQL",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn rules_in_any_order_decide_the_same(
        rules in subsequence(RULES, 0..=RULES.len()),
        shuffled in Just(()).prop_perturb(|(), rng| rng),
        sql in select(STATEMENTS),
        default in select(&["allow", "deny"][..]),
    ) {
        let mut other = rules.clone();
        let mut rng = shuffled;
        for index in (1..other.len()).rev() {
            let with = usize::try_from(rng.next_u32()).unwrap_or_default() % (index + 1);
            other.swap(index, with);
        }
        let decide = |rules: &[&str]| {
            let rules = if rules.is_empty() { " []".to_owned() } else { format!("\n{}", rules.concat()) };
            let session = session(&format!("version: 1\ndefault: {default}\nrules:{rules}\n"));
            let mut decision = session.decide(sql);
            decision.marks.sort();
            decision
        };
        let (one, other) = (decide(&rules), decide(&other));
        prop_assert_eq!(one.verdict, other.verdict);
        prop_assert_eq!(one.risk, other.risk);
        prop_assert_eq!(one.marks, other.marks);
        prop_assert_eq!(one.limits, other.limits);
        prop_assert_eq!(one.text, other.text);
        prop_assert_eq!(one.denial.is_some(), other.denial.is_some());
    }
}
