//! The server's port: it is the cluster's for its life, also while nothing listens there.

use super::Shared;
use super::api;
use super::faults::Fault;
use super::http::{Answer, Request};
use rustix::net::{AddressFamily, SocketAddrV4, SocketFlags, SocketType, sockopt};
use std::io::BufReader;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// The port, with or without somebody who listens.
pub struct Server {
    pub port: u16,
    // Nobody else gets the port while this is bound.
    _kept: OwnedFd,
    listening: Option<Listening>,
}

struct Listening {
    stop: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
    thread: JoinHandle<()>,
}

impl Server {
    /// A port on which nobody listens yet.
    pub fn new() -> Self {
        let kept = bound(0);
        let address = rustix::net::getsockname(&kept).expect("its address");
        let address = SocketAddrV4::try_from(address).expect("an address of the old kind");
        Self {
            port: address.port(),
            _kept: kept,
            listening: None,
        }
    }

    /// Answers from now on.
    pub fn start(&mut self, shared: &Arc<Shared>) {
        let socket = bound(self.port);
        rustix::net::listen(&socket, 128).expect("listening");
        let socket = TcpListener::from(socket);
        let stop = Arc::new(AtomicBool::new(false));
        let open = Arc::new(Mutex::new(Vec::new()));
        let (stopped, streams) = (Arc::clone(&stop), Arc::clone(&open));
        let shared = Arc::clone(shared);
        let thread = std::thread::spawn(move || {
            for stream in socket.incoming().flatten() {
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                if let Ok(copy) = stream.try_clone() {
                    streams.lock().expect("the list").push(copy);
                }
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || {
                    serve(&shared, &stream);
                    let _ = stream.shutdown(Shutdown::Both);
                });
            }
        });
        self.listening = Some(Listening { stop, open, thread });
    }

    /// Answers no more: connections end, and new ones are refused.
    pub fn stop(&mut self) {
        let Some(listening) = self.listening.take() else {
            return;
        };
        listening.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        listening.thread.join().expect("the server");
        for stream in listening.open.lock().expect("the list").iter() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn bound(port: u16) -> OwnedFd {
    let flags = SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None);
    let socket = socket.expect("a socket");
    sockopt::set_socket_reuseport(&socket, true).expect("an option");
    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
    rustix::net::bind(&socket, &address).expect("a port");
    socket
}

/// Answers the requests of one connection.
fn serve(shared: &Arc<Shared>, stream: &TcpStream) {
    let Ok(copy) = stream.try_clone() else {
        return;
    };
    let mut from = BufReader::new(copy);
    while let Ok(Some(mut request)) = Request::read(&mut from) {
        shared.note(&request);
        let mut answer = Answer::to(stream);
        let answered = match shared.faults.of(&request) {
            Some(Fault::Status(code)) => {
                let text = format!("the server answers {code} to everything");
                answer.json(code, &api::failure(code, "InternalError", &text))
            }
            fault => {
                answer.is_lost = fault == Some(Fault::LoseAnswer);
                if fault == Some(Fault::EndEarly) {
                    request.query.remove("follow");
                }
                api::answer(shared, &request, &mut answer)
            }
        };
        if answered.is_err() {
            break;
        }
    }
}
