//! `querycop`: main(), arguments, telemetry, signals, exit codes.
fn main() {}
