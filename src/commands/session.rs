//! What all verbs begin with: the workspace, the configuration, git.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use crate::cli::Global;
use crate::config::{Config, Environment, Flags};
use crate::domain::{Error, Result};
use crate::git::{Git, Trace};
use crate::pool::{Context, Pool, find};
use crate::report::{Output, human};
use crate::store::workspace::{self, Located, Places};
use crate::store::{Locks, Workspace};

/// One run of the program.
pub struct Session {
    /// Where everything is said.
    pub output: Arc<Output>,
    /// The environment it was started in.
    pub environment: Environment,
    /// The options that every verb has.
    pub global: Global,
}

impl Session {
    /// A run with these options.
    pub fn new(output: Arc<Output>, environment: Environment, global: Global) -> Self {
        Self {
            output,
            environment,
            global,
        }
    }

    /// Where the workspace is or would be.
    pub fn located(&self) -> Result<Located> {
        workspace::locate(&Places {
            flag: self.global.workspace.clone(),
            variable: self.environment.workspace(),
            current: std::env::current_dir().ok(),
            data_home: self.environment.data_home(),
            home: self.environment.home(),
        })
    }

    /// The configuration file, and whether somebody named it.
    pub fn config_file(&self, located: &Located) -> (PathBuf, bool) {
        match self
            .global
            .config
            .clone()
            .or_else(|| self.environment.config_file())
        {
            Some(file) => (file, true),
            None => (located.path.join("pools.toml"), false),
        }
    }

    /// The configuration of the workspace at `located`.
    pub fn config(&self, located: &Located) -> Result<Config> {
        let (file, named) = self.config_file(located);
        Config::load(&file, named, self.environment.clone())
    }

    /// The flags that stand above the configuration for every verb.
    pub fn flags(&self) -> Flags {
        Flags {
            lock_timeout: self.global.lock_timeout,
            jobs: self.global.jobs,
            ..Flags::default()
        }
    }

    /// Everything to work with; `None` if there is no workspace yet.
    pub fn context(&self, flags: Flags) -> Result<Option<Context<'_>>> {
        let located = self.located()?;
        workspace::check_place(&located.path)?;
        let config = self.config(&located)?;
        self.context_by(&located, config, flags)
    }

    /// The same with a configuration that was read before.
    pub fn context_by(
        &self,
        located: &Located,
        config: Config,
        flags: Flags,
    ) -> Result<Option<Context<'_>>> {
        let allowed = config.settings(None, &flags).allow_network_filesystem;
        match Workspace::open(located, allowed)? {
            Some(workspace) => self.with_workspace(workspace, config, flags).map(Some),
            None => Ok(None),
        }
    }

    /// The same for verbs that make something: a missing workspace is made.
    pub fn context_or_new(&self, flags: Flags) -> Result<Context<'_>> {
        let located = self.located()?;
        workspace::check_place(&located.path)?;
        let config = self.config(&located)?;
        self.context_or_new_by(&located, config, flags)
    }

    /// The same with a configuration that was read before.
    pub fn context_or_new_by(
        &self,
        located: &Located,
        config: Config,
        flags: Flags,
    ) -> Result<Context<'_>> {
        let allowed = config.settings(None, &flags).allow_network_filesystem;
        let (workspace, made) = Workspace::open_or_create(located, allowed)?;
        if made {
            self.output.detail(&format!(
                "made the workspace {}",
                workspace.root().display()
            ));
        }
        self.with_workspace(workspace, config, flags)
    }

    fn with_workspace(
        &self,
        workspace: Workspace,
        config: Config,
        flags: Flags,
    ) -> Result<Context<'_>> {
        let timeout = config.settings(None, &flags).lock_timeout;
        let output = Arc::clone(&self.output);
        let locks = Locks::new(timeout, Arc::new(move |text| output.note(text)));
        Ok(Context {
            workspace: workspace.with_locks(locks),
            git: self.git()?,
            config,
            flags,
            observer: &*self.output,
            alone: false,
        })
    }

    fn git(&self) -> Result<Git> {
        let variables: Vec<(OsString, OsString)> = self
            .environment
            .all()
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let output = Arc::clone(&self.output);
        let tracer = move |trace: &Trace<'_>| {
            if output.is_verbose(2) {
                let code = trace.exit_code.filter(|code| *code != 0);
                let code = code
                    .map(|code| format!(", exit {code}"))
                    .unwrap_or_default();
                let time = human::seconds(trace.duration.as_secs_f64());
                output.trace(&format!("{} ({time}{code})", trace.command));
            }
        };
        Git::find(&variables, Arc::new(tracer))
    }

    /// The slot that a verb means when none is named: `$REPO_POOL_SLOT`, else the one that the
    /// current directory is in.
    pub fn slot_or_default<'c>(
        &self,
        context: &'c Context<'_>,
        named: Option<&str>,
    ) -> Result<(Pool<'c>, u32)> {
        if let Some(text) = named {
            return find::slot(context, text);
        }
        if let Some(text) = self.environment.slot() {
            return find::slot(context, &text);
        }
        let current =
            std::env::current_dir().map_err(|e| Error::io("find", "the current directory", e))?;
        match find::slot_of_path(context, &current) {
            Some(id) => find::slot(context, &id.to_string()),
            None => Err(
                Error::usage("no slot is named, and the current directory is in none")
                    .with_hint("name the slot: its id, POOL/slotN, or its path"),
            ),
        }
    }

    /// The allocation id that the environment presents for a slot: `$REPO_POOL_ALLOCATION` speaks
    /// for the slot in `$REPO_POOL_SLOT` only.
    pub fn own_allocation(&self, pool: &Pool<'_>, number: u32) -> Option<String> {
        let slot = self.environment.slot()?;
        let (named, of) = find::slot(pool.context, &slot).ok()?;
        (named.name == pool.name && of == number).then(|| self.environment.allocation())?
    }
}

/// What a missing workspace means to a verb that was given the name of something in it.
pub fn no_pool(text: &str) -> Error {
    Error::PoolNotFound(text.to_owned())
}

/// The same for a slot.
pub fn no_slot(text: Option<&str>) -> Error {
    Error::SlotNotFound(text.unwrap_or("here").to_owned())
}
