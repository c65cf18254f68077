//! Repositories out of nothing: text made from a seed, written by one `git fast-import`. The same
//! options make the same repository, to the byte.

use super::stage::{Result, Stage, timed};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// One in so many files is small and is what the commits change.
const STEADY: u32 = 8;

/// The size of those.
const CHANGING: u64 = 1024;

/// How many files a commit changes.
const TOUCHED: u32 = 2;

/// One in so many files differs between the two states of a repository.
const MOVED: usize = 100;

/// A made-up repository.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Files at the tip.
    pub files: u32,
    /// Commits.
    pub commits: u32,
    /// Bytes of all files at the tip, about.
    pub bytes: u64,
}

/// A bare repository that plays the remote, and two commits between which its branch can be moved.
pub struct Remote {
    /// Where it is.
    pub path: PathBuf,
    /// Its branch.
    pub branch: String,
    /// The tip, and a commit on top of it with one per cent of the files changed.
    pub states: [String; 2],
}

impl Remote {
    /// A made-up one.
    pub fn made_up(stage: &Stage<'_>, shape: Shape) -> Result<Self> {
        let Shape {
            files,
            commits,
            bytes,
        } = shape;
        let path = stage
            .repositories()
            .join(format!("{files}-{commits}-{bytes}.git"));
        made_once(&path, |path| {
            stage.git(Path::new("/"), &["init", "-q", "--bare", &text(path)])?;
            import(stage, path, |out| write_history(out, shape))?;
            if commits >= 1000 {
                stage.git(path, &["gc", "--quiet"])?;
            }
            finish(stage, path)
        })?;
        Self::open(stage, path)
    }

    /// A copy of a real one.
    pub fn copy_of(stage: &Stage<'_>, url: &str) -> Result<Self> {
        let name: String = url
            .chars()
            .map(|c| if c.is_alphanumeric() { c } else { '-' })
            .collect();
        let path = stage.repositories().join(format!("copy-{name}.git"));
        made_once(&path, |path| {
            // The caller's settings may be what reaches it.
            timed(
                Command::new("git")
                    .args(["clone", "-q", "--bare", url])
                    .arg(path),
            )?;
            finish(stage, path)
        })?;
        Self::open(stage, path)
    }

    fn open(stage: &Stage<'_>, path: PathBuf) -> Result<Self> {
        let line = |args: &[&str]| -> Result<String> {
            Ok(stage.git(&path, args)?.stdout.trim().to_owned())
        };
        let branch = line(&["symbolic-ref", "--short", "HEAD"])?;
        let states = [
            line(&["rev-parse", "refs/bench/now"])?,
            line(&["rev-parse", "refs/bench/next"])?,
        ];
        let remote = Self {
            path,
            branch,
            states,
        };
        remote.move_to(stage, 0)?;
        Ok(remote)
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("file://{}", self.path.display())
    }

    /// Brings its branch to one of the two states.
    pub fn move_to(&self, stage: &Stage<'_>, state: usize) -> Result<()> {
        let branch = format!("refs/heads/{}", self.branch);
        stage.git(&self.path, &["update-ref", &branch, &self.states[state]])?;
        Ok(())
    }
}

/// A repository that was half made does not count.
fn made_once(path: &Path, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    if path.exists() {
        return Ok(());
    }
    let unfinished = path.with_extension("tmp");
    let _ = std::fs::remove_dir_all(&unfinished);
    std::fs::create_dir_all(path.parent().unwrap_or(path))?;
    make(&unfinished)?;
    Ok(std::fs::rename(&unfinished, path)?)
}

/// Names the two states.
fn finish(stage: &Stage<'_>, path: &Path) -> Result<()> {
    stage.git(path, &["update-ref", "refs/bench/now", "HEAD"])?;
    let listing = stage.git(path, &["ls-tree", "-r", "-l", "HEAD"])?.stdout;
    import(stage, path, |out| {
        commit(
            out,
            "refs/bench/next",
            2_000_000_000,
            Some("refs/bench/now"),
        )?;
        let mut words = Words::new(2);
        let plain = listing.lines().filter_map(PlainFile::parse);
        plain.step_by(MOVED).try_for_each(|file| {
            let content = words.text(file.size.max(64));
            put(out, file.mode, file.path, &content)
        })
    })?;
    stage.git(path, &["pack-refs", "--all"])?;
    Ok(())
}

/// A line of `ls-tree -r -l` that is a file whose name needs no quotes.
struct PlainFile<'a> {
    mode: &'a str,
    size: u64,
    path: &'a str,
}

impl<'a> PlainFile<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (attributes, path) = line.split_once('\t')?;
        let mut attributes = attributes.split_whitespace();
        let mode = attributes.next()?;
        let size = attributes.last()?.parse().ok()?;
        let plain = mode.starts_with("100") && !path.starts_with('"');
        plain.then_some(Self { mode, size, path })
    }
}

fn import(
    stage: &Stage<'_>,
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<()> {
    let mut child = stage
        .command("git")
        .arg("-C")
        .arg(path)
        .args(["-c", "fastimport.unpackLimit=0", "-c", "core.compression=1"])
        .args(["fast-import", "--quiet"])
        .stdin(Stdio::piped())
        .spawn()?;
    let mut out = BufWriter::with_capacity(1 << 16, child.stdin.take().ok_or("no pipe")?);
    let written = write(&mut out).and_then(|()| out.flush());
    drop(out);
    match child.wait()?.success() {
        true => Ok(written?),
        false => Err(format!("git fast-import into {} failed", path.display()).into()),
    }
}

fn write_history(out: &mut dyn Write, shape: Shape) -> std::io::Result<()> {
    let mut words = Words::new(1);
    commit(out, "refs/heads/main", 1, None)?;
    put(out, "100644", ".gitignore", b"build/\n*.log\n")?;
    let changing = u64::from(shape.files.div_ceil(STEADY));
    let steady = (u64::from(shape.files) - changing).max(1);
    let mean = shape.bytes.saturating_sub(changing * CHANGING) / steady;
    for n in 1..shape.files {
        let size = match n % STEADY {
            0 => CHANGING,
            _ => mean / 4 + words.below(mean + mean / 2 + 1),
        };
        put(out, "100644", &name(n), &words.text(size))?;
    }
    for n in 2..=shape.commits {
        commit(out, "refs/heads/main", n, None)?;
        for _ in 0..TOUCHED {
            let file = words.below(changing) as u32 * STEADY;
            put(out, "100644", &name(file), &words.text(CHANGING))?;
        }
    }
    for n in 1..=4 {
        writeln!(out, "reset refs/heads/release/{n}\nfrom refs/heads/main\n")?;
    }
    Ok(())
}

fn name(n: u32) -> String {
    let directory = n / 24;
    format!(
        "src/part{:02}/module{directory:04}/file{n:05}.txt",
        directory % 20
    )
}

fn commit(out: &mut dyn Write, branch: &str, n: u32, from: Option<&str>) -> std::io::Result<()> {
    let seconds = 1_500_000_000 + u64::from(n) * 60 % 400_000_000;
    let message = format!("Change {n}\n");
    writeln!(
        out,
        "commit {branch}\ncommitter Bench <bench@example.com> {seconds} +0000"
    )?;
    write!(out, "data {}\n{message}\n", message.len())?;
    from.map_or(Ok(()), |from| writeln!(out, "from {from}"))
}

fn put(out: &mut dyn Write, mode: &str, path: &str, content: &[u8]) -> std::io::Result<()> {
    writeln!(out, "M {mode} inline {path}\ndata {}", content.len())?;
    out.write_all(content)?;
    writeln!(out)
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// Text of made-up words, which packs about as well as source code does.
struct Words {
    state: u64,
    vocabulary: Vec<Vec<u8>>,
}

impl Words {
    fn new(seed: u64) -> Self {
        let mut words = Self {
            state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            vocabulary: Vec::new(),
        };
        words.vocabulary = (0..2048).map(|_| words.word()).collect();
        words
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 11) % limit.max(1)
    }

    fn word(&mut self) -> Vec<u8> {
        let length = 2 + self.below(9);
        let mut word: Vec<u8> = (0..length).map(|_| b'a' + self.below(26) as u8).collect();
        word.push(b' ');
        word
    }

    /// About this many bytes, in lines.
    fn text(&mut self, size: u64) -> Vec<u8> {
        let size = size as usize;
        let mut text = Vec::with_capacity(size + 16);
        let mut line = 0;
        while text.len() < size {
            let word = self.below(self.vocabulary.len() as u64) as usize;
            text.extend(&self.vocabulary[word]);
            if text.len() - line > 70 {
                line = text.len();
                text.push(b'\n');
            }
        }
        text.push(b'\n');
        text
    }
}
