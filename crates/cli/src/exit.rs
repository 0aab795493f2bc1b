//! What the process says by its exit status; the numbers are those of `sysexits.h`.

use std::io::Write;
use std::process::ExitCode;

use tokio::runtime::{Builder, Runtime};

use crate::settings::Problem;

/// The sessions had all ended, the check found nothing, the doctor found nothing.
pub(crate) const OK: u8 = 0;
/// Sessions were cut off at the drain timeout, or the doctor found something.
pub(crate) const FAILED: u8 = 1;
/// Wrong arguments (`EX_USAGE`).
pub(crate) const USAGE: u8 = 64;
/// A port can't be opened (`EX_UNAVAILABLE`).
pub(crate) const UNAVAILABLE: u8 = 69;
/// The system refused something that it must give (`EX_OSERR`).
pub(crate) const OS_ERROR: u8 = 71;
/// Wrong settings (`EX_CONFIG`).
pub(crate) const CONFIG: u8 = 78;
/// A second signal ended the process at once: this plus the signal's number, as a shell reports it.
pub(crate) const SIGNALLED: u8 = 128;

/// Writes to standard output. Nobody reading any more is no error of ours.
pub(crate) fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Writes to standard error.
pub(crate) fn complain(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// The runtime of a command that is done when it has printed its answer.
pub(crate) fn short_runtime() -> Result<Runtime, ExitCode> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| {
            complain(&format!("querycop: starting the runtime: {error}\n"));
            ExitCode::from(OS_ERROR)
        })
}

/// Shows all that is wrong with the settings.
pub(crate) fn refuse_settings(problems: &[Problem]) -> ExitCode {
    for problem in problems {
        complain(&format!("querycop: error: {problem}\n"));
    }
    let count = problems.len();
    let noun = if count == 1 { "mistake" } else { "mistakes" };
    complain(&format!("querycop: {count} {noun} in the settings\n"));
    ExitCode::from(CONFIG)
}

/// Shows what may be wrong with the settings.
pub(crate) fn warn_of_settings(problems: &[Problem]) {
    for problem in problems {
        complain(&format!("querycop: warning: {problem}\n"));
    }
}
