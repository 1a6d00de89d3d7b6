//! A TLS server with the upstream's certificate that greets, reads so many bytes of requests, and resets the connection.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::support::certs::Certs;
use super::support::contains;

const HELLO_REPLY: &[u8] = b"*2\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n";

pub struct Peer {
    pub port: u16,
    shared: Arc<Mutex<Plan>>,
}

#[derive(Default)]
struct Plan {
    /// Bytes of requests after which it resets.
    reset_after: usize,
    /// What connections have received since the last plan.
    received: Vec<u8>,
    resets: usize,
}

impl Peer {
    /// Serves until the test's process ends.
    pub fn with(certs: &Certs) -> Self {
        let config = certs.server_config();
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let port = listener.local_addr().expect("address").port();
        let shared = Arc::new(Mutex::new(Plan::default()));
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let (config, plan) = (Arc::clone(&config), Arc::clone(&serving));
                std::thread::spawn(move || serve(socket, config, &plan));
            }
        });
        Self { port, shared }
    }

    pub fn plan(&self, reset_after: usize) {
        *self.shared.lock().expect("peer") = Plan { reset_after, ..Plan::default() };
    }

    pub fn has_reset(&self) -> bool {
        self.shared.lock().expect("peer").resets > 0
    }

    /// All bytes of requests that it has read since the plan was made.
    pub fn received(&self) -> Vec<u8> {
        self.shared.lock().expect("peer").received.clone()
    }
}

/// Ends with an error when the sidecar hangs up first; that is nothing to this test.
fn serve(socket: TcpStream, config: Arc<ServerConfig>, plan: &Mutex<Plan>) -> Option<()> {
    socket.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    let mut stream = StreamOwned::new(ServerConnection::new(config).ok()?, socket);
    let mut chunk = vec![0; 64 * 1024];
    let mut greeting = Vec::new();
    while !contains(&greeting, b"HELLO") || !greeting.ends_with(b"\r\n") {
        let count = stream.read(&mut chunk).ok().filter(|count| *count > 0)?;
        greeting.extend_from_slice(&chunk[..count]);
    }
    stream.write_all(HELLO_REPLY).ok()?;
    stream.flush().ok()?;
    let mut mine = 0;
    loop {
        let count = stream.read(&mut chunk).ok().filter(|count| *count > 0)?;
        mine += count;
        let mut plan = plan.lock().expect("peer");
        plan.received.extend_from_slice(&chunk[..count]);
        if mine >= plan.reset_after {
            plan.resets += 1;
            // No lingering: closing sends RST.
            socket2::SockRef::from(&stream.sock).set_linger(Some(Duration::ZERO)).ok()?;
            return Some(());
        }
    }
}
