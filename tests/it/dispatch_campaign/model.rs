//! What a run's events say of its tasks, told without the code under test.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The tasks and whom each waits for, in an order in which nobody waits for a later one.
pub struct Model {
    depends: BTreeMap<String, Vec<String>>,
    order: Vec<String>,
}

/// Where a task stands.
#[derive(Debug, Clone, Default)]
pub struct Stand {
    pub state: &'static str,
    /// The number of its last attempt.
    pub attempt: u64,
    /// The token of the attempt under way.
    open: Option<u64>,
    /// The tokens of the attempts that have a slot.
    pub slots: BTreeSet<u64>,
}

impl Model {
    pub fn new(tasks: Vec<(String, Vec<String>)>) -> Self {
        Self {
            order: tasks.iter().map(|(id, _)| id.clone()).collect(),
            depends: tasks.into_iter().collect(),
        }
    }

    /// Where the tasks stand after these events, each of which must be allowed where it comes.
    pub fn after(&self, events: &[Value]) -> BTreeMap<String, Stand> {
        let ids = self.order.iter().cloned();
        let mut stands: BTreeMap<_, _> = ids.map(|id| (id, Stand::default())).collect();
        let mut last_token = 0;
        for (event, n) in events.iter().zip(1..) {
            assert_eq!(event["n"], n, "{event}");
            let token = event["token"].as_u64();
            let kind = event["event"].as_str().expect("a kind");
            let stand = event["task"].as_str().and_then(|id| stands.get_mut(id));
            let (Some(token), Some(stand)) = (token, stand) else {
                continue;
            };
            match kind {
                "TaskAssigned" => {
                    assert!(stand.open.is_none() && token > last_token, "{event}");
                    assert_ne!(stand.state, "done", "{event}");
                    last_token = token;
                    stand.open = Some(token);
                    stand.attempt = event["attempt"].as_u64().expect("a number");
                    stand.state = "running";
                }
                "StaleCompletion" => assert_ne!(stand.open, Some(token), "{event}"),
                "SlotAllocated" => assert!(stand.slots.insert(token), "{event}"),
                "SlotReleased" => {
                    assert!(event["error"].is_null(), "{event}");
                    stand.slots.remove(&token);
                }
                _ => stand.changed(kind, token, event),
            }
        }
        self.by_dependencies(&mut stands);
        stands
    }

    /// Those whom no attempt has put anywhere stand where their dependencies put them.
    fn by_dependencies(&self, stands: &mut BTreeMap<String, Stand>) {
        for id in &self.order {
            let of = |id: &String| stands[id].state;
            let state = match () {
                () if !matches!(of(id), "" | "ready") => continue,
                () if self.depends[id]
                    .iter()
                    .any(|d| matches!(of(d), "failed" | "blocked")) =>
                {
                    "blocked"
                }
                () if self.depends[id].iter().all(|d| of(d) == "done") => "ready",
                () => "waiting",
            };
            stands.get_mut(id).expect("it").state = state;
        }
    }

    /// Where they all end if these succeed that `can`.
    pub fn ends(&self, can: impl Fn(&str) -> bool) -> BTreeMap<String, &'static str> {
        let mut ends = BTreeMap::new();
        for id in &self.order {
            let may = self.depends[id].iter().all(|d| ends[d] == "done");
            let end = match (may, can(id)) {
                (false, _) => "blocked",
                (true, true) => "done",
                (true, false) => "failed",
            };
            ends.insert(id.clone(), end);
        }
        ends
    }
}

impl Stand {
    /// What an event says of the attempt under way, which it has to be about.
    fn changed(&mut self, kind: &str, token: u64, event: &Value) {
        assert_eq!(self.open, Some(token), "{event}");
        let again = match event["retry_in"].as_f64() {
            None => "failed",
            Some(wait) if wait > 0.0 => "retrying",
            Some(_) => "ready",
        };
        self.state = match kind {
            "SlotUnavailable" => {
                self.attempt -= 1;
                "ready"
            }
            "RunnerCompleted" => "done",
            "RunnerFailed" | "RunnerLost" => again,
            _ => return,
        };
        self.open = None;
    }
}
