//! The table of flags in the manual, docs/auth-proxy.md.

use std::fmt::Write;

use super::table::{Flag, Origin, ROOT};

/// The table between the marks in the manual.
fn table() -> String {
    let mut text = "| flag | value | default | what it does |\n|---|---|---|---|\n".to_owned();
    for flag in ROOT {
        let short = flag.short.map(|letter| format!(", `-{letter}`"));
        let value = match flag.value {
            "" => String::new(),
            value => value.to_owned(),
        };
        let default = match flag.shown_default().as_str() {
            "" => String::new(),
            default => format!("`{default}`"),
        };
        let _ = writeln!(
            text,
            "| `--{}`{}{} | {value} | {default} | {} |",
            flag.name,
            short.unwrap_or_default(),
            marks(flag),
            flag.help
        );
    }
    text
}

fn marks(flag: &Flag) -> &'static str {
    match (flag.per_instance, flag.origin) {
        (true, Origin::Original) => " ★",
        (true, Origin::Ours) => " ★ ⊕",
        (false, Origin::Original) => "",
        (false, Origin::Ours) => " ⊕",
    }
}

#[test]
fn the_manual_has_the_table_of_flags() {
    let manual = include_str!("../../../../docs/auth-proxy.md");
    assert!(
        manual.contains(&table()),
        "docs/auth-proxy.md needs this table:\n\n{}",
        table()
    );
}
