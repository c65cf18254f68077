//! The workspace on disk: its layout, locks, documents and history.
//!
//! A pool's record can be changed only through [`pool::LockedPool`], which exists only while the
//! pool's lock is held; reading needs no lock, since every write is one atomic rename. The store
//! knows nothing of git.

pub mod document;
pub mod events;
pub mod growing;
pub mod layout;
pub mod locks;
pub mod pool;
pub mod tail;
pub mod workspace;

pub use layout::PoolPaths;
pub use locks::Locks;
pub use pool::LockedPool;
pub use workspace::Workspace;
