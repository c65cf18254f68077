//! `allocate`: hand out a slot and print its path.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use serde_json::{Map, Value};

use super::session::Session;
use crate::cli::{AllocateArgs, AllocateOptions, ScriptShell};
use crate::config::Flags;
use crate::domain::lease::{LABEL_MAX, METADATA_MAX, Owner};
use crate::domain::process::ProcessStamp;
use crate::domain::{Error, Result};
use crate::git::refs;
use crate::pool::acquire::{self, Request};
use crate::pool::fetch::Freshness;
use crate::pool::find::{self, FoundPool};
use crate::pool::first_use::GROWS_TO;
use crate::pool::hand_out::{self, Allocated};
use crate::pool::{Pool, variables, view};
use crate::report::human;
use crate::report::output::delivered;
use crate::report::shell::{self, Shell};
use crate::sys::liveness;

/// Hands out a slot. If its path can't be printed, the allocation is undone.
pub fn run(session: &Session, args: &AllocateArgs) -> Result<u8> {
    hand_out(session, args, session.output.is_json())
}

/// The same for who reads the path alone, whatever `--json` says.
pub fn print_path(session: &Session, args: &AllocateArgs) -> Result<u8> {
    hand_out(session, args, false)
}

fn hand_out(session: &Session, args: &AllocateArgs, as_json: bool) -> Result<u8> {
    let prepared = Asked::new(&args.options)?;
    let context = session.context_or_new(prepared.flags(session))?;
    let found = find::pool_or_create(&context, &args.pool)?;
    let request = prepared.request(&found, liveness::parent(), false)?;
    let allocated = acquire::allocate(&found.pool, &request)?;
    if let Err((error, why)) = tell(session, &found.pool, &allocated, args.export, as_json) {
        if !allocated.joined {
            hand_out::take_back(&found.pool, &allocated, why)?;
        }
        return Err(error);
    }
    say(session, &allocated);
    Ok(0)
}

/// Prints what was asked for. A failure comes with what the history says of it.
fn tell(
    session: &Session,
    pool: &Pool<'_>,
    allocated: &Allocated,
    export: Option<ScriptShell>,
    as_json: bool,
) -> std::result::Result<(), (Error, &'static str)> {
    let environment = export.map(|_| variables(pool, allocated)).transpose();
    let environment = environment.map_err(|error| (error, "the environment could not be made"))?;
    let written = if as_json {
        let mut slot = view::recorded(pool, &allocated.pool, &allocated.slot);
        slot.environment = environment.map(members);
        session.output.json("slot", &slot)
    } else if let Some((variables, shell)) = environment.zip(export) {
        let shell = match shell {
            ScriptShell::Fish => Shell::Fish,
            ScriptShell::Sh | ScriptShell::Bash | ScriptShell::Zsh => Shell::Posix,
        };
        session.output.data(shell::exports(shell, &variables))
    } else {
        session.output.data(allocated.path.as_os_str().as_bytes())
    };
    delivered(written).map_err(|error| (error, "it could not be printed"))
}

/// The environment of the slot that was handed out.
pub fn variables(pool: &Pool<'_>, allocated: &Allocated) -> Result<Vec<(OsString, OsString)>> {
    let allocation = allocated.slot.allocation.as_ref();
    let id = allocation.map(|allocation| allocation.id.as_str());
    variables::of(pool, allocated.slot.number, &allocated.path, id)
}

fn members(variables: Vec<(OsString, OsString)>) -> Map<String, Value> {
    let text = |text: OsString| text.to_string_lossy().into_owned();
    let pairs = variables.into_iter();
    pairs
        .map(|(name, value)| (text(name), Value::String(text(value))))
        .collect()
}

/// With `-v`: what was handed out, and how long it took.
pub fn say(session: &Session, allocated: &Allocated) {
    let Some(allocation) = allocated
        .slot
        .allocation
        .as_ref()
        .filter(|_| !allocated.joined)
    else {
        return;
    };
    session.output.detail(&format!(
        "allocated slot{} on {} at {} in {}",
        allocated.slot.number,
        allocation.branch,
        &allocation.commit[..allocation.commit.len().min(12)],
        human::seconds(allocated.took.as_secs_f64())
    ));
}

/// The options of `allocate` and `exec`, checked before anything is touched.
pub struct Asked<'a> {
    options: &'a AllocateOptions,
    metadata: Map<String, Value>,
    owner: Owner,
}

impl<'a> Asked<'a> {
    /// Checks the options.
    pub fn new(options: &'a AllocateOptions) -> Result<Self> {
        if let Some(name) = &options.reference {
            refs::check_name(name)?;
        }
        if let Some(name) = &options.branch {
            refs::check_branch_name(name)?;
        }
        if let Some(label) = &options.owner {
            check_label("--owner", label)?;
        }
        if let Some(key) = &options.key {
            check_label("--key", key)?;
        }
        let process = options.owner_pid.map(owner_process).transpose()?;
        Ok(Self {
            options,
            metadata: metadata(options)?,
            owner: Owner {
                label: options.owner.clone(),
                process,
            },
        })
    }

    /// What they say about the settings.
    pub fn flags(&self, session: &Session) -> Flags {
        Flags {
            fetch_max_age: self.options.fetch_max_age,
            no_fetch: self.options.no_fetch,
            ..session.flags()
        }
    }

    /// The request to the pool that was found.
    pub fn request(
        &self,
        found: &FoundPool<'_>,
        caller: Option<ProcessStamp>,
        hold: bool,
    ) -> Result<Request> {
        let settings = &found.pool.settings;
        let record = &found.record;
        let freshness = match settings.fetch_on_allocate {
            true => Freshness::Within(settings.fetch_max_age),
            false => Freshness::Known,
        };
        // A pool that was made on first use grows by itself, any other only when asked to.
        let grows = self.options.grow || record.grows_to.is_some();
        let most = settings.max_slots.or(record.grows_to).unwrap_or(GROWS_TO);
        Ok(Request {
            reference: self.options.reference.clone(),
            branch: self.options.branch.clone(),
            spent: None,
            source: found.source.clone(),
            metadata: self.metadata.clone(),
            owner: self.owner.clone(),
            ttl: self.options.ttl,
            caller,
            hold,
            freshness,
            grow_to: grows.then_some(most),
            wait: self.options.wait,
            key: self.options.key.clone(),
            prefer: None,
        })
    }
}

/// Refuses a label that is too long for the history.
pub fn check_label(option: &str, text: &str) -> Result<()> {
    match text.len() > LABEL_MAX {
        true => Err(Error::usage(format!(
            "the text of {option} takes more than {LABEL_MAX} bytes"
        ))
        .with_hint("keep large data in a file and note its path")),
        false => Ok(()),
    }
}

fn owner_process(pid: u32) -> Result<ProcessStamp> {
    liveness::stamp(pid).ok_or_else(|| {
        Error::usage(format!("there is no process {pid} that could own the slot"))
            .with_hint("--owner-pid $$ names the shell that runs the command")
    })
}

/// The notes of `--meta` and `--meta-json` together.
fn metadata(options: &AllocateOptions) -> Result<Map<String, Value>> {
    let mut notes = match &options.meta_json {
        None => Map::new(),
        Some(text) if text.len() > METADATA_MAX => return Err(too_large()),
        Some(text) => match serde_json::from_str(text) {
            Ok(Value::Object(notes)) => notes,
            Ok(_) => {
                return Err(Error::usage(
                    "--meta-json takes a JSON object, as in '{\"task\": 1}'",
                ));
            }
            Err(error) => return Err(Error::usage(format!("--meta-json is no JSON: {error}"))),
        },
    };
    for (key, value) in &options.meta {
        if notes
            .insert(key.clone(), Value::String(value.clone()))
            .is_some()
        {
            return Err(Error::usage(format!("the note {key:?} is given twice")));
        }
    }
    let size = serde_json::to_string(&notes).map_or(0, |text| text.len());
    if size > METADATA_MAX {
        Err(too_large())
    } else {
        Ok(notes)
    }
}

fn too_large() -> Error {
    Error::usage(format!("the notes take more than {METADATA_MAX} bytes"))
        .with_hint("keep large data in a file and note its path")
}
