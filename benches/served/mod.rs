//! The whole sidecar in this process, between a client and a database that are one and the same thread: it writes a batch as
//! the client, reads it as the database, answers and reads the answer. No two of these are ever under way at once, so the
//! sidecar always does the same. Sockets of the loopback; no TLS, whose cost is not ours.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::thread;
use std::time::Duration;

use tokio::sync::watch;
use waxseal::client::{Registry, Secrets};
use waxseal::crypto::Keyring;
use waxseal::meter::Meters;
use waxseal::policy::rules::RuleSet;
use waxseal::policy::{Limits, Policy};
use waxseal::resp::{MAX_BULK, ReplyScanner, RequestLimits, RequestScanner};
use waxseal::server::{self, Address, Bounds, Logins, Shared};
use waxseal::upstream::{Budgets, Endpoint};

use crate::support::policy;

/// Nothing waits so long unless something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Served {
    client: TcpStream,
    database: TcpStream,
}

impl Served {
    pub fn start(rules: RuleSet) -> Self {
        let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
        let shared = shared(policy(rules), upstream.local_addr().unwrap().port());
        let (told, address) = std::sync::mpsc::channel();
        // Ends with the process.
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let bound = server::bind(Address::Tcp("127.0.0.1:0".parse().unwrap())).await.unwrap();
                told.send(bound.to_string()).unwrap();
                let (_stop, stopping) = watch::channel(false);
                server::run(Arc::new(shared), vec![bound], 1, stopping).await
            })
        });
        // The worker dials at once.
        let (database, _) = upstream.accept().unwrap();
        let client = TcpStream::connect(address.recv().unwrap()).unwrap();
        for socket in [&client, &database] {
            socket.set_nodelay(true).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
        }
        let mut served = Self { client, database };
        served.asked(1);
        // HELLO's reply: it need say nothing.
        served.database.write_all(b"*0\r\n").unwrap();
        served
    }

    /// Sends a batch of so many requests `rounds` times and answers them with `replies`.
    pub fn exchange(&mut self, rounds: usize, batch: usize, requests: &[u8], replies: &[u8]) {
        // The first one shows how many bytes it is on both sides.
        self.client.write_all(requests).unwrap();
        let mut asked = self.asked(batch);
        self.database.write_all(replies).unwrap();
        let mut answered = self.answered(batch);
        assert_ne!(answered[0], b'-', "{}", String::from_utf8_lossy(&answered));
        for _ in 0..rounds {
            self.client.write_all(requests).unwrap();
            self.database.read_exact(&mut asked).unwrap();
            self.database.write_all(replies).unwrap();
            self.client.read_exact(&mut answered).unwrap();
        }
    }

    /// What the database gets for one request; its answer is OK.
    pub fn sealed(&mut self, request: &[u8]) -> Vec<u8> {
        self.client.write_all(request).unwrap();
        let sealed = self.asked(1);
        self.database.write_all(b"+OK\r\n").unwrap();
        self.answered(1);
        sealed
    }

    /// So many requests, as the database gets them.
    fn asked(&mut self, count: usize) -> Vec<u8> {
        let limits = RequestLimits::authenticated(MAX_BULK);
        frames(&mut self.database, count, |data| RequestScanner::new().scan(data, &limits).unwrap())
    }

    /// So many replies, as the client gets them.
    fn answered(&mut self, count: usize) -> Vec<u8> {
        frames(&mut self.client, count, |data| ReplyScanner::new().scan(data).unwrap())
    }
}

fn frames(socket: &mut TcpStream, count: usize, scan: impl Fn(&[u8]) -> Option<usize>) -> Vec<u8> {
    let (mut bytes, mut end) = (Vec::new(), 0);
    for _ in 0..count {
        end += loop {
            if let Some(length) = scan(&bytes[end..]) {
                break length;
            }
            let mut piece = [0; 4096];
            let length = socket.read(&mut piece).unwrap();
            assert_ne!(length, 0, "the sidecar closed the connection");
            bytes.extend_from_slice(&piece[..length]);
        };
    }
    bytes
}

fn shared(policy: Arc<Policy>, port: u16) -> Shared {
    Shared {
        policy,
        keyring: Some(Arc::new(Keyring::generate().unwrap())),
        endpoint: Arc::new(Endpoint {
            host: "127.0.0.1".into(),
            port,
            tls: None,
            login: None,
            connect_timeout: PATIENCE,
            reached: AtomicU64::new(0),
        }),
        secrets: Secrets { user: "default".into(), password: None, required: false },
        logins: Logins::default(),
        registry: Registry::default(),
        crowd: Arc::default(),
        bounds: Bounds {
            max_clients: 10,
            client_window: 1024,
            client_output: MAX_BULK,
            output_stall: PATIENCE,
            buffers: 2 * MAX_BULK,
            max_bulk: MAX_BULK,
            drain: PATIENCE,
            handshake: PATIENCE,
            request: PATIENCE,
            idle: None,
            max_clients_per_address: None,
        },
        budgets: Budgets { transactions: 1, blocking: 1, subscriptions: 1, dedicated: 1 },
        limits: Arc::new(Limits::new([])),
        dedicated: false,
        buffered: AtomicUsize::new(0),
        costs: Arc::default(),
        meters: Meters::default(),
        teller: None,
    }
}
