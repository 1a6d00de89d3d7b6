//! What the integration tests stand on: a real redis-server behind TLS, the real sidecar in front of it, a client
//! of a few lines that hides nothing, and a tap on all that reaches the database.
//! Everything waits with a bound and ends by itself, also when a test panics.

// Each test file is a crate of its own and uses a part of this.
#![allow(dead_code, unused_imports)]

pub mod certs;
pub mod http;
pub mod newer;
pub mod program;
pub mod random;
pub mod raw;
pub mod same;
pub mod sidecar;
pub mod tap;
pub mod upstash;
pub mod upstream;

pub use newer::Newer;
pub use program::{Dice, compare, compare_settled, run_alike};
pub use raw::{Frame, Raw};
pub use sidecar::{Sidecar, encrypt_everything};
pub use tap::Tap;
pub use upstream::Upstream;

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// Every plaintext written under a protected key or channel contains this, so that one search finds any leak.
pub const MARKER: &str = "PLAINTEXT-MARKER";

/// How long a test waits for something that should be quick, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A loopback port nobody listens on. They are taken from below the range the kernel hands to outgoing connections,
/// starting at a place of this process's own, so that two tests running at the same time seldom meet.
pub fn free_port() -> u16 {
    const FIRST: u16 = 12_000;
    const COUNT: u16 = 20_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(u64::from(std::process::id()) * 131 % u64::from(COUNT)).expect("below COUNT");
    for _ in 0..COUNT {
        let offset = (start + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT) % COUNT;
        if TcpListener::bind(("127.0.0.1", FIRST + offset)).is_ok() {
            return FIRST + offset;
        }
    }
    panic!("no free port between {FIRST} and {}", FIRST + COUNT);
}

/// Asks again until the answer is yes; panics with `what` after PATIENCE.
pub fn wait_until(what: &str, mut ready: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !ready() {
        assert!(Instant::now() < end, "waited {PATIENCE:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A value with the marker in it that is easy to recognise in a failure.
pub fn secret(name: &str) -> Vec<u8> {
    format!("{MARKER} {name}").into_bytes()
}

pub fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
