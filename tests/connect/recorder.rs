//! Between a client and a server: passes everything on and keeps what the client sent.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use waxseal::resp::{RequestLimits, RequestScanner};

use super::fixture::Sent;

pub struct Recorder {
    pub port: u16,
    /// What came on each connection, in the order in which they were made.
    sent: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Recorder {
    pub fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let recorder = Self { port: listener.local_addr().expect("address").port(), sent: Arc::default() };
        let sent = Arc::clone(&recorder.sent);
        // Ends with the test's process.
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = TcpStream::connect(("127.0.0.1", port)).expect("connect");
                let index = {
                    let mut sent = sent.lock().expect("sent");
                    sent.push(Vec::new());
                    sent.len() - 1
                };
                let (from, to) = (server.try_clone().expect("clone"), client.try_clone().expect("clone"));
                thread::spawn(move || pass(from, to, |_| {}));
                let sent = Arc::clone(&sent);
                thread::spawn(move || {
                    pass(client, server, |bytes| sent.lock().expect("sent")[index].extend_from_slice(bytes));
                });
            }
        });
        recorder
    }

    pub fn connections(&self) -> Vec<Vec<Sent>> {
        self.sent.lock().expect("sent").iter().map(|bytes| commands(bytes)).filter(|c| !c.is_empty()).collect()
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, mut seen: impl FnMut(&[u8])) {
    let mut chunk = [0; 16 * 1024];
    while let Ok(count) = from.read(&mut chunk) {
        if count == 0 {
            break;
        }
        seen(&chunk[..count]);
        if to.write_all(&chunk[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

fn commands(mut bytes: &[u8]) -> Vec<Sent> {
    let mut commands = Vec::new();
    let mut scanner = RequestScanner::new();
    while let Ok(Some(len)) = scanner.scan(bytes, &RequestLimits::authenticated(usize::MAX)) {
        let request = scanner.request(bytes);
        let command = request.args.iter().map(|at| request.bytes[at.clone()].to_vec()).collect();
        commands.push(Sent { command });
        scanner.reset();
        bytes = &bytes[len..];
    }
    commands
}
