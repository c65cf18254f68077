//! Files that the slot's user can't delete: the slot goes out of use with the paths, and comes back.

use super::look::assert_provably_clean;
use crate::support::{Call, Out, World, is_root};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// An ordinary user, whom root can play.
const NOBODY: &str = "65534";

/// Makes files that can't be deleted, or lets them go again; false where that can't be done.
fn immutable(world: &World, dir: &Path, switch: &str) -> bool {
    let mut chattr = world.command("chattr");
    let out = chattr.args(["-R", switch]).arg(dir).output();
    out.is_ok_and(|out| out.status.success())
}

/// The release fails with up to twenty paths and the way back.
#[track_caller]
fn assert_out_of_use(out: &Out) {
    out.code(1).silent().says("recover");
    let named = out
        .stderr
        .lines()
        .filter(|line| line.contains("stuck/"))
        .count();
    assert!((1..=20).contains(&named), "{named} paths: {out}");
    out.says("more");
}

/// 9.5, section 6: files that nobody can delete.
#[test]
fn a_slot_with_undeletable_files_goes_out_of_use_and_comes_back() {
    if !is_root() {
        return; // only root can make such files
    }
    let (world, remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    let stuck = dir.join("target/stuck");
    fs::create_dir_all(&stuck).expect("a directory");
    (0..30).for_each(|n| fs::write(stuck.join(format!("f{n}")), "x").expect("writing"));
    let top = dir.join("target");
    if !immutable(&world, &top, "+i") {
        return; // nor on every file system
    }
    let out = world.pool("release p/slot1");
    let again = world.pool("recover p/slot1");
    immutable(&world, &top, "-i");
    assert_out_of_use(&out);
    again.code(1);
    assert_eq!(world.state("p/slot1"), "error");
    world.pool("recover p/slot1").ok();
    world.pool("allocate p").ok();
    let tip = world.tip(&remote, "main");
    assert_provably_clean(&world, &remote, &dir, &tip, "once immutable");
}

/// The binary, run by an ordinary user to whom everything here belongs.
fn as_nobody(world: &World, args: &str) -> Out {
    let mut command = world.command("setpriv");
    let user = ["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--"];
    command
        .args(user)
        .arg(world.path("repo-pool"))
        .args(args.split(' '));
    Call::new(command).run()
}

/// 9.5: what a container running as root has left in an ordinary user's slot.
#[test]
fn a_slot_with_files_of_root_goes_out_of_use_and_comes_back() {
    if !is_root() {
        return; // root's part has to be played too
    }
    let world = World::new();
    let remote = world.remote();
    // By another process: what this one has open for writing, a child of another thread may have too.
    let mut copy = world.command("cp");
    copy.args([env!("CARGO_BIN_EXE_repo-pool"), "repo-pool"]);
    Call::new(copy).cwd(world.path("")).run().ok();
    fs::set_permissions(world.path(""), fs::Permissions::from_mode(0o755)).expect("mode");
    let owner = format!("{NOBODY}:{NOBODY}");
    let mut chown = world.command("chown");
    chown.args(["-R", &owner]).arg(world.path(""));
    Call::new(chown).run().ok();
    as_nobody(&world, &format!("create p {} -n 1", remote.url())).ok();
    let dir = as_nobody(&world, "allocate p").ok().path();
    let stuck = dir.join("target/stuck");
    fs::create_dir_all(&stuck).expect("a directory");
    (0..30).for_each(|n| fs::write(stuck.join(format!("f{n}")), "x").expect("writing"));
    assert_out_of_use(&as_nobody(&world, "release p/slot1"));
    as_nobody(&world, "recover p/slot1").code(1);
    as_nobody(&world, "recover p/slot1 --force").ok();
    let dir = as_nobody(&world, "allocate p --json").ok().json()["slot"]["slot_path"].clone();
    let dir = Path::new(dir.as_str().expect("a path")).to_owned();
    world.git(&world.path(""), "config --global safe.directory *");
    world.assert_holds(&dir, &remote, &world.tip(&remote, "main"));
}
