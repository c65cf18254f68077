//! The queue of tasks as data, and every decision about it: what a task is, what happened, what
//! follows from that, who goes next. Times come in as arguments.

pub mod advice;
pub mod agents;
pub mod branches;
pub mod control;
pub mod course;
pub mod end;
pub mod event;
pub mod exit;
pub mod graph;
pub mod ids;
pub mod joining;
pub mod kubernetes;
pub mod outcome;
pub mod pulse;
pub mod scheduler;
pub mod simulate;
pub mod standstill;
pub mod state;
pub mod task;
#[cfg(test)]
mod testing;
pub mod view;

pub use end::{End, EndClass, Next};
pub use event::{Event, Record};
pub use scheduler::{Placement, Reason, Scheduler};
pub use state::{RunState, TaskState};
pub use task::{Base, Initial, Task, When};
