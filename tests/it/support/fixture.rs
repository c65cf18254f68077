//! The repository the tests work on, made once per test process and copied into each world.
//!
//! It is written by one `git fast-import` and kept in memory, so that no directory outlives the
//! tests that used it.

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// A ref of the remote that is neither branch nor tag; its commit is on no branch.
pub const PULL_REF: &str = "refs/pull/7/head";

/// A file whose name has blanks.
pub const SPACED_FILE: &str = "docs/a file with blanks.md";

/// A file whose name is not UTF-8.
pub fn odd_file() -> PathBuf {
    PathBuf::from(OsStr::from_bytes(b"docs/caf\xe9.txt"))
}

/// A bare repository that plays the remote.
#[derive(Debug, Clone)]
pub struct Remote {
    /// Where it is.
    pub path: PathBuf,
}

impl Remote {
    /// Writes a copy of the template to `path`.
    pub fn copy_to(path: &Path) -> Self {
        static TEMPLATE: OnceLock<Vec<(PathBuf, Vec<u8>)>> = OnceLock::new();
        Self::write(path, TEMPLATE.get_or_init(|| template(&stream())))
    }

    /// Writes a copy of a repository with a few files, one branch and the tag v1.0 to `path`.
    pub fn small_at(path: &Path) -> Self {
        static TEMPLATE: OnceLock<Vec<(PathBuf, Vec<u8>)>> = OnceLock::new();
        Self::write(path, TEMPLATE.get_or_init(|| template(&small_stream())))
    }

    fn write(path: &Path, files: &[(PathBuf, Vec<u8>)]) -> Self {
        for (name, bytes) in files {
            let file = path.join(name);
            let parent = file.parent().expect("a file in the repository");
            std::fs::create_dir_all(parent).expect("making a directory");
            std::fs::write(file, bytes).expect("writing a file");
        }
        std::fs::create_dir_all(path.join("refs/heads")).expect("making a directory");
        Self {
            path: path.to_owned(),
        }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("file://{}", self.path.display())
    }

    /// Where it is, as text.
    pub fn dir(&self) -> String {
        self.path.display().to_string()
    }
}

/// Builds the repository and reads all its files.
fn template(stream: &[u8]) -> Vec<(PathBuf, Vec<u8>)> {
    let dir = tempfile::tempdir().expect("a directory");
    let repo = dir.path().join("template.git");
    let git = |args: &[&str], stdin: &[u8]| {
        let mut child = Command::new("git")
            .args(args)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", dir.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("git");
        let mut pipe = child.stdin.take().expect("its stdin");
        pipe.write_all(stdin).expect("writing to git");
        drop(pipe);
        assert!(child.wait().expect("git").success(), "git {args:?}");
    };
    let at = repo.to_str().expect("a plain path");
    git(
        &[
            "init",
            "-q",
            "--bare",
            "--initial-branch=main",
            "--template=",
            at,
        ],
        b"",
    );
    let import = [
        "--git-dir",
        at,
        "-c",
        "fastimport.unpackLimit=0",
        "fast-import",
        "--quiet",
    ];
    git(&import, stream);
    git(&["--git-dir", at, "pack-refs", "--all"], b"");
    let mut files = Vec::new();
    collect(&repo, &repo, &mut files);
    files
}

fn collect(root: &Path, dir: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(root, &path, files);
        } else {
            let name = path.strip_prefix(root).expect("inside").to_owned();
            files.push((name, std::fs::read(&path).expect("a file")));
        }
    }
}

/// Four commits on main, the branches topic and release/1.0, the tag v1.0 and a pull request.
fn stream() -> Vec<u8> {
    let mut s = Stream::default();
    s.commit("refs/heads/main", "First import", None);
    s.file("README.md", "# A project\n\nFor tests.\n");
    s.file(".gitignore", "target/\nnode_modules/\n*.log\n");
    for n in 1..=20 {
        s.file(
            &format!("src/part{n}.rs"),
            &format!("pub const N: u32 = {n};\n"),
        );
    }
    s.file("deep/one/two/three.txt", "deep\n");
    s.entry("100755", "tools/run.sh", "#!/bin/sh\necho it runs\n");
    s.entry("120000", "tools/link", "../README.md");
    s.file(&format!("\"{SPACED_FILE}\""), "blanks\n");
    s.file(r#""docs/caf\351.txt""#, "not UTF-8\n");
    s.commit("refs/heads/main", "Say more", None);
    s.file("docs/guide.md", "A guide.\n");
    s.branch("refs/heads/release/1.0", "refs/heads/main");
    s.text("tag v1.0\nfrom refs/heads/main\ntagger T <t@example.com> 1700000050 +0000\n");
    s.data("One\n");
    s.commit("refs/heads/main", "Third", None);
    s.file("docs/third.md", "Third.\n");
    s.commit("refs/heads/topic", "A topic", Some("refs/heads/main"));
    s.file("topic.txt", "topic\n");
    s.commit(PULL_REF, "A pull request", Some("refs/heads/main"));
    s.file("pull.txt", "pull\n");
    s.commit("refs/heads/main", "Fourth", None);
    s.file("newest.txt", "newest\n");
    s.bytes
}

/// Two commits on main, the older one tagged.
fn small_stream() -> Vec<u8> {
    let mut s = Stream::default();
    s.commit("refs/heads/main", "First import", None);
    s.file("README.md", "# A project\n");
    s.file(".gitignore", "target/\n");
    s.file("src/main.rs", "fn main() {}\n");
    s.text("tag v1.0\nfrom refs/heads/main\ntagger T <t@example.com> 1700000050 +0000\n");
    s.data("One\n");
    s.commit("refs/heads/main", "Second", None);
    s.entry("100755", "tools/run.sh", "#!/bin/sh\n");
    s.bytes
}

#[derive(Default)]
struct Stream {
    bytes: Vec<u8>,
    commits: u32,
}

impl Stream {
    fn text(&mut self, text: &str) {
        self.bytes.extend(text.as_bytes());
    }

    fn data(&mut self, text: &str) {
        self.text(&format!("data {}\n{text}\n", text.len()));
    }

    fn commit(&mut self, name: &str, subject: &str, from: Option<&str>) {
        self.commits += 1;
        let time = 1_700_000_000 + self.commits;
        self.text(&format!(
            "commit {name}\ncommitter T <t@example.com> {time} +0000\n"
        ));
        self.data(subject);
        if let Some(from) = from {
            self.text(&format!("from {from}\n"));
        }
    }

    fn branch(&mut self, name: &str, from: &str) {
        self.text(&format!("reset {name}\nfrom {from}\n\n"));
    }

    fn file(&mut self, path: &str, content: &str) {
        self.entry("100644", path, content);
    }

    fn entry(&mut self, mode: &str, path: &str, content: &str) {
        self.text(&format!("M {mode} inline {path}\n"));
        self.data(content);
    }
}
