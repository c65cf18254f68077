//! The dispatcher's tables: `[dispatch]` and `[agent_pools.NAME]`.

use toml::de::{DeTable, DeValue};

use super::{Contents, Reader, Table, resolve, with_allowed};
use crate::config::dispatch::exec;
use crate::config::keys::{Place, is_for};
use crate::config::value::{Value, key as key_text, type_name};
use crate::domain::PoolName;
use crate::domain::remote::PoolArgument;

/// The agent pool that there is where none is declared.
pub(in crate::config) const LOCAL: &str = "local";

/// An agent pool that the file declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) struct DeclaredAgents {
    pub(in crate::config) name: String,
    pub(in crate::config) line: usize,
    pub(in crate::config) values: Table,
}

impl Reader<'_> {
    /// The agent pools, in the order of the file.
    pub(super) fn agents(&mut self, pools: &DeTable<'_>) -> Vec<DeclaredAgents> {
        let mut declared = Vec::new();
        for (name, value) in pools {
            let path = format!("agent_pools.{}", key_text(name.get_ref()));
            let line = self.line_of(name);
            if let Err(error) = PoolName::new(name.get_ref()) {
                self.problem(line, &path, with_allowed(&error));
            }
            let DeValue::Table(table) = value.get_ref() else {
                let wrong = format!("is {}, not a table", type_name(value.get_ref()));
                self.problem(line, &path, wrong);
                continue;
            };
            declared.push(DeclaredAgents {
                name: name.get_ref().to_string(),
                line,
                values: self.table(&path, Place::AgentPool, table),
            });
        }
        declared.sort_by_key(|agents| agents.line);
        declared
    }

    /// What is wrong between the dispatcher's tables; relative paths become absolute.
    pub(super) fn compare_agents(&mut self, contents: &mut Contents) {
        self.skills(contents);
        if let Some(written) = contents.dispatch.get_mut("repo")
            && let Value::Text(text) = &written.value
            && !matches!(PoolArgument::classify(text), PoolArgument::Name(_))
        {
            match resolve(text, self.file) {
                Ok(url) => written.value = Value::Text(url.stored().to_owned()),
                Err(wrong) => self.problem(written.line, "dispatch.repo", wrong),
            }
        }
        for agents in &contents.agents {
            self.engine(agents);
        }
    }

    /// Skills can only be mapped to agent pools that there are.
    fn skills(&mut self, contents: &Contents) {
        let Some(written) = contents.dispatch.get("skill_mapping") else {
            return;
        };
        let mut known: Vec<&str> = contents.agents.iter().map(|a| &*a.name).collect();
        if known.is_empty() {
            known.push(LOCAL);
        }
        let Value::Table(skills) = &written.value else {
            return;
        };
        for (skill, pools) in skills {
            let path = format!("dispatch.skill_mapping.{}", key_text(skill));
            let Value::List(pools) = pools else { continue };
            if pools.is_empty() {
                self.problem(written.line, &path, "names no agent pool");
            }
            for pool in pools.iter().filter(|pool| !known.contains(&pool.as_str())) {
                let wrong = format!(
                    "there is no agent pool {} (there are: {})",
                    key_text(pool),
                    known.join(", ")
                );
                self.problem(written.line, &path, wrong);
            }
        }
    }

    /// Keys that are for other engines only.
    fn engine(&mut self, agents: &DeclaredAgents) {
        let engine = match agents.values.get("type").map(|written| &written.value) {
            Some(Value::Text(engine)) => engine.as_str(),
            _ => "local-process",
        };
        let elsewhere = agents.values.iter().filter(|(key, _)| !is_for(key, engine));
        for (key, written) in elsewhere {
            let path = format!("agent_pools.{}.{key}", key_text(&agents.name));
            let wrong = format!("is not for agent pools of type {engine:?}");
            self.problem(written.line, &path, wrong);
        }
        match engine {
            "exec" => self.exec(agents),
            "kubernetes" => self.kubernetes(agents),
            _ => {}
        }
    }

    /// Settings that need others.
    fn kubernetes(&mut self, agents: &DeclaredAgents) {
        let text = |key: &str| match agents.values.get(key).map(|w| (w.line, &w.value)) {
            Some((line, Value::Text(text))) => Some((line, text.as_str())),
            _ => None,
        };
        if let (Some((line, "node")), None) = (text("transport"), text("workspace")) {
            let path = format!("agent_pools.{}.transport", key_text(&agents.name));
            let wrong = "needs a `workspace`: where that of each node is".to_owned();
            self.problem(line, &path, wrong);
        }
    }

    /// The commands that drive another engine.
    fn exec(&mut self, agents: &DeclaredAgents) {
        for (key, wrong) in exec::problems(&agents.values) {
            let path = format!("agent_pools.{}.{key}", key_text(&agents.name));
            let written = agents.values.get(key).map(|written| written.line);
            // What can't be read at all has been said already.
            let said = format!("{path}: ");
            if written.is_some() || !self.problems.iter().any(|(_, p)| p.starts_with(&said)) {
                self.problem(written.unwrap_or(agents.line), &path, wrong);
            }
        }
    }
}
