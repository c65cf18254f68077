//! `dispatch check`: whether task files are right.

use super::super::session::Session;
use super::tasks::{self, Tasks};
use crate::cli::DispatchCheckArgs;
use crate::dispatch::files::Format;
use crate::dispatch::launchers;
use crate::domain::Result;
use crate::domain::dispatch::Initial;
use crate::domain::outcome::{CheckedFile, TasksChecked};
use crate::report::human::count;
use crate::report::output::unless_closed;

/// Checks the files.
pub fn run(session: &Session, args: &DispatchCheckArgs) -> Result<u8> {
    let config = session.config(&session.located()?)?;
    let given = tasks::given(&args.defaults)?;
    let mut tasks = tasks::read(session, &config, &args.files, &given)?;
    let warnings = launchers::check(&tasks.pools)?;
    for warning in &warnings {
        session.output.warn(warning);
    }
    tasks.warnings.extend(warnings);
    let checked = checked(tasks);
    if session.output.is_json() {
        unless_closed(session.output.json("result", &checked))?;
        return Ok(0);
    }
    for file in &checked.files {
        let tasks = count(file.tasks, "task");
        session
            .output
            .note(&format!("{} is right: {tasks}", file.path));
    }
    let begin = match checked.ready {
        1 => "1 can begin at once".to_owned(),
        ready => format!("{ready} can begin at once"),
    };
    let open = count(checked.open, "task");
    session.output.note(&format!("{open} to be run, {begin}"));
    Ok(0)
}

fn checked(tasks: Tasks) -> TasksChecked {
    let (loaded, warnings) = (tasks.loaded, tasks.warnings);
    let open = |initial: Initial| initial == Initial::Open;
    let done: std::collections::HashSet<&str> = loaded
        .tasks
        .iter()
        .filter(|task| task.initial == Initial::Done)
        .map(|task| &*task.id)
        .collect();
    let to_run = || loaded.tasks.iter().filter(|task| open(task.initial));
    let ready = to_run().filter(|task| task.depends.iter().all(|id| done.contains(&**id)));
    let mut in_file = vec![0_u64; loaded.sources.len()];
    for task in &loaded.tasks {
        in_file[task.file as usize] += 1;
    }
    let files = loaded.sources.iter().zip(in_file);
    TasksChecked {
        files: files
            .map(|(source, tasks)| CheckedFile {
                path: source.path.display().to_string(),
                format: match source.format {
                    Format::Tasks => "tasks",
                    Format::TaskList => "task-list",
                    Format::TaskSet => "task-set",
                }
                .to_owned(),
                name: source.name.clone(),
                tasks,
            })
            .collect(),
        tasks: loaded.tasks.len() as u64,
        open: to_run().count() as u64,
        ready: ready.count() as u64,
        warnings,
    }
}
