//! YAML as a small tree in which every value knows its line.
//!
//! The parser gives events; this bounds what is made of them. A file that is nested deeply, or that
//! grows by its aliases, is refused before it costs anything, as is a key that stands twice.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

/// How deep values may be nested; the original's files have five levels.
const DEEPEST: usize = 32;

/// How many values there may be, those that aliases repeat counted each time.
const MOST_VALUES: usize = 20_000;

/// The tags of plain YAML, after `!!`.
const PLAIN_TAGS: [&str; 7] = ["str", "int", "float", "bool", "null", "map", "seq"];

/// A value, and the line it begins on.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) value: Value,
    /// How many values it is made of.
    size: usize,
}

/// What a value is.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// A text; `plain` if without quotes, so that it may also be a number or a word.
    Scalar { text: String, plain: bool },
    /// Values in order.
    List(Vec<Node>),
    /// Keys with their values, each key once.
    Table(Vec<Entry>),
}

/// A key with its line and its value.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) line: usize,
    pub(super) node: Node,
}

/// What is wrong, and on which line.
pub(super) type Wrong = (usize, String);

/// Reads the one document of a text; nothing, if it holds none.
pub(super) fn read(text: &str) -> Result<Option<Node>, Wrong> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut tree = Tree::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let wrong = format!("not valid YAML: {}", error.info());
            (line_of(text, error.marker().line(), error.info()), wrong)
        })?;
        tree.take(event, span.start.line())?;
    }
    Ok(tree.document)
}

/// The line of an error. Of a tab in the indentation the parser says where the value before it began.
fn line_of(text: &str, line: usize, wrong: &str) -> usize {
    let indented_by_tab = |text: &str| {
        let rest = text.trim_start_matches([' ', '\t']);
        text[..text.len() - rest.len()].contains('\t')
    };
    let mut from_there = text.lines().enumerate().skip(line.saturating_sub(1));
    let tab = wrong
        .contains("tab")
        .then(|| from_there.find(|(_, text)| indented_by_tab(text)));
    tab.flatten().map_or(line, |(at, _)| at + 1)
}

/// A list or table that has not ended.
enum Open {
    List(Vec<Node>),
    Table {
        entries: Vec<Entry>,
        /// What `<<` brings in, which counts less than what the table itself says.
        merged: Vec<Entry>,
        key: Option<(String, usize)>,
    },
}

#[derive(Default)]
struct Tree {
    /// Each with its line and its anchor.
    open: Vec<(Open, usize, usize)>,
    anchors: HashMap<usize, Node>,
    values: usize,
    documents: usize,
    document: Option<Node>,
}

impl Tree {
    fn take(&mut self, event: Event<'_>, line: usize) -> Result<(), Wrong> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err((line, "a second document begins, and one is read".into()));
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && !has_text_tag(tag.as_deref(), line)?;
                let value = Value::Scalar {
                    text: text.into_owned(),
                    plain,
                };
                return self.add(value, line, anchor);
            }
            Event::SequenceStart(anchor, tag) => {
                has_text_tag(tag.as_deref(), line)?;
                return self.begin(Open::List(Vec::new()), line, anchor);
            }
            Event::MappingStart(anchor, tag) => {
                has_text_tag(tag.as_deref(), line)?;
                let table = Open::Table {
                    entries: Vec::new(),
                    merged: Vec::new(),
                    key: None,
                };
                return self.begin(table, line, anchor);
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some((open, line, anchor)) = self.open.pop() {
                    let value = match open {
                        Open::List(items) => Value::List(items),
                        Open::Table {
                            entries, merged, ..
                        } => Value::Table(with_merged(entries, merged)),
                    };
                    return self.add(value, line, anchor);
                }
            }
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor) else {
                    return Err((line, "an alias stands for what it is itself in".into()));
                };
                // Counted before it is copied: a few of them could stand for more than there is room.
                self.count(node.size, line)?;
                let node = self.anchors.get(&anchor).cloned();
                return node.map_or(Ok(()), |node| self.put(node, line));
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn begin(&mut self, open: Open, line: usize, anchor: usize) -> Result<(), Wrong> {
        if self.open.len() >= DEEPEST {
            return Err((line, format!("is nested more than {DEEPEST} levels deep")));
        }
        self.open.push((open, line, anchor));
        Ok(())
    }

    fn count(&mut self, values: usize, line: usize) -> Result<(), Wrong> {
        self.values = self.values.saturating_add(values);
        match self.values > MOST_VALUES {
            true => Err((
                line,
                format!(
                    "there are more than {MOST_VALUES} values by here, with those that aliases repeat"
                ),
            )),
            false => Ok(()),
        }
    }

    /// A value that has ended.
    fn add(&mut self, value: Value, line: usize, anchor: usize) -> Result<(), Wrong> {
        self.count(1, line)?;
        let inside: usize = match &value {
            Value::Scalar { .. } => 0,
            Value::List(items) => items.iter().map(|node| node.size).sum(),
            Value::Table(entries) => entries.iter().map(|entry| 1 + entry.node.size).sum(),
        };
        let size = 1 + inside;
        let node = Node { line, value, size };
        if anchor != 0 {
            self.count(size, line)?;
            self.anchors.insert(anchor, node.clone());
        }
        self.put(node, line)
    }

    fn put(&mut self, node: Node, line: usize) -> Result<(), Wrong> {
        match self.open.last_mut() {
            None => self.document = Some(node),
            Some((Open::List(items), ..)) => items.push(node),
            Some((
                Open::Table {
                    entries,
                    merged,
                    key,
                },
                ..,
            )) => match key.take() {
                None => *key = Some(key_of(node, line)?),
                Some((name, _)) if name == "<<" => merged.extend(to_merge(node)?),
                Some((name, at)) => {
                    if let Some(first) = entries.iter().find(|entry| entry.key == name) {
                        return Err((
                            at,
                            format!("{name:?} stands twice, on line {} too", first.line),
                        ));
                    }
                    entries.push(Entry {
                        key: name,
                        line: at,
                        node,
                    });
                }
            },
        }
        Ok(())
    }
}

fn key_of(node: Node, line: usize) -> Result<(String, usize), Wrong> {
    match node.value {
        Value::Scalar { text, .. } => Ok((text, line)),
        Value::List(_) | Value::Table(_) => Err((line, "a key is a list or table".into())),
    }
}

/// What `<<: *a` or `<<: [*a, *b]` brings in; of several the first counts.
fn to_merge(node: Node) -> Result<Vec<Entry>, Wrong> {
    let line = node.line;
    let wrong = || (line, "\"<<\" takes a table or a list of tables".to_owned());
    match node.value {
        Value::Table(entries) => Ok(entries),
        Value::List(items) => {
            let tables = items.into_iter().map(|item| match item.value {
                Value::Table(entries) => Ok(entries),
                _ => Err(wrong()),
            });
            Ok(tables.collect::<Result<Vec<_>, _>>()?.concat())
        }
        Value::Scalar { .. } => Err(wrong()),
    }
}

fn with_merged(mut entries: Vec<Entry>, merged: Vec<Entry>) -> Vec<Entry> {
    for entry in merged {
        if !entries.iter().any(|own| own.key == entry.key) {
            entries.push(entry);
        }
    }
    entries
}

/// Whether a tag makes a text of the value; other tags than those of plain YAML are refused.
fn has_text_tag(tag: Option<&Tag>, line: usize) -> Result<bool, Wrong> {
    match tag {
        None => Ok(false),
        Some(tag) if tag.is_yaml_core_schema() && PLAIN_TAGS.contains(&tag.suffix.as_str()) => {
            Ok(tag.suffix == "str")
        }
        Some(tag) => Err((line, format!("the tag {tag} is not read"))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The tree in one line.
    fn shown(node: &Node) -> String {
        match &node.value {
            Value::Scalar { text, plain: true } => text.clone(),
            Value::Scalar { text, .. } => format!("{text:?}"),
            Value::List(items) => {
                let items: Vec<String> = items.iter().map(shown).collect();
                format!("[{}]", items.join(", "))
            }
            Value::Table(entries) => {
                let entries = entries.iter();
                let entries: Vec<String> = entries
                    .map(|entry| format!("{}@{}: {}", entry.key, entry.line, shown(&entry.node)))
                    .collect();
                format!("{{{}}}", entries.join(", "))
            }
        }
    }

    fn tree(text: &str) -> String {
        read(text).unwrap().as_ref().map(shown).unwrap_or_default()
    }

    fn wrong(text: &str) -> Wrong {
        read(text).expect_err(text)
    }

    #[test]
    fn values_know_their_lines_and_whether_they_were_quoted() {
        assert_eq!(
            tree("# one\na: 1\nb:\n  - x\n  - 'y'\nc: {d: \"e\"}\n"),
            r#"{a@2: 1, b@3: [x, "y"], c@6: {d@6: "e"}}"#
        );
        assert_eq!(tree(""), "");
        assert_eq!(
            tree("\u{feff}a: !!str 3\r\nb: 4\r\n"),
            r#"{a@1: "3", b@2: 4}"#
        );
    }

    #[test]
    fn aliases_and_merged_tables_are_followed() {
        assert_eq!(tree("a: &x 1\nb: *x\n"), "{a@1: 1, b@2: 1}");
        assert_eq!(
            tree("base: &b {n: 2, m: 3}\np:\n  <<: *b\n  n: 5\n"),
            "{base@1: {n@1: 2, m@1: 3}, p@2: {n@4: 5, m@1: 3}}"
        );
        assert_eq!(
            tree("a: &a {n: 1}\nb: &b {n: 2, m: 3}\nc: {<<: [*a, *b]}\n"),
            "{a@1: {n@1: 1}, b@2: {n@2: 2, m@2: 3}, c@3: {n@1: 1, m@2: 3}}"
        );
    }

    #[test]
    fn what_is_no_yaml_is_named_with_its_line() {
        for (text, line, part) in [
            ("a: 1\n\tb: 2\n", 2, "YAML"),
            ("a: [1, 2\nb: 3\n", 2, "YAML"),
            ("a: 1\na: 2\n", 2, "twice"),
            ("a: 1\n---\nb: 2\n", 2, "second document"),
            ("a: *nobody\n", 1, "YAML"),
            ("a: &x [*x]\n", 1, "itself"),
            ("a: 1\n? [b]\n: 2\n", 2, "key"),
            ("\n\na: !!python/object:os.system x\n", 3, "tag"),
            ("<<: 3\n", 1, "<<"),
            ("a: \"\\q\"\n", 1, "YAML"),
        ] {
            let (at, said) = wrong(text);
            assert!(said.contains(part), "{text:?}: {said}");
            assert_eq!(at, line, "{text:?}: {said}");
        }
    }

    #[test]
    fn what_would_grow_without_bounds_is_refused() {
        let mut laughs = String::from("a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
        for n in 1..20 {
            let all = vec![format!("*a{}", n - 1); 9].join(", ");
            laughs.push_str(&format!("a{n}: &a{n} [{all}]\n"));
        }
        assert!(wrong(&laughs).1.contains("aliases"));
        assert!(wrong(&"- ".repeat(1000)).1.contains("deep"));
        assert!(!wrong(&"[".repeat(100_000)).1.is_empty());
        assert!(!wrong(&"{a: ".repeat(100_000)).1.is_empty());
        assert!(wrong(&"- x\n".repeat(30_000)).1.contains("values"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[a-z0-9:&*<>|!?%@`{}\\[\\], '\"\\t\\n#~.-]{0,200}") {
            let _ = read(&text);
        }
    }
}
