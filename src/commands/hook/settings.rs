//! The settings that make a tool call its hooks: shown, or merged into the tool's own file.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::cli::{InstallToolArgs, PROGRAM};
use crate::commands::session::Session;
use crate::domain::{Error, Result};
use crate::report::escape::shell_word;
use crate::report::output::unless_closed;
use crate::sys::fs;

/// The events of Claude Code that are answered, each with the verb that does.
const EVENTS: [(&str, &str); 2] = [
    ("WorktreeCreate", "hook claude-code create"),
    ("WorktreeRemove", "hook claude-code remove"),
];

/// The largest settings file that is read, in bytes.
const FILE_MAX: u64 = 1 << 20;

/// Prints the settings, or writes them.
pub fn install(session: &Session, args: &InstallToolArgs) -> Result<u8> {
    let program = program(session)?;
    let file = file(session, args)?;
    let wanted = merged(Map::new(), &program).map_err(Error::failed)?;
    if !args.write {
        session.output.note(&format!(
            "these belong into {}; --write puts them there:",
            file.display()
        ));
        unless_closed(session.output.text(&text(&wanted)))?;
        return Ok(0);
    }
    // A link to a file elsewhere stays one.
    let file = file.canonicalize().unwrap_or(file);
    let before = read(&file)?;
    let after = merged(before.clone(), &program).map_err(|problem| {
        Error::failed(format!("{}: {problem}", file.display()))
            .with_hint("nothing was changed; without --write the settings are printed")
    })?;
    if after == before {
        session
            .output
            .note(&format!("{} has the hooks already", file.display()));
        return Ok(0);
    }
    if let Some(parent) = file.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write_public(&file, text(&after).as_bytes())?;
    session
        .output
        .note(&format!("the hooks are in {}", file.display()));
    Ok(0)
}

/// The file to write: as named, the user's own, or that of the repository around here.
fn file(session: &Session, args: &InstallToolArgs) -> Result<PathBuf> {
    if let Some(file) = &args.settings {
        return std::path::absolute(file).map_err(|e| Error::io("find", file, e));
    }
    if args.user {
        return match session.environment.home() {
            Some(home) => Ok(home.join(".claude/settings.json")),
            None => Err(Error::usage("HOME is not set, so there is no ~/.claude")
                .with_hint("--settings FILE names the file")),
        };
    }
    let here =
        std::env::current_dir().map_err(|e| Error::io("find", "the current directory", e))?;
    let root = here.ancestors().find(|dir| dir.join(".git").exists());
    match root {
        Some(root) => Ok(root.join(".claude/settings.local.json")),
        None => Err(Error::usage("the current directory is in no repository")
            .with_hint("--user is for all repositories, --settings FILE names a file")),
    }
}

/// The command that starts this program, with the workspace it was told to use.
fn program(session: &Session) -> Result<String> {
    let own = std::env::current_exe().map_err(|e| Error::io("find", PROGRAM, e))?;
    let on_path = which::which(PROGRAM)
        .ok()
        .and_then(|path| path.canonicalize().ok());
    let mut command = match on_path == own.canonicalize().ok() {
        true => PROGRAM.to_owned(),
        false => shell_word(&own.to_string_lossy()).into_owned(),
    };
    for (option, path) in [
        ("--workspace", &session.global.workspace),
        ("--config", &session.global.config),
    ] {
        let Some(path) = path else { continue };
        let path = std::path::absolute(path).map_err(|e| Error::io("find", path, e))?;
        command += &format!(" {option} {}", shell_word(&path.to_string_lossy()));
    }
    Ok(command)
}

fn read(file: &Path) -> Result<Map<String, Value>> {
    if fs::metadata_if_there(file)?.is_none() {
        return Ok(Map::new());
    }
    let bytes = fs::read_limited(file, FILE_MAX)?;
    if bytes.trim_ascii().is_empty() {
        return Ok(Map::new());
    }
    let wrong = |problem: String| {
        Error::failed(format!("{}: {problem}", file.display()))
            .with_hint("nothing was changed; without --write the settings are printed")
    };
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(settings)) => Ok(settings),
        Ok(_) => Err(wrong("it is no JSON object".to_owned())),
        Err(error) => Err(wrong(format!("it is no JSON: {error}"))),
    }
}

/// The settings with the hooks in them; all others stay. Hooks of this program are replaced.
///
/// Says what stands against it: settings of another form, or another's hook for the same event,
/// as only one of them can be the one that makes the checkout.
fn merged(
    mut settings: Map<String, Value>,
    program: &str,
) -> std::result::Result<Map<String, Value>, String> {
    let hooks = settings.entry("hooks").or_insert_with(|| json!({}));
    let hooks = hooks.as_object_mut().ok_or("\"hooks\" is no object")?;
    for (event, verb) in EVENTS {
        let command = format!("{program} {verb}");
        let entries = hooks.entry(event).or_insert_with(|| json!([]));
        let entries = entries
            .as_array_mut()
            .ok_or_else(|| format!("hooks.{event} is no list"))?;
        if let Some(other) = commands(entries).find(|other| !other.ends_with(verb)) {
            return Err(format!("hooks.{event} has another command: {other:?}"));
        }
        *entries = vec![json!({ "hooks": [{ "type": "command", "command": command }] })];
    }
    Ok(settings)
}

/// The commands of an event's entries.
fn commands(entries: &[Value]) -> impl Iterator<Item = &str> {
    entries
        .iter()
        .filter_map(|entry| entry.get("hooks")?.as_array())
        .flatten()
        .filter_map(|hook| hook.get("command")?.as_str())
}

fn text(settings: &Map<String, Value>) -> String {
    let text = serde_json::to_string_pretty(settings).unwrap_or_default();
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str) -> std::result::Result<String, String> {
        let settings = serde_json::from_str(text).unwrap();
        merged(settings, "repo-pool").map(|settings| Value::Object(settings).to_string())
    }

    const OURS: &str = r#""WorktreeCreate":[{"hooks":[{"type":"command","command":"repo-pool hook claude-code create"}]}],"WorktreeRemove":[{"hooks":[{"type":"command","command":"repo-pool hook claude-code remove"}]}]"#;

    #[test]
    fn other_settings_stay_in_their_order() {
        let before = r#"{"model":"x","hooks":{"PreToolUse":[{"hooks":[]}]},"env":{"A":"b"}}"#;
        let after = format!(
            r#"{{"model":"x","hooks":{{"PreToolUse":[{{"hooks":[]}}],{OURS}}},"env":{{"A":"b"}}}}"#
        );
        assert_eq!(with(before).unwrap(), after);
        assert_eq!(with(&after).unwrap(), after);
    }

    #[test]
    fn an_older_hook_of_this_program_is_replaced_and_anothers_is_not() {
        let older = r#"{"hooks":{"WorktreeCreate":[{"hooks":[{"type":"command","command":"/old/repo-pool hook claude-code create"}]}]}}"#;
        assert_eq!(with(older).unwrap(), format!(r#"{{"hooks":{{{OURS}}}}}"#));
        let other = older.replace("/old/repo-pool hook claude-code create", "./mine.sh");
        assert!(with(&other).unwrap_err().contains("./mine.sh"));
        for wrong in [r#"{"hooks":[]}"#, r#"{"hooks":{"WorktreeRemove":{}}}"#] {
            assert!(with(wrong).is_err(), "{wrong}");
        }
    }
}
