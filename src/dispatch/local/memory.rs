//! The memory that a command may have, where the system lets it be limited.

use std::io;
use std::os::fd::OwnedFd;

use super::holder::Holder;
use super::order::Order;
use crate::domain::dispatch::exit::Exit;
use crate::sys::cgroup::Cgroup;

/// The control group of a command that has a limit, or why there is none.
#[derive(Debug, Default)]
pub struct Memory {
    limit: u64,
    group: Option<Cgroup>,
    note: Option<String>,
}

impl Memory {
    /// Makes the group that the order asks for, and says in the lock file who this is, with the group:
    /// whatever happens to this process, the group is found.
    pub fn of(order: &Order) -> Self {
        let limit = order.terms.memory;
        let mut memory = Self {
            limit,
            ..Self::default()
        };
        let Some(mut holder) = Holder::own() else {
            memory.note = (limit > 0).then(|| note("the system does not say who this process is"));
            return memory;
        };
        holder.beat = Some(order.terms.beat);
        if limit > 0 {
            match Cgroup::with_memory(&holder.group_name(), limit) {
                Ok(group) => {
                    holder.cgroup = Some(group.dir().to_owned());
                    memory.group = Some(group);
                }
                Err(reason) => memory.note = Some(note(&reason)),
            }
        }
        holder.tell();
        memory
    }

    /// The way into the group.
    pub fn door(&self) -> Option<OwnedFd> {
        self.group.as_ref().and_then(|group| group.door().ok())
    }

    /// Whether there is a limit.
    pub fn is_limited(&self) -> bool {
        self.group.is_some()
    }

    /// The command could not go into the group, for this reason.
    pub fn give_up(&mut self, reason: &io::Error) {
        if let Some(group) = self.group.take() {
            group.remove();
        }
        self.note = Some(note(&reason.to_string()));
    }

    /// Adds to a command's end what is known of its memory, and removes the group.
    pub fn leave(self, exit: &mut Exit) {
        if let Some(group) = self.group {
            exit.out_of_memory = (group.kills() > 0).then_some(self.limit);
            group.remove();
        }
        exit.notes.extend(self.note);
    }
}

fn note(reason: &str) -> String {
    format!("its memory was not limited: {reason}")
}
