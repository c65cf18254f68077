//! Which submodules a commit records: where they go, what they are called, and where they come from.
//!
//! What is recorded was written by anybody, so nothing of it is used that leads out of the slot, runs a
//! program, or reaches files of this machine that the pool's own remote does not.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use super::{Git, Oid, partial};
use crate::domain::remote::RemoteUrl;
use crate::domain::{Error, Result};

/// The mode of a submodule in a tree.
const SUBMODULE: &str = "160000";

/// A submodule of a commit.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Where its files go.
    pub place: PathBuf,
    /// Its name, by which its repository is found.
    pub name: String,
    /// Where it comes from.
    pub url: RemoteUrl,
    /// The commit that is recorded for it.
    pub commit: Oid,
}

/// The submodules of `commit` whose origin is recorded with it; relative origins start at `parent`.
///
/// # Errors
/// If one can't be used: for its name, its place or its origin.
pub fn of(git: &Git, repository: &Path, commit: &Oid, parent: &RemoteUrl) -> Result<Vec<Recorded>> {
    let listed = git
        .repository(repository)
        .args(["ls-tree", "-r", "-z", "--full-tree", commit])
        .run("list the submodules of a commit")?;
    let links: Vec<(PathBuf, Oid)> = partial::parse(&listed.stdout, b"")
        .filter(|((mode, ..), _)| mode == SUBMODULE)
        .map(|((_, oid, path), _)| (PathBuf::from(OsStr::from_bytes(&path)), oid))
        .collect();
    if links.is_empty() {
        return Ok(Vec::new());
    }
    let config = git
        .repository(repository)
        .args(["config", "--blob", &format!("{commit}:.gitmodules")])
        .args(["-z", "--get-regexp", r"^submodule\..*\.(path|url)$"])
        .run_allowing(&[1, 128], "read .gitmodules", &mut |_| ())?;
    let known = parse(&config.stdout);
    let mut found = Vec::new();
    for (place, commit) in links {
        let entry = known
            .iter()
            .find(|(_, entry)| entry.path.as_deref().map(Path::new) == Some(place.as_path()));
        let Some((name, Entry { url: Some(url), .. })) = entry else {
            continue;
        };
        check(name, &place)?;
        found.push(Recorded {
            url: origin(url, parent, name)?,
            name: name.clone(),
            place,
            commit,
        });
    }
    Ok(found)
}

/// What is said of one submodule.
#[derive(Debug, Default)]
struct Entry {
    path: Option<String>,
    url: Option<String>,
}

/// Reads `config -z --get-regexp`: `submodule.<name>.<key>\nvalue\0`. The last value of a key counts.
fn parse(bytes: &[u8]) -> BTreeMap<String, Entry> {
    let mut found: BTreeMap<String, Entry> = BTreeMap::new();
    for record in String::from_utf8_lossy(bytes).split('\0') {
        let parts = record.split_once('\n').and_then(|(key, value)| {
            let (name, key) = key.strip_prefix("submodule.")?.rsplit_once('.')?;
            Some((name, key, value.to_owned()))
        });
        match parts {
            Some((name, "path", value)) => {
                found.entry(name.to_owned()).or_default().path = Some(value)
            }
            Some((name, "url", value)) => {
                found.entry(name.to_owned()).or_default().url = Some(value)
            }
            _ => {}
        }
    }
    found
}

/// Refuses names and places that lead elsewhere.
fn check(name: &str, place: &Path) -> Result<()> {
    let is_plain = |path: &Path| {
        let mut parts = path.components();
        parts.all(
            |part| matches!(part, Component::Normal(part) if !part.eq_ignore_ascii_case(".git")),
        )
    };
    let bad = name.is_empty()
        || name.starts_with('-')
        || name.chars().any(char::is_control)
        || !is_plain(Path::new(name))
        || !is_plain(place);
    match bad {
        false => Ok(()),
        true => Err(Error::failed(format!(
            "the submodule {name:?} at {} is not taken: its name or its place leads elsewhere",
            place.to_string_lossy().escape_debug()
        ))),
    }
}

/// The address that `url` means to a repository that came from `parent`. One on this machine counts
/// only if that is here too: a remote is not to read the files of who clones it.
fn origin(url: &str, parent: &RemoteUrl, name: &str) -> Result<RemoteUrl> {
    let relative = url.starts_with("./") || url.starts_with("../");
    let found = match relative {
        true => RemoteUrl::new(&resolve(parent.secret().unwrap_or(parent.stored()), url)),
        false => RemoteUrl::new(url),
    };
    let refused = |why: &str| Error::failed(format!("the submodule {name:?} is not taken: {why}"));
    let found = found.map_err(|error| refused(&error.reason()))?;
    if found.local_path().is_some() && parent.local_path().is_none() {
        return Err(refused(&format!(
            "it is to come from {}, which is on this machine, and {} is not",
            found.stored(),
            parent.stored()
        )));
    }
    Ok(found)
}

/// A relative address, in git's way: each `../` takes the last part off.
fn resolve(parent: &str, url: &str) -> String {
    let mut parent = parent.trim_end_matches('/').to_owned();
    let mut rest = url;
    let mut separator = '/';
    loop {
        if let Some(below) = rest.strip_prefix("./") {
            rest = below;
        } else if let Some(above) = rest.strip_prefix("../") {
            rest = above;
            let slash = parent
                .rfind('/')
                .filter(|at| *at > 0 && !parent[..*at].ends_with('/'));
            let cut = slash.or_else(|| parent.rfind(':').filter(|_| !parent.contains("://")));
            if let Some(at) = cut {
                separator = if slash.is_some() { '/' } else { ':' };
                parent.truncate(at);
            }
        } else {
            return format!("{parent}{separator}{}", rest.trim_end_matches('/'));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_addresses_start_at_the_parents() {
        for (parent, url, expected) in [
            (
                "https://h/team/x.git",
                "../lib.git",
                "https://h/team/lib.git",
            ),
            (
                "https://h/team/x.git/",
                "../../other/lib",
                "https://h/other/lib",
            ),
            ("git@h:team/x.git", "../lib.git", "git@h:team/lib.git"),
            ("git@h:x.git", "../lib.git", "git@h:lib.git"),
            ("/srv/x.git", "../lib.git", "/srv/lib.git"),
            ("/srv/x.git", "./lib.git/", "/srv/x.git/lib.git"),
            ("https://h/x", "../../../lib", "https://h/lib"),
        ] {
            assert_eq!(resolve(parent, url), expected, "{parent} {url}");
        }
    }

    #[test]
    fn what_leads_elsewhere_or_runs_something_is_refused() {
        for (name, place) in [
            ("../x", "lib"),
            ("a/../../x", "lib"),
            ("/x", "lib"),
            ("-x", "lib"),
            ("", "lib"),
            ("lib", "../lib"),
            ("lib", "a/.git/hooks"),
            (".GIT", "lib"),
        ] {
            assert!(check(name, Path::new(place)).is_err(), "{name} {place}");
        }
        assert!(check("vendor/lib", Path::new("vendor/lib")).is_ok());
        let parent = RemoteUrl::new("https://h/x").unwrap();
        for url in [
            "ext::sh -c id",
            "-x",
            "/etc",
            "file:///etc",
            "--upload-pack=x",
            "x y",
        ] {
            assert!(origin(url, &parent, "lib").is_err(), "{url}");
        }
        assert!(origin("https://other/lib", &parent, "lib").is_ok());
        let local = RemoteUrl::new("/srv/x.git").unwrap();
        assert_eq!(
            origin("../lib", &local, "lib").unwrap().stored(),
            "/srv/lib"
        );
    }

    #[test]
    fn what_is_said_is_read_by_name() {
        let text =
            b"submodule.a.b.path\nvendor/a\0submodule.a.b.url\n../a\0submodule.c.url\nx\0junk\0";
        let found = parse(text);
        assert_eq!(found["a.b"].path.as_deref(), Some("vendor/a"));
        assert_eq!(found["a.b"].url.as_deref(), Some("../a"));
        assert!(found["c"].path.is_none() && found.len() == 2);
    }
}
