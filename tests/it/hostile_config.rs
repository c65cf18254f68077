//! A slot's user who writes into what all slots share, to have the tool's own git run something or
//! look elsewhere.

use crate::support::{Remote, Traps, World};
use std::fs;
use std::io::Write;
use std::path::Path;

/// Adds text to a file, without any git that would obey it.
#[track_caller]
fn append(path: &Path, text: &str) {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).expect("a directory");
    }
    let file = fs::File::options().append(true).create(true).open(path);
    let mut file = file.expect("opening");
    file.write_all(text.as_bytes()).expect("writing");
}

/// Every setting by which git runs a program or is sent elsewhere, each with a trap behind it.
fn planted(traps: &Traps, remote: &Remote, elsewhere: &Remote, included: &Path) -> String {
    let url = remote.url();
    let trap = |name: &str| traps.set(name);
    let include = format!(
        "[filter \"evil\"]\n\tprocess = {0}\n\trequired = true\n[core]\n\tfsmonitor = {0}\n",
        trap("included")
    );
    fs::write(included, include).expect("writing");
    let hooks = trap("hooks/post-checkout");
    let hooks = Path::new(&hooks).parent().expect("a directory").display();
    format!(
        "[core]\n\tfsmonitor = {monitor}\n\thooksPath = {hooks}\n\tsshCommand = {ssh}\n\
         \tgitProxy = {proxy}\n\talternateRefsCommand = {refs}\n\tpager = {pager}\n\teditor = {editor}\n\
         \taskPass = {ask}\n\tattributesFile = {attributes}\n\texcludesFile = {excludes}\n\
         [remote \"origin\"]\n\turl = {other}\n\tuploadpack = {upload}\n\treceivepack = {upload}\n\
         \tpromisor = true\n\tpartialclonefilter = blob:none\n\tproxy = http://127.0.0.1:1\n\
         [remote \"{url}\"]\n\tuploadpack = {upload}\n\treceivepack = {upload}\n\tfetch = +refs/*:refs/*\n\
         [url \"{other}\"]\n\tinsteadOf = {url}\n\
         [url \"ext::{ext} %S\"]\n\tinsteadOf = file://\n\
         [protocol]\n\tallow = always\n[protocol \"ext\"]\n\tallow = always\n\
         [credential]\n\thelper = !{helper}\n\
         [diff]\n\texternal = {diff}\n[diff \"evil\"]\n\tcommand = {diff}\n\ttextconv = {diff}\n\
         [filter \"evil\"]\n\tclean = {clean}\n\tsmudge = {smudge}\n\tprocess = {process}\n\trequired = true\n\
         [merge \"evil\"]\n\tdriver = {merge}\n\
         [include]\n\tpath = {included}\n[includeIf \"gitdir:/**\"]\n\tpath = {included}\n\
         [alias]\n\tstatus = !{alias}\n\tevil = !{alias}\n[pager]\n\tstatus = {pager}\n\tls-files = {pager}\n\
         [gpg]\n\tprogram = {gpg}\n[commit]\n\tgpgSign = true\n[submodule]\n\trecurse = true\n\
         [submodule \"lib\"]\n\tupdate = !{submodule}\n\tactive = true\n\
         [uploadpack]\n\tpackObjectsHook = {pack}\n[gc]\n\tauto = 1\n\trecentObjectsHook = {recent}\n\
         [maintenance]\n\tauto = true\n[fetch]\n\trecurseSubmodules = true\n[sequence]\n\teditor = {editor}\n\
         [status]\n\tshowUntrackedFiles = no\n[transfer]\n\thideRefs = refs\n[index]\n\tsparse = true\n",
        monitor = trap("monitor"),
        ssh = trap("ssh"),
        proxy = trap("proxy"),
        refs = trap("alternate-refs"),
        pager = trap("pager"),
        editor = trap("editor"),
        ask = trap("askpass"),
        upload = trap("upload-pack"),
        ext = trap("ext"),
        helper = trap("credential-helper"),
        diff = trap("diff"),
        clean = trap("clean"),
        smudge = trap("smudge"),
        process = trap("process"),
        merge = trap("merge"),
        alias = trap("alias"),
        gpg = trap("gpg"),
        submodule = trap("submodule"),
        pack = trap("pack-objects"),
        recent = trap("recent-objects"),
        attributes = included.with_file_name("attributes").display(),
        excludes = included.with_file_name("excludes").display(),
        other = elsewhere.url(),
        included = included.display(),
    )
}

/// A pool of three slots, one of them held and edited, and everything planted that can be.
#[track_caller]
fn planted_pool() -> (World, Remote, Traps) {
    let (world, remote) = World::with_pool(3);
    let elsewhere = world.remote_named("elsewhere");
    world.push_commit(&elsewhere, "evil.txt", "evil\n");
    let traps = Traps::new(&world);
    let dir = world.pool("allocate p").ok().path();
    world.commit(&dir, "commit.txt", "committed work\n");
    fs::write(dir.join("work.txt"), "work\n").expect("writing");
    fs::write(dir.join("README.md"), "edited\n").expect("writing");

    let included = world.path("included.config");
    let text = planted(&traps, &remote, &elsewhere, &included);
    let everything = "* filter=evil diff=evil merge=evil\n";
    fs::write(world.path("attributes"), everything).expect("writing");
    fs::write(world.path("excludes"), "*\n").expect("writing");
    let bare = world.bare("p");
    append(&bare.join("config"), &text);
    append(&bare.join("info/attributes"), everything);
    append(&bare.join("info/exclude"), "*\n");
    append(&bare.join("branches/evil"), &elsewhere.url());
    traps.set_hooks(&bare.join("hooks"));
    for slot in ["slot1", "slot2"] {
        append(&world.admin_dir(slot).join("config.worktree"), &text);
    }
    append(&dir.join(".gitattributes"), everything);
    (world, remote, traps)
}

/// The traps are real: git springs them where it reads the shared config.
#[test]
fn what_is_planted_would_be_run_by_a_git_of_the_slots_own() {
    let (world, _remote, traps) = planted_pool();
    let dir = world.slot_dir("slot1");
    for command in ["status", "fetch origin", "add work.txt", "diff"] {
        world.try_git(&dir, command);
        traps.assert_sprung();
    }
}

/// No verb runs what was planted, none goes elsewhere for its commits, and no work is lost.
#[test]
fn no_verb_obeys_what_is_planted_in_the_shared_config() {
    let (world, remote, traps) = planted_pool();
    let home = world.clone_of(&remote, "home-clone").display().to_string();
    let pushed = world.push_commit(&remote, "late.txt", "late");
    for command in [
        "status",
        "status p --disk",
        "status p/slot1",
        "branches p",
        "allocate p",
        "release p/slot2",
        "allocate p --ref topic",
        "release p/slot2 --no-cleanup",
        "allocate p --branch topic",
        &format!("collect p/slot1 --into {home}"),
        "add-slot p",
        "release p/slot3",
        "isolate p/slot2",
        "release p/slot1",
        "log p",
        "recover --dry-run",
    ] {
        let out = world.pool(command);
        out.one_of(&[0, if command.contains("dry") { 1 } else { 0 }]);
        traps.assert_not_sprung(command);
    }
    for work in ["work\n", "edited\n", "committed work\n"] {
        assert!(world.is_rescued("p", work), "{work:?} was lost");
    }
    let slot = world.allocate("p --no-fetch");
    assert_eq!(slot["current_commit"], pushed.as_str(), "{slot}");
    let dir = Path::new(slot["slot_path"].as_str().expect("a path"));
    assert!(dir.join("late.txt").exists() && !dir.join("evil.txt").exists());
    for command in [
        "recover",
        "recover p/slot2 --force",
        "remove-slot p/slot4",
        "remove-slot p/slot1 --force",
        "remove-pool p --force",
    ] {
        world.pool(command).ok();
        traps.assert_not_sprung(command);
    }
}

/// A config that does not parse, is a directory or a link that leads nowhere, harms no verb.
#[test]
fn no_verb_needs_the_shared_config() {
    for kind in [
        "broken",
        "directory",
        "link",
        "bare",
        "unknown extension",
        "gone",
    ] {
        let (world, remote) = World::with_pool(2);
        let dir = world.pool("allocate p").ok().path();
        fs::write(dir.join("work.txt"), "work\n").expect("writing");
        let config = world.bare("p").join("config");
        let was = fs::read_to_string(&config).expect("the config");
        fs::remove_file(&config).expect("deleting");
        match kind {
            "broken" => fs::write(&config, was + "[core\nnot a config").expect("writing"),
            "directory" => fs::create_dir(&config).expect("a directory"),
            "link" => std::os::unix::fs::symlink("/nonexistent", &config).expect("a link"),
            "bare" => {
                let text = was + "[core]\n\tbare = true\n\tworktree = /nonexistent\n";
                fs::write(&config, text).expect("writing");
            }
            "unknown extension" => {
                let text = was + "[core]\n\trepositoryformatversion = 1\n[extensions]\n\tx = y\n";
                fs::write(&config, text).expect("writing");
            }
            _ => {}
        }
        let pushed = world.push_commit(&remote, "late.txt", "late");
        let other = world.pool("allocate p").ok().path();
        assert!(other.join("late.txt").exists(), "{kind}");
        for command in [
            "release p/slot2",
            "release p/slot1",
            "add-slot p",
            "status p/slot1",
        ] {
            world.pool(command).ok();
        }
        world.pool("recover").ok();
        assert!(world.is_rescued("p", "work\n"), "{kind}");
        let dir = world.pool("allocate p").ok().path();
        world.assert_holds(&dir, &remote, &pushed);
        world.assert_sound("p");
    }
}
