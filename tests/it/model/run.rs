//! One run: operations chosen at random, and what each of them must do by the model.

use super::agent::{ACTIONS, Action, blob, run};
use super::check::{Seen, Work, assert_clean, consistent, kept_by_refs, missing, slots};
use super::random::Random;
use crate::support::{Out, Remote, World};
use std::collections::{BTreeMap, BTreeSet};

/// So many slots a pool has at most.
pub(super) const MOST: usize = 5;

/// A pool, its remote, and all that is known of both.
pub struct Run {
    pub(super) world: World,
    pub(super) remote: Remote,
    pub(super) random: Random,
    seed: u64,
    pub(super) number: u64,
    pub(super) before: BTreeMap<String, Seen>,
    generation: u64,
    ids: BTreeSet<String>,
    /// The base as the last fetch brought it.
    pub(super) base: String,
    pub(super) works: Vec<Work>,
    /// Slots with something that can't be saved.
    pub(super) hard: BTreeSet<String>,
    /// What was done, for a report.
    pub steps: Vec<String>,
}

impl Run {
    #[track_caller]
    pub fn new(seed: u64) -> Self {
        let world = World::new();
        let remote = world.remote();
        world.declare(&format!(
            "[pools.p]\nrepo_url = \"{}\"\nnum_slots = 2\nmax_slots = {MOST}\n",
            remote.url()
        ));
        world.pool(format!("create p {} -n 2", remote.url())).ok();
        let mut run = Self {
            base: world.tip(&remote, "main"),
            random: Random::new(seed),
            seed,
            number: 0,
            before: BTreeMap::new(),
            generation: 0,
            ids: BTreeSet::new(),
            works: Vec::new(),
            hard: BTreeSet::new(),
            steps: Vec::new(),
            world,
            remote,
        };
        run.before = slots(&run.world);
        run
    }

    /// One step, and the invariants after it.
    #[track_caller]
    pub fn step(&mut self) {
        self.number += 1;
        match self.random.below(100) {
            0..30 => self.agent(),
            30..52 => self.allocate(),
            52..72 => self.release(),
            72..77 => self.exec(),
            77..83 => self.remote_moves(),
            83..86 => self.add_slot(),
            86..89 => self.remove_slot(),
            89..92 => self.isolate(),
            92..97 => self.recover(),
            _ => self.look(),
        }
        self.invariants();
    }

    #[track_caller]
    pub(super) fn call(&mut self, args: &str) -> Out {
        self.note(args);
        let out = self.world.pool(args);
        self.steps
            .push(format!("    exit {}: {}", out.code, out.stderr.trim()));
        // A failure is always explained; nothing ever panics.
        assert!(!out.stderr.contains("panicked at"), "{out}");
        assert!(
            out.code == 0 || !out.stderr.trim().is_empty() || !out.stdout.is_empty(),
            "{out}"
        );
        out
    }

    pub(super) fn note(&mut self, what: &str) {
        self.steps.push(format!("{}: {what}", self.number));
    }

    pub(super) fn in_state(&self, state: &str) -> Vec<String> {
        let chosen = self.before.iter().filter(|(_, slot)| slot.state == state);
        chosen.map(|(name, _)| name.clone()).collect()
    }

    pub(super) fn text(&self) -> String {
        format!("work {} of {}", self.number, self.seed)
    }

    #[track_caller]
    fn agent(&mut self) {
        let held = self.in_state("allocated");
        let Some(slot) = (!held.is_empty()).then(|| self.random.pick(&held).clone()) else {
            return self.allocate();
        };
        let action: &Action = self.random.pick(&ACTIONS);
        if action.hard && self.random.chance(70) {
            return;
        }
        self.note(&format!("an agent in {slot}: {}", action.name));
        let text = self.text();
        let dir = self.world.slot_dir(&slot);
        run(&self.world, &dir, action.script, self.number, &text);
        self.made(&slot, &text);
        if action.hard {
            self.hard.insert(slot);
        }
    }

    /// Notes what an agent has made. What it has itself overwritten by that is nobody's loss.
    #[track_caller]
    fn made(&mut self, slot: &str, text: &str) {
        self.works.push(Work {
            slot: slot.to_owned(),
            text: text.to_owned(),
            blob: blob(&self.world, text),
        });
        self.forget_missing();
    }

    #[track_caller]
    fn forget_missing(&mut self) {
        let gone: BTreeSet<String> = missing(&self.world, &self.works)
            .into_iter()
            .map(|work| work.text.clone())
            .collect();
        self.works.retain(|work| !gone.contains(&work.text));
    }

    #[track_caller]
    fn allocate(&mut self) {
        let mut args = "allocate p".to_owned();
        let mut wanted = None;
        let fetch = self.random.chance(70);
        args.push_str(if fetch { "" } else { " --no-fetch" });
        let before = self.base.clone();
        if fetch {
            self.base = self.world.tip(&self.remote, "main");
        }
        match self.random.below(10) {
            0 => {
                (args, wanted) = (
                    format!("{args} --ref topic"),
                    Some(self.tip_here_or_there("topic", fetch)),
                )
            }
            1 => {
                (args, wanted) = (
                    format!("{args} --ref v1.0"),
                    Some(self.world.tip(&self.remote, "v1.0")),
                )
            }
            2 | 3 => {
                let name = format!("shared{}", self.random.below(3));
                (args, wanted) = (
                    format!("{args} --branch {name}"),
                    Some(self.branch_tip(&name)),
                );
            }
            _ => {}
        }
        if self.random.chance(20) {
            args.push_str(" --meta task=1 --owner somebody");
        }
        let grow = self.random.chance(25);
        args.push_str(if grow { " --grow" } else { "" });
        let wanted = wanted.unwrap_or_else(|| self.base.clone());
        let taken = self.taken_branches();
        let out = self.call(&args);
        if out.code == 4 {
            // Where there is nothing to hand out, nothing is fetched.
            self.base = before;
        }
        let free = self.in_state("available");
        let soft = free.iter().any(|slot| !self.hard.contains(slot));
        let room = soft || (grow && self.before.len() < MOST);
        let branch = args
            .split("--branch ")
            .nth(1)
            .and_then(|rest| rest.split(' ').next());
        if branch.is_some_and(|name| taken.contains(name)) && (soft || out.code == 1) {
            out.one_of(&[1, 4]).silent();
            return;
        }
        match out.code {
            0 => self.was_handed_out(&out, &wanted),
            // Slots with what can't be saved go out of use on the way.
            1 | 5 if !free.is_empty() && !soft => {}
            _ => {
                out.code(4).silent();
                assert!(!room, "there was a free slot: {out}");
            }
        }
    }

    fn tip_here_or_there(&self, name: &str, fetch: bool) -> String {
        let here = format!("refs/remotes/origin/{name}");
        match fetch {
            true => self.world.tip(&self.remote, name),
            false => self.world.git(&self.world.bare("p"), ["rev-parse", &here]),
        }
    }

    /// Where a branch of that name begins.
    fn branch_tip(&self, name: &str) -> String {
        let own = format!("refs/heads/{name}");
        let out = self
            .world
            .try_git(&self.world.bare("p"), ["rev-parse", "-q", "--verify", &own]);
        match out.code {
            0 => out.stdout.trim().to_owned(),
            _ => self.base.clone(),
        }
    }

    fn taken_branches(&self) -> BTreeSet<String> {
        let listed = self
            .world
            .git(&self.world.bare("p"), "worktree list --porcelain");
        let names = listed
            .lines()
            .filter_map(|line| line.strip_prefix("branch refs/heads/"));
        names.map(str::to_owned).collect()
    }

    /// What was handed out was free, is held now, and is clean at the wanted commit.
    #[track_caller]
    fn was_handed_out(&mut self, out: &Out, wanted: &str) {
        let path = out.path();
        let slot = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        assert_eq!(path, self.world.slot_dir(&slot));
        let old = self.before.get(&slot).map(|seen| seen.state.as_str());
        assert!(
            [None, Some("available")].contains(&old),
            "{slot} was {old:?}"
        );
        let now = slots(&self.world)[&slot].clone();
        assert_eq!(now.state, "allocated", "{slot}");
        let (id, generation) = now.allocation.expect("an allocation");
        assert!(generation > self.generation, "{slot}: the generation rises");
        assert!(self.ids.insert(id), "{slot}: an allocation id came twice");
        self.generation = generation;
        self.hard.remove(&slot);
        assert_clean(&self.world, &slot, &path, wanted);
    }

    #[track_caller]
    fn release(&mut self) {
        let all: Vec<String> = self.before.keys().cloned().collect();
        let Some(slot) = (!all.is_empty()).then(|| self.random.pick(&all).clone()) else {
            return;
        };
        let seen = self.before[&slot].clone();
        let mut args = format!("release p/{slot}");
        let id = seen
            .allocation
            .as_ref()
            .map(|(id, _)| id.clone())
            .unwrap_or_default();
        let (mut wrong, mut discard, mut later) = (false, false, false);
        match self.random.below(10) {
            0 => wrong = true,
            1 | 2 => later = true,
            3 | 4 => discard = true,
            5 => args.push_str(" --force"),
            6 if !id.is_empty() => args = format!("{args} --allocation {id}"),
            _ => {}
        }
        args.push_str(if wrong {
            " --allocation 00000000000000000000000000000000"
        } else {
            ""
        });
        args.push_str(if later { " --no-cleanup" } else { "" });
        args.push_str(if discard { " --discard" } else { "" });
        // One that is repaired where it lies is looked at again before it is handed out.
        let sound = self.world.slot_dir(&slot).join(".git").is_file();
        let out = self.call(&args);
        let hard = self.hard.contains(&slot);
        match seen.state.as_str() {
            "allocated" if wrong => self.unchanged(out.code(6)),
            "allocated" if hard && !discard && !later => self.unchanged(out.code(5)),
            "allocated" => {
                out.ok();
                let now = slots(&self.world)[&slot].clone();
                assert_eq!(now.state, "available", "{slot}");
                // Without cleaning it is not verified, unless it had to be made anew.
                assert!(now.verified || later || !sound, "{slot}");
                if now.verified {
                    self.hard.remove(&slot);
                }
                if discard {
                    self.given_up(&slot);
                }
            }
            "available" => self.unchanged(out.one_of(&[0, 6])),
            _ => self.unchanged(out.one_of(&[1, 6])),
        }
    }

    /// What only the slot held may go.
    #[track_caller]
    fn given_up(&mut self, slot: &str) {
        let kept = kept_by_refs(&self.world);
        let gone = |work: &Work| work.slot == slot && !kept.contains(&work.blob);
        self.works.retain(|work| !gone(work));
    }

    #[track_caller]
    pub(super) fn unchanged(&self, out: &Out) {
        assert_eq!(slots(&self.world), self.before, "nothing may change: {out}");
    }

    /// What holds after every step.
    #[track_caller]
    fn invariants(&mut self) {
        let now = slots(&self.world);
        for (name, slot) in &now {
            let Some((id, generation)) = &slot.allocation else {
                continue;
            };
            let before = self
                .before
                .get(name)
                .and_then(|seen| seen.allocation.clone());
            let same = before.as_ref() == Some(&(id.clone(), *generation));
            let known = same || self.ids.contains(id);
            assert!(known, "{name} is held by {id}, which nobody was given");
        }
        consistent(&self.world);
        let lost: Vec<&Work> = missing(&self.world, &self.works);
        assert!(lost.is_empty(), "work is lost: {lost:?}");
        self.before = now;
    }
}
