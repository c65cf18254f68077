//! Runners in containers of docker, driven by its client as git is driven.
//!
//! | part | owns |
//! |---|---|
//! | `client` | asking the client, and what its answers mean |
//! | `words` | the command line of `docker run` |
//! | `state` | what docker knows of a container |
//! | `ends` | how a container ended that a signal has ended, or a daemon forgotten |
//! | `ownership` | taking from a container's root what it has made |
//! | `site` | whether docker can be used here, and what is left of earlier runs |
//! | [`owner`] | the process that does that as root |
//!
//! A container is never removed by itself: its exit code is docker's to keep until it is recorded.

mod client;
mod ends;
pub mod owner;
mod ownership;
mod site;
mod state;
mod words;

use std::cell::Cell;
use std::fs::File;
use std::time::Duration;

use super::driven::driver::{Begun, Driver, Presence};
use super::driven::order::Order;
use super::local;
use crate::domain::dispatch::EndClass;
use crate::domain::dispatch::agents::{Docker, Pull};
use crate::domain::dispatch::outcome::Outcome;
use crate::domain::{Error, Result};
use crate::sys::clock::Deadline;
use crate::sys::fs::{self, Durability};
use crate::sys::{clock, user};
use client::{Client, Fault};
use state::Container;
use words::{ATTEMPT, Caller};

pub use site::{clear_away, surroundings, why_not};

/// A container is made and started in so many times the time in which the daemon has to answer.
const RUN_TAKES: u32 = 4;
/// An image is fetched in this time.
const PULL_TAKES: Duration = Duration::from_secs(3600);
/// How long a container has between being asked to end and being killed.
const STOP_GRACE: Duration = Duration::from_secs(10);
/// A daemon that has come back may know of no end of the output: it is asked again after so long, and
/// each time after twice as long.
const FOLLOWED_AGAIN: Duration = Duration::from_secs(10);
/// A container that writes nothing any more has ended in this time.
const SOON: Duration = Duration::from_secs(5);
/// The time between two tries to reach a daemon.
const PAUSE: Duration = Duration::from_millis(500);

/// The variable that says when a runner is ended.
const DEADLINE: &str = "REPO_POOL_DEADLINE";

/// Drives docker for one attempt.
pub struct Containers<'a> {
    order: &'a Order,
    settings: &'a Docker,
    client: Client<'a>,
    /// Whether the container was started by this process.
    started: Cell<bool>,
    /// Whether the daemon was away since the container runs.
    was_away: Cell<bool>,
    /// Whether docker can't start what it has.
    stuck: Cell<bool>,
    /// How often its output was asked for.
    follows: Cell<u32>,
    /// Whether the container's output was copied to its end.
    copied: Cell<bool>,
}

/// Whether docker's words are that there is no such image.
fn is_no_image(words: &str) -> bool {
    words.to_lowercase().contains("no such image")
}

fn stopped() -> Outcome {
    Outcome::of(
        EndClass::Stopped,
        "it was told to end before it had started",
    )
}

fn caller() -> Caller {
    Caller {
        uid: user::effective_uid(),
        gid: user::effective_gid(),
    }
}

/// What docker has under the runner's name.
enum Seen {
    Nothing,
    Ours(Container),
    Others(Container),
}

impl<'a> Containers<'a> {
    /// For this order.
    pub fn new(order: &'a Order, settings: &'a Docker) -> Self {
        Self {
            order,
            settings,
            client: Client::new(settings, Some(&order.surroundings)),
            started: Cell::new(false),
            was_away: Cell::new(false),
            stuck: Cell::new(false),
            follows: Cell::new(0),
            copied: Cell::new(false),
        }
    }

    fn ask(&self, words: &[&str]) -> std::result::Result<String, Fault> {
        self.ask_within(words, self.client.patience())
    }

    fn ask_within(&self, words: &[&str], limit: Duration) -> std::result::Result<String, Fault> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        self.client.ask(&words, limit)
    }

    fn name(&self) -> &str {
        &self.order.runner
    }

    fn seen(&self) -> std::result::Result<Seen, Fault> {
        self.seen_as(self.name())
    }

    /// What docker has under this name.
    fn seen_as(&self, name: &str) -> std::result::Result<Seen, Fault> {
        let answer = match self.ask(&["container", "inspect", name]) {
            Ok(answer) => answer,
            Err(fault) if fault.is_absence() => return Ok(Seen::Nothing),
            Err(fault) => return Err(fault),
        };
        let unread = |e: serde_json::Error| Fault::Refused(0, format!("its answer is odd: {e}"));
        let found: Vec<Container> = serde_json::from_str(&answer).map_err(unread)?;
        let Some(found) = found.into_iter().next() else {
            return Ok(Seen::Nothing);
        };
        let own = words::labels(self.order);
        let ours = own
            .iter()
            .all(|(name, value)| found.label(name) == Some(value));
        Ok(match ours {
            true => Seen::Ours(found),
            false => Seen::Others(found),
        })
    }

    /// Makes and starts the container once.
    fn run(&self) -> std::result::Result<(), Fault> {
        let file = self.order.dir.join("env");
        let mut order = self.order.clone();
        if let Some(end) = order.timeout.and_then(clock::from_now) {
            // Its time begins now.
            order.env.insert(DEADLINE.to_owned(), end.to_string());
        }
        let made = words::of(&order, self.settings, caller(), &file);
        let unwritten = |e: Error| Fault::Refused(-1, e.reason());
        fs::create_private_dir_all(&words::home(self.order)).map_err(unwritten)?;
        fs::write_atomic(&file, made.file.as_bytes(), Durability::RenameOnly).map_err(unwritten)?;
        let handed_on = made.handed_on.iter();
        let env: Vec<_> = handed_on.map(|(name, value)| (&**name, &**value)).collect();
        let limit = self.client.patience() * RUN_TAKES;
        let answer = self.client.ask_with(&made.words, &env, limit);
        // The container has its variables now; what may be secret need not lie about.
        let _ = fs::remove_file_if_there(&file);
        answer.map(drop)
    }

    fn pull(&self) -> std::result::Result<(), Fault> {
        let pulled = self.ask_within(&["pull", "--quiet", &self.settings.image], PULL_TAKES);
        pulled.map(drop).map_err(|fault| match fault {
            // It is the registry that goes away in the middle, for all that can be told.
            Fault::Broken(words) if !words.starts_with("error during connect") => {
                Fault::Refused(1, words)
            }
            fault => fault,
        })
    }

    /// The same with what stands in its way put right as far as that can be: no image, a daemon that
    /// is just being started, a container of a former attempt.
    fn run_or_find_out(&self) -> Begun {
        let limit = Deadline::after(self.client.patience());
        let mut pull = self.settings.pull == Pull::Always;
        let mut cleared = false;
        loop {
            let run = match std::mem::take(&mut pull) {
                true => match self.pull() {
                    Ok(()) => self.run(),
                    Err(fault) if fault.is_unasked() => {
                        pull = true;
                        Err(fault)
                    }
                    Err(fault) => return Begun::No(self.without_image(&fault)),
                },
                false => self.run(),
            };
            let fault = match run {
                Ok(()) => {
                    self.started.set(true);
                    return Begun::Yes;
                }
                Err(fault) => fault,
            };
            match &fault {
                Fault::Unreachable(_) if !limit.passed() => {
                    if clock::pause(PAUSE).is_err() {
                        return Begun::InDoubt(stopped());
                    }
                }
                Fault::Refused(_, words) if is_no_image(words) => match self.settings.pull {
                    Pull::Missing if !cleared => (pull, cleared) = (true, true),
                    _ => return Begun::No(self.without_image(&fault)),
                },
                Fault::Refused(_, words) if words.contains("is already in use by container") => {
                    match self.occupied(&mut cleared) {
                        Ok(true) => return Begun::Yes,
                        Ok(false) => {}
                        Err(reason) => return Begun::No(Outcome::of(EndClass::Infra, reason)),
                    }
                }
                Fault::Refused(code, _) => return self.refused(*code, &fault),
                Fault::Missing(_) | Fault::Denied(_) => {
                    return Begun::No(Outcome::of(EndClass::Configuration, fault.reason()));
                }
                Fault::Interrupted => return Begun::InDoubt(stopped()),
                Fault::Unreachable(_) => {
                    return Begun::No(Outcome::of(EndClass::Infra, fault.reason()));
                }
                Fault::Broken(_) | Fault::Late(_) => {
                    return Begun::InDoubt(Outcome::of(EndClass::Infra, fault.reason()));
                }
            }
        }
    }

    /// The name is taken: true if by this very attempt, false if it is free now.
    fn occupied(&self, cleared: &mut bool) -> std::result::Result<bool, String> {
        match self.seen().map_err(|fault| fault.reason())? {
            Seen::Ours(_) => Ok(true),
            Seen::Nothing => Ok(false),
            // One of this directory's, from before the run began anew.
            Seen::Others(container)
                if container.label(ATTEMPT) == self.order.dir.to_str() && !*cleared =>
            {
                *cleared = true;
                let removed = self.ask(&["rm", "--force", "--volumes", &container.id]);
                removed.map(|_| false).map_err(|fault| fault.reason())
            }
            Seen::Others(_) => Err(format!(
                "docker has a container {0} that is not of this run; `docker rm -f {0}` removes it",
                self.name()
            )),
        }
    }

    fn without_image(&self, fault: &Fault) -> Outcome {
        let image = &self.settings.image;
        let reason = format!("there is no image {image}: {}", fault.reason());
        let final_words = [
            "no such image",
            "not found",
            "manifest unknown",
            "access denied",
            "invalid reference",
        ];
        let lower = reason.to_lowercase();
        let class = match fault {
            Fault::Interrupted => EndClass::Stopped,
            // A registry that says so will say so again.
            Fault::Refused(..) if final_words.iter().any(|words| lower.contains(words)) => {
                EndClass::Configuration
            }
            _ => EndClass::Infra,
        };
        Outcome::of(class, reason)
    }

    /// What the client's exit code means, after which a container may be there that never ran.
    fn refused(&self, code: i32, fault: &Fault) -> Begun {
        let discarded = self.discard();
        let outcome = match code {
            126 | 127 => Outcome {
                class: Some(EndClass::Configuration),
                reason: Some(fault.reason()),
                ..Outcome::exited(code)
            },
            _ => Outcome::of(EndClass::Infra, fault.reason()),
        };
        match discarded {
            Ok(()) => Begun::No(outcome),
            Err(_) => Begun::InDoubt(outcome),
        }
    }

    /// Removes the container of this attempt, if there is one.
    fn discard(&self) -> std::result::Result<(), Fault> {
        let Seen::Ours(container) = self.seen()? else {
            return Ok(());
        };
        match self.ask(&["rm", "--force", "--volumes", &container.id]) {
            Err(fault) if !fault.is_absence() => Err(fault),
            _ => Ok(()),
        }
    }
}

impl Driver for Containers<'_> {
    fn begin(&self) -> Begun {
        self.run_or_find_out()
    }

    fn look(&self) -> Result<Presence> {
        match self.seen() {
            // What is of another attempt is not this one.
            Ok(Seen::Nothing | Seen::Others(_)) => Ok(Presence::Absent),
            Ok(Seen::Ours(container)) if container.state.has_ended() => {
                Ok(Presence::Ended(self.outcome(&container)))
            }
            Ok(Seen::Ours(container)) if self.is_forgotten(&container) => {
                // Its processes are there no less.
                local::kill_runner(&self.order.dir);
                self.discard()?;
                Ok(Presence::Ended(Outcome::of(
                    EndClass::Infra,
                    "docker's daemon went away, and has forgotten that it had started its container",
                )))
            }
            Ok(Seen::Ours(_)) => Ok(Presence::Running),
            Err(fault) => {
                self.was_away.set(true);
                self.copied.set(false);
                Err(fault.into())
            }
        }
    }

    fn follow(&self, log: &File) -> bool {
        if self.copied.take() {
            // It writes nothing any more, but has not ended yet.
            return self.ask_within(&["wait", self.name()], SOON).is_ok();
        }
        let before = self.follows.replace(self.follows.get() + 1);
        if before > 0 || !self.started.get() {
            // What the client has to say where there is no output would be written over what there is.
            let Ok(Seen::Ours(container)) = self.seen() else {
                return false;
            };
            if container.state.is_new() && !self.started.get() {
                // Whoever made it was gone before it was started.
                let limit = self.client.patience() * RUN_TAKES;
                let start = self.ask_within(&["start", self.name()], limit);
                self.stuck.set(matches!(start, Err(Fault::Refused(..))));
            }
        }
        let words = ["logs", "--follow", self.name()].map(str::to_owned);
        let limit = before
            .checked_sub(1)
            .map(|n| FOLLOWED_AGAIN * 2_u32.pow(n.min(8)));
        let copied = self.client.copy(&words, limit, log).unwrap_or_default();
        self.copied.set(copied);
        copied
    }

    fn end(&self, now: bool) -> Result<()> {
        let Seen::Ours(container) = self.seen()? else {
            return Ok(());
        };
        if container.state.status == "paused" {
            self.ask(&["unpause", self.name()])?;
        }
        let patience = self.client.patience();
        let answer = match now {
            _ if container.state.is_new() => {
                // Docker may have forgotten that it has started it.
                local::kill_runner(&self.order.dir);
                return Ok(self.discard()?);
            }
            true => self.ask(&["kill", self.name()]),
            false => self.ask_within(&["stop", "-t", "10", self.name()], patience + STOP_GRACE),
        };
        match answer {
            Ok(_) => {
                // A moment later it is told to have ended, too.
                let _ = self.ask_within(&["wait", self.name()], SOON);
                Ok(())
            }
            // It has ended meanwhile, or is gone.
            Err(Fault::Refused(_, words)) if words.contains("is not running") => Ok(()),
            Err(fault) if fault.is_absence() => Ok(()),
            Err(fault) => Err(fault.into()),
        }
    }

    fn remove(&self) -> Result<()> {
        let owned = self.own_again();
        self.discard()?;
        owned
    }
}
