//! Several processes run random verbs while agents work in the slots, and the commands or their
//! gits are killed at random moments, again and again.
//!
//! 1 000 kills, or as many as `REPO_POOL_TEST_KILLS` says. The choices depend on the printed seed
//! alone (`REPO_POOL_TEST_SEED`); the moments also on the machine.

use crate::support::{
    DOCUMENTED, Findings, Invariants, Kind, Out, Part, Random, Remote, World, await_quiet, say,
};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

/// How many kills there are unless the environment says otherwise.
const KILLS: u64 = 1000;

/// So many commands run at once.
const WORKERS: u64 = 3;

/// A killed command's code.
const KILLED: i32 = 128 + 9;

/// What the loop has seen.
#[derive(Default)]
struct Counts {
    commands: u64,
    of_tool: u64,
    of_git: u64,
    work: u64,
    isolated: u64,
    broken: BTreeMap<Kind, u64>,
    first: Vec<String>,
}

impl Counts {
    fn kills(&self) -> u64 {
        self.of_tool + self.of_git
    }

    fn note(&mut self, findings: Findings, round: u64) {
        for broken in findings.0 {
            *self.broken.entry(broken.kind).or_default() += 1;
            if self.first.len() < 5 {
                let text = format!("round {round}: {:?}: {}", broken.kind, broken.what);
                self.first.push(text);
            }
        }
    }

    fn of(&self, kind: Kind) -> u64 {
        self.broken.get(&kind).copied().unwrap_or(0)
    }
}

/// What all workers share.
struct Shared {
    world: World,
    remote: Remote,
    held: Mutex<Invariants>,
    counts: Mutex<Counts>,
    /// Who was told of which slot.
    holders: Mutex<BTreeMap<PathBuf, String>>,
}

/// 4.1, 9.4, section 6: no slot held twice, no work lost, no file torn, nothing wedged.
#[test]
fn random_kills_break_nothing() {
    let wanted = std::env::var("REPO_POOL_TEST_KILLS");
    let wanted = wanted.ok().and_then(|text| text.parse().ok());
    kill_at_random(wanted.unwrap_or(KILLS));
}

/// Kills so often, or this run's part of that.
pub fn kill_at_random(wanted: u64) {
    let wanted = Part::own().share(wanted);
    let random = Part::own().random();
    let world = World::new();
    let remote = world.small_remote("remote");
    world.pool(format!("create p {} -n 4", remote.url())).ok();
    let shared = Shared {
        held: Mutex::new(Invariants::of(&world, "p")),
        world,
        remote,
        counts: Mutex::default(),
        holders: Mutex::default(),
    };
    let mut workers: Vec<Random> = (0..WORKERS).map(|n| random.branch(n)).collect();
    let mut pace = Duration::from_millis(60);
    let mut round = 0;
    while shared.counts().kills() < wanted && shared.counts().first.is_empty() {
        round += 1;
        std::thread::scope(|scope| {
            for random in &mut workers {
                scope.spawn(|| shared.act(random, pace));
            }
        });
        pace = shared.after(round, pace);
    }
    let counts = shared.counts.into_inner().expect("the counts");
    say(&format!(
        "{} kills ({} of the command, {} of its git) of {} commands, {} pieces of work: \
         {} double allocations, {} lost commits or changes, {} unparsable files, \
         {} pools that recover does not bring back, {} second recovers with a finding, \
         {} other; {} times a slot was isolated and brought back",
        counts.kills(),
        counts.of_tool,
        counts.of_git,
        counts.commands,
        counts.work,
        counts.of(Kind::DoubleAllocation),
        counts.of(Kind::LostWork),
        counts.of(Kind::UnparsableFile),
        counts.of(Kind::NotRecovered),
        counts.of(Kind::FoundTwice),
        counts.of(Kind::Disagreement)
            + counts.of(Kind::NotClean)
            + counts.of(Kind::LeftBehind)
            + counts.of(Kind::Outside)
            + counts.of(Kind::Wedged),
        counts.isolated,
    ));
    assert!(counts.first.is_empty(), "{}", counts.first.join("\n"));
}

impl Shared {
    fn counts(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.counts.lock().expect("the counts")
    }

    /// One worker's turn: takes a slot, works in it and gives it back, or does something else.
    fn act(&self, random: &mut Random, pace: Duration) {
        let number = 1 + random.below(6);
        let other = match random.below(10) {
            0 => "add-slot p".to_owned(),
            1 => format!("remove-slot p/slot{number}"),
            2 => "recover".to_owned(),
            3 => "exec p --no-fetch -- git commit -q --allow-empty -m made".to_owned(),
            _ => return self.agent(random, pace),
        };
        self.run(&other, random, pace);
    }

    /// An agent: allocate, work, release; each may be killed.
    fn agent(&self, random: &mut Random, pace: Duration) {
        let how = match random.below(6) {
            0 => "allocate p --json --ref v1.0".to_owned(),
            1 => format!(
                "allocate p --json --branch feature/{}",
                random.below(1 << 40)
            ),
            2 => "allocate p --json".to_owned(),
            _ => "allocate p --json --no-fetch".to_owned(),
        };
        // Most of them come through, so that there is work to lose.
        let out = match random.below(3) {
            0 => self.run(&how, random, pace),
            _ => self.judged(self.world.pool(&*how)),
        };
        let Ok(given) = serde_json::from_str::<serde_json::Value>(&out.stdout) else {
            return;
        };
        let slot = &given["slot"];
        let text = |key: &str| slot[key].as_str().unwrap_or_default().to_owned();
        let (path, id) = (PathBuf::from(text("slot_path")), text("allocation_id"));
        let mut holders = self.holders.lock().expect("the holders");
        if let Some(other) = holders.insert(path.clone(), id.clone()) {
            let mut findings = Findings::default();
            let what = format!("{} was given to {other} and {id}", path.display());
            findings.add(Kind::DoubleAllocation, what);
            self.counts().note(findings, 0);
        }
        drop(holders);
        self.work(&path, random);
        // From here on somebody else may get it.
        self.holders.lock().expect("the holders").remove(&path);
        let path = path.display();
        let end = match random.below(8) {
            0 => return,
            1 => format!("release {path} --allocation {id} --no-cleanup"),
            2 => format!("remove-slot {path} --force"),
            _ => format!("release {path} --allocation {id}"),
        };
        self.run(&end, random, pace);
    }

    /// What an agent does in its slot.
    fn work(&self, slot: &std::path::Path, random: &mut Random) {
        let unique = random.below(1 << 50);
        let mut held = self.held.lock().expect("the invariants");
        match random.below(4) {
            0 => {}
            1 => {
                held.commit(&self.world, slot, "done.txt", &format!("done {unique}\n"));
            }
            2 => held.write(&self.world, slot, "README.md", &format!("{unique}\n")),
            _ => {
                held.stage(
                    &self.world,
                    slot,
                    "staged.txt",
                    &format!("staged {unique}\n"),
                );
                held.write(&self.world, slot, "new.txt", &format!("new {unique}\n"));
            }
        }
        self.counts().work += 1;
    }

    /// Runs a command and kills it, or its git, after a random time; sometimes lets it run.
    fn run(&self, args: &str, random: &mut Random, pace: Duration) -> Out {
        let running = self.world.call(args).spawn();
        let pid = running.pid();
        let what = random.below(8);
        if what > 0 {
            std::thread::sleep(random.up_to(pace));
            let child = (what > 5).then(|| child_of(pid)).flatten();
            match child {
                Some(child) => crate::support::kill(child, Signal::KILL),
                None => running.signal(Signal::KILL),
            }
            let out = running.finish();
            let mut counts = self.counts();
            counts.commands += 1;
            counts.of_git += u64::from(child.is_some());
            counts.of_tool += u64::from(out.code == KILLED);
            drop(counts);
            return self.judged(out);
        }
        self.counts().commands += 1;
        self.judged(running.finish())
    }

    fn judged(&self, out: Out) -> Out {
        let fine = DOCUMENTED.contains(&out.code) || [KILLED, 125, 128].contains(&out.code);
        if !fine || out.stderr.contains("panicked") {
            let mut findings = Findings::default();
            findings.add(Kind::Wedged, out.to_string());
            self.counts().note(findings, 0);
        }
        out
    }

    /// Between two rounds nothing runs: everything must hold. Sometimes `recover` comes, sometimes the
    /// next commands meet what the killed ones left. Gives the time within which to kill: about what a
    /// command needs now, however busy the machine is.
    fn after(&self, round: u64, pace: Duration) -> Duration {
        let Self { world, remote, .. } = self;
        await_quiet(world);
        let mut held = self.held.lock().expect("the invariants");
        if round.is_multiple_of(7) {
            world.push_commit(remote, "late.txt", &format!("{round}\n"));
            held.outside_changed(world);
        }
        let mut counts = self.counts();
        counts.note(held.now(world), round);
        if !round.is_multiple_of(4) {
            return pace;
        }
        if round.is_multiple_of(8) {
            counts.note(held.usable(world), round);
        }
        let isolated = |slot: &&serde_json::Value| slot["state"] == "error";
        for slot in world.slots("p").iter().filter(isolated) {
            let path = slot["slot_path"].as_str().unwrap_or_default();
            let out = world.pool(["recover", path]);
            counts.isolated += 1;
            if out.code != 0 {
                let mut findings = Findings::default();
                findings.add(Kind::NotRecovered, format!("{slot}: {out}"));
                counts.note(findings, round);
            }
        }
        counts.note(held.recovered(world), round);
        for slot in world.slots("p") {
            let path = slot["slot_path"].as_str().unwrap_or_default();
            if slot["state"] == "allocated" {
                world.pool(["release", path, "--force"]).ok();
            }
        }
        // Enough slots for all, and not more and more of them.
        let slots = world.slots("p");
        for slot in slots.iter().skip(6) {
            let path = slot["slot_path"].as_str().unwrap_or_default();
            world.pool(["remove-slot", path]).ok();
        }
        if slots.len() < 4 {
            world.pool("add-slot p -n 2").ok();
        }
        let took = world.pool("allocate p --no-fetch --json").took;
        world.pool("release p/slot1").one_of(&DOCUMENTED);
        took.mul_f64(1.5)
            .clamp(Duration::from_millis(5), Duration::from_secs(2))
    }
}

/// A child of the process.
fn child_of(pid: u32) -> Option<u32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    children.ok()?.split_whitespace().next()?.parse().ok()
}
