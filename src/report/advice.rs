//! Commands that people are told, for the workspace and the settings that the command line at hand
//! names: what is typed as it was printed means the same place.
//!
//! What is made elsewhere, and what was written down for whoever reads it later, names neither; it is
//! completed where it is shown.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::shell;

/// The options that this command line names them by, each with a space before it.
static NAMED: OnceLock<String> = OnceLock::new();

/// What the program is called, as every command of ours begins.
const OURS: &str = "repo-pool ";

/// What may stand before a command of ours in a text.
const OPENINGS: [&str; 4] = ["`", "(", "&& ", ": "];

/// From now on commands name these, if any.
pub fn name(workspace: Option<&Path>, config: Option<&Path>) {
    // Nothing is told before, and there is one command line.
    let _ = NAMED.set(options(workspace, config));
}

/// A text with every command of ours in it as it has to be typed.
pub fn here(text: &str) -> String {
    completed(text, NAMED.get().map_or("", String::as_str))
}

fn options(workspace: Option<&Path>, config: Option<&Path>) -> String {
    let named = [("--workspace", workspace), ("--config", config)].into_iter();
    let named = named.filter_map(|(option, path)| {
        let path = absolute(path?);
        Some(format!(
            " {option} {}",
            shell::word(&path.to_string_lossy())
        ))
    });
    named.collect()
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn completed(text: &str, options: &str) -> String {
    let mut whole = String::with_capacity(text.len());
    for (at, piece) in text.split(OURS).enumerate() {
        if at > 0 {
            let begins = whole.is_empty() || OPENINGS.iter().any(|word| whole.ends_with(word));
            whole.push_str(OURS.trim_end());
            // A verb, and not an option or the next word of a sentence.
            if begins && piece.starts_with(|c: char| c.is_ascii_lowercase()) {
                whole.push_str(options);
            }
            whole.push(' ');
        }
        whole.push_str(piece);
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_in_a_text_names_the_place_and_nothing_else_does() {
        let options = options(Some(Path::new("/x/my ws")), Some(Path::new("/c.toml")));
        let here = |text: &str| completed(text, &options);
        let ours = "repo-pool --workspace '/x/my ws' --config /c.toml";
        assert_eq!(
            here("repo-pool release a && repo-pool dispatch retry 1"),
            format!("{ours} release a && {ours} dispatch retry 1")
        );
        assert_eq!(
            here("noted; `repo-pool status` says (repo-pool log): repo-pool list"),
            format!("noted; `{ours} status` says ({ours} log): {ours} list")
        );
        for other in [
            "/opt/repo-pool list",
            "started by repo-pool itself",
            "`repo-pool --workspace /y list`",
            "a slot of repo-pool ",
        ] {
            assert_eq!(here(other), other);
        }
        assert_eq!(completed("`repo-pool list`", ""), "`repo-pool list`");
    }
}
