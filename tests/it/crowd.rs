//! Many at once: 64 allocators on 16 slots, with agents that commit, branch, fetch and push in their
//! slots meanwhile.

use crate::support::{Out, Remote, World};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex};

const ALLOCATORS: usize = 64;
const SLOTS: u32 = 16;

/// What git says when two agents of one repository move the same refs at once. Their own affair.
const AMONG_AGENTS: [&str; 4] = [
    "cannot lock ref",
    "unable to update local ref",
    "incorrect old value",
    "failed to update",
];

/// The crowd's common knowledge.
struct Crowd {
    world: World,
    remote: Remote,
    /// Who holds which slot now.
    held: Mutex<BTreeMap<PathBuf, usize>>,
    ids: Mutex<BTreeSet<String>>,
    /// How many slots have come back; who waits is woken one by one.
    returns: Mutex<usize>,
    returned: Condvar,
}

impl Crowd {
    /// Waits for a slot as scripts do: asks again when one has come back.
    #[track_caller]
    fn allocate(&self, me: usize) -> (PathBuf, String) {
        loop {
            let before = *self.returns.lock().expect("the count");
            let wait = "--lock-timeout 5m";
            let out = self
                .world
                .pool(format!("allocate p --json --meta agent={me} {wait}"));
            if out.one_of(&[0, 4]).code == 0 {
                return self.note(me, &out);
            }
            // Some slot was held then; one that has come back since may be free.
            let returns = self.returns.lock().expect("the count");
            if *returns == before {
                drop(self.returned.wait(returns).expect("a slot"));
            }
        }
    }

    /// A slot that was handed out is nobody else's, and clean.
    #[track_caller]
    fn note(&self, me: usize, out: &Out) -> (PathBuf, String) {
        let slot = out.json()["slot"].clone();
        let path = PathBuf::from(slot["slot_path"].as_str().expect("a path"));
        let id = slot["allocation_id"].as_str().expect("an id").to_owned();
        let other = self
            .held
            .lock()
            .expect("the holders")
            .insert(path.clone(), me);
        assert_eq!(other, None, "{} was given to two", path.display());
        assert!(
            self.ids.lock().expect("the ids").insert(id.clone()),
            "an id came twice"
        );
        self.world.assert_clean(&path);
        let ours = [
            "merge-base",
            "--is-ancestor",
            &self.world.head(&path),
            "main",
        ];
        let at_base = self.world.try_git(&self.remote.path, ours);
        assert_eq!(at_base.code, 0, "{} is not at the base", path.display());
        (path, id)
    }

    /// What an agent does; its commits must succeed, whatever the others do. The blob it has made
    /// and not pushed.
    #[track_caller]
    fn work(&self, me: usize, slot: &Path) -> String {
        let world = &self.world;
        self.among_agents(&world.try_git(slot, "fetch -q origin"));
        world.git(slot, format!("checkout -q -b agent/{me}"));
        world.commit(slot, &format!("work{me}.txt"), &format!("work of {me}\n"));
        let push = format!("push -q {} agent/{me}", self.remote.url());
        self.among_agents(&world.try_git(slot, push));
        world.git(slot, format!("branch other/{me} HEAD~1"));
        world.git(slot, "checkout -q --detach");
        world.commit(slot, &format!("more{me}.txt"), &format!("more of {me}\n"));
        std::fs::write(slot.join("left.txt"), format!("left by {me}\n")).expect("writing");
        world.git(slot, ["hash-object", "left.txt"])
    }

    #[track_caller]
    fn among_agents(&self, out: &Out) {
        let known = AMONG_AGENTS.iter().any(|words| out.stderr.contains(words));
        assert!(out.code == 0 || known, "{out}");
    }

    #[track_caller]
    fn one(&self, me: usize) -> String {
        let (slot, id) = self.allocate(me);
        let made = self.work(me, &slot);
        let head = self.world.head(&slot);
        self.held.lock().expect("the holders").remove(&slot);
        let release = format!(
            "release {} --allocation {id} --lock-timeout 5m",
            slot.display()
        );
        self.world.pool(release).ok();
        *self.returns.lock().expect("the count") += 1;
        self.returned.notify_one();
        format!("{made} {head}")
    }
}

/// 4.1, 4.2, W.1: no slot is given to two, nobody gets an error for the others, and no work is lost.
#[test]
fn sixty_four_allocators_share_sixteen_slots() {
    let world = World::new();
    let remote = world.remote();
    world
        .pool(format!("create p {} -n {SLOTS}", remote.url()))
        .ok();
    let crowd = Crowd {
        world,
        remote,
        held: Mutex::default(),
        ids: Mutex::default(),
        returns: Mutex::default(),
        returned: Condvar::new(),
    };
    let made: Vec<String> = std::thread::scope(|scope| {
        let crowd = &crowd;
        let threads: Vec<_> = (0..ALLOCATORS)
            .map(|me| scope.spawn(move || crowd.one(me)))
            .collect();
        let ended = threads.into_iter().map(|thread| thread.join());
        ended.map(|one| one.expect("an allocator")).collect()
    });
    let summary = crowd.world.status("p")["summary"].clone();
    assert_eq!(summary["total_allocations"], ALLOCATORS, "{summary}");
    assert_eq!(summary["available_slots"], SLOTS, "{summary}");
    let saved = crowd.world.rescued_objects("p");
    for object in made.iter().flat_map(|pair| pair.split(' ')) {
        assert!(saved.contains(object), "{object} is lost");
    }
    crowd.world.assert_sound("p");
}
