//! A pool whose slots have more than git brings: a copied file, what a set-up makes of it, and a
//! command that runs at release.

use super::World;
use std::path::Path;

/// The copied file. The set-up writes its content into `target/furnished`.
const COPY: &str = "furnished.local";

impl World {
    /// Declares all that for pool `p`, in another way for each round, so that it is to be done again.
    #[track_caller]
    pub fn furnish(&self, url: &str, round: u32) {
        self.declare(&format!(
            "[pools.p]\nrepo_url = \"{url}\"\n{}keep = [\"target/\"]\ncopy = [\"{COPY}\"]\n\
             setup = 'mkdir -p target; echo half > target/furnished; \
             cat {COPY} > target/furnished # {round}'\n\
             on_release = 'rm -f new.txt; echo {round} >> target/released'\n",
            self.strategy()
        ));
        let folder = self.pool_dir("p").join("files");
        if self.pool_dir("p").exists() {
            std::fs::create_dir_all(&folder).expect("the folder");
            std::fs::write(folder.join(COPY), format!("{round}\n")).expect("writing");
        }
    }

    /// What a slot that is handed out lacks of it.
    pub fn lacks(&self, slot: &Path) -> Option<String> {
        let original = self.pool_dir("p").join("files").join(COPY);
        let wanted = std::fs::read_to_string(original).ok()?;
        [COPY, "target/furnished"].into_iter().find_map(|name| {
            let found = std::fs::read_to_string(slot.join(name)).ok();
            (found.as_ref() != Some(&wanted))
                .then(|| format!("{name} is {found:?}, not {wanted:?}"))
        })
    }

    /// What `git status --ignored` shows but for that.
    pub fn beside_furnishings(&self, slot: &Path, status: &str) -> String {
        if !slot.join(COPY).exists() {
            return status.to_owned();
        }
        let ours = [format!("!! {COPY}"), "!! target/".to_owned()];
        let others = status
            .lines()
            .filter(|line| !ours.iter().any(|our| our == line));
        others.collect::<Vec<_>>().join("\n")
    }
}
