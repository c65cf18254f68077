use proptest::prelude::*;

use super::*;
use crate::domain::dispatch::agents::Policy;
use crate::domain::dispatch::testing::{after, agent_pool, rules, task};

fn at(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(1_000_000 + milliseconds).unwrap()
}

fn second(_: &Task) -> Duration {
    Duration::from_secs(1)
}

#[test]
fn a_plan_for_some_has_them_and_what_they_depend_on() {
    let tasks = vec![task("1"), task("2"), after("3", &["1"]), after("4", &["2"])];
    let state = RunState::new(tasks.into());
    let pools = [agent_pool("a", 1)];
    let plan = |only: &str| {
        let scope = Scope::of(&state, &[only.to_owned()]).unwrap();
        simulate(&state, &scope, &pools, &rules(), at(0), second)
    };
    assert_eq!(steps(&plan("3"), &state), "0s 1@a, 1s 3@a");
    assert_eq!(steps(&plan("2"), &state), "0s 2@a");
    assert_eq!(plan("3").left, []);
}

fn steps(plan: &Plan, state: &RunState) -> String {
    let steps = plan.steps.iter().map(|step| {
        let id = &state.tasks()[step.task].id;
        format!("{}s {id}@{}", step.after.as_secs(), step.agent_pool)
    });
    steps.collect::<Vec<_>>().join(", ")
}

/// What is not in the scope is in no plan, also when it becomes ready on the way.
#[test]
fn a_plan_may_be_of_some_tasks_only() {
    let tasks = vec![
        after("1", &[]),
        after("2", &["1"]),
        after("3", &["2"]),
        after("4", &["1"]),
    ];
    let state = RunState::new(tasks.into());
    let scope = Scope::of(&state, &["3".to_owned()]).unwrap();
    let plan = simulate(
        &state,
        &scope,
        &[agent_pool("a", 9)],
        &rules(),
        at(0),
        second,
    );
    assert_eq!(steps(&plan, &state), "0s 1@a, 1s 2@a, 2s 3@a");
    assert_eq!(plan.left, []);
}

#[test]
fn a_plan_names_every_step_and_what_never_begins_with_the_reason() {
    let mut huge = task("5");
    huge.skill = Some("none has it".into());
    let mut pool = agent_pool("a", 2);
    pool.skills = vec!["x".into()];
    let tasks = vec![
        after("1", &["2", "3"]),
        task("2"),
        task("3"),
        task("4"),
        huge,
        after("6", &["5"]),
    ];
    let state = RunState::new(tasks.into());
    let pools = [pool, agent_pool("b", 2)];
    let plan = simulate(&state, &Scope::default(), &pools, &rules(), at(0), second);
    assert_eq!(steps(&plan, &state), "0s 2@b, 0s 3@b, 1s 4@b, 1s 1@b");
    let left: Vec<Index> = plan.left.iter().map(|(task, _)| *task).collect();
    assert_eq!(left, [4, 5]);
    assert!(matches!(plan.left[0].1[..], [Reason::Impossible { .. }]));
    assert!(matches!(plan.left[1].1[..], [Reason::Dependency { .. }]));
}

#[test]
fn a_plan_goes_on_from_where_the_run_stands() {
    let tasks = vec![task("1"), after("2", &["1"]), task("3")];
    let mut state = RunState::new(tasks.into());
    let tell = |state: &mut RunState, n, event| {
        state.apply(&Record {
            n,
            time: at(0),
            event,
        })
    };
    tell(
        &mut state,
        1,
        Event::TaskAssigned {
            attempt: AttemptId {
                task: "1".into(),
                attempt: 1,
                token: 1,
            },
            runner: "r".into(),
            agent_pool: "a".into(),
        },
    );
    tell(
        &mut state,
        2,
        Event::AgentPoolCooling {
            agent_pool: "a".into(),
            seconds: 30.0,
        },
    );
    let plan = simulate(
        &state,
        &Scope::default(),
        &[agent_pool("a", 1)],
        &rules(),
        at(5000),
        second,
    );
    assert_eq!(steps(&plan, &state), "25s 2@a, 26s 3@a");
}

/// What a run does that follows its events, and is killed and taken up again at some of its steps.
struct Run {
    records: Vec<String>,
    state: RunState,
    scheduler: Scheduler,
    pools: Vec<AgentPool>,
    rules: Rules,
    now: i64,
}

impl Run {
    fn of(tasks: Arc<[Task]>, pools: Vec<AgentPool>, rules: Rules) -> Self {
        let state = RunState::new(tasks);
        let mut run = Self {
            records: Vec::new(),
            scheduler: Scheduler::resume(&state, &pools, &rules),
            state,
            pools,
            rules,
            now: 0,
        };
        run.tell(Event::RunStarted {
            pid: 1,
            policy: "priority".into(),
            tasks: 0,
        });
        run.scheduler = Scheduler::resume(&run.state, &run.pools, &run.rules);
        run
    }

    fn tell(&mut self, event: Event) -> Changes {
        let record = Record {
            n: self.records.len() as u64 + 1,
            time: at(self.now),
            event,
        };
        self.records.push(serde_json::to_string(&record).unwrap());
        self.state.apply(&record)
    }

    fn killed(&mut self) {
        self.state = RunState::new(self.state.tasks().clone());
        for line in &self.records {
            self.state.apply(&serde_json::from_str(line).unwrap());
        }
        self.scheduler = Scheduler::resume(&self.state, &self.pools, &self.rules);
    }

    fn steps(mut self, lasts: impl Fn(&Task) -> Duration, kills: &[bool]) -> Vec<Step> {
        let (mut steps, mut ends, mut kills) = (Vec::new(), BTreeSet::new(), kills.iter().cycle());
        loop {
            while let Some(placement) = self.scheduler.next(at(self.now).as_millisecond()) {
                let task = self.state.tasks()[placement.task].clone();
                let token = self.state.run().last_token + 1;
                self.tell(Event::TaskAssigned {
                    attempt: AttemptId {
                        task: task.id.to_string(),
                        attempt: 1,
                        token,
                    },
                    runner: "r".into(),
                    agent_pool: placement.agent_pool.to_string(),
                });
                ends.insert((
                    self.now + lasts(&task).as_millis() as i64,
                    token,
                    placement.task,
                ));
                steps.push(Step {
                    after: Duration::from_millis(self.now as u64),
                    task: placement.task,
                    agent_pool: placement.agent_pool,
                });
                if kills.next().is_some_and(|killed| *killed) {
                    self.killed();
                }
            }
            let Some(now) = ends.first().map(|(time, ..)| *time) else {
                return steps;
            };
            self.now = now;
            while ends.first().is_some_and(|(time, ..)| *time == now) {
                let (_, _, task) = ends.pop_first().unwrap();
                self.ends(task);
            }
        }
    }

    fn ends(&mut self, task: Index) {
        let attempt = self.state.progress(task).open.as_ref().unwrap().id.clone();
        self.scheduler.finished(task, at(self.now).as_millisecond());
        let changes = self.tell(Event::RunnerCompleted {
            attempt,
            runner: "r".into(),
            slot_id: None,
            end: End {
                class: EndClass::Done,
                exit_code: Some(0),
                signal: None,
                reason: None,
                seconds: 1.0,
            },
            commit: None,
            branch: None,
        });
        for task in changes.ready {
            self.scheduler.ready(task, at(self.now).as_millisecond());
        }
    }
}

fn some_tasks() -> impl Strategy<Value = Vec<Task>> {
    let one = (
        prop::collection::vec(0_usize..20, 0..3),
        -2_i64..3,
        prop::sample::select(vec![500_u32, 1000, 2000]),
        prop::collection::vec(prop::sample::select(vec!["x", "y"]), 0..2),
        prop::option::of(prop::sample::select(vec!["app", "web"])),
        prop::sample::select(vec!["a", "b"]),
    );
    prop::collection::vec(one, 1..20).prop_map(|tasks| {
        let tasks = tasks.into_iter().enumerate();
        let made = tasks.map(|(id, (depends, priority, cpu, files, repo, share))| Task {
            depends: depends
                .iter()
                .filter(|on| **on < id)
                .map(|on| on.to_string().into())
                .collect(),
            priority,
            cpu,
            files: files.into_iter().map(Into::into).collect(),
            repo: repo.map(Into::into),
            share: share.into(),
            ..task(&id.to_string())
        });
        made.collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_runs_is_the_plan_also_if_the_dispatcher_is_killed_on_the_way(
        tasks in some_tasks(),
        policy in prop::sample::select(vec![
            Policy::Fifo, Policy::Priority, Policy::SkillBased, Policy::FairShare,
        ]),
        kills in prop::collection::vec(any::<bool>(), 1..20),
        aging in any::<bool>(),
    ) {
        let tasks: Arc<[Task]> = tasks.into();
        let aging_interval = aging.then_some(Duration::from_millis(300));
        let rules = Rules { policy, aging_interval, max_global_concurrency: 3, ..rules() };
        let mut pools = vec![agent_pool("one", 2), agent_pool("two", 2)];
        pools[1].cpu_quota = Some(2500);
        let lasts = |task: &Task| Duration::from_millis(100 + 37 * task.id.len() as u64 + u64::from(task.cpu));
        let plan = simulate(&RunState::new(tasks.clone()), &Scope::default(), &pools, &rules, at(0), lasts);
        prop_assert_eq!(plan.steps.len(), tasks.len());
        prop_assert_eq!(&plan, &simulate(&RunState::new(tasks.clone()), &Scope::default(), &pools, &rules, at(0), lasts));
        let run = Run::of(tasks, pools, rules);
        prop_assert_eq!(&plan.steps, &run.steps(lasts, &kills));
    }
}
