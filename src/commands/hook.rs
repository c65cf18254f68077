//! `hook`: the contracts by which tools ask for a checkout and give it back.
//!
//! A tool writes one JSON object to stdin. What is made for it is said by the path alone on stdout;
//! everything else goes to stderr, and a failure is an exit code.

mod settings;

use std::path::Path;

use serde_json::{Map, Value};

use super::session::{self, Session};
use super::{allocate, release};
use crate::cli::{AllocateArgs, AllocateOptions, ClaudeCodeCommand, HookArgs, HookCommand};
use crate::domain::{Error, Result};
use crate::pool::find;
use crate::pool::release::Request;
use crate::sys::stdin;

/// The most that a tool may say, in bytes.
const SAID_MAX: usize = 1 << 20;

/// The holder that is recorded for slots of Claude Code.
const CLAUDE_CODE: &str = "claude-code";

/// Answers a hook, or sets it up.
pub fn run(session: &Session, args: &HookArgs) -> Result<u8> {
    match &args.command {
        HookCommand::ClaudeCode(hook) => match hook.command {
            ClaudeCodeCommand::Create => create(session),
            ClaudeCodeCommand::Remove => remove(session),
        },
        HookCommand::Install(args) => settings::install(session, args),
    }
}

/// Hands out a slot of the repository in `cwd`. The name is the slot's key, so that a session that
/// asks again gets the same slot, and its branch.
fn create(session: &Session) -> Result<u8> {
    let said = Said::hear("WorktreeCreate")?;
    let directory = said.directory("cwd")?;
    let name = said.text(&["name", "worktree_name"])?;
    let meta = ["session_id", "transcript_path"]
        .into_iter()
        .filter_map(|key| Some((key.to_owned(), said.0.get(key)?.as_str()?.to_owned())))
        .collect();
    let args = AllocateArgs {
        pool: directory.to_owned(),
        options: AllocateOptions {
            key: Some(name.to_owned()),
            branch: Some(name.to_owned()),
            owner: Some(CLAUDE_CODE.to_owned()),
            meta,
            ..AllocateOptions::default()
        },
        export: None,
    };
    allocate::print_path(session, &args).map_err(without_waiting)
}

/// A hook has no option by which it would wait for a slot.
fn without_waiting(mut error: Error) -> Error {
    if let Error::NoAvailableSlot { may_wait, .. } = &mut error {
        *may_wait = false;
    }
    error
}

/// Gives the slot back that the path lies in. Its work is saved, its branch stays.
fn remove(session: &Session) -> Result<u8> {
    let said = Said::hear("WorktreeRemove")?;
    let path = said.directory("worktree_path")?;
    let context = session
        .context(session.flags())?
        .ok_or_else(|| session::no_slot(Some(path)))?;
    let (pool, number) = find::slot(&context, path)?;
    let request = Request {
        allocation: session.own_allocation(&pool, number),
        no_cleanup: !pool.settings.clean_on_release,
        background: pool.settings.background_cleanup,
        ..Request::default()
    };
    let returned = crate::pool::release::release(&pool, number, &request)?;
    release::tell_of_rescue(session, returned.rescue.as_ref());
    Ok(0)
}

/// What a tool said.
struct Said(Map<String, Value>);

impl Said {
    /// Reads one JSON object from stdin. The tool may keep its end open.
    fn hear(event: &str) -> Result<Self> {
        let bytes = stdin::read_until(
            SAID_MAX,
            |bytes| !matches!(first_document(bytes), Err(error) if error.is_eof()),
        )?;
        Self::understand(&bytes, event)
    }

    fn understand(bytes: &[u8], event: &str) -> Result<Self> {
        let hint = format!("a {event} hook gets one JSON object on stdin");
        let wrong = |text: String| Error::usage(text).with_hint(hint.clone());
        let said = match first_document(bytes) {
            Ok(Value::Object(said)) => said,
            Ok(_) => return Err(wrong("what came on stdin is no JSON object".to_owned())),
            Err(_) if bytes.trim_ascii().is_empty() => {
                return Err(wrong("nothing came on stdin".to_owned()));
            }
            Err(error) => return Err(wrong(format!("what came on stdin is no JSON: {error}"))),
        };
        match said.get("hook_event_name") {
            Some(Value::String(name)) if name != event => Err(wrong(format!(
                "this answers {event}, and was called for {name:?}"
            ))),
            _ => Ok(Self(said)),
        }
    }

    /// The text of the first of `keys` that is there.
    fn text(&self, keys: &[&str]) -> Result<&str> {
        let found = keys.iter().find_map(|key| Some((key, self.0.get(*key)?)));
        match found {
            Some((_, Value::String(text))) if !text.is_empty() => Ok(text),
            Some((key, _)) => Err(Error::usage(format!(
                "{key} in what came on stdin is no text, or empty"
            ))),
            None => Err(Error::usage(format!(
                "what came on stdin has no {}",
                keys.join(" or ")
            ))),
        }
    }

    /// The text of `key`, an absolute path.
    fn directory(&self, key: &str) -> Result<&str> {
        let text = self.text(&[key])?;
        match Path::new(text).is_absolute() {
            true => Ok(text),
            false => Err(Error::usage(format!(
                "{key} in what came on stdin is no absolute path: {text:?}"
            ))),
        }
    }
}

/// The first JSON value in `bytes`; what follows it is not looked at.
fn first_document(bytes: &[u8]) -> serde_json::Result<Value> {
    let mut documents = serde_json::Deserializer::from_slice(bytes).into_iter();
    documents
        .next()
        .unwrap_or_else(|| serde_json::from_slice(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn understood(text: &str) -> Result<Said> {
        Said::understand(text.as_bytes(), "WorktreeCreate")
    }

    #[test]
    fn one_object_is_understood_whatever_follows_it() {
        let text = "{\"cwd\": \"/a\", \"name\": \"n\", \"new\": [1]}\n{";
        let said = understood(text).unwrap();
        assert_eq!(said.directory("cwd").unwrap(), "/a");
        assert_eq!(said.text(&["name", "worktree_name"]).unwrap(), "n");
        let said = understood("{\"worktree_name\": \"w\"}").unwrap();
        assert_eq!(said.text(&["name", "worktree_name"]).unwrap(), "w");
    }

    #[test]
    fn a_document_is_whole_once_its_brace_is_closed() {
        for part in ["", " ", "{", "{\"a\": \"}", "{\"a\": {}"] {
            let read = first_document(part.as_bytes());
            assert!(read.is_err_and(|error| error.is_eof()), "{part:?}");
        }
        assert!(first_document(b"{\"a\": {}}").is_ok());
        assert!(first_document(b"nonsense").is_err_and(|error| !error.is_eof()));
    }

    #[test]
    fn what_is_not_meant_for_it_is_refused() {
        for text in ["", "  \n", "[]", "7", "nonsense", "{\"a\":"] {
            assert!(understood(text).is_err(), "{text:?}");
        }
        assert!(understood("{\"hook_event_name\": \"WorktreeRemove\"}").is_err());
        let said = understood("{\"name\": \"\", \"cwd\": \"a/b\", \"x\": 1}").unwrap();
        for key in ["name", "x", "missing"] {
            assert!(said.text(&[key]).is_err(), "{key}");
        }
        assert!(said.directory("cwd").is_err());
    }
}
