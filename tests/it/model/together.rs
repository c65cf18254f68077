//! Several workers on one pool at once: each result is checked on the spot against who is known to
//! hold what, and everything at the quiet points between the rounds.

use super::agent::{ACTIONS, Action, blob, run};
use super::check::{Work, assert_clean, consistent, missing, slots};
use super::random::Random;
use crate::support::{Out, Remote, World};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// So many workers there are.
const WORKERS: usize = 4;

/// What all workers see.
pub struct Together {
    world: World,
    remote: Remote,
    seed: u64,
    /// The holder of each slot and the allocation.
    held: Mutex<BTreeMap<String, (usize, String)>>,
    /// Every allocation that was told to somebody.
    told: Mutex<Vec<String>>,
    works: Mutex<Vec<Work>>,
    pub steps: Mutex<Vec<String>>,
}

impl Together {
    #[track_caller]
    pub fn new(seed: u64) -> Self {
        let world = World::new();
        let remote = world.remote();
        world.declare(&format!(
            "[defaults]\nlock_timeout = \"2m\"\n\
             [pools.p]\nrepo_url = \"{}\"\nnum_slots = 3\nmax_slots = 6\n",
            remote.url()
        ));
        world.pool(format!("create p {} -n 3", remote.url())).ok();
        Self {
            world,
            remote,
            seed,
            held: Mutex::default(),
            told: Mutex::default(),
            works: Mutex::default(),
            steps: Mutex::default(),
        }
    }

    /// Each worker takes so many steps; then nobody works, and everything is looked at.
    pub fn round(&self, number: u64, steps: u64) {
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..WORKERS)
                .map(|me| {
                    let seed = self.seed ^ (number << 32) ^ ((me as u64 + 1) << 48);
                    let mut worker = Worker {
                        all: self,
                        me,
                        random: Random::new(seed),
                    };
                    let base = (number * WORKERS as u64 + me as u64) * steps;
                    scope.spawn(move || (0..steps).for_each(|step| worker.step(base + step)))
                })
                .collect();
            for worker in workers {
                if let Err(panic) = worker.join() {
                    std::panic::resume_unwind(panic);
                }
            }
        });
        self.quiet();
    }

    fn quiet(&self) {
        // What a refused release or a full pool left half-way is nobody's now.
        consistent(&self.world);
        let seen = slots(&self.world);
        let held = self.held.lock().expect("the holders");
        for (slot, (_, id)) in held.iter() {
            let now = seen[slot].allocation.as_ref().map(|(id, _)| id);
            assert_eq!(now, Some(id), "{slot} was given to somebody");
        }
        for (slot, now) in &seen {
            let known = held.contains_key(slot);
            assert_eq!(now.state == "allocated", known, "{slot}: {now:?}");
        }
        let works = self.works.lock().expect("the works");
        let lost = missing(&self.world, &works);
        assert!(lost.is_empty(), "work is lost: {lost:?}");
        let log = self.world.events("p", "allocated");
        for id in self.told.lock().expect("the ids").iter() {
            let events = log
                .iter()
                .filter(|event| event["allocation_id"] == id.as_str());
            assert_eq!(events.count(), 1, "allocation {id} is in the history once");
        }
    }
}

struct Worker<'a> {
    all: &'a Together,
    me: usize,
    random: Random,
}

impl Worker<'_> {
    fn step(&mut self, number: u64) {
        match self.random.below(100) {
            0..30 => self.agent(number),
            30..55 => self.allocate(number),
            55..75 => self.release(),
            75..80 => self.exec(number),
            80..86 => {
                let name = format!("pushed{number}.txt");
                // One at a time: they are all the same somebody.
                let _one = self.all.steps.lock().expect("the steps");
                self.all
                    .world
                    .push_commit(&self.all.remote, &name, "pushed\n");
            }
            86..89 => drop(self.call("add-slot p").one_of(&[0, 1])),
            89..92 => self.any_slot("remove-slot", &[0, 5, 7]),
            92..94 => self.any_slot("isolate", &[0, 1, 5, 7]),
            94..96 => self.any_slot("recover", &[0, 1, 7]),
            96..98 => drop(self.call("recover p").one_of(&[0, 1])),
            _ => drop(self.call("status p").one_of(&[0])),
        }
    }

    fn call(&self, args: &str) -> Out {
        let out = self.all.world.pool(args);
        let line = format!(
            "{}: {args}: exit {} {}",
            self.me,
            out.code,
            out.stderr.trim()
        );
        self.all.steps.lock().expect("the steps").push(line);
        out
    }

    fn any_slot(&mut self, verb: &str, codes: &[i32]) {
        let slot = 1 + self.random.below(6);
        let out = self.call(&format!("{verb} p/slot{slot}"));
        out.one_of(codes);
    }

    /// The slots that this worker holds.
    fn mine(&self) -> Vec<(String, String)> {
        let held = self.all.held.lock().expect("the holders");
        let mine = held.iter().filter(|(_, (who, _))| *who == self.me);
        mine.map(|(slot, (_, id))| (slot.clone(), id.clone()))
            .collect()
    }

    fn works_in(&self, slot: &str) -> Vec<Work> {
        let works = self.all.works.lock().expect("the works");
        works
            .iter()
            .filter(|work| work.slot == slot)
            .cloned()
            .collect()
    }

    fn agent(&mut self, number: u64) {
        let mine = self.mine();
        if mine.is_empty() {
            return self.allocate(number);
        }
        let (slot, _) = self.random.pick(&mine).clone();
        let soft: Vec<&Action> = ACTIONS.iter().filter(|action| !action.hard).collect();
        let action = *self.random.pick(&soft);
        let world = &self.all.world;
        let before = self.works_in(&slot);
        let lost = missing(world, &before);
        assert!(lost.is_empty(), "work is lost: {lost:?}");
        let text = format!("work {number} of {}", self.all.seed);
        let line = format!("{}: an agent in {slot}: {}", self.me, action.name);
        self.all.steps.lock().expect("the steps").push(line);
        run(world, &world.slot_dir(&slot), action.script, number, &text);
        let mut now = before;
        now.push(Work {
            slot: slot.clone(),
            blob: blob(world, &text),
            text,
        });
        // What the agent has itself overwritten is nobody's loss.
        let gone: Vec<String> = missing(world, &now)
            .into_iter()
            .map(|w| w.text.clone())
            .collect();
        now.retain(|work| !gone.contains(&work.text));
        let mut works = self.all.works.lock().expect("the works");
        works.retain(|work| work.slot != slot);
        works.extend(now);
    }

    fn allocate(&mut self, number: u64) {
        let world = &self.all.world;
        let tip = world.tip(&self.all.remote, "main");
        let fetch = self.random.chance(70);
        let mut args = format!(
            "allocate p --json{}",
            if fetch { "" } else { " --no-fetch" }
        );
        args.push_str(if self.random.chance(30) {
            " --grow"
        } else {
            ""
        });
        let named = self.random.chance(20);
        if named {
            args.push_str(&format!(" --branch own{number}"));
        }
        let out = self.call(&args);
        if out.one_of(&[0, 4]).code == 4 {
            return;
        }
        let slot = out.json()["slot"].clone();
        let path = std::path::PathBuf::from(slot["slot_path"].as_str().expect("a path"));
        let name = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let id = slot["allocation_id"].as_str().expect("an id").to_owned();
        self.all.told.lock().expect("the ids").push(id.clone());
        let mut held = self.all.held.lock().expect("the holders");
        let other = held.insert(name.clone(), (self.me, id));
        drop(held);
        assert_eq!(other, None, "{name} was given to two at once");
        let head = world.head(&path);
        assert_clean(world, &name, &path, &head);
        let ancestor = ["merge-base", "--is-ancestor", &tip, &head];
        if fetch {
            let is = world.try_git(&self.all.remote.path, ancestor);
            assert_eq!(is.code, 0, "{name} is at {head}, behind {tip}: {out}");
        }
        self.release_works(&name);
    }

    /// What was made in earlier allocations of a slot must be elsewhere by now.
    fn release_works(&self, slot: &str) {
        let mut works = self.all.works.lock().expect("the works");
        for work in works.iter_mut().filter(|work| work.slot == slot) {
            work.slot = "none".into();
        }
    }

    fn release(&mut self) {
        let mine = self.mine();
        if mine.is_empty() {
            return;
        }
        let (slot, id) = self.random.pick(&mine).clone();
        let option = *self.random.pick(&["", "", "--no-cleanup", "--discard"]);
        if option == "--discard" {
            self.all
                .works
                .lock()
                .expect("the works")
                .retain(|work| work.slot != slot);
        }
        // From here on somebody else may get it.
        self.all.held.lock().expect("the holders").remove(&slot);
        let out = self.call(&format!("release p/{slot} --allocation {id} {option}"));
        out.ok();
    }

    fn exec(&mut self, number: u64) {
        let action = self.random.pick(&ACTIONS[..12]);
        let text = format!("work {number} of {}", self.all.seed);
        let world = &self.all.world;
        let call = world.call(["exec", "p", "--", "sh", "-c", action.script]);
        let out = call.env("N", number.to_string()).env("W", &text).run();
        let line = format!(
            "{}: exec {}: exit {} {}",
            self.me,
            action.name,
            out.code,
            out.stderr.trim()
        );
        self.all.steps.lock().expect("the steps").push(line);
        if out.code == 125 {
            out.says("no slot of pool");
        } else if out.code == 0 {
            let blob = blob(world, &text);
            let work = Work {
                slot: "none".into(),
                text,
                blob,
            };
            self.all.works.lock().expect("the works").push(work);
        }
    }
}
