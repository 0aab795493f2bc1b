//! Where a secret can stand outside of a literal.
//!
//! In SQL it is the value of a setting, which may be a word or a name in quotes: `SET app.token = x`.
//! In a text that isn't SQL it can be anything behind a word for a password, and in a URL.

use std::iter::Peekable;

use crate::lexer::{Lexer, Token, TokenKind};

/// Watches for the value of a setting that can be a secret: of one that isn't PostgreSQL's own, with a
/// point in its name, and of connection strings and command lines.
#[derive(Default)]
pub(crate) struct SettingWatch {
    statement: Statement,
    has_update: bool,
    place: Place,
}

/// What SET means in a statement.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Statement {
    #[default]
    NotBegun,
    /// SET and ALTER: a setting.
    Setting,
    /// CREATE: a setting, unless UPDATE stands before it.
    Definition,
    /// A column.
    Other,
}

/// What has been seen of `SET [LOCAL] name =`.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Elsewhere,
    BehindSet,
    /// SESSION or LOCAL, which can be the name's own first part.
    BehindScope,
    BehindName {
        is_secret: bool,
    },
    BehindPoint,
}

impl SettingWatch {
    /// Takes the next token; true if the value of such a setting follows.
    pub(crate) fn take(&mut self, token: Token, piece: &str) -> bool {
        if token.kind == TokenKind::Mark(b';') {
            *self = Self::default();
            return false;
        }
        let is = |word: &str| token.kind == TokenKind::Word && piece.eq_ignore_ascii_case(word);
        if self.statement == Statement::NotBegun && token.kind == TokenKind::Word {
            self.statement = if is("set") || is("alter") {
                Statement::Setting
            } else if is("create") {
                Statement::Definition
            } else {
                Statement::Other
            };
        }
        self.has_update |= is("update");
        let is_name = matches!(token.kind, TokenKind::Word | TokenKind::QuotedName);
        let is_equal = token.kind == TokenKind::Operator && piece == "=" || is("to");
        self.place = match self.place {
            Place::BehindName { is_secret } if is_equal => {
                self.place = Place::Elsewhere;
                return is_secret;
            }
            Place::BehindName { .. } | Place::BehindScope
                if token.kind == TokenKind::Mark(b'.') =>
            {
                Place::BehindPoint
            }
            Place::BehindSet if is("session") || is("local") => Place::BehindScope,
            Place::BehindSet | Place::BehindScope if is_name => Place::BehindName {
                is_secret: has_point(token, piece) || may_hold_password(piece.trim_matches('"')),
            },
            Place::BehindPoint if is_name => Place::BehindName { is_secret: true },
            _ if is("set") && self.is_about_settings() => Place::BehindSet,
            _ => Place::Elsewhere,
        };
        false
    }

    fn is_about_settings(&self) -> bool {
        match self.statement {
            Statement::Setting => true,
            Statement::Definition => !self.has_update,
            Statement::NotBegun | Statement::Other => false,
        }
    }
}

/// Whether a name in quotes has a point, or an escape that may stand for one.
fn has_point(token: Token, piece: &str) -> bool {
    token.kind == TokenKind::QuotedName && (piece.contains('.') || !piece.starts_with('"'))
}

/// Whether passwords stand in a setting of the server: in connection strings and command lines.
pub(crate) fn may_hold_password(setting: &str) -> bool {
    let setting = setting.to_ascii_lowercase();
    setting == "primary_conninfo" || setting.ends_with("_command") || setting.contains("password")
}

/// Passes over the value of a setting: signed or not, in quotes or not, a list or not. False for
/// DEFAULT, which is none.
pub(crate) fn skip_value(text: &str, tokens: &mut Peekable<Lexer<'_>>) -> bool {
    let piece = |token: &Token| text.get(token.range()).unwrap_or_default();
    let is = |token: &Token, word: &str| {
        token.kind == TokenKind::Word && piece(token).eq_ignore_ascii_case(word)
    };
    if tokens.peek().is_none_or(|token| is(token, "default")) {
        return false;
    }
    loop {
        tokens.next_if(|token| token.kind == TokenKind::Operator);
        if tokens
            .next_if(|token| !matches!(token.kind, TokenKind::Mark(_)))
            .is_none()
        {
            return true;
        }
        if tokens.next_if(|token| is(token, "uescape")).is_some() {
            tokens.next_if(|token| token.kind == TokenKind::Literal);
        }
        if tokens
            .next_if(|token| token.kind == TokenKind::Mark(b','))
            .is_none()
        {
            return true;
        }
    }
}

/// Passes over what may be a password, up to the end of the statement; false if there is nothing. A `;`
/// in the middle of a word is part of it.
pub(crate) fn skip_rest(text: &str, tokens: &mut Peekable<Lexer<'_>>) -> bool {
    let is_part = |token: &Token| {
        token.kind != TokenKind::Mark(b';')
            || text
                .as_bytes()
                .get(token.end)
                .is_some_and(|byte| !byte.is_ascii_whitespace())
    };
    let mut found = false;
    while tokens.next_if(is_part).is_some() {
        found = true;
    }
    found
}

/// Finds the credentials of URLs.
#[derive(Default)]
pub(crate) struct Urls {
    /// Before this place, which was looked through, no further credentials end.
    known: usize,
}

impl Urls {
    /// Passes over the credentials of a URL whose `//` was just taken: all before the last `@` that
    /// comes before a space.
    pub(crate) fn skip_credentials(
        &mut self,
        text: &str,
        slashes: Token,
        tokens: &mut Peekable<Lexer<'_>>,
    ) -> bool {
        if slashes.start < self.known {
            return false;
        }
        let (before, rest) = text.split_at_checked(slashes.start).unwrap_or_default();
        if !before.ends_with(':') || !rest.starts_with("//") {
            return false;
        }
        let length = rest.find(char::is_whitespace).unwrap_or(rest.len());
        self.known = slashes.start + length;
        let Some(at) = rest.get(..length).and_then(|url| url.rfind('@')) else {
            return false;
        };
        let end = slashes.start + at;
        while tokens.next_if(|token| token.start < end).is_some() {}
        true
    }
}

/// Whether a word in a text that isn't SQL says that a password follows.
pub(crate) fn announces_password(word: &str) -> bool {
    const ENDINGS: &[&str] = &[
        "password",
        "passwd",
        "passphrase",
        "passwort",
        "pwd",
        "_pass",
    ];
    let word = word.trim_matches('"').to_ascii_lowercase();
    matches!(word.as_str(), "pass" | "identified")
        || ENDINGS.iter().any(|ending| word.ends_with(ending))
}

/// Whether a name in quotes is a connection string with a password, by somebody who took the wrong
/// quotes.
pub(crate) fn is_connection_string(name: &str) -> bool {
    let name: String = name
        .chars()
        .filter(|letter| !letter.is_whitespace())
        .map(|letter| letter.to_ascii_lowercase())
        .collect();
    let has_password = ["password=", "passwd=", "passphrase=", "pwd="]
        .iter()
        .any(|key| name.contains(key));
    let has_credentials = name
        .split_once("://")
        .is_some_and(|(_, rest)| rest.contains('@'));
    has_password || has_credentials
}
