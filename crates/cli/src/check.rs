//! `querycop check`: validates the settings and shows what is in force.

use std::error::Error;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use querycop_audit::SigningKey;
use querycop_gateway::{Gateway, chain};

use crate::exit::{self, OK, refuse_settings, warn_of_settings};
use crate::settings::{Loaded, Problem, SETTINGS, Settings, Source, Values};

/// Validates everything that can be validated without opening a port, and prints the settings.
pub(crate) fn check(loaded: Loaded) -> ExitCode {
    warn_of_settings(&loaded.warnings);
    exit::print(&effective(&loaded.values));
    match loaded.settings {
        Err(problems) => refuse_settings(&problems),
        Ok(settings) => check_files(settings),
    }
}

/// Reads certificates, policy and keys as the gateway would. The audit log is left alone: a gateway
/// that runs has it open.
fn check_files(mut settings: Settings) -> ExitCode {
    let audit = settings.config.governance.audit.take();
    if let Some(key) = audit.and_then(|audit| audit.signing_key)
        && let Err(error) = SigningKey::read(&key)
    {
        return refuse_settings(&[Problem {
            subject: "audit.signing_key".to_owned(),
            source: None,
            message: chain(&error),
        }]);
    }
    let runtime = match exit::short_runtime() {
        Ok(runtime) => runtime,
        Err(status) => return status,
    };
    let outcome = runtime.block_on(async {
        Gateway::new(settings.config, Arc::default())
            .await
            .map(drop)
    });
    let Err(error) = outcome else {
        return ExitCode::from(OK);
    };
    let message = match error.source() {
        Some(cause) => chain(cause),
        None => "can't be used".to_owned(),
    };
    refuse_settings(&[Problem {
        subject: error.to_string(),
        source: None,
        message,
    }])
}

/// The settings in force, as a configuration file that says where each came from.
fn effective(values: &Values) -> String {
    let mut text = String::new();
    let mut section = "";
    for (setting, value) in values.shown() {
        let (group, name) = setting.key.split_once('.').unwrap_or(("", setting.key));
        if group != section {
            let gap = if section.is_empty() { "" } else { "\n" };
            let _ = writeln!(text, "{gap}[{group}]");
            section = group;
        }
        let _ = match value {
            Some(value) if value.source == Source::Default => {
                writeln!(text, "# {name} = {}", quoted(&value.text))
            }
            Some(value) => writeln!(text, "{name} = {}  # {}", quoted(&value.text), value.source),
            None => writeln!(text, "# {name} is not set"),
        };
    }
    text
}

/// A value as TOML would have it.
fn quoted(text: &str) -> String {
    if text.parse::<i64>().is_ok() || text == "true" || text == "false" {
        text.to_owned()
    } else {
        toml::Value::String(text.to_owned()).to_string()
    }
}

/// Prints the table of all settings for docs/configuration.md.
pub(crate) fn print_reference() -> ExitCode {
    exit::print(&reference());
    ExitCode::SUCCESS
}

fn reference() -> String {
    let mut text = "| Key | Environment | Default | Meaning |\n|---|---|---|---|\n".to_owned();
    for setting in SETTINGS {
        let default = setting
            .default
            .map_or_else(|| "–".to_owned(), |default| format!("`{default}`"));
        let help = setting.help.replace('|', "\\|");
        let _ = writeln!(
            text,
            "| `{}` | `{}` | {default} | {help} |",
            setting.key, setting.env
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: &str = "<!-- settings:begin -->\n";
    const END: &str = "<!-- settings:end -->";

    #[test]
    fn the_documentation_lists_every_setting() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
        let document = std::fs::read_to_string(path).unwrap();
        let (_, rest) = document
            .split_once(BEGIN)
            .expect("docs/configuration.md has the marker");
        let (table, _) = rest
            .split_once(END)
            .expect("docs/configuration.md has the end marker");
        assert_eq!(
            table.trim(),
            reference().trim(),
            "run `querycop reference` and put it in place"
        );
    }
}
