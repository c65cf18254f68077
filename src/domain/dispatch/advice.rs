//! The commands that people are told, as they type them.

use super::standstill::quoted;

/// `repo-pool dispatch VERB WORDS` about a run. It is named: by the time that somebody types it, another
/// run may be the latest.
pub fn of_run(run: &str, verb: &str, words: &[&str]) -> String {
    let is_option = words.iter().any(|word| word.starts_with('-'));
    let words = words.iter().map(|word| format!(" {}", quoted(word)));
    let (words, run) = (words.collect::<String>(), quoted(run));
    match is_option {
        // An id may look like one.
        true => format!("repo-pool dispatch {verb} --run {run} --{words}"),
        false => format!("repo-pool dispatch {verb}{words} --run {run}"),
    }
}
