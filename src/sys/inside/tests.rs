#![expect(
    clippy::disallowed_methods,
    reason = "tests start processes and make files"
)]

use std::process::{Child, Command, Stdio};

use super::*;

fn sleeper(dir: &Path, stdin: Stdio) -> Child {
    Command::new("sleep")
        .arg("60")
        .current_dir(dir)
        .stdin(stdin)
        .spawn()
        .expect("started")
}

fn uses(dir: &Path, except: &[u32]) -> Vec<(u32, How)> {
    let found = processes_inside(dir, except).inside;
    found.into_iter().map(|p| (p.pid, p.how)).collect()
}

#[test]
fn a_process_that_stands_in_a_directory_is_found_and_ended() {
    let dir = tempfile::tempdir().expect("directory");
    let below = dir.path().join("below");
    std::fs::create_dir(&below).expect("made");
    std::fs::create_dir(dir.path().join("bel")).expect("made");
    let mut child = sleeper(&below, Stdio::null());
    let pid = child.id();
    assert_eq!(uses(dir.path(), &[]), [(pid, How::Cwd)]);
    assert_eq!(uses(&dir.path().join("bel"), &[]), []);
    assert_eq!(uses(dir.path(), &[pid]), []);
    let found = processes_inside(dir.path(), &[]).inside;
    assert_eq!(found[0].uid, user::effective_uid());
    assert_eq!(found[0].command, "sleep 60");
    assert!(end(&[pid], Duration::from_secs(20)).is_empty());
    child.wait().expect("reaped");
    assert_eq!(uses(dir.path(), &[]), []);
}

#[test]
fn an_open_file_is_found_even_when_it_was_deleted() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("file");
    std::fs::write(&path, "x").expect("written");
    let file = std::fs::File::open(&path).expect("opened");
    let mut child = sleeper(Path::new("/"), Stdio::from(file));
    let own = [std::process::id()];
    // Other tests' children hold copies of this process's files for the moment before they run.
    let found = |pid| uses(dir.path(), &own).contains(&(pid, How::OpenFile));
    assert!(found(child.id()));
    std::fs::remove_file(&path).expect("removed");
    assert!(found(child.id()));
    child.kill().expect("killed");
    child.wait().expect("reaped");
}

#[test]
fn paths_are_compared_by_component() {
    let dir = Path::new("/w/slot1");
    assert!(leads_into(Path::new("/w/slot1"), dir));
    assert!(leads_into(Path::new("/w/slot1 (deleted)"), dir));
    assert!(leads_into(Path::new("/w/slot1/a (deleted)"), dir));
    assert!(!leads_into(Path::new("/w/slot10"), dir));
    assert!(!leads_into(Path::new("socket:[1]"), dir));
}

#[test]
fn mapped_files_are_found() {
    let line =
        b"7f00-7f01 r--p 00000000 fe:00 12   /w/slot1/lib a.so\n7f02-7f03 rw-p 0 00:00 0 [heap]\n";
    assert!(maps_into(line, Path::new("/w/slot1")));
    assert!(!maps_into(line, Path::new("/w/slot")));
    assert_eq!(unescape(b"/a\\012b\\\\"), Path::new("/a\nb\\\\"));
}
