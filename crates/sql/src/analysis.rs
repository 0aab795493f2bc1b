//! From a text to its analysis, on the thread at hand.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use pg_query::ParserOptions;
use querycop_policy::facts::{Facts, Feature, Unreadable};

use crate::guard::{Measure, measure};
use crate::lexer::Lexer;
use crate::note::Note;
use crate::redact::{Fingerprint, Passwords, redact};
use crate::settings::{Decoded, LexerSettings, ServerEncoding, StandardConformingStrings, decode};
use crate::tree::{self, Budget};

/// What is to know of a text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Analysis {
    /// What its statements do.
    pub facts: Facts,
    /// Each statement without its literals, in the order of [`Facts::statements`].
    pub texts: Vec<RedactedText>,
    /// What others derive from it.
    pub note: Note,
}

/// A statement without its literals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedactedText {
    /// `?` stands for each literal; comments are left out; cut at a limit.
    pub text: Box<str>,
    /// What identifies it, however its literals are.
    pub fingerprint: Fingerprint,
}

/// How much text is taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) text_bytes: usize,
    pub(crate) redacted_bytes: usize,
}

/// A text that has passed the guard.
pub(crate) struct Measured<'t> {
    text: Decoded<'t>,
    settings: LexerSettings,
    measure: Measure,
    limits: Limits,
}

/// Tokens of a text that is parsed on a session's own time.
const SMALL_TOKENS: usize = 400;

/// Depth of a text that is parsed on a session's own stack.
const SMALL_DEPTH: usize = 40;

impl Analysis {
    /// About how much memory it takes, in bytes.
    pub fn size(&self) -> usize {
        const EFFECT: usize = 160;
        let statements: usize = self
            .facts
            .statements
            .iter()
            .map(|statement| {
                let columns: usize = statement
                    .effects
                    .iter()
                    .map(|effect| effect.columns.named.len() * 32)
                    .sum();
                256 + columns + (statement.effects.len() + statement.possible_calls.len()) * EFFECT
            })
            .sum();
        let texts: usize = self.texts.iter().map(|text| text.text.len() + 40).sum();
        statements + texts
    }

    /// The analysis of a text that can't be read.
    pub(crate) fn unreadable(reason: Unreadable, length: usize, text: RedactedText) -> Self {
        Self {
            facts: Facts::unreadable(reason, length),
            texts: vec![text],
            note: Note::default(),
        }
    }
}

/// Checks a text before anything expensive is done with it.
pub(crate) fn check(
    bytes: &[u8],
    settings: LexerSettings,
    limits: Limits,
) -> Result<Measured<'_>, Box<Analysis>> {
    let refuse = |reason| Box::new(refused(reason, bytes, settings, limits));
    if bytes.len() > limits.text_bytes {
        return Err(refuse(Unreadable::TooLong));
    }
    let text = decode(bytes, settings.client_encoding).map_err(refuse)?;
    let lexer = Lexer::new(&text.text, settings.standard_conforming_strings);
    let measure = measure(&text.text, lexer).map_err(refuse)?;
    let is_foreign_server = settings.server_encoding == ServerEncoding::Other;
    if text.is_inexact && measure.has_foreign_name
        || is_foreign_server && measure.has_ambiguous_name
    {
        // Its letters would be others than the server's.
        return Err(refuse(Unreadable::Encoding));
    }
    Ok(Measured {
        text,
        settings,
        measure,
        limits,
    })
}

/// A text that no thread took.
pub(crate) fn defect(bytes: &[u8], settings: LexerSettings, limits: Limits) -> Analysis {
    refused(Unreadable::Defect, bytes, settings, limits)
}

/// A text that isn't parsed is still redacted, as far as that is safe.
pub(crate) fn refused(
    reason: Unreadable,
    bytes: &[u8],
    settings: LexerSettings,
    limits: Limits,
) -> Analysis {
    let kept = bytes
        .get(..limits.redacted_bytes.min(bytes.len()))
        .unwrap_or_default();
    let text: String = match reason {
        // Where quotes can't be found, nothing is certain to be outside of them.
        Unreadable::Encoding | Unreadable::InvalidText => "'".to_owned(),
        Unreadable::Syntax | Unreadable::TooLong | Unreadable::TooDeep | Unreadable::Defect => {
            kept.iter().map(|byte| char::from(*byte)).collect()
        }
    };
    let (text, fingerprint) = redact(
        &text,
        Lexer::new(&text, settings.standard_conforming_strings),
        Passwords::Anywhere,
        limits.redacted_bytes,
    );
    Analysis::unreadable(reason, bytes.len(), RedactedText { text, fingerprint })
}

impl Measured<'_> {
    /// Whether it can be parsed on a stack of 2 MiB in well under a millisecond.
    pub(crate) fn is_small(&self) -> bool {
        self.measure.tokens <= SMALL_TOKENS && self.measure.depth <= SMALL_DEPTH
    }

    /// Parses and reads it. The tree lives and dies on this thread's stack.
    pub(crate) fn analyze(&self) -> Analysis {
        let read = catch_unwind(AssertUnwindSafe(|| self.read()));
        match read {
            Ok(Ok(analysis)) => analysis,
            Ok(Err(reason)) => self.unreadable(reason),
            Err(_) => self.unreadable(Unreadable::Defect),
        }
    }

    fn read(&self) -> Result<Analysis, Unreadable> {
        let text = &*self.text.text;
        let options = match self.settings.standard_conforming_strings {
            StandardConformingStrings::On => ParserOptions::DEFAULT,
            StandardConformingStrings::Off => ParserOptions::DISABLE_STANDARD_CONFORMING_STRINGS,
        };
        let parsed = pg_query::parse(text, options).map_err(|error| reason_of(&error))?;
        let statements = &parsed.protobuf.stmts;
        let mut facts = Facts::default();
        let mut texts = Vec::with_capacity(statements.len());
        let mut budget = Budget::default();
        let mut positions = Positions::new(text, self.is_transcoded());
        for raw in statements {
            let Some(node) = raw.stmt.as_deref() else {
                return Err(Unreadable::Defect);
            };
            let start = usize::try_from(raw.stmt_location).unwrap_or_default();
            let length = usize::try_from(raw.stmt_len).unwrap_or_default();
            // A length of zero means: to the end.
            let end = if length == 0 {
                text.len()
            } else {
                start + length
            };
            let own = text.get(start..end).ok_or(Unreadable::Defect)?;
            let span = positions.of(start)..positions.of(end);
            let mut statement = tree::read(node, span, &mut budget);
            if budget.is_exhausted() {
                return Err(Unreadable::TooDeep);
            }
            if statements.len() > 1 {
                statement.features.insert(Feature::MultiStatement);
            }
            facts.statements.push(Arc::new(statement));
            texts.push(self.redacted(own, Passwords::InLiterals));
        }
        Ok(Analysis {
            facts,
            texts,
            note: Note::default(),
        })
    }

    fn is_transcoded(&self) -> bool {
        matches!(self.text.text, std::borrow::Cow::Owned(_))
    }

    fn redacted(&self, text: &str, passwords: Passwords) -> RedactedText {
        let lexer = Lexer::new(text, self.settings.standard_conforming_strings);
        let (text, fingerprint) = redact(text, lexer, passwords, self.limits.redacted_bytes);
        RedactedText { text, fingerprint }
    }

    fn unreadable(&self, reason: Unreadable) -> Analysis {
        let text = &*self.text.text;
        let redacted = self.redacted(text, Passwords::Anywhere);
        Analysis::unreadable(reason, text.len(), redacted)
    }
}

/// PostgreSQL's words for what is a limit of the parser, and not of the text.
fn reason_of(error: &pg_query::Error) -> Unreadable {
    match error {
        pg_query::Error::Parse(message)
            if message.contains("stack depth limit") || message.contains("memory exhausted") =>
        {
            Unreadable::TooDeep
        }
        pg_query::Error::Parse(_) | pg_query::Error::Conversion(_) => Unreadable::Syntax,
        pg_query::Error::Decode(_)
        | pg_query::Error::InvalidJson(_)
        | pg_query::Error::InvalidPointer
        | pg_query::Error::Scan(_)
        | pg_query::Error::IsUtility(_)
        | pg_query::Error::Split(_) => Unreadable::Defect,
    }
}

/// Places in the text as the client sent it.
struct Positions<'t> {
    text: &'t str,
    /// One byte of the client's is one character of ours.
    is_transcoded: bool,
    /// The last place that was asked for, here and there.
    last: (usize, usize),
}

impl<'t> Positions<'t> {
    fn new(text: &'t str, is_transcoded: bool) -> Self {
        Self {
            text,
            is_transcoded,
            last: (0, 0),
        }
    }

    fn of(&mut self, position: usize) -> usize {
        if !self.is_transcoded {
            return position;
        }
        let (here, there) = self.last;
        let between = self.text.get(here..position).unwrap_or_default();
        self.last = (position, there + between.chars().count());
        self.last.1
    }
}
