//! Every verb with what it starts from and what its success means: the table that crash points and
//! injected faults go through.
//!
//! A new verb is a function here and its name in [`for_each_verb`].

use super::await_quiet;
use super::scene::{Scene, Verb, program};

/// Calls a macro with the names of all verbs, each a function of this module.
macro_rules! for_each_verb {
    ($run:ident) => {
        $run! {
            create
            first_use
            allocate
            allocate_after_a_push
            allocate_exporting
            allocate_after_a_stranger
            allocate_and_grow
            allocate_a_branch
            allocate_a_ref
            allocate_in_line
            allocate_by_key
            reclaim
            release
            release_work
            release_unfinished_merge
            release_without_cleanup
            release_discarding
            release_in_background
            release_killing
            release_by_key
            exec
            exec_among_strangers
            add_slots
            remove_slot
            remove_held_slot
            remove_pool
            apply
            apply_growth
            apply_prune
            apply_removal
            isolate
            bring_back
            recover
            warm
            collect
            create_furnished
            allocate_furnished
            release_furnished
            warm_furnished
            create_partial
            release_in_parts
        }
    };
}
pub(crate) use for_each_verb;

pub fn create() -> Verb {
    Verb::new(
        "create",
        |scene| {
            scene.no_pool();
            format!("create p {} -n 2", scene.remote.url())
        },
        |scene, _| assert_eq!(scene.world.slots("p").len(), 2),
    )
}

pub fn first_use() -> Verb {
    Verb {
        pool: "remote",
        ..Verb::new(
            "first use",
            |scene| {
                scene.no_pool();
                format!("allocate {}", scene.world.path("own").display())
            },
            Scene::is_handed_out,
        )
    }
}

pub fn allocate() -> Verb {
    Verb::new("allocate", |_| "allocate p".into(), Scene::is_handed_out)
}

pub fn allocate_after_a_push() -> Verb {
    Verb::new(
        "allocate after a push",
        |scene| {
            let text = format!("late {}\n", scene.round);
            scene.world.push_commit(&scene.remote, "late.txt", &text);
            "allocate p".into()
        },
        |scene, out| {
            scene.is_handed_out(out);
            let text = std::fs::read_to_string(scene.slot.join("late.txt")).expect("the file");
            assert_eq!(text, format!("late {}\n", scene.round));
        },
    )
}

pub fn allocate_exporting() -> Verb {
    Verb::new(
        "allocate --export",
        |scene| {
            // Each time anew.
            let _ = std::fs::remove_file(scene.world.workspace().join(".repo-pool/numbers.json"));
            "allocate p --export".into()
        },
        |scene, out| {
            let lines = out.stdout.lines();
            let mut paths =
                lines.filter_map(|line| line.strip_prefix("export REPO_POOL_SLOT_PATH="));
            let path = paths.next().expect("the path").trim_matches('\'');
            scene.slot = path.into();
            assert_eq!(scene.state(), "allocated");
            scene.world.assert_clean(&scene.slot);
        },
    )
}

pub fn allocate_after_a_stranger() -> Verb {
    Verb::new(
        "allocate, of a slot that a stranger has left",
        |scene| {
            let args = among_strangers(scene);
            scene.world.pool(args).ok();
            assert_eq!(scene.world.status("p")["summary"]["cleaning_slots"], 1);
            scene.helpers.clear();
            "allocate p".into()
        },
        |scene, out| {
            scene.is_handed_out(out);
            // What it could not finish it has said, and left to the next.
            if !out.stderr.is_empty() {
                return;
            }
            assert_eq!(scene.world.status("p")["summary"]["available_slots"], 1);
            let made = format!("made {}\n", scene.round);
            assert!(scene.world.is_rescued("p", &made), "{made}");
        },
    )
}

pub fn allocate_and_grow() -> Verb {
    Verb::new(
        "allocate --grow",
        |scene| {
            scene.take();
            scene.take();
            "allocate p --grow".into()
        },
        Scene::is_handed_out,
    )
}

pub fn allocate_a_branch() -> Verb {
    Verb::new(
        "allocate --branch",
        |scene| format!("allocate p --branch feature/{}", scene.round),
        |scene, out| {
            scene.is_handed_out(out);
            let branch = scene.world.branch(&scene.slot);
            assert_eq!(branch, format!("feature/{}", scene.round));
        },
    )
}

pub fn allocate_a_ref() -> Verb {
    Verb::new(
        "allocate --ref",
        |_| "allocate p --ref v1.0".into(),
        |scene, out| {
            scene.is_handed_out(out);
            let tagged = scene.world.tip(&scene.remote, "v1.0");
            assert_eq!(scene.world.head(&scene.slot), tagged);
        },
    )
}

/// Both slots are taken, and the holders are gone: the first in line takes one of them back.
pub fn allocate_in_line() -> Verb {
    Verb {
        prepare: |scene| {
            (reclaim().prepare)(scene);
            "allocate p --wait 5m".into()
        },
        ..reclaim()
    }
}

/// The slot is held already, for some time, which runs anew.
pub fn allocate_by_key() -> Verb {
    Verb::new(
        "allocate --key",
        |scene| {
            let line = "allocate p --key mine --ttl 1h";
            scene.slot = scene.world.pool(line).ok().path();
            let text = format!("kept {}\n", scene.round);
            scene
                .held
                .write(&scene.world, &scene.slot, "kept.txt", &text);
            line.into()
        },
        |scene, out| {
            assert_eq!(out.path(), scene.slot);
            assert_eq!(scene.state(), "allocated");
        },
    )
}

pub fn reclaim() -> Verb {
    Verb::new(
        "allocate, of a dead owner",
        |scene| {
            for _ in 0..2 {
                let owner = scene.world.helper(&scene.world.path(""), "");
                let out = scene
                    .world
                    .pool(format!("allocate p --owner-pid {}", owner.pid()));
                scene.slot = out.ok().path();
                let text = format!("left {}\n", scene.round);
                scene
                    .held
                    .write(&scene.world, &scene.slot, "left.txt", &text);
                owner.end();
                let slot = scene.slot.file_name().expect("a slot").to_owned();
                scene.world.grow_silent(&slot.to_string_lossy(), 20);
            }
            "allocate p".into()
        },
        Scene::is_handed_out,
    )
}

pub fn release() -> Verb {
    Verb::new(
        "release",
        |scene| {
            scene.take();
            format!("release {}", scene.named())
        },
        Scene::is_back,
    )
}

pub fn release_work() -> Verb {
    Verb::new(
        "release with work",
        |scene| {
            scene.take_and_work();
            format!("release {}", scene.named())
        },
        |scene, out| {
            scene.is_back(out);
            assert!(
                scene
                    .world
                    .is_rescued("p", &format!("new {}\n", scene.round))
            );
        },
    )
}

pub fn release_unfinished_merge() -> Verb {
    Verb::new(
        "release in a merge",
        |scene| {
            scene.take();
            let Scene {
                world,
                held,
                slot,
                round,
                ..
            } = scene;
            let base = world.head(slot);
            held.commit(world, slot, "both.txt", &format!("one {round}\n"));
            let one = world.head(slot);
            world.git(slot, ["reset", "-q", "--hard", &base]);
            held.commit(world, slot, "both.txt", &format!("two {round}\n"));
            world.try_git(slot, ["merge", "-q", &one]).code(1);
            let hidden = "update-index --skip-worktree README.md";
            world.git(slot, hidden);
            held.write(world, slot, "README.md", &format!("hidden {round}\n"));
            format!("release {}", slot.display())
        },
        Scene::is_back,
    )
}

pub fn release_without_cleanup() -> Verb {
    Verb::new(
        "release --no-cleanup",
        |scene| {
            scene.take_and_work();
            format!("release {} --no-cleanup", scene.named())
        },
        Scene::is_back,
    )
}

pub fn release_discarding() -> Verb {
    Verb::new(
        "release --discard",
        |scene| {
            scene.take_and_work();
            scene.held.give_up();
            format!("release {} --discard", scene.named())
        },
        Scene::is_back,
    )
}

pub fn release_in_background() -> Verb {
    Verb::new(
        "release --background",
        |scene| {
            scene.take_and_work();
            format!("release {} --background", scene.named())
        },
        |scene, out| {
            await_quiet(&scene.world);
            // What fails the command fails the process that it leaves, too: the next one goes on, or
            // the slot says why it was not given back.
            if scene.state() == "cleaning" {
                scene.world.pool("recover").ok();
            }
            let slot = scene.world.slot(&scene.named());
            if slot["error"].is_string() {
                return;
            }
            scene.is_back(out);
            let work = format!("new {}\n", scene.round);
            assert!(scene.world.is_rescued("p", &work));
        },
    )
}

pub fn release_killing() -> Verb {
    Verb::new(
        "release --kill",
        |scene| {
            scene.take_and_work();
            let inside = scene.world.helper(&scene.slot, "");
            scene.helpers.push(inside);
            format!("release {} --kill", scene.named())
        },
        Scene::is_back,
    )
}

pub fn release_by_key() -> Verb {
    Verb::new(
        "release --key",
        |scene| {
            scene.slot = scene.world.pool("allocate p --key mine").ok().path();
            let text = format!("new {}\n", scene.round);
            scene
                .held
                .write(&scene.world, &scene.slot, "new.txt", &text);
            "release --key mine".into()
        },
        Scene::is_back,
    )
}

pub fn exec() -> Verb {
    Verb::new(
        "exec",
        |scene| {
            let script = scene.world.path("agent");
            let text = format!(
                "#!/bin/sh\necho made {} > made.txt\ngit add made.txt\nexec git commit -q -m made\n",
                scene.round
            );
            program(&script, &text);
            format!("exec p -- {}", script.display())
        },
        |scene, out| {
            // The code is the command's, also if the slot could not be given back.
            if out.stderr.contains("error:") {
                return;
            }
            let states = scene.world.status("p")["summary"]["available_slots"].clone();
            assert_eq!(states, 2);
            let made = format!("made {}\n", scene.round);
            assert!(scene.world.is_rescued("p", &made), "{made}");
        },
    )
}

pub fn exec_among_strangers() -> Verb {
    Verb::new(
        "exec, with a stranger inside at its end",
        among_strangers,
        |scene, out| {
            // As for any exec.
            if out.stderr.contains("error:") {
                return;
            }
            // What it says may itself not get through.
            if !out.stderr.is_empty() {
                out.says("is inside");
            }
            let summary = scene.world.status("p")["summary"].clone();
            assert_eq!(summary["cleaning_slots"], 1, "{summary}");
        },
    )
}

/// An `exec` whose command ends when somebody else is in its slot.
fn among_strangers(scene: &mut Scene) -> String {
    let slots = ["slot1", "slot2"].map(|slot| scene.world.slot_path(slot).display().to_string());
    let stranger = format!(
        "enter() {{ [ -s \"$1/made.txt\" ] && cd \"$1\" && echo yes > inside && exec sleep 600; }}; \
         (while :; do enter '{}'; enter '{}'; sleep 0.02; done) &",
        slots[0], slots[1]
    );
    let stranger = scene.world.helper(&scene.world.path(""), &stranger);
    scene.helpers.push(stranger);
    let command = scene.world.path("agent");
    let text = format!(
        "#!/bin/sh\necho made {} > made.txt || exit\nuntil [ -s inside ]; do sleep 0.02; done\n",
        scene.round
    );
    program(&command, &text);
    format!("exec p -- {}", command.display())
}

pub fn add_slots() -> Verb {
    Verb::new(
        "add-slot",
        |_| "add-slot p -n 2".into(),
        |scene, _| assert_eq!(scene.world.slots("p").len(), 4),
    )
}

pub fn remove_slot() -> Verb {
    Verb::new(
        "remove-slot",
        |_| "remove-slot p/slot1".into(),
        |scene, _| assert_eq!(scene.world.slots("p").len(), 1),
    )
}

pub fn remove_held_slot() -> Verb {
    Verb::new(
        "remove-slot --force",
        |scene| {
            scene.take_and_work();
            format!("remove-slot {} --force", scene.named())
        },
        |scene, _| assert_eq!(scene.world.slots("p").len(), 1),
    )
}

pub fn remove_pool() -> Verb {
    Verb::new(
        "remove-pool",
        |_| "remove-pool p".into(),
        |scene, _| assert!(!scene.world.pool_dir("p").exists()),
    )
}

/// What `pools.toml` declares of the pool, with so many slots.
fn declare(scene: &Scene, slots: u32) {
    let url = scene.remote.url();
    let strategy = scene.world.strategy();
    let text = format!("[pools.p]\nrepo_url = \"{url}\"\n{strategy}num_slots = {slots}\n");
    scene.world.declare(&text);
}

pub fn apply() -> Verb {
    Verb::new(
        "apply",
        |scene| {
            scene.no_pool();
            declare(scene, 2);
            "apply".into()
        },
        |scene, _| assert_eq!(scene.world.slots("p").len(), 2),
    )
}

/// The pool was made by hand, and grows.
pub fn apply_growth() -> Verb {
    Verb::new(
        "apply, of more slots",
        |scene| {
            declare(scene, 4);
            "apply".into()
        },
        |scene, _| assert_eq!(scene.world.slots("p").len(), 4),
    )
}

pub fn apply_prune() -> Verb {
    Verb::new(
        "apply --prune, of fewer slots",
        |scene| {
            declare(scene, 1);
            "apply --prune".into()
        },
        |scene, _| assert_eq!(scene.world.slots("p").len(), 1),
    )
}

pub fn apply_removal() -> Verb {
    Verb::new(
        "apply --prune, of a pool",
        |scene| {
            declare(scene, 2);
            scene.world.pool("apply").ok();
            scene.world.declare("");
            "apply --prune".into()
        },
        |scene, _| assert!(!scene.world.pool_dir("p").exists()),
    )
}

pub fn isolate() -> Verb {
    Verb {
        tidy: Scene::restore,
        ..Verb::new(
            "isolate",
            |_| "isolate p/slot1".into(),
            |scene, _| assert_eq!(scene.world.state("p/slot1"), "error"),
        )
    }
}

pub fn bring_back() -> Verb {
    Verb {
        tidy: Scene::restore,
        ..Verb::new(
            "recover SLOT",
            |scene| {
                scene.world.pool("isolate p/slot1").ok();
                "recover p/slot1".into()
            },
            |scene, _| assert_eq!(scene.world.state("p/slot1"), "available"),
        )
    }
}

pub fn recover() -> Verb {
    Verb::new(
        "recover",
        |scene| {
            scene.take_and_work();
            let held = scene.slot.ends_with("slot1");
            let idle = if held { "slot2" } else { "slot1" };
            for above in ["worktrees", "parked"] {
                let dir = scene.world.pool_dir("p").join(above).join(idle);
                let _ = std::fs::remove_dir_all(dir);
            }
            let pool = scene.world.pool_dir("p");
            std::fs::write(pool.join("locks/slot77.lock"), "").expect("writing");
            std::fs::create_dir_all(pool.join("trash/old")).expect("a directory");
            let lock = pool.join("repo.git/refs/heads/left.lock");
            std::fs::write(lock, "").expect("writing");
            "recover".into()
        },
        |_, _| {},
    )
}

/// One slot that only has to follow the remote, and one that somebody has worked in.
pub fn warm() -> Verb {
    Verb::new(
        "warm",
        |scene| {
            let Scene {
                world,
                remote,
                held,
                round,
                ..
            } = scene;
            world.push_commit(remote, "late.txt", &format!("late {round}\n"));
            let idle = world.idle_dir("slot2");
            // What an earlier round has left there may not have been looked at yet.
            let file = format!("found{round}.txt");
            held.write(world, &idle, &file, &format!("found {round}\n"));
            "warm p".into()
        },
        |scene, _| {
            let world = &scene.world;
            assert!(world.is_rescued("p", &format!("found {}\n", scene.round)));
            let base = world.tip(&scene.remote, "main");
            for slot in world.slots("p") {
                assert_eq!(slot["current_commit"], *base, "{slot}");
                is_marked(&slot);
            }
        },
    )
}

/// The slot was seen clean. A broken disk may keep one from being parked: it is looked at again then.
#[track_caller]
fn is_marked(slot: &serde_json::Value) {
    let place = std::path::Path::new(slot["slot_path"].as_str().expect("a path"));
    assert!(slot["verified"] == true || place.exists(), "{slot}");
}

pub fn collect() -> Verb {
    let verb = Verb::new(
        "collect",
        |scene| {
            scene.take();
            let Scene {
                world,
                held,
                slot,
                round,
                ..
            } = scene;
            // A branch of each round would be one more to look at in the next.
            held.give_up();
            let before = format!("refs/heads/made/{}", *round - 1);
            world.git(&world.bare("p"), ["update-ref", "-d", &before]);
            let branch = format!("made/{round}");
            world.git(slot, ["checkout", "-q", "-b", &branch]);
            held.commit(world, slot, "made.txt", &format!("made {round}\n"));
            let own = world.path("own").display().to_string();
            format!("collect {} --into {own}", slot.display())
        },
        |scene, _| {
            let name = format!("made/{}", scene.round);
            let there = scene
                .world
                .git(&scene.world.path("own"), ["rev-parse", &name]);
            assert_eq!(there, scene.world.head(&scene.slot));
        },
    );
    Verb {
        tidy: |scene| scene.held.outside_changed(&scene.world),
        ..verb
    }
}

pub fn create_furnished() -> Verb {
    Verb::new(
        "create with a set-up",
        |scene| {
            scene.no_pool();
            let url = scene.remote.url();
            let strategy = scene.world.strategy();
            let setup = "mkdir -p target; echo made > target/furnished";
            scene.world.declare(&format!(
                "[pools.p]\nrepo_url = \"{url}\"\n{strategy}keep = [\"target/\"]\nsetup = '{setup}; rm -r target'\n"
            ));
            format!("create p {url} -n 2")
        },
        |scene, _| {
            for slot in scene.world.slots("p") {
                assert_eq!(slot["state"], "available", "{slot}");
                is_marked(&slot);
            }
        },
    )
}

pub fn allocate_furnished() -> Verb {
    Verb::new(
        "allocate with a set-up",
        |scene| {
            scene.world.furnish(&scene.remote.url(), scene.round);
            "allocate p".into()
        },
        |scene, out| {
            scene.slot = out.path();
            assert_eq!(scene.world.lacks(&scene.slot), None);
        },
    )
}

pub fn release_furnished() -> Verb {
    Verb::new(
        "release with a command",
        |scene| {
            scene.world.furnish(&scene.remote.url(), scene.round);
            scene.take_and_work();
            format!("release {}", scene.named())
        },
        |scene, out| {
            scene.is_back(out);
            let work = format!("new {}\n", scene.round);
            assert!(scene.world.is_rescued("p", &work));
        },
    )
}

pub fn warm_furnished() -> Verb {
    Verb::new(
        "warm with a set-up",
        |scene| {
            scene.world.furnish(&scene.remote.url(), scene.round);
            "warm p".into()
        },
        |scene, _| {
            for slot in ["slot1", "slot2"] {
                assert_eq!(scene.world.lacks(&scene.world.slot_dir(slot)), None);
            }
        },
    )
}

pub fn create_partial() -> Verb {
    Verb::new(
        "create --filter",
        |scene| {
            scene.no_pool();
            let allow = "config uploadpack.allowFilter true";
            scene.world.git(&scene.remote.path, allow);
            format!("create p {} -n 2 --filter blob:none", scene.remote.url())
        },
        |scene, _| {
            assert_eq!(scene.world.slots("p").len(), 2);
            let filter = "config remote.origin.partialclonefilter";
            let filter = scene.world.git(&scene.world.bare("p"), filter);
            assert_eq!(filter, "blob:none");
        },
    )
}

/// The slots have some of the directories, and in one of them a submodule.
pub fn release_in_parts() -> Verb {
    Verb::new(
        "release of a sparse slot with a submodule",
        |scene| {
            let Scene { world, remote, .. } = &*scene;
            if !world.path("library.git").exists() {
                let library = world.small_remote("library");
                let own = world.path("own");
                let add = [
                    "-c",
                    "protocol.file.allow=always",
                    "submodule",
                    "--quiet",
                    "add",
                    &library.dir(),
                    "src/lib",
                ];
                world.git(&own, add);
                world.git(&own, "commit -q -m Submodule");
                world.git(&own, "push -q origin main");
            }
            let (url, strategy) = (remote.url(), world.strategy());
            world.declare(&format!(
                "[pools.p]\nrepo_url = \"{url}\"\n{strategy}sparse = [\"src\"]\nsubmodules = true\n"
            ));
            // Now the slots are that, too.
            world.pool("warm p").ok();
            scene.take_and_work();
            let Scene { world, slot, .. } = scene;
            assert!(slot.join("src/lib/README.md").exists() && !slot.join("tools").exists());
            world.assert_clean(&slot.join("src/lib"));
            format!("release {}", scene.named())
        },
        |scene, out| {
            scene.is_back(out);
            let work = format!("new {}\n", scene.round);
            assert!(scene.world.is_rescued("p", &work));
        },
    )
}
