//! The store over real files.

mod appending;
mod records;
