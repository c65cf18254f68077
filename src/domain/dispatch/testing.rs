//! Tasks, rules and agent pools for tests, with all that a test does not care about.

use std::collections::BTreeMap;
use std::time::Duration;

use super::agents::{AgentPool, Engine, Policy, Rules};
use super::task::Task;

/// A task that asks for one processor.
pub fn task(id: &str) -> Task {
    Task {
        command: ["true".to_owned()].into(),
        share: "tasks".into(),
        max_attempts: 3,
        ..Task::bare(id.into())
    }
}

/// A task that depends on others.
pub fn after(id: &str, depends: &[&str]) -> Task {
    Task {
        depends: depends.iter().map(|id| (*id).into()).collect(),
        ..task(id)
    }
}

/// The defaults of `[dispatch]`.
pub fn rules() -> Rules {
    Rules {
        poll_interval: Duration::from_secs(5),
        policy: Policy::Priority,
        max_global_concurrency: 10,
        heartbeat_timeout: Duration::from_secs(60),
        retry_max_attempts: 3,
        retry_backoff_base: 2.0,
        graceful_shutdown_timeout: Duration::from_secs(300),
        skill_mapping: BTreeMap::new(),
        aging_interval: None,
        share_weights: BTreeMap::new(),
        cooldown: Duration::from_secs(60),
        log_limit: 1 << 30,
    }
}

/// An agent pool of local processes without quotas.
pub fn agent_pool(name: &str, max_concurrency: u32) -> AgentPool {
    AgentPool {
        name: name.into(),
        engine: Engine::LocalProcess,
        max_concurrency,
        enabled: true,
        cpu_quota: None,
        memory_quota: None,
        skills: Vec::new(),
        env: BTreeMap::new(),
        env_file: None,
    }
}
