//! An everyday session in real shells: the commands that people put into their scripts and type.

use crate::support::{Call, World, in_path, say};

/// In the language of sh; `KIND` is the name by which `shell-init` knows the shell.
const SH: &str = r#"
home=$PWD
(
    set -e
    slot=$(repo-pool allocate p --owner nightly --meta task_id=123)
    trap 'repo-pool release "$slot"' EXIT
    cd "$slot"
    echo "script $PWD"
    echo draft > draft.txt
    false
    echo 'not reached'
)
echo "ended $?"

vars=$(repo-pool allocate p --export) && eval "$vars"
cd "$REPO_POOL_SLOT_PATH"
sh -c 'echo "child of $REPO_POOL_SLOT $REPO_POOL_SLOT_PATH"'
cd "$home"
repo-pool release
echo "released $?"

eval "$(repo-pool shell-init KIND)"
rp p
echo "rp $? $PWD"
rp -
echo "rp - $? $PWD"
unset REPO_POOL_SLOT REPO_POOL_ALLOCATION

repo-pool exec p -- sh -c 'exit 42'
echo "exec $?"
repo-pool exec p -- no-such-command
echo "exec $?"

slot=$(repo-pool allocate p)
mkfifo says
repo-pool allocate p --wait 10m > second 2> says &
read -r line < says
echo "${line%% up to*}"
repo-pool allocate p
echo "allocate $?"
repo-pool release "$slot"
wait $!
echo "waited $? $(cat second)"
repo-pool release "$(cat second)"
"#;

/// The same in fish.
const FISH: &str = r#"
set home $PWD
fish --no-config -c '
    set slot (repo-pool allocate p --owner nightly --meta task_id=123); or exit
    trap "repo-pool release $slot" EXIT
    cd $slot
    echo "script $PWD"
    echo draft > draft.txt
    false; or exit
    echo "not reached"'
echo "ended $status"

repo-pool allocate p --export=fish | source
cd $REPO_POOL_SLOT_PATH
sh -c 'echo "child of $REPO_POOL_SLOT $REPO_POOL_SLOT_PATH"'
cd $home
repo-pool release
echo "released $status"

repo-pool shell-init KIND | source
rp p
echo "rp $status $PWD"
rp -
echo "rp - $status $PWD"
set -e REPO_POOL_SLOT REPO_POOL_ALLOCATION

repo-pool exec p -- sh -c 'exit 42'
echo "exec $status"
repo-pool exec p -- no-such-command
echo "exec $status"

set slot (repo-pool allocate p)
mkfifo says
# fish itself would wait for who reads the pipe.
sh -c 'exec repo-pool allocate p --wait 10m > second 2> says' &
set waiter $last_pid
read line < says
string replace --regex ' up to.*' '' -- $line
repo-pool allocate p
echo "allocate $status"
repo-pool release $slot
wait $waiter
echo "waited $status "(cat second)
repo-pool release (cat second)
"#;

/// Sections 3 and 4 as one shell lives them: each command's data alone on stdout, its exit code, and the
/// one slot there is free again after each.
fn session(shell: &str, options: &[&str], kind: &str, script: &str) {
    if !in_path(shell) {
        return say(&format!("{shell} is not installed"));
    }
    let (world, _remote) = World::with_pool(1);
    let start = world.path("start with blanks");
    std::fs::create_dir(&start).expect("a directory");
    let mut command = world.shell(shell);
    command
        .args(options)
        .args(["-c", &script.replace("KIND", kind)]);
    let out = Call::new(command).cwd(&start).run();
    let slot = world.slot_path("slot1").display().to_string();
    let start = start.display().to_string();
    let wanted = [
        &format!("script {slot}"),
        "ended 1",
        &format!("child of workspace-p-slot1 {slot}"),
        "released 0",
        &format!("rp 0 {slot}"),
        &format!("rp - 0 {start}"),
        "exec 42",
        "exec 127",
        "waiting",
        "allocate 4",
        &format!("waited 0 {slot}"),
    ];
    assert_eq!(out.stdout.lines().collect::<Vec<_>>(), wanted, "{out}");
    out.ok().says("uncommitted changes saved as slot1-");
    let slot = world.slot("p/slot1");
    assert_eq!(slot["state"], "available");
    assert_eq!(slot["allocation_count"], 7, "{out}");
    assert_eq!(slot["parked"], true, "nobody stands in it");
}

#[test]
fn bash_lives_an_everyday_session() {
    session("bash", &["--norc", "--noprofile"], "bash", SH);
}

#[test]
fn zsh_lives_an_everyday_session() {
    session("zsh", &["-f"], "zsh", SH);
}

#[test]
fn dash_lives_an_everyday_session() {
    session("dash", &[], "sh", SH);
}

#[test]
fn fish_lives_an_everyday_session() {
    session("fish", &["--no-config"], "fish", FISH);
}

/// Section 3: what is proposed is what works.
#[test]
fn proposed_commands_are_those_that_work() {
    let (world, remote) = World::with_pool(1);
    let tip = world.pool("--color never exec p --no-fetch make -j2");
    tip.code(125)
        .says("repo-pool --color never exec p --no-fetch -- make -j2");
    let tip = world.pool(["exec", "p", "echo", "a b"]);
    tip.code(125).says("repo-pool exec POOL -- echo");
    world.pool("--workspace ws exec").code(125);
    let help = world.pool([]);
    help.code(2).says("Usage: repo-pool").never_says("error:");
    let outside = world.path("outside");
    std::fs::create_dir(&outside).expect("a directory");
    world
        .call("allocate .")
        .cwd(&outside)
        .run()
        .code(1)
        .says("lies in no git repository");
    world
        .pool(["allocate", "p", "--branch", "fix it"])
        .code(2)
        .says("can't be a branch's name");
    world
        .pool("release p")
        .code(7)
        .says("slots are named POOL/slotN");

    world.declare(&format!(
        "[pools.q]\nrepo_url = \"{}\"\nnum_slots = 2\n",
        remote.url()
    ));
    world.pool("apply").ok();
    world.declare(&format!(
        "[pools.q]\nrepo_url = \"{}\"\nnum_slots = 1\n",
        remote.url()
    ));
    world
        .pool("apply --prune --dry-run")
        .code(1)
        .says("1 change; `repo-pool apply --prune` makes it");

    let yaml = world.path("pools.yaml");
    std::fs::write(
        &yaml,
        "pools:\n  a:\n    repo_url: https://example.com/a.git\n",
    )
    .expect("writing");
    let file = world.path("new.toml").display().to_string();
    world
        .pool([
            "config",
            "import",
            &yaml.display().to_string(),
            "--output",
            &file,
        ])
        .ok()
        .says(format!("`repo-pool --config {file} apply --dry-run`"));
}

/// A shell that keeps the variables of an earlier allocation is told why it may not release the next.
#[test]
fn an_old_allocation_in_the_environment_is_named() {
    let (world, _remote) = World::with_pool(1);
    let script = "vars=$(repo-pool allocate p --export) && eval \"$vars\"\n\
                  repo-pool release\n\
                  slot=$(repo-pool allocate p)\n\
                  repo-pool release \"$slot\"; echo $?\n\
                  unset REPO_POOL_ALLOCATION\n\
                  repo-pool release \"$slot\"; echo $?\n";
    let mut command = world.shell("sh");
    command.args(["-c", script]);
    let out = Call::new(command).run();
    assert_eq!(out.stdout, "6\n0\n", "{out}");
    out.says("`unset REPO_POOL_ALLOCATION`");
}
