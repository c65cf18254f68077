//! Taking from a container's root what it has made in a slot.

use std::path::PathBuf;

use super::client::Fault;
use super::words::{self, ATTEMPT, Caller};
use super::{Containers, PAUSE, RUN_TAKES, Seen, caller, owner};
use crate::domain::{Error, Result};
use crate::sys::clock::{self, Deadline};

impl Containers<'_> {
    /// Takes from root, as whom the container has run, what it made.
    pub(super) fn own_again(&self) -> Result<()> {
        let Some(user) = &self.settings.user else {
            return Ok(());
        };
        let caller = caller();
        if *user == format!("{}:{}", caller.uid, caller.gid) {
            return Ok(());
        }
        let places: Vec<PathBuf> = match self.order.slot {
            Some(_) => words::places(self.order),
            // Whatever else lies beside the file of tasks is none of this program's.
            None => vec![self.order.dir.clone()],
        };
        owner::take(&places, caller, &|left| {
            self.patiently_as_root(left, caller).map_err(Error::from)
        })
    }

    /// A daemon that is away for a moment is waited for.
    fn patiently_as_root(
        &self,
        places: &[PathBuf],
        caller: Caller,
    ) -> std::result::Result<(), Fault> {
        let limit = Deadline::after(self.client.patience());
        loop {
            let asked = self
                .clear_owner()
                .and_then(|()| self.ask_as_root(places, caller));
            match asked {
                Err(Fault::Unreachable(_) | Fault::Broken(_))
                    if !limit.passed() && clock::pause(PAUSE).is_ok() => {}
                asked => return asked.map(drop),
            }
        }
    }

    fn owner_name(&self) -> String {
        format!("{}-owner", self.name())
    }

    /// Whoever asked before may have been killed, or have lost sight of the daemon.
    fn clear_owner(&self) -> std::result::Result<(), Fault> {
        let left = match self.seen_as(&self.owner_name())? {
            Seen::Ours(left) => left,
            Seen::Others(left) if left.label(ATTEMPT) == self.order.dir.to_str() => left,
            Seen::Nothing | Seen::Others(_) => return Ok(()),
        };
        match self.ask(&["rm", "--force", "--volumes", &left.id]) {
            Err(fault) if !fault.is_absence() => Err(fault),
            _ => Ok(()),
        }
    }

    /// This very program, run by the container's root: an image need not have any other.
    fn ask_as_root(
        &self,
        places: &[PathBuf],
        caller: Caller,
    ) -> std::result::Result<String, Fault> {
        let own = std::env::current_exe().map_err(|e| Fault::Missing(e.to_string()))?;
        let own = own.to_string_lossy();
        let mut words: Vec<String> = ["run", "--rm", "--pull", "never", "--network", "none"]
            .map(str::to_owned)
            .into();
        let mut put = |name: &str, value: String| words.extend([name.to_owned(), value]);
        put("--name", self.owner_name());
        for (label, value) in words::labels(self.order) {
            put("--label", format!("{label}={value}"));
        }
        put("--user", "0:0".to_owned());
        put("--entrypoint", "/.repo-pool".to_owned());
        put(
            "--mount",
            format!("type=bind,source={own},target=/.repo-pool,readonly"),
        );
        for place in places {
            put("--mount", words::mount(place));
        }
        words.push(self.settings.image.clone());
        words.push(owner::WORD.to_owned());
        words.extend([caller.uid.to_string(), caller.gid.to_string()]);
        words.extend(
            places
                .iter()
                .map(|place| place.to_string_lossy().into_owned()),
        );
        self.client.ask(&words, self.client.patience() * RUN_TAKES)
    }
}
