//! One run of a command: its environment, its directory, its end within a bound.

use super::helper::DEADLINE;
use super::out::Out;
use rustix::process::Signal;
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

/// A command about to be run.
pub struct Call {
    command: Command,
    stdin: Option<Vec<u8>>,
    stdin_from: Option<Stdio>,
    stdout: Option<Stdio>,
}

impl Call {
    /// Wraps a command whose environment is complete.
    pub fn new(command: Command) -> Self {
        Self {
            command,
            stdin: None,
            stdin_from: None,
            stdout: None,
        }
    }

    /// Sets one variable.
    pub fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    /// Takes one variable away.
    pub fn unset(mut self, key: &str) -> Self {
        self.command.env_remove(key);
        self
    }

    /// Runs in this directory.
    pub fn cwd(mut self, dir: impl AsRef<Path>) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// Gives these bytes on stdin.
    pub fn stdin(mut self, bytes: &[u8]) -> Self {
        self.stdin = Some(bytes.to_vec());
        self
    }

    /// Takes stdin from there.
    pub fn stdin_from(mut self, source: impl Into<Stdio>) -> Self {
        self.stdin_from = Some(source.into());
        self
    }

    /// Sends stdout there instead of collecting it.
    pub fn stdout_to(mut self, target: impl Into<Stdio>) -> Self {
        self.stdout = Some(target.into());
        self
    }

    /// Runs it to its end.
    #[track_caller]
    pub fn run(self) -> Out {
        self.spawn().finish()
    }

    /// Starts it.
    #[track_caller]
    pub fn spawn(mut self) -> Running {
        let shown = format!("{:?}", self.command.get_args().collect::<Vec<_>>());
        let collect = self.stdout.is_none();
        let started = Instant::now();
        let mut child = self
            .command
            .stdin(match self.stdin {
                Some(_) => Stdio::piped(),
                None => self.stdin_from.take().unwrap_or_else(Stdio::null),
            })
            .stdout(self.stdout.take().unwrap_or_else(Stdio::piped))
            .stderr(Stdio::piped())
            .spawn()
            .expect("starting the command");
        if let (Some(bytes), Some(mut pipe)) = (self.stdin, child.stdin.take()) {
            let _ = pipe.write_all(&bytes);
        }
        let stdout = child.stdout.take().filter(|_| collect).map(Reader::start);
        let stderr = child.stderr.take().map(Reader::start);
        Running {
            child,
            started,
            stdout,
            stderr,
            shown,
        }
    }
}

/// A command under way; dropped before its end, it is killed.
pub struct Running {
    child: Child,
    started: Instant,
    stdout: Option<Reader>,
    stderr: Option<Reader>,
    shown: String,
}

impl Running {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        super::kill(self.pid(), signal);
    }

    /// Waits for its first line on stdout.
    #[track_caller]
    pub fn line(&self) -> String {
        let stdout = self.stdout.as_ref().expect("stdout is collected");
        super::until("it prints a line", || {
            let bytes = stdout.bytes();
            let end = bytes.iter().position(|&b| b == b'\n')?;
            Some(String::from_utf8_lossy(&bytes[..end]).into_owned())
        })
    }

    /// What it has printed so far.
    pub fn stdout(&self) -> String {
        let stdout = self.stdout.as_ref().expect("stdout is collected");
        String::from_utf8_lossy(&stdout.bytes()).into_owned()
    }

    /// What it has said on stderr so far.
    pub fn stderr(&self) -> String {
        let stderr = self.stderr.as_ref().expect("stderr is collected");
        String::from_utf8_lossy(&stderr.bytes()).into_owned()
    }

    /// Waits until it has said this on stderr, so often.
    #[track_caller]
    pub fn says(&self, text: &str, times: usize) {
        let stderr = self.stderr.as_ref().expect("stderr is collected");
        super::until(&format!("it says {text:?}"), || {
            let said = String::from_utf8_lossy(&stderr.bytes()).into_owned();
            (said.matches(text).count() >= times).then_some(())
        });
    }

    /// Waits until it has printed so many lines on stdout.
    #[track_caller]
    pub fn prints(&self, lines: usize) {
        let stdout = self.stdout.as_ref().expect("stdout is collected");
        super::until("it prints its lines", || {
            let printed = stdout.bytes().iter().filter(|&&b| b == b'\n').count();
            (printed >= lines).then_some(())
        });
    }

    /// Waits for its end, and for the end of everything that holds its output open.
    #[track_caller]
    pub fn finish(mut self) -> Out {
        let limit = 2 * DEADLINE;
        let mut pause = Duration::from_micros(500);
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("waiting for the command") {
                break status;
            }
            if self.started.elapsed() > limit {
                let _ = self.child.kill();
                panic!("{} did not end within {limit:?}{}", self.shown, self.said());
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(5));
        };
        let took = self.started.elapsed();
        let raw = self.stdout.take().map(|r| r.all(&self.shown));
        let stderr = self.stderr.take().map(|r| r.all(&self.shown));
        let raw = raw.unwrap_or_default();
        Out {
            code: status
                .code()
                .unwrap_or_else(|| 128 + status.signal().unwrap_or_default()),
            stdout: String::from_utf8_lossy(&raw).into_owned(),
            stderr: String::from_utf8_lossy(&stderr.unwrap_or_default()).into_owned(),
            raw,
            took,
            shown: self.shown.clone(),
        }
    }

    fn said(&self) -> String {
        let text = |reader: &Option<Reader>| {
            let bytes = reader.as_ref().map(Reader::bytes).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        format!(
            "\n--- stdout\n{}\n--- stderr\n{}",
            text(&self.stdout),
            text(&self.stderr)
        )
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Collects a pipe on a thread, so that neither output can block the command.
struct Reader {
    buffer: Arc<Mutex<Vec<u8>>>,
    done: mpsc::Receiver<()>,
}

impl Reader {
    fn start(mut pipe: impl Read + Send + 'static) -> Self {
        let buffer = Arc::new(Mutex::new(Vec::new()));
        let (tell, done) = mpsc::channel();
        let shared = Arc::clone(&buffer);
        std::thread::spawn(move || {
            let mut chunk = [0; 8192];
            while let Ok(n) = pipe.read(&mut chunk) {
                if n == 0 {
                    break;
                }
                shared.lock().expect("the buffer").extend(&chunk[..n]);
            }
            let _ = tell.send(());
        });
        Self { buffer, done }
    }

    fn bytes(&self) -> Vec<u8> {
        self.buffer.lock().expect("the buffer").clone()
    }

    #[track_caller]
    fn all(self, shown: &str) -> Vec<u8> {
        self.done
            .recv_timeout(DEADLINE)
            .unwrap_or_else(|_| panic!("{shown} ended, but something holds its output open"));
        self.bytes()
    }
}
