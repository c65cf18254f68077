//! The original's dispatcher: its rules and agent pools. Its keys stand in `dispatcher:` or at the
//! top, those of `retry:` and `graceful_shutdown:` in these tables or beside them.

use super::Table;
use super::declarations::{Meaning, Reader, Unit, is_nothing, name_of};
use super::yaml::{Entry, Node, Value as Yaml};
use crate::config::value::{self, Value};
use crate::domain::PoolName;

const RULES: &[Meaning] = &[
    ("poll_interval", Unit::Seconds, "poll_interval"),
    ("scheduling_policy", Unit::Word, "scheduling_policy"),
    (
        "max_global_concurrency",
        Unit::Count,
        "max_global_concurrency",
    ),
    ("heartbeat_timeout", Unit::Seconds, "heartbeat_timeout"),
    ("retry_max_attempts", Unit::Count, "retry_max_attempts"),
    ("retry_backoff_base", Unit::Decimal, "retry_backoff_base"),
    (
        "graceful_shutdown_timeout",
        Unit::Seconds,
        "graceful_shutdown_timeout",
    ),
];

const RETRY: &[Meaning] = &[
    ("max_attempts", Unit::Count, "retry_max_attempts"),
    ("backoff_base", Unit::Decimal, "retry_backoff_base"),
];

const SHUTDOWN: &[Meaning] = &[("timeout", Unit::Seconds, "graceful_shutdown_timeout")];

const AGENTS: &[Meaning] = &[
    ("type", Unit::Word, "type"),
    ("max_concurrency", Unit::Count, "max_concurrency"),
    ("enabled", Unit::Flag, "enabled"),
    ("cpu_quota", Unit::Decimal, "cpu_quota"),
    ("memory_quota", Unit::Text, "memory_quota"),
    ("image", Unit::Text, "image"),
    ("namespace", Unit::Text, "namespace"),
    ("job_template", Unit::Text, "job_template"),
];

/// Whether a key at the top of a file is the dispatcher's.
pub(super) fn is_one(key: &str) -> bool {
    matches!(
        key,
        "dispatcher" | "dispatch" | "agent_pools" | "skill_mapping" | "retry" | "graceful_shutdown"
    ) || RULES.iter().any(|(known, ..)| *known == key)
}

impl Reader<'_> {
    /// An entry of the dispatcher's, from the top of the file or its table.
    pub(super) fn dispatcher(&mut self, entry: &Entry) {
        let mut rules = std::mem::take(&mut self.found.dispatch);
        match (entry.key.as_str(), &entry.node.value) {
            (_, _) if is_nothing(&entry.node) => {}
            ("dispatcher" | "dispatch", Yaml::Table(entries)) => {
                self.found.dispatch = rules;
                for entry in entries {
                    self.dispatcher(entry);
                }
                return;
            }
            ("retry", _) => self.nested(entry, RETRY, &mut rules),
            ("graceful_shutdown", _) => self.nested(entry, SHUTDOWN, &mut rules),
            ("skill_mapping", Yaml::Table(skills)) => self.skills(entry.line, skills, &mut rules),
            ("agent_pools", Yaml::Table(pools)) => {
                for pool in pools {
                    self.agents(&pool.key, pool.line, &pool.node);
                }
            }
            ("agent_pools", Yaml::List(pools)) => {
                for pool in pools {
                    let name = match &pool.value {
                        Yaml::Table(entries) => entries.iter().find_map(name_of),
                        _ => None,
                    };
                    match name {
                        Some(name) => self.agents(name, pool.line, pool),
                        None => self.wrong(pool.line, "agent_pools", "an entry without a name"),
                    }
                }
            }
            ("dispatcher" | "dispatch" | "agent_pools" | "skill_mapping", _) => {
                self.wrong(entry.line, &entry.key, "is no table");
            }
            _ if self.known("dispatch", RULES, entry, &mut rules) => {}
            _ => self.unknown("dispatch", entry),
        }
        self.found.dispatch = rules;
    }

    /// What the original has in a table of its own.
    fn nested(&mut self, entry: &Entry, known: &[Meaning], rules: &mut Table) {
        let Yaml::Table(entries) = &entry.node.value else {
            return self.wrong(entry.line, &entry.key, "is no table");
        };
        for inner in entries {
            let whole = format!("{}_{}", entry.key, inner.key);
            let flat = Entry {
                key: whole,
                ..inner.clone()
            };
            // Some write the whole name here too.
            let found = self.known(&entry.key, known, inner, rules)
                || self.known(&entry.key, RULES, inner, rules)
                || self.known(&entry.key, RULES, &flat, rules);
            if !found {
                self.unknown(&entry.key, inner);
            }
        }
    }

    /// Which agent pools serve which skill: a list of names, or one.
    fn skills(&mut self, line: usize, skills: &[Entry], rules: &mut Table) {
        let mut mapping = std::collections::BTreeMap::new();
        for skill in skills {
            let items = match &skill.node.value {
                Yaml::List(items) => items.iter().collect(),
                _ => vec![&skill.node],
            };
            let names = items.into_iter().map(|item| match &item.value {
                Yaml::Scalar { text, .. } => Some(agent_name(text).to_string()),
                _ => None,
            });
            match names.collect::<Option<Vec<String>>>() {
                Some(names) => {
                    self.mapped
                        .extend(names.iter().map(|n| (n.clone(), skill.line)));
                    mapping.insert(skill.key.clone(), Value::List(names));
                }
                None => self.wrong(skill.line, "skill_mapping", "is no list of agent pools"),
            }
        }
        if rules.iter().any(|(name, _)| *name == "skill_mapping") {
            return self.wrong(line, "skill_mapping", "stands twice");
        }
        rules.push(("skill_mapping", Value::Table(mapping)));
    }

    fn agents(&mut self, written: &str, line: usize, node: &Node) {
        let path = format!("agent_pools.{}", value::key(written));
        let Yaml::Table(entries) = &node.value else {
            return self.wrong(line, &path, "is no table");
        };
        let name = agent_name(written).to_string();
        if name != written {
            let why = format!("is called {name} here, since an agent pool can't have that name");
            self.left(line, &path, why);
        }
        if self.found.agents.iter().any(|(other, _)| *other == name) {
            return self.wrong(
                line,
                &path,
                format!("there is an agent pool {name} already"),
            );
        }
        let mut table = Table::new();
        for entry in entries {
            match (entry.key.as_str(), &entry.node.value) {
                ("name", _) if name_of(entry) == Some(written) => {}
                // What is particular to an engine may stand in a table of its own.
                ("config" | "settings" | "docker" | "kubernetes", Yaml::Table(inner)) => {
                    for entry in inner {
                        if !self.known(&path, AGENTS, entry, &mut table) {
                            self.unknown(&path, entry);
                        }
                    }
                }
                _ if self.known(&path, AGENTS, entry, &mut table) => {}
                _ => self.unknown(&path, entry),
            }
        }
        self.drop_foreign(&path, line, &mut table);
        self.found.agents.push((name, table));
    }

    /// What an agent pool of its type has no use for stays behind.
    fn drop_foreign(&mut self, path: &str, line: usize, table: &mut Table) {
        let engine = table.iter().find_map(|(name, value)| match value {
            Value::Text(text) if *name == "type" => Some(text.clone()),
            _ => None,
        });
        let engine = engine.unwrap_or_else(|| "local-process".to_owned());
        let (kept, dropped): (Table, Table) = std::mem::take(table)
            .into_iter()
            .partition(|(name, _)| crate::config::keys::is_for(name, &engine));
        for (name, _) in dropped {
            let why = format!("is left behind: agent pools of type {engine} have none");
            self.left(line, &format!("{path}.{name}"), why);
        }
        *table = kept;
    }

    /// Skills that are mapped to agent pools that the file does not have.
    pub(super) fn check_skills(&mut self) {
        for (name, line) in std::mem::take(&mut self.mapped) {
            let mut agents = self.found.agents.iter();
            if !agents.any(|(known, _)| *known == name) {
                let wrong = format!("there is no agent pool {}", value::key(&name));
                self.wrong(line, "skill_mapping", wrong);
            }
        }
    }
}

/// The name here, which may have to be another.
fn agent_name(written: &str) -> PoolName {
    PoolName::new(written).unwrap_or_else(|_| PoolName::from_repository(written))
}
