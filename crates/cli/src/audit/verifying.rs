//! `querycop audit verify`: says what was changed, and what can't be said.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use querycop_audit::{Checkpoint, Finding, PublicKey, Report, VerifyConfig};
use querycop_gateway::chain;
use serde_json::{Value, json};

use super::{VerifyOptions, check_log};
use crate::exit::{self, CONFIG, FAILED, OK, OS_ERROR};

/// Verifies the log and prints what was found.
pub(super) fn verify(directory: &Path, options: &VerifyOptions) -> ExitCode {
    if let Err(ended) = check_log(directory) {
        return ExitCode::from(ended.0);
    }
    let config = match config(directory, options) {
        Ok(config) => config,
        Err(message) => {
            exit::complain(&format!("querycop: error: {message}\n"));
            return ExitCode::from(CONFIG);
        }
    };
    let report = match querycop_audit::verify(&config) {
        Ok(report) => report,
        Err(error) => {
            exit::complain(&format!("querycop: error: {}\n", chain(&error)));
            return ExitCode::from(OS_ERROR);
        }
    };
    if options.json {
        exit::print(&format!("{:#}\n", as_json(&report)));
    } else {
        exit::print(&as_text(&report, &config));
    }
    ExitCode::from(if report.is_sound() { OK } else { FAILED })
}

fn config(directory: &Path, options: &VerifyOptions) -> Result<VerifyConfig, String> {
    let keys = options.public_keys.iter();
    let keys: Result<Vec<_>, _> = keys.map(|path| PublicKey::read(path)).collect();
    let mut checkpoints = Vec::new();
    for path in &options.checkpoints {
        let text = fs::read_to_string(path)
            .map_err(|error| format!("{} can't be read: {error}", path.display()))?;
        let read = Checkpoint::read_all(&text)
            .map_err(|error| format!("{}, {}", path.display(), chain(&error)))?;
        checkpoints.extend(read);
    }
    Ok(VerifyConfig {
        directory: directory.to_path_buf(),
        public_keys: keys.map_err(|error| chain(&error))?,
        checkpoints,
        from_checkpoint: options.from_checkpoint,
    })
}

fn as_text(report: &Report, config: &VerifyConfig) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        let _ = writeln!(text, "wrong:  {finding}");
    }
    if report.more_findings > 0 {
        let _ = writeln!(text, "wrong:  {} findings more", report.more_findings);
    }
    if let (Some(first), Some((last, hash))) = (report.first, report.last) {
        let (records, segments) = (report.records, report.segments);
        let _ = writeln!(
            text,
            "read:   {records} records ({first} to {last}) in {segments} segments; the last hash is {hash}"
        );
    }
    if let Some((covered, time)) = report.covered {
        let _ = writeln!(
            text,
            "signed: up to record {covered}, by the checkpoint of {time} ({} in the log)",
            report.signed_checkpoints
        );
    }
    if !config.checkpoints.is_empty() {
        let _ = writeln!(
            text,
            "given:  {} of {} checkpoints that were given are borne out by the log",
            report.matched_checkpoints,
            config.checkpoints.len()
        );
    }
    if report.being_written > 0 {
        let _ = writeln!(
            text,
            "note:   the gateway is writing the next record at this moment"
        );
    }
    if report.is_sound() {
        for sentence in report.unproved() {
            let _ = writeln!(text, "not proved: {sentence}");
        }
        text.push_str("The log is sound.\n");
    } else {
        text.push_str("The log was changed, or is damaged.\n");
    }
    text
}

fn as_json(report: &Report) -> Value {
    let finding = |finding: &Finding| {
        json!({
            "segment": finding.segment.map(|segment| segment.to_string()),
            "line": finding.line,
            "message": finding.fault.to_string(),
        })
    };
    json!({
        "ok": report.is_sound(),
        "segments": report.segments,
        "records": report.records,
        "first": report.first,
        "last": report.last.map(|(sequence, _)| sequence),
        "hash": report.last.map(|(_, hash)| hash.to_string()),
        "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
        "more_findings": report.more_findings,
        "signed_checkpoints": report.signed_checkpoints,
        "matched_checkpoints": report.matched_checkpoints,
        "covered": report.covered.map(|(sequence, _)| sequence),
        "unproved": report.unproved(),
    })
}
