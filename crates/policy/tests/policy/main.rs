//! Policies against SQL: what is decided about statements as people and tools write them.

mod evaluation;
mod everyday;
mod floor;
mod hidden_calls;
mod mistakes;
mod names;
mod paths;
mod rules;
mod support;
