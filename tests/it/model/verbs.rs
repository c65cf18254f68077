//! The rest of a run's operations: those on whole slots and pools, and the remote's.

use super::agent::{ACTIONS, blob, place};
use super::check::{Work, slots};
use super::run::{MOST, Run};
use crate::support::Call;

impl Run {
    #[track_caller]
    pub(super) fn exec(&mut self) {
        let action = self.random.pick(&ACTIONS[..12]);
        let text = self.text();
        let args = ["exec", "p", "--", "sh", "-c", action.script];
        self.note(&format!("exec p: {}", action.name));
        let before = std::mem::replace(&mut self.base, self.world.tip(&self.remote, "main"));
        let call: Call = self.world.call(args);
        let out = call.env("N", self.number.to_string()).env("W", &text).run();
        self.steps
            .push(format!("    exit {}: {}", out.code, out.stderr.trim()));
        let soft = self
            .in_state("available")
            .iter()
            .any(|slot| !self.hard.contains(slot));
        if out.code == 125 {
            assert!(!soft, "there was a free slot: {out}");
            self.base = before;
            return;
        }
        assert_eq!(self.in_state("allocated").len(), {
            let now = slots(&self.world);
            now.values()
                .filter(|slot| slot.state == "allocated")
                .count()
        });
        if out.code == 0 {
            // It is in no slot any more, so a ref must hold it.
            self.works.push(Work {
                slot: "none".into(),
                blob: blob(&self.world, &text),
                text,
            });
        }
    }

    #[track_caller]
    pub(super) fn remote_moves(&mut self) {
        let name = format!("pushed{}.txt", self.number);
        match self.random.below(8) {
            0 => {
                self.note("somebody pushes topic");
                self.world
                    .push_to(&self.remote, "refs/heads/topic", &name, "topic\n");
            }
            1 => {
                self.note("somebody takes the newest commit of main back");
                self.world.git(
                    &self.remote.path,
                    "update-ref refs/heads/main refs/heads/main~1",
                );
            }
            _ => {
                self.note("somebody pushes main");
                self.world.push_commit(&self.remote, &name, "pushed\n");
            }
        }
    }

    #[track_caller]
    pub(super) fn add_slot(&mut self) {
        if self.before.len() < MOST {
            self.call("add-slot p").ok();
            assert_eq!(slots(&self.world).len(), self.before.len() + 1);
        }
    }

    #[track_caller]
    pub(super) fn remove_slot(&mut self) {
        let all: Vec<String> = self.before.keys().cloned().collect();
        if all.len() < 2 {
            return;
        }
        let slot = self.random.pick(&all).clone();
        let force = self.random.chance(50);
        let out = self.call(&format!(
            "remove-slot p/{slot}{}",
            if force { " --force" } else { "" }
        ));
        let hard = self.hard.contains(&slot);
        let held = self.before[&slot].state == "allocated";
        if (held && !force) || hard {
            return self.unchanged(out.code(5));
        }
        out.ok();
        assert!(
            !slots(&self.world).contains_key(&slot),
            "{slot} is still there"
        );
        assert!(
            place(&self.world, &slot).is_none(),
            "{slot} still has a directory"
        );
    }

    #[track_caller]
    pub(super) fn isolate(&mut self) {
        let all: Vec<String> = self.before.keys().cloned().collect();
        let slot = self.random.pick(&all).clone();
        let out = self.call(&format!("isolate p/{slot} --reason looking"));
        match self.before[&slot].state.as_str() {
            "available" => {
                out.ok();
                assert_eq!(slots(&self.world)[&slot].state, "error");
            }
            _ => self.unchanged(out.one_of(&[0, 1, 5])),
        }
    }

    #[track_caller]
    pub(super) fn recover(&mut self) {
        let out = self.in_state("error");
        let named = (!out.is_empty()).then(|| self.random.pick(&out).clone());
        let Some(slot) = named.filter(|_| self.random.chance(80)) else {
            let plan = self.call("recover p --dry-run");
            self.unchanged(plan.one_of(&[0, 1]));
            self.call("recover p").one_of(&[0, 1]);
            return;
        };
        let hard = self.hard.contains(&slot);
        let out = self.call(&format!("recover p/{slot}"));
        if !hard {
            out.ok();
        } else if out.code != 0 {
            self.call(&format!("recover p/{slot} --force")).ok();
        }
        assert_eq!(
            slots(&self.world)[&slot].state,
            "available",
            "{slot}: {out}"
        );
        self.hard.remove(&slot);
    }

    #[track_caller]
    pub(super) fn look(&mut self) {
        let views = [
            "status",
            "status p",
            "list",
            "log p",
            "branches p",
            "status p/slot1",
        ];
        let view = *self.random.pick(&views);
        let out = self.call(view);
        self.unchanged(out.one_of(&[0, 7]));
    }
}
