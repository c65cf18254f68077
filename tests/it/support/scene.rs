//! Where a verb starts from, and what must hold when it was killed or failed.

use super::{Helper, Invariants, Out, Remote, World, await_quiet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The codes that a command other than `exec` may end with: those of the README, but for wrong
/// usage, which none of these is.
pub const DOCUMENTED: [i32; 7] = [0, 1, 3, 4, 5, 6, 7];

/// A world with a pool, and what was done in it.
pub struct Scene {
    pub world: World,
    pub remote: Remote,
    pub held: Invariants,
    /// The pool that the verb is about.
    pub pool: &'static str,
    /// How often the verb was prepared.
    pub round: u32,
    /// The slot that was prepared.
    pub slot: PathBuf,
    /// Processes that live for one round.
    pub helpers: Vec<Helper>,
}

/// One verb.
#[derive(Clone, Copy)]
pub struct Verb {
    pub name: &'static str,
    /// The pool it is about.
    pub pool: &'static str,
    /// From two idle slots to where the verb starts; gives the arguments.
    pub prepare: fn(&mut Scene) -> String,
    /// What must be true when it has said that it succeeded.
    pub succeeded: fn(&mut Scene, &Out),
    /// What it leaves that is no damage, put away.
    pub tidy: fn(&mut Scene),
}

impl Verb {
    pub(super) fn new(
        name: &'static str,
        prepare: fn(&mut Scene) -> String,
        succeeded: fn(&mut Scene, &Out),
    ) -> Self {
        Self {
            name,
            pool: "p",
            prepare,
            succeeded,
            tidy: |_| (),
        }
    }

    /// The code of `exec` is that of its command, or one that says why this was not run.
    #[track_caller]
    pub fn ends_as_documented(&self, out: &Out) {
        if !self.name.starts_with("exec") {
            out.one_of(&DOCUMENTED);
        }
    }
}

impl Scene {
    /// A world for this verb.
    #[track_caller]
    pub fn new(verb: &Verb) -> Self {
        let world = World::new();
        let remote = world.small_remote("remote");
        world.clone_of(&remote, "own");
        let held = Invariants::of(&world, verb.pool);
        Self {
            world,
            remote,
            held,
            pool: verb.pool,
            round: 0,
            slot: PathBuf::new(),
            helpers: Vec::new(),
        }
    }

    /// Brings the pool back to two idle slots, and from there to where the verb starts.
    #[track_caller]
    pub fn prepare(&mut self, verb: &Verb) -> String {
        self.round += 1;
        self.helpers.clear();
        self.two_idle_slots();
        self.pack();
        let args = (verb.prepare)(self);
        self.held.outside_changed(&self.world);
        args
    }

    /// A clone is made object by object: one round's would be more and more effects of the next ones.
    #[track_caller]
    fn pack(&self) {
        let bare = self.world.bare(self.pool);
        if self.world.is_over_clones() && bare.exists() {
            self.world.git(&bare, "repack -q -a -d --keep-unreachable");
        }
    }

    /// After the verb was killed or failed: everything that must hold holds, `recover` finds all there
    /// is to put right, and the next commands work, whichever of the two comes first.
    #[track_caller]
    pub fn in_order(&mut self, verb: &Verb, recover_first: bool, what: &str) {
        let what = &format!("{}, {what}", verb.name);
        self.held.while_running(&self.world).none_after(what);
        self.helpers.clear();
        await_quiet(&self.world);
        (verb.tidy)(self);
        self.held.now(&self.world).none_after(what);
        if !recover_first {
            self.held.usable(&self.world).none_after(what);
        }
        self.held.recovered(&self.world).none_after(what);
        if recover_first {
            self.held.usable(&self.world).none_after(what);
        }
    }

    /// A disk that fails may put a slot out of use, with a reason; a person gets it back.
    #[track_caller]
    pub fn bring_back_isolated(&self, what: &str) {
        await_quiet(&self.world);
        if !self.world.pool_dir(self.pool).exists() {
            return;
        }
        for slot in self.world.slots(self.pool) {
            if slot["state"] == "error" {
                assert!(slot["error"].is_string(), "no reason: {slot}\n{what}");
                let path = slot["slot_path"].as_str().expect("a path");
                let out = self.world.pool(["recover", path]);
                assert_eq!(out.code, 0, "{slot}: {out}\n{what}");
            }
        }
    }

    /// The pool as it is at the start of most verbs.
    #[track_caller]
    pub fn two_idle_slots(&mut self) {
        let pool = self.pool;
        if !self.world.pool_dir(pool).exists() {
            let url = self.remote.url();
            self.world.pool(format!("create {pool} {url} -n 2")).ok();
            self.held = Invariants::of(&self.world, pool);
        }
        let slots = self.world.slots(pool);
        let path =
            |slot: &serde_json::Value| slot["slot_path"].as_str().expect("a path").to_owned();
        for slot in slots.iter().filter(|slot| slot["state"] == "allocated") {
            self.world.pool(["release", &path(slot), "--force"]).ok();
        }
        for slot in slots.iter().skip(2) {
            self.world.pool(["remove-slot", &path(slot)]).ok();
        }
        for _ in slots.len()..2 {
            self.world.pool(format!("add-slot {pool}")).ok();
        }
    }

    /// Takes the pool away.
    #[track_caller]
    pub fn no_pool(&mut self) {
        let out = self
            .world
            .pool(format!("remove-pool {} --force", self.pool));
        out.ok();
        self.held = Invariants::of(&self.world, self.pool);
    }

    /// Takes a slot.
    #[track_caller]
    pub fn take(&mut self) {
        let out = self
            .world
            .pool(format!("allocate {} --no-fetch", self.pool));
        self.slot = out.ok().path();
    }

    /// Takes a slot and works in it: a commit, a commit that is left behind, something staged,
    /// something changed, something new, something ignored.
    #[track_caller]
    pub fn take_and_work(&mut self) {
        self.take();
        let Self {
            world,
            held,
            slot,
            round,
            ..
        } = self;
        held.commit(world, slot, "behind.txt", &format!("left behind {round}\n"));
        world.git(slot, "reset -q --hard HEAD~");
        held.commit(world, slot, "done.txt", &format!("done {round}\n"));
        held.stage(world, slot, "staged.txt", &format!("staged {round}\n"));
        held.write(world, slot, "README.md", &format!("changed {round}\n"));
        held.write(world, slot, "new.txt", &format!("new {round}\n"));
        std::fs::create_dir_all(slot.join("target/deep")).expect("a directory");
        std::fs::write(slot.join("target/deep/built"), "x").expect("writing");
    }

    /// The verb's slot as arguments name it.
    pub(super) fn named(&self) -> String {
        self.slot.display().to_string()
    }

    #[track_caller]
    pub(super) fn state(&self) -> String {
        self.world.state(&self.named())
    }

    /// A slot that was isolated waits for a person, which is this.
    #[track_caller]
    pub(super) fn restore(&mut self) {
        // The first finishes what was under way, after which it may still be isolated.
        for _ in 0..2 {
            if self.world.state("p/slot1") != "available" {
                self.world.pool("recover p/slot1").ok();
            }
        }
    }

    #[track_caller]
    pub(super) fn is_back(&mut self, _: &Out) {
        assert_eq!(self.state(), "available");
    }

    #[track_caller]
    pub(super) fn is_handed_out(&mut self, out: &Out) {
        self.slot = out.path();
        assert_eq!(self.state(), "allocated");
        self.world.assert_clean(&self.slot);
    }
}

/// Writes a program. By another process: while one of this process's threads forks, a descriptor
/// that is open for writing here would be open in its child too, and the program be busy.
pub fn program(path: &Path, text: &str) {
    let mut child = Command::new("sh")
        .args(["-c", "cat > \"$0\" && chmod +x \"$0\""])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .expect("a shell");
    let mut pipe = child.stdin.take().expect("its stdin");
    std::io::Write::write_all(&mut pipe, text.as_bytes()).expect("writing to the shell");
    drop(pipe);
    assert!(child.wait().expect("the shell").success());
}
