//! An effect in one line of text, so that a record is flat and can still be judged again.

use std::fmt::Write as _;

use querycop_policy::facts::{Certainty, Effect, Execution, Filter, ObjectKind};

/// Writes an effect as `ACTION[:SUBTYPE] KIND NAME [(COLUMN, …)] [WORD …]`, as in
/// `update relation public.accounts (abalance) filter=given`.
///
/// A name that the text doesn't tell is `-`. Of a program only the name is written. `*` among the
/// columns is all of them. Words are
/// `filter=missing|always_true|given`, `planned`, `stored`, `possible`, `returning`.
pub(crate) fn written(effect: &Effect) -> String {
    let mut text = effect.action.as_str().to_owned();
    if !effect.subtype.is_empty() {
        let _ = write!(text, ":{}", effect.subtype);
    }
    let object = &effect.object;
    let _ = write!(text, " {} ", object.kind.as_str());
    if object.kind == ObjectKind::Program {
        match program(&object.name.name) {
            Some(program) => name(&mut text, program),
            None => text.push('-'),
        }
    } else if object.name.name.is_empty() {
        text.push('-');
    } else {
        let parts = [&object.name.database, &object.name.schema];
        for part in parts.into_iter().flatten() {
            name(&mut text, part);
            text.push('.');
        }
        name(&mut text, &object.name.name);
    }
    columns(&mut text, effect);
    let attributes = effect.attributes;
    text.push_str(match attributes.filter {
        Filter::NotApplicable => "",
        Filter::Missing => " filter=missing",
        Filter::AlwaysTrue => " filter=always_true",
        Filter::Given => " filter=given",
    });
    text.push_str(match attributes.execution {
        Execution::Now => "",
        Execution::Planned => " planned",
        Execution::Stored => " stored",
    });
    text.push_str(match attributes.certainty {
        Certainty::Certain => "",
        Certainty::Possible => " possible",
    });
    if attributes.returning {
        text.push_str(" returning");
    }
    text
}

/// The program of a command line, without variables before and arguments behind it, where secrets can
/// stand; none where a shell is needed to tell.
fn program(command: &str) -> Option<&str> {
    let is_plain = |word: &&str| {
        word.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-+./=:@%,".contains(&byte))
    };
    let mut words = command.split_ascii_whitespace().take_while(is_plain);
    words.find(|word| !word.contains('='))
}

fn columns(text: &mut String, effect: &Effect) {
    let columns = &effect.columns;
    if !columns.all && columns.named.is_empty() {
        return;
    }
    text.push_str(" (");
    let mut separator = "";
    if columns.all {
        text.push('*');
        separator = ", ";
    }
    for column in &columns.named {
        text.push_str(separator);
        name(text, column);
        separator = ", ";
    }
    text.push(')');
}

/// A name, in quotes where PostgreSQL would need them.
fn name(text: &mut String, name: &str) {
    let is_plain = name.bytes().enumerate().all(|(index, byte)| match byte {
        b'a'..=b'z' | b'_' => true,
        b'0'..=b'9' | b'$' => index > 0,
        _ => false,
    });
    if is_plain && !name.is_empty() {
        text.push_str(name);
    } else {
        let _ = write!(text, "\"{}\"", name.replace('"', "\"\""));
    }
}

#[cfg(test)]
mod tests {
    use querycop_policy::facts::{Action, Attributes, Columns, Name, Object, ObjectKind};

    use super::*;

    #[test]
    fn of_a_command_only_the_program_is_written() {
        for (command, expected) in [
            ("PGPASSWORD=x psql -h db", "psql"),
            ("PGPASSWORD='x y' psql", "-"),
            ("PGPASSWORD=x\\ y psql", "-"),
            ("/usr/bin/curl -u me:x", "\"/usr/bin/curl\""),
            ("$(echo x)", "-"),
            ("", "-"),
        ] {
            let effect = Effect {
                action: Action::UnsafeIo,
                subtype: "program",
                object: Object::new(ObjectKind::Program, Name::unqualified(command)),
                columns: Columns::default(),
                attributes: Attributes::default(),
            };
            assert_eq!(
                written(&effect),
                format!("unsafe_io:program program {expected}")
            );
        }
    }

    #[test]
    fn an_effect_is_one_line() {
        let mut effect = Effect {
            action: Action::Update,
            subtype: "",
            object: Object::new(ObjectKind::Relation, Name::qualified("public", "Odd \"one")),
            columns: Columns::default(),
            attributes: Attributes {
                filter: Filter::Missing,
                returning: true,
                ..Attributes::default()
            },
        };
        effect.columns.add("a");
        effect.columns.add("b c");
        assert_eq!(
            written(&effect),
            r#"update relation public."Odd ""one" (a, "b c") filter=missing returning"#
        );
        assert_eq!(
            written(&Effect::unknown("unparsed")),
            "unknown:unparsed nothing -"
        );
    }
}
