//! A TCP proxy between sidecar and upstream that is slow, stops in the middle, or cuts.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub struct Proxy {
    pub port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    target: u16,
    /// Milliseconds from a connection's acceptance to its first byte.
    delay: AtomicU64,
    /// How many bytes more go from the upstream to the sidecar.
    allowance: AtomicUsize,
    open: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// Serves until the test's process ends.
    pub fn to(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let port = listener.local_addr().expect("address").port();
        let shared = Arc::new(Shared {
            target,
            delay: AtomicU64::new(0),
            allowance: AtomicUsize::new(usize::MAX),
            open: Mutex::default(),
        });
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&serving);
                std::thread::spawn(move || shared.serve(stream));
            }
        });
        Self { port, shared }
    }

    pub fn set_delay(&self, delay: Duration) {
        self.shared.delay.store(u64::try_from(delay.as_millis()).expect("short"), Ordering::SeqCst);
    }

    /// Lets `bytes` more of replies through, and no more.
    pub fn allow(&self, bytes: usize) {
        self.shared.allowance.store(bytes, Ordering::SeqCst);
    }

    pub fn has_let_all_through(&self) -> bool {
        self.shared.allowance.load(Ordering::SeqCst) == 0
    }

    /// Ends every connection; later ones are served as at the beginning.
    pub fn cut(&self) {
        for stream in self.shared.open.lock().expect("proxy").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        self.allow(usize::MAX);
    }
}

impl Shared {
    fn serve(&self, from: TcpStream) {
        std::thread::sleep(Duration::from_millis(self.delay.load(Ordering::SeqCst)));
        let Ok(to) = TcpStream::connect(("127.0.0.1", self.target)) else { return };
        let copy = |stream: &TcpStream| stream.try_clone().expect("clone");
        self.open.lock().expect("proxy").extend([copy(&from), copy(&to)]);
        std::thread::scope(|scope| {
            scope.spawn(|| pump(&from, &to, |wanted| wanted));
            pump(&to, &from, |wanted| {
                let take = |left: usize| Some(if left == usize::MAX { left } else { left - wanted.min(left) });
                let left = self.allowance.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).expect("always Some");
                wanted.min(left)
            });
        });
    }
}

/// Copies what it may until either side ends; what it may not is lost, and nothing follows it.
fn pump(mut from: &TcpStream, mut to: &TcpStream, may: impl Fn(usize) -> usize) {
    let mut chunk = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut chunk) {
        if to.write_all(&chunk[..may(count)]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
