//! What it takes to bring the pools to what the settings declare (8.2, 8.3): decided here, carried
//! out elsewhere.
//!
//! A pool that was never declared is nobody's business but its maker's. What is declared is made and
//! grown; only where it is asked for does anything go, and never what somebody holds.

use serde::Serialize;

use super::names::PoolName;
use super::pool::Strategy;
use super::remote::RemoteUrl;

/// A pool as it is declared.
#[derive(Debug, Clone)]
pub struct Declared {
    /// Its name.
    pub name: PoolName,
    /// Its repository.
    pub url: RemoteUrl,
    /// How many slots it should have.
    pub slots: u32,
    /// How many it may grow to on demand, which is no surplus until `prune` says so.
    pub most: u32,
    /// How they are made.
    pub strategy: Strategy,
    /// The branch they start from; `None` follows the remote's HEAD.
    pub base: Option<String>,
    /// What the repository of this very pool should have been made with.
    pub made_with: MadeWith,
}

/// Keys that count when a pool's repository is made, and not after, with their values as text.
pub type MadeWith = Vec<(&'static str, Option<String>)>;

/// A pool as it is.
#[derive(Debug, Clone)]
pub struct Known {
    /// Its name.
    pub name: PoolName,
    /// What there is of it.
    pub state: State,
}

/// What there is of a pool.
#[derive(Debug, Clone)]
pub enum State {
    /// It is being made, or its maker was killed.
    Unmade,
    /// It can't be worked on: why.
    Unusable(String),
    /// It is there.
    Made(Made),
}

/// A pool that is there.
#[derive(Debug, Clone)]
pub struct Made {
    /// The remote's address, without secrets.
    pub url: String,
    /// How its slots are made.
    pub strategy: Strategy,
    /// What its repository was made with: every such key.
    pub made_with: MadeWith,
    /// Whether it was declared when it was made, or at some time since.
    pub declared: bool,
    /// The branch that its slots start from now.
    pub base: Option<String>,
    /// Its slots.
    pub slots: Vec<KnownSlot>,
    /// Why it can't be removed as a whole, if so.
    pub kept: Option<String>,
}

/// A slot as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownSlot {
    /// Its number.
    pub number: u32,
    /// Why it can't be removed now; an idle one can.
    pub kept: Option<String>,
}

/// One thing to do to a pool, or one that is left as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Step {
    /// The pool is made.
    CreatePool {
        /// Its repository, without secrets.
        repo_url: String,
        /// With so many slots.
        num_slots: u32,
    },
    /// The pool was made otherwise, and counts as declared from now on.
    AdoptPool,
    /// Slots start from another branch.
    ChangeBase {
        /// From which they did.
        #[serde(skip_serializing_if = "Option::is_none")]
        from: Option<String>,
        /// From which they do.
        to: String,
    },
    /// The pool grows.
    AddSlots {
        /// From so many slots.
        from: u32,
        /// To so many.
        to: u32,
    },
    /// An idle slot goes.
    RemoveSlot {
        /// Its number.
        #[serde(skip)]
        number: u32,
        /// With how many slots the pool should be left.
        #[serde(skip)]
        to: u32,
    },
    /// The pool goes.
    RemovePool {
        /// With so many slots.
        num_slots: u32,
    },
    /// A slot should go, and can't now.
    KeepSlot {
        /// Its number.
        #[serde(skip)]
        number: u32,
        /// Why.
        reason: String,
    },
    /// The pool should go, and can't now.
    KeepPool {
        /// Why.
        reason: String,
    },
    /// The pool has more slots than are declared, and nobody asked for fewer.
    SpareSlots {
        /// So many.
        num_slots: u32,
        /// So many are declared.
        declared: u32,
    },
    /// The pool was declared once, and nobody asked for its removal.
    SparePool,
    /// The pool can't be worked on.
    Unusable {
        /// Why.
        reason: String,
    },
    /// The pool is as it is declared.
    Unchanged {
        /// With so many slots.
        num_slots: u32,
    },
}

impl Step {
    /// Whether carrying it out changes anything.
    pub fn changes(&self) -> bool {
        matches!(
            self,
            Self::CreatePool { .. }
                | Self::AdoptPool
                | Self::ChangeBase { .. }
                | Self::AddSlots { .. }
                | Self::RemoveSlot { .. }
                | Self::RemovePool { .. }
        )
    }

    /// The slot it is about, if it is about one.
    pub fn slot(&self) -> Option<u32> {
        match self {
            Self::RemoveSlot { number, .. } | Self::KeepSlot { number, .. } => Some(*number),
            _ => None,
        }
    }
}

/// A step, and the pool it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The pool.
    pub name: PoolName,
    /// The step.
    pub step: Step,
}

/// A declaration that can't be applied to the pool there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The declared pool.
    pub name: PoolName,
    /// The key that can't be applied; `None` if it is the name.
    pub key: Option<&'static str>,
    /// What is wrong, with the way to do it.
    pub wrong: String,
}

/// Which declarations contradict what there is.
pub fn conflicts(declared: &[Declared], known: &[Known]) -> Vec<Conflict> {
    declared
        .iter()
        .flat_map(|pool| known.iter().filter_map(|known| conflict(pool, known)))
        .collect()
}

fn conflict(declared: &Declared, known: &Known) -> Option<Conflict> {
    let name = &declared.name;
    let about = |key, wrong| {
        Some(Conflict {
            name: name.clone(),
            key,
            wrong,
        })
    };
    if *name != known.name {
        let twins = name.same_but_for_case(&known.name);
        return twins
            .then(|| format!("there is a pool {} already, which differs in case only; use one spelling, or another name", known.name))
            .and_then(|wrong| about(None, wrong));
    }
    let State::Made(made) = &known.state else {
        return None;
    };
    let way = format!("`repo-pool remove-pool {name}` first, or declare it under another name");
    if !declared.url.same_remote(&made.url) {
        let (new, old) = (declared.url.stored(), &made.url);
        let wrong = format!("{new}: pool {name} was made of {old}, and keeps to it; {way}");
        return about(Some("repo_url"), wrong);
    }
    if declared.strategy != made.strategy {
        let wrong = format!("pool {name} was made with another, and keeps to it; {way}");
        return about(Some("strategy"), wrong);
    }
    let differs = |wanted: &&(_, _)| {
        made.made_with
            .iter()
            .any(|was| was.0 == wanted.0 && was != *wanted)
    };
    let (key, _) = declared.made_with.iter().find(differs)?;
    let was = made
        .made_with
        .iter()
        .find(|(was, _)| was == key)?
        .1
        .as_deref();
    let (was, stay) = match was {
        Some(was) => (format!("with {was}"), "declare that"),
        None => ("without it".to_owned(), "leave it out"),
    };
    let wrong = format!("pool {name} was made {was}, and keeps to that; {stay}, or {way}");
    about(Some(key), wrong)
}

/// The steps that lead from what there is to what is declared: the declared pools in their order,
/// then those that are declared no more.
pub fn plan(declared: &[Declared], known: &[Known], prune: bool) -> Vec<Planned> {
    let of = |name: &PoolName| known.iter().find(|known| known.name == *name);
    let is_declared = |name: &PoolName| declared.iter().any(|pool| pool.name == *name);
    let wanted = declared.iter().map(|pool| (&pool.name, Some(pool)));
    let others = known.iter().filter(|known| !is_declared(&known.name));
    wanted
        .chain(others.map(|known| (&known.name, None)))
        .flat_map(|(name, pool)| {
            let steps = steps(pool, of(name).map(|known| &known.state), prune);
            steps.into_iter().map(|step| Planned {
                name: name.clone(),
                step,
            })
        })
        .collect()
}

/// The steps for one pool, as it is declared and as it is.
pub fn steps(declared: Option<&Declared>, state: Option<&State>, prune: bool) -> Vec<Step> {
    match (declared, state) {
        (Some(declared), None | Some(State::Unmade)) => vec![Step::CreatePool {
            repo_url: declared.url.stored().to_owned(),
            num_slots: declared.slots,
        }],
        (Some(_), Some(State::Unusable(reason))) => vec![Step::Unusable {
            reason: reason.clone(),
        }],
        (Some(declared), Some(State::Made(made))) => brought_to(declared, made, prune),
        (None, Some(State::Made(made))) if made.declared => vec![without(made, prune)],
        (None, _) => Vec::new(),
    }
}

fn brought_to(declared: &Declared, made: &Made, prune: bool) -> Vec<Step> {
    let mut steps = Vec::new();
    if !made.declared {
        steps.push(Step::AdoptPool);
    }
    if let Some(base) = &declared.base
        && made.base.as_ref() != Some(base)
    {
        steps.push(Step::ChangeBase {
            from: made.base.clone(),
            to: base.clone(),
        });
    }
    let (has, wanted) = (made.slots.len() as u32, declared.slots);
    if has < wanted {
        steps.push(Step::AddSlots {
            from: has,
            to: wanted,
        });
    } else if has > wanted && prune {
        steps.extend(shrunk(made, wanted));
    } else if has > wanted.max(declared.most) {
        steps.push(Step::SpareSlots {
            num_slots: has,
            declared: wanted,
        });
    }
    if steps.is_empty() {
        steps.push(Step::Unchanged { num_slots: has });
    }
    steps
}

/// The highest idle numbers go; where there are too few of them, the highest of the others are named.
fn shrunk(made: &Made, to: u32) -> Vec<Step> {
    let mut slots: Vec<&KnownSlot> = made.slots.iter().collect();
    slots.sort_by_key(|slot| std::cmp::Reverse(slot.number));
    let (idle, kept): (Vec<&KnownSlot>, Vec<&KnownSlot>) =
        slots.iter().partition(|slot| slot.kept.is_none());
    let surplus = slots.len().saturating_sub(to as usize);
    let removed = idle.iter().take(surplus).map(|slot| Step::RemoveSlot {
        number: slot.number,
        to,
    });
    let left = surplus.saturating_sub(idle.len());
    let left = kept.iter().take(left).map(|slot| Step::KeepSlot {
        number: slot.number,
        reason: slot.kept.clone().unwrap_or_default(),
    });
    removed.chain(left).collect()
}

fn without(made: &Made, prune: bool) -> Step {
    match &made.kept {
        _ if !prune => Step::SparePool,
        None => Step::RemovePool {
            num_slots: made.slots.len() as u32,
        },
        Some(reason) => Step::KeepPool {
            reason: reason.clone(),
        },
    }
}

#[cfg(test)]
mod tests;
