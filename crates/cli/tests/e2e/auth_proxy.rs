//! The auth-proxy beside the original, on the same emulator with the same arguments.

#[path = "../../../auth-proxy/tests/parity/table.rs"]
mod table;

mod accepted;
mod accepting;
mod completion;
mod doctor;
mod front;
mod identity;
mod scenarios;
mod side;
mod static_info;
mod telemetry;
mod wanted;
mod watcher;

use std::fmt::Write as _;
use std::path::PathBuf;

use self::side::{Ports, Side};
use self::wanted::{WANTED, What};
use crate::google::cloud::root;

/// One of the two proxies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Original,
    Ours,
}

/// The original, as tests/clients/google/setup builds it.
fn original() -> PathBuf {
    root().join(".cache/clients/google/alloydb-auth-proxy")
}

/// Whether there is an original to compare with; google.rs demands it where the project is tested.
#[expect(clippy::print_stdout, reason = "a skip is to be seen, with its reason")]
fn has_original() -> bool {
    let is_there = original().exists();
    if !is_there {
        println!("skipped: tests/clients/google/setup has not built the original");
    }
    is_there
}

/// Lets both do the same, and fails on each difference that isn't wanted.
fn compare(scenario: &str, act: impl Fn(&mut Side)) {
    if !has_original() {
        return;
    }
    let ports = Ports::choose();
    let [original, ours] = [Who::Original, Who::Ours].map(|who| {
        let mut side = Side::new(who, ports);
        act(&mut side);
        side
    });
    let mut judged = Judged {
        scenario,
        used: vec![false; WANTED.len()],
        unwanted: String::new(),
    };
    judged.facts(&original, &ours);
    judged.lines(Who::Original, &original, &ours);
    judged.lines(Who::Ours, &ours, &original);
    for (wanted, used) in WANTED.iter().zip(judged.used) {
        if wanted.scenario == scenario && !used {
            let name = wanted.name;
            let _ = writeln!(judged.unwanted, "{name}: the two are no longer different");
        }
    }
    let unwanted = judged.unwanted;
    assert!(unwanted.is_empty(), "{scenario}:\n{unwanted}");
}

struct Judged<'a> {
    scenario: &'a str,
    /// Which of the wanted differences were seen.
    used: Vec<bool>,
    unwanted: String,
}

impl Judged<'_> {
    fn facts(&mut self, original: &Side, ours: &Side) {
        assert_eq!(
            original.notes.len(),
            ours.notes.len(),
            "the same was asked of both"
        );
        for ((name, theirs), (_, own)) in original.notes.iter().zip(&ours.notes) {
            let is_wanted = |what: &What| matches!(what, What::Fact(fact) if fact == name);
            if theirs != own && !self.want(is_wanted) {
                let _ = writeln!(
                    self.unwanted,
                    "{name}\n  original: {theirs}\n  ours:     {own}"
                );
            }
        }
    }

    /// The lines that one has more often than the other.
    fn lines(&mut self, who: Who, has: &Side, lacks: &Side) {
        let mut others = lacks.lines.clone();
        for line in &has.lines {
            if let Some(at) = others.iter().position(|other| other == line) {
                others.swap_remove(at);
                continue;
            }
            let is_wanted = |what: &What| matches!(what, What::Line(whose, text) if *whose == who && line.1.contains(text));
            if !self.want(is_wanted) {
                let _ = writeln!(self.unwanted, "only {who:?} has on {}: {}", line.0, line.1);
            }
        }
    }

    fn want(&mut self, is_it: impl Fn(&What) -> bool) -> bool {
        let scenario = self.scenario;
        let found = WANTED.iter().position(|wanted| {
            (wanted.scenario == "*" || wanted.scenario == scenario) && is_it(&wanted.what)
        });
        if let Some(at) = found {
            self.used[at] = true;
        }
        found.is_some()
    }
}

#[test]
fn the_manual_names_every_wanted_difference() {
    let manual = include_str!("../../../../docs/auth-proxy.md");
    for wanted in WANTED {
        let name = wanted.name;
        assert!(manual.contains(&format!("`{name}`")), "{name}");
    }
}
