//! Settings that change what text means, and encodings.

use querycop_sql::facts::{Kind, SettingScope, SettingValue, Unreadable};
use querycop_sql::{ClientEncoding, LexerSettings, ServerEncoding, StandardConformingStrings};

use crate::{analyze_with, statement};

fn encoded(client_encoding: ClientEncoding) -> LexerSettings {
    LexerSettings {
        client_encoding,
        ..LexerSettings::default()
    }
}

#[test]
fn backslash_in_a_plain_string_follows_the_setting() {
    let text = br"SELECT 'a\'; DELETE FROM t; --'";
    let on = analyze_with(text, LexerSettings::default());
    let kinds: Vec<_> = on.facts.statements.iter().map(|s| s.kind()).collect();
    assert_eq!(kinds, [Kind::Select, Kind::Delete]);
    let off = LexerSettings {
        standard_conforming_strings: StandardConformingStrings::Off,
        ..LexerSettings::default()
    };
    let off = analyze_with(text, off);
    let kinds: Vec<_> = off.facts.statements.iter().map(|s| s.kind()).collect();
    assert_eq!(kinds, [Kind::Select]);
    assert_eq!(&*off.texts[0].text, "select ?");
}

#[test]
fn encodings_that_hide_quotes_are_not_read() {
    for name in [
        "SJIS",
        "BIG5",
        "GBK",
        "UHC",
        "GB18030",
        "JOHAB",
        "SHIFT_JIS_2004",
        "nonsense",
    ] {
        let encoding = ClientEncoding::from_parameter(name);
        let analysis = analyze_with(b"SELECT '\x81\\'", encoded(encoding));
        assert_eq!(
            analysis.facts.unreadable,
            Some(Unreadable::Encoding),
            "{name}"
        );
        // Nothing of it is kept: nobody knows where its quotes are.
        assert_eq!(&*analysis.texts[0].text, "?");
    }
}

#[test]
fn ascii_is_ascii_in_every_encoding_that_is_known() {
    let text = br"SELECT 'a'; DELETE FROM t; --'";
    for name in ["SJIS", "BIG5", "GBK", "UHC", "GB18030", "JOHAB"] {
        let encoding = ClientEncoding::from_parameter(name);
        let analysis = analyze_with(text, encoded(encoding));
        assert_eq!(analysis.facts.unreadable, None, "{name}");
        assert_eq!(analysis.facts.statements.len(), 2, "{name}");
    }
    let encoding = ClientEncoding::from_parameter("nonsense");
    let analysis = analyze_with(text, encoded(encoding));
    assert_eq!(analysis.facts.unreadable, Some(Unreadable::Encoding));
}

#[test]
fn bytes_that_are_no_text_are_not_read() {
    for text in [
        &b"SELECT '\xff'"[..],
        b"SELECT 1\0DELETE",
        b"SELECT '\xc0\x80'",
    ] {
        let analysis = analyze_with(text, LexerSettings::default());
        assert_eq!(analysis.facts.unreadable, Some(Unreadable::InvalidText));
    }
}

#[test]
fn other_supersets_of_ascii_are_read_where_names_are_ascii() {
    for name in [
        "LATIN1",
        "LATIN9",
        "WIN1252",
        "EUC_JP",
        "KOI8R",
        "SQL_ASCII",
    ] {
        let settings = encoded(ClientEncoding::from_parameter(name));
        let analysis = analyze_with(b"SELECT '\xe9\xe9'; DELETE FROM t", settings);
        let spans: Vec<_> = analysis
            .facts
            .statements
            .iter()
            .map(|s| s.span.clone())
            .collect();
        assert_eq!(spans, [0..11, 13..26], "{name}");
    }
    let latin1 = encoded(ClientEncoding::Latin1);
    let analysis = analyze_with(b"SELECT 1 FROM caf\xe9", latin1);
    let name = &analysis.facts.statements[0].effects[0].object.name.name;
    assert_eq!(&**name, "café");
    // In others the name can't be told.
    let other = encoded(ClientEncoding::AsciiSuperset);
    let analysis = analyze_with(b"SELECT 1 FROM caf\xe9", other);
    assert_eq!(analysis.facts.unreadable, Some(Unreadable::Encoding));
}

#[test]
fn values_of_settings_are_kept_only_where_they_change_meaning() {
    let to = |words: &[&str]| SettingValue::To(words.iter().map(|word| (*word).into()).collect());
    for (text, name, value, scope) in [
        (
            "SET search_path = a, \"B\"",
            "search_path",
            to(&["a", "B"]),
            SettingScope::Session,
        ),
        (
            "SET LOCAL search_path = a",
            "search_path",
            to(&["a"]),
            SettingScope::Transaction,
        ),
        (
            "SET Search_Path TO DEFAULT",
            "search_path",
            SettingValue::Default,
            SettingScope::Session,
        ),
        (
            "SET my.secret = 'x'",
            "my.secret",
            SettingValue::Hidden,
            SettingScope::Session,
        ),
        ("SET ROLE a", "role", to(&["a"]), SettingScope::Session),
        (
            "SET NAMES 'SJIS'",
            "client_encoding",
            to(&["SJIS"]),
            SettingScope::Session,
        ),
        (
            "SET SCHEMA 'a'",
            "search_path",
            to(&["a"]),
            SettingScope::Session,
        ),
        (
            "ALTER ROLE a SET search_path = b",
            "search_path",
            to(&["b"]),
            SettingScope::Stored,
        ),
        (
            "ALTER DATABASE d SET app.token = 'x'",
            "app.token",
            SettingValue::Hidden,
            SettingScope::Stored,
        ),
        (
            "ALTER SYSTEM SET App.Token = 'x'",
            "app.token",
            SettingValue::Hidden,
            SettingScope::Stored,
        ),
        (
            "ALTER SYSTEM RESET app.token",
            "app.token",
            SettingValue::Default,
            SettingScope::Stored,
        ),
        (
            "SELECT set_config('search_path', 'a', true)",
            "search_path",
            to(&["a"]),
            SettingScope::Session,
        ),
    ] {
        let change = &statement(text).settings[0];
        assert_eq!(change.name.as_deref(), Some(name), "{text}");
        assert_eq!(change.value, value, "{text}");
        assert_eq!(change.scope, scope, "{text}");
    }
}

#[test]
fn from_current_is_a_value_that_is_not_told() {
    for (text, name, scope, subtype) in [
        (
            "SET search_path FROM CURRENT",
            "search_path",
            SettingScope::Session,
            "set",
        ),
        (
            "SET LOCAL search_path FROM CURRENT",
            "search_path",
            SettingScope::Transaction,
            "set",
        ),
        (
            "SET role FROM CURRENT",
            "role",
            SettingScope::Session,
            "set_role",
        ),
        (
            "SET session_authorization FROM CURRENT",
            "session_authorization",
            SettingScope::Session,
            "set_role",
        ),
        (
            "ALTER FUNCTION f SET search_path FROM CURRENT",
            "search_path",
            SettingScope::Stored,
            "set",
        ),
    ] {
        let statement = statement(text);
        let change = &statement.settings[0];
        assert_eq!(change.name.as_deref(), Some(name), "{text}");
        assert_eq!(change.value, SettingValue::Hidden, "{text}");
        assert_eq!(change.scope, scope, "{text}");
        let subtypes: Vec<_> = statement.effects.iter().map(|e| e.subtype).collect();
        assert!(subtypes.contains(&subtype), "{text}: {subtypes:?}");
    }
}

#[test]
fn names_that_another_server_would_fold_or_cut_are_not_read() {
    let foreign = LexerSettings {
        server_encoding: ServerEncoding::from_parameter("LATIN1"),
        ..LexerSettings::default()
    };
    let long = format!("SELECT 1 FROM \"{}\"", "\u{e9}".repeat(16));
    for text in ["SELECT 1 FROM M\u{dc}NZEN", &long] {
        let analysis = analyze_with(text.as_bytes(), foreign);
        assert_eq!(
            analysis.facts.unreadable,
            Some(Unreadable::Encoding),
            "{text}"
        );
        let analysis = analyze_with(text.as_bytes(), LexerSettings::default());
        assert_eq!(analysis.facts.unreadable, None, "{text}");
    }
    for text in [
        "SELECT 'M\u{dc}NZEN' AS m\u{fc}nzen",
        "SELECT 1 AS \"M\u{dc}NZEN\"",
        "SELECT 1 FROM MUENZEN",
    ] {
        let analysis = analyze_with(text.as_bytes(), foreign);
        assert_eq!(analysis.facts.unreadable, None, "{text}");
    }
}
