use std::collections::BTreeMap;
use std::process::Stdio;

use proptest::prelude::*;

use super::answer::{STATES, Said, State};
use super::script::{self, Script};
use super::template::{PLACEHOLDERS, Template, Values};
use super::*;

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn slurm() -> Exec {
    Exec {
        submit: words(&["sbatch", "--parsable", "--mem={memory_mb}M", "{script}"]),
        poll: words(&["squeue", "-j", "{job}"]),
        cancel: words(&["scancel", "{job}"]),
        gone: words(&["Invalid job id"]),
        ..Exec::default()
    }
}

fn said(stdout: &str) -> Said<'_> {
    Said {
        well: true,
        stdout,
        stderr: "",
    }
}

fn complained(stderr: &str) -> Said<'_> {
    Said {
        well: false,
        stdout: "",
        stderr,
    }
}

#[test]
fn placeholders_are_filled_in_once_and_braces_of_others_stay() {
    let values = Values {
        texts: BTreeMap::from([("name", "{job}".to_owned()), ("cpu", "2".to_owned())]),
        command: words(&["a b", "{cpu}"]),
    };
    let template = words(&[
        "x",
        "-n={name}{cpu}",
        "--mem={memory_mb}M",
        "{command}",
        "${cpu}",
        "{{cpu}}",
        "{print $1}",
        "{",
        "",
        "ä{cpu}",
    ]);
    assert_eq!(
        Template(&template).filled(&values),
        [
            "x",
            "-n={job}2",
            "a b",
            "{cpu}",
            "${cpu}",
            "{{cpu}}",
            "{print $1}",
            "{",
            "",
            "ä2"
        ]
    );
}

#[test]
fn wrong_commands_are_told_by_their_keys() {
    assert_eq!(slurm().problems(), []);
    let wrong = |change: fn(&mut Exec)| {
        let mut exec = slurm();
        change(&mut exec);
        let problems = exec.problems();
        let told = problems
            .iter()
            .map(|(key, wrong)| format!("{key}: {wrong}"));
        told.collect::<Vec<_>>().join("\n")
    };
    for (change, told) in [
        (
            (|exec| exec.poll.clear()) as fn(&mut Exec),
            "poll: is not there",
        ),
        (
            |exec| exec.submit = words(&["x"]),
            "submit: holds neither {script} nor {command}",
        ),
        (
            |exec| exec.submit.push("{command}".into()),
            "submit: holds both",
        ),
        (
            |exec| exec.submit[3] = "{command}".into(),
            "find: is not there",
        ),
        (
            |exec| exec.submit[3] = "{scirpt}".into(),
            "submit: holds {scirpt}, which is none of {name}",
        ),
        (
            |exec| exec.submit[1] = "{job}".into(),
            "submit: holds {job}: there is none yet",
        ),
        (
            |exec| exec.submit[3] = "-- {command}".into(),
            "submit: holds {command} within a word",
        ),
        (
            |exec| exec.submit[0] = "{name}".into(),
            "submit: begins with a placeholder",
        ),
        (
            |exec| exec.cancel = words(&[" "]),
            "cancel: begins with an empty word",
        ),
        (
            |exec| exec.cancel = words(&["x"]),
            "cancel: does not say of which job",
        ),
        (
            |exec| exec.find = words(&["x", "{job}"]),
            "find: holds {job}",
        ),
        (
            |exec| exec.log = words(&["x", "{script}"]),
            "log: holds {script}, which is for `submit` only",
        ),
    ] {
        let said = wrong(change);
        assert!(said.contains(told), "{said:?} should say {told:?}");
    }
}

#[test]
fn the_id_is_the_last_word_or_what_follows_a_text() {
    let exec = slurm();
    for (answer, id) in [
        ("17\n", "17"),
        ("Submitted batch job 17\n\n", "17"),
        ("17;cluster", "17"),
        ("rp-r-t-a1", "rp-r-t-a1"),
    ] {
        assert_eq!(exec.job_id(said(answer)).as_deref(), Ok(id));
    }
    for answer in [
        "",
        "error: cannot connect",
        "-17",
        "a 1$(x)",
        &"1".repeat(300),
    ] {
        assert!(exec.job_id(said(answer)).is_err(), "{answer}");
    }
    let after = Exec {
        job_after: Some("Job ID =".into()),
        ..exec
    };
    let answer = "Dispatched Job ID = a/dispatch-1\nEvaluation ID = 99";
    assert_eq!(after.job_id(said(answer)).as_deref(), Ok("a/dispatch-1"));
    assert!(after.job_id(said("17")).is_err());
}

#[test]
fn what_is_found_is_a_job_or_none_or_not_to_be_told() {
    let exec = slurm();
    assert_eq!(exec.found(said("17\n")), Ok(Some("17".into())));
    assert_eq!(exec.found(said("\n")), Ok(None));
    assert_eq!(
        exec.found(complained("slurm: Invalid job id specified")),
        Ok(None)
    );
    assert!(exec.found(complained("cannot connect")).is_err());
    assert!(exec.found(said("no idea")).is_err());
}

#[test]
fn states_are_understood_by_their_words() {
    let exec = Exec {
        states: BTreeMap::from([("R".into(), State::Running), (String::new(), State::Gone)]),
        ..slurm()
    };
    let state = |answer| exec.state(said(answer)).map(|seen| seen.state);
    assert_eq!(state("PENDING\n"), Ok(State::Waiting));
    assert_eq!(state("r"), Ok(State::Running));
    assert_eq!(state("COMPLETED"), Ok(State::Done));
    assert_eq!(state("OUT_OF_MEMORY"), Ok(State::Oom));
    assert_eq!(state("NODE_FAIL"), Ok(State::Evicted));
    assert_eq!(state(" \n"), Ok(State::Gone));
    assert_eq!(state("ERR: Invalid job id specified"), Ok(State::Gone));
    assert!(state("HUH").is_err() && slurm().state(said("")).is_err());
    assert!(
        exec.state(complained("Unable to contact controller"))
            .is_err()
    );
    assert!(exec.state(complained("Invalid job id specified")).is_ok());
}

#[test]
fn states_and_exit_codes_follow_their_texts() {
    let exec = Exec {
        state_after: Some("JobState=".into()),
        exit_code_after: Some("ExitCode=".into()),
        ..slurm()
    };
    let seen = exec.state(said(
        "JobId=1 JobState=FAILED Reason=x\n ExitCode=78:0 Running",
    ));
    let seen = seen.unwrap();
    assert_eq!((seen.state, seen.code), (State::Failed, Some(78)));
    assert!(exec.state(said("RUNNING")).is_err());
    let table = Exec {
        state_after: Some("State".into()),
        ..slurm()
    };
    let seen = table.state(said("| ID    | 1 |\n| State | RUNNING  |\n| x | FAILED |"));
    assert_eq!(seen.unwrap().state, State::Running);
}

#[test]
fn every_state_has_a_word_of_its_own() {
    for word in STATES {
        let state = State::from_word(word).unwrap();
        assert_eq!(serde_json::to_value(state).unwrap(), *word);
        assert_eq!(slurm().state(said(word)).unwrap().state, state);
    }
    assert_eq!(State::from_word("x"), None);
}

/// What the script does is what a shell makes of it.
mod in_a_shell {
    use super::*;

    fn run(script: &Script<'_>) -> (Option<i32>, String) {
        #[expect(clippy::disallowed_methods, reason = "the real shell is asked")]
        let child = std::process::Command::new("/bin/sh")
            .args(["-c", &script.text()])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        (
            child.status.code(),
            String::from_utf8_lossy(&child.stderr).into_owned(),
        )
    }

    #[test]
    fn a_script_begins_once_and_writes_down_its_end() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
        let (begun, exit, env, log) = (
            path("begun"),
            path("exit"),
            path("it's env"),
            path("log $x"),
        );
        let odd = "a'b \"c\" $(d) `e` \\ \n*";
        #[expect(clippy::disallowed_methods, reason = "a file of the test")]
        std::fs::write(
            &env,
            script::exports([("ODD", odd), ("no name", "")].into_iter()),
        )
        .unwrap();
        let command = words(&[
            "sh",
            "-c",
            "printf %s \"$ODD\" \"$1\"; pwd; exit 7",
            "sh",
            odd,
        ]);
        let script = Script {
            title: "task 'x'\nrm -rf",
            begun: &begun,
            exit: &exit,
            env: &env,
            log: Some(&log),
            workdir: "/",
            command: &command,
        };
        assert_eq!(run(&script), (Some(7), String::new()));
        let read = |path: &str| std::fs::read_to_string(path).unwrap();
        assert_eq!(read(&exit), "7\n");
        assert_eq!(read(&log), format!("{odd}{odd}/\n"));
        let (code, said) = run(&script);
        assert_eq!(code, Some(75));
        assert!(said.contains("has begun before"), "{said}");
        assert_eq!(read(&log), format!("{odd}{odd}/\n"));
    }
}

proptest! {
    /// Whatever is filled in, every word stays one word, and what is filled in is not looked at again.
    #[test]
    fn words_stay_words(
        parts in proptest::collection::vec((any::<bool>(), "[a-z{}$ ]{0,6}", 0..PLACEHOLDERS.len()), 0..8),
        value in "[ -~]{0,12}",
    ) {
        let template: Vec<String> = parts
            .iter()
            .map(|(with, text, which)| match with {
                true => format!("{text}-{{{}}}", PLACEHOLDERS[*which].0),
                false => text.clone(),
            })
            .collect();
        let texts = PLACEHOLDERS.iter().map(|(name, _)| (*name, value.clone())).collect();
        let values = Values { texts, command: vec![value.clone()] };
        let filled = Template(&template).filled(&values);
        prop_assert_eq!(filled.len(), template.len());
        for ((with, text, _), word) in parts.iter().zip(&filled) {
            let expected = format!("{text}-{value}");
            prop_assert!(!with || text.contains('{') || *word == expected, "{} {}", word, expected);
        }
    }

    /// No answer is taken for an id that a command line could take for something else.
    #[test]
    fn ids_are_harmless(answer in "\\PC{0,40}") {
        if let Ok(id) = slurm().job_id(said(&answer)) {
            prop_assert!(!id.is_empty() && !id.starts_with('-'));
            let special = |c: char| c.is_whitespace() || "$`'\"\\;&|<>(){}*?[]!#~".contains(c);
            let harmless = !id.contains(special);
            prop_assert!(harmless);
        }
    }

    /// Nothing that an engine may print is a state unless its word is one.
    #[test]
    fn no_answer_is_taken_for_an_end_by_mistake(answer in "[a-zA-Z ]{0,12}", well in any::<bool>()) {
        let said = Said { well, stdout: &answer, stderr: "" };
        if let Ok(seen) = slurm().state(said) {
            prop_assert!(well);
            prop_assert!(answer.trim_start().starts_with(&seen.word));
        }
    }
}
