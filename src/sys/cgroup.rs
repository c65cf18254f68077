//! A limit to the memory of a command with everything that it starts: a control group, of either
//! version.

#![expect(
    clippy::disallowed_methods,
    reason = "control groups are made and set by what looks like files, and are none"
)]

use std::fs::OpenOptions;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use super::{crash, descendants, procfs};

/// How often those in a group are killed: one could be starting another.
const ROUNDS: usize = 16;

/// A control group with a limit to its memory. Nothing happens to it when this is dropped.
#[derive(Debug)]
pub struct Cgroup {
    dir: PathBuf,
    version: Version,
}

/// Which interface the system has for memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

impl Cgroup {
    /// Makes a group of that name below, or beside, this process's own. Fails where this process may
    /// not, or where the system has none; the reason is for people.
    pub fn with_memory(name: &str, bytes: u64) -> Result<Self, String> {
        let (version, places) = places()?;
        let mut reason = String::new();
        for place in places {
            match Self::make(version, &place, name, bytes) {
                Ok(group) => return Ok(group),
                Err(e) => reason = format!("{}: {e}", place.display()),
            }
        }
        Err(reason)
    }

    fn make(version: Version, place: &Path, name: &str, bytes: u64) -> io::Result<Self> {
        if version == Version::Two {
            hand_down_memory(place)?;
        }
        let dir = place.join(name);
        crash::point("make control group", &dir);
        std::fs::create_dir(&dir)?;
        let group = Self { dir, version };
        group.limit(bytes).inspect_err(|_| group.remove())?;
        Ok(group)
    }

    fn limit(&self, bytes: u64) -> io::Result<()> {
        let amount = bytes.to_string();
        let (memory, swap, swapped) = match self.version {
            // The second is memory and swap together.
            Version::One => (
                "memory.limit_in_bytes",
                "memory.memsw.limit_in_bytes",
                amount.as_str(),
            ),
            Version::Two => ("memory.max", "memory.swap.max", "0"),
        };
        set(&self.dir.join(memory), &amount)?;
        match set(&self.dir.join(swap), swapped) {
            // Not every system counts swap.
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What a process writes `0` into to become a member.
    pub fn door(&self) -> io::Result<OwnedFd> {
        let door = OpenOptions::new()
            .write(true)
            .open(self.dir.join("cgroup.procs"))?;
        Ok(door.into())
    }

    /// How many of its members were killed for want of memory.
    pub fn kills(&self) -> u64 {
        let file = match self.version {
            Version::One => "memory.oom_control",
            Version::Two => "memory.events",
        };
        let text = procfs::read(self.dir.join(file)).unwrap_or_default();
        count(&String::from_utf8_lossy(&text))
    }

    /// Removes it, if nobody is in it any more.
    pub fn remove(&self) {
        let _ = std::fs::remove_dir(&self.dir);
    }
}

/// Kills all members of the group in `dir`, and removes it.
pub fn end(dir: &Path) {
    // Where the kernel does it, nobody gets away, not into groups below either.
    let _ = set(&dir.join("cgroup.kill"), "1");
    for _ in 0..ROUNDS {
        let members = procfs::read(dir.join("cgroup.procs")).unwrap_or_default();
        let members = String::from_utf8_lossy(&members);
        let pids: Vec<u32> = members.lines().filter_map(|pid| pid.parse().ok()).collect();
        if pids.is_empty() {
            break;
        }
        descendants::kill_these(pids);
    }
    let _ = std::fs::remove_dir(dir);
}

/// Groups are handed memory to share out only if the one above says so.
fn hand_down_memory(place: &Path) -> io::Result<()> {
    let control = place.join("cgroup.subtree_control");
    let handed = procfs::read(&control)?;
    match String::from_utf8_lossy(&handed)
        .split_whitespace()
        .any(|name| name == "memory")
    {
        true => Ok(()),
        false => set(&control, "+memory"),
    }
}

fn set(path: &Path, value: &str) -> io::Result<()> {
    use io::Write;
    // Never makes a file: where there is none, the system lacks that.
    let mut file = OpenOptions::new().write(true).open(path)?;
    file.write_all(value.as_bytes())
}

/// The number after `oom_kill`.
fn count(text: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
    line.and_then(|count| count.trim().parse().ok())
        .unwrap_or(0)
}

/// Where groups may be made, the likeliest first.
fn places() -> Result<(Version, Vec<PathBuf>), String> {
    let text = |path| procfs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let read = || Ok((text("/proc/self/cgroup")?, text("/proc/self/mountinfo")?));
    let (groups, mounts) = read().map_err(|e: io::Error| e.to_string())?;
    places_in(&groups, &mounts)
}

/// The same, from the texts of `/proc/self/cgroup` and `/proc/self/mountinfo`.
fn places_in(groups: &str, mounts: &str) -> Result<(Version, Vec<PathBuf>), String> {
    let (version, own) = own_group(groups).ok_or("this system has no control groups for memory")?;
    let (root, top) = mount(mounts, version).ok_or("no control groups are mounted")?;
    let below = own.strip_prefix(&root).unwrap_or(Path::new(""));
    let own = top.join(below);
    let mut places = vec![own.clone()];
    // A group with processes in it cannot share out memory in version 2, but its neighbour can.
    if version == Version::Two && own != top {
        places.extend(own.parent().map(Path::to_owned));
    }
    Ok((version, places))
}

/// The group of this process that counts for memory, in the text of `/proc/self/cgroup`.
fn own_group(text: &str) -> Option<(Version, PathBuf)> {
    let mut two = None;
    for line in text.lines() {
        let mut fields = line.splitn(3, ':');
        let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        // Paths are absolute; joined to the mount they must not be.
        if controllers.split(',').any(|name| name == "memory") {
            return Some((Version::One, path.into()));
        }
        if controllers.is_empty() {
            two = Some((Version::Two, path.into()));
        }
    }
    two
}

/// What is mounted for that version, and where, in the text of `/proc/self/mountinfo`.
fn mount(text: &str, version: Version) -> Option<(PathBuf, PathBuf)> {
    text.lines().find_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        let mut kind = kind.split(' ');
        let (name, options) = (kind.next()?, kind.nth(1)?);
        let fits = match version {
            Version::One => name == "cgroup" && options.split(',').any(|o| o == "memory"),
            Version::Two => name == "cgroup2",
        };
        let mut place = place.split(' ').skip(3);
        fits.then_some((place.next()?.into(), place.next()?.into()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
30 20 0:26 / /sys/fs/cgroup/unified rw,nosuid - cgroup2 cgroup2 rw,nsdelegate
31 20 0:27 / /sys/fs/cgroup/cpu rw shared:7 - cgroup cgroup rw,cpu,cpuacct
32 20 0:28 /docker/x /sys/fs/cgroup/memory rw shared:8 master:1 - cgroup cgroup rw,memory
";

    #[test]
    fn the_group_that_counts_for_memory_is_found() {
        let hybrid = "4:memory:/process/a:b\n1:cpu,cpuacct:/x\n0::/\n";
        assert_eq!(
            own_group(hybrid),
            Some((Version::One, "/process/a:b".into()))
        );
        let two = "0::/user.slice/session-3.scope\n";
        assert_eq!(
            own_group(two),
            Some((Version::Two, "/user.slice/session-3.scope".into()))
        );
        assert_eq!(own_group("1:cpu:/\n"), None);
    }

    #[test]
    fn its_mount_is_found() {
        assert_eq!(
            mount(MOUNTS, Version::One),
            Some(("/docker/x".into(), "/sys/fs/cgroup/memory".into()))
        );
        assert_eq!(
            mount(MOUNTS, Version::Two),
            Some(("/".into(), "/sys/fs/cgroup/unified".into()))
        );
        assert_eq!(mount("", Version::One), None);
    }

    #[test]
    fn groups_of_version_two_are_made_below_or_beside_the_own() {
        let mounts = "30 20 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
        let places = |group: &str| places_in(&format!("0::{group}\n"), mounts);
        let at = |path: &str| PathBuf::from(format!("/sys/fs/cgroup{path}"));
        let user = "/user.slice/user-7.slice/user@7.service/app.slice";
        let own = format!("{user}/x.scope");
        let found = (Version::Two, vec![at(&own), at(user)]);
        assert_eq!(places(&own), Ok(found));
        // The root of all has none beside it.
        assert_eq!(places("/"), Ok((Version::Two, vec![at("/")])));
        // A container sees its own part only.
        let inside = "9 8 0:26 /docker/x /sys/fs/cgroup rw - cgroup2 cgroup rw\n";
        let found = places_in("0::/docker/x/y\n", inside).unwrap();
        assert_eq!(found.1, [at("/y"), at("")]);
        assert!(places_in("0::/x\n", "").is_err() && places_in("", mounts).is_err());
    }

    /// Files stand in for those that the kernel makes: what is written into which, and what is read.
    #[test]
    fn a_group_of_version_two_is_set_by_its_files() {
        let top = tempfile::tempdir().unwrap();
        let (place, dir) = (top.path(), top.path().join("group"));
        let file = |path: &Path, text: &str| crate::sys::fs::write_public(path, text.as_bytes());
        let text = |path: &Path| String::from_utf8(procfs::read(path).unwrap()).unwrap();
        std::fs::create_dir(&dir).unwrap();
        // The group above hands memory down, where it does not yet.
        let control = place.join("cgroup.subtree_control");
        file(&control, "cpu pids").unwrap();
        hand_down_memory(place).unwrap();
        assert!(text(&control).starts_with("+memory"));
        file(&control, "cpu memory pids").unwrap();
        hand_down_memory(place).unwrap();
        assert_eq!(text(&control), "cpu memory pids");
        let version = Version::Two;
        let group = Cgroup { dir, version };
        // A group without the file for it can't be limited; one that does not count swap can.
        assert!(group.limit(1 << 20).is_err());
        let (max, swap) = (
            group.dir.join("memory.max"),
            group.dir.join("memory.swap.max"),
        );
        file(&max, "").unwrap();
        group.limit(1 << 20).unwrap();
        assert!(!swap.exists());
        file(&swap, "").unwrap();
        group.limit(2 << 20).unwrap();
        assert_eq!((text(&max), text(&swap)), ("2097152".into(), "0".into()));
        assert_eq!(group.kills(), 0);
        file(&group.dir.join("memory.events"), "oom 2\noom_kill 1\n").unwrap();
        assert_eq!(group.kills(), 1);
        // Killing all is one word.
        let kill = group.dir.join("cgroup.kill");
        file(&kill, "").unwrap();
        end(&group.dir);
        assert_eq!(text(&kill), "1");
    }

    #[test]
    fn kills_are_counted() {
        assert_eq!(count("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"), 2);
        assert_eq!(count("low 0\noom 3\noom_kill 1\noom_group_kill 0\n"), 1);
        assert_eq!(count(""), 0);
    }
}
