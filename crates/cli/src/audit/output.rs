//! Records on standard output: as a table, as they are, as CSV.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use querycop_audit::Entry;
use querycop_gateway::one_line;

/// How records are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// One line for each, with what people look for.
    Table,
    /// The lines of the log.
    Json,
    /// Comma-separated values, with a header.
    Csv,
}

/// Writes records in a format.
pub(super) struct Writer {
    to: To,
}

enum To {
    Table(BufWriter<Box<dyn Write>>),
    Json(BufWriter<Box<dyn Write>>),
    Csv(Box<csv::Writer<Box<dyn Write>>>),
}

/// The columns of the table, with their least widths.
const COLUMNS: &[(&str, usize)] = &[
    ("time", 23),
    ("user", 12),
    ("database", 12),
    ("event", 9),
    ("outcome", 10),
    ("rule", 16),
    ("rows", 6),
    ("ms", 9),
];

/// The columns of CSV.
const CSV: &[&str] = &[
    "sequence",
    "time",
    "event",
    "session",
    "number",
    "user",
    "database",
    "principal",
    "client_addr",
    "application_name",
    "backend",
    "via",
    "kind",
    "tables",
    "verdict",
    "rule",
    "marks",
    "risk",
    "outcome",
    "tag",
    "rows",
    "sqlstate",
    "bytes",
    "duration_us",
    "reason",
    "fingerprint",
    "text",
    "runs",
];

impl Writer {
    /// Writes to standard output, or to a file.
    pub(super) fn new(format: Format, output: Option<&Path>) -> io::Result<Self> {
        let output: Box<dyn Write> = match output {
            Some(path) => Box::new(File::create(path)?),
            None => Box::new(io::stdout()),
        };
        Ok(Self {
            to: match format {
                Format::Table => {
                    let mut output = BufWriter::new(output);
                    writeln!(output, "{}", header())?;
                    To::Table(output)
                }
                Format::Json => To::Json(BufWriter::new(output)),
                Format::Csv => {
                    let mut output = csv::Writer::from_writer(output);
                    output.write_record(CSV)?;
                    To::Csv(Box::new(output))
                }
            },
        })
    }

    /// Writes a record; what isn't one is left out, but for the form in which it is as it is.
    pub(super) fn write(&mut self, line: &[u8]) -> io::Result<()> {
        match &mut self.to {
            To::Table(output) => {
                let Some(entry) = Entry::read(line) else {
                    return Ok(());
                };
                writeln!(output, "{}", row(&entry))
            }
            To::Json(output) => {
                output.write_all(line)?;
                output.write_all(b"\n")
            }
            To::Csv(output) => {
                let Some(entry) = Entry::read(line) else {
                    return Ok(());
                };
                Ok(output.write_record(csv_row(&entry).iter().map(AsRef::as_ref))?)
            }
        }
    }

    /// What was written can be seen.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        match &mut self.to {
            To::Table(output) | To::Json(output) => output.flush(),
            To::Csv(output) => output.flush(),
        }
    }
}

/// Writes records to standard output. Nobody reading any more is no error of ours.
pub(super) fn all<'l>(lines: impl IntoIterator<Item = &'l [u8]>, format: Format) {
    let write = || {
        let mut writer = Writer::new(format, None)?;
        for line in lines {
            writer.write(line)?;
        }
        writer.flush()
    };
    let _: io::Result<()> = write();
}

/// Writes a file that must not be there yet.
pub(super) fn new_file(path: &Path, text: &str, mode: u32) -> Result<(), String> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| format!("{} can't be written: {error}", path.display()))
}

fn header() -> String {
    let mut text = String::new();
    for (name, width) in COLUMNS {
        let _ = write!(text, "{name:<width$}  ");
    }
    text + "text"
}

fn row(entry: &Entry<'_>) -> String {
    let milliseconds = entry
        .duration_us
        .map(|micros| format!("{}.{:03}", micros / 1000, micros % 1000));
    let event = if entry.kind.is_empty() {
        &entry.event
    } else {
        &entry.kind
    };
    let outcome = match &*entry.outcome {
        "" if entry.sqlstate.is_empty() => "",
        "" | "failed" => &entry.sqlstate,
        outcome => outcome,
    };
    // Milliseconds are enough to look at.
    let time = entry.time.get(..23).unwrap_or(&entry.time);
    let values: [Cow<'_, str>; 8] = [
        time.into(),
        one_line(&entry.user),
        one_line(&entry.database),
        one_line(event),
        one_line(outcome),
        one_line(&entry.rule),
        entry
            .rows
            .map(|rows| rows.to_string())
            .unwrap_or_default()
            .into(),
        milliseconds.unwrap_or_default().into(),
    ];
    let mut text = String::new();
    for (value, (_, width)) in values.iter().zip(COLUMNS) {
        let _ = write!(text, "{value:<width$}  ");
    }
    let rest = if entry.text.is_empty() {
        &entry.reason
    } else {
        &entry.text
    };
    text.push_str(&one_line(rest));
    for ran in &entry.runs {
        let _ = write!(text, " -> {}", one_line(ran));
    }
    text.truncate(text.trim_end().len());
    text
}

fn csv_row<'e>(entry: &'e Entry<'_>) -> Vec<Cow<'e, str>> {
    let number =
        |number: Option<u64>| Cow::Owned(number.map(|n| n.to_string()).unwrap_or_default());
    let list = |words: &[Cow<'_, str>]| Cow::Owned(words.join(" "));
    vec![
        number(Some(entry.sequence)),
        (&*entry.time).into(),
        (&*entry.event).into(),
        (&*entry.session).into(),
        number((entry.number > 0).then_some(entry.number)),
        (&*entry.user).into(),
        (&*entry.database).into(),
        (&*entry.principal).into(),
        (&*entry.client_addr).into(),
        (&*entry.application_name).into(),
        (&*entry.backend).into(),
        (&*entry.via).into(),
        (&*entry.kind).into(),
        list(&entry.tables),
        (&*entry.verdict).into(),
        (&*entry.rule).into(),
        list(&entry.marks),
        (&*entry.risk).into(),
        (&*entry.outcome).into(),
        (&*entry.tag).into(),
        number(entry.rows),
        (&*entry.sqlstate).into(),
        number(entry.bytes),
        number(entry.duration_us),
        (&*entry.reason).into(),
        (&*entry.fingerprint).into(),
        (&*entry.text).into(),
        entry.runs.join("\n").into(),
    ]
}
