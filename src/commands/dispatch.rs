//! `dispatch`: a queue of tasks, each in a slot of its own.

pub mod add;
pub mod cancel;
pub mod check;
pub mod events;
pub mod graph;
pub mod log;
mod plan;
pub mod pool;
pub mod prio;
pub mod retry;
pub mod run;
mod said;
mod shown;
pub mod status;
mod tasks;
pub mod why;
mod wish;

use super::session::Session;
use crate::cli::DispatchCommand;
use crate::domain::Result;

/// Does what the verb of `dispatch` says.
pub fn run(session: &Session, command: &DispatchCommand) -> Result<u8> {
    match command {
        DispatchCommand::Run(args) => run::run(session, args),
        DispatchCommand::Check(args) => check::run(session, args),
        DispatchCommand::Graph(args) => graph::run(session, args),
        DispatchCommand::Status(args) => status::run(session, args),
        DispatchCommand::Log(args) => log::run(session, args),
        DispatchCommand::Why(args) => why::run(session, args),
        DispatchCommand::Events(args) => events::run(session, args),
        DispatchCommand::Retry(args) => retry::run(session, args),
        DispatchCommand::Cancel(args) => cancel::run(session, args),
        DispatchCommand::Prio(args) => prio::run(session, args),
        DispatchCommand::Add(args) => add::run(session, args),
        DispatchCommand::Pool(args) => pool::run(session, &args.command),
    }
}
