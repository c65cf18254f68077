//! Which agent pools a task can go to at all.

use super::super::agents::{AgentPool, Rules};
use super::super::task::Task;

/// The agent pools that serve a skill.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Served {
    /// Their places among all agent pools: those of the mapping in its order, then the others.
    pub pools: Vec<usize>,
    /// How many of them the mapping has put in an order.
    pub ordered: usize,
    /// Whether the skill itself is served, and not only by default.
    pub named: bool,
}

/// The agent pools that serve a skill, or tasks without one: those that the mapping or they
/// themselves name for it, else those of the mapping's `default`. Tasks without a skill, and all
/// tasks if neither a mapping nor any agent pool speaks of skills, go to those that are kept for no
/// skill.
pub fn served(skill: Option<&str>, pools: &[AgentPool], rules: &Rules) -> Served {
    let place = |name: &String| pools.iter().position(|pool| pool.name == *name);
    let mapped = |entry: &str| -> Vec<usize> {
        let names = rules.skill_mapping.get(entry).into_iter().flatten();
        names.filter_map(place).collect()
    };
    let mut found = skill.map(mapped).unwrap_or_default();
    let mut ordered = found.len();
    for (at, pool) in pools.iter().enumerate() {
        let serves = skill.is_some_and(|skill| pool.skills.iter().any(|own| own == skill));
        if serves && !found.contains(&at) {
            found.push(at);
        }
    }
    let named = !found.is_empty();
    if !named {
        found = mapped("default");
        ordered = found.len();
    }
    let nobody_speaks = rules.skill_mapping.is_empty() && pools.iter().all(|p| p.skills.is_empty());
    if found.is_empty() && (skill.is_none() || nobody_speaks) {
        found = for_anything(pools, rules);
    }
    Served {
        pools: found,
        ordered,
        named,
    }
}

/// The agent pools that no skill is named for; if there is none, those that name none themselves.
fn for_anything(pools: &[AgentPool], rules: &Rules) -> Vec<usize> {
    let of_a_skill = |pool: &AgentPool| {
        let mut entries = rules.skill_mapping.values();
        entries.any(|names| names.contains(&pool.name))
    };
    let all = || (0..pools.len()).filter(|at| pools[*at].skills.is_empty());
    let free: Vec<usize> = all().filter(|at| !of_a_skill(&pools[*at])).collect();
    if free.is_empty() {
        all().collect()
    } else {
        free
    }
}

/// Why a task can never run, whatever ends or is enabled; `None`: it can.
pub fn impossible(task: &Task, pools: &[AgentPool], rules: &Rules) -> Option<String> {
    if rules.max_global_concurrency == 0 {
        return Some("max_global_concurrency is 0".to_owned());
    }
    let served = served(task.skill.as_deref(), pools, rules).pools;
    let mut obstacles = served.iter().map(|at| too_much(task, &pools[*at]));
    if obstacles.any(|obstacle| obstacle.is_none()) {
        return None;
    }
    let each: Vec<String> = served
        .iter()
        .filter_map(|at| too_much(task, &pools[*at]))
        .collect();
    Some(match (each.is_empty(), &task.skill) {
        (false, _) => each.join(", and "),
        (true, Some(skill)) => {
            format!("no agent pool serves the skill {skill:?}, and skill_mapping names no default")
        }
        (true, None) => "no agent pool takes tasks without a skill".to_owned(),
    })
}

/// What a person should know of a task whose skill nobody names, and who gets it.
pub fn by_default(task: &Task, pools: &[AgentPool], rules: &Rules) -> Option<String> {
    let skill = task.skill.as_deref()?;
    let speaks = !rules.skill_mapping.is_empty() || pools.iter().any(|p| !p.skills.is_empty());
    let served = served(Some(skill), pools, rules);
    if served.named || served.pools.is_empty() || !speaks {
        return None;
    }
    let names: Vec<&str> = served
        .pools
        .iter()
        .map(|at| pools[*at].name.as_str())
        .collect();
    Some(format!(
        "no agent pool serves the skill {skill:?}: it goes to the default, {}",
        names.join(", ")
    ))
}

/// Why an agent pool can never run a task.
fn too_much(task: &Task, pool: &AgentPool) -> Option<String> {
    let name = &pool.name;
    if pool.max_concurrency == 0 {
        return Some(format!("agent pool {name} has a max_concurrency of 0"));
    }
    if let Some(quota) = pool.cpu_quota.filter(|quota| task.cpu > *quota) {
        let (wanted, quota) = (processors(task.cpu.into()), processors(quota.into()));
        return Some(format!(
            "it asks for {wanted} CPU, and agent pool {name} has {quota} in all"
        ));
    }
    let quota = pool.memory_quota.filter(|quota| task.memory > *quota)?;
    let (wanted, quota) = (bytes(task.memory), bytes(quota));
    Some(format!(
        "it asks for {wanted} of memory, and agent pool {name} has {quota} in all"
    ))
}

/// Thousandths of a processor as processors.
pub fn processors(thousandths: u64) -> String {
    format!("{}", thousandths as f64 / 1000.0)
}

/// Bytes as tasks and agent pools ask for them.
pub fn bytes(bytes: u64) -> String {
    const MEGABYTE: u64 = 1 << 20;
    const GIGABYTE: u64 = 1 << 30;
    match bytes {
        b if b >= GIGABYTE && b % GIGABYTE == 0 => format!("{}G", b / GIGABYTE),
        b if b >= GIGABYTE => format!("{:.1}G", b as f64 / GIGABYTE as f64),
        b if b >= MEGABYTE => format!("{}M", b / MEGABYTE),
        b => format!("{b} bytes"),
    }
}
