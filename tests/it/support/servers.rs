//! Remotes that misbehave: one that never answers, and one that wants a password.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// Accepts connections on a port of 127.0.0.1, each on a thread, until it is dropped.
struct Listener {
    port: u16,
    stop: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    fn start(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = socket.local_addr().expect("its address").port();
        let stop = Arc::new(AtomicBool::new(false));
        let open = Arc::new(Mutex::new(Vec::new()));
        let serve = Arc::new(serve);
        let (stopped, streams) = (Arc::clone(&stop), Arc::clone(&open));
        let thread = std::thread::spawn(move || {
            for stream in socket.incoming().flatten() {
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                if let Ok(copy) = stream.try_clone() {
                    streams.lock().expect("the list").push(copy);
                }
                let serve = Arc::clone(&serve);
                std::thread::spawn(move || serve(stream));
            }
        });
        Self {
            port,
            stop,
            open,
            thread: Some(thread),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        if let Ok(open) = self.open.lock() {
            for stream in open.iter() {
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
    }
}

/// Accepts and never answers.
pub struct SilentServer {
    listener: Listener,
    came: Arc<AtomicUsize>,
    left: Arc<AtomicUsize>,
}

impl SilentServer {
    /// Starts one.
    pub fn start() -> Self {
        let came = Arc::new(AtomicUsize::new(0));
        let left = Arc::new(AtomicUsize::new(0));
        let (arrived, gone) = (Arc::clone(&came), Arc::clone(&left));
        let listener = Listener::start(move |mut stream| {
            arrived.fetch_add(1, Ordering::SeqCst);
            let mut sink = [0; 1024];
            while matches!(stream.read(&mut sink), Ok(n) if n > 0) {}
            gone.fetch_add(1, Ordering::SeqCst);
        });
        Self {
            listener,
            came,
            left,
        }
    }

    /// The address of a repository there, in git's own protocol.
    pub fn git_url(&self) -> String {
        format!("git://127.0.0.1:{}/remote.git", self.listener.port)
    }

    /// The address of a repository there, by HTTP.
    pub fn http_url(&self) -> String {
        format!("http://127.0.0.1:{}/remote.git", self.listener.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.listener.port
    }

    /// How many connections there have been.
    pub fn connections(&self) -> usize {
        self.came.load(Ordering::SeqCst)
    }

    /// How many of them the other side still holds.
    pub fn open(&self) -> usize {
        // In this order: none leaves that has not come.
        let left = self.left.load(Ordering::SeqCst);
        self.connections() - left
    }
}

/// The user name the [`AuthServer`] knows.
pub const USER: &str = "user";
/// The password the [`AuthServer`] knows.
pub const PASSWORD: &str = "s3cr3t";
/// Both, as HTTP's basic authentication writes them.
const AUTHORIZATION: &str = "authorization: basic dxnlcjpzm2nym3q=";

/// Serves a directory by HTTP to whoever knows the password, in git's "dumb" protocol.
pub struct AuthServer {
    listener: Listener,
    served: Arc<AtomicUsize>,
    stalls: Arc<AtomicBool>,
}

impl AuthServer {
    /// Starts one for the files below `root`.
    pub fn start(root: &Path) -> Self {
        let root = root.to_owned();
        let served = Arc::new(AtomicUsize::new(0));
        let stalls = Arc::new(AtomicBool::new(false));
        let (count, stalled) = (Arc::clone(&served), Arc::clone(&stalls));
        let listener = Listener::start(move |mut stream| {
            if stalled.load(Ordering::SeqCst) {
                // A few bytes, and then nothing more until the other side gives up.
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Le");
                let mut sink = [0; 1024];
                while matches!(stream.read(&mut sink), Ok(n) if n > 0) {}
            }
            let _ = answer(&stream, &root, &count);
            let _ = stream.shutdown(Shutdown::Both);
        });
        Self {
            listener,
            served,
            stalls,
        }
    }

    /// From now on it answers a few bytes and then nothing more.
    pub fn stall(&self) {
        self.stalls.store(true, Ordering::SeqCst);
    }

    /// The address of a repository below the root.
    pub fn url(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/{name}", self.listener.port)
    }

    /// The same with user and password in it.
    pub fn url_with_password(&self, name: &str) -> String {
        let port = self.listener.port;
        format!("http://{USER}:{PASSWORD}@127.0.0.1:{port}/{name}")
    }

    /// How many requests came with the right password.
    pub fn served(&self) -> usize {
        self.served.load(Ordering::SeqCst)
    }
}

/// Answers one request and says that the connection ends.
fn answer(stream: &TcpStream, root: &Path, served: &AtomicUsize) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    let mut allowed = false;
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        allowed |= line.to_lowercase() == AUTHORIZATION;
    }
    let mut out = stream;
    if !allowed {
        return out.write_all(
            b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"test\"\r\n\
              Content-Length: 0\r\nConnection: close\r\n\r\n",
        );
    }
    served.fetch_add(1, Ordering::SeqCst);
    let target = request.split(' ').nth(1).unwrap_or("/");
    let target = target.split('?').next().unwrap_or_default();
    let file = PathBuf::from(target.trim_start_matches('/'));
    match std::fs::read(root.join(file)) {
        Ok(bytes) => {
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\
                 Content-Length: {}\r\nConnection: close\r\n\r\n",
                bytes.len()
            );
            out.write_all(head.as_bytes())?;
            out.write_all(&bytes)
        }
        Err(_) => out
            .write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
    }
}
