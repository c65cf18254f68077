use super::*;
use crate::report::tables::samples;

fn card(at: usize, width: Option<u16>) -> String {
    let layout = Layout {
        width,
        color: false,
    };
    slot(&samples::pool().slots[at], samples::now(), &layout)
}

#[test]
fn an_available_slot() {
    insta::assert_snapshot!(card(0, Some(80)), @"
    slot    my-project/slot1
    id      workspace-my-project-slot1
    state   available
    path    /home/me/.local/share/repo-pool/my-project/worktrees/slot1
    branch  none (detached)
    commit  1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d
    remote  https://example.com/team/my-project.git
    used    3 times, 2d 4h in all, last given back 2h 5m ago
    made    2026-06-26T20:53:20Z (4d ago)

    repo-pool allocate my-project       hands out a slot
    repo-pool isolate my-project/slot1  takes it out of use
    ");
}

#[test]
fn an_allocated_slot() {
    insta::assert_snapshot!(card(1, Some(80)), @r"
    slot        my-project/slot2
    id          workspace-my-project-slot2
    state       allocated
    holder      agent-7, pid 4711 (alive): agent --task 7
    taken by    pid 4712
    since       2026-07-01T08:56:40Z (3h 3m ago)
    allocation  0123456789abcdef0123456789abcdef (generation 7)
    metadata    task_id=123, title=fix the\x1b[31m bug
    path        /home/me/.local/share/repo-pool/my-project/worktrees/slot2
    branch      worktree/my-project/slot2, 2 ahead of main, 1 behind
    commit      1a2b3c4d Fix the \x1b[31mlogin
    amid        a rebase
    changes     2 staged, 3 untracked
    unpushed    2 commits, 1 left behind
    inside      pid 4711 (agent --task 7), pid 4720 (make test), pid 4721 (sh -c
                build), 1 more
    disk        1.2 GiB
    remote      https://example.com/team/my-project.git
    used        3 times, 2d 4h in all
    cleaned     3h 4m ago, in 250 ms
    saved       slot2-8045931a (3h 3m ago): Fix the login
    made        2026-06-26T20:53:20Z (4d ago)

    repo-pool collect my-project/slot2         fetches its branches to here
    repo-pool release my-project/slot2         saves its work, cleans, gives it back
    repo-pool release --kill my-project/slot2  and ends the processes inside
    repo-pool rescue show slot2-8045931a       shows the work that was saved from it
    ");
}

#[test]
fn a_slot_whose_lease_ran_out() {
    let mut leased = samples::pool().slots[1].clone();
    leased.ttl_seconds = Some(7200.0);
    leased.renewed_at = Some("2026-07-01T09:30:00Z".parse().unwrap());
    leased.expires_at = Some("2026-07-01T11:30:00Z".parse().unwrap());
    leased.reclaim = Some(ReclaimView {
        verdict: "reclaimable",
        reason: "its lease ran out".into(),
        after_seconds: None,
    });
    let text = slot(&leased, samples::now(), &Layout::default());
    insta::assert_snapshot!(text.lines().skip(3).take(5).collect::<Vec<_>>().join("\n"), @"
    holder      agent-7, pid 4711 (alive): agent --task 7
    taken by    pid 4712
    since       2026-07-01T08:56:40Z (3h 3m ago)
    lease       2h, renewed 2h 30m ago, ran out 30m ago
    but         its lease ran out: the slot is taken back when one is needed
    ");
    assert!(
        text.contains("repo-pool recover my-project/slot2"),
        "{text}"
    );
    leased.reclaim = Some(ReclaimView {
        verdict: "not_yet",
        reason: "its holder is gone".into(),
        after_seconds: Some(7.0),
    });
    let text = slot(&leased, samples::now(), &Layout::default());
    assert!(
        text.contains("its holder is gone: the slot may be taken back in 7.0 s"),
        "{text}"
    );
    assert!(!text.contains("repo-pool recover"), "{text}");
}

#[test]
fn an_abandoned_slot() {
    insta::assert_snapshot!(card(2, Some(200)), @"
    slot    my-project/slot3
    id      workspace-my-project-slot3
    state   cleaning
    doing   release for 4s (pid 99); nobody works on it any more
    path    /home/me/.local/share/repo-pool/my-project/worktrees/slot3
    branch  none (detached)
    commit  1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d
    remote  https://example.com/team/my-project.git
    used    3 times, 2d 4h in all
    made    2026-06-26T20:53:20Z (4d ago)

    repo-pool recover my-project/slot3  ends what a killed command left undone
    ");
}

#[test]
fn a_slot_out_of_use() {
    insta::assert_snapshot!(card(3, None), @r"
    slot    my-project/slot4
    id      workspace-my-project-slot4
    state   error
    reason  HEAD is damaged: fatal: bad object HEAD
    path    /pools of \x1b[31mred/slot4
    commit  ?
    remote  https://example.com/team/my-project.git
    used    3 times, 2d 4h in all
    made    2026-06-26T20:53:20Z (4d ago)

    repo-pool recover my-project/slot4          brings it back if it verifies
    repo-pool recover my-project/slot4 --force  saves its work, then rebuilds it
    ");
}
