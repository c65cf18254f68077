//! Our own format: `[defaults]` and `[[task]]`, the same in JSON.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::gather::{Context, Placed, repository};
use super::node::Field;
use super::reader::Reader;
use super::values;
use crate::domain::dispatch::{Base, Task, When};

const TOP: &[&str] = &["defaults", "task"];

const SHARED: &[&str] = &[
    "command", "repo", "retries", "timeout", "stall", "priority", "skill", "share", "cpu",
    "memory", "base", "when", "env",
];

const TASK: &[&str] = &[
    "id",
    "title",
    "description",
    "depends",
    "files",
    "branch",
    "command",
    "repo",
    "retries",
    "timeout",
    "stall",
    "priority",
    "skill",
    "share",
    "cpu",
    "memory",
    "base",
    "when",
    "env",
];

/// What a task may say, and `[defaults]` for all that don't.
#[derive(Debug, Clone, Default)]
struct Shared {
    command: Option<Arc<[String]>>,
    repo: Option<Arc<str>>,
    retries: Option<u32>,
    timeout: Option<Duration>,
    stall: Option<Duration>,
    priority: Option<i64>,
    skill: Option<Arc<str>>,
    share: Option<Arc<str>>,
    cpu: Option<u32>,
    memory: Option<u64>,
    base: Option<Base>,
    when: Option<When>,
    env: BTreeMap<String, String>,
}

impl Shared {
    /// What is said counts for the task.
    fn apply(self, task: &mut Task) {
        fn set<T>(place: &mut T, said: Option<T>) {
            if let Some(said) = said {
                *place = said;
            }
        }
        set(&mut task.command, self.command);
        set(
            &mut task.max_attempts,
            self.retries.map(|retries| retries + 1),
        );
        set(&mut task.priority, self.priority);
        set(&mut task.share, self.share);
        set(&mut task.cpu, self.cpu);
        set(&mut task.memory, self.memory);
        set(&mut task.base, self.base);
        set(&mut task.when, self.when);
        task.repo = self.repo.or(task.repo.take());
        task.skill = self.skill.or(task.skill.take());
        task.timeout = self.timeout.or(task.timeout);
        task.stall = self.stall.or(task.stall);
        task.env.extend(self.env);
    }

    /// Takes a field, if it is one of these.
    fn take(&mut self, reader: &mut Reader<'_>, field: &Field<'_>) -> bool {
        match field.name.as_ref() {
            "command" => {
                self.command = reader.get(field, values::command);
                reader.has_wrong_command |= self.command.is_none();
            }
            "repo" => self.repo = repository(reader, field),
            "retries" => self.retries = reader.get(field, values::retries),
            "timeout" => self.timeout = reader.get(field, values::duration),
            "stall" => self.stall = reader.get(field, values::duration),
            "priority" => self.priority = reader.get(field, values::integer),
            "skill" => self.skill = reader.get_shared(field, values::word),
            "share" => self.share = reader.get_shared(field, values::word),
            "cpu" => self.cpu = reader.get(field, values::cpu),
            "memory" => self.memory = reader.get(field, values::memory),
            "base" => self.base = reader.get(field, values::base),
            "when" => self.when = reader.get(field, values::when),
            "env" => self.env = reader.get(field, values::variables).unwrap_or_default(),
            _ => return false,
        }
        true
    }
}

/// The tasks of a document.
pub(super) fn read<'a>(
    reader: &mut Reader<'a>,
    document: Vec<Field<'a>>,
    context: &Context<'_>,
) -> Vec<Placed> {
    let mut defaults = Shared::default();
    let mut items = Vec::new();
    for field in document {
        match field.name.as_ref() {
            "defaults" => {
                let table = reader.table(field.at, "defaults", field.node);
                for field in table.unwrap_or_default() {
                    if !defaults.take(reader, &field) {
                        reader.unknown(&field, SHARED);
                    }
                }
            }
            "task" => items = reader.tables(&field),
            _ => reader.unknown(&field, TOP),
        }
    }
    let tasks = items.into_iter().filter_map(|(at, node)| {
        let fields = reader.table(at, "task", node)?;
        task(reader, at, &fields, &defaults, context)
    });
    tasks.collect()
}

fn task<'a>(
    reader: &mut Reader<'a>,
    at: usize,
    fields: &[Field<'a>],
    defaults: &Shared,
    context: &Context<'_>,
) -> Option<Placed> {
    let id = reader.id(at, fields, context);
    let mut task = context.task(id.clone());
    let mut own = Shared::default();
    for field in fields {
        match field.name.as_ref() {
            "id" => {}
            "title" => task.title = reader.text(field),
            "description" => task.description = reader.text(field),
            "depends" => task.depends = reader.ids(field, context),
            "files" => task.files = reader.words(field),
            "branch" => task.branch = reader.get_shared(field, values::branch),
            _ if own.take(reader, field) => {}
            _ => reader.unknown(field, TASK),
        }
    }
    defaults.clone().apply(&mut task);
    own.apply(&mut task);
    reader.end_task();
    id.map(|_| Placed { task, at })
}
