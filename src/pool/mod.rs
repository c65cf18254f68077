//! The operations on pools and slots.
//!
//! Every one of them has the same shape: lock the pool, decide by the record, **record the intent**
//! and unlock ([`journal`]); act on git and files under the slot's lock alone; lock the pool again
//! and record the result, if the intent still stands. Whoever meets an intent whose lock is free
//! settles it ([`settle`]) before doing its own work.

pub mod acquire;
mod ahead;
pub mod anew;
pub mod apply;
pub mod background;
pub mod claim;
pub mod clones;
pub mod collect;
pub mod contents;
pub mod context;
pub mod copies;
pub mod create;
pub mod details;
pub mod exhaustion;
pub mod fetch;
pub mod find;
pub mod first_use;
pub mod fresh_index;
pub mod furnish;
pub mod hand_out;
pub mod holder;
pub mod isolate;
pub mod journal;
pub mod keep;
pub mod keys;
pub mod leaving;
pub mod mend;
pub mod metrics;
pub mod notices;
pub mod occupants;
pub mod offline;
pub mod on_release;
pub mod parallel;
pub mod park;
pub mod ports;
pub mod presence;
pub mod queue;
pub mod quiet;
pub mod ready;
pub mod release;
pub mod renew;
pub mod rescues;
pub mod restore;
pub mod retire;
pub mod saving;
pub mod script;
pub mod settle;
pub mod setup;
pub mod shared;
pub mod slots;
pub mod submodules;
pub mod target;
pub mod tidy;
pub mod trash;
pub mod variables;
pub mod verified;
pub mod view;
pub mod waiting;
pub mod warm;

pub use context::{Context, Pool};
