//! The session's settings that change how text is cut into tokens.

use std::borrow::Cow;

use querycop_policy::facts::Unreadable;

/// Settings that change what a text means; the server reports all of them in `ParameterStatus`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LexerSettings {
    /// `standard_conforming_strings`.
    pub standard_conforming_strings: StandardConformingStrings,
    /// `client_encoding`.
    pub client_encoding: ClientEncoding,
    /// `server_encoding`, which a database has for good.
    pub server_encoding: ServerEncoding,
}

/// Whether a backslash in `'…'` is a character like any other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum StandardConformingStrings {
    /// It is; the default.
    #[default]
    On,
    /// It escapes the next character.
    Off,
}

/// What is to know of the client's encoding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ClientEncoding {
    /// `UTF8`.
    #[default]
    Utf8,
    /// `LATIN1`.
    Latin1,
    /// Any other in which every byte of a character that isn't ASCII has its high bit set.
    AsciiSuperset,
    /// One in which a quote or backslash can be the second half of a character (SJIS, BIG5, GBK,
    /// UHC, GB18030, JOHAB, `SHIFT_JIS_2004`): only text without such characters is read.
    Unsafe,
    /// One that nobody knows: not read.
    Unknown,
}

/// What is to know of the database's encoding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ServerEncoding {
    /// `UTF8`.
    #[default]
    Utf8,
    /// Any other: names with letters that aren't ASCII can be folded and cut otherwise.
    Other,
}

impl LexerSettings {
    /// Whether a name is to the server the bytes that the client sends: it converts none.
    pub fn keeps_names(&self) -> bool {
        self.client_encoding == ClientEncoding::Utf8 && self.server_encoding == ServerEncoding::Utf8
    }

    /// Follows a parameter that the server reports; gives its name back if it is one of these.
    pub fn reported(&mut self, name: &[u8], value: &str) -> Option<&'static str> {
        match name {
            b"standard_conforming_strings" => {
                self.standard_conforming_strings = StandardConformingStrings::from_parameter(value);
                Some("standard_conforming_strings")
            }
            b"client_encoding" => {
                self.client_encoding = ClientEncoding::from_parameter(value);
                Some("client_encoding")
            }
            b"server_encoding" => {
                self.server_encoding = ServerEncoding::from_parameter(value);
                Some("server_encoding")
            }
            _ => None,
        }
    }
}

impl ServerEncoding {
    /// From the name that the server reports.
    pub fn from_parameter(value: &str) -> Self {
        if value == "UTF8" {
            Self::Utf8
        } else {
            Self::Other
        }
    }
}

impl StandardConformingStrings {
    /// From the value that the server reports; anything but `off` is `on`.
    pub fn from_parameter(value: &str) -> Self {
        if value == "off" { Self::Off } else { Self::On }
    }
}

impl ClientEncoding {
    /// From the name that the server reports, by PostgreSQL's canonical spelling.
    ///
    /// <https://www.postgresql.org/docs/current/multibyte.html>
    pub fn from_parameter(value: &str) -> Self {
        match value {
            "UTF8" => Self::Utf8,
            "LATIN1" => Self::Latin1,
            "SQL_ASCII" | "EUC_JP" | "EUC_CN" | "EUC_KR" | "EUC_TW" | "EUC_JIS_2004"
            | "MULE_INTERNAL" | "LATIN2" | "LATIN3" | "LATIN4" | "LATIN5" | "LATIN6" | "LATIN7"
            | "LATIN8" | "LATIN9" | "LATIN10" | "WIN1250" | "WIN1251" | "WIN1252" | "WIN1253"
            | "WIN1254" | "WIN1255" | "WIN1256" | "WIN1257" | "WIN1258" | "WIN866" | "WIN874"
            | "KOI8R" | "KOI8U" | "ISO_8859_5" | "ISO_8859_6" | "ISO_8859_7" | "ISO_8859_8" => {
                Self::AsciiSuperset
            }
            "SJIS" | "SHIFT_JIS_2004" | "BIG5" | "GBK" | "UHC" | "GB18030" | "JOHAB" => {
                Self::Unsafe
            }
            _ => Self::Unknown,
        }
    }
}

/// A text as UTF-8, and whether its names are exact.
pub(crate) struct Decoded<'t> {
    pub(crate) text: Cow<'t, str>,
    /// Bytes that aren't ASCII stand for characters that nobody has looked up.
    pub(crate) is_inexact: bool,
}

/// Reads bytes as the server would, or says why not.
pub(crate) fn decode(bytes: &[u8], encoding: ClientEncoding) -> Result<Decoded<'_>, Unreadable> {
    if bytes.contains(&0) {
        return Err(Unreadable::InvalidText);
    }
    match encoding {
        // The first half of a character is never ASCII, so where all is, there are none.
        ClientEncoding::Unsafe if bytes.is_ascii() => match str::from_utf8(bytes) {
            Ok(text) => Ok(Decoded {
                text: Cow::Borrowed(text),
                is_inexact: false,
            }),
            Err(_) => Err(Unreadable::InvalidText),
        },
        ClientEncoding::Utf8 => match str::from_utf8(bytes) {
            Ok(text) => Ok(Decoded {
                text: Cow::Borrowed(text),
                is_inexact: false,
            }),
            Err(_) => Err(Unreadable::InvalidText),
        },
        ClientEncoding::Latin1 | ClientEncoding::AsciiSuperset => {
            if let Ok(text) = str::from_utf8(bytes)
                && text.is_ascii()
            {
                return Ok(Decoded {
                    text: Cow::Borrowed(text),
                    is_inexact: false,
                });
            }
            Ok(Decoded {
                text: Cow::Owned(bytes.iter().map(|byte| char::from(*byte)).collect()),
                is_inexact: encoding == ClientEncoding::AsciiSuperset,
            })
        }
        ClientEncoding::Unsafe | ClientEncoding::Unknown => Err(Unreadable::Encoding),
    }
}
