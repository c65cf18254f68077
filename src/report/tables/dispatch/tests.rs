use crate::domain::dispatch::agents::Kind;
use crate::domain::dispatch::event::{AttemptId, SlotRef};
use crate::domain::dispatch::{End, EndClass, Event, Record};
use crate::domain::outcome::{AttemptView, CommandView};
use crate::report::tables::samples::{at, now};

use super::*;

fn ago(seconds: i64) -> Timestamp {
    now() - jiff::SignedDuration::from_secs(seconds)
}

fn task(id: &str, title: &str, state: TaskState) -> TaskView {
    TaskView {
        id: id.into(),
        title: title.into(),
        state,
        since: None,
        attempt: 0,
        counted: 0,
        max_attempts: 3,
        priority: 0,
        depends: Vec::new(),
        ready_at: None,
        retry_at: None,
        running: None,
        last_end: None,
        last_seconds: None,
        note: None,
        commit: None,
        branch: None,
    }
}

fn slot() -> SlotRef {
    SlotRef {
        pool: "app".into(),
        number: 2,
        path: "/w/app/worktrees/slot2".into(),
        allocation: "a1".into(),
        branch: "rp/3".into(),
        base_commit: "1a2b3c4d5e".into(),
    }
}

fn sample() -> RunView {
    let running = TaskView {
        attempt: 1,
        running: Some(AttemptView {
            runner: "rp-tasks-1a2b3c4d-3-a1".into(),
            agent_pool: "local".into(),
            handle: Some("pid 4711".into()),
            assigned_at: ago(250),
            started_at: Some(ago(249)),
            slot: Some(slot()),
            stopping: None,
            note: None,
        }),
        ..task("3", "Log in", TaskState::Running)
    };
    let retrying = TaskView {
        since: Some(ago(2)),
        last_seconds: Some(1.5),
        attempt: 2,
        counted: 2,
        retry_at: Some(ago(-4)),
        note: Some("exit 1".into()),
        ..task("backend/api\n", "Serve the API", TaskState::Retrying)
    };
    let failed = TaskView {
        since: Some(ago(3700)),
        last_seconds: Some(61.0),
        attempt: 3,
        note: Some("exit 3".into()),
        ..task("5", "Deploy", TaskState::Failed)
    };
    let pool = |name: &str, running, quota| AgentPoolView {
        name: name.into(),
        engine: Kind::LocalProcess,
        enabled: running > 0,
        running,
        max_concurrency: 4,
        cpu_in_use: 1.5,
        cpu_quota: quota,
        memory_in_use_bytes: 1 << 30,
        memory_quota_bytes: quota.map(|_| 8 << 30),
        cooling_until: None,
    };
    RunView {
        run: "tasks-1a2b3c4d".into(),
        directory: "/w/.repo-pool/dispatch/tasks-1a2b3c4d".into(),
        files: vec!["/home/me/tasks.toml".into()],
        state: RunPhase::Running,
        dispatcher_pid: Some(99),
        policy: Some("priority".into()),
        began_at: Some(ago(300)),
        started_at: Some(ago(300)),
        ended_at: None,
        exit_code: None,
        counts: TaskCounts {
            total: 12,
            waiting: 4,
            running: 1,
            retrying: 1,
            done: 3,
            failed: 1,
            blocked: 1,
            needs_attention: 1,
            ..TaskCounts::default()
        },
        agent_pools: vec![pool("local", 2, Some(4.0)), pool("slow", 0, None)],
        attention: vec![AttentionView {
            task: Some("9".into()),
            question: "the branches of 1 and 2 conflict in api/auth.py".into(),
            command: "repo-pool dispatch retry 9".into(),
        }],
        tasks: vec![running, retrying, failed],
    }
}

#[test]
fn a_run_at_80_columns() {
    insta::assert_snapshot!(run(&sample(), now(), &at(Some(80))), @r"
    tasks-1a2b3c4d  running for 5m, pid 99, policy priority
    [=====>              ] 3 of 12 done, 1 running, 1 retrying, 4 waiting, 1 failed,
      1 blocked, 1 needing you

    AGENT POOL  RUNNING  MAX  TYPE           CPU       MEMORY              NOTE
    local             2    4  local-process  1.5 of 4  1.0 GiB of 8.0 GiB  -
    slow              0    4  local-process  -         -                   disabled

    TASK           STATE     SINCE   TOOK  ATTEMPT  SLOT       NOTE
    3              running      4m      -  1 of 3   app/slot2  -
    backend/api\n  retrying     2s  1.5 s  2 of 3   -          again in 4s; exit 1
    5              failed    1h 1m  1m 1s  3 of 3   -          exit 3

    task 9 needs you: the branches of 1 and 2 conflict in api/auth.py
      repo-pool dispatch retry 9
    ");
}

#[test]
fn a_run_at_200_columns() {
    insta::assert_snapshot!(run(&sample(), now(), &at(Some(200))), @r"
    tasks-1a2b3c4d  running for 5m, pid 99, policy priority
    [=====>              ] 3 of 12 done, 1 running, 1 retrying, 4 waiting, 1 failed, 1 blocked, 1 needing you

    AGENT POOL  RUNNING  MAX  TYPE           CPU       MEMORY              NOTE
    local             2    4  local-process  1.5 of 4  1.0 GiB of 8.0 GiB  -
    slow              0    4  local-process  -         -                   disabled

    TASK           STATE     SINCE   TOOK  ATTEMPT  AGENT POOL  SLOT       RUNNER    TITLE          NOTE
    3              running      4m      -  1 of 3   local       app/slot2  pid 4711  Log in         -
    backend/api\n  retrying     2s  1.5 s  2 of 3   -           -          -         Serve the API  again in 4s; exit 1
    5              failed    1h 1m  1m 1s  3 of 3   -           -          -         Deploy         exit 3

    task 9 needs you: the branches of 1 and 2 conflict in api/auth.py
      repo-pool dispatch retry 9
    ");
}

#[test]
fn a_run_that_is_over() {
    let over = RunView {
        state: RunPhase::Ended,
        ended_at: Some(ago(60)),
        exit_code: Some(0),
        dispatcher_pid: None,
        counts: TaskCounts {
            total: 3,
            done: 3,
            ..TaskCounts::default()
        },
        agent_pools: Vec::new(),
        attention: Vec::new(),
        tasks: Vec::new(),
        ..sample()
    };
    insta::assert_snapshot!(run(&over, now(), &at(None)), @"
    tasks-1a2b3c4d  ended 1m ago, exit 0, policy priority
    [====================] 3 of 3 done
    ");
    let none = TaskCounts::default();
    assert!(progress(&none, &at(None)).contains("0 of 0 done"));
}

#[test]
fn the_end_of_a_run_says_what_went_wrong_and_what_helps() {
    let over = RunView {
        state: RunPhase::Ended,
        ended_at: Some(now()),
        counts: TaskCounts {
            total: 2,
            done: 1,
            failed: 1,
            ..TaskCounts::default()
        },
        attention: Vec::new(),
        tasks: sample().tasks.split_off(2),
        ..sample()
    };
    let resume = "repo-pool dispatch run tasks.toml";
    insta::assert_snapshot!(summary(&over, resume, now(), &at(Some(80))), @"
    tasks-1a2b3c4d  1 of 2 done, 1 failed, in 5m

      5  failed  attempt 3 of 3  exit 3

    `repo-pool dispatch log TASK --run tasks-1a2b3c4d` shows what a task said
    `repo-pool dispatch retry --failed --run tasks-1a2b3c4d` and `repo-pool dispatch run tasks.toml` run what failed again
    ");
}

#[test]
fn why_names_reasons_and_commands() {
    let shown = WhyView {
        run: "tasks-1a2b3c4d".into(),
        task: task("6", "", TaskState::Blocked),
        reasons: vec!["task 5, which it depends on, failed".into()],
        commands: vec![CommandView {
            command: "repo-pool dispatch retry 5".into(),
            effect: "runs task 5 again, and then this one".into(),
        }],
    };
    insta::assert_snapshot!(why(&shown, now(), &at(Some(80))), @"
    6  blocked
    task 5, which it depends on, failed

      repo-pool dispatch retry 5  runs task 5 again, and then this one
    ");
}

fn attempt() -> AttemptId {
    AttemptId {
        task: "3".into(),
        attempt: 1,
        token: 7,
    }
}

fn end(class: EndClass, exit_code: Option<i32>, reason: Option<&str>) -> End {
    End {
        class,
        exit_code,
        signal: None,
        reason: reason.map(str::to_owned),
        seconds: 72.0,
    }
}

#[test]
fn events_tell_what_happened_a_line_each() {
    let runner = || "rp-r-3-a1".to_owned();
    let events = [
        Event::RunStarted {
            pid: 99,
            policy: "priority".into(),
            tasks: 12,
        },
        Event::TaskAssigned {
            attempt: attempt(),
            runner: runner(),
            agent_pool: "local".into(),
        },
        Event::SlotAllocated {
            attempt: attempt(),
            slot: slot(),
        },
        Event::RunnerStarted {
            attempt: attempt(),
            runner: runner(),
            handle: "pid 4711".into(),
        },
        Event::RunnerFailed {
            attempt: attempt(),
            runner: runner(),
            slot_id: None,
            end: end(EndClass::Failure, Some(3), None),
            retry_in: Some(1.1),
            counted: true,
        },
        Event::RunnerFailed {
            attempt: attempt(),
            runner: runner(),
            slot_id: None,
            end: end(EndClass::Timeout, None, Some("longer than 1m")),
            retry_in: None,
            counted: true,
        },
        Event::RunnerCompleted {
            attempt: attempt(),
            runner: runner(),
            slot_id: None,
            end: end(EndClass::Done, Some(0), None),
            commit: Some("1a2b3c4d5e".into()),
            branch: Some("rp/3".into()),
        },
        Event::SlotReleased {
            attempt: attempt(),
            slot_id: "workspace-app-slot2".into(),
            rescue: Some("slot2-8045931a".into()),
            error: None,
        },
        Event::AgentPoolChanged {
            agent_pool: "local".into(),
            enabled: Some(false),
            max_concurrency: None,
        },
        Event::NeedsAttention {
            task: Some("a\x1b[31mb".into()),
            question: "which?".into(),
            command: "repo-pool dispatch retry x".into(),
        },
        Event::RunEnded { code: 4 },
    ];
    let records: Vec<Record> = (1..)
        .zip(events)
        .map(|(n, event)| Record {
            n,
            time: now(),
            event,
        })
        .collect();
    insta::assert_snapshot!(EventLines::default().lines(&records, &at(None)), @r"
    2026-07-01T12:00:00Z  -           run started  12 tasks, policy priority, pid 99
    2026-07-01T12:00:00Z  3           assigned     attempt 1, agent pool local
    2026-07-01T12:00:00Z  3           slot         app/slot2, rp/3 at 1a2b3c4d
    2026-07-01T12:00:00Z  3           started      attempt 1, pid 4711
    2026-07-01T12:00:00Z  3           failed       attempt 1: exit 3 after 1m 12s; again in 1.1 s
    2026-07-01T12:00:00Z  3           failed       attempt 1: timeout after 1m 12s (longer than 1m); not tried again
    2026-07-01T12:00:00Z  3           done         1m 12s, rp/3 at 1a2b3c4d
    2026-07-01T12:00:00Z  3           released     app/slot2; work was saved: slot2-8045931a
    2026-07-01T12:00:00Z  -           changed      agent pool local, disabled
    2026-07-01T12:00:00Z  a\x1b[31mb  needs you    which?: repo-pool dispatch retry x
    2026-07-01T12:00:00Z  -           run ended    exit 4
    ");
}
