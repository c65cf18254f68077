//! What the tables are tested with.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::domain::event::{Event, EventKind};
use crate::domain::lease::Owner;
use crate::domain::outcome::*;
use crate::domain::pool::Strategy;
use crate::domain::process::ProcessStamp;
use crate::domain::rescue::{Amounts, Name, Reason, Record};
use crate::domain::slot::SlotState;
use crate::report::grid::Layout;

const COMMIT: &str = "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d";

/// Without colour, on a terminal of that width or in a pipe.
pub(super) fn at(width: Option<u16>) -> Layout {
    Layout {
        width,
        color: false,
    }
}

/// The moment at which all of it is looked at.
pub(super) fn now() -> Timestamp {
    "2026-07-01T12:00:00Z".parse().unwrap()
}

fn ago(seconds: i64) -> Timestamp {
    Timestamp::from_second(now().as_second() - seconds).unwrap()
}

fn summary() -> Summary {
    Summary {
        total_slots: 4,
        available_slots: 1,
        allocated_slots: 1,
        cleaning_slots: 1,
        error_slots: 1,
        total_allocations: 12,
        average_allocation_time_seconds: Some(0.0034),
        p95_allocation_time_seconds: Some(0.008),
        cache_hit_rate: Some(0.917),
        failed_allocations: 1,
        ..Summary::default()
    }
}

pub(super) fn pools() -> Vec<PoolSummary> {
    let pool = |name: &str, url: &str, summary| PoolSummary {
        repo_name: name.into(),
        repo_url: url.into(),
        summary,
        operation: None,
        disk_usage_bytes: None,
        error: None,
    };
    let mut broken = pool(
        "broken",
        "https://example.com/broken.git",
        Summary::default(),
    );
    broken.error = Some("pool.json can't be read: expected value at line 1 column 1".into());
    vec![
        pool(
            "my-project",
            "https://example.com/team/my-project.git",
            summary(),
        ),
        broken,
    ]
}

pub(super) fn pool() -> PoolView {
    PoolView {
        repo_name: "my-project".into(),
        repo_url: "https://example.com/team/my-project.git".into(),
        strategy: Strategy::Worktree,
        filter: None,
        depth: None,
        keep: Vec::new(),
        num_slots: 4,
        created_at: ago(400_000),
        updated_at: ago(10),
        base_branch: Some("main".into()),
        base_commit: Some(COMMIT.into()),
        fetched_at: Some(ago(250)),
        is_locked: None,
        disk_usage_bytes: None,
        repository_bytes: None,
        waiting: Some(WaitingView {
            count: 2,
            since: ago(95),
        }),
        summary: summary(),
        slots: slots(),
    }
}

fn slots() -> Vec<SlotView> {
    let mut available = slot(1, SlotState::Available);
    available.last_released_at = Some(ago(7_500));
    let mut allocated = slot(2, SlotState::Allocated);
    allocated.allocated_at = Some(ago(11_000));
    allocated.last_allocated_at = Some(ago(11_000));
    allocated.allocation_id = Some("0123456789abcdef0123456789abcdef".into());
    allocated.generation = Some(7);
    allocated.current_branch = Some(Some("worktree/my-project/slot2".into()));
    allocated.metadata = metadata();
    allocated.disk_usage_bytes = Some(Some(1_288_490_189));
    allocated.owner = Some(OwnerView {
        owner: Owner {
            label: Some("agent-7".into()),
            process: Some(ProcessStamp {
                host: "host".into(),
                boot_id: "boot".into(),
                pid_namespace: 1,
                pid: 4711,
                start_time: 1,
            }),
        },
        liveness: Some("alive"),
        caller_pid: Some(4712),
        command: Some("agent --task 7".into()),
        caller_command: None,
    });
    allocated.details = Some(Box::new(details()));
    let mut cleaning = slot(3, SlotState::Cleaning);
    cleaning.is_locked = Some(Some(false));
    cleaning.operation = Some(OperationView {
        kind: "release".into(),
        started_at: ago(4),
        pid: Some(99),
    });
    let mut error = slot(4, SlotState::Error);
    error.current_commit = Some(None);
    error.slot_path = "/pools of \u{1b}[31mred/slot4".into();
    error.error = Some("HEAD is damaged:\nfatal: bad object HEAD".into());
    vec![available, allocated, cleaning, error]
}

fn slot(number: u32, state: SlotState) -> SlotView {
    SlotView {
        slot_id: format!("workspace-my-project-slot{number}"),
        repo_name: "my-project".into(),
        repo_url: "https://example.com/team/my-project.git".into(),
        slot_path: format!("/home/me/.local/share/repo-pool/my-project/worktrees/slot{number}"),
        state,
        parked: false,
        verified: state == SlotState::Available,

        created_at: ago(400_000),
        updated_at: ago(10),
        last_allocated_at: None,
        last_released_at: None,
        allocation_count: 3,
        total_usage_seconds: 187_200.0,
        current_branch: None,
        current_commit: Some(Some(COMMIT.into())),
        metadata: Map::new(),
        allocation_id: None,
        key: None,
        generation: None,
        allocated_at: None,
        ttl_seconds: None,
        renewed_at: None,
        expires_at: None,
        owner: None,
        reclaim: None,
        error: None,
        operation: None,
        is_locked: None,
        disk_usage_bytes: None,
        numbers: None,
        environment: None,
        details: None,
    }
}

/// Of a slot that somebody works in.
fn details() -> SlotDetails {
    let process = |pid, command: &str| ProcessView {
        pid,
        command: command.into(),
        is_caller: false,
    };
    SlotDetails {
        work: Some(Some(SlotContent {
            commit_subject: Some("Fix the \u{1b}[31mlogin".into()),
            base_branch: Some("main".into()),
            ahead: Some(2),
            behind: Some(1),
            unpushed_commits: Some(2),
            left_behind_commits: Some(1),
            changes: Some(ChangeCounts {
                staged: 2,
                untracked: 3,
                ..ChangeCounts::default()
            }),
            under_way: Some("a rebase"),
        })),
        fault: None,
        processes: vec![
            process(4711, "agent --task 7"),
            process(4720, "make test"),
            process(4721, "sh -c build"),
            process(4722, "cc1"),
        ],
        rescues: Some(vec![rescue().rescue]),
        last_cleanup: Some(PastCleanup {
            time: ago(11_060),
            duration_seconds: Some(0.25),
            operations: vec!["reset".into()],
            errors: Vec::new(),
        }),
    }
}

fn metadata() -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("task_id".into(), json!(123));
    map.insert("title".into(), json!("fix the\u{1b}[31m bug"));
    map
}

pub(super) fn rescue() -> RescueDetails {
    let record = Record {
        schema: 1,
        slot_id: "workspace-my-project-slot2".into(),
        created_at: ago(11_000),
        expires_at: Some(ago(-7_000_000)),
        reason: Some(Reason::Release),
        owner: Some("agent-7 (pid 4711)".into()),
        allocation_id: Some("0123456789abcdef0123456789abcdef".into()),
        branch: Some("fix-\u{1b}[31mlogin".into()),
        head: Some(COMMIT.into()),
        subject: "Fix the login".into(),
        amounts: Amounts {
            commits: 2,
            staged: 1,
            untracked: 1,
            ..Amounts::default()
        },
        left_behind: vec!["2".repeat(40)],
        index: None,
    };
    let name = Name {
        pool: "my-project".into(),
        id: "slot2-8045931a".into(),
    };
    let reference = "refs/repo-pool/rescue/slot2-8045931a".into();
    let mut rescue = RescueView::new(name, reference, "9".repeat(40), &record);
    rescue.size_bytes = Some(Some(48_230));
    let path = |status: &str, path: &str| PathView {
        status: status.into(),
        path: path.into(),
    };
    RescueDetails {
        rescue,
        commits: vec![CommitView {
            commit: COMMIT.into(),
            subject: "Fix the login".into(),
            left_behind: true,
        }],
        paths: vec![path("M ", "src/login.rs"), path("??", "notes\u{7}.txt")],
        diff_command: ["git", "-C", "/pools/my project/repo.git", "diff", COMMIT]
            .map(str::to_owned)
            .to_vec(),
    }
}

pub(super) fn findings() -> Vec<Finding> {
    vec![
        Finding {
            kind: FindingKind::UnfinishedOperation,
            slot_id: Some("workspace-my-project-slot3".into()),
            repo_name: "my-project".into(),
            action: FindingAction::Complete,
            result: FindingResult::Done,
            detail: "release by pid 99, begun 4s ago, was killed".into(),
        },
        Finding {
            kind: FindingKind::Leftover,
            slot_id: None,
            repo_name: "my-project".into(),
            action: FindingAction::Remove,
            result: FindingResult::Failed,
            detail: "cannot remove /home/me/.local/share/repo-pool/my-project/trash/x: Permission denied".into(),
        },
    ]
}

pub(super) fn events() -> Vec<Event> {
    let slot = "workspace-my-project-slot2";
    let mut allocated = Event::new(EventKind::Allocated, "my-project", ago(11_000)).slot(slot);
    allocated.owner = Some("agent-7".into());
    allocated.reference = Some("main".into());
    allocated.commit = Some(COMMIT.into());
    allocated.duration_seconds = Some(0.0034);
    let mut cleaned = Event::new(EventKind::Cleaned, "my-project", ago(250)).slot(slot);
    cleaned.duration_seconds = Some(0.25);
    cleaned.operations = vec!["reset".into(), "clean".into()];
    cleaned.errors = vec!["cannot remove target/x\u{7}: Permission denied".into()];
    let created = Event::new(EventKind::Created, "my-project", ago(400_000));
    vec![allocated, cleaned, created.detail("4 slots")]
}
