//! A queue of tasks, each run in a slot of its own, by a foreground command that can be killed and
//! started again at any point.
//!
//! | part | owns |
//! |---|---|
//! | [`launcher`] | the seam to what runs runners |
//! | [`local`] | runners as processes of this machine |
//!
//! The decisions (graph, order, limits, what an end means) are in [`crate::domain::dispatch`].

pub mod launcher;
pub mod local;
