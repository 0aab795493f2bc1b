//! PostgreSQL's tokens, without a grammar: for the guard, redaction and the fingerprint.
//!
//! `libpg_query`'s own scanner knows only `standard_conforming_strings = on` and builds a message of
//! all tokens; this one follows the setting and allocates nothing. It must cut text exactly as
//! `scan.l` does, which a property test compares with `libpg_query`. A text that it can't finish
//! (an unterminated quote) ends in one token of kind [`TokenKind::Unterminated`].

use std::ops::Range;

use crate::settings::StandardConformingStrings;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// A keyword or a name without quotes.
    Word,
    /// A name in quotes, with `U&` before it or not.
    QuotedName,
    /// A string, number or bit string: what redaction takes out.
    Literal,
    /// `$1`
    Parameter,
    /// An operator of one or more characters, also `::`, `:=`, `=>` and `..`.
    Operator,
    /// One of `( ) [ ] , ; : .`
    Mark(u8),
    /// Something that the end of the text cuts short.
    Unterminated,
}

/// A token and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Token {
    pub(crate) fn range(self) -> Range<usize> {
        self.start..self.end
    }
}

/// Cuts a text into tokens; comments and spaces are left out.
#[derive(Clone)]
pub(crate) struct Lexer<'t> {
    text: &'t [u8],
    position: usize,
    strings: StandardConformingStrings,
}

/// How a string ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escapes {
    /// Nothing stands for a quote: bit strings.
    Nothing,
    /// Only a doubled quote stands for one.
    Quote,
    /// A backslash takes the next character with it.
    Backslash,
}

impl<'t> Lexer<'t> {
    pub(crate) fn new(text: &'t str, strings: StandardConformingStrings) -> Self {
        Self {
            text: text.as_bytes(),
            position: 0,
            strings,
        }
    }

    /// The byte that many after the position; 0 after the end, which no text contains.
    fn peek(&self, ahead: usize) -> u8 {
        self.text.get(self.position + ahead).copied().unwrap_or(0)
    }

    fn rest(&self) -> &'t [u8] {
        self.text.get(self.position..).unwrap_or_default()
    }

    /// Skips spaces and comments; false if a comment has no end.
    fn skip_space(&mut self) -> bool {
        loop {
            match (self.peek(0), self.peek(1)) {
                (b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c, _) => self.position += 1,
                (b'-', b'-') => self.skip_line(),
                (b'/', b'*') => {
                    if !self.skip_block_comment() {
                        return false;
                    }
                }
                _ => return true,
            }
        }
    }

    fn skip_line(&mut self) {
        let line = self.rest();
        let length = line.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        self.position += length.unwrap_or(line.len());
    }

    /// Block comments nest.
    fn skip_block_comment(&mut self) -> bool {
        let mut depth = 0_usize;
        loop {
            match (self.peek(0), self.peek(1)) {
                (b'/', b'*') => {
                    depth += 1;
                    self.position += 2;
                }
                (b'*', b'/') => {
                    depth -= 1;
                    self.position += 2;
                    if depth == 0 {
                        return true;
                    }
                }
                _ if self.position >= self.text.len() => return false,
                _ => self.position += 1,
            }
        }
    }

    fn token(&mut self) -> TokenKind {
        match self.peek(0) {
            b'\'' => self.string(0, self.plain_escapes()),
            b'"' => self.quoted_name(0),
            b'$' => self.dollar(),
            b'0'..=b'9' => self.number(),
            b'.' if self.peek(1).is_ascii_digit() => self.number(),
            byte if is_name_start(byte) => self.word(),
            byte => self.symbol(byte),
        }
    }

    fn plain_escapes(&self) -> Escapes {
        match self.strings {
            StandardConformingStrings::On => Escapes::Quote,
            StandardConformingStrings::Off => Escapes::Backslash,
        }
    }

    /// A string whose opening quote stands after a prefix of that many bytes.
    fn string(&mut self, prefix: usize, escapes: Escapes) -> TokenKind {
        self.position += prefix + 1;
        loop {
            if !self.skip_to_closing_quote(escapes) {
                self.position = self.text.len();
                return TokenKind::Unterminated;
            }
            if !self.continues() {
                return TokenKind::Literal;
            }
        }
    }

    /// Moves behind the quote that ends a string.
    fn skip_to_closing_quote(&mut self, escapes: Escapes) -> bool {
        loop {
            match (self.peek(0), self.peek(1)) {
                (b'\'', b'\'') if escapes != Escapes::Nothing => self.position += 2,
                (b'\'', _) => {
                    self.position += 1;
                    return true;
                }
                (b'\\', _) if escapes == Escapes::Backslash => self.position += 2,
                _ => self.position += 1,
            }
            if self.position >= self.text.len() {
                return false;
            }
        }
    }

    /// Whether another quote, on a later line and after nothing but space, goes on with the string;
    /// then moves behind that quote.
    fn continues(&mut self) -> bool {
        let mut position = self.position;
        let mut seen_newline = false;
        loop {
            match self.text.get(position) {
                Some(b'\n' | b'\r') => {
                    seen_newline = true;
                    position += 1;
                }
                Some(b' ' | b'\t' | 0x0b | 0x0c) => position += 1,
                Some(b'-') if self.text.get(position + 1) == Some(&b'-') => {
                    let line = self.text.get(position..).unwrap_or_default();
                    match line.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
                        Some(length) => position += length,
                        None => return false,
                    }
                }
                Some(b'\'') if seen_newline => {
                    self.position = position + 1;
                    return true;
                }
                _ => return false,
            }
        }
    }

    /// A quoted name whose opening quote stands after a prefix of that many bytes.
    fn quoted_name(&mut self, prefix: usize) -> TokenKind {
        self.position += prefix + 1;
        loop {
            match (self.peek(0), self.peek(1)) {
                (b'"', b'"') => self.position += 2,
                (b'"', _) => {
                    self.position += 1;
                    return TokenKind::QuotedName;
                }
                _ if self.position >= self.text.len() => return TokenKind::Unterminated,
                _ => self.position += 1,
            }
        }
    }

    /// `$1`, `$tag$ … $tag$`, or a dollar that is an error.
    fn dollar(&mut self) -> TokenKind {
        if self.peek(1).is_ascii_digit() {
            self.position += 1;
            self.skip_while(|byte| byte.is_ascii_digit());
            return TokenKind::Parameter;
        }
        let mut length = 1;
        if is_name_start(self.peek(1)) {
            while is_name_byte(self.peek(length)) && self.peek(length) != b'$' {
                length += 1;
            }
        }
        if self.peek(length) != b'$' {
            self.position += 1;
            return TokenKind::Operator;
        }
        let rest = self.rest();
        let (tag, body) = rest.split_at(length + 1);
        if let Some(end) = find(body, tag) {
            self.position += tag.len() + end + tag.len();
            TokenKind::Literal
        } else {
            self.position = self.text.len();
            TokenKind::Unterminated
        }
    }

    /// Also takes what follows a number by mistake (`1a`): an error to PostgreSQL.
    fn number(&mut self) -> TokenKind {
        let start = self.position;
        self.skip_while(is_number_byte);
        let whole = self.text.get(start..self.position).unwrap_or_default();
        if matches!(whole, [b'0', b'x' | b'X' | b'o' | b'O' | b'b' | b'B', ..]) {
            return TokenKind::Literal;
        }
        let has_exponent = whole.iter().any(|byte| matches!(byte, b'e' | b'E'));
        // `1..10` is a range, not a number with two points.
        let is_range = self.peek(1) == b'.' && !whole.is_empty();
        if self.peek(0) == b'.' && !has_exponent && !is_range {
            self.position += 1;
            self.skip_while(is_number_byte);
        }
        let text = self.text.get(start..self.position).unwrap_or_default();
        if matches!(text, [.., b'e' | b'E'])
            && matches!(self.peek(0), b'+' | b'-')
            && self.peek(1).is_ascii_digit()
        {
            self.position += 1;
            self.skip_while(is_number_byte);
        }
        TokenKind::Literal
    }

    fn word(&mut self) -> TokenKind {
        match (self.peek(0) | 0x20, self.peek(1), self.peek(2)) {
            (b'e', b'\'', _) => return self.string(1, Escapes::Backslash),
            (b'b' | b'x', b'\'', _) => return self.string(1, Escapes::Nothing),
            (b'n', b'\'', _) => return self.string(1, self.plain_escapes()),
            (b'u', b'&', b'\'') => return self.string(2, Escapes::Quote),
            (b'u', b'&', b'"') => return self.quoted_name(2),
            _ => {}
        }
        self.skip_while(is_name_byte);
        TokenKind::Word
    }

    fn symbol(&mut self, byte: u8) -> TokenKind {
        let next = self.peek(1);
        match byte {
            b':' if matches!(next, b':' | b'=') => self.take(2, TokenKind::Operator),
            b'.' if next == b'.' => self.take(2, TokenKind::Operator),
            b'(' | b')' | b'[' | b']' | b',' | b';' | b':' | b'.' => {
                self.take(1, TokenKind::Mark(byte))
            }
            byte if is_operator_byte(byte) => {
                let length = operator_length(self.rest());
                self.take(length, TokenKind::Operator)
            }
            // Whatever else: an error to PostgreSQL.
            _ => self.take(1, TokenKind::Operator),
        }
    }

    fn take(&mut self, length: usize, kind: TokenKind) -> TokenKind {
        self.position += length;
        kind
    }

    fn skip_while(&mut self, holds: impl Fn(u8) -> bool) {
        while self.position < self.text.len() && holds(self.peek(0)) {
            self.position += 1;
        }
    }
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let finished = self.skip_space();
        if !finished {
            // A comment without an end hides nothing that is kept.
            let start = self.text.len();
            self.position = start;
            return None;
        }
        if self.position >= self.text.len() {
            return None;
        }
        let start = self.position;
        let kind = self.token();
        self.position = self.position.min(self.text.len());
        Some(Token {
            kind,
            start,
            end: self.position,
        })
    }
}

/// Bytes that an operator may have to PostgreSQL (`NAMEDATALEN` less one).
pub(crate) const MAX_OPERATOR: usize = 63;

/// How many bytes an operator has: PostgreSQL's rule about comments and a trailing + or -.
///
/// A run that is longer than any operator is taken as a whole, and as no operator by the guard:
/// PostgreSQL could find short ones at its beginning, but goes over all of it for each.
fn operator_length(text: &[u8]) -> usize {
    let run_length = |text: &[u8]| {
        let in_run = text.iter().take_while(|byte| is_operator_byte(**byte));
        in_run.count()
    };
    let near = text.get(..=MAX_OPERATOR + 1).unwrap_or(text);
    let mut length = run_length(near);
    let run = near.get(..length).unwrap_or_default();
    let comment = run
        .windows(2)
        .position(|pair| pair == b"--" || pair == b"/*");
    if let Some(start) = comment {
        length = start;
    } else if length > MAX_OPERATOR {
        return run_length(text);
    }
    let special = |byte: &u8| {
        matches!(
            byte,
            b'~' | b'!' | b'@' | b'#' | b'^' | b'&' | b'|' | b'`' | b'?' | b'%'
        )
    };
    let mut operator = text.get(..length).unwrap_or_default();
    if !operator.iter().any(special) {
        while let [head @ .., b'+' | b'-'] = operator {
            if head.is_empty() {
                break;
            }
            operator = head;
        }
    }
    operator.len().max(1)
}

pub(crate) fn is_operator_byte(byte: u8) -> bool {
    matches!(
        byte,
        b'~' | b'!'
            | b'@'
            | b'#'
            | b'^'
            | b'&'
            | b'|'
            | b'`'
            | b'?'
            | b'+'
            | b'-'
            | b'*'
            | b'/'
            | b'%'
            | b'<'
            | b'>'
            | b'='
    )
}

fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_name_byte(byte: u8) -> bool {
    is_number_byte(byte) || byte == b'$'
}

fn is_number_byte(byte: u8) -> bool {
    is_name_start(byte) || byte.is_ascii_digit()
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        // The tag begins with a dollar, so look for those.
        let dollar = text.get(from..)?.iter().position(|byte| *byte == b'$')?;
        from += dollar;
        if text.get(from..)?.starts_with(wanted) {
            return Some(from);
        }
        from += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::settings::StandardConformingStrings::{Off, On};

    fn pieces(text: &str, strings: StandardConformingStrings) -> Vec<(TokenKind, &str)> {
        Lexer::new(text, strings)
            .map(|token| (token.kind, &text[token.range()]))
            .collect()
    }

    fn words(text: &str) -> Vec<&str> {
        pieces(text, On).into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn strings_end_where_postgresql_ends_them() {
        assert_eq!(words(r"'a''b' 'c'"), ["'a''b'", "'c'"]);
        assert_eq!(words(r"'a\' 'b'"), [r"'a\'", "'b'"]);
        assert_eq!(words(r"E'a\'b' c"), [r"E'a\'b'", "c"]);
        assert_eq!(words("'a' \n -- x\n 'b' c"), ["'a' \n -- x\n 'b'", "c"]);
        assert_eq!(words("'a' 'b'"), ["'a'", "'b'"]);
        assert_eq!(
            words("$$a'b$$ $x$ $y$ $x$ c"),
            ["$$a'b$$", "$x$ $y$ $x$", "c"]
        );
        assert_eq!(
            words("U&'d\\0061' UESCAPE '!'"),
            ["U&'d\\0061'", "UESCAPE", "'!'"]
        );
        assert_eq!(
            words(r#"U&"d\0061" "a""b""#),
            [r#"U&"d\0061""#, r#""a""b""#]
        );
    }

    #[test]
    fn backslash_depends_on_the_setting() {
        let text = r"'a\'; DELETE FROM t; --'";
        assert_eq!(pieces(text, On).len(), 6);
        assert_eq!(pieces(text, Off), [(TokenKind::Literal, text)]);
    }

    #[test]
    fn a_run_that_is_no_operator_is_one_token() {
        let run = "+-".repeat(40);
        assert_eq!(words(&format!("a {run} b")), ["a", &run, "b"]);
        let short = format!("{}@", "+-".repeat(31));
        assert_eq!(words(&format!("a {short} b")), ["a", &short, "b"]);
        // Where a comment begins, no operator goes on.
        assert_eq!(
            words(&format!("a +/{}/ b", "*".repeat(100))),
            ["a", "+", "b"]
        );
        assert_eq!(words(&format!("a +{}", "-".repeat(100))), ["a", "+"]);
    }

    #[test]
    fn comments_nest() {
        assert_eq!(words("a /* b /* c */ d */ e -- f\ng"), ["a", "e", "g"]);
        assert_eq!(words("a /* b /* c */ d"), ["a"]);
    }

    #[test]
    fn operators_stop_before_comments() {
        assert_eq!(words("1+-2"), ["1", "+", "-", "2"]);
        assert_eq!(words("a @- b"), ["a", "@-", "b"]);
        assert_eq!(words("a *--c"), ["a", "*"]);
        assert_eq!(
            words("a<>b::c:=d=>e..f"),
            ["a", "<>", "b", "::", "c", ":=", "d", "=>", "e", "..", "f"]
        );
        assert_eq!(
            words("1.5e-3 .5 1..2 $1 0x1F"),
            ["1.5e-3", ".5", "1", "..", "2", "$1", "0x1F"]
        );
    }

    #[test]
    fn unterminated_quotes_take_the_rest() {
        for text in ["'abc", "\"abc", "$$abc", "$t$ $u$", "E'abc\\'", "'abc''"] {
            let found = pieces(text, On);
            assert_eq!(found, [(TokenKind::Unterminated, text)], "{text}");
        }
    }

    /// Fragments that are likely to disagree about where a token ends.
    fn fragments() -> impl Strategy<Value = String> {
        let fragment = prop_oneof![
            Just("'"),
            Just("''"),
            Just("\""),
            Just("\\"),
            Just("$"),
            Just("$$"),
            Just("$a$"),
            Just("E'"),
            Just("e'\\'"),
            Just("U&'"),
            Just("U&\""),
            Just("B'01'"),
            Just("X'1F'"),
            Just("--"),
            Just("/*"),
            Just("*/"),
            Just("\n"),
            Just(" "),
            Just("\t"),
            Just(";"),
            Just("a"),
            Just("select"),
            Just("é"),
            Just("1"),
            Just("1.5"),
            Just("1e5"),
            Just("1e-5"),
            Just("0x1F"),
            Just("."),
            Just(".."),
            Just(":"),
            Just("::"),
            Just(":="),
            Just("=>"),
            Just("+"),
            Just("-"),
            Just("*"),
            Just("<"),
            Just(">"),
            Just("="),
            Just("@"),
            Just("?"),
            Just("|"),
            Just("$1"),
            Just("("),
            Just(")"),
            Just("["),
            Just("]"),
            Just(","),
            Just("_"),
            Just("\r"),
            Just("\u{b}"),
            Just("\u{c}"),
            Just("/"),
            Just("!"),
            Just("%"),
        ];
        proptest::collection::vec(fragment, 0..24).prop_map(|parts| parts.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// Where libpg_query can scan a text, both cut it into the same pieces.
        #[test]
        fn tokens_are_those_of_libpg_query(text in fragments()) {
            let Ok(scanned) = pg_query::scan(&text) else { return Ok(()) };
            let theirs: Vec<_> = scanned
                .tokens
                .iter()
                .filter(|token| !matches!(
                    token.token(),
                    pg_query::protobuf::Token::SqlComment | pg_query::protobuf::Token::CComment
                ))
                .map(|token| {
                    let at = |offset: i32| usize::try_from(offset).expect("it is in the text");
                    &text[at(token.start)..at(token.end)]
                })
                .collect();
            prop_assert_eq!(words(&text), theirs, "{:?}", text);
        }

        #[test]
        fn any_text_is_cut_without_a_panic(text in any::<String>()) {
            for strings in [On, Off] {
                let mut end = 0;
                for token in Lexer::new(&text, strings) {
                    prop_assert!(token.start >= end && token.end > token.start);
                    prop_assert!(text.is_char_boundary(token.start));
                    prop_assert!(text.is_char_boundary(token.end));
                    end = token.end;
                }
            }
        }
    }
}
