//! Reads policy files, and shows what is wrong with them.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use querycop_policy::{Mistake, Policy};

use crate::exit::{CONFIG, complain};

/// A policy, or the exit status after all mistakes have been shown. Warnings are shown, too.
pub(super) fn read(path: &Path) -> Result<Arc<Policy>, ExitCode> {
    let shown = path.display();
    let text = querycop_serve::read_text_file(path).map_err(|error| {
        complain(&format!("querycop: error: {shown}: {error}\n"));
        ExitCode::from(CONFIG)
    })?;
    match Policy::read(&text) {
        Ok(policy) => {
            for warning in policy.warnings() {
                complain(&format!("{shown}:{}\n", noted(warning, "warning: ")));
            }
            Ok(Arc::new(policy))
        }
        Err(mistakes) => {
            for mistake in &mistakes.0 {
                complain(&format!("{shown}:{}\n", noted(mistake, "")));
            }
            let count = mistakes.0.len();
            let noun = if count == 1 { "mistake" } else { "mistakes" };
            complain(&format!("querycop: {count} {noun} in {shown}\n"));
            Err(ExitCode::from(CONFIG))
        }
    }
}

fn noted(mistake: &Mistake, what: &str) -> String {
    format!(
        "{}:{}: {what}{}",
        mistake.line, mistake.column, mistake.message
    )
}
