//! Every verb killed before each of its effects, one after the other: the pool is in order after
//! `recover`, and usable without it; nothing is lost, and nothing is held twice.
//!
//! The process kills itself (`sys::crash`, in builds with debug assertions only), so that no moment
//! between two effects is left out and none depends on timing. Usually every fourth point is tried,
//! beginning with one that the seed chooses, with either `recover` or the next commands coming first;
//! `REPO_POOL_TEST_CRASHES=all` tries both at each.

use crate::support::verbs::for_each_verb;
use crate::support::{Out, Scene, Verb, all_crashes, crash_places, say, verbs};

/// What a process that was ended by SIGKILL leaves as its code.
const KILLED: i32 = 128 + 9;

/// No verb has so many effects.
const MOST_POINTS: u32 = 500;

macro_rules! killed_before_every_effect {
    ($($verb:ident)*) => {
        $(
            /// 9.4: see the module.
            #[test]
            pub fn $verb() {
                kill_everywhere(&verbs::$verb());
            }
        )*
    };
}
for_each_verb!(killed_before_every_effect);

/// Kills the verb before its first effect, its second, and so on until it gets through.
fn kill_everywhere(verb: &Verb) {
    let rounds: &[u32] = if all_crashes() { &[0, 1] } else { &[0] };
    let mut scene = Scene::new(verb);
    for odd in rounds {
        let mut points = 0;
        for point in crash_places(4) {
            let out = killed_at(&mut scene, verb, point);
            let recover_first = (points + odd) % 2 == 1;
            if out.code != KILLED {
                out.ok();
                (verb.succeeded)(&mut scene, &out);
                scene.held.outside_changed(&scene.world);
                scene.in_order(verb, recover_first, "unharmed");
                break;
            }
            points += 1;
            assert!(point < MOST_POINTS, "{}: it never ends", verb.name);
            scene.in_order(verb, recover_first, &out.stderr);
        }
        assert!(points > 0, "{}: there are no crash points", verb.name);
        say(&format!("{}: killed at {points} points", verb.name));
    }
}

fn killed_at(scene: &mut Scene, verb: &Verb, point: u32) -> Out {
    let args = scene.prepare(verb);
    let call = scene.world.call(args).env("REPO_POOL_JOBS", "1");
    call.env("REPO_POOL_CRASH_AT", point.to_string()).run()
}
