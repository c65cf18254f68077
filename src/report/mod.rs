//! Everything a person or a program reads: tables, JSON, errors, progress.
//!
//! This layer is the only writer of stdout and stderr. It renders what others found out; it
//! knows no pool, starts nothing, reads neither clock nor environment, and what it is given it
//! shows escaped, so that no branch name or path can drive a terminal.

pub mod advice;
mod board;
mod canvas;
pub mod escape;
pub mod failure;
pub mod graph;
mod grid;
mod hints;
pub mod human;
mod json;
pub mod live;
mod observer;
pub mod output;
pub mod progress;
pub mod prometheus;
#[cfg(test)]
mod schemas;
pub mod screen;
pub mod shell;
mod stream;
pub mod tables;
mod tone;

pub use failure::Failure;
pub use grid::Layout;
pub use json::document;
pub use output::{ColorChoice, Options, Output};
