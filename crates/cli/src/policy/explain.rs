//! `querycop policy explain`: what each rule says of each effect.

use std::process::ExitCode;

use super::arguments::{Format, TestOptions};
use super::report::{self, Depth};
use super::test::each;
use crate::exit::print;

pub(super) fn explain(options: &TestOptions) -> ExitCode {
    let status = each(options, &mut |judged| match options.format {
        Format::Text => print(&report::full(judged)),
        Format::Json => print(&report::json(judged, Depth::Rules)),
    });
    status.err().unwrap_or(ExitCode::SUCCESS)
}
