//! What grows with the number of slots.

use super::super::report::Line;
use super::super::repository::Remote;
use super::*;
use rustix::pipe::fcntl_setpipe_size;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

const ALLOCATE: &str = "allocate, parked, no fetch";
const STATUS: &str = "status of a pool";
const RELEASE: &str = "release, clean slot of a pool";
const MEMORY: &str = "memory of status --json";

/// Allocate, release and status with one slot to a thousand.
pub fn over_slots(stage: &Stage<'_>, report: &mut Report<'_>) -> Result<()> {
    if !stage.options.wants(&[ALLOCATE, STATUS, RELEASE, MEMORY]) {
        return Ok(());
    }
    let remote = Remote::made_up(stage, crowd::TINY)?;
    let counts: &[u32] = if stage.options.short {
        &[1, 10, 30]
    } else {
        &[1, 10, 100, 1000]
    };
    for &slots in counts {
        let workspace = stage.path(&format!("curve-{slots}"));
        timed(&mut stage.pool(&workspace, &format!("create p {} -n {slots}", remote.url())))?;
        with_slots(stage, report, &workspace, slots)?;
        std::fs::remove_dir_all(workspace)?;
    }
    Ok(())
}

fn with_slots(
    stage: &Stage<'_>,
    report: &mut Report<'_>,
    workspace: &Path,
    slots: u32,
) -> Result<()> {
    let mut ours = [(); 3].map(|()| Samples::times());
    let (mut writes, mut lists) = (Samples::times(), Samples::times());
    let repository = workspace.join("p/repo.git");
    for _ in 0..stage.options.rounds(Size::Medium) {
        let allocated = timed(&mut stage.pool(workspace, "allocate p --no-fetch"))?;
        writes.push(stage.durable_write()?);
        let slot = allocated.stdout.trim_end();
        let status = timed(&mut stage.pool(workspace, "status p"))?;
        lists.push(stage.git(&repository, &["worktree", "list"])?.took);
        let released = timed(&mut stage.pool(workspace, &format!("release {slot}")))?;
        for (samples, ran) in ours
            .iter_mut()
            .zip([allocated.took, status.took, released.took])
        {
            samples.push(ran);
        }
    }
    let [allocate, status, release] = ours;
    let named = |name: &str, samples| Line::new(format!("{name} (of {slots})"), samples);
    report.add(
        named(ALLOCATE, allocate)
            .against("one durable write", writes.clone())
            .goal(Goal::Most(5.0)),
    );
    report.add(named(RELEASE, release).against("one durable write", writes));
    let goal = match slots {
        100 => Goal::Most(10.0),
        1000 => Goal::Most(50.0),
        _ => Goal::None,
    };
    report.add(
        named(STATUS, status)
            .against("git worktree list", lists)
            .goal(goal),
    );
    let memory = named(MEMORY, Samples::bytes(memory(stage, workspace)?));
    report.add(memory.goal(if slots == 1000 {
        Goal::Most(12.0 * 1048576.0)
    } else {
        Goal::None
    }));
    Ok(())
}

/// The most memory that `status --json` takes: it is looked at while it waits for somebody to read
/// what it prints, and then with every piece that is read.
fn memory(stage: &Stage<'_>, workspace: &Path) -> Result<u64> {
    let mut command = stage.pool(workspace, "status p --json");
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let mut pipe = child.stdout.take().ok_or("no pipe")?;
    fcntl_setpipe_size(&pipe, 4096)?;
    let mut most = resident(&child);
    let mut quiet = 0;
    while quiet < 20 {
        std::thread::sleep(Duration::from_millis(5));
        let now = resident(&child);
        quiet = if now > most { 0 } else { quiet + 1 };
        most = most.max(now);
    }
    let mut piece = [0; 1024];
    while pipe.read(&mut piece)? > 0 {
        most = most.max(resident(&child));
    }
    match child.wait()?.success() {
        true => Ok(most),
        false => Err("status --json failed".into()),
    }
}

/// The high-water mark of a process, in bytes.
fn resident(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()));
    let status = status.unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    number.unwrap_or(0) * 1024
}
