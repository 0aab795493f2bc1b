//! The store over real files.

mod appending;
mod child;
mod crashing;
mod full;
mod records;
mod recovering;
mod searching;
mod verifying;
