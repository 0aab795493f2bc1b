//! An effect as a record of the audit has it, read back: the other side of the store's own words.

use std::iter::Peekable;
use std::str::Chars;

use querycop_policy::facts::{
    Action, Attributes, Certainty, Columns, Effect, Execution, Filter, Name, Object, ObjectKind,
    SUBTYPES,
};

/// Reads `ACTION[:SUBTYPE] KIND NAME [(COLUMN, …)] [WORD …]`. What can't be read is `unknown`.
pub(super) fn read(text: &str) -> Effect {
    parse(text).unwrap_or_else(|| Effect::unknown("unparsed"))
}

fn parse(text: &str) -> Option<Effect> {
    let (action, rest) = text.split_once(' ')?;
    let (kind, rest) = rest.split_once(' ')?;
    let (action, subtype) = action.split_once(':').unwrap_or((action, ""));
    let subtype = match subtype {
        "" => "",
        word => SUBTYPES.iter().copied().find(|known| *known == word)?,
    };
    let mut letters = rest.chars().peekable();
    let name = name(&mut letters)?;
    let mut effect = Effect {
        action: Action::from_word(action)?,
        subtype,
        object: Object::new(ObjectKind::from_word(kind)?, name),
        columns: Columns::default(),
        attributes: Attributes::default(),
    };
    let rest: String = letters.collect();
    let mut words = rest.trim_start();
    if let Some(list) = words.strip_prefix('(') {
        words = columns(list, &mut effect.columns)?;
    }
    for word in words.split_whitespace() {
        attribute(word, &mut effect.attributes)?;
    }
    Some(effect)
}

/// A name of up to three parts; `-` is none.
fn name(letters: &mut Peekable<Chars<'_>>) -> Option<Name> {
    if letters.next_if_eq(&'-').is_some() {
        return Some(Name::default());
    }
    let mut parts = vec![part(letters)?];
    while letters.next_if_eq(&'.').is_some() {
        parts.push(part(letters)?);
    }
    let mut parts = parts.into_iter().rev();
    Some(Name {
        name: parts.next()?.into(),
        schema: parts.next().map(Into::into),
        database: parts.next().map(Into::into),
    })
}

/// One part, in quotes or without.
fn part(letters: &mut Peekable<Chars<'_>>) -> Option<String> {
    let mut part = String::new();
    if letters.next_if_eq(&'"').is_none() {
        while let Some(letter) = letters.next_if(|letter| !matches!(letter, '.' | ' ' | ',' | ')'))
        {
            part.push(letter);
        }
        return (!part.is_empty()).then_some(part);
    }
    loop {
        let letter = letters.next()?;
        if letter == '"' && letters.next_if_eq(&'"').is_none() {
            return Some(part);
        }
        part.push(letter);
    }
}

/// Columns up to the bracket that closes; what comes after it.
fn columns<'t>(list: &'t str, columns: &mut Columns) -> Option<&'t str> {
    let mut letters = list.chars().peekable();
    loop {
        if letters.next_if_eq(&'*').is_some() {
            columns.all = true;
        } else {
            columns.named.push(part(&mut letters)?.into());
        }
        match letters.next()? {
            ',' => {
                letters.next_if_eq(&' ');
            }
            ')' => {
                let rest = letters.map(char::len_utf8).sum::<usize>();
                return list.get(list.len() - rest..);
            }
            _ => return None,
        }
    }
}

fn attribute(word: &str, attributes: &mut Attributes) -> Option<()> {
    match word {
        "filter=missing" => attributes.filter = Filter::Missing,
        "filter=always_true" => attributes.filter = Filter::AlwaysTrue,
        "filter=given" => attributes.filter = Filter::Given,
        "planned" => attributes.execution = Execution::Planned,
        "stored" => attributes.execution = Execution::Stored,
        "possible" => attributes.certainty = Certainty::Possible,
        "returning" => attributes.returning = true,
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effects_are_read_back() {
        let effect =
            read(r#"update relation public."Odd ""one" (a, "b c") filter=missing returning"#);
        assert_eq!(effect.action, Action::Update);
        assert_eq!(effect.object.name, Name::qualified("public", "Odd \"one"));
        assert_eq!(effect.columns.named, ["a".into(), "b c".into()]);
        assert_eq!(effect.attributes.filter, Filter::Missing);
        assert!(effect.attributes.returning);

        let effect = read("read relation orders (*, id) planned");
        assert_eq!(effect.object.name, Name::unqualified("orders"));
        assert!(effect.columns.all);
        assert_eq!(effect.attributes.execution, Execution::Planned);

        let effect = read("unsafe_io:program program \"curl x\"");
        assert_eq!(effect.subtype, "program");
        assert_eq!(&*effect.object.name.name, "curl x");
        assert_eq!(
            read("transaction:begin transaction -").action,
            Action::Transaction
        );
    }

    #[test]
    fn what_nobody_understands_is_unknown() {
        for text in [
            "",
            "read",
            "reed relation a",
            "read relation a (b",
            "read relation a wild",
        ] {
            assert_eq!(read(text).action, Action::Unknown, "{text}");
        }
    }
}
