//! A page of docs/cookbook, taken apart.

use std::fs;
use std::path::Path;

/// A page.
pub(super) struct Page {
    blocks: Vec<Block>,
}

/// A fenced block.
struct Block {
    language: String,
    /// What the comment above it says: `run: NAME`, `manifest: NAME`, or nothing.
    mark: Option<String>,
    text: String,
}

impl Page {
    pub(super) fn read(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cookbook");
        let text = fs::read_to_string(folder.join(name)).expect("the page is there");
        let mut blocks = Vec::new();
        let mut mark = None;
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if let Some(comment) = line.strip_prefix("<!-- ") {
                mark = comment.strip_suffix(" -->").map(str::to_owned);
            } else if let Some(language) = line.strip_prefix("```") {
                let inside = lines.by_ref().take_while(|line| *line != "```");
                let text = inside.flat_map(|line| [line, "\n"]).collect();
                blocks.push(Block {
                    language: language.to_owned(),
                    mark: mark.take(),
                    text,
                });
            } else {
                mark = None;
            }
        }
        Self { blocks }
    }

    /// The sections' names, each once.
    pub(super) fn sections(&self) -> impl Iterator<Item = &str> {
        let marks = self.blocks.iter().filter_map(|block| block.mark.as_deref());
        let mut names: Vec<_> = marks
            .filter_map(|mark| mark.strip_prefix("run: "))
            .collect();
        names.dedup();
        names.into_iter()
    }

    /// The commands of a section.
    pub(super) fn section(&self, name: &str) -> String {
        let text = self.marked(&format!("run: {name}"));
        assert!(!text.is_empty(), "the page has no section {name}");
        text
    }

    /// A manifest.
    pub(super) fn manifest(&self, name: &str) -> String {
        self.marked(&format!("manifest: {name}"))
    }

    fn marked(&self, mark: &str) -> String {
        let blocks = self.blocks.iter();
        let marked = blocks.filter(|block| block.mark.as_deref() == Some(mark));
        marked.map(|block| block.text.as_str()).collect()
    }

    /// Blocks of commands that no test runs.
    pub(super) fn stray_blocks(&self) -> Vec<String> {
        let commands = self.blocks.iter().filter(|block| block.language == "sh");
        let stray = commands.filter(|block| block.mark.is_none());
        stray.map(|block| block.text.clone()).collect()
    }
}
