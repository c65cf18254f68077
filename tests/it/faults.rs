//! Every verb with one of its system calls made to fail, as by a full or broken disk, a lack of
//! descriptors or processes, or a signal: no false success, a clear failure, nothing lost, and the
//! next commands work.
//!
//! `strace` makes them fail: all of the tool's own, one by one, with `REPO_POOL_TEST_FAULTS=all`;
//! otherwise a sample of so many as that variable says, chosen by `REPO_POOL_TEST_SEED`. Short writes can't be had that way
//! and come from a limit on the size of files.

use crate::support::verbs::for_each_verb;
use crate::support::{Call, Out, Part, Random, Scene, Stand, Verb, say, verbs};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::OnceLock;

/// A system call and what it is made to say.
type Fault = (&'static str, &'static str);

/// What the tool itself must report as a failure, or be able to do without.
const FAULTS: [Fault; 29] = [
    ("write", "ENOSPC"),
    ("write", "EIO"),
    ("fsync", "EIO"),
    ("fsync", "ENOSPC"),
    ("rename", "EACCES"),
    ("rename", "ENOSPC"),
    ("renameat2", "EACCES"),
    ("renameat2", "EIO"),
    ("openat", "EMFILE"),
    ("openat", "EIO"),
    ("openat", "ENOSPC"),
    ("open", "EMFILE"),
    ("open", "ENOSPC"),
    ("mkdir", "ENOSPC"),
    ("mkdir", "EACCES"),
    ("unlink", "EACCES"),
    ("unlinkat", "EACCES"),
    ("unlinkat", "EIO"),
    ("rmdir", "EIO"),
    ("pipe2", "EMFILE"),
    ("socketpair", "EMFILE"),
    ("flock", "ENOLCK"),
    ("clone", "EAGAIN"),
    ("clone3", "EAGAIN"),
    ("vfork", "ENOMEM"),
    ("pidfd_open", "EMFILE"),
    ("read", "EIO"),
    ("getdents64", "EIO"),
    ("copy_file_range", "EIO"),
];

/// What is no failure at all: the call is to be made again.
const INTERRUPTED: [Fault; 6] = [
    ("write", "EINTR"),
    ("read", "EINTR"),
    ("flock", "EINTR"),
    ("openat", "EINTR"),
    ("poll", "EINTR"),
    ("fsync", "EINTR"),
];

/// What is done to a git of the tool's.
const GIT_FAULTS: [&str; 10] = [
    "write:error=ENOSPC",
    "write:error=EIO",
    "openat:error=EMFILE",
    "openat:error=ENOSPC",
    "rename:error=EIO",
    "link:error=EIO",
    "unlink:error=EACCES",
    "mkdir:error=ENOSPC",
    "write,openat,rename,link,unlink,mkdir:signal=KILL",
    "fsync:error=EIO",
];

/// How many of the tool's calls are made to fail per verb, unless the environment says otherwise.
const SAMPLE: u64 = 14;

/// How many faults are tried per verb.
#[derive(Clone, Copy)]
enum Sample {
    /// All there are.
    All,
    /// So many.
    Some(u64),
}

impl Sample {
    fn wanted() -> Self {
        match std::env::var("REPO_POOL_TEST_FAULTS").ok().as_deref() {
            None => Self::Some(SAMPLE),
            Some("all") => Self::All,
            Some(number) => Self::Some(number.parse().expect("REPO_POOL_TEST_FAULTS")),
        }
    }

    /// How often gits are disturbed: there are fewer places where that can happen.
    fn of_gits(self) -> u64 {
        match self {
            Self::All => 60,
            Self::Some(number) => number.div_ceil(2),
        }
    }
}

macro_rules! with_failing_calls {
    ($($verb:ident)*) => {
        $(
            /// 9.5: see the module.
            #[test]
            fn $verb() {
                fail_calls(&verbs::$verb());
            }
        )*
    };
}
for_each_verb!(with_failing_calls);

fn fail_calls(verb: &Verb) {
    let sample = Sample::wanted();
    let part = Part::own();
    let mut random = part.random();
    let mut scene = Scene::new(verb);
    let calls = calls_of(&mut scene, verb);
    let faults: Vec<Fault> = FAULTS
        .into_iter()
        .chain(INTERRUPTED)
        .filter(|(call, _)| calls.contains_key(*call))
        .collect();
    let mut cases: Vec<(Fault, u32)> = Vec::new();
    for fault in &faults {
        cases.extend(calls[fault.0].iter().map(|at| (*fault, *at)));
    }
    let whole = cases.len();
    if let Sample::Some(number) = sample {
        // Each kind of fault is as likely as any other, however often its call is made.
        let mut one_of = || {
            let fault = faults[random.below(faults.len() as u64) as usize];
            let times = &calls[fault.0];
            (fault, times[random.below(times.len() as u64) as usize])
        };
        cases = (0..part.share(number)).map(|_| one_of()).collect();
    }
    for ((call, error), at) in &cases {
        fail_one(&mut scene, verb, call, error, *at);
    }
    for blocks in (0..4).filter(|blocks| part.has(*blocks)) {
        limit_files(&mut scene, verb, blocks);
    }
    let rounds = part.share(sample.of_gits());
    fail_gits(&mut scene, verb, rounds, &mut random);
    say(&format!(
        "{}: {} of {whole} faults, limits, {rounds} faults of git",
        verb.name,
        cases.len()
    ));
}

/// Runs the verb as it is, and numbers its system calls, by name. Looks into `/proc` are left out:
/// there are thousands, and a process that can't be looked at is one of other tests.
#[track_caller]
fn calls_of(scene: &mut Scene, verb: &Verb) -> BTreeMap<String, Vec<u32>> {
    let log = scene.world.path("strace.log");
    let expression = format!("trace={}", known(scene).join(","));
    let args = scene.prepare(verb);
    let out = traced(
        scene,
        &args,
        &["-y", "-o", &log.display().to_string(), "-e", &expression],
    )
    .run();
    out.ok();
    (verb.succeeded)(scene, &out);
    let text = fs::read_to_string(&log).expect("the log of strace");
    fs::remove_file(&log).expect("removing the log");
    scene.held.outside_changed(&scene.world);
    scene.in_order(verb, true, "traced");
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    let mut calls: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for (name, rest) in text.lines().filter_map(|line| line.split_once('(')) {
        let number = seen.entry(name).or_default();
        *number += 1;
        if !rest.contains("/proc") {
            calls.entry(name.to_owned()).or_default().push(*number);
        }
    }
    assert!(!calls.is_empty(), "strace saw no system call:\n{text}");
    calls
}

/// The calls that this machine's strace knows: some kinds of processor have not all of them.
#[track_caller]
fn known(scene: &Scene) -> &'static [&'static str] {
    static KNOWN: OnceLock<Vec<&str>> = OnceLock::new();
    let known = KNOWN.get_or_init(|| {
        let names: BTreeSet<&str> = FAULTS.iter().chain(&INTERRUPTED).map(|f| f.0).collect();
        let is_known = |name: &&str| {
            let mut command = scene.world.command("strace");
            command.args(["-o", "/dev/null", "-e", &format!("trace={name}"), "true"]);
            let status = command.output().unwrap_or_else(|error| {
                panic!("this test needs strace, which can't be run: {error}")
            });
            status.status.success()
        };
        names.into_iter().filter(is_known).collect()
    });
    assert!(
        !known.is_empty(),
        "strace can't trace here: is ptrace allowed?"
    );
    known
}

/// The verb under strace, which follows no child.
fn traced(scene: &Scene, args: &str, options: &[&str]) -> Call {
    let mut command = scene.world.command("strace");
    command.env("REPO_POOL_JOBS", "1").args(options);
    command.arg("--").arg(env!("CARGO_BIN_EXE_repo-pool"));
    command.args(args.split_whitespace());
    Call::new(command)
}

#[track_caller]
fn fail_one(scene: &mut Scene, verb: &Verb, call: &str, error: &str, at: u32) {
    let args = scene.prepare(verb);
    let inject = format!("inject={call}:error={error}:when={at}");
    let out = traced(scene, &args, &["-o", "/dev/null", "-e", &inject]).run();
    let what = format!("with {call} number {at} failing with {error}: {out}");
    if error == "EINTR" {
        assert_eq!(out.code, 0, "{}, {what}", verb.name);
    }
    judge(scene, verb, &out, &what);
}

/// No file may grow beyond so many blocks of 512 bytes: writes are short, then fail.
#[track_caller]
fn limit_files(scene: &mut Scene, verb: &Verb, blocks: usize) {
    let args = scene.prepare(verb);
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$REPO_POOL\" {args}");
    let out = scene.world.sh(&script);
    let what = format!("with files of at most {blocks} blocks: {out}");
    judge(scene, verb, &out, &what);
}

/// One call of one of the verb's gits fails, or kills it.
#[track_caller]
fn fail_gits(scene: &mut Scene, verb: &Verb, rounds: u64, random: &mut Random) {
    let stand = Stand::new(&scene.world);
    let mut calls = 8;
    for _ in 0..rounds {
        let args = scene.prepare(verb);
        let fault = GIT_FAULTS[random.below(GIT_FAULTS.len() as u64) as usize];
        let at = 1 + random.below(if fault.starts_with("openat") { 40 } else { 8 });
        let number = 1 + random.below(u64::from(calls)) as u32;
        let inject = format!("strace -f -qq -o /dev/null -e inject={fault}:when={at}");
        stand.choose(number, &inject);
        let call = scene.world.call(args).env("PATH", stand.path());
        let out = call.env("REPO_POOL_JOBS", "1").run();
        calls = stand.calls().max(1);
        let words = stand.words_of(number);
        let what = format!("with {fault} at {at} in git number {number}, {words}: {out}");
        judge(scene, verb, &out, &what);
    }
}

/// No false success, a clear failure, and everything in order.
#[track_caller]
fn judge(scene: &mut Scene, verb: &Verb, out: &Out, what: &str) {
    verb.ends_as_documented(out);
    assert!(!out.stderr.contains("panicked"), "{what}");
    if out.code == 0 {
        (verb.succeeded)(scene, out);
    } else {
        // The table of `recover` names what failed.
        let said = !out.stderr.trim().is_empty() || out.stdout.contains("failed");
        assert!(said, "a silent failure {what}");
    }
    scene.held.outside_changed(&scene.world);
    scene.bring_back_isolated(what);
    scene.in_order(verb, scene.round.is_multiple_of(2), what);
}
