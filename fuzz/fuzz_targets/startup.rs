//! Fuzzes the first packet of a connection.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../src/startup.rs"]
mod startup;

fuzz_target!(|bytes: &[u8]| startup::check(bytes));
