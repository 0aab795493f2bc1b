//! `querycop audit tail` and `export`: records from the segments themselves.

use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use querycop_audit::{Entry, Filter, Follower, newest};

use super::output::{Format, Writer};
use super::{Ended, check_log};
use crate::exit::{self, FAILED};

/// How long `tail -f` waits before it looks for more.
const INTERVAL: Duration = Duration::from_millis(200);

/// Shows the last records; returns what goes on behind them.
pub(super) fn tail(
    directory: &Path,
    filter: &Filter,
    count: usize,
    format: Format,
) -> Result<(Follower, Writer), Ended> {
    check_log(directory)?;
    let (lines, follower) = newest(directory, count, |line| wanted(filter, line))
        .map_err(|error| unreadable(&error))?;
    let mut writer = Writer::new(format, None).map_err(|error| unwritable(&error))?;
    for line in lines {
        writer.write(&line).map_err(|error| unwritable(&error))?;
    }
    writer.flush().map_err(|error| unwritable(&error))?;
    Ok((follower, writer))
}

/// Shows records as they come, until nobody reads them any more.
pub(super) fn follow(
    (mut follower, mut writer): (Follower, Writer),
    filter: &Filter,
) -> Result<(), Ended> {
    loop {
        let is_idle = pass_on(&mut follower, filter, &mut writer)? == 0;
        writer.flush().map_err(|error| unwritable(&error))?;
        if is_idle {
            thread::sleep(INTERVAL);
        }
    }
}

/// Writes all records that are asked for.
pub(super) fn export(
    directory: &Path,
    filter: &Filter,
    format: Format,
    output: Option<&Path>,
) -> Result<(), Ended> {
    check_log(directory)?;
    let mut follower = Follower::from_start(directory);
    let mut writer = Writer::new(format, output).map_err(|error| match output {
        Some(path) => {
            let path = path.display();
            exit::complain(&format!(
                "querycop: error: {path} can't be written: {error}\n"
            ));
            Ended(FAILED)
        }
        None => unwritable(&error),
    })?;
    while pass_on(&mut follower, filter, &mut writer)? > 0 {}
    writer.flush().map_err(|error| unwritable(&error))
}

/// Passes on some lines; returns how many bytes were read.
fn pass_on(follower: &mut Follower, filter: &Filter, writer: &mut Writer) -> Result<usize, Ended> {
    let lines = follower.read().map_err(|error| unreadable(&error))?;
    for line in lines
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        if wanted(filter, line) {
            writer.write(line).map_err(|error| unwritable(&error))?;
        }
    }
    Ok(lines.len())
}

fn wanted(filter: &Filter, line: &[u8]) -> bool {
    filter.is_empty() || Entry::read(line).is_some_and(|entry| filter.matches(&entry))
}

fn unreadable(error: &io::Error) -> Ended {
    exit::complain(&format!(
        "querycop: error: the audit log can't be read: {error}\n"
    ));
    Ended(FAILED)
}

/// Nobody reading any more is no error of ours.
fn unwritable(error: &io::Error) -> Ended {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Ended(exit::OK);
    }
    exit::complain(&format!(
        "querycop: error: records can't be written: {error}\n"
    ));
    Ended(FAILED)
}
