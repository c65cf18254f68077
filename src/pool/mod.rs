//! The operations on pools and slots.
//!
//! Every one of them has the same shape: lock the pool, decide by the record, **record the intent**
//! and unlock ([`journal`]); act on git and files under the slot's lock alone; lock the pool again
//! and record the result, if the intent still stands. Whoever meets an intent whose lock is free
//! settles it ([`settle`]) before doing its own work.

pub mod acquire;
mod ahead;
pub mod anew;
pub mod background;
pub mod collect;
pub mod contents;
pub mod context;
pub mod create;
pub mod exhaustion;
pub mod fetch;
pub mod find;
pub mod first_use;
pub mod fresh_index;
pub mod hand_out;
pub mod holder;
pub mod isolate;
pub mod journal;
pub mod mend;
pub mod metrics;
pub mod occupants;
pub mod offline;
pub mod parallel;
pub mod park;
pub mod presence;
pub mod quiet;
pub mod ready;
pub mod release;
pub mod renew;
pub mod rescues;
pub mod restore;
pub mod retire;
pub mod saving;
pub mod settle;
pub mod shared;
pub mod slots;
pub mod submodules;
pub mod target;
pub mod tidy;
pub mod trash;
pub mod verified;
pub mod view;
pub mod warm;

pub use context::{Context, Pool};
