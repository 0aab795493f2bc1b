//! Fuzzes both sides of SCRAM, with a hostile peer.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../src/scram.rs"]
mod scram;

fuzz_target!(|bytes: &[u8]| scram::check(bytes));
