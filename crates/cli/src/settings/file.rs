//! Reads a configuration file, TOML or YAML, into texts with their lines.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use toml::de::{DeTable, DeValue};

use super::table::{SETTINGS, Setting};
use super::values::{Problem, Source, Values, nearest};

/// One scalar of the file.
struct Item {
    key: String,
    line: usize,
    text: Result<String, &'static str>,
}

/// Reads `path` into `values`. Whatever is wrong is added to `problems`.
pub(crate) fn read(path: &Path, values: &mut Values, problems: &mut Vec<Problem>) {
    let whole = |message: String| Problem {
        subject: path.display().to_string(),
        source: None,
        message,
    };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            return problems.push(whole(format!("configuration file can't be read: {error}")));
        }
    };
    let yaml = path
        .extension()
        .is_some_and(|extension| extension == "yaml" || extension == "yml");
    let items = if yaml {
        yaml_items(&text)
    } else {
        toml_items(&text)
    };
    match items {
        Ok(mut items) => {
            items.sort_by_key(|item| item.line);
            for item in items {
                place(item, path, values, problems);
            }
        }
        Err(message) => problems.push(whole(message)),
    }
}

fn place(item: Item, path: &Path, values: &mut Values, problems: &mut Vec<Problem>) {
    let source = Source::File {
        path: path.to_owned(),
        line: item.line,
    };
    let message = match (Setting::of_key(&item.key), item.text) {
        (Some(setting), Ok(text)) => return values.set(setting, &text, source),
        (Some(_), Err(wrong)) => wrong.to_owned(),
        (None, _) => unknown(&item.key),
    };
    problems.push(Problem {
        subject: item.key,
        source: Some(source),
        message,
    });
}

fn unknown(key: &str) -> String {
    if key.starts_with("backends") {
        return "several backends are not available in this version; use [backend]".to_owned();
    }
    match nearest(key, SETTINGS.iter().map(|setting| setting.key)) {
        Some(near) => format!("unknown key; did you mean {near}?"),
        None => "unknown key".to_owned(),
    }
}

fn toml_items(text: &str) -> Result<Vec<Item>, String> {
    // Not the parser's own picture of the place: it would quote the line, and a secret on it.
    let document = DeTable::parse(text).map_err(|error| {
        let line = line_of(text, error.span().map_or(0, |span| span.start));
        format!("line {line}: {}", error.message().trim())
    })?;
    let mut items = Vec::new();
    for (section, value) in document.get_ref() {
        flatten_toml(
            text,
            section.get_ref(),
            section.span().start,
            value.get_ref(),
            &mut items,
        );
    }
    Ok(items)
}

fn flatten_toml(text: &str, key: &str, at: usize, value: &DeValue<'_>, items: &mut Vec<Item>) {
    let scalar = match value {
        DeValue::Table(table) => {
            for (name, value) in table {
                let key = format!("{key}.{}", name.get_ref());
                flatten_toml(text, &key, name.span().start, value.get_ref(), items);
            }
            return;
        }
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(integer) => Ok(integer.to_string()),
        DeValue::Float(float) => Ok(float.to_string()),
        DeValue::Boolean(boolean) => Ok(boolean.to_string()),
        DeValue::Datetime(_) => Err("a date is no value for it"),
        DeValue::Array(_) => Err("a list is no value for it"),
    };
    let line = line_of(text, at);
    items.push(Item {
        key: key.to_owned(),
        line,
        text: scalar,
    });
}

fn line_of(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or_default().matches('\n').count() + 1
}

/// What may stand for a value in YAML.
#[derive(Deserialize)]
#[serde(untagged)]
enum YamlValue {
    Unset(()),
    Boolean(bool),
    Integer(i64),
    Text(String),
    Other(serde::de::IgnoredAny),
}

type YamlSection = BTreeMap<String, serde_saphyr::Spanned<YamlValue>>;

fn yaml_items(text: &str) -> Result<Vec<Item>, String> {
    let document: Option<BTreeMap<String, YamlSection>> =
        serde_saphyr::from_str(text).map_err(|error| error.without_snippet().to_string())?;
    let mut items = Vec::new();
    for (section, values) in document.unwrap_or_default() {
        for (name, value) in values {
            let line = usize::try_from(value.referenced.line()).unwrap_or_default();
            let text = match value.value {
                YamlValue::Unset(()) => continue,
                YamlValue::Boolean(boolean) => Ok(boolean.to_string()),
                YamlValue::Integer(integer) => Ok(integer.to_string()),
                YamlValue::Text(text) => Ok(text),
                YamlValue::Other(_) => {
                    Err("only a text or a whole number is a value for it; put it in quotes")
                }
            };
            items.push(Item {
                key: format!("{section}.{name}"),
                line,
                text,
            });
        }
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(name: &str, text: &str) -> (Values, Vec<String>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        let (mut values, mut problems) = (Values::default(), Vec::new());
        read(&path, &mut values, &mut problems);
        let prefix = format!("{}/", dir.path().display());
        let problems = problems
            .iter()
            .map(|problem| problem.to_string().replace(&prefix, ""))
            .collect();
        (values, problems)
    }

    fn text(values: &Values, key: &str) -> String {
        values.value(key).unwrap().text
    }

    #[test]
    fn toml_and_yaml_say_the_same() {
        let toml = "[listen]\nport = 6432\n\n[backend]\nhost = \"db\"\ntoken_allow_plaintext_loopback = true\n";
        let yaml =
            "listen:\n  port: 6432\nbackend:\n  host: db\n  token_allow_plaintext_loopback: true\n";
        for (name, document) in [("q.toml", toml), ("q.yaml", yaml)] {
            let (values, problems) = load(name, document);
            assert_eq!(problems, [""; 0], "{name}");
            assert_eq!(text(&values, "listen.port"), "6432");
            assert_eq!(text(&values, "backend.host"), "db");
            assert_eq!(
                text(&values, "backend.token_allow_plaintext_loopback"),
                "true"
            );
        }
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_and_the_nearest_known_one() {
        let expected = "backend.tls_mod (q.toml:3): unknown key; did you mean backend.tls_mode?";
        assert_eq!(
            load("q.toml", "[backend]\nhost = 'db'\ntls_mod = 'require'\n").1,
            [expected]
        );
        let expected = expected.replace("toml", "yaml");
        assert_eq!(
            load("q.yaml", "backend:\n  host: db\n  tls_mod: require\n").1,
            [expected]
        );
    }

    #[test]
    fn all_mistakes_are_reported() {
        let (_, problems) = load(
            "q.toml",
            "[listen]\nport = [1]\n[zzz]\nyyy = 1\n[[backends]]\nhost = 'a'\n",
        );
        assert_eq!(
            problems,
            [
                "listen.port (q.toml:2): a list is no value for it",
                "zzz.yyy (q.toml:4): unknown key",
                "backends (q.toml:5): several backends are not available in this version; use [backend]",
            ]
        );
    }

    #[test]
    fn a_broken_file_does_not_give_a_secret_away() {
        for (name, text) in [
            ("q.toml", "[api]\nadmin_key = \"TOPSECRETKEY-12345678\n"),
            ("q.yaml", "api:\n  admin_key: \"TOPSECRETKEY-12345678\n"),
            ("q.yaml", "api:\n  admin_key: TOPSECRETKEY: 1\n"),
            (
                "q.yaml",
                "api:\n  admin_key: TOPSECRETKEY-1\n  admin_key: TOPSECRETKEY-2\n",
            ),
        ] {
            let (_, problems) = load(name, text);
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(problems[0].contains("line"), "{problems:?}");
            assert!(!problems[0].contains("TOPSECRET"), "{problems:?}");
        }
    }

    #[test]
    fn an_empty_yaml_value_sets_nothing() {
        let (values, problems) = load("q.yaml", "backend:\n  tls_cert:\n  tls_ca_file: ~\n");
        assert_eq!(problems, [""; 0]);
        assert!(values.value("backend.tls_cert").is_none());
    }

    #[test]
    fn a_broken_file_is_reported_with_its_place() {
        let (_, problems) = load("q.toml", "[listen]\nport = \n");
        assert!(problems[0].contains("line 2"), "{problems:?}");
        let (_, problems) = load("q.yaml", "listen:\n  port: {\n");
        assert!(problems[0].contains("line"), "{problems:?}");
    }
}
