//! `querycop policy check`: reads files and runs the tests in them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::file;
use super::statements::Reader;
use crate::exit::{CONFIG, complain, print};

/// All files are checked, whatever is wrong with one of them.
pub(super) fn check(files: &[PathBuf]) -> ExitCode {
    let reader = match Reader::start() {
        Ok(reader) => reader,
        Err(status) => return status,
    };
    let mut status = ExitCode::SUCCESS;
    for file in files {
        if let Err(failed) = check_one(file, &reader) {
            status = failed;
        }
    }
    status
}

fn check_one(path: &Path, reader: &Reader) -> Result<(), ExitCode> {
    let policy = file::read(path)?;
    let shown = path.display();
    let failures = policy.run_tests(|sql| reader.analyze(sql).facts.clone());
    for failure in &failures {
        complain(&format!("{shown}:{failure}\n"));
    }
    let tests = policy.tests().len();
    if failures.is_empty() {
        let rules = policy.rule_names().count();
        print(&format!(
            "{shown}: {}, {} passed, hash {}\n",
            count(rules, "rule"),
            count(tests, "test"),
            policy.hash()
        ));
        Ok(())
    } else {
        complain(&format!(
            "querycop: {} of {} failed in {shown}\n",
            failures.len(),
            count(tests, "test")
        ));
        Err(ExitCode::from(CONFIG))
    }
}

fn count(number: usize, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{ending}")
}
