//! Where the statements come from that a policy is asked about, and what they do.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use querycop_sql::{Analysis, Analyzer, AnalyzerConfig, LexerSettings};
use tokio::runtime::Runtime;

use super::arguments::Sources;
use crate::exit::{self, FAILED, OS_ERROR, complain};

/// Reads SQL into facts, one text after the other.
pub(super) struct Reader {
    analyzer: Analyzer,
    runtime: Runtime,
}

impl Reader {
    pub(super) fn start() -> Result<Self, ExitCode> {
        let runtime = exit::short_runtime()?;
        let analyzer = Analyzer::new(AnalyzerConfig::default()).map_err(|error| {
            complain(&format!("querycop: starting threads: {error}\n"));
            ExitCode::from(OS_ERROR)
        })?;
        Ok(Self { analyzer, runtime })
    }

    pub(super) fn analyze(&self, text: &str) -> Arc<Analysis> {
        let analysis = self.analyzer.analyze(text.as_bytes(), LexerSettings::default());
        self.runtime.block_on(analysis)
    }
}

/// All texts; standard input is read if nothing else is named.
pub(super) fn texts(sources: &Sources) -> Result<Vec<String>, ExitCode> {
    let mut texts = sources.sql.clone();
    for file in &sources.files {
        texts.push(read(file)?);
    }
    for file in &sources.pg_stat_statements {
        let text = read(file)?;
        texts.extend(queries(&text).map_err(|error| {
            complain(&format!("querycop: error: {}: {error}\n", file.display()));
            ExitCode::from(FAILED)
        })?);
    }
    if sources.sql.is_empty() && sources.files.is_empty() && sources.pg_stat_statements.is_empty() {
        texts.push(read(Path::new("-"))?);
    }
    Ok(texts)
}

fn read(path: &Path) -> Result<String, ExitCode> {
    let read = if path == Path::new("-") {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(path)
    };
    read.map_err(|error| {
        complain(&format!("querycop: error: {}: {error}\n", path.display()));
        ExitCode::from(FAILED)
    })
}

/// What is wrong with an export.
#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error("no readable CSV")]
    Csv(#[source] csv::Error),
    #[error("no column query in the first line: export with a header")]
    NoQuery,
}

/// The column `query` of a CSV export, each text once.
fn queries(text: &str) -> Result<Vec<String>, ExportError> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let headers = reader.headers().map_err(ExportError::Csv)?;
    let column = headers
        .iter()
        .position(|header| header.trim().eq_ignore_ascii_case("query"))
        .ok_or(ExportError::NoQuery)?;
    let mut queries = Vec::new();
    for record in reader.records() {
        let record = record.map_err(ExportError::Csv)?;
        if let Some(query) = record.get(column)
            && !queries.iter().any(|known| known == query)
        {
            queries.push(query.to_owned());
        }
    }
    Ok(queries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_of_an_export_are_read_once() {
        let text = "userid,query,calls\n10,\"SELECT \"\"a\"\",\n  b FROM t\",5\n11,COMMIT,3\n12,COMMIT,1\n";
        assert_eq!(queries(text).unwrap(), ["SELECT \"a\",\n  b FROM t", "COMMIT"]);
        assert!(matches!(queries("a,b\n1,2\n"), Err(ExportError::NoQuery)));
    }
}
