//! What runners have left whose shims are gone, and that no dispatcher has come back for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{MARK, STOP_GRACE, Traces, files, holder};
use crate::domain::outcome::{Finding, FindingAction, FindingKind, FindingResult};
use crate::sys::{fs, heirs, lock};

/// Finds processes of attempts below this directory that nobody watches, and ends them unless only a
/// look is wanted. A shim has its lock from before it starts anything until nothing of that is left:
/// what there is without one is nobody's.
pub fn end(runs: &Path, dry_run: bool) -> Vec<Finding> {
    let mut attempts: BTreeMap<PathBuf, Vec<u32>> = BTreeMap::new();
    for (pid, heartbeat) in heirs::below(MARK, runs) {
        if let Some(dir) = heartbeat.parent() {
            attempts.entry(dir.to_owned()).or_default().push(pid);
        }
    }
    attempts.retain(|dir, _| {
        // What another engine runs goes on without its keeper: the next dispatcher takes it up.
        let driven = fs::metadata_if_there(&dir.join("order.json"));
        matches!(driven, Ok(None)) && lock::is_held(&files::lock(dir)) == Some(false)
    });
    // What ended between the two looks, with its shim, was left by nobody.
    attempts.retain(|dir, pids| {
        let still = heirs::below(MARK, dir);
        pids.retain(|pid| still.iter().any(|(other, _)| other == pid));
        !pids.is_empty()
    });
    let found = attempts.into_iter().map(|(dir, pids)| Finding {
        kind: FindingKind::Leftover,
        slot_id: None,
        repo_name: String::new(),
        action: FindingAction::Remove,
        result: match dry_run {
            true => FindingResult::Planned,
            false => ended(&dir),
        },
        detail: format!(
            "left running by a task whose dispatcher was killed: {}; of {}",
            pids.iter()
                .map(|pid| format!("pid {pid}"))
                .collect::<Vec<_>>()
                .join(", "),
            dir.display()
        ),
    });
    found.collect()
}

fn ended(dir: &Path) -> FindingResult {
    holder::end_leftovers(dir, Traces::of_commands(STOP_GRACE));
    match heirs::below(MARK, dir).is_empty() {
        true => FindingResult::Done,
        false => FindingResult::Failed,
    }
}
