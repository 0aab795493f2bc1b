//! The commands and flags of `querycop audit`.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, value_parser};
use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use querycop_audit::{EVENTS, Filter};
use querycop_policy::Risk;
use querycop_policy::facts::Kind;

use super::output::Format;
use super::{AuditCommand, VerifyOptions};

const ABOUT: &str = "Read, search and verify the audit log";

/// A flag of a filter: its name, what it takes, and what it means.
type FilterFlag = (&'static str, &'static str, &'static str);

/// Flags whose values are compared as they are; each can be given several times.
const FILTERS: &[FilterFlag] = &[
    ("user", "ROLE", "Of this role or principal"),
    ("database", "NAME", "In this database"),
    (
        "rule",
        "NAME",
        "Decided or marked by this rule of the policy",
    ),
    (
        "kind",
        "KIND",
        "Statements of this kind, as select or alter_role",
    ),
    (
        "table",
        "NAME",
        "Statements that use this table; without a schema, in any",
    ),
    ("fingerprint", "HEX", "The statement with this fingerprint"),
    (
        "text",
        "TEXT",
        "Statements with this in their text or in that of what they run, upper or lower case; given again, with that too",
    ),
    (
        "sqlstate",
        "CODE",
        "With this SQLSTATE, or of this class (two characters)",
    ),
    (
        "outcome",
        "WORD",
        "completed, suspended, failed, denied, skipped or cut",
    ),
    ("risk", "WORD", "low, medium, high or critical"),
    ("session", "UUID", "Of this session"),
    ("client-addr", "ADDRESS", "From this address"),
];

/// The commands; `common` are the flags that say where the log is.
pub(crate) fn command<A: Iterator<Item = Arg>>(common: impl Fn() -> A) -> Command {
    let commands = [
        Command::new("tail")
            .about("Show the last records")
            .args([
                flag("follow", "Stay, and show records as they come").short('f'),
                number("lines", "COUNT", "How many").short('n').default_value("10"),
                format_flag(&["table", "json", "csv"]),
            ])
            .args(filter_flags()),
        Command::new("search")
            .about("Show the newest records that match, by an index that is kept beside the log")
            .args([
                number("limit", "COUNT", "At most so many").default_value("100"),
                format_flag(&["table", "json", "csv"]),
                index_flag(),
            ])
            .args(filter_flags()),
        Command::new("export")
            .about("Write all records that match, oldest first")
            .args([
                format_flag(&["json", "csv"]),
                file("output", "FILE", "File to write; standard output by default").short('o'),
            ])
            .args(filter_flags()),
        Command::new("verify")
            .about("Find what was changed in the log, and say what can't be proved; status 1 if anything is wrong")
            .args([
                file("public-key", "FILE", "Public key (PEM) of checkpoints; can be given again")
                    .action(ArgAction::Append),
                file("checkpoints", "FILE", "Checkpoints that were kept elsewhere; can be given again")
                    .action(ArgAction::Append),
                Arg::new("from-checkpoint")
                    .long("from-checkpoint")
                    .value_name("SEQUENCE")
                    .value_parser(value_parser!(u64))
                    .requires("checkpoints")
                    .help("The log may begin after the checkpoint that covers this record: older segments were put away"),
                flag("json", "Print one JSON object"),
            ]),
        Command::new("keygen").about("Make a key that signs checkpoints").args([
            file("private", "FILE", "Where the private key goes").default_value("audit-key.pem"),
            file("public", "FILE", "Where the public key goes").default_value("audit-key.pub.pem"),
        ]),
        Command::new("index")
            .about("Bring the index up to date; search does so by itself")
            .args([flag("rebuild", "Throw away what there is and begin anew"), index_flag()]),
    ];
    Command::new("audit")
        .about(ABOUT)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(commands.map(|command| command.args(common())))
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .action(ArgAction::SetTrue)
        .help(help)
}

fn number(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .value_name(value)
        .value_parser(value_parser!(u32))
        .help(help)
}

fn file(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .value_name(value)
        .value_hint(ValueHint::FilePath)
        .value_parser(value_parser!(PathBuf))
        .help(help)
}

fn index_flag() -> Arg {
    file(
        "index",
        "FILE",
        "Where the index is; index.sqlite beside the segments by default",
    )
}

fn format_flag(words: &'static [&'static str]) -> Arg {
    Arg::new("format")
        .long("format")
        .value_name(words.join("|"))
        .value_parser(PossibleValuesParser::new(words))
        .default_value(words[0])
        .help("As a table, as the lines of the log, or as CSV")
}

fn filter_flags() -> Vec<Arg> {
    let time = |name, help| {
        Arg::new(name)
            .long(name)
            .value_name("TIME")
            .value_parser(point_in_time)
            .help(help)
            .help_heading("Filter")
    };
    let mut flags = vec![
        time(
            "since",
            "Not before: 2026-11-25, 2026-11-25T04:10 (UTC), or a while ago as 2h",
        ),
        time("until", "Before, likewise"),
        Arg::new("event")
            .long("event")
            .value_name("EVENT")
            .value_parser(PossibleValuesParser::new(
                EVENTS.iter().map(|(event, _)| *event),
            ))
            .hide_possible_values(true)
            .action(ArgAction::Append)
            .help("Of this event, as statement or session_began")
            .help_heading("Filter"),
        Arg::new("decision")
            .long("decision")
            .value_name("allow|deny")
            .value_parser(PossibleValuesParser::new(["allow", "deny"]))
            .hide_possible_values(true)
            .action(ArgAction::Append)
            .help("With this decision of the policy")
            .help_heading("Filter"),
    ];
    flags.extend(FILTERS.iter().map(|(name, value, help)| {
        let flag = Arg::new(*name)
            .long(*name)
            .value_name(*value)
            .action(ArgAction::Append)
            .help(*help)
            .help_heading("Filter");
        match words_of(name) {
            // A word that no record can have would look as if nothing had happened.
            Some(words) => flag
                .value_parser(PossibleValuesParser::new(words))
                .hide_possible_values(true),
            None => flag,
        }
    }));
    flags
}

/// All words that a field can have, where they are a closed set.
fn words_of(name: &str) -> Option<Vec<&'static str>> {
    Some(match name {
        "kind" => Kind::ALL.iter().map(|kind| kind.as_str()).collect(),
        "risk" => Risk::ALL.iter().map(|risk| risk.as_str()).collect(),
        "outcome" => vec![
            "completed",
            "suspended",
            "failed",
            "denied",
            "skipped",
            "cut",
        ],
        _ => return None,
    })
}

/// Reads the flags of a command.
pub(crate) fn options(name: &str, matches: &mut ArgMatches) -> AuditCommand {
    let count = |matches: &mut ArgMatches, name| {
        let count: Option<u32> = matches.remove_one(name);
        count
            .and_then(|count| usize::try_from(count).ok())
            .unwrap_or_default()
    };
    match name {
        "tail" => AuditCommand::Tail {
            lines: count(matches, "lines"),
            follow: matches.get_flag("follow"),
            format: format(matches),
            filter: filter(matches),
        },
        "search" => AuditCommand::Search {
            limit: count(matches, "limit"),
            index: matches.remove_one("index"),
            format: format(matches),
            filter: filter(matches),
        },
        "export" => AuditCommand::Export {
            output: matches.remove_one("output"),
            format: format(matches),
            filter: filter(matches),
        },
        "verify" => AuditCommand::Verify(VerifyOptions {
            public_keys: all(matches, "public-key"),
            checkpoints: all(matches, "checkpoints"),
            from_checkpoint: matches.remove_one("from-checkpoint"),
            json: matches.get_flag("json"),
        }),
        "keygen" => AuditCommand::Keygen {
            private: matches.remove_one("private").expect("clap has a default"),
            public: matches.remove_one("public").expect("clap has a default"),
        },
        _ => AuditCommand::Index {
            rebuild: matches.get_flag("rebuild"),
            index: matches.remove_one("index"),
        },
    }
}

fn all<T: Clone + Send + Sync + 'static>(matches: &mut ArgMatches, name: &str) -> Vec<T> {
    matches.remove_many(name).into_iter().flatten().collect()
}

fn format(matches: &mut ArgMatches) -> Format {
    let word: Option<String> = matches.remove_one("format");
    match word.as_deref() {
        Some("json") => Format::Json,
        Some("csv") => Format::Csv,
        _ => Format::Table,
    }
}

fn filter(matches: &mut ArgMatches) -> Filter {
    Filter {
        since: matches.remove_one("since"),
        until: matches.remove_one("until"),
        events: all(matches, "event"),
        users: all(matches, "user"),
        databases: all(matches, "database"),
        rules: all(matches, "rule"),
        verdicts: all(matches, "decision"),
        kinds: all(matches, "kind"),
        tables: all(matches, "table"),
        fingerprints: all(matches, "fingerprint"),
        texts: all(matches, "text"),
        sqlstates: all(matches, "sqlstate"),
        outcomes: all(matches, "outcome"),
        risks: all(matches, "risk"),
        sessions: all(matches, "session"),
        client_addrs: all(matches, "client-addr"),
    }
}

/// Reads a time: with its zone, without one (UTC), a day, or a while ago.
fn point_in_time(text: &str) -> Result<Timestamp, String> {
    let utc = |time: DateTime| Offset::UTC.to_timestamp(time).ok();
    let ago = |text: &str| {
        let while_ago: SignedDuration = text.parse().ok()?;
        Timestamp::now().checked_sub(while_ago).ok()
    };
    let as_timestamp = text.parse::<Timestamp>().ok();
    let as_time = || text.parse::<DateTime>().ok().and_then(utc);
    let as_day = || {
        text.parse::<Date>()
            .ok()
            .and_then(|day| utc(day.to_datetime(jiff::civil::Time::midnight())))
    };
    as_timestamp
        .or_else(as_time)
        .or_else(as_day)
        .or_else(|| ago(text))
        .ok_or_else(|| "not a time such as 2026-11-25T04:10:00Z, 2026-11-25 or 2h (ago)".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_all_their_forms() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let read = |text| point_in_time(text).unwrap();
        assert_eq!(
            read("2026-11-25T04:10:00+02:00"),
            at("2026-11-25T02:10:00Z")
        );
        assert_eq!(read("2026-11-25T04:10"), at("2026-11-25T04:10:00Z"));
        assert_eq!(read("2026-11-25"), at("2026-11-25T00:00:00Z"));
        let before = Timestamp::now();
        let read = read("2h") + SignedDuration::from_hours(2);
        assert!((before..=Timestamp::now()).contains(&read), "{read}");
        point_in_time("yesterday").unwrap_err();
    }
}
