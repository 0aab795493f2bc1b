//! Each way around a policy against a real server: without the gateway it works, with it nothing
//! happens and the client is told which rule denies.

#[path = "../../../sql/tests/bypass/cases.rs"]
mod cases;
mod contents;
#[path = "../../../sql/tests/bypass/policies.rs"]
mod policies;
mod session;
mod wire;
mod world;

use std::fmt::Write as _;

use self::cases::{CODE, COLUMNS, Case, READS, Verdict, WRITES, WRITING, all};
use self::policies::{CLOSING, FORBIDDING, READ_ONLY};
use self::world::{Gate, World};

/// What is wrong with what a case does through a gateway; empty if nothing is.
fn try_through(world: &World, gate: &Gate, case: &Case, expected: Verdict) -> String {
    let mut wrong = String::new();
    let mut note = |text: String| writeln!(wrong, "{}: {text}", case.way).expect("a string grows");
    let through = world.through(gate, case);
    match expected {
        Verdict::Denied(rule) => {
            if through.did_any() {
                note(format!("got through: {through:?}"));
            }
            if through.denied_by.as_deref() != Some(rule) {
                note(format!("not denied by {rule}: {through:?}"));
            }
        }
        Verdict::Limit(_) | Verdict::Planted if through.did(case.harm) => {}
        Verdict::Limit(_) | Verdict::Planted => note(format!("is no limit any more: {through:?}")),
    }
    if !through.lives {
        note(format!("the session died: {through:?}"));
    }
    wrong
}

fn try_all(cases: &[Case]) {
    let world = World::start(&[READ_ONLY, FORBIDDING]);
    let [read_only, forbidding] = world.gates() else {
        unreachable!("there are two policies");
    };
    let mut wrong = String::new();
    for case in cases {
        let directly = world.directly(case);
        if !directly.did(case.harm) {
            writeln!(
                wrong,
                "{}: no harm without the gateway: {directly:?}",
                case.way
            )
            .expect("a string grows");
        }
        wrong += &try_through(&world, read_only, case, case.read_only);
        wrong += &try_through(&world, forbidding, case, case.forbidding);
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn no_way_of_writing_hides_a_statement() {
    try_all(WRITING);
}

#[test]
fn no_statement_writes_unseen() {
    try_all(WRITES);
}

#[test]
fn no_corner_of_a_query_shows_what_is_forbidden() {
    try_all(READS);
}

#[test]
fn no_other_name_shows_a_forbidden_column() {
    try_all(COLUMNS);
}

#[test]
fn no_code_runs_unseen() {
    try_all(CODE);
}

#[test]
fn limits_are_closed_by_the_rules_that_are_named_for_them() {
    let world = World::start(&[CLOSING]);
    let mut wrong = String::new();
    let mut count = 0;
    for case in all() {
        if let Verdict::Limit(rule) = case.read_only {
            count += 1;
            wrong += &try_through(&world, &world.gates()[0], case, Verdict::Denied(rule));
        }
    }
    assert!(count > 0 && wrong.is_empty(), "\n{wrong}");
}
