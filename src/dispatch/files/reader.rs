//! Fields of one file, read with a note of everything that is wrong.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::HashSet;
use std::fmt::Display;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use super::gather::Context;
use super::node::{Field, Node};
use super::{Problem, values};
use crate::config::{nearest, quoted};

/// A file's text, in which places have lines.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) path: PathBuf,
    pub(super) text: String,
    line_ends: OnceCell<Vec<usize>>,
}

impl Text {
    pub(super) fn new(path: PathBuf, text: String) -> Self {
        Self {
            path,
            text,
            line_ends: OnceCell::new(),
        }
    }

    /// The line, from 1, of a byte of the text. Most files have nothing wrong: nobody asks.
    pub(super) fn line(&self, at: usize) -> usize {
        let ends = self.line_ends.get_or_init(|| {
            let bytes = self.text.bytes().enumerate();
            bytes
                .filter(|(_, byte)| *byte == b'\n')
                .map(|(at, _)| at)
                .collect()
        });
        ends.partition_point(|end| *end < at) + 1
    }

    /// What is wrong at a place, and with which task.
    pub(super) fn problem(&self, at: usize, task: Option<&str>, what: impl Display) -> Problem {
        Problem {
            file: self.path.clone(),
            line: Some(self.line(at)),
            task: task.map(str::to_owned),
            what: what.to_string(),
        }
    }
}

/// The fields whose names stand further up too.
fn twice<'f, 'a>(fields: &'f [Field<'a>]) -> Vec<&'f Field<'a>> {
    // A task has few, which are compared faster than they are hashed.
    if fields.len() <= 24 {
        let places = fields.iter().enumerate();
        let again = places.filter(|(at, field)| fields[..*at].iter().any(|f| f.name == field.name));
        return again.map(|(_, field)| field).collect();
    }
    let mut names = HashSet::with_capacity(fields.len());
    let fields = fields.iter();
    fields.filter(|field| !names.insert(&field.name)).collect()
}

/// Reads one file.
pub(super) struct Reader<'a> {
    pub(super) file: &'a Text,
    /// The task whose fields are being read.
    task: Option<Arc<str>>,
    pub(super) problems: Vec<Problem>,
    /// Texts that stand many times, each kept once.
    words: HashSet<Arc<str>>,
    /// Whether every task has an id, so that none is missing that others name.
    pub(super) has_all_ids: bool,
    /// Whether a command is wrong, so that none is missing.
    pub(super) has_wrong_command: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(file: &'a Text) -> Self {
        Self {
            file,
            task: None,
            problems: Vec::new(),
            words: HashSet::new(),
            has_all_ids: true,
            has_wrong_command: false,
        }
    }

    /// Problems from here on are no task's.
    pub(super) fn end_task(&mut self) {
        self.task = None;
    }

    pub(super) fn problem(&mut self, at: usize, what: impl Display) {
        let problem = self.file.problem(at, self.task.as_deref(), what);
        self.problems.push(problem);
    }

    /// What is no TOML or JSON: others may be missing tasks that stand there.
    pub(super) fn broken(&mut self, line: usize, what: String) {
        self.has_all_ids = false;
        self.problems.push(Problem {
            file: self.file.path.clone(),
            line: Some(line),
            task: None,
            what,
        });
    }

    /// One copy of a text, however often it stands.
    pub(super) fn shared(&mut self, text: String) -> Arc<str> {
        if let Some(known) = self.words.get(text.as_str()) {
            return Arc::clone(known);
        }
        let new: Arc<str> = text.into();
        self.words.insert(Arc::clone(&new));
        new
    }

    /// The entries of a table; what says `null` is not there.
    pub(super) fn table(
        &mut self,
        at: usize,
        name: &str,
        node: Node<'a>,
    ) -> Option<Vec<Field<'a>>> {
        let Some(fields) = node.table(&self.file.text) else {
            self.problem(at, format!("{name}: is no table"));
            self.has_all_ids = false;
            return None;
        };
        Some(self.distinct(fields))
    }

    /// Names that stand twice are wrong; what says `null` is not there.
    pub(super) fn distinct(&mut self, fields: Vec<Field<'a>>) -> Vec<Field<'a>> {
        // TOML's parser refuses them itself.
        if matches!(fields.first(), Some(first) if matches!(first.node, Node::Json(_))) {
            for field in twice(&fields) {
                let what = format!("{}: stands twice", quoted(&field.name));
                self.problem(field.at, what);
            }
        }
        let fields = fields.into_iter();
        fields.filter(|field| !field.node.is_null()).collect()
    }

    /// The items of a list of tables.
    pub(super) fn tables(&mut self, field: &Field<'a>) -> Vec<(usize, Node<'a>)> {
        field.node.list(&self.file.text).unwrap_or_else(|| {
            self.problem(field.at, format!("{}: is no list of tasks", field.name));
            Vec::new()
        })
    }

    /// A field's value, if it is right.
    pub(super) fn get<T>(
        &mut self,
        field: &Field<'_>,
        read: impl FnOnce(Value) -> Result<T, String>,
    ) -> Option<T> {
        match field.node.value().and_then(read) {
            Ok(value) => Some(value),
            Err(wrong) => {
                self.problem(field.at, format!("{}: {wrong}", field.name));
                None
            }
        }
    }

    /// The same, of a text that many fields share.
    pub(super) fn get_shared(
        &mut self,
        field: &Field<'_>,
        read: impl FnOnce(Value) -> Result<String, String>,
    ) -> Option<Arc<str>> {
        let text = self.get(field, read)?;
        Some(self.shared(text))
    }

    /// A text of a task's own.
    pub(super) fn text(&mut self, field: &Field<'_>) -> Box<str> {
        self.get(field, values::text).unwrap_or_default().into()
    }

    /// Texts that say something.
    pub(super) fn words(&mut self, field: &Field<'_>) -> Vec<Arc<str>> {
        let words = self.get(field, values::words).unwrap_or_default();
        words.into_iter().map(|word| self.shared(word)).collect()
    }

    /// The ids of other tasks of the run, each once.
    pub(super) fn ids(&mut self, field: &Field<'_>, context: &Context<'_>) -> Vec<Arc<str>> {
        let written = self.get(field, values::ids).unwrap_or_default();
        let mut ids: Vec<Arc<str>> = Vec::with_capacity(written.len());
        for id in written {
            let id = self.shared(context.in_run(id));
            // A long list is one of distinct ids: to look for others costs its square.
            if ids.len() > 1000 || !ids.contains(&id) {
                ids.push(id);
            }
        }
        ids
    }

    /// The id of the task with these fields, whose problems from here on are its.
    pub(super) fn id(
        &mut self,
        at: usize,
        fields: &[Field<'_>],
        context: &Context<'_>,
    ) -> Option<Arc<str>> {
        let field = fields.iter().find(|field| field.name == "id");
        let id = match field {
            Some(field) => self.get(field, values::id),
            None => {
                self.problem(at, "a task without an id");
                None
            }
        };
        let id = id.map(|id| self.shared(context.in_run(id)));
        self.has_all_ids &= id.is_some();
        self.task.clone_from(&id);
        id
    }

    /// Nobody knows that field.
    pub(super) fn unknown(&mut self, field: &Field<'_>, known: &[&str]) {
        let name = match quoted(&field.name) {
            name if name.len() == field.name.len() + 2 => Cow::Borrowed(&*field.name),
            name => Cow::Owned(name),
        };
        let what = match nearest(&field.name, known.iter().copied()) {
            Some(meant) => format!("{name}: unknown field; did you mean {meant}?"),
            None => format!("{name}: unknown field (allowed: {})", known.join(", ")),
        };
        self.problem(field.at, what);
    }
}
