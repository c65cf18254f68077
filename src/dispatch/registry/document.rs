//! A `taskset.json` with other states: only what changes is replaced, all else stays as somebody
//! wrote it. Pure.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::dispatch::files::node::{Field, Node, json_document};

/// What a registry says of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// `ready`, `running`, `blocked`, `done` or `failed`.
    pub word: &'static str,
    /// The runner and the slot; `None`: what is there stays.
    pub holders: Option<(Option<String>, Option<String>)>,
}

/// What is replaced by what.
type Splices = Vec<(Range<usize>, String)>;

/// The text with these standings, by the tasks' ids; `None` if it says all of it already. `now` is
/// the time as the registry writes it.
///
/// # Errors
/// What stands in the way, if it is no such document.
pub fn patched(
    text: &str,
    standings: &BTreeMap<String, Standing>,
    now: &str,
) -> Result<Option<String>, String> {
    let top = json_document(text).map_err(|(line, wrong)| format!("line {line}: {wrong}"))?;
    let find = |name: &str| top.iter().find(|field| field.name == name);
    let tasks = find("tasks").and_then(|field| field.node.list(text));
    let mut splices = Splices::new();
    for (at, node) in tasks.ok_or("it has no list of tasks")? {
        let fields = node.table(text).ok_or("one of its tasks is no table")?;
        if let Some(standing) = id(&fields).and_then(|id| standings.get(&id)) {
            task(&mut splices, text, at, &fields, standing, now);
        }
    }
    if splices.is_empty() {
        return Ok(None);
    }
    let version = find("version").and_then(|field| raw(field.node).parse::<u64>().ok());
    let start = text.len() - text.trim_start_matches('\u{feff}').trim_start().len();
    set(&mut splices, text, start, &top, "version", &(version.unwrap_or(0) + 1).to_string());
    set(&mut splices, text, start, &top, "updated_at", &quoted(now));
    Ok(Some(applied(text, splices)))
}

/// A task's id as text.
fn id(fields: &[Field<'_>]) -> Option<String> {
    let value = fields.iter().find(|field| field.name == "id")?.node.value();
    match value.ok()? {
        serde_json::Value::String(id) => Some(id),
        serde_json::Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn task(
    splices: &mut Splices,
    text: &str,
    at: usize,
    fields: &[Field<'_>],
    standing: &Standing,
    now: &str,
) {
    let before = splices.len();
    set(splices, text, at, fields, "state", &quoted(standing.word));
    if let Some((runner, slot)) = &standing.holders {
        for (name, value) in [("runner_id", runner), ("assigned_slot", slot)] {
            match value {
                Some(value) => set(splices, text, at, fields, name, &quoted(value)),
                None if fields.iter().any(|field| field.name == name) => {
                    set(splices, text, at, fields, name, "null");
                }
                None => {}
            }
        }
    }
    if splices.len() > before {
        set(splices, text, at, fields, "updated_at", &quoted(now));
    }
}

/// Gives an entry of the object that begins at `at` a value.
fn set(
    splices: &mut Splices,
    text: &str,
    at: usize,
    fields: &[Field<'_>],
    name: &str,
    value: &str,
) {
    if let Some(field) = fields.iter().find(|field| field.name == name) {
        let there = raw(field.node);
        if there != value {
            splices.push((field.at..field.at + there.len(), value.to_owned()));
        }
        return;
    }
    let Some(last) = fields.last() else { return };
    let end = last.at + raw(last.node).len();
    // On a line of its own if the others are.
    let inside = &text[at + 1..];
    let space = &inside[..inside.len() - inside.trim_start().len()];
    splices.push((end..end, format!(",{space}\"{name}\": {value}")));
}

fn raw(node: Node<'_>) -> &str {
    match node {
        Node::Json(raw) => raw.get(),
        Node::Toml(_) => "",
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn applied(text: &str, mut splices: Splices) -> String {
    splices.sort_by_key(|(range, _)| range.start);
    let mut new = String::with_capacity(text.len() + 64 * splices.len());
    let mut done = 0;
    for (range, value) in splices {
        new.push_str(&text[done..range.start]);
        new.push_str(&value);
        done = range.end;
    }
    new.push_str(&text[done..]);
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2025-02-03T04:05:06.000007+00:00";

    fn with(text: &str, standings: &[(&str, Standing)]) -> Result<Option<String>, String> {
        let standings = standings.iter().cloned();
        let by_id = standings.map(|(id, standing)| (id.to_owned(), standing));
        patched(text, &by_id.collect(), NOW)
    }

    fn says(word: &'static str) -> Standing {
        Standing {
            word,
            holders: None,
        }
    }

    #[test]
    fn only_what_changes_is_replaced() {
        let text = r#"{
  "spec_name": "login",
  "version": 4,
  "tasks": [
    {
      "id": "1",
      "title": "One  \u00e4",
      "state": "running",
      "runner_id": "old",
      "custom": {"a": 1.50}
    },
    {"id": 2, "state": "ready", "updated_at": "x"},
    {"id": "3", "state": "done"}
  ],
  "updated_at": "then"
}
"#;
        let running = Standing {
            word: "running",
            holders: Some((Some("rp-\"2\"".to_owned()), Some("slot1".to_owned()))),
        };
        let ready = Standing {
            word: "ready",
            holders: Some((None, None)),
        };
        let standings = [("1", ready), ("2", running), ("3", says("done")), ("4", says("done"))];
        let new = with(text, &standings).unwrap().unwrap();
        let expected = r#"{
  "spec_name": "login",
  "version": 5,
  "tasks": [
    {
      "id": "1",
      "title": "One  \u00e4",
      "state": "ready",
      "runner_id": null,
      "custom": {"a": 1.50},
      "updated_at": "NOW"
    },
    {"id": 2, "state": "running", "updated_at": "NOW","runner_id": "rp-\"2\"","assigned_slot": "slot1"},
    {"id": "3", "state": "done"}
  ],
  "updated_at": "NOW"
}
"#;
        assert_eq!(new, expected.replace("NOW", NOW));
        // What is said already is not written again.
        assert_eq!(with(&new, &standings), Ok(None));
    }

    #[test]
    fn what_is_no_registry_is_left_alone() {
        for text in ["", "[]", "{}", "{\"tasks\": 3}", "{\"tasks\": [3]}", "{\"tasks\": [}"] {
            assert!(with(text, &[("1", says("done"))]).is_err(), "{text}");
        }
        let without = "{\"tasks\": [{\"id\": \"1\", \"state\": \"x\"}]}";
        let new = with(without, &[("1", says("done"))]).unwrap().unwrap();
        let value: serde_json::Value = serde_json::from_str(&new).unwrap();
        assert_eq!(value["version"], 1);
        assert_eq!(value["tasks"][0]["state"], "done");
    }
}
