//! Pure data and decisions: no file system, no process, no clock.
//!
//! Everything here can be tested with values alone. Times come in as arguments.

pub mod age;
pub mod apply;
pub mod damage;
pub mod dispatch;
pub mod error;
pub mod event;
pub mod exposition;
pub mod furnished;
pub mod lease;
pub mod metrics;
pub mod names;
pub mod near;
pub mod outcome;
pub mod pool;
pub mod ports;
pub mod process;
pub mod progress;
pub mod remote;
pub mod rescue;
pub mod selection;
pub mod slot;

pub use error::{Error, GitFailure, Result, gist};
pub use names::{PoolName, SlotId};
pub use process::{Liveness, ProcessStamp};
