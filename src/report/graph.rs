//! The graph of tasks, as Graphviz or Mermaid reads it.

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::domain::outcome::{GraphTask, TaskGraph};

/// How much of an id or a title is shown.
const LONGEST: usize = 60;

/// Colours by where a task stands.
const COLORS: &[(&str, &str)] = &[
    ("done", "#c6e9c9"),
    ("running", "#bcdcf7"),
    ("retrying", "#f9eab2"),
    ("failed", "#f5c0c0"),
    ("needs_attention", "#fad7ac"),
    ("blocked", "#e0e0e0"),
    ("cancelled", "#e0e0e0"),
    ("dropped", "#e0e0e0"),
];

/// As Graphviz reads it.
pub fn dot(graph: &TaskGraph) -> String {
    let mut text = String::from(
        "digraph tasks {\n  rankdir=LR;\n  node [shape=box, style=filled, fillcolor=white];\n",
    );
    for (place, task) in graph.tasks.iter().enumerate() {
        let label = label(task)
            .map(|line| dot_escaped(&line))
            .collect::<Vec<_>>();
        let _ = write!(text, "  t{place} [label=\"{}\"", label.join("\\n"));
        if let Some(color) = color(task) {
            let _ = write!(text, ", fillcolor=\"{color}\"");
        }
        text.push_str("];\n");
    }
    for (from, to, always) in edges(graph) {
        let style = if always { " [style=dashed]" } else { "" };
        let _ = writeln!(text, "  t{from} -> t{to}{style};");
    }
    text.push_str("}\n");
    text
}

/// As Mermaid reads it.
pub fn mermaid(graph: &TaskGraph) -> String {
    let mut text = String::from("flowchart LR\n");
    for (place, task) in graph.tasks.iter().enumerate() {
        let label = label(task)
            .map(|line| mermaid_escaped(&line))
            .collect::<Vec<_>>();
        let class = task.state.as_deref().filter(|_| color(task).is_some());
        let class = class.map(|state| format!(":::{state}")).unwrap_or_default();
        let _ = writeln!(text, "  t{place}[\"{}\"]{class}", label.join("<br>"));
    }
    for (from, to, always) in edges(graph) {
        let arrow = if always { "-.->" } else { "-->" };
        let _ = writeln!(text, "  t{from} {arrow} t{to}");
    }
    let used = |state: &str| {
        graph
            .tasks
            .iter()
            .any(|t| t.state.as_deref() == Some(state))
    };
    for (state, color) in COLORS.iter().filter(|(state, _)| used(state)) {
        let _ = writeln!(text, "  classDef {state} fill:{color}");
    }
    text
}

/// The places of a task and of one that waits for it, and whether that runs in any case.
fn edges(graph: &TaskGraph) -> impl Iterator<Item = (usize, usize, bool)> + '_ {
    let ids = graph.tasks.iter().enumerate();
    let places: HashMap<&str, usize> = ids.map(|(place, task)| (&*task.id, place)).collect();
    let tasks = graph.tasks.iter().enumerate();
    tasks.flat_map(move |(to, task)| {
        let from = task.depends.iter().filter_map(|id| places.get(&**id));
        let from: Vec<usize> = from.copied().collect();
        from.into_iter().map(move |from| (from, to, task.always))
    })
}

/// The lines in a task's box: its id, and its title if that says something more.
fn label(task: &GraphTask) -> impl Iterator<Item = String> {
    let title = Some(&task.title).filter(|title| !title.is_empty() && **title != task.id);
    [Some(&task.id), title].into_iter().flatten().map(|text| {
        let mut short: String = text.chars().take(LONGEST).collect();
        if short.len() < text.len() {
            short.push('…');
        }
        // A title may have lines.
        short.replace(char::is_control, " ")
    })
}

fn color(task: &GraphTask) -> Option<&'static str> {
    let state = task.state.as_deref()?;
    let found = COLORS.iter().find(|(known, _)| *known == state)?;
    Some(found.1)
}

fn dot_escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

fn mermaid_escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '"' | '#' | '<' | '>' | '&' | '`' | ';' => {
                let _ = write!(escaped, "#{};", u32::from(c));
            }
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(id: &str, title: &str, state: Option<&str>, depends: &[&str]) -> GraphTask {
        GraphTask {
            id: id.to_owned(),
            title: title.to_owned(),
            state: state.map(str::to_owned),
            depends: depends.iter().map(|id| (*id).to_owned()).collect(),
            always: id == "3",
        }
    }

    fn graph() -> TaskGraph {
        TaskGraph {
            tasks: vec![
                task("1", "Base", Some("done"), &[]),
                task("a \"b\\", "#1; <x>\nnew line", Some("waiting"), &["1"]),
                task("3", "3", None, &["1", "a \"b\\", "elsewhere"]),
            ],
        }
    }

    #[test]
    fn graphviz_reads_any_id_and_title() {
        assert_eq!(
            dot(&graph()),
            r##"digraph tasks {
  rankdir=LR;
  node [shape=box, style=filled, fillcolor=white];
  t0 [label="1\nBase", fillcolor="#c6e9c9"];
  t1 [label="a \"b\\\n#1; <x> new line"];
  t2 [label="3"];
  t0 -> t1;
  t0 -> t2 [style=dashed];
  t1 -> t2 [style=dashed];
}
"##
        );
    }

    #[test]
    fn mermaid_reads_any_id_and_title() {
        assert_eq!(
            mermaid(&graph()),
            r##"flowchart LR
  t0["1<br>Base"]:::done
  t1["a #34;b\<br>#35;1#59; #60;x#62; new line"]
  t2["3"]
  t0 --> t1
  t0 -.-> t2
  t1 -.-> t2
  classDef done fill:#c6e9c9
"##
        );
    }
}
