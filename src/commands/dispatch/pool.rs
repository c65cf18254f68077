//! `dispatch pool`: the agent pools of a run.

use super::super::session::Session;
use super::{shown, wish};
use crate::cli::{AgentPoolCommand, RunName};
use crate::domain::dispatch::control::Control;
use crate::domain::dispatch::view;
use crate::domain::{Error, Result};
use crate::report::output::unless_closed;
use crate::report::tables;
use crate::sys::clock;

/// Lists or changes them.
pub fn run(session: &Session, command: &AgentPoolCommand) -> Result<u8> {
    match command {
        AgentPoolCommand::List(args) => list(session, &args.run),
        AgentPoolCommand::Enable(args) => change(session, &args.run, &args.name, Some(true), None),
        AgentPoolCommand::Disable(args) => {
            change(session, &args.run, &args.name, Some(false), None)
        }
        AgentPoolCommand::Set(args) => change(session, &args.run, &args.name, None, Some(args.max)),
    }
}

fn list(session: &Session, name: &RunName) -> Result<u8> {
    let run = shown::find(session, name)?;
    let terms = shown::terms(session, &run)?;
    let pools = view::agent_pools(&run.read()?.state, &terms.agent_pools);
    let output = &session.output;
    unless_closed(match output.is_json() {
        true => output.json("agent_pools", &pools),
        false => output.text(&tables::agent_pools(&pools, clock::now(), &output.layout())),
    })?;
    Ok(0)
}

fn change(
    session: &Session,
    run: &RunName,
    name: &str,
    enabled: Option<bool>,
    max_concurrency: Option<u32>,
) -> Result<u8> {
    let (run, seen) = wish::find(session, run)?;
    let terms = shown::terms(session, &run)?;
    if !terms.agent_pools.iter().any(|pool| pool.name == name) {
        let names = terms.agent_pools.iter().map(|pool| pool.name.as_str());
        let names = names.collect::<Vec<_>>().join(", ");
        let error = Error::not_found(format!("run {} has no agent pool {name}", run.name()));
        return Err(error.with_hint(format!("it has {names}")));
    }
    let wish = Control::Pool {
        name: name.to_owned(),
        enabled,
        max_concurrency,
    };
    wish::ask(session, &run, &seen, &[wish], false)
}
