//! Private remotes: the caller's ways in reach git and are stored nowhere; failures that can pass.

use crate::support::{AuthServer, Call, Remote, World, files_containing, program};
use std::fs;
use std::path::PathBuf;

/// Writes an executable script.
fn script(world: &World, name: &str, body: &str) -> PathBuf {
    let path = world.path(name);
    program(&path, &format!("#!/bin/sh\n{body}\n"));
    path
}

/// A stand-in for ssh that notes each connection in `log`, does `first`, and then runs the remote
/// command here. git asks an unknown ssh for its options with `-G`; that is no connection.
fn ssh(world: &World, first: &str) -> PathBuf {
    let log = world.path("ssh.log").display().to_string();
    let body = format!(
        "for last; do case $last in -G) exit 1;; esac; done\n\
         echo \"$last\" >> '{log}'\ncount=$(wc -l < '{log}')\n{first}\nexec sh -c \"$last\""
    );
    script(world, "my-ssh", &body)
}

/// How many connections there were.
fn connections(world: &World) -> usize {
    let log = fs::read_to_string(world.path("ssh.log")).unwrap_or_default();
    log.lines().count()
}

/// The remote's address by ssh.
fn ssh_url(remote: &Remote) -> String {
    format!("ssh://git@host.invalid{}", remote.dir())
}

/// The caller's GIT_SSH_COMMAND reaches clone and fetch, and is stored nowhere.
#[test]
fn git_ssh_command_of_the_caller_is_used_and_not_stored() {
    let world = World::new();
    let remote = world.remote();
    let ssh = ssh(&world, "");
    let call = |args: &str| world.call(args).env("GIT_SSH_COMMAND", &ssh);
    call(&format!("create p {} -n 1", ssh_url(&remote)))
        .run()
        .ok();
    let after_create = connections(&world);
    assert!(after_create > 0);
    let pushed = world.push_commit(&remote, "late.txt", "late");
    let dir = call("allocate p").run().ok().path();
    assert_eq!(world.head(&dir), pushed);
    assert!(connections(&world) > after_create);
    world.pool("release p/slot1").ok();
    assert_eq!(
        files_containing(&world.workspace(), "my-ssh"),
        Vec::<PathBuf>::new()
    );
    call(&format!("allocate {}", ssh_url(&remote))).run().ok();
    assert_eq!(world.list(), ["p"]);
}

/// GIT_SSH likewise.
#[test]
fn git_ssh_of_the_caller_is_used() {
    let world = World::new();
    let remote = world.remote();
    let ssh = ssh(&world, "");
    let call = world.call(format!("create p host.invalid:{} -n 1", remote.dir()));
    call.env("GIT_SSH", &ssh).run().ok();
    assert!(connections(&world) > 0);
    world.assert_sound("p");
}

/// 9.1: what can pass is tried up to three times.
#[test]
fn a_connection_that_is_reset_is_tried_again() {
    let world = World::new();
    let remote = world.remote();
    let fails = "if [ \"$count\" -le 2 ]; then \
                 echo 'kex_exchange_identification: read: Connection reset by peer' >&2; exit 255; fi";
    let ssh = ssh(&world, fails);
    let call = world.call(format!("create p {} -n 1", ssh_url(&remote)));
    call.env("GIT_SSH_COMMAND", &ssh).run().ok();
    assert!(connections(&world) >= 3);
    world.assert_sound("p");
    fs::write(world.path("ssh.log"), "").expect("writing");
    let pushed = world.push_commit(&remote, "late.txt", "late");
    let out = world.call("allocate p").env("GIT_SSH_COMMAND", &ssh).run();
    assert_eq!(world.head(&out.ok().path()), pushed);
}

/// 9.1: after three failures it is an error with git's words, and nothing is left.
#[test]
fn a_connection_that_is_always_reset_is_given_up() {
    let world = World::new();
    let remote = world.remote();
    let ssh = ssh(&world, "echo 'Connection reset by peer' >&2; exit 255");
    let call = world.call(format!("create p {}", ssh_url(&remote)));
    let out = call.env("GIT_SSH_COMMAND", &ssh).run();
    out.code(1).silent().says("Connection reset by peer");
    assert_eq!(connections(&world), 3, "{out}");
    assert!(!world.pool_dir("p").exists());
}

/// 9.1: what can't pass is not tried again.
#[test]
fn a_refused_login_is_not_tried_again() {
    let world = World::new();
    let remote = world.remote();
    let ssh = ssh(
        &world,
        "echo 'git@host.invalid: Permission denied (publickey).' >&2; exit 255",
    );
    let call = world.call(format!("create p {}", ssh_url(&remote)));
    let out = call.env("GIT_SSH_COMMAND", &ssh).run();
    out.code(1).silent().says("Permission denied (publickey)");
    assert_eq!(connections(&world), 1, "{out}");
}

/// An ssh that would ask at the terminal has none to ask at.
#[test]
fn ssh_without_a_command_of_the_caller_runs_in_batch_mode() {
    let world = World::new();
    let remote = world.remote();
    let log = world.path("options.log").display().to_string();
    let bin = world.path("bin");
    fs::create_dir(&bin).expect("a directory");
    script(
        &world,
        "bin/ssh",
        &format!("echo \"$@\" >> '{log}'; exit 255"),
    );
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").expect("PATH"));
    let call = world
        .call(format!("create p {}", ssh_url(&remote)))
        .env("PATH", path);
    call.run().code(1).silent();
    let options = fs::read_to_string(log).expect("ssh was called");
    assert!(options.contains("BatchMode=yes"), "{options}");
}

/// GIT_ASKPASS of the caller answers for clone and fetch; the answer is stored nowhere.
#[test]
fn git_askpass_of_the_caller_is_used_and_not_stored() {
    let world = World::new();
    let remote = world.remote();
    world.git(&remote.path, "update-server-info");
    let server = AuthServer::start(&world.path(""));
    let askpass = script(
        &world,
        "my-askpass",
        "case $1 in User*) echo user;; *) echo s3cr3t;; esac",
    );
    let call = |args: &str| world.call(args).env("GIT_ASKPASS", &askpass);
    let url = server.url("remote.git");
    let out = call(&format!("-vv create p {url} -n 1")).run();
    out.ok().never_says("s3cr3t");
    let pushed = world.push_commit(&remote, "late.txt", "late");
    world.git(&remote.path, "update-server-info");
    world.pool("allocate p").code(1).silent();
    let dir = call("allocate p").run().ok().path();
    assert_eq!(world.head(&dir), pushed);
    for secret in ["s3cr3t", "my-askpass"] {
        assert_eq!(
            files_containing(&world.workspace(), secret),
            Vec::<PathBuf>::new()
        );
    }
}

/// A credential helper of the user's configuration is asked as well.
#[test]
fn a_credential_helper_of_the_user_is_used() {
    let world = World::new();
    let remote = world.remote();
    world.git(&remote.path, "update-server-info");
    let server = AuthServer::start(&world.path(""));
    let helper = script(
        &world,
        "my-helper",
        "echo username=user; echo password=s3cr3t",
    );
    world.git(
        &world.path(""),
        [
            "config",
            "--global",
            "credential.helper",
            &helper.display().to_string(),
        ],
    );
    world
        .pool(format!("create p {} -n 1", server.url("remote.git")))
        .ok();
    assert_eq!(
        files_containing(&world.workspace(), "s3cr3t"),
        Vec::<PathBuf>::new()
    );
}

/// GIT_CONFIG_COUNT and its keys reach clone and fetch, and are stored nowhere.
#[test]
fn git_config_count_of_the_caller_is_used_and_not_stored() {
    let world = World::new();
    let remote = world.remote();
    let key = format!("url.file://{}.insteadOf", remote.dir());
    let with = |call: Call| {
        call.env("GIT_CONFIG_COUNT", "1")
            .env("GIT_CONFIG_KEY_0", &key)
            .env("GIT_CONFIG_VALUE_0", "https://private.invalid/repo.git")
    };
    let create = "create p https://private.invalid/repo.git -n 1";
    world
        .call(create)
        .env("REPO_POOL_GIT_TIMEOUT", "5s")
        .run()
        .code(1);
    with(world.call(create)).run().ok();
    assert_eq!(
        world.status("p")["repo_url"],
        "https://private.invalid/repo.git"
    );
    let pushed = world.push_commit(&remote, "late.txt", "late");
    let dir = with(world.call("allocate p")).run().ok().path();
    assert_eq!(world.head(&dir), pushed);
    assert_eq!(
        files_containing(&world.workspace(), &remote.dir()),
        Vec::<PathBuf>::new()
    );
}
