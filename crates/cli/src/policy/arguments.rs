//! The command line of `querycop policy`.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, value_parser};
use jiff::Timestamp;
use querycop_policy::Principal;

use super::principal;

/// What `querycop policy` is to do.
#[derive(Debug)]
pub(crate) enum PolicyOptions {
    /// Read files and run the tests in them.
    Check(Vec<PathBuf>),
    /// Decide about statements.
    Test(TestOptions),
    /// Decide about statements and say why.
    Explain(TestOptions),
    /// Print the JSON Schema.
    Schema,
}

/// About what and as whom a policy is asked.
#[derive(Debug)]
pub(crate) struct TestOptions {
    pub(crate) policy: PathBuf,
    pub(crate) principal: Principal,
    /// `None`: nobody tells it, as before PostgreSQL 18.
    pub(crate) search_path: Option<String>,
    /// The present, if not given.
    pub(crate) at: Option<Timestamp>,
    pub(crate) format: Format,
    pub(crate) sources: Sources,
}

/// Where statements come from.
#[derive(Debug)]
pub(crate) struct Sources {
    pub(crate) sql: Vec<String>,
    pub(crate) files: Vec<PathBuf>,
    pub(crate) pg_stat_statements: Vec<PathBuf>,
}

/// How answers are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Json,
}

const ABOUT: &str = "Check policy files, and show what they would decide";

const AFTER_CHECK: &str = "Exit status: 0, or 78 if something is wrong with a file or a test in it fails.";

const AFTER_TEST: &str = "Statements come from the arguments, from -f, from --pg-stat-statements, else from standard input. \
Each text is judged as one message, and each statement of it as if those before it had completed.

Exit status: 0; 78 if something is wrong with the policy file.";

pub(crate) fn command() -> Command {
    Command::new("policy")
        .about(ABOUT)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("check")
                .about("Read policy files, report all mistakes with line and column, run the tests in them")
                .after_help(AFTER_CHECK)
                .arg(file_flag().action(ArgAction::Append).num_args(1..)),
        )
        .subcommand(
            Command::new("test")
                .about("Print for each statement the verdict, the deciding rule, the risk and the effects")
                .after_help(AFTER_TEST)
                .args(test_flags()),
        )
        .subcommand(
            Command::new("explain")
                .about("The same, and what each rule says of each effect")
                .after_help(AFTER_TEST)
                .args(test_flags()),
        )
        .subcommand(
            Command::new("schema").about("Print the JSON Schema of policy files, for editors"),
        )
}

fn file_flag() -> Arg {
    Arg::new("policy")
        .required(true)
        .value_name("POLICY")
        .value_hint(ValueHint::FilePath)
        .value_parser(value_parser!(PathBuf))
        .help("Policy file, YAML")
}

fn path_flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .value_name("FILE")
        .action(ArgAction::Append)
        .value_hint(ValueHint::FilePath)
        .value_parser(value_parser!(PathBuf))
        .help(help)
}

fn test_flags() -> [Arg; 8] {
    [
        file_flag(),
        Arg::new("sql")
            .value_name("SQL")
            .action(ArgAction::Append)
            .num_args(0..)
            .help("Text of a message: one statement or several"),
        Arg::new("as")
            .long("as")
            .value_name("WHO")
            .default_value("user=postgres")
            .value_parser(principal::parse)
            .help(
                "As whom: user=ann,database=shop,group=analysts,addr=10.1.2.3,tls=on,cert=ann,\
                 app=psql,claim.team=a,backend=main; group and claims more than once",
            ),
        Arg::new("search-path")
            .long("search-path")
            .value_name("PATH")
            .default_value("\"$user\", public")
            .help("The session's search_path; `unknown` as if nobody told it"),
        Arg::new("at")
            .long("at")
            .value_name("TIME")
            .value_parser(|text: &str| {
                text.parse::<Timestamp>()
                    .map_err(|_| "not a moment such as 2026-11-25T12:00:00Z".to_owned())
            })
            .help("When; the present by default"),
        Arg::new("format")
            .long("format")
            .value_name("FORMAT")
            .default_value("text")
            .value_parser(["text", "json"])
            .help("How to print; json is one object for each statement"),
        path_flag("file", "File of SQL, one message; - is standard input").short('f'),
        path_flag(
            "pg-stat-statements",
            "CSV export of pg_stat_statements with a column query",
        ),
    ]
}

/// What was asked for.
pub(crate) fn options(mut matches: ArgMatches) -> PolicyOptions {
    let (name, mut matches) = matches
        .remove_subcommand()
        .expect("clap demands a subcommand");
    if name == "schema" {
        return PolicyOptions::Schema;
    }
    let mut many = |name: &str| -> Vec<PathBuf> {
        matches
            .remove_many(name)
            .map(Iterator::collect)
            .unwrap_or_default()
    };
    if name == "check" {
        return PolicyOptions::Check(many("policy"));
    }
    let files = many("file");
    let pg_stat_statements = many("pg-stat-statements");
    let path: String = matches
        .remove_one("search-path")
        .expect("clap has a default for the path");
    let options = TestOptions {
        policy: matches
            .remove_one("policy")
            .expect("clap demands the policy"),
        principal: matches
            .remove_one("as")
            .expect("clap has a default for the principal"),
        search_path: (path != "unknown").then_some(path),
        at: matches.remove_one("at"),
        format: match matches.remove_one::<String>("format").as_deref() {
            Some("json") => Format::Json,
            _ => Format::Text,
        },
        sources: Sources {
            sql: matches
                .remove_many("sql")
                .map(Iterator::collect)
                .unwrap_or_default(),
            files,
            pg_stat_statements,
        },
    };
    if name == "test" {
        PolicyOptions::Test(options)
    } else {
        PolicyOptions::Explain(options)
    }
}
