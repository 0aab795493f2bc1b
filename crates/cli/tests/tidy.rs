//! House rules that no compiler checks.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Which of our crates a crate may use (ARCHITECTURE.md).
const EDGES: &[(&str, &[&str])] = &[
    ("wire", &[]),
    ("serve", &[]),
    ("policy", &[]),
    ("sql", &["policy"]),
    ("audit", &["policy"]),
    ("alloydb-connector", &[]),
    ("alloydb-emulator", &["wire", "serve"]),
    (
        "gateway",
        &[
            "wire",
            "serve",
            "policy",
            "sql",
            "audit",
            "alloydb-connector",
        ],
    ),
    ("console", &["gateway", "serve"]),
    ("auth-proxy", &["wire", "serve", "alloydb-connector"]),
    (
        "cli",
        &[
            "wire",
            "serve",
            "policy",
            "sql",
            "audit",
            "gateway",
            "console",
            "auth-proxy",
            "alloydb-connector",
            "alloydb-emulator",
        ],
    ),
    ("testkit", &["wire"]),
];

/// Lines of a source file, tests aside.
const MAX_LINES: usize = 500;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the entry can be read").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn crates() -> BTreeMap<String, PathBuf> {
    let folders = fs::read_dir(root().join("crates")).expect("crates/ can be read");
    folders
        .map(|entry| entry.expect("the entry can be read").path())
        .map(|path| {
            (
                path.file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned(),
                path,
            )
        })
        .collect()
}

#[test]
fn crates_use_only_what_the_architecture_allows() {
    let crates = crates();
    let mut known: Vec<_> = EDGES.iter().map(|(name, _)| (*name).to_owned()).collect();
    let present: Vec<_> = crates.keys().cloned().collect();
    known.sort();
    assert_eq!(present, known, "a crate that the table does not know");
    for (name, allowed) in EDGES {
        let manifest = fs::read_to_string(crates[*name].join("Cargo.toml")).expect("manifest");
        // What a crate's tests use is no edge.
        let manifest = manifest
            .split("[dev-dependencies]")
            .next()
            .unwrap_or_default();
        for line in manifest.lines() {
            let dependency = line.split(['.', ' ']).next().unwrap_or_default();
            let used = dependency.strip_prefix("querycop-").unwrap_or(dependency);
            if known.iter().any(|name| name == used) {
                assert!(allowed.contains(&used), "{name} may not use {used}");
            }
        }
    }
}

#[test]
fn files_are_short_and_say_what_they_are() {
    for folder in crates().values() {
        let mut files = Vec::new();
        sources(&folder.join("src"), &mut files);
        for file in files {
            let text = fs::read_to_string(&file).expect("the file can be read");
            let is_test = file.ends_with("tests.rs");
            assert!(
                is_test || text.starts_with("//!"),
                "{} lacks a //! line",
                file.display()
            );
            let code = text
                .split("#[cfg(test)]\nmod tests {")
                .next()
                .unwrap_or_default();
            let lines = code.lines().count();
            assert!(
                is_test || lines <= MAX_LINES,
                "{} has {lines} lines",
                file.display()
            );
        }
    }
}

#[test]
fn only_the_binary_reads_arguments_and_environment() {
    for (name, folder) in crates() {
        if name == "cli" || name == "testkit" {
            continue;
        }
        let mut files = Vec::new();
        sources(&folder.join("src"), &mut files);
        for file in files {
            // A library's user expects it to find the proxies that the environment names.
            if file.ends_with("alloydb-connector/src/proxy.rs") {
                continue;
            }
            let text = fs::read_to_string(&file).expect("the file can be read");
            for banned in ["env::var", "env::args", "anyhow"] {
                assert!(!text.contains(banned), "{} uses {banned}", file.display());
            }
        }
    }
}
