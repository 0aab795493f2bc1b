//! Words of a command line to values: POSIX and GNU, with the rules of Go's pflag library.
//!
//! clap can't express them: switches take a value only behind `=`, clusters end in a value, and flags
//! stand among the other words.

use super::literal::LiteralError;
use super::table::Flag;
use super::values::Values;

/// A command line, taken apart.
#[derive(Clone, Default)]
pub(crate) struct Parsed {
    /// What the flags say.
    pub(crate) values: Values,
    /// The words that are no flags, in order.
    pub(crate) positionals: Vec<String>,
}

/// Why a command line can't be taken apart.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParseError {
    /// A long flag that there is not.
    #[error("unknown flag: --{0}")]
    UnknownFlag(String),
    /// A short flag that there is not.
    #[error("unknown shorthand flag: {letter:?} in -{cluster}")]
    UnknownShorthand {
        /// The flag.
        letter: char,
        /// The letters from it on.
        cluster: String,
    },
    /// A word such as `--=x` or `---`.
    #[error("bad flag syntax: {0}")]
    Syntax(String),
    /// A long flag at the end, without its value.
    #[error("flag needs an argument: --{0}")]
    MissingValue(String),
    /// A short flag at the end, without its value.
    #[error("flag needs an argument: {letter:?} in -{cluster}")]
    MissingShorthandValue {
        /// The flag.
        letter: char,
        /// The letters from it on.
        cluster: String,
    },
    /// A value that is none of its flag.
    #[error("invalid argument {value:?} for {flag:?} flag: {cause}")]
    Value {
        /// The value.
        value: String,
        /// The flag, in all its forms.
        flag: String,
        /// Why not.
        cause: LiteralError,
    },
}

/// Takes the words apart by the flags of a command.
pub(crate) fn parse(flags: &[Flag], words: &[String]) -> Result<Parsed, ParseError> {
    let mut parser = Parser {
        flags,
        words: words.iter(),
        parsed: Parsed::default(),
    };
    while let Some(word) = parser.words.next() {
        if word == "--" {
            parser.parsed.positionals.extend(parser.words.cloned());
            break;
        } else if let Some(long) = word.strip_prefix("--") {
            parser.long(long)?;
        } else if word.len() > 1 && word.starts_with('-') {
            parser.cluster(&word[1..])?;
        } else {
            parser.parsed.positionals.push(word.clone());
        }
    }
    Ok(parser.parsed)
}

struct Parser<'a> {
    flags: &'a [Flag],
    words: std::slice::Iter<'a, String>,
    parsed: Parsed,
}

impl Parser<'_> {
    fn long(&mut self, text: &str) -> Result<(), ParseError> {
        if text.starts_with(['-', '=']) {
            return Err(ParseError::Syntax(format!("--{text}")));
        }
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let flag = *self
            .flags
            .iter()
            .find(|flag| flag.name == name)
            .ok_or_else(|| ParseError::UnknownFlag(name.to_owned()))?;
        match value {
            Some(value) => self.set(&flag, value),
            None if flag.is_switch() => self.set(&flag, "true"),
            None => {
                let value = self
                    .words
                    .next()
                    .ok_or_else(|| ParseError::MissingValue(name.to_owned()))?;
                self.set(&flag, value)
            }
        }
    }

    fn cluster(&mut self, letters: &str) -> Result<(), ParseError> {
        let mut rest = letters;
        while let Some(letter) = rest.chars().next() {
            let behind = &rest[letter.len_utf8()..];
            let flag = *self
                .flags
                .iter()
                .find(|flag| flag.short == Some(letter))
                .ok_or_else(|| ParseError::UnknownShorthand {
                    letter,
                    cluster: rest.to_owned(),
                })?;
            // An equals sign without anything behind it is the next flag, or the value.
            match behind.strip_prefix('=') {
                Some(value) if !value.is_empty() => return self.set(&flag, value),
                _ => {}
            }
            if flag.is_switch() {
                self.set(&flag, "true")?;
                rest = behind;
            } else if behind.is_empty() {
                let value = self
                    .words
                    .next()
                    .ok_or_else(|| ParseError::MissingShorthandValue {
                        letter,
                        cluster: rest.to_owned(),
                    })?;
                return self.set(&flag, value);
            } else {
                return self.set(&flag, behind);
            }
        }
        Ok(())
    }

    fn set(&mut self, flag: &Flag, value: &str) -> Result<(), ParseError> {
        self.parsed.values.set(flag, value).map_err(|cause| {
            let long = format!("--{}", flag.name);
            ParseError::Value {
                value: value.to_owned(),
                flag: match flag.short {
                    Some(short) => format!("-{short}, {long}"),
                    None => long,
                },
                cause,
            }
        })
    }
}
