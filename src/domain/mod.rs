//! Pure data and decisions: no file system, no process, no clock.
//!
//! Everything here can be tested with values alone. Times come in as arguments.

pub mod error;

pub use error::{Error, GitFailure, Result};
