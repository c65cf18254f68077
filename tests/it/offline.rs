//! A remote that can't be asked: the error names the way to go on without it, and where the settings
//! want that, a warning says how old the base is.

use crate::support::{Remote, SilentServer, World};
use std::net::TcpListener;

/// How a remote is lost.
enum Loss {
    /// It is not there any more.
    Gone,
    /// Nobody listens at its address.
    Refused,
    /// Its host takes the connection and never answers.
    Silent(SilentServer),
}

/// A pool whose remote is lost after it was made, and what is said of that.
#[track_caller]
fn lost(loss: &Loss) -> (World, Remote, &'static str) {
    let (world, remote) = World::with_pool(2);
    if matches!(loss, Loss::Silent(_)) {
        world.declare("[defaults]\ngit_timeout = 2\n");
    }
    let (url, said) = match loss {
        Loss::Gone => {
            std::fs::rename(&remote.path, world.path("lost.git")).expect("moving");
            return (world, remote, "does not appear to be a git repository");
        }
        Loss::Refused => {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
            let port = listener.local_addr().expect("its address").port();
            (format!("http://127.0.0.1:{port}/remote.git"), "127.0.0.1")
        }
        Loss::Silent(server) => (server.http_url(), "no progress"),
    };
    let record = world.pool_dir("p").join("pool.json");
    let text = std::fs::read_to_string(&record).expect("the record");
    let text = text.replace(&remote.url(), &url);
    assert!(text.contains(&url), "{text}");
    std::fs::write(record, text).expect("writing");
    (world, remote, said)
}

/// Every command that fetches fails with git's words and names `--no-fetch`, which works.
#[track_caller]
fn fails_and_says_how_to_go_on(loss: &Loss) {
    let (world, _remote, said) = lost(loss);
    for (args, code) in [("allocate p", 1), ("exec p -- true", 125), ("warm p", 1)] {
        let out = world.pool(args);
        out.code(code)
            .silent()
            .says(said)
            .says("`--no-fetch` goes on with main at ");
        out.says("fetched ").says("use-cache");
    }
    let out = world.pool("allocate p --json");
    let hints = out.code(1).kind("git_operation").error()["hints"].to_string();
    assert!(hints.contains("--no-fetch"), "{hints}");
    world.pool("warm p --no-fetch").ok();
    world.pool("exec p --no-fetch -- true").ok();
    world.pool("allocate p --no-fetch").ok().path();
}

/// With `on_fetch_failure = "use-cache"` the same commands warn and go on.
#[track_caller]
fn warns_and_goes_on(loss: &Loss) {
    let (world, _remote, said) = lost(loss);
    for args in [
        "warm p",
        "exec p -- true",
        "allocate p",
        "allocate p --ref v1.0",
    ] {
        let call = world
            .call(args)
            .env("REPO_POOL_ON_FETCH_FAILURE", "use-cache");
        let out = call.run();
        out.ok().says("pool p could not be fetched").says(said);
        out.says("going on with main at ")
            .says(", as fetched ")
            .says(" ago");
        out.never_says("hint:");
    }
}

#[test]
fn a_remote_that_is_gone_is_an_error() {
    fails_and_says_how_to_go_on(&Loss::Gone);
}

#[test]
fn a_remote_that_is_gone_is_a_warning() {
    warns_and_goes_on(&Loss::Gone);
}

#[test]
fn a_refused_connection_is_an_error() {
    fails_and_says_how_to_go_on(&Loss::Refused);
}

#[test]
fn a_refused_connection_is_a_warning() {
    warns_and_goes_on(&Loss::Refused);
}

#[test]
fn a_host_that_never_answers_is_an_error() {
    fails_and_says_how_to_go_on(&Loss::Silent(SilentServer::start()));
}

#[test]
fn a_host_that_never_answers_is_a_warning() {
    warns_and_goes_on(&Loss::Silent(SilentServer::start()));
}

/// Who makes a pool has nothing to go on with.
#[test]
fn a_pool_can_not_be_made_without_its_remote() {
    let world = World::new();
    let url = format!("file://{}", world.path("nowhere.git").display());
    for args in [format!("create p {url}"), format!("allocate {url}")] {
        let call = world
            .call(args)
            .env("REPO_POOL_ON_FETCH_FAILURE", "use-cache");
        let out = call.run();
        out.code(1).silent().never_says("--no-fetch");
    }
    assert_eq!(world.list(), Vec::<String>::new());
}
