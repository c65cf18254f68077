//! From the text of files to the tasks of a run.

use std::fmt::Display;
use std::hash::{DefaultHasher, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::de::DeTable;

use super::check::{self, Wrong};
use super::node::{Field, json_document, toml_field};
use super::reader::{Reader, Text};
use super::{Defaults, Format, LARGEST, Loaded, Problem, Source, absolute, foreign, ours, values};
use crate::config::{printable, quoted};
use crate::domain::Error;
use crate::domain::dispatch::Task;
use crate::sys::fs;

/// A task and where in its file it stands.
pub(super) struct Placed {
    pub(super) task: Task,
    pub(super) at: usize,
}

/// Where each task of files stands in them.
pub(super) struct Places {
    texts: Vec<Text>,
    at: Vec<usize>,
}

impl Places {
    fn text(&self, task: &Task) -> &Text {
        &self.texts[task.file as usize]
    }

    /// What is wrong with the task of that place among all.
    pub(super) fn problem(&self, index: usize, task: &Task, what: impl Display) -> Problem {
        let id = Some(&*task.id);
        self.text(task).problem(self.at[index], id, what)
    }
}

/// The files read so far.
#[derive(Default)]
pub(super) struct Files {
    texts: Vec<Text>,
    sources: Vec<Source>,
    tasks: Vec<Placed>,
    problems: Vec<Problem>,
    /// Something that tasks may depend on could not be read.
    incomplete: bool,
}

impl Files {
    pub(super) fn add(&mut self, path: &Path, defaults: &Defaults) {
        match read(path) {
            Ok((path, text)) if self.sources.iter().any(|source| source.path == path) => {
                self.problems.push(text.problem(0, None, "is named twice"));
            }
            Ok((path, text)) => {
                self.document(path, &text, defaults);
                self.texts.push(text);
            }
            Err(problem) => {
                self.incomplete = true;
                self.problems.push(problem);
            }
        }
    }

    fn document(&mut self, path: PathBuf, text: &Text, defaults: &Defaults) {
        let mut reader = Reader::new(text);
        let toml;
        let fields = if is_json(text) {
            json_document(&text.text).unwrap_or_else(|(line, wrong)| {
                reader.broken(line, wrong);
                Vec::new()
            })
        } else {
            let (document, errors) = DeTable::parse_recoverable(&text.text);
            for error in errors {
                let at = error.span().map_or(text.text.len(), |span| span.start);
                reader.broken(
                    text.line(at),
                    format!("not valid TOML: {}", error.message()),
                );
            }
            toml = document;
            let entries = toml.get_ref().iter();
            // What could be made of a broken file says nothing more about it.
            let whole = reader.problems.is_empty();
            entries
                .filter(|_| whole)
                .map(|(name, value)| toml_field(name.get_ref(), name, value))
                .collect()
        };
        let fields = reader.distinct(fields);
        let format = format_of(&fields, is_json(text));
        let name = foreign::name(format, &fields).unwrap_or_else(|| stem(&path));
        let prefix = match format {
            Format::TaskList | Format::TaskSet if !self.sources.is_empty() => format!("{name}/"),
            _ => String::new(),
        };
        let context = Context {
            defaults,
            file: u32::try_from(self.sources.len()).unwrap_or(u32::MAX),
            share: name.as_str().into(),
            prefix: &prefix,
        };
        let tasks = match format {
            Format::Tasks => ours::read(&mut reader, fields, &context),
            Format::TaskList => foreign::task_list(&mut reader, fields, &context),
            Format::TaskSet => foreign::task_set(&mut reader, fields, &context),
        };
        self.incomplete |= !reader.has_all_ids;
        if !reader.has_wrong_command
            && let Some((first, count)) = check::without_command(&tasks)
        {
            let others = match count {
                1 => String::new(),
                more => format!(" (and {} others of the file)", more - 1),
            };
            let what = format!(
                "command is missing{others}: it stands in the file, in [dispatch], or after `--`"
            );
            reader
                .problems
                .push(text.problem(first.at, Some(&first.task.id), what));
        }
        self.problems.append(&mut reader.problems);
        self.tasks.extend(tasks);
        self.sources.push(Source {
            path,
            format,
            name,
            prefix,
            digest: digest(text.text.as_bytes()),
        });
    }

    pub(super) fn finish(mut self) -> Result<(Loaded, Places), Vec<Problem>> {
        let places = Places {
            at: self.tasks.iter().map(|placed| placed.at).collect(),
            texts: self.texts,
        };
        let tasks: Vec<Task> = self.tasks.into_iter().map(|placed| placed.task).collect();
        let checked = check::tasks(&tasks, self.incomplete);
        for (index, wrong) in checked {
            let what = match wrong {
                Wrong::Twice(first) => {
                    let text = places.text(&tasks[first]);
                    let at = text.line(places.at[first]);
                    let file = text.path.display();
                    format!("id: the task at {file}:{at} has it too")
                }
                Wrong::Itself => "depends: on itself".to_owned(),
                Wrong::Missing(id) => format!("depends: there is no task {}", quoted(&id)),
                Wrong::Cycle(cycle) => {
                    let path = check::path(&tasks, &cycle);
                    format!("depends: in a circle: {path}")
                }
            };
            self.problems
                .push(places.problem(index, &tasks[index], what));
        }
        if self.problems.is_empty() {
            let sources = self.sources;
            return Ok((Loaded { tasks, sources }, places));
        }
        let order = |file: &Path| places.texts.iter().position(|text| text.path == file);
        self.problems
            .sort_by_cached_key(|problem| (order(&problem.file), problem.line));
        Err(self.problems)
    }
}

/// What a file's tasks have in common.
pub(super) struct Context<'a> {
    defaults: &'a Defaults,
    /// The file's place among those of the run.
    file: u32,
    /// The group that they share in.
    share: Arc<str>,
    /// What stands in front of their ids.
    prefix: &'a str,
}

impl Context<'_> {
    /// An id of the file, as the run has it.
    pub(super) fn in_run(&self, id: String) -> String {
        match self.prefix {
            "" => id,
            prefix => format!("{prefix}{id}"),
        }
    }

    /// A task that says nothing but its id.
    pub(super) fn task(&self, id: Option<Arc<str>>) -> Task {
        Task {
            command: self.defaults.command.clone().unwrap_or_default(),
            repo: self.defaults.repo.clone(),
            share: Arc::clone(&self.share),
            max_attempts: self.defaults.max_attempts,
            file: self.file,
            ..Task::bare(id.unwrap_or_default())
        }
    }
}

/// The file's absolute path and its text.
fn read(path: &Path) -> Result<(PathBuf, Text), Problem> {
    let problem = |line, what: String| Problem {
        file: path.to_owned(),
        line,
        task: None,
        what,
    };
    let bytes = fs::read_limited(path, LARGEST).map_err(|error| problem(None, why(&error)))?;
    let absolute = std::fs::canonicalize(path).map_err(|e| problem(None, e.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        problem(Some(line), "is not in UTF-8".to_owned())
    })?;
    Ok((absolute, Text::new(path.to_owned(), text)))
}

/// Why a file can't be read; its name is said already.
fn why(error: &Error) -> String {
    match error {
        Error::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            "there is no such file".to_owned()
        }
        Error::Io { source, .. } => format!("can't be read: {source}"),
        other => other.to_string(),
    }
}

fn is_json(text: &Text) -> bool {
    let begins = text.text.trim_start_matches('\u{feff}').trim_start();
    let named = text.path.extension().is_some_and(|end| end == "json");
    begins.starts_with('{') || named
}

fn format_of(fields: &[Field<'_>], json: bool) -> Format {
    let has = |name: &str| json && fields.iter().any(|field| field.name == name);
    if has("spec_name") {
        Format::TaskSet
    } else if has("project") || has("tasks") {
        Format::TaskList
    } else {
        Format::Tasks
    }
}

fn stem(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or(path.as_os_str());
    printable(&stem.to_string_lossy())
}

/// Changes when the bytes do.
pub fn digest(bytes: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    format!("{:016x}", hasher.finish())
}

/// The repository that a field means: a relative path starts at the file's directory.
pub(super) fn repository(reader: &mut Reader<'_>, field: &Field<'_>) -> Option<Arc<str>> {
    let text = reader.get(field, values::word)?;
    let directory = reader.file.path.parent().unwrap_or(Path::new(""));
    let repo = absolute(&text, directory);
    Some(reader.shared(repo))
}
