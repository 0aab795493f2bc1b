//! Fuzzes every frame and every view of its body.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../src/frames.rs"]
mod frames;

fuzz_target!(|bytes: &[u8]| frames::check(bytes));
