mod anything;

use proptest::prelude::*;

use super::*;
use crate::domain::dispatch::event::{Event, Record};
use crate::domain::dispatch::testing::{after, task};
use crate::domain::dispatch::{End, When};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1000 + second).unwrap()
}

/// A run that is told events.
struct Told {
    state: RunState,
    n: u64,
}

impl Told {
    fn of(tasks: Vec<Task>) -> Self {
        let state = RunState::new(tasks.into());
        let mut told = Self { state, n: 0 };
        told.tell(Event::RunStarted {
            pid: 1,
            policy: "priority".into(),
            tasks: 0,
        });
        told
    }

    /// Each event is a second after the one before.
    fn tell(&mut self, event: Event) -> Changes {
        self.n += 1;
        let time = at(self.n as i64);
        self.state.apply(&Record {
            n: self.n,
            time,
            event,
        })
    }

    fn attempt(&self, id: &str) -> AttemptId {
        let progress = self.progress(id);
        AttemptId {
            task: id.into(),
            attempt: progress.attempt,
            token: self.state.run().last_token,
        }
    }

    fn assign(&mut self, id: &str) -> AttemptId {
        let mut attempt = self.attempt(id);
        attempt.attempt += 1;
        attempt.token += 1;
        self.tell(Event::TaskAssigned {
            attempt: attempt.clone(),
            runner: "r".into(),
            agent_pool: "local".into(),
        });
        attempt
    }

    fn fails(&mut self, attempt: &AttemptId, retry_in: Option<f64>) -> Changes {
        self.tell(failed(attempt, EndClass::Failure, retry_in))
    }

    fn done(&mut self, attempt: &AttemptId) -> Changes {
        self.tell(completed(attempt))
    }

    fn run(&mut self, id: &str) -> Changes {
        let attempt = self.assign(id);
        self.done(&attempt)
    }

    fn progress(&self, id: &str) -> &Progress {
        self.state.progress(self.state.index(id).unwrap())
    }

    fn states(&self) -> String {
        let word = |task: usize| self.state.progress(task).state.word();
        let words: Vec<&str> = (0..self.state.tasks().len()).map(word).collect();
        words.join(" ")
    }
}

fn end(class: EndClass) -> End {
    End {
        class,
        exit_code: None,
        signal: None,
        reason: None,
        seconds: 1.0,
    }
}

fn completed(attempt: &AttemptId) -> Event {
    Event::RunnerCompleted {
        attempt: attempt.clone(),
        runner: "r".into(),
        slot_id: None,
        end: end(EndClass::Done),
        commit: Some("c0ffee".into()),
        branch: Some("rp/1".into()),
    }
}

fn failed(attempt: &AttemptId, class: EndClass, retry_in: Option<f64>) -> Event {
    Event::RunnerFailed {
        attempt: attempt.clone(),
        runner: "r".into(),
        slot_id: None,
        end: end(class),
        retry_in,
        counted: true,
    }
}

fn slot() -> SlotRef {
    SlotRef {
        pool: "app".into(),
        number: 2,
        path: "/w/app/slot2".into(),
        allocation: "x".into(),
        branch: "rp/1".into(),
        base_commit: "beef".into(),
    }
}

fn cancel(task: &str) -> Event {
    Event::TaskCancelled { task: task.into() }
}

fn retry(task: &str) -> Event {
    Event::TaskRetried { task: task.into() }
}

#[test]
fn a_task_is_ready_when_the_last_of_its_dependencies_is_done() {
    let mut told = Told::of(vec![
        after("3", &["1", "2"]),
        task("1"),
        Task {
            initial: Initial::Done,
            ..task("0")
        },
        after("2", &["0"]),
    ]);
    assert_eq!(told.states(), "waiting ready done ready");
    assert_eq!(told.progress("2").ready_at, Some(at(1)));
    assert_eq!(told.run("2"), Changes::default());
    let changes = told.run("1");
    assert_eq!(changes.ready, [0]);
    assert_eq!(told.progress("3").ready_at, Some(at(5)));
    let left = told.progress("1").left.as_deref();
    assert_eq!(left, Some(&("c0ffee".to_owned(), "rp/1".to_owned())));
    told.run("3");
    assert!(told.state.is_over());
    assert_eq!(told.state.count(TaskState::Done), 4);
}

#[test]
fn a_failed_task_blocks_its_dependents_and_retry_revives_them() {
    let always = Task {
        when: When::Always,
        ..after("report", &["2"])
    };
    let mut told = Told::of(vec![
        task("1"),
        after("2", &["1"]),
        after("3", &["2"]),
        always,
    ]);
    let attempt = told.assign("1");
    let changes = told.fails(&attempt, None);
    assert_eq!(told.states(), "failed blocked blocked ready");
    assert_eq!(changes.ready, [3]);
    assert_eq!(told.state.blocker(2), Some(0));
    let changes = told.tell(retry("1"));
    assert_eq!(told.states(), "ready waiting waiting waiting");
    assert_eq!((changes.ready, changes.withdrawn), (vec![0], vec![3]));
    assert_eq!(told.progress("1").counted, 0);
    assert_eq!(told.progress("1").attempt, 1);
    told.run("1");
    told.tell(cancel("2"));
    assert_eq!(told.states(), "done cancelled blocked ready");
    assert_eq!(told.state.blocker(2), Some(1));
    // What waits for a blocked task in any case goes as well.
    told.run("report");
    assert!(told.state.is_over());
}

#[test]
fn a_retry_comes_when_its_time_has_come_or_somebody_says_so() {
    let mut told = Told::of(vec![task("1"), task("2")]);
    for id in ["1", "2"] {
        let attempt = told.assign(id);
        told.fails(&attempt, Some(10.0));
    }
    assert_eq!(told.states(), "retrying retrying");
    assert_eq!(told.state.next_due(), Some(at(13)));
    assert!(told.state.due(at(12)).is_empty());
    assert_eq!(told.state.due(at(13)), [0]);
    assert_eq!(told.progress("1").ready_at, Some(at(13)));
    assert_eq!(told.tell(retry("2")).ready, [1]);
    assert_eq!(told.state.next_due(), None);
    assert_eq!(
        told.progress("2").counted,
        1,
        "the attempt is not forgotten"
    );
    // Without a wait it is ready at once.
    let attempt = told.assign("1");
    assert_eq!(told.fails(&attempt, Some(0.0)).ready, [0]);
}

#[test]
fn an_end_with_another_token_changes_nothing() {
    let mut told = Told::of(vec![task("1")]);
    let old = told.assign("1");
    told.tell(Event::RunnerLost {
        attempt: old.clone(),
        runner: "r".into(),
        slot_id: None,
        retry_in: Some(0.0),
    });
    let new = told.assign("1");
    assert!(!told.state.is_current(&old) && told.state.is_current(&new));
    assert_eq!(told.done(&old), Changes::default());
    assert_eq!(told.states(), "running");
    told.fails(&new, None);
    told.done(&new);
    assert_eq!(told.states(), "failed");
}

#[test]
fn without_a_slot_it_is_as_if_nothing_had_been_assigned() {
    let mut told = Told::of(vec![Task {
        repo: Some("app".into()),
        ..task("1")
    }]);
    for _ in 0..2 {
        let attempt = told.assign("1");
        let changes = told.tell(Event::SlotUnavailable {
            attempt,
            branch: None,
            pool: "app".into(),
            reason: "all in use".into(),
        });
        assert_eq!(changes.ready, [0]);
        let progress = told.progress("1");
        assert_eq!((progress.attempt, progress.counted), (0, 0));
        assert_eq!(progress.ready_at, Some(at(1)));
    }
    assert_eq!(told.state.run().exhausted["app"], (at(3), at(5)));
    let attempt = told.assign("1");
    assert_eq!(attempt.token, 3);
    told.tell(Event::SlotAllocated {
        attempt: attempt.clone(),
        slot: slot(),
    });
    assert!(told.state.run().exhausted.is_empty());
    told.done(&attempt);
    assert_eq!(told.progress("1").last_slot, Some(("app".into(), 2)));
    // What could not go back is still to go back.
    told.tell(Event::SlotReleased {
        attempt: attempt.clone(),
        slot_id: "workspace-app-slot2".into(),
        rescue: None,
        error: Some("it can't".into()),
    });
    assert_eq!(told.state.run().unreleased[&3], (attempt.clone(), slot()));
    told.tell(Event::SlotReleased {
        attempt,
        slot_id: "workspace-app-slot2".into(),
        rescue: None,
        error: None,
    });
    assert!(told.state.run().unreleased.is_empty());
}

#[test]
fn a_cancelled_attempt_is_not_tried_again_however_it_ends() {
    let mut told = Told::of(vec![task("1"), task("2"), after("3", &["2"])]);
    for id in ["1", "2"] {
        let attempt = told.assign(id);
        told.tell(cancel(id));
        assert_eq!(told.progress(id).state, TaskState::Running);
        match id {
            "1" => told.fails(&attempt, Some(5.0)),
            _ => told.done(&attempt),
        };
    }
    // It was done before it could be ended.
    assert_eq!(told.states(), "cancelled done ready");
    let changes = told.tell(cancel("3"));
    assert_eq!(changes.withdrawn, [2]);
    assert!(told.state.is_over());
}

#[test]
fn a_question_ends_the_attempt_and_its_dependents_wait() {
    let mut told = Told::of(vec![task("1"), after("2", &["1"])]);
    told.assign("1");
    told.tell(Event::NeedsAttention {
        task: Some("1".into()),
        question: "which?".into(),
        command: "repo-pool dispatch retry 1".into(),
    });
    assert_eq!(told.states(), "needs_attention waiting");
    assert_eq!(told.progress("1").note.as_deref(), Some("which?"));
    assert_eq!(told.state.open().count(), 0);
    assert_eq!(told.tell(retry("1")).ready, [0]);
    assert_eq!(told.progress("1").answer, None);
}

#[test]
fn nobody_is_asked_about_a_task_that_was_cancelled_meanwhile() {
    let mut told = Told::of(vec![task("1"), after("2", &["1"])]);
    told.assign("1");
    told.tell(cancel("1"));
    told.tell(Event::NeedsAttention {
        task: Some("1".into()),
        question: "which?".into(),
        command: "repo-pool dispatch retry 1".into(),
    });
    assert_eq!(told.states(), "cancelled blocked");
    assert_eq!(told.progress("1").answer, None);
    assert!(told.state.is_over());
}

#[test]
fn other_definitions_keep_what_has_happened() {
    let mut told = Told::of(vec![task("1"), after("2", &["1"]), task("3")]);
    told.run("1");
    told.tell(Event::TaskDropped { task: "3".into() });
    told.tell(Event::TaskDropped { task: "1".into() });
    let priority = Task {
        priority: 7,
        ..after("1", &[])
    };
    told.state.redefine(
        vec![priority, after("2", &["4"]), task("3"), task("4")].into(),
        Some(at(50)),
    );
    assert_eq!(told.states(), "done waiting dropped ready");
    assert_eq!(told.progress("1").priority, 7);
    assert_eq!(told.progress("4").ready_at, Some(at(50)));
    assert_eq!(told.tell(Event::TaskAdded { task: "3".into() }).ready, [2]);
    assert_eq!(told.run("4").ready, [1]);
}

#[test]
fn the_run_itself_is_known() {
    let mut told = Told::of(vec![task("1")]);
    told.tell(Event::AgentPoolChanged {
        agent_pool: "local".into(),
        enabled: Some(false),
        max_concurrency: None,
    });
    told.tell(Event::AgentPoolChanged {
        agent_pool: "local".into(),
        enabled: None,
        max_concurrency: Some(3),
    });
    told.tell(Event::AgentPoolCooling {
        agent_pool: "local".into(),
        seconds: 10.0,
    });
    told.tell(Event::RunDraining { signal: 15 });
    told.tell(Event::RunEnded { code: 143 });
    let run = told.state.run();
    let pool = PoolChange {
        enabled: Some(false),
        max_concurrency: Some(3),
        cooling_until: Some(at(14)),
    };
    assert_eq!(run.agent_pools["local"], pool);
    assert_eq!(run.draining, Some(15));
    assert_eq!(run.ended, Some((at(6), 143)));
    assert_eq!(run.last_number, 6);
    told.tell(Event::RunStarted {
        pid: 2,
        policy: "fifo".into(),
        tasks: 1,
    });
    let run = told.state.run();
    assert_eq!(
        (run.draining, run.ended, run.began),
        (None, None, Some(at(1)))
    );
}

#[test]
fn a_task_whose_dependency_is_run_again_meanwhile_waits_for_it() {
    let always = Task {
        when: When::Always,
        ..after("2", &["1"])
    };
    let mut told = Told::of(vec![
        Task {
            initial: Initial::Failed,
            ..task("1")
        },
        always,
    ]);
    let attempt = told.assign("2");
    told.tell(retry("1"));
    assert_eq!(told.fails(&attempt, Some(0.0)), Changes::default());
    assert_eq!(told.states(), "ready waiting");
}
