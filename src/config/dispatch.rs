//! What the configuration says about the dispatcher: the rules of a run, and the agent pools.

mod docker;
pub(super) mod exec;
mod kubernetes;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::file::{DeclaredAgents, LOCAL, Table};
use super::keys::{Key, Place, in_table};
use super::kind::thousandths;
use super::origin::Origin;
use super::resolve::{Config, Effective};
use super::value::{Value, key as key_text};
use crate::domain::dispatch::agents::{AgentPool, Engine, Policy, Rules};

/// The values of one table that count.
struct Values<'a> {
    table: Option<&'a Table>,
    place: Place,
}

impl Values<'_> {
    fn of(&self, name: &str) -> Option<Value> {
        let written = self.table.and_then(|table| table.get(name));
        written.map(|written| written.value.clone()).or_else(|| {
            in_table(self.place)
                .find(|key| key.name == name)?
                .built_in()
        })
    }

    fn count(&self, name: &str) -> Option<u32> {
        match self.of(name) {
            Some(Value::Count(number) | Value::Decimal(number)) => Some(number),
            _ => None,
        }
    }

    fn duration(&self, name: &str) -> Option<Duration> {
        match self.of(name) {
            Some(Value::Duration(duration)) => Some(duration),
            _ => None,
        }
    }

    fn bytes(&self, name: &str) -> Option<u64> {
        match self.of(name) {
            Some(Value::Size(bytes) | Value::Memory(bytes)) => Some(bytes),
            _ => None,
        }
    }

    fn text(&self, name: &str) -> Option<String> {
        match self.of(name) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    fn list(&self, name: &str) -> Option<Vec<String>> {
        match self.of(name) {
            Some(Value::List(texts)) => Some(texts),
            _ => None,
        }
    }

    fn table<T>(&self, name: &str, each: impl Fn(Value) -> Option<T>) -> BTreeMap<String, T> {
        match self.of(name) {
            Some(Value::Table(entries)) => entries
                .into_iter()
                .filter_map(|(name, value)| Some((name, each(value)?)))
                .collect(),
            _ => BTreeMap::new(),
        }
    }
}

impl Config {
    fn dispatch(&self) -> Values<'_> {
        Values {
            table: Some(&self.contents.dispatch),
            place: Place::Dispatch,
        }
    }

    /// What holds for a run of the dispatcher.
    pub fn rules(&self) -> Rules {
        let values = self.dispatch();
        let duration = |name| values.duration(name).unwrap_or_default();
        let count = |name| values.count(name).unwrap_or_default();
        Rules {
            poll_interval: duration("poll_interval"),
            policy: match values.text("scheduling_policy").as_deref() {
                Some("fifo") => Policy::Fifo,
                Some("skill-based") => Policy::SkillBased,
                Some("fair-share") => Policy::FairShare,
                _ => Policy::Priority,
            },
            max_global_concurrency: count("max_global_concurrency"),
            heartbeat_timeout: duration("heartbeat_timeout"),
            retry_max_attempts: count("retry_max_attempts"),
            retry_backoff_base: from_thousandths(count("retry_backoff_base")),
            graceful_shutdown_timeout: duration("graceful_shutdown_timeout"),
            skill_mapping: values.table("skill_mapping", |pools| match pools {
                Value::List(pools) => Some(pools),
                _ => None,
            }),
            aging_interval: values.duration("aging_interval"),
            share_weights: values.table("share_weights", |weight| match weight {
                Value::Decimal(weight) => Some(from_thousandths(weight)),
                _ => None,
            }),
            cooldown: duration("cooldown"),
            log_limit: values.bytes("log_limit").unwrap_or_default(),
        }
    }

    /// What runs a task whose file names no command.
    pub fn task_command(&self) -> Option<Vec<String>> {
        self.dispatch().list("command").filter(|c| !c.is_empty())
    }

    /// The pool whose slots tasks get whose file names none.
    pub fn task_repo(&self) -> Option<String> {
        self.dispatch().text("repo")
    }

    /// The agent pools, in the order of the file; without any, `local` with a runner per core.
    pub fn agent_pools(&self, cores: u32) -> Vec<AgentPool> {
        let declared = &self.contents.agents;
        let mut pools: Vec<AgentPool> = declared
            .iter()
            .map(|agents| self.agent_pool(&agents.name, Some(&agents.values), cores))
            .collect();
        if pools.is_empty() {
            pools.push(self.agent_pool(LOCAL, None, cores));
        }
        pools
    }

    fn agent_pool(&self, name: &str, table: Option<&Table>, cores: u32) -> AgentPool {
        let values = Values {
            table,
            place: Place::AgentPool,
        };
        AgentPool {
            name: name.to_owned(),
            engine: match values.text("type").as_deref() {
                Some("docker") => Engine::Docker(values.docker()),
                Some("kubernetes") => {
                    Engine::Kubernetes(values.kubernetes(&|path| self.beside(path)))
                }
                Some("exec") => Engine::Exec(values.exec()),
                _ => Engine::LocalProcess,
            },
            max_concurrency: values.count("max_concurrency").unwrap_or(cores.max(1)),
            enabled: values.of("enabled") != Some(Value::Bool(false)),
            cpu_quota: values.count("cpu_quota"),
            memory_quota: values.bytes("memory_quota"),
            skills: values.list("skills").unwrap_or_default(),
            env: values.table("env", |value| match value {
                Value::Text(text) => Some(text),
                _ => None,
            }),
            env_file: values.text("env_file").map(|path| self.beside(&path)),
        }
    }

    /// A path that the file names, from its directory.
    fn beside(&self, path: &str) -> PathBuf {
        let directory = self.file().parent();
        let path = directory.map_or_else(|| PathBuf::from(path), |dir| dir.join(path));
        std::path::absolute(&path).unwrap_or(path)
    }

    /// Every setting of `[dispatch]` that has a value, with its origin.
    pub fn explain_dispatch(&self) -> Vec<Effective> {
        self.explain_table("dispatch", Place::Dispatch, Some(&self.contents.dispatch))
    }

    /// The same of each declared agent pool, by name.
    pub fn explain_agents(&self) -> Vec<(String, Vec<Effective>)> {
        let agents = self.contents.agents.iter();
        agents
            .map(|DeclaredAgents { name, values, .. }| {
                let table = format!("agent_pools.{}", key_text(name));
                let settings = self.explain_table(&table, Place::AgentPool, Some(values));
                (name.clone(), settings)
            })
            .collect()
    }

    fn explain_table(&self, name: &str, place: Place, table: Option<&Table>) -> Vec<Effective> {
        let effective = |key: &'static Key| match table.and_then(|table| table.get(key.name)) {
            Some(written) => Some((
                written.value.clone(),
                Origin::Table {
                    file: self.file().to_owned(),
                    line: written.line,
                    table: name.to_owned(),
                },
            )),
            None => key.built_in().map(|value| (value, Origin::BuiltIn)),
        };
        let settings = in_table(place).filter_map(|key| {
            let (value, origin) = effective(key)?;
            Some(Effective {
                key: key.name,
                value: value.to_toml(),
                origin,
            })
        });
        settings.collect()
    }
}

/// Exact for what can be written with three places.
fn from_thousandths(number: u32) -> f64 {
    thousandths(number).parse().unwrap_or_default()
}

#[cfg(test)]
mod tests;
