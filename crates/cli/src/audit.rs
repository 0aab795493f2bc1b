//! `querycop audit`: reads the audit log, searches and verifies it.

mod flags;
mod output;
mod reading;
mod verifying;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use querycop_audit::{Filter, INDEX_FILE, Index, IndexError, KeyError, SigningKey};
use querycop_gateway::chain;

pub(crate) use flags::{command, options};

use crate::exit::{self, CONFIG, FAILED, OK, OS_ERROR, USAGE};
use crate::settings::Values;
use output::Format;

/// The setting that says where the audit log is.
pub(crate) const DIRECTORY_SETTING: &str = "audit.dir";

/// What the command line asks of the audit log.
#[derive(Debug)]
pub(crate) enum AuditCommand {
    /// Show the last records, and perhaps those that come.
    Tail {
        filter: Filter,
        lines: usize,
        follow: bool,
        format: Format,
    },
    /// Show the newest records that are asked for.
    Search {
        filter: Filter,
        limit: usize,
        index: Option<PathBuf>,
        format: Format,
    },
    /// Write all records that are asked for.
    Export {
        filter: Filter,
        format: Format,
        output: Option<PathBuf>,
    },
    /// Find what was changed.
    Verify(VerifyOptions),
    /// Make a key that signs checkpoints.
    Keygen { private: PathBuf, public: PathBuf },
    /// Bring the index up to date.
    Index {
        rebuild: bool,
        index: Option<PathBuf>,
    },
}

/// Against what the log is held.
#[derive(Debug)]
pub(crate) struct VerifyOptions {
    public_keys: Vec<PathBuf>,
    checkpoints: Vec<PathBuf>,
    from_checkpoint: Option<u64>,
    json: bool,
}

/// Why a command ends early: it has been said.
struct Ended(u8);

/// Runs a command.
pub(crate) fn run(values: &Values, command: AuditCommand) -> ExitCode {
    if let AuditCommand::Keygen { private, public } = command {
        return keygen(&private, &public);
    }
    let Some(directory) = values.value(DIRECTORY_SETTING) else {
        exit::complain(
            "querycop: error: no audit log: say --audit-dir, or set GATEKEEPER_AUDIT_DIR or \
             [audit] dir\n",
        );
        return ExitCode::from(USAGE);
    };
    let directory = Path::new(&directory.text);
    let outcome = match command {
        AuditCommand::Tail {
            filter,
            lines,
            follow,
            format,
        } => reading::tail(directory, &filter, lines, format).and_then(|shown| {
            if follow {
                reading::follow(shown, &filter)
            } else {
                Ok(())
            }
        }),
        AuditCommand::Search {
            filter,
            limit,
            index,
            format,
        } => search(directory, &filter, (limit, format), index),
        AuditCommand::Export {
            filter,
            format,
            output,
        } => reading::export(directory, &filter, format, output.as_deref()),
        AuditCommand::Verify(options) => return verifying::verify(directory, &options),
        AuditCommand::Index { rebuild, index } => update(directory, index, rebuild),
        AuditCommand::Keygen { .. } => Ok(()),
    };
    match outcome {
        Ok(()) => ExitCode::from(OK),
        Err(Ended(status)) => ExitCode::from(status),
    }
}

fn search(
    directory: &Path,
    filter: &Filter,
    (limit, format): (usize, Format),
    index: Option<PathBuf>,
) -> Result<(), Ended> {
    let path = index.unwrap_or_else(|| directory.join(INDEX_FILE));
    let mut index = check_log(directory)
        .and_then(|()| Index::open_at(directory, &path).map_err(|error| fail(&error)))?;
    take_in(&mut index)?;
    let hits = index.search(filter, limit).map_err(|error| fail(&error))?;
    output::all(hits.iter().map(|hit| hit.line.as_slice()), format);
    Ok(())
}

fn update(directory: &Path, index: Option<PathBuf>, rebuild: bool) -> Result<(), Ended> {
    check_log(directory)?;
    let path = index.unwrap_or_else(|| directory.join(INDEX_FILE));
    let index = if rebuild {
        Index::rebuild(directory, &path)
    } else {
        Index::open_at(directory, &path)
    };
    let mut index = index.map_err(|error| fail(&error))?;
    let added = take_in(&mut index)?;
    let records = index.records().map_err(|error| fail(&error))?;
    exit::print(&format!(
        "{}: {records} records, {added} of them new\n",
        path.display()
    ));
    Ok(())
}

/// Takes new records into the index; says how far it is, where that takes a while.
fn take_in(index: &mut Index) -> Result<u64, Ended> {
    if index.state == querycop_audit::State::Replaced {
        exit::complain("querycop: the index did not fit the segments and is made anew\n");
    }
    let tell = |progress: querycop_audit::Progress| {
        // One batch is a matter of a moment.
        if progress.records > 200_000 {
            let (records, mib) = (progress.records, progress.bytes >> 20);
            exit::complain(&format!(
                "querycop: indexing: {records} records, {mib} MiB\n"
            ));
        }
    };
    let progress = index
        .update(tell)
        .map_err(|error: IndexError| fail(&error))?;
    if progress.skipped > 0 {
        let skipped = progress.skipped;
        exit::complain(&format!(
            "querycop: warning: {skipped} lines are no records: run `querycop audit verify`\n"
        ));
    }
    Ok(progress.records)
}

/// A directory that isn't there is a mistake, not an empty log.
fn check_log(directory: &Path) -> Result<(), Ended> {
    std::fs::read_dir(directory).map(drop).map_err(|error| {
        let directory = directory.display();
        exit::complain(&format!(
            "querycop: error: the audit directory {directory} can't be read: {error}\n"
        ));
        Ended(OS_ERROR)
    })
}

fn fail(error: &(dyn Error + 'static)) -> Ended {
    exit::complain(&format!("querycop: error: {}\n", chain(error)));
    Ended(FAILED)
}

/// Makes a key; never over one that is there.
fn keygen(private: &Path, public: &Path) -> ExitCode {
    let made = SigningKey::generate()
        .map_err(|error: KeyError| chain(&error))
        .and_then(|files| {
            let written = output::new_file(private, &files.private, 0o600)
                .and_then(|()| output::new_file(public, &files.public, 0o644));
            written.map(|()| files.id)
        });
    match made {
        Ok(id) => {
            exit::print(&format!(
                "key {id}\n\
                 {}: for the gateway alone (GATEKEEPER_AUDIT_SIGNING_KEY)\n\
                 {}: for whoever verifies (querycop audit verify --public-key)\n",
                private.display(),
                public.display()
            ));
            ExitCode::from(OK)
        }
        Err(error) => {
            exit::complain(&format!("querycop: error: {error}\n"));
            ExitCode::from(CONFIG)
        }
    }
}
