//! The two existing formats, read as they are: `tasks.json` and `taskset.json`. What has no meaning
//! here is handed on to the runner.

use serde_json::Value;

use super::gather::{Context, Placed};
use super::node::Field;
use super::reader::Reader;
use super::{Format, values};
use crate::config::quoted;
use crate::domain::dispatch::{Initial, Task};

/// What a list is called by itself.
pub(super) fn name(format: Format, fields: &[Field<'_>]) -> Option<String> {
    let key = match format {
        Format::Tasks => return None,
        Format::TaskList => "project",
        Format::TaskSet => "spec_name",
    };
    let field = fields.iter().find(|field| field.name == key)?;
    field.node.value().and_then(values::word).ok()
}

/// The tasks of a `tasks.json`.
pub(super) fn task_list<'a>(
    reader: &mut Reader<'a>,
    document: Vec<Field<'a>>,
    context: &Context<'_>,
) -> Vec<Placed> {
    document_of(reader, &document, "project", context, list_field)
}

/// The tasks of a `taskset.json`.
pub(super) fn task_set<'a>(
    reader: &mut Reader<'a>,
    document: Vec<Field<'a>>,
    context: &Context<'_>,
) -> Vec<Placed> {
    document_of(reader, &document, "spec_name", context, set_field)
}

/// Takes a field over; whether it has a meaning here.
type Take = fn(&mut Reader<'_>, &mut Task, &Field<'_>, &Context<'_>) -> bool;

fn document_of<'a>(
    reader: &mut Reader<'a>,
    document: &[Field<'a>],
    name: &str,
    context: &Context<'_>,
    take: Take,
) -> Vec<Placed> {
    match document.iter().find(|field| field.name == name) {
        Some(field) => drop(reader.get(field, values::word)),
        None => reader.problem(0, format!("{name} is missing")),
    }
    let Some(field) = document.iter().find(|field| field.name == "tasks") else {
        reader.problem(0, "tasks is missing");
        return Vec::new();
    };
    let items = reader.tables(field).into_iter();
    let tasks = items.filter_map(|(at, node)| {
        let fields = reader.table(at, "tasks", node)?;
        task(reader, at, &fields, context, take)
    });
    tasks.collect()
}

fn task<'a>(
    reader: &mut Reader<'a>,
    at: usize,
    fields: &[Field<'a>],
    context: &Context<'_>,
    take: Take,
) -> Option<Placed> {
    let id = reader.id(at, fields, context);
    let mut task = context.task(id.clone());
    for field in fields {
        if field.name != "id" && !take(reader, &mut task, field, context) {
            let value = reader.get(field, Ok).filter(|value| !is_empty(value));
            if let Some(value) = value {
                task.extra.insert(field.name.to_string(), value);
            }
        }
    }
    reader.end_task();
    id.map(|_| Placed { task, at })
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        _ => false,
    }
}

/// What both formats have.
fn common(reader: &mut Reader<'_>, task: &mut Task, field: &Field<'_>, c: &Context<'_>) -> bool {
    match field.name.as_ref() {
        "title" => task.title = reader.text(field),
        "description" => task.description = reader.text(field),
        "dependencies" => task.depends = reader.ids(field, c),
        _ => return false,
    }
    true
}

fn list_field(
    reader: &mut Reader<'_>,
    task: &mut Task,
    field: &Field<'_>,
    c: &Context<'_>,
) -> bool {
    match field.name.as_ref() {
        "type" => task.skill = reader.get_shared(field, values::word),
        "files_to_create" => task.files = reader.words(field),
        _ => return common(reader, task, field, c),
    }
    true
}

fn set_field(reader: &mut Reader<'_>, task: &mut Task, field: &Field<'_>, c: &Context<'_>) -> bool {
    match field.name.as_ref() {
        "required_skill" => task.skill = reader.get_shared(field, values::word),
        "priority" => task.priority = reader.get(field, values::integer).unwrap_or_default(),
        "reserved_branch" => task.branch = reader.get_shared(field, values::branch),
        "state" => task.initial = reader.get(field, state).unwrap_or_default(),
        // What another dispatcher wrote there for itself says nothing to runners of this one.
        "created_at" | "updated_at" | "assigned_slot" | "runner_id" => {}
        _ => return common(reader, task, field, c),
    }
    true
}

/// What the registry's word means for a run that begins.
fn state(value: Value) -> Result<Initial, String> {
    match values::text(value)?.as_str() {
        "done" => Ok(Initial::Done),
        "failed" => Ok(Initial::Failed),
        "ready" | "running" | "blocked" => Ok(Initial::Open),
        other => Err(format!(
            "{} is not known (allowed: ready, running, blocked, done, failed)",
            quoted(other)
        )),
    }
}
