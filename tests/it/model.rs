//! Random operations against a model, the invariants after every step.
//!
//! `REPO_POOL_TEST_SEED` repeats a run, `REPO_POOL_TEST_STEPS` sets how long it is.

mod agent;
mod check;
mod random;
mod run;
mod together;
mod verbs;

use run::Run;
use together::Together;

/// Follows one seed; a failure shows all steps.
fn follow(seed: u64, steps: u64) {
    let mut run = Run::new(seed);
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        for _ in 0..steps {
            run.step();
        }
    }));
    if outcome.is_err() {
        panic!("seed {seed} fails after\n{}", run.steps.join("\n"));
    }
}

/// All invariants: one command after the other, each checked against the model.
#[test]
pub fn random_operations_keep_every_promise() {
    let seed = random::seed("random operations");
    follow(seed, random::steps(120));
}

/// Invariants (1), (2), (3), (4), (7), (8): several processes at once on one pool.
#[test]
pub fn random_operations_of_several_at_once_keep_every_promise() {
    let seed = random::seed("several at once");
    let together = Together::new(seed);
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        for round in 0..3 {
            together.round(round, random::steps(60) / 5);
        }
    }));
    if outcome.is_err() {
        let steps = together.steps.lock().unwrap_or_else(|e| e.into_inner());
        panic!("seed {seed} fails after\n{}", steps.join("\n"));
    }
}
